//! One of every kind of thing that is said, for the tests of words and of JSON.

mod findings;
mod steering;

use std::time::Duration;

use sctp_monitor_common::wire::{ChunkKind, icmp::IcmpMessage, init::Extensions};

pub(crate) use self::findings::{evidence, incidents};

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// 2023-11-14T22:13:20.000000005Z.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_005);

pub(crate) fn path(number: u8) -> PathId {
    PathId {
        local: [10, 1, number, 1].into(),
        remote: [10, 1, number, 2].into(),
    }
}

pub(crate) fn event(kind: EventKind) -> Event {
    event_of(Sides::ThisHost, kind)
}

fn event_of(sides: Sides, kind: EventKind) -> Event {
    let association = AssociationRef {
        id: AssociationId(1),
        sides,
        local_port: 58910,
        remote_port: 3868,
        local_tag: Some(0x00ab_cdef),
        remote_tag: None,
    };
    let is_of_one = !matches!(
        kind,
        EventKind::Incident { .. } | EventKind::HandshakeUnfinished(_) | EventKind::AbortUnknown { .. }
    );
    Event {
        schema: Schema,
        time: NOW,
        association: is_of_one.then_some(association),
        kind,
    }
}

pub(crate) fn reasons() -> Vec<Reason> {
    let unanswered = |misses, last_alive_ago| Reason::HeartbeatUnanswered {
        sent_ago: ms(1_250),
        timeout: ms(1_000),
        misses,
        last_alive_ago,
    };
    let unacknowledged = |missed, packets, last_alive_ago| Reason::DataUnacknowledged {
        tries: 0,
        tsn: 3_063_329_962,
        cum_tsn_ack: 3_063_329_961,
        sent_ago: ms(216),
        timeout: ms(160),
        packets,
        missed,
        last_alive_ago,
    };
    vec![
        Reason::HeartbeatAnswered {
            rtt: Duration::from_micros(340),
        },
        Reason::DataAcknowledged { after: None },
        Reason::DataAcknowledged {
            after: Some(ms(1_040)),
        },
        Reason::PeerHeartbeatAnswered,
        unanswered(1, None),
        unanswered(3, Some(ms(31_000))),
        unacknowledged(2, 5, Some(ms(262))),
        unacknowledged(1, 1, None),
        Reason::DataUnacknowledged {
            tries: 0,
            tsn: 3_063_329_962,
            cum_tsn_ack: 3_063_329_965,
            sent_ago: ms(234),
            timeout: ms(2_050),
            packets: 5,
            missed: 3,
            last_alive_ago: Some(ms(424)),
        },
        Reason::IcmpError {
            what: IcmpMessage {
                version: 4,
                kind: 3,
                code: 1,
            },
            reporter: [10, 1, 0, 254].into(),
        },
        Reason::AnswersLost {
            chunks: 4,
            silent_for: ms(700),
        },
        Reason::DataElsewhere {
            missing: 3,
            duplicates: 0,
            silent_for: ms(2_100),
        },
        Reason::HeartbeatsStayOut {
            silent_for: ms(46_000),
            usual: ms(30_400),
        },
        Reason::HeartbeatsRepeated {
            heartbeats: 3,
            interval: ms(2_100),
            usual: ms(30_400),
        },
        Reason::ProbeAnswered { rtt: ms(12) },
        Reason::ProbesUnanswered {
            probes: 3,
            sent_ago: ms(110),
            timeout: ms(50),
            sibling: path(2),
            sibling_probes: 3,
            sibling_answered: 3,
            last_alive_ago: Some(ms(240)),
        },
        Reason::LinkDown {
            interface: "path1".to_owned(),
        },
        Reason::InterfaceGone {
            interface: "path1".to_owned(),
        },
        Reason::HandshakeCompleted,
        Reason::NextHopUnresolved {
            next_hop: [10, 1, 0, 2].into(),
            interface: "path1".to_owned(),
            neighbour: Neighbour::Failed,
            silent_for: ms(38_200),
        },
        Reason::NextHopResolved {
            next_hop: [10, 1, 0, 2].into(),
            interface: "path1".to_owned(),
        },
    ]
}

pub(crate) fn abort(causes: Vec<ErrorCause>) -> Abort {
    Abort {
        by: Side::Remote,
        source: path(1).remote,
        destination: path(1).local,
        t_bit: false,
        causes,
        answers: None,
        gave_up: None,
    }
}

fn answered() -> Answered {
    Answered {
        chunk: ChunkKind::Heartbeat,
        source: path(1).local,
        destination: path(1).remote,
        after: ms(10),
    }
}

