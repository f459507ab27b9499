//! Somebody off the path who knows addresses and ports of associations, but none of their tags, and sends what he likes to each of
//! them: chunks of every kind, guesses, ICMP errors, INITs that the host answers, and what he saw of one direction.
//!
//! Each attack has an association of its own, of which both ends are played here, so that many attacks go on at the same time. One
//! association is left alone: with it the others are compared. Nothing is said of those that work, and each break is found as soon.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sctp_monitor_lab::{
    Lab, Monitor,
    clock::{MonotonicNs, monotonic_ns},
    wait,
};
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::{
    played::{Form, Played, Wire, info},
    scene::since,
    setup::{PORT, SOON, monitor},
};

/// No endpoint has this tag.
const FORGED: u32 = 0x0bad_0bad;
/// DATA of each association comes so often.
const ROUND: Duration = Duration::from_millis(50);
/// So long all works under attack.
const CALM_ROUNDS: u32 = 70;
/// From one packet of an attack to the next.
const PAUSE: Duration = Duration::from_millis(20);

/// An attack: the frames that he sends the n-th time, to the watched host, and what that host sends because of them.
type Attack = fn(&Played, u32) -> Vec<Sent>;

/// A packet, and whether the watched host sends it.
enum Sent {
    Arrives(Packet),
    Leaves(Packet),
    /// A whole frame that arrives.
    Frame(Vec<u8>),
}

/// Packets in the peer's name, with tags that are not the association's.
fn forged(played: &Played, tag: u32, chunks: Vec<Vec<u8>>) -> Vec<Sent> {
    vec![Sent::Arrives(played.of_peer(tag, chunks))]
}

/// A number that looks like chance.
fn scattered(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b9) ^ 0x0005_bd1e
}

/// What is done to those that are left alone.
const ALONE: &str = "nothing";

/// What he does who sees nothing of the association.
const BLIND: &[(&str, Attack)] = &[
    (ALONE, |_, _| Vec::new()),
    ("SACKs", |played, n| {
        forged(played, FORGED, vec![frames::sack(scattered(n), &[])])
    }),
    ("SACKs with gaps", |played, n| {
        forged(played, FORGED, vec![frames::sack(scattered(n), &[(2, 900)])])
    }),
    ("HEARTBEAT ACKs", |played, n| {
        forged(
            played,
            FORGED,
            vec![frames::heartbeat_ack(&n.to_be_bytes().repeat(10))],
        )
    }),
    ("HEARTBEATs", |played, n| {
        forged(
            played,
            FORGED,
            vec![frames::heartbeat(&n.to_be_bytes().repeat(10))],
        )
    }),
    ("DATA", |played, n| {
        forged(played, FORGED, vec![frames::data(scattered(n), 400)])
    }),
    ("ABORT", |played, _| {
        forged(played, FORGED, vec![frames::abort(false)])
    }),
    ("ABORT with T bit", |played, _| {
        forged(played, FORGED, vec![frames::abort(true)])
    }),
    ("SHUTDOWN", |played, n| {
        forged(played, FORGED, vec![frames::shutdown(scattered(n))])
    }),
    ("SHUTDOWN ACK", |played, _| {
        forged(played, FORGED, vec![frames::shutdown_ack()])
    }),
    ("SHUTDOWN COMPLETE", |played, _| {
        forged(played, FORGED, vec![frames::shutdown_complete()])
    }),
    ("SHUTDOWN COMPLETE with T bit", |played, _| {
        forged(played, FORGED, vec![frames::chunk(14, 1, &[])])
    }),
    ("ERRORs", |played, n| {
        forged(played, FORGED, vec![frames::error((n % 14) as u16, &[0; 4])])
    }),
    ("ASCONF", |played, n| {
        let requests = [(0xc001, "10.66.0.9"), (0xc002, "10.9.0.1"), (0xc004, "10.66.0.9")];
        forged(played, FORGED, vec![frames::asconf(n, "10.66.0.9", &requests)])
    }),
    ("ASCONF ACK", |played, n| {
        forged(played, FORGED, vec![frames::asconf_ack(n, &[])])
    }),
    ("INITs", |played, n| {
        forged(played, 0, vec![frames::init(FORGED + n, &["10.66.0.9"])])
    }),
    ("INITs that are answered", |played, n| {
        let own = scattered(n) | 1;
        vec![
            Sent::Arrives(played.of_peer(0, vec![frames::init(FORGED + n, &[])])),
            Sent::Leaves(played.to_peer(FORGED + n, vec![frames::init_ack(own, &[])])),
        ]
    }),
    ("INIT ACKs", |played, n| {
        forged(played, FORGED, vec![frames::init_ack(FORGED + n, &["10.66.0.9"])])
    }),
    ("COOKIE ECHOs", |played, _| {
        forged(played, FORGED, vec![frames::cookie_echo()])
    }),
    ("COOKIE ACKs", |played, _| {
        forged(played, FORGED, vec![frames::cookie_ack()])
    }),
    ("tags one by one", |played, n| {
        forged(played, n + 1, vec![frames::sack(scattered(n), &[])])
    }),
    ("no tag", |played, n| {
        forged(played, 0, vec![frames::sack(scattered(n), &[])])
    }),
    ("all in one packet", |played, n| {
        let chunks = vec![
            frames::sack(scattered(n), &[]),
            frames::heartbeat_ack(&n.to_be_bytes().repeat(10)),
            frames::data(scattered(n), 8),
            frames::shutdown(n),
            frames::abort(true),
        ];
        forged(played, FORGED, chunks)
    }),
    ("another address of the peer", |played, n| {
        let packet = played.of_peer(FORGED, vec![frames::heartbeat(&n.to_be_bytes().repeat(10))]);
        let (other, local) = (played.other_peer(), played.local());
        vec![Sent::Arrives(packet.between(&other, &local))]
    }),
    ("an address that is nearly the peer's", |played, n| {
        let packet = played.of_peer(FORGED, vec![frames::data(n, 8)]);
        let (twin, local) = (twin(&played.peer()), played.local());
        vec![Sent::Arrives(packet.between(&twin, &local))]
    }),
    ("other ports", |played, n| {
        let packet = played.of_peer(FORGED, vec![frames::sack(scattered(n), &[])]);
        vec![Sent::Arrives(packet.ports(PORT, played.port + 1_000))]
    }),
    ("ICMP unreachable", |played, n| {
        let quoted = played.to_peer(FORGED, vec![frames::data(scattered(n), 100)]);
        let [kind, code] = [[3, 1], [3, 2], [3, 3], [11, 0]][(n % 4) as usize];
        vec![Sent::Frame(quoted.icmp_error(&played.router(), [kind, code], 0))]
    }),
    ("ICMP too big", |played, n| {
        let quoted = played.to_peer(FORGED, vec![frames::data(scattered(n), 100)]);
        vec![Sent::Frame(quoted.icmp_error(&played.router(), [3, 4], 576))]
    }),
];

