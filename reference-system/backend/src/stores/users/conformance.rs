//! What every engine of the role has to mean: [`suite!`] makes these cases tests of an engine.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use squall_resilience::Deadline;

use super::model::{
    MaturityRating, NewProfile, NewUser, Preference, Profile, ProfileChange, Seeded, User,
};
use super::{PAGE_ROWS_MAX, Users, UsersError};

/// An engine with a database of its own, empty at first.
pub(crate) trait Engine {
    /// The role in this engine.
    type Store: Users;
    /// Opens the database, again if it was open before.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;
    /// Ends what [`open`](Self::open) began, as the end of a process would.
    fn close(&self, store: Self::Store) -> impl Future<Output = ()> + Send;
}

/// Makes every case a test of the engine that the expression makes.
macro_rules! suite {
    ($engine:expr; $($case:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            let engine = $engine;
            let case = $crate::stores::users::conformance::$case(&engine);
            let ended = tokio::time::timeout(std::time::Duration::from_secs(60), case);
            assert!(ended.await.is_ok(), "it hangs");
        }
    )+};
    ($engine:expr) => {
        $crate::stores::users::conformance::suite!($engine;
            an_account_is_read_back_whole,
            of_whom_there_is_none_nothing_is_read,
            an_address_has_one_account,
            of_those_who_take_an_address_at_once_one_gets_it,
            wrong_input_is_told_its_field_and_changes_nothing,
            what_belongs_to_no_account_is_refused,
            an_account_has_at_most_five_profiles_even_at_once,
            changes_at_once_lose_nothing,
            no_order_of_changes_gives_a_child_more_than_children_may_see,
            preferences_are_set_over_and_paged_in_order,
            accounts_are_paged_in_order,
            a_removed_profile_takes_its_preferences_and_the_primary_one_stays,
            a_deleted_account_is_gone_from_every_table_and_nobody_elses,
            what_was_acknowledged_survives_a_restart_and_no_key_is_given_twice,
            a_dataset_is_brought_in_once_and_whole_or_not_at_all,
        );
    };
}
pub(crate) use suite;

/// Time enough for anything.
pub(crate) fn later() -> Deadline {
    Deadline::after(Instant::now(), Duration::from_secs(50))
}

/// An account of this name.
pub(crate) fn named(name: &str) -> NewUser {
    NewUser {
        email: format!("{name}@example.com"),
        password_hash: format!("hash of {name}"),
        first_name: name.to_owned(),
        last_name: "Lovelace".to_owned(),
        country_code: "US".to_owned(),
        language_code: None,
    }
}

/// A profile of this name.
pub(crate) fn profile(name: &str) -> NewProfile {
    NewProfile::primary(name)
}

