//! The cache of one client (RFC 9111): answers to GET and HEAD that its servers let it
//! use again, while its journey goes on. A state machine on the caller's time, which is
//! told what is asked and what came of it.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Instant;

use hashlink::LinkedHashMap;

use crate::answer::{Kept, Looks};
pub(crate) use asking::Asking;
use asking::{Key, Method};
use policy::{Policy, Validators};

mod asking;
#[cfg(test)]
mod laws;
mod policy;

/// Most answers that one client keeps.
const ANSWERS_MAX: usize = 256;
/// Most answers that it keeps of one target, for requests that differ in fields.
const VARIANTS_MAX: usize = 8;
/// Most bytes that one client keeps. Bodies that no check and no `take` looks into are
/// not kept, whatever their size.
const CLIENT_BYTES_MAX: usize = 4 << 20;
/// Most bytes that all clients of one worker keep, which is one thread.
const WORKER_BYTES_MAX: usize = 64 << 20;
/// Most fields of an answer that is kept.
const FIELDS_MAX: usize = 256;
/// What an answer counts for besides its bytes.
const OVERHEAD_BYTES: usize = 512;
/// What an allocation takes besides its bytes, at most.
const ALLOCATION_BYTES: usize = 32;
/// What a field counts for besides its bytes: its name and its value, each by itself.
const FIELD_BYTES: usize = size_of::<(String, Vec<u8>)>() + 2 * ALLOCATION_BYTES;
/// Fields that say how one answer is sent, and not what it is: one that says "still so"
/// does not change them (RFC 9111 §3.2).
const OF_THE_SENDING: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "keep-alive",
    "transfer-encoding",
];
/// Fields that speak of one sending alone: those of before say nothing of the next.
const OF_ONCE: [&str; 2] = ["age", "date"];

thread_local! {
    /// Bytes that all caches of this thread keep now.
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

/// What one client keeps. What was used longest ago is in front.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: LinkedHashMap<Key, Vec<Answer>>,
    answers: usize,
    room: Room,
    asked: Option<Asked>,
}

/// What was asked of the server last.
#[derive(Debug)]
enum Asked {
    /// An answer that may be kept.
    Read {
        asking: Asking,
        looks: Looks,
        /// By which the server is asked if one is still so.
        conditions: Vec<u8>,
    },
    /// To change what is there.
    Change(Asking),
}

/// An answer that is kept.
#[derive(Debug)]
struct Answer {
    /// What the request said in the fields on which it depends.
    varies: Vec<(String, Option<Vec<u8>>)>,
    fields: Vec<(String, Vec<u8>)>,
    /// Where somebody looks into it.
    body: Option<Vec<u8>>,
    sha256: Option<[u8; 32]>,
    body_bytes: u64,
    validators: Validators,
    /// When it has to be asked for again; at once for `None`.
    fresh_until: Option<Instant>,
}

/// An answer out of the cache.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recalled {
    pub(crate) kept: Kept,
    /// Bytes of its body, whether they were kept or not.
    pub(crate) body_bytes: u64,
}

/// What the cache makes of an answer that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Nothing: it has no say in it.
    Apart,
    /// It is another than what was kept, if anything was. So many answers were let go
    /// for it, or it was not taken, for want of room.
    New { evicted: u32 },
    /// What was kept is still so, with what the answer says besides.
    StillSo { answer: Recalled, evicted: u32 },
}

/// The status of an answer that may be kept.
const OK: u16 = 200;
/// That of one which says that what is kept is still so.
const NOT_MODIFIED: u16 = 304;

impl Cache {
    /// Forgets what was asked: no condition is written any more, and the next answer is
    /// none of the cache's.
    pub(crate) fn let_pass(&mut self) {
        self.asked = None;
    }

    /// A request is due at `now`, whose answer somebody looks into: what is fresh
    /// answers it. Otherwise it is to be sent with the [conditions](Self::conditions).
    pub(crate) fn ask(&mut self, asking: Asking, looks: Looks, now: Instant) -> Option<Recalled> {
        self.asked = None;
        if !asking.may_be_kept() {
            self.ask_to_change(asking);
            return None;
        }
        let key = asking.key(asking.method());
        let known = self.kept.get(&key).and_then(|answers| {
            let found = answers.iter().rev().find(|it| it.fits(&asking));
            found.filter(|it| it.can_be_looked_into(looks))
        });
        if let Some(answer) = known.filter(|it| it.is_fresh(now)) {
            let recalled = answer.recalled();
            self.kept.to_back(&key);
            return Some(recalled);
        }
        let conditions = known.map(|it| it.validators.conditions());
        self.asked = Some(Asked::Read {
            asking,
            looks,
            conditions: conditions.unwrap_or_default(),
        });
        None
    }

