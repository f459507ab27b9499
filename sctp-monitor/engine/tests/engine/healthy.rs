//! Associations from seeds that nothing is wrong with, as the agent sees them on the host of either side: no path fails.

use std::time::Duration;

use sctp_monitor_engine::{
    config::Vantage,
    model::{Direction, EventKind, PathState},
};
use sctp_monitor_testkit::{
    exchange::{Exchange, Form, Header, Plan, Side},
    world::{World, ups},
};

#[test]
fn no_path_of_a_healthy_association_fails_on_either_host() {
    let mut wrong = Vec::new();
    let variants = std::env::var("SCTP_MONITOR_VARIANTS");
    let variants: Vec<_> = match &variants {
        Ok(range) => seeds(range).collect(),
        Err(_) => (0..VARIANTS).chain(FALSE_ONCE).collect(),
    };
    for seed in variants {
        for local in [Side::A, Side::B] {
            let plan = Plan {
                captured_at: if local == Side::A { 0.0 } else { 1.0 },
                ..Plan::healthy(seed)
            };
            let ailments = ailments(&plan, local);
            if !ailments.is_empty() {
                wrong.push(format!("{local:?} of {plan:?}: {ailments:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `FROM-TO`: other seeds than those of each run, to look for more.
fn seeds(range: &str) -> std::ops::Range<u64> {
    let (from, to) = range.split_once('-').expect("FROM-TO");
    let [from, to] = [from, to].map(|seed| seed.parse().expect("a number"));
    from..to
}

/// What the agent on this side's host says to be wrong.
fn ailments(plan: &Plan, local: Side) -> Vec<String> {
    let form = Form {
        header: Header::Ethernet,
        offload: false,
        numbered: true,
        copied_after_ns: None,
    };
    let exchange = Exchange::of(plan);
    let mut world = World::new(Vantage::Endpoint);
    let mut before_ns = None;
    for (packet, (at_ns, frame)) in exchange.packets.iter().zip(exchange.records(form)) {
        let since = at_ns - before_ns.replace(at_ns).unwrap_or(at_ns);
        world.advance(Duration::from_nanos(since));
        let path = u8::try_from(packet.path + 1).expect("a path of few");
        world.frame(&frame, path, packet.from == local);
    }
    // An open end is no silence of the peer.
    world.sweep();
    assert_eq!(ups(&world).len(), 1, "{plan:?}");
    let known = world.engine().associations().next().expect("it was reported");
    let flows = known
        .paths()
        .flat_map(|(_, path)| Direction::BOTH.map(|direction| path.flow(direction)));
    let packets: u64 = flows
        .flatten()
        .filter_map(|slot| world.engine().flow(slot))
        .map(|flow| flow.packets)
        .sum();
    assert_eq!(packets, exchange.packets.len() as u64, "{plan:?}");
    let loses = plan.loss_per_mille > 0;
    let is_wrong = |kind: &EventKind| match kind {
        EventKind::PathStateChanged { to, .. } => {
            *to == PathState::Inactive || *to == PathState::PotentiallyFailed && !loses
        }
        EventKind::Incident { .. } => true,
        _ => false,
    };
    let wrong = world.events.iter().filter(|event| is_wrong(&event.kind));
    wrong.map(|event| format!("{:?}", event.kind)).collect()
}

const VARIANTS: u64 = 200;
/// Of which a failure was said once: a chunk was lost and then the SACK of the next one, or two chunks with a heartbeat between; or
/// the peer's heartbeats came often, on a path that was proved to work meanwhile.
const FALSE_ONCE: [u64; 5] = [1_181, 2_599, 2_697, 7_532, 9_637];
