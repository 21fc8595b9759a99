//! Scenarios made of what other programs wrote. `SQUALL_BLESS=1` writes what came of
//! the files in `fixtures/import`.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;
use squall_scenario::Scenario;
use squall_scenario_file::{Checked, Imported, ParseOptions, Source, import, parse_scenario};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/import")).join(name)
}

/// What `squall check` says of it where every secret is set; files that it names
/// lie beside it.
pub(crate) fn checked(imported: &Imported, folder: &Path) -> Checked<Scenario> {
    let secrets = imported.secrets.clone();
    let env = move |name: &str| {
        let is = |(known, _): &(String, String)| known == name;
        secrets.iter().any(is).then(|| "a-secret".to_owned())
    };
    let file = folder.join("imported.yaml").display().to_string();
    parse_scenario(
        &Source::new(file, imported.text.as_str()),
        &ParseOptions::new(&env),
    )
}

/// What is imported is sound, whatever it was; its scenario.
pub(crate) fn sound(imported: &Imported, folder: &Path) -> Scenario {
    let checked = checked(imported, folder);
    let said = checked.render(false);
    assert_eq!(said, "", "{}", imported.text);
    checked.value.unwrap()
}

#[test]
fn files_become_the_scenarios_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("storm.jpg"), b"\xff").unwrap();
    for name in ["copied.curl", "shop.har", "shop.openapi"] {
        let text = std::fs::read_to_string(fixture(name)).unwrap();
        let imported = import(&text, "imported.yaml").unwrap();
        let expected = fixture(&format!("{name}.yaml"));
        if std::env::var_os("SQUALL_BLESS").is_some() {
            std::fs::write(&expected, &imported.text).unwrap();
        }
        let expected = std::fs::read_to_string(expected).unwrap();
        assert_eq!(imported.text, expected, "{name}");
        sound(&imported, folder.path());
    }
}

#[test]
fn no_secret_is_left_in_the_text() {
    for name in ["copied.curl", "shop.har"] {
        let text = std::fs::read_to_string(fixture(name)).unwrap();
        let imported = import(&text, "imported.yaml").unwrap();
        for secret in ["k-123456", "eyJ", "abc123", "hunter22", "sesame", "s3cr3t"] {
            assert!(
                !imported.text.contains(secret),
                "{secret} in {}",
                imported.text
            );
        }
    }
}

#[test]
fn what_is_nothing_of_the_kind_is_refused_in_words() {
    for (text, said) in [
        ("", "I do not know what this is"),
        ("{\"swagger\": \"2.0\"}", "Swagger 2"),
        ("{\"openapi\": \"4.0\", \"paths\": {}}", "3.0 and 3.1"),
        ("{\"openapi\": \"3.1.0\", \"paths\": {}}", "no operation"),
        ("{\"log\": {\"entries\": []}}", "no request over http"),
        ("{\"info\": {}, \"item\": []}", "Postman"),
        ("{\"log\": ", "is not JSON"),
        ("a: [", "line 1"),
        ("curl", "no URL"),
        ("curl 'http://a", "never closed"),
        ("curl ftp://a/b", "no URL"),
    ] {
        let refused = import(text, "x.yaml").unwrap_err().to_string();
        assert!(refused.contains(said), "{text:?}: {refused}");
    }
}

/// A request of a HAR file, of anything that may stand in one.
fn entry() -> impl Strategy<Value = serde_json::Value> {
    let url = prop_oneof![
        "http://a\\.test(/([a-zA-Z0-9$%{}|_.-]{0,8}|[0-9]{1,4})){0,3}(\\?[ -~]{0,20})?",
        "http://a\\.test/item/[0-9]{1,3}\\?(token|page)=[0-9a-z$]{0,9}",
        ".*",
    ];
    let header = (
        "[A-Za-z-]{1,12}|authorization|cookie|content-type",
        "[ -~]{0,16}|.{0,8}|application/json",
    );
    let media = prop_oneof![
        Just("application/json"),
        Just("application/x-www-form-urlencoded"),
        Just("multipart/form-data; boundary=x"),
        Just("text/plain"),
    ];
    let body = prop_oneof![
        "(?s:.{0,40})",
        "[a-z]{1,3}=[ -~]{0,9}&password=[ -~]{0,5}",
        any::<(String, i64, Option<bool>)>().prop_map(|(text, number, flag)| {
            json!({ text.clone(): [text, number], "n": { "password": flag, "token": "t" } })
                .to_string()
        }),
    ];
    let method = prop_oneof![Just("GET"), Just("POST"), Just("TRACE"), Just("put")];
    (method, url, prop::collection::vec(header, 0..4), media, prop::option::of(body), 0..600_u16).prop_map(
        |(method, url, headers, media, body, status)| {
            let headers: Vec<_> = headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            let params = json!([{ "name": "a$b", "value": body }, { "name": "file", "fileName": "x\ny" }]);
            let data = body.map(|body| json!({ "mimeType": media, "text": body, "params": params }));
            json!({ "request": { "method": method, "url": url, "headers": headers, "postData": data }, "response": { "status": status } })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_is_a_scenario_or_refused(text in "(?s:.*)|curl (?s:.*)|curl [ -~]{0,60}") {
        if let Ok(imported) = import(&text, "x.yaml") {
            let found = checked(&imported, Path::new(""));
            let broken: Vec<_> = found.diagnostics.iter().filter(|found| found.is_error()).collect();
            // A file that a line names need not be there.
            prop_assert!(broken.iter().all(|found| found.code == "S0001"), "{}\n{}", found.render(false), imported.text);
        }
    }

    #[test]
    fn whatever_a_har_file_holds_comes_out_sound(entries in prop::collection::vec(entry(), 1..12)) {
        let har = json!({ "log": { "entries": entries } });
        if let Ok(imported) = import(&har.to_string(), "x.yaml") {
            let found = checked(&imported, Path::new(""));
            prop_assert!(!found.has_errors(), "{}\n{}", found.render(false), imported.text);
        }
    }

    /// A description that lost a part is read as far as it goes.
    #[test]
    fn damaged_files_are_scenarios_or_refused(at in any::<prop::sample::Index>(), length in 0..60_usize, which in 0..3_usize, put in "[ -~\n]{0,6}") {
        let name = ["copied.curl", "shop.har", "shop.openapi"][which];
        let text = std::fs::read_to_string(fixture(name)).unwrap();
        let characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        let end = (at + length).min(characters.len());
        let damaged: String = characters[..at].iter().copied().chain(put.chars()).chain(characters[end..].iter().copied()).collect();
        if let Ok(imported) = import(&damaged, "x.yaml") {
            let found = checked(&imported, Path::new(""));
            let broken: Vec<_> = found.diagnostics.iter().filter(|found| found.is_error()).collect();
            prop_assert!(broken.iter().all(|found| found.code == "S0001"), "{}\n{}", found.render(false), imported.text);
        }
    }
}
