//! What a monkey knows of the outside, and does to it.

use jiff::Timestamp;
use squall_scenario::monkey::MonkeyGroup;

use super::decision::Entry;
use crate::ProcessIdentity;

/// An instance of a group that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its process.
    pub identity: ProcessIdentity,
}

/// What a monkey knows of the outside, and does to it. Every answer that does
/// not come is an error; every error means no kill.
pub trait Hands: Sync {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Returns when it is that late, or a little later.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;

    /// Whether the monkey and this group of it are switched on, asked anew.
    ///
    /// # Errors
    /// Nobody knows; in words.
    fn enabled(&self, group: &MonkeyGroup) -> impl Future<Output = Result<bool, String>> + Send;

    /// What outage there is, if any; in words.
    ///
    /// # Errors
    /// Nobody knows; in words.
    fn outage(&self) -> impl Future<Output = Result<Option<String>, String>> + Send;

    /// Every living instance of a group.
    ///
    /// # Errors
    /// Nobody knows; in words.
    fn instances(
        &self,
        group: &MonkeyGroup,
    ) -> impl Future<Output = Result<Vec<Instance>, String>> + Send;

    /// Puts a decision on record, beyond doubt.
    ///
    /// # Errors
    /// It is not; in words.
    fn record(&self, entry: &Entry) -> Result<(), String>;

    /// Ends an instance; what was seen of its end, in words.
    ///
    /// # Errors
    /// It was not seen to end; in words.
    fn kill(
        &self,
        group: &MonkeyGroup,
        instance: &Instance,
    ) -> impl Future<Output = Result<String, String>> + Send;
}
