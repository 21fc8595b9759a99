//! `--metrics ADDR`: what a run does, for Prometheus to read while it does it.
//! A reader of the run's events and gauges like a screen; nothing in the path
//! of a request knows of it.

mod figures;
mod server;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use squall_harness::experiment::RunView;
use squall_record::{Manifest, Phase, RunEvent, Stamped};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use figures::Figures;
use squall_load::Gauges;

use crate::token;

/// A server of metrics; it shows the run that began last.
pub struct Metrics {
    address: SocketAddr,
    shown: Shown,
    server: tokio::task::JoinHandle<()>,
}

/// The figures that are shown; none before the first run begins.
type Shown = Arc<Mutex<Option<Arc<Mutex<Figures>>>>>;

impl Metrics {
    /// Listens on `address`; port 0 lets the kernel choose. Addresses that
    /// others can reach need a token, which is the first line of a file.
    pub async fn listen(address: SocketAddr, token_file: Option<&Path>) -> Result<Self, String> {
        let token = token_file.map(token::read).transpose()?;
        if token.is_none() && !squall_scenario::is_on_this_machine(address.ip()) {
            return Err(format!(
                "--metrics {address} can be reached from other machines; give a token with \
                 --metrics-token-file FILE, or listen on 127.0.0.1:{}",
                address.port()
            ));
        }
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| format!("--metrics {address}: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("--metrics {address}: {error}"))?;
        let shown = Shown::default();
        let server = tokio::spawn(server::serve(listener, token, Arc::clone(&shown)));
        Ok(Self {
            address,
            shown,
            server,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows this run from now on.
    pub fn show(&self, manifest: &Manifest, view: &RunView) {
        let figures = Arc::new(Mutex::new(Figures::new(manifest)));
        *lock(&self.shown) = Some(Arc::clone(&figures));
        let events = view.hub.subscribe();
        tokio::spawn(follow(figures, events, view.gauges.clone()));
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Hears the run until it is finished.
async fn follow(
    figures: Arc<Mutex<Figures>>,
    mut events: broadcast::Receiver<Arc<Stamped>>,
    gauges: watch::Receiver<Gauges>,
) {
    lock(&figures).watch(gauges);
    loop {
        match events.recv().await {
            Ok(stamped) => {
                lock(&figures).hear(&stamped);
                if matches!(stamped.event, RunEvent::Phase(Phase::Finished)) {
                    return;
                }
            }
            Err(RecvError::Lagged(missed)) => lock(&figures).missed(missed),
            Err(RecvError::Closed) => return,
        }
    }
}

/// A panic while the lock was held left figures that are still figures.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
