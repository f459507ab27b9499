//! Fuzz target: the parser and the tracker. See [`sctp_monitor_fuzz::parser`].

#![cfg_attr(fuzzing, no_main)]

sctp_monitor_fuzz::target!(sctp_monitor_fuzz::parser::run, sctp_monitor_fuzz::parser::seed);
