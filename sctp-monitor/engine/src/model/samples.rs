//! One of every kind of thing that is said, for the tests of words and of JSON.

use std::time::Duration;

use sctp_monitor_common::wire::{ChunkKind, icmp::IcmpMessage, init::Extensions};

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

/// Every kind, with what it is about.
pub(crate) fn evidence() -> Vec<(Object, Evidence)> {
    let of_path = |evidence| (Object::Path(path(1)), evidence);
    let of_all = |evidence| (Object::Association, evidence);
    let down = |broken| {
        of_path(Evidence::PathDown(PathDown {
            broken,
            reason: reasons()[6].clone(),
        }))
    };
    let link = |index: usize| {
        of_path(Evidence::LinkDown(LinkDown {
            reason: reasons()[index].clone(),
        }))
    };
    let suspicion = |forgery, chunks, interface: Option<&str>| {
        of_all(Evidence::SpoofingSuspected(Suspicion {
            forgery,
            packets: 12,
            tag: 0xdead_beef,
            chunks,
            sources: vec![path(1).remote, path(2).remote],
            interface: interface.map(str::to_owned),
            lasting: ms(4_000),
        }))
    };
    let suspect = |problem| {
        of_all(Evidence::AddressListSuspect(AddressListSuspect {
            side: Side::Remote,
            source: path(1).remote,
            addresses: vec![path(2).remote],
            problem,
        }))
    };
    let black_hole = |lost_bytes, passed_bytes, path_mtu| {
        of_path(Evidence::PathMtuBlackHole(PathMtuBlackHole {
            direction: Direction::Forward,
            lost_bytes,
            passed_bytes,
            path_mtu,
            missing_tsn: None,
            heartbeats_pass: lost_bytes.is_none(),
        }))
    };
    let loss = |direction| {
        let rate = Rate {
            percent: 4.25,
            chunks: 400,
        };
        of_path(Evidence::GreyLoss(GreyLoss { direction, rate }))
    };
    vec![
        down(Broken::Unknown),
        down(Broken::Forward),
        down(Broken::Return),
        down(Broken::Both),
        of_all(Evidence::PeerDown(PeerDown { paths: 4 })),
        link(10),
        link(11),
        black_hole(None, None, None),
        black_hole(Some(1_400), Some(1_280), Some(1_300)),
        of_path(Evidence::PathMtuBlackHole(PathMtuBlackHole {
            direction: Direction::Return,
            lost_bytes: None,
            passed_bytes: Some(144),
            path_mtu: None,
            missing_tsn: Some(7),
            heartbeats_pass: false,
        })),
        loss(Direction::Forward),
        loss(Direction::Return),
        of_path(Evidence::BadChecksum(BadChecksum {
            packets: 6,
            other: path(2).local,
        })),
        of_path(Evidence::RtoBelowSackDelay(RtoBelowSackDelay {
            direction: Direction::Forward,
            rto: ms(100),
            sack_delay: Some(ms(200)),
            retransmitted: 93,
            chunks: 97,
        })),
        of_path(Evidence::RtoBelowSackDelay(RtoBelowSackDelay {
            direction: Direction::Return,
            rto: ms(100),
            sack_delay: None,
            retransmitted: 40,
            chunks: 40,
        })),
        of_path(Evidence::LatencyDegraded(Slow {
            rtt: ms(80),
            baseline: ms(10),
        })),
        of_path(Evidence::Flapping(Flapping {
            failures: 4,
            within: ms(60_000),
        })),
        of_path(Evidence::AnsweredElsewhere(AnsweredElsewhere {
            direction: Direction::Forward,
            source: path(2).remote,
        })),
        (
            Object::Remote(path(2).remote),
            Evidence::SecondaryUnconfirmed(SecondaryUnconfirmed {
                known_for: ms(60_000),
                heartbeats: 3,
            }),
        ),
        (
            Object::Local(path(2).local),
            Evidence::SecondaryUnconfirmed(SecondaryUnconfirmed {
                known_for: ms(60_000),
                heartbeats: 0,
            }),
        ),
        suspect(ListProblem::UnusableRange),
        suspect(ListProblem::PrivateBehindPublic),
        suspect(ListProblem::OmitsSource { before: Vec::new() }),
        suspect(ListProblem::OmitsSource {
            before: vec![path(1).remote, path(2).remote],
        }),
        suspect(ListProblem::ListedByAnother {
            other_association: AssociationId(9),
            other_source: path(3).remote,
        }),
        of_all(Evidence::Zombie(Zombie::NobodyReads {
            side: Side::Remote,
            window_zero_for: ms(60_000),
        })),
        of_all(Evidence::Zombie(Zombie::AnswersAfterEnd)),
        of_all(Evidence::Zombie(Zombie::ShutdownPending { pending: ms(60_000) })),
        suspicion(
            Forgery::WrongTag,
            vec![ChunkKind::Abort, ChunkKind::Data],
            Some("path1"),
        ),
        suspicion(Forgery::Init, Vec::new(), None),
        suspicion(Forgery::IcmpError, Vec::new(), None),
        of_path(Evidence::ShortLived(ShortLived {
            refused: 5,
            ended_by: vec![path(1).remote],
            ..ShortLived::default()
        })),
        of_path(Evidence::ShortLived(ShortLived {
            refused: 0,
            associations: 2,
            restarts: 1,
            longest: ms(1_300),
            ended_by: Vec::new(),
        })),
        of_all(Evidence::NotRedundant(NotRedundant {
            shared: vec![
                Shared::LocalAddress(path(1).local),
                Shared::RemoteAddress(path(1).remote),
            ],
        })),
        of_all(Evidence::NotRedundant(NotRedundant {
            shared: vec![
                Shared::Interface("path1".to_owned()),
                Shared::NextHop([2, 0, 0, 0, 0, 1]),
                Shared::Subnet([10, 1, 1, 0].into()),
            ],
        })),
    ]
}

