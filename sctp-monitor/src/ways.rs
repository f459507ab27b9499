//! The ways by which packets may leave that are moved to another path, told by rtnetlink: the route by the NIC of their order, as
//! `bpf_redirect_neigh` looks it up, and the neighbour. One look goes on at a time, beside the loop.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    future::pending,
    io,
};

use nix::errno::Errno;
use rtnetlink::{Handle, new_connection, packet_route::route::RouteFlags};
use sctp_monitor_engine::model::{Neighbour, NextHop, ReversePathFilter, Timestamp, Way, WayQuestion};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::{
    clock::Clock,
    next_hops::{LookError, Neighbours, Route, neighbours, route},
};

/// What was found at one look.
#[derive(Debug)]
pub struct Found {
    /// When it was read, or shortly before.
    pub read_at: Timestamp,
    /// All that were asked about; `None` where nobody could say.
    pub ways: BTreeMap<WayQuestion, Option<Way>>,
    /// Reverse-path filtering of NICs, by index.
    pub filters: BTreeMap<u32, ReversePathFilter>,
}

/// Looks up ways in this network namespace.
pub struct Ways {
    handle: Handle,
    asked: BTreeSet<WayQuestion>,
    look: Option<JoinHandle<Result<Found, LookError>>>,
}

impl Ways {
    /// Opens a netlink socket. Needs a tokio runtime.
    ///
    /// # Errors
    /// If there is none to be had.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        Ok(Self {
            handle,
            asked: BTreeSet::new(),
            look: None,
        })
    }

    /// Whether a look goes on.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Begins to look, unless a look goes on already. NICs are given by index and name.
    pub fn ask(&mut self, questions: BTreeSet<WayQuestion>, nics: Vec<(u32, String)>) {
        if self.look.is_none() && !questions.is_empty() {
            self.asked = questions.clone();
            self.look = Some(tokio::spawn(look(self.handle.clone(), questions, nics)));
        }
    }

    /// Waits for the end of the look that goes on, for ever if there is none. Nothing is lost if it is dropped. A look that fails
    /// ends with an answer as well: whoever waits must not wait for ever.
    pub async fn next(&mut self) -> Found {
        let Some(look) = &mut self.look else {
            return pending().await;
        };
        let found = look.await;
        self.look = None;
        let asked = std::mem::take(&mut self.asked);
        found.map_err(LookError::from).flatten().unwrap_or_else(|error| {
            warn!(
                "routes and neighbours are not known, packets may be moved without a look at them: {:#}",
                anyhow::Error::from(error)
            );
            Found {
                read_at: Clock::now().unwrap_or_default(),
                ways: asked.into_iter().map(|question| (question, None)).collect(),
                filters: BTreeMap::new(),
            }
        })
    }
}

async fn look(
    handle: Handle,
    questions: BTreeSet<WayQuestion>,
    nics: Vec<(u32, String)>,
) -> Result<Found, LookError> {
    let read_at = Clock::now()?;
    let neighbours = neighbours(&handle).await?;
    let mut ways = BTreeMap::new();
    for question in questions {
        ways.insert(question, way(&handle, question, &neighbours).await);
    }
    let filters = nics
        .into_iter()
        .filter_map(|(index, name)| Some((index, reverse_path_filter(&name)?)));
    Ok(Found {
        read_at,
        ways,
        filters: filters.collect(),
    })
}

async fn way(handle: &Handle, question: WayQuestion, neighbours: &Neighbours) -> Option<Way> {
    let WayQuestion { path, if_index } = question;
    let said = |asked: Result<Option<Route>, rtnetlink::Error>| match asked {
        Ok(route) => Some(route),
        Err(rtnetlink::Error::NetlinkError(message)) if is_no_route(message.raw_code()) => Some(None),
        Err(error) => {
            debug!(
                "the route from {} to {} is not known: {error}",
                path.local, path.remote
            );
            None
        }
    };
    let own = said(route(handle, path, None, RouteFlags::empty()).await)?;
    // IPv4 takes any address to be on the link of a NIC that is named (`ip_route_output_key_hash_rcu`, net/ipv4/route.c), so that
    // the packets would leave and reach nobody. Whether a route is there at all is told by FibMatch.
    let listed = said(route(handle, path, Some(if_index), RouteFlags::FibMatch).await)?;
    let by_nic = match listed {
        Some(_) => said(route(handle, path, Some(if_index), RouteFlags::empty()).await)?,
        None => None,
    };
    let by_nic = by_nic.filter(|route| route.if_index == if_index);
    Some(Way {
        host_nic: own.map(|route| route.if_index),
        next_hop: by_nic.map(|route| NextHop {
            address: route.next_hop,
            if_index,
            neighbour: neighbours
                .get(&(if_index, route.next_hop))
                .copied()
                .unwrap_or(Neighbour::Absent),
        }),
        mtu: by_nic.and_then(|route| route.mtu),
    })
}

/// The errors of routes that lead nowhere (`fib_props`, net/ipv4/fib_semantics.c), and of a source address that is not this host's.
fn is_no_route(code: i32) -> bool {
    let no_route = [
        Errno::ENETUNREACH,
        Errno::EHOSTUNREACH,
        Errno::EACCES,
        Errno::EINVAL,
    ];
    no_route.contains(&Errno::from_raw(code.abs()))
}

/// Of the kernel's two values the larger one holds (Documentation/networking/ip-sysctl.rst).
pub(crate) fn reverse_path_filter(interface: &str) -> Option<ReversePathFilter> {
    let value = |of: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter")).ok()?;
        text.trim().parse::<u8>().ok()
    };
    let larger = value("all")?.max(value(interface)?);
    Some(ReversePathFilter::from_sysctl(larger))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_routes_are_told_from_those_of_the_question() {
        for code in [-101, -113, -13, -22] {
            assert!(is_no_route(code), "{code}");
        }
        for code in [-1, -4, -12, 0] {
            assert!(!is_no_route(code), "{code}");
        }
    }
}
