//! The names of a system: who answers for them, and how processes ask.

use std::net::SocketAddr;

use squall_faults::guardian::LaidOver;
use squall_faults::{Names, Proxy, Resolver, may_lay_over, resolver_files};
use squall_scenario::{is_allowed, is_on_this_machine, socket_address};

use super::instance::Instance;
use super::prepare::render;
use super::variables::Variables;
use super::{StartSystem, SystemError};

/// How processes look names up; as ever where the system has none.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    pub(super) resolver: Option<Resolver>,
    /// What every process finds in place of the machine's configuration.
    pub(super) laid_over: Vec<LaidOver>,
}

impl Lookups {
    /// Starts the resolver and sets `names.NAME` and `dns.address`.
    ///
    /// # Errors
    /// There is no such address, no port, or no mount namespace to be had; then
    /// nothing was started.
    pub(super) async fn start(
        request: &StartSystem,
        instances: &[Instance],
        links: &[Proxy],
        variables: &mut Variables,
    ) -> Result<Self, SystemError> {
        if request.system.names.is_empty() {
            return Ok(Self::default());
        }
        let mut names = Vec::new();
        for (name, to) in &request.system.names {
            let to = render(to, variables, || format!("name `{name}`"))?;
            let address = address_of(&to, instances, links);
            let address = address.ok_or_else(|| SystemError::NameAddress {
                name: name.clone(),
                text: to,
            })?;
            let host = address.ip().to_string();
            if !is_on_this_machine(address.ip()) && !is_allowed(&host, &request.allowed_hosts) {
                return Err(SystemError::RemoteName {
                    name: name.clone(),
                    host,
                });
            }
            let with_port = format!("{name}:{}", address.port());
            variables.set(format!("names.{name}"), with_port);
            names.push((name.clone(), address.ip()));
        }
        let resolver = Resolver::start(Names::new(names)).await?;
        let dir = request.data_dir.join("names");
        let written = resolver_files(&dir, resolver.address().ip());
        let laid_over = written.map_err(|source| SystemError::Io {
            doing: "writing what processes look names up with",
            source,
        })?;
        may_lay_over(&laid_over)?;
        variables.set("dns.address", resolver.address().to_string());
        Ok(Self {
            resolver: Some(resolver),
            laid_over,
        })
    }
}

/// Where whoever uses the name connects.
fn address_of(to: &str, instances: &[Instance], links: &[Proxy]) -> Option<SocketAddr> {
    let is_it = |instance: &&Instance| instance.process.name == to || instance.name == to;
    let instance = instances.iter().find(is_it);
    let instance = instance.map(Instance::callers_address);
    let link = || links.iter().find(|link| link.name() == to);
    instance
        .or_else(|| link().map(Proxy::address))
        .or_else(|| socket_address(to))
}
