//! `squall reference up`: what it prints is there, and answers at once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use squall_reference::dependencies;
use squall_scenario::{BreakerSource, System};
use squall_scenario_file::{ParseOptions, Source, library, parse_scenario, parse_system};

use crate::support::{HANG, Running, Sandbox};

fn no_environment(_: &str) -> Option<String> {
    None
}

/// Every system that is shipped, alone or below a scenario.
fn shipped() -> Vec<(&'static str, System)> {
    let options = ParseOptions::new(&no_environment);
    let alone = library::systems().iter().map(|(name, text)| {
        let system = parse_system(&Source::new(*name, *text), &options).value;
        (*name, system.unwrap())
    });
    let below = library::scenarios().iter().map(|(name, _)| {
        let source = library::source(name).unwrap();
        (
            *name,
            parse_scenario(&source, &options).value.unwrap().system,
        )
    });
    alone.chain(below).collect()
}

/// The streams that breakers of these systems are read from: process, path and
/// command.
fn streams() -> Vec<(&'static str, String, String, String)> {
    let mut streams = Vec::new();
    for (file, system) in shipped() {
        for (_, source) in system.breakers {
            if let BreakerSource::HystrixStream { of, path, command } = source {
                streams.push((file, of, path, command));
            }
        }
    }
    streams
}

#[test]
fn every_breaker_that_a_shipped_file_names_is_a_command_of_that_service() {
    let commands = dependencies();
    assert!(!streams().is_empty());
    for (file, of, _, command) in streams() {
        let known = |row: &squall_reference::Dependency| row.service.name() == of;
        let all: Vec<&str> = commands
            .iter()
            .filter(|row| known(row))
            .map(|row| row.command)
            .collect();
        assert!(
            all.contains(&command.as_str()),
            "{file}: {of} has no {command}, only {all:?}"
        );
    }
}

/// What `reference up` printed: addresses by instance.
pub(crate) fn addresses(running: &mut Running) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    let last = "gateway-1";
    while !places.contains_key(last) {
        let line = running.line(last, |line| line.contains("127.0.0.1:"));
        let (instance, place) = line.trim().split_once(' ').unwrap();
        places.insert(instance.to_owned(), place.trim().to_owned());
    }
    places
}

/// Sends and reads on until the answer ends or, unless that is empty, holds
/// `until`.
fn talk(address: &str, request: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut part).unwrap();
        answer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        if read == 0 || (!until.is_empty() && text.contains(until)) {
            return text.into_owned();
        }
    }
}

pub(crate) fn get(place: &str, path: &str, until: &str) -> String {
    let address = place.strip_prefix("http://").unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    talk(address, &request, until)
}

#[test]
fn everything_answers_the_moment_it_is_printed() {
    let sandbox = Sandbox::new();
    let out = sandbox.out();
    // Without time limits, so that a slow machine is not mistaken for a part
    // that is not there yet.
    let args = [
        "reference",
        "up",
        "--set",
        "timeouts=disabled",
        "--out",
        out.to_str().unwrap(),
    ];
    let mut up = sandbox.start(&args);
    let places = addresses(&mut up);

    let gateways: Vec<&String> = of(&places, "gateway").collect();
    std::thread::scope(|scope| {
        let plays: Vec<_> = (0..20)
            .map(|n| {
                let gateway = gateways[n % gateways.len()];
                scope.spawn(move || get(gateway, &format!("/play/{}", n + 1), ""))
            })
            .collect();
        for play in plays {
            let answer = play.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });

    for (instance, place) in &places {
        if instance.starts_with("cache") {
            let address = place.strip_suffix(" (memcached text protocol)").unwrap();
            let answer = talk(address, "version\r\n", "\r\n");
            assert!(
                answer.starts_with("VERSION squall-"),
                "{instance}: {answer}"
            );
        } else {
            let answer = get(place, "/health", "");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{instance}: {answer}");
        }
    }

    for (file, service, path, command) in streams() {
        assert!(of(&places, &service).next().is_some(), "{file}: {service}");
        for place in of(&places, &service) {
            let name = format!("\"name\":\"{command}\"");
            let round = get(place, &path, "ping: ");
            assert!(
                round.contains(&name),
                "{file}: {service} does not report {command}: {round}"
            );
        }
    }

    up.signal(Signal::INT);
    up.end().assert_code(0);
    sandbox.assert_empty();
}

/// Where the instances of a service are.
fn of<'p>(places: &'p BTreeMap<String, String>, service: &str) -> impl Iterator<Item = &'p String> {
    let prefix = format!("{service}-");
    places
        .iter()
        .filter(move |(instance, _)| instance.starts_with(&prefix))
        .map(|(_, place)| place)
}
