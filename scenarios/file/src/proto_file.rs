//! Reading what describes the methods of gRPC: `.proto` files with what they import,
//! and descriptor sets, that stand beside the scenario.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use squall_scenario::{BodyFile, Description, Undescribed, quoted, visible};

use crate::body_file::{is_there, read_body};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::digest::sha256;

/// Most files that a description is made of.
const FILES_MAX: u32 = 1_000;
/// What to do with a file that is written in an edition.
const OF_EDITIONS: &str = "squall reads `proto2` and `proto3`: describe what is called in a \
                           file with `syntax = \"proto3\"`; messages are the same on the wire";

/// A description of methods and messages.
#[derive(Debug, Clone)]
pub(crate) struct ProtoFile {
    pub(crate) described: Description,
    /// The digest of the descriptor set.
    pub(crate) sha256: String,
}

/// Reads the description at a path that the scenario called `scenario` writes: a
/// `.proto` file, or else a descriptor set as `protoc --descriptor_set_out` writes it.
///
/// # Errors
/// A diagnostic without a place: the file is missing, no regular file or too large
/// (`S0001`, `S0004`), or does not describe anything (`S0125`).
pub(crate) fn read_proto(path: &str, scenario: &str) -> Result<ProtoFile, Box<Diagnostic>> {
    let file = read_body(path, scenario)?;
    let content = match Path::new(path).extension() {
        Some(extension) if extension == "proto" => compile(path, scenario)?.into(),
        Some(_) | None => file.content,
    };
    let file = BodyFile { content, ..file };
    let described = Description::read(&file);
    let described = described.map_err(|why| Box::new(undescribed(path, &why)))?;
    Ok(ProtoFile {
        described,
        sha256: sha256(&file.content),
    })
}

fn undescribed(path: &str, why: &Undescribed) -> Diagnostic {
    match why {
        Undescribed::Edition { file } => {
            let title = format!("{} is written in an edition", quoted(file));
            let diagnostic = Diagnostic::error(codes::BAD_PROTO, title).help(OF_EDITIONS);
            match file == path {
                true => diagnostic,
                false => diagnostic.note(format!("it is part of {}", quoted(path))),
            }
        }
        Undescribed::Unsound(why) => {
            let title = format!("{} is no set of descriptors", quoted(path));
            let help = "name a `.proto` file, or what `protoc --include_imports \
                        --descriptor_set_out=FILE` has written";
            Diagnostic::error(codes::BAD_PROTO, title)
                .help(help)
                .note(visible(why, &[]))
        }
    }
}

/// The descriptor set of a `.proto` file and of all that it imports.
fn compile(path: &str, scenario: &str) -> Result<Vec<u8>, Box<Diagnostic>> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Beside::new(path, scenario));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(false);
    match compiler.open_file(path) {
        Ok(compiler) => Ok(compiler.encode_file_descriptor_set()),
        Err(error) => {
            let title = format!("{} does not compile", quoted(path));
            let (says, help) = match error.is_file_not_found() {
                true => (
                    "something that it imports is missing",
                    "imports are looked for in the folder of the scenario and in those on the \
                     way to the file that names them",
                ),
                false => (
                    "the compiler says where",
                    "correct the file, or name another",
                ),
            };
            // It writes file, line and column in front.
            let why = format!("{error:?}");
            let help = match why.contains("found 'edition'") {
                true => OF_EDITIONS,
                false => help,
            };
            let why = visible(&why, &[]);
            Err(Box::new(
                Diagnostic::error(codes::BAD_PROTO, title)
                    .help(help)
                    .note(format!("{says}: {why}")),
            ))
        }
    }
}

/// Finds what is imported, in the folder of the scenario and in those between it and
/// the file that is compiled.
struct Beside {
    folders: Vec<PathBuf>,
    /// How many more files may be read.
    left: Cell<u32>,
    scenario: String,
}

impl Beside {
    fn new(path: &str, scenario: &str) -> Self {
        let above = Path::new(path).ancestors().skip(1);
        let mut folders: Vec<PathBuf> = above.map(Path::to_path_buf).collect();
        folders.push(PathBuf::new());
        // From the outside: that is how the files themselves name each other.
        folders.reverse();
        folders.dedup();
        Self {
            folders,
            left: Cell::new(FILES_MAX),
            scenario: scenario.to_owned(),
        }
    }
}

