//! The configuration file: TOML, with what is watched in the table `run`, the HTTP server in `web`, what is kept of what was in
//! `history`, who is told in `hooks`, the detector's constants in `detector`, how paths are probed
//! in `probe`, and what is done with the packets of failed paths in `steering`.
//!
//! Whatever is wrong with it is told with the file, the line, and what would be right: an agent that silently judges by
//! other values than those in its file is worse than one that does not start.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use nix::unistd::geteuid;
use schemars::{JsonSchema, schema_for};
use sctp_monitor_engine::config::{Config, ConfigError, ProbeConfig, Steering};
use serde::Deserialize;
use toml::{Spanned, de::DeTable};

use crate::{
    cli::{ConfigArgs, ConfigVerb},
    history::HistorySettings,
    hooks::HooksSettings,
    settings::Settings,
    web::WebSettings,
};

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FileError {
    /// The file.
    path: PathBuf,
    /// What is wrong with it.
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Unreadable(io::Error),
    /// Somebody else than root may write it, and root is asked to follow it.
    NotTrusted,
    /// No TOML, an unknown key, or a value of another type; says the line itself.
    NotUnderstood(toml::de::Error),
    /// A value that makes no sense, in a table.
    Senseless {
        table: &'static str,
        line: Option<usize>,
        error: ConfigError,
    },
}

/// The detector's configuration in a file; the defaults if there is none. Nothing is probed or steered.
///
/// # Errors
/// [`FileError`].
pub fn detector(path: Option<&Path>) -> Result<Config, FileError> {
    let Some(path) = path else {
        return Ok(Config::default());
    };
    let (config, _) = parse_file(path)?;
    Ok(Config {
        probe: ProbeConfig::default(),
        steering: Steering::default(),
        ..config
    })
}

/// All that a file says; the defaults if there is none. If no file is named, that of this host is read if there is one.
///
/// # Errors
/// [`FileError`]; also if this is root, and somebody else may write the file.
pub fn read(path: Option<&Path>) -> Result<(Config, Settings), FileError> {
    let Some(path) = path.or(of_this_host()) else {
        return Ok((Config::default(), Settings::default()));
    };
    trust(path).map_err(|problem| FileError {
        path: path.to_owned(),
        problem,
    })?;
    parse_file(path)
}

/// The file of this host, if there is one.
#[must_use]
pub fn of_this_host() -> Option<&'static Path> {
    Some(Path::new(HOST)).filter(|path| path.exists())
}

fn parse_file(path: &Path) -> Result<(Config, Settings), FileError> {
    fs::read_to_string(path)
        .map_err(Problem::Unreadable)
        .and_then(|text| parse(&text))
        .map_err(|problem| FileError {
            path: path.to_owned(),
            problem,
        })
}

/// Root follows no file that others may write.
fn trust(path: &Path) -> Result<(), Problem> {
    match is_trusted(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::NotTrusted),
        Err(error) => Err(Problem::Unreadable(error)),
    }
}

/// Whether this process may follow a file: if it is root, nobody else may write it.
///
/// # Errors
/// If the file is not there.
pub(crate) fn is_trusted(path: &Path) -> io::Result<bool> {
    let found = fs::metadata(path)?;
    let is_others = found.uid() != 0 || found.mode() & 0o022 != 0;
    Ok(!(geteuid().is_root() && found.is_file() && is_others))
}

