//! Files that are removed again, and what is read of them.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use sctp_monitor_capture::{CaptureError, Captures, Reader, source::Source};

/// A second, in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A file of our own, removed on drop.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sctp-monitor-{}-{number}.pcap", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Gives a byte at a time, as a slow pipe may.
pub(crate) struct Trickle(pub(crate) io::Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

/// Times and bytes of all records, and what went wrong behind them.
pub(crate) fn read(bytes: Vec<u8>) -> (Vec<(u64, Vec<u8>)>, Option<CaptureError>) {
    read_from(io::Cursor::new(bytes))
}

pub(crate) fn read_from(bytes: impl Read + Send + 'static) -> (Vec<(u64, Vec<u8>)>, Option<CaptureError>) {
    let reader = Source::new("test".to_owned(), bytes).and_then(Reader::open);
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut records = Vec::new();
    loop {
        match reader.advance() {
            Ok(true) => {
                let record = reader.current().unwrap();
                records.push((record.time_ns, record.bytes.to_vec()));
            }
            Ok(false) => return (records, None),
            Err(error) => return (records, Some(error)),
        }
    }
}

/// Times of the records of several files, and the messages of their errors.
pub(crate) fn merged(paths: &[&Path]) -> (Vec<u64>, Vec<String>) {
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    let mut captures = Captures::open(&paths);
    let mut times = Vec::new();
    while let Some(record) = captures.advance() {
        times.push(record.time_ns);
    }
    let errors = captures.take_errors();
    (times, errors.iter().map(ToString::to_string).collect())
}
