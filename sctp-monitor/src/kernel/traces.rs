//! Programs of ours that are still on a NIC although no agent runs: what they are, where, and how they are taken off.
//!
//! A link goes with the last descriptor of it, so it is left only if it was pinned. A filter of clsact (before Linux 6.6) stays
//! whenever its agent was killed. Neither name tells for sure whose a program is: ours are those that have one of our names and use
//! a map of ours.

use std::{collections::BTreeMap, fmt, io};

use aya::{
    maps::MapInfo,
    programs::{
        ProgramError, ProgramInfo, SchedClassifier, TcAttachType,
        links::{Link as _, LinkError},
        loaded_links, loaded_programs,
        tc::{SchedClassifierLink, TcHandle},
    },
};
use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, new_connection,
    packet_route::{
        link::{LinkAttribute, LinkMessage, LinkXdp},
        tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption},
    },
};

use super::{attach::has_tcx, held};
use crate::link::find;

/// A program of ours on a NIC of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The NIC's name.
    pub interface: String,
    /// The program's id.
    pub program: u32,
    name: String,
    hook: Hook,
}

/// What holds the program where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    /// A link of XDP, by its id.
    Xdp { link: u32 },
    /// A link of TCX, by its id.
    Tcx { side: Side, link: u32 },
    /// A filter of clsact.
    Filter {
        side: Side,
        priority: u16,
        handle: (u16, u16),
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ingress,
    Egress,
}

/// Why traces were not found, or one was not removed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No netlink socket can be had.
    #[error("cannot open a netlink socket")]
    Socket(#[source] io::Error),
    /// There is no such NIC here.
    #[error("there is no interface {0} in this network namespace (`ip link` lists the interfaces)")]
    NoInterface(String),
    /// The kernel did not list the NICs or their filters.
    #[error("the kernel did not list {what}")]
    Netlink {
        /// What was asked for.
        what: String,
        /// The kernel's answer.
        #[source]
        source: rtnetlink::Error,
    },
    /// The kernel did not list the programs.
    #[error("the kernel did not list the loaded programs (this needs root)")]
    Programs(#[source] Box<ProgramError>),
    /// The kernel did not list the links.
    #[error("the kernel did not list the links of programs (this needs root)")]
    Links(#[source] LinkError),
    /// It is still there.
    #[error("{what} was not taken off")]
    Stays {
        /// The trace, in words.
        what: String,
        /// The kernel's answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            interface,
            program,
            name,
            hook,
        } = self;
        let hook = match hook {
            Hook::Xdp { .. } => "XDP",
            Hook::Tcx {
                side: Side::Ingress, ..
            } => "TCX ingress",
            Hook::Tcx {
                side: Side::Egress, ..
            } => "TCX egress",
            Hook::Filter {
                side: Side::Ingress, ..
            } => "TC ingress filter",
            Hook::Filter {
                side: Side::Egress, ..
            } => "TC egress filter",
        };
        write!(f, "program {name} (id {program}) on {interface} ({hook})")
    }
}

impl Trace {
    /// Takes it off.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn remove(&self) -> Result<(), TraceError> {
        let stays = |source| TraceError::Stays {
            what: self.to_string(),
            source,
        };
        match self.hook {
            Hook::Xdp { link } | Hook::Tcx { link, .. } => {
                held::detach(link).map_err(|source| stays(source.into()))
            }
            Hook::Filter {
                side,
                priority,
                handle: (major, minor),
            } => {
                let handle = TcHandle::new(major, minor);
                SchedClassifierLink::attached(&self.interface, side.into(), priority, handle, None)
                    .map_err(|source| stays(source.into()))?
                    .detach()
                    .map_err(|source| stays(source.into()))
            }
        }
    }
}

impl From<Side> for TcAttachType {
    fn from(side: Side) -> Self {
        match side {
            Side::Ingress => Self::Ingress,
            Side::Egress => Self::Egress,
        }
    }
}