/// The address that had the same index key as this one, whatever its seed, before the key was a hash that nobody can aim at.
fn twin(address: &str) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(address) => (IpAddr::from((u32::from(address) ^ 0x80).to_be_bytes())).to_string(),
        IpAddr::V6(address) => {
            let flipped = u128::from(address) ^ 0x0080_0000_0080_0000_0080;
            Ipv6Addr::from(flipped).to_string()
        }
    }
}

/// What he does who sees one direction: what he sends has the tag of the other one only if he sends again what he saw there.
const SEES: &[(&str, Attack)] = &[
    ("SACKs of what was just sent", |played, _| {
        let tsn = played.tsn.load(Ordering::Relaxed);
        forged(played, FORGED, vec![frames::sack(tsn, &[])])
    }),
    ("SACKs with the tag of the other direction", |played, _| {
        let tsn = played.tsn.load(Ordering::Relaxed);
        forged(played, played.remote_tag(), vec![frames::sack(tsn, &[])])
    }),
    ("HEARTBEAT ACKs of what was just sent", |played, _| {
        let info = info(played.heartbeats.load(Ordering::Relaxed));
        forged(played, FORGED, vec![frames::heartbeat_ack(&info)])
    }),
    ("ABORT with the tag of the other direction", |played, _| {
        forged(played, played.remote_tag(), vec![frames::abort(false)])
    }),
    ("what the peer sent, again", |played, n| {
        let seen = played.seen.lock().unwrap();
        let again = seen.get(n as usize % seen.len().max(1)).cloned();
        again.into_iter().map(Sent::Frame).collect()
    }),
];

/// An association, and what is done to it.
struct Victim {
    played: Played,
    name: &'static str,
    attack: Attack,
    /// Else the agent joins it mid-life, and the attack was there before.
    has_handshake: bool,
}

impl Victim {
    fn attacked(&self, wire: &Wire<'_>, number: u32) {
        let played = &self.played;
        for sent in (self.attack)(played, number) {
            match sent {
                Sent::Arrives(packet) => wire.arrives(&played.frame(&packet)),
                Sent::Leaves(packet) => wire.leaves(&played.frame(&packet)),
                Sent::Frame(frame) => wire.arrives(&frame),
            }
        }
    }

    fn what(&self) -> (&'static str, Form, bool) {
        (self.name, self.played.form, self.has_handshake)
    }
}

/// An association for each attack in each form, known by its handshake and joined mid-life.
fn victims() -> Vec<Victim> {
    let blind = BLIND.iter().flat_map(|attack| [(attack, true), (attack, false)]);
    // Of what was not proved yet he can prove something himself.
    let sees = SEES.iter().map(|attack| (attack, true));
    let attacks = blind
        .chain(sees)
        .flat_map(|attack| Form::ALL.map(|form| (attack, form)));
    (0_u16..)
        .zip(attacks)
        .map(|(number, (((name, attack), has_handshake), form))| Victim {
            played: Played::new(number, form),
            name,
            attack: *attack,
            has_handshake,
        })
        .collect()
}

