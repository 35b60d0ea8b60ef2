//! The functions of a definition. Each takes the address of an instance's block.
//!
//! A function computes values in the scope of its own instance and, for the outputs of its instances, in theirs: an
//! instance's output is computed where it is needed, from the instance's state and the inputs that reach it. Instances are called
//! only after everything has been computed, so that all of it sees the state before the edge. The clock edge of the only instance of a
//! definition is not called but stands where the call would be.
//!
//! Long because it holds the code of every kind of state, memory and property.

use super::layout::{Place, Unit, bytes};
use super::value::{Code, Form, Upper};
use crate::ir::{Memory, MemoryPorts, NodeId, Op, PropertyKind, ReadDuringWrite};
use cranelift::codegen::ir::FuncRef;
use cranelift::prelude::{FunctionBuilder, InstBuilder, IntCC, MemFlagsData, Value, types};

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// (block): takes the clock edge.
    Clock,
    /// (block, byte: whether something around it sleeps) -> byte: marks covers, tells whether anything is violated. Sets the inputs of
    /// its instances.
    Check,
    /// (block, values): gives the values of all nodes. Sets the inputs of its instances.
    View,
    /// (block, values): gives the values of the outputs.
    Outputs,
}

impl Kind {
    pub const COUNT: usize = 4;
}

/// An instance whose values a function computes.
struct Scope {
    unit: usize,
    /// Where its block starts in that of the function's own instance.
    base: u64,
    /// The scope around it and its index there.
    parent: Option<(usize, usize)>,
    children: Vec<Option<usize>>,
    values: Vec<Option<Form>>,
}

/// A memory's accesses, computed.
struct Access {
    /// Whether and where it reads, whether and where it writes, what it writes.
    read: (Form, Form),
    write: (Form, Form),
    data: Form,
    rule: ReadDuringWrite,
}

/// Emits one function.
pub(super) struct Emitter<'a> {
    code: Code<'a>,
    units: &'a [Unit],
    scopes: Vec<Scope>,
    /// The scope whose state is being dealt with.
    at: usize,
    /// What was computed, in order.
    made: Vec<(usize, NodeId)>,
    block: Value,
}

/// Elements lie in blocks at their natural alignment.
fn flags() -> MemFlagsData {
    MemFlagsData::trusted()
}

impl<'a> Emitter<'a> {
    /// `call` gives the function of the same kind for the definition of an instance.
    pub fn emit(
        mut b: FunctionBuilder<'a>,
        units: &'a [Unit],
        unit: usize,
        kind: Kind,
        mut call: impl FnMut(&mut FunctionBuilder<'a>, usize) -> FuncRef,
    ) -> FunctionBuilder<'a> {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let parameters = b.block_params(entry).to_vec();
        let root = Scope {
            unit,
            base: 0,
            parent: None,
            children: vec![None; units[unit].children.len()],
            values: vec![None; units[unit].def.nodes.len()],
        };
        let mut emitter = Emitter {
            code: Code { b },
            units,
            scopes: vec![root],
            at: 0,
            made: Vec::new(),
            block: parameters[0],
        };
        match kind {
            Kind::Clock => {
                emitter.clock(&mut call);
                emitter.code.b.ins().return_(&[]);
            }
            Kind::Check => emitter.check(parameters[1], &mut call),
            Kind::View => {
                let def = &units[unit].def;
                // Inputs that nothing reads have no place in the order.
                let inputs: Vec<NodeId> = def.inputs.iter().map(|i| i.node).collect();
                emitter.give(parameters[1], &inputs);
                emitter.give(parameters[1], &def.order);
                (0..units[unit].children.len()).for_each(|i| emitter.set_inputs(i));
                emitter.code.b.ins().return_(&[]);
            }
            Kind::Outputs => {
                let outputs: Vec<NodeId> = units[unit].def.outputs.iter().map(|o| o.node).collect();
                emitter.give(parameters[1], &outputs);
                emitter.code.b.ins().return_(&[]);
            }
        }
        emitter.code.b.seal_all_blocks();
        emitter.code.b
    }

