//! Names that are given once, with numbers behind those that are wanted again.

use std::collections::{HashMap, HashSet};

/// Names that are taken, and from where numbers go on.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    last: HashMap<String, usize>,
}

impl Names {
    /// The name that is wanted, or the stem with the next number that is free. What
    /// was tried once is not tried again: thousands may want one name.
    pub(super) fn free(&mut self, wanted: &str, stem: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let number = self.last.entry(stem.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let name = format!("{stem}{number}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}
