//! The next hops of paths, as this host's routes and its neighbour table have them, told by rtnetlink.
//!
//! The engine says which paths are in question; nobody is asked about the others. One look goes on at a time, beside the loop.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    io,
    net::IpAddr,
};

use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, RouteMessageBuilder, new_connection,
    packet_route::{
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
        route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteVia},
    },
};
use sctp_monitor_engine::model::{Neighbour, NextHop, PathId, Timestamp};
use tokio::task::{JoinError, JoinHandle};
use tracing::debug;

use crate::clock::Clock;

/// What was found at one look.
#[derive(Debug)]
pub struct Look {
    /// When the neighbour table was read, or shortly before.
    pub read_at: Timestamp,
    /// Paths without a route, or with one that has no single next hop, are left out.
    pub next_hops: BTreeMap<PathId, NextHop>,
}

/// Why a look found nothing.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The clock cannot be read.
    #[error("the clock cannot be read")]
    Clock(#[from] nix::Error),
    /// The kernel does not list its neighbours.
    #[error("the kernel did not list its neighbours")]
    Netlink(#[from] rtnetlink::Error),
    /// The look ended before its end.
    #[error("the look at the neighbours was cut off")]
    CutOff(#[from] JoinError),
}

/// Looks up next hops in this network namespace.
pub struct NextHops {
    handle: Handle,
    look: Option<JoinHandle<Result<Look, LookError>>>,
}

impl NextHops {
    /// Opens a netlink socket. Needs a tokio runtime.
    ///
    /// # Errors
    /// If there is none to be had.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        Ok(Self { handle, look: None })
    }

    /// Begins to look up the next hops of these paths, unless a look goes on already.
    pub fn ask(&mut self, paths: BTreeSet<PathId>) {
        if self.look.is_none() && !paths.is_empty() {
            self.look = Some(tokio::spawn(look(self.handle.clone(), paths)));
        }
    }

    /// Waits for the end of the look that goes on, for ever if there is none. Nothing is lost if it is dropped.
    ///
    /// # Errors
    /// If the kernel gave no answer; the next look may succeed.
    pub async fn next(&mut self) -> Result<Look, LookError> {
        let Some(look) = &mut self.look else {
            return pending().await;
        };
        let found = look.await;
        self.look = None;
        found?
    }
}

async fn look(handle: Handle, paths: BTreeSet<PathId>) -> Result<Look, LookError> {
    let read_at = Clock::now()?;
    let neighbours = neighbours(&handle).await?;
    let mut next_hops = BTreeMap::new();
    for path in paths {
        let found = route(&handle, path, None, RouteFlags::empty()).await;
        let found =
            found.inspect_err(|error| debug!("no route from {} to {}: {error}", path.local, path.remote));
        let Ok(Some(route)) = found else {
            continue;
        };
        let neighbour = neighbours.get(&(route.if_index, route.next_hop)).copied();
        let next_hop = NextHop {
            address: route.next_hop,
            if_index: route.if_index,
            neighbour: neighbour.unwrap_or(Neighbour::Absent),
        };
        next_hops.insert(path, next_hop);
    }
    Ok(Look { read_at, next_hops })
}

/// Where packets go next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// The index of the NIC.
    pub(crate) if_index: u32,
    /// A router's address, or the destination itself.
    pub(crate) next_hop: IpAddr,
    /// The largest IP packet, if the route names it or a router has told it.
    pub(crate) mtu: Option<u32>,
}

/// The route that packets of a path take, or would by this NIC; `None` if it has no single next hop.
///
/// # Errors
/// The kernel's, if there is no route.
pub(crate) async fn route(
    handle: &Handle,
    path: PathId,
    by: Option<u32>,
    flags: RouteFlags,
) -> Result<Option<Route>, rtnetlink::Error> {
    let bits = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let request = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(path.remote, bits(path.remote))
        .and_then(|request| request.source_prefix(path.local, bits(path.local)));
    let Ok(request) = request else {
        return Ok(None);
    };
    let request = match by {
        Some(if_index) => request.output_interface(if_index),
        None => request,
    };
    let mut request = request.build();
    request.header.flags = flags;
    let mut routes = handle.route().get(request).execute();
    let found = routes.try_next().await?;
    Ok(found.and_then(|found| read_route(&found, path.remote)))
}

