//! Faults, links and the guardian from outside.

mod calls;
mod calls_cut;
mod chain_properties;
mod conformance;
mod doors;
mod exchanges;
mod faults;
mod filled;
mod foreign;
mod guardian;
mod kill_anywhere;
mod limits;
mod measured;
mod messages;
mod names;
mod output;
mod packets;
mod process_group;
mod proxy;
mod recover;
mod short_of_memory;
mod splice;
mod starved;
mod support;
mod tls;
mod toxiproxy;
