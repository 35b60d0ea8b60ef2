//! Instances, and the library that elaborates each definition once.

use crate::error::{ErrorKind, Errors};
use crate::handle::Item;
use crate::ir::{Def, Instance, Named, NodeId, Op, Port};
use crate::module::Module;
use crate::names::clean;
use crate::states::States;
use crate::value::{E, Raw, S, Signal, U};
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

/// An instance in an open module.
#[derive(Clone, Copy)]
pub struct Inst<'m> {
    m: &'m Module,
    index: u32,
}

impl Module {
    /// An instance of a definition. Every input must be [`set`](Inst::set).
    #[track_caller]
    pub fn instance(&self, name: &str, def: &Def) -> Inst<'_> {
        let at = Location::caller();
        let open = &mut *self.open.borrow_mut();
        let index = open.def.instances.len() as u32;
        let name = open.claim(name, Named::Instance(index), at);
        let outputs = def.outputs.iter().enumerate();
        let outputs =
            outputs.map(|(o, port)| open.node(Op::Output(index, o as u32), port.info.width)).collect();
        let inputs = vec![NodeId::NONE; def.inputs.len()];
        open.def.instances.push(Instance { name, doc: String::new(), def: def.clone(), inputs, outputs });
        Inst { m: self, index }
    }
}

impl<'m> Inst<'m> {
    /// Gives it a doc text.
    pub fn doc(self, text: &str) -> Self {
        Item { m: self.m, named: Named::Instance(self.index) }.doc(text);
        self
    }

    fn def(self) -> Def {
        Arc::clone(&self.m.open.borrow().def.instances[self.index as usize].def)
    }

    #[track_caller]
    fn wrong(self, what: String) {
        let def = self.def();
        let instance = self.m.open.borrow().def.instances[self.index as usize].name.clone();
        self.m.fail(ErrorKind::Port { instance, definition: def.unique_name(), what });
    }

    /// Index of a port, its type checked.
    #[track_caller]
    fn find<T: Signal<'m>>(self, ports: &[Port], kind: &str, name: &str) -> Option<usize> {
        let Some(index) = ports.iter().position(|p| p.info.name == clean(name)) else {
            let there: Vec<_> = ports.iter().map(|p| p.info.name.as_str()).collect();
            self.wrong(format!("no {kind} {name}; it has {}", there.join(", ")));
            return None;
        };
        if ports[index].info.ty != T::TYPE {
            self.wrong(format!("{kind} {name} is {}, used as {}", ports[index].info.ty, T::TYPE));
        }
        Some(index)
    }

    /// Drives an input.
    #[track_caller]
    pub fn set<T: Signal<'m>>(self, input: &str, value: T) -> Self {
        let def = self.def();
        let Some(port) = self.find::<T>(&def.inputs, "input", input) else { return self };
        let id = self.m.own(value.raw());
        let open = &mut *self.m.open.borrow_mut();
        let instance = &mut open.def.instances[self.index as usize];
        let name = format!("{}.{input}", instance.name);
        if std::mem::replace(&mut instance.inputs[port], id) != NodeId::NONE {
            open.fail(ErrorKind::DrivenTwice(name.clone()), Location::caller());
        }
        open.connection(&name, def.inputs[port].info.width, value.raw(), Location::caller());
        self
    }

    /// An output of any type.
    #[track_caller]
    #[must_use]
    pub fn get<T: Signal<'m>>(self, output: &str) -> T {
        let def = self.def();
        match self.find::<T>(&def.outputs, "output", output) {
            Some(port) => {
                let id = self.m.open.borrow().def.instances[self.index as usize].outputs[port];
                T::of(Raw { m: self.m, id, width: def.outputs[port].info.width })
            }
            None => T::of(self.m.node(Op::Const(0), 1)),
        }
    }

    /// An unsigned output.
    #[track_caller]
    #[must_use]
    pub fn u(self, output: &str) -> U<'m> {
        self.get(output)
    }

    /// A signed output.
    #[track_caller]
    #[must_use]
    pub fn s(self, output: &str) -> S<'m> {
        self.get(output)
    }

    /// An output that carries a state.
    #[track_caller]
    #[must_use]
    pub fn e<T: States>(self, output: &str) -> E<'m, T> {
        self.get(output)
    }
}

/// Elaborated definitions by name and parameters, so that each is built once.
#[derive(Debug, Default)]
pub struct Library {
    definitions: HashMap<(String, Vec<(String, u64)>), Def>,
}

impl Library {
    /// An empty library.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The definition of this name and these parameters, built by `build` if it is not there yet.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn define(
        &mut self,
        name: &str,
        parameters: &[(&str, u64)],
        build: impl FnOnce(&Module),
    ) -> Result<Def, Errors> {
        let key = (name.to_string(), parameters.iter().map(|&(p, v)| (p.to_string(), v)).collect());
        if let Some(def) = self.definitions.get(&key) {
            return Ok(Arc::clone(def));
        }
        let module = Module::new(name, parameters);
        build(&module);
        let def = module.finish()?;
        self.definitions.insert(key, Arc::clone(&def));
        Ok(def)
    }
}
