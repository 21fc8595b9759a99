//! What was sent once, as a browser saved it or as it stands on a line of curl: the
//! scenario sends the same, and shows no secret of it.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use serde_json::{Value, json};
use squall_scenario::{Request, Scenario};
use squall_scenario_file::{Imported, import, is_curl};

use crate::import::sound;

fn taken(text: &str) -> (Imported, Scenario) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cat.jpg"), b"\xff").unwrap();
    let imported = import(text, "imported.yaml").unwrap();
    let scenario = sound(&imported, folder.path());
    (imported, scenario)
}

fn har(entries: &[(&str, u16)]) -> String {
    let entry = |(url, status): &(&str, u16)| json!({ "request": { "method": "GET", "url": url }, "response": { "status": status } });
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    json!({ "log": { "entries": entries } }).to_string()
}

#[test]
fn no_secret_of_a_line_of_curl_is_left_in_the_text() {
    for line in [
        "curl -F password=s3cr3t http://a.test/",
        "curl -F 'password=\"s3cr3t\";type=text/plain' http://a.test/",
        "curl --form-string password=s3cr3t http://a.test/",
        r#"curl -d '{"user": "me", "password": "s3cr3t"}' http://a.test/"#,
        r#"curl -d '{"user": "me", "deep": [{"api_key": "s3cr3t"}]}' http://a.test/"#,
        r#"curl -H 'content-type: text/plain' -d '{"token": "s3cr3t"}' http://a.test/"#,
        "curl -d 'password=s3cr3t' -d 'note={a}' http://a.test/",
        "curl -d 'pass=s3cr3t&user=me' http://a.test/",
        "curl http://me:s3cr3t@a.test/",
        "curl http://s3cr3t@a.test/",
        "curl -u s3cr3t: http://a.test/",
        "curl -u me:s3cr3t http://a.test/",
        "curl 'http://a.test/?access_token=s3cr3t'",
        "curl -e 'http://a.test/?code=1&access_token=s3cr3t' http://a.test/",
        "curl -H 'X-Csrf: s3cr3t' http://a.test/",
        "curl http://a.test/ http://me:s3cr3t@b.test/",
        "curl http://a.test/ ftp://me:s3cr3t@b.test/?token=s3cr3t",
        "TOKEN=s3cr3t curl http://a.test/",
        "curl http://a.test/ --proxy-user me:s3cr3t",
        "curl --pass s3cr3t --cert a.pem http://a.test/",
        "curl --tlspassword s3cr3t http://a.test/",
        "curl --proxy-header 'Proxy-Authorization: Basic s3cr3t' http://a.test/",
        "curl --of-tomorrow s3cr3t http://a.test/",
        "curl --of-tomorrow=s3cr3t http://a.test/",
        "curl -s -W s3cr3t http://a.test/",
        "curl -Ws3cr3t http://a.test/",
        "curl http://a.test/ 'X-Key: s3cr3t'",
        "curl -b sid=s3cr3t -b theme=dark http://a.test/",
    ] {
        let (imported, _) = taken(line);
        let said = format!("{:?}{:?}", imported.left_out, imported.secrets);
        assert!(
            !imported.text.contains("s3cr3t"),
            "{line}\n{}",
            imported.text
        );
        assert!(!said.contains("s3cr3t"), "{line}\n{said}");
        assert!(
            imported.text.contains("target: http://a.test\n"),
            "{line}\n{}",
            imported.text
        );
    }
    // In a text of no form it stands as it was, and that is told.
    let (imported, _) = taken("curl -d '<a><password>s3cr3t</password></a>' http://a.test/");
    let said = imported.left_out.join("\n");
    assert!(said.contains("holds `password`"), "{said}");
}

