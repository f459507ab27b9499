//! FRR's bfdd (RFC 5880, RFC 5881) at both ends, with a session for each pair of addresses on the same NICs.
//!
//! It runs without zebra, which it needs for nothing that is measured here, and tells by its log when a session changes.

use std::{
    fmt::Write as _,
    fs::{self, File, Permissions},
    io::ErrorKind,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use jiff::{civil::DateTime, tz::TimeZone};
use sctp_monitor_lab::{Lab, Namespace, clock::wall_clock_offset_ns, wait};
use tempfile::TempDir;

use crate::watcher::{Change, State, Watcher};

/// A bfdd at each host.
pub(crate) struct Bfdd {
    near: Daemon,
    far: Daemon,
    paths: u16,
    offset_ns: u64,
}

/// A process that ends with this value.
struct Daemon {
    process: Child,
    folder: TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bfdd {
    /// With so many sessions, half of them on each NIC: three packets in a row that stay out are a failure.
    pub(crate) fn start(lab: &Lab, paths: u16, interval: Duration) -> anyhow::Result<Self> {
        let pairs: Vec<_> = [1, 2]
            .into_iter()
            .flat_map(|path| (0..paths / 2).map(move |number| (path, number)))
            .collect();
        let [near, far] = [("mme", 1), ("hss", 2)].map(|(host, side)| {
            let namespace = lab.host(host);
            let mut addresses = String::new();
            let mut peers = String::new();
            for (path, number) in &pairs {
                let [own, other] = [side, 3 - side].map(|side| format!("10.{}.{number}.{side}", 10 + path));
                writeln!(addresses, "addr add {own}/24 dev path{path}")?;
                write!(
                    peers,
                    " peer {other} local-address {own}\n  detect-multiplier 3\n  receive-interval {0}\n  transmit-interval {0}\n !\n",
                    interval.as_millis()
                )?;
            }
            ip(namespace, &addresses)?;
            Daemon::start(namespace, &peers)
        });
        let watcher = Self {
            near: near?,
            far: far?,
            paths,
            offset_ns: wall_clock_offset_ns(),
        };
        // A mistake in what it is told shows at once.
        wait::until(SOON, || watcher.near.is_listening().then_some(())).context("bfdd did not begin")?;
        Ok(watcher)
    }
}

impl Watcher for Bfdd {
    fn name(&self) -> &'static str {
        "bfdd"
    }

    fn paths(&self) -> usize {
        usize::from(self.paths)
    }

    fn changes(&self) -> anyhow::Result<Vec<Change>> {
        let log = fs::read_to_string(self.near.log())?;
        let lines = log.lines().filter(|line| line.contains("state-change: "));
        lines.map(|line| change(line, self.offset_ns)).collect()
    }

    fn processes(&self) -> [u32; 2] {
        [self.near.process.id(), self.far.process.id()]
    }
}

impl Daemon {
    fn start(namespace: &Namespace, peers: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bfdd").tempdir()?;
        // It works as a user of its own.
        fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
        let file = |name: &str| folder.path().join(name);
        fs::write(
            file("conf"),
            format!("log stdout\nlog timestamp precision 6\ndebug bfd peer\nbfd\n{peers}!\n"),
        )?;
        let log = File::create(file("log"))?;
        let mut command = namespace.command(BFDD);
        command
            .env("TZ", "UTC")
            .args(["-P", "0"])
            .arg("-f")
            .arg(file("conf"))
            .arg("-i")
            .arg(file("pid"))
            .arg("-z")
            .arg(file("zebra"))
            .arg("--vty_socket")
            .arg(folder.path())
            .arg("--bfdctl")
            .arg(file("control"))
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log);
        let process = command
            .spawn()
            .with_context(|| format!("{BFDD} cannot be started"))?;
        Ok(Self { process, folder })
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    fn is_listening(&self) -> bool {
        let path: &Path = &self.folder.path().join("control");
        path.exists()
    }
}

/// Whether it is installed.
pub(crate) fn is_installed() -> bool {
    Path::new(BFDD).exists()
}

/// `2026/11/30 10:12:28.214560 BFD: [SEY1D-NT8EQ] state-change: [mhop:no peer:10.1.1.2 local:10.1.1.1 vrf:default] up -> down
/// reason:neighbor-down`
fn change(line: &str, offset_ns: u64) -> anyhow::Result<Change> {
    let parts = || {
        let time = line.get(..26)?;
        let (_, rest) = line.split_once("peer:")?;
        let (peer, rest) = rest.split_once(' ')?;
        let (_, states) = rest.split_once(" -> ")?;
        Some((time, peer, states.split(' ').next()?))
    };
    let (time, peer, state) = parts().with_context(|| format!("a line in another form: {line}"))?;
    let time = DateTime::strptime("%Y/%m/%d %H:%M:%S%.f", time)?.to_zoned(TimeZone::UTC)?;
    let wall_ns = time.timestamp().as_nanosecond();
    Ok(Change {
        at_ns: u64::try_from(wall_ns - i128::from(offset_ns))?,
        path: peer.to_owned(),
        is_struck: peer.starts_with(STRUCK),
        now: match state {
            "up" => State::Up,
            "down" => State::Down,
            _ => State::Doubt,
        },
    })
}

/// Runs lines of `ip -batch`.
fn ip(namespace: &Namespace, script: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script");
    fs::write(&file, script)?;
    let mut command: Command = namespace.command("ip");
    let status = command.arg("-batch").arg(&file).status();
    let status = status.map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("`ip` is not installed; run `cargo xtask setup`"),
        _ => error.into(),
    })?;
    ensure!(status.success(), "`ip` refused:\n{script}");
    Ok(())
}

/// Debian's package frr does not put it into the path.
const BFDD: &str = "/usr/lib/frr/bfdd";
/// What the addresses on the NIC begin with whose network is broken.
const STRUCK: &str = "10.11.";
const SOON: Duration = Duration::from_secs(20);
