#!/bin/sh
# RUSTC_WRAPPER of `cargo xtask dist`: rustc, but no path of this machine gets into what it makes. As a wrapper it also serves the
# cargo that builds the BPF programs, to which aya-build gives flags of its own.
exec "$@" \
    --remap-path-prefix="$DIST_CARGO_HOME=/cargo" \
    --remap-path-prefix="$DIST_RUSTUP_HOME=/rustup" \
    --remap-path-prefix="$DIST_TARGET=/target" \
    --remap-path-prefix="$DIST_ROOT=/sctp-monitor"
