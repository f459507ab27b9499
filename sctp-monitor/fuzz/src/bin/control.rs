//! Fuzz target: the decoder of control chunks. See [`sctp_monitor_fuzz::control`].

#![cfg_attr(fuzzing, no_main)]

sctp_monitor_fuzz::target!(sctp_monitor_fuzz::control::run, sctp_monitor_fuzz::control::seed);
