//! Running the system's own tools (`ip`, `nft`, `tshark`) with a script on standard input, and saying what to do when one
//! of them is missing or refuses.

use std::io::{self, Write as _};
use std::process::{Command, ExitStatus, Stdio};

/// A system tool could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The program is not installed.
    #[error("`{program}` is not installed; run `cargo xtask setup`")]
    Missing {
        /// The name of the program.
        program: String,
    },
    /// The program could not be started or fed.
    #[error("cannot run `{program}`; the lab must run as root")]
    Run {
        /// The name of the program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("`{command}` failed ({status}): {message}{}", script_of(script))]
    Failed {
        /// The command line.
        command: String,
        /// The exit status.
        status: ExitStatus,
        /// Its standard error.
        message: String,
        /// What it read on standard input; its message may name a line of it.
        script: String,
    },
}

/// Runs `command` to its end with `script` as standard input and returns its standard output.
pub(crate) fn run(command: &mut Command, script: &str) -> Result<String, ToolError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed_to_run = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ToolError::Missing {
            program: program.clone(),
        },
        _ => ToolError::Run {
            program: program.clone(),
            source,
        },
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed_to_run)?;
    // Scripts are a few kilobytes: they fit the pipe, and the tools read all of it before they answer.
    let mut stdin = child.stdin.take().expect("standard input was piped above");
    let written = stdin.write_all(script.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(failed_to_run)?;
    if !output.status.success() {
        return Err(ToolError::Failed {
            command: format!("{command:?}"),
            status: output.status,
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            script: script.to_owned(),
        });
    }
    written.map_err(failed_to_run)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn script_of(script: &str) -> String {
    if script.is_empty() {
        String::new()
    } else {
        format!("\nits input was:\n{script}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_goes_in_and_the_answer_comes_out() {
        assert_eq!(run(&mut Command::new("cat"), "one\ntwo\n").unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_missing_program_says_what_to_run() {
        let error = run(&mut Command::new("sm-no-such-program"), "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sm-no-such-program` is not installed; run `cargo xtask setup`"
        );
    }

    #[test]
    fn a_failure_carries_the_tools_words_and_its_input() {
        let error = run(
            Command::new("sh").args(["-c", "cat >&2; exit 3"]),
            "no such device",
        )
        .unwrap_err();
        assert!(
            matches!(&error, ToolError::Failed { message, .. } if message == "no such device"),
            "{error}"
        );
    }
}
