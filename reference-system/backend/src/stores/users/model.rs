//! What is kept of users, and the form it must have, which is the same whatever the engine.

use serde::{Deserialize, Serialize};

use crate::dataset::country::country_index;
use crate::dataset::model::MATURITY_KIDS;

/// The key of an account.
pub(crate) type UserId = i64;
/// The key of a profile.
pub(crate) type ProfileId = i64;

/// The language of an account that names none.
pub(crate) const DEFAULT_LANGUAGE: &str = "en";

/// A value that is not of the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: write {wanted}")]
pub(crate) struct Invalid {
    /// Where it stands.
    pub(crate) field: &'static str,
    /// What to write instead.
    pub(crate) wanted: &'static str,
}

/// Up to which rating a profile sees titles. The case study names `R` and `PG-13`; these are the
/// five of the same system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum MaturityRating {
    /// Everyone.
    #[serde(rename = "G")]
    G,
    /// Children.
    #[serde(rename = "PG")]
    Pg,
    /// Teenagers.
    #[serde(rename = "PG-13")]
    Pg13,
    /// Nearly grown up.
    #[serde(rename = "R")]
    R,
    /// Adults.
    #[serde(rename = "NC-17")]
    Nc17,
}

impl MaturityRating {
    /// All, the strictest first.
    pub(crate) const ALL: [Self; 5] = [Self::G, Self::Pg, Self::Pg13, Self::R, Self::Nc17];

    /// As it is stored and written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::G => "G",
            Self::Pg => "PG",
            Self::Pg13 => "PG-13",
            Self::R => "R",
            Self::Nc17 => "NC-17",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rating| rating.name() == name)
    }

    /// The oldest age a title of this rating is suitable from, as the catalogue counts.
    pub(crate) fn age(self) -> u8 {
        match self {
            Self::G => 0,
            Self::Pg => MATURITY_KIDS,
            Self::Pg13 => 13,
            Self::R => 16,
            Self::Nc17 => 18,
        }
    }

    /// The most that a profile may see which may see titles up to this age.
    pub(crate) fn up_to(age: u8) -> Self {
        let laxest_first = Self::ALL.into_iter().rev();
        let mut allowed = laxest_first.filter(|rating| rating.age() <= age);
        allowed.next().unwrap_or(Self::G)
    }

    /// Whether a children's profile may have it.
    pub(crate) fn is_for_kids(self) -> bool {
        self.age() <= MATURITY_KIDS
    }
}

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewUser {
    /// Where it can be written to; no two accounts have the same.
    pub(crate) email: String,
    /// What the password was made into.
    pub(crate) password_hash: String,
    /// The user's first name.
    pub(crate) first_name: String,
    /// The user's last name.
    pub(crate) last_name: String,
    /// ISO 3166-1 alpha-2 code of a country the service is sold in.
    pub(crate) country_code: String,
    /// Such as `en` or `pt-BR`.
    pub(crate) language_code: Option<String>,
}

impl NewUser {
    /// The same, with the address in the one form in which addresses are compared.
    ///
    /// # Errors
    /// A field that is not of the form it must have.
    pub(crate) fn checked(mut self) -> Result<Self, Invalid> {
        self.email = checked_email(&self.email)?;
        check("password", &self.password_hash, 255, "a password")?;
        let name = "1 to 100 characters";
        check("first_name", &self.first_name, 100, name)?;
        check("last_name", &self.last_name, 100, name)?;
        if country_index(&self.country_code).is_none() {
            return Err(Invalid {
                field: "country_code",
                wanted: "the two letters of a country the service is sold in, such as `US`",
            });
        }
        let language = self.language_code.as_deref().unwrap_or(DEFAULT_LANGUAGE);
        let legal = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
        if !(2..=5).contains(&language.len()) || !language.bytes().all(legal) {
            return Err(Invalid {
                field: "language_code",
                wanted: "2 to 5 letters, such as `en` or `pt-BR`",
            });
        }
        Ok(self)
    }
}

/// The one form in which addresses are stored and compared. Engines do not agree on which letters
/// are the same letter, so only those are taken on which they do.
///
/// # Errors
/// It is not an address.
pub(crate) fn checked_email(email: &str) -> Result<String, Invalid> {
    let legal = |byte: u8| byte.is_ascii_graphic();
    let parts = email.split_once('@');
    let whole = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    if email.len() <= 255 && email.bytes().all(legal) && whole {
        return Ok(email.to_ascii_lowercase());
    }
    Err(Invalid {
        field: "email",
        wanted: "an address such as `ada@example.com`, at most 255 ASCII characters",
    })
}

