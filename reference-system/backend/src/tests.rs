//! End-to-end tests: the whole backend in one process, on ports of its own.

mod backend;
mod carried;
mod catalogue_of_calls;
mod cold_start;
mod faults;
mod journey;
mod seeds;
mod users;
mod viewer;
