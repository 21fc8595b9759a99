//! Probes over HTTP: a status, a number in JSON, a Prometheus query.

use std::net::SocketAddr;

use serde_json::Value;
use squall_scenario::{is_allowed, is_on_this_machine, is_unreserved, percent_encoded};

use crate::system::answer::{answer, client};
use crate::system::look_up;

/// A client for one URL that goes where the name led at first, and nowhere
/// but to this machine unless that was allowed. Redirects are not followed.
pub(super) struct HttpClient {
    url: String,
    allowed_hosts: Vec<String>,
    /// Made when the name is known to lead to a place that may be read.
    client: Option<reqwest::Client>,
}

impl HttpClient {
    pub(super) fn new(url: String, allowed_hosts: &[String]) -> Self {
        Self {
            url,
            allowed_hosts: allowed_hosts.to_vec(),
            client: None,
        }
    }

    /// Status and body.
    pub(super) async fn get(&mut self) -> Result<(u16, Vec<u8>), String> {
        let client = match &self.client {
            Some(client) => client,
            None => self
                .client
                .insert(connect(&self.url, &self.allowed_hosts).await?),
        };
        let answer = answer(client, &self.url).await?;
        Ok((answer.status, answer.body))
    }
}

async fn connect(url: &str, allowed_hosts: &[String]) -> Result<reqwest::Client, String> {
    let uri: http::Uri = url.parse().map_err(|_| format!("{url:?} is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("{url:?}: only http:// can be read so far"));
    }
    let host = uri.host().ok_or_else(|| format!("{url:?} names no host"))?;
    let name = host.trim_matches(['[', ']']);
    let addresses = look_up(name, uri.port_u16().unwrap_or(80))
        .await
        .map_err(|error| format!("{name}: {error}"))?;
    let mut remote = addresses.iter().map(SocketAddr::ip);
    if let Some(remote) = remote.find(|ip| !is_on_this_machine(*ip))
        && !is_allowed(name, allowed_hosts)
    {
        return Err(format!(
            "{name} is {}, which is not this machine; if you may read there, \
             pass `--allow-remote {name}`",
            remote
        ));
    }
    client()
        .resolve_to_addrs(name, &addresses)
        .build()
        .map_err(|error| error.to_string())
}

/// The number or truth value at a JSON pointer.
pub(super) fn at_pointer(body: &[u8], pointer: &str) -> Result<f64, String> {
    let json: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let found = json
        .pointer(pointer)
        .ok_or_else(|| format!("there is nothing at {pointer}"))?;
    match found {
        Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        // Not cut here: secrets are taken out first.
        Value::String(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("what stands at {pointer} is no number: {text:?}")),
        other => other
            .as_f64()
            .ok_or_else(|| format!("what stands at {pointer} is no number")),
    }
}

/// The URL of an instant query.
pub(super) fn query_url(at: &str, query: &str) -> String {
    let at = at.trim_end_matches('/');
    let query = percent_encoded(query, is_unreserved);
    format!("{at}/api/v1/query?query={query}")
}

/// The one number of an instant query's answer.
pub(super) fn of_query(status: u16, body: &[u8]) -> Result<f64, String> {
    let json: Value = serde_json::from_slice(body)
        .map_err(|_| format!("it answered {status} and no JSON: is it a Prometheus server?"))?;
    if json["status"] != "success" {
        let why = json["error"].as_str().unwrap_or("no reason given");
        return Err(format!("the query failed ({status}): {why}"));
    }
    let data = &json["data"];
    let sample = match data["resultType"].as_str() {
        Some("scalar") => &data["result"],
        Some("vector") => match data["result"].as_array().map(Vec::as_slice) {
            Some([one]) => &one["value"],
            Some([]) => return Err("the query gave no sample".to_owned()),
            Some(many) => {
                let many = many.len();
                return Err(format!(
                    "the query gave {many} samples; write `sum(…)` around it"
                ));
            }
            None => return Err("the answer has no result".to_owned()),
        },
        other => {
            let kind = other.unwrap_or("nothing");
            return Err(format!(
                "the query gives a {kind}, not a scalar or an instant vector"
            ));
        }
    };
    let text = sample[1].as_str().unwrap_or_default();
    text.parse()
        .map_err(|_| format!("this is no number of a sample: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_json() {
        let body = br#"{"queue":{"length":17,"full":true,"text":" 2.5 ","a/b":1},"list":[4]}"#;
        for (pointer, value) in [
            ("/queue/length", 17.0),
            ("/queue/full", 1.0),
            ("/queue/text", 2.5),
            ("/queue/a~1b", 1.0),
            ("/list/0", 4.0),
        ] {
            assert_eq!(at_pointer(body, pointer), Ok(value), "{pointer}");
        }
        assert!(at_pointer(body, "/queue/depth").is_err());
        assert!(at_pointer(body, "/queue").is_err());
        assert!(at_pointer(b"<html>", "/queue").is_err());
    }

    #[test]
    fn a_query_gives_one_number_or_a_reason() {
        let vector = |samples: &str| {
            format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{samples}]}}}}"#
            )
        };
        let one = r#"{"metric":{},"value":[1.5,"42.5"]}"#;
        assert_eq!(of_query(200, vector(one).as_bytes()), Ok(42.5));
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"7"]}}"#;
        assert_eq!(of_query(200, scalar), Ok(7.0));
        let none = of_query(200, vector("").as_bytes()).unwrap_err();
        assert!(none.contains("no sample"), "{none}");
        let two = of_query(200, vector(&format!("{one},{one}")).as_bytes()).unwrap_err();
        assert!(two.contains("sum"), "{two}");
        let failed = br#"{"status":"error","error":"parse error"}"#;
        assert!(of_query(400, failed).unwrap_err().contains("parse error"));
        assert!(of_query(404, b"not found").is_err());
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            query_url("http://127.0.0.1:9090/", "sum(a{b=\"c d\"})"),
            "http://127.0.0.1:9090/api/v1/query?query=sum%28a%7Bb%3D%22c%20d%22%7D%29"
        );
    }

    #[tokio::test]
    async fn other_machines_are_not_read_unless_allowed() {
        let refused = connect("http://10.255.255.1:9/x", &[]).await.unwrap_err();
        assert!(refused.contains("--allow-remote 10.255.255.1"), "{refused}");
        let allowed = ["10.255.255.1".to_owned()];
        assert!(connect("http://10.255.255.1:9/x", &allowed).await.is_ok());
        assert!(connect("http://127.0.0.1:9/x", &[]).await.is_ok());
    }
}
