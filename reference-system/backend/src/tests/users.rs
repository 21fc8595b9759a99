//! Users: who signs up is known everywhere, and while the user service is gone its users still watch.

use http::Method;
use serde_json::{Value, json};

use super::backend::{Backend, HANG, fallback, settings, titles};
use crate::dataset::generate;
use crate::dataset::model::{MATURITY_KIDS, TITLES};
use crate::service::ServiceKind;
use crate::services::user::dataset::{PASSWORD, email};

/// Without time limits, so that a slow machine is not mistaken for a missing dependency.
async fn started() -> Backend {
    Backend::start(settings(&[("timeouts", "disabled")])).await
}

struct Answer {
    status: u16,
    fallback: String,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn session(&self) -> String {
        self.json()["session"].as_str().unwrap().to_owned()
    }
}

/// What an instance answers to somebody who shows a session, if it is not empty.
async fn ask_at(
    backend: &Backend,
    instance: &str,
    (method, path): (Method, &str),
    body: &Value,
    session: &str,
) -> Answer {
    let address = backend.host(instance).config.listen;
    let mut request = backend
        .http
        .request(method, format!("http://{address}{path}"));
    if !body.is_null() {
        request = request.json(body);
    }
    if !session.is_empty() {
        request = request.bearer_auth(session);
    }
    let response = tokio::time::timeout(HANG, request.send()).await.unwrap();
    let response = response.unwrap();
    Answer {
        status: response.status().as_u16(),
        fallback: fallback(&response),
        text: response.text().await.unwrap(),
    }
}

async fn ask(backend: &Backend, method: Method, path: &str, body: &Value, session: &str) -> Answer {
    ask_at(backend, "gateway-0", (method, path), body, session).await
}

async fn get(backend: &Backend, path: &str, session: &str) -> Answer {
    ask(backend, Method::GET, path, &json!(null), session).await
}

