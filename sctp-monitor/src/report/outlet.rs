//! Whole lines or none: what stands between a report and its file descriptor.
//!
//! A full disk takes the first half of a line and refuses the rest. Whoever writes the next line after that half spoils
//! two. So a report hands over everything that belongs together and flushes; what was begun is finished before anything
//! else is written, and what was not begun is dropped as a whole, with an error.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::fifo::Fifo;

/// Collects what is written until it is flushed, and then writes all of it, or nothing.
///
/// [`Write::write`] never fails, and blocks only when so much is collected that its first part goes out at once: a summary of
/// thousands of associations is not held as a whole. [`Write::flush`] may fail and block. An error of it means that nothing of
/// what was written since the last flush will ever appear. Without an error all of it has appeared, or the first part has, and
/// the rest goes out before anything else does: see [`Progress::is_torn`]. A reader that left takes the first part with it:
/// the rest is dropped, and the error is [`ErrorKind::BrokenPipe`].
#[derive(Debug)]
pub struct WholeLines<W> {
    out: W,
    lines: Vec<u8>,
    /// What is missing of a line that was begun.
    rest: Vec<u8>,
    /// What went out of what was written since the last flush.
    begun: Begun,
    progress: Progress,
}

/// How far it is with what was written since the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Begun {
    /// Nothing is out.
    #[default]
    No,
    /// The first part is out.
    Yes,
    /// The first part could not go out: all is collected, and [`Write::flush`] tries again.
    Refused,
    /// The first part is out, and no more could go: the rest is collected.
    Stuck,
}

impl<W: Write> WholeLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            lines: Vec::new(),
            rest: Vec::new(),
            begun: Begun::No,
            progress: Progress::default(),
        }
    }

    /// Tells another thread how far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Ends a line that somebody else left torn.
    #[must_use]
    fn on_a_new_line(mut self) -> Self {
        self.rest.push(b'\n');
        self
    }

    fn flush_rest(&mut self) -> io::Result<()> {
        let (written, result) = write_out(&mut self.out, &self.rest, &self.progress);
        self.rest.drain(..written);
        result
    }

    /// Lets the first part of what was collected go out.
    fn let_go(&mut self) {
        if self.begun == Begun::No {
            if self.flush_rest().is_err() {
                self.begun = Begun::Refused;
                return;
            }
            self.progress.torn.store(false, Ordering::Relaxed);
        }
        let (written, result) = write_out(&mut self.out, &self.lines, &self.progress);
        self.lines.drain(..written);
        let is_out = self.begun == Begun::Yes || written > 0;
        self.begun = match (is_out, result) {
            (true, Ok(())) => Begun::Yes,
            (true, Err(_)) => Begun::Stuck,
            (false, Ok(())) => Begun::No,
            (false, Err(_)) => Begun::Refused,
        };
        self.progress.torn.store(is_out, Ordering::Relaxed);
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.extend_from_slice(bytes);
        self.progress.step();
        if self.lines.len() >= HELD && matches!(self.begun, Begun::No | Begun::Yes) {
            self.let_go();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun);
        let is_out = matches!(begun, Begun::Yes | Begun::Stuck);
        if !is_out {
            if let Err(error) = self.flush_rest() {
                self.lines = Vec::new();
                return Err(error);
            }
            self.progress.torn.store(false, Ordering::Relaxed);
        }
        let (written, result) = write_out(&mut self.out, &self.lines, &self.progress);
        self.rest.extend_from_slice(&self.lines[written..]);
        self.lines.clear();
        self.lines.shrink_to(HELD);
        if let Err(error) = result
            && (written == 0 && !is_out || error.kind() == ErrorKind::BrokenPipe)
        {
            self.rest.clear();
            self.progress.torn.store(false, Ordering::Relaxed);
            return Err(error);
        }
        self.progress.torn.store(!self.rest.is_empty(), Ordering::Relaxed);
        Ok(())
    }
}

/// How far a writer is, for those who wait for it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    steps: Arc<AtomicU64>,
    torn: Arc<AtomicBool>,
}

impl Progress {
    /// A number that grows as long as something is composed or written.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Whether the last line was begun but not finished.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Relaxed)
    }

    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

/// A file descriptor that somebody else may have made non-blocking, as a shell does with a terminal that it shares.
#[derive(Debug)]
pub struct Descriptor(File);

impl Descriptor {
    /// A descriptor of the same open file: without the buffer of [`io::Stdout`], which keeps what it could not write, and
    /// without its lock, which a writer that hangs would hold for good.
    ///
    /// # Errors
    /// If no descriptor is free.
    pub fn of(stream: &impl AsFd) -> io::Result<Self> {
        let descriptor: OwnedFd = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(File::from(descriptor)))
    }
}

