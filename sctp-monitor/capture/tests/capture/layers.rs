//! What lies in what.

use etherparse::PacketBuilder;
use sctp_monitor_capture::{Look, Record, Unwrapper, tunnel::TunnelKind};
use sctp_monitor_common::wire::{LinkType, ParseOptions};
use sctp_monitor_testkit::frames::{self, Packet};

const ETHERNET: usize = 14;

fn record(bytes: &[u8]) -> Record<'_> {
    Record {
        time_ns: 1,
        link: LinkType::Ethernet,
        bytes,
        original_length: bytes.len(),
    }
}

/// An IP packet of one DATA chunk.
fn inner() -> Vec<u8> {
    Packet::v4(7, vec![frames::data(1, 50)]).ethernet()[ETHERNET..].to_vec()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(port, port)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// IPv4 with any protocol in it.
fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = udp(1, &payload[8..]);
    frame[ETHERNET + 9] = protocol;
    frame[ETHERNET + 20..].copy_from_slice(payload);
    frame
}

fn tunnels() -> Vec<(TunnelKind, &'static str, Vec<u8>)> {
    let inner = inner();
    let with = |header: &[u8]| [header, &inner].concat();
    let ethernet = Packet::v4(7, vec![frames::data(1, 50)]).ethernet();
    let bridged = |header: &[u8]| [header, &ethernet].concat();
    let labelled = [&ethernet[..12], &[0x88, 0x47, 0, 1, 0, 9, 0, 2, 1, 9], &inner].concat();
    vec![
        (
            TunnelKind::GtpU,
            "ip/udp/gtp/ip",
            udp(2152, &with(&[0x30, 255, 0, 0, 0, 0, 0, 7])),
        ),
        (
            TunnelKind::Vxlan,
            "ip/udp/vxlan/eth/ip",
            udp(4789, &bridged(&[8, 0, 0, 0, 0, 0, 5, 0])),
        ),
        (
            TunnelKind::Geneve,
            "ip/udp/geneve/eth/ip",
            udp(6081, &bridged(&[0, 0, 0x65, 0x58, 0, 0, 5, 0])),
        ),
        (
            TunnelKind::Gre,
            "ip/gre/ip",
            ip(47, &with(&[0x20, 0, 8, 0, 0, 0, 0, 1])),
        ),
        (
            TunnelKind::Erspan,
            "ip/gre/erspan/eth/ip",
            ip(
                47,
                &bridged(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 1]),
            ),
        ),
        (TunnelKind::IpInIp, "ip/ip", ip(4, &inner)),
        (TunnelKind::Mpls, "", labelled),
    ]
}

#[test]
fn tunnels_are_looked_into_when_asked() {
    for (kind, chain, frame) in tunnels() {
        let mut unwrapper = Unwrapper::new(ParseOptions::default(), true);
        let Look::Sctp(layers) = unwrapper.look(&record(&frame)) else {
            panic!("{kind}: no SCTP");
        };
        assert_eq!(layers.chain.to_string(), chain, "{kind}");
        assert_eq!(layers.packet.tag, 7, "{kind}");
        assert_eq!(layers.total_length as usize, inner().len(), "{kind}");
    }
}

#[test]
fn tunnels_are_told_of_otherwise() {
    for (kind, _, frame) in tunnels() {
        let mut unwrapper = Unwrapper::new(ParseOptions::default(), false);
        let look = unwrapper.look(&record(&frame));
        assert!(
            matches!(look, Look::Tunnelled(known) if known == kind),
            "{kind}: {look:?}"
        );
    }
}

#[test]
fn tunnels_that_are_cut_hold_nothing() {
    for (kind, _, frame) in tunnels() {
        for length in 0..frame.len() {
            let mut unwrapper = Unwrapper::new(ParseOptions::default(), true);
            let cut = Record {
                original_length: frame.len(),
                ..record(&frame[..length])
            };
            // A tunnel that is cut after the common header still shows its packet.
            if let Look::Sctp(layers) = unwrapper.look(&cut) {
                assert_eq!(layers.packet.tag, 7, "{kind} cut to {length}");
            }
        }
    }
}

/// The fragments of an IPv4 packet, of so many bytes each (a multiple of eight).
fn fragments(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (header, payload) = (&frame[..ETHERNET + 20], &frame[ETHERNET + 20..]);
    let count = payload.len().div_ceil(size);
    payload
        .chunks(size)
        .zip(0..)
        .map(|(piece, number)| {
            let mut fragment = [header, piece].concat();
            let length = (20 + piece.len()) as u16;
            fragment[16..18].copy_from_slice(&length.to_be_bytes());
            fragment[18..20].copy_from_slice(&[0x12, 0x34]);
            let more = u16::from(number + 1 < count) << 13;
            let offset = (number * size / 8) as u16;
            fragment[20..22].copy_from_slice(&(more | offset).to_be_bytes());
            fragment
        })
        .collect()
}

#[test]
fn fragments_are_put_together_in_whatever_order() {
    let whole = Packet::v4(7, vec![frames::data(1, 900), frames::data(2, 900)]).ethernet();
    let pieces = fragments(&whole, 400);
    assert_eq!(pieces.len(), 5);
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        let mut unwrapper = Unwrapper::new(ParseOptions::default(), false);
        for (nth, piece) in order.into_iter().enumerate() {
            match unwrapper.look(&record(&pieces[piece])) {
                Look::Fragment => assert!(nth < 4),
                Look::Sctp(layers) => {
                    assert_eq!(nth, 4, "with the last piece");
                    let frame = layers.inner.frame();
                    assert_eq!(frame.bytes[20..], whole[ETHERNET + 20..]);
                    let headers = 5 * 20;
                    assert_eq!(
                        layers.total_length as usize,
                        whole.len() - ETHERNET - 20 + headers
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(unwrapper.incomplete_datagrams(), 0);
    }
}

#[test]
fn fragments_that_wait_for_ever_are_given_up() {
    let whole = Packet::v4(7, vec![frames::data(1, 900)]).ethernet();
    let mut unwrapper = Unwrapper::new(ParseOptions::default(), false);
    for number in 0..10_000_u16 {
        let mut first = fragments(&whole, 400).remove(0);
        first[18..20].copy_from_slice(&number.to_be_bytes());
        assert!(matches!(unwrapper.look(&record(&first)), Look::Fragment));
    }
    assert_eq!(
        unwrapper.incomplete_datagrams(),
        10_000,
        "all are told of, few are kept"
    );
}
