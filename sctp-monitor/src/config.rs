//! The configuration file: TOML, with the detector's constants in the table `detector`, how paths are probed in `probe`, and what
//! is done with the packets of failed paths in `steering`.
//!
//! Whatever is wrong with it is told with the file, the line, and what would be right: an agent that silently judges by
//! other values than those in its file is worse than one that does not start.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use sctp_monitor_engine::config::{Config, ConfigError, ProbeConfig, Steering};
use serde::Deserialize;
use toml::{Spanned, de::DeTable};

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
    let config = read(path)?;
    Ok(Config {
        probe: ProbeConfig::default(),
        steering: Steering::default(),
        ..config
    })
}

/// All that a file says; the defaults if there is none.
///
/// # Errors
/// [`FileError`].
pub fn read(path: Option<&Path>) -> Result<Config, FileError> {
    let Some(path) = path else {
        return Ok(Config::default());
    };
    fs::read_to_string(path)
        .map_err(Problem::Unreadable)
        .and_then(|text| parse(&text))
        .map_err(|problem| FileError {
            path: path.to_owned(),
            problem,
        })
}

/// All that a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    detector: Config,
    probe: ProbeConfig,
    steering: Steering,
}

fn parse(text: &str) -> Result<Config, Problem> {
    let File {
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
    Ok(Config {
        probe,
        steering,
        ..detector
    })
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
    use std::time::Duration;

    use super::*;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_the_file_leaves_out_stays_as_it_is() {
        let config = parse("[detector]\nrto_max = \"1s 500ms\"\ndata_chance = 1e-5\n").unwrap();
        let expected = Config {
            rto_max: Duration::from_millis(1_500),
            data_chance: 1e-5,
            ..Config::default()
        };
        assert_eq!(config, expected);
        assert_eq!(parse("").unwrap(), Config::default());
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
            .probe;
        assert!(probe.is_on());
        assert_eq!(probe.interval, Duration::from_millis(50));
        assert!(!parse("").unwrap().probe.is_on(), "off unless asked for");
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
}
