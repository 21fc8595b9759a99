//! What each verb asks a server for.

use hyper::Method;
use serde_json::{Map, Value, json};
use squall_record::terminal_line;

use super::Failed;
use super::client::{Answered, Server};
use super::shown;
use crate::args::{
    AddToxicArgs, Listing, ProxyCommand, ToxicCommand, ToxicSettingArgs, UpdateToxicArgs,
};
use crate::output;

pub(super) async fn carry_out(command: ProxyCommand) -> Result<(), Failed> {
    match command {
        ProxyCommand::List { format, server } => {
            let proxies = Server::of(&server)?;
            let proxies = proxies.ask(Method::GET, &["proxies"], None).await?;
            match format {
                Listing::Text => output::result_text(shown::list(&proxies)),
                Listing::Json => output::result_json(&proxies),
            }
        }
        ProxyCommand::Inspect {
            name,
            format,
            server,
        } => {
            inspect(&Server::of(&server)?, &name, format).await?;
        }
        ProxyCommand::Connections {
            name,
            format,
            server,
        } => connections(&Server::of(&server)?, &name, format).await?,
        ProxyCommand::Kill { name, id, server } => {
            kill(&Server::of(&server)?, &name, id).await?;
        }
        ProxyCommand::Create {
            name,
            listen,
            upstream,
            server,
        } => {
            let wanted = json!({ "name": name, "listen": listen, "upstream": upstream });
            let server = Server::of(&server)?;
            let created = server
                .ask(Method::POST, &["proxies"], Some(&wanted))
                .await?;
            tell(shown::created(&created));
        }
        ProxyCommand::Toggle { name, server } => {
            let server = Server::of(&server)?;
            let path = ["proxies", name.as_str()];
            let proxy = server.ask(Method::GET, &path, None).await?;
            let wanted = json!({ "enabled": proxy["enabled"] != true });
            let proxy = server.ask(Method::POST, &path, Some(&wanted)).await?;
            tell(shown::toggled(&proxy));
        }
        ProxyCommand::Delete { name, server } => {
            let server = Server::of(&server)?;
            let path = ["proxies", name.as_str()];
            server.ask(Method::DELETE, &path, None).await?;
            tell(format!("{name} is deleted"));
        }
        ProxyCommand::Toxic(ToxicCommand::Add(args)) => add(args).await?,
        ProxyCommand::Toxic(ToxicCommand::Update(args)) => update(args).await?,
        ProxyCommand::Toxic(ToxicCommand::Remove {
            proxy,
            name,
            server,
        }) => {
            let server = Server::of(&server)?;
            let path = ["proxies", &proxy, "toxics", &name];
            server.ask(Method::DELETE, &path, None).await?;
            tell(format!("{name} is off {proxy}"));
        }
    }
    Ok(())
}

/// Prints a line in which others' words may stand.
fn tell(line: String) {
    output::result(terminal_line(&line));
}

async fn connections(server: &Server, name: &str, format: Listing) -> Result<(), Failed> {
    let path = ["squall", "connections", name];
    let live = server.ask(Method::GET, &path, None).await?;
    match format {
        Listing::Text => output::result_text(shown::connections(&live)),
        Listing::Json => output::result_json(&live),
    }
    Ok(())
}

async fn kill(server: &Server, name: &str, id: u64) -> Result<(), Failed> {
    let nth = id.to_string();
    let path = ["squall", "connections", name, &nth];
    server.ask(Method::DELETE, &path, None).await?;
    tell(format!("connection {id} of {name} is reset"));
    Ok(())
}

async fn inspect(server: &Server, name: &str, format: Listing) -> Result<(), Failed> {
    let proxy = server.ask(Method::GET, &["proxies", name], None).await?;
    if format == Listing::Json {
        output::result_json(&proxy);
        return Ok(());
    }
    // Other servers of this API do not count.
    let counted = server
        .try_to(Method::GET, &["squall", "counters"], None)
        .await?;
    let counted = match counted {
        Answered::Done(counted) => counted,
        Answered::Refused(..) => Value::Null,
    };
    output::result_text(shown::inspected(&proxy, &counted[name]));
    Ok(())
}

async fn add(args: AddToxicArgs) -> Result<(), Failed> {
    let stream = if args.upstream {
        "upstream"
    } else {
        "downstream"
    };
    let mut toxic = wanted(&args.setting);
    toxic.insert("type".to_owned(), args.kind.into());
    toxic.insert("stream".to_owned(), stream.into());
    if let Some(name) = args.name {
        toxic.insert("name".to_owned(), name.into());
    }
    let path = ["proxies", &args.proxy, "toxics"];
    let server = Server::of(&args.server)?;
    let added = server.ask(Method::POST, &path, Some(&toxic.into())).await?;
    tell(format!("{} is on {}", shown::toxic(&added), args.proxy));
    Ok(())
}

async fn update(args: UpdateToxicArgs) -> Result<(), Failed> {
    let wanted = wanted(&args.setting).into();
    let path = ["proxies", &args.proxy, "toxics", &args.name];
    let server = Server::of(&args.server)?;
    let updated = server.ask(Method::POST, &path, Some(&wanted)).await?;
    tell(format!("{} is on {}", shown::toxic(&updated), args.proxy));
    Ok(())
}

fn wanted(setting: &ToxicSettingArgs) -> Map<String, Value> {
    let attributes = setting.attributes.iter();
    let attributes: Map<_, _> = attributes
        .map(|(name, value)| (name.clone(), Value::from(*value)))
        .collect();
    let mut wanted = Map::new();
    wanted.insert("attributes".to_owned(), attributes.into());
    if let Some(toxicity) = setting.toxicity {
        wanted.insert("toxicity".to_owned(), toxicity.into());
    }
    if let Some(ttl) = setting.ttl {
        let ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        wanted.insert("ttl".to_owned(), ms.into());
    }
    wanted
}