#[test]
fn numbers_that_are_secrets_are_taken_out_of_sight_and_others_kept_digit_by_digit() {
    let (imported, _) = taken(
        r#"curl -d '{"pin": 73519, "max_tokens": 17, "id": 12345678901234567890123, "at": 1.50}' http://a.test/"#,
    );
    let text = &imported.text;
    assert!(
        !text.contains("73519") && text.contains("pin: ${PIN}"),
        "{text}"
    );
    for kept in [
        "max_tokens: 17\n",
        "id: 12345678901234567890123\n",
        "at: 1.50\n",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    let said = imported.left_out.join("\n");
    assert!(said.contains("was a number, and a text is sent"), "{said}");
}

#[test]
fn only_whole_words_say_that_a_number_counts_or_measures() {
    let of = |name: &str| {
        let (imported, _) = taken(&format!("curl -d '{{\"{name}\": 482913}}' http://a.test/"));
        imported.text.contains("482913")
    };
    for secret in [
        "account_password",
        "admin_passcode",
        "accountPassword",
        "ADMIN_TOKEN",
        "discount.secret",
    ] {
        assert!(!of(secret), "{secret}");
    }
    for told in [
        "max_tokens",
        "maxTokens",
        "MAX_TOKENS",
        "password-min-length",
        "tokenTTL",
        "token.expires",
    ] {
        assert!(of(told), "{told}");
    }
}

#[test]
fn a_word_is_a_url_behind_an_option_that_has_no_value() {
    for line in [
        "curl --http2 a.test/x",
        "curl --no-alpn a.test/x",
        "curl -4 a.test/x",
        "curl --speed-time 5 a.test/x",
        "curl --speed-time 5 --speed-limit 7 -C - a.test/x",
        "curl --of-tomorrow http://a.test/x",
        "curl --of-tomorrow -L a.test/x",
    ] {
        let (imported, scenario) = taken(line);
        let text = &imported.text;
        assert!(text.contains("target: http://a.test\n"), "{line}\n{text}");
        assert_eq!(scenario.load.requests.len(), 1, "{line}\n{text}");
    }
}

#[test]
fn all_cookies_are_sent_as_one() {
    let (imported, scenario) = taken("curl -b sid=abc -b theme=dark http://a.test/");
    assert_eq!(scenario.load.requests.len(), 1);
    let names: Vec<_> = imported.secrets.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["COOKIE"], "{}", imported.text);
    // That both stand in it shows where one is the same as one header of both.
    for (two, one) in [
        (
            "-b sid=abc -b theme=dark http://a.test/",
            "-b 'sid=abc; theme=dark'",
        ),
        (
            "-H 'Cookie: sid=abc;' -H 'cookie: theme=dark' http://a.test/",
            "-b 'sid=abc; theme=dark'",
        ),
    ] {
        let line = format!("curl {two}\ncurl {one} http://a.test/");
        let (imported, _) = taken(&line);
        assert_eq!(imported.secrets.len(), 1, "{line}\n{}", imported.text);
    }
    let cookies = |all: &[&str]| {
        let headers = all
            .iter()
            .map(|value| json!({ "name": "Cookie", "value": value }));
        let headers: Vec<Value> = headers.collect();
        json!({
            "request": { "method": "GET", "url": format!("http://a.test/{}", all.len()), "headers": headers },
            "response": { "status": 200 },
        })
    };
    let entries = [cookies(&["a=1", "b=2"]), cookies(&["a=1; b=2"])];
    let (imported, _) = taken(&json!({ "log": { "entries": entries } }).to_string());
    assert_eq!(imported.secrets.len(), 1, "{}", imported.text);
}

#[test]
fn a_command_of_curl_starts_anew_behind_next() {
    for next in ["--next", "-:"] {
        let line = format!(
            "curl -X PUT -d a=1 -H 'x-one: 1' http://a.test/one {next} -I http://a.test/two"
        );
        let (imported, scenario) = taken(&line);
        let of = |request: &Request| format!("{} {}", request.method, request.path.source());
        let all: Vec<_> = scenario.load.requests.iter().map(of).collect();
        assert_eq!(all, ["PUT /one", "HEAD /two"], "{}", imported.text);
        assert_eq!(imported.text.matches("x-one").count(), 1);
    }
    // A value is a value.
    let (_, scenario) = taken("curl -d --next http://a.test/");
    assert_eq!(scenario.load.requests.len(), 1);
}

#[test]
fn thousands_of_fresh_secrets_and_of_names_that_are_alike_are_numbered() {
    const MANY: usize = 10_000;
    let entry = |at: usize| {
        json!({
            "request": {
                "method": "POST",
                "url": format!("http://a.test/x/{at}?q={at}"),
                "headers": [{ "name": "X-Token", "value": format!("t{at}") }],
                "postData": { "mimeType": "application/json", "text": format!("{{\"at\": {at}}}") },
            },
            "response": { "status": 200 },
        })
    };
    let entries: Vec<Value> = (0..MANY).map(entry).collect();
    let text = json!({ "log": { "entries": entries } }).to_string();
    let imported = import(&text, "imported.yaml").unwrap();
    assert!(
        imported.text.contains(&format!("{MANY} bodies were seen")),
        "{}",
        imported.text
    );
    // Of those that are one route, the first stands there.
    assert_eq!(imported.secrets.len(), 1);

    let line = |at: usize| format!("curl -H 'x-token: t{at}' http://a.test/\n");
    let lines: String = (0..4_000).map(line).collect();
    let imported = import(&lines, "imported.yaml").unwrap();
    assert_eq!(imported.secrets.len(), 4_000);
    assert_eq!(imported.secrets[3_999].0, "X_TOKEN_4000");
    assert!(imported.text.contains("GET / 4000"));
}

#[test]
fn no_secret_of_a_har_file_is_left_in_the_text() {
    let text = har(&[
        ("http://me:s3cr3t@a.test/", 200),
        ("http://a.test/x?session=s3cr3t", 200),
    ]);
    let (imported, _) = taken(&text);
    assert!(!imported.text.contains("s3cr3t"), "{}", imported.text);
    assert!(imported.text.contains("password: ${PASSWORD}"));
}