/// Asks again until the answer is so, which it is soon: what follows from a change is cached a
/// moment later, and not when what was cached has run out.
async fn until(backend: &Backend, path: &str, session: &str, so: impl Fn(&Answer) -> bool) {
    let waited = tokio::time::timeout(HANG / 2, async {
        while !so(&get(backend, path, session).await) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{path} never becomes so");
}

fn ada() -> Value {
    json!({ "email": "ada@example.com", "password": "correct horse", "first_name": "Ada",
            "last_name": "Lovelace", "country_code": "US" })
}

async fn sign_up(backend: &Backend) -> Answer {
    let answer = ask(backend, Method::POST, "/sign-up", &ada(), "").await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer
}

async fn sign_in(backend: &Backend, email: &str, password: &str) -> Answer {
    let who = json!({ "email": email, "password": password });
    ask(backend, Method::POST, "/sign-in", &who, "").await
}

/// A title of the country that no child may see.
fn adults_title() -> u32 {
    let titles = generate::titles(42);
    assert_eq!(titles.len(), TITLES as usize);
    let mut found = titles
        .iter()
        .filter(|(title, countries)| title.maturity_age > MATURITY_KIDS && countries.contains("US"))
        .filter(|(title, _)| title.maturity_age <= 13);
    found.next().unwrap().0.id
}

/// A title for everyone, but not in the country.
fn foreign_title() -> u32 {
    let titles = generate::titles(42);
    let mut found = titles
        .iter()
        .filter(|(title, countries)| title.maturity_age == 0 && !countries.contains("US"));
    found.next().unwrap().0.id
}

fn oldest(page: &Value) -> u64 {
    let rows = page["rows"].as_array().unwrap().iter();
    let titles = rows.flat_map(|row| row["titles"].as_array().unwrap());
    let ages = titles.map(|title| title["maturity_age"].as_u64().unwrap());
    ages.max().unwrap()
}

#[tokio::test]
async fn who_signs_up_can_sign_in_at_every_instance_and_nobody_else_can() {
    let backend = started().await;
    let up = sign_up(&backend).await;
    let user = up.json()["user"]["id"].clone();
    let primary = up.json()["profiles"][0]["id"].as_u64().unwrap();
    for instance in ["user-0", "user-1"] {
        let who = json!({ "email": "ADA@example.com", "password": "correct horse" });
        let asked = (Method::POST, "/sign-in");
        let answer = ask_at(&backend, instance, asked, &who, "").await;
        assert_eq!(answer.status, 200, "{instance}: {}", answer.text);
        assert_eq!(answer.json()["user"]["id"], user);
    }
    let session = sign_in(&backend, "ada@example.com", "correct horse")
        .await
        .session();
    let account = get(&backend, "/account", &session).await;
    assert_eq!(
        (account.status, &account.json()["user"]["id"]),
        (200, &user)
    );
    assert!(
        !account.text.contains("argon2"),
        "no hash leaves the service"
    );

    let home = get(&backend, &format!("/home/{primary}"), &session).await;
    assert_eq!((home.status, home.fallback.as_str()), (200, ""));
    assert_eq!(home.json()["country"], "US");
    assert!(oldest(&home.json()) <= 13, "PG-13 unless said otherwise");
    assert_eq!(get(&backend, "/home/7", &session).await.status, 403);
    assert_eq!(get(&backend, "/home/7", "forged.token").await.status, 401);
    assert_eq!(get(&backend, "/home/7", "").await.status, 200, "as ever");
    assert_eq!(get(&backend, "/home/999999", "").await.status, 404);

    let wrong = sign_in(&backend, "ada@example.com", "wrong horse").await;
    let nobody = sign_in(&backend, "bob@example.com", "correct horse").await;
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(
        wrong.text, nobody.text,
        "who has an account is nobody's business"
    );
    assert_eq!(get(&backend, "/account", "").await.status, 401);
    assert_eq!(
        get(&backend, "/account/nothing", &session).await.status,
        404
    );
    let generated = sign_in(&backend, &email(7), PASSWORD).await;
    assert_eq!(generated.json()["profiles"][0]["id"], 7);
}

#[tokio::test]
async fn wrong_input_is_told_what_to_write() {
    let backend = started().await;
    let session = sign_up(&backend).await.session();
    let with = |field: &str, value: Value| {
        let mut new = ada();
        new[field] = value;
        new
    };
    let profiles = "/account/profiles";
    for (path, body, status, said) in [
        ("/sign-up", ada(), 409, "there is an account"),
        ("/sign-up", with("email", json!("ada")), 400, "email: write"),
        (
            "/sign-up",
            with("password", json!("short")),
            400,
            "password: write 8",
        ),
        (
            "/sign-up",
            with("country_code", json!("XX")),
            400,
            "country_code: write",
        ),
        (
            "/sign-up",
            with("country_code", json!(1)),
            400,
            "send {\"email\"",
        ),
        (
            "/sign-up",
            with("admin", json!(true)),
            400,
            "unknown field `admin`",
        ),
        ("/sign-up", json!([]), 400, "send {\"email\""),
        (
            "/sign-in",
            json!({ "email": "x", "password": "y" }),
            400,
            "email: write",
        ),
        ("/sign-in", json!({}), 400, "missing field `email`"),
        (profiles, json!({}), 400, "missing field `name`"),
        (
            profiles,
            json!({ "name": "Bo", "maturity_rating": "X" }),
            400,
            "`PG-13`",
        ),
        (
            profiles,
            json!({ "name": "Bo", "is_kids": true, "maturity_rating": "R" }),
            400,
            "maturity_rating: write `G` or `PG`",
        ),
    ] {
        let answer = ask(&backend, Method::POST, path, &body, &session).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text);
        assert!(answer.text.contains(said), "{path} {body}: {}", answer.text);
    }
    let unreadable = backend.host("gateway-0").config.listen;
    let sent = backend.http.post(format!("http://{unreadable}/sign-in"));
    let answer = sent.body("{").send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn nobody_changes_anothers_profile() {
    let backend = started().await;
    let session = sign_up(&backend).await.session();
    for (path, method) in [
        ("/account/profiles/1", Method::PATCH),
        ("/account/profiles/1", Method::DELETE),
        ("/account/profiles/1/preferences/k", Method::PUT),
    ] {
        let body = match method {
            Method::PUT => json!({ "value": "x" }),
            _ => json!({}),
        };
        let answer = ask(&backend, method, path, &body, &session).await;
        assert_eq!(answer.status, 404, "another's profile: {}", answer.text);
    }
}

#[tokio::test]
async fn what_a_parent_changes_holds_from_then_on_and_preferences_are_kept() {
    let backend = started().await;
    let up = sign_up(&backend).await;
    let primary = up.json()["profiles"][0]["id"].as_u64().unwrap();
    let child = json!({ "name": "Bo", "is_kids": true });
    let made = ask(
        &backend,
        Method::POST,
        "/account/profiles",
        &child,
        &up.session(),
    )
    .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let session = made.session();
    let child = made.json()["profiles"][1]["id"].as_u64().unwrap();
    assert_eq!(
        get(&backend, &format!("/home/{child}"), &up.session())
            .await
            .status,
        403
    );
    let home = get(&backend, &format!("/home/{child}"), &session).await;
    assert_eq!(home.status, 200, "{}", home.text);
    assert!(oldest(&home.json()) <= u64::from(MATURITY_KIDS));
    let adults = adults_title();
    let play = |profile: u64| format!("/play/{adults}?profile={profile}");
    assert_eq!(get(&backend, &play(child), &session).await.status, 403);
    assert_eq!(get(&backend, &play(primary), &session).await.status, 200);

    let kids = json!({ "is_kids": true, "maturity_rating": "PG" });
    let path = format!("/account/profiles/{primary}");
    let changed = ask(&backend, Method::PATCH, &path, &kids, &session).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    until(&backend, &play(primary), &session, |answer| {
        answer.status == 403
    })
    .await;

    let path = format!("/account/profiles/{child}/preferences/subtitles.size");
    for size in ["small", "large"] {
        let set = ask(
            &backend,
            Method::PUT,
            &path,
            &json!({ "value": size }),
            &session,
        )
        .await;
        assert_eq!(set.status, 200, "{}", set.text);
    }
    let path = format!("/account/profiles/{child}/preferences");
    let kept = get(&backend, &path, &session).await;
    let expected = json!([{ "key": "subtitles.size", "value": "large" }]);
    assert_eq!(kept.json(), expected);

    let path = format!("/account/profiles/{child}");
    let removed = ask(&backend, Method::DELETE, &path, &json!(null), &session).await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    until(&backend, &format!("/home/{child}"), &session, |home| {
        home.status == 404
    })
    .await;
}

#[tokio::test]
async fn a_deleted_account_can_do_nothing_and_is_seen_nowhere() {
    let backend = started().await;
    let up = sign_up(&backend).await;
    let (session, profile) = (up.session(), up.json()["profiles"][0]["id"].clone());
    let home = format!("/home/{profile}");
    assert_eq!(get(&backend, &home, &session).await.status, 200);
    let gone = ask(&backend, Method::DELETE, "/account", &json!(null), &session).await;
    assert_eq!(
        (gone.status, &gone.json()["profiles"]),
        (200, &json!([profile]))
    );
    until(&backend, &home, &session, |answer| answer.status == 404).await;
    assert_eq!(get(&backend, &home, "").await.status, 404);
    let viewer = format!("/viewers/{profile}");
    for instance in ["user-0", "user-1"] {
        assert_eq!(backend.get_from(instance, &viewer).await.status(), 404);
    }
    assert_eq!(get(&backend, "/account", &session).await.status, 401);
    let more = json!({ "name": "Bo" });
    let added = ask(&backend, Method::POST, "/account/profiles", &more, &session).await;
    assert_eq!(added.status, 401, "{}", added.text);
    let again = sign_in(&backend, "ada@example.com", "correct horse").await;
    assert_eq!(again.status, 401);
    sign_up(&backend).await;
}

#[tokio::test]
async fn while_the_user_service_is_gone_its_users_watch_what_they_may_and_no_more() {
    let mut backend = started().await;
    let up = sign_up(&backend).await;
    let child = json!({ "name": "Bo", "is_kids": true });
    let made = ask(
        &backend,
        Method::POST,
        "/account/profiles",
        &child,
        &up.session(),
    )
    .await;
    let session = made.session();
    let [primary, child] = [0, 1].map(|n| made.json()["profiles"][n]["id"].as_u64().unwrap());
    let adults = adults_title();
    for name in ["user-0", "user-1"] {
        backend.kill(name).await;
    }

    let home = get(&backend, &format!("/home/{primary}"), &session).await;
    assert_eq!(
        (home.status, home.fallback.as_str()),
        (200, "profile=session")
    );
    assert_eq!(home.json()["country"], "US");
    let home = get(&backend, &format!("/home/{child}"), &session).await;
    assert_eq!(
        (home.status, home.fallback.as_str()),
        (200, "profile=session")
    );
    assert!(oldest(&home.json()) <= u64::from(MATURITY_KIDS));
    assert!(titles(&home.json()).len() >= 20);
    let play = |profile: u64| format!("/play/{adults}?profile={profile}");
    let started = get(&backend, &play(primary), &session).await;
    assert_eq!(
        (started.status, started.fallback.as_str()),
        (200, "profile=session")
    );
    assert_eq!(get(&backend, &play(child), &session).await.status, 403);
    let foreign = format!("/play/{}?profile={primary}", foreign_title());
    assert_eq!(get(&backend, &foreign, &session).await.status, 451);

    let home = get(&backend, &format!("/home/{primary}"), "").await;
    assert_eq!(
        (home.status, home.fallback.as_str()),
        (200, "profile=default")
    );
    assert!(
        oldest(&home.json()) <= u64::from(MATURITY_KIDS),
        "whoever it is"
    );
    assert_eq!(get(&backend, &play(primary), "").await.status, 503);
    assert_eq!(
        get(&backend, &format!("/play/{adults}"), "").await.status,
        200
    );
    let answer = sign_in(&backend, "ada@example.com", "correct horse").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(get(&backend, "/account", &session).await.status, 503);
}

#[tokio::test]
async fn who_signed_up_is_still_there_when_the_service_is_back() {
    let mut backend = started().await;
    sign_up(&backend).await;
    let names = ["user-0", "user-1"];
    let configs = names.map(|name| backend.host(name).config.clone());
    for name in names {
        backend.kill(name).await;
    }
    for config in configs {
        backend.restart(config).await;
    }
    let waited = tokio::time::timeout(HANG, async {
        while sign_in(&backend, "ada@example.com", "correct horse")
            .await
            .status
            != 200
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "whoever signed up is still there");
}

/// Every row that a service keeps is its own: nobody but the user service opens the users.
#[tokio::test]
async fn the_users_are_in_the_database_of_the_user_service_and_nowhere_else() {
    let users = [ServiceKind::User];
    let backend = Backend::with(settings(&[]), |kind| users.contains(&kind)).await;
    backend
        .until("both share the file", |backend| {
            ["user-0", "user-1"]
                .iter()
                .all(|name| backend.host(name).is_ready())
        })
        .await;
    let viewer = backend.get_from("user-1", "/viewers/10000").await;
    assert_eq!(viewer.status(), 200);
    let viewer: Value = viewer.json().await.unwrap();
    let generated = generate::profiles(42).last().unwrap();
    assert_eq!(viewer, json!(generated));
}
