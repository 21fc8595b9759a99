//! Values of `$name` in commands, environments, links and targets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Names and values known once ports are leased. Names are as in files,
/// without the dollar sign: `processes.catalog-0.port`.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Sets a value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Sets `PREFIX.address` and `PREFIX.port` of where a process listens and
    /// `PREFIX.link` of where its callers connect.
    pub fn set_addresses(&mut self, prefix: &str, own: SocketAddr, link: SocketAddr) {
        self.set(format!("{prefix}.address"), own.to_string());
        self.set(format!("{prefix}.port"), own.port().to_string());
        self.set(format!("{prefix}.link"), link.to_string());
    }

    /// The value of a name, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.values
            .get(name)
            .map(|value| Cow::Borrowed(value.as_str()))
    }

    /// These variables with `self.…` for one instance.
    #[must_use]
    pub fn for_instance(&self, name: &str, own: SocketAddr, link: SocketAddr) -> Self {
        let mut with_self = self.clone();
        with_self.set("self.name", name);
        with_self.set_addresses("self", own, link);
        with_self
    }
}
