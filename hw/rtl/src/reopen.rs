//! A finished definition, opened again: to look inside, to seed a fault, to make room for a proof.
//!
//! Blocks stay as they are described; what a test needs to be different is different in a copy, under a name of its own.
//!
//! ```
//! use rtl::{Module, Simulator};
//! let m = Module::new("counter", &[]);
//! let count = m.reg("count", 4, 0);
//! let step = m.u(1, 4).named("step");
//! count.set(count.q + step);
//! m.output("value", count.q);
//! let counter = m.finish()?;
//!
//! let faulty = Module::altered(&counter, "", "faulty", |m| m.redrive("step", |step| step + 1))?;
//! assert_eq!(faulty.unique_name(), "counter_faulty");
//! let mut sim = Simulator::new(&faulty);
//! sim.run(3)?;
//! assert_eq!(sim.peek("value")?, 6);
//! // What is not there is an error, so that no fault is forgotten when a block changes.
//! assert!(Module::altered(&counter, "", "faulty", |m| m.redrive("stride", |s| s + 1)).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::error::{ErrorKind, Errors};
use crate::ir::{
    Def, Info, Instance, MemoryPorts, Named, Node, NodeId, Op, Port, PropertyKind, ReadDuringWrite, Type,
    WireInfo,
};
use crate::module::{Module, Open};
use crate::value::{Raw, U};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;

impl Module {
    /// A copy of a definition in which the instance at `path` (empty: the definition itself) was changed. The copy, and
    /// what holds it, get `suffix` behind their names. Ports that the change adds come out of everything that holds the
    /// instance, as `<instance>_<port>`.
    ///
    /// # Errors
    /// No such path or signal, and what a change made wrong: widths, loops.
    #[track_caller]
    pub fn altered(def: &Def, path: &str, suffix: &str, change: impl FnOnce(&Self)) -> Result<Def, Errors> {
        let m = Self::reopen(def, suffix);
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        if name.is_empty() {
            change(&m);
        } else if let Some(&Named::Instance(i)) = def.names.get(name) {
            let inner = Self::altered(&def.instances[i as usize].def, rest, suffix, change)?;
            m.exchange(i, inner);
        } else {
            m.missing(name);
        }
        m.finish()
    }

    /// Opens a finished definition again, as `<name>_<suffix>`.
    #[must_use]
    pub fn reopen(def: &Def, suffix: &str) -> Self {
        let mut def = (**def).clone();
        def.name = format!("{}_{suffix}", def.name);
        // A change may leave an input without a reader.
        def.inputs.iter_mut().for_each(|port| port.may_be_unused = true);
        let mut open = Open { def, cons: HashMap::new(), errors: Vec::new(), places: HashMap::new() };
        open.index_nodes();
        Self { open: RefCell::new(open) }
    }

    /// Gives an instance a definition with more ports behind those that it has.
    fn exchange(&self, index: u32, inner: Def) {
        let Instance { name, inputs, outputs, .. } = self.open.borrow().def.instances[index as usize].clone();
        let mut more_inputs = inputs.clone();
        for port in &inner.inputs[inputs.len()..] {
            let input = self.input(&format!("{name}_{}", port.info.name), port.info.width).may_be_unused();
            more_inputs.push(input.0.id);
        }
        let mut more_outputs = outputs.clone();
        for (o, port) in inner.outputs.iter().enumerate().skip(outputs.len()) {
            let value = self.node(Op::Output(index, o as u32), port.info.width);
            more_outputs.push(value.id);
            self.output(&format!("{name}_{}", port.info.name), U(value));
        }
        let instance = &mut self.open.borrow_mut().def.instances[index as usize];
        (instance.def, instance.inputs, instance.outputs) = (inner, more_inputs, more_outputs);
    }

    #[track_caller]
    fn missing(&self, name: &str) {
        let mut open = self.open.borrow_mut();
        let mut there: Vec<_> = open.def.names.keys().cloned().collect();
        there.sort_unstable();
        let text = format!("no {name}; there are {}", there.join(", "));
        open.fail(ErrorKind::Other(text), Location::caller());
    }

