//! Packets of every kind, in an order that makes them mean something.

use sctp_monitor_testkit::frames::{self, Packet};

use crate::{BACK, TAG};

/// Packets of every kind, in an order that makes them mean something.
pub(crate) fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let info: Vec<u8> = (0..44).collect();
    let there = |chunks| Packet::v4(TAG, chunks);
    let back = |chunks| Packet::v4(BACK, chunks).reversed();
    let addresses = ["10.1.0.1", "10.2.0.1", "2001:db8::1"];
    let mut cases = vec![
        (
            "INIT",
            Packet::v4(0, vec![frames::init(BACK, &addresses)]).ethernet(),
        ),
        (
            "INIT ACK",
            back(vec![frames::init_ack(TAG, &addresses)]).ethernet(),
        ),
        (
            "COOKIE ECHO with DATA",
            there(vec![frames::cookie_echo(), frames::data(1, 30)]).ethernet(),
        ),
        (
            "COOKIE ACK with SACK",
            back(vec![frames::cookie_ack(), frames::sack(1, &[])]).ethernet(),
        ),
        ("HEARTBEAT", there(vec![frames::heartbeat(&info)]).ethernet()),
        (
            "HEARTBEAT ACK",
            back(vec![frames::heartbeat_ack(&info)]).ethernet(),
        ),
        (
            "HEARTBEAT ACK again",
            back(vec![frames::heartbeat_ack(&info)]).ethernet(),
        ),
        (
            "HEARTBEAT of odd length",
            there(vec![frames::heartbeat(&info[..37])]).ethernet(),
        ),
        (
            "HEARTBEAT that is long",
            there(vec![frames::heartbeat(&[9; 500])]).ethernet(),
        ),
        (
            "HEARTBEAT with PAD",
            there(vec![frames::heartbeat(&info), frames::chunk(132, 0, &[0; 100])]).ethernet(),
        ),
        ("DATA", there(vec![frames::data(2, 100)]).ethernet()),
        (
            "DATA x4",
            there((3..7).map(|tsn| frames::data(tsn, 10)).collect()).ethernet(),
        ),
        (
            "DATA again",
            there(vec![frames::data(3, 10), frames::data(7, 10)]).ethernet(),
        ),
        ("DATA far ahead", there(vec![frames::data(300, 10)]).ethernet()),
        (
            "DATA late",
            there(vec![frames::data(250, 10), frames::data(100, 10)]).ethernet(),
        ),
        (
            "DATA of no length",
            there(vec![frames::chunk(0, 3, &[0, 0])]).ethernet(),
        ),
        (
            "SACK with gaps",
            back(vec![frames::sack(5, &[(2, 2), (245, 295)])]).ethernet(),
        ),
        ("SACK", back(vec![frames::sack(300, &[])]).ethernet()),
        (
            "SACK that lies about its gaps",
            back(vec![frames::chunk(3, 0, &[0, 0, 2, 0, 0, 0, 0, 0, 9, 9, 0, 0])]).ethernet(),
        ),
        ("NR-SACK", back(vec![frames::chunk(16, 0, &[0; 16])]).ethernet()),
        ("I-DATA", there(vec![frames::i_data(301, 10)]).ethernet()),
        (
            "I-DATA, a later fragment",
            there(vec![frames::chunk(
                64,
                0,
                &[0, 0, 1, 46, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 5],
            )])
            .ethernet(),
        ),
        (
            "wrong tag",
            Packet::v4(7, vec![frames::data(302, 1), frames::heartbeat(&info)]).ethernet(),
        ),
        ("tag 0", Packet::v4(0, vec![frames::data(302, 1)]).ethernet()),
        ("ABORT", there(vec![frames::abort(false)]).ethernet()),
        (
            "ABORT with the T bit",
            Packet::v4(BACK, vec![frames::abort(true)]).ethernet(),
        ),
        (
            "SHUTDOWN",
            there(vec![frames::chunk(7, 0, &[0, 0, 0, 9])]).ethernet(),
        ),
        ("SHUTDOWN ACK", back(vec![frames::chunk(8, 0, &[])]).ethernet()),
        (
            "SHUTDOWN COMPLETE",
            there(vec![frames::shutdown_complete()]).ethernet(),
        ),
        (
            "ERROR",
            there(vec![frames::chunk(9, 0, &[0, 1, 0, 8, 0, 1, 0, 0])]).ethernet(),
        ),
        ("ASCONF", there(vec![frames::chunk(193, 0, &[0; 40])]).ethernet()),
        (
            "ASCONF ACK",
            back(vec![frames::chunk(128, 0, &[0; 4])]).ethernet(),
        ),
        (
            "a long control packet",
            there(vec![frames::chunk(193, 0, &[5; 1_300])]).ethernet(),
        ),
        (
            "every type once",
            there(
                (0..=255)
                    .take(28)
                    .map(|kind| frames::chunk(kind, 0, &[0; 4]))
                    .collect(),
            )
            .ethernet(),
        ),
        (
            "unknown types",
            there(vec![frames::chunk(77, 0, &[1]), frames::chunk(255, 0, &[])]).ethernet(),
        ),
        (
            "too many chunks",
            there((0..60).map(|_| frames::chunk(11, 0, &[])).collect()).ethernet(),
        ),
        ("no chunk", there(vec![]).ethernet()),
        (
            "chunk length 3",
            there(vec![vec![0, 3, 0, 3, 1, 2, 3, 4]]).ethernet(),
        ),
        (
            "chunk past the end",
            there(vec![vec![3, 0, 1, 0, 0, 0, 0, 9]]).ethernet(),
        ),
        (
            "half a chunk header",
            there(vec![frames::cookie_ack(), vec![3, 0]]).ethernet(),
        ),
        (
            "another path",
            there(vec![frames::data(303, 10)])
                .between("10.2.0.1", "10.2.0.2")
                .ethernet(),
        ),
        ("IPv6", Packet::v6(TAG, vec![frames::heartbeat(&info)]).ethernet()),
        (
            "IPv6 back",
            Packet::v6(BACK, vec![frames::heartbeat_ack(&info)])
                .reversed()
                .ethernet(),
        ),
        ("VLAN", there(vec![frames::data(304, 10)]).vlan(&[100])),
        ("QinQ", there(vec![frames::data(305, 10)]).vlan(&[100, 200])),
        (
            "VLAN and IPv6",
            Packet::v6(TAG, vec![frames::data(1, 10)]).vlan(&[100]),
        ),
        ("UDP", there(vec![frames::data(306, 10)]).udp(9899)),
        (
            "UDP of something else",
            there(vec![frames::data(306, 10)]).udp(53),
        ),
        ("TCP", there(vec![frames::data(306, 10)]).tcp()),
        ("ports 0", there(vec![frames::data(1, 1)]).ports(0, 0).ethernet()),
        (
            "from itself to itself",
            there(vec![frames::heartbeat(&info)])
                .between("10.1.0.1", "10.1.0.1")
                .ethernet(),
        ),
    ];
    cases.extend(altered());
    cases.extend(icmp_errors());
    cases
}

