//! A capture of associations in use: two DATA packets and their SACK in turn on the first path, heartbeats on the second.

use std::io::{self, Write};

use sctp_monitor_testkit::{
    capture_file::Dialect,
    frames::{self, Packet},
};

/// Writes packets of associations that take turns.
pub(crate) struct Traffic {
    associations: Vec<Association>,
    interval_ns: u64,
}

struct Association {
    number: u8,
    tsn: u32,
    step: u64,
}

impl Traffic {
    /// So many packets a second in all.
    pub(crate) fn new(packets_per_second: u64) -> Self {
        Self {
            associations: (0..ASSOCIATIONS)
                .map(|number| Association {
                    number,
                    tsn: 1,
                    step: 0,
                })
                .collect(),
            interval_ns: 1_000_000_000 / packets_per_second,
        }
    }

    /// Writes a pcap file with time stamps in nanoseconds; gives its length in bytes.
    pub(crate) fn write(mut self, packets: u64, mut out: impl Write) -> io::Result<u64> {
        let dialect = Dialect::default();
        dialect.write_header(&mut out)?;
        let mut written = 24;
        for number in 0..packets {
            let association = usize::try_from(number % u64::from(ASSOCIATIONS)).unwrap_or(0);
            let frame = self.associations[association].next_frame();
            dialect.write_record(&mut out, BEGAN_NS + number * self.interval_ns, &frame)?;
            written += 16 + frame.len() as u64;
        }
        out.flush()?;
        Ok(written)
    }
}

impl Association {
    fn next_frame(&mut self) -> Vec<u8> {
        self.step += 1;
        let tag = 0x1000_0000 + u32::from(self.number);
        let (to_peer, to_us) = (tag, tag + 0x1000_0000);
        match self.step % 3 {
            0 => self.packet(false, 1, to_us, frames::sack(self.tsn - 1, &[])),
            _ if self.step % HEARTBEAT_EVERY < 3 => {
                let info = [self.step.div_ceil(3) as u8; 40];
                if self.step % 3 == 1 {
                    self.packet(true, 2, to_peer, frames::heartbeat(&info))
                } else {
                    self.packet(false, 2, to_us, frames::heartbeat_ack(&info))
                }
            }
            _ => {
                self.tsn += 1;
                self.packet(true, 1, to_peer, frames::data(self.tsn - 1, 380))
            }
        }
    }

    fn packet(&self, sent: bool, path: u8, tag: u32, chunk: Vec<u8>) -> Vec<u8> {
        let address = |host: u8| format!("10.{path}.{}.{host}", self.number);
        let (src, dst) = if sent { (1, 2) } else { (2, 1) };
        Packet::v4(tag, vec![chunk])
            .between(&address(src), &address(dst))
            .ports(36_412, 36_412)
            .ethernet()
    }
}

const ASSOCIATIONS: u8 = 20;
/// Steps of one association from heartbeat to heartbeat; a multiple of three.
const HEARTBEAT_EVERY: u64 = 900;
/// 2026-11-26T00:00:00Z.
const BEGAN_NS: u64 = 1_795_651_200_000_000_000;
