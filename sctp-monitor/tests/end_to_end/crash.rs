//! A peer that crashed and is back knows nothing of its associations, and says so to the first packet of one.

use sctp_monitor_lab::Lab;

use crate::{
    scene::{PRIMARY, SECONDARY, connecting, listening, patient},
    setup::{Pair, SOON, monitor},
};

#[test]
fn the_abort_that_answers_a_heartbeat_after_a_crash_is_told_in_plain_words() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    // Idle: HEARTBEATs are all that this host sends meanwhile.
    let idle = patient(connecting(&lab)).rate(0.0);
    let listen = listening(&lab).out_of_the_blue();
    let Pair {
        client: _client,
        server,
    } = Pair::start(&lab, &idle, &listen);
    for remote in [PRIMARY, SECONDARY] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    let _ = server.kill();
    let _server = lab
        .spawn("hss", &sctp_monitor_lab::Backend::Process, &listen)
        .unwrap();
    let down = agent.wait_for("association_down", SOON, |_| true).unwrap();
    let end = &down["end"];
    assert_eq!(
        (&end["kind"], &end["t_bit"]),
        (&"abort".into(), &true.into()),
        "{down:#}"
    );
    let reason = down["reason"].as_str().unwrap();
    for words in [
        "in answer to HEARTBEAT from 10.1.",
        "whoever sent it knows no such association: 10.1.",
        " restarted",
    ] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
}
