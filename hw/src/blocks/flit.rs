//! The flit: one packet, one spike for one input axon of one core (`TIMING.md` section 2).
//!
//! ```text
//!   msb                                       lsb
//!   +-----------+-------+-------+--------+
//!   |   axon    |   y   |   x   | parity |      to the router and between routers
//!   +-----------+-------+-------+--------+
//!   |   axon    | parity |                      from the router to its core
//!   +-----------+--------+
//! ```
//! Ports carry it packed; [`Flit`] names its fields inside a block.
//!
//! Limits: at most 64 bits, which the widest platform stays below.
//! Undefined: a target outside the mesh.

use crate::layout;
use rtl::{Module, U, Widths, bundle};

bundle! {
    /// A flit on its way through the mesh.
    pub struct Flit {
        /// Lowest bit of the step in which it was sent.
        parity: U,
        /// Column of its target.
        x: U,
        /// Row of its target.
        y: U,
        /// Input axon of its target.
        axon: U,
    }
}

bundle! {
    /// What is left of a flit at its target.
    pub struct CoreFlit {
        /// Lowest bit of the step in which it was sent.
        parity: U,
        /// Input axon.
        axon: U,
    }
}

impl Flit<Widths> {
    /// Widths of a platform.
    #[must_use]
    pub fn of(widths: &layout::Widths) -> Self {
        Self { parity: 1, x: widths.x, y: widths.y, axon: widths.axon }
    }

    /// Bits of the packed word.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.parity + self.x + self.y + self.axon
    }

    /// What the target takes of it.
    #[must_use]
    pub fn core(&self) -> CoreFlit<Widths> {
        CoreFlit { parity: self.parity, axon: self.axon }
    }

    /// The word for the target's input port, of the word on the mesh.
    #[must_use]
    pub fn to_core<'m>(&self, m: &'m Module, word: U<'m>) -> U<'m> {
        let flit = m.unpack(self, word);
        m.pack(&CoreFlit { parity: flit.parity, axon: flit.axon })
    }
}

impl CoreFlit<Widths> {
    /// Bits of the packed word.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.parity + self.axon
    }
}
