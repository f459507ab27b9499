//! The records of several files, in the order of time.
//!
//! A file is opened when its first record is due, and closed after its last one, so that a thousand files of a ring of
//! captures take no more memory than one. Records that are a little out of order within a file are put in order behind
//! that (`reorder`): what is late in a file is as late among the records of all.

use std::path::{Path, PathBuf};

use crate::{
    error::CaptureError,
    reader::Reader,
    record::Record,
    reorder::Reorder,
    source::{Progress, Source},
};

/// Several captures read as one.
pub struct Captures {
    files: Files,
    reorder: Reorder,
}

/// Several files, each as it is.
struct Files {
    /// Files whose first record is still to come, the earliest one last.
    waiting: Vec<Waiting>,
    open: Vec<Reader>,
    /// The one of `open` whose record was given last.
    at: Option<usize>,
    errors: Vec<CaptureError>,
    unknown_links: Vec<(String, u32, u64)>,
    progress: Vec<Progress>,
}

struct Waiting {
    path: PathBuf,
    starts_at_ns: u64,
}

impl Captures {
    /// Looks at the beginning of each file; `-` is standard input. What is wrong with a file does not keep the others from
    /// being read: see [`Captures::take_errors`].
    #[must_use]
    pub fn open(paths: &[PathBuf]) -> Self {
        Self {
            files: Files::open(paths),
            reorder: Reorder::default(),
        }
    }

    /// The next record; `None` at the end of all files.
    pub fn advance(&mut self) -> Option<Record<'_>> {
        while !self.reorder.is_due() {
            let Some(record) = self.files.advance() else {
                break;
            };
            self.reorder.hold(&record);
        }
        self.reorder.take()
    }

    /// What was wrong with files so far, each once.
    pub fn take_errors(&mut self) -> Vec<CaptureError> {
        std::mem::take(&mut self.files.errors)
    }

    /// Packets that were passed over because their link type is not understood: file, link type, how many.
    #[must_use]
    pub fn unknown_links(&self) -> &[(String, u32, u64)] {
        &self.files.unknown_links
    }

    /// Bytes read of the files opened so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.files.progress.iter().map(Progress::read).sum()
    }
}

impl Files {
    fn open(paths: &[PathBuf]) -> Self {
        let mut files = Self {
            waiting: Vec::new(),
            open: Vec::new(),
            at: None,
            errors: Vec::new(),
            unknown_links: Vec::new(),
            progress: Vec::new(),
        };
        for path in paths {
            files.look_at(path, paths.len() > 1);
        }
        files
            .waiting
            .sort_by_key(|waiting| std::cmp::Reverse(waiting.starts_at_ns));
        files
    }

    fn look_at(&mut self, path: &Path, may_wait: bool) {
        match open(path) {
            Ok((progress, mut reader)) => match reader.advance() {
                Ok(true) if may_wait && is_file(path) => self.waiting.push(Waiting {
                    path: path.to_owned(),
                    starts_at_ns: reader.time_ns().unwrap_or(0),
                }),
                Ok(true) => {
                    self.progress.push(progress);
                    self.open.push(reader);
                }
                Ok(false) => self.close(&reader),
                Err(error) => {
                    self.errors.push(error);
                    self.close(&reader);
                }
            },
            Err(error) => self.errors.push(error),
        }
    }

    fn advance(&mut self) -> Option<Record<'_>> {
        if let Some(at) = self.at.take() {
            match self.open[at].advance() {
                Ok(true) => {}
                Ok(false) => self.remove(at),
                Err(error) => {
                    self.errors.push(error);
                    self.remove(at);
                }
            }
        }
        let mut first = self.earliest();
        while let Some(waiting) = self
            .waiting
            .pop_if(|waiting| first.is_none_or(|(_, time_ns)| waiting.starts_at_ns <= time_ns))
        {
            self.look_at(&waiting.path, false);
            first = self.earliest();
        }
        let (at, _) = first?;
        self.at = Some(at);
        self.open[at].current()
    }

    /// The open file with the earliest record, and when that was; of several the one that was opened first.
    fn earliest(&self) -> Option<(usize, u64)> {
        if let [reader] = &self.open[..] {
            return Some((0, reader.time_ns()?));
        }
        self.open
            .iter()
            .enumerate()
            .filter_map(|(at, reader)| Some((at, reader.time_ns()?)))
            .min_by_key(|(_, time_ns)| *time_ns)
    }

    fn remove(&mut self, at: usize) {
        let reader = self.open.remove(at);
        self.close(&reader);
    }

    fn close(&mut self, reader: &Reader) {
        let passed_over = reader.unknown_links().iter();
        self.unknown_links
            .extend(passed_over.map(|(link, packets)| (reader.name().to_owned(), *link, *packets)));
    }
}

fn open(path: &Path) -> Result<(Progress, Reader), CaptureError> {
    let source = Source::open(path)?;
    let progress = source.progress();
    Ok((progress, Reader::open(source)?))
}

/// Whether it can be opened again later; a pipe cannot.
fn is_file(path: &Path) -> bool {
    path != Path::new("-") && path.is_file()
}
