//! Fuzz target: capture files. See [`sctp_monitor_fuzz::capture`].

#![cfg_attr(fuzzing, no_main)]

sctp_monitor_fuzz::target!(sctp_monitor_fuzz::capture::run, sctp_monitor_fuzz::capture::seed);
