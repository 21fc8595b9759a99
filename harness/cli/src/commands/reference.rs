//! `squall reference`: the streaming backend.

use std::process::ExitCode;
use std::time::Duration;

use squall_judge::RunOutcome;
use squall_reference::{
    Criticality, RetryClass, ServiceConfig, ServiceKind, Settings, UnknownService, dependencies,
};
use tracing_subscriber::EnvFilter;

use crate::args::{ReferenceCommand, ServeArgs};
use crate::{exit, interrupts, output};

mod up;

/// Serves one instance, starts the whole backend, or lists its settings or calls.
pub fn reference(command: ReferenceCommand) -> ExitCode {
    match command {
        ReferenceCommand::Serve(args) => serve(args),
        ReferenceCommand::Up(args) => super::with_runtime(up::up(args)),
        ReferenceCommand::Settings => {
            for key in Settings::KEYS {
                output::result(format_args!(
                    "{:<18} {:<10} {}",
                    key.name, key.default, key.meaning
                ));
            }
            exit::code(RunOutcome::Pass)
        }
        ReferenceCommand::Lint => lint(),
    }
}

/// Every call between services, then what is wrong with them.
fn lint() -> ExitCode {
    let table = dependencies();
    output::result(format_args!(
        "{:<16}{:<17}{:>7}  {:>7}  {:<14}{:<11}{}",
        "service", "calls", "timeout", "at once", "again", "a failure", "stands in"
    ));
    for row in &table {
        let again = match (row.retry, row.hedge_after_ms) {
            (RetryClass::Never, _) => "never".to_owned(),
            (RetryClass::NextInstance, None) => "next one".to_owned(),
            (RetryClass::NextInstance, Some(ms)) => format!("after {ms} ms"),
        };
        let failure = match row.criticality {
            Criticality::Fatal => "is fatal",
            Criticality::Degrades => "degrades",
            Criticality::Background => "is unseen",
        };
        output::result(format_args!(
            "{:<16}{:<17}{:>4} ms  {:>7}  {again:<14}{failure:<11}{}",
            row.service.name(),
            row.command,
            row.timeout_ms,
            row.concurrency_max,
            row.fallback.unwrap_or("-")
        ));
    }
    let flaws = squall_reference::lint(&table);
    for flaw in &flaws {
        output::result(format_args!("\n{flaw}"));
    }
    output::result(format_args!(
        "\n{} calls, {} flaws",
        table.len(),
        flaws.len()
    ));
    exit::code(match flaws.is_empty() {
        true => RunOutcome::Pass,
        false => RunOutcome::Fail,
    })
}

/// How long threads that read, write or look something up may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One instance on one thread: seventeen of them share a small machine.
fn serve(args: ServeArgs) -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(|| output::Log)
        .with_ansi(false)
        .init();
    let config = match service_config(args) {
        Ok(config) => config,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::fail(RunOutcome::NotReady, &error.to_string()),
    };
    let served = runtime.block_on(squall_reference::serve(config, interrupts::terminated()));
    // Whoever still waits for a resolver that does not answer is not waited for.
    runtime.shutdown_timeout(LAST_WORDS);
    match served {
        Ok(()) => exit::code(RunOutcome::Pass),
        Err(error) => exit::fail(RunOutcome::NotReady, &error.to_string()),
    }
}

fn service_config(args: ServeArgs) -> Result<ServiceConfig, String> {
    let kind: ServiceKind = args
        .service
        .parse()
        .map_err(|error: UnknownService| error.to_string())?;
    let mut settings = Settings::default();
    for (name, value) in &args.set {
        settings
            .set(name, value)
            .map_err(|error| error.to_string())?;
    }
    Ok(ServiceConfig {
        kind,
        instance: args.instance,
        listen: args.listen,
        advertise: args.advertise.unwrap_or(args.listen),
        discovery: args.discovery,
        cache_dir: cache_dir().unwrap_or_else(|| args.data_dir.clone()),
        data_dir: args.data_dir,
        cache_authority: args.cache_authority,
        seed: args.seed,
        settings,
    })
}

/// `$XDG_CACHE_HOME/squall` or `~/.cache/squall`; never a folder that may be
/// anybody's.
fn cache_dir() -> Option<std::path::PathBuf> {
    let home = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(std::path::PathBuf::from)
    };
    let folder = home("XDG_CACHE_HOME").or_else(|| Some(home("HOME")?.join(".cache")))?;
    Some(folder.join("squall"))
}