    /// A request is sent whose answer is none of the cache's; what was kept for its target
    /// is, should it change that.
    pub(crate) fn ask_to_change(&mut self, asking: Asking) {
        let changes = asking.method() == Method::Unsafe;
        self.asked = changes.then_some(Asked::Change(asking));
    }

    /// Header fields by which the request that was asked for last is sent.
    pub(crate) fn conditions(&self) -> &[u8] {
        match &self.asked {
            Some(Asked::Read { conditions, .. }) => conditions,
            Some(Asked::Change(_)) | None => &[],
        }
    }

    /// Whether the request that is under way could have been answered by a cache.
    pub(crate) const fn waits(&self) -> bool {
        matches!(self.asked, Some(Asked::Read { .. }))
    }

    /// An answer came to the request that was asked for last, and had been sent at
    /// `sent`.
    pub(crate) fn came(
        &mut self,
        (status, kept, body_bytes): (u16, &Kept, u64),
        sent: Instant,
    ) -> Came {
        let Some(asked) = self.asked.take() else {
            return Came::Apart;
        };
        let came = match &asked {
            Asked::Change(asking) => {
                if (200..400).contains(&status) {
                    self.forget(&asking.key(Method::Get));
                    self.forget(&asking.key(Method::Head));
                }
                Came::Apart
            }
            Asked::Read {
                asking, conditions, ..
            } if status == NOT_MODIFIED => match conditions.is_empty() {
                true => Came::New { evicted: 0 },
                false => self.still_so(asking, kept, sent),
            },
            Asked::Read { asking, looks, .. } => Came::New {
                evicted: match status {
                    OK => self.put(asking, *looks, (kept, body_bytes), sent),
                    _ => 0,
                },
            },
        };
        // Its client may ask the same again, should it not be pleased.
        self.asked = Some(asked);
        came
    }

    /// Takes a new answer in the place of the one before; how many were let go for it,
    /// itself among them.
    fn put(
        &mut self,
        asking: &Asking,
        looks: Looks,
        (kept, body_bytes): (&Kept, u64),
        sent: Instant,
    ) -> u32 {
        self.take_out(asking);
        let policy = Policy::of(&kept.fields);
        let unread = looks.body && kept.unread().is_some();
        let (Some(policy), false, None) = (policy, unread, &kept.series) else {
            return 0;
        };
        let fields = kept.fields.iter();
        let fields = fields.filter(|(name, _)| !name.eq_ignore_ascii_case("set-cookie"));
        let answer = Answer {
            body: looks.body.then(|| kept.body.clone()),
            sha256: kept.sha256,
            body_bytes,
            ..Answer::of(policy, fields.cloned().collect(), asking, sent)
        };
        self.keep(asking.key(asking.method()), answer)
    }

