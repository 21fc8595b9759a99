//! A load that runs on threads of its own.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::crew::{Crew, joined};
use crate::gauges::Gauges;
use crate::plan::LoadPlan;
use crate::protocol::{LoadCommand, LoadOutput};
use crate::requests::{CompiledRequests, RequestError, RequestMaker};
use crate::transport::TlsSetupError;

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
    /// TLS cannot be spoken to the target.
    #[error("TLS to the target: {0}")]
    Tls(#[from] TlsSetupError),
    /// The kernel refused a thread, a timer or a runtime.
    #[error("cannot start the load's thread: {0}")]
    Io(#[from] std::io::Error),
}

/// A channel that holds an hour of intervals.
const OUTPUTS_MAX: usize = 8192;

impl LoadHandle {
    /// Starts the threads, which send the lead load (the first stage's starting
    /// rate, not measured), where there is one, until they are told to begin.
    ///
    /// # Errors
    /// The load is not valid, or the kernel refuses.
    pub fn start(plan: LoadPlan) -> Result<Self, LoadError> {
        let requests = plan.load.each().enumerate().map(|(which, load)| {
            let maker = RequestMaker::new(load, plan.seed_of(which))?;
            let compiled = CompiledRequests::new(maker, &plan.destination.host);
            let secure = plan.destination.server_name.is_some();
            Ok(Arc::new(
                compiled.map_err(LoadError::Host)?.over_tls(secure),
            ))
        });
        let requests: Vec<_> = requests.collect::<Result<_, LoadError>>()?;
        let connector = plan.connector()?;
        let (commands, command_queue) = mpsc::channel(256);
        let (output_queue, outputs) = mpsc::channel(OUTPUTS_MAX);
        let (gauge_sender, gauges) = watch::channel(Gauges::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let crew = Crew::start(&plan, &requests, &connector)?;
        let thread = std::thread::Builder::new()
            .name("squall-load".into())
            .spawn(move || runtime.block_on(crew.run(command_queue, output_queue, gauge_sender)))?;
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
        let ended = tokio::task::spawn_blocking(move || joined(thread)).await;
        ended.unwrap_or_else(|error| Err(error.to_string()))
    }
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