fn check(field: &'static str, text: &str, max: usize, wanted: &'static str) -> Result<(), Invalid> {
    let length = text.chars().count();
    if length == 0 || length > max || text.chars().any(char::is_control) || text.trim() != text {
        return Err(Invalid { field, wanted });
    }
    Ok(())
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// Its key.
    pub(crate) id: UserId,
    /// Its address.
    pub(crate) email: String,
    /// The user's first name.
    pub(crate) first_name: String,
    /// The user's last name.
    pub(crate) last_name: String,
    /// ISO code of its country.
    pub(crate) country_code: String,
    /// Its language.
    pub(crate) language_code: String,
    /// When it was made, in UTC: `2026-01-31 12:00:00`.
    pub(crate) created_at: String,
    /// When it was changed last, in the same form.
    pub(crate) updated_at: String,
}

/// What signing in takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The account.
    pub(crate) user: UserId,
    /// What its password was made into.
    pub(crate) password_hash: String,
}

/// A profile to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProfile {
    /// What it is called.
    pub(crate) name: String,
    /// Its picture.
    #[serde(default)]
    pub(crate) avatar_url: Option<String>,
    /// Up to which rating it sees titles; without it `PG` for a children's profile and `PG-13`
    /// else.
    #[serde(default)]
    pub(crate) maturity_rating: Option<MaturityRating>,
    /// Whether it is a child's.
    #[serde(default)]
    pub(crate) is_kids: bool,
}

impl NewProfile {
    /// The primary profile of a new account.
    pub(crate) fn primary(first_name: &str) -> Self {
        Self {
            name: first_name.to_owned(),
            avatar_url: None,
            maturity_rating: None,
            is_kids: false,
        }
    }

    /// Its rating, as said or as it follows.
    pub(crate) fn rating(&self) -> MaturityRating {
        self.maturity_rating.unwrap_or(match self.is_kids {
            true => MaturityRating::Pg,
            false => MaturityRating::Pg13,
        })
    }

    /// Refuses what is not of the form it must have.
    ///
    /// # Errors
    /// The field.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        check("name", &self.name, 100, "1 to 100 characters")?;
        if let Some(url) = &self.avatar_url {
            check("avatar_url", url, 500, "1 to 500 characters")?;
        }
        if self.is_kids && !self.rating().is_for_kids() {
            return Err(Invalid {
                field: "maturity_rating",
                wanted: "`G` or `PG` for a children's profile",
            });
        }
        Ok(())
    }
}

/// What to change of a profile; what is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    /// Another name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Another picture.
    #[serde(default)]
    pub(crate) avatar_url: Option<String>,
    /// Another rating. One that becomes a child's has to name one that suits it.
    #[serde(default)]
    pub(crate) maturity_rating: Option<MaturityRating>,
    /// Whether it is a child's.
    #[serde(default)]
    pub(crate) is_kids: Option<bool>,
}

impl ProfileChange {
    /// The profile as it will be.
    ///
    /// # Errors
    /// A field that is not of the form it must have.
    pub(crate) fn applied(self, profile: Profile) -> Result<Profile, Invalid> {
        let changed = Profile {
            name: self.name.unwrap_or(profile.name),
            avatar_url: self.avatar_url.or(profile.avatar_url),
            maturity_rating: self.maturity_rating.unwrap_or(profile.maturity_rating),
            is_kids: self.is_kids.unwrap_or(profile.is_kids),
            ..profile
        };
        NewProfile {
            name: changed.name.clone(),
            avatar_url: changed.avatar_url.clone(),
            maturity_rating: Some(changed.maturity_rating),
            is_kids: changed.is_kids,
        }
        .check()?;
        Ok(changed)
    }
}

/// A profile of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Its key.
    pub(crate) id: ProfileId,
    /// What it is called.
    pub(crate) name: String,
    /// Its picture.
    pub(crate) avatar_url: Option<String>,
    /// Up to which rating it sees titles.
    pub(crate) maturity_rating: MaturityRating,
    /// Whether it is a child's.
    pub(crate) is_kids: bool,
    /// Whether it is the first of its account.
    pub(crate) is_primary: bool,
}

impl Profile {
    /// The oldest age a title may be suitable from.
    pub(crate) fn maturity_age_max(&self) -> u8 {
        age_max(self.maturity_rating, self.is_kids)
    }
}

/// What the rest of the backend has to know of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// The profile.
    pub(crate) profile: ProfileId,
    /// Its account.
    pub(crate) user: UserId,
    /// ISO code of its country.
    pub(crate) country_code: String,
    /// Up to which rating it sees titles.
    pub(crate) maturity_rating: MaturityRating,
    /// Whether it is a child's.
    pub(crate) is_kids: bool,
}

