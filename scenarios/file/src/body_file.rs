//! Reading the bodies that stand in files beside the scenario.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::path::Path;

use squall_scenario::{BodyFile, quoted};

use crate::diagnostic::Diagnostic;
use crate::yaml::{Node, NodeKind};
use crate::{codes, library};

/// Largest body that is read from a file, in bytes.
pub const BODY_BYTES_MAX: u64 = 64 << 20;

/// Reads the file at a path that the scenario called `scenario` writes.
///
/// # Errors
/// A diagnostic without a place: the file is missing, no regular file
/// (`S0001`) or larger than [`BODY_BYTES_MAX`] (`S0004`).
pub(crate) fn read_body(path: &str, scenario: &str) -> Result<BodyFile, Box<Diagnostic>> {
    let unreadable = |why: &dyn fmt::Display| {
        let title = format!("I cannot read {}: {why}", quoted(path));
        let help = "the path is relative to the folder of this file";
        Box::new(Diagnostic::error(codes::UNREADABLE, title).help(help))
    };
    if scenario.starts_with(library::PREFIX) {
        return Err(unreadable(&"the library has no files"));
    }
    let folder = Path::new(scenario).parent().unwrap_or(Path::new(""));
    let file = folder.join(path);
    // Asked before it is opened: opening a pipe waits for its other end.
    let found = std::fs::metadata(&file).map_err(|error| unreadable(&error))?;
    if !found.is_file() {
        return Err(unreadable(&"it is no regular file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(&file)
        .and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_end(&mut content))
        .map_err(|error| unreadable(&error))?;
    let bytes = content.len() as u64;
    if bytes > BODY_BYTES_MAX {
        let title = format!(
            "{} is larger than {} MiB",
            quoted(path),
            BODY_BYTES_MAX >> 20
        );
        let help = "send less with each request";
        return Err(Box::new(
            Diagnostic::error(codes::TOO_LARGE, title).help(help),
        ));
    }
    Ok(BodyFile {
        path: path.to_owned(),
        bytes,
        content: content.into(),
    })
}

/// Whether there is anything at a path that the scenario called `scenario` writes, be it
/// something that cannot be read.
pub(crate) fn is_there(path: &str, scenario: &str) -> bool {
    let folder = Path::new(scenario).parent().unwrap_or(Path::new(""));
    let nothing = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    std::fs::metadata(folder.join(path)).map_or_else(|why| !nothing.contains(&why.kind()), |_| true)
}

/// Where a load names files of bodies.
pub(crate) fn named_bodies(load: &Node) -> Vec<&Node> {
    let mut found = Vec::new();
    body_files(load, &mut found);
    found
}

/// The same of one part of a load, at any depth.
fn body_files<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    if let NodeKind::List(items) = &node.kind {
        items.iter().for_each(|item| body_files(item, found));
    }
    for entry in node.entries() {
        match entry.key.as_str() {
            "body" => found.extend(entry.value.get("file")),
            "multipart" => {
                for part in entry.value.entries() {
                    let several = match &part.value.kind {
                        NodeKind::List(items) => items.as_slice(),
                        _ => std::slice::from_ref(&part.value),
                    };
                    found.extend(several.iter().filter_map(|part| part.get("file")));
                }
            }
            "json" => {}
            _ => body_files(&entry.value, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_folder_of_the_scenario() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("order.json"), b"\xff$b").unwrap();
        let scenario = folder.path().join("shop.yaml").display().to_string();
        let file = read_body("order.json", &scenario).unwrap();
        assert_eq!((&file.content[..], file.bytes), (&b"\xff$b"[..], 3));
        // What is recorded says which file it was, and holds none of it.
        let json = serde_json::to_string(&file).unwrap();
        assert_eq!(json, r#"{"path":"order.json","bytes":3}"#);
        for (path, scenario) in [
            ("none", scenario.as_str()),
            (".", &scenario),
            ("order.json", "library:shop"),
        ] {
            assert_eq!(read_body(path, scenario).unwrap_err().code, "S0001");
        }
    }
}
