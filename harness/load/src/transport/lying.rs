//! Whether answers may lie in their sockets until the next requests go out: then
//! one wake-up does for all of them. Their times are the kernel's, so that nothing
//! shows of it; it must not slow anything down either.

use std::cell::Cell;

/// One read in so many may bring a part of an answer. More, and answers come in
/// pieces: whoever leaves them lying closes the window to the server.
const PARTS_MAX: u32 = 16;

/// What is known of that, from one tick to the next.
#[derive(Debug, Default)]
pub(super) struct Lying {
    /// Whether the kernel stamped the last answer.
    stamped: Cell<bool>,
    /// Reads since the tick that ended an answer.
    whole: Cell<u32>,
    /// Reads, and writes, since the tick that left something to be done.
    parts: Cell<u32>,
    /// Whether the last tick saw many parts.
    in_pieces: Cell<bool>,
    /// Connections that are being made.
    making: Cell<u32>,
}

impl Lying {
    /// An answer came, with the kernel's stamp or without.
    pub(super) fn answered(&self, stamped: bool) {
        self.stamped.set(stamped);
        self.whole.set(self.whole.get().saturating_add(1));
    }

    /// Something was read or written that is not all.
    pub(super) fn part(&self) {
        self.parts.set(self.parts.get().saturating_add(1));
    }

    /// Reads and writes since the tick.
    pub(super) const fn done(&self) -> u32 {
        self.whole.get().saturating_add(self.parts.get())
    }

    /// A connection is being made.
    pub(super) fn making(&self) {
        self.making.set(self.making.get() + 1);
    }

    /// It is made, or will not be.
    pub(super) fn made(&self) {
        self.making.set(self.making.get().saturating_sub(1));
    }

    /// A tenth of a second has passed.
    pub(super) fn tick(&self) {
        let (whole, parts) = (self.whole.take(), self.parts.take());
        let reads = whole.saturating_add(parts);
        self.in_pieces.set(parts > reads / PARTS_MAX);
    }

    /// Whether answers may lie.
    pub(super) fn may(&self) -> bool {
        self.stamped.get() && !self.in_pieces.get() && self.making.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_with_stamps_may_lie() {
        let lying = Lying::default();
        assert!(!lying.may(), "nothing is known yet");
        lying.answered(false);
        assert!(!lying.may(), "their times would be wrong");
        lying.answered(true);
        assert!(lying.may());
    }

    #[test]
    fn nothing_lies_while_a_connection_is_made() {
        let lying = Lying::default();
        lying.answered(true);
        lying.making();
        lying.making();
        lying.made();
        assert!(!lying.may());
        lying.made();
        assert!(lying.may());
    }

    #[test]
    fn answers_that_come_in_pieces_do_not_lie_until_they_come_whole() {
        let lying = Lying::default();
        for _ in 0..15 {
            lying.answered(true);
        }
        lying.part();
        lying.tick();
        assert!(lying.may(), "one in sixteen");
        lying.answered(true);
        lying.part();
        lying.tick();
        assert!(!lying.may(), "every other");
        lying.answered(true);
        lying.tick();
        assert!(lying.may());
        lying.tick();
        assert!(lying.may(), "nothing came");
    }
}