/// What is said although all works. That there is one path only is true, and forged packets may be told of.
fn is_false(event: &Value) -> bool {
    match event["event"].as_str().unwrap_or_default() {
        "association_down" | "association_shutting_down" | "association_error" | "addresses_changed" => true,
        "path_state_changed" => ["inactive", "potentially_failed"].contains(&event["to"].as_str().unwrap()),
        "finding" => {
            event["status"] == "opened"
                && !["spoofing_suspected", "not_redundant", "secondary_unconfirmed"]
                    .contains(&event["finding"].as_str().unwrap())
        }
        _ => false,
    }
}

/// All of them live for a while, and break at the same moment.
fn play(agent: &Monitor, wire: &Wire<'_>) {
    let victims = victims();
    let over = AtomicBool::new(false);
    let broken_at_ns: MonotonicNs = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                for victim in &victims {
                    victim.attacked(wire, number);
                }
                number += 1;
                let _ = wait::until(PAUSE, || over.load(Ordering::Relaxed).then_some(()));
            }
        });
        // However this ends, the attack does.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = wait::until(5 * ROUND, || None::<()>);
            for victim in victims.iter().filter(|victim| victim.has_handshake) {
                victim.played.handshake(wire);
            }
            for round in 0..CALM_ROUNDS {
                let begun_ns = monotonic_ns();
                for Victim { played, .. } in &victims {
                    played.ask(wire, round);
                    played.answer(wire, round);
                }
                let took = Duration::from_nanos(monotonic_ns() - begun_ns);
                let _ = wait::until(ROUND.saturating_sub(took), || None::<()>);
            }
            let events = agent.events();
            let said: Vec<_> = events.iter().filter(|event| is_false(event)).collect();
            assert_eq!(said, Vec::<&Value>::new());
            let broken_at_ns = monotonic_ns();
            let rounds = SOON.as_millis() / ROUND.as_millis();
            for _ in 0..rounds {
                let events = agent.events();
                if victims
                    .iter()
                    .all(|victim| inactive(&events, &victim.played).is_some())
                {
                    break;
                }
                for Victim { played, .. } in &victims {
                    // A round without HEARTBEAT: nothing but DATA tells.
                    played.ask(wire, 1);
                }
                let _ = wait::until(ROUND, || None::<()>);
            }
            broken_at_ns
        }));
        over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let events = agent.events();
    let names_forged = |event: &&Value| {
        event["event"] != "finding"
            && ["local_tag", "remote_tag"]
                .iter()
                .filter_map(|tag| event[tag].as_str())
                .any(|tag| !tag.starts_with("0x1111") && !tag.starts_with("0x2222"))
    };
    let said: Vec<_> = events.iter().filter(names_forged).collect();
    assert_eq!(said, Vec::<&Value>::new());
    let mut found = BTreeMap::new();
    for victim in &victims {
        let (played, what) = (&victim.played, victim.what());
        let ups = events
            .iter()
            .filter(|event| event["event"] == "association_up" && played.is_meant(event));
        assert_eq!(ups.count(), 1, "{what:?}");
        let down = inactive(&events, played).unwrap_or_else(|| panic!("{what:?}: not found"));
        found.insert(what, since(broken_at_ns, down));
    }
    println!("{found:#?}");
    for ((name, form, has_handshake), after) in &found {
        let alone = found[&(ALONE, *form, *has_handshake)];
        let limit = alone * 3 / 2 + ROUND;
        assert!(
            *after <= limit,
            "{name}, {form:?}, {has_handshake}: {after:?}, {alone:?} alone"
        );
    }
}

fn inactive<'a>(events: &'a [Value], played: &Played) -> Option<&'a Value> {
    events.iter().find(|event| {
        event["event"] == "path_state_changed" && event["to"] == "inactive" && played.is_meant(event)
    })
}

#[test]
fn nobody_off_the_path_blinds_a_host_or_makes_it_cry_wolf() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1"], &[]);
    let (outward, inward) = (
        lab.path("path1").outlet("mme").unwrap(),
        lab.path("path1").injector("mme").unwrap(),
    );
    let wire = Wire {
        outward: &outward,
        inward: &inward,
    };
    play(&agent, &wire);
}

/// Packets of each direction arrive at a NIC of their own.
#[test]
fn nobody_off_the_path_blinds_a_gateway_or_makes_it_cry_wolf() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &["--vantage", "gateway"]);
    let (outward, inward) = (
        lab.path("path2").injector("mme").unwrap(),
        lab.path("path1").injector("mme").unwrap(),
    );
    let wire = Wire {
        outward: &outward,
        inward: &inward,
    };
    play(&agent, &wire);
}
