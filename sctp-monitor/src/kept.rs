//! Keeps the next hops known to this host by which packets are moved or copied, and those that they are taken from.
//!
//! A packet whose next hop is not resolved waits in the neighbour table and is never seen at TC egress. Some 20 s after a path has died
//! that would be so on it: its next hop answers nobody, the entry fails, and what was moved until then gets stuck. So an entry
//! that begins to be doubted is confirmed, with the address that it has; one that was dropped (a NIC that lost its link) is made anew
//! with the address that it had. None is made permanent: what a router that takes over announces still counts, and an agent that ends,
//! however it ends, leaves entries that age as all others do, within `base_reachable_time` (30 s).

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    io,
    net::IpAddr,
};

use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, new_connection,
    packet_route::{
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
        route::RouteFlags,
    },
};
use sctp_monitor_engine::model::WayQuestion;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::next_hops::route;

/// The entries that are kept in this network namespace.
pub struct KeptNeighbours {
    handle: Handle,
    known: BTreeMap<WayQuestion, Hop>,
    round: Option<JoinHandle<Result<Round, rtnetlink::Error>>>,
    /// What is to be kept, if that was said while a round goes on.
    again: Option<BTreeSet<WayQuestion>>,
    has_failed: bool,
}

/// The next hop of a way, as it was when it was last resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hop {
    address: IpAddr,
    link_layer: Vec<u8>,
}

/// What a look at all entries has found.
struct Round {
    known: BTreeMap<WayQuestion, Hop>,
    first_error: Option<rtnetlink::Error>,
}

