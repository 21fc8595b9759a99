//! A scenario with some settings changed.

use std::fmt;

use crate::scenario::Scenario;

/// A scenario has no variant of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariant {
    /// The name that was asked for.
    pub name: String,
    /// The names there are.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = crate::listing::listed(&self.known);
        write!(f, "there is no variant `{}`; variants: {known}", self.name)
    }
}

impl std::error::Error for UnknownVariant {}

impl Scenario {
    /// The scenario with a variant's settings and everything else the same.
    ///
    /// # Errors
    /// When there is no variant of that name.
    pub fn with_variant(&self, name: &str) -> Result<Self, UnknownVariant> {
        let Some(variant) = self.variant(name) else {
            return Err(UnknownVariant {
                name: name.to_owned(),
                known: self.variants.iter().map(|v| v.name.clone()).collect(),
            });
        };
        let mut changed = self.clone();
        for (setting, value) in &variant.with {
            let found = changed.system.settings.iter_mut();
            // The parser refused variants with settings that do not exist.
            for setting in found.filter(|known| known.name == *setting) {
                setting.value.clone_from(value);
            }
        }
        Ok(changed)
    }
}
