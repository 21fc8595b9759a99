//! One connection through a proxy: dial, carry both directions, end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::either::Either;

use super::Shared;
use super::admission::{Admitted, Door};
use super::chain::End;
use super::counters::{ProxyTotals, add};
use super::gate::is_down;
use super::link::Link;
use super::live::{Live, Written};
use super::meetings::Meetings;
use super::messages::Messages;
use super::roster::Roster;
use super::splice::{Pipes, Socket};
use crate::tls::{Side, Unsecured};

/// Who called, and which toxics the connection has met on its way in.
type Who = (Option<SocketAddr>, Meetings);

/// A connection that was accepted.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    /// Which one of the proxy's, from 0.
    pub(crate) nth: u64,
    /// In which stretch of listening it was accepted.
    pub(crate) stretch: u64,
    pub(crate) roster: watch::Receiver<Roster>,
}

impl Connection {
    /// Serves the connection to its end. Never fails: whatever happens is
    /// passed on to the peers and counted.
    pub(crate) async fn serve(mut self, client: TcpStream) {
        let mut meetings = Meetings::default();
        let door = Door {
            shared: &self.shared,
            nth: self.nth,
            roster: &mut self.roster,
        };
        match door.admit(&client, &mut meetings).await {
            Admitted::In => {}
            Admitted::Reset => return reset(&client),
            Admitted::Gone => return,
        }
        let upstream = tokio::select! {
            biased;
            _ = self.roster.wait_for(|roster| roster.stopped) => return,
            dialled = self.shared.dial() => dialled,
        };
        let upstream = match upstream {
            Ok(upstream) => upstream,
            Err(error) => {
                tracing::debug!(link = self.shared.name, %error, "upstream not reached");
                add(&self.shared.totals.dial_failed, 1);
                if self.shared.late.is_some() {
                    // The client reads the end of its stream.
                    return;
                }
                if is_down(&error) {
                    self.shared.refused.send_replace(self.stretch);
                }
                return reset(&client);
            }
        };
        // Small messages must not wait for Nagle's algorithm on the extra hop.
        let nodelay = client.set_nodelay(true).and(upstream.set_nodelay(true));
        if let Err(error) = nodelay {
            tracing::debug!(link = self.shared.name, %error, "TCP_NODELAY not set");
        }
        let peer = client.peer_addr().ok();
        match self.shared.tls.get().cloned() {
            None => self.carry(client, upstream, (peer, meetings)).await,
            Some(terminal) => {
                let secured = tokio::select! {
                    biased;
                    _ = self.roster.wait_for(|roster| roster.stopped) => return,
                    secured = terminal.secure(client, upstream) => secured,
                };
                match secured {
                    Ok((client, upstream)) => {
                        self.carry_secured(client, upstream, (peer, meetings)).await;
                    }
                    Err(Unsecured::Reset(client)) => reset(&client),
                    Err(Unsecured::Closed) => {}
                }
            }
        }
    }

    async fn carry(&mut self, mut client: TcpStream, mut upstream: TcpStream, who: Who) {
        let Shared { totals, pipes, .. } = &*self.shared;
        let mut pair = Pair::new(totals, pipes, client.split(), upstream.split());
        if self.follow(&mut pair, who).await == End::Reset {
            drop(pair);
            reset(&client);
            reset(&upstream);
        }
    }

    /// The same where one side or both speak TLS: what is carried is plain.
    async fn carry_secured(&mut self, client: Side, upstream: Side, who: Who) {
        let Shared { totals, pipes, .. } = &*self.shared;
        let mut pair = Pair::new(totals, pipes, split(client), split(upstream));
        if self.follow(&mut pair, who).await == End::Reset {
            for (read, write) in [pair.client, pair.upstream] {
                match read.unsplit(write) {
                    Either::Left(plain) => reset(&plain),
                    Either::Right(secured) => reset(secured.get_ref().0),
                }
            }
        }
    }

