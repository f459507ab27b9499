//! The agent of sctp-monitor: loads the programs, feeds the engine, reports what it finds.

pub mod kernel;