/// `sctp-monitor config`: says what `run` makes of a file, or prints one.
///
/// # Errors
/// [`FileError`]; what cannot be written.
pub fn config(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match &args.verb {
        ConfigVerb::Default => write!(out, "{}", defaults())?,
        ConfigVerb::Schema => writeln!(out, "{:#}", schema_for!(File).as_value())?,
        ConfigVerb::Check { file } => {
            let path = file.as_deref().unwrap_or(Path::new(HOST));
            read(Some(path))?;
            writeln!(out, "{}: run would take it", path.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file with every key at its default, and what each means: the one in docs/configuration.md.
fn defaults() -> &'static str {
    let page = include_str!("../../docs/configuration.md");
    let block = page
        .split_once("```toml\n")
        .and_then(|(_, rest)| rest.split_once("```"));
    block.map_or("", |(block, _)| block)
}

/// Where `run` looks for it.
const HOST: &str = "/etc/sctp-monitor/config.toml";

/// All that a file may say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Configuration of sctp-monitor")]
struct File {
    /// What is watched, and how.
    run: Settings,
    /// The HTTP server.
    web: WebSettings,
    /// What is kept of the past.
    history: HistorySettings,
    /// Who is told of incidents.
    hooks: HooksSettings,
    /// How paths and associations are judged.
    detector: Config,
    /// How paths are probed.
    probe: ProbeConfig,
    /// What is done with the packets of failed paths.
    steering: Steering,
}

fn parse(text: &str) -> Result<(Config, Settings), Problem> {
    let File {
        run,
        web,
        history,
        hooks,
        detector,
        probe,
        steering,
    } = toml::from_str(text).map_err(Problem::NotUnderstood)?;
    let senseless = |table| {
        move |error: ConfigError| Problem::Senseless {
            table,
            line: line_of(text, table, error.key),
            error,
        }
    };
    detector.validate().map_err(senseless("detector"))?;
    probe.validate().map_err(senseless("probe"))?;
    steering.validate().map_err(senseless("steering"))?;
    let config = Config {
        probe,
        steering,
        ..detector
    };
    Ok((
        config,
        Settings {
            web,
            history,
            hooks,
            ..run
        },
    ))
}

/// The line of a key of a table; `None` if the file leaves it at its default.
fn line_of(text: &str, table: &str, key: &str) -> Option<usize> {
    let file = DeTable::parse(text).ok()?;
    let table = file.get_ref().get(table)?.get_ref().as_table()?;
    let start = table
        .keys()
        .find(|known| known.get_ref() == key)
        .map(Spanned::span)?
        .start;
    Some(text.get(..start)?.matches('\n').count() + 1)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the configuration cannot be read: {error}"),
            Self::NotTrusted => f.write_str(
                "others than root may write it, and root does not follow such a file (`chown root FILE; chmod go-w FILE`)",
            ),
            Self::NotUnderstood(error) => {
                let text = error.to_string();
                f.write_str(text.trim_end())?;
                // humantime-serde says no more than that.
                if error.message().contains("expected a duration") {
                    f.write_str(" like \"200ms\", \"3s\" or \"1m 30s\"")?;
                }
                Ok(())
            }
            Self::Senseless {
                line: Some(line),
                error,
                ..
            } => write!(f, "line {line}: {error}"),
            // A default does not go with what the file says elsewhere.
            Self::Senseless {
                table,
                line: None,
                error,
            } => write!(f, "table `{table}`: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;
    use crate::cli::{HookArg, VantageArg};

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_the_file_leaves_out_stays_as_it_is() {
        let (config, _) = parse("[detector]\nrto_max = \"1s 500ms\"\ndata_chance = 1e-5\n").unwrap();
        let expected = Config {
            rto_max: Duration::from_millis(1_500),
            data_chance: 1e-5,
            ..Config::default()
        };
        assert_eq!(config, expected);
        assert_eq!(parse("").unwrap(), (Config::default(), Settings::default()));
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line_and_the_known_ones() {
        let error = refused("# ours\n[detector]\nrto_mn = \"100ms\"\n");
        for words in ["line 3", "rto_mn", "rto_min", "incident_window"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        let error = refused("[detectr]\n");
        assert!(
            error.contains("line 1") && error.contains("`detector`"),
            "{error}"
        );
        assert!(refused("[detector]\nvantage = \"gateway\"\n").contains("unknown field"));
    }

    #[test]
    fn a_wrong_unit_is_told_with_its_line_and_right_ones() {
        for value in ["\"3 parsecs\"", "5", "\"5\""] {
            let error = refused(&format!("[detector]\nrto_initial = \"1s\"\nrto_max = {value}\n"));
            for words in ["line 3", "a duration like \"200ms\""] {
                assert!(error.contains(words), "{words}: {error}");
            }
        }
    }

    #[test]
    fn a_senseless_value_is_told_with_its_line_and_what_is_allowed() {
        let error = refused("[detector]\nflap_failures = 5\n\ngrey_loss_percent = 120.0\n");
        for words in ["line 4", "grey_loss_percent", "120", "less than 100"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        let error = refused("[detector]\nrto_max = \"1ms\"\n");
        assert!(error.contains("rto_min") && error.contains("rto_max"), "{error}");
    }

    #[test]
    fn probing_has_a_table_of_its_own() {
        let probe = parse("[probe]\nmode = \"continuous\"\ninterval = \"50ms\"\n")
            .unwrap()
            .0
            .probe;
        assert!(probe.is_on());
        assert_eq!(probe.interval, Duration::from_millis(50));
        assert!(!parse("").unwrap().0.probe.is_on(), "off unless asked for");
        let error = refused("[detector]\n[probe]\ninterval = \"2ms\"\n");
        for words in ["line 3", "interval", "from 10 ms"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(refused("[probe]\nmode = \"always\"\n").contains("confirm"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = detector(Some(Path::new("/no/such/file.toml"))).unwrap_err();
        let error = format!("{:#}", anyhow::Error::from(error));
        assert_eq!(error.matches("/no/such/file.toml").count(), 1, "{error}");
        assert_eq!(error.matches("No such file").count(), 1, "{error}");
    }

    #[test]
    fn what_is_watched_has_a_table_of_its_own() {
        let text = "[run]\ninterfaces = [\"ens*\"]\nvantage = \"gateway\"\nhook = \"xdp-native\"\nmax_flows = 4096\n";
        let (_, run) = parse(text).unwrap();
        assert_eq!(run.interfaces, ["ens*"]);
        assert_eq!((run.vantage, run.hook), (VantageArg::Gateway, HookArg::XdpNative));
        assert_eq!((run.max_flows, run.udp_port), (4_096, 9_899));
        let error = refused("[run]\n\nmax_flows = 3\n");
        for words in ["line 3", "max_flows is 3", "from 64"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(refused("[run]\nhook = \"magic\"\n").contains("xdp-native"));
    }

    #[test]
    fn the_schema_takes_what_run_takes_and_refuses_what_it_does_not() {
        let validator = jsonschema::validator_for(schema_for!(File).as_value()).unwrap();
        let is_valid = |text: &str| {
            let document: toml::Table = text.parse().unwrap();
            validator.is_valid(&serde_json::to_value(document).unwrap())
        };
        assert!(is_valid(defaults()) && is_valid(""));
        for text in [
            "[run]\nhook = \"magic\"\n",
            "[run]\nmax_flow = 5\n",
            "[detectr]\n",
            "[detector]\nrto_min = 5\n",
            "[probe]\nmode = \"always\"\n",
            "[web]\nlisten_address = \":9143\"\n",
        ] {
            assert!(!is_valid(text) && parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn root_follows_no_file_that_others_may_write() {
        if !geteuid().is_root() {
            return;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(read(Some(file.path())).is_ok());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o646)).unwrap();
        let error = read(Some(file.path())).unwrap_err().to_string();
        assert!(error.contains("others than root"), "{error}");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::chown(file.path(), Some(1), None).unwrap();
        assert!(read(Some(file.path())).is_err());
    }
}
