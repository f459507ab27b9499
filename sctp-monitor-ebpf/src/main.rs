//! The programs: XDP and TC around the one parser and tracker.
//!
//! Each picks its reader, tracks the packet, and lets it pass. What they drop is an answer to a probe of the agent's own that
//! stands alone in its packet. `tc_steer` alone changes packets: it moves or copies them to another path of their association where
//! that was ordered.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(clippy::needless_pass_by_value, reason = "aya's macros hand the context over")]

mod budget;
mod reader;
mod steer;
mod table;

use aya_ebpf::{
    Global,
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use sctp_monitor_common::{
    abi::Interface,
    track::{MAX_CHUNKS, Options, Verdict, observe},
    wire::{LinkType, ParseOptions, Readable},
};

use crate::{
    reader::{Direct, Skb, XdpBuffers},
    table::KernelTables,
};

/// UDP port of SCTP in UDP; 0 looks at no UDP packet.
#[unsafe(no_mangle)]
static UDP_PORT: Global<u16> = Global::new(9899);

/// What arrives at a NIC, in one buffer.
#[xdp]
#[inline(always)]
fn xdp_ingress(ctx: XdpContext) -> u32 {
    xdp_action(look(&Direct(&ctx), xdp_interface(&ctx), 0))
}

/// What arrives at a NIC whose packets may span buffers (jumbo frames; Linux 5.18).
#[xdp(frags)]
#[inline(always)]
fn xdp_ingress_frags(ctx: XdpContext) -> u32 {
    xdp_action(look(&XdpBuffers::of(&ctx), xdp_interface(&ctx), 0))
}

/// What arrives at a NIC that cannot take an XDP program.
#[classifier]
#[inline(always)]
fn tc_ingress(ctx: TcContext) -> i32 {
    match look(&Skb(&ctx), Interface::ingress(skb_if_index(&ctx)), 0) {
        Verdict::Consume => TC_ACT_SHOT,
        Verdict::Pass => TC_ACT_UNSPEC,
    }
}

/// What the host itself sends.
#[classifier]
#[inline(always)]
fn tc_egress(ctx: TcContext) -> i32 {
    look(
        &Skb(&ctx),
        Interface::egress(skb_if_index(&ctx)),
        steer::mark_of(&ctx),
    );
    steer::take_mark_off(&ctx);
    TC_ACT_UNSPEC
}

/// What the host itself sends, before [`tc_egress`]: packets of a path that failed leave on another one.
#[classifier]
#[inline(always)]
fn tc_steer(ctx: TcContext) -> i32 {
    steer::steer(&ctx)
}

#[inline(always)]
fn look<P: Readable>(frame: &P, interface: Interface, mark: u32) -> Verdict {
    let options = Options {
        link: LinkType::Ethernet,
        parse: ParseOptions {
            udp_port: UDP_PORT.load(),
        },
        max_chunks: MAX_CHUNKS,
    };
    observe(frame, interface, &options, &mut KernelTables::new(mark))
}

#[inline(always)]
fn xdp_action(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Consume => xdp_action::XDP_DROP,
        Verdict::Pass => xdp_action::XDP_PASS,
    }
}

#[inline(always)]
fn xdp_interface(ctx: &XdpContext) -> Interface {
    Interface::ingress(ctx.ingress_ifindex() as u32)
}

#[inline(always)]
fn skb_if_index(ctx: &TcContext) -> u32 {
    // SAFETY: the context is the program's own.
    unsafe { (*ctx.skb.skb).ifindex }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
