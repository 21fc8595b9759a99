//! `auth`: who asks.

use squall_scenario::{Auth, header_misfit};

use super::{Context, Reader};
use crate::diagnostic::Diagnostic;
use crate::shape::Kind;
use crate::yaml::Node;
use crate::{codes, keys};

impl Reader {
    /// Who asks: `None` where it could not be read, `Some(None)` for nobody.
    pub(super) fn auth(&mut self, node: &Node) -> Option<Option<Auth>> {
        let (key, value) = self.one_of(node, "a way to say who asks", keys::AUTH)?;
        match (key.name, &key.kind, value) {
            ("bearer", _, Some(node)) => {
                let token = self.template(node, Context::Request)?;
                let written = node.scalar().map(|scalar| scalar.text.as_str());
                if let Some(misfit) = written.and_then(|text| header_misfit("", text)) {
                    let title = "a header cannot hold this token";
                    let diagnostic = Diagnostic::error(codes::NOT_SENDABLE, title)
                        .at(node.part(misfit.range), misfit.label)
                        .help(misfit.help);
                    self.report_value(node, diagnostic);
                    return None;
                }
                Some(Some(Auth::Bearer(token)))
            }
            ("basic", Kind::Object(shape), Some(node)) => {
                let fields = self.fields(node, shape)?;
                let part = |reader: &mut Self, key| {
                    let node = fields.get(key)?;
                    reader.template(node, Context::Request)
                };
                let user = part(self, "user");
                let password = part(self, "password");
                let (user, password) = (user?, password?);
                if let Some(node) = fields.get("user")
                    && node.scalar().is_some_and(|user| user.text.contains(':'))
                {
                    let title = "the name of who asks has no colon";
                    let diagnostic = Diagnostic::error(codes::NOT_SENDABLE, title)
                        .at(node.place, "a colon ends it")
                        .help("write what follows the colon as `password`");
                    self.report_value(node, diagnostic);
                    return None;
                }
                Some(Some(Auth::Basic { user, password }))
            }
            _ => Some(None),
        }
    }
}
