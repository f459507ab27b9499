//! Netem on a path does what it was asked for, in the direction it was asked for, and ends with `heal`.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

mod support;

use std::{net::UdpSocket, time::Duration};

use sctp_monitor_lab::{Lab, Netem, skip};
use support::{delivered, round_trips, udp_pair};

/// A lab with a pair of sockets across its first path; none where the kernel has no netem.
fn lab(test: &str) -> Option<(Lab, (UdpSocket, UdpSocket))> {
    if !Netem::is_available().unwrap() {
        skip(test, "this kernel has no netem");
        return None;
    }
    let lab = Lab::two_hosts_two_paths().unwrap();
    let pair = udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.1.1.2"));
    // Both hosts know each other before packets are lost or counted.
    round_trips(&pair, 1);
    Some((lab, pair))
}

#[test]
fn netem_loses_its_share_of_one_direction() {
    let Some((lab, pair)) = lab("netem_loses_its_share_of_one_direction") else {
        return;
    };
    let back = udp_pair(&lab, ("hss", "10.1.1.2"), ("mme", "10.1.1.1"));
    let path = lab.path("path1");
    path.netem_direction("mme", &Netem::default().lose(20.0)).unwrap();
    // 800 expected, 13 the standard deviation.
    let arrived = delivered(&pair, 1_000, 100);
    assert!((730..=870).contains(&arrived), "{arrived}");
    assert_eq!(delivered(&back, 200, 100), 200);
    path.heal().unwrap();
    assert_eq!(delivered(&pair, 200, 100), 200);
}

#[test]
fn netem_delays_each_way_and_jitter_spreads_the_delay() {
    let Some((lab, pair)) = lab("netem_delays_each_way_and_jitter_spreads_the_delay") else {
        return;
    };
    let path = lab.path("path1");
    let ms = Duration::from_millis;
    path.netem(&Netem::default().delay(ms(20), ms(0))).unwrap();
    let least = round_trips(&pair, 10).into_iter().min().unwrap();
    assert!((ms(40)..ms(80)).contains(&least), "{least:?}");
    path.netem(&Netem::default().delay(ms(40), ms(20))).unwrap();
    let trips = round_trips(&pair, 30);
    let (least, most) = (*trips.iter().min().unwrap(), *trips.iter().max().unwrap());
    assert!(least >= ms(40) && most > least + ms(10), "{trips:?}");
    path.heal().unwrap();
    let least = round_trips(&pair, 10).into_iter().min().unwrap();
    assert!(least < ms(20), "{least:?}");
}

#[test]
fn netem_sends_packets_twice() {
    let Some((lab, pair)) = lab("netem_sends_packets_twice") else {
        return;
    };
    lab.path("path1")
        .netem(&Netem::default().duplicate(10.0))
        .unwrap();
    // 1,100 expected, 9 the standard deviation.
    let arrived = delivered(&pair, 1_000, 100);
    assert!((1_050..=1_150).contains(&arrived), "{arrived}");
}

#[test]
fn netem_lets_packets_overtake_each_other() {
    let Some((lab, (sender, receiver))) = lab("netem_lets_packets_overtake_each_other") else {
        return;
    };
    let delay = Netem::default().delay(Duration::from_millis(50), Duration::ZERO);
    lab.path("path1")
        .netem_direction("mme", &delay.reorder(25.0))
        .unwrap();
    for number in 0..200_u16 {
        sender.send(&number.to_be_bytes()).unwrap();
    }
    let mut buffer = [0; 2];
    let arrived: Vec<u16> = (0..200)
        .map(|_| {
            receiver.recv(&mut buffer).unwrap();
            u16::from_be_bytes(buffer)
        })
        .collect();
    assert!(!arrived.is_sorted(), "{arrived:?}");
}
