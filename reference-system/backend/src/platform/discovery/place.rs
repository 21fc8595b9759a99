//! Where discovery is: an address, or a name that is looked up each time it is called.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use tokio::net::lookup_host;

/// Where discovery is. A name may stand for another address tomorrow, so it is looked up before
/// every call; that is a few times a second at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// The addresses it has now, in the order in which they are to be tried, possibly none.
    ///
    /// # Errors
    /// The name has no address, or nobody could say.
    pub(crate) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(lookup_host(&self.0).await?.collect())
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_host = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let is_named = text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && host.chars().all(is_host)
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        match is_named || text.parse::<SocketAddr>().is_ok() {
            true => Ok(Self(text.to_owned())),
            false => {
                Err("an address such as 127.0.0.1:9001, or a name: discovery.test:9001".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_with_a_port_are_places() {
        for good in ["127.0.0.1:9001", "[::1]:9001", "discovery.test:9001"] {
            assert_eq!(good.parse::<Place>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            ":1",
            "discovery.test",
            "discovery.test:",
            "x:0",
            "x:65536",
            "a b:1",
            "::1",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn an_address_is_its_own_and_a_name_is_looked_up() {
        let address: SocketAddr = "127.0.0.7:9001".parse().unwrap();
        assert_eq!(Place::from(address).addresses().await.unwrap(), [address]);
        let named: Place = "localhost:9001".parse().unwrap();
        let found = named.addresses().await.unwrap();
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|address| address.ip().is_loopback()),
            "{found:?}"
        );
    }
}