    /// The server says that what is kept is still so.
    fn still_so(&mut self, asking: &Asking, kept: &Kept, sent: Instant) -> Came {
        let meant = self.take_out(asking);
        let Some(before) = meant.filter(|it| it.validators.are_meant_by(&kept.fields)) else {
            return Came::New { evicted: 0 };
        };
        let mut fields = before.fields;
        let own = |name: &str| {
            OF_THE_SENDING
                .iter()
                .any(|it| it.eq_ignore_ascii_case(name))
        };
        let names = kept
            .fields
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase());
        let names: HashSet<String> = names.collect();
        let said = |name: &str| {
            OF_ONCE.iter().any(|it| it.eq_ignore_ascii_case(name))
                || !own(name) && names.contains(&name.to_ascii_lowercase())
        };
        fields.retain(|(name, _)| !said(name));
        let told = kept.fields.iter().filter(|(name, _)| !own(name));
        fields.extend(told.cloned());
        let recalled = |body: Option<Vec<u8>>| Recalled {
            kept: Kept {
                fields: fields.clone(),
                body: body.unwrap_or_default(),
                sha256: before.sha256,
                ..Kept::default()
            },
            body_bytes: before.body_bytes,
        };
        let Some(policy) = Policy::of(&fields) else {
            let answer = recalled(before.body);
            return Came::StillSo { answer, evicted: 0 };
        };
        let answer = recalled(before.body.clone());
        fields.retain(|(name, _)| !name.eq_ignore_ascii_case("set-cookie"));
        let kept = Answer {
            body: before.body,
            sha256: before.sha256,
            body_bytes: before.body_bytes,
            ..Answer::of(policy, fields, asking, sent)
        };
        let evicted = self.keep(asking.key(asking.method()), kept);
        Came::StillSo { answer, evicted }
    }

    /// Keeps an answer, and lets go of what was used longest ago where it needs room.
    fn keep(&mut self, key: Key, answer: Answer) -> u32 {
        let bytes = answer.bytes() + key.bytes();
        let others = IN_USE.get() - self.room.0;
        let too_large = bytes > CLIENT_BYTES_MAX || answer.fields.len() > FIELDS_MAX;
        if too_large || others + bytes > WORKER_BYTES_MAX {
            return 1;
        }
        let mut evicted = 0;
        if self
            .kept
            .get(&key)
            .is_some_and(|it| it.len() >= VARIANTS_MAX)
        {
            self.drop_variant(&key, 0);
            evicted += 1;
        }
        let most = CLIENT_BYTES_MAX.min(WORKER_BYTES_MAX - others);
        while self.answers >= ANSWERS_MAX || self.room.0 + bytes > most {
            let Some(oldest) = self.kept.front().map(|(key, _)| key.clone()) else {
                break;
            };
            self.drop_variant(&oldest, 0);
            evicted += 1;
        }
        self.room.take(bytes);
        self.answers += 1;
        match self.kept.get_mut(&key) {
            Some(answers) => {
                answers.push(answer);
                self.kept.to_back(&key);
            }
            None => drop(self.kept.insert(key, vec![answer])),
        }
        evicted
    }

    /// Takes out what is kept for a request; the newest, if anything is.
    fn take_out(&mut self, asking: &Asking) -> Option<Answer> {
        let key = asking.key(asking.method());
        let mut newest = None;
        while let Some(answers) = self.kept.get(&key)
            && let Some(nth) = answers.iter().rposition(|it| it.fits(asking))
        {
            newest = newest.or(self.drop_variant(&key, nth));
        }
        newest
    }

    /// Lets go of all that is kept by a key.
    fn forget(&mut self, key: &Key) {
        while self.drop_variant(key, 0).is_some() {}
    }

    fn drop_variant(&mut self, key: &Key, nth: usize) -> Option<Answer> {
        let answers = self.kept.get_mut(key).filter(|it| nth < it.len())?;
        let answer = answers.remove(nth);
        if answers.is_empty() {
            self.kept.remove(key);
        }
        self.answers -= 1;
        self.room.give(answer.bytes() + key.bytes());
        Some(answer)
    }
}

impl Answer {
    /// One without a body.
    fn of(
        policy: Policy,
        mut fields: Vec<(String, Vec<u8>)>,
        asking: &Asking,
        sent: Instant,
    ) -> Self {
        // There is no room for more than what is counted.
        fields.shrink_to_fit();
        let says = |name: String| {
            let value = asking.says(&name);
            (name, value)
        };
        let fresh_until = sent.checked_add(policy.fresh_for);
        Self {
            varies: policy.varies.into_iter().map(says).collect(),
            fields,
            body: None,
            sha256: None,
            body_bytes: 0,
            validators: policy.validators,
            fresh_until: fresh_until.filter(|_| !policy.fresh_for.is_zero()),
        }
    }

    /// Whether a request says the same in all fields on which it depends.
    fn fits(&self, asking: &Asking) -> bool {
        let mut varies = self.varies.iter();
        varies.all(|(name, value)| asking.says(name) == *value)
    }

    /// Whether of it was kept what somebody looks at.
    const fn can_be_looked_into(&self, looks: Looks) -> bool {
        (self.body.is_some() || !looks.body) && (self.sha256.is_some() || !looks.digest)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    fn recalled(&self) -> Recalled {
        Recalled {
            kept: Kept {
                fields: self.fields.clone(),
                body: self.body.clone().unwrap_or_default(),
                sha256: self.sha256,
                ..Kept::default()
            },
            body_bytes: self.body_bytes,
        }
    }

    /// What it counts for.
    fn bytes(&self) -> usize {
        let fields = self.fields.iter();
        let fields = fields.map(|(name, value)| name.len() + value.len());
        let own = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let varies = self.varies.iter();
        let varies = varies.map(|(name, value)| name.len() + own(value));
        let validators = own(&self.validators.etag) + own(&self.validators.modified);
        let each = fields.chain(varies).map(|bytes| FIELD_BYTES + bytes);
        OVERHEAD_BYTES + each.sum::<usize>() + own(&self.body) + validators
    }
}

/// What one cache has of the room of its worker; free again when this is dropped.
#[derive(Debug, Default)]
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) {
        IN_USE.set(IN_USE.get() + bytes);
        self.0 += bytes;
    }

    fn give(&mut self, bytes: usize) {
        IN_USE.set(IN_USE.get() - bytes);
        self.0 -= bytes;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        IN_USE.set(IN_USE.get().saturating_sub(self.0));
    }
}
