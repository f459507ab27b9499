//! What really went over an interface: tcpdump into a file, complete from the moment [`Capture::start`] returns to the
//! moment [`Capture::stop`] is called.
//!
//! tcpdump must not lose packets. In immediate mode each one takes a slot as large as the snapshot length, so the length
//! is held just above the MTU and the buffer is large; what is lost all the same makes `stop` fail, because a capture
//! with holes proves nothing.

use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use sctp_monitor_testkit::dissect::{self, Packet, UnreadableLine};

use crate::clock::wall_clock_offset_ns;
use crate::folder::Folder;
use crate::netns::Namespace;
use crate::tool::{self, ToolError};
use crate::wait;

/// A running tcpdump; dropping it ends it and forgets the file.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Tcpdump,
    recording: Recording,
}

/// A finished capture; the file is removed on drop.
#[derive(Debug)]
pub struct Recording {
    folder: Folder,
    wall_clock_offset_ns: u64,
}

/// A capture could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No folder for the file.
    #[error("cannot make a folder for the capture in {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// tcpdump could not be started.
    #[error("cannot run `tcpdump`; run `cargo xtask setup`, and the lab must run as root")]
    Start(#[source] io::Error),
    /// tcpdump ended by itself.
    #[error("tcpdump ended: {message}")]
    Ended {
        /// The words of its standard error.
        message: String,
    },
    /// Packets were lost between the kernel and tcpdump, or not all were read in time.
    #[error("the capture is not complete: {counts}")]
    Incomplete {
        /// tcpdump's last account.
        counts: String,
    },
    /// tshark could not read the file.
    #[error("cannot dissect the capture")]
    Dissect(#[source] ToolError),
    /// tshark's answer has a line that this crate does not understand.
    #[error(transparent)]
    Line(#[from] UnreadableLine),
}

impl Capture {
    /// Captures every frame on an interface of `namespace`, in both directions.
    ///
    /// # Errors
    /// When tcpdump is missing, or there is no such interface.
    pub fn start(namespace: &Namespace, interface: &str) -> Result<Self, CaptureError> {
        let folder =
            Folder::new("capture").map_err(|(folder, source)| CaptureError::Folder { folder, source })?;
        let recording = Recording {
            folder,
            wall_clock_offset_ns: wall_clock_offset_ns(),
        };
        let mut child = namespace
            .command("tcpdump")
            .args([
                "-n",
                "-U",
                "--immediate-mode",
                "--time-stamp-precision=nano",
                "-Z",
                "root",
            ])
            .args(["-s", SNAPSHOT_LENGTH, "-B", BUFFER_KIB, "-i", interface, "-w"])
            .arg(recording.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(CaptureError::Start)?;
        let stderr = BufReader::new(child.stderr.take().expect("standard error was piped above"));
        let mut tcpdump = Tcpdump { child, stderr };
        tcpdump.read_until("listening on")?;
        Ok(Self { tcpdump, recording })
    }

    /// Ends the capture after everything that was on the interface so far has been written.
    ///
    /// # Errors
    /// When tcpdump died, or lost packets.
    pub fn stop(mut self) -> Result<Recording, CaptureError> {
        let mut counts = self.tcpdump.counts()?;
        let goal = counts.received;
        wait::until(READ_WITHIN, || {
            if counts.captured + counts.dropped >= goal {
                return Some(Ok(()));
            }
            self.tcpdump.counts().map(|next| counts = next).err().map(Err)
        })
        .unwrap_or_else(|_| {
            Err(CaptureError::Incomplete {
                counts: counts.line.clone(),
            })
        })?;
        self.tcpdump.signal(Signal::SIGINT);
        let _ = self.tcpdump.child.wait();
        if counts.dropped > 0 {
            return Err(CaptureError::Incomplete { counts: counts.line });
        }
        Ok(self.recording)
    }
}

impl Recording {
    /// The pcap file (nanosecond time stamps); gone when the recording is dropped.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("capture.pcap")
    }

    /// Its SCTP packets, as tshark dissects them, in the order of the file. Packets quoted in ICMP errors do not count.
    ///
    /// # Errors
    /// When tshark is missing or fails.
    pub fn packets(&self) -> Result<Vec<Packet>, CaptureError> {
        let mut tshark = Command::new("tshark");
        tshark
            .arg("-r")
            .arg(self.path())
            .args(dissect::tshark_arguments());
        let answer = tool::run(&mut tshark, "").map_err(CaptureError::Dissect)?;
        Ok(dissect::packets(&answer, self.wall_clock_offset_ns)?)
    }
}

#[derive(Debug)]
struct Tcpdump {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

/// tcpdump's account of itself, which it writes on SIGUSR1.
#[derive(Debug)]
struct Counts {
    line: String,
    captured: u64,
    received: u64,
    dropped: u64,
}

impl Tcpdump {
    fn counts(&mut self) -> Result<Counts, CaptureError> {
        self.signal(Signal::SIGUSR1);
        let line = self.read_until("dropped by kernel")?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        match numbers[..] {
            // Drops by the interface itself may follow.
            [captured, received, dropped, ..] => Ok(Counts {
                line,
                captured,
                received,
                dropped,
            }),
            _ => Err(CaptureError::Ended { message: line }),
        }
    }

    fn read_until(&mut self, awaited: &str) -> Result<String, CaptureError> {
        let mut message = String::new();
        loop {
            let mut line = String::new();
            match self.stderr.read_line(&mut line) {
                Ok(0) => return Err(CaptureError::Ended { message }),
                Ok(_) if line.contains(awaited) => return Ok(line.trim().to_owned()),
                Ok(_) => message += &line,
                Err(error) => {
                    return Err(CaptureError::Ended {
                        message: error.to_string(),
                    });
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id is an int");
        // The child has not been waited for, so the id is still its own; that it has ended shows at its pipe.
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), signal);
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        // Both fail only for a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Above the MTU of a veth with its Ethernet header, below the next power of two of a ring slot.
const SNAPSHOT_LENGTH: &str = "2000";

/// 64 MiB: some ten thousand packets wait while tcpdump waits for a CPU.
const BUFFER_KIB: &str = "65536";

/// Reading what is in the buffer takes milliseconds.
const READ_WITHIN: Duration = Duration::from_secs(10);
