//! What is sent, and by whom, as it is typed.

use super::*;

#[test]
fn a_body_makes_it_a_post_unless_it_is_said() {
    let method = |words: &[&str]| composed(words).1.load.requests[0].method.clone();
    assert_eq!(method(&["http://localhost/", "-b", "x"]), "POST");
    assert_eq!(
        method(&["http://localhost/", "-b", "x", "-m", "get"]),
        "GET"
    );
    assert_eq!(method(&["http://localhost/", "-b", ""]), "POST");
}

#[test]
fn what_no_request_can_carry_is_refused() {
    for value in ["a\u{1}b", "a\nb"] {
        let said = refused(&["http://localhost/", "-H", &format!("x: {value}")]);
        assert!(said.contains("header"), "{said}");
    }
    let said = refused(&["http://localhost/a<b"]);
    assert!(said.contains("S0114") && said.contains("`%3C`"), "{said}");
    // Nothing is taken from the environment there.
    let said = refused(&["http://localhost/${PATH}"]);
    assert!(
        said.contains("`%7B`") && said.contains("/${PATH}"),
        "{said}"
    );
}

#[test]
fn a_body_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        format!("@{}", path.display())
    };
    let large = vec![0xff; 3 << 20];
    for bytes in [&b""[..], b"{\n\t\"a\": \"$b\"}\n", b"caf\xe9\0", &large] {
        let (text, scenario) = composed(&["http://localhost/", "-b", &file("b", bytes)]);
        assert!(
            text.contains("        file: ") && text.len() < 1000,
            "{text}"
        );
        let maker = RequestMaker::new(&scenario.load, 1).unwrap();
        let request = maker.prepare(0).unwrap();
        assert_eq!(
            (request.method.as_str(), &request.body[..]),
            ("POST", bytes)
        );
    }
    let body = |given: &str| refused(&["http://localhost/", "-b", given]);
    for given in ["@/no/such/file", "@/dev/null", "@/", "@"] {
        let said = body(given);
        assert!(
            said.contains("S0001") && said.contains("--body @"),
            "{said}"
        );
    }
    let path = folder.path().join("huge");
    std::fs::File::create(&path)
        .unwrap()
        .set_len((64 << 20) + 1)
        .unwrap();
    assert!(body(&format!("@{}", path.display())).contains("S0004"));
}

#[test]
fn json_says_what_it_is() {
    let line = ["http://localhost/a", "--json", "{\"price\": \"5$\"}"];
    let (text, scenario) = composed(&line);
    insta::assert_snapshot!(text.split_once("requests:\n").unwrap().1, @r#"
        - name: POST /a
          send: POST /a
          headers:
            content-type: application/json
            accept: application/json
          body: "{\"price\": \"5$$\"}"
    "#);
    let request = RequestMaker::new(&scenario.load, 1).unwrap().prepare(0);
    assert_eq!(request.unwrap().body, "{\"price\": \"5$\"}");
    let own = [
        "-H",
        "Accept: text/plain",
        "-H",
        "content-type: application/x+json",
    ];
    let (text, _) = composed(&[&line[..], &own].concat());
    assert!(!text.contains("application/json"), "{text}");
    let said = refused(&["http://localhost/", "--json", "{\"a\":\n title}"]);
    insta::assert_snapshot!(said, @r#"
    error[S0118]: this is not JSON
     --> command line:4:16
      |
    4 | --json {"a":  title}
      |                ^^^^^ I could not go on here
      |
      = help: write for instance `--json '{"title": 7}'`; `-b` sends any text
    "#);
}

#[test]
fn forms_are_taken_as_curl_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.jpg");
    std::fs::write(&path, b"\xff").unwrap();
    let photo = format!("photo=@{};type=image/jpeg;filename=a.jpg", path.display());
    let (text, scenario) = composed(&[
        "http://localhost/",
        "-F",
        "title=5$ & more",
        "-F",
        &photo,
        "-F",
        "title=;type=text/plain",
    ]);
    let text = text.replace(&path.display().to_string(), "cat.jpg");
    insta::assert_snapshot!(text.split_once("requests:\n").unwrap().1, @r#"
    - name: POST /
      send: POST /
      multipart:
        title:
          - 5$$ & more
          - text: ""
            type: text/plain
        photo:
          file: cat.jpg
          type: image/jpeg
          filename: a.jpg
    "#);
    let request = RequestMaker::new(&scenario.load, 1)
        .unwrap()
        .prepare(0)
        .unwrap();
    let body = request.body.escape_ascii().to_string();
    for part in [
        "name=\\\"title\\\"\\r\\n\\r\\n5$ & more\\r\\n",
        "name=\\\"photo\\\"; filename=\\\"a.jpg\\\"\\r\\ncontent-type: image/jpeg\\r\\n\\r\\n\\xff",
        "name=\\\"title\\\"\\r\\ncontent-type: text/plain\\r\\n\\r\\n\\r\\n",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }

    let quoted = format!(
        "photo=@\"{}\";filename=\"a; \\\"b\\\".jpg\"",
        path.display()
    );
    let (_, scenario) = composed(&["http://localhost/", "-F", &quoted, "-F", "note=a;b"]);
    let parts = &scenario.load.requests[0].multipart.as_ref().unwrap().parts;
    assert_eq!(parts[0].filename.as_deref(), Some("a; \"b\".jpg"));
    assert!(format!("{:?}", parts[1]).contains("a;b"), "{parts:?}");

    let (_, scenario) = composed(&[
        "http://localhost/",
        "--data-urlencode",
        "a=1 & 2",
        "--data-urlencode",
        "b=$",
        "--data-urlencode",
        "a=",
    ]);
    let request = RequestMaker::new(&scenario.load, 1)
        .unwrap()
        .prepare(0)
        .unwrap();
    assert_eq!(request.body, "a=1%20%26%202&a=&b=%24");
    for wrong in [["-F", "photo"], ["--data-urlencode", "=x"]] {
        let said = refused(&[&["http://localhost/"][..], &wrong].concat());
        assert!(said.contains("S0107") && said.contains("=VALUE`"), "{said}");
    }
}

#[test]
fn who_asks_may_stand_in_the_environment() {
    let asked = |words: &[&str]| {
        let (text, scenario) = composed(&[&["http://localhost/"][..], words].concat());
        let request = RequestMaker::new(&scenario.load, 1).unwrap().prepare(0);
        let (name, value) = request.unwrap().headers.remove(0);
        assert_eq!(name, "authorization");
        (text, value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        asked(&["-u", "Aladdin:open sesame"]).1,
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    let path = std::env::var("PATH").unwrap();
    let (text, value) = asked(&["--bearer", "${PATH}"]);
    assert_eq!(value, format!("Bearer {path}"));
    assert!(
        text.ends_with("      auth:\n        bearer: ${PATH}\n"),
        "{text}"
    );
    let (text, _) = asked(&["--user", "me:${PATH}"]);
    assert!(text.contains("          password: ${PATH}\n"), "{text}");
    let said = refused(&["http://localhost/", "--user", "me"]);
    assert!(said.contains("`--user 'me:${PASSWORD}'`"), "{said}");
    let both = [
        "squall",
        "load",
        "http://localhost/",
        "-u",
        "a:b",
        "--bearer",
        "c",
    ];
    assert!(Cli::try_parse_from(both).is_err());
    let two = [
        "squall",
        "load",
        "http://localhost/",
        "--json",
        "1",
        "-b",
        "c",
    ];
    assert!(Cli::try_parse_from(two).is_err());
}
