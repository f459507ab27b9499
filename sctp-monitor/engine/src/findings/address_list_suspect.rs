//! An endpoint lists addresses that its peer can hardly reach.
//!
//! A warning: the peer will try them, and count on them. A range by itself is no fault: hosts of one private network, or of
//! one machine, may well list such addresses. So each is compared with where the packet came from and with what the peer
//! has, and what was seen to work is never suspect.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    config::HEARTBEAT_WITHIN,
    model::{AddressListSuspect, AddressSource, Evidence, ListProblem, Severity, Timestamp, words::list},
    registry::{address_list::AddressList, association::Association},
};

impl AddressListSuspect {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self) -> String {
        let source = self.source;
        match self.problem {
            ListProblem::UnusableRange | ListProblem::PrivateBehindPublic => format!(
                "the addresses that the application at {source} binds (`ss --sctp -l`, its configuration); whether a translator \
                 should rewrite them"
            ),
            ListProblem::OmitsSource { .. } => format!(
                "whether a translator in front of {source} rewrites the addresses in INIT and INIT ACK (an SCTP helper or load \
                 balancer that lost its state or its rule)"
            ),
            ListProblem::ListedByAnother { other_source, .. } => format!(
                "which host has these addresses, {source} or {other_source}: translators with the same private network behind \
                 them, copied configuration"
            ),
        }
    }
}

impl fmt::Display for AddressListSuspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, addresses) = (self.source, list(&self.addresses));
        write!(f, "address list suspect: {source} lists {addresses}, ")?;
        match &self.problem {
            ListProblem::UnusableRange => f.write_str("which other hosts cannot reach"),
            ListProblem::PrivateBehindPublic => f.write_str("private addresses, behind a public source"),
            ListProblem::OmitsSource { before } => {
                f.write_str("not the source of the packet itself")?;
                if !before.is_empty() && *before != self.addresses {
                    write!(f, "; before, it listed {}", list(before))?;
                }
                Ok(())
            }
            ListProblem::ListedByAnother {
                other_association,
                other_source,
            } => write!(
                f,
                "which {other_source} lists too, with the same port (association {other_association})"
            ),
        }
    }
}

/// What is wrong with the lists of either endpoint. One at a time: a finding of a kind is open once for an object. It is the worst,
/// and of two the one of the lower source, whoever sent the INIT.
pub(super) fn rule(association: &Association, now: Timestamp) -> Option<Evidence> {
    let lists = association.lists().iter();
    let problems = lists.flat_map(move |list| problems(association, list, now));
    let worst = problems.min_by_key(|suspect| (rank(&suspect.problem), suspect.source));
    worst.map(Evidence::AddressListSuspect)
}

/// The worst first: what no host can reach, to what only two lists together show.
fn rank(problem: &ListProblem) -> u8 {
    match problem {
        ListProblem::UnusableRange => 0,
        ListProblem::PrivateBehindPublic => 1,
        ListProblem::OmitsSource { .. } => 2,
        ListProblem::ListedByAnother { .. } => 3,
    }
}

fn problems(association: &Association, list: &AddressList, now: Timestamp) -> Vec<AddressListSuspect> {
    let AddressList { side, source, .. } = *list;
    let works = |address: &IpAddr| {
        let mut paths = association.paths().filter(|(path, _)| side.of(path) == *address);
        paths.any(|(_, path)| path.is_confirmed())
    };
    let doubtful = |address: &&IpAddr| {
        association.addresses(side).source(address) == Some(AddressSource::Listed) && !works(address)
    };
    let among = |wanted: &dyn Fn(&IpAddr) -> bool| -> Vec<IpAddr> {
        let listed = list.listed.iter().filter(doubtful);
        listed.filter(|address| wanted(address)).copied().collect()
    };
    let unusable = among(&|address| {
        let range = Range::of(address);
        range.is_unusable() && range != Range::of(&source)
    });
    let others_are_private = association
        .addresses(side.other())
        .iter()
        .any(|address| Range::of(address) == Range::Private);
    let private = among(&|address| {
        Range::of(address) == Range::Private && Range::of(&source) == Range::Public && !others_are_private
    });
    // A list may leave the source out. So it is one that changed as well, or none of it was confirmed for long.
    let has_changed = !list.before.is_empty() && list.before != list.listed;
    let is_late = now.since(association.known_since()) >= HEARTBEAT_WITHIN;
    let any_works = list.listed.iter().any(works);
    let omitted = match list.omits_source() && !any_works && (has_changed || is_late) {
        true => among(&|_| true),
        false => Vec::new(),
    };
    let twice = list
        .other
        .as_ref()
        .map_or_else(Vec::new, |other| among(&|address| other.shared.contains(address)));
    let suspect = |addresses: Vec<IpAddr>, problem| {
        (!addresses.is_empty()).then_some(AddressListSuspect {
            side,
            source,
            addresses,
            problem,
        })
    };
    let by_another = list.other.as_ref().and_then(|other| {
        let problem = ListProblem::ListedByAnother {
            other_association: other.association,
            other_source: other.source,
        };
        suspect(twice, problem)
    });
    let before = list.before.clone();
    [
        suspect(unusable, ListProblem::UnusableRange),
        suspect(private, ListProblem::PrivateBehindPublic),
        suspect(omitted, ListProblem::OmitsSource { before }),
        by_another,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What kind of address one is (IANA's registries of special-purpose addresses, RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Range {
    Public,
    /// Of a network that is not routed beyond its owner: RFC 1918, RFC 4193, and RFC 6598 for providers.
    Private,
    Loopback,
    LinkLocal,
    /// 198.18.0.0/15, for benchmarks (RFC 2544).
    Benchmark,
    /// 0.0.0.0/8, multicast, broadcast, and what is reserved: no host has such an address.
    Nobody,
}

impl Range {
    fn of(address: &IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => match v4.octets() {
                [0 | 224..=255, ..] => Self::Nobody,
                [127, ..] => Self::Loopback,
                [169, 254, ..] => Self::LinkLocal,
                [198, 18 | 19, ..] => Self::Benchmark,
                [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
                _ => Self::Public,
            },
            IpAddr::V6(v6) => match v6.segments() {
                [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
                [0, 0, 0, 0, 0, 0, 0, 0] => Self::Nobody,
                [first, ..] if first & 0xff00 == 0xff00 => Self::Nobody,
                [first, ..] if first & 0xffc0 == 0xfe80 => Self::LinkLocal,
                [first, ..] if first & 0xfe00 == 0xfc00 => Self::Private,
                _ => Self::Public,
            },
        }
    }

    fn is_unusable(self) -> bool {
        !matches!(self, Self::Public | Self::Private)
    }
}
