//! The table of dependencies against the code: no command outside it, none of it unused.

use std::collections::BTreeSet;

use super::backend::Backend;
use crate::dependencies::dependencies;
use crate::settings::Settings;

#[tokio::test]
async fn each_service_has_exactly_the_commands_its_table_declares() {
    let backend = Backend::start(Settings::default()).await;
    for (name, running) in &backend.instances {
        let kind = running.host.config.kind;
        let declared: BTreeSet<String> = dependencies()
            .iter()
            .filter(|row| row.service == kind)
            .map(|row| row.command.to_owned())
            .collect();
        let made: BTreeSet<String> = running
            .host
            .commands
            .commands()
            .iter()
            .map(|command| command.name().to_owned())
            .collect();
        assert_eq!(made, declared, "{name}");
    }
}

/// The only ways out of a process are the two clients whose every call runs inside a command, and
/// the pool of cache connections, used only by the cache client's command.
#[test]
fn nothing_connects_behind_the_back_of_a_command() {
    let allowed = [
        ("platform/remote.rs", "reqwest::Client"),
        ("platform/discovery/client.rs", "reqwest::Client"),
        ("platform/evcache/wire.rs", "TcpStream::connect"),
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            for way_out in ["reqwest::Client", "TcpStream::connect"] {
                let known =
                    name.starts_with("tests") || allowed.contains(&(name.as_str(), way_out));
                assert!(known || !source.contains(way_out), "{name} uses {way_out}");
            }
        }
    }
}
