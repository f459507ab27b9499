//! Associations joined mid-life while somebody who knows their addresses and ports, but not their tags, sends what he likes.

use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, PathState, Side},
};
use sctp_monitor_testkit::{
    choices::{Choices as _, Random},
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, kinds, ms, ups},
};

const FORGED: u32 = 0x0bad_0bad;
const VANTAGES: [Vantage; 2] = [Vantage::Endpoint, Vantage::Gateway];

/// What is forged, and in whose name: the peer's, and between the hosts also this side's.
#[derive(Debug, Clone, Copy)]
enum Forgery {
    Sacks,
    Data,
    HeartbeatAcks,
    Heartbeats,
    All,
}

const FORGERIES: [Forgery; 5] = [
    Forgery::Sacks,
    Forgery::Data,
    Forgery::HeartbeatAcks,
    Forgery::Heartbeats,
    Forgery::All,
];

impl Forgery {
    fn chunk(self, random: &mut Random) -> Vec<u8> {
        match self {
            Self::Sacks => frames::sack(random.below(u32::MAX), &[]),
            Self::Data => frames::data(random.below(u32::MAX), 8),
            Self::HeartbeatAcks => frames::heartbeat_ack(&random.u64().to_be_bytes()),
            Self::Heartbeats => frames::heartbeat(&random.u64().to_be_bytes()),
            Self::All => FORGERIES[random.below(4) as usize].chunk(random),
        }
    }

    fn send(self, world: &mut World, both: bool, random: &mut Random) {
        let chunk = self.chunk(random);
        world.received(1, FORGED, vec![chunk]);
        if both {
            let chunk = self.chunk(random);
            world.sent(1, FORGED, vec![chunk]);
        }
    }
}

/// Every kind of forgery in every vantage, from before the first genuine packet on.
fn attacks() -> impl Iterator<Item = (Vantage, Forgery, bool)> {
    VANTAGES.into_iter().flat_map(|vantage| {
        // Nobody can make this host send what has no tag of its own.
        let both = [false, true]
            .into_iter()
            .filter(move |both| !both || vantage == Vantage::Gateway);
        both.flat_map(move |both| FORGERIES.map(|forgery| (vantage, forgery, both)))
    })
}

/// No event names a tag that is not the association's own.
fn assert_no_forged_tag_was_said(world: &World, what: &str) {
    for event in &world.events {
        let Some(named) = &event.association else {
            continue;
        };
        let mut tags = [named.local_tag, named.remote_tag].into_iter().flatten();
        let own = tags.all(|tag| [LOCAL_TAG, REMOTE_TAG].contains(&tag));
        assert!(own, "{what}: {event:?}");
    }
}

#[test]
fn a_genuine_association_is_found_believed_and_watched_beside_forged_packets() {
    for (seed, (vantage, forgery, both)) in attacks().enumerate() {
        let what = format!("{vantage:?} {forgery:?} both: {both}");
        let mut random = Random::from_seed(seed as u64);
        let mut world = World::new(vantage);
        for _ in 0..100 {
            forgery.send(&mut world, both, &mut random);
            world.advance(ms(2));
        }
        assert_eq!(world.events, [], "{what}: nothing was answered");
        for tsn in 1..200 {
            world.data(1, tsn);
            if tsn % 4 == 0 {
                forgery.send(&mut world, both, &mut random);
            }
            world.now = world.now + ms(1);
            if tsn % 2 == 0 {
                world.sack(1, tsn);
            }
            world.advance(ms(49));
        }
        assert_eq!(ups(&world).len(), 1, "{what}: {:?}", world.events);
        assert_eq!(downs(&world), [], "{what}");
        assert_no_forged_tag_was_said(&world, &what);
        let known = world.engine().associations().next().unwrap();
        assert!(known.is_established(), "{what}");
        let (local, remote) = (known.reference().local_tag, known.reference().remote_tag);
        let mut tags = [local, remote];
        tags.sort_unstable();
        let mut genuine = [Some(LOCAL_TAG), Some(REMOTE_TAG)];
        genuine.sort_unstable();
        assert_eq!(tags, genuine, "{what}");
        let path = known.paths().next().unwrap().1;
        assert_eq!(path.state(), PathState::Active, "{what}");
        for kind in kinds(&world) {
            let EventKind::Finding { finding, .. } = kind else {
                continue;
            };
            let said = format!("{finding:?}");
            let genuine = [LOCAL_TAG, REMOTE_TAG].map(|tag| tag.to_string());
            assert!(!genuine.iter().any(|tag| said.contains(tag)), "{what}: {said}");
            assert!(!said.contains("PathDown"), "{what}: {said}");
        }
        // It breaks; the forger goes on.
        world.events.clear();
        let broken_at = world.now;
        for tsn in 200..210 {
            world.data(1, tsn);
            forgery.send(&mut world, both, &mut random);
            world.advance(ms(50));
        }
        let found = world.events.iter().find(|event| {
            matches!(
                event.kind,
                EventKind::PathStateChanged {
                    to: PathState::Inactive,
                    ..
                }
            )
        });
        let found = found.unwrap_or_else(|| panic!("{what}: not found, {:?}", world.events));
        assert!(
            found.time.since(broken_at) <= ms(300),
            "{what}: {:?}",
            found.time.since(broken_at)
        );
    }
}

