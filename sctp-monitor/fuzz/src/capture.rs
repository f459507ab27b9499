//! Capture files: whatever the bytes are, records come out of them and then an end or an error; what is in a record is
//! unwrapped and tracked.
//!
//! Input: a byte of options, and the file.

use std::io::Cursor;

use sctp_monitor_capture::{
    Look, Reader, Unwrapper,
    duplicates::{Duplicates, Identity},
    source::Source,
};
use sctp_monitor_common::{
    abi::Interface,
    memory::MemoryTable,
    track::{Options, dispatch},
    wire::ParseOptions,
};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let Some((how, file)) = bytes.split_first() else {
        return;
    };
    let source = Source::new("input".to_owned(), Cursor::new(file.to_vec()));
    let Ok(mut reader) = source.and_then(Reader::open) else {
        return;
    };
    let mut unwrapper = Unwrapper::new(ParseOptions::default(), how & DECAPSULATE != 0);
    let mut duplicates = Duplicates::default();
    let mut table = MemoryTable::new().with_max_flows(64);
    loop {
        match reader.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(
                    matches!(reader.advance(), Ok(false)),
                    "it is over behind an error"
                );
                break;
            }
        }
        let record = reader.current().expect("`advance` said that there is one");
        table.set_now(record.time_ns);
        if let Look::Sctp(layers) = unwrapper.look(&record) {
            let frame = layers.inner.frame();
            let packet = &layers.packet;
            let identity = Identity::new(&layers);
            if !duplicates.is_repeated(&identity, record.time_ns) {
                let options = Options {
                    link: layers.inner.link,
                    parse: ParseOptions::default(),
                    max_chunks: usize::MAX,
                };
                dispatch(&frame, Ok(*packet), Interface::ingress(0), &options, &mut table);
            }
            assert!(
                !layers.chain.to_string().contains('?'),
                "a chain of known headers"
            );
        }
    }
}

/// A raw SCTP packet as a capture: by its length in one format or another, in IPv4, in fragments or in a tunnel.
#[must_use]
pub fn seed(sctp: &[u8]) -> Vec<u8> {
    let ip = |protocol: u8, fragment: u16, payload: &[u8]| {
        let total = ((20 + payload.len()) as u16).to_be_bytes();
        let [high, low] = fragment.to_be_bytes();
        let mut packet = vec![
            0x45, 0, total[0], total[1], 0, 7, high, low, 64, protocol, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2,
        ];
        packet.extend(payload);
        packet
    };
    let whole = ip(132, 0, sctp);
    let half = (sctp.len() / 2) & !7;
    let gre = ip(47, 0, &[&[0, 0, 8, 0], whole.as_slice()].concat());
    let gtp = [
        &[8, 104, 8, 104, 0, 0, 0, 0, 0x30, 255, 0, 0, 0, 0, 0, 7],
        whole.as_slice(),
    ]
    .concat();
    let packets = [
        whole.clone(),
        ip(132, 0x2000, &sctp[..half]),
        ip(132, (half / 8) as u16, &sctp[half..]),
        gre,
        ip(17, 0, &gtp),
    ];
    let mut bytes = vec![DECAPSULATE];
    if sctp.len().is_multiple_of(2) {
        bytes.extend([
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0,
        ]);
        for (packet, second) in packets.iter().zip(1_u32..) {
            let length = packet.len() as u32;
            for word in [second, 0, length, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(packet);
        }
        return bytes;
    }
    block(
        &mut bytes,
        0x0a0d_0d0a,
        &[
            0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        ],
    );
    block(&mut bytes, 1, &[101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0]);
    for (packet, time) in packets.iter().zip(1_u32..) {
        let length = packet.len() as u32;
        let mut body = Vec::new();
        for word in [0, 0, time, length, length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(packet);
        block(&mut bytes, 6, &body);
    }
    bytes
}

fn block(bytes: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let length = (12 + padded) as u32;
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len() + padded - body.len(), 0);
    bytes.extend(length.to_le_bytes());
}

const DECAPSULATE: u8 = 1;
