//! What arrival n sends: a pure function of the seed and n.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};
use squall_scenario::{
    DataSource, Load, RenderError, Request, RequestPart, RequestProblem, RequestText,
    UnknownVariable, Unsendable,
};

use squall_scenario::seed::{nth, sub_seed, unit_interval};

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
    /// Body.
    pub body: Bytes,
}

/// A request of the scenario cannot be turned into HTTP.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A placeholder has no value.
    #[error("request `{route}`: {source}; give it under `load: data:`")]
    UnknownVariable {
        /// The request's name.
        route: String,
        /// The placeholder.
        source: UnknownVariable,
    },
    /// A value that cannot be sent where it stands.
    #[error("request `{route}`: `${name}` is {value:?}, and {why}")]
    Value {
        /// The request's name.
        route: String,
        /// The placeholder.
        name: String,
        /// Its value.
        value: String,
        /// Why it cannot be sent.
        why: Unsendable,
    },
    /// A text of the scenario that cannot be sent as it is written.
    #[error("request `{route}`: {part} cannot be sent: {why}")]
    Text {
        /// The request's name.
        route: String,
        /// Which part.
        part: RequestPart,
        /// Why it cannot be sent.
        why: Unsendable,
    },
    /// A method, header name or header value that HTTP does not allow.
    #[error("request `{route}`: {part} {text:?} is not valid in HTTP")]
    Invalid {
        /// The request's name.
        route: String,
        /// Which part.
        part: &'static str,
        /// The text.
        text: String,
    },
}

/// Turns arrival numbers into requests.
#[derive(Debug)]
pub struct RequestMaker {
    load: Load,
    routes: Vec<Route>,
    data: Vec<(String, u64, DataSource)>,
    /// Which of the data says who asks.
    users: Option<usize>,
    route_seed: u64,
    weight_total: u64,
}

/// What does not change from one request of a route to the next.
#[derive(Debug)]
struct Route {
    method: Method,
    target: RequestText,
    headers: Vec<(HeaderName, RequestText)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// The same every time.
    Fixed(Bytes),
    Drawn(RequestText),
}

impl Route {
    fn of(request: &Request) -> Result<Self, RequestError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| invalid(&request.name, "method", &request.method))?;
        let headers = request.headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(&request.name, "header name", name))?;
            Ok((name, RequestText::header(value)))
        });
        let file = request.body_file.as_ref();
        let body = match request.body_text() {
            None => Body::Fixed(
                file.map_or_else(Bytes::new, |file| Bytes::copy_from_slice(&file.content)),
            ),
            Some(text) if text.values().next().is_none() => {
                Body::Fixed(text.literals().collect::<String>().into())
            }
            Some(text) => Body::Drawn(text),
        };
        Ok(Self {
            method,
            target: request.target_text(),
            headers: headers.collect::<Result<_, _>>()?,
            body,
        })
    }
}

impl RequestMaker {
    /// Checks every request over all of its data, so that what cannot be sent
    /// does not depend on what a seed draws.
    ///
    /// # Errors
    /// The first request that cannot be turned into HTTP.
    pub fn new(load: &Load, seed: u64) -> Result<Self, RequestError> {
        let routes = load.requests.iter().map(Route::of);
        let routes = routes.collect::<Result<_, _>>()?;
        let data = load
            .data
            .iter()
            .map(|(name, source)| {
                (
                    name.clone(),
                    sub_seed(seed, &format!("data/{name}")),
                    source.clone(),
                )
            })
            .collect();
        let maker = Self {
            load: load.clone(),
            routes,
            data,
            users: load
                .users
                .as_ref()
                .and_then(|users| load.data.iter().position(|(name, _)| name == users)),
            route_seed: sub_seed(seed, "routes"),
            weight_total: load
                .requests
                .iter()
                .map(|r| u64::from(r.weight))
                .sum::<u64>()
                .max(1),
        };
        for (route, request) in maker.load.requests.iter().enumerate() {
            let problems = request.problems(&maker.load.data);
            if let Some(problem) = problems.into_iter().next() {
                return Err(refused(request, problem));
            }
            maker.prepare_route(route, 0)?;
        }
        Ok(maker)
    }

    /// The virtual user that arrival `number` comes from, where the load says
    /// what a user is.
    #[must_use]
    pub fn user_of(&self, number: u64) -> Option<u64> {
        let (_, seed, source) = self.users.and_then(|index| self.data.get(index))?;
        Some(draw_number(source, *seed, number))
    }

    /// The request of arrival `number`.
    ///
    /// # Errors
    /// A drawn value that does not fit into a header.
    pub fn prepare(&self, number: u64) -> Result<PreparedRequest, RequestError> {
        self.prepare_route(self.route_of(number), number)
    }

