//! The records of one file.
//!
//! pcap with time stamps of either precision and either byte order, Kuznetzov's modified pcap, and pcapng with several
//! sections and interfaces. pcap-parser knows the formats; here the records of all of them get one form, and what is
//! wrong gets its place in the file.

use std::{
    io::{self, Cursor, Read},
    sync::{Arc, Mutex, PoisonError},
};

use pcap_parser::{LegacyPcapReader, PcapError, PcapNGReader, traits::PcapReaderIterator};

use crate::{
    error::{CaptureError, Problem},
    format::{Format, Step},
    record::{Current, Record},
    source::Source,
};

/// Reads one file, record by record.
pub struct Reader {
    name: String,
    unpacked: bool,
    blocks: Box<dyn PcapReaderIterator + Send>,
    format: Format,
    read_error: ReadError,
    /// Bytes of the block that was read last, which is still in the buffer.
    unconsumed: usize,
    current: Option<Current>,
    /// Nothing more can be read.
    over: bool,
    unknown_links: Vec<(u32, u64)>,
}

impl Reader {
    /// Looks at the beginning of a file.
    ///
    /// # Errors
    /// If it is not a capture, or cannot be read.
    pub fn open(source: Source) -> Result<Self, CaptureError> {
        let Source {
            name,
            mut bytes,
            unpacked,
            ..
        } = source;
        // pcap-parser decides by its first read, and a pipe may give that few bytes.
        let mut first = Vec::new();
        let begun = bytes.by_ref().take(FIRST_READ).read_to_end(&mut first);
        let read_error = ReadError::default();
        let error = |problem| CaptureError {
            file: name.clone(),
            offset: Some(0),
            unpacked,
            problem,
        };
        if first.is_empty() {
            return Err(error(begun.map_or_else(Problem::Read, |_| Problem::Empty)));
        }
        let watched = Watched {
            first: Cursor::new(first.clone()),
            failed: begun.err(),
            bytes,
            error: read_error.clone(),
        };
        let format = Format::by_magic(&first);
        let blocks: Result<Box<dyn PcapReaderIterator + Send>, _> = match format {
            Some(Format::Ng { .. }) => PcapNGReader::new(BUFFER, watched).map(|reader| Box::new(reader) as _),
            Some(Format::Legacy { .. }) => {
                LegacyPcapReader::new(BUFFER, watched).map(|reader| Box::new(reader) as _)
            }
            None => {
                return Err(error(Problem::NotACapture(
                    first.iter().take(4).copied().collect(),
                )));
            }
        };
        match (blocks, format) {
            (Ok(blocks), Some(format)) => Ok(Self {
                name,
                unpacked,
                blocks,
                format,
                read_error,
                unconsumed: 0,
                current: None,
                over: false,
                unknown_links: Vec::new(),
            }),
            (Err(PcapError::Incomplete(_)), _) => Err(error(match read_error.take() {
                Some(source) => Problem::Read(source),
                None => Problem::HeaderCut,
            })),
            (_, format) => Err(error(match format {
                Some(format) => format.invalid(&first),
                None => Problem::HeaderCut,
            })),
        }
    }

    /// The file's name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Packets that were passed over because their link type is not understood, by link type.
    #[must_use]
    pub fn unknown_links(&self) -> &[(u32, u64)] {
        &self.unknown_links
    }

