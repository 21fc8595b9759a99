//! What the files of squall mean, as its users have them.

mod fixtures;
mod gates;
mod library;
mod objectives;
mod openslo;
mod plan;
mod robustness;
mod schema;
