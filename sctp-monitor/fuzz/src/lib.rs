//! The fuzz targets, and what the tests that compare programs with slices share with them.
//!
//! - [`slices`]: a flow table to compare the programs' with.
//! - [`parser`], [`control`], [`engine`], [`capture`], [`truth`]: the bodies of the fuzz targets, plain functions of bytes.
//! - [`replay`]: what the targets are without a fuzzer: programs that replay files, and a test that replays the
//!   regressions.
//!
//! A new target is a function `run(&[u8])`, a function that makes a seed of it from a raw SCTP packet, and a file in
//! `src/bin` that names both in [`target!`]. `cargo xtask fuzz` and `cargo xtask test` find it there.

#![forbid(unsafe_code)]

pub mod capture;
pub mod control;
pub mod engine;
pub mod parser;
pub mod replay;
pub mod slices;
pub mod truth;

/// Makes a fuzz target of two functions: what runs an input, and what makes a [seed](replay::Target::seed) of a raw SCTP
/// packet. `cargo fuzz` finds a libFuzzer target, everyone else a program that replays files, and a test that replays
/// the target's regressions and seeds.
#[macro_export]
macro_rules! target {
    ($run:path, $seed:path) => {
        #[cfg(fuzzing)]
        const _: () = assert!(
            cfg!(debug_assertions),
            "fuzzing wants debug assertions and overflow checks"
        );

        #[cfg(fuzzing)]
        ::libfuzzer_sys::fuzz_target!(|input: &[u8]| $run(input));

        #[cfg(not(fuzzing))]
        fn main() -> ::std::process::ExitCode {
            $crate::replay::main(&TARGET)
        }

        #[cfg(not(fuzzing))]
        const TARGET: $crate::replay::Target = $crate::replay::Target {
            name: env!("CARGO_BIN_NAME"),
            run: $run,
            seed: $seed,
        };

        #[cfg(all(test, not(fuzzing)))]
        mod tests {
            #[test]
            fn regressions_and_seeds_are_stood() {
                $crate::replay::replay_all(&super::TARGET);
            }
        }
    };
}
