//! Handles of an open module that are driven after they are made: registers and signals; and doc texts.

use crate::error::ErrorKind;
use crate::ir::{Named, NodeId};
use crate::module::Module;
use crate::value::{Operand, Signal, U};
use std::panic::Location;

/// A register of an open module; `q` is the value that it holds.
#[derive(Clone, Copy)]
pub struct Reg<'m, T> {
    /// The value that it holds.
    pub q: T,
    pub(crate) m: &'m Module,
    pub(crate) index: u32,
}

/// A signal that is used before it is driven.
#[derive(Clone, Copy)]
pub struct Wire<'m, T> {
    /// Its value.
    pub q: T,
    pub(crate) m: &'m Module,
    pub(crate) index: u32,
}

/// Something named, to which doc text can be given.
#[derive(Clone, Copy)]
pub struct Item<'m> {
    pub(crate) m: &'m Module,
    pub(crate) named: Named,
}

impl Item<'_> {
    /// Gives it a doc text, which becomes a comment in Verilog.
    pub fn doc(self, text: &str) -> Self {
        let def = &mut self.m.open.borrow_mut().def;
        let doc = match self.named {
            Named::Input(i) => &mut def.inputs[i as usize].info.doc,
            Named::Output(i) => &mut def.outputs[i as usize].info.doc,
            Named::Wire(i) => &mut def.wires[i as usize].info.doc,
            Named::Reg(i) => &mut def.regs[i as usize].info.doc,
            Named::Memory(i) => &mut def.memories[i as usize].doc,
            Named::Instance(i) => &mut def.instances[i as usize].doc,
            Named::Property(i) => &mut def.properties[i as usize].message,
        };
        text.clone_into(doc);
        self
    }
}

impl<'m, T: Signal<'m>> Wire<'m, T> {
    /// Drives it.
    #[track_caller]
    pub fn set(self, value: impl Operand<'m, T>) {
        let raw = value.operand(self.q).raw();
        let node = self.m.own(raw);
        let open = &mut *self.m.open.borrow_mut();
        let wire = &mut open.def.wires[self.index as usize];
        let (name, width, old) = (wire.info.name.clone(), wire.info.width, wire.driver);
        wire.driver = node;
        if old != NodeId::NONE {
            open.fail(ErrorKind::DrivenTwice(name.clone()), Location::caller());
        }
        open.connection(&name, width, raw, Location::caller());
    }

    /// Gives it a doc text.
    pub fn doc(self, text: &str) -> Self {
        Item { m: self.m, named: Named::Wire(self.index) }.doc(text);
        self
    }
}

impl<'m, T: Signal<'m>> Reg<'m, T> {
    /// Its next value, taken at every clock edge.
    #[track_caller]
    pub fn set(self, value: impl Operand<'m, T>) {
        self.set_raw(value.operand(self.q), None);
    }

    /// Its next value, taken where `enable` holds.
    #[track_caller]
    pub fn set_if(self, enable: U<'m>, value: impl Operand<'m, T>) {
        self.set_raw(value.operand(self.q), Some(enable));
    }

    /// Its next value by the first condition that holds; where none does it keeps its value.
    #[track_caller]
    pub fn set_first(self, cases: &[(U<'m>, T)]) {
        let Some((&(_, last), rest)) = cases.split_last() else {
            self.m.error("set_first without a case");
            return;
        };
        let enable = cases.iter().map(|c| c.0).reduce(|a, b| a | b);
        self.set_raw(self.m.select(last, rest), enable);
    }

    #[track_caller]
    pub(crate) fn set_raw(self, value: T, enable: Option<U<'m>>) {
        let raw = value.raw();
        let node = self.m.own(raw);
        if let Some(enable) = enable {
            self.m.one_bit("enable of a register", enable);
        }
        let enable = enable.map(|e| self.m.own(e.0));
        let open = &mut *self.m.open.borrow_mut();
        let reg = &mut open.def.regs[self.index as usize];
        let (name, width, old) = (reg.info.name.clone(), reg.info.width, reg.next);
        reg.next = node;
        reg.enable = enable;
        if old != NodeId::NONE {
            open.fail(ErrorKind::DrivenTwice(name.clone()), Location::caller());
        }
        open.connection(&name, width, raw, Location::caller());
    }

    /// Gives it a doc text.
    pub fn doc(self, text: &str) -> Self {
        Item { m: self.m, named: Named::Reg(self.index) }.doc(text);
        self
    }
}
