//! The task of one batch: waits for its time, runs it, and answers every caller.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Sleep;

use super::scope::{Gathered, Opened, Scope, Slot, widened};
use super::{Answer, Batch, CollapseError, Inner};
use crate::layers::NoFallback;
use crate::{CallOptions, RequestContext};

/// A batch and those who wait for it. However it ends, none is left without an answer.
pub(super) struct Lead<A, B>
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    inner: Arc<Inner<A, B>>,
    scope: Arc<Scope<A, Answer<A, B>>>,
    opened: Opened<A, Answer<A, B>>,
}

impl<A, B> Lead<A, B>
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    pub(super) fn new(
        inner: Arc<Inner<A, B>>,
        scope: Arc<Scope<A, Answer<A, B>>>,
        opened: Opened<A, Answer<A, B>>,
    ) -> Self {
        Self {
            inner,
            scope,
            opened,
        }
    }

    /// Runs the batch when it is full or the `delay` of its first argument has passed.
    pub(super) async fn run(mut self, delay: Sleep) {
        let gathered = tokio::select! {
            biased;
            full = &mut self.opened.full => full.ok(),
            () = delay => self.take(),
        };
        let members = Members::new(self.scope.clone(), gathered.unwrap_or_default());
        if members.slots.is_empty() {
            return;
        }
        let progress = self.opened.progress.clone();
        tokio::select! {
            biased;
            () = progress.left.notified() => {}
            () = answer(self.inner.clone(), members) => {}
        }
    }

    fn take(&mut self) -> Option<Gathered<A, Answer<A, B>>> {
        let open = self.scope.close(&self.opened.progress);
        open.or_else(|| self.opened.full.try_recv().ok())
    }
}

impl<A, B> Drop for Lead<A, B>
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    /// The runtime shuts down before the batch has gone.
    fn drop(&mut self) {
        let gathered = self.take().unwrap_or_default();
        drop(Members::<A, B>::new(self.scope.clone(), gathered));
    }
}

/// Runs each shard, all at the same time.
async fn answer<A, B>(inner: Arc<Inner<A, B>>, mut members: Members<A, B>)
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    let shards = inner.batch.shards(members.order.clone());
    let mut shards: Vec<_> = shards
        .into_iter()
        .map(|arguments| members.split_off(arguments))
        .filter(|shard| !shard.slots.is_empty())
        .collect();
    members.settle_rest(&Err(CollapseError::Unanswered));
    if shards.len() == 1 {
        if let Some(shard) = shards.pop() {
            answer_shard(inner, shard).await;
        }
        return;
    }
    let mut running = JoinSet::new();
    for shard in shards {
        let answered = answer_shard(inner.clone(), shard);
        // A task of its own has lost whose request it is part of.
        match RequestContext::current() {
            Some(context) => running.spawn(context.scope(answered)),
            None => running.spawn(answered),
        };
    }
    // A shard that panics has told its callers.
    while running.join_next().await.is_some() {}
}

async fn answer_shard<A, B>(inner: Arc<Inner<A, B>>, mut members: Members<A, B>)
where
    A: Hash + Eq + Clone + Send + Sync + 'static,
    B: Batch<A>,
{
    let Some(options) = members.options() else {
        return;
    };
    let size = members.order.len();
    inner.view.metrics.record_batch(inner.command.now(), size);
    inner.command.record_collapsed(size);
    let arguments = &members.order;
    let work = |attempt| inner.batch.run(arguments.clone(), attempt);
    let answers = inner
        .command
        .run(options, &work, NoFallback::default())
        .await;
    match answers {
        Err(error) => members.settle_rest(&Err(CollapseError::Batch(error))),
        Ok(answers) => {
            for (argument, answer) in answers {
                members.settle(&argument, answer.map_err(CollapseError::Answer));
            }
            members.settle_rest(&Err(CollapseError::Unanswered));
        }
    }
}

/// Callers without an answer. Those that are left when it is dropped are told so, and nothing of
/// them is remembered.
struct Members<A, B>
where
    A: Hash + Eq + Clone,
    B: Batch<A>,
{
    scope: Arc<Scope<A, Answer<A, B>>>,
    /// The arguments as they were asked.
    order: Vec<A>,
    slots: HashMap<A, Member<A, B>>,
}

/// What an argument's callers said, and where they wait.
type Member<A, B> = (CallOptions, Arc<Slot<Answer<A, B>>>);

impl<A, B> Members<A, B>
where
    A: Hash + Eq + Clone,
    B: Batch<A>,
{
    fn new(scope: Arc<Scope<A, Answer<A, B>>>, gathered: Gathered<A, Answer<A, B>>) -> Self {
        let mut order: Vec<_> = gathered
            .iter()
            .map(|(argument, asked)| (asked.order, argument.clone()))
            .collect();
        order.sort_unstable_by_key(|(order, _)| *order);
        Self {
            scope,
            order: order.into_iter().map(|(_, argument)| argument).collect(),
            slots: gathered
                .into_iter()
                .map(|(argument, asked)| (argument, (asked.options, asked.slot)))
                .collect(),
        }
    }

    /// Takes those of `arguments` that are here.
    fn split_off(&mut self, arguments: Vec<A>) -> Self {
        let mut shard = Self {
            scope: self.scope.clone(),
            order: Vec::new(),
            slots: HashMap::new(),
        };
        for argument in arguments {
            if let Some((argument, member)) = self.slots.remove_entry(&argument) {
                shard.order.push(argument.clone());
                shard.slots.insert(argument, member);
            }
        }
        shard
    }

    /// What is right for all of them.
    fn options(&self) -> Option<CallOptions> {
        let all = self.slots.values().map(|(options, _)| *options);
        all.reduce(widened)
    }

    fn settle(&mut self, argument: &A, answer: Answer<A, B>) {
        if let Some((_, slot)) = self.slots.remove(argument) {
            slot.promise.settle(answer);
        }
    }

    fn settle_rest(&mut self, answer: &Answer<A, B>) {
        for (_, (_, slot)) in self.slots.drain() {
            slot.promise.settle(answer.clone());
        }
    }
}

impl<A, B> Drop for Members<A, B>
where
    A: Hash + Eq + Clone,
    B: Batch<A>,
{
    fn drop(&mut self) {
        for (argument, (_, slot)) in &self.slots {
            self.scope.forget_slot(argument, slot);
        }
        self.settle_rest(&Err(CollapseError::Abandoned));
    }
}
