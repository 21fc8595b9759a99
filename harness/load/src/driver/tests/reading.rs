//! What has come is read before anybody is given up, however late the driver looks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::runtime::LocalOptions;

use super::*;

/// More than a runtime lets run between two looks at what has come.
const MANY: u64 = 200;
/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);

/// A target on a thread of its own: reads so many requests, each on a connection of
/// its own, and answers all when it is told to; again and again.
struct Target {
    address: SocketAddr,
    asked: Receiver<()>,
    answer: Sender<()>,
    answered: Receiver<()>,
}

impl Target {
    fn of(count: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = channel();
        let (answer, told) = channel();
        let (done, answered) = channel();
        std::thread::spawn(move || {
            let accepted = (0..count).map(|_| listener.accept().unwrap().0);
            let mut streams: Vec<_> = accepted.collect();
            loop {
                for stream in &mut streams {
                    let mut request = [0; 1024];
                    // A test that has ended asks no more.
                    let Ok(1..) = stream.read(&mut request) else {
                        return;
                    };
                }
                if tell.send(()).is_err() || told.recv_timeout(HANG).is_err() {
                    return;
                }
                for stream in &mut streams {
                    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(ok).unwrap();
                }
                if done.send(()).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            asked,
            answer,
            answered,
        }
    }

    /// Answers all, while nothing is read.
    fn answers(&self) {
        self.answer.send(()).unwrap();
        self.answered.recv_timeout(HANG).unwrap();
    }
}

/// A driver whose arrivals are started by the test.
struct Hand {
    driver: Driver,
    track: Rc<Track>,
}

impl Hand {
    fn new(address: SocketAddr, timeout: Duration) -> Self {
        let load = Load {
            in_flight_max: 1_000,
            timeout,
            ..Load::plain(vec![], vec![request("a", "/")])
        };
        let maker = RequestMaker::new(&load, SEED).unwrap();
        let requests = Arc::new(CompiledRequests::new(maker, "target").unwrap());
        let slice = Slice::of(SEED, None, (0, 1));
        let worker = Worker::new(&load, (0, slice), requests, Connector::plain([address]));
        let routes = vec!["a".to_owned()];
        let track = Track::new(Instant::now(), routes.clone(), false);
        let (outputs, _) = mpsc::channel(1);
        let driver = Driver::new((load, routes), slice, Rc::new(worker), outputs);
        Self { driver, track }
    }

    /// Starts so many, and waits until the target has read them.
    async fn ask(&self, count: u64, target: &Target) {
        for number in 0..count {
            let now = Instant::now();
            let at = now.saturating_duration_since(self.track.origin);
            let arrival = Arrival { number, at };
            self.driver.worker.start(&self.track, arrival, now);
        }
        let begun = Instant::now();
        while target.asked.try_recv().is_err() {
            assert!(begun.elapsed() < HANG, "it hangs");
            tokio::task::yield_now().await;
        }
    }

    fn in_flight(&self) -> u32 {
        self.track.recorder.borrow().in_flight()
    }
}

/// Runs it as the threads of a load run their drivers.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(test);
}

#[test]
fn what_has_come_is_in_time_though_nobody_has_looked() {
    run(async {
        let target = Target::of(MANY);
        let timeout = Duration::from_millis(1);
        let hand = Hand::new(target.address, timeout);
        hand.ask(MANY, &target).await;
        target.answers();
        let late = Instant::now() + timeout;
        hand.driver.take_turn(late, &hand.track).await;
        let mut recorder = hand.track.recorder.borrow_mut();
        recorder.give_up();
        let counts = recorder.finish(1)[0].routes[0].counts;
        assert_eq!((counts.good + counts.late, counts.timeout), (MANY, 0));
    });
}

#[test]
fn who_does_not_answer_is_given_up_all_the_same() {
    run(async {
        let target = Target::of(2);
        let timeout = Duration::from_millis(1);
        let hand = Hand::new(target.address, timeout);
        hand.ask(2, &target).await;
        let late = Instant::now() + timeout;
        hand.driver.take_turn(late, &hand.track).await;
        assert_eq!(hand.in_flight(), 0);
    });
}

/// What lay in its socket through a sleep is read right behind it.
#[test]
fn what_lay_there_is_read_behind_the_sleep() {
    run(async {
        let target = Target::of(1);
        let hand = Hand::new(target.address, HANG);
        let pacer = Pacer::new().unwrap();
        loop {
            hand.ask(1, &target).await;
            target.answers();
            // The kernel begins to stamp some time after it was first asked to.
            if hand.driver.worker.may_let_lie() {
                break;
            }
            while hand.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        }
        hand.driver.wait(&pacer, Instant::now()).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(hand.in_flight(), 0);
    });
}
