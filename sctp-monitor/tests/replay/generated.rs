//! Associations from seeds: the agent says of their packets what is said of a capture of them.

use std::{path::Path, time::Duration};

use crate::{frames, outline::difference, stage::play_all};
use sctp_monitor_testkit::{
    capture_file::Dialect,
    exchange::{Ending, Exchange, Fault, Form, Header, Plan, Side},
};

#[test]
fn the_agent_says_what_is_said_of_a_capture() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let plans = plans();
    let files: Vec<_> = plans
        .iter()
        .map(|plan| {
            let file = folder.join(format!("replay-{}.pcap", plan.seed));
            let records = Exchange::of(plan).records(FORM);
            std::fs::write(&file, Dialect::default().file(&records)).unwrap();
            file
        })
        .collect();
    let frames: Vec<_> = files
        .iter()
        .map(|file| frames::read(std::slice::from_ref(file)))
        .collect();
    let mut differences = Vec::new();
    for ((plan, file), said) in plans.iter().zip(&files).zip(play_all(&frames)) {
        let differs = difference(std::slice::from_ref(file), &said.events);
        differences.extend(differs.map(|difference| format!("{}: {plan:?}\n{difference}", file.display())));
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// Breaks of path 1, an idle association, endings.
fn plans() -> Vec<Plan> {
    let [from, to] = [3, 6].map(Duration::from_secs);
    let silence = Fault::silence(0, from, to);
    let faults = [
        vec![silence],
        vec![silence.towards(Side::A)],
        vec![silence.towards(Side::B)],
        vec![],
        vec![],
        vec![silence, Fault { path: 1, ..silence }],
        // The agent sees what is lost behind it.
        vec![Fault {
            at: 0.25,
            ..silence.towards(Side::A)
        }],
        vec![Fault {
            at: 0.75,
            ..silence.towards(Side::B)
        }],
    ];
    let endings = [
        Ending::Open,
        Ending::Shutdown(Side::B),
        Ending::Abort(Side::A),
        Ending::Shutdown(Side::A),
        Ending::Abort(Side::B),
        Ending::Open,
        Ending::Open,
        Ending::Shutdown(Side::A),
    ];
    let senders = [vec![Side::A, Side::B], vec![Side::A], vec![Side::B], vec![]];
    let whole = faults.into_iter().zip(endings).enumerate();
    whole
        .map(|(number, (faults, ending))| Plan {
            initiator: [Side::A, Side::B][number % 2],
            v6: number % 3 == 2,
            senders: senders[number % senders.len()].clone(),
            lasts: Duration::from_secs(9),
            // Long beside what the sender is late.
            one_way: Duration::from_millis(5),
            // A SACK that is delayed now and then is taken for a path that has become slow.
            sack_delay: Duration::ZERO,
            faults,
            ending,
            ..Plan::new(number as u64)
        })
        .collect()
}

const FORM: Form = Form {
    header: Header::Ethernet,
    offload: false,
    numbered: true,
    copied_after_ns: None,
};
