//! The builder: an open module, to which plain Rust adds ports, registers, signals and properties.
//!
//! Handles are `Copy` references into the open module, so operators overload. Mistakes are recorded with their
//! place in the source and returned together by [`Module::finish`]; building itself neither fails nor panics.
//!
//! Long because every call that opens, fills and finishes a module is a method of the one type, each with its documentation.

use crate::error::{BuildError, ErrorKind};
use crate::fold::{Folded, fold};
use crate::handle::{Item, Reg, Wire};
use crate::ir::{
    Contents, Definition, Info, Named, Node, NodeId, Op, Port, Property, PropertyKind, Register, Type,
    WireInfo,
};
use crate::names::{clean, legal};
use crate::semantics::{evaluate, mask};
use crate::states::States;
use crate::value::{E, Raw, S, Signal, U};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;

/// An open module.
pub struct Module {
    pub(crate) open: RefCell<Open>,
}

pub(crate) struct Open {
    pub def: Definition,
    pub cons: HashMap<Node, NodeId>,
    pub errors: Vec<BuildError>,
    /// Where each named thing was declared.
    pub places: HashMap<Named, &'static Location<'static>>,
}

impl Open {
    pub fn fail(&mut self, kind: ErrorKind, at: &'static Location<'static>) {
        let module = self.def.unique_name();
        self.errors.push(BuildError::new(&module, kind, at));
    }

    /// The node of an operator, shared with its equals. Operators on constants become constants, and those that a constant
    /// operand decides become what is left of them.
    pub fn node(&mut self, op: Op, width: u32) -> NodeId {
        let constant = |id: NodeId| matches!(self.def.node(id).op, Op::Const(_));
        let op = if !op.is_leaf() && op.operands().all(constant) {
            Op::Const(evaluate(op, width, |id| match self.def.node(id) {
                Node { op: Op::Const(value), width } => (value, width),
                Node { width, .. } => (0, width),
            }))
        } else {
            match fold(&self.def, op, width) {
                Folded::Same => op,
                Folded::Is(id) => return id,
                Folded::Op(op) => return self.node(op, width),
                Folded::OfNot(a, op, b) => {
                    let not = self.node(Op::Not(a), self.def.width(a));
                    return self.node(op(not, b), width);
                }
                Folded::Always(bit, a) => {
                    let (any, bit_id) = (self.node(Op::Any(a), 1), self.node(Op::Const(bit.into()), 1));
                    return self.node(if bit { Op::Or(any, bit_id) } else { Op::And(any, bit_id) }, 1);
                }
            }
        };
        let node = Node { op, width };
        *self.cons.entry(node).or_insert_with(|| {
            self.def.nodes.push(node);
            NodeId(self.def.nodes.len() as u32 - 1)
        })
    }

    /// What a node is called in messages.
    pub fn describe(&self, id: NodeId) -> String {
        self.def.describe(id)
    }

    pub fn claim(&mut self, name: &str, named: Named, at: &'static Location<'static>) -> String {
        let name = clean(name);
        // `reg` becomes `reg_` in Verilog, where another signal may be called so.
        let shorter = name.strip_suffix('_').filter(|s| legal(s) == name);
        let taken = [Some(name.as_str()), Some(&legal(&name)), shorter];
        if name == "clk" || name == "reset" {
            self.fail(ErrorKind::Reserved(name.clone()), at);
        } else if taken.into_iter().flatten().any(|n| self.def.names.contains_key(n)) {
            self.fail(ErrorKind::NameClash(name.clone()), at);
        } else {
            self.def.names.insert(name.clone(), named);
        }
        self.places.insert(named, at);
        name
    }

    /// Checks the width of a signal that is being declared.
    pub fn width(&mut self, name: &str, width: u32, at: &'static Location<'static>) -> u32 {
        if !(1..=64).contains(&width) {
            self.fail(
                ErrorKind::Width { signal: name.to_string(), bits: width, allowed: "1 to 64".into() },
                at,
            );
        }
        width.clamp(1, 64)
    }
}

impl Module {
    /// Opens a module. Name and parameters together name the definition; two different ones must differ in them.
    #[must_use]
    pub fn new(name: &str, parameters: &[(&str, u64)]) -> Self {
        let def = Definition {
            name: clean(name),
            parameters: parameters.iter().map(|&(p, v)| (clean(p), v)).collect(),
            doc: String::new(),
            nodes: Vec::new(),
            states: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            wires: Vec::new(),
            regs: Vec::new(),
            memories: Vec::new(),
            instances: Vec::new(),
            properties: Vec::new(),
            idle: None,
            names: HashMap::new(),
            order: Vec::new(),
            cones: Vec::new(),
            reaches: Vec::new(),
        };
        let open = Open { def, cons: HashMap::new(), errors: Vec::new(), places: HashMap::new() };
        Self { open: RefCell::new(open) }
    }

