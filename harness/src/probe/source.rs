//! Where a probe's number comes from.

use std::sync::Arc;
use std::time::Duration;

use squall_scenario::{Probe, ProbeRead, Template};

use super::ProbeSetup;
use super::command::CommandSource;
use super::http::{HttpClient, at_pointer, of_query, query_url};
use crate::system::answer::answer;
use crate::system::exposition::{exposed, missing, series};
use crate::system::{RunningSystem, control_client};

/// A probe's source, ready to be read again and again.
pub(super) enum Source {
    Http {
        client: HttpClient,
        status: u16,
        json: Option<String>,
    },
    Prometheus(HttpClient),
    Command(CommandSource),
    Metrics {
        system: Arc<RunningSystem>,
        client: reqwest::Client,
        of: String,
        path: String,
        name: String,
        labels: Vec<(String, String)>,
    },
    /// It can never be read; why.
    Broken(String),
}

impl Source {
    pub(super) fn new(
        probe: &Probe,
        number: usize,
        system: &Arc<RunningSystem>,
        setup: &ProbeSetup,
    ) -> Self {
        match Self::try_new(probe, number, system, setup) {
            Ok(source) => source,
            Err(why) => Self::Broken(why),
        }
    }

    fn try_new(
        probe: &Probe,
        number: usize,
        system: &Arc<RunningSystem>,
        setup: &ProbeSetup,
    ) -> Result<Self, String> {
        let render = |template: &Template| {
            let text = template.render(|name| system.variables().get(name));
            text.map_err(|error| error.to_string())
        };
        Ok(match &probe.read {
            ProbeRead::Http { get, status, json } => Self::Http {
                client: HttpClient::new(render(get)?, &setup.allowed_hosts),
                status: *status,
                json: json.clone(),
            },
            ProbeRead::Prometheus { at, query } => {
                let url = query_url(&render(at)?, query);
                Self::Prometheus(HttpClient::new(url, &setup.allowed_hosts))
            }
            ProbeRead::Command { run } => {
                let argv = run.iter().map(render).collect::<Result<_, _>>()?;
                let guardian = system.guardian().clone();
                Self::Command(CommandSource::new(
                    &probe.name,
                    number,
                    argv,
                    guardian,
                    setup,
                ))
            }
            ProbeRead::Metrics {
                of,
                path,
                name,
                labels,
            } => Self::Metrics {
                system: Arc::clone(system),
                client: control_client().map_err(|error| error.to_string())?,
                of: of.clone(),
                path: path.clone(),
                name: name.clone(),
                labels: labels.clone(),
            },
            // Followed all the time, and not read now and then.
            ProbeRead::Log { .. } => return Err("a log is followed".to_owned()),
        })
    }

    /// Reads the number.
    pub(super) async fn read(&mut self) -> Result<f64, String> {
        match self {
            Self::Http {
                client,
                status,
                json,
            } => {
                let (seen, body) = client.get().await?;
                match json {
                    None => Ok(f64::from(u8::from(seen == *status))),
                    Some(_) if seen != *status => Err(format!("it answered {seen}, not {status}")),
                    Some(pointer) => at_pointer(&body, pointer),
                }
            }
            Self::Prometheus(client) => {
                let (status, body) = client.get().await?;
                of_query(status, &body)
            }
            Self::Command(command) => command.read().await,
            Self::Metrics {
                system,
                client,
                of,
                path,
                name,
                labels,
            } => summed(system, client, of, path, (name, labels)).await,
            Self::Broken(why) => Err(why.clone()),
        }
    }

    /// Ends what a reading left running.
    pub(super) async fn end(&mut self, within: Duration) {
        if let Self::Command(command) = self {
            command.end(within).await;
        }
    }
}

/// The sum of a metric over the instances that run.
async fn summed(
    system: &RunningSystem,
    client: &reqwest::Client,
    of: &str,
    path: &str,
    (name, labels): (&str, &[(String, String)]),
) -> Result<f64, String> {
    let mut sum = None;
    for instance in system.instances_of(of) {
        if instance.identity().is_none() {
            continue;
        }
        let who = &instance.name;
        let url = format!("http://{}{path}", instance.address());
        let answer = answer(client, &url)
            .await
            .map_err(|why| format!("{who}: {why}"))?;
        if answer.status != 200 {
            let status = answer.status;
            return Err(format!("{who} answered {status} to GET {path}"));
        }
        let text = exposed(&answer);
        let found = series(&text, name, labels);
        if found.is_empty() {
            let why = missing(&text, name, labels);
            return Err(format!("GET {path} of {who} {why}"));
        }
        let of_instance: f64 = found.iter().map(|series| series.value).sum();
        *sum.get_or_insert(0.0) += of_instance;
    }
    sum.ok_or_else(|| format!("no instance of {of} runs"))
}
