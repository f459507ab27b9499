//! Where the bytes come from.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::error::{CaptureError, Problem};

/// The bytes of a capture, unpacked.
pub struct Source {
    /// As it was given.
    pub(crate) name: String,
    pub(crate) bytes: Box<dyn Read + Send>,
    /// Whether it is compressed.
    pub(crate) unpacked: bool,
    progress: Progress,
}

/// How much of a file has been read, for whoever shows it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
}

impl Progress {
    /// Bytes read so far, of the file as it lies on the disk.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Source {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// If it cannot be opened, or the beginning not be read.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        if path == Path::new("-") {
            return Self::new("standard input".to_owned(), io::stdin());
        }
        let open = || -> io::Result<File> {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Self::new(name, file),
            Err(error) => Err(CaptureError {
                file: name,
                offset: None,
                unpacked: false,
                problem: Problem::Open(error),
            }),
        }
    }

    /// Unpacks `bytes`, if they are packed.
    ///
    /// # Errors
    /// If the beginning cannot be read.
    pub fn new(name: String, bytes: impl Read + Send + 'static) -> Result<Self, CaptureError> {
        let progress = Progress::default();
        let mut counted = Counted {
            bytes,
            read: Arc::clone(&progress.read),
        };
        let mut magic = Vec::new();
        if let Err(error) = counted.by_ref().take(MAGIC_LEN).read_to_end(&mut magic) {
            return Err(CaptureError {
                file: name,
                offset: Some(0),
                unpacked: false,
                problem: Problem::Read(error),
            });
        }
        let packed = Packed::by_magic(&magic);
        let whole = Cursor::new(magic).chain(counted);
        let bytes: Box<dyn Read + Send> = match packed {
            None => Box::new(whole),
            Some(Packed::Gzip) => Box::new(MultiGzDecoder::new(whole)),
            Some(Packed::Zstandard) => Box::new(Zstandard::Before(BufReader::new(whole))),
        };
        Ok(Self {
            name,
            bytes,
            unpacked: packed.is_some(),
            progress,
        })
    }

    /// How much of it has been read.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

#[derive(Debug, Clone, Copy)]
enum Packed {
    Gzip,
    Zstandard,
}

impl Packed {
    fn by_magic(magic: &[u8]) -> Option<Self> {
        if magic.starts_with(&GZIP) {
            Some(Self::Gzip)
        } else if magic.starts_with(&ZSTANDARD) {
            Some(Self::Zstandard)
        } else {
            None
        }
    }
}

/// RFC 1952 section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878 section 3.1.1.
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const MAGIC_LEN: u64 = 4;

struct Counted<R> {
    bytes: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Zstandard frames, one after the other: `pzstd` and `zstd` on several files write such.
enum Zstandard<R: Read> {
    Before(BufReader<R>),
    Within(Box<StreamingDecoder<BufReader<R>, FrameDecoder>>),
    /// At the end, or after what cannot be unpacked.
    Over,
}

impl<R: Read> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::Over => return Ok(0),
                Self::Before(mut bytes) => {
                    if bytes.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let decoder = StreamingDecoder::new(bytes).map_err(io::Error::other)?;
                    *self = Self::Within(Box::new(decoder));
                }
                Self::Within(mut decoder) => {
                    let read = decoder.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        *self = Self::Within(decoder);
                        return Ok(read);
                    }
                    *self = Self::Before(decoder.into_inner());
                }
            }
        }
    }
}
