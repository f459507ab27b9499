//! The agent of sctp-monitor: loads the programs, feeds the engine, reports what it finds.

pub mod audit;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod driver;
pub mod export;
pub mod kernel;
pub mod nic;
pub mod offline;
pub mod run;
pub mod slots;
