//! What arrival n sends: a pure function of the seed and n.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use squall_scenario::seed::{nth, sub_seed, unit_interval};
use squall_scenario::{BodyPiece, Load, Messages, RenderError, Request, RequestText};

use compiled::CompiledRequest;
pub use compiled::{Answers, RequestKind};
use draw::Draw;
pub use error::RequestError;
use error::{invalid, refused};
use slotted::{Drawn, Sources};

use crate::journey::{BadTake, Carried, Journeys};

mod call;
mod compiled;
mod draw;
mod error;
mod hops;
mod slotted;
mod talk;

/// A request ready to be sent.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    /// Index of the route in the scenario's list.
    pub route: usize,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Headers of the scenario.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; of a call, its message as JSON.
    pub body: Bytes,
}

/// Turns arrival numbers into requests.
#[derive(Debug)]
pub struct RequestMaker {
    /// All that is sent, by the number of its route.
    requests: Vec<Request>,
    routes: Vec<Route>,
    journeys: Journeys,
    draws: Vec<Draw>,
    /// Which of the data says who asks.
    users: Option<usize>,
    route_seed: u64,
    /// Of keys and masks of sockets.
    socket_seed: u64,
    /// What an arrival chooses from, and the weight of each.
    choices: Vec<(u64, Chosen)>,
    weight_total: u64,
    /// Whether every request has a connection of its own.
    alone: bool,
}

/// What an arrival begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The route of its first request.
    pub(crate) route: usize,
    /// The journey that it starts, where it is more than that request.
    pub(crate) journey: Option<u32>,
}

/// What does not change from one request of a route to the next.
#[derive(Debug)]
struct Route {
    method: Method,
    target: RequestText,
    headers: Vec<(HeaderName, RequestText)>,
    body: Body,
    /// How its messages are written, where it is a call.
    messages: Option<Messages>,
    /// How long its client waits for an answer.
    timeout: Duration,
}

#[derive(Debug)]
enum Body {
    /// The same every time.
    Fixed(Bytes),
    Drawn(Vec<BodyPiece>),
}

impl Route {
    fn of(request: &Request, timeout: Duration) -> Result<Self, RequestError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| invalid(&request.name, "method", &request.method))?;
        let headers = request.headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(&request.name, "header name", name))?;
            Ok((name, RequestText::header(value)))
        });
        let auth = request
            .auth_text()
            .map(|text| Ok((header::AUTHORIZATION, text)));
        let headers = headers.chain(auth);
        let pieces = request.body_pieces();
        let body = match fixed(&pieces) {
            Some(bytes) => Body::Fixed(bytes.into()),
            None => Body::Drawn(pieces),
        };
        let messages = request.call.as_ref().map(|call| {
            let messages = call.messages()?;
            if let Body::Fixed(json) = &body {
                messages.write(&String::from_utf8_lossy(json), &mut Vec::new())?;
            }
            Ok(messages)
        });
        let route = || request.name.clone();
        let messages = messages.transpose();
        let messages = messages.map_err(|why| RequestError::Call {
            route: route(),
            why,
        })?;
        Ok(Self {
            method,
            target: request.target_text(),
            headers: headers.collect::<Result<_, _>>()?,
            body,
            messages,
            timeout,
        })
    }
}

/// A body that is the same every time.
fn fixed(pieces: &[BodyPiece]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for piece in pieces {
        match piece {
            BodyPiece::Bytes(bytes) => body.extend_from_slice(bytes),
            BodyPiece::Text(text) if text.values().next().is_some() => return None,
            BodyPiece::Text(text) => {
                let literals = text.literals();
                literals.for_each(|text| body.extend_from_slice(text.as_bytes()));
            }
        }
    }
    Some(body)
}

impl RequestMaker {
    /// Checks every request over all of its data, so that what cannot be sent
    /// does not depend on what a seed draws.
    ///
    /// # Errors
    /// The first request that cannot be turned into HTTP.
    pub fn new(load: &Load, seed: u64) -> Result<Self, RequestError> {
        let requests: Vec<Request> = load.own_routes().cloned().collect();
        let routes = requests.iter().zip(timeouts(load));
        let routes = routes.map(|(request, timeout)| Route::of(request, timeout));
        let routes = routes.collect::<Result<_, _>>()?;
        let draws = load.data.iter();
        let draws = draws.map(|(name, source)| Draw::new(name, source, seed));
        let journeys = Journeys::new(load, seed)
            .map_err(|BadTake { route, why }| RequestError::Take { route, why })?;
        let choices = choices(load, &journeys);
        let maker = Self {
            requests,
            routes,
            journeys,
            draws: draws.collect(),
            users: load
                .users
                .as_ref()
                .and_then(|users| load.data.iter().position(|(name, _)| name == users)),
            route_seed: sub_seed(seed, "routes"),
            socket_seed: sub_seed(seed, "sockets"),
            alone: load.connecting.per_request,
            weight_total: choices
                .iter()
                .map(|(weight, _)| *weight)
                .sum::<u64>()
                .max(1),
            choices,
        };
        for (route, request) in maker.requests.iter().enumerate() {
            let problems = request.problems(&load.data);
            if let Some(problem) = problems.into_iter().next() {
                return Err(refused(request, problem));
            }
            maker.prepare_route(route, 0)?;
            for message in request.message_texts() {
                maker.render(&message, route, 0)?;
            }
        }
        Ok(maker)
    }

