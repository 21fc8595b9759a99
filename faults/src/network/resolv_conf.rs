//! How processes come to ask the run's resolver: what they find in
//! `/etc/resolv.conf` in their own mount namespace.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::guardian::{LaidOver, lay_over_here};

/// Who is asked, and in what way.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Whether names are looked up in the DNS at all, where the C library is glibc.
const NSSWITCH_CONF: &str = "/etc/nsswitch.conf";
/// Where glibc asks a cache before anything else, if there is one.
const NSCD_SOCKET: &str = "/run/nscd/socket";

/// Why processes cannot be made to ask the run's resolver.
#[derive(Debug, Error)]
#[error(
    "processes cannot be given the run's resolver: {why}. It takes a mount namespace of their \
     own, which root may make; without root, `unshare --map-root-user --net` around squall is \
     root enough. Or hand `$dns.address` to processes that can ask a resolver by themselves"
)]
pub struct NoOverlay {
    /// What failed, in words.
    pub why: String,
}

/// Writes what processes shall find instead of their own configuration of
/// lookups into `dir`: a resolver at `address` and no other, asked for names as
/// they are written, after `/etc/hosts`.
///
/// # Errors
/// The files cannot be written.
pub fn resolver_files(dir: &Path, address: IpAddr) -> io::Result<Vec<LaidOver>> {
    fs::create_dir_all(dir)?;
    let mut files = Vec::new();
    let mut lay = |name: &str, text: &str, over: &str| -> io::Result<()> {
        let file = dir.join(name);
        fs::write(&file, text)?;
        files.push(LaidOver {
            file,
            over: PathBuf::from(over),
        });
        Ok(())
    };
    lay("resolv.conf", &resolv_conf(address), RESOLV_CONF)?;
    match fs::read_to_string(NSSWITCH_CONF) {
        Ok(text) => lay("nsswitch.conf", &nsswitch_conf(&text), NSSWITCH_CONF)?,
        // Then lookups are in files and the DNS anyway.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if Path::new(NSCD_SOCKET).exists() {
        lay("nscd", "", NSCD_SOCKET)?;
    }
    Ok(files)
}

/// `search .`: nothing is put behind a name, whatever the machine is called.
fn resolv_conf(address: IpAddr) -> String {
    format!("# of a squall run\nnameserver {address}\nsearch .\n")
}

fn nsswitch_conf(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.retain(|line| !line.trim_start().starts_with("hosts:"));
    lines.push("hosts: files dns");
    lines.join("\n") + "\n"
}

/// Tries out, in a mount namespace of a thread that ends, whether these files
/// can be laid over.
///
/// # Errors
/// See [`NoOverlay`].
pub fn may_lay_over(files: &[LaidOver]) -> Result<(), NoOverlay> {
    let files = files.to_vec();
    let trying = std::thread::Builder::new()
        .name("mounts".to_owned())
        .spawn(move || lay_over_here(&files));
    let tried = trying.map(std::thread::JoinHandle::join);
    let why = match tried {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(_panicked)) => "it could not be tried out".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(NoOverlay { why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_go_to_files_and_the_resolver_and_nowhere_else() {
        let own = "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns\nservices: db\n";
        let expected = "passwd: files\nservices: db\nhosts: files dns\n";
        assert_eq!(nsswitch_conf(own), expected);
        let dir = tempfile::tempdir().unwrap();
        let files = resolver_files(dir.path(), IpAddr::from([127, 64, 1, 53])).unwrap();
        assert_eq!(files[0].over, Path::new("/etc/resolv.conf"));
        let text = fs::read_to_string(&files[0].file).unwrap();
        assert_eq!(
            text,
            "# of a squall run\nnameserver 127.64.1.53\nsearch .\n"
        );
    }
}
