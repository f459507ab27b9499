//! Where the captures are.

use std::path::{Path, PathBuf};

use crate::oracle::Oracle;

/// A capture, and what the oracle says of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) oracle: Oracle,
}

/// The captures of a folder with `pcaps` and `oracle`; none if there is no such folder.
fn cases(folder: &Path) -> Vec<Case> {
    let Ok(files) = std::fs::read_dir(folder.join("pcaps")) else {
        return Vec::new();
    };
    let mut cases: Vec<_> = files
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

/// Our own captures and those of the corpus. Says what is missing, in the name of `test`.
pub(crate) fn all(test: &str) -> Vec<Case> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = cases(&here.join("tests/conformance"));
    assert!(!all.is_empty(), "our own captures are part of the repository");
    let corpus = here.join("../../shared/corpus");
    let real = cases(&corpus);
    if real.is_empty() {
        sctp_monitor_lab::skip(
            test,
            "../shared/corpus is not there, so only our own captures were tried",
        );
    }
    all.extend(real);
    all
}
