//! From a captured frame to the packet that matters.

use std::borrow::Cow;

use sctp_monitor_common::wire::{
    CutFrame, LinkType, ParseOptions, Pass, SctpPacket, Unparsed, link, link::NetworkLayer, parse,
};

use crate::{
    chain::{Chain, Step},
    fragments::{Fragment, Fragments},
    record::Record,
    tunnel::{self, Tunnel, TunnelKind},
};

/// Looks behind fragments and tunnels.
#[derive(Debug)]
pub struct Unwrapper {
    options: ParseOptions,
    decapsulate: bool,
    fragments: Fragments,
}

/// What a frame holds.
#[derive(Debug)]
pub enum Look<'a> {
    /// An SCTP packet.
    Sctp(Layers<'a>),
    /// An ICMP message, which may quote SCTP.
    Icmp(Inner<'a>, NetworkLayer),
    /// An SCTP packet in a tunnel that was not to be looked into.
    Tunnelled(TunnelKind),
    /// Something that is not understood, by reason.
    Unparsed(Unparsed),
    /// A fragment that waits for others.
    Fragment,
    /// Nothing that concerns SCTP.
    Other,
}

/// An SCTP packet, and what it lies in.
#[derive(Debug)]
pub struct Layers<'a> {
    /// The packet that the offsets in `packet` are about.
    pub inner: Inner<'a>,
    /// Where in it the SCTP packet is.
    pub packet: SctpPacket,
    /// The headers around it.
    pub chain: Chain,
    /// Bytes by its IP header; of all fragments, if it came in several.
    pub total_length: u32,
    /// The identification of its IPv4 header; 0 if there is none.
    pub identification: u16,
}

/// A packet within a frame, or one that was put together from fragments.
#[derive(Debug, Clone)]
pub struct Inner<'a> {
    bytes: Cow<'a, [u8]>,
    at: usize,
    original_length: usize,
    /// The link type of its first header.
    pub link: LinkType,
}

impl Inner<'_> {
    /// The frame.
    #[must_use]
    pub fn frame(&self) -> CutFrame<'_> {
        let bytes = self.bytes.get(self.at..).unwrap_or(&[]);
        CutFrame {
            bytes,
            original_length: self.original_length.saturating_sub(self.at).max(bytes.len()),
        }
    }
}

impl Unwrapper {
    /// Nothing seen yet. `decapsulate` gives the packets in tunnels; else they are only told of.
    #[must_use]
    pub fn new(options: ParseOptions, decapsulate: bool) -> Self {
        Self {
            options,
            decapsulate,
            fragments: Fragments::default(),
        }
    }

    /// Datagrams of which not all fragments were there.
    #[must_use]
    pub fn incomplete_datagrams(&self) -> u64 {
        self.fragments.incomplete()
    }