#[test]
fn what_nothing_answers_is_not_spoken_of() {
    for (seed, (vantage, forgery, both)) in attacks().enumerate() {
        let mut random = Random::from_seed(seed as u64);
        let mut world = World::new(vantage);
        for _ in 0..120 {
            forgery.send(&mut world, both, &mut random);
            world.advance(ms(500));
        }
        assert_eq!(world.events, [], "{vantage:?} {forgery:?} both: {both}");
    }
}

/// A live association that says nothing at present, while somebody sends packets with other tags in both names.
#[test]
fn an_idle_association_is_not_replaced_by_what_nobody_proved() {
    for vantage in VANTAGES {
        for forgery in FORGERIES {
            let mut world = World::new(vantage);
            world.handshake();
            world.heartbeat_answered(1, ms(1));
            let mut random = Random::from_seed(12);
            let both = vantage == Vantage::Gateway;
            for _ in 0..300 {
                forgery.send(&mut world, both, &mut random);
                world.advance(ms(40));
            }
            // It was there all the time.
            for tsn in 1..20 {
                world.data(1, tsn);
                world.advance(ms(1));
                world.sack(1, tsn);
                world.advance(ms(100));
            }
            assert_eq!(downs(&world), [], "{vantage:?}, {forgery:?}");
            let known = world.engine().associations().next().expect("one").reference();
            assert_eq!(
                (known.local_tag, known.remote_tag),
                (Some(LOCAL_TAG), Some(REMOTE_TAG)),
                "{vantage:?}, {forgery:?}"
            );
            assert_eq!(world.state(1), PathState::Active, "{vantage:?}, {forgery:?}");
        }
    }
}

/// The peer sends nothing that would prove its tag; somebody else sends in its name.
#[test]
fn the_tag_of_a_peer_that_proved_none_is_not_spoken_of() {
    for forgery in FORGERIES {
        let mut random = Random::from_seed(3);
        let mut world = World::new(Vantage::Endpoint);
        for tsn in 1..60 {
            world.data(1, tsn);
            forgery.send(&mut world, false, &mut random);
            world.advance(ms(100));
        }
        assert_no_forged_tag_was_said(&world, &format!("{forgery:?}"));
        let [up] = kinds(&world).iter().filter_map(one_sided).collect::<Vec<_>>()[..] else {
            panic!("{forgery:?}: {:?}", world.events);
        };
        assert!(up, "{forgery:?}: nothing of the peer is known");
    }
}

fn one_sided(kind: &EventKind) -> Option<bool> {
    match kind {
        EventKind::AssociationUp { one_sided, .. } => Some(*one_sided),
        _ => None,
    }
}