impl Viewer {
    /// The oldest age a title may be suitable from.
    pub(crate) fn maturity_age_max(&self) -> u8 {
        age_max(self.maturity_rating, self.is_kids)
    }
}

/// A children's profile is one whatever else stands in its row.
fn age_max(rating: MaturityRating, is_kids: bool) -> u8 {
    match is_kids {
        true => rating.age().min(MATURITY_KIDS),
        false => rating.age(),
    }
}

/// The answer to the case study's query for an account with its primary profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PrimaryProfile {
    /// The account.
    pub(crate) id: UserId,
    /// Its address.
    pub(crate) email: String,
    /// The user's first name.
    pub(crate) first_name: String,
    /// The user's last name.
    pub(crate) last_name: String,
    /// What the profile is called.
    pub(crate) profile_name: String,
    /// Its picture.
    pub(crate) avatar_url: Option<String>,
    /// Up to which rating it sees titles.
    pub(crate) maturity_rating: MaturityRating,
}

/// Something a profile prefers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Preference {
    /// What it is about, such as `subtitles.size`.
    pub(crate) key: String,
    /// What is preferred.
    pub(crate) value: String,
}

impl Preference {
    /// Longest value, in bytes; the column would hold more.
    const VALUE_BYTES_MAX: usize = 4_096;

    /// Refuses what is not of the form it must have.
    ///
    /// # Errors
    /// The field.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if !(1..=100).contains(&self.key.len()) || !self.key.bytes().all(legal) {
            return Err(Invalid {
                field: "key",
                wanted: "1 to 100 small letters, digits, `-`, `_` or `.`",
            });
        }
        if self.value.len() > Self::VALUE_BYTES_MAX || self.value.contains('\0') {
            return Err(Invalid {
                field: "value",
                wanted: "at most 4096 bytes of text",
            });
        }
        Ok(())
    }
}

/// An account of the generated dataset, with one profile of the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeded {
    /// Its key, and that of its profile.
    pub(crate) id: i64,
    /// Its address.
    pub(crate) email: String,
    /// What its password was made into.
    pub(crate) password_hash: String,
    /// ISO code of its country.
    pub(crate) country_code: String,
    /// Up to which rating its profile sees titles.
    pub(crate) maturity_rating: MaturityRating,
    /// Whether its profile is a child's.
    pub(crate) is_kids: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::model::MATURITY_AGES;

    #[test]
    fn ratings_are_the_ages_of_the_catalogue_and_read_back() {
        let ages = MaturityRating::ALL.map(MaturityRating::age);
        assert_eq!(ages, MATURITY_AGES);
        for rating in MaturityRating::ALL {
            assert_eq!(MaturityRating::named(rating.name()), Some(rating));
            assert_eq!(MaturityRating::up_to(rating.age()), rating);
            let json = serde_json::to_value(rating).unwrap();
            assert_eq!(json, rating.name());
        }
        assert_eq!(MaturityRating::up_to(15), MaturityRating::Pg13);
        assert_eq!(MaturityRating::named("X"), None);
    }

    #[test]
    fn addresses_have_one_form_and_nothing_else_is_one() {
        assert_eq!(checked_email("Ada@Example.COM").unwrap(), "ada@example.com");
        let long = format!("{}@example.com", "a".repeat(244));
        for bad in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "ä@b", &long] {
            assert_eq!(checked_email(bad).unwrap_err().field, "email", "{bad}");
        }
    }

    #[test]
    fn a_childs_profile_sees_what_children_may_see_whatever_stands_in_its_row() {
        let child = Viewer {
            profile: 1,
            user: 1,
            country_code: "US".to_owned(),
            maturity_rating: MaturityRating::R,
            is_kids: true,
        };
        assert_eq!(child.maturity_age_max(), MATURITY_KIDS);
        let adult = Viewer {
            is_kids: false,
            ..child
        };
        assert_eq!(adult.maturity_age_max(), 16);
    }

    #[test]
    fn keys_and_values_of_preferences_are_bounded() {
        let of = |key: &str, value: &str| Preference {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        assert!(of("subtitles.size", "").check().is_ok());
        for (key, value) in [("", "x"), ("A", "x"), ("a b", "x"), ("a", "\0")] {
            assert!(of(key, value).check().is_err(), "{key:?}");
        }
        assert!(of(&"k".repeat(101), "x").check().is_err());
        assert!(of("k", &"x".repeat(4_097)).check().is_err());
    }
}
