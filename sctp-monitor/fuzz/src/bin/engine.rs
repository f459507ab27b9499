//! Fuzz target: the engine. See [`sctp_monitor_fuzz::engine`].

#![cfg_attr(fuzzing, no_main)]

sctp_monitor_fuzz::target!(sctp_monitor_fuzz::engine::run, sctp_monitor_fuzz::engine::seed);
