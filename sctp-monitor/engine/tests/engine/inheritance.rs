//! A new association on the ports and addresses of another one inherits nothing of it.

use std::time::Duration;

use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, FlowView, Origin, Status},
};
use sctp_monitor_testkit::{
    frames,
    world::{World, ms, ups},
};

/// One association over two paths.
struct Life {
    local_tag: u32,
    remote_tag: u32,
    first_tsn: u32,
}

/// How the second one follows the first.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The first is still up.
    Restart,
    /// The first has ended by ABORT.
    Reuse,
}

const FIRST: Life = Life {
    local_tag: 0x0a,
    remote_tag: 0x0b,
    first_tsn: 2_000_000_000,
};

fn addresses(of: fn(u8) -> String) -> [String; 2] {
    [of(1), of(2)]
}

fn handshake(world: &mut World, life: &Life) {
    let (local, remote) = (addresses(World::local), addresses(World::remote));
    let local: Vec<&str> = local.iter().map(String::as_str).collect();
    let remote: Vec<&str> = remote.iter().map(String::as_str).collect();
    world.handshake_with(life.local_tag, &local, life.remote_tag, &remote);
}

/// DATA of the local endpoint, acknowledged after 2 ms; what is large is lost once if `lossy`. A heartbeat on each path.
fn talk(world: &mut World, life: &Life, lossy: bool) {
    for number in 0..MESSAGES {
        let bytes = if number % 4 == 3 { 1_400 } else { 100 };
        let tsn = life.first_tsn.wrapping_add(number);
        world.sent(1, life.remote_tag, vec![frames::data(tsn, bytes)]);
        if lossy && bytes > 1_000 {
            world.advance(ms(60));
            world.sent(1, life.remote_tag, vec![frames::data(tsn, bytes)]);
        }
        world.advance(ms(2));
        world.received(1, life.local_tag, vec![frames::sack(tsn, &[])]);
        world.advance(ms(98));
    }
    for path in [1, 2] {
        world.sent(path, life.remote_tag, vec![frames::heartbeat(&[path; 40])]);
        world.advance(ms(1));
        world.received(path, life.local_tag, vec![frames::heartbeat_ack(&[path; 40])]);
        world.advance(ms(19));
    }
}

/// What the second association's primary path says of its forward direction.
fn second_flow(world: &World) -> FlowView {
    let records = |slot| Some(*world.store.table.records().get(slot as usize)?);
    let snapshot = world.engine().snapshot(world.now, records);
    let newest = snapshot.associations.last().unwrap();
    let path = newest.paths.iter().find(|path| path.id == World::path_id(1));
    *path.unwrap().forward.clone().unwrap()
}

fn check(vantage: Vantage, turn: Turn, pause: Duration, first_tsn: u32) {
    let what = format!("{vantage:?}, {turn:?}, {pause:?}, TSNs from {first_tsn}");
    let second = Life {
        local_tag: 0xa0,
        remote_tag: 0xb0,
        first_tsn,
    };
    let mut world = World::new(vantage);
    handshake(&mut world, &FIRST);
    talk(&mut world, &FIRST, true);
    if matches!(turn, Turn::Reuse) {
        world.sent(1, FIRST.remote_tag, vec![frames::abort(false)]);
        world.sweep();
    }
    world.advance(pause);
    world.events.clear();
    let began = world.now;
    handshake(&mut world, &second);
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)], "{what}");
    assert_eq!(second_flow(&world).data_chunks, 0, "{what}");
    talk(&mut world, &second, false);
    let flow = second_flow(&world);
    assert_eq!(flow.tag, second.remote_tag, "{what}");
    assert_eq!(flow.data_chunks, u64::from(MESSAGES), "{what}");
    assert_eq!(flow.retransmissions, 0, "{what}");
    assert_eq!((flow.heartbeats, flow.heartbeats_answered), (1, 1), "{what}");
    assert_eq!(flow.data_to_sack.unwrap().min, ms(2), "{what}");
    assert_eq!(flow.heartbeat_rtt.unwrap().srtt, ms(1), "{what}");
    assert!(
        flow.first_seen >= began && flow.packets <= u64::from(MESSAGES) + 2,
        "{what}: {flow:?}"
    );
    for event in &world.events {
        let wrong = match &event.kind {
            EventKind::Finding { status, finding } => {
                *status == Status::Opened && finding.evidence.name() != "not_redundant"
            }
            EventKind::Incident { status, .. } => *status == Status::Opened,
            _ => false,
        };
        assert!(!wrong, "{what}: {event:?}");
    }
}

#[test]
fn a_new_association_inherits_no_figures_no_losses_and_no_doubts() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for turn in [Turn::Restart, Turn::Reuse] {
            for pause in [ms(100), ms(10_000)] {
                // By serial number arithmetic, half of all TSNs are before any other.
                for first_tsn in [FIRST.first_tsn - 1_000, FIRST.first_tsn, FIRST.first_tsn + 10, 1] {
                    check(vantage, turn, pause, first_tsn);
                }
            }
        }
    }
}

const MESSAGES: u32 = 40;
