//! No two files of a crate import each other, not even by way of others: what is
//! read first must not need what is read later. A parent module that puts its
//! children together while they speak in its terms is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module of a crate: `["process", "pause"]`; the root is empty.
type Module = Vec<String>;

/// What a file brings in, and what it writes out in full.
#[derive(Default)]
struct Names {
    /// Every binding of a `use`: the name here, where it comes from, whether
    /// others may have it from here.
    bindings: Vec<(String, Vec<String>, bool)>,
    /// Paths in the code, without those of `use`.
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // Tests may look at whatever they test.
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            let shared = !matches!(item.vis, syn::Visibility::Inherited);
            self.tree(&item.tree, &mut Vec::new(), shared);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        self.paths
            .push(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        // Paths in the arguments of macros, word by word.
        let text = call.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            self.paths
                .push(word.split("::").map(str::to_owned).collect());
        }
        visit::visit_macro(self, call);
    }
}

impl Names {
    fn tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>, shared: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before, shared);
                before.pop();
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                let path: Vec<String> = if name == "self" {
                    before.clone()
                } else {
                    before.iter().cloned().chain([name]).collect()
                };
                let known_as = path.last().cloned().unwrap_or_default();
                self.bindings.push((known_as, path, shared));
            }
            syn::UseTree::Rename(rename) => {
                let path = before.iter().cloned().chain([rename.ident.to_string()]);
                let known_as = rename.rename.to_string();
                self.bindings.push((known_as, path.collect(), shared));
            }
            syn::UseTree::Glob(_) => {
                self.bindings.push(("*".to_owned(), before.clone(), shared));
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before, shared);
                }
            }
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The modules of one crate that stand in files of their own.
struct House {
    files: BTreeMap<Module, Names>,
}

impl House {
    fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut paths = Vec::new();
        walk(src, &mut paths);
        for path in paths {
            let within = path.strip_prefix(src).unwrap().with_extension("");
            let mut module: Module = within
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if module.iter().any(|part| part == "tests") {
                continue;
            }
            if ["lib", "main", "mod"].contains(&module.last().map_or("", String::as_str)) {
                module.pop();
            }
            let file = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let mut names = Names::default();
            names.visit_file(&file);
            files.insert(module, names);
        }
        Self { files }
    }

    /// The file that defines what `path` names where `from` writes it; `None`
    /// for what is not of this crate.
    fn defines(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => {
                let mut at = from.clone();
                at.pop()?;
                (at, &path[1..])
            }
            first => {
                let mut child = from.clone();
                child.push(first.to_owned());
                self.files.contains_key(&child).then_some(())?;
                (from.clone(), path)
            }
        };
        while let Some(next) = rest.first() {
            if next == "super" {
                at.pop()?;
            } else {
                let mut child = at.clone();
                child.push(next.clone());
                if !self.files.contains_key(&child) {
                    break;
                }
                at = child;
            }
            rest = &rest[1..];
        }
        let Some(name) = rest.first().filter(|_| depth < 8) else {
            return Some(at);
        };
        // What the module only passes on is defined elsewhere.
        let passed_on = self.files.get(&at).and_then(|names| {
            let mut bindings = names.bindings.iter();
            bindings.find_map(|(known_as, path, _)| {
                let is_it = known_as == name && *path != rest;
                is_it.then(|| self.defines(&at, path, depth + 1))
            })
        });
        passed_on.unwrap_or(Some(at))
    }

    /// Which files each file needs.
    fn needs(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let mut needs = BTreeMap::new();
        for (module, names) in &self.files {
            let mut of: BTreeSet<Module> = BTreeSet::new();
            let used = |name: &str| {
                let mut paths = names.paths.iter();
                paths.any(|path| path.first().is_some_and(|first| first == name))
            };
            for (known_as, path, shared) in &names.bindings {
                if !shared || used(known_as) {
                    of.extend(self.defines(module, path, 0));
                }
            }
            for path in names.paths.iter().filter(|path| path.len() > 1) {
                let inline = ["crate", "super", "self"].contains(&path[0].as_str());
                let mut child = module.clone();
                child.push(path[0].clone());
                if inline || self.files.contains_key(&child) {
                    of.extend(self.defines(module, path, 0));
                }
            }
            of.retain(|other| !other.starts_with(module));
            needs.insert(module, of);
        }
        needs
    }

    /// The groups of files that need each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let needs = self.needs();
        let reach = |from: &Module| {
            let mut seen = BTreeSet::new();
            let mut next: Vec<&Module> = needs[from].iter().collect();
            while let Some(module) = next.pop() {
                if seen.insert(module.clone()) {
                    next.extend(needs.get(module).into_iter().flatten());
                }
            }
            seen
        };
        let all: BTreeMap<&Module, BTreeSet<Module>> = needs
            .keys()
            .map(|module| (*module, reach(module)))
            .collect();
        let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, reached) in &all {
            if reached.contains(*module) {
                let together = reached.iter().filter(|other| all[other].contains(*module));
                circles.insert(together.map(|module| module.join("::")).collect());
            }
        }
        circles.into_iter().collect()
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The source folder of every package of the workspace.
fn packages() -> Vec<PathBuf> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split("members = [").nth(1).unwrap();
    let members = members.split(']').next().unwrap().split('"');
    let members: Vec<PathBuf> = members
        .skip(1)
        .step_by(2)
        .map(|member| root().join(member).join("src"))
        .collect();
    assert!(members.len() >= 7, "the manifest names the packages");
    members
}

#[test]
fn no_files_import_each_other() {
    let mut circles = Vec::new();
    for src in packages() {
        let house = House::read(&src);
        assert!(!house.files.is_empty(), "{} has files", src.display());
        let package = src
            .parent()
            .unwrap()
            .strip_prefix(root())
            .unwrap()
            .display();
        let of = house.circles().into_iter();
        circles.extend(of.map(|files| format!("{package}: {}", files.join(", "))));
    }
    crate::tidy::tell(&format!("{} circles of files (wanted none)", circles.len()));
    assert!(circles.is_empty(), "break them:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found_through_what_a_parent_passes_on() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("lib.rs", "mod a; mod b; mod c; pub use b::B;");
    write("a.rs", "use crate::B; pub struct A(B);");
    write("b.rs", "pub struct B; fn f() { crate::c::g() }");
    write("c.rs", "pub fn g() {}");
    assert_eq!(House::read(dir.path()).circles(), Vec::<Vec<String>>::new());
    write("c.rs", "pub fn g() { let _: Option<super::a::A> = None; }");
    assert_eq!(House::read(dir.path()).circles(), [["a", "b", "c"]]);
}
