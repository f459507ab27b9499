//! What is sent is what is read, byte for byte what RFC 9260 says, and what others build.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::{collection::vec, prelude::*};
use sctp_monitor_common::wire::{
    ChunkKind, Frame, LinkType, ParseOptions,
    chunk::chunks,
    emit::{EmitError, Heartbeat, HeartbeatFrame, IpHeader},
    heartbeat::HeartbeatInfo,
    param::{HEARTBEAT_INFO, params},
    parse,
};
use sctp_monitor_testkit::frames::{self, Packet};

const TAG: u32 = 0x1234_5678;

fn heartbeat(info: &[u8]) -> Heartbeat<'_> {
    Heartbeat {
        src_port: 36412,
        dst_port: 2905,
        tag: 0xdead_beef,
        info,
    }
}

fn emitted(info: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0xaa; 70_000];
    let length = heartbeat(info).emit(&mut buffer).unwrap();
    assert!(
        buffer[length..].iter().all(|byte| *byte == 0xaa),
        "nothing behind"
    );
    buffer.truncate(length);
    buffer
}

#[test]
fn a_heartbeat_is_byte_for_byte_what_the_rfc_says() {
    let expected = [
        0x8e, 0x3c, // source port 36412
        0x0b, 0x59, // destination port 2905
        0xde, 0xad, 0xbe, 0xef, // verification tag
        0x35, 0xd8, 0x98, 0xb7, // CRC32c, least significant byte first
        4, 0, // HEARTBEAT, no flags
        0, 13, // chunk length: without padding
        0, 1, // Heartbeat Info
        0, 9, // parameter length
        1, 2, 3, 4, 5, // opaque
        0, 0, 0, // padding
    ];
    assert_eq!(emitted(&[1, 2, 3, 4, 5]), expected);
}

#[test]
fn an_ipv4_header_is_byte_for_byte_what_the_rfc_says() {
    let header = IpHeader::V4 {
        src: Ipv4Addr::new(10, 1, 0, 1),
        dst: Ipv4Addr::new(10, 2, 0, 2),
        ttl: 64,
        identification: 7,
    };
    let mut buffer = [0xaa; 20];
    assert_eq!(header.emit(28, &mut buffer), Ok(20));
    let expected = [
        0x45, 0, // version 4, 5 words, no DSCP
        0, 48, // total length
        0, 7, // identification
        0x40, 0, // don't fragment
        64, 132, // TTL, SCTP
        0x26, 0x3e, // checksum
        10, 1, 0, 1, // source
        10, 2, 0, 2, // destination
    ];
    assert_eq!(buffer, expected);
}

#[test]
fn an_ipv6_header_is_byte_for_byte_what_the_rfc_says() {
    let address = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let header = IpHeader::V6 {
        src: address(1),
        dst: address(2),
        hop_limit: 64,
    };
    let mut buffer = [0xaa; 40];
    assert_eq!(header.emit(28, &mut buffer), Ok(40));
    let mut expected = vec![
        0x60, 0, 0, 0, // version 6, no traffic class, no flow label
        0, 28, // payload length
        132, 64, // SCTP, hop limit
    ];
    expected.extend(address(1).octets());
    expected.extend(address(2).octets());
    assert_eq!(buffer.as_slice(), expected);
}

