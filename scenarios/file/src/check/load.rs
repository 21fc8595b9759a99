//! Rules about the load.

use std::time::Duration;

use squall_scenario::{
    AnswerCheck, HttpVersion, LoadTarget, Request, RequestPart, RequestProblem, SeriesCheck, Stage,
    format_duration, header_misfit, quoted,
};

use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{LoadDraft, SystemDraft};

/// Most arrivals of a run: their schedule and samples have to fit a laptop.
const ARRIVALS_MAX: f64 = 50e6;

/// Longest run, in seconds.
const DURATION_S_MAX: f64 = 24.0 * 3600.0;

pub(super) fn check(
    draft: &LoadDraft,
    system: &SystemDraft,
    start: Place,
    findings: &mut Vec<Diagnostic>,
) {
    if draft.shape_complete {
        let duration = draft.load.duration();
        let arrivals = draft.load.expected_arrivals(Duration::ZERO, duration);
        let problem = if arrivals > ARRIVALS_MAX {
            Some(format!(
                "about {arrivals:.0} arrivals, and 50000000 is the most"
            ))
        } else if duration.as_secs_f64() > DURATION_S_MAX {
            Some(format!(
                "{} long, and 24h is the most",
                format_duration(duration)
            ))
        } else if arrivals < 1.0 && draft.load.closed_users().is_none() {
            findings.push(
                Diagnostic::error(codes::NOTHING_IN_IT, "this load has no arrivals")
                    .at(draft.shape, "not one request would be sent")
                    .help("raise the rate"),
            );
            None
        } else {
            None
        };
        if let Some(problem) = problem {
            findings.push(
                Diagnostic::error(codes::LOAD_TOO_LARGE, "this load is too large for one run")
                    .at(draft.shape, problem)
                    .help("shorten it or lower the rate; several runs can be merged"),
            );
        }
    }
    if draft.shape_complete {
        beside(draft, findings);
        open_or_closed(draft, findings);
    }
    within_timeouts(draft, findings);
    stays(draft, findings);
    sockets(draft, findings);
    drawn_headers(draft, findings);
    drawn_bodies(draft, findings);
    if system.system.target.is_none() && system.target.is_none() && !system.names.incomplete {
        findings.push(
            Diagnostic::error(codes::NO_TARGET, "the load has nowhere to go")
                .at(start, "no `target` in this file")
                .help("add `target: http://127.0.0.1:8080`, or `target: NAME` of a process"),
        );
    }
}

/// Loads beside the main one, which says how long the run is.
fn beside(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    let length = draft.load.duration();
    for (beside, places) in draft.load.beside.iter().zip(&draft.beside) {
        let own = beside.load.duration();
        if own > length {
            let (own, length) = (format_duration(own), format_duration(length));
            findings.push(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("{} is longer than the main load", quoted(&beside.name)),
                )
                .at(
                    places.end,
                    format!("{own} in all, and the run lasts {length}"),
                )
                .help("shorten it, or lengthen the shape of the load itself"),
            );
        }
        let open = beside.load.closed_users().is_none();
        if open && beside.load.expected_arrivals(Duration::ZERO, own) < 1.0 {
            findings.push(
                Diagnostic::error(codes::NOTHING_IN_IT, "this load has no arrivals")
                    .at(places.shape, "not one request would be sent")
                    .help("raise the rate"),
            );
        }
    }
}

/// A load is a closed loop from its beginning to its end, or not at all.
fn open_or_closed(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    let beside = draft.beside.iter().map(|places| places.shape);
    let places = std::iter::once(draft.shape).chain(beside);
    for (load, place) in draft.load.each().zip(places) {
        let is_closed = |stage: &Stage| matches!(stage, Stage::Closed { .. });
        let closed = load.shape.iter().filter(|stage| is_closed(stage)).count();
        if closed > 0 && closed < load.shape.len() {
            findings.push(
                Diagnostic::error(
                    codes::KEYS_CONFLICT,
                    "a load is a closed loop, or its arrivals have times of their own",
                )
                .at(place, "some of its stages are closed loops")
                .help("put one of them under `loads`, beside the other"),
            );
        }
    }
}

