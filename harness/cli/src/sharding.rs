//! Which share of a load this squall sends, and when all of them start.

use std::time::Instant;

use jiff::Timestamp;
use squall_record::{Shard, ShardSet};
use squall_scenario::{FaultTarget, LoadTarget, Scenario};

/// The share of one squall.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which one.
    pub shard: Shard,
    /// Time zero as it was agreed, where there are others.
    pub zero: Option<Instant>,
    start_at: Option<String>,
}

impl Part {
    /// From `--shard` and `--start-at`; `environment` is asked by `auto`.
    pub fn from_args(
        shard: Option<&str>,
        start_at: Option<Timestamp>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let Some(text) = shard else {
            return match start_at {
                Some(_) => Err("--start-at is for shards; give --shard NUMBER/COUNT too".into()),
                None => Ok(None),
            };
        };
        let shard = read(text, environment)?;
        let zero = start_at.map(instant_of).transpose()?;
        if shard.of() > 1 && zero.is_none() {
            return Err(
                "shards start together: give all of them the same --start-at, a time \
                 far enough away to have every system ready, for instance \
                 --start-at 2026-11-22T12:00:00Z"
                    .into(),
            );
        }
        let start_at = start_at.map(|at| at.to_string());
        Ok(Some(Self {
            shard,
            zero,
            start_at,
        }))
    }

    /// What stands in `run.json`.
    pub fn set(&self) -> ShardSet {
        ShardSet::single(self.shard, self.start_at.clone())
    }

    /// How the command line says it.
    pub fn arguments(&self) -> String {
        let start = self.start_at.as_ref();
        let start = start.map_or_else(String::new, |at| format!(" --start-at {at}"));
        format!(" --shard {}{start}", self.shard)
    }

    /// Refuses a scenario of which every shard would test another system.
    pub fn refuse_unfit(&self, scenario: &Scenario) -> Result<(), String> {
        let system = &scenario.system;
        if self.shard.of() == 1 {
            return Ok(());
        }
        if let Some(process) = system.processes.first() {
            return Err(format!(
                "every shard would start a `{}` of its own, so no two of them would load the \
                 same system; start it yourself and give its address as `target:`",
                process.name
            ));
        }
        let Some(LoadTarget::Url(target)) = &system.target else {
            return Ok(());
        };
        let target = target.source();
        let faulty = scenario
            .faults
            .iter()
            .find_map(|fault| match &fault.into.value {
                FaultTarget::Link(link) if target.contains(&format!("$links.{link}")) => {
                    Some((fault, link))
                }
                _ => None,
            });
        match faulty {
            Some((fault, link)) => Err(format!(
                "the load goes through link `{link}`, of which every shard has its own, and only \
                 the first shard injects `{}`: the others would not meet it",
                fault.name.value
            )),
            None => Ok(()),
        }
    }
}

/// `2/8`, `auto` or `auto/8`.
fn read(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Shard, String> {
    match text.strip_prefix("auto") {
        Some("") => detect(None, environment),
        Some(count) => {
            let count = count.strip_prefix('/').and_then(|count| count.parse().ok());
            let count = count.ok_or_else(|| format!("write auto or auto/COUNT, not {text:?}"))?;
            detect(Some(count), environment)
        }
        None => text.parse(),
    }
}

/// The index that a job of Kubernetes, GitLab or Slurm finds in its
/// environment. Each counts in its own way.
fn detect(
    count: Option<u32>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    let number = |name: &str| -> Result<Option<u32>, String> {
        let value = environment(name).filter(|value| !value.is_empty());
        let parse = |text: String| {
            text.parse()
                .map_err(|_| format!("{name}={text:?} is no number"))
        };
        value.map(parse).transpose()
    };
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        let count = count.ok_or(
            "an Indexed Job does not tell its pods how many there are; write --shard auto/COUNT \
             with COUNT as in `completions:`",
        )?;
        return Shard::new(index.saturating_add(1), count);
    }
    if let (Some(index), Some(total)) = (number("CI_NODE_INDEX")?, number("CI_NODE_TOTAL")?) {
        return Shard::new(index, count.unwrap_or(total));
    }
    if let (Some(id), Some(total)) = (
        number("SLURM_ARRAY_TASK_ID")?,
        number("SLURM_ARRAY_TASK_COUNT")?,
    ) {
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let index = id.saturating_sub(first) / step;
        return Shard::new(index.saturating_add(1), count.unwrap_or(total));
    }
    Err(
        "--shard auto reads JOB_COMPLETION_INDEX (Kubernetes), CI_NODE_INDEX and CI_NODE_TOTAL \
         (GitLab), or SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT (Slurm), and none of them is \
         set; write --shard NUMBER/COUNT"
            .into(),
    )
}

/// The wall clock is read once, here; from then on the run's own clock counts.
fn instant_of(at: Timestamp) -> Result<Instant, String> {
    let ahead = std::time::Duration::try_from(at.duration_since(Timestamp::now()));
    ahead
        .ok()
        .and_then(|ahead| Instant::now().checked_add(ahead))
        .ok_or_else(|| format!("--start-at {at} is in the past"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(text: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        read(text, &environment).map(|shard| shard.to_string())
    }

    #[test]
    fn every_array_counts_in_its_own_way() {
        let kubernetes = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(detected("auto/4", &kubernetes).unwrap(), "1/4");
        assert!(
            detected("auto", &kubernetes)
                .unwrap_err()
                .contains("completions")
        );
        let gitlab = [("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "3")];
        assert_eq!(detected("auto", &gitlab).unwrap(), "3/3");
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        assert_eq!(detected("auto", &slurm).unwrap(), "3/3");
        assert_eq!(detected("2/8", &slurm).unwrap(), "2/8");
    }

    #[test]
    fn an_array_that_is_none_is_told() {
        assert!(detected("auto", &[]).unwrap_err().contains("NUMBER/COUNT"));
        assert!(detected("auto/x", &[]).is_err());
        let outside = [("JOB_COMPLETION_INDEX", "4")];
        assert!(
            detected("auto/4", &outside)
                .unwrap_err()
                .contains("no shard 5")
        );
        let odd = [("CI_NODE_INDEX", "one"), ("CI_NODE_TOTAL", "3")];
        assert!(detected("auto", &odd).unwrap_err().contains("is no number"));
    }

    #[test]
    fn shards_agree_on_a_start() {
        let none = |_: &str| None;
        let alone = Part::from_args(Some("2/4"), None, &none);
        assert!(alone.unwrap_err().contains("--start-at"));
        let past = Part::from_args(Some("2/4"), Some(Timestamp::UNIX_EPOCH), &none);
        assert!(past.unwrap_err().contains("in the past"));
        assert!(Part::from_args(Some("1/1"), None, &none).unwrap().is_some());
        assert!(Part::from_args(None, None, &none).unwrap().is_none());
    }
}
