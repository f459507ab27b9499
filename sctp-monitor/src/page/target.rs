//! The file that the page is written to. It is opened before the capture is read, so that a long analysis does not end
//! with a file that cannot be written; an older page stays as it is until there is a new one; and nothing but an older page is ever
//! overwritten, because `--html *.pcap` names a capture.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Why there will be no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// Something else is there.
    #[error("{} exists and is not a page of sctp-monitor: choose another name, or remove it", .0.display())]
    Precious(PathBuf),
    /// The file cannot be looked at or made.
    #[error("{} cannot be written", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The page could not be written to its end.
    #[error("{} cannot be written completely", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// A file that awaits its page.
#[derive(Debug)]
pub(crate) struct Target {
    file: File,
    path: PathBuf,
    /// There was none before, and nothing is written yet.
    is_empty: bool,
}

impl Target {
    /// Makes the file, and leaves what is in it.
    ///
    /// # Errors
    /// If it cannot be made, or something else than a page is there.
    pub(crate) fn open(path: &Path) -> Result<Self, TargetError> {
        let failed = |source| TargetError::Open {
            file: path.to_owned(),
            source,
        };
        let mut is_new = false;
        match std::fs::metadata(path) {
            Ok(known) if known.is_file() && known.len() > 0 => {
                let mut head = Vec::new();
                let file = File::open(path).map_err(failed)?;
                file.take(HEAD.len() as u64)
                    .read_to_end(&mut head)
                    .map_err(failed)?;
                if head != HEAD.as_bytes() {
                    return Err(TargetError::Precious(path.to_owned()));
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => is_new = true,
            Err(error) => return Err(failed(error)),
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path);
        Ok(Self {
            file: file.map_err(failed)?,
            path: path.to_owned(),
            is_empty: is_new,
        })
    }

    /// Writes the page.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(mut self, page: &str) -> Result<(), TargetError> {
        debug_assert!(page.starts_with(HEAD), "or it could not be overwritten");
        self.is_empty = false;
        self.replace(page).map_err(|source| TargetError::Write {
            file: self.path.clone(),
            source,
        })
    }

    fn replace(&mut self, page: &str) -> io::Result<()> {
        // A pipe or a terminal has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(page.as_bytes())
    }
}

/// A file that was made for nothing is not left.
impl Drop for Target {
    fn drop(&mut self) {
        if self.is_empty {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// How every page begins.
pub(crate) const HEAD: &str = "<!DOCTYPE html><!-- sctp-monitor pcap --html -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_is_overwritten() {
        let path = std::env::temp_dir().join(format!("sctp-monitor-target-{}.html", std::process::id()));
        std::fs::write(&path, "\u{d4}capture").unwrap();
        assert!(matches!(Target::open(&path), Err(TargetError::Precious(_))));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "\u{d4}capture",
            "untouched"
        );
        std::fs::remove_file(&path).unwrap();
        for _ in 0..2 {
            Target::open(&path)
                .unwrap()
                .write(&format!("{HEAD}page"))
                .unwrap();
        }
        // What is asked for the new page does not answer.
        drop(Target::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{HEAD}page"));
        std::fs::remove_file(&path).unwrap();
        drop(Target::open(&path).unwrap());
        assert!(!path.exists(), "made for nothing");
        assert!(Target::open(Path::new("/nowhere/at/all.html")).is_err());
    }
}
