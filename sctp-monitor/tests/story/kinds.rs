//! Each kind of finding is found of either side, and does not depend on which of them sent the INIT, nor on whether that
//! was seen.

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_engine::model::FindingKind;
use sctp_monitor_testkit::exchange::{Ending, Exchange, Fault, Form, Header, Plan, Sent, Side};
use serde_json::{Value as Json, json};

use crate::{case::list, variants::told};

/// How a kind of finding is brought about, of one side.
struct Kind {
    kind: FindingKind,
    plan: fn(Side) -> Plan,
    /// What no plan says.
    spoil: fn(&mut Exchange, Side),
    /// It can be told without the handshake.
    mid_life: bool,
}

/// Those that a capture does not show of one side of an association.
const EXCEPT: [(FindingKind, &str); 2] = [
    (FindingKind::LinkDown, "a capture has no NICs"),
    (
        FindingKind::BadChecksum,
        "it is of a sender, and of no association",
    ),
];

#[test]
fn each_kind_is_found_of_either_side_whoever_sent_the_init() {
    let mut missing: BTreeSet<_> = FindingKind::ALL.into_iter().collect();
    for (kind, _) in EXCEPT {
        missing.remove(&kind);
    }
    let mut wrong = Vec::new();
    for kind in kinds() {
        missing.remove(&kind.kind);
        let name = kind.kind.name();
        for side in [Side::A, Side::B] {
            let exchanges = [Side::A, Side::B].map(|initiator| {
                let plan = Plan {
                    initiator,
                    ..(kind.plan)(side)
                };
                let mut exchange = Exchange::of(&plan);
                (kind.spoil)(&mut exchange, side);
                exchange.packets.sort_by_key(|packet| packet.at_ns);
                exchange
            });
            let mut all: Vec<_> = exchanges.iter().map(found).collect();
            if kind.mid_life {
                all.push(found(&without_handshake(&exchanges[0])));
            }
            let what = format!("{name} of {side:?}");
            if !all[0].iter().any(|found| found["finding"] == name) {
                wrong.push(format!("{what} is not found: {:#?}", all[0]));
            }
            for (other, by) in all[1..]
                .iter()
                .zip(["the other side began", "the handshake was not seen"])
            {
                if all[0] != *other {
                    wrong.push(format!("{what}, if {by}: {other:#?} instead of {:#?}", all[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missing.is_empty(), "{missing:?}");
}

fn kinds() -> Vec<Kind> {
    let of = |kind, plan| Kind {
        kind,
        plan,
        spoil: |_, _| {},
        mid_life: true,
    };
    vec![
        of(FindingKind::PathDown, |side| silent(&[(3, 8)], side)),
        of(FindingKind::PeerDown, |side| Plan {
            faults: [0, 1]
                .map(|path| Fault::silence(path, seconds(3), seconds(20)))
                .to_vec(),
            captured_at: if side == Side::A { 0.0 } else { 1.0 },
            lasts: seconds(30),
            ..Plan::new(1)
        }),
        of(FindingKind::Flapping, |side| Plan {
            lasts: seconds(45),
            ..silent(&[(3, 7), (13, 17), (23, 27), (33, 37)], side)
        }),
        of(FindingKind::PathMtuBlackHole, |side| {
            lossy(side, |fault| Fault {
                larger_than: 600,
                ..fault
            })
        }),
        of(FindingKind::GreyLoss, |side| {
            lossy(side, |fault| Fault {
                per_mille: 250,
                ..fault
            })
        }),
        of(FindingKind::NotRedundant, |_| Plan {
            paths: 1,
            lasts: seconds(70),
            message_every: Duration::from_millis(500),
            ..Plan::new(1)
        }),
        Kind {
            spoil: slower,
            ..of(FindingKind::LatencyDegraded, |side| Plan {
                senders: vec![side.other()],
                lasts: seconds(60),
                ..Plan::new(1)
            })
        },
        Kind {
            spoil: nobody_reads,
            ..of(FindingKind::Zombie, |_| Plan {
                lasts: seconds(50),
                message_every: Duration::from_millis(500),
                ..Plan::new(1)
            })
        },
        Kind {
            spoil: answering_elsewhere,
            ..of(FindingKind::AnsweredElsewhere, |_| Plan {
                senders: Vec::new(),
                lasts: seconds(20),
                ..Plan::new(1)
            })
        },
        Kind {
            spoil: duplicates_reported,
            ..of(FindingKind::RtoBelowSackDelay, |side| Plan {
                senders: vec![side],
                message_every: Duration::from_millis(600),
                sack_delay: Duration::from_millis(200),
                rto: Duration::from_millis(100),
                paths: 1,
                lasts: seconds(70),
                ..Plan::new(1)
            })
        },
        Kind {
            spoil: forged,
            mid_life: false,
            ..of(FindingKind::SpoofingSuspected, |_| Plan {
                lasts: seconds(30),
                ..Plan::new(1)
            })
        },
        Kind {
            spoil: |exchange, side| lists(exchange, side, [127, 0, 0, 1]),
            mid_life: false,
            ..of(FindingKind::AddressListSuspect, |_| Plan::new(1))
        },
        Kind {
            spoil: |exchange, side| lists(exchange, side, [10, 9, 0, 1]),
            mid_life: false,
            ..of(FindingKind::SecondaryUnconfirmed, |_| Plan {
                lasts: seconds(70),
                message_every: Duration::from_millis(500),
                ..Plan::new(1)
            })
        },
        Kind {
            spoil: again_and_again,
            mid_life: false,
            ..of(FindingKind::ShortLived, |side| Plan {
                lasts: seconds(1),
                ending: Ending::Abort(side),
                ..Plan::new(1)
            })
        },
    ]
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Nothing reaches a side over the first path, from and to.
fn silent(times: &[(u64, u64)], side: Side) -> Plan {
    let fault = |(from, to): &(u64, u64)| Fault::silence(0, seconds(*from), seconds(*to)).towards(side);
    Plan {
        faults: times.iter().map(fault).collect(),
        lasts: seconds(30),
        ..Plan::new(1)
    }
}

fn lossy(side: Side, how: fn(Fault) -> Fault) -> Plan {
    let fault = Fault::silence(0, seconds(2), seconds(60)).towards(side);
    Plan {
        faults: vec![how(fault)],
        // What is lost is sent again there.
        paths: 1,
        senders: vec![side.other()],
        lasts: seconds(60),
        ..Plan::new(1)
    }
}

/// Changes what a side sends later than that.
fn later(exchange: &mut Exchange, side: Side, after: Duration, change: impl FnMut(&mut Sent)) {
    let began_ns = exchange.packets[0].at_ns;
    let is_later =
        |packet: &&mut Sent| packet.from == side && packet.at_ns > began_ns + after.as_nanos() as u64;
    exchange.packets.iter_mut().filter(is_later).for_each(change);
}

/// Its answers take longer.
fn slower(exchange: &mut Exchange, side: Side) {
    later(exchange, side, seconds(25), |packet| {
        if packet.chunks.iter().any(|chunk| matches!(chunk[0], 3 | 5)) {
            packet.at_ns += 60_000_000;
        }
    });
}

/// Its SACKs advertise no window.
fn nobody_reads(exchange: &mut Exchange, side: Side) {
    later(exchange, side, seconds(5), |packet| {
        for sack in packet.chunks.iter_mut().filter(|chunk| chunk[0] == 3) {
            sack[8..12].fill(0);
        }
    });
}

/// It answers HEARTBEATs of path 1 over path 2.
fn answering_elsewhere(exchange: &mut Exchange, side: Side) {
    later(exchange, side, seconds(5), |packet| {
        if packet.path == 0 && packet.chunks[0][0] == 5 {
            packet.path = 1;
        }
    });
}

/// SACKs for its DATA name the duplicates.
fn duplicates_reported(exchange: &mut Exchange, side: Side) {
    let mut seen = BTreeSet::new();
    let mut twice = Vec::new();
    for packet in &mut exchange.packets {
        for chunk in &mut packet.chunks {
            if packet.from == side && chunk[0] == 0 && !seen.insert(chunk[4..8].to_vec()) {
                twice.push(chunk[4..8].to_vec());
            }
            if packet.from != side && chunk[0] == 3 && !twice.is_empty() {
                chunk[15] = twice.len() as u8;
                chunk[3] += 4 * twice.len() as u8;
                chunk.extend(std::mem::take(&mut twice).concat());
            }
        }
    }
}

/// Somebody sends in its name, with another tag.
fn forged(exchange: &mut Exchange, side: Side) {
    let from_it = |packet: &&Sent| packet.from == side && packet.chunks[0][0] == 0;
    let mut forged: Vec<_> = exchange
        .packets
        .iter()
        .filter(from_it)
        .step_by(20)
        .cloned()
        .collect();
    for packet in &mut forged {
        packet.tag ^= 0x5555_5555;
        packet.at_ns += 1_000;
    }
    exchange.packets.extend(forged);
}

/// It lists one more address.
fn lists(exchange: &mut Exchange, side: Side, address: [u8; 4]) {
    for packet in &mut exchange.packets {
        let is_init = packet.from == side && matches!(packet.chunks[0][0], 1 | 2);
        if is_init {
            let chunk = &mut packet.chunks[0];
            chunk[3] += 8;
            chunk.extend([&[0, 5, 0, 8], &address[..]].concat());
        }
    }
}

/// The same again, some times, with other tags.
fn again_and_again(exchange: &mut Exchange, _: Side) {
    let one = exchange.clone();
    for number in 1..6_u32 {
        let mut next = one.clone();
        for packet in &mut next.packets {
            packet.tag = if packet.tag == 0 { 0 } else { packet.tag ^ number };
            for chunk in packet.chunks.iter_mut().filter(|chunk| matches!(chunk[0], 1 | 2)) {
                chunk[7] ^= number as u8;
            }
        }
        *exchange = exchange.clone().then(&next, Duration::from_millis(200));
    }
}

fn without_handshake(exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    let is_of_it = |packet: &Sent| matches!(packet.chunks[0][0], 1 | 2 | 10 | 11);
    exchange.packets.retain(|packet| !is_of_it(packet));
    exchange
}

/// What is found, by the sides of the exchange: each once, in whatever order.
fn found(exchange: &Exchange) -> Vec<Json> {
    let form = Form {
        header: Header::Ethernet,
        offload: false,
        ..Form::from_seed(1)
    };
    let told = told(&exchange.records(form), form);
    let events = list(&told["events"]);
    let is_up = |event: &&Json| event["event"] == "association_up";
    let local_is_a = |association: &Json| {
        let up = events
            .iter()
            .filter(is_up)
            .find(|up| up["association"] == *association);
        up.is_none_or(|up| up["local_addresses"][0].as_str().unwrap().ends_with('1'))
    };
    let opened = |event: &&Json| event["event"] == "finding" && event["status"] == "opened";
    let mut found: Vec<_> = events
        .iter()
        .filter(opened)
        .map(|event| as_of_a(event, local_is_a(&event["association"])))
        .collect();
    found.sort_by_key(Json::to_string);
    found.dedup();
    found
}

/// A finding without figures, by A and B.
fn as_of_a(event: &Json, local_is_a: bool) -> Json {
    let [a, b] = if local_is_a {
        ["local", "remote"]
    } else {
        ["remote", "local"]
    };
    let evidence = &event["evidence"];
    let of_side = |name: &str| {
        let said = evidence[name].as_str()?;
        Some(
            match (said, local_is_a) {
                ("forward" | "local", true) | ("return" | "remote", false) => "a",
                ("return" | "remote", true) | ("forward" | "local", false) => "b",
                (other, _) => other,
            }
            .to_owned(),
        )
    };
    let mut ends = [&event[a], &event[b]];
    if event["association"].is_null() {
        ends.sort_by_key(ToString::to_string);
    }
    let addresses = |value: &Json| {
        let text = value.to_string();
        let mut addresses: Vec<_> = text
            .split('"')
            .filter(|part| part.parse::<std::net::IpAddr>().is_ok())
            .map(str::to_owned)
            .collect();
        addresses.sort();
        addresses
    };
    json!({
        "finding": event["finding"],
        "a": ends[0],
        "b": ends[1],
        "direction": of_side("direction"),
        "side": of_side("side"),
        "addresses": addresses(evidence),
    })
}
