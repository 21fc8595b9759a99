//! What the files of squall mean, as its users have them.

mod bodies;
mod calls;
mod connecting;
mod faults_page;
mod fixtures;
mod gates;
mod import;
mod import_openapi;
mod import_seen;
mod in_process;
mod library;
mod objectives;
mod openslo;
mod plan;
mod plan_laws;
mod replays;
mod robustness;
mod schema;
mod spoken;
mod tables;
