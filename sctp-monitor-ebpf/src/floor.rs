//! Programs that do nothing: to measure what the kernel itself takes to run a program on a packet, and to stand in the way.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{TC_ACT_OK, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// An XDP program that passes every packet unseen.
#[xdp]
fn xdp_floor(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// A TC program that passes every packet unseen.
#[classifier]
fn tc_floor(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// A TC program that lets every packet pass for good: programs behind it do not see it.
#[classifier]
fn tc_ends_chain(_ctx: TcContext) -> i32 {
    TC_ACT_OK
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
