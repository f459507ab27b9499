//! Capture files for tests and benchmarks, byte by byte: nothing here shares code with the reader under test.

use std::io::{self, Write};

/// Which of the pcap formats.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Time stamps count nanoseconds, else microseconds.
    pub nanoseconds: bool,
    /// Numbers are big-endian.
    pub big_endian: bool,
    /// Kuznetzov's modified format: eight bytes more for each record.
    pub modified: bool,
    /// Link type (<https://www.tcpdump.org/linktypes.html>).
    pub link: u32,
    /// Records have so many bytes of each frame at most.
    pub snapshot: usize,
}

impl Default for Dialect {
    /// Nanoseconds, little-endian, Ethernet.
    fn default() -> Self {
        Self {
            nanoseconds: true,
            big_endian: false,
            modified: false,
            link: 1,
            snapshot: usize::MAX,
        }
    }
}

impl Dialect {
    /// A whole file. Times are nanoseconds since 1970.
    #[must_use]
    pub fn file(self, records: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_header(&mut bytes).expect("memory takes everything");
        for (time_ns, frame) in records {
            self.write_record(&mut bytes, *time_ns, frame)
                .expect("memory takes everything");
        }
        bytes
    }

    /// The header of a file.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write_header(self, out: &mut impl Write) -> io::Result<()> {
        let magic = match (self.modified, self.nanoseconds) {
            (true, _) => 0xa1b2_cd34,
            (false, true) => 0xa1b2_3c4d,
            (false, false) => 0xa1b2_c3d4,
        };
        self.word(out, magic)?;
        // Version 2.4.
        let version: [[u8; 2]; 2] = [2_u16, 4].map(|number| {
            if self.big_endian {
                number.to_be_bytes()
            } else {
                number.to_le_bytes()
            }
        });
        out.write_all(version.as_flattened())?;
        for word in [0, 0, self.snapshot.min(262_144) as u32, self.link] {
            self.word(out, word)?;
        }
        Ok(())
    }

    /// One record.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write_record(self, out: &mut impl Write, time_ns: u64, frame: &[u8]) -> io::Result<()> {
        let (seconds, rest) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
        let fraction = if self.nanoseconds && !self.modified {
            rest
        } else {
            rest / 1_000
        };
        let captured = &frame[..frame.len().min(self.snapshot)];
        for word in [
            seconds as u32,
            fraction as u32,
            captured.len() as u32,
            frame.len() as u32,
        ] {
            self.word(out, word)?;
        }
        if self.modified {
            out.write_all(&[0; 8])?;
        }
        out.write_all(captured)
    }

    fn word(self, out: &mut impl Write, word: u32) -> io::Result<()> {
        out.write_all(&if self.big_endian {
            word.to_be_bytes()
        } else {
            word.to_le_bytes()
        })
    }
}

/// pcapng, little-endian, built block by block.
#[derive(Debug, Clone, Default)]
pub struct Pcapng(Vec<u8>);

impl Pcapng {
    /// A file with a section header.
    #[must_use]
    pub fn new() -> Self {
        let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        body.extend([0xff; 8]);
        Self::default().block(0x0a0d_0d0a, &body)
    }

    /// An interface whose time stamps count 10^-`decimals` seconds.
    #[must_use]
    pub fn interface(self, link: u16, decimals: u8) -> Self {
        let mut body = link.to_le_bytes().to_vec();
        body.extend([0; 6]);
        body.extend([9, 0, 1, 0, decimals, 0, 0, 0]);
        body.extend([0; 4]);
        self.block(1, &body)
    }

    /// A packet; its time counts the interface's units.
    #[must_use]
    pub fn packet(self, interface: u32, time: u64, frame: &[u8]) -> Self {
        let length = frame.len() as u32;
        let mut body = Vec::new();
        for word in [interface, (time >> 32) as u32, time as u32, length, length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(frame);
        self.block(6, &body)
    }

    /// Any block.
    #[must_use]
    pub fn block(mut self, block_type: u32, body: &[u8]) -> Self {
        let padded = body.len().next_multiple_of(4);
        let length = (12 + padded) as u32;
        self.0.extend(block_type.to_le_bytes());
        self.0.extend(length.to_le_bytes());
        self.0.extend(body);
        self.0.resize(self.0.len() + padded - body.len(), 0);
        self.0.extend(length.to_le_bytes());
        self
    }

    /// The file.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
}
