//! One of every kind of finding, and of every extent of an incident.

use sctp_monitor_common::wire::ChunkKind;

use super::{NOW, ms, path, reasons};
use crate::model::*;

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
        of_all(Evidence::PeerDown(PeerDown {
            paths: 4,
            silent: None,
        })),
        of_all(Evidence::PeerDown(PeerDown {
            paths: 2,
            silent: Some(SilentEndpoint {
                side: Side::Remote,
                addresses: vec!["10.1.1.2".parse().unwrap(), "10.2.1.2".parse().unwrap()],
            }),
        })),
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
            other: Some(path(2).local),
        })),
        of_path(Evidence::BadChecksum(BadChecksum {
            packets: 4,
            other: None,
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
