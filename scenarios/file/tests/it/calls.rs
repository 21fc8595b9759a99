//! Calls of gRPC, as they are read.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::path::Path;

use squall_scenario::Messages;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

/// The messages of both calls of the method in the fixture.
fn watched() -> [Messages; 2] {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/valid/calls.yaml");
    let mut source = Source::read(Path::new(path)).unwrap();
    "calls.yaml".clone_into(&mut source.name);
    let checked = parse_scenario(&source, &ParseOptions::new(&|_| None));
    let load = checked.value.unwrap().load;
    let calls = load.routes().filter_map(|route| route.call.as_ref());
    let watched = calls.filter(|call| call.method == "shop.v1.Catalog/Watch");
    let messages: Vec<_> = watched.map(|call| call.messages().unwrap()).collect();
    messages.try_into().unwrap()
}

/// A large file is held once, however many calls name it.
#[test]
fn calls_of_one_file_share_what_was_read_of_it() {
    let [first, second] = watched();
    assert_eq!(first, second);
    assert_ne!(first, watched()[0], "another reading has other types");
}
