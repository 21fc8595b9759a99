//! `personas` of a load, and `as` of a journey.

use std::time::Duration;

use squall_scenario::{Persona, RETRIES_MAX, listed, nearest, quoted};

use super::{Fields, Reader};
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;
use crate::{codes, keys};

/// Between two attempts where the file does not say it.
const BACKOFF: Duration = Duration::from_millis(500);

impl Reader {
    /// The clients that a load defines; read before its journeys.
    pub(super) fn personas(&mut self, fields: Fields<'_>) {
        let mut personas = Vec::new();
        let entries = fields.get("personas");
        for entry in entries.map_or(&[][..], |node| self.names(node, "personas")) {
            let good = self.name(&entry.key, entry.key_place, true);
            let taken = Persona::presets().iter().any(|it| it.name == entry.key);
            if taken {
                let title = format!("{} is there already", quoted(&entry.key));
                self.report(
                    Diagnostic::error(codes::DUPLICATE_NAME, title)
                        .at(entry.key_place, "one of those that every load has")
                        .help("call it something else"),
                );
            }
            let persona = self.persona(&entry.key, &entry.value);
            personas.push((entry.key.clone(), persona.filter(|_| good && !taken)));
        }
        self.personas = personas;
    }

    fn persona(&mut self, name: &str, node: &Node) -> Option<Persona> {
        let fields = self.fields(node, &keys::PERSONA)?;
        let timeout = fields.get("timeout");
        let timeout = timeout.and_then(|it| self.some_time(it, "no answer comes in no time"));
        let retries = match fields.get("retries") {
            Some(node) => self.whole_u32(node, 0, RETRIES_MAX),
            None => Some(0),
        };
        let backoff = match fields.get("backoff") {
            Some(node) => self.duration(node),
            None => Some(BACKOFF),
        };
        let cache = match fields.get("cache") {
            Some(node) => self.flag(node),
            None => Some(false),
        };
        Some(Persona {
            name: name.to_owned(),
            timeout: timeout?,
            retries: retries?,
            backoff: backoff?,
            cache: cache?,
        })
    }

    /// The client that a journey is made as.
    pub(super) fn persona_of(&mut self, node: &Node) -> Option<Persona> {
        let name = self.text(node)?;
        if let Some((_, own)) = self.personas.iter().find(|(known, _)| *known == name) {
            return own.clone();
        }
        let presets = Persona::presets();
        if let Some(preset) = presets.iter().find(|it| it.name == name) {
            return Some(preset.clone());
        }
        let own = self.personas.iter().map(|(name, _)| name.as_str());
        let presets = presets.iter().map(|it| it.name.as_str());
        let known: Vec<&str> = presets.chain(own).collect();
        let help = match nearest(&name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "personas: {}; or define it: `personas: {{ {name}: {{ timeout: 4s, retries: 2 }} }}`",
                listed(&known)
            ),
        };
        let title = format!("there is no persona called {}", quoted(&name));
        let diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, title)
            .at(node.place, "who is that?")
            .help(help);
        self.report_value(node, diagnostic);
        None
    }
}
