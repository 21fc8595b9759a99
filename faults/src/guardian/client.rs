//! The asynchronous side: squall's handle on its guardian.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_scenario::Secrets;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{GuardianError, silent};
use super::meeting::{ANSWER_WITHIN, BEYOND_GRACE, Met, NoticeLines, meet, next, reap};
use super::protocol::{
    Answer, Ask, AskPackets, Exited, GroupSignal, Notice, Request, ShutdownReport, SpawnRequest,
    Spawned,
};
use super::reaping;
use crate::guard::recover::thaw;
use crate::guard::undo::{end_each, marked};
use crate::marks::{INSTANCE_MARK, RUN_MARK};
use crate::network::Met as PacketsMet;
use crate::{EntryId, Filter, Inverse, Journal, Member, ProcessIdentity};

/// How long the guardian may take to signal or find an instance, before squall tries to.
const REACH_WITHIN: Duration = Duration::from_secs(3);
/// How long it may take to take in that there is no time.
const HURRY_WITHIN: Duration = Duration::from_millis(200);
/// Exits a slow reader may lag behind.
const EXITS_KEPT: usize = 1024;

/// A handle on a running guardian; cheap to clone. When the last handle is
/// dropped, or squall dies, the guardian ends everything it started.
#[derive(Debug, Clone)]
pub struct GuardianClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: ProcessIdentity,
    /// What it was called with.
    called: Vec<OsString>,
    journal: Arc<Journal>,
    /// The journal's entry for everything the guardian starts.
    entry: EntryId,
    requests: tokio::sync::Mutex<OwnedWriteHalf>,
    next_id: AtomicU64,
    /// How many processes were asked for.
    starts: AtomicU64,
    listening: Arc<Mutex<Listening>>,
    gone: CancellationToken,
    hurried: CancellationToken,
    process: Mutex<Option<Child>>,
    /// What it complains about, for the one who takes it.
    complaints: Mutex<Option<mpsc::Receiver<String>>>,
}

/// Who listens to the guardian; emptied when it is gone.
#[derive(Debug)]
struct Listening {
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    exits: Option<broadcast::Sender<Exited>>,
    /// Processes that were started and not seen to end.
    roots: HashSet<u32>,
}

