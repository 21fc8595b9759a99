//! The load's own thread: nothing else runs on it.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use squall_record::Shard;
use squall_scenario::Load;
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, watch};

use crate::driver::Driver;
use crate::gauges::Gauges;
use crate::protocol::{LoadCommand, LoadOutput};
use crate::requests::{CompiledRequests, RequestError, RequestMaker};
use crate::worker::Worker;

/// What the load thread needs to know.
#[derive(Debug)]
pub struct LoadPlan {
    /// The scenario's load.
    pub load: Load,
    /// Seed of the run.
    pub seed: u64,
    /// Addresses of the target.
    pub addresses: Vec<SocketAddr>,
    /// Value of the `Host` header.
    pub host: String,
    /// The share of the arrivals that is sent; `None` for all.
    pub shard: Option<Shard>,
    /// Whether there is load before time zero.
    pub lead: bool,
}

/// A running load.
#[derive(Debug)]
pub struct LoadHandle {
    /// Commands to it.
    pub commands: mpsc::Sender<LoadCommand>,
    /// What it tells.
    pub outputs: mpsc::Receiver<LoadOutput>,
    /// Rough live figures.
    pub gauges: watch::Receiver<Gauges>,
    thread: Option<std::thread::JoinHandle<Result<(), String>>>,
}

/// Why a load cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A request is not valid.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The target's name is not valid in HTTP.
    #[error("the target's host {0:?} is not valid in HTTP")]
    Host(String),
    /// The kernel refused a thread, a timer or a runtime.
    #[error("cannot start the load's thread: {0}")]
    Io(#[from] std::io::Error),
}

/// A channel that holds an hour of intervals.
const OUTPUTS_MAX: usize = 8192;

impl LoadHandle {
    /// Starts the thread, which sends the lead load (the first stage's
    /// starting rate, not measured), where there is one, until it is told to
    /// begin.
    ///
    /// # Errors
    /// The load is not valid, or the kernel refuses.
    pub fn start(plan: LoadPlan) -> Result<Self, LoadError> {
        let maker = RequestMaker::new(&plan.load, plan.seed)?;
        let requests = CompiledRequests::new(maker, &plan.host).map_err(LoadError::Host)?;
        let requests = Arc::new(requests);
        let (commands, command_queue) = mpsc::channel(256);
        let (output_queue, outputs) = mpsc::channel(OUTPUTS_MAX);
        let (gauge_sender, gauges) = watch::channel(Gauges::default());
        let thread = std::thread::Builder::new()
            .name("squall-load".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(LocalOptions::default())
                    .map_err(|error| error.to_string())?;
                runtime.block_on(async move {
                    let worker = Worker::new(&plan.load, requests, plan.addresses);
                    let of = (plan.seed, plan.shard);
                    let driver = Driver::new(plan.load, of, worker, output_queue, gauge_sender);
                    driver.run(command_queue, plan.lead).await
                })
            })?;
        Ok(Self {
            commands,
            outputs,
            gauges,
            thread: Some(thread),
        })
    }

    /// Waits for the end of the thread. Call it after `Finished` was received
    /// or the commands were dropped; both end the thread.
    ///
    /// # Errors
    /// It broke or panicked; in its words.
    pub async fn join(mut self) -> Result<(), String> {
        drop(self.commands);
        drop(self.outputs);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        match tokio::task::spawn_blocking(move || thread.join()).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(words(panic.as_ref())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_dies_is_seen_and_says_why() {
        let (commands, _) = mpsc::channel(1);
        let (told, outputs) = mpsc::channel::<LoadOutput>(1);
        let mut load = LoadHandle {
            commands,
            outputs,
            gauges: watch::channel(Gauges::default()).1,
            thread: Some(std::thread::spawn(move || {
                let _told = told;
                if true {
                    panic!("no {}", "timer");
                }
                Ok(())
            })),
        };
        assert!(load.outputs.recv().await.is_none(), "nothing follows");
        assert_eq!(load.join().await, Err("no timer".to_owned()));
    }
}
