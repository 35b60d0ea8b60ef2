//! Closes a module: everything driven, no loops, one definition a name; then the order of evaluation.

use crate::error::{ErrorKind, Errors};
use crate::ir::{Def, Definition, MemoryPorts, Named, NodeId, Op};
use crate::module::{Module, Open};
use std::collections::{BTreeSet, HashMap};
use std::panic::Location;
use std::sync::Arc;

impl Module {
    /// Checks the module and closes it.
    ///
    /// # Errors
    /// Every mistake recorded while it was built, and what only the whole shows: signals that nothing drives, inputs that
    /// nothing reads, combinational loops with their path, different definitions of one name.
    #[track_caller]
    pub fn finish(self) -> Result<Def, Errors> {
        let mut open = self.open.into_inner();
        let at = Location::caller();
        undriven(&mut open, at);
        definitions(&mut open, at);
        if open.errors.is_empty() {
            schedule(&mut open, at);
        }
        if open.errors.is_empty() {
            unused(&mut open, at);
        }
        if open.errors.is_empty() { Ok(Arc::new(open.def)) } else { Err(Errors(open.errors)) }
    }
}

/// Records everything that nothing drives.
fn undriven(open: &mut Open, at: &'static Location<'static>) {
    let def = &open.def;
    let mut found = Vec::new();
    for (i, wire) in def.wires.iter().enumerate().filter(|(_, w)| w.driver == NodeId::NONE) {
        found.push((Named::Wire(i as u32), wire.info.name.clone()));
    }
    for (i, reg) in def.regs.iter().enumerate().filter(|(_, r)| r.next == NodeId::NONE) {
        found.push((Named::Reg(i as u32), format!("register {}", reg.info.name)));
    }
    for (i, memory) in def.memories.iter().enumerate() {
        if memory.ports.nodes().contains(&NodeId::NONE) {
            let port = match memory.ports {
                MemoryPorts::OneRw { .. } => "its port",
                MemoryPorts::OneReadOneWrite { read_address: NodeId::NONE, .. } => "its reading port",
                MemoryPorts::OneReadOneWrite { .. } => "its writing port",
            };
            found.push((Named::Memory(i as u32), format!("memory {}: {port}", memory.name)));
        }
    }
    for (i, instance) in def.instances.iter().enumerate() {
        for (port, _) in instance.def.inputs.iter().zip(&instance.inputs).filter(|(_, n)| **n == NodeId::NONE)
        {
            found.push((Named::Instance(i as u32), format!("input {}.{}", instance.name, port.info.name)));
        }
    }
    for (named, name) in found {
        let at = open.places.get(&named).copied().unwrap_or(at);
        open.fail(ErrorKind::Undriven(name), at);
    }
}

/// Makes equal definitions one, and records different ones of the same name.
fn definitions(open: &mut Open, at: &'static Location<'static>) {
    let mut known = HashMap::new();
    let mut clashes = BTreeSet::new();
    for instance in &mut open.def.instances {
        register(&instance.def, &mut known, &mut clashes);
        if let Some(first) = known.get(&instance.def.unique_name()) {
            instance.def = Arc::clone(first);
        }
    }
    if known.contains_key(&open.def.unique_name()) {
        clashes.insert(open.def.unique_name());
    }
    let own = open.def.unique_name();
    if crate::verilog::RESERVED.contains(&own.as_str()) {
        open.fail(ErrorKind::Reserved(own), at);
    }
    for name in clashes {
        open.fail(ErrorKind::DefinitionClash(name), at);
    }
}

fn register(def: &Def, known: &mut HashMap<String, Def>, clashes: &mut BTreeSet<String>) {
    let name = def.unique_name();
    match known.get(&name) {
        Some(first) if Arc::ptr_eq(first, def) => {}
        Some(first) if **first == **def => {}
        Some(_) => _ = clashes.insert(name),
        None => {
            for instance in &def.instances {
                register(&instance.def, known, clashes);
            }
            known.insert(name, Arc::clone(def));
        }
    }
}

/// What a node needs in the same cycle.
pub(crate) fn dependencies(def: &Definition, id: NodeId) -> Vec<NodeId> {
    match def.node(id).op {
        Op::Wire(i) => vec![def.wires[i as usize].driver],
        Op::Output(i, o) => {
            let instance = &def.instances[i as usize];
            instance.def.reaches[o as usize].iter().map(|&k| instance.inputs[k as usize]).collect()
        }
        op => op.operands().collect(),
    }
}

