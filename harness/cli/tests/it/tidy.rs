//! The style guide as a test: budgets of files and functions, what every file
//! must say, and what none may be called.

use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Non-test lines of a file.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, signature and braces included.
const FUNCTION_LINES_MAX: usize = 70;
/// Names that say nothing about a concept.
const DRAWERS: [&str; 8] = [
    "utils", "util", "helpers", "helper", "common", "misc", "types", "stuff",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                rust_files(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for top in [
        "harness",
        "faults",
        "scenarios",
        "reports",
        "reference-system",
        "fuzz",
    ] {
        rust_files(&root().join(top), &mut files);
    }
    assert!(files.len() > 50, "the walk must find the sources");
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

fn is_test_file(path: &Path) -> bool {
    let text = path.to_string_lossy();
    ["/tests/", "/benches/", "/examples/", "/fuzz/"]
        .iter()
        .any(|part| text.contains(part))
        || path
            .file_name()
            .is_some_and(|name| name == "tests.rs" || name.to_string_lossy().ends_with("_test.rs"))
}

#[derive(Default)]
struct Measured {
    functions: Vec<(String, usize)>,
    test_lines: usize,
    /// Modules in files of their own that are compiled for tests alone.
    test_modules: Vec<String>,
}

impl<'ast> Visit<'ast> for Measured {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .meta
                    .require_list()
                    .is_ok_and(|l| l.tokens.to_string() == "test")
        });
        if is_test {
            self.test_lines += lines(module.span());
            if module.content.is_none() {
                self.test_modules.push(module.ident.to_string());
            }
        } else {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.functions.push((
            function.sig.ident.to_string(),
            body_lines(&function.sig, &function.block),
        ));
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.functions.push((
            function.sig.ident.to_string(),
            body_lines(&function.sig, &function.block),
        ));
        visit::visit_impl_item_fn(self, function);
    }
}

fn lines(span: proc_macro2::Span) -> usize {
    span.end().line - span.start().line + 1
}

fn body_lines(signature: &syn::Signature, block: &syn::Block) -> usize {
    block.span().end().line - signature.span().start().line + 1
}

fn measure(path: &Path, text: &str) -> Measured {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut measured = Measured::default();
    measured.visit_file(&file);
    measured
}

/// The lengths of everything that is no test, and the lines that are.
#[derive(Default)]
struct Budget {
    files: Vec<(String, usize)>,
    functions: Vec<(String, usize)>,
    lines: usize,
    test_lines: usize,
}

impl Budget {
    fn measured() -> Self {
        let mut budget = Self::default();
        let mut measured = Vec::new();
        for (path, text) in sources() {
            let lines = text.lines().count();
            budget.lines += lines;
            if is_test_file(&path) {
                budget.test_lines += lines;
            } else {
                measured.push((measure(&path, &text), lines, path));
            }
        }
        let only_for_tests: Vec<_> = measured
            .iter()
            .flat_map(|(measured, _, path)| measured.test_modules.iter().map(|m| child(path, m)))
            .collect();
        for (measured, lines, path) in measured {
            let mut below = only_for_tests.iter();
            if below.any(|test| path.with_extension("").starts_with(test)) {
                budget.test_lines += lines;
                continue;
            }
            let name = path.display().to_string();
            budget.test_lines += measured.test_lines;
            let functions = measured.functions.into_iter();
            let functions =
                functions.map(|(function, lines)| (format!("{name}: fn {function}"), lines));
            budget.functions.extend(functions);
            budget.files.push((name, lines - measured.test_lines));
        }
        budget
    }
}

/// Where the module `name` of a file lies, its extension aside.
fn child(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().unwrap().to_string_lossy();
    match stem.as_ref() {
        "mod" | "lib" | "main" => path.with_file_name(name),
        _ => path.with_extension("").join(name),
    }
}

/// Those longer than `lines_max`, and half and longest of all.
fn over(lengths: &[(String, usize)], lines_max: usize) -> (Vec<String>, usize, usize) {
    let mut all: Vec<usize> = lengths.iter().map(|(_, lines)| *lines).collect();
    all.sort_unstable();
    let over = lengths.iter().filter(|(_, lines)| *lines > lines_max);
    let over = over.map(|(what, lines)| format!("{what} has {lines} lines"));
    (over.collect(), all[all.len() / 2], all[all.len() - 1])
}

#[test]
fn files_and_functions_stay_within_their_budgets() {
    let budget = Budget::measured();
    let (mut too_long, half, longest) = over(&budget.files, FILE_LINES_MAX);
    let files = budget.files.len();
    tell(&format!(
        "{files} files, half of them up to {half} lines (wanted 150), none over {longest}"
    ));
    let (functions_too_long, half, longest) = over(&budget.functions, FUNCTION_LINES_MAX);
    let functions = budget.functions.len();
    tell(&format!(
        "{functions} functions, half of them up to {half} lines (wanted 10), none over {longest}"
    ));
    let share = 100.0 * budget.test_lines as f64 / budget.lines as f64;
    let lines = budget.lines;
    tell(&format!(
        "{share:.1} % of {lines} lines are tests (wanted 35)"
    ));
    too_long.extend(functions_too_long);
    assert!(
        too_long.is_empty(),
        "split by concept:\n{}",
        too_long.join("\n")
    );
}

/// Not caught with what tests print: CI shows it.
pub(crate) fn tell(text: &str) {
    let line = format!("budget: {text}\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        silent.is_empty(),
        "no `//!` line at the top of:\n{}",
        silent.join("\n")
    );
}

#[test]
fn no_module_is_a_drawer() {
    let drawers: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            DRAWERS.contains(&stem.as_str())
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        drawers.is_empty(),
        "name the concept instead:\n{}",
        drawers.join("\n")
    );
}

#[test]
fn the_measure_can_see_a_long_function_and_skips_tests() {
    let body = "    let _ = 1;\n".repeat(80);
    let text = format!("//! x\nfn long() {{\n{body}}}\n#[cfg(test)]\nmod tests {{\n{body}}}\n");
    // Statements outside of functions do not parse; keep the test module empty.
    let text = text.replace(&format!("mod tests {{\n{body}}}"), "mod tests {\n\n\n}");
    let measured = measure(Path::new("x.rs"), &text);
    assert_eq!(measured.functions, [("long".to_owned(), 82)]);
    assert_eq!(measured.test_lines, 5);
}

#[test]
fn a_module_for_tests_is_one_wherever_it_lies() {
    let text = "//! x
#[cfg(test)]
pub(crate) mod apart;
mod other;
";
    let measured = measure(Path::new("world/mod.rs"), text);
    assert_eq!(measured.test_modules, ["apart"]);
    for (file, apart) in [
        ("world/mod.rs", "world/apart"),
        ("src/lib.rs", "src/apart"),
        ("src/world.rs", "src/world/apart"),
    ] {
        assert_eq!(child(Path::new(file), "apart"), Path::new(apart));
    }
    let budget = Budget::measured();
    let simulated = |(name, _): &&(String, usize)| name.contains("world/simulated");
    assert_eq!(budget.files.iter().find(simulated), None);
}