/// Finds what is left on these NICs, or on all of this network namespace if none is named.
///
/// # Errors
/// If a NIC does not exist, or the kernel does not tell.
pub async fn traces(interfaces: &[String]) -> Result<Vec<Trace>, TraceError> {
    let (connection, handle, _) = new_connection().map_err(TraceError::Socket)?;
    tokio::spawn(connection);
    let nics = nics(&handle, interfaces).await?;
    let ours = ours()?;
    let mut traces = Vec::new();
    if ours.is_empty() {
        return Ok(traces);
    }
    let links = links()?;
    for nic in &nics {
        traces.extend(nic.linked(&ours, &links)?);
        for side in [Side::Ingress, Side::Egress] {
            let filters = nic.filters(&handle, side).await?;
            let of_ours = filters
                .iter()
                .filter_map(|filter| nic.filter(filter, side, &ours));
            traces.extend(of_ours);
        }
    }
    Ok(traces)
}

struct Nic {
    index: u32,
    name: String,
    xdp: Vec<u32>,
}

async fn nics(handle: &Handle, names: &[String]) -> Result<Vec<Nic>, TraceError> {
    let listed: Result<Vec<_>, _> = handle.link().get().execute().try_collect().await;
    let listed = listed.map_err(|source| TraceError::Netlink {
        what: "the interfaces".to_owned(),
        source,
    })?;
    let all: Vec<_> = listed.iter().filter_map(Nic::of).collect();
    if let Some(missing) = names.iter().find(|name| all.iter().all(|nic| nic.name != **name)) {
        return Err(TraceError::NoInterface(missing.clone()));
    }
    let is_meant = |nic: &Nic| names.is_empty() || names.contains(&nic.name);
    Ok(all.into_iter().filter(is_meant).collect())
}

impl Nic {
    fn of(link: &LinkMessage) -> Option<Self> {
        let name = find(link, |attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })?;
        let xdp = find(link, |attribute| match attribute {
            LinkAttribute::Xdp(attributes) => Some(attributes.as_slice()),
            _ => None,
        });
        let ids = xdp
            .unwrap_or_default()
            .iter()
            .filter_map(|attribute| match attribute {
                LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) => Some(*id),
                _ => None,
            });
        Some(Self {
            index: link.header.index,
            name,
            xdp: ids.collect(),
        })
    }

    fn trace(&self, program: u32, name: &str, hook: Hook) -> Trace {
        Trace {
            interface: self.name.clone(),
            program,
            name: name.to_owned(),
            hook,
        }
    }

    /// What is here by links. An index alone does not name a NIC, since each network namespace has its own; so the NIC is asked too.
    fn linked(&self, ours: &BTreeMap<u32, String>, links: &[Link]) -> Result<Vec<Trace>, TraceError> {
        let on_side = |side: Side| {
            let programs = SchedClassifier::query_tcx(&self.name, side.into());
            let (_, programs) = programs.map_err(|source| TraceError::Programs(Box::new(source)))?;
            Ok::<Vec<_>, TraceError>(programs.iter().map(ProgramInfo::id).collect())
        };
        let (ingress, egress) = if has_tcx() {
            (on_side(Side::Ingress)?, on_side(Side::Egress)?)
        } else {
            (Vec::new(), Vec::new())
        };
        let here = links.iter().filter(|link| link.if_index == self.index);
        let traces = here.filter_map(
            |&Link {
                 id: link, program, ..
             }| {
                let name = ours.get(&program)?;
                let hook = if self.xdp.contains(&program) {
                    Hook::Xdp { link }
                } else if ingress.contains(&program) {
                    let side = Side::Ingress;
                    Hook::Tcx { side, link }
                } else if egress.contains(&program) {
                    let side = Side::Egress;
                    Hook::Tcx { side, link }
                } else {
                    return None;
                };
                Some(self.trace(program, name, hook))
            },
        );
        Ok(traces.collect())
    }

    /// The filters of clsact on one side.
    async fn filters(&self, handle: &Handle, side: Side) -> Result<Vec<TcMessage>, TraceError> {
        let asked = handle.traffic_filter(self.index.cast_signed()).get();
        let asked = match side {
            Side::Ingress => asked.ingress(),
            Side::Egress => asked.egress(),
        };
        let filters: Result<Vec<_>, _> = asked.execute().try_collect().await;
        filters.map_err(|source| TraceError::Netlink {
            what: format!("the filters of {}", self.name),
            source,
        })
    }

    /// The filter, if it holds a program of ours.
    fn filter(&self, filter: &TcMessage, side: Side, ours: &BTreeMap<u32, String>) -> Option<Trace> {
        let options = filter.attributes.iter().find_map(|attribute| match attribute {
            TcAttribute::Options(options) => Some(options),
            _ => None,
        })?;
        let program = options.iter().find_map(|option| match option {
            TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
            _ => None,
        })?;
        let name = ours.get(&program)?;
        let handle = filter.header.handle;
        let hook = Hook::Filter {
            side,
            // TC_H_MAKE(priority, protocol).
            priority: (filter.header.info >> 16) as u16,
            handle: (handle.major, handle.minor),
        };
        Some(self.trace(program, name, hook))
    }
}

