//! The certificates of a run: for links that speak TLS with their callers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall_faults::{Authority, Proxy, Terminal};
use squall_scenario::Link;

use super::{StartSystem, SystemError};

/// The authority of a run, if any of its links speaks TLS, and where its own
/// certificate is kept for those who are to trust it.
pub(super) struct Certificates {
    authority: Option<Arc<Authority>>,
    path: PathBuf,
}

impl Certificates {
    /// Makes an authority where one is needed. Value of `$run.ca`, which stands
    /// for a file that is there only then.
    pub(super) fn new(request: &StartSystem) -> Result<Self, SystemError> {
        let path = request.data_dir.join("ca.pem");
        let links = &request.system.links;
        let authority = match links.iter().any(|link| link.tls.is_some()) {
            true => Some(Arc::new(issue(&request.data_dir, &path)?)),
            false => None,
        };
        Ok(Self { authority, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets a link speak TLS if its description says so.
    pub(super) fn secure(&self, link: &Link, proxy: &Proxy) {
        if let (Some(to), Some(authority)) = (link.tls, &self.authority) {
            proxy.speak_tls(Terminal::new(Arc::clone(authority), to));
        }
    }
}

fn issue(dir: &Path, path: &Path) -> Result<Authority, SystemError> {
    let authority = Authority::new()?;
    let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(path, authority.pem()));
    written.map_err(|source| SystemError::Io {
        doing: "writing the certificate of the run",
        source,
    })?;
    Ok(authority)
}
