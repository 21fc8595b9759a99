//! `limit`: a running process may open fewer descriptors, write shorter files or
//! start fewer processes.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, Mistake, ParameterKind, Problem};
use super::{About, Parameter, Surface};
use crate::units::ByteCount;

/// Limits of a running process are lowered: their soft values only, as a hard
/// value that was lowered cannot be raised again without privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limit {
    /// Descriptors that each process may have open (`RLIMIT_NOFILE`).
    pub files: Option<u32>,
    /// Size up to which a file may be written (`RLIMIT_FSIZE`).
    pub file_size: Option<ByteCount>,
    /// Processes and threads that its user may have (`RLIMIT_NPROC`).
    pub processes: Option<u32>,
}

pub(super) static ABOUT: About = About {
    keyword: "limit",
    surface: Surface::Resource,
    about: "A running process may open fewer descriptors, write shorter files or start fewer processes.",
    also_called: &["ulimit", "rlimit", "limits"],
    noun: "a limit",
    meaning: "Limits of the running process and of all it started are lowered (prlimit, soft values only).",
    reads: "limit: { files: 64 }",
    parameters: &[
        Parameter::optional(
            "files",
            ParameterKind::Count(1, 1_000_000_000),
            "Descriptors that each process may have open; what is open stays open, whatever would be one more fails with EMFILE.",
            &["descriptors", "nofile", "fds", "open_files"],
        ),
        Parameter::optional(
            "file_size",
            ParameterKind::Size,
            "Size beyond which no file may be written: EFBIG, and SIGXFSZ for who does not ignore it.",
            &["fsize", "filesize"],
        ),
        Parameter::optional(
            "processes",
            ParameterKind::Count(1, 1_000_000_000),
            "Processes and threads that the user of the process may have in all: starting one more fails with EAGAIN. The kernel does not count those of root.",
            &["nproc", "threads"],
        ),
    ],
    example: "- name: out of descriptors
  at: 15s
  inject: { limit: { files: 64 } }
  into: payments
  for: 10s",
    verified: "The limits must stand in /proc/PID/limits of the process and of everything it started.",
    undone: "Each process gets its own old value back, and what was started meanwhile that of the first. The undo is on disk before the effect, so `squall recover` can do it too.",
    read: |given| {
        Some(
            Limit {
                files: given.count("files"),
                file_size: given.bytes("file_size"),
                processes: given.count("processes"),
            }
            .into(),
        )
    },
};

impl Limit {
    fn parts(&self) -> Vec<String> {
        let files = self.files.map(|most| format!("files to {most}"));
        let size = self.file_size.map(|most| format!("file size to {most}"));
        let processes = self.processes.map(|most| format!("processes to {most}"));
        [files, size, processes].into_iter().flatten().collect()
    }
}

impl Kind for Limit {
    fn details(&self) -> String {
        format!(" {}", self.parts().join(", "))
    }

    fn brief(&self) -> String {
        self.details()
    }

    fn mistake(&self) -> Option<Mistake> {
        if self.parts().is_empty() {
            return Some(Mistake {
                parameter: "files",
                problem: Problem::OutOfRange,
                title: "a limit of nothing",
                label: "which limit, and how low?".to_owned(),
                help: "write for instance `limit: { files: 64 }`; there are `files`, `file_size` and `processes`",
            });
        }
        self.file_size.filter(|most| most.0 == 0).map(|_| Mistake {
            parameter: "file_size",
            problem: Problem::OutOfRange,
            title: "no file could be written at all",
            label: "no byte".to_owned(),
            help: "write the size up to which files may grow, for instance `1MiB`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::Inject;

    #[test]
    fn a_limit_says_what_it_limits() {
        let limit = Limit {
            files: Some(64),
            file_size: Some(ByteCount(1 << 20)),
            processes: None,
        };
        let inject = Inject::from(limit);
        assert_eq!(inject.to_string(), "limit files to 64, file size to 1MiB");
        assert_eq!(inject.mistake(), None);
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        let mistake = Limit::default().mistake().map(|mistake| mistake.title);
        assert_eq!(mistake, Some("a limit of nothing"));
        let file_size = Some(ByteCount(0));
        let nothing = Limit {
            file_size,
            ..Limit::default()
        };
        let mistake = nothing.mistake().map(|mistake| mistake.parameter);
        assert_eq!(mistake, Some("file_size"));
    }
}
