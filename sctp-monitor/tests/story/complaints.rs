//! Small captures of endpoints that complain, refuse, or list addresses that nobody can use: who says what to whom.

use sctp_monitor_testkit::frames::{self, Packet};

use crate::own::Records;

pub(crate) fn all() -> [(&'static str, Records); 10] {
    [
        ("abort-unknown-cause", abort_unknown_cause()),
        ("abort-protocol-violation", abort_protocol_violation()),
        ("abort-no-user-data", abort_no_user_data()),
        ("error-several-causes", error_several_causes()),
        ("init-refused-address", init_refused_address()),
        ("stale-cookie", stale_cookie()),
        ("restart-new-addresses-v6", restart_new_addresses()),
        ("addresses-nobody-can-use", addresses_nobody_can_use()),
        ("one-address-of-two-peers", one_address_of_two_peers()),
        ("refused-for-resources", refused_for_resources()),
    ]
}

/// The responder ends it by causes that RFC 9260 does not have, one of them without the bytes that its length promises.
fn abort_unknown_cause() -> Records {
    let mut talk = Talk::new(["2001:db8::1", "2001:db8:1::2"], [40_000, 38_412]);
    talk.handshake(&[], &[]);
    talk.data(10);
    let causes = [cause(0x7777, &[1, 2, 3, 4]), cause(0xc005, b"")].concat();
    talk.says(RESPONDER, frames::chunk(6, 0, &causes));
    talk.records
}

/// The initiator says what it did not like, in words that would steer a terminal.
fn abort_protocol_violation() -> Records {
    let mut talk = Talk::new(["192.0.2.9", "192.0.2.1"], [2_905, 2_905]);
    talk.handshake(&[], &[]);
    talk.data(4);
    talk.says(
        INITIATOR,
        frames::chunk(6, 0, &cause(13, b"bad \x1b[31mstream\x07 count\n")),
    );
    talk.records
}

/// A DATA chunk without user data is answered by ABORT.
fn abort_no_user_data() -> Records {
    let mut talk = Talk::new(["192.0.2.9", "192.0.2.1"], [3_868, 3_868]);
    talk.handshake(&[], &[]);
    talk.data(4);
    talk.says(INITIATOR, frames::data(1_005, 0));
    talk.at_ns += 5 * MS;
    talk.says(
        RESPONDER,
        frames::chunk(6, 0, &cause(9, &1_005_u32.to_be_bytes())),
    );
    talk.records
}

/// One ERROR with four causes; the association goes on.
fn error_several_causes() -> Records {
    let mut talk = Talk::new(["2001:db8::1", "2001:db8::2"], [36_412, 36_412]);
    talk.handshake(&[], &[]);
    talk.data(4);
    let causes = [
        cause(1, &[0, 7, 0, 0]),
        cause(6, &[0xc9, 0, 0, 4]),
        cause(8, &[0x80, 0x99, 0, 4]),
        cause(0x7777, &[]),
    ];
    talk.says(RESPONDER, frames::chunk(9, 0, &causes.concat()));
    talk.data(20);
    talk.records
}

/// The responder cannot use an address that the INIT lists (cause 5), and refuses it three times.
fn init_refused_address() -> Records {
    let mut talk = Talk::new(["2001:db8::1", "2001:db8::2"], [40_000, 9_899]);
    for _ in 0..3 {
        talk.init(&["2001:db8::1", "fe80::1"]);
        talk.at_ns += MS;
        let address = [&[0, 6, 0, 20][..], &ip6("fe80::1")].concat();
        talk.says(RESPONDER, frames::chunk(6, 0, &cause(5, &address)));
        talk.at_ns += 3_000 * MS;
    }
    talk.records
}

/// Two COOKIE ECHOs are too late for the responder's clock: ERROR with the cause "stale cookie" and one more. Then one alone, whose
/// handshake lies far back.
fn stale_cookie() -> Records {
    let mut talk = Talk::new(["10.1.0.1", "10.1.0.2"], [40_000, 3_868]);
    for _ in 0..2 {
        talk.init(&[]);
        talk.at_ns += MS;
        talk.says(RESPONDER, frames::init_ack(talk.tags[RESPONDER], &[]));
        talk.at_ns += 200 * MS;
        talk.says(INITIATOR, frames::cookie_echo());
        talk.at_ns += MS;
        let causes = [
            cause(3, &30_000_000_u32.to_be_bytes()),
            cause(8, &[0x80, 0x99, 0, 4]),
        ];
        talk.says(RESPONDER, frames::chunk(9, 0, &causes.concat()));
        talk.at_ns += 1_000 * MS;
    }
    talk.at_ns += 90_000 * MS;
    for _ in 0..3 {
        talk.says(INITIATOR, frames::cookie_echo());
        talk.at_ns += MS;
        talk.says(
            RESPONDER,
            frames::chunk(9, 0, &cause(3, &30_000_000_u32.to_be_bytes())),
        );
        talk.at_ns += 3_000 * MS;
    }
    talk.records
}

/// The responder of a live association sends an INIT that lists two addresses more, and is refused.
fn restart_new_addresses() -> Records {
    let hosts = ["2001:db8::1", "2001:db8::2"];
    let mut talk = Talk::new(hosts, [36_412, 36_412]);
    talk.handshake(&[hosts[INITIATOR]], &[hosts[RESPONDER]]);
    talk.data(10);
    let listed = [hosts[RESPONDER], "2001:db8:7::2", "2001:db8:8::2"];
    talk.sends(RESPONDER, 0, frames::init(0x3333_3333, &listed));
    talk.at_ns += MS;
    let new = listed[1..]
        .iter()
        .map(|address| [&[0, 6, 0, 20][..], &ip6(address)].concat());
    let refusal = frames::chunk(6, 0, &cause(11, &new.collect::<Vec<_>>().concat()));
    talk.sends(INITIATOR, 0x3333_3333, refusal);
    talk.data(10);
    talk.records
}

/// The responder lists loopback, multicast and link-local addresses beside its own.
fn addresses_nobody_can_use() -> Records {
    let hosts = ["2001:db8::1", "2001:db8::2"];
    let mut talk = Talk::new(hosts, [40_000, 36_412]);
    talk.handshake(
        &[hosts[INITIATOR]],
        &[
            hosts[RESPONDER],
            "::1",
            "ff02::1",
            "fe80::2",
            "127.0.0.1",
            "224.0.0.1",
        ],
    );
    talk.data(20);
    talk.records
}

/// Two hosts behind one translator list the same private address to a server.
fn one_address_of_two_peers() -> Records {
    let mut all = Vec::new();
    for (number, host) in ["198.51.100.1", "198.51.100.2"].into_iter().enumerate() {
        let mut talk = Talk::new([host, "198.51.100.9"], [40_000, 38_412]);
        talk.tags = talk.tags.map(|tag| tag + number as u32);
        talk.at_ns += number as u64 * 7 * MS;
        talk.handshake(&[host, "198.51.100.77"], &["198.51.100.9"]);
        talk.data(40);
        all.extend(talk.records);
    }
    all.sort_by_key(|(time, _)| *time);
    all
}

/// Six INITs of one client, each answered by ABORT "out of resource", whose address is the lower one.
fn refused_for_resources() -> Records {
    let mut talk = Talk::new(["10.1.0.2", "10.1.0.1"], [50_001, 2_905]);
    for _ in 0..6 {
        talk.init(&["10.1.0.2"]);
        talk.at_ns += MS;
        talk.says(RESPONDER, frames::chunk(6, 0, &cause(4, &[])));
        talk.at_ns += 5_000 * MS;
    }
    talk.records
}

/// What two hosts say to each other.
struct Talk {
    hosts: [&'static str; 2],
    ports: [u16; 2],
    /// Of what goes to them.
    tags: [u32; 2],
    at_ns: u64,
    tsn: u32,
    records: Records,
}

impl Talk {
    /// Of the initiator and the responder.
    fn new(hosts: [&'static str; 2], ports: [u16; 2]) -> Self {
        Self {
            hosts,
            ports,
            tags: [0x1111_1111, 0x2222_2222],
            at_ns: BEGAN,
            tsn: 1_000,
            records: Vec::new(),
        }
    }

    fn handshake(&mut self, ours: &[&str], theirs: &[&str]) {
        self.init(ours);
        for (from, chunk) in [
            (RESPONDER, frames::init_ack(self.tags[RESPONDER], theirs)),
            (INITIATOR, frames::cookie_echo()),
            (RESPONDER, frames::cookie_ack()),
        ] {
            self.at_ns += MS;
            self.says(from, chunk);
        }
    }

    fn init(&mut self, listed: &[&str]) {
        self.sends(INITIATOR, 0, frames::init(self.tags[INITIATOR], listed));
    }

    /// So many chunks of the initiator, ten a second, each acknowledged after a millisecond.
    fn data(&mut self, chunks: u32) {
        for _ in 0..chunks {
            self.at_ns += 99 * MS;
            self.tsn += 1;
            self.says(INITIATOR, frames::data(self.tsn, 100));
            self.at_ns += MS;
            self.says(RESPONDER, frames::sack(self.tsn, &[]));
        }
        self.at_ns += 50 * MS;
    }

    /// To the other one's tag.
    fn says(&mut self, from: usize, chunk: Vec<u8>) {
        self.sends(from, self.tags[1 - from], chunk);
    }

    fn sends(&mut self, from: usize, tag: u32, chunk: Vec<u8>) {
        let packet = Packet::v4(tag, vec![chunk])
            .between(self.hosts[from], self.hosts[1 - from])
            .ports(self.ports[from], self.ports[1 - from]);
        self.records.push((self.at_ns, packet.ethernet()));
    }
}

fn cause(code: u16, information: &[u8]) -> Vec<u8> {
    let length = 4 + information.len() as u16;
    let mut bytes = [&code.to_be_bytes()[..], &length.to_be_bytes(), information].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn ip6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

const INITIATOR: usize = 0;
const RESPONDER: usize = 1;
const MS: u64 = 1_000_000;
/// 2023-11-14T22:13:20Z.
const BEGAN: u64 = 1_700_000_000_000 * MS;