/// etherparse and another implementation of CRC32c build the same frame.
#[test]
fn others_build_the_same_frames() {
    for info in [&[][..], &[7], &[7; 36], &[9; 120], &[5; 1_400]] {
        for packet in [
            Packet::v4(TAG, vec![frames::heartbeat(info)]),
            Packet::v6(TAG, vec![frames::heartbeat(info)]),
        ] {
            let theirs = packet.ethernet();
            let ours = HeartbeatFrame {
                to: theirs[..6].try_into().unwrap(),
                from: theirs[6..12].try_into().unwrap(),
                ip: match (packet.addresses.0, packet.addresses.1) {
                    (IpAddr::V4(src), IpAddr::V4(dst)) => IpHeader::V4 {
                        src,
                        dst,
                        ttl: theirs[22],
                        identification: u16::from_be_bytes([theirs[18], theirs[19]]),
                    },
                    (IpAddr::V6(src), IpAddr::V6(dst)) => IpHeader::V6 {
                        src,
                        dst,
                        hop_limit: theirs[21],
                    },
                    _ => unreachable!("one family"),
                },
                heartbeat: Heartbeat {
                    src_port: packet.ports.0,
                    dst_port: packet.ports.1,
                    tag: TAG,
                    info,
                },
            };
            let mut buffer = vec![0; ours.frame_length()];
            assert_eq!(ours.emit(&mut buffer), Ok(theirs.len()));
            assert_eq!(buffer, theirs, "{} bytes of information", info.len());
        }
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut buffer = [0; 27];
    assert_eq!(
        heartbeat(&[1, 2, 3, 4, 5]).emit(&mut buffer),
        Err(EmitError::BufferTooShort {
            needed: 28,
            available: 27
        })
    );
    assert_eq!(buffer, [0; 27]);
    let long = vec![0; Heartbeat::LONGEST_INFO + 1];
    assert_eq!(
        heartbeat(&long).emit(&mut [0; 70_000]),
        Err(EmitError::InfoTooLong { length: long.len() })
    );
    let longest = heartbeat(&long[1..]);
    let length = longest.emit(&mut [0; 70_000]).unwrap();
    let (v4, v6) = ([10, 0, 0, 1].into(), [0, 0, 0, 0, 0, 0, 0, 1].into());
    let header = IpHeader::between(v4, v4).unwrap();
    assert_eq!(header.emit(length, &mut [0; 20]), Ok(20));
    assert_eq!(
        header.emit(65_516, &mut [0; 20]),
        Err(EmitError::PacketTooLong { length: 65_516 })
    );
    assert_eq!(IpHeader::between(v4, v6), Err(EmitError::TwoFamilies));
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(
        src_port: u16,
        dst_port: u16,
        tag: u32,
        info in vec(any::<u8>(), 0..3_000),
        addresses in prop_oneof![
            any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
            // IPv4-mapped addresses are never on the wire, and the parser says so.
            any::<(Ipv6Addr, Ipv6Addr)>()
                .prop_filter("on the wire", |(a, b)| [a, b].iter().all(|ip| ip.to_ipv4_mapped().is_none()))
                .prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
        ],
    ) {
        let frame = HeartbeatFrame {
            to: [2; 6],
            from: [4; 6],
            ip: IpHeader::between(addresses.0, addresses.1).unwrap(),
            heartbeat: Heartbeat { src_port, dst_port, tag, info: &info },
        };
        let mut bytes = vec![0xaa; frame.frame_length()];
        let length = frame.emit(&mut bytes).unwrap();
        prop_assert_eq!(length, bytes.len());
        let reader = Frame(&bytes);
        let packet = parse(&reader, LinkType::Ethernet, ParseOptions::default()).unwrap();
        prop_assert_eq!((packet.src.to_ip(), packet.dst.to_ip()), addresses);
        prop_assert_eq!((packet.src_port, packet.dst_port, packet.tag), (src_port, dst_port, tag));
        prop_assert_eq!(packet.end, length);
        let found: Vec<_> = chunks(&reader, packet.chunks_at(), packet.end).collect();
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].kind(), ChunkKind::Heartbeat);
        prop_assert_eq!(usize::from(found[0].length), frame.heartbeat.chunk_length());
        prop_assert!(HeartbeatInfo::read(&reader, &found[0]).is_some());
        let parameters: Vec<_> = params(&reader, found[0].value_at(), found[0].end()).collect();
        prop_assert_eq!(parameters.len(), 1);
        prop_assert_eq!(parameters[0].kind, HEARTBEAT_INFO);
        prop_assert_eq!(&bytes[parameters[0].value_at()..parameters[0].end()], info.as_slice());
        // Another implementation finds the checksum right.
        let mut sctp = bytes[packet.at..].to_vec();
        let checksum = u32::from_le_bytes(sctp[8..12].try_into().unwrap());
        sctp[8..12].fill(0);
        prop_assert_eq!(checksum, crc32c::crc32c(&sctp));
    }
}