/// Answers that would be good only behind the client's patience.
fn within_timeouts(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    let mut places = draft.requests.iter();
    for load in draft.load.each() {
        let patience = load.patience();
        let mut personas = load.journeys.iter().filter_map(|it| it.persona.as_ref());
        let tries_again = personas.any(|persona| persona.retries > 0);
        for (request, places) in load.own_routes().zip(places.by_ref()) {
            let Some(within) = request.within.filter(|within| *within > patience) else {
                continue;
            };
            if tries_again {
                continue;
            }
            let timeout = format_duration(patience);
            findings.push(
                Diagnostic::warning(
                    codes::WITHIN_ABOVE_TIMEOUT,
                    format!("no answer can take {}", format_duration(within)),
                )
                .at(places.within, format!("clients give up after {timeout}"))
                .help("raise the load's `timeout`, or lower `within`"),
            );
        }
    }
}

/// Clients that would stay for longer than they wait for an answer.
fn stays(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    let mut places = draft.requests.iter();
    for load in draft.load.each() {
        let of_journeys = load.journeys.iter().flat_map(|journey| {
            let persona = journey.persona.as_ref();
            let timeout = persona.map_or(load.timeout, |persona| persona.timeout);
            journey.steps.iter().map(move |_| timeout)
        });
        let timeouts = load.requests.iter().map(|_| load.timeout);
        let timeouts = timeouts.chain(of_journeys);
        for ((request, places), timeout) in load.own_routes().zip(places.by_ref()).zip(timeouts) {
            let Some(stay) = request.stay() else {
                continue;
            };
            if let Some(stays) = stay.time.filter(|stays| *stays >= timeout) {
                let (stays, timeout) = (format_duration(stays), format_duration(timeout));
                findings.push(
                    Diagnostic::error(codes::OUT_OF_RANGE, format!("no client stays for {stays}"))
                        .at(places.stay, format!("it gives up after {timeout}"))
                        .help("raise its `timeout`, which holds for all of it, or stay for less"),
                );
            }
            if let Some(least) = at_least(request).filter(|least| stay.is_over(*least - 1)) {
                findings.push(
                    Diagnostic::error(
                        codes::OUT_OF_RANGE,
                        format!("no client waits for {least} of them"),
                    )
                    .at(places.stay, format!("it leaves behind {stay}"))
                    .help("let it wait for more, or expect fewer"),
                );
            }
        }
    }
}

/// Sockets are opened over HTTP/1.1.
fn sockets(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    let mut routes = draft.load.routes().zip(&draft.requests);
    let opens = routes.find(|(request, _)| request.socket.is_some());
    let Some((request, places)) = opens else {
        return;
    };
    if draft.load.connecting.http == HttpVersion::One {
        return;
    }
    let name = quoted(&request.name);
    let problem = Diagnostic::error(codes::KEYS_CONFLICT, "sockets are opened over HTTP/1.1");
    findings.push(match draft.http {
        Some(place) => problem
            .at(place, "another version")
            .also(places.name, format!("{name} is a socket"))
            .help("write `http: 1`, or leave it out"),
        None => problem
            .at(
                places.name,
                "and there are calls of gRPC, which go over HTTP/2",
            )
            .help("put the calls into a scenario of their own"),
    });
}

/// The fewest events or messages that are expected, where any are.
fn at_least(request: &Request) -> Option<u64> {
    let mut checks = request.checks.iter();
    checks.find_map(|check| {
        let (AnswerCheck::Events(check) | AnswerCheck::Series(check)) = check else {
            return None;
        };
        let SeriesCheck::AtLeast(least) = check else {
            return None;
        };
        Some(*least).filter(|least| *least > 0)
    })
}