/// Every answer, and none.
pub(crate) fn handshakes() -> Vec<UnfinishedHandshake> {
    let unanswered = UnfinishedHandshake {
        initiator: path(1).local,
        responder: path(1).remote,
        port: 3868,
        attempts: 1,
        inits: 3,
        init_bytes: 48,
        init_acks: 0,
        init_ack_bytes: 0,
        cookie_echoes: 0,
        cookie_echo_bytes: 0,
        first: NOW,
        last: NOW,
        answers: Vec::new(),
    };
    let with = |times, what| {
        let mut handshake = unanswered.clone();
        handshake.answered(what, times);
        handshake
    };
    let refused = |causes| Reply::Abort {
        source: path(1).remote,
        by_initiator: false,
        t_bit: false,
        causes,
    };
    let init_ack = |source: std::net::IpAddr| Reply::InitAck {
        source,
        lists_asked: true,
    };
    let answered = |source| UnfinishedHandshake {
        init_acks: 3,
        init_ack_bytes: 304,
        ..with(3, init_ack(source))
    };
    let echoed = UnfinishedHandshake {
        attempts: 2,
        cookie_echoes: 14,
        cookie_echo_bytes: 276,
        ..answered(path(1).remote)
    };
    let mut stale = echoed.clone();
    stale.answered(
        Reply::Error {
            source: path(1).remote,
            causes: vec![ErrorCause::StaleCookie {
                late_by_us: Some(1_500_000),
            }],
        },
        2,
    );
    let mut acknowledged_elsewhere = echoed.clone();
    acknowledged_elsewhere.answered(
        Reply::CookieAck {
            source: path(9).remote,
        },
        1,
    );
    let icmp = IcmpMessage {
        version: 4,
        kind: 3,
        code: 2,
    };
    vec![
        unanswered.clone(),
        with(3, refused(Vec::new())),
        with(1, refused(vec![ErrorCause::OutOfResource])),
        with(
            1,
            refused(vec![ErrorCause::RestartWithNewAddresses {
                addresses: vec![path(9).local],
            }]),
        ),
        answered(path(1).remote),
        answered(path(2).remote),
        echoed,
        stale,
        acknowledged_elsewhere,
        with(
            3,
            Reply::Icmp {
                what: icmp,
                reporter: path(1).remote,
                quotes_tag: true,
            },
        ),
        with(
            1,
            Reply::Icmp {
                what: icmp,
                reporter: path(1).remote,
                quotes_tag: false,
            },
        ),
    ]
}

pub(crate) fn ends() -> Vec<EndReason> {
    vec![
        EndReason::Shutdown { by: None },
        EndReason::Shutdown {
            by: Some(Side::Remote),
        },
        EndReason::Abort(abort(Vec::new())),
        EndReason::Abort(abort(vec![
            ErrorCause::UserInitiated {
                said: Some("maintenance".to_owned()),
            },
            ErrorCause::ProtocolViolation { said: None },
        ])),
        EndReason::Abort(Abort {
            t_bit: true,
            answers: Some(answered()),
            ..abort(Vec::new())
        }),
        EndReason::Abort(Abort {
            gave_up: Some(GaveUp {
                retransmissions: 15,
                silent_for: ms(29_600),
            }),
            ..abort(Vec::new())
        }),
        EndReason::Restarted,
        EndReason::Replaced,
        EndReason::PartOf {
            association: AssociationId(2),
        },
        EndReason::Silent {
            silent_for: ms(300_000),
        },
        EndReason::CrowdedOut {
            silent_for: ms(12_000),
        },
    ]
}

/// Every kind of event, with every reason, end, finding and incident.
pub(crate) fn events() -> Vec<Event> {
    let of_host = events_of(Sides::ThisHost);
    let mut all = of_host.clone();
    for sides in [Sides::Initiator, Sides::SideA] {
        let between = events_of(sides);
        let differ = between
            .into_iter()
            .zip(&of_host)
            .filter(|(one, other)| one.words().text != other.words().text);
        all.extend(differ.map(|(event, _)| event));
    }
    all
}

