//! Both directions of a path may be seen by different NICs and CPUs: their order within a sweep is chance.

use proptest::prelude::*;
use sctp_monitor_engine::config::Vantage;
use sctp_monitor_testkit::{
    frames,
    world::{World, ms},
};

use super::{
    bounded,
    steps::{Content, Step, Tsns, begin, happen, path, send},
};

/// Packets of one sweep, none of which answers another one of it.
#[derive(Debug, Clone)]
struct Batch {
    sent: Vec<(u8, Content)>,
    received: Vec<(u8, Content)>,
    /// In which order they are seen: from which of the two the next one is taken.
    order: Vec<bool>,
    then: u64,
}

fn batch() -> impl Strategy<Value = Batch> {
    let content = prop_oneof![
        3 => Just(Content::Data),
        2 => (0..4_u32, any::<bool>()).prop_map(|(behind, gap)| Content::Sack { behind, gap }),
        1 => (0..3_u8).prop_map(Content::Heartbeat),
        1 => (0..3_u8).prop_map(Content::HeartbeatAck),
    ];
    // DATA takes the primary path, as standard SCTP has it.
    let packet = (path(), content).prop_map(|(path, content)| match content {
        Content::Data => (1, content),
        _ => (path, content),
    });
    let packets = prop::collection::vec(packet, 0..5).boxed();
    (
        packets.clone(),
        packets,
        prop::collection::vec(any::<bool>(), 10),
        1..600_u64,
    )
        .prop_map(|(sent, received, order, then)| Batch {
            sent,
            received,
            order,
            then,
        })
}

/// Chunks in both directions of one sweep; acks are of what was sent in batches before.
fn chunks(number: u8, batch: &Batch, tsns: &mut Tsns) -> [Vec<(u8, Vec<u8>)>; 2] {
    let before = *tsns;
    let mut of = |leaves: bool, packets: &[(u8, Content)]| -> Vec<(u8, Vec<u8>)> {
        packets
            .iter()
            .map(|(path, content)| {
                let chunk = match content {
                    Content::Sack { .. } => before.clone().chunk(leaves, content),
                    Content::Heartbeat(info) => frames::heartbeat(&[number * 3 + info; 40]),
                    Content::HeartbeatAck(info) => {
                        frames::heartbeat_ack(&[number.saturating_sub(1) * 3 + info; 40])
                    }
                    _ => tsns.chunk(leaves, content),
                };
                (*path, chunk)
            })
            .collect()
    };
    [of(true, &batch.sent), of(false, &batch.received)]
}

/// Runs batches in the order that they name, or one direction after the other. Then either everything is answered or
/// nothing is.
fn interleaved(batches: &[Batch], as_named: bool, answered: bool) -> World {
    let mut world = begin(Vantage::Endpoint);
    let mut tsns = Tsns::default();
    for (number, batch) in (1..).zip(batches) {
        let [sent, received] = chunks(number, batch, &mut tsns);
        let (mut sent, mut received) = (sent.into_iter(), received.into_iter());
        for leaves_first in batch.order.iter().copied().filter(|_| as_named) {
            let next = if leaves_first {
                sent.next()
            } else {
                received.next()
            };
            if let Some((path, chunk)) = next {
                send(&mut world, path, leaves_first, false, chunk);
            }
        }
        for (path, chunk) in sent {
            send(&mut world, path, true, false, chunk);
        }
        for (path, chunk) in received {
            send(&mut world, path, false, false, chunk);
        }
        world.sweep();
        world.advance(ms(batch.then));
    }
    for _ in 0..20 {
        let leaves = true;
        if answered {
            for path in [1, 2] {
                happen(&mut world, &mut tsns, &Step::Answered { path, leaves, rtt: 1 });
            }
            let (path, back) = (1, 1);
            happen(
                &mut world,
                &mut tsns,
                &Step::Acknowledged {
                    path,
                    back,
                    chunks: 2,
                },
            );
        } else {
            for path in [1, 2] {
                world.heartbeat(path);
            }
            let chunk = tsns.chunk(leaves, &Content::Data);
            send(&mut world, 1, leaves, false, chunk);
        }
        world.advance(ms(1_000));
    }
    world
}

/// What is thought of everything in the end. How often a path failed on the way there hangs by single packets.
fn verdicts(world: &World) -> String {
    let mut lines = Vec::new();
    for association in world.engine().associations() {
        let known = association.reference();
        lines.push(format!("{known:?} {}", association.is_established()));
        for (id, path) in association.paths() {
            let names: Vec<_> = world
                .engine()
                .path_findings(known.id, id)
                .iter()
                .map(|finding| finding.evidence.name())
                .filter(|name| *name != "flapping")
                .collect();
            lines.push(format!("{id:?} {} {names:?}", path.state()));
        }
        let names = world
            .engine()
            .findings(known.id)
            .iter()
            .map(|finding| finding.evidence.name());
        lines.extend(names.map(str::to_owned));
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(bounded())]

    #[test]
    fn the_order_of_both_directions_within_a_sweep_does_not_matter(
        batches in prop::collection::vec(batch(), 1..25),
        answered in any::<bool>(),
    ) {
        let run = |as_named: bool| verdicts(&interleaved(&batches, as_named, answered));
        let (one, other) = (run(true), run(false));
        prop_assert_eq!(one, other);
    }
}