impl FileResolver for Beside {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        Some(path.to_str()?.to_owned())
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        for folder in &self.folders {
            let path = folder.join(name);
            let path = path.to_string_lossy();
            if !is_there(&path, &self.scenario) {
                continue;
            }
            let file = read_body(&path, &self.scenario)
                .map_err(|problem| protox::Error::new(problem.title))?;
            if self.left.replace(self.left.get().saturating_sub(1)) == 0 {
                let why = format!("more than {FILES_MAX} files are imported");
                return Err(protox::Error::new(why));
            }
            let source = std::str::from_utf8(&file.content);
            let source = source.map_err(|_| {
                protox::Error::new(format!("{} is no text in UTF-8", quoted(&file.path)))
            })?;
            return File::from_source(name, source);
        }
        Err(protox::Error::file_not_found(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "syntax = \"proto3\";
        package shop.v1;
        import \"shop/v1/title.proto\";
        import \"google/protobuf/timestamp.proto\";
        service Catalog { rpc Play(Title) returns (Played); }
        message Played { google.protobuf.Timestamp at = 1; }";
    const TITLE: &str = "syntax = \"proto3\";
        package shop.v1;
        message Title { int64 id = 1; }";

    fn written(files: &[(&str, &str)]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let scenario = folder.path().join("shop.yaml").display().to_string();
        (folder, scenario)
    }

    #[test]
    fn imports_are_found_from_every_folder_on_the_way() {
        let files = [
            ("api/shop/v1/shop.proto", SHOP),
            ("api/shop/v1/title.proto", TITLE),
        ];
        let (folder, scenario) = written(&files);
        let file = read_proto("api/shop/v1/shop.proto", &scenario).unwrap();
        assert!(
            file.described
                .pool()
                .get_service_by_name("shop.v1.Catalog")
                .is_some()
        );
        // The set is what protoc would have written: it can be read as such.
        let content = compile("api/shop/v1/shop.proto", &scenario).unwrap();
        std::fs::write(folder.path().join("shop.pb"), content).unwrap();
        let set = read_proto("shop.pb", &scenario).unwrap();
        assert!(
            set.described
                .pool()
                .get_message_by_name("shop.v1.Title")
                .is_some()
        );
    }

    #[test]
    fn what_does_not_compile_says_where() {
        let files = [
            ("a.proto", "syntax = \"proto3\";\nmessage A { int32 = 1; }"),
            ("b.proto", SHOP),
            (
                "c.proto",
                "syntax = \"proto3\";\nmessage A { Nothing it = 1; }",
            ),
            ("d.proto", "import \"e.proto\";"),
            ("e.proto", "import \"d.proto\";"),
            ("f.proto", "edition = \"2023\";\nmessage A {}"),
            ("g.proto", "import \"f.proto\";"),
            ("shop.pb", "no descriptors"),
        ];
        let (_folder, scenario) = written(&files);
        for (name, says) in [
            ("a.proto", "a.proto:2:"),
            (
                "b.proto",
                "b.proto:3:9: import 'shop/v1/title.proto' not found",
            ),
            ("c.proto", "c.proto:2:13: "),
            ("d.proto", "cycle"),
            ("f.proto", "found 'edition'"),
            ("g.proto", "f.proto:1:1"),
            ("shop.pb", ""),
        ] {
            let problem = read_proto(name, &scenario).unwrap_err();
            assert_eq!(problem.code, "S0125", "{problem:?}");
            assert!(problem.notes[0].contains(says), "{:?}", problem.notes);
            let of_editions = problem.help.iter().any(|it| it == OF_EDITIONS);
            assert_eq!(
                of_editions,
                ["f.proto", "g.proto"].contains(&name),
                "{name}"
            );
        }
        assert_eq!(read_proto("h.proto", &scenario).unwrap_err().code, "S0001");
    }

    #[test]
    fn the_digest_is_of_what_is_described_with_all_imports() {
        let digest = |shop: &str, title: &str| {
            let files = [("b.proto", shop), ("shop/v1/title.proto", title)];
            let (_folder, scenario) = written(&files);
            read_proto("b.proto", &scenario).unwrap().sha256
        };
        let is = digest(SHOP, TITLE);
        assert_eq!(is.len(), 64);
        assert_eq!(is, digest(&format!("// A shop.\n{SHOP}"), TITLE));
        assert_ne!(is, digest(SHOP, &TITLE.replace("int64", "string")));
        assert_ne!(is, digest(&SHOP.replace("at = 1", "at = 2"), TITLE));
    }

    #[test]
    fn an_import_that_is_there_and_cannot_be_read_is_not_called_missing() {
        let (folder, scenario) = written(&[("b.proto", SHOP)]);
        let title = folder.path().join("shop/v1/title.proto");
        std::fs::create_dir_all(&title).unwrap();
        let said = |of: &str| {
            let problem = read_proto(of, &scenario).unwrap_err();
            assert_eq!(problem.code, "S0125");
            problem.notes.join("\n")
        };
        let note = said("b.proto");
        assert!(note.contains("it is no regular file"), "{note}");
        assert!(!note.contains("missing"), "{note}");
        std::fs::remove_dir(&title).unwrap();
        let file = std::fs::File::create(&title).unwrap();
        file.set_len(crate::body_file::BODY_BYTES_MAX + 1).unwrap();
        let note = said("b.proto");
        assert!(note.contains("larger than 64 MiB"), "{note}");
        // A file in the place of a folder holds nothing.
        std::fs::remove_dir_all(folder.path().join("shop")).unwrap();
        std::fs::write(folder.path().join("shop"), "").unwrap();
        let note = said("b.proto");
        assert!(note.contains("missing"), "{note}");
    }
}
