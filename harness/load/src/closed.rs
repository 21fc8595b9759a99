//! The users of a closed loop: each sends its next request when its last was settled
//! and it has thought. Who takes part when, how long it thinks and what it sends are
//! functions of the seed, the user and how many requests it has sent.

use std::time::Duration;

use squall_scenario::seed::{nth, sub_seed, unit_interval};
use squall_scenario::{Stage, Think};

use crate::slice::Slice;

/// Those users of a closed loop that one thread plays.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    rounds: Vec<Round>,
    /// The most users of any round: numbers of one user's requests lie so far apart.
    most: u64,
    slice: Slice,
    seed: u64,
}

/// A stage.
#[derive(Debug, Clone, Copy)]
struct Round {
    from: Duration,
    to: Duration,
    users: u32,
    think: Option<Think>,
}

/// A request of a user: its nth, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) user: u32,
    pub(crate) nth: u64,
}

impl Turn {
    /// The first of a user.
    pub(crate) const fn first(user: u32) -> Self {
        Self { user, nth: 0 }
    }

    /// The one behind it.
    pub(crate) const fn next(self) -> Self {
        Self {
            user: self.user,
            nth: self.nth + 1,
        }
    }
}

impl Users {
    /// The users of a shape, where it has any.
    pub(crate) fn new(shape: &[Stage], slice: Slice) -> Option<Self> {
        let mut to = Duration::ZERO;
        let rounds = shape.iter().filter_map(|stage| {
            let from = to;
            to += stage.duration();
            let Stage::Closed { users, think, .. } = stage else {
                return None;
            };
            let (users, think) = (*users, *think);
            Some(Round {
                from,
                to,
                users,
                think,
            })
        });
        let rounds: Vec<_> = rounds.collect();
        let most = rounds.iter().map(|round| round.users).max()?;
        Some(Self {
            rounds,
            most: u64::from(most),
            slice,
            seed: sub_seed(slice.seed, "think"),
        })
    }

    /// The same before time zero: those of the first round, without an end.
    pub(crate) fn in_lead(&self) -> Self {
        let first = self.rounds.first().map(|round| Round {
            from: Duration::ZERO,
            to: Duration::MAX,
            ..*round
        });
        Self {
            rounds: first.into_iter().collect(),
            ..self.clone()
        }
    }

