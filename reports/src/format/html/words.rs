//! Words of the page that more than one of its parts writes.

use squall_judge::quantity::Quantity;

/// Back quotes, which a page does not render, as typographic ones.
pub(super) fn quoted(text: &str) -> String {
    let mut open = false;
    text.chars()
        .map(|character| match character {
            '`' => {
                open = !open;
                if open { '\u{201c}' } else { '\u{201d}' }
            }
            other => other,
        })
        .collect()
}

/// A quantity, or what stands where there is none.
pub(super) fn shown(quantity: Option<Quantity>, none: &str) -> String {
    quantity.map_or_else(|| none.to_owned(), |quantity| quantity.to_string())
}
