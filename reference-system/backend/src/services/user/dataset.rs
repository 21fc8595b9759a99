//! The accounts of the generated dataset: account and profile n for each generated profile n.

use super::password::{HashError, hash};
use crate::dataset::generate::profiles;
use crate::dataset::seed::sub_seed;
use crate::stores::users::model::{MaturityRating, Seeded};

/// The password of every generated account. They share one hash too: ten thousand would take a
/// start of its own, and nobody is behind them. Whoever signs up gets a salt of their own.
pub(crate) const PASSWORD: &str = "popcorn-and-blanket";

/// The address of the generated account of this number.
pub(crate) fn email(id: u32) -> String {
    format!("viewer-{id}@example.com")
}

/// All of them.
///
/// # Errors
/// Nothing can be hashed.
pub(crate) fn accounts(seed: u64) -> Result<Vec<Seeded>, HashError> {
    let salt = sub_seed(seed, "passwords").to_be_bytes();
    let password_hash = hash(PASSWORD, Some(&salt))?;
    let accounts = profiles(seed).map(|profile| {
        let maturity_rating = MaturityRating::up_to(profile.maturity_age_max);
        Seeded {
            id: profile.id.into(),
            email: email(profile.id),
            password_hash: password_hash.clone(),
            country_code: profile.country,
            maturity_rating,
            is_kids: maturity_rating.is_for_kids(),
        }
    });
    Ok(accounts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::model::PROFILES;
    use crate::stores::users::model::Viewer;

    #[test]
    fn an_account_sees_what_its_generated_profile_may() {
        let accounts = accounts(42).unwrap();
        assert_eq!(accounts.len(), PROFILES as usize);
        for (account, profile) in accounts.into_iter().zip(profiles(42)) {
            let viewer = Viewer {
                profile: account.id,
                user: account.id,
                country_code: account.country_code,
                maturity_rating: account.maturity_rating,
                is_kids: account.is_kids,
            };
            assert_eq!(viewer.profile, i64::from(profile.id));
            assert_eq!(viewer.country_code, profile.country);
            assert_eq!(viewer.maturity_age_max(), profile.maturity_age_max);
        }
    }
}