    /// The virtual user that arrival `number` comes from, where the load says
    /// what a user is.
    #[must_use]
    pub fn user_of(&self, number: u64) -> Option<u64> {
        let draw = self.users.and_then(|index| self.draws.get(index))?;
        Some(draw.number(number))
    }

    /// The request of arrival `number`.
    ///
    /// # Errors
    /// A drawn value that does not fit into a header.
    pub fn prepare(&self, number: u64) -> Result<PreparedRequest, RequestError> {
        self.prepare_route(self.route_of(number), number)
    }

    /// Index of the route that arrival `number` takes; of a journey, that of its
    /// first step.
    #[must_use]
    pub fn route_of(&self, number: u64) -> usize {
        self.choice_of(number).route
    }

    /// What arrival `number` begins with.
    pub(crate) fn choice_of(&self, number: u64) -> Chosen {
        let mut ticket =
            (unit_interval(nth(self.route_seed, number)) * self.weight_total as f64) as u64;
        let mut last = Chosen {
            route: 0,
            journey: None,
        };
        for (weight, chosen) in &self.choices {
            last = *chosen;
            if ticket < *weight {
                break;
            }
            ticket -= weight;
        }
        last
    }

    /// The journeys that arrivals start.
    pub(crate) const fn journeys(&self) -> &Journeys {
        &self.journeys
    }

    fn prepare_route(&self, index: usize, number: u64) -> Result<PreparedRequest, RequestError> {
        let route = &self.routes[index];
        let mut headers = Vec::with_capacity(route.headers.len());
        for (name, value) in &route.headers {
            let text = self.render(value, index, number)?;
            let value = HeaderValue::from_bytes(text.as_bytes())
                .map_err(|_| self.invalid(index, "the value of header", name.as_str()))?;
            headers.push((name.clone(), value));
        }
        let body = match &route.body {
            Body::Fixed(body) => body.clone(),
            Body::Drawn(pieces) => {
                let mut body = Vec::new();
                for piece in pieces {
                    match piece {
                        BodyPiece::Bytes(bytes) => body.extend_from_slice(bytes),
                        BodyPiece::Text(text) => {
                            body.extend_from_slice(self.render(text, index, number)?.as_bytes());
                        }
                    }
                }
                Bytes::from(body)
            }
        };
        let path = self.render(&route.target, index, number)?;
        Ok(PreparedRequest {
            route: index,
            method: route.method.clone(),
            path,
            headers,
            body,
        })
    }

    fn render(
        &self,
        text: &RequestText,
        route: usize,
        number: u64,
    ) -> Result<String, RequestError> {
        let taken = |name: &str| {
            let is_known = self.journeys.is_taken_before(name, route);
            // Any value may come; whether it fits is looked at when it does.
            is_known.then_some("0".to_owned())
        };
        text.render(|name| {
            let value = self.value(name, number).or_else(|| taken(name));
            value.map(Cow::Owned)
        })
        .map_err(|error| {
            let route = self.requests[route].name.clone();
            match error {
                RenderError::Unknown(source) => RequestError::UnknownVariable { route, source },
                RenderError::Unsendable { name, value, why } => RequestError::Value {
                    route,
                    name,
                    value,
                    why,
                },
            }
        })
    }

    fn invalid(&self, route: usize, part: &'static str, text: &str) -> RequestError {
        invalid(&self.requests[route].name, part, text)
    }

    /// The value that arrival `number` draws for a name.
    pub(crate) fn value(&self, name: &str, number: u64) -> Option<String> {
        let draw = self.draws.iter().find(|draw| draw.name() == name)?;
        Some(draw.text(number))
    }
}

/// Requests compiled to bytes with slots, for one target.
#[derive(Debug)]
pub struct CompiledRequests {
    maker: RequestMaker,
    /// Whether they go over TLS.
    secure: bool,
    routes: Vec<CompiledRequest>,
}