/// Where a route leads. Without a router in between that is the destination.
fn read_route(route: &RouteMessage, destination: IpAddr) -> Option<Route> {
    let mut if_index = None;
    let mut next_hop = destination;
    let mut mtu = None;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => if_index = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(gateway))
            | RouteAttribute::Via(RouteVia::Inet(gateway)) => next_hop = IpAddr::V4(*gateway),
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway))
            | RouteAttribute::Via(RouteVia::Inet6(gateway)) => next_hop = IpAddr::V6(*gateway),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) if *mtu != 0 => Some(*mtu),
                    _ => None,
                });
            }
            // Which of them a packet takes is not told.
            RouteAttribute::MultiPath(_) => return None,
            _ => {}
        }
    }
    Some(Route {
        if_index: if_index?,
        next_hop,
        mtu,
    })
}

/// The neighbour table, by NIC and address.
pub(crate) type Neighbours = BTreeMap<(u32, IpAddr), Neighbour>;

/// Reads the neighbour table.
///
/// # Errors
/// If the kernel does not list it.
pub(crate) async fn neighbours(handle: &Handle) -> Result<Neighbours, rtnetlink::Error> {
    let listed: Vec<_> = handle.neighbours().get().execute().try_collect().await?;
    Ok(listed.iter().filter_map(entry).collect())
}

/// An entry of the neighbour table, by NIC and address.
fn entry(message: &NeighbourMessage) -> Option<((u32, IpAddr), Neighbour)> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })?;
    let neighbour = match message.header.state {
        NeighbourState::Incomplete => Neighbour::Incomplete,
        NeighbourState::Failed => Neighbour::Failed,
        NeighbourState::None => Neighbour::Absent,
        _ => Neighbour::Resolved,
    };
    Some(((message.header.ifindex, address), neighbour))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn route(attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut route = RouteMessage::default();
        route.attributes = attributes;
        route
    }

    #[test]
    fn a_route_leads_to_its_gateway_or_to_the_destination_itself() {
        let destination = ip("10.9.0.1");
        let led = |attributes| {
            let route = read_route(&route(attributes), destination)?;
            Some((route.if_index, route.next_hop))
        };
        let oif = RouteAttribute::Oif(7);
        assert_eq!(led(vec![oif.clone()]), Some((7, destination)));
        let gateway = RouteAttribute::Gateway(ip("10.1.0.254").into());
        assert_eq!(led(vec![oif.clone(), gateway]), Some((7, ip("10.1.0.254"))));
        let over_ipv6 = RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().unwrap()));
        assert_eq!(led(vec![over_ipv6, oif.clone()]), Some((7, ip("fe80::1"))));
        assert_eq!(led(vec![]), None, "no NIC");
        assert_eq!(led(vec![oif, RouteAttribute::MultiPath(Vec::new())]), None);
    }

    #[test]
    fn entries_are_told_by_their_state() {
        let told = |state| {
            let mut message = NeighbourMessage::default();
            message.header.ifindex = 3;
            message.header.state = state;
            let address = NeighbourAddress::Inet6("fd00::2".parse().unwrap());
            message.attributes = vec![NeighbourAttribute::Destination(address)];
            entry(&message).unwrap()
        };
        let key = (3, ip("fd00::2"));
        for (state, neighbour) in [
            (NeighbourState::Reachable, Neighbour::Resolved),
            (NeighbourState::Stale, Neighbour::Resolved),
            (NeighbourState::Delay, Neighbour::Resolved),
            (NeighbourState::Probe, Neighbour::Resolved),
            (NeighbourState::Noarp, Neighbour::Resolved),
            (NeighbourState::Permanent, Neighbour::Resolved),
            (NeighbourState::Incomplete, Neighbour::Incomplete),
            (NeighbourState::Failed, Neighbour::Failed),
            (NeighbourState::None, Neighbour::Absent),
        ] {
            assert_eq!(told(state), (key, neighbour));
        }
    }
}