    /// The time of the record at hand, nanoseconds since 1970.
    #[must_use]
    pub fn time_ns(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.time_ns)
    }

    /// The record at hand.
    #[must_use]
    pub fn current(&self) -> Option<Record<'_>> {
        let current = self.current.as_ref()?;
        Some(Record {
            time_ns: current.time_ns,
            link: current.link,
            bytes: self.blocks.data().get(current.bytes.clone())?,
            original_length: current.original_length,
        })
    }

    /// Goes on to the next record; `false` at the end of the file.
    ///
    /// # Errors
    /// If the file is damaged or cut. It is over then.
    pub fn advance(&mut self) -> Result<bool, CaptureError> {
        self.current = None;
        while !self.over {
            self.blocks.consume_noshift(std::mem::take(&mut self.unconsumed));
            // pcap-parser subtracts before it compares.
            if self.format.is_nonsense(self.blocks.data()) {
                let problem = self.format.invalid(self.blocks.data());
                return Err(self.fail(problem));
            }
            let at = self.blocks.data().as_ptr();
            let step = match self.blocks.next() {
                Ok((length, block)) => {
                    self.unconsumed = length;
                    self.format.step(&block, at)
                }
                Err(error) => Step::of_error(&error),
            };
            match step {
                Ok(Step::Record(current)) => {
                    self.current = Some(current);
                    return Ok(true);
                }
                Ok(Step::Other) => {}
                Ok(Step::UnknownLink(link)) => self.on_unknown_link(link),
                Ok(Step::More) => self.refill(false)?,
                Ok(Step::Grow) => self.refill(true)?,
                Ok(Step::End) => self.over = true,
                Ok(Step::Cut) => {
                    let left = self.blocks.data().len() as u64;
                    return Err(self.fail(Problem::RecordCut { left }));
                }
                Ok(Step::Invalid) => {
                    let problem = self.format.invalid(self.blocks.data());
                    return Err(self.fail(problem));
                }
                Err(problem) => return Err(self.fail(problem)),
            }
        }
        Ok(false)
    }

    fn on_unknown_link(&mut self, link: u32) {
        match self.unknown_links.iter_mut().find(|(known, _)| *known == link) {
            Some((_, packets)) => *packets += 1,
            None => self.unknown_links.push((link, 1)),
        }
    }

    /// Reads on, into a larger buffer if the record at hand does not fit.
    fn refill(&mut self, grow: bool) -> Result<(), CaptureError> {
        if grow {
            let claimed = self.format.claimed(self.blocks.data());
            if claimed > LARGEST_RECORD {
                return Err(self.fail(Problem::RecordTooLarge { claimed }));
            }
            let size = usize::try_from(claimed).unwrap_or(usize::MAX);
            self.blocks.grow(size.saturating_add(BUFFER));
        }
        if self.blocks.refill().is_err() {
            return Err(self.fail(Problem::Read(io::Error::other("the source failed"))));
        }
        Ok(())
    }

    fn fail(&mut self, problem: Problem) -> CaptureError {
        self.over = true;
        CaptureError {
            file: self.name.clone(),
            offset: Some(self.blocks.consumed() as u64),
            unpacked: self.unpacked,
            // Whatever the parser made of it, the source's own error says more.
            problem: self.read_error.take().map_or(problem, Problem::Read),
        }
    }
}

/// Large enough that few records lie across its end, small enough for a processor's cache.
const BUFFER: usize = 256 * 1024;
/// A pcapng section header with its options fits in.
const FIRST_READ: u64 = 64 * 1024;
/// libpcap reads no longer packet than 256 KiB (MAXIMUM_SNAPLEN), except of D-Bus and USB; a block may have long options.
const LARGEST_RECORD: u64 = 16 * 1024 * 1024;

/// The source's last error, which pcap-parser does not hand on.
#[derive(Debug, Clone, Default)]
struct ReadError(Arc<Mutex<Option<io::Error>>>);

impl ReadError {
    fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// The source, with what was read of it already, and its error kept.
struct Watched {
    first: Cursor<Vec<u8>>,
    /// What happened after the first bytes.
    failed: Option<io::Error>,
    bytes: Box<dyn Read + Send>,
    error: ReadError,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.first.read(buffer)? {
            0 => match self.failed.take() {
                Some(error) => Err(error),
                None => self.bytes.read(buffer),
            },
            read => Ok(read),
        };
        read.map_err(|error| {
            let kind = error.kind();
            self.error.set(error);
            io::Error::from(kind)
        })
    }
}
