//! A FIFO that nobody may read yet: the watch does not wait for its reader.
//!
//! open(2) of a FIFO waits for a reader (fifo(7)). With `O_NONBLOCK` it is refused with ENXIO instead, so every write opens the
//! FIFO until that succeeds; the writer tries at least once a second while it has losses to tell. When the reader leaves,
//! the FIFO is closed: what is left in it, perhaps half a line, goes with it, and the next reader begins with a whole line.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::outlet::Descriptor;

/// The end of a FIFO that is written to.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    /// As long as there is a reader.
    open: Option<Descriptor>,
}

impl Fifo {
    /// Opens it if somebody reads it.
    ///
    /// # Errors
    /// If it cannot be opened for another reason than that it has no reader.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut fifo = Self {
            path: path.to_owned(),
            open: None,
        };
        match fifo.descriptor() {
            Err(error) if error.kind() != NO_READER => Err(error),
            _ => Ok(fifo),
        }
    }

    /// Whether there is a FIFO at this path.
    pub(super) fn is_at(path: &Path) -> bool {
        path.metadata().is_ok_and(|found| found.file_type().is_fifo())
    }

    fn descriptor(&mut self) -> io::Result<&mut Descriptor> {
        let descriptor = match self.open.take() {
            Some(descriptor) => descriptor,
            None => Descriptor::from(open(&self.path)?),
        };
        Ok(self.open.insert(descriptor))
    }
}

impl Write for Fifo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.descriptor()?.write(bytes);
        if matches!(&result, Err(error) if error.kind() == ErrorKind::BrokenPipe) {
            self.open = None;
        }
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Appended, should it be a file by now.
    options.append(true).custom_flags(libc::O_NONBLOCK);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => io::Error::new(NO_READER, "no process reads this FIFO"),
        _ => error,
    })
}

const NO_READER: ErrorKind = ErrorKind::NotConnected;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;
    use crate::report::outlet;

    fn reader(path: &Path) -> File {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        options.open(path).unwrap()
    }

    /// What is there, as soon as something is.
    fn read(reader: &mut File) -> String {
        let mut bytes = [0; 100];
        loop {
            match reader.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                count => match count.unwrap() {
                    0 => {}
                    count => return String::from_utf8(bytes[..count].to_vec()).unwrap(),
                },
            }
            std::thread::yield_now();
        }
    }

    fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
        writeln!(out, "{text}")?;
        out.flush()
    }

    #[test]
    fn each_reader_gets_whole_lines_from_when_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let mut out = outlet::append(&path).unwrap();
        assert_eq!(line(&mut out, "lost").unwrap_err().kind(), NO_READER);
        for _ in 0..2 {
            let mut reader = reader(&path);
            line(&mut out, "first").unwrap();
            assert_eq!(read(&mut reader), "first\n");
            line(&mut out, "never read").unwrap();
            drop(reader);
            assert_eq!(line(&mut out, "lost").unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(line(&mut out, "lost").unwrap_err().kind(), NO_READER);
            assert!(!out.progress().is_torn());
        }
    }

    #[test]
    fn a_line_that_its_reader_took_half_of_is_lost_and_not_finished_for_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let mut out = outlet::append(&path).unwrap();
        let mut first = reader(&path);
        let progress = out.progress();
        std::thread::scope(|scope| {
            // More than a pipe holds: the writer waits with half a line written.
            let writing = scope.spawn(|| line(&mut out, &"x".repeat(200_000)));
            assert_eq!(read(&mut first).len(), 100);
            drop(first);
            assert_eq!(writing.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
        assert!(!progress.is_torn());
        let mut second = reader(&path);
        line(&mut out, "whole").unwrap();
        assert_eq!(read(&mut second), "whole\n");
    }
}
