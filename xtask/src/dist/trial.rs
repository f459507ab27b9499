//! The packages as a machine meets them: installed, run, upgraded and removed in a scratch folder, and judged by lintian and
//! systemd-analyze.
//!
//! The folder has a shell (busybox) and nothing else, so what is installed must need nothing else either. It all runs in a network
//! namespace of its own: `detach`, which the removal calls, sees no NIC of this machine.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};

use super::packages::of_kind;
use crate::cargo::{require_root, root, target};

/// Tries both packages.
pub(super) fn trial(out: &Path) -> anyhow::Result<()> {
    require_root("dist --test")?;
    let deb = of_kind(out, "deb")?.canonicalize()?;
    let rpm = of_kind(out, "rpm")?.canonicalize()?;
    lintian(&deb)?;
    unit()?;
    let folder = Scratch::new("deb")?;
    try_deb(&folder, &deb)?;
    let folder = Scratch::new("rpm")?;
    try_rpm(&folder, &rpm)
}

fn lintian(deb: &Path) -> anyhow::Result<()> {
    said(
        Command::new("lintian")
            .args(["--fail-on", "error,warning"])
            .arg(deb),
    )?;
    println!("lintian: nothing to say");
    Ok(())
}

fn unit() -> anyhow::Result<()> {
    let unit = root().join("packaging/sctp-monitor.service").canonicalize()?;
    let score = said(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(&unit),
    )?;
    let score = score.lines().last().unwrap_or_default();
    println!(
        "systemd-analyze security: {}",
        score.trim_start_matches(|c: char| !c.is_ascii_alphabetic())
    );
    Ok(())
}

/// A folder that is a machine's root.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> anyhow::Result<Self> {
        let folder = target("dist-test").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for made in [
            "bin",
            "dev",
            "proc",
            "tmp",
            "run",
            "etc",
            "usr/bin",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            UNITS,
        ] {
            fs::create_dir_all(folder.join(made))?;
        }
        fs::copy("/bin/busybox", folder.join("bin/busybox")).context("busybox-static is not installed")?;
        for tool in ["sh", "rm", "true"] {
            symlink("busybox", folder.join("bin").join(tool))?;
        }
        for unit in ["sysinit", "basic", "shutdown", "network-pre", "multi-user"] {
            fs::write(folder.join(UNITS).join(unit).with_extension("target"), "[Unit]\n")?;
        }
        // The scratch machine has no users to make.
        let sysusers = folder.join("bin/systemd-sysusers");
        fs::write(&sysusers, "#!/bin/sh\n")?;
        fs::set_permissions(&sysusers, fs::Permissions::from_mode(0o755))?;
        fs::write(folder.join("var/lib/dpkg/status"), "")?;
        Ok(Self(folder.canonicalize()?))
    }

    fn has(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }

    /// Calls the installed program, with this folder as its root.
    fn call(&self, arguments: &[&str]) -> anyhow::Result<String> {
        said(
            alone(&self.0, "chroot")
                .arg(&self.0)
                .arg("/usr/bin/sctp-monitor")
                .args(arguments),
        )
    }

    /// What must be there, and work.
    fn is_installed(&self) -> anyhow::Result<()> {
        for file in INSTALLED {
            ensure!(self.has(file), "{file} is not installed");
        }
        let config = fs::metadata(self.0.join(CONFIG))?;
        ensure!(
            config.permissions().mode() & 0o022 == 0,
            "others may write the configuration"
        );
        let version = self.call(&["--version"])?;
        ensure!(
            version == format!("sctp-monitor {}\n", env!("CARGO_PKG_VERSION")),
            "{version}"
        );
        self.call(&["config", "check"]).map(drop)
    }

    /// What must be gone.
    fn is_removed(&self) -> anyhow::Result<()> {
        for file in INSTALLED.iter().filter(|file| **file != CONFIG) {
            ensure!(!self.has(file), "{file} is left");
        }
        Ok(())
    }
}

fn try_deb(folder: &Scratch, deb: &Path) -> anyhow::Result<()> {
    let dpkg = |action: &str, what: &Path| {
        let mut command = alone(&folder.0, "dpkg");
        command
            .arg(format!("--root={}", folder.0.display()))
            .arg("--force-depends");
        said(command.arg(action).arg(what))
    };
    dpkg("--install", deb)?;
    folder.is_installed()?;
    let verified = ["verify", "--man=no", "sctp-monitor.service"];
    said(
        Command::new("systemd-analyze")
            .arg(format!("--root={}", folder.0.display()))
            .args(verified),
    )?;
    println!("systemd-analyze verify: nothing to say");
    let config = folder.0.join(CONFIG);
    fs::write(&config, "[run]\nformat = \"json\"\n")?;
    dpkg("--install", deb)?;
    folder.is_installed()?;
    ensure!(
        fs::read_to_string(&config)?.starts_with("[run]\nformat"),
        "an upgrade has overwritten the configuration"
    );
    let removal = dpkg("--remove", Path::new("sctp-monitor"))?;
    ensure!(
        removal.contains("nothing to remove"),
        "the removal should call `detach`: {removal}"
    );
    folder.is_removed()?;
    ensure!(
        config.exists(),
        "a removal keeps the configuration, a purge removes it"
    );
    dpkg("--purge", Path::new("sctp-monitor"))?;
    ensure!(!config.exists(), "the configuration is left");
    println!("deb: installed, run, upgraded, removed and purged");
    Ok(())
}

fn try_rpm(folder: &Scratch, rpm: &Path) -> anyhow::Result<()> {
    let call = |arguments: &[&str], what: &Path| {
        let mut command = alone(&folder.0, "rpm");
        command.arg("--root").arg(&folder.0).args(["--nodeps"]);
        said(command.args(arguments).arg(what))
    };
    call(&["--install"], rpm)?;
    folder.is_installed()?;
    call(&["--upgrade", "--replacepkgs"], rpm)?;
    folder.is_installed()?;
    call(&["--erase"], Path::new("sctp-monitor"))?;
    folder.is_removed()?;
    println!("rpm: installed, run, upgraded and removed");
    Ok(())
}

/// A command without this machine's NICs, and with its processes in the scratch folder.
fn alone(folder: &Path, program: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args([
            "--net",
            "--mount",
            "sh",
            "-c",
            "mount --bind /proc \"$0/proc\" && exec \"$@\"",
        ])
        .arg(folder)
        .arg(program);
    command
}

/// Runs a command, and gives what it says.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} did not start"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}):\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(text)
}

const UNITS: &str = "usr/lib/systemd/system";

const CONFIG: &str = "etc/sctp-monitor/config.toml";

const INSTALLED: [&str; 7] = [
    "usr/bin/sctp-monitor",
    CONFIG,
    "usr/lib/systemd/system/sctp-monitor.service",
    "usr/lib/sysusers.d/sctp-monitor.conf",
    "usr/share/man/man8/sctp-monitor.8.gz",
    "usr/share/man/man8/sctp-monitor-run.8.gz",
    "usr/share/bash-completion/completions/sctp-monitor",
];
