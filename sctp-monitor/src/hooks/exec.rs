//! A program that is run for each incident: the JSON line on its standard input, the main values in its environment.

use std::{
    io::{self, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use super::{Deliver, Notice};
use crate::clock;

/// The program and its arguments.
#[derive(Debug)]
pub(super) struct Exec {
    program: String,
    arguments: Vec<String>,
}

impl Exec {
    /// `None` if there is none.
    pub(super) fn new(words: &[String]) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        Some(Self {
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }

    fn start(&self, notice: &Notice) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in notice.fields() {
            command.env(format!("SCTP_MONITOR_{}", name.to_uppercase()), value);
        }
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A pipe holds far more than one line; a program that reads nothing is no fault.
            let _ = writeln!(stdin, "{}", notice.json);
        }
        Ok(child)
    }
}

impl Deliver for Exec {
    fn deliver(&mut self, notice: &Notice) -> Result<(), String> {
        let program = &self.program;
        let mut child = self
            .start(notice)
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        match ended(&mut child) {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(format!("{program}: {status}")),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!(
                    "{program} was ended: it took longer than {} s",
                    LONGEST.as_secs()
                ))
            }
            Err(error) => Err(format!("{program}: {error}")),
        }
    }
}

/// How it ended; `None` if it did not in time.
fn ended(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let mut waited = Duration::ZERO;
    while waited < LONGEST {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        clock::wait(LOOK);
        waited += LOOK;
    }
    Ok(None)
}

const LOOK: Duration = Duration::from_millis(20);

/// How long a program may take.
const LONGEST: Duration = Duration::from_secs(30);
