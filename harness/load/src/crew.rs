//! The threads of a load: each sends its slice of the schedule with everything of
//! its own, and one joins what they tell.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, watch};

use crate::driver::Driver;
use crate::gauges::Gauges;
use crate::merge::Merge;
use crate::plan::{LoadPlan, Part};
use crate::protocol::{LoadCommand, LoadOutput};
use crate::requests::CompiledRequests;
use crate::slice::Slice;
use crate::told::{Order, Told};
use crate::transport::Connector;
use crate::worker::Worker;

/// Between the order to stop and when it holds, so that all threads have it then.
const STOP_AHEAD: Duration = Duration::from_millis(2);
/// Orders that a thread may be behind by.
const ORDERS_MAX: usize = 256;
/// What a thread may tell before it is heard.
const TOLD_MAX: usize = 1024;

/// The threads that send.
#[derive(Debug)]
pub(crate) struct Crew {
    routes: Vec<String>,
    hands: Vec<Hand>,
}

#[derive(Debug)]
struct Hand {
    orders: mpsc::Sender<Order>,
    told: mpsc::Receiver<Told>,
    /// Whether nothing follows.
    silent: bool,
    thread: JoinHandle<Result<(), String>>,
}

impl Crew {
    /// Starts the threads, which send the lead load, where there is one; `requests`
    /// are those of each load.
    ///
    /// # Errors
    /// The kernel refuses a thread; those that were started end.
    pub(crate) fn start(
        plan: &LoadPlan,
        requests: &[Arc<CompiledRequests>],
        connector: &Connector,
    ) -> io::Result<Self> {
        let born = Instant::now();
        let routes: Vec<_> = plan.load.routes().map(|it| it.name.clone()).collect();
        let parts = (0..).zip(plan.parts());
        let hands = parts.filter_map(|(thread, part)| {
            let requests = Arc::clone(requests.get(part.which)?);
            let connector = Connector {
                per_request: part.load.connecting.per_request,
                ..connector.clone()
            };
            let means = (requests, connector, routes.clone());
            Some(hand(plan, part, means, (thread, born)))
        });
        Ok(Self {
            hands: hands.collect::<io::Result<_>>()?,
            routes,
        })
    }

    /// Passes commands on and joins what the threads tell, until everything is
    /// told.
    ///
    /// # Errors
    /// A thread broke or panicked; in its words. The others have ended.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<LoadCommand>,
        outputs: mpsc::Sender<LoadOutput>,
        gauges: watch::Sender<Gauges>,
    ) -> Result<(), String> {
        let mut merge = Merge::new(self.routes.clone(), self.hands.len());
        let mut backlog = VecDeque::new();
        let mut joined = Vec::new();
        let mut commanded = true;
        while !merge.is_finished() {
            tokio::select! {
                biased;
                command = commands.recv(), if commanded => match command {
                    Some(command) => self.pass_on(command)?,
                    None => {
                        // Nobody is there any more who would want to know.
                        commanded = false;
                        self.order(stop(Duration::ZERO))?;
                    }
                },
                (part, told) = next(&mut self.hands) => match told {
                    Some(told) => {
                        merge.hear(part, told, &mut joined);
                        backlog.extend(joined.drain(..));
                        if let Some(shown) = merge.gauges() {
                            gauges.send_replace(shown);
                        }
                    }
                    None if merge.has_finished(part) => {}
                    None => break,
                },
                permit = outputs.reserve(), if !backlog.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(output) = backlog.pop_front() {
                            permit.send(output);
                        }
                    }
                    Err(_nobody_listens) => backlog.clear(),
                },
            }
        }
        self.end()?;
        for output in backlog {
            if outputs.send(output).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn pass_on(&self, command: LoadCommand) -> Result<(), String> {
        self.order(match command {
            LoadCommand::Begin { zero } => Order::Begin { zero },
            LoadCommand::Cut { at } => Order::Cut { at },
            LoadCommand::Stop { grace } => stop(grace),
        })
    }

    /// Gives an order to every thread that has not ended.
    fn order(&self, order: Order) -> Result<(), String> {
        for hand in &self.hands {
            if let Err(mpsc::error::TrySendError::Full(_)) = hand.orders.try_send(order) {
                return Err("a thread of the load takes no orders any more".to_owned());
            }
        }
        Ok(())
    }

    /// Waits for the end of all threads.
    fn end(self) -> Result<(), String> {
        // Without orders, and with nobody who hears them, they end.
        let threads: Vec<_> = self.hands.into_iter().map(|hand| hand.thread).collect();
        let ends = threads.into_iter().map(joined);
        ends.fold(Ok(()), Result::and)
    }
}

