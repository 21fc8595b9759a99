//! From a description to instances with addresses, links and commands.

use std::net::SocketAddr;

use squall_faults::{LinkLimit, Proxy, ProxyConfig, Scope, ScopeKey};
use squall_scenario::seed::sub_seed;
use squall_scenario::{Template, is_allowed, is_on_this_machine, socket_address};

use super::certificates::Certificates;
use super::instance::Instance;
use super::variables::Variables;
use super::{RUN_SCOPE, StartSystem, SystemError, port_holder, ports, switches};

/// Tells a process where its fault layer is to let its faults be switched.
const FAULTS_SOCKET: &str = "SQUALL_FAULTS_SOCKET";

pub(super) fn prepare_instances(
    request: &StartSystem,
    limit: &LinkLimit,
) -> Result<Vec<Instance>, SystemError> {
    let system = &request.system;
    let total = system
        .processes
        .iter()
        .map(|p| system.instances(p) as usize)
        .sum();
    let mut leases = ports::lease(total)
        .map_err(|source| SystemError::Io {
            doing: "finding free ports",
            source,
        })?
        .into_iter();
    let mut instances = Vec::with_capacity(total);
    for process in &system.processes {
        for index in 0..system.instances(process) {
            let Some(lease) = leases.next() else { break };
            let name = format!("{}-{index}", process.name);
            let proxy = match process.inbound_link {
                true => Some(start_proxy(
                    &name,
                    any_port(),
                    lease.address(),
                    request.seed,
                    limit,
                )?),
                false => None,
            };
            let log_path = request.log_dir.join(format!("{name}.log"));
            let socket = switches::folder(request).join(&name);
            let process = process.clone();
            instances.push(Instance::new(process, name, proxy, lease, log_path, socket));
        }
    }
    Ok(instances)
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn start_proxy(
    name: &str,
    listen: SocketAddr,
    upstream: SocketAddr,
    seed: u64,
    limit: &LinkLimit,
) -> Result<Proxy, SystemError> {
    let seed = sub_seed(seed, &format!("link/{name}"));
    let config = ProxyConfig {
        name: name.to_owned(),
        listen,
        upstream,
        seed,
        listening: false,
        limit: limit.clone(),
    };
    Proxy::start(config).map_err(|source| SystemError::Listen {
        link: name.to_owned(),
        address: listen,
        holder: port_holder::holder(listen),
        source,
    })
}

pub(super) fn base_variables(
    request: &StartSystem,
    instances: &[Instance],
    scopes: &ScopeKey,
) -> Variables {
    let mut variables = Variables::default();
    variables.set("squall", request.squall_exe.display().to_string());
    variables.set("seed", request.seed.to_string());
    variables.set("run.dir", request.data_dir.display().to_string());
    variables.set(RUN_SCOPE, scopes.sign(&Scope::default()));
    variables.set("run.scope_key", scopes.hex());
    for setting in &request.system.settings {
        variables.set(format!("settings.{}", setting.name), setting.value.clone());
    }
    for instance in instances.iter().rev() {
        let (own, link) = (instance.address(), instance.callers_address());
        // In reverse, so that the plain name ends as the first instance.
        variables.set_addresses(&format!("processes.{}", instance.process.name), own, link);
        variables.set_addresses(&format!("processes.{}", instance.name), own, link);
    }
    variables
}

pub(super) fn start_links(
    request: &StartSystem,
    instances: &[Instance],
    variables: &mut Variables,
    limit: &LinkLimit,
) -> Result<Vec<Proxy>, SystemError> {
    let certificates = Certificates::new(request)?;
    let ca = certificates.path().display().to_string();
    variables.set("run.ca", ca);
    let mut links = Vec::new();
    for link in &request.system.links {
        let to = render(&link.to, variables, || format!("link `{}`", link.name))?;
        let upstream = instances
            .iter()
            .find(|instance| instance.process.name == to || instance.name == to)
            .map(Instance::address)
            .or_else(|| socket_address(&to));
        let bad = |text: &str| SystemError::LinkAddress {
            link: link.name.clone(),
            text: text.to_owned(),
        };
        let upstream = upstream.ok_or_else(|| bad(&to))?;
        let host = upstream.ip().to_string();
        if !is_on_this_machine(upstream.ip()) && !is_allowed(&host, &request.allowed_hosts) {
            return Err(SystemError::Remote {
                link: link.name.clone(),
                host,
            });
        }
        let listen = match &link.listen {
            Some(text) => socket_address(text).ok_or_else(|| bad(text))?,
            None => any_port(),
        };
        let proxy = start_proxy(&link.name, listen, upstream, request.seed, limit)?;
        certificates.secure(link, &proxy);
        variables.set(format!("links.{}", link.name), proxy.address().to_string());
        links.push(proxy);
    }
    Ok(links)
}

pub(super) fn resolve_command(
    instance: &mut Instance,
    variables: &Variables,
) -> Result<(), SystemError> {
    let own = variables.for_instance(
        &instance.name,
        instance.address(),
        instance.callers_address(),
    );
    let place = || format!("process `{}`", instance.process.name);
    let mut argv = Vec::with_capacity(instance.process.command.len());
    for part in &instance.process.command {
        argv.push(render(part, &own, place)?);
    }
    let mut env = std::collections::BTreeMap::new();
    let socket = instance.faults_socket.display().to_string();
    env.insert(FAULTS_SOCKET.to_owned(), socket);
    for (name, value) in &instance.process.env {
        env.insert(name.clone(), render(value, &own, place)?);
    }
    instance.argv = argv;
    instance.env = env;
    Ok(())
}

pub(super) fn render(
    template: &Template,
    variables: &Variables,
    place: impl Fn() -> String,
) -> Result<String, SystemError> {
    template
        .render(|name| variables.get(name))
        .map_err(|source| SystemError::Variable {
            place: place(),
            source,
        })
}
