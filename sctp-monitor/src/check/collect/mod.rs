//! Collects the facts, and attaches nothing.
//!
//! Each source may be missing: an old kernel, no privilege, no /sys. Then its fact is unknown, and the others are told.

mod devices;
mod features;
mod host;
mod links;
mod offloads;
mod programs;

use std::collections::BTreeMap;

use rtnetlink::packet_route::link::LinkMessage;
use tracing::debug;

use super::facts::{Facts, HostFacts, Nic, NicFacts, SteeringFacts, TcxPrograms, XdpFeatures};
use crate::{kernel, link::ties, ways};

/// Looks at the kernel, this process and the NICs of this network namespace: those named, or all but the loopback. If
/// packets are to be moved to other paths, also at what that needs.
///
/// # Errors
/// If no runtime can be had. What cannot be found out is no error.
pub(super) fn collect(names: &[String], steers: bool) -> std::io::Result<Facts> {
    let host = host::facts(steers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (nics, no_listing) = runtime.block_on(nics(names, &host, steers));
    Ok(Facts {
        host,
        nics,
        no_listing,
    })
}

async fn nics(names: &[String], host: &HostFacts, steers: bool) -> (Vec<Nic>, Option<String>) {
    let (listed, no_listing) = match links::list().await {
        Ok(listed) => (listed, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let mut features = features::all().await.unwrap_or_else(|error| {
        debug!("the kernel does not tell of XDP features: {error}");
        BTreeMap::new()
    });
    let mut offloads = offloads::Source::open();
    let mut nics = Vec::new();
    for name in chosen(names, &listed) {
        let link = listed.iter().find(|link| links::name(link) == Some(&name));
        let facts = match link {
            Some(link) => {
                let said = features.remove(&link.header.index);
                let mut facts = nic(link, &listed, said, &mut offloads, host).await;
                facts.steering = steers.then(|| steering(link, &listed, &name));
                Some(Box::new(facts))
            }
            None => None,
        };
        nics.push(Nic { name, facts });
    }
    name_programs(&mut nics);
    (nics, no_listing)
}

/// The names that were asked for, each once, or all but the loopback's.
fn chosen(names: &[String], listed: &[LinkMessage]) -> Vec<String> {
    if names.is_empty() {
        return listed
            .iter()
            .filter(|link| !links::is_loopback(link))
            .filter_map(|link| links::name(link).map(ToOwned::to_owned))
            .collect();
    }
    let mut chosen: Vec<String> = Vec::new();
    for name in names {
        if !chosen.contains(name) {
            chosen.push(name.clone());
        }
    }
    chosen
}

async fn nic(
    link: &LinkMessage,
    listed: &[LinkMessage],
    said: Option<XdpFeatures>,
    offloads: &mut offloads::Source,
    host: &HostFacts,
) -> NicFacts {
    let mut facts = links::facts(link, listed);
    facts.driver = links::device(link).and_then(|(bus, device)| devices::driver(bus, device));
    facts.xdp_features = said;
    if let Some(name) = links::name(link) {
        facts.merging = offloads.merging(name).await;
        facts.channels = offloads.channels(name).await;
        facts.tcx = if kernel::has_tcx() {
            programs::tcx(name, host.privileges)
        } else {
            TcxPrograms::NotThere
        };
    }
    if let Some(peer) = &mut facts.ties.peer {
        let channels = offloads.channels(&peer.name).await;
        peer.tx_queues = channels.map(|channels| channels.tx + channels.combined);
    }
    facts
}

fn steering(link: &LinkMessage, listed: &[LinkMessage], name: &str) -> SteeringFacts {
    SteeringFacts {
        reverse_path_filter: ways::reverse_path_filter(name),
        member: ties(link).master.is_some(),
        uppers: links::uppers(link, listed),
    }
}

/// Ids say little to a person; names need CAP_SYS_ADMIN.
fn name_programs(nics: &mut [Nic]) {
    let mut attached: Vec<_> = nics
        .iter_mut()
        .filter_map(|nic| nic.facts.as_mut())
        .flat_map(|facts| &mut facts.xdp)
        .collect();
    if attached.is_empty() {
        return;
    }
    let names = programs::names();
    for program in &mut attached {
        program.name = names.get(&program.id).cloned();
    }
}
