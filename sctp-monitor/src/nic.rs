//! NICs: whether they have a link, and whether they still exist, as rtnetlink tells it.

use std::{collections::BTreeMap, io};

use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use rtnetlink::{
    Handle, MulticastGroup, new_multicast_connection,
    packet_core::NetlinkPayload,
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage},
    },
};
use sctp_monitor_engine::NicState;

/// A NIC's state, when it was asked for or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicChange {
    /// The kernel's index.
    pub if_index: u32,
    /// Its name.
    pub name: String,
    /// Its state now.
    pub state: NicState,
    /// Whether its packets begin with an Ethernet header, which the programs need.
    pub ethernet: bool,
}

/// Watches the NICs of this network namespace.
pub struct NicWatch {
    handle: Handle,
    messages: BoxStream<'static, RouteNetlinkMessage>,
}

impl NicWatch {
    /// Starts to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// If there is no netlink socket to be had.
    pub fn start() -> io::Result<Self> {
        let (connection, handle, messages) = new_multicast_connection(&[MulticastGroup::Link])?;
        tokio::spawn(connection);
        let messages = messages.filter_map(|(message, _)| async move {
            match message.payload {
                NetlinkPayload::InnerMessage(message) => Some(message),
                _ => None,
            }
        });
        Ok(Self {
            handle,
            messages: messages.boxed(),
        })
    }

    /// All NICs as they are now, by index.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub async fn all(&self) -> Result<BTreeMap<u32, NicChange>, rtnetlink::Error> {
        let links: Vec<_> = self.handle.link().get().execute().try_collect().await?;
        Ok(links
            .iter()
            .map(|link| (link.header.index, change(link, false)))
            .collect())
    }

    /// The next change; `None` if the kernel closed the socket.
    pub async fn next(&mut self) -> Option<NicChange> {
        loop {
            match self.messages.next().await? {
                RouteNetlinkMessage::NewLink(link) if is_nic(&link) => return Some(change(&link, false)),
                RouteNetlinkMessage::DelLink(link) if is_nic(&link) => return Some(change(&link, true)),
                _ => {}
            }
        }
    }
}

/// A bridge tells of its ports in messages of its own family: a port that leaves it is not gone.
fn is_nic(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

fn change(link: &LinkMessage, gone: bool) -> NicChange {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    let has_link = link.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
    NicChange {
        if_index: link.header.index,
        name: name.unwrap_or_default(),
        state: match (gone, has_link) {
            (true, _) => NicState::Gone,
            (false, true) => NicState::Up,
            (false, false) => NicState::Down,
        },
        ethernet: matches!(
            link.header.link_layer_type,
            LinkLayerType::Ether | LinkLayerType::Loopback
        ),
    }
}