impl GuardianClient {
    /// Starts `exe args… --journal PATH` in a session of its own and waits
    /// until it answers.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn start(
        exe: &Path,
        args: &[OsString],
        journal: &Arc<Journal>,
    ) -> Result<Self, GuardianError> {
        reaping::adopt_orphans();
        let mark = journal.mark().to_owned();
        let intent = "start the system under test".to_owned();
        let inverse = Inverse::EndMarked { mark };
        let entry = Journal::record_off_runtime(journal, intent, inverse).await?;
        match meet(exe, args, journal).await {
            Ok(met) => {
                let program = [exe.as_os_str().to_owned()].into_iter();
                let called = program.chain(args.iter().cloned()).collect();
                Ok(Self::met(met, called, journal, entry))
            }
            Err(error) => {
                // No request was sent, so nothing was started that would have
                // to be ended.
                journal.done(entry);
                Err(error)
            }
        }
    }

    fn met(met: Met, called: Vec<OsString>, journal: &Arc<Journal>, entry: EntryId) -> Self {
        let listening = Arc::new(Mutex::new(Listening {
            answers: HashMap::new(),
            exits: Some(broadcast::channel(EXITS_KEPT).0),
            roots: HashSet::new(),
        }));
        let gone = CancellationToken::new();
        let ended = gone.clone().drop_guard();
        tokio::spawn(listen(met.notices, Arc::clone(&listening), ended));
        Self(Arc::new(Inner {
            identity: met.identity,
            called,
            journal: Arc::clone(journal),
            entry,
            requests: tokio::sync::Mutex::new(met.requests),
            next_id: AtomicU64::new(0),
            starts: AtomicU64::new(0),
            listening,
            gone,
            hurried: CancellationToken::new(),
            process: Mutex::new(Some(met.process)),
            complaints: Mutex::new(Some(met.complaints)),
        }))
    }

    /// Who the guardian is.
    #[must_use]
    pub fn identity(&self) -> ProcessIdentity {
        self.0.identity
    }

    /// Program and arguments that make this program a guardian, and more behind them
    /// something else of squall's own.
    pub(crate) fn called(&self) -> &[OsString] {
        &self.0.called
    }

    /// What the guardian complains about on its standard error, line by line,
    /// from its start to its end; for the first who asks.
    #[must_use]
    pub fn complaints(&self) -> Option<mpsc::Receiver<String>> {
        lock(&self.0.complaints).take()
    }

    /// Starts a process in its own process group, marked as the run's and as
    /// this one start of `key`.
    ///
    /// # Errors
    /// [`GuardianError::Refused`] when it cannot be started or the key is taken.
    pub async fn spawn(&self, mut request: SpawnRequest) -> Result<Spawned, GuardianError> {
        let mark = self.0.journal.mark().to_owned();
        let start = self.0.starts.fetch_add(1, Ordering::Relaxed);
        let of_start = format!("{mark}/{}/{start}", request.key);
        request.env.insert(RUN_MARK.to_owned(), mark);
        request.env.insert(INSTANCE_MARK.to_owned(), of_start);
        match self.ask(Ask::Spawn(request), ANSWER_WITHIN).await? {
            Answer::Spawned(spawned) => Ok(spawned),
            other => Err(unexpected(other)),
        }
    }

    /// Signals everything that `key` is made of.
    ///
    /// # Errors
    /// [`GuardianError::Refused`] when there is no such process.
    pub async fn signal(&self, key: &str, signal: GroupSignal) -> Result<(), GuardianError> {
        let key = key.to_owned();
        self.done(Ask::Signal { key, signal }, ANSWER_WITHIN).await
    }

    /// SIGTERM, `grace`, then SIGKILL to everything that `key` is made of;
    /// returns when it has ended. A process that has ended already is fine.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn terminate(&self, key: &str, grace: Duration) -> Result<(), GuardianError> {
        let ask = Ask::Terminate {
            key: key.to_owned(),
            grace_ms: millis(grace),
        };
        self.done(ask, grace + BEYOND_GRACE).await
    }

    /// Signals everything that came of a started process, or only looks at it
    /// (`None`); what was signalled, or what lives of it. Needs nothing of
    /// squall but the open socket.
    pub(crate) async fn reach(
        &self,
        root: ProcessIdentity,
        signal: Option<GroupSignal>,
    ) -> Result<Vec<Member>, GuardianError> {
        match self.ask(Ask::Reach { root, signal }, REACH_WITHIN).await? {
            Answer::Members(members) => Ok(members),
            other => Err(unexpected(other)),
        }
    }

    /// Puts rules for packets in force.
    pub(crate) async fn filter(&self, id: &str, filter: &Filter) -> Result<(), GuardianError> {
        let (id, filter) = (id.to_owned(), filter.clone());
        let ask = Ask::Packets(AskPackets::Filter { id, filter });
        self.done(ask, ANSWER_WITHIN).await
    }

    /// Reads rules for packets back; what they have met.
    pub(crate) async fn filtered(&self, id: &str) -> Result<PacketsMet, GuardianError> {
        self.met_by(AskPackets::Look { id: id.to_owned() }).await
    }

    /// Takes rules for packets away; what they had met.
    pub(crate) async fn unfilter(&self, id: &str) -> Result<PacketsMet, GuardianError> {
        self.met_by(AskPackets::Remove { id: id.to_owned() }).await
    }

    async fn met_by(&self, ask: AskPackets) -> Result<PacketsMet, GuardianError> {
        match self.ask(Ask::Packets(ask), ANSWER_WITHIN).await? {
            Answer::Met(met) => Ok(met),
            other => Err(unexpected(other)),
        }
    }

    /// Takes these values out of the output of everything that is started from
    /// now on, before it is written.
    ///
    /// # Errors
    /// See [`GuardianError`]; nothing may be started then.
    pub async fn keep_secrets(&self, secrets: &Secrets) -> Result<(), GuardianError> {
        for (name, value) in secrets.iter() {
            let (name, value) = (name.to_owned(), value.to_owned());
            let ask = Ask::KeepSecret { name, value };
            self.done(ask, ANSWER_WITHIN).await?;
        }
        Ok(())
    }

    /// Returns when everything that processes have written so far is in its
    /// file.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn drain_output(&self) -> Result<(), GuardianError> {
        self.done(Ask::DrainOutput, ANSWER_WITHIN).await
    }

    /// Every end of a started process from now on; subscribe before you spawn.
    /// Closed when the guardian is gone.
    #[must_use]
    pub fn exits(&self) -> broadcast::Receiver<Exited> {
        let listening = lock(&self.0.listening);
        let sender = listening.exits.as_ref();
        sender.map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
    }

    /// Returns when the guardian is gone: nothing that needs it can come about
    /// any more.
    pub async fn gone(&self) {
        self.0.gone.cancelled().await;
    }

    /// Takes away the time that processes have to end by themselves, from a
    /// shutdown under way as well as from a later one.
    pub async fn hurry(&self) {
        self.0.hurried.cancel();
        // A guardian that does not take it in is not waited for either.
        let _ = timeout(HURRY_WITHIN, self.send(self.next_id(), Ask::Hurry)).await;
    }

    /// Ends everything (SIGCONT, SIGTERM, `grace`, SIGKILL), descendants that
    /// went astray included, then the guardian itself. When the guardian is
    /// gone or silent, squall ends every process with the mark of the run.
    ///
    /// # Errors
    /// See [`GuardianError`]; what is left is in the report.
    pub async fn shutdown(&self, grace: Duration) -> Result<ShutdownReport, GuardianError> {
        self.shutdown_each(grace, &[]).await
    }

    /// The same with a grace for the group of each key in `own`; `grace` is for
    /// what went astray.
    ///
    /// # Errors
    /// See [`GuardianError`]; what is left is in the report.
    pub async fn shutdown_each(
        &self,
        grace: Duration,
        own: &[(String, Duration)],
    ) -> Result<ShutdownReport, GuardianError> {
        let longest = own.iter().map(|(_, own)| *own).fold(grace, Duration::max);
        let within = longest + BEYOND_GRACE;
        let ask = Ask::Shutdown {
            grace_ms: millis(grace),
            graces_ms: own
                .iter()
                .map(|(key, own)| (key.clone(), millis(*own)))
                .collect(),
        };
        let asked = self.ask(ask, within);
        let patience = async {
            self.0.hurried.cancelled().await;
            tokio::time::sleep(BEYOND_GRACE).await;
        };
        let answer = tokio::select! {
            answer = asked => answer,
            () = patience => Err(silent(BEYOND_GRACE)),
        };
        let report = match answer {
            Ok(Answer::Report(report)) => report,
            Ok(other) => return Err(unexpected(other)),
            Err(GuardianError::Gone | GuardianError::Silent { .. }) => {
                self.replace_guardian(grace).await?
            }
            Err(error) => return Err(error),
        };
        if report.left.is_empty() {
            self.0.journal.done(self.0.entry);
        }
        let process = lock(&self.0.process).take();
        if let Some(process) = process {
            reap(process).await?;
        }
        Ok(report)
    }

    /// Ends what the guardian would have ended, found by the mark in the
    /// environment.
    async fn replace_guardian(&self, grace: Duration) -> Result<ShutdownReport, GuardianError> {
        if let Some(guardian) = lock(&self.0.process).as_mut() {
            // One that is only silent must not wake up and act as well. An
            // error means that it is gone, which is as good.
            let _ = guardian.kill();
        }
        let mark = self.0.journal.mark().to_owned();
        let journal = self.0.journal.path().to_owned();
        let hurried = self.0.hurried.clone();
        let ending = tokio::task::spawn_blocking(move || {
            thaw(&journal);
            end_each(|| marked(&mark), |_| grace, || hurried.is_cancelled())
        });
        let ended = ending
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(|why| GuardianError::Refused(format!("the run was not ended: {why}")));
        let roots = std::mem::take(&mut lock(&self.0.listening).roots);
        if timeout(BEYOND_GRACE, reaping::reap_all(roots))
            .await
            .is_err()
        {
            tracing::warn!("what the guardian had started was not seen to end");
        }
        ended
    }

    async fn done(&self, ask: Ask, within: Duration) -> Result<(), GuardianError> {
        match self.ask(ask, within).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    fn next_id(&self) -> u64 {
        self.0.next_id.fetch_add(1, Ordering::Relaxed)
    }

    async fn send(&self, id: u64, ask: Ask) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Request { id, ask })?;
        line.push(b'\n');
        self.0.requests.lock().await.write_all(&line).await
    }

    async fn ask(&self, ask: Ask, within: Duration) -> Result<Answer, GuardianError> {
        let id = self.next_id();
        let (answer, answered) = oneshot::channel();
        {
            let mut listening = lock(&self.0.listening);
            if listening.exits.is_none() {
                return Err(GuardianError::Gone);
            }
            listening.answers.insert(id, answer);
        }
        let exchange = async {
            self.send(id, ask).await?;
            answered.await.map_err(io::Error::other)
        };
        let result = timeout(within, exchange).await;
        lock(&self.0.listening).answers.remove(&id);
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(GuardianError::Gone),
            Err(_) => Err(silent(within)),
        }
    }
}

/// Hands on what the guardian says until it is gone.
async fn listen(mut lines: NoticeLines, listening: Arc<Mutex<Listening>>, _ended: DropGuard) {
    while let Ok(Some(notice)) = next(&mut lines).await {
        let mut listening = lock(&listening);
        match notice {
            Notice::Ready(_) => {}
            Notice::Answer { id, answer } => {
                if let Answer::Spawned(spawned) = &answer {
                    listening.roots.insert(spawned.identity.pid);
                }
                let waiting = listening.answers.remove(&id);
                // One who gave up waiting has been told so already.
                let _ = waiting.map(|waiting| waiting.send(answer));
            }
            Notice::Exited(exited) => {
                listening.roots.remove(&exited.identity.pid);
                // Nobody need listen.
                let _ = listening.exits.as_ref().map(|exits| exits.send(exited));
            }
        }
    }
    let mut listening = lock(&listening);
    listening.answers.clear();
    listening.exits = None;
}

fn unexpected(answer: Answer) -> GuardianError {
    match answer {
        Answer::Refused(why) => GuardianError::Refused(why),
        other => GuardianError::Refused(format!("the guardian answered {other:?}")),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