/// The order to stop, from a moment on that all threads are told of before.
fn stop(grace: Duration) -> Order {
    let at = Instant::now() + STOP_AHEAD;
    Order::Stop { at, grace }
}

/// What the end of a thread says.
pub(crate) fn joined(thread: JoinHandle<Result<(), String>>) -> Result<(), String> {
    thread
        .join()
        .unwrap_or_else(|panic| Err(words(panic.as_ref())))
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why").to_owned()
}

/// The next thing that any thread tells, or that it tells nothing more.
async fn next(hands: &mut [Hand]) -> (usize, Option<Told>) {
    poll_fn(|cx| {
        for (part, hand) in hands.iter_mut().enumerate() {
            if hand.silent {
                continue;
            }
            if let Poll::Ready(told) = hand.told.poll_recv(cx) {
                hand.silent = told.is_none();
                return Poll::Ready((part, told));
            }
        }
        Poll::Pending
    })
    .await
}

/// Starts the thread of this number, which sends a part of a load; `routes` are those
/// of all loads.
fn hand(
    plan: &LoadPlan,
    part: Part,
    (requests, connector, routes): (Arc<CompiledRequests>, Connector, Vec<String>),
    (number, born): (u32, Instant),
) -> io::Result<Hand> {
    let (orders, queue) = mpsc::channel(ORDERS_MAX);
    let (tell, told) = mpsc::channel(TOLD_MAX);
    let slice = Slice::of(part.seed, plan.shard, (part.nth, part.count));
    let lead = plan.lead;
    let thread = Builder::new()
        .name(format!("squall-load-{number}"))
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .map_err(|error| format!("no runtime: {error}"))?;
            runtime.block_on(async move {
                let (load, place) = (part.load, (part.first_route, slice));
                let worker = Worker::new(&load, place, requests, connector);
                let driver = Driver::new((load, routes), slice, Rc::new(worker), tell);
                driver.run(queue, (born, lead)).await
            })
        })?;
    Ok(Hand {
        orders,
        told,
        silent: false,
        thread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread that does what it is given and then ends.
    fn fake(work: impl FnOnce(mpsc::Sender<Told>) + Send + 'static) -> Hand {
        let (orders, mut queue) = mpsc::channel(ORDERS_MAX);
        let (tell, told) = mpsc::channel(TOLD_MAX);
        let thread = std::thread::spawn(move || {
            work(tell);
            // As a driver does, which ends without orders.
            while queue.blocking_recv().is_some() {}
            Ok(())
        });
        Hand {
            orders,
            told,
            silent: false,
            thread,
        }
    }

    #[tokio::test]
    async fn a_thread_that_dies_ends_the_load_and_says_why() {
        let finished = |tell: mpsc::Sender<Told>| {
            let told = Told::Finished {
                scheduled: 0,
                lag_max_us: 0,
                journeys: vec![],
                viewings: vec![],
            };
            tell.blocking_send(told).unwrap();
        };
        let crew = Crew {
            routes: vec![],
            hands: vec![fake(finished), fake(|_| panic!("no {}", "timer"))],
        };
        let (_commands, queue) = mpsc::channel(1);
        let (outputs, mut told) = mpsc::channel(1);
        let ran = crew.run(queue, outputs, watch::channel(Gauges::default()).0);
        assert_eq!(ran.await, Err("no timer".to_owned()));
        assert!(told.recv().await.is_none(), "it did not finish");
    }
}
