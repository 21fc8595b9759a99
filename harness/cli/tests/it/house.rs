//! The page about the house agrees with the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// Package: the packages of the workspace that it ships with.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/house.md")).unwrap()
}

fn packages() -> Vec<Value> {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success());
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn arrows_of_manifests() -> Arrows {
    let packages = packages();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let own: BTreeSet<String> = packages.iter().map(name).collect();
    let needs = |package: &Value| -> BTreeSet<String> {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let shipped = dependencies.filter(|needed| needed["kind"].is_null());
        shipped
            .map(name)
            .filter(|name| own.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (name(package), needs(package)))
        .collect()
}

fn arrows_of_page(page: &str) -> Arrows {
    let block = page.split("```arrows\n").nth(1).unwrap();
    let lines = block.split("```").next().unwrap().lines();
    let arrow = |line: &str| {
        let (package, needs) = line.split_once(':').unwrap();
        (
            package.to_owned(),
            needs.split_whitespace().map(str::to_owned).collect(),
        )
    };
    lines.map(arrow).collect()
}

#[test]
fn the_page_shows_the_arrows_of_the_manifests() {
    assert_eq!(arrows_of_page(&page()), arrows_of_manifests());
}

#[test]
fn every_room_has_its_row() {
    let page = page();
    let root = root().canonicalize().unwrap();
    for package in packages() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap().strip_prefix(&root).unwrap();
        let row = format!(
            "| `{}` | {} |",
            folder.display(),
            package["name"].as_str().unwrap()
        );
        assert!(page.contains(&row), "no row that begins with {row}");
    }
}

/// Later lines of the block need only earlier ones: nothing points back up.
#[test]
fn the_arrows_go_one_way() {
    let page = page();
    let block = page.split("```arrows\n").nth(1).unwrap();
    let mut known = BTreeSet::new();
    for line in block.split("```").next().unwrap().lines() {
        let (package, needs) = line.split_once(':').unwrap();
        for needed in needs.split_whitespace() {
            assert!(
                known.contains(needed),
                "{package} needs {needed}, which comes later"
            );
        }
        known.insert(package.to_owned());
    }
}