/// Everything that a cycle must compute: outputs, next states, what memories and instances take, properties, names.
fn roots(def: &Definition) -> Vec<NodeId> {
    let mut roots: Vec<NodeId> = def.outputs.iter().map(|o| o.node).collect();
    roots.extend(def.wires.iter().map(|w| w.node));
    for reg in &def.regs {
        roots.push(reg.next);
        roots.extend(reg.enable);
        roots.push(reg.node);
    }
    for memory in &def.memories {
        roots.extend(memory.ports.nodes());
        roots.push(memory.node);
    }
    for instance in &def.instances {
        roots.extend(&instance.inputs);
        roots.extend(&instance.outputs);
    }
    roots.extend(def.properties.iter().map(|p| p.condition));
    roots.extend(def.idle);
    roots
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Appends what `root` needs, and itself, to `order`; a loop comes back as its nodes.
fn visit(
    def: &Definition,
    root: NodeId,
    marks: &mut [Mark],
    order: &mut Vec<NodeId>,
) -> Result<(), Vec<NodeId>> {
    // A stack of its own: expressions may be far deeper than the thread's.
    let mut stack = vec![(root, None::<std::vec::IntoIter<NodeId>>)];
    while let Some((id, pending)) = stack.last_mut() {
        let id = *id;
        let pending = match pending {
            Some(pending) => pending,
            None => {
                match marks[id.index()] {
                    Mark::Done => {
                        stack.pop();
                        continue;
                    }
                    Mark::Open => {
                        let from = stack.iter().position(|(n, _)| *n == id).unwrap_or(0);
                        return Err(stack[from..stack.len() - 1].iter().map(|(n, _)| *n).collect());
                    }
                    Mark::New => marks[id.index()] = Mark::Open,
                }
                pending.insert(dependencies(def, id).into_iter())
            }
        };
        match pending.next() {
            Some(next) => stack.push((next, None)),
            None => {
                marks[id.index()] = Mark::Done;
                order.push(id);
                stack.pop();
            }
        }
    }
    Ok(())
}

/// Finds the order of evaluation of the whole and of each output.
fn schedule(open: &mut Open, at: &'static Location<'static>) {
    let def = &open.def;
    let mut marks = vec![Mark::New; def.nodes.len()];
    let mut order = Vec::new();
    for root in roots(def) {
        if let Err(path) = visit(def, root, &mut marks, &mut order) {
            let path = loop_path(def, &path);
            open.fail(ErrorKind::Loop(path), at);
            return;
        }
    }
    let mut cones = Vec::new();
    let mut reaches = Vec::new();
    for output in &def.outputs {
        let mut marks = vec![Mark::New; def.nodes.len()];
        let mut cone = Vec::new();
        if visit(def, output.node, &mut marks, &mut cone).is_err() {
            unreachable!("the whole has no loop");
        }
        let inputs = cone.iter().filter_map(|&id| match def.node(id).op {
            Op::Input(i) => Some(i),
            _ => None,
        });
        let inputs: BTreeSet<u32> = inputs.collect();
        reaches.push(inputs.into_iter().collect());
        cones.push(cone);
    }
    (open.def.order, open.def.cones, open.def.reaches) = (order, cones, reaches);
}

/// A loop in the direction of the signals, with the names on it.
fn loop_path(def: &Definition, path: &[NodeId]) -> String {
    let mut names: Vec<String> = Vec::new();
    for &id in path.iter().rev() {
        // Operators are told only where no name is near.
        if def.node(id).op.is_leaf() {
            if let Op::Output(i, o) = def.node(id).op {
                let instance = &def.instances[i as usize];
                for &k in &instance.def.reaches[o as usize] {
                    if path.contains(&instance.inputs[k as usize]) {
                        names
                            .push(format!("{}.{}", instance.name, instance.def.inputs[k as usize].info.name));
                    }
                }
            }
            names.push(def.describe(id));
        }
    }
    if names.is_empty() {
        names = path.iter().rev().map(|&id| def.describe(id)).collect();
    }
    names.push(names[0].clone());
    names.join(" -> ")
}

/// Records inputs that nothing reads.
fn unused(open: &mut Open, at: &'static Location<'static>) {
    let def = &open.def;
    let mut used = vec![false; def.nodes.len()];
    for &id in &def.order {
        used[id.index()] = true;
    }
    let unused =
        def.inputs.iter().enumerate().filter(|(_, port)| !port.may_be_unused && !used[port.node.index()]);
    let unused: Vec<_> = unused.map(|(i, port)| (Named::Input(i as u32), port.info.name.clone())).collect();
    for (named, name) in unused {
        let at = open.places.get(&named).copied().unwrap_or(at);
        open.fail(ErrorKind::Unused(name), at);
    }
}

impl Definition {
    /// Uses of nodes by anything but operators.
    pub(crate) fn root_uses(&self) -> Vec<NodeId> {
        let mut uses: Vec<NodeId> = self.outputs.iter().map(|o| o.node).collect();
        uses.extend(self.wires.iter().map(|w| w.driver));
        for reg in &self.regs {
            uses.push(reg.next);
            uses.extend(reg.enable);
        }
        uses.extend(self.memories.iter().flat_map(|m| m.ports.nodes()));
        uses.extend(self.instances.iter().flat_map(|i| i.inputs.iter().copied()));
        uses.extend(self.properties.iter().map(|p| p.condition));
        uses.extend(self.idle);
        uses
    }

    /// Nodes that the hardware needs, operands first: without what only properties need, and with named signals that
    /// nothing needs if `named`.
    pub(crate) fn hardware(&self, named: bool) -> Vec<NodeId> {
        let mut roots: Vec<NodeId> = self.outputs.iter().map(|o| o.node).collect();
        for reg in &self.regs {
            roots.push(reg.next);
            roots.extend(reg.enable);
        }
        roots.extend(self.memories.iter().flat_map(|m| m.ports.nodes()));
        roots.extend(self.instances.iter().flat_map(|i| i.inputs.iter().copied()));
        if named {
            roots.extend(self.wires.iter().map(|w| w.node));
        }
        let mut marks = vec![Mark::New; self.nodes.len()];
        let mut order = Vec::new();
        for root in roots {
            if visit(self, root, &mut marks, &mut order).is_err() {
                unreachable!("a finished definition has no loop");
            }
        }
        order
    }

    /// A name like this one that nothing in the definition has.
    pub(crate) fn free_name(&self, wish: &str) -> String {
        let mut name = wish.to_string();
        while self.names.contains_key(&name) {
            name.push('_');
        }
        name
    }
}
