//! The agent comes late, to an association that is alive, and somebody was there before it who knows addresses and ports: by what he
//! sends it must not be blinded, nor made to say anything.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sctp_monitor_lab::{EndpointConfig, Lab, Timers, wait};
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, since},
    setup::{PORT, Pair, SOON, monitor},
};

const LOCAL: &str = "10.1.1.1";
const LOCAL_PORT: u16 = 40_000;
/// No stack gives this tag, as good as certainly.
const FORGED: u32 = 0x0bad_0bad;

#[test]
fn forged_inits_and_sacks_blind_nobody_to_an_association_that_is_alive() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let addresses = (lab.ipv4("mme"), lab.ipv4("hss"));
    let patient = Timers {
        association_max_retrans: Some(100),
        ..Timers::tuned()
    };
    let server = EndpointConfig::listen(addresses.1.clone(), PORT).timers(patient.clone());
    let client = EndpointConfig::connect(addresses.0, addresses.1, PORT)
        .local_port(LOCAL_PORT)
        .rate(20.0)
        .timers(patient);
    let _pair = Pair::start(&lab, &client, &server);
    let injector = lab.path("path1").injector("mme").unwrap();
    let forged = |tag: u32, chunk: Vec<u8>| {
        let packet = Packet::v4(tag, vec![chunk]).between(PRIMARY, LOCAL);
        let mut frame = packet.ports(PORT, LOCAL_PORT).ethernet();
        // The stack does not answer what is not for its NIC; the agent sees it all the same.
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let forging = scope.spawn(|| {
            let mut number = 0_u32;
            while !done.load(Ordering::Relaxed) {
                number = number.wrapping_add(1);
                let sack = forged(FORGED, frames::sack(number.wrapping_mul(0x9e37_79b9), &[]));
                let init = forged(0, frames::init(FORGED + number % 1_000, &[PRIMARY, "10.1.1.66"]));
                let rhythm = [(Duration::ZERO, &sack[..]), (Duration::from_millis(2), &init[..])];
                injector.replay(rhythm).unwrap();
            }
            number
        });
        let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
        let up = agent.wait_for("association_up", SOON, |_| true);
        let active = agent.wait_for_path(PRIMARY, "active", SOON);
        // It learns how soon the peer answers: sixty messages.
        let _ = wait::until(Duration::from_secs(3), || None::<()>);
        let fault_ns = lab.path("path1").break_silently().unwrap();
        let down = agent.wait_for_path(PRIMARY, "inactive", SOON);
        done.store(true, Ordering::Relaxed);
        assert!(forging.join().unwrap() > 0);
        let up = up.unwrap();
        active.unwrap();
        let down = down.unwrap();
        assert!(since(fault_ns, &down).as_secs() < 5, "{down:#}");
        assert_eq!(
            (&up["origin"], &up["one_sided"]),
            (&"mid-life".into(), &false.into()),
            "{up:#}"
        );
        let names_forged = |event: &Value| {
            ["local_tag", "remote_tag"]
                .iter()
                .any(|tag| event[tag].as_str().is_some_and(|tag| tag.starts_with("0x0bad")))
        };
        let said: Vec<_> = agent.events().into_iter().filter(names_forged).collect();
        assert_eq!(said, Vec::<Value>::new());
    });
}