fn events_of(sides: Sides) -> Vec<Event> {
    let offer = |streams, extensions: &[ChunkKind]| Offer {
        outbound_streams: streams,
        inbound_streams: 2_048,
        extensions: extensions.iter().copied().collect::<Extensions>(),
    };
    let offers = Offers {
        local: offer(10, &[ChunkKind::Asconf, ChunkKind::AsconfAck]),
        remote: offer(1, &[]),
    };
    let established = |origin, offers, restarts, one_sided| EventKind::AssociationUp {
        origin,
        local: vec![path(1).local, path(2).local],
        remote: vec![path(1).remote],
        offers,
        restarts,
        one_sided,
    };
    let changed = |added: &[u8], removed: &[u8], primary: Option<u8>| EventKind::AddressesChanged {
        side: Side::Remote,
        added: added.iter().map(|number| path(*number).remote).collect(),
        removed: removed.iter().map(|number| path(*number).remote).collect(),
        primary: primary.map(|number| path(number).remote),
    };
    let error = |causes: Vec<ErrorCause>, times| EventKind::AssociationError {
        by: Side::Remote,
        source: path(1).remote,
        destination: path(1).local,
        answers: causes.first().map(|_| Answered {
            chunk: ChunkKind::Data,
            source: path(1).local,
            destination: path(1).remote,
            after: ms(2),
        }),
        causes,
        times,
    };
    let shutting_down = |by_ack| EventKind::ShuttingDown {
        by: Side::Local,
        by_ack,
        source: path(1).local,
        destination: path(1).remote,
    };
    let shutdown = |acks, acked_from| EventKind::ShutdownUnfinished {
        by: Side::Local,
        shutdowns: 7,
        acks,
        acked_from,
        lasting: ms(63_000),
    };
    let elsewhere = |chunk, t_bit, answers| {
        EventKind::AnsweredFromElsewhere(FromElsewhere {
            chunk,
            source: path(9).remote,
            destination: path(1).local,
            unlisted: path(9).remote,
            t_bit,
            causes: Vec::new(),
            answers,
        })
    };
    let moved = |direction, gap| EventKind::DataMoved {
        direction,
        from: path(1),
        to: path(2),
        gap,
    };
    let mut kinds = vec![
        established(Origin::Handshake, Some(offers), None, false),
        established(Origin::Handshake, Some(offers), Some(AssociationId(4)), false),
        established(Origin::MidLife, None, None, true),
        shutting_down(false),
        shutting_down(true),
        shutdown(0, None),
        shutdown(0, Some(path(9).remote)),
        shutdown(6, None),
        error(Vec::new(), 1),
        error(
            vec![ErrorCause::InvalidStream {
                stream: Some(17),
                streams: Some(10),
            }],
            5,
        ),
        elsewhere(ChunkKind::Abort, true, Some(answered())),
        elsewhere(ChunkKind::ShutdownAck, false, None),
        EventKind::AssociationGoesOn { ended_ago: ms(3_200) },
        changed(&[2], &[1], Some(2)),
        changed(&[2], &[], None),
        EventKind::Translated {
            side: Side::Local,
            address: path(1).local,
            seen_as: [192, 0, 2, 1].into(),
        },
        EventKind::CaptureLacks {
            direction: Direction::Forward,
            missing: Missing::Data,
        },
        EventKind::CaptureLacks {
            direction: Direction::Return,
            missing: Missing::Sack,
        },
        EventKind::NotProbed {
            path: path(1),
            obstacle: ProbeObstacle::StackUnknown,
        },
        EventKind::NotProbed {
            path: path(1),
            obstacle: ProbeObstacle::StackNotKnown { heartbeat_bytes: 52 },
        },
        EventKind::NotProbed {
            path: path(1),
            obstacle: ProbeObstacle::NeverAnswered,
        },
        moved(Direction::Forward, Some(ms(1_030))),
        moved(Direction::Return, None),
    ];
    kinds.extend(steering::steering());
    kinds.extend(handshakes().into_iter().map(EventKind::HandshakeUnfinished));
    kinds.push(EventKind::AbortUnknown {
        source: path(1).remote,
        destination: path(1).local,
        source_port: 3868,
        destination_port: 58910,
        tag: 0x1111_1111,
        t_bit: false,
        causes: vec![ErrorCause::UserInitiated { said: None }],
        answers: None,
    });
    kinds.extend(reasons().into_iter().map(|reason| EventKind::PathStateChanged {
        path: path(1),
        from: PathState::PotentiallyFailed,
        to: PathState::Inactive,
        reason,
    }));
    kinds.extend(ends().into_iter().map(|reason| EventKind::AssociationDown {
        end: End::new(reason, sides),
    }));
    for (object, evidence) in evidence() {
        let finding = Finding::new(object, sides, NOW, evidence, None);
        kinds.extend([Status::Opened, Status::Closed].map(|status| EventKind::Finding {
            status,
            finding: finding.clone(),
        }));
    }
    for incident in incidents() {
        let statuses = [Status::Opened, Status::Updated, Status::Closed];
        kinds.extend(statuses.map(|status| EventKind::Incident {
            status,
            incident: incident.clone(),
        }));
    }
    kinds.into_iter().map(|kind| event_of(sides, kind)).collect()
}
