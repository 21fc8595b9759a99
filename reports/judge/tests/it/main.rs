//! The judge on records of runs that never happened.

mod calibrate;
mod calibration;
mod effect;
mod judge;
mod kept;
mod live;
mod over_time;
mod properties;
mod reading;
mod simulation;
#[path = "../../../record/tests/it/synthetic/mod.rs"]
mod synthetic;
mod viewing;
