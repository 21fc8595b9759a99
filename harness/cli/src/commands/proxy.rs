//! `squall proxy`: a server that answers as Toxiproxy does, and verbs for one.

use std::net::SocketAddr;
use std::process::ExitCode;

use squall_faults::toxiproxy::{Toxiproxy, ToxiproxyConfig};
use squall_judge::RunOutcome;
use squall_record::store::files;
use squall_scenario::is_on_this_machine;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::args::ProxyArgs;
use crate::{exit, interrupts, output, token};

mod client;
mod server;
mod shown;
mod verbs;

/// A longer file of proxies holds something else.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

type Failed = (RunOutcome, String);

/// Serves, or talks to who does.
pub async fn proxy(args: ProxyArgs) -> ExitCode {
    let done = match args.command {
        Some(command) => verbs::carry_out(command).await,
        None => serve(args).await,
    };
    match done {
        Ok(()) => exit::code(RunOutcome::Pass),
        Err((outcome, message)) => exit::fail(outcome, &message),
    }
}

async fn serve(args: ProxyArgs) -> Result<(), Failed> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(|| output::Log)
        .with_ansi(false)
        .init();
    let address = SocketAddr::new(args.host, args.port);
    let usage = |message| (RunOutcome::Usage, message);
    let not_ready = |why: &dyn std::fmt::Display| {
        (
            RunOutcome::NotReady,
            format!("cannot listen on {address}: {why}"),
        )
    };
    let token = args.token_file.as_deref().map(token::read);
    let token = token.transpose().map_err(usage)?;
    if token.is_none() && !is_on_this_machine(address.ip()) {
        return Err(usage(format!(
            "{address} can be reached from other machines, and who reaches it may break \
             connections; give a token with --token-file FILE, or listen on 127.0.0.1"
        )));
    }
    let toxiproxy = Toxiproxy::new(ToxiproxyConfig {
        seed: args.seed,
        metrics: args.metrics,
        beyond_loopback: token.is_some(),
        ..ToxiproxyConfig::default()
    });
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| not_ready(&error))?;
    let address = listener.local_addr().map_err(|error| not_ready(&error))?;
    if let Some(path) = &args.config {
        let said = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let file = files::read_named(path, CONFIG_BYTES_MAX);
        let file = file.map_err(|error| usage(said(&error)))?;
        let populated = toxiproxy.populate_from(&file).await;
        let proxies = populated.map_err(|error| usage(said(&error)))?;
        output::remark(format_args!("{proxies} proxies from {}", path.display()));
    }
    output::result(format_args!("squall proxy listens on http://{address}"));
    server::serve(listener, token, &toxiproxy, interrupts::terminated()).await;
    toxiproxy.shutdown().await;
    Ok(())
}
