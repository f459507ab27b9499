//! The agent of sctp-monitor: loads the programs, feeds the engine, reports what it finds.

pub mod audit;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod driver;
pub mod flows;
pub mod kernel;
pub mod lag;
mod link;
pub mod log;
pub mod lost;
pub mod next_hops;
pub mod nic;
pub mod pcap;
pub mod pressure;
pub mod probe;
pub mod report;
pub mod run;
pub mod schema;
pub mod slots;
pub mod steer;
pub mod ways;
