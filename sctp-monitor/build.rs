//! Builds the programs for the BPF target and hands them to `include_bytes!`.

#[path = "../xtask/src/toolchain.rs"]
#[expect(dead_code, reason = "the command `setup` uses all of it")]
mod toolchain;

use anyhow::Context as _;
use aya_build::{Package, Toolchain, build_ebpf};

fn main() -> anyhow::Result<()> {
    // Builds every binary of the crate: the programs, and the empty ones that benchmarks subtract.
    let programs = Package {
        name: "sctp-monitor-ebpf",
        root_dir: concat!(env!("CARGO_MANIFEST_DIR"), "/../sctp-monitor-ebpf"),
        ..Package::default()
    };
    build_ebpf([programs], Toolchain::Custom(toolchain::toolchain())).context(
        "the BPF programs did not build; `cargo xtask setup` installs what they need: a nightly toolchain with rust-src, \
         and bpf-linker with the same LLVM",
    )
}