#[test]
fn secrets_that_nothing_uses_are_not_asked_for() {
    let line = "curl -u me:s3cr3t --oauth2-bearer t0ken http://a.test/";
    let (imported, _) = taken(line);
    let names: Vec<_> = imported
        .secrets
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["TOKEN"]);
    assert!(!imported.text.contains("PASSWORD"), "{}", imported.text);
}

#[test]
fn queries_are_sent_as_they_were() {
    for (urls, path) in [
        (&["http://a.test/s?wsdl"][..], "/s?wsdl"),
        (&["http://a.test/s?wsdl="], "/s?wsdl="),
        (&["http://a.test/s?a+b=c+d"], "/s?a+b=c+d"),
        (&["http://a.test/s?t=1&t=2"], "/s?t=1&t=2"),
        (
            &["http://a.test/s?t=1&t=2", "http://a.test/s?t=1&t=3"],
            "/s?t=1&t=$t",
        ),
    ] {
        let entries: Vec<_> = urls.iter().map(|url| (*url, 200)).collect();
        let (imported, scenario) = taken(&har(&entries));
        let path_of = |request: &Request| request.path.source().to_owned();
        let paths: Vec<_> = scenario.load.requests.iter().map(path_of).collect();
        assert_eq!(paths, [path], "{}", imported.text);
    }
    // With a value and without are two routes.
    let two = har(&[("http://a.test/s?q", 200), ("http://a.test/s?q=1", 200)]);
    assert_eq!(taken(&two).1.load.requests.len(), 2);
    // A plus sign is a space, also where it is drawn.
    let drawn = har(&[
        ("http://a.test/s?q=a+b%2Bc", 200),
        ("http://a.test/s?q=d", 200),
    ]);
    let (imported, _) = taken(&drawn);
    assert!(
        imported.text.contains("pick: [\"a b+c\", \"d\"]"),
        "{}",
        imported.text
    );
}

#[test]
fn a_failure_that_was_seen_is_not_good() {
    let text = har(&[
        ("http://a.test/sometimes", 200),
        ("http://a.test/sometimes", 503),
        ("http://a.test/never", 500),
        ("http://a.test/gone", 404),
        ("http://a.test/cached", 304),
    ]);
    let (imported, scenario) = taken(&text);
    let good = |name: &str, status: u16| {
        let mut requests = scenario.load.requests.iter();
        let request = requests.find(|it| it.path.source() == name).unwrap();
        let mut ranges = request.expect_status.iter();
        ranges.any(|(from, to)| (*from..=*to).contains(&status))
    };
    assert!(good("/sometimes", 200) && !good("/sometimes", 503));
    assert!(good("/never", 200) && !good("/never", 500));
    assert!(good("/gone", 404) && good("/cached", 200));
    for said in [
        "503 was seen too, and is not good here",
        "500 was seen too, and is not good here",
        "404 was all that was seen",
    ] {
        assert!(imported.text.contains(said), "{said} in {}", imported.text);
    }
}

#[test]
fn lines_are_read_as_a_shell_reads_them() {
    // Without a space before it, a redirection ends a word; its file is no URL.
    let (imported, scenario) = taken("$ curl http://a.test/x>out.txt 2>/dev/null");
    assert_eq!(scenario.load.requests[0].path.source(), "/x");
    assert_eq!(imported.left_out, ["a redirection"]);
    for line in [
        "curl -H \"x: $NAME\" http://a.test/",
        "curl -H \"x: ${NAME}\" http://a.test/",
        "curl -H \"x: `id`\" http://a.test/",
        "curl http://a.test/$NAME",
    ] {
        let (imported, _) = taken(line);
        let said = imported.left_out.join("\n");
        assert!(said.contains("a variable of the shell"), "{line}: {said}");
    }
    for (line, is) in [
        ("$ curl http://a.test/", true),
        ("  curl http://a.test/", true),
        ("A=1 B_2=3 curl http://a.test/", true),
        ("a b=c curl http://a.test/", false),
        ("curl", false),
        ("curl.har", false),
        ("-", false),
    ] {
        assert_eq!(is_curl(line), is, "{line}");
    }
}

#[test]
fn redirects_are_followed_as_often_as_curl_does() {
    for (options, follow) in [
        ("", 0),
        ("-L", 10),
        ("-L --max-redirs 3", 3),
        ("-L --max-redirs 0", 0),
        ("-L --max-redirs -1", 20),
    ] {
        let (_, scenario) = taken(&format!("curl {options} http://a.test/"));
        assert_eq!(scenario.load.requests[0].follow, follow, "{options}");
    }
}

#[test]
fn parts_are_named_as_curl_names_them() {
    let line = r#"curl -F 'photo=@cat.jpg;filename="a; \"b\".jpg";type=image/jpeg' http://a.test/"#;
    let (_, scenario) = taken(line);
    let parts = &scenario.load.requests[0].multipart.as_ref().unwrap().parts;
    let part = &parts[0];
    assert_eq!(part.filename.as_deref(), Some("a; \"b\".jpg"));
    assert_eq!(part.media.as_deref(), Some("image/jpeg"));
}
