//! From a frame to what is done with it: the one place where programs, slices and captures decide that.

use super::{icmp::track_icmp_error, packet::track, probe::Verdict, table::FlowTable};
use crate::{
    abi::{Counter, Interface},
    wire::{
        LinkType, ParseOptions, Pass, ReadPacket, Readable, Reading, SctpPacket,
        icmp::{self, IcmpError},
        link::NetworkLayer,
        parse,
    },
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
pub fn observe<P: Readable, T: Tables>(
    frame: &P,
    interface: Interface,
    options: &Options,
    tables: &mut T,
) -> Verdict {
    let parsed = frame.read_by(Headers(options));
    dispatch(frame, parsed, interface, options, tables)
}

/// Does what is to be done with a packet that was parsed: tracks SCTP, looks into ICMP, counts what could not be parsed.
#[inline(always)]
pub fn dispatch<P: Readable, T: Tables>(
    frame: &P,
    parsed: Result<SctpPacket, Pass>,
    interface: Interface,
    options: &Options,
    tables: &mut T,
) -> Verdict {
    let pass = match parsed {
        Ok(packet) => {
            return match tables.table() {
                Some(table) => track(frame, &packet, interface, options.max_chunks, table),
                None => Verdict::Pass,
            };
        }
        Err(Pass::Icmp(network)) => match frame.read_by(Quote { network, options }) {
            Ok(error) => {
                if let Some(table) = tables.table() {
                    track_icmp_error(&error, table);
                }
                return Verdict::Pass;
            }
            Err(pass) => pass,
        },
        Err(pass) => pass,
    };
    if let Pass::Unparsed(reason) = pass {
        tables.count(reason.into());
    }
    Verdict::Pass
}

/// Reads a frame down to the SCTP common header.
struct Headers<'a>(&'a Options);

impl Reading for Headers<'_> {
    type Output = Result<SctpPacket, Pass>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        parse(reader, self.0.link, self.0.parse)
    }
}

/// Reads what an ICMP error quotes.
struct Quote<'a> {
    network: NetworkLayer,
    options: &'a Options,
}

impl Reading for Quote<'_> {
    type Output = Result<IcmpError, Pass>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        icmp::parse(reader, self.network, self.options.parse)
    }
}
