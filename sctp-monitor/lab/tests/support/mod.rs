//! What several tests need.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary uses a part of it"
)]

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use sctp_monitor_lab::clock::{MonotonicNs, monotonic_ns};
use sctp_monitor_lab::endpoint::{
    AddressChange, AddressState, DownReason, PathStatus, StackCounters, Traffic,
};
use sctp_monitor_lab::{Endpoint, EndpointConfig, Event, EventKind, Lab, Timers, wait};

/// For what takes milliseconds: long enough for a machine that does much else.
pub(crate) const SOON: Duration = Duration::from_secs(15);

pub(crate) fn addresses<const N: usize>(texts: [&str; N]) -> Vec<IpAddr> {
    texts.map(|text| text.parse().unwrap()).to_vec()
}

/// A client on `mme` and a server on `hss`, bound to these addresses, tuned, with one association up.
pub(crate) fn connect(lab: &Lab, client: &[IpAddr], server: &[IpAddr], rate: f64) -> (Endpoint, Endpoint) {
    let listen = EndpointConfig::listen(server.iter().copied(), 3868).timers(Timers::tuned());
    let connect = EndpointConfig::connect(client.iter().copied(), server.iter().copied(), 3868)
        .timers(Timers::tuned())
        .rate(rate);
    start(lab, &connect, &listen)
}

/// The client of `mme` and the server of `hss`, with all associations up.
pub(crate) fn start(lab: &Lab, client: &EndpointConfig, server: &EndpointConfig) -> (Endpoint, Endpoint) {
    let server = Endpoint::spawn(lab.host("hss"), server).unwrap();
    let count = usize::from(client.associations);
    let client = Endpoint::spawn(lab.host("mme"), client).unwrap();
    client.wait_until_up(count, SOON).unwrap();
    server.wait_until_up(count, SOON).unwrap();
    (client, server)
}

pub(crate) fn paths_once_all_are_active(endpoint: &mut Endpoint) -> Vec<PathStatus> {
    wait::until(SOON, || {
        let paths = endpoint.paths().unwrap().remove(0);
        paths
            .iter()
            .all(|path| path.state == AddressState::Active)
            .then_some(paths)
    })
    .unwrap()
}

pub(crate) fn summary(events: &[Event]) -> (Traffic, StackCounters) {
    match &events.last().unwrap().kind {
        EventKind::Summary { total, stack, .. } => (*total, *stack),
        other => panic!("the last event is {other:?}"),
    }
}

pub(crate) fn is_down(event: &Event, expected: DownReason) -> bool {
    matches!(event.kind, EventKind::AssociationDown { reason, .. } if reason == expected)
}

/// Waits until the stack says this of a peer address, not earlier than `since_ns`.
pub(crate) fn wait_for_path(
    endpoint: &Endpoint,
    since_ns: MonotonicNs,
    peer: &str,
    expected: AddressChange,
) -> Event {
    let peer: IpAddr = peer.parse().unwrap();
    endpoint
        .wait_for(SOON, |event| {
            event.time_ns >= since_ns
                && matches!(event.kind, EventKind::PathChanged { address, state, .. }
                    if address == peer && state == expected)
        })
        .unwrap()
}

/// Waits until an endpoint has received `more` messages than it reports at first, by its own totals since `since_ns`.
pub(crate) fn wait_for_messages(endpoint: &Endpoint, since_ns: MonotonicNs, more: u64) {
    let mut first = None;
    endpoint
        .wait_for(SOON, |event| match event.kind {
            EventKind::Stats(Traffic { received, .. }) if event.time_ns >= since_ns => {
                received >= *first.get_or_insert(received) + more
            }
            _ => false,
        })
        .unwrap();
}

/// Two UDP sockets in the namespaces of two hosts, the first connected to the second.
pub(crate) fn udp_pair(lab: &Lab, from: (&str, &str), to: (&str, &str)) -> (UdpSocket, UdpSocket) {
    let open = |(host, address): (&str, &str)| {
        let ip: IpAddr = address.parse().unwrap();
        lab.host(host).run(|| UdpSocket::bind((ip, 0))).unwrap().unwrap()
    };
    let (sender, receiver) = (open(from), open(to));
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    receiver.connect(sender.local_addr().unwrap()).unwrap();
    for socket in [&sender, &receiver] {
        setsockopt(socket, sockopt::RcvBufForce, &(16 << 20)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    }
    (sender, receiver)
}

/// Sends `count` datagrams of `size` bytes and answers how many arrived.
pub(crate) fn delivered((sender, receiver): &(UdpSocket, UdpSocket), count: usize, size: usize) -> usize {
    let datagram = vec![0; size];
    for _ in 0..count {
        // A refusal is a loss as well: a down link, or an address that nobody answers for.
        let _ = sender.send(&datagram);
    }
    let mut buffer = [0; 2_048];
    std::iter::from_fn(|| receiver.recv(&mut buffer).ok()).count()
}

/// The round-trip times of `count` datagrams that are answered one by one.
pub(crate) fn round_trips((client, server): &(UdpSocket, UdpSocket), count: usize) -> Vec<Duration> {
    let mut buffer = [0; 64];
    let mut round_trip = || {
        let sent_at_ns = monotonic_ns();
        client.send(b"ping").unwrap();
        server.recv(&mut buffer).unwrap();
        server.send(b"pong").unwrap();
        client.recv(&mut buffer).unwrap();
        Duration::from_nanos(monotonic_ns() - sent_at_ns)
    };
    (0..count).map(|_| round_trip()).collect()
}
