//! Doubts are told once: where one reason sets ten gates aside, nine of them
//! refer to it.

use squall_judge::verdict::Verdict;

/// What stands between a doubt and the figures it sets aside.
const JOINTS: [&str; 2] = ["; for what it is worth: ", "; so far: "];

/// The doubts that a reader has met already.
pub(super) struct Told(Vec<String>);

impl Told {
    /// The reader has met the verdict's sentence, and so its first reason.
    pub(super) fn by_sentence(verdict: &Verdict) -> Self {
        Self(verdict.reasons.first().cloned().into_iter().collect())
    }

    /// The explanation of a gate, without a doubt that was told before.
    pub(super) fn brief(&mut self, explanation: &str) -> String {
        let split = JOINTS
            .iter()
            .find_map(|joint| explanation.split_once(joint));
        let Some((doubt, figures)) = split else {
            return explanation.to_owned();
        };
        if self.0.iter().any(|known| known == doubt) {
            return format!("not decided, for the reason above; what was seen: {figures}");
        }
        self.0.push(doubt.to_owned());
        explanation.to_owned()
    }
}

/// The reasons after the first one; those that only repeat it are counted.
pub(super) fn further_reasons(verdict: &Verdict, most: usize) -> Vec<String> {
    let Some((first, rest)) = verdict.reasons.split_first() else {
        return Vec::new();
    };
    let (repeated, own): (Vec<_>, Vec<_>) = rest
        .iter()
        .partition(|reason| reason.contains(first.as_str()));
    let mut reasons: Vec<String> = own.iter().take(most).copied().cloned().collect();
    if own.len() > most {
        reasons.push(format!("and {} more", own.len() - most));
    }
    match repeated.len() {
        0 => {}
        1 => reasons.push("one gate is undecided for that reason".to_owned()),
        many => reasons.push(format!("{many} gates are undecided for that reason")),
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_told_once() {
        let mut told = Told(vec!["the baseline was broken".to_owned()]);
        let brief = "not decided, for the reason above; what was seen: 3 failed";
        let broken = "the baseline was broken; for what it is worth: 3 failed";
        assert_eq!(told.brief(broken), brief);
        let cut = "the run was cut short; so far: 3 failed";
        assert_eq!(told.brief(cut), cut);
        assert_eq!(told.brief(cut), brief);
        assert_eq!(told.brief("3 of 9 failed"), "3 of 9 failed");
    }
}
