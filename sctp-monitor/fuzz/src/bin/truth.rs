//! Fuzz target: the truth of an association beside an attacker. See [`sctp_monitor_fuzz::truth`].

#![cfg_attr(fuzzing, no_main)]

sctp_monitor_fuzz::target!(sctp_monitor_fuzz::truth::run, sctp_monitor_fuzz::truth::seed);