    /// A port, register or named signal, the read data of a memory by its name, or `<instance>.<output>`, as plain bits.
    #[track_caller]
    pub fn find(&self, name: &str) -> U<'_> {
        let id = self.open.borrow().node_of(name);
        match id {
            Some(id) => {
                let width = self.open.borrow().def.width(id);
                U(Raw { m: self, id, width })
            }
            None => {
                self.missing(name);
                self.u(0, 1)
            }
        }
    }

    /// Drives something otherwise: `change` makes its new driver of the present one, as plain bits.
    ///
    /// `target` is a named signal; a register (its next value), or `<register>.enable`; an output; `<instance>.<input>`; or
    /// `<memory>.<port>` with the ports `address`, `enable`, `write`, `data` or `read_address`, `read_enable`, `write_address`,
    /// `write_enable`, `write_data`.
    #[track_caller]
    pub fn redrive<'m>(&'m self, target: &str, change: impl FnOnce(U<'m>) -> U<'m>) {
        let one = self.u(1, 1).0.id;
        let found = self.open.borrow_mut().driver(target, one).copied();
        let Some(id) = found else { return self.missing(target) };
        let width = self.open.borrow().def.width(id);
        let new = change(U(Raw { m: self, id, width }));
        let node = self.own(new.0);
        let open = &mut *self.open.borrow_mut();
        open.connection(target, width, new.0, Location::caller());
        if let Some(driver) = open.driver(target, one) {
            *driver = node;
        }
    }

    /// Gives a register another value after reset.
    #[track_caller]
    pub fn reset_to(&self, register: &str, value: u64) {
        let found = self.open.borrow().def.names.get(register).copied();
        let Some(Named::Reg(i)) = found else { return self.missing(register) };
        self.open.borrow_mut().def.regs[i as usize].reset = value;
    }

    /// Gives a memory another rule; one with a single port, where nothing collides, stays as it is.
    #[track_caller]
    pub fn set_rule(&self, memory: &str, to: ReadDuringWrite) {
        let found = self.open.borrow().def.names.get(memory).copied();
        let Some(Named::Memory(i)) = found else { return self.missing(memory) };
        if let MemoryPorts::OneReadOneWrite { rule, .. } =
            &mut self.open.borrow_mut().def.memories[i as usize].ports
        {
            *rule = to;
        }
    }

    /// Makes a signal an output, `<name>_seen` (dots become `_`).
    #[track_caller]
    pub fn expose(&self, name: &str) {
        self.output(&format!("{}_seen", name.replace('.', "_")), self.find(name));
    }

    /// Makes an assumption of an assertion: what others promise, as far as a proof goes.
    #[track_caller]
    pub fn assume_instead(&self, assertion: &str) {
        let found = self.open.borrow().def.names.get(assertion).copied();
        match found {
            Some(Named::Property(i)) => {
                self.open.borrow_mut().def.properties[i as usize].kind = PropertyKind::Assume;
            }
            _ => self.missing(assertion),
        }
    }

    /// Replaces a memory by one that knows a single word, for proofs at any depth.
    ///
    /// The word is at the new input `<memory>_place`, which must be constant; everything else that is read, and the word
    /// before its first write, is the new input `<memory>_any`, which may be anything in every cycle. So every behaviour of
    /// the memory is one of the replacement's, and what is proved of it for any place is proved of the memory.
    /// Registers: `<memory>_word`, `<memory>_known` (it was written), `<memory>_hit` (it was read last), `<memory>_held` (what was read).
    #[track_caller]
    pub fn know_one_word(&self, memory: &str) {
        let Some(&Named::Memory(at)) = self.open.borrow().def.names.get(memory) else {
            return self.missing(memory);
        };
        let old = self.open.borrow().def.memories[at as usize].clone();
        let (words, bits) = (old.words, old.bits);
        let node = |id: NodeId| U(Raw { m: self, id, width: self.open.borrow().def.width(id) });
        let place = self.input(&format!("{memory}_place"), crate::bits_for(words)).may_be_unused();
        let any = self.input(&format!("{memory}_any"), bits).may_be_unused();
        let word = self.reg(&format!("{memory}_word"), bits, 0);
        let known = self.reg(&format!("{memory}_known"), 1, 0);
        let hit = self.reg(&format!("{memory}_hit"), 1, 0);
        let held = self.reg(&format!("{memory}_held"), bits, 0);
        let (reads, from, writes, to, data, rule) = match old.ports {
            MemoryPorts::OneRw { address, enable, write, data } => {
                let (address, enable, write) = (node(address), node(enable), node(write));
                (enable & !write, address, enable & write, address, node(data), ReadDuringWrite::OldData)
            }
            MemoryPorts::OneReadOneWrite {
                read_address,
                read_enable,
                write_address,
                write_enable,
                write_data,
                rule,
            } => (
                node(read_enable),
                node(read_address),
                node(write_enable),
                node(write_address),
                node(write_data),
                rule,
            ),
        };
        let (reads_it, writes_it) = (reads & from.eq(place), writes & to.eq(place));
        word.set_if(writes_it, data);
        known.set_if(writes_it, self.u(1, 1));
        let (now_known, now) = match rule {
            ReadDuringWrite::OldData => (known.q, word.q),
            ReadDuringWrite::Forward => (known.q | writes_it, writes_it.mux(data, word.q)),
            ReadDuringWrite::Undefined => (known.q & !writes_it, word.q),
        };
        hit.set_if(reads, reads_it & now_known);
        held.set_if(reads_it, now);
        let shown = hit.q.mux(held.q, any).0.id;
        self.open.borrow_mut().replace_memory(at, shown);
    }
}

