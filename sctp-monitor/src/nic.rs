//! NICs: whether they have a link, and whether they still exist, as rtnetlink tells it.

use std::{collections::BTreeMap, future::pending, io, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use rtnetlink::{
    Handle, MulticastGroup, new_multicast_connection,
    packet_core::NetlinkPayload,
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage},
    },
};
use sctp_monitor_engine::{NicState, model::NicTies};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::link::ties;

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
    /// The largest IP packet that it takes, if the kernel told.
    pub mtu: Option<u32>,
    /// How it stands to others.
    pub ties: NicTies,
}

/// What the kernel tells of NICs.
#[derive(Debug, PartialEq, Eq)]
pub enum NicNews {
    /// A NIC changed.
    Change(NicChange),
    /// All NICs as they are now, by index: changes before it were lost.
    All(BTreeMap<u32, NicChange>),
}

/// Watches the NICs of this network namespace.
pub struct NicWatch {
    handle: Handle,
    messages: BoxStream<'static, Told>,
    listing: Listing,
}

/// What is of interest in a message of the kernel.
#[derive(Debug)]
enum Told {
    Route(RouteNetlinkMessage),
    /// The socket's buffer was full, and messages are lost.
    Overrun,
}

/// The list of all NICs that is asked for after an overrun.
#[derive(Debug, Default)]
struct Listing {
    task: Option<JoinHandle<Result<BTreeMap<u32, NicChange>, rtnetlink::Error>>>,
    /// Something was told meanwhile: the list may be older than that.
    is_stale: bool,
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
                NetlinkPayload::InnerMessage(message) => Some(Told::Route(message)),
                NetlinkPayload::Overrun(_) => Some(Told::Overrun),
                _ => None,
            }
        });
        Ok(Self {
            handle,
            messages: messages.boxed(),
            listing: Listing::default(),
        })
    }

    /// All NICs as they are now, by index.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub async fn all(&self) -> Result<BTreeMap<u32, NicChange>, rtnetlink::Error> {
        list(self.handle.clone()).await
    }

    /// What the kernel tells next; `None` if it closed the socket. Nothing is lost if it is dropped.
    pub async fn next(&mut self) -> Option<NicNews> {
        loop {
            tokio::select! {
                told = self.messages.next() => match told? {
                    Told::Overrun => {
                        warn!("the kernel had more to tell of interfaces than was read in time; all are listed again");
                        self.listing.begin(&self.handle);
                    }
                    Told::Route(message) => if let Some(change) = change_of(&message) {
                        self.listing.is_stale = true;
                        return Some(NicNews::Change(change));
                    },
                },
                listed = self.listing.finished() => match listed {
                    Some(all) if !self.listing.is_stale => return Some(NicNews::All(all)),
                    _ => self.listing.begin(&self.handle),
                },
            }
        }
    }
}

impl Listing {
    /// Asks for the list in a moment, so that what comes all at once is told by then.
    fn begin(&mut self, handle: &Handle) {
        self.is_stale = self.task.is_some();
        if self.task.is_none() {
            let handle = handle.clone();
            self.task = Some(tokio::spawn(async move {
                tokio::time::sleep(MOMENT).await;
                list(handle).await
            }));
        }
    }

    /// Waits for the list, for ever if there is none to come; `None` if the kernel did not give it.
    async fn finished(&mut self) -> Option<BTreeMap<u32, NicChange>> {
        let Some(task) = &mut self.task else {
            return pending().await;
        };
        let listed = task.await;
        self.task = None;
        listed.ok()?.ok()
    }
}

async fn list(handle: Handle) -> Result<BTreeMap<u32, NicChange>, rtnetlink::Error> {
    let links: Vec<_> = handle.link().get().execute().try_collect().await?;
    let changes = links.iter().map(|link| change(link, false));
    Ok(changes.map(|change| (change.if_index, change)).collect())
}

fn change_of(message: &RouteNetlinkMessage) -> Option<NicChange> {
    match message {
        RouteNetlinkMessage::NewLink(link) if is_nic(link) => Some(change(link, false)),
        RouteNetlinkMessage::DelLink(link) if is_nic(link) => Some(change(link, true)),
        _ => None,
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
        mtu: link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        }),
        ties: ties(link),
    }
}

/// Long enough for a burst of changes to be over, as a rule; if not, all are listed once more.
const MOMENT: Duration = Duration::from_millis(100);