/// INITs between the addresses and ports of a live association go on and on, as often as chance has it; in endpoint vantage the host
/// answers them, with the tag that they give.
#[test]
fn a_live_association_is_joined_though_forged_inits_keep_coming() {
    for seed in 0..200 {
        let vantage = VANTAGES[(seed % 2) as usize];
        let what = format!("{vantage:?}, seed {seed}");
        let mut random = Random::from_seed(seed);
        let mut world = World::new(vantage);
        let longest = [40, 900, 8_000][random.below(3) as usize];
        let answered = random.below(2) == 0;
        let mut due = world.now;
        let mut number = 0;
        let mut forge = |world: &mut World| {
            if world.now < due {
                return;
            }
            number += 1;
            let tag = FORGED.wrapping_add(number);
            world.received(1, 0, vec![frames::init(tag, &[])]);
            if answered {
                let answer = frames::init_ack(tag.rotate_left(7), &["10.1.0.1"]);
                world.sent(1, tag, vec![answer]);
            }
            due = world.now + ms(u64::from(1 + random.below(longest)));
        };
        for _ in 0..40 {
            forge(&mut world);
            world.advance(ms(50));
        }
        let began = world.now;
        for tsn in 1..80 {
            world.data(1, tsn);
            forge(&mut world);
            world.now = world.now + ms(1);
            if tsn % 2 == 0 {
                world.sack(1, tsn);
            }
            world.advance(ms(49));
        }
        let up = world
            .events
            .iter()
            .find(|event| matches!(event.kind, EventKind::AssociationUp { .. }));
        let up = up.unwrap_or_else(|| panic!("{what}: never joined, {:?}", world.events));
        assert!(
            up.time.since(began) <= ms(1_500),
            "{what}: {:?}",
            up.time.since(began)
        );
        assert_no_forged_tag_was_said(&world, &what);
        assert_eq!(ups(&world).len(), 1, "{what}");
        // It breaks.
        let broken_at = world.now;
        for tsn in 80..90 {
            world.data(1, tsn);
            forge(&mut world);
            world.advance(ms(50));
        }
        let is_dead = |to: PathState| to == PathState::Inactive;
        let found = world
            .events
            .iter()
            .find(|event| matches!(event.kind, EventKind::PathStateChanged { to, .. } if is_dead(to)));
        let found = found.unwrap_or_else(|| panic!("{what}: not found, {:?}", world.events));
        assert!(found.time.since(broken_at) <= ms(300), "{what}");
    }
}

/// He who gave a tag that nobody proved speaks for nobody: his COOKIE ACK brings nothing up, his ABORT ends nothing, and his ERROR is
/// not the peer's.
#[test]
fn control_chunks_with_an_unproved_tag_say_nothing() {
    for vantage in VANTAGES {
        for chunk in [
            frames::cookie_ack(),
            frames::abort(false),
            frames::error(1, &[0; 4]),
            frames::shutdown(1),
            frames::shutdown_complete(),
            frames::asconf(1, "10.1.0.2", &[(0xc001, "10.1.0.66")]),
        ] {
            let mut world = World::new(vantage);
            world.received(1, FORGED, vec![frames::data(77, 8)]);
            world.advance(ms(40));
            for tsn in 1..30 {
                world.data(1, tsn);
                world.received(1, FORGED, vec![chunk.clone()]);
                world.advance(ms(100));
            }
            let what = format!("{vantage:?}, chunk {}", chunk[0]);
            assert_eq!(downs(&world), [], "{what}");
            assert_no_forged_tag_was_said(&world, &what);
            for kind in &kinds(&world) {
                let is_said = matches!(
                    kind,
                    EventKind::AssociationError { .. }
                        | EventKind::ShuttingDown { .. }
                        | EventKind::AddressesChanged { .. }
                );
                assert!(!is_said, "{what}: {kind:?}");
            }
            let kinds = kinds(&world);
            let mut ups = kinds.iter().filter_map(one_sided);
            assert!(ups.all(|one_sided| one_sided), "{what}");
        }
    }
}

