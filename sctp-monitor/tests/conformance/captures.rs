//! Where the captures are.

use std::path::{Path, PathBuf};

use crate::oracle::Oracle;

/// A capture, and what the oracle says of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) oracle: Oracle,
}

/// The captures of a folder with `pcaps` and `oracle`.
fn cases(folder: &Path) -> Vec<Case> {
    let mut cases: Vec<_> = std::fs::read_dir(folder.join("pcaps"))
        .unwrap()
        .map(|file| {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let oracle = folder.join("oracle").join(format!("{name}.json"));
            let text = std::fs::read(&oracle).unwrap_or_else(|error| panic!("{}: {error}", oracle.display()));
            Case {
                oracle: serde_json::from_slice(&text).unwrap(),
                name,
                file,
            }
        })
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// Our own captures, which are part of the repository.
pub(crate) fn own() -> Vec<Case> {
    let own = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance"));
    assert!(!own.is_empty(), "our own captures are part of the repository");
    own
}

/// Those of the corpus. Without one `test` is skipped.
pub(crate) fn corpus(test: &str) -> Option<Vec<Case>> {
    let pcaps = sctp_monitor_lab::corpus(test, "pcaps")?;
    let corpus = cases(pcaps.parent().unwrap());
    assert!(!corpus.is_empty(), "{} is empty", pcaps.display());
    Some(corpus)
}
