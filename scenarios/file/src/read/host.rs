//! `names`: what processes may look up.

use squall_scenario::{FaultTarget, Template, quoted};

use super::system::SystemDraft;
use super::{Context, Reader};
use crate::address::address_misfit;
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::Node;

/// Longest name that a resolver can be asked for.
const NAME_BYTES_MAX: usize = 253;

impl Reader {
    /// Checks a name that is looked up: labels with dots between them. At least
    /// one dot, so that it can be told from a process.
    pub(super) fn host_name(&mut self, name: &str, place: Place) -> bool {
        let is_label = |label: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (1..=63).contains(&label.len())
                && label.starts_with(|c: char| c.is_ascii_lowercase())
                && !label.ends_with('-')
                && label.chars().all(fits)
        };
        let good =
            name.len() <= NAME_BYTES_MAX && name.contains('.') && name.split('.').all(is_label);
        if !good {
            let title = format!("{} cannot be looked up", quoted(name));
            let label = match name.contains('.') {
                true => "no host name",
                false => "without a dot",
            };
            self.report(
                Diagnostic::error(codes::BAD_NAME, title)
                    .at(place, label)
                    .help("write labels of a-z, 0-9 and - that start with a letter, with dots between them: `payments.test`"),
            );
        }
        good
    }

    /// What stands behind a name: an address, or a process or a link by name.
    pub(super) fn host(&mut self, node: &Node, draft: &SystemDraft) -> Option<Template> {
        let template = self.template(node, Context::Address)?;
        let readable = !self.is_hidden(node) && !draft.names.incomplete;
        let source = template.source();
        let named = matches!(
            draft.names.resolve(source),
            Some(FaultTarget::Process(_) | FaultTarget::Instance { .. } | FaultTarget::Link(_))
        );
        let misfit = address_misfit(source).filter(|_| readable && !named);
        if let Some(misfit) = misfit {
            let title = format!("{} is not an address", quoted(source));
            self.bad_address(node, title, misfit);
            return None;
        }
        Some(template)
    }
}