    /// Carries both directions to their end, whatever the proxy's toxics become.
    async fn follow<R, W>(&mut self, pair: &mut Pair<R, W>, (peer, meetings): Who) -> End
    where
        R: AsyncRead + Socket + Unpin,
        W: AsyncWrite + Socket + Unpin,
    {
        pair.meetings = meetings;
        let connections = &self.shared.connections;
        let live = Arc::new(Live::new(peer, pair.written()));
        connections.register(self.nth, &live);
        let end = loop {
            let roster = self.roster.borrow_and_update().clone();
            if roster.stopped {
                break Ok(End::Close);
            }
            let follows_calls = self.shared.follows_calls.load(Ordering::Relaxed);
            pair.reconcile(&roster, (self.shared.seed, self.nth), follows_calls);
            connections.follow(&live, roster.version, pair.meetings.ids());
            tokio::select! {
                biased;
                changed = self.roster.changed() => if changed.is_err() {
                    break Ok(End::Close);
                },
                () = live.killed.notified() => break Err(io::ErrorKind::ConnectionAborted.into()),
                end = poll_fn(|cx| pair.poll(cx)) => break end,
            }
        };
        if matches!(end, Ok(End::Close)) {
            poll_fn(|cx| pair.poll_close(cx)).await;
        }
        connections.unregister(self.nth);
        if matches!(end, Ok(End::Reset)) {
            add(&self.shared.totals.reset, 1);
        }
        // A broken side is passed on as what it was: a reset.
        end.unwrap_or(End::Reset)
    }
}

/// Both directions with the halves of the sockets they use.
struct Pair<R, W> {
    meetings: Meetings,
    to: Link,
    from: Link,
    /// Told apart while a fault on HTTP is attached.
    messages: Option<Box<Messages>>,
    client: (R, W),
    upstream: (R, W),
}

impl<R: AsyncRead + Socket + Unpin, W: AsyncWrite + Socket + Unpin> Pair<R, W> {
    fn new(
        totals: &Arc<ProxyTotals>,
        pipes: &Arc<Pipes>,
        client: (R, W),
        upstream: (R, W),
    ) -> Self {
        let link = |to| Link::new(to, Arc::clone(totals), Arc::clone(pipes));
        Self {
            meetings: Meetings::default(),
            to: link(true),
            from: link(false),
            messages: None,
            client,
            upstream,
        }
    }

    fn written(&self) -> Written {
        Written {
            to: Arc::clone(&self.to.written),
            from: Arc::clone(&self.from.written),
        }
    }

    fn reconcile(&mut self, roster: &Roster, (seed, nth): (u64, u64), follows_calls: bool) {
        let carried = self.to.carried || self.from.carried;
        self.meetings.follow(roster, seed, nth);
        self.to.reconcile(&self.meetings, seed, nth, carried);
        if !self.to.is_reset() {
            self.from.reconcile(&self.meetings, seed, nth, carried);
        }
        let before = self.messages.take();
        self.messages = Messages::reconciled(before, roster, (seed, nth), (carried, follows_calls));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<End>> {
        while let Some(messages) = &mut self.messages {
            messages.poll_time(cx);
            let steps = messages.steps();
            let mut asked = messages.of(true, &mut self.client.0);
            let to = self.to.poll(cx, &mut asked, &mut self.upstream.1);
            if to.is_ready() {
                return to;
            }
            let mut answered = messages.of(false, &mut self.upstream.0);
            let from = self.from.poll(cx, &mut answered, &mut self.client.1);
            if from.is_ready() {
                return from;
            }
            if let Some((end, to_target)) = messages.ended() {
                let drained = [&self.from, &self.to].map(Link::is_drained);
                match end {
                    // What goes the other way is lost with the connection.
                    End::Reset if drained[usize::from(to_target)] => {
                        return Poll::Ready(Ok(end));
                    }
                    End::Close if drained == [true, true] => {
                        let link = match to_target {
                            true => &mut self.to,
                            false => &mut self.from,
                        };
                        if link.close() {
                            continue;
                        }
                    }
                    End::Reset | End::Close => {}
                }
            }
            if messages.is_idle() {
                self.messages = None;
            } else if messages.steps() == steps {
                // What one direction did gives the other nothing to do.
                return self.poll_finished();
            }
        }
        let to = self.to.poll(cx, &mut self.client.0, &mut self.upstream.1);
        if to.is_ready() {
            return to;
        }
        let from = self.from.poll(cx, &mut self.upstream.0, &mut self.client.1);
        if from.is_ready() {
            return from;
        }
        self.poll_finished()
    }

    /// Says to both sides that the connection has ended, as far as they listen.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for sink in [&mut self.client.1, &mut self.upstream.1] {
            // It is closed whether or not they hear of it.
            let _ = Pin::new(sink).poll_shutdown(cx);
        }
        Poll::Ready(())
    }

    fn poll_finished(&self) -> Poll<io::Result<End>> {
        if self.to.finished && self.from.finished {
            return Poll::Ready(Ok(End::Close));
        }
        Poll::Pending
    }
}