impl CompiledRequests {
    /// Compiles what `maker` makes, with `host` in the `Host` header where a
    /// request has none of its own.
    ///
    /// # Errors
    /// `host` is not a valid header value, in which case it is returned.
    pub fn new(maker: RequestMaker, host: &str) -> Result<Self, String> {
        let host = HeaderValue::from_str(host).map_err(|_| host.to_owned())?;
        let to = (&host, maker.alone);
        let requests = maker.requests.iter().zip(&maker.routes);
        let routes = requests
            .enumerate()
            .map(|(index, (request, route))| {
                let sources = Sources {
                    draws: &maker.draws,
                    taken: maker.journeys.names(index),
                    takes_body: maker.journeys.takes_body(index),
                    plays: maker.journeys.plays(index),
                    masks: nth(maker.socket_seed, index as u64),
                    caches: maker.journeys.caches(index),
                };
                let call = route.messages.clone().map(|it| (it, route.timeout));
                CompiledRequest::new(request, (&route.method, call), to, sources)
            })
            .collect();
        Ok(Self {
            maker,
            secure: false,
            routes,
        })
    }

    /// Whether they go over TLS: cookies that ask for it are sent then (RFC 6265
    /// §5.4).
    #[must_use]
    pub const fn over_tls(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// What they were compiled from.
    #[must_use]
    pub const fn maker(&self) -> &RequestMaker {
        &self.maker
    }

    /// How answers on a route are read.
    #[must_use]
    pub fn kind(&self, route: usize) -> RequestKind {
        self.routes[route].kind
    }

    /// How the messages of a route are written, where it is a call.
    pub(crate) fn messages(&self, route: usize) -> Option<&Messages> {
        self.maker.routes[route].messages.as_ref()
    }

    /// The bytes of a route's requests, where all are the same.
    #[must_use]
    pub fn fixed(&self, route: usize) -> Option<&Bytes> {
        self.routes[route].fixed()
    }

    /// Appends the request of arrival `number` on a route, as it is sent. What a
    /// step of a journey has from earlier steps is shown by its name.
    pub fn write(&self, route: usize, number: u64, into: &mut Vec<u8>) {
        self.write_with(route, number, None, into);
    }

    /// The same with what a user has from earlier steps.
    pub(crate) fn write_with(
        &self,
        route: usize,
        number: u64,
        carried: Option<&Carried>,
        into: &mut Vec<u8>,
    ) {
        self.routes[route].write(self.drawn(number, carried), into);
    }

    /// What arrival `number` has to write with.
    fn drawn<'a>(&'a self, number: u64, carried: Option<&'a Carried>) -> Drawn<'a> {
        Drawn {
            draws: &self.maker.draws,
            number,
            carried,
            secure: self.secure,
        }
    }

    /// Path and query of the request of arrival `number` on a route, as it is sent.
    pub(crate) fn target(&self, route: usize, number: u64, carried: Option<&Carried>) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_with(route, number, carried, &mut bytes);
        let mut words = bytes.split(|byte| *byte == b' ').skip(1);
        words.next().unwrap_or_default().to_vec()
    }

    /// Host and port that the request of arrival `number` on a route names.
    pub(crate) fn authority(&self, route: usize, number: u64, carried: Option<&Carried>) -> String {
        let mut bytes = Vec::new();
        self.write_with(route, number, carried, &mut bytes);
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let named = lines.find_map(|line| line.strip_prefix(b"host: "));
        let named = named.unwrap_or_default().trim_ascii_end();
        String::from_utf8_lossy(named).into_owned()
    }

    /// Method and path of the request of arrival `number` on a route, for people.
    #[must_use]
    pub fn line(&self, route: usize, number: u64) -> String {
        let mut bytes = Vec::new();
        self.write(route, number, &mut bytes);
        let line = bytes.split(|byte| *byte == b'\r').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        line.trim_end_matches(" HTTP/1.1").to_owned()
    }
}

/// How long the clients of all routes wait, in their order.
fn timeouts(load: &Load) -> impl Iterator<Item = Duration> {
    let steps = load.journeys.iter().flat_map(|journey| {
        let persona = journey.persona.as_ref();
        let timeout = persona.map_or(load.timeout, |persona| persona.timeout);
        journey.steps.iter().map(move |_| timeout)
    });
    load.requests.iter().map(|_| load.timeout).chain(steps)
}

/// The requests, then the journeys, each with its weight.
fn choices(load: &Load, journeys: &Journeys) -> Vec<(u64, Chosen)> {
    let requests = load.requests.iter().enumerate().map(|(route, request)| {
        let journey = None;
        (u64::from(request.weight), Chosen { route, journey })
    });
    let journeys = (0..).zip(&load.journeys).map(|(index, journey)| {
        let chosen = Chosen {
            route: journeys.route(index, 0),
            journey: Some(index),
        };
        (u64::from(journey.weight), chosen)
    });
    requests.chain(journeys).collect()
}

#[cfg(test)]
mod tests;
