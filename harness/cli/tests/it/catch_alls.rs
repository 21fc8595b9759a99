//! A fault that nobody thought of must not be taken for another one: whoever
//! tells faults apart, or what becomes of them, says what is done with each.

use std::path::{Path, PathBuf};

use proc_macro2::TokenTree;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Enums of which every variant is named wherever one of them is.
const FAULT_ENUMS: [&str; 12] = [
    "Active",
    "Fault",
    "FaultChange",
    "Inject",
    "HttpAction",
    "HttpFate",
    "OnBytes",
    "OnHttp",
    "OnProcess",
    "OnResource",
    "Sighting",
    "Surface",
];

/// A place that treats some variants by name and the others all alike.
#[derive(Debug, PartialEq, Eq)]
struct CatchAll {
    line: usize,
    what: &'static str,
}

#[derive(Default)]
struct CatchAlls {
    /// Types whose `impl` is being looked at, innermost last.
    own: Vec<String>,
    found: Vec<CatchAll>,
}

impl CatchAlls {
    fn in_text(text: &str) -> Vec<CatchAll> {
        let file = syn::parse_file(text).unwrap();
        let mut seen = Self::default();
        seen.visit_file(&file);
        seen.found
    }

    fn find(&mut self, at: proc_macro2::Span, what: &'static str) {
        let line = at.start().line;
        self.found.push(CatchAll { line, what });
    }

    fn is_of_fault(&self, path: &syn::Path) -> bool {
        let mut from_last = path.segments.iter().rev();
        let (Some(_variant), Some(of)) = (from_last.next(), from_last.next()) else {
            return false;
        };
        let own = self.own.last().filter(|_| of.ident == "Self");
        let of = own.cloned().unwrap_or_else(|| of.ident.to_string());
        FAULT_ENUMS.contains(&of.as_str())
    }

    fn names_fault(&self, pattern: &syn::Pat) -> bool {
        struct Names<'c>(&'c CatchAlls, bool);
        impl<'ast> Visit<'ast> for Names<'_> {
            fn visit_path(&mut self, path: &'ast syn::Path) {
                self.1 |= self.0.is_of_fault(path);
                visit::visit_path(self, path);
            }
        }
        let mut names = Names(self, false);
        names.visit_pat(pattern);
        names.1
    }

    fn is_fault(&self, expression: &syn::Expr) -> bool {
        match expression {
            syn::Expr::Path(path) => self.is_of_fault(&path.path),
            syn::Expr::Reference(reference) => self.is_fault(&reference.expr),
            _ => false,
        }
    }
}

/// Whether a pattern takes whatever comes, or has a place that does where
/// `other` names a fault.
fn takes_all(pattern: &syn::Pat, others: &[&syn::Pat], seen: &CatchAlls) -> bool {
    match pattern {
        syn::Pat::Wild(_) => true,
        syn::Pat::Ident(name) => name.subpat.is_none() && !is_constant(&name.ident),
        syn::Pat::Reference(reference) => takes_all(&reference.pat, others, seen),
        syn::Pat::Paren(inner) => takes_all(&inner.pat, others, seen),
        syn::Pat::Or(cases) => cases.cases.iter().any(|case| takes_all(case, others, seen)),
        syn::Pat::Tuple(tuple) => tuple.elems.iter().enumerate().any(|(at, place)| {
            let there = others.iter().filter_map(|other| match other {
                syn::Pat::Tuple(other) => other.elems.get(at),
                _ => None,
            });
            let there: Vec<_> = there.collect();
            there.iter().any(|other| seen.names_fault(other)) && takes_all(place, &there, seen)
        }),
        _ => false,
    }
}

