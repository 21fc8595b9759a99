//! The rows of the catalogue and of the profiles, as services store and exchange them.

use serde::{Deserialize, Serialize};

use super::country::CountrySet;

/// Titles in the catalogue; ids run from 1, and 1 is the most watched.
pub(crate) const TITLES: u32 = 15_000;
/// Profiles; ids run from 1.
pub(crate) const PROFILES: u32 = 10_000;

/// The genres, in the order of every genre vector.
pub(crate) const GENRES: [&str; 16] = [
    "action",
    "adventure",
    "animation",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "family",
    "fantasy",
    "history",
    "horror",
    "music",
    "mystery",
    "romance",
    "science-fiction",
    "thriller",
];

/// Ages a title is suitable from.
pub(crate) const MATURITY_AGES: [u8; 5] = [0, 7, 13, 16, 18];
/// The limit of a children's profile.
pub(crate) const MATURITY_KIDS: u8 = 7;

/// A title's metadata, table `titles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Title {
    /// 1 to [`TITLES`].
    pub(crate) id: u32,
    /// What it is called.
    pub(crate) name: String,
    /// Places in [`GENRES`], ascending, one to three of them.
    pub(crate) genres: Vec<u8>,
    /// Year of release.
    pub(crate) year: u16,
    /// Age it is suitable from.
    pub(crate) maturity_age: u8,
    /// How long it runs.
    pub(crate) runtime_seconds: u32,
}

/// Where a title may be shown, table `availability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Availability {
    /// The countries it is licensed for.
    pub(crate) countries: CountrySet,
}

/// One entry of a popularity list, table `popularity`: what a ranking needs to know about a
/// title, copied next to the rank so that one partition answers the whole question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PopularTitle {
    /// The title.
    pub(crate) id: u32,
    /// Share of all viewing in the country, 0 to 1.
    pub(crate) share: f32,
    /// Places in [`GENRES`].
    pub(crate) genres: Vec<u8>,
    /// Age it is suitable from.
    pub(crate) maturity_age: u8,
}

/// Who is watching, as the user service says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// 1 to [`PROFILES`].
    pub(crate) id: u32,
    /// ISO code, or [`Profile::ANYWHERE`] when it is not known.
    pub(crate) country: String,
    /// Oldest age rating the profile may see.
    pub(crate) maturity_age_max: u8,
}

impl Profile {
    /// Stands for a country when none is known: the popularity list of this name holds titles
    /// that are licensed everywhere and suitable for everyone.
    pub(crate) const ANYWHERE: &str = "world";

    /// The profile assumed when the real one cannot be read. It shows only what anyone anywhere
    /// may see, so a broken profile store can never show a child an adult title.
    pub(crate) fn anyone(id: u32) -> Self {
        Self {
            id,
            country: Self::ANYWHERE.to_owned(),
            maturity_age_max: MATURITY_KIDS,
        }
    }
}

/// What a profile likes, table `features`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Features {
    /// One weight for each of [`GENRES`], 0 to 1.
    pub(crate) weights: Vec<f32>,
}

impl Features {
    /// Of a profile of which nothing is known yet: no genre is liked more than another.
    pub(crate) fn unknown() -> Self {
        Self {
            weights: vec![0.5; GENRES.len()],
        }
    }
}
