//! From a frame to what is done with it: the one place where programs, slices and captures decide that.

use super::{icmp::track_icmp_error, packet::track, table::FlowTable};
use crate::{
    abi::{Counter, Interface},
    wire::{LinkType, ParseOptions, Pass, ReadPacket, SctpPacket, icmp, parse},
};

/// How packets are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the frames begin with.
    pub link: LinkType,
    /// What the parser looks for.
    pub parse: ParseOptions,
    /// Chunks that are walked in one packet.
    pub max_chunks: usize,
}

/// Gives the flow table out for one packet. A packet that is not SCTP asks for none, and so costs no look-up.
pub trait Tables {
    /// The table.
    type Table: FlowTable;

    /// The table for the packet at hand; `None` never happens, but the verifier wants it looked at.
    fn table(&mut self) -> Option<&mut Self::Table>;

    /// Adds one to a counter.
    fn count(&mut self, counter: Counter);
}

/// Looks at one frame: parses it, and does what is to be done with it.
#[inline(always)]
pub fn observe<R: ReadPacket, T: Tables>(
    reader: &R,
    interface: Interface,
    options: &Options,
    tables: &mut T,
) {
    dispatch(
        reader,
        parse(reader, options.link, options.parse),
        interface,
        options,
        tables,
    );
}

/// Does what is to be done with a packet that was parsed: tracks SCTP, looks into ICMP, counts what could not be parsed.
#[inline(always)]
pub fn dispatch<R: ReadPacket, T: Tables>(
    reader: &R,
    parsed: Result<SctpPacket, Pass>,
    interface: Interface,
    options: &Options,
    tables: &mut T,
) {
    let pass = match parsed {
        Ok(packet) => {
            if let Some(table) = tables.table() {
                track(reader, &packet, interface, options.max_chunks, table);
            }
            return;
        }
        Err(Pass::Icmp(network)) => match icmp::parse(reader, network, options.parse) {
            Ok(error) => {
                if let Some(table) = tables.table() {
                    track_icmp_error(&error, table);
                }
                return;
            }
            Err(pass) => pass,
        },
        Err(pass) => pass,
    };
    if let Pass::Unparsed(reason) = pass {
        tables.count(reason.into());
    }
}