    /// Gives the module a doc text.
    pub fn doc(&self, text: &str) {
        text.clone_into(&mut self.open.borrow_mut().def.doc);
    }

    #[track_caller]
    pub(crate) fn fail(&self, kind: ErrorKind) {
        self.open.borrow_mut().fail(kind, Location::caller());
    }

    /// Records a mistake of the caller's own, such as an impossible parameter.
    #[track_caller]
    pub fn error(&self, text: &str) {
        self.fail(ErrorKind::Other(text.to_string()));
    }

    pub(crate) fn node(&self, op: Op, width: u32) -> Raw<'_> {
        let id = self.open.borrow_mut().node(op, width);
        Raw { m: self, id, width }
    }

    /// Records an error where two widths differ.
    #[track_caller]
    pub(crate) fn same_width(&self, operation: &str, left: (String, u32), right: (String, u32)) {
        if left.1 != right.1 {
            self.fail(ErrorKind::Widths {
                operation: operation.to_string(),
                left: left.0,
                left_bits: left.1,
                right: right.0,
                right_bits: right.1,
            });
        }
    }

    /// The node of a signal, where it belongs to this module.
    #[track_caller]
    pub(crate) fn own(&self, raw: Raw<'_>) -> NodeId {
        if std::ptr::eq(self, raw.m) {
            return raw.id;
        }
        let (signal, other) = {
            let other = raw.m.open.borrow();
            (other.describe(raw.id), other.def.unique_name())
        };
        self.fail(ErrorKind::ForeignSignal(signal, other));
        self.node(Op::Const(0), raw.width).id
    }

    /// An unsigned constant.
    #[track_caller]
    pub fn u(&self, value: u64, width: u32) -> U<'_> {
        let width = self.open.borrow_mut().width("constant", width, Location::caller());
        if value > mask(width) {
            self.fail(ErrorKind::Constant { value: value.into(), bits: width });
        }
        U(self.node(Op::Const(value & mask(width)), width))
    }

    /// A signed constant.
    #[track_caller]
    pub fn s(&self, value: i64, width: u32) -> S<'_> {
        let width = self.open.borrow_mut().width("constant", width, Location::caller());
        let bits = value.cast_unsigned() & mask(width);
        if crate::semantics::signed(bits, width) != value {
            self.fail(ErrorKind::Constant { value: value.into(), bits: width });
        }
        S(self.node(Op::Const(bits), width))
    }

    /// A constant state.
    pub fn e<T: States>(&self, state: T) -> E<'_, T> {
        let index = {
            let states = &mut self.open.borrow_mut().def.states;
            states.iter().position(|&s| s == T::INFO).unwrap_or_else(|| {
                states.push(T::INFO);
                states.len() - 1
            })
        };
        E::of(self.node(Op::State(index as u32, state.index() as u32), T::INFO.width()))
    }

    #[track_caller]
    fn add_input(&self, name: &str, width: u32, ty: Type) -> Raw<'_> {
        let open = &mut *self.open.borrow_mut();
        let index = open.def.inputs.len() as u32;
        let width = open.width(name, width, Location::caller());
        let name = open.claim(name, Named::Input(index), Location::caller());
        let node = open.node(Op::Input(index), width);
        let info = Info { name, doc: String::new(), width, ty };
        open.def.inputs.push(Port { info, node, may_be_unused: false });
        Raw { m: self, id: node, width }
    }

    /// An unsigned input port.
    #[track_caller]
    pub fn input(&self, name: &str, width: u32) -> U<'_> {
        U(self.add_input(name, width, Type::Unsigned))
    }

    /// A signed input port.
    #[track_caller]
    pub fn input_s(&self, name: &str, width: u32) -> S<'_> {
        S(self.add_input(name, width, Type::Signed))
    }

    /// An input port that carries a state.
    #[track_caller]
    pub fn input_e<T: States>(&self, name: &str) -> E<'_, T> {
        E::of(self.add_input(name, T::INFO.width(), Type::States(T::INFO)))
    }

    /// An output port and what drives it. It may have the name of the register or signal that drives it.
    #[track_caller]
    pub fn output<'m, T: Signal<'m>>(&'m self, name: &str, value: T) -> Item<'m> {
        let raw = value.raw();
        let node = self.own(raw);
        let open = &mut *self.open.borrow_mut();
        let named = Named::Output(open.def.outputs.len() as u32);
        let name = if open.def.is_named(&clean(name), node) {
            clean(name)
        } else {
            open.claim(name, named, Location::caller())
        };
        let info = Info { name, doc: String::new(), width: raw.width, ty: T::TYPE };
        open.def.outputs.push(Port { info, node, may_be_unused: true });
        Item { m: self, named }
    }

    /// Gives a value a name, in waves and Verilog. The result is a signal of its own.
    #[track_caller]
    pub fn named<'m, T: Signal<'m>>(&'m self, name: &str, value: T) -> T {
        let wire = self.wire_like::<T>(name, value.raw().width);
        wire.set(value);
        wire.q
    }

    /// A signal of a type and width, to be driven later.
    #[track_caller]
    pub fn wire_like<'m, T: Signal<'m>>(&'m self, name: &str, width: u32) -> Wire<'m, T> {
        let open = &mut *self.open.borrow_mut();
        let index = open.def.wires.len() as u32;
        let width = open.width(name, width, Location::caller());
        let name = open.claim(name, Named::Wire(index), Location::caller());
        let node = open.node(Op::Wire(index), width);
        let info = Info { name, doc: String::new(), width, ty: T::TYPE };
        open.def.wires.push(WireInfo { info, node, driver: NodeId::NONE });
        Wire { q: T::of(Raw { m: self, id: node, width }), m: self, index }
    }

    /// An unsigned signal, to be driven later.
    #[track_caller]
    pub fn wire(&self, name: &str, width: u32) -> Wire<'_, U<'_>> {
        self.wire_like(name, width)
    }

    /// A signed signal, to be driven later.
    #[track_caller]
    pub fn wire_s(&self, name: &str, width: u32) -> Wire<'_, S<'_>> {
        self.wire_like(name, width)
    }

    /// A register of a type and width with the bits that it has after reset.
    #[track_caller]
    pub fn reg_like<'m, T: Signal<'m>>(&'m self, name: &str, width: u32, reset: u64) -> Reg<'m, T> {
        let open = &mut *self.open.borrow_mut();
        let index = open.def.regs.len() as u32;
        let width = open.width(name, width, Location::caller());
        let name = open.claim(name, Named::Reg(index), Location::caller());
        let node = open.node(Op::Reg(index), width);
        let info = Info { name, doc: String::new(), width, ty: T::TYPE };
        open.def.regs.push(Register { info, node, reset, next: NodeId::NONE, enable: None });
        Reg { q: T::of(Raw { m: self, id: node, width }), m: self, index }
    }

    /// An unsigned register with the value that it has after reset.
    #[track_caller]
    pub fn reg(&self, name: &str, width: u32, reset: u64) -> Reg<'_, U<'_>> {
        let reg: Reg<'_, U<'_>> = self.reg_like(name, width, reset);
        self.u(reset, reg.q.width());
        reg
    }

    /// A signed register with the value that it has after reset.
    #[track_caller]
    pub fn reg_s(&self, name: &str, width: u32, reset: i64) -> Reg<'_, S<'_>> {
        let bits = reset.cast_unsigned() & mask(width.clamp(1, 64));
        let reg: Reg<'_, S<'_>> = self.reg_like(name, width, bits);
        self.s(reset, reg.q.width());
        reg
    }

    /// A register that holds a state, with the one that it has after reset.
    #[track_caller]
    pub fn reg_e<T: States>(&self, name: &str, reset: T) -> Reg<'_, E<'_, T>> {
        self.reg_like(name, T::INFO.width(), reset.index())
    }

    /// A value one cycle later; zero after reset.
    #[track_caller]
    pub fn delayed<'m, T: Signal<'m>>(&'m self, name: &str, value: T) -> T {
        let reg = self.reg_like::<T>(name, value.raw().width, 0);
        reg.set_raw(value, None);
        reg.q
    }

    #[track_caller]
    fn add_property(&self, kind: PropertyKind, name: &str, condition: U<'_>, message: &str) {
        self.one_bit("property", condition);
        let condition = self.own(condition.0);
        let open = &mut *self.open.borrow_mut();
        let named = Named::Property(open.def.properties.len() as u32);
        let name = open.claim(name, named, Location::caller());
        open.def.properties.push(Property { kind, name, message: message.to_string(), condition });
    }

    /// A condition that must hold in every cycle outside reset.
    #[track_caller]
    pub fn assert(&self, name: &str, condition: U<'_>, message: &str) {
        self.add_property(PropertyKind::Assert, name, condition, message);
    }

    /// A condition that the surroundings must keep in every cycle outside reset.
    #[track_caller]
    pub fn assume(&self, name: &str, condition: U<'_>, message: &str) {
        self.add_property(PropertyKind::Assume, name, condition, message);
    }

    /// A condition that should hold in some cycle.
    #[track_caller]
    pub fn cover(&self, name: &str, condition: U<'_>, message: &str) {
        self.add_property(PropertyKind::Cover, name, condition, message);
    }

    /// Promises that no state of this module or of its instances changes at the edge of a cycle in which
    /// `condition` holds. Simulation checks it; the compiled simulator relies on it.
    #[track_caller]
    pub fn idle_when(&self, condition: U<'_>) {
        self.one_bit("idle_when", condition);
        let condition = self.own(condition.0);
        if self.open.borrow_mut().def.idle.replace(condition).is_some() {
            self.fail(ErrorKind::DrivenTwice("idle_when".into()));
        }
    }

    #[track_caller]
    pub(crate) fn one_bit(&self, what: &str, condition: U<'_>) {
        let described = condition.0.m.open.borrow().describe(condition.0.id);
        self.same_width(what, ("a condition".into(), 1), (described, condition.width()));
    }

    /// The value of the first condition that holds, else `default`.
    #[track_caller]
    pub fn select<'m, T: Signal<'m>>(&'m self, default: T, cases: &[(U<'m>, T)]) -> T {
        cases.iter().rev().fold(default, |otherwise, &(condition, value)| condition.mux(value, otherwise))
    }

    /// `values[index]`. Where `index` is beyond the end one of them comes back.
    #[track_caller]
    pub fn index<'m, T: Signal<'m>>(&'m self, index: U<'m>, values: &[T]) -> T {
        let most = 1u64.checked_shl(index.width()).unwrap_or(u64::MAX);
        if values.is_empty() || values.len() as u64 > most {
            self.error(&format!("index of {} bits into {} values", index.width(), values.len()));
            let width = values.first().map_or(1, |v| v.raw().width);
            return T::of(self.node(Op::Const(0), width));
        }
        let mut level = values.to_vec();
        for bit in 0..index.width() {
            let select = index.bit(bit);
            let pick = |pair: &[T]| if pair.len() == 2 { select.mux(pair[1], pair[0]) } else { pair[0] };
            level = level.chunks(2).map(pick).collect();
            if level.len() == 1 {
                break;
            }
        }
        level[0]
    }

    /// The register of an index, as a handle.
    pub(crate) fn reg_at<'m, T: Signal<'m>>(&'m self, index: u32, q: T) -> Reg<'m, T> {
        Reg { q, m: self, index }
    }

    pub(crate) fn set_contents(&self, memory: u32, contents: Contents) {
        self.open.borrow_mut().def.memories[memory as usize].contents = contents;
    }
}

impl Open {
    /// Checks the width of what drives a signal.
    pub fn connection(&mut self, name: &str, width: u32, driver: Raw<'_>, at: &'static Location<'static>) {
        if width != driver.width {
            let right = self.describe(driver.id);
            self.fail(
                ErrorKind::Widths {
                    operation: "connection".into(),
                    left: name.to_string(),
                    left_bits: width,
                    right,
                    right_bits: driver.width,
                },
                at,
            );
        }
    }
}

impl Definition {
    /// Whether a node is the register or signal of this name.
    pub(crate) fn is_named(&self, name: &str, node: NodeId) -> bool {
        match self.names.get(name) {
            Some(&Named::Reg(i)) => self.regs[i as usize].node == node,
            Some(&Named::Wire(i)) => self.wires[i as usize].node == node,
            _ => false,
        }
    }

    /// What a node is called in messages.
    pub(crate) fn describe(&self, id: NodeId) -> String {
        let node = self.node(id);
        match node.op {
            Op::Const(value) => format!("{}'d{value}", node.width),
            Op::State(info, state) => self.states[info as usize].states[state as usize].to_string(),
            Op::Input(i) => self.inputs[i as usize].info.name.clone(),
            Op::Wire(i) => self.wires[i as usize].info.name.clone(),
            Op::Reg(i) => self.regs[i as usize].info.name.clone(),
            Op::ReadData(i) => format!("{}_data", self.memories[i as usize].name),
            Op::Output(i, o) => {
                let instance = &self.instances[i as usize];
                format!("{}.{}", instance.name, instance.def.outputs[o as usize].info.name)
            }
            op => format!("({})", op.name()),
        }
    }
}