/// What is said of connections and has no meaning with this target.
pub(super) fn connecting(draft: &LoadDraft, system: &SystemDraft, findings: &mut Vec<Diagnostic>) {
    let mut conflict = |place: Option<Place>, title: &str, label: &str, help: &str| {
        if let Some(place) = place {
            let diagnostic = Diagnostic::error(codes::KEYS_CONFLICT, title);
            findings.push(diagnostic.at(place, label).help(help));
        }
    };
    match &system.system.target {
        // Of others, a placeholder may stand for the scheme.
        Some(LoadTarget::Url(url)) if url.source().starts_with("http://") => conflict(
            draft.tls,
            "the target is spoken to without TLS",
            "so this says nothing",
            "write `target: https://…`, or leave this out",
        ),
        Some(LoadTarget::Process(_)) => {
            conflict(
                draft.connect_to,
                "clients reach the instances of a process at their own addresses",
                "so this says nothing",
                "write a URL as the `target`, or leave this out",
            );
            conflict(
                draft.tls,
                "the instances of a process are spoken to without TLS",
                "so this says nothing",
                "write `target: https://127.0.0.1:$processes.NAME.port`, or leave this out",
            );
        }
        Some(LoadTarget::Url(_)) | None => {}
    }
}

/// Values that a header draws: what one of them cannot carry is found before
/// some arrival meets it.
fn drawn_headers(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    for (request, places) in draft.load.routes().zip(&draft.requests) {
        for ((name, value), used) in request.headers.iter().zip(&places.headers) {
            for variable in value.variables() {
                drawn_header(draft, (name, *used), variable, findings);
            }
        }
    }
}

fn drawn_header(
    draft: &LoadDraft,
    (header, used): (&str, Place),
    variable: &str,
    findings: &mut Vec<Diagnostic>,
) {
    let mut data = draft.load.data.iter();
    let Some((_, source)) = data.find(|(name, _)| name == variable) else {
        return;
    };
    let places = draft.picks.iter().find(|(name, _)| name == variable);
    let places = places.map_or(&[][..], |(_, places)| places);
    for (index, value) in source.choices().unwrap_or_default().iter().enumerate() {
        if let Some(misfit) = header_misfit(header, value) {
            // A value of a table stands in another file; its first place stands for all.
            let Some(place) = places.get(index).or(places.first()) else {
                continue;
            };
            let title = format!("the header {} cannot have this value", quoted(header));
            findings.push(
                Diagnostic::error(codes::NOT_SENDABLE, title)
                    .at(*place, misfit.label)
                    .also(used, "drawn for this header")
                    .help(misfit.help),
            );
        }
    }
}

/// Values that a body draws and cannot hold where they stand.
fn drawn_bodies(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    for (request, places) in draft.load.routes().zip(&draft.requests) {
        for problem in request.problems(&draft.load.data) {
            let RequestProblem::Value {
                part: part @ (RequestPart::Body | RequestPart::Auth),
                name,
                index,
                why,
                ..
            } = problem
            else {
                continue;
            };
            let drawn = draft.picks.iter().find(|(known, _)| *known == name);
            let place = drawn.and_then(|(_, places)| places.get(index));
            let asks = part == RequestPart::Auth;
            let what = if asks { "`auth`" } else { "the body" };
            let title = format!("{what} of {} cannot hold this value", quoted(&request.name));
            let (used, help) = match asks {
                true => (
                    format!("drawn as `${name}`"),
                    "draw names without a colon".to_owned(),
                ),
                false => (
                    format!("`${name}` stands there without quotes"),
                    format!("write `\"${name}\"` in the body: it is escaped for its place"),
                ),
            };
            findings.push(
                Diagnostic::error(codes::NOT_SENDABLE, title)
                    .at(*place.unwrap_or(&places.name), why.to_string())
                    .also(places.name, used)
                    .help(help),
            );
        }
    }
}
