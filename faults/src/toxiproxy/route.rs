//! Which endpoint a request is for, as Toxiproxy's router decides.

use squall_scenario::percent_encoded;

/// An endpoint with the names in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Version,
    Metrics,
    Reset,
    Populate,
    Index,
    Create,
    Show(String),
    Update(String),
    Delete(String),
    Toxics(String),
    AddToxic(String),
    ShowToxic(String, String),
    UpdateToxic(String, String),
    RemoveToxic(String, String),
    /// What was done so far; Toxiproxy has no such endpoint.
    Counters,
    /// The live connections of a proxy; nor this one.
    Connections(String),
    /// Ends the one with an id; nor this one.
    Kill(String, String),
}

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Routed {
    To(Route),
    /// The same path in a cleaner form.
    Moved(String),
    UnknownPath,
    WrongMethod,
    /// The path cannot be decoded.
    BadPath,
}

/// Routes a request by its method and its path, as sent, with its query.
pub(super) fn route(method: &str, target: &str) -> Routed {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Some(path) = decoded(path) else {
        return Routed::BadPath;
    };
    let clean = cleaned(&path);
    if clean != path {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        return Routed::Moved(encoded(&clean) + &query);
    }
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(&path).split('/').collect();
    endpoint(method, &parts)
}

fn endpoint(method: &str, parts: &[&str]) -> Routed {
    let known = |route: Option<Route>| route.map_or(Routed::WrongMethod, Routed::To);
    match *parts {
        ["version"] => known((method == "GET").then_some(Route::Version)),
        ["metrics"] => Routed::To(Route::Metrics),
        ["reset"] => known((method == "POST").then_some(Route::Reset)),
        ["populate"] => known((method == "POST").then_some(Route::Populate)),
        ["squall", "counters"] => known((method == "GET").then_some(Route::Counters)),
        ["squall", "connections", proxy] if !proxy.is_empty() => {
            known((method == "GET").then(|| Route::Connections(proxy.into())))
        }
        ["squall", "connections", proxy, id] if !proxy.is_empty() && !id.is_empty() => {
            known((method == "DELETE").then(|| Route::Kill(proxy.into(), id.into())))
        }
        ["proxies"] => known(match method {
            "GET" => Some(Route::Index),
            "POST" => Some(Route::Create),
            _ => None,
        }),
        ["proxies", proxy] if !proxy.is_empty() => known(match method {
            "GET" => Some(Route::Show(proxy.into())),
            "POST" | "PATCH" => Some(Route::Update(proxy.into())),
            "DELETE" => Some(Route::Delete(proxy.into())),
            _ => None,
        }),
        ["proxies", proxy, "toxics"] if !proxy.is_empty() => known(match method {
            "GET" => Some(Route::Toxics(proxy.into())),
            "POST" => Some(Route::AddToxic(proxy.into())),
            _ => None,
        }),
        ["proxies", proxy, "toxics", toxic] if !proxy.is_empty() && !toxic.is_empty() => {
            known(match method {
                "GET" => Some(Route::ShowToxic(proxy.into(), toxic.into())),
                "POST" | "PATCH" => Some(Route::UpdateToxic(proxy.into(), toxic.into())),
                "DELETE" => Some(Route::RemoveToxic(proxy.into(), toxic.into())),
                _ => None,
            })
        }
        _ => Routed::UnknownPath,
    }
}

/// Undoes percent encoding; `None` where it is none.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (hex, behind) = rest.split_at_checked(2)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let hex = std::str::from_utf8(hex).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = behind;
    }
    // A name that is no text is nobody's.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Without empty parts, `.` and `..`; a slash at the end stays.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut clean = format!("/{}", parts.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}

/// Percent encoding of a path, as Go writes one.
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    percent_encoded(path, keep)
}