    /// Index of the route that arrival `number` takes.
    #[must_use]
    pub fn route_of(&self, number: u64) -> usize {
        let mut ticket =
            (unit_interval(nth(self.route_seed, number)) * self.weight_total as f64) as u64;
        for (index, request) in self.load.requests.iter().enumerate() {
            let weight = u64::from(request.weight);
            if ticket < weight {
                return index;
            }
            ticket -= weight;
        }
        self.load.requests.len() - 1
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
            Body::Drawn(text) => Bytes::from(self.render(text, index, number)?),
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
        text.render(|name| self.value(name, number).map(Cow::Owned))
            .map_err(|error| {
                let route = self.load.requests[route].name.clone();
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
        invalid(&self.load.requests[route].name, part, text)
    }

    fn value(&self, name: &str, number: u64) -> Option<String> {
        let (_, seed, source) = self.data.iter().find(|(known, _, _)| known == name)?;
        Some(draw(source, *seed, number))
    }
}

fn refused(request: &Request, problem: RequestProblem) -> RequestError {
    let route = request.name.clone();
    match problem {
        RequestProblem::Text { part, why } => RequestError::Text { route, part, why },
        RequestProblem::Value {
            name, value, why, ..
        } => RequestError::Value {
            route,
            name,
            value,
            why,
        },
    }
}

fn invalid(route: &str, part: &'static str, text: &str) -> RequestError {
    RequestError::Invalid {
        route: route.to_owned(),
        part,
        text: text.to_owned(),
    }
}

fn draw(source: &DataSource, seed: u64, number: u64) -> String {
    let drawn = draw_number(source, seed, number);
    match source {
        DataSource::Pick(choices) => {
            let index = usize::try_from(drawn).unwrap_or(usize::MAX);
            choices.get(index).cloned().unwrap_or_default()
        }
        _ => drawn.to_string(),
    }
}

/// The value of a number; of a list, the place of the value that was picked.
fn draw_number(source: &DataSource, seed: u64, number: u64) -> u64 {
    let value = nth(seed, number);
    match source {
        DataSource::Uniform { from, to } => {
            let span = to.saturating_sub(*from).saturating_add(1);
            (from + (unit_interval(value) * span as f64) as u64).min(*to)
        }
        DataSource::Zipf { over, skew } => match Zipf::new(*over as f64, *skew) {
            Ok(zipf) => {
                let rank: f64 = zipf.sample(&mut ChaCha8Rng::seed_from_u64(value));
                rank as u64
            }
            // The parser refuses such parameters; the most popular is the limit.
            Err(_) => 1,
        },
        DataSource::Pick(choices) => (unit_interval(value) * choices.len() as f64) as u64,
        DataSource::Count { from } => from.saturating_add(number),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_scenario::Template;

    use super::*;

    fn request(name: &str, path: &str, weight: u32) -> Request {
        Request {
            name: name.into(),
            method: "GET".into(),
            path: Template::parse(path),
            headers: vec![],
            body: None,
            body_file: None,
            expect_status: vec![(200, 399)],
            within: None,
            weight,
        }
    }

    fn load(requests: Vec<Request>, data: Vec<(String, DataSource)>) -> Load {
        Load {
            shape: vec![],
            requests,
            data,
            users: None,
            connections: None,
            in_flight_max: 10,
            timeout: Duration::from_secs(1),
            warm_up: Duration::ZERO,
        }
    }

    #[test]
    fn weights_decide_the_share_of_routes() {
        let load = load(vec![request("a", "/a", 9), request("b", "/b", 1)], vec![]);
        let maker = RequestMaker::new(&load, 42).unwrap();
        let b = (0..100_000).filter(|n| maker.route_of(*n) == 1).count();
        // Five standard deviations of Binomial(100 000, 0.1) are 474.
        assert!((9_526..=10_474).contains(&b), "{b}");
    }

    #[test]
    fn data_is_a_function_of_seed_and_arrival() {
        let sources = vec![
            (
                "user".into(),
                DataSource::Uniform {
                    from: 1,
                    to: 10_000,
                },
            ),
            (
                "title".into(),
                DataSource::Zipf {
                    over: 15_000,
                    skew: 1.1,
                },
            ),
            (
                "kind".into(),
                DataSource::Pick(vec!["tv".into(), "web".into()]),
            ),
            ("n".into(), DataSource::Count { from: 5 }),
        ];
        let load = load(vec![request("a", "/$user/$title/$kind/$n", 1)], sources);
        let maker = RequestMaker::new(&load, 42).unwrap();
        let again = RequestMaker::new(&load, 42).unwrap();
        let other = RequestMaker::new(&load, 43).unwrap();
        let path = maker.prepare(7).unwrap().path;
        assert_eq!(path, again.prepare(7).unwrap().path);
        assert_ne!(path, other.prepare(7).unwrap().path);
        assert!(path.ends_with("/12"), "{path}");
    }

    #[test]
    fn drawn_values_are_written_for_their_place() {
        let words = DataSource::Pick(vec!["c# & \"d\"".into()]);
        let mut search = request("a", "/find/$w?q=$w&lang=en", 1);
        search.headers = vec![("x-word".into(), Template::parse("<$w>"))];
        search.body = Some(Template::parse(r#"{"q":"$w"}"#));
        let maker = RequestMaker::new(&load(vec![search], vec![("w".into(), words)]), 1).unwrap();
        let sent = maker.prepare(7).unwrap();
        assert_eq!(
            sent.path,
            "/find/c%23%20&%20%22d%22?q=c%23%20%26%20%22d%22&lang=en"
        );
        assert_eq!(sent.headers[0].1, "<c# & \"d\">");
        assert_eq!(sent.body, r#"{"q":"c# & \"d\""}"#);
    }

    #[test]
    fn what_cannot_be_sent_names_the_value() {
        // Most seeds do not draw it for arrival 0.
        let mut values = vec!["good".to_owned(); 50];
        values.push("a\nb".into());
        let lines = DataSource::Pick(values);
        let mut header = request("a", "/", 1);
        header.headers = vec![("x-line".into(), Template::parse("$v"))];
        let error = RequestMaker::new(&load(vec![header], vec![("v".into(), lines)]), 1);
        let text = error.unwrap_err().to_string();
        assert!(text.contains("`$v`") && text.contains("\\n"), "{text}");
        let error = RequestMaker::new(&load(vec![request("a", "/docs#intro", 1)], vec![]), 1);
        assert!(error.unwrap_err().to_string().contains("fragment"));
    }

    #[test]
    fn a_placeholder_without_data_is_named() {
        let error = RequestMaker::new(&load(vec![request("a", "/$who", 1)], vec![]), 1);
        assert!(error.unwrap_err().to_string().contains("`$who`"));
    }
}