pub(crate) fn incidents() -> Vec<IncidentView> {
    let (object, evidence) = evidence().swap_remove(3);
    let finding = Finding::new(object, Sides::ThisHost, NOW, evidence, None);
    let incident = |kind, interface: Option<&str>, local: Option<u8>, remote: Option<u8>| IncidentView {
        id: IncidentId(3),
        finding: finding.evidence.kind(),
        severity: finding.severity,
        scope: Scope {
            kind,
            interface: interface.map(str::to_owned),
            local: local.map(|number| path(number).local),
            remote: remote.map(|number| path(number).remote),
            association: Some(AssociationId(1)),
            failing: match kind {
                ScopeKind::Addresses => vec![path(1).local, path(2).local],
                ScopeKind::Address => vec![path(1).local],
                _ => Vec::new(),
            },
            peer: vec![path(1).remote, path(2).remote],
            hosts: match kind {
                ScopeKind::Hosts => vec![vec![path(1).local], vec![path(1).remote, path(2).remote]],
                _ => Vec::new(),
            },
        },
        members: 5,
        most_members: 6,
        associations: 2,
        since: NOW,
        reason: finding.text.clone(),
        next: finding.check.clone(),
    };
    vec![
        incident(ScopeKind::Path, Some("path1"), Some(1), Some(1)),
        incident(ScopeKind::Path, None, Some(1), Some(1)),
        incident(ScopeKind::Interface, Some("path1"), None, None),
        incident(ScopeKind::LocalAddress, None, Some(1), None),
        incident(ScopeKind::RemoteAddress, None, None, Some(1)),
        incident(ScopeKind::Addresses, None, None, None),
        incident(ScopeKind::Peer, None, None, None),
        incident(ScopeKind::Address, None, None, None),
        incident(ScopeKind::Hosts, None, None, None),
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
        moved(Direction::Forward, Some(ms(1_030))),
        moved(Direction::Return, None),
    ];
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