/// ICMP errors, most of them about flows that the packets before opened.
fn icmp_errors() -> Vec<(&'static str, Vec<u8>)> {
    const IP: usize = 14;
    const ROUTER: &str = "10.1.0.254";
    let v4 = Packet::v4(TAG, vec![frames::data(500, 20)]);
    let v6 = Packet::v6(TAG, vec![frames::data(500, 20)]);
    let plain = v4.icmp_error(ROUTER, [3, 1], 0);
    let plain_v6 = v6.icmp_error("2001:db8::fe", [1, 3], 0);
    let tag = |frame: &[u8]| insert(frame, 12, &[0x81, 0, 0, 100]);
    let options = insert(&with(&plain, IP, &[0x46]), IP + 20, &[1; 4]);
    let quoted = IP + 20 + 8;
    let quoted_options = insert(&with(&plain, quoted, &[0x46]), quoted + 20, &[1; 4]);
    let quoted_v6 = IP + 40 + 8;
    let fragment = |offset: u8| {
        insert(
            &with(&plain_v6, quoted_v6 + 6, &[44]),
            quoted_v6 + 40,
            &[132, 0, offset, 1, 0, 0, 0, 9],
        )
    };
    let in_udp = insert(
        &with(&plain, quoted + 9, &[17]),
        quoted + 20,
        &[0x26, 0xab, 0x26, 0xab, 0, 99, 0, 0],
    );
    let ends_early = |length: u8| with(&plain, IP + 2, &[0, length]);
    vec![
        ("ICMP fragmentation needed", v4.icmp_error(ROUTER, [3, 4], 1_400)),
        ("ICMP time exceeded", v4.icmp_error(ROUTER, [11, 0], 0)),
        ("ICMP echo", v4.icmp_error(ROUTER, [8, 0], 0)),
        (
            "ICMPv6 packet too big",
            v6.icmp_error("2001:db8::fe", [2, 0], 1_280),
        ),
        ("ICMPv6 echo", v6.icmp_error("2001:db8::fe", [128, 0], 0)),
        ("ICMP in a VLAN", tag(&plain)),
        ("ICMPv6 in QinQ", tag(&tag(&plain_v6))),
        ("ICMP with options", options),
        ("ICMP that quotes options", quoted_options),
        ("ICMP that quotes TCP", with(&plain, quoted + 9, &[6])),
        ("ICMPv6 that quotes TCP", with(&plain_v6, quoted_v6 + 6, &[6])),
        ("ICMP that quotes SCTP in UDP", in_udp.clone()),
        (
            "ICMP that quotes UDP",
            with(&in_udp, quoted + 20, &[0, 53, 0, 53]),
        ),
        (
            "ICMP that quotes a later fragment",
            with(&plain, quoted + 6, &[0, 9]),
        ),
        ("ICMPv6 that quotes a first fragment", fragment(0)),
        ("ICMPv6 that quotes a later fragment", fragment(5)),
        ("ICMP that quotes a version 5", with(&plain, quoted, &[0x55])),
        ("ICMP that quotes up to the tag", ends_early(56)),
        ("ICMP that quotes not up to the tag", ends_early(55)),
        ("ICMP of no length", ends_early(0)),
        ("ICMP, a later fragment", with(&plain, IP + 6, &[0, 9])),
        (
            "ICMP of an unknown flow",
            v4.clone().ports(9, 9).icmp_error(ROUTER, [3, 1], 0),
        ),
        (
            "ICMP with another tag",
            Packet::v4(7, vec![]).icmp_error(ROUTER, [3, 1], 0),
        ),
        ("ICMP", plain),
        ("ICMPv6", plain_v6),
    ]
}

