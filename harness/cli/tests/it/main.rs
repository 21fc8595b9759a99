//! The binary as a person or a machine calls it, one module for each promise.
//!
//! Tests of one program run at once as threads of it: whatever changes the
//! environment, the folder, the limits or the signals of a process does so in a
//! child.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test is a panic"
)]

mod calibrate;
mod catch_alls;
mod circles;
mod compare;
mod conservation;
mod cycles;
mod dashboard;
mod doctor;
mod existing;
mod foreign_runs;
mod full_disk;
mod history;
mod house;
mod hystrix_dashboard;
mod import;
mod inputs;
mod journeys;
mod kill_nine;
mod kit;
mod life;
mod load;
mod metrics;
mod monkey;
mod names;
mod outputs;
mod own_log;
mod own_service;
mod printing;
mod prove;
mod proxy;
mod reference_up;
mod screen;
mod secrets;
mod serving;
mod sharding;
mod short_runs;
mod signals;
mod streams;
mod stub;
mod support;
mod tidy;
mod wrong_input;
