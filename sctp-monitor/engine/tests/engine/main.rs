//! The engine in virtual time.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod address_lists;
mod addresses;
mod associations;
mod broken;
mod dates;
mod direction;
mod ends;
mod flapping;
mod flood;
mod forged;
mod halves;
mod handshakes;
mod healthy;
mod hostile;
mod icmp;
mod incidents;
mod inheritance;
mod late;
mod moves;
mod next_hops;
mod paths;
mod probing;
mod proof;
mod properties;
mod quality;
mod receiver;
mod redundancy;
mod reports;
mod restart;
mod session;
mod short_lived;
mod sides;
mod sight;
mod silence;
mod steering;
mod timeouts;
mod torn;
mod unfinished;
mod zombies;
