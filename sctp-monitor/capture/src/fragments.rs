//! IP fragments, put together again (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! etherparse joins the pieces of one datagram; here it is kept how many datagrams wait for pieces, so that a flood of
//! fragments cannot take the memory.

use std::collections::{HashMap, VecDeque};

use etherparse::{IpFragOffset, IpNumber, defrag::IpDefragBuf};
use sctp_monitor_common::wire::{
    ReadPacket,
    extension::{Extensions, FragmentHeader},
    link::NetworkLayer,
};

/// Names a datagram: addresses, identification, protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    addresses: [u8; 32],
    identification: u32,
    protocol: u8,
}

/// One fragment of a datagram.
#[derive(Debug)]
pub struct Fragment<'a> {
    key: Key,
    offset: u16,
    more: bool,
    /// The datagram's IP header, without a fragment header.
    header: Vec<u8>,
    payload: &'a [u8],
    /// Bytes by the fragment's own IP header.
    total_length: u32,
}

/// A datagram whose fragments were all there.
#[derive(Debug)]
pub struct Datagram {
    /// The IP packet, as it was before it was fragmented.
    pub bytes: Vec<u8>,
    /// Bytes of all its fragments, by their IP headers.
    pub total_length: u32,
}

#[derive(Debug)]
struct Pieces {
    buffer: IpDefragBuf,
    /// Of the first fragment.
    header: Option<Vec<u8>>,
    total_length: u32,
    began_at_ns: u64,
}

/// Datagrams of which pieces are missing.
#[derive(Debug, Default)]
pub struct Fragments {
    waiting: HashMap<Key, Pieces>,
    /// In the order in which they began; some may be complete by now.
    order: VecDeque<(Key, u64)>,
    given_up: u64,
}

impl Fragments {
    /// Takes a fragment; gives the datagram if it was the last one missing.
    pub fn add(&mut self, fragment: Fragment<'_>, now_ns: u64) -> Option<Datagram> {
        self.give_up(now_ns);
        let Fragment {
            key,
            offset,
            more,
            header,
            payload,
            total_length,
        } = fragment;
        let pieces = self.waiting.entry(key).or_insert_with(|| {
            self.order.push_back((key, now_ns));
            Pieces {
                buffer: IpDefragBuf::new(IpNumber(key.protocol), Vec::new(), Vec::new()),
                header: None,
                total_length: 0,
                began_at_ns: now_ns,
            }
        });
        let offset = IpFragOffset::try_new(offset).ok()?;
        if pieces.buffer.add(offset, more, payload).is_err() {
            // Pieces that contradict each other: no host would put them together either.
            self.waiting.remove(&key);
            self.given_up += 1;
            return None;
        }
        pieces.total_length = pieces.total_length.saturating_add(total_length);
        if offset.value() == 0 {
            pieces.header = Some(header);
        }
        if !pieces.buffer.is_complete() {
            return None;
        }
        let pieces = self.waiting.remove(&key)?;
        let (payload, _) = pieces.buffer.take_bufs();
        let mut bytes = pieces.header?;
        set_length(&mut bytes, payload.len());
        bytes.extend(payload);
        Some(Datagram {
            bytes,
            total_length: pieces.total_length,
        })
    }

    /// Datagrams that were given up, or still wait.
    #[must_use]
    pub fn incomplete(&self) -> u64 {
        self.given_up + self.waiting.len() as u64
    }

    fn give_up(&mut self, now_ns: u64) {
        while let Some((key, began_at_ns)) = self.order.front().copied() {
            let overdue = now_ns.saturating_sub(began_at_ns) > PATIENCE_NS || self.order.len() > MOST_WAITING;
            if !overdue {
                return;
            }
            self.order.pop_front();
            if self
                .waiting
                .get(&key)
                .is_some_and(|pieces| pieces.began_at_ns == began_at_ns)
            {
                self.waiting.remove(&key);
                self.given_up += 1;
            }
        }
    }
}

impl<'a> Fragment<'a> {
    /// The fragment in an IP packet, if it is one and all its bytes were captured.
    pub fn read<R: ReadPacket>(reader: &R, bytes: &'a [u8], network: NetworkLayer) -> Option<Self> {
        if network.version == 4 {
            Self::read_v4(reader, bytes, network.at)
        } else {
            Self::read_v6(reader, bytes, network.at)
        }
    }

    fn read_v4<R: ReadPacket>(reader: &R, bytes: &'a [u8], at: usize) -> Option<Self> {
        let header_length = usize::from(reader.read_u8(at)? & 0x0f) * 4;
        let total_length = usize::from(reader.read_u16(at + 2)?);
        let fragment = reader.read_u16(at + 6)?;
        let (offset, more) = (fragment & 0x1fff, fragment & 0x2000 != 0);
        if header_length < 20 || (offset == 0 && !more) {
            return None;
        }
        let mut header = bytes.get(at..at + header_length)?.to_vec();
        let mut addresses = [0; 32];
        addresses[..8].copy_from_slice(header.get(12..20)?);
        let key = Key {
            addresses,
            identification: u32::from(reader.read_u16(at + 4)?),
            protocol: reader.read_u8(at + 9)?,
        };
        header.get_mut(6..8)?.fill(0);
        Some(Self {
            key,
            offset,
            more,
            header,
            payload: bytes.get(at + header_length..at + total_length)?,
            total_length: total_length as u32,
        })
    }

    fn read_v6<R: ReadPacket>(reader: &R, bytes: &'a [u8], at: usize) -> Option<Self> {
        let total_length = 40 + usize::from(reader.read_u16(at + 4)?);
        let extensions = Extensions::follow(reader, reader.read_u8(at + 6)?, at + 6, at + 40).ok()?;
        let FragmentHeader {
            named_at,
            at: header_at,
            next_header: protocol,
            offset,
            more,
        } = extensions.fragment?;
        let mut addresses = [0; 32];
        addresses.copy_from_slice(bytes.get(at + 8..at + 40)?);
        let mut header = bytes.get(at..header_at)?.to_vec();
        *header.get_mut(named_at - at)? = protocol;
        Some(Self {
            key: Key {
                addresses,
                identification: reader.read_u32(header_at + 4)?,
                protocol,
            },
            offset,
            more,
            header,
            payload: bytes.get(header_at + 8..at + total_length)?,
            total_length: total_length as u32,
        })
    }

    /// What the datagram carries, by IANA number.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.key.protocol
    }
}

/// Lets an IP header say that so many bytes follow it. A length that does not fit its field is 0: the frame's end counts
/// then.
fn set_length(header: &mut [u8], payload: usize) {
    let v4 = header.first().is_some_and(|byte| byte >> 4 == 4);
    let (at, length) = if v4 {
        (2, header.len() + payload)
    } else {
        (4, header.len() - 40 + payload)
    };
    let length = u16::try_from(length).unwrap_or(0);
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// RFC 8200 section 4.5 gives a host 60 seconds.
const PATIENCE_NS: u64 = 60_000_000_000;
/// 64 KiB each at the worst.
const MOST_WAITING: usize = 256;
