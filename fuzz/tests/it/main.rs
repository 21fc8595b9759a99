//! Every fuzz target over its corpus and fresh inputs, without a fuzzer: the
//! corpus is mutated at random by a seed that stands in the message of a failure.
//!
//! `SQUALL_FUZZ_INPUTS=100000` inputs each, a tenth where sockets are opened; fewer
//! or more by that variable.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "a failed test is a panic that says which input it was"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use squall_fuzz::TARGETS;

/// Fresh inputs for each target.
const INPUTS: u64 = 100_000;
/// The same for one that opens sockets.
const INPUTS_WITH_SOCKETS: u64 = 10_000;
/// Bytes of the longest input.
const BYTES_MAX: usize = 4096;
/// Pieces that say something to one of the readers.
const WORDS: [&[u8]; 27] = [
    b"\n",
    b"\r\n\r\n",
    b": ",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"1e309",
    b"5s",
    b"10/s",
    b"50%",
    b"$",
    b"${A:-b}",
    b"&a",
    b"*a",
    b"\0",
    b"\xff",
    b"\xe2\x80\xae",
    b"content-length: ",
    b"transfer-encoding: chunked\r\n",
    b"HTTP/1.1 ",
    b"\x1e",
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = match target {
        // Every way to say something in a scenario stands there already.
        "scenario_file" => "../scenarios/fixtures/valid".to_owned(),
        _ => format!("corpus/{target}"),
    };
    let mut files: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has a corpus");
    files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// A piece of the corpus with a few changes.
fn mutated(corpus: &[Vec<u8>], chance: &mut ChaCha12Rng) -> Vec<u8> {
    let mut input = corpus[chance.random_range(0..corpus.len())].clone();
    for _ in 0..chance.random_range(1..6) {
        let at = chance.random_range(0..=input.len());
        let end = (at + chance.random_range(0..16)).min(input.len());
        match chance.random_range(0..6) {
            0 => drop(input.drain(at..end)),
            1 => {
                let word = WORDS[chance.random_range(0..WORDS.len())];
                drop(input.splice(at..end, word.iter().copied()));
            }
            2 if at < input.len() => input[at] ^= 1 << chance.random_range(0..8),
            3 => {
                let piece = input[at..end].to_vec();
                drop(input.splice(at..at, piece));
            }
            4 => {
                let other = &corpus[chance.random_range(0..corpus.len())];
                let from = chance.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.truncate(at),
        }
    }
    input.truncate(BYTES_MAX);
    input
}

fn holds(name: &str) {
    holds_for(name, INPUTS);
}

fn holds_for(name: &str, inputs: u64) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let corpus = corpus(name);
    let wanted = std::env::var("SQUALL_FUZZ_INPUTS");
    let wanted = wanted.map_or(inputs, |text| text.parse().unwrap());
    let fresh = (0..wanted).map(|number| {
        let mut chance = ChaCha12Rng::seed_from_u64(number);
        mutated(&corpus, &mut chance)
    });
    for input in corpus.iter().cloned().chain(fresh) {
        let result = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(
            result.is_ok(),
            "{name} breaks on this input; put it into fuzz/corpus/{name}:\n{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn scenario_file() {
    holds("scenario_file");
}

#[test]
fn gate() {
    holds("gate");
}

#[test]
fn record() {
    holds("record");
}

#[test]
fn http_response() {
    holds("http_response");
}

#[test]
fn events() {
    holds("events");
}

#[test]
fn socket() {
    holds("socket");
}

#[test]
fn hystrix_stream() {
    holds("hystrix_stream");
}

#[test]
fn guardian_protocol() {
    holds("guardian_protocol");
}

#[test]
fn toxiproxy() {
    holds_for("toxiproxy", INPUTS_WITH_SOCKETS);
}

#[test]
fn exchanges() {
    holds("exchanges");
}

#[test]
fn calls() {
    holds("calls");
}

#[test]
fn description() {
    holds("description");
}

#[test]
fn dns_question() {
    holds("dns_question");
}