    // Scopes and values.

    fn unit(&self) -> &'a Unit {
        &self.units[self.scopes[self.at].unit]
    }

    /// Forgets what was computed since `made` had this length: it is not known on every way to what follows.
    fn forget(&mut self, made: usize) {
        for (scope, node) in self.made.drain(made..) {
            self.scopes[scope].values[node.index()] = None;
        }
    }

    /// The scope of an instance in another one.
    fn inside(&mut self, scope: usize, instance: usize) -> usize {
        if let Some(known) = self.scopes[scope].children[instance] {
            return known;
        }
        let around = &self.units[self.scopes[scope].unit];
        let unit = around.children[instance];
        self.scopes.push(Scope {
            unit,
            base: self.scopes[scope].base + around.layout.children[instance],
            parent: Some((scope, instance)),
            children: vec![None; self.units[unit].children.len()],
            values: vec![None; self.units[unit].def.nodes.len()],
        });
        let new = self.scopes.len() - 1;
        self.scopes[scope].children[instance] = Some(new);
        new
    }

    /// What a node's value is made of, each in its scope.
    fn needs(&mut self, scope: usize, id: NodeId, into: &mut Vec<(usize, NodeId)>) {
        let def = &self.units[self.scopes[scope].unit].def;
        match def.node(id).op {
            Op::Input(i) => {
                if let Some((parent, instance)) = self.scopes[scope].parent {
                    let around = &self.units[self.scopes[parent].unit].def;
                    into.push((parent, around.instances[instance].inputs[i as usize]));
                }
            }
            Op::Wire(i) => into.push((scope, def.wires[i as usize].driver)),
            Op::Output(i, o) => {
                let inner = self.inside(scope, i as usize);
                let node = self.units[self.scopes[inner].unit].def.outputs[o as usize].node;
                into.push((inner, node));
            }
            op => into.extend(op.operands().map(|a| (scope, a))),
        }
    }

    /// Value of a node, computed where it was not yet.
    fn value_in(&mut self, scope: usize, id: NodeId) -> Form {
        // A stack of its own: expressions may be far deeper than the thread's.
        let mut stack = vec![(scope, id)];
        let mut needs = Vec::new();
        while let Some(&(s, n)) = stack.last() {
            if self.scopes[s].values[n.index()].is_none() {
                needs.clear();
                self.needs(s, n, &mut needs);
                let before = stack.len();
                stack.extend(needs.iter().filter(|(s, n)| self.scopes[*s].values[n.index()].is_none()));
                if stack.len() > before {
                    continue;
                }
                let form = self.compute(s, n, &needs);
                self.scopes[s].values[n.index()] = Some(form);
                self.made.push((s, n));
            }
            stack.pop();
        }
        self.known(scope, id)
    }

    fn value(&mut self, id: NodeId) -> Form {
        self.value_in(self.at, id)
    }

    fn known(&self, scope: usize, id: NodeId) -> Form {
        self.scopes[scope].values[id.index()].expect("operands come first")
    }

    fn compute(&mut self, scope: usize, id: NodeId, needs: &[(usize, NodeId)]) -> Form {
        let unit = &self.units[self.scopes[scope].unit];
        let node = unit.def.node(id);
        match node.op {
            Op::Const(value) => self.code.constant(value, node.width),
            Op::State(_, state) => self.code.constant(state.into(), node.width),
            Op::Reg(i) => self.load(scope, unit.layout.regs[i as usize]),
            Op::ReadData(i) => self.load(scope, unit.layout.data[i as usize]),
            Op::Input(_) | Op::Wire(_) | Op::Output(..) => match (node.op, needs.first()) {
                (Op::Input(i), None) => self.load(scope, unit.layout.inputs[i as usize]),
                (_, Some(&(s, n))) => self.known(s, n),
                (_, None) => unreachable!("it has a driver"),
            },
            op => {
                let values = &self.scopes[scope].values;
                self.code.operator(op, node.width, |a| values[a.index()].expect("operands come first"))
            }
        }
    }

    // Elements of blocks.

    /// Where the block of the present scope starts.
    fn base(&self) -> u64 {
        self.scopes[self.at].base
    }

    /// An address and an offset from it that the instructions can hold.
    fn address(&mut self, from: Value, offset: u64) -> (Value, i32) {
        match i32::try_from(offset) {
            Ok(offset) => (from, offset),
            Err(_) => {
                let offset = self.code.number(offset);
                (self.code.b.ins().iadd(from, offset), 0)
            }
        }
    }

    fn load(&mut self, scope: usize, place: Place) -> Form {
        let offset = self.scopes[scope].base + place.offset;
        self.load_at(self.block, offset, place.width)
    }

    fn load_at(&mut self, from: Value, offset: u64, width: u32) -> Form {
        let (at, offset) = self.address(from, offset);
        let ins = self.code.b.ins();
        if width == 1 {
            return Code::of_bit(ins.load(types::I8, flags(), at, offset));
        }
        let raw = match bytes(width) {
            1 => ins.uload8(types::I64, flags(), at, offset),
            2 => ins.uload16(types::I64, flags(), at, offset),
            4 => ins.uload32(flags(), at, offset),
            _ => ins.load(types::I64, flags(), at, offset),
        };
        Form { raw, width, upper: Upper::Zero(width), constant: None }
    }

    fn store(&mut self, place: Place, value: Form) {
        self.store_at(self.block, self.base() + place.offset, value);
    }

    fn store_at(&mut self, to: Value, offset: u64, value: Form) {
        let size = bytes(value.width);
        // Bits beyond the element are lost by themselves.
        let raw =
            if value.width == 1 || value.width == size * 8 { value.raw } else { self.code.clean(value) };
        let (at, offset) = self.address(to, offset);
        let ins = self.code.b.ins();
        match size {
            1 if value.width > 1 => ins.istore8(flags(), raw, at, offset),
            2 => ins.istore16(flags(), raw, at, offset),
            4 => ins.istore32(flags(), raw, at, offset),
            _ => ins.store(flags(), raw, at, offset),
        };
    }

    /// Gives values to an array of 64-bit words, one a node.
    fn give(&mut self, values: Value, nodes: &[NodeId]) {
        for &node in nodes {
            let value = self.value(node);
            let word = self.code.clean(value);
            let (at, offset) = self.address(values, node.index() as u64 * 8);
            self.code.b.ins().store(flags(), word, at, offset);
        }
    }

    /// Sets the inputs of an instance.
    fn set_inputs(&mut self, instance: usize) {
        let unit = self.unit();
        let inputs = &self.units[unit.children[instance]].layout.inputs;
        for (&driver, &place) in unit.def.instances[instance].inputs.iter().zip(inputs) {
            let value = self.value(driver);
            let place = Place { offset: unit.layout.children[instance] + place.offset, ..place };
            self.store(place, value);
        }
    }

    fn block_of(&mut self, instance: usize) -> Value {
        let offset = self.code.number(self.base() + self.unit().layout.children[instance]);
        self.code.b.ins().iadd(self.block, offset)
    }

    // Memories.

    fn access(&mut self, memory: &Memory) -> Access {
        match memory.ports {
            MemoryPorts::OneRw { address, enable, write, data } => {
                let [address, enable, write, data] = [address, enable, write, data].map(|n| self.value(n));
                let reads = self.code.not(write);
                let reads = match write.constant {
                    Some(write) => self.code.constant(1 - write, 1),
                    None => reads,
                };
                Access {
                    read: (self.code.and(enable, reads), address),
                    write: (self.code.and(enable, write), address),
                    data,
                    rule: ReadDuringWrite::OldData,
                }
            }
            MemoryPorts::OneReadOneWrite {
                read_address,
                read_enable,
                write_address,
                write_enable,
                write_data,
                rule,
            } => Access {
                read: (self.value(read_enable), self.value(read_address)),
                write: (self.value(write_enable), self.value(write_address)),
                data: self.value(write_data),
                rule,
            },
        }
    }

    /// Whether an address is one of the memory's.
    fn in_range(&mut self, memory: &Memory, address: Form) -> Form {
        if memory.words.is_power_of_two() {
            return self.code.constant(1, 1);
        }
        let (address, words) = (self.code.clean(address), self.code.number(memory.words));
        Code::of_bit(self.code.b.ins().icmp(IntCC::UnsignedLessThan, address, words))
    }

    /// Address of a word, or of the spare one where `valid` is 0.
    fn word(&mut self, memory: &Memory, address: Form, valid: Form) -> Value {
        let mut index = self.code.clean(address);
        if valid.constant != Some(1) {
            let spare = self.code.number(memory.words);
            index = self.code.b.ins().select(valid.raw, index, spare);
        }
        let by = self.code.number(bytes(memory.bits).trailing_zeros().into());
        let offset = self.code.b.ins().ishl(index, by);
        self.code.b.ins().iadd(self.block, offset)
    }

    /// The word at an address, 0 beyond the end.
    fn read(&mut self, memory: &Memory, place: Place, address: Form) -> Form {
        let valid = self.in_range(memory, address);
        let word = self.word(memory, address, valid);
        let found = self.load_at(word, self.base() + place.offset, place.width);
        let nothing = self.code.constant(0, place.width);
        self.code.select(valid, found, nothing)
    }

    /// The read data after the edge.
    fn next_data(&mut self, memory: &Memory, place: Place, access: &Access) -> Form {
        let old = self.value(memory.node);
        let (reads, address) = access.read;
        let mut found = self.read(memory, place, address);
        if access.rule == ReadDuringWrite::Forward {
            let same = self.code.equal(IntCC::Equal, address, access.write.1);
            let forwards = self.code.and(same, access.write.0);
            found = self.code.select(forwards, access.data, found);
        }
        self.code.select(reads, found, old)
    }

    // The kinds of functions.

    fn clock(&mut self, call: &mut impl FnMut(&mut FunctionBuilder<'a>, usize) -> FuncRef) {
        let unit = self.unit();
        let def = &unit.def;
        // What instances take, and which of them sleep.
        let mut calls = Vec::new();
        for (i, &child) in unit.children.iter().enumerate().filter(|&(_, &c)| self.units[c].stateful) {
            if self.units[child].inlined {
                // What it takes stays in registers.
                for &driver in &def.instances[i].inputs {
                    self.value(driver);
                }
            } else {
                self.set_inputs(i);
            }
            let scope = self.inside(self.at, i);
            let idle = self.units[child].def.idle.map(|idle| self.value_in(scope, idle));
            calls.push((i, child, scope, idle));
        }
        // Each state element is stored once its own old value has been loaded; the rest uses what was loaded.
        for (i, memory) in def.memories.iter().enumerate() {
            let (data, words) = (unit.layout.data[i], unit.layout.memories[i]);
            let access = self.access(memory);
            let next = self.next_data(memory, words, &access);
            let (writes, address) = access.write;
            if writes.constant != Some(0) {
                let valid = self.in_range(memory, address);
                let valid = self.code.and(writes, valid);
                let word = self.word(memory, address, valid);
                self.store_at(word, self.base() + words.offset, access.data);
            }
            self.store(data, next);
        }
        for (reg, &place) in def.regs.iter().zip(&unit.layout.regs) {
            let old = self.value(reg.node);
            let mut next = self.value(reg.next);
            if let Some(enable) = reg.enable {
                let enable = self.value(enable);
                next = self.code.select(enable, next, old);
            }
            self.store(place, next);
        }
        for (i, child, scope, idle) in calls {
            if idle.is_some_and(|idle| idle.constant == Some(1)) {
                continue;
            }
            let made = self.made.len();
            let after = idle.map(|idle| {
                let (awake, after) = (self.code.b.create_block(), self.code.b.create_block());
                self.code.b.ins().brif(idle.raw, after, &[], awake, &[]);
                self.code.b.switch_to_block(awake);
                after
            });
            if self.units[child].inlined {
                let around = std::mem::replace(&mut self.at, scope);
                self.clock(call);
                self.at = around;
            } else {
                let block = self.block_of(i);
                let function = call(&mut self.code.b, child);
                self.code.b.ins().call(function, &[block]);
            }
            if let Some(after) = after {
                self.code.b.ins().jump(after, &[]);
                self.code.b.switch_to_block(after);
                self.forget(made);
            }
        }
    }

    fn check(&mut self, asleep: Value, call: &mut impl FnMut(&mut FunctionBuilder<'a>, usize) -> FuncRef) {
        let unit = self.unit();
        let def = &unit.def;
        let mut wrong = self.code.constant(0, 1);
        for (property, &place) in def.properties.iter().zip(&unit.layout.covered) {
            let condition = self.value(property.condition);
            if property.kind == PropertyKind::Cover {
                let before = self.load(self.at, place);
                let covered = self.code.or(before, condition);
                self.store(place, covered);
            } else {
                let fails = self.code.not(condition);
                wrong = self.code.or(wrong, fails);
            }
        }
        for memory in &def.memories {
            let access = self.access(memory);
            for (happens, address) in [access.read, access.write] {
                if !memory.words.is_power_of_two() {
                    let inside = self.in_range(memory, address);
                    let outside = self.code.not(inside);
                    let fails = self.code.and(happens, outside);
                    wrong = self.code.or(wrong, fails);
                }
            }
            if access.rule == ReadDuringWrite::Undefined {
                let same = self.code.equal(IntCC::Equal, access.read.1, access.write.1);
                let both = self.code.and(access.read.0, access.write.0);
                let fails = self.code.and(same, both);
                wrong = self.code.or(wrong, fails);
            }
        }
        let mut asleep = Code::of_bit(asleep);
        if let Some(idle) = def.idle {
            let idle = self.value(idle);
            asleep = self.code.or(asleep, idle);
        }
        if unit.may_sleep && !(def.regs.is_empty() && def.memories.is_empty()) {
            // Only a sleeping instance need be asked whether it changes.
            let (sleeps, after) = (self.code.b.create_block(), self.code.b.create_block());
            let result = self.code.b.append_block_param(after, types::I8);
            self.code.b.ins().brif(asleep.raw, sleeps, &[], after, &[wrong.raw.into()]);
            self.code.b.switch_to_block(sleeps);
            let made = self.made.len();
            let changes = self.changes();
            let either = self.code.or(wrong, changes);
            self.code.b.ins().jump(after, &[either.raw.into()]);
            self.code.b.switch_to_block(after);
            self.forget(made);
            wrong = Code::of_bit(result);
        }
        for (i, &child) in unit.children.iter().enumerate().filter(|&(_, &c)| self.units[c].checked) {
            self.set_inputs(i);
            let block = self.block_of(i);
            let function = call(&mut self.code.b, child);
            let call = self.code.b.ins().call(function, &[block, asleep.raw]);
            let below = Code::of_bit(self.code.b.inst_results(call)[0]);
            wrong = self.code.or(wrong, below);
        }
        self.code.b.ins().return_(&[wrong.raw]);
    }

    /// Whether a register, read data or a word would change at the edge.
    fn changes(&mut self) -> Form {
        let unit = self.unit();
        let mut any = self.code.constant(0, 1);
        for (memory, &words) in unit.def.memories.iter().zip(&unit.layout.memories) {
            let access = self.access(memory);
            let (old, next) = (self.value(memory.node), self.next_data(memory, words, &access));
            let differs = self.code.equal(IntCC::NotEqual, old, next);
            any = self.code.or(any, differs);
            let (writes, address) = access.write;
            let word = self.read(memory, words, address);
            let differs = self.code.equal(IntCC::NotEqual, word, access.data);
            let changes = self.code.and(writes, differs);
            any = self.code.or(any, changes);
        }
        for reg in &unit.def.regs {
            let (old, next) = (self.value(reg.node), self.value(reg.next));
            let mut differs = self.code.equal(IntCC::NotEqual, old, next);
            if let Some(enable) = reg.enable {
                let enable = self.value(enable);
                differs = self.code.and(enable, differs);
            }
            any = self.code.or(any, differs);
        }
        any
    }
}
