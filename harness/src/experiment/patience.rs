//! How long the engine waits for an answer of the outside: every wait ends.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The answer did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Within the time that it had.
    Late,
    /// The run was cut short meanwhile, and nobody wants it any more.
    CutShort,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'t> {
    /// Its time; longer than whoever answers gives himself.
    pub(super) within: Duration,
    /// Cancelled when the run is cut short.
    pub(super) cut_short: &'t CancellationToken,
    /// What is left of its time from then on.
    pub(super) then: Duration,
}

impl Patience<'_> {
    /// The answer, unless it comes too late: then the question is dropped.
    pub(super) async fn wait<T>(self, answer: impl Future<Output = T>) -> Result<T, Unanswered> {
        let cut_short = async {
            self.cut_short.cancelled().await;
            tokio::time::sleep(self.then).await;
        };
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            () = cut_short => Err(Unanswered::CutShort),
            () = tokio::time::sleep(self.within) => Err(Unanswered::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_its_time_and_less_once_the_run_is_cut_short() {
        let cut_short = CancellationToken::new();
        let patience = Patience {
            within: 10 * SECOND,
            cut_short: &cut_short,
            then: SECOND,
        };
        let start = Instant::now();
        let slow = async { sleep(9 * SECOND).await };
        assert_eq!(patience.wait(slow).await, Ok(()));
        assert_eq!(patience.wait(pending::<()>()).await, Err(Unanswered::Late));
        assert_eq!(start.elapsed(), 19 * SECOND);
        cut_short.cancel();
        assert_eq!(
            patience.wait(pending::<()>()).await,
            Err(Unanswered::CutShort)
        );
        assert_eq!(start.elapsed(), 20 * SECOND);
        assert_eq!(patience.wait(async {}).await, Ok(()));
    }
}