    /// Looks at a frame.
    pub fn look<'a>(&mut self, record: &Record<'a>) -> Look<'a> {
        let mut inner = Inner {
            bytes: Cow::Borrowed(record.bytes),
            at: 0,
            original_length: record.original_length,
            link: record.link,
        };
        let mut chain = Chain::default();
        let mut outermost = None;
        // The lengths of the fragments, for the innermost packet that came in some.
        let mut fragments_length = None;
        for _ in 0..MOST_LAYERS {
            let frame = inner.frame();
            let parsed = parse(&frame, inner.link, self.options);
            let network = match &parsed {
                Ok(packet) if !packet.first_fragment => {
                    let packet = *packet;
                    return match outermost {
                        Some(kind) if !self.decapsulate => Look::Tunnelled(kind),
                        _ => Look::Sctp(layers(inner, packet, chain, fragments_length)),
                    };
                }
                Err(Pass::Unparsed(Unparsed::LaterFragment) | Pass::NotSctp) | Ok(_) => {
                    link::network_layer(&frame, inner.link)
                }
                Err(Pass::Icmp(network)) => {
                    return match outermost {
                        Some(_) if !self.decapsulate => Look::Other,
                        _ => {
                            let network = *network;
                            Look::Icmp(inner, network)
                        }
                    };
                }
                Err(Pass::Unparsed(reason)) => {
                    return match outermost {
                        // A tunnel's contents may be anything.
                        Some(_) => Look::Other,
                        None => Look::Unparsed(*reason),
                    };
                }
            };
            let Ok(network) = network else {
                let Some(tunnel) = tunnel::in_link(&frame, inner.link) else {
                    return Look::Other;
                };
                enter(&mut inner, tunnel, &mut chain, &mut outermost);
                continue;
            };
            if let Some(fragment) = Fragment::read(&frame, frame.bytes, network)
                && is_wanted(fragment.protocol())
            {
                let Some(datagram) = self.fragments.add(fragment, record.time_ns) else {
                    return Look::Fragment;
                };
                push_link(&mut chain, inner.link, network);
                fragments_length = Some(datagram.total_length);
                inner = Inner {
                    original_length: datagram.bytes.len(),
                    bytes: Cow::Owned(datagram.bytes),
                    at: 0,
                    link: LinkType::RawIp,
                };
                continue;
            }
            match parsed {
                // Cut by the capture, so it stands alone.
                Ok(packet) => {
                    return match outermost {
                        Some(kind) if !self.decapsulate => Look::Tunnelled(kind),
                        _ => Look::Sctp(layers(inner, packet, chain, None)),
                    };
                }
                Err(Pass::Unparsed(reason)) => return Look::Unparsed(reason),
                Err(_) => {}
            }
            let found = tunnel::payload(&frame, network)
                .and_then(|(protocol, at)| tunnel::in_ip(&frame, protocol, at));
            let Some(tunnel) = found else {
                return Look::Other;
            };
            push_link(&mut chain, inner.link, network);
            chain.push_ip(network.version);
            fragments_length = None;
            enter(&mut inner, tunnel, &mut chain, &mut outermost);
        }
        Look::Other
    }
}

fn enter(inner: &mut Inner<'_>, tunnel: Tunnel, chain: &mut Chain, outermost: &mut Option<TunnelKind>) {
    outermost.get_or_insert(tunnel.kind);
    chain.push_tunnel(tunnel.kind);
    inner.at += tunnel.at;
    inner.link = tunnel.link;
}

/// An Ethernet header within a tunnel.
fn push_link(chain: &mut Chain, link: LinkType, network: NetworkLayer) {
    if link == LinkType::Ethernet {
        chain.push_ethernet(network.at.saturating_sub(ETHERNET_LEN) / VLAN_LEN);
    }
}

fn layers(
    inner: Inner<'_>,
    packet: SctpPacket,
    mut chain: Chain,
    fragments_length: Option<u32>,
) -> Layers<'_> {
    let v4 = packet.src.is_v4();
    let mut identification = 0;
    // Nearly every packet lies in the first IP header, whose place follows from its length.
    let at = if chain == Chain::default() && !packet.in_udp {
        packet.end.checked_sub(packet.total_length as usize)
    } else {
        let network = link::network_layer(&inner.frame(), inner.link).ok();
        if let Some(network) = network {
            push_link(&mut chain, inner.link, network);
        }
        chain.push_ip(if v4 { 4 } else { 6 });
        if packet.in_udp {
            chain.push(Step::Udp);
        }
        network.map(|network| network.at)
    };
    if v4 && let Some(at) = at {
        use sctp_monitor_common::wire::ReadPacket as _;
        identification = inner.frame().read_u16(at + 4).unwrap_or(0);
    }
    Layers {
        total_length: fragments_length.unwrap_or(packet.total_length),
        inner,
        packet,
        chain: if chain.is_plain() { Chain::default() } else { chain },
        identification,
    }
}

/// Whether a fragmented datagram may carry SCTP, by its protocol.
fn is_wanted(protocol: u8) -> bool {
    matches!(protocol, SCTP | 4 | 17 | 41 | 47 | 137)
}

const SCTP: u8 = 132;
const MOST_LAYERS: usize = 8;
const ETHERNET_LEN: usize = 14;
const VLAN_LEN: usize = 4;
