//! The load generator as another program sees it.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test is a panic"
)]

mod authority;
mod caching;
mod client;
mod closed;
mod events;
mod grpc;
mod grpc_installed;
mod hostile;
mod http2;
mod http2_frames;
mod installed_python;
mod journeys;
mod late_reading;
mod loads;
mod messages;
mod names;
mod nginx;
mod open_loop;
mod redirects;
mod serving;
mod sockets;
mod sockets_installed;
mod tls;
mod transport;
mod verdicts;
mod viewers;
