//! The engine in virtual time.

mod associations;
mod paths;
mod world;