impl Open {
    /// Fills the table of nodes that are shared with their equals.
    fn index_nodes(&mut self) {
        self.cons.clear();
        for (i, &node) in self.def.nodes.iter().enumerate() {
            self.cons.entry(node).or_insert(NodeId(i as u32));
        }
    }

    fn node_of(&self, name: &str) -> Option<NodeId> {
        let def = &self.def;
        if let Some((instance, output)) = name.split_once('.') {
            let Some(&Named::Instance(i)) = def.names.get(instance) else { return None };
            let Instance { def, outputs, .. } = &def.instances[i as usize];
            return def.outputs.iter().position(|o| o.info.name == output).map(|o| outputs[o]);
        }
        match *def.names.get(name)? {
            Named::Input(i) => Some(def.inputs[i as usize].node),
            Named::Output(i) => Some(def.outputs[i as usize].node),
            Named::Wire(i) => Some(def.wires[i as usize].node),
            Named::Reg(i) => Some(def.regs[i as usize].node),
            Named::Memory(i) => Some(def.memories[i as usize].node),
            Named::Instance(_) | Named::Property(_) => None,
        }
    }

    /// Where the driver of a target stands; a register without an enable gets `one` as its enable.
    fn driver(&mut self, target: &str, one: NodeId) -> Option<&mut NodeId> {
        let def = &mut self.def;
        let Some((name, part)) = target.split_once('.') else {
            return match *def.names.get(target)? {
                Named::Output(i) => Some(&mut def.outputs[i as usize].node),
                Named::Wire(i) => Some(&mut def.wires[i as usize].driver),
                Named::Reg(i) => Some(&mut def.regs[i as usize].next),
                _ => None,
            };
        };
        match *def.names.get(name)? {
            Named::Reg(i) if part == "enable" => Some(def.regs[i as usize].enable.get_or_insert(one)),
            Named::Instance(i) => {
                let Instance { def, inputs, .. } = &mut def.instances[i as usize];
                let at = def.inputs.iter().position(|p: &Port| p.info.name == part)?;
                Some(&mut inputs[at])
            }
            Named::Memory(i) => match (&mut def.memories[i as usize].ports, part) {
                (MemoryPorts::OneRw { address, .. }, "address") => Some(address),
                (MemoryPorts::OneRw { enable, .. }, "enable") => Some(enable),
                (MemoryPorts::OneRw { write, .. }, "write") => Some(write),
                (MemoryPorts::OneRw { data, .. }, "data") => Some(data),
                (MemoryPorts::OneReadOneWrite { read_address, .. }, "read_address") => Some(read_address),
                (MemoryPorts::OneReadOneWrite { read_enable, .. }, "read_enable") => Some(read_enable),
                (MemoryPorts::OneReadOneWrite { write_address, .. }, "write_address") => Some(write_address),
                (MemoryPorts::OneReadOneWrite { write_enable, .. }, "write_enable") => Some(write_enable),
                (MemoryPorts::OneReadOneWrite { write_data, .. }, "write_data") => Some(write_data),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes a memory away; `shown` stands for its read data.
    fn replace_memory(&mut self, at: u32, shown: NodeId) {
        let def = &mut self.def;
        let memory = def.memories.remove(at as usize);
        def.names.remove(&memory.name);
        let index = def.wires.len() as u32;
        let name = format!("{}_data", memory.name);
        def.names.insert(name.clone(), Named::Wire(index));
        let info = Info { name, doc: memory.doc, width: memory.bits, ty: Type::Unsigned };
        def.wires.push(WireInfo { info, node: memory.node, driver: shown });
        def.nodes[memory.node.index()] = Node { op: Op::Wire(index), width: memory.bits };
        for node in &mut def.nodes {
            if let Op::ReadData(i) = &mut node.op
                && *i > at
            {
                *i -= 1;
            }
        }
        for named in def.names.values_mut() {
            if let Named::Memory(i) = named
                && *i > at
            {
                *i -= 1;
            }
        }
        self.index_nodes();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Simulator;

    fn log(rule: ReadDuringWrite) -> Def {
        let m = Module::new("log", &[]);
        let (write, at) = (m.input("write", 1), m.input("at", 3));
        let (data, from) = (m.input("data", 8), m.input("from", 3));
        let first = m.memory_1r1w("first", 8, 8, rule);
        let second = m.memory_1rw("second", 8, 8);
        first.write(at, write, data);
        m.output("first_data", first.read(from, !write | from.eq(at)));
        m.output("second_data", second.access(at, m.u(1, 1), write, data));
        m.finish().unwrap()
    }

    /// Two instances of one definition, one of which is altered.
    #[test]
    fn an_alteration_is_of_one_instance_and_goes_by_another_name() {
        let inner = log(ReadDuringWrite::Forward);
        let m = Module::new("pair", &[]);
        let inputs = ["write", "at", "data", "from"];
        let values = inputs.map(|name| {
            m.input(
                name,
                if name == "write" {
                    1
                } else if name == "data" {
                    8
                } else {
                    3
                },
            )
        });
        for name in ["a", "b"] {
            let instance = m.instance(name, &inner);
            inputs.iter().zip(values).for_each(|(input, value)| _ = instance.set(input, value));
            m.output(&format!("{name}_out"), instance.u("first_data"));
        }
        let pair = m.finish().unwrap();
        let faulty = Module::altered(&pair, "b", "faulty", |m| {
            m.redrive("first.write_data", |d| !d);
            m.expose("at");
        })
        .unwrap();
        let names: Vec<_> = faulty.instances().iter().map(|i| i.def.unique_name()).collect();
        assert_eq!(names, ["log", "log_faulty"]);
        let mut sim = Simulator::new(&faulty);
        for (name, value) in [("write", 1), ("data", 0x5a), ("at", 6), ("from", 6)] {
            let input = sim.input(name).unwrap();
            sim.set(input, value);
        }
        assert_eq!(sim.peek("b_at_seen").unwrap(), 6, "a new port comes out");
        sim.step().unwrap();
        assert_eq!((sim.peek("a_out").unwrap(), sim.peek("b_out").unwrap()), (0x5a, 0xa5));
        let error = Module::altered(&pair, "c", "faulty", |_| ()).unwrap_err().to_string();
        assert!(error.contains("no c; there are a, "), "{error}");
    }

    #[test]
    fn a_change_of_width_is_refused() {
        let result = Module::altered(&log(ReadDuringWrite::OldData), "", "x", |m| {
            m.redrive("first.write_data", |d| d.trunc(7));
        });
        assert!(result.unwrap_err().to_string().contains("first.write_data has 8 bits"));
    }

    /// With the place held and anything else read as the real memory has it, the replacement is the memory.
    #[test]
    fn a_memory_of_one_known_word_shows_that_word_as_the_memory_does() {
        for rule in [ReadDuringWrite::OldData, ReadDuringWrite::Forward] {
            let real = log(rule);
            let known = Module::altered(&real, "", "known", |m| {
                m.know_one_word("first");
                m.know_one_word("second");
                m.expose("first_hit");
                m.expose("second_hit");
            })
            .unwrap();
            assert!(known.memories().is_empty());
            let (mut a, mut b) = (Simulator::new(&real), Simulator::new(&known));
            let mut random = 0x1234_5678_u64;
            let mut hits = 0;
            for name in ["first_place", "second_place"] {
                let input = b.input(name).unwrap();
                b.set(input, 5);
            }
            for _ in 0..4000 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let values =
                    [("write", random >> 40 & 1), ("at", random >> 41 & 7), ("data", random >> 50 & 255)];
                for (name, value) in values.into_iter().chain([("from", random >> 44 & 7)]) {
                    for sim in [&mut a, &mut b] {
                        let input = sim.input(name).unwrap();
                        sim.set(input, value);
                    }
                }
                for name in ["first", "second"] {
                    let any = b.input(&format!("{name}_any")).unwrap();
                    b.set(any, random >> 30 & 255);
                    if b.peek(&format!("{name}_hit_seen")).unwrap() == 1 {
                        let data = format!("{name}_data");
                        assert_eq!(b.peek(&data).unwrap(), a.peek(&data).unwrap());
                        hits += 1;
                    }
                }
                a.step().unwrap();
                b.step().unwrap();
            }
            assert!(hits > 500);
        }
    }
}
