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
        "curl -e 'http://a.test/cb#access_token=s3cr3t' http://a.test/",
        "curl -e 'http://a.test/cb?next=%2Fa%3Ftoken%3Ds3cr3t' http://a.test/",
        "curl -e 'https://me:s3cr3t@a.test/' http://a.test/",
        "curl 'http://a.test/?pass%77ord=s3cr3t'",
        r#"curl -F 'meta={"user":"a$b","password":"s3cr3t"};type=application/json' http://a.test/"#,
        r#"curl -F 'meta=[{"token":"s3cr3t"}]' http://a.test/"#,
        r#"curl --data-urlencode 'meta={"password":"s3cr3t"}' http://a.test/"#,
        "curl -H 'x-pin: s3cr3t' http://a.test/",
        "curl -H 'X-Auth-Key: s3cr3t' http://a.test/",
        "curl -H 'Ocp-Apim-Subscription-Key: s3cr3t' http://a.test/",
        "curl -H 'DD-APPLICATION-KEY: s3cr3t' http://a.test/",
        "curl -d subscriptionKey=s3cr3t -d x=1 http://a.test/",
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
    for line in [
        "curl -d '<a><password>s3cr3t</password></a>' http://a.test/",
        "curl -F 'note=a <password>s3cr3t</password>' http://a.test/",
        "curl -H 'x-of: password=s3cr3t' http://a.test/",
        "curl 'http://a.test/?next=%2Fa%3Fpassword%3Ds3cr3t'",
        "curl 'http://a.test/a;password=s3cr3t'",
        "curl -e 'http://a.test/a;password=s3cr3t' http://a.test/",
    ] {
        let (imported, _) = taken(line);
        let said = imported.left_out.join("\n");
        assert!(said.contains("holds `password`"), "{line}: {said}");
    }
}

#[test]
fn what_is_no_secret_stands_where_it_was() {
    for line in [
        "curl -e 'http://a.test/@me/?page=kept#top' http://a.test/",
        r#"curl -F 'meta={"page": "kept"}' http://a.test/"#,
        "curl -H 'idempotency-key: kept' http://a.test/",
        "curl -H 'x-mapkey: kept' http://a.test/",
        "curl -d sortKey=kept -d x=1 http://a.test/",
        "curl http://a.test/token:kept",
    ] {
        let (imported, _) = taken(line);
        assert!(imported.text.contains("kept"), "{line}\n{}", imported.text);
        assert_eq!(imported.left_out, [""; 0], "{line}");
        assert!(imported.secrets.is_empty(), "{line}");
    }
}

#[test]
fn json_in_a_part_is_a_secret_as_a_whole_where_it_holds_one() {
    let (imported, _) = taken(
        r#"curl -F 'meta={"a":1,"b":[{"password":"s"}]};type=application/json' http://a.test/"#,
    );
    let text = &imported.text;
    for line in [
        "- text: ${META}\n",
        "type: application/json\n",
        "META: the field `meta`, JSON that holds a secret\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn options_that_change_what_is_sent_are_sent_or_told() {
    for (line, told) in [
        ("curl -n http://a.test/", "`-n`"),
        ("curl --netrc http://a.test/", "`--netrc`"),
        ("curl -0 http://a.test/", "`-0`"),
        ("curl -H 'x-empty;' http://a.test/", "-H NAME;"),
        ("curl --compressed http://a.test/", "`--compressed`"),
        ("curl -G -d @cat.jpg http://a.test/", "as the query"),
        ("curl -G -d a=1 -d @cat.jpg http://a.test/", "as the query"),
        ("curl 'http://a.test/{a,b}'", "in place of which"),
        ("curl 'http://a.test/?id=[1-3]'", "in place of which"),
        ("curl 'http://a.test/a}'", "in place of which"),
    ] {
        let said = taken(line).0.left_out.join("\n");
        assert!(said.contains(told), "{line}: {said}");
    }
    for line in [
        "curl -g 'http://a.test/{a,b}'",
        "curl -sgS 'http://a.test/?id=[1-3]'",
        "curl --globoff 'http://a.test/?id=[1-3]'",
        "curl 'http://a.test/?id[]=1'",
        "curl -sSvifN#ZOJR http://a.test/",
    ] {
        assert_eq!(taken(line).0.left_out, [""; 0], "{line}");
    }
    let (_, scenario) = taken("curl --location-trusted http://a.test/");
    assert_eq!(scenario.load.requests[0].follow, 10);
    for (options, asks) in [
        ("--compressed", "accept-encoding: deflate, gzip\n"),
        (
            "--compressed -H 'Accept-Encoding: br'",
            "accept-encoding: br\n",
        ),
    ] {
        let text = taken(&format!("curl {options} http://a.test/")).0.text;
        assert_eq!(text.matches("accept-encoding").count(), 1, "{text}");
        assert!(text.contains(asks), "{text}");
    }
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
fn what_stands_behind_an_option_that_nobody_knows_is_the_target_last() {
    for line in [
        "curl --of-tomorrow http://proxy.test/ http://a.test/x",
        "curl -@ http://proxy.test/ http://a.test/x",
        "curl -s@ http://proxy.test/ -L --url http://a.test/x",
        "curl http://a.test/x --of-tomorrow http://proxy.test/",
        "curl --of-tomorrow http://proxy.test/ --of-today 7 http://a.test/x",
        "curl --of-tomorrow= http://proxy.test/ http://a.test/x",
        "curl --of-tomorrow -4 http://a.test/x http://proxy.test/",
    ] {
        let (imported, scenario) = taken(line);
        let text = &imported.text;
        assert!(text.contains("target: http://a.test\n"), "{line}\n{text}");
        assert_eq!(scenario.load.requests.len(), 1, "{line}\n{text}");
        let said = imported.left_out.join("\n");
        assert!(said.contains("requests to http://proxy.test"), "{said}");
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
        ("http://a.test/y?pass%77ord=s3cr3t", 200),
        ("http://a.test/z?t%6Fken=s3cr3t", 200),
        ("http://a.test/z?t%6Fken=s3cr3t2", 200),
    ]);
    let (imported, _) = taken(&text);
    assert!(!imported.text.contains("s3cr3t"), "{}", imported.text);
    assert!(imported.text.contains("password: ${PASSWORD}"));
    // In a path, or within a parameter, it stands as it was, and that is told.
    for url in [
        "http://a.test/a;password=s3cr3t",
        "http://a.test/?next=%2Fa%3Fpassword%3Ds3cr3t",
    ] {
        let said = taken(&har(&[(url, 200)])).0.left_out.join("\n");
        assert!(said.contains("holds `password`"), "{url}: {said}");
    }
}

#[test]
fn json_with_a_secret_in_a_field_of_a_har_file_is_left_out_of_the_text() {
    for media in ["multipart/form-data", "application/x-www-form-urlencoded"] {
        let param = json!({ "name": "meta", "value": "{\"user\":\"me\",\"password\":\"s3cr3t\"}" });
        let data = json!({ "mimeType": media, "params": [param] });
        let request = json!({ "method": "POST", "url": "http://a.test/", "postData": data });
        let entry = json!({ "request": request, "response": { "status": 200 } });
        let text = json!({ "log": { "entries": [entry] } }).to_string();
        let (imported, _) = taken(&text);
        assert!(imported.text.contains("${META}"), "{}", imported.text);
        assert!(!imported.text.contains("s3cr3t"), "{}", imported.text);
    }
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