impl KeptNeighbours {
    /// Opens a netlink socket. Needs a tokio runtime.
    ///
    /// # Errors
    /// If there is none to be had.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        Ok(Self {
            handle,
            known: BTreeMap::new(),
            round: None,
            again: None,
            has_failed: false,
        })
    }

    /// Looks at the entries of these ways, and of no others from now on. Needed once a second (an entry that is doubted fails after
    /// some 8 s), and when a NIC has lost its link.
    pub fn keep(&mut self, ways: BTreeSet<WayQuestion>) {
        if self.round.is_some() {
            self.again = Some(ways);
            return;
        }
        self.known.retain(|way, _| ways.contains(way));
        if !ways.is_empty() {
            self.round = Some(tokio::spawn(round(self.handle.clone(), ways, self.known.clone())));
        }
    }

    /// Waits for the end of the round that goes on, for ever if there is none. Nothing is lost if it is dropped.
    pub async fn next(&mut self) {
        let Some(round) = &mut self.round else {
            return pending().await;
        };
        let done = round.await;
        self.round = None;
        let error = match done {
            Ok(Ok(Round { known, first_error })) => {
                self.known = known;
                first_error
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if let Some(error) = error.as_ref().filter(|_| !self.has_failed) {
            warn!(
                "a neighbour entry of a path whose packets are moved or copied cannot be kept; they may get stuck some 20 s after it has \
                 failed: {error}"
            );
        }
        self.has_failed = error.is_some();
        if let Some(ways) = self.again.take() {
            self.keep(ways);
        }
    }
}

async fn round(
    handle: Handle,
    ways: BTreeSet<WayQuestion>,
    mut known: BTreeMap<WayQuestion, Hop>,
) -> Result<Round, rtnetlink::Error> {
    let listed: Vec<_> = handle.neighbours().get().execute().try_collect().await?;
    let mut first_error = None;
    for way in ways {
        let WayQuestion { path, if_index } = way;
        // One that has no route for the moment is kept where it was.
        let found = route(&handle, path, Some(if_index), RouteFlags::empty()).await;
        let hop = match found {
            Ok(Some(route)) if route.if_index == if_index => Some(route.next_hop),
            _ => known.get(&way).map(|hop| hop.address),
        };
        let Some(address) = hop else {
            continue;
        };
        let entry = listed.iter().find(|entry| is_of(entry, if_index, address));
        let before = known.get(&way).filter(|hop| hop.address == address);
        let link_layer = match keep(entry, before.map(|hop| &hop.link_layer[..])) {
            Keep::AsIs(link_layer) => link_layer,
            Keep::Confirm(link_layer) => {
                debug!("neighbour entry of {address} on NIC {if_index} is confirmed");
                let confirmed = handle
                    .neighbours()
                    .add(if_index, address)
                    .link_layer_address(&link_layer)
                    .state(NeighbourState::Reachable)
                    .replace()
                    .execute();
                // One that cannot be kept (its NIC is going away) is no reason to let go the others.
                if let Err(error) = confirmed.await {
                    first_error.get_or_insert(error);
                }
                link_layer
            }
            Keep::Nothing => continue,
        };
        known.insert(way, Hop { address, link_layer });
    }
    Ok(Round { known, first_error })
}

fn is_of(entry: &NeighbourMessage, if_index: u32, address: IpAddr) -> bool {
    let is_its = |attribute: &NeighbourAttribute| match (attribute, address) {
        (NeighbourAttribute::Destination(NeighbourAddress::Inet(its)), IpAddr::V4(address)) => {
            *its == address
        }
        (NeighbourAttribute::Destination(NeighbourAddress::Inet6(its)), IpAddr::V6(address)) => {
            *its == address
        }
        _ => false,
    };
    entry.header.ifindex == if_index && entry.attributes.iter().any(is_its)
}

/// What is to be done for an entry.
#[derive(Debug, PartialEq, Eq)]
enum Keep {
    /// Nothing: it is good, and this is its link-layer address.
    AsIs(Vec<u8>),
    /// It is to be reachable with this link-layer address.
    Confirm(Vec<u8>),
    /// Nothing can be done: no link-layer address was ever known.
    Nothing,
}

fn keep(entry: Option<&NeighbourMessage>, before: Option<&[u8]>) -> Keep {
    let link_layer = entry.and_then(|entry| {
        entry.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(address) => Some(address.clone()),
            _ => None,
        })
    });
    let state = entry.map(|entry| entry.header.state);
    match (state, link_layer) {
        (
            Some(NeighbourState::Reachable | NeighbourState::Permanent | NeighbourState::Noarp),
            Some(link_layer),
        ) => Keep::AsIs(link_layer),
        (Some(NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe), Some(link_layer)) => {
            Keep::Confirm(link_layer)
        }
        // A failed entry may show an address still: it is what was known before.
        (_, link_layer) => link_layer
            .or_else(|| before.map(<[u8]>::to_vec))
            .map_or(Keep::Nothing, Keep::Confirm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn entry(state: NeighbourState, link_layer: Option<[u8; 6]>) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = 3;
        message.header.state = state;
        message.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(
            [10, 1, 1, 2].into(),
        ))];
        message
            .attributes
            .extend(link_layer.map(|address| NeighbourAttribute::LinkLayerAddress(address.to_vec())));
        message
    }

    #[test]
    fn what_is_doubted_is_confirmed_and_what_was_dropped_is_made_anew() {
        let other = [2, 0, 0, 0, 0, 9];
        for state in [
            NeighbourState::Reachable,
            NeighbourState::Permanent,
            NeighbourState::Noarp,
        ] {
            let listed = entry(state, Some(MAC));
            assert_eq!(
                keep(Some(&listed), Some(&other)),
                Keep::AsIs(MAC.to_vec()),
                "{state:?}"
            );
        }
        // What a router announced that took over counts.
        for state in [
            NeighbourState::Stale,
            NeighbourState::Delay,
            NeighbourState::Probe,
        ] {
            let listed = entry(state, Some(MAC));
            assert_eq!(
                keep(Some(&listed), Some(&other)),
                Keep::Confirm(MAC.to_vec()),
                "{state:?}"
            );
        }
        for state in [NeighbourState::Failed, NeighbourState::Incomplete] {
            let listed = entry(state, None);
            assert_eq!(
                keep(Some(&listed), Some(&MAC)),
                Keep::Confirm(MAC.to_vec()),
                "{state:?}"
            );
            assert_eq!(keep(Some(&listed), None), Keep::Nothing);
        }
        assert_eq!(keep(None, Some(&MAC)), Keep::Confirm(MAC.to_vec()));
        assert_eq!(keep(None, None), Keep::Nothing);
    }

    #[test]
    fn an_entry_is_of_one_nic_and_one_address() {
        let listed = entry(NeighbourState::Stale, Some(MAC));
        assert!(is_of(&listed, 3, "10.1.1.2".parse().unwrap()));
        assert!(!is_of(&listed, 4, "10.1.1.2".parse().unwrap()));
        assert!(!is_of(&listed, 3, "10.1.1.3".parse().unwrap()));
        assert!(!is_of(&listed, 3, "fd00::2".parse().unwrap()));
    }
}