    /// All that ever take part.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> {
        (0..self.most as u32).filter(|user| self.slice.has(u64::from(*user)))
    }

    /// Those who take part from the first moment on.
    pub(crate) fn at_first(&self) -> impl Iterator<Item = u32> {
        let first = self.rounds.first().map_or(0, |round| round.users);
        self.all().filter(move |user| *user < first)
    }

    /// The number of a request, by which it draws what it sends: no other one of this
    /// load has it.
    pub(crate) const fn number(&self, turn: Turn) -> u64 {
        turn.nth * self.most + turn.user as u64
    }

    /// When a user that has been free since `free` takes a turn, if it takes one any
    /// more. Whoever begins does so somewhere within the time of its first thought, so
    /// that not all begin at once.
    pub(crate) fn due(&self, turn: Turn, free: Duration) -> Option<Duration> {
        let round = self.rounds.iter().find(|round| free < round.to)?;
        let free = free.max(round.from);
        if turn.user >= round.users {
            return self.joins(turn, round.to);
        }
        let Some(think) = round.think else {
            return Some(free);
        };
        let place = unit_interval(nth(self.seed, self.number(turn)));
        let thought = match turn.nth {
            0 => think.to.mul_f64(place),
            _ => think.at(place),
        };
        let due = free + thought;
        match due < round.to {
            true => Some(due),
            false => self.back(turn, due),
        }
    }

    /// When a user takes a turn that it wants at `due`, behind the end of its round:
    /// where it is gone by then, it comes back as one that joins.
    fn back(&self, turn: Turn, due: Duration) -> Option<Duration> {
        match self.rounds.iter().find(|round| due < round.to)? {
            later if turn.user < later.users => Some(due),
            later => self.joins(turn, later.to),
        }
    }

    /// When a user joins that does not take part before `from`.
    fn joins(&self, turn: Turn, from: Duration) -> Option<Duration> {
        let mut rounds = self.rounds.iter().filter(|round| round.from >= from);
        let round = rounds.find(|round| turn.user < round.users)?;
        let place = unit_interval(nth(self.seed, self.number(turn)));
        let think = round.think.map_or(Duration::ZERO, |think| think.to);
        let due = round.from + think.mul_f64(place);
        match due < round.to {
            true => Some(due),
            false => self.back(turn, due),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn closed(users: u32, think_ms: Option<(u64, u64)>, ms: u64) -> Stage {
        Stage::Closed {
            users,
            think: think_ms.map(|(from, to)| Think {
                from: Duration::from_millis(from),
                to: Duration::from_millis(to),
            }),
            duration: Duration::from_millis(ms),
        }
    }

    fn users(shape: &[Stage]) -> Users {
        Users::new(shape, Slice::of(7, None, (0, 1))).unwrap()
    }

    #[test]
    fn who_does_not_think_goes_on_at_once_while_it_takes_part() {
        let ms = Duration::from_millis;
        let shape = [
            closed(2, None, 1_000),
            closed(1, None, 1_000),
            closed(3, None, 1_000),
        ];
        let users = users(&shape);
        let turn = |user| Turn { user, nth: 5 };
        assert_eq!(users.due(turn(0), ms(1_500)), Some(ms(1_500)));
        assert_eq!(users.due(turn(1), ms(999)), Some(ms(999)));
        assert_eq!(users.due(turn(1), ms(1_000)), Some(ms(2_000)), "it pauses");
        assert_eq!(
            users.due(Turn::first(2), ms(0)),
            Some(ms(2_000)),
            "it joins"
        );
        assert_eq!(users.due(turn(0), ms(3_000)), None, "the load is over");
        assert_eq!(users.at_first().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(users.all().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn who_thinks_longer_than_the_stage_it_joins_plays_in_the_next() {
        let think = |s: u64| Some((0, s * 1_000));
        let shape = [
            closed(1, think(1), 2_000),
            closed(40, think(10), 2_000),
            closed(40, think(1), 10_000),
        ];
        let users = users(&shape);
        let due = |user| users.due(Turn::first(user), Duration::ZERO);
        let all: Vec<_> = (0..40).filter_map(due).collect();
        assert_eq!(all.len(), 40);
        let in_last = |due: &&Duration| **due >= Duration::from_secs(4);
        assert!(all.iter().filter(in_last).count() > 10, "{all:?}");
    }

    proptest! {
        #[test]
        fn users_think_as_long_as_they_are_said_to_and_take_part_in_their_stages(
            stages in prop::collection::vec((1..9_u32, 0..50_u64, 0..50_u64, 1..400_u64), 1..4),
            user in 0..9_u32, count in 0..99_u64, free_ms in 0..1_500_u64,
        ) {
            let shape: Vec<_> = stages.iter()
                .map(|(users, from, span, ms)| closed(*users, Some((*from, from + span)), *ms))
                .collect();
            let users = users(&shape);
            let turn = Turn { user, nth: count };
            let free = Duration::from_millis(free_ms);
            let Some(due) = users.due(turn, free) else {
                // It has thought for so long at most since it was free or could join.
                let long = users.rounds.iter().map(|round| round.think.unwrap().to);
                let long = long.max().unwrap();
                let after = free + long;
                let left = users.rounds.iter().filter(|round| user < round.users);
                let long_enough = left
                    .filter(|round| round.to > after && round.to - round.from > long);
                prop_assert_eq!(long_enough.count(), 0, "it is lost");
                return Ok(());
            };
            prop_assert_eq!(users.due(turn, free), Some(due));
            prop_assert!(due >= free);
            let round = users.rounds.iter().find(|round| due < round.to).unwrap();
            prop_assert!(user < round.users, "it takes part then");
            let own = users.rounds.iter().find(|round| free < round.to).unwrap();
            let think = own.think.unwrap();
            if count > 0 && user < own.users && due < own.to {
                prop_assert!(due - free >= think.from && due - free <= think.to);
            }
        }

        /// The slices of threads and shards are the whole, and no number is used twice.
        #[test]
        fn threads_share_the_users(many in 1..40_u32, threads in 1..6_u32, turns in 1..9_u64) {
            let shape = [closed(many, None, 10)];
            let mut numbers = Vec::new();
            for thread in 0..threads {
                let users = Users::new(&shape, Slice::of(7, None, (thread, threads))).unwrap();
                for user in users.all() {
                    numbers.extend((0..turns).map(|nth| users.number(Turn { user, nth })));
                }
            }
            numbers.sort_unstable();
            let whole: Vec<_> = (0..u64::from(many) * turns).collect();
            prop_assert_eq!(numbers, whole);
        }
    }
}
