//! Nothing. The programs are binaries; this library exists so that the agent can name the crate as a build
//! dependency, which is what makes cargo rebuild the programs when they change.

#![no_std]