/// DATA and its SACK over path 1, with the association's own tags, for three seconds: it is the only one, and the path works.
fn assert_known_with_path_1(world: &mut World, mut tsn: u32) {
    for _ in 0..60 {
        world.data(1, tsn);
        world.advance(ms(49));
        world.sack(1, tsn);
        world.advance(ms(1));
        tsn += 1;
    }
    assert_no_forged_tag_was_said(world, "joined");
    assert_eq!(
        (ups(world).len(), downs(world)),
        (1, vec![]),
        "{:?}",
        world.events
    );
    let mut established = world
        .engine()
        .associations()
        .filter(|known| known.is_established());
    let known = established.next().expect("it is known");
    let mut paths = known.paths();
    let path = paths.find(|(id, _)| **id == World::path_id(1));
    assert_eq!(path.expect("its path").1.state(), PathState::Active);
    assert!(established.next().is_none(), "{:?}", world.events);
    let failed = kinds(world).into_iter().any(|kind| {
        matches!(
            kind,
            EventKind::PathStateChanged {
                to: PathState::Inactive,
                ..
            }
        )
    });
    assert!(!failed, "{:?}", world.events);
}

/// A SACK with a tag that nobody proved, in the name of the local endpoint or to it; the other one is in no list.
fn forge_beside(world: &mut World, leaves: bool) {
    let packet = Packet::v4(FORGED, vec![frames::sack(9, &[])]).between("10.1.0.1", "10.1.0.66");
    let packet = if leaves { packet } else { packet.reversed() };
    world.packet(&packet, 1, leaves);
}

#[test]
fn what_came_before_a_flows_tag_was_proved_says_nothing_of_it() {
    let mut world = World::new(Vantage::Gateway);
    // An INIT never carries a tag: it makes no association, but the flow has its tag until another one is proved.
    world.received(1, FORGED, vec![frames::init(5, &[])]);
    world.sweep();
    let quoted = Packet::v4(FORGED, vec![frames::data(1, 8)]).between("10.1.0.2", "10.1.0.1");
    world.frame(&quoted.icmp_error("10.66.0.1", [3, 1], 0), 1, true);
    world.sweep();
    assert_known_with_path_1(&mut world, 1);
}

#[test]
fn forged_packets_between_its_addresses_keep_no_path_from_its_association() {
    let mut world = World::new(Vantage::Gateway);
    world.data(2, 1);
    world.advance(ms(1));
    world.sack(2, 1);
    world.advance(ms(1));
    assert_eq!(ups(&world).len(), 1);
    forge_beside(&mut world, true);
    world.sent(1, FORGED, vec![frames::sack(9, &[])]);
    forge_beside(&mut world, false);
    world.sweep();
    assert_known_with_path_1(&mut world, 2);
    // Nor are they what a new address of its joins.
    let sent = Packet::v4(REMOTE_TAG, vec![frames::data(62, 8)]).between("10.1.0.1", "10.3.0.2");
    world.packet(&sent, 1, true);
    world.sweep();
    let mut known = world.engine().associations();
    let known = known.find(|known| known.is_established()).unwrap();
    let mut remote: Vec<_> = known
        .addresses(Side::Remote)
        .iter()
        .map(ToString::to_string)
        .collect();
    remote.sort_unstable();
    assert_eq!(remote, ["10.1.0.2", "10.2.0.2", "10.3.0.2"]);
}

#[test]
fn forged_packets_keep_the_directions_of_an_address_pair_not_apart() {
    let mut world = World::new(Vantage::Gateway);
    world.received(1, FORGED + 1, vec![frames::sack(9, &[])]);
    forge_beside(&mut world, false);
    forge_beside(&mut world, true);
    world.sweep();
    world.sent(1, FORGED, vec![frames::sack(9, &[])]);
    world.sweep();
    assert_known_with_path_1(&mut world, 1);
}

#[test]
fn an_answer_proves_both_tags_though_forged_ones_have_parted_them() {
    let mut world = World::new(Vantage::Gateway);
    world.sent(1, FORGED + 1, vec![frames::sack(9, &[])]);
    world.sweep();
    // By its tag the opposite direction is taken for one of somebody else's.
    for leaves in [false, true] {
        forge_beside(&mut world, leaves);
        world.sweep();
    }
    world.received(1, FORGED, vec![frames::sack(9, &[])]);
    world.sweep();
    assert_known_with_path_1(&mut world, 1);
}