fn preference(key: &str, value: &str) -> Preference {
    Preference {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

async fn signed_up(store: &impl Users, name: &str) -> (User, Profile) {
    store.sign_up(named(name), later()).await.unwrap()
}

/// All pages of two rows.
async fn all_preferences(store: &impl Users, user: i64, profile: i64) -> Vec<Preference> {
    let mut all: Vec<Preference> = Vec::new();
    loop {
        let after = all.last().map_or(String::new(), |last| last.key.clone());
        let page = store.preferences(user, profile, &after, 2, later());
        let page = page.await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

pub(crate) async fn an_account_is_read_back_whole(engine: &impl Engine) {
    let store = engine.open().await;
    let new = NewUser {
        email: "Ada@Example.com".to_owned(),
        language_code: Some("pt-BR".to_owned()),
        ..named("Ada")
    };
    let (user, primary) = store.sign_up(new, later()).await.unwrap();
    assert_eq!(user.email, "ada@example.com");
    assert_eq!(
        (user.first_name.as_str(), user.country_code.as_str()),
        ("Ada", "US")
    );
    assert_eq!(user.language_code, "pt-BR");
    assert_eq!(user.created_at.len(), "2026-01-31 12:00:00".len());
    assert_eq!(
        store.user(user.id, later()).await.unwrap(),
        Some(user.clone())
    );
    assert!(primary.is_primary && !primary.is_kids);
    assert_eq!(primary.maturity_rating, MaturityRating::Pg13);
    let credentials = store
        .credentials("ADA@example.com", later())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (credentials.user, credentials.password_hash.as_str()),
        (user.id, "hash of Ada")
    );
    let child = NewProfile {
        is_kids: true,
        avatar_url: Some("https://example.com/a.png".to_owned()),
        ..profile("Bo")
    };
    let child = store.add_profile(user.id, child, later()).await.unwrap();
    assert_eq!(child.maturity_rating, MaturityRating::Pg);
    let profiles = store.profiles(user.id, later()).await.unwrap();
    assert_eq!(
        profiles,
        [primary.clone(), child.clone()],
        "the primary one first"
    );
    let found = store
        .primary_profile(user.id, later())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.id, found.email, found.profile_name),
        (user.id, user.email, primary.name)
    );
    let viewer = store.viewer(child.id, later()).await.unwrap().unwrap();
    assert_eq!((viewer.user, viewer.maturity_age_max()), (user.id, 7));
    assert_eq!(viewer.country_code, "US");
    let (plain, _) = signed_up(&store, "Grace").await;
    assert_eq!(plain.language_code, "en");
}

pub(crate) async fn of_whom_there_is_none_nothing_is_read(engine: &impl Engine) {
    let store = engine.open().await;
    signed_up(&store, "ada").await;
    assert_eq!(store.user(i64::MAX, later()).await.unwrap(), None);
    assert_eq!(store.viewer(i64::MAX, later()).await.unwrap(), None);
    assert_eq!(
        store
            .credentials("none@example.com", later())
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store.primary_profile(i64::MAX, later()).await.unwrap(),
        None
    );
}

pub(crate) async fn an_address_has_one_account(engine: &impl Engine) {
    let store = engine.open().await;
    let (ada, _) = signed_up(&store, "ada").await;
    let again = NewUser {
        email: "ADA@EXAMPLE.COM".to_owned(),
        ..named("other")
    };
    assert_eq!(
        store.sign_up(again, later()).await,
        Err(UsersError::EmailTaken)
    );
    let all = store.users(0, 100, later()).await.unwrap();
    assert_eq!(all, [ada], "nothing is left of the other");
}

pub(crate) async fn of_those_who_take_an_address_at_once_one_gets_it(engine: &impl Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let tries = (0..8).map(|n| match n % 2 {
        0 => one.sign_up(named("ada"), later()),
        _ => other.sign_up(named("ada"), later()),
    });
    let results = join_all(tries).await;
    let taken = |result: &Result<_, _>| *result == Err(UsersError::EmailTaken);
    let made = results.iter().filter(|result| result.is_ok()).count();
    let refused = results.iter().filter(|result| taken(result)).count();
    assert_eq!((made, refused), (1, 7), "{results:?}");
    assert_eq!(one.users(0, 100, later()).await.unwrap().len(), 1);
}

pub(crate) async fn wrong_input_is_told_its_field_and_changes_nothing(engine: &impl Engine) {
    let store = engine.open().await;
    let long = "x".repeat(101);
    let wrong = |change: &dyn Fn(&mut NewUser)| {
        let mut new = named("ada");
        change(&mut new);
        new
    };
    for (field, new) in [
        ("email", wrong(&|new| new.email = "ada".to_owned())),
        (
            "password",
            wrong(&|new| new.password_hash = "h".repeat(256)),
        ),
        ("first_name", wrong(&|new| new.first_name = String::new())),
        ("last_name", wrong(&|new| new.last_name.clone_from(&long))),
        (
            "country_code",
            wrong(&|new| new.country_code = "XX".to_owned()),
        ),
        (
            "language_code",
            wrong(&|new| new.language_code = Some("german".to_owned())),
        ),
    ] {
        match store.sign_up(new, later()).await {
            Err(UsersError::Invalid(invalid)) => assert_eq!(invalid.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(store.users(0, 100, later()).await.unwrap(), []);
    let (user, primary) = signed_up(&store, "ada").await;
    let grown_up_child = NewProfile {
        is_kids: true,
        maturity_rating: Some(MaturityRating::R),
        ..profile("Bo")
    };
    for new in [
        profile(""),
        profile(" Bo"),
        profile("B\no"),
        profile(&long),
        grown_up_child,
    ] {
        let refused = store.add_profile(user.id, new.clone(), later()).await;
        assert!(matches!(refused, Err(UsersError::Invalid(_))), "{new:?}");
    }
    let change = ProfileChange {
        is_kids: Some(true),
        ..ProfileChange::default()
    };
    let refused = store
        .change_profile(user.id, primary.id, change, later())
        .await;
    assert!(
        matches!(refused, Err(UsersError::Invalid(_))),
        "PG-13 is not for kids"
    );
    for (key, value) in [("Big", "x"), ("", "x"), ("k", "\0")] {
        let refused = store.prefer(user.id, primary.id, preference(key, value), later());
        assert!(
            matches!(refused.await, Err(UsersError::Invalid(_))),
            "{key}"
        );
    }
    assert_eq!(store.profiles(user.id, later()).await.unwrap(), [primary]);
    let refused = store.credentials("not an address", later()).await;
    assert!(matches!(refused, Err(UsersError::Invalid(_))));
}

pub(crate) async fn what_belongs_to_no_account_is_refused(engine: &impl Engine) {
    let store = engine.open().await;
    let (ada, _) = signed_up(&store, "ada").await;
    let (_, others) = signed_up(&store, "grace").await;
    let nobody = ada.id + 1_000;
    let added = store.add_profile(nobody, profile("x"), later()).await;
    assert_eq!(added, Err(UsersError::NoSuchUser));
    assert_eq!(
        store.delete(nobody, later()).await,
        Err(UsersError::NoSuchUser)
    );
    for (user, of) in [(nobody, others.id), (ada.id, others.id), (ada.id, nobody)] {
        let set = store.prefer(user, of, preference("k", "v"), later()).await;
        assert_eq!(set, Err(UsersError::NoSuchProfile));
        let change = ProfileChange::default();
        let changed = store.change_profile(user, of, change, later()).await;
        assert_eq!(changed, Err(UsersError::NoSuchProfile));
        let removed = store.remove_profile(user, of, later()).await;
        assert_eq!(removed, Err(UsersError::NoSuchProfile));
        assert_eq!(
            store.preferences(user, of, "", 10, later()).await.unwrap(),
            []
        );
    }
    assert_eq!(store.profiles(nobody, later()).await.unwrap(), []);
}

pub(crate) async fn an_account_has_at_most_five_profiles_even_at_once(engine: &impl Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let (user, _) = signed_up(&one, "ada").await;
    let adds = (0..10).map(|n| {
        let new = profile(&format!("p{n}"));
        match n % 2 {
            0 => one.add_profile(user.id, new, later()),
            _ => other.add_profile(user.id, new, later()),
        }
    });
    let results = join_all(adds).await;
    let full = |result: &&Result<_, _>| **result == Err(UsersError::TooManyProfiles);
    assert_eq!(
        results.iter().filter(|result| result.is_ok()).count(),
        4,
        "{results:?}"
    );
    assert_eq!(results.iter().filter(full).count(), 6, "{results:?}");
    assert_eq!(one.profiles(user.id, later()).await.unwrap().len(), 5);
}

pub(crate) async fn changes_at_once_lose_nothing(engine: &impl Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let (user, primary) = signed_up(&one, "ada").await;
    let names = async {
        for n in 0..10 {
            let change = ProfileChange {
                name: Some(format!("name {n}")),
                ..ProfileChange::default()
            };
            let changed = one
                .change_profile(user.id, primary.id, change, later())
                .await;
            assert_eq!(changed.unwrap().name, format!("name {n}"));
        }
    };
    let pictures = async {
        for n in 0..10 {
            let change = ProfileChange {
                avatar_url: Some(format!("/{n}.png")),
                ..ProfileChange::default()
            };
            let changed = other
                .change_profile(user.id, primary.id, change, later())
                .await;
            assert_eq!(changed.unwrap().avatar_url, Some(format!("/{n}.png")));
        }
    };
    tokio::join!(names, pictures);
    let profiles = one.profiles(user.id, later()).await.unwrap();
    let last = (profiles[0].name.as_str(), profiles[0].avatar_url.as_deref());
    assert_eq!(last, ("name 9", Some("/9.png")));
}

pub(crate) async fn no_order_of_changes_gives_a_child_more_than_children_may_see(
    engine: &impl Engine,
) {
    let (one, other) = (engine.open().await, engine.open().await);
    let (user, primary) = signed_up(&one, "ada").await;
    let rated = |rating| ProfileChange {
        maturity_rating: Some(rating),
        ..ProfileChange::default()
    };
    let child = ProfileChange {
        is_kids: Some(true),
        ..rated(MaturityRating::Pg)
    };
    for _ in 0..5 {
        let adult = ProfileChange {
            is_kids: Some(false),
            ..ProfileChange::default()
        };
        one.change_profile(user.id, primary.id, adult, later())
            .await
            .unwrap();
        let (as_child, as_adult) = tokio::join!(
            one.change_profile(user.id, primary.id, child.clone(), later()),
            other.change_profile(user.id, primary.id, rated(MaturityRating::R), later()),
        );
        as_child.unwrap();
        let refused = matches!(as_adult, Err(UsersError::Invalid(_)));
        assert!(refused || as_adult.is_ok(), "{as_adult:?}");
        let viewer = one.viewer(primary.id, later()).await.unwrap().unwrap();
        assert!(viewer.is_kids);
        assert!(viewer.maturity_rating.is_for_kids(), "{viewer:?}");
    }
}

pub(crate) async fn preferences_are_set_over_and_paged_in_order(engine: &impl Engine) {
    let store = engine.open().await;
    let (user, primary) = signed_up(&store, "ada").await;
    let second = store
        .add_profile(user.id, profile("Bo"), later())
        .await
        .unwrap();
    for (key, value) in [
        ("c", "1"),
        ("a", "2"),
        ("b", "3"),
        ("a", "4"),
        ("d", ""),
        ("a", "4"),
    ] {
        let set = store.prefer(user.id, primary.id, preference(key, value), later());
        set.await.unwrap();
    }
    let mine = [("a", "4"), ("b", "3"), ("c", "1"), ("d", "")];
    let mine = mine.map(|(key, value)| preference(key, value));
    assert_eq!(all_preferences(&store, user.id, primary.id).await, mine);
    assert_eq!(all_preferences(&store, user.id, second.id).await, []);
    let sets = (0..=PAGE_ROWS_MAX).map(|n| {
        let one = preference(&format!("k{n:03}"), "v");
        store.prefer(user.id, second.id, one, later())
    });
    assert!(join_all(sets).await.iter().all(Result::is_ok));
    let page = store
        .preferences(user.id, second.id, "", u32::MAX, later())
        .await
        .unwrap();
    assert_eq!(
        page.len(),
        PAGE_ROWS_MAX as usize,
        "however many are asked for"
    );
    let none = store
        .preferences(user.id, second.id, "", 0, later())
        .await
        .unwrap();
    assert_eq!(none, []);
}

pub(crate) async fn accounts_are_paged_in_order(engine: &impl Engine) {
    let store = engine.open().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(signed_up(&store, &format!("u{n}")).await.0);
    }
    let mut seen: Vec<User> = Vec::new();
    loop {
        let after = seen.last().map_or(0, |user| user.id);
        let page = store.users(after, 2, later()).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, made);
}

pub(crate) async fn a_removed_profile_takes_its_preferences_and_the_primary_one_stays(
    engine: &impl Engine,
) {
    let store = engine.open().await;
    let (user, primary) = signed_up(&store, "ada").await;
    let second = store
        .add_profile(user.id, profile("Bo"), later())
        .await
        .unwrap();
    for of in [primary.id, second.id] {
        let set = store.prefer(user.id, of, preference("k", "v"), later());
        set.await.unwrap();
    }
    store
        .remove_profile(user.id, second.id, later())
        .await
        .unwrap();
    assert_eq!(all_preferences(&store, user.id, second.id).await, []);
    assert_eq!(
        all_preferences(&store, user.id, primary.id).await,
        [preference("k", "v")]
    );
    assert_eq!(store.viewer(second.id, later()).await.unwrap(), None);
    let again = store.remove_profile(user.id, second.id, later()).await;
    assert_eq!(again, Err(UsersError::NoSuchProfile));
    let refused = store.remove_profile(user.id, primary.id, later()).await;
    assert_eq!(refused, Err(UsersError::PrimaryProfile));
    assert_eq!(store.profiles(user.id, later()).await.unwrap(), [primary]);
}

pub(crate) async fn a_deleted_account_is_gone_from_every_table_and_nobody_elses(
    engine: &impl Engine,
) {
    let store = engine.open().await;
    let (ada, first) = signed_up(&store, "ada").await;
    let (grace, hers) = signed_up(&store, "grace").await;
    let second = store
        .add_profile(ada.id, profile("Bo"), later())
        .await
        .unwrap();
    for (user, of) in [(ada.id, first.id), (ada.id, second.id), (grace.id, hers.id)] {
        let set = store.prefer(user, of, preference("k", "v"), later());
        set.await.unwrap();
    }
    store.delete(ada.id, later()).await.unwrap();
    assert_eq!(store.user(ada.id, later()).await.unwrap(), None);
    assert_eq!(store.credentials(&ada.email, later()).await.unwrap(), None);
    assert_eq!(store.primary_profile(ada.id, later()).await.unwrap(), None);
    assert_eq!(store.profiles(ada.id, later()).await.unwrap(), []);
    for of in [first.id, second.id] {
        assert_eq!(store.viewer(of, later()).await.unwrap(), None);
        assert_eq!(all_preferences(&store, ada.id, of).await, []);
    }
    assert_eq!(
        store.users(0, 100, later()).await.unwrap(),
        std::slice::from_ref(&grace)
    );
    assert_eq!(
        store.profiles(grace.id, later()).await.unwrap(),
        std::slice::from_ref(&hers)
    );
    assert_eq!(
        all_preferences(&store, grace.id, hers.id).await,
        [preference("k", "v")]
    );
    assert_eq!(
        store.delete(ada.id, later()).await,
        Err(UsersError::NoSuchUser)
    );
    let (again, _) = signed_up(&store, "ada").await;
    assert_ne!(again.id, ada.id, "nobody inherits the key of another");
}

pub(crate) async fn what_was_acknowledged_survives_a_restart_and_no_key_is_given_twice(
    engine: &impl Engine,
) {
    let store = engine.open().await;
    let (ada, first) = signed_up(&store, "ada").await;
    let (last, gone) = signed_up(&store, "grace").await;
    store
        .prefer(ada.id, first.id, preference("k", "v"), later())
        .await
        .unwrap();
    store.delete(last.id, later()).await.unwrap();
    engine.close(store).await;
    let store = engine.open().await;
    assert_eq!(
        store.users(0, 100, later()).await.unwrap(),
        std::slice::from_ref(&ada)
    );
    assert_eq!(
        store.profiles(ada.id, later()).await.unwrap(),
        std::slice::from_ref(&first)
    );
    assert_eq!(
        all_preferences(&store, ada.id, first.id).await,
        [preference("k", "v")]
    );
    let (next, its) = signed_up(&store, "grace").await;
    assert!(next.id > last.id && its.id > gone.id, "{next:?} {its:?}");
}

pub(crate) async fn a_dataset_is_brought_in_once_and_whole_or_not_at_all(engine: &impl Engine) {
    let (store, other) = (engine.open().await, engine.open().await);
    let account = |id: i64| Seeded {
        id,
        email: format!("viewer-{id}@example.com"),
        password_hash: "hash".to_owned(),
        country_code: "JP".to_owned(),
        maturity_rating: MaturityRating::Pg,
        is_kids: true,
    };
    let accounts: Vec<Seeded> = (1..=1_200).map(account).collect();
    let mut twice = accounts.clone();
    twice.push(account(1));
    let refused = store.load(twice, later()).await;
    assert!(matches!(refused, Err(UsersError::Failed(_))), "{refused:?}");
    assert_eq!(
        store.users(0, 1, later()).await.unwrap(),
        [],
        "not a part of it"
    );
    let loads = [&store, &other].map(|store| store.load(accounts.clone(), later()));
    let loaded: BTreeSet<usize> = join_all(loads).await.into_iter().flatten().collect();
    assert_eq!(loaded, BTreeSet::from([0, 1_200]));
    let viewer = store.viewer(1_200, later()).await.unwrap().unwrap();
    assert_eq!((viewer.user, viewer.country_code.as_str()), (1_200, "JP"));
    let primary = store.primary_profile(7, later()).await.unwrap().unwrap();
    assert_eq!(primary.email, "viewer-7@example.com");
    let (next, profile) = signed_up(&store, "ada").await;
    assert!(
        next.id > 1_200 && profile.id > 1_200,
        "{next:?} {profile:?}"
    );
}
