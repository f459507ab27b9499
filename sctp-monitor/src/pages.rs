//! Man pages and completions of shells, made of the command line itself, so that they say what `--help` says.
//!
//! `cargo xtask dist` calls it (a hidden command) and puts what it writes into the packages.

use std::{fs, path::Path};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

use crate::cli::Cli;

/// Writes the man pages into `man` and the completions into `completions`, below `folder`.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let pages = folder.join("man");
    let completions = folder.join("completions");
    for made in [&pages, &completions] {
        fs::create_dir_all(made).with_context(|| made.display().to_string())?;
    }
    for (name, page) in man_pages()? {
        let path = pages.join(name);
        fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), NAME, &completions)
            .with_context(|| completions.display().to_string())?;
    }
    Ok(())
}

/// A page for the program and one for each of its commands, by file name.
fn man_pages() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let commands: Vec<_> = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| {
            let name = format!("{NAME}-{}", command.get_name());
            command.clone().display_name(name)
        })
        .collect();
    std::iter::once(program).chain(commands).map(man_page).collect()
}

fn man_page(command: Command) -> anyhow::Result<(String, Vec<u8>)> {
    let name = command.get_display_name().unwrap_or(NAME).to_owned();
    let mut page = Vec::new();
    Man::new(command)
        .section(SECTION)
        .manual("System administration")
        .render(&mut page)?;
    Ok((format!("{name}.{SECTION}"), page))
}

const NAME: &str = "sctp-monitor";

/// Commands that root calls.
const SECTION: &str = "8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_help_shows_has_a_page_and_a_completion() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
        let program = read("man/sctp-monitor.8");
        let bash = read("completions/sctp-monitor.bash");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            if command.is_hide_set() {
                let page = folder.path().join(format!("man/sctp-monitor-{name}.8"));
                assert!(!page.exists(), "{name} is nobody's business");
                continue;
            }
            let page = read(&format!("man/sctp-monitor-{name}.8"));
            assert!(page.contains(&format!(".TH sctp-monitor-{name} 8")), "{page}");
            assert!(
                program.contains(&format!("sctp\\-monitor\\-{name}(8)")),
                "{name}: {program}"
            );
            assert!(bash.contains(&format!("sctp__monitor__subcmd__{name}")), "{name}");
        }
        assert!(read("man/sctp-monitor-run.8").contains("NIC to watch, or a pattern"));
        assert!(read("completions/_sctp-monitor").starts_with("#compdef sctp-monitor"));
        assert!(read("completions/sctp-monitor.fish").contains("explain"));
    }
}
