//! The line that repeats a load.

use clap::ValueEnum;

use crate::args::{ArrivalsArg, LoadArgs};
use crate::session::quoted;

/// `squall load …` with everything that decides what is sent and judged; the
/// seed is left to the caller. Defaults of rate and duration are written out,
/// so that the line means the same to a later version. Nothing of the
/// environment is in it.
pub(super) fn command(args: &LoadArgs) -> String {
    let mut line = format!("squall load {}", quoted(&args.url));
    let mut add = |name: &str, value: &str| {
        line.push_str(&format!(" {name} {}", quoted(value)));
    };
    if !args.closed {
        add("-r", &args.rate);
    }
    add("-d", &args.duration);
    if args.arrivals != ArrivalsArg::Even
        && let Some(word) = args.arrivals.to_possible_value()
    {
        add("--arrivals", word.get_name());
    }
    let optional = [
        ("--ramp", &args.ramp),
        ("--warm-up", &args.warm_up),
        ("-m", &args.method),
        ("-b", &args.content.body),
        ("--json", &args.content.json),
        ("--call", &args.streams.call),
        ("--proto", &args.streams.proto),
        ("--events", &args.streams.events),
        ("--events-for", &args.streams.events_for),
        ("--receive", &args.streams.receive),
        ("--receive-for", &args.streams.receive_for),
        ("--user", &args.content.user),
        ("--bearer", &args.content.bearer),
        ("--redirect", &args.redirect),
        ("--within", &args.within),
        ("--timeout", &args.timeout),
        ("-c", &args.connections),
        ("--workers", &args.workers),
        ("--think", &args.think),
        ("--cacert", &args.reach.cacert),
        ("--cert", &args.reach.cert),
        ("--key", &args.reach.key),
        ("--unix-socket", &args.reach.unix_socket),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            add(name, value);
        }
    }
    let repeated = [
        ("-H", &args.headers),
        ("-F", &args.content.form),
        ("--data-urlencode", &args.content.data_urlencode),
        ("--message", &args.streams.message),
        ("--connect-to", &args.reach.connect_to),
        ("--status", &args.status),
        ("-e", &args.expect),
        // One rate of a search is a run with the gate.
        ("-e", &args.find_limit),
    ];
    for (name, values) in repeated {
        for value in values {
            add(name, value);
        }
    }
    for flag in flags(args) {
        line.push_str(&format!(" {flag}"));
    }
    line
}

/// Options without a value, those that were given.
fn flags(args: &LoadArgs) -> impl Iterator<Item = &'static str> {
    let flags = [
        ("--closed", args.closed),
        ("--disable-keepalive", args.reach.disable_keepalive),
        ("--http2", args.reach.http2),
        ("--insecure", args.reach.insecure),
    ];
    let given = flags.into_iter().filter(|(_, given)| *given);
    given.map(|(name, _)| name)
}