/// A link of any program.
struct Link {
    id: u32,
    program: u32,
    if_index: u32,
}

/// The links of XDP and TCX on this host.
fn links() -> Result<Vec<Link>, TraceError> {
    let mut found = Vec::new();
    for link in loaded_links() {
        let link = link.map_err(TraceError::Links)?;
        // It may be gone meanwhile.
        if let Ok(if_index) = held::if_index(link.id()) {
            found.push(Link {
                id: link.id(),
                program: link.program_id(),
                if_index,
            });
        }
    }
    Ok(found)
}

/// The loaded programs that are ours, with their names.
fn ours() -> Result<BTreeMap<u32, String>, TraceError> {
    let mut ours = BTreeMap::new();
    for program in loaded_programs() {
        let program = program.map_err(|source| TraceError::Programs(Box::new(source)))?;
        let Some(name) = program.name_as_str().filter(|name| is_a_name_of_ours(name)) else {
            continue;
        };
        let maps = program.map_ids().ok().flatten().unwrap_or_default();
        let maps: Vec<_> = maps
            .into_iter()
            .filter_map(|id| MapInfo::from_id(id).ok())
            .collect();
        let maps = maps.iter().filter_map(MapInfo::name_as_str);
        if uses_a_map_of_ours(maps) {
            ours.insert(program.id(), name.to_owned());
        }
    }
    Ok(ours)
}

/// The kernel keeps 15 bytes of a name.
fn is_a_name_of_ours(name: &str) -> bool {
    let kept = |program: &str| program.get(..15).unwrap_or(program) == name;
    PROGRAMS.iter().any(|program| kept(program))
}

fn uses_a_map_of_ours<'a>(mut maps: impl Iterator<Item = &'a str>) -> bool {
    maps.any(|map| MAPS.contains(&map))
}

/// What an agent attaches, in every version so far.
const PROGRAMS: [&str; 5] = [
    "xdp_ingress",
    "xdp_ingress_frags",
    "tc_ingress",
    "tc_egress",
    "tc_steer",
];

/// Each of them uses one of these.
const MAPS: [&str; 2] = ["FLOW_INDEX", "STEER_INDEX"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_known_as_the_kernel_keeps_it() {
        for name in ["xdp_ingress", "xdp_ingress_fra", "tc_steer"] {
            assert!(is_a_name_of_ours(name), "{name}");
        }
        for name in ["xdp_ingress_frags", "xdp_in", "cil_from_netdev", ""] {
            assert!(!is_a_name_of_ours(name), "{name}");
        }
    }

    /// Others call their programs so too.
    #[test]
    fn a_name_alone_makes_no_program_ours() {
        assert!(uses_a_map_of_ours(["COUNTERS", "FLOW_INDEX"].into_iter()));
        assert!(!uses_a_map_of_ours(["COUNTERS", "flows"].into_iter()));
        assert!(!uses_a_map_of_ours([].into_iter()));
    }
}
