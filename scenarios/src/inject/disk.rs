//! `disk`: the file system of a folder is filled.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Mistake, ParameterKind};
use super::{About, Parameter, Surface};
use crate::units::ByteCount;

/// The file system of a folder is filled, down to a floor that is never crossed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The folder as the target sees it; relative to its working directory.
    pub fill: String,
    /// What is left free for users who are not root.
    pub leave: ByteCount,
}

pub(super) static ABOUT: About = About {
    keyword: "disk",
    surface: Surface::Resource,
    about: "The disk that a running process writes to is full, or nearly so.",
    also_called: &["disk_fill", "fill_disk", "full_disk", "enospc"],
    noun: "a full disk",
    meaning: "The file system of a folder of the running process is filled down to a floor.",
    reads: "disk: { fill: /var/lib/payments, leave: 64MiB }",
    parameters: &[
        Parameter::needed(
            "fill",
            ParameterKind::Text,
            "A folder as the process sees it, in its own root and relative to its working directory; its whole file system is filled, for everybody who writes there.",
            &["dir", "directory", "folder", "path"],
        ),
        Parameter::needed(
            "leave",
            ParameterKind::Size,
            "What is left free, for root where the process is root's; nothing is taken below it. At least 64MiB where squall itself writes, and on the root file system.",
            &["floor", "free", "keep", "down_to"],
        ),
    ],
    example: "- name: payments cannot write
  at: 15s
  inject: { disk: { fill: /var/lib/payments, leave: 64MiB } }
  into: payments
  for: 20s",
    verified: "The file system must say that no more than `leave` is free, or what others take and give meanwhile is made up for. Where squall may not take that much (a quota of its own, what is kept for root), it is not injected.",
    undone: "The file that fills it has no name and is squall's own, so the kernel frees it when squall ends, however it ends. It is emptied and seen to be empty before it is closed.",
    read: |given| {
        let fill = given.text("fill")?.to_owned();
        let leave = given.bytes("leave")?;
        Some(Disk { fill, leave }.into())
    },
};

impl Kind for Disk {
    fn details(&self) -> String {
        format!(" fill {} but {}", self.fill, self.leave)
    }

    fn brief(&self) -> String {
        format!(" fill {}", self.fill)
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.fill.trim().is_empty() || self.fill.contains('\0')).then(|| {
            Mistake::out_of_range(
                "fill",
                "a full disk has a folder on it",
                "which folder?",
                "write a folder as the process sees it, for instance `/var/lib/payments`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::Inject;

    #[test]
    fn a_full_disk_says_where_and_how_full() {
        let of = |fill: &str| Disk {
            fill: fill.to_owned(),
            leave: ByteCount(1 << 20),
        };
        let inject = Inject::from(of("/data"));
        assert_eq!(inject.to_string(), "disk fill /data but 1MiB");
        assert_eq!(inject.in_brief(), "disk fill /data");
        assert_eq!(inject.mistake(), None);
        assert!(of(" ").mistake().is_some());
    }
}