/// Frames with something else in their headers.
fn altered() -> Vec<(&'static str, Vec<u8>)> {
    const IP: usize = 14;
    let plain = Packet::v4(TAG, vec![frames::data(400, 40)]).ethernet();
    let v6 = Packet::v6(TAG, vec![frames::data(400, 40)]).ethernet();
    let options = insert(&with(&plain, IP, &[0x47]), IP + 20, &[0x94, 4, 0, 0, 1, 1, 1, 1]);
    let hop_by_hop = insert(&with(&v6, IP + 6, &[0]), IP + 40, &[132, 0, 1, 4, 0, 0, 0, 0]);
    let fragment = |offset_flags: [u8; 2]| {
        insert(
            &with(&v6, IP + 6, &[44]),
            IP + 40,
            &[132, 0, offset_flags[0], offset_flags[1], 0, 0, 0, 9],
        )
    };
    vec![
        ("IPv4 options", options),
        ("IPv4 first fragment", with(&plain, IP + 6, &[0x20, 0x00])),
        ("IPv4 later fragment", with(&plain, IP + 6, &[0x00, 0x10])),
        ("IPv4 of version 5", with(&plain, IP, &[0x55])),
        ("IPv4 with a short header", with(&plain, IP, &[0x43])),
        ("IPv4 of no length", with(&plain, IP + 2, &[0, 0])),
        ("IPv4 shorter than its header", with(&plain, IP + 2, &[0, 12])),
        ("IPv4 longer than its frame", with(&plain, IP + 2, &[0x0f, 0])),
        (
            "IPv4 that ends in the common header",
            with(&plain, IP + 2, &[0, 25]),
        ),
        ("IPv6 of version 4", with(&v6, IP, &[0x40])),
        ("IPv6 of no length", with(&v6, IP + 4, &[0, 0])),
        ("IPv6 hop-by-hop", hop_by_hop),
        ("IPv6 first fragment", fragment([0x00, 0x01])),
        ("IPv6 later fragment", fragment([0x01, 0x01])),
        (
            "IPv6 authentication header",
            insert(
                &with(&v6, IP + 6, &[51]),
                IP + 40,
                &[132, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
        ),
        (
            "IPv6 with endless extension headers",
            insert(
                &with(&v6, IP + 6, &[60]),
                IP + 40,
                &[60, 0, 0, 0, 0, 0, 0, 0].repeat(12),
            ),
        ),
        ("MPLS", with(&plain, 12, &[0x88, 0x47])),
        ("ARP", with(&plain, 12, &[0x08, 0x06])),
        ("padding behind the packet", [plain.as_slice(), &[0; 24]].concat()),
    ]
}

/// A frame with other bytes at an offset.
fn with(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// A frame with more bytes at an offset.
fn insert(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.splice(at..at, bytes.iter().copied());
    frame
}
