//! One guest: started, listened to, and ended when it hangs.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use anyhow::Context as _;

use super::{initramfs::initramfs, kernels::Image};

/// The machine: software emulation, the kernel started by PVH, the host's files over 9p, two serial ports.
///
/// The first serial port is the kernel's console and goes to a file, the second is standard output.
pub(crate) fn qemu(image: &Image, script: &Path, console: &Path, cpus: usize) -> anyhow::Result<Command> {
    let initramfs = initramfs(image)?;
    // An emulator must not outlive whoever waits for it.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none"])
        .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"])
        .args(["-m", "2048", "-smp", &cpus.to_string()])
        .arg("-kernel")
        .arg(image.vmlinux())
        .arg("-initrd")
        .arg(initramfs)
        .arg("-append")
        .arg(format!("{COMMAND_LINE} vm.script={}", script.display()))
        .args([
            "-fsdev",
            "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        ])
        .args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio"]);
    Ok(command)
}

/// `panic=-1` with `-no-reboot` ends the emulator when the kernel panics. The emulated clock is good enough, and its
/// watchdogs only measure how busy the host is.
const COMMAND_LINE: &str = "console=ttyS0 loglevel=5 panic=-1 tsc=reliable no_timer_check nowatchdog \
                            rcupdate.rcu_cpu_stall_suppress=1 mitigations=off audit=0 apparmor=0";

/// How a process that was listened to has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Itself,
    /// It was killed at the deadline; these were its last lines.
    Hung(Vec<String>),
}

/// Runs a command, hands on each line that it writes, and kills it at the deadline.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn listen(
    command: &mut Command,
    deadline: Duration,
    mut on_line: impl FnMut(&str),
) -> anyhow::Result<End> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?} did not start"))?;
    let output = child.stdout.take().context("it has no output")?;
    let child = Mutex::new(child);
    let to_kill = &child;
    let mut last = VecDeque::new();
    let (ended, end) = mpsc::channel();
    let hung = std::thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            let hung = end.recv_timeout(deadline).is_err();
            if hung {
                kill(to_kill);
            }
            hung
        });
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // A line may hold anything, and the last one may have no end.
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if last.len() == LINES_KEPT {
                last.pop_front();
            }
            last.push_back(text.to_owned());
            on_line(text);
            line.clear();
        }
        // If the watchdog has gone, it has killed the process.
        let _ = ended.send(());
        watchdog.join().unwrap_or(true)
    });
    child
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .wait()?;
    Ok(if hung { End::Hung(last.into()) } else { End::Itself })
}

/// Nobody has waited for it yet, so its id is still its own.
fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = child.kill() {
        eprintln!("vm: process {} cannot be killed: {error}", child.id());
    }
}

/// Enough to see what a guest was doing when it hung.
const LINES_KEPT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn every_line_is_heard() {
        let mut lines = Vec::new();
        let end = listen(&mut shell("printf 'one\\r\\n\\377\\nthree'"), MINUTE, |line| {
            lines.push(line.to_owned());
        });
        assert_eq!(end.unwrap(), End::Itself);
        assert_eq!(lines, ["one", "\u{fffd}", "three"]);
    }

    #[test]
    fn what_hangs_is_killed_and_its_last_words_are_kept() {
        let end = listen(
            &mut shell("echo up; printf 'test hangs ... '; exec sleep 1000"),
            Duration::from_millis(300),
            |_| {},
        );
        assert_eq!(
            end.unwrap(),
            End::Hung(vec!["up".to_owned(), "test hangs ...".to_owned()])
        );
    }

    const MINUTE: Duration = Duration::from_secs(60);
}
