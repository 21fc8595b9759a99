//! A folder as a process sees it: links lead where they lead for that process, and
//! never out of its root.

use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, open, openat2, readlink};
use rustix::io::Errno;

/// How often a look is repeated that somebody disturbed by moving folders.
const TRIES_MAX: usize = 8;

/// Opens it to look at and to open files in, no more.
///
/// # Errors
/// It is not there for that process; ENOENT also where its working directory is not
/// below its root, and the folder is relative.
pub(super) fn open_as_seen_by(pid: u32, folder: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let link = |name: &str| format!("/proc/{pid}/{name}");
    let root = open(link("root"), flags, Mode::empty())?;
    let folder = Path::new(folder);
    if folder.is_absolute() {
        return open_in(&root, folder);
    }
    let works_in = open(link("cwd"), flags, Mode::empty())?;
    if folder.components().all(|part| part == Component::CurDir) {
        return Ok(works_in);
    }
    let path = |name| readlink(link(name), Vec::new());
    let (below, above) = (path("cwd")?, path("root")?);
    let (Ok(below), Ok(above)) = (below.to_str(), above.to_str()) else {
        return Err(Errno::ILSEQ);
    };
    let below = Path::new(below).strip_prefix(above);
    let below = Path::new("/").join(below.map_err(|_| Errno::NOENT)?);
    // A path may be of one that was moved or mounted over since.
    let (found, meant) = (fstat(open_in(&root, &below)?)?, fstat(&works_in)?);
    if (found.st_dev, found.st_ino) != (meant.st_dev, meant.st_ino) {
        return Err(Errno::NOENT);
    }
    open_in(&root, &below.join(folder))
}

fn open_in(root: &OwnedFd, folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 1;
    loop {
        match openat2(root, folder, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < TRIES_MAX => tries += 1,
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_folder_is_absolute_or_below_where_the_process_works() {
        let own = std::process::id();
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("/proc", &link).unwrap();
        let link = link.to_str().unwrap();
        for (asked, is) in [
            ("src", "src"),
            (".", "."),
            ("./src/..", "."),
            (link, "/proc"),
        ] {
            let opened = fstat(open_as_seen_by(own, asked).unwrap()).unwrap();
            let is = std::fs::metadata(is).unwrap();
            assert_eq!(
                (opened.st_dev, opened.st_ino),
                (is.dev(), is.ino()),
                "{asked}"
            );
        }
        let missing = open_as_seen_by(own, "not/there").unwrap_err();
        assert_eq!(missing, Errno::NOENT);
        // A link of the kernel's leads out of every root.
        assert!(open_as_seen_by(own, "/proc/self/cwd").is_err());
    }
}