impl From<File> for Descriptor {
    fn from(file: File) -> Self {
        Self(file)
    }
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut waiting, PollTimeout::NONE)?;
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where lines are appended to.
#[derive(Debug)]
pub enum Sink {
    /// A file or a device.
    File(Descriptor),
    /// A FIFO, whose readers come and go.
    Fifo(Fifo),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Fifo(fifo) => fifo.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a file to append lines to, after what it holds already. A FIFO is opened when it has a reader, and until then it
/// refuses each line.
///
/// # Errors
/// If it cannot be opened.
pub fn append(path: &Path) -> io::Result<WholeLines<Sink>> {
    if Fifo::is_at(path) {
        return Ok(WholeLines::new(Sink::Fifo(Fifo::open(path)?)));
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let torn = file.metadata()?.is_file() && ends_torn(path).unwrap_or(false);
    let lines = WholeLines::new(Sink::File(Descriptor(file)));
    Ok(if torn { lines.on_a_new_line() } else { lines })
}

/// Whether an agent that wrote to this file ended in the middle of a line.
fn ends_torn(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Writes until an error: how much was written, and the error.
fn write_out(out: &mut impl Write, bytes: &[u8], progress: &Progress) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        let part = &bytes[written..];
        match out.write(&part[..part.len().min(PART)]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => {
                written += count;
                progress.step();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, out.flush())
}

/// So many bytes are collected before the first part of them goes out.
const HELD: usize = 1 << 20;

/// Bytes in one system call, so that who waits sees a slow reader take them: as much as a pipe holds.
const PART: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes before it is full.
    #[derive(Default)]
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&bytes[..count]);
            self.room -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
        writeln!(out, "{text}")?;
        out.flush()
    }

    #[test]
    fn a_torn_line_is_finished_before_the_next_one() {
        let mut disk = Disk {
            room: 9,
            ..Disk::default()
        };
        let mut out = WholeLines::new(&mut disk);
        let progress = out.progress();
        line(&mut out, "first").unwrap();
        line(&mut out, "second").unwrap();
        assert!(progress.is_torn());
        assert_eq!(
            line(&mut out, "third").unwrap_err().kind(),
            ErrorKind::StorageFull
        );
        out.out.room = 100;
        line(&mut out, "fourth").unwrap();
        assert!(!progress.is_torn());
        assert_eq!(disk.content, b"first\nsecond\nfourth\n");
    }

    #[test]
    fn a_line_that_was_not_begun_is_dropped() {
        let mut disk = Disk {
            room: 6,
            ..Disk::default()
        };
        let mut out = WholeLines::new(&mut disk);
        line(&mut out, "first").unwrap();
        line(&mut out, "second").unwrap_err();
        assert!(!out.progress().is_torn());
        out.out.room = 6;
        line(&mut out, "third").unwrap();
        assert_eq!(disk.content, b"first\nthird\n");
    }

    /// A line of so many bytes.
    fn long(out: &mut impl Write, bytes: usize) -> io::Result<()> {
        for _ in 0..bytes / 64 {
            out.write_all(&[b'x'; 64]).unwrap();
        }
        line(out, "")
    }

    #[test]
    fn a_long_line_is_not_held_as_a_whole() {
        let mut disk = Disk {
            room: usize::MAX,
            ..Disk::default()
        };
        let mut out = WholeLines::new(&mut disk);
        let progress = out.progress();
        long(&mut out, 8 * HELD).unwrap();
        assert!(out.lines.capacity() <= 2 * HELD, "{} bytes", out.lines.capacity());
        assert!(!progress.is_torn());
        line(&mut out, "next").unwrap();
        assert_eq!(disk.content.len(), 8 * HELD + 1 + 5);
    }

    #[test]
    fn a_long_line_is_torn_or_dropped_like_a_short_one() {
        let whole = 3 * HELD + 1;
        for room in [0, 1, HELD - 1, HELD, HELD + 1, 2 * HELD + 9, whole - 1, whole] {
            let mut disk = Disk {
                room,
                ..Disk::default()
            };
            let mut out = WholeLines::new(&mut disk);
            let progress = out.progress();
            let result = long(&mut out, 3 * HELD);
            assert_eq!(result.is_err(), room == 0, "room for {room} bytes");
            assert_eq!(
                progress.is_torn(),
                room > 0 && room < whole,
                "room for {room} bytes"
            );
            out.out.room = 2 * whole;
            line(&mut out, "next").unwrap();
            let first = if room == 0 { 0 } else { whole };
            assert_eq!(disk.content.len(), first + 5, "room for {room} bytes");
            assert!(disk.content.ends_with(b"next\n"));
        }
    }

    #[test]
    fn progress_is_seen_while_lines_are_composed_and_written() {
        let mut disk = Disk {
            room: 100,
            ..Disk::default()
        };
        let mut out = WholeLines::new(&mut disk);
        let progress = out.progress();
        let before = progress.steps();
        out.write_all(b"first\n").unwrap();
        let composed = progress.steps();
        assert!(composed > before);
        out.flush().unwrap();
        assert!(progress.steps() > composed);
    }

    #[test]
    fn a_file_that_ends_in_a_torn_line_goes_on_with_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        for (before, after) in [
            ("", "new\n"),
            ("whole\n", "whole\nnew\n"),
            ("{\"to", "{\"to\nnew\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            line(&mut append(&path).unwrap(), "new").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn a_full_device_refuses_each_line() {
        let mut out = append(Path::new("/dev/full")).unwrap();
        for _ in 0..2 {
            assert_eq!(line(&mut out, "lost").unwrap_err().kind(), ErrorKind::StorageFull);
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_at_once() {
        assert_eq!(
            append(Path::new("/nowhere/events")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}
