//! What is proved of the blocks, a file for each; [`all`] is the list.
//!
//! Depth does not matter where a property is proved by induction: a memory is then replaced by one that knows a single word
//! at a place that may be any ([`Module::know_one_word`]), and the proof holds for every place.

pub mod barrier;
pub mod fifo;
pub mod link;
pub mod queue;
pub mod ring;
pub mod router;

use crate::formal::Method;
use rtl::ir::Type;
use rtl::{Def, Errors, Inst, Module, U};

/// A proof: a block, its harness, and how far it goes.
pub struct Proof {
    /// Name.
    pub name: &'static str,
    /// What is proved.
    pub claim: &'static str,
    /// For which parameters.
    pub parameters: String,
    /// The block.
    pub block: Def,
    /// Puts the block, or a faulty one in its place, into its harness.
    pub harness: fn(&Def) -> Result<Def, Errors>,
    /// How far it goes.
    pub method: Method,
    /// The proof of the same harness at parameters so small that a short run reaches everything, if this is not one: there covers
    /// are reached and faults are seeded.
    pub small: Option<&'static str>,
}

impl Proof {
    /// The harness around the block, or around a faulty one in its place.
    ///
    /// # Panics
    /// If the harness is described wrongly.
    #[must_use]
    pub fn around(&self, block: &Def) -> Def {
        (self.harness)(block).unwrap_or_else(|e| panic!("harness of `{}`: {e}", self.name))
    }
}

/// All proofs.
#[must_use]
pub fn all() -> Vec<Proof> {
    let lists = [fifo::proofs(), link::proofs(), ring::proofs(), queue::proofs(), router::proofs()];
    lists.into_iter().flatten().chain(barrier::proofs()).collect()
}

/// A block in a harness.
pub(crate) struct Bench<'m> {
    pub m: &'m Module,
    pub block: Inst<'m>,
    def: Def,
}

impl<'m> Bench<'m> {
    /// Places the block.
    pub fn new(m: &'m Module, def: &Def) -> Self {
        Self { m, block: m.instance("block", def), def: def.clone() }
    }

    /// An input of the block that may be anything in every cycle.
    #[track_caller]
    pub fn arbitrary(&self, name: &str) -> U<'m> {
        let width = self.width(name);
        let value = self.m.input(name, width);
        self.set(name, value);
        value
    }

    /// Drives an input with bits, whatever its type.
    #[track_caller]
    pub fn set(&self, name: &str, value: U<'m>) {
        let port = self.def.inputs().iter().find(|p| p.info.name == name);
        match port.map(|p| p.info.ty) {
            Some(Type::Signed) => self.block.set(name, value.as_s()),
            _ => self.block.set(name, value),
        };
    }

    /// Width of an input.
    pub fn width(&self, name: &str) -> u32 {
        self.def.inputs().iter().find(|p| p.info.name == name).map_or(1, |p| p.info.width)
    }

    /// Bits of an output, whatever its type.
    #[track_caller]
    pub fn get(&self, name: &str) -> U<'m> {
        let port = self.def.outputs().iter().find(|p| p.info.name == name);
        match port.map(|p| p.info.ty) {
            Some(Type::Signed) => self.block.s(name).as_u(),
            _ => self.block.u(name),
        }
    }

    /// An internal signal that the harness exposed.
    #[track_caller]
    pub fn seen(&self, name: &str) -> U<'m> {
        self.get(&format!("{}_seen", name.replace('.', "_")))
    }
}

/// A value that may be any but stays.
pub(crate) fn constant<'m>(m: &'m Module, name: &str, width: u32) -> U<'m> {
    let value = m.input(name, width);
    hold(m, name, value);
    value
}

/// Assumes that a value never changes.
pub(crate) fn hold<'m>(m: &'m Module, name: &str, value: U<'m>) {
    let began = m.delayed(&format!("{name}_began"), m.u(1, 1));
    let before = m.delayed(&format!("{name}_before"), value);
    m.assume(&format!("{name}_stays"), !began | value.eq(before), "it stays");
}

/// 1 where `a` implies `b`.
pub(crate) fn implies<'m>(a: U<'m>, b: U<'m>) -> U<'m> {
    !a | b
}