/// Makes the coming close of a socket a reset.
pub(crate) fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection could not be reset, it is closed instead");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use squall_scenario::inject::{
        Bandwidth, Cut, Delay, Direction, LimitData, Meanwhile, Reset, Slicer, SlowClose, Spread,
        Timeout,
    };
    use squall_scenario::{ByteCount, OnBytes, Share};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::proxy::alarm::Alarm;
    use crate::proxy::counters::get;
    use crate::proxy::roster::Attached;

    impl Socket for tokio::io::ReadHalf<DuplexStream> {
        fn socket(&self) -> Option<&TcpStream> {
            None
        }
    }

    impl Socket for tokio::io::WriteHalf<DuplexStream> {
        fn socket(&self) -> Option<&TcpStream> {
            None
        }
    }

    /// What the toxics of a connection are made of next.
    #[derive(Debug, Clone)]
    enum Change {
        Attach(OnBytes, Share),
        /// The nth is another from now on, and hits another share.
        Update(usize, OnBytes, Share),
        /// The nth is taken away.
        Detach(usize),
        /// The nth makes room for another in one step.
        Replace(usize, OnBytes),
    }

    /// What one end says: after so many milliseconds so many bytes. Then it
    /// closes its side.
    type Script = Vec<(u64, usize)>;

    #[derive(Debug, Clone)]
    struct Scene {
        says: [Script; 2],
        /// How much the ends read at once, and how long they rest after it.
        reads: [(usize, u64); 2],
        /// What the pipes hold.
        room: usize,
        changes: Vec<(u64, Change)>,
    }

    fn direction() -> impl Strategy<Value = Direction> {
        prop_oneof![
            Just(Direction::To),
            Just(Direction::From),
            Just(Direction::Both)
        ]
    }

    /// Toxics that lose nothing.
    fn careful() -> BoxedStrategy<OnBytes> {
        let ms = |range| proptest::strategy::Strategy::prop_map(range, Duration::from_millis);
        let spread = prop_oneof![
            Just(Spread::Uniform),
            Just(Spread::Normal),
            Just(Spread::Pareto)
        ];
        let delay = (ms(0..300_u64), 0..100_u32, spread, direction());
        let delay = delay.prop_map(|(by, part, spread, direction)| {
            OnBytes::Delay(Delay {
                spread,
                ..Delay::of(by, by * part / 100, direction)
            })
        });
        let slicer = (1..100_u64, 0..100_u64, ms(0..3_u64), direction());
        let slicer = slicer.prop_map(|(size, variation, pause, direction)| {
            OnBytes::Slicer(Slicer {
                size: ByteCount(size),
                variation: ByteCount(variation),
                pause,
                direction,
            })
        });
        let bandwidth = (100..20_000_u64, direction()).prop_map(|(rate, direction)| {
            OnBytes::Bandwidth(Bandwidth {
                rate: ByteCount(rate),
                direction,
            })
        });
        let slow_close = (ms(0..400_u64), direction())
            .prop_map(|(by, direction)| OnBytes::SlowClose(SlowClose { by, direction }));
        prop_oneof![delay, bandwidth, slow_close, slicer].boxed()
    }

    /// Toxics of every kind.
    fn any() -> BoxedStrategy<OnBytes> {
        let cut = direction().prop_map(|direction| OnBytes::Cut(Cut { direction }));
        let meanwhile = prop_oneof![Just(Meanwhile::Pass), Just(Meanwhile::Hold)];
        let reset = (0..300_u64, meanwhile, direction()).prop_map(|(ms, meanwhile, direction)| {
            OnBytes::Reset(Reset {
                after: Duration::from_millis(ms),
                meanwhile,
                direction,
            })
        });
        let timeout = (0..300_u64, direction()).prop_map(|(ms, direction)| {
            OnBytes::Timeout(Timeout {
                after: Duration::from_millis(ms),
                direction,
            })
        });
        let limit_data = (0..2000_u64, direction()).prop_map(|(bytes, direction)| {
            OnBytes::LimitData(LimitData {
                bytes: ByteCount(bytes),
                direction,
            })
        });
        let lossy = prop_oneof![cut, reset, timeout, limit_data];
        prop_oneof![3 => careful(), 2 => lossy].boxed()
    }

    fn share() -> impl Strategy<Value = Share> {
        prop_oneof![Just(0.0), Just(0.5), Just(1.0)]
            .prop_map(|share| Share::new(share).unwrap_or(Share::WHOLE))
    }

    fn scene(toxic: &BoxedStrategy<OnBytes>) -> impl Strategy<Value = Scene> + use<> {
        let script = || prop::collection::vec((0..200_u64, 1..600_usize), 0..8);
        let reads = || (1..400_usize, 0..20_u64);
        let change = prop_oneof![
            3 => (toxic.clone(), share()).prop_map(|(toxic, share)| Change::Attach(toxic, share)),
            2 => (0..4_usize, toxic.clone(), share())
                .prop_map(|(nth, with, share)| Change::Update(nth, with, share)),
            1 => (0..4_usize).prop_map(Change::Detach),
            1 => (0..4_usize, toxic.clone()).prop_map(|(nth, with)| Change::Replace(nth, with)),
        ];
        (
            [script(), script()],
            [reads(), reads()],
            1..700_usize,
            prop::collection::vec((0..150_u64, change), 0..10),
        )
            .prop_map(|(says, reads, room, changes)| Scene {
                says,
                reads,
                room,
                changes,
            })
    }

    /// What an end says altogether; every place has its own bytes.
    fn words(script: &Script, salt: u8) -> Vec<u8> {
        let length: usize = script.iter().map(|(_, length)| length).sum();
        (0..length)
            .map(|n| (n / 251 * 7 + n) as u8 ^ salt)
            .collect()
    }

    /// Says what there is to say and hears until the end of the stream.
    async fn take_part(
        stream: DuplexStream,
        script: &Script,
        salt: u8,
        (at_once, rest_ms): (usize, u64),
    ) -> Vec<u8> {
        let (mut read, mut write) = split(stream);
        let say = async {
            let words = words(script, salt);
            let mut left = words.as_slice();
            for (after_ms, length) in script {
                sleep(Duration::from_millis(*after_ms)).await;
                let (now, later) = left.split_at(*length);
                left = later;
                if write.write_all(now).await.is_err() {
                    return;
                }
            }
            // Refused when the connection has ended.
            let _ = write.shutdown().await;
        };
        let hear = async {
            let (mut heard, mut buffer) = (Vec::new(), vec![0; at_once]);
            while let Ok(length @ 1..) = read.read(&mut buffer).await {
                heard.extend_from_slice(&buffer[..length]);
                sleep(Duration::from_millis(rest_ms)).await;
            }
            heard
        };
        tokio::join!(say, hear).1
    }

    fn changed(roster: &mut Roster, change: &Change) {
        let toxics = &mut roster.toxics;
        roster.version += 1;
        let attached = |inject, share| {
            let id = roster.version.to_string();
            Arc::new(Attached::new(&id, inject, share))
        };
        match change {
            Change::Attach(inject, share) => toxics.push(attached(inject, *share)),
            Change::Update(nth, inject, share) => {
                if let Some(toxic) = toxics.get_mut(*nth) {
                    *toxic = Arc::new(toxic.changed(inject, *share));
                }
            }
            Change::Detach(nth) | Change::Replace(nth, _) if *nth < toxics.len() => {
                toxics.remove(*nth);
            }
            Change::Detach(_) | Change::Replace(..) => {}
        }
        if let Change::Replace(_, inject) = change {
            toxics.push(attached(inject, Share::WHOLE));
        }
    }

    /// What happened to a connection.
    struct Played {
        /// How it ended, if it did before everybody lost patience.
        end: Option<End>,
        /// What the target heard, and the client.
        heard: [Vec<u8>; 2],
        totals: Arc<ProxyTotals>,
    }

    async fn carry(scene: &Scene) -> Played {
        let totals = Arc::<ProxyTotals>::default();
        let (client, near) = duplex(scene.room);
        let (target, far) = duplex(scene.room);
        let mut pair = Pair::new(&totals, &Arc::default(), split(near), split(far));
        for link in [&mut pair.to, &mut pair.from] {
            link.alarm = Alarm::on_runtime_time();
        }
        let carried = async {
            let mut roster = Roster::default();
            for (after_ms, change) in &scene.changes {
                let within = Duration::from_millis(*after_ms);
                if let Ok(end) = timeout(within, poll_fn(|cx| pair.poll(cx))).await {
                    return end.ok();
                }
                changed(&mut roster, change);
                pair.reconcile(&roster, (1, 0), false);
            }
            let patience = Duration::from_secs(600);
            let end = timeout(patience, poll_fn(|cx| pair.poll(cx))).await;
            drop(pair);
            end.ok().and_then(Result::ok)
        };
        let (end, by_client, by_target) = tokio::join!(
            carried,
            take_part(client, &scene.says[0], 0, scene.reads[0]),
            take_part(target, &scene.says[1], 0x55, scene.reads[1]),
        );
        let heard = [by_target, by_client];
        Played { end, heard, totals }
    }

    fn play(scene: &Scene) -> Played {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(carry(scene))
    }

    fn said(scene: &Scene) -> [Vec<u8>; 2] {
        [words(&scene.says[0], 0), words(&scene.says[1], 0x55)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// Toxics come, go and make room for others on both directions, one
        /// side is closed long before the other, and who reads is slow.
        #[test]
        fn both_directions_are_carried_whole_to_their_ends(scene in scene(&careful())) {
            let played = play(&scene);
            prop_assert_eq!(&played.heard, &said(&scene));
            prop_assert_eq!(played.end, Some(End::Close));
            let carried = [&played.totals.bytes_to, &played.totals.bytes_from].map(get);
            prop_assert_eq!(carried, played.heard.map(|heard| heard.len() as u64));
            prop_assert_eq!(get(&played.totals.held_bytes), 0);
        }

        /// Also where toxics swallow and reset.
        #[test]
        fn what_arrives_is_the_beginning_of_what_was_said(scene in scene(&any())) {
            let played = play(&scene);
            for (heard, said) in played.heard.iter().zip(said(&scene)) {
                prop_assert!(said.starts_with(heard), "{} of {}", heard.len(), said.len());
            }
            prop_assert_eq!(get(&played.totals.held_bytes), 0);
        }
    }
}
