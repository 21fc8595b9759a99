//! Files that a command writes at its end, looked at before it begins: a run
//! may take an hour, and what it found must not be lost to a missing folder.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access};

/// Links that are followed to a file that is not there yet; as many as the
/// kernel follows.
const LINKS_MAX: usize = 40;

/// Refuses a path that no file can be written to.
///
/// # Errors
/// Why, in words.
pub fn refuse_unwritable(path: &Path) -> Result<(), String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let target = followed(path);
    match std::fs::metadata(&target) {
        Ok(found) => refuse_existing(&target, &found).map_err(|why| said(&why)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = folder_of(&target);
            if target.as_os_str().as_encoded_bytes().ends_with(b"/") || !folder.is_dir() {
                let missing = if folder.is_dir() { &target } else { &folder };
                return Err(said(&format!("there is no folder {}", missing.display())));
            }
            access(&folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| said(&format!("nothing can be written there: {error}")))
        }
        Err(error) => Err(said(&error)),
    }
}

fn refuse_existing(path: &Path, found: &Metadata) -> Result<(), String> {
    if found.is_dir() {
        return Err("this is a folder; name a file in it".to_owned());
    }
    if found.file_type().is_socket() {
        return Err("this is a socket".to_owned());
    }
    access(path, Access::WRITE_OK).map_err(|error| format!("this cannot be written: {error}"))
}

/// Whether two paths name one file, which the second would overwrite. Devices
/// and pipes take one after the other.
pub fn are_one_file(one: &Path, other: &Path) -> bool {
    let (one, other) = (followed(one), followed(other));
    match (std::fs::metadata(&one), std::fs::metadata(&other)) {
        (Ok(one), Ok(other)) => {
            one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        (Err(_), Err(_)) => in_whole(&one) == in_whole(&other),
        _ => false,
    }
}

/// The way from a file, which may not be there yet, to a folder: relative where
/// they share one, so that both can be moved together, and absolute where they
/// do not. A link may be read where it is or where it leads, so it gets an
/// absolute way too. `None` from what is no file, like a pipe.
pub fn way_between(file: &Path, folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    match std::fs::metadata(file) {
        Ok(found) if !found.is_file() => return None,
        _ if file.is_symlink() => return Some(folder),
        _ => {}
    }
    let start = folder_of(file).canonicalize().ok()?;
    let shared = start
        .components()
        .zip(folder.components())
        .take_while(|(one, other)| one == other)
        .count();
    // The root, which every path has, is nothing to share.
    if shared <= 1 && start != folder {
        return Some(folder);
    }
    let up = start
        .components()
        .skip(shared)
        .map(|_| Component::ParentDir);
    let down = folder.components().skip(shared);
    Some(up.chain(down).collect())
}

/// Where a path leads, even if nothing is there yet.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The path of a file that is not there, in one spelling.
fn in_whole(path: &Path) -> Option<PathBuf> {
    let folder = folder_of(path).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_cannot_be_written_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        symlink(at("missing/x"), at("lost")).unwrap();
        symlink("round", at("round")).unwrap();
        symlink("folder/new", at("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (name, why) in [
            ("missing/x", "no folder"),
            ("file/x", "file/x"),
            ("folder", "folder"),
            ("folder/", "folder"),
            ("new/", "no folder"),
            (".", "folder"),
            ("lost", "no folder"),
            ("round", "round"),
            ("socket", "socket"),
        ] {
            let said = refuse_unwritable(&at(name)).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
        assert!(refuse_unwritable(&at(&"x".repeat(300))).is_err());
        for name in ["file", "new", "folder/new", "folder/../new", "link"] {
            assert_eq!(refuse_unwritable(&at(name)), Ok(()), "{name}");
        }
        assert_eq!(refuse_unwritable(Path::new("/dev/null")), Ok(()));
        assert!(!at("new").exists() && std::fs::read(at("file")).unwrap() == b"x");
    }

    #[test]
    fn folders_and_files_of_others_are_refused() {
        if rustix::process::geteuid().is_root() {
            std::io::Write::write_all(
                &mut std::io::stderr(),
                b"skipped: needs a user that is not root\n",
            )
            .unwrap();
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&file, 0o400);
        assert!(refuse_unwritable(&file).is_err());
        set(root.path(), 0o500);
        assert!(refuse_unwritable(&root.path().join("new")).is_err());
        set(root.path(), 0o700);
    }

    #[test]
    fn the_way_from_a_report_to_its_run() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        let run = at("runs/a b/1");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::create_dir_all(at("out/deep")).unwrap();
        std::fs::write(at("out/there"), "x").unwrap();
        symlink(at("out/there"), at("out/link")).unwrap();
        symlink(at("out/deep"), at("short")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (file, way) in [
            ("runs/a b/1/other.html", Some("")),
            ("new.html", Some("runs/a b/1")),
            ("runs/new.html", Some("a b/1")),
            ("out/there", Some("../runs/a b/1")),
            ("out/deep/../deep/new.html", Some("../../runs/a b/1")),
            // Where the file comes to stand, and not where its name does.
            ("short/new.html", Some("../../runs/a b/1")),
            ("socket", None),
            ("missing/new.html", None),
        ] {
            let found = way_between(&at(file), &run);
            assert_eq!(found.as_deref(), way.map(Path::new), "{file}");
        }
        assert_eq!(way_between(&at("out/link"), &run), Some(run.clone()));
        assert_eq!(way_between(Path::new("/new.html"), &run), Some(run.clone()));
        assert_eq!(way_between(Path::new("/dev/null"), &run), None);
        assert_eq!(way_between(&at("new.html"), &at("missing")), None);
    }

    #[test]
    fn one_file_has_many_names() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::fs::hard_link(at("file"), at("hard")).unwrap();
        symlink("file", at("soft")).unwrap();
        symlink("new", at("coming")).unwrap();
        for (one, other) in [
            ("file", "file"),
            ("file", "hard"),
            ("file", "soft"),
            ("file", "folder/../file"),
            ("new", "new"),
            ("new", "./folder/../new"),
            ("new", "coming"),
        ] {
            assert!(are_one_file(&at(one), &at(other)), "{one} {other}");
        }
        assert!(!are_one_file(&at("file"), &at("new")));
        assert!(!are_one_file(&at("new"), &at("folder/new")));
        assert!(!are_one_file(
            Path::new("/dev/null"),
            Path::new("/dev/null")
        ));
    }
}