fn is_constant(name: &syn::Ident) -> bool {
    name.to_string().starts_with(char::is_uppercase)
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|l| l.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for CatchAlls {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        self.own.push(name.unwrap_or_default());
        visit::visit_item_impl(self, item);
        self.own.pop();
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        let patterns: Vec<_> = expression.arms.iter().map(|arm| &arm.pat).collect();
        let names = patterns.iter().any(|pattern| self.names_fault(pattern));
        let open = patterns
            .iter()
            .find(|pattern| takes_all(pattern, &patterns, self));
        if let (true, Some(open)) = (names, open) {
            self.find(open.span(), "an arm for all others");
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_expr_let(&mut self, expression: &'ast syn::ExprLet) {
        if self.names_fault(&expression.pat) {
            self.find(expression.span(), "`if let`");
        }
        visit::visit_expr_let(self, expression);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        let diverges = local
            .init
            .as_ref()
            .is_some_and(|init| init.diverge.is_some());
        if diverges && self.names_fault(&local.pat) {
            self.find(local.span(), "`let … else`");
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_binary(&mut self, expression: &'ast syn::ExprBinary) {
        let compares = matches!(expression.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        if compares && (self.is_fault(&expression.left) || self.is_fault(&expression.right)) {
            self.find(expression.span(), "a comparison");
        }
        visit::visit_expr_binary(self, expression);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.is_ident("matches") {
            let pattern = |input: syn::parse::ParseStream<'_>| {
                input.parse::<syn::Expr>()?;
                input.parse::<syn::Token![,]>()?;
                let pattern = syn::Pat::parse_multi_with_leading_vert(input)?;
                input.parse::<proc_macro2::TokenStream>()?;
                Ok(pattern)
            };
            let pattern = pattern.parse2(called.tokens.clone()).unwrap();
            if self.names_fault(&pattern) {
                self.find(called.span(), "`matches!`");
            }
        }
    }
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    const NOT_SHIPPED: [&str; 5] = ["target", "tests", "benches", "examples", "fuzz"];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !NOT_SHIPPED.contains(&name.as_str()) && !name.starts_with('.') {
                rust_files(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn no_fault_is_treated_as_whatever_is_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for top in ["faults", "harness", "reports", "scenarios"] {
        rust_files(&root.join(top), &mut files);
    }
    let (mut found, mut enums) = (Vec::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let declared = |name: &&&str| text.contains(&format!("enum {name} {{"));
        enums += FAULT_ENUMS.iter().filter(declared).count();
        for CatchAll { line, what } in CatchAlls::in_text(&text) {
            found.push(format!("{}:{line}: {what}", file.display()));
        }
    }
    assert!(
        enums >= FAULT_ENUMS.len(),
        "an enum of the list is gone; the list must follow"
    );
    assert!(
        found.is_empty(),
        "name every fault, or say per kind what is asked here:\n{}",
        found.join("\n")
    );
}

#[test]
fn every_way_to_forget_a_fault_is_found() {
    let in_body = |body: &str| {
        let found = CatchAlls::in_text(&format!("fn f() {{ {body} }}"));
        found.into_iter().map(|one| one.what).collect::<Vec<_>>()
    };
    let arm = ["an arm for all others"];
    assert_eq!(in_body("match x { Inject::Bytes(_) => 1, _ => 2 }"), arm);
    assert_eq!(
        in_body("match x { Inject::Bytes(_) => 1, other => 2 }"),
        arm
    );
    assert_eq!(
        in_body("match (x, y) { (Inject::Bytes(_), 1) => 1, (_, 2) => 2 }"),
        arm
    );
    assert_eq!(
        in_body("match x { Event::Of { fault: OnProcess::Pause } => 1, _ => 2 }"),
        arm
    );
    assert_eq!(in_body("if let Inject::Bytes(x) = y {}"), ["`if let`"]);
    assert_eq!(
        in_body("let Inject::Bytes(x) = y else { return };"),
        ["`let … else`"]
    );
    assert_eq!(in_body("matches!(x, OnProcess::Kill(_))"), ["`matches!`"]);
    assert_eq!(in_body("x.inject == OnProcess::Pause"), ["a comparison"]);
    let own = "impl Inject { fn f(&self) -> u8 { match self { Self::Bytes(_) => 1, _ => 2 } } }";
    assert_eq!(CatchAlls::in_text(own).len(), 1);

    let named = "match x { Inject::Bytes(_) | Inject::Process(_) => 1 }";
    let other_place = "match (x, y) { (Inject::Bytes(_), _) => 1, (Inject::Process(_), _) => 2 }";
    let strangers = "match x { Some(_) => 1, _ => 2 } matches!(x, Ok(_))";
    for innocent in [named, other_place, strangers] {
        assert_eq!(in_body(innocent), [""; 0], "{innocent}");
    }
    let of_a_test = "#[cfg(test)] mod tests { fn f() { matches!(x, Inject::Bytes(_)) } }";
    assert_eq!(CatchAlls::in_text(of_a_test), []);
}

#[test]
fn a_macro_that_makes_arms_of_a_list_names_them_all() {
    // What `match` hides in a macro is not parsed; there, nothing but the arms
    // made of the list may stand.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["faults/src/toxics/mod.rs", "scenarios/src/inject.rs"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let file = syn::parse_file(&text).unwrap();
        for item in &file.items {
            if let syn::Item::Macro(rules) = item {
                assert!(!has_open_arm(rules.mac.tokens.clone()), "{text}");
            }
        }
    }
    assert!(has_open_arm("match x { _ => 1 }".parse().unwrap()));
    assert!(!has_open_arm("match x { Some(_) => 1 }".parse().unwrap()));
}

/// Whether `_ =>` stands in the tokens.
fn has_open_arm(tokens: proc_macro2::TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let nested = tokens.iter().any(|token| match token {
        TokenTree::Group(group) => has_open_arm(group.stream()),
        _ => false,
    });
    nested
        || tokens.windows(2).any(|pair| match pair {
            [TokenTree::Ident(name), TokenTree::Punct(arrow)] => {
                name == "_" && arrow.as_char() == '='
            }
            _ => false,
        })
}
