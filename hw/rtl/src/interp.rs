//! The interpreter: plainly right rather than fast, and what every other engine is compared with.

use crate::check::dependencies;
use crate::design::Design;
use crate::ir::{Contents, Memory, MemoryPorts, NodeId, Op, PropertyKind, ReadDuringWrite};
use crate::semantics::evaluate;
use crate::sim::{Engine, Violation, ViolationKind};
use crate::words::Words;
use std::sync::Arc;

/// A memory's words and the data that it last read.
struct MemoryState {
    words: Words,
    data: u64,
}

/// Values and state of all instances.
pub(crate) struct Interpreter {
    design: Arc<Design>,
    inputs: Vec<u64>,
    values: Vec<u64>,
    regs: Vec<u64>,
    memories: Vec<MemoryState>,
    covered: Vec<bool>,
    settled: bool,
}

/// What a memory does at a clock edge.
struct Access {
    read: Option<u64>,
    write: Option<(u64, u64)>,
    rule: ReadDuringWrite,
}

impl Interpreter {
    pub fn new(design: Arc<Design>) -> Self {
        let memories = design.placed.iter().flat_map(|p| &p.def.memories).map(|memory| {
            let mut words = Words::new(memory.words, memory.bits);
            if let Contents::Fixed(contents) = &memory.contents {
                words.load(contents);
            }
            MemoryState { words, data: 0 }
        });
        let mut new = Self {
            inputs: vec![0; design.top().inputs.len()],
            values: vec![0; design.values],
            regs: vec![0; design.regs],
            memories: memories.collect(),
            covered: vec![false; design.properties],
            settled: false,
            design: Arc::clone(&design),
        };
        new.reset();
        new
    }

    fn settle(&mut self) {
        if !self.settled {
            let design = Arc::clone(&self.design);
            for (port, &value) in design.top().inputs.iter().zip(&self.inputs) {
                self.values[port.node.index()] = value;
            }
            self.evaluate_all(&design, 0);
            self.settled = true;
        }
    }

    /// Computes everything in an instance whose inputs are there, then what is in it.
    fn evaluate_all(&mut self, design: &Design, instance: usize) {
        let placed = &design.placed[instance];
        for &id in &placed.def.order {
            self.evaluate(design, instance, id);
        }
        for (child, in_parent) in placed.children.iter().zip(&placed.def.instances) {
            for (port, &driver) in in_parent.def.inputs.iter().zip(&in_parent.inputs) {
                let value = self.values[placed.values + driver.index()];
                self.values[design.placed[*child].values + port.node.index()] = value;
            }
            self.evaluate_all(design, *child);
        }
    }

    /// Computes one node whose operands are there.
    fn evaluate(&mut self, design: &Design, instance: usize, id: NodeId) {
        let placed = &design.placed[instance];
        let def = &placed.def;
        let node = def.node(id);
        let value = match node.op {
            Op::Input(_) => return,
            Op::Wire(i) => self.values[placed.values + def.wires[i as usize].driver.index()],
            Op::Reg(i) => self.regs[placed.regs + i as usize],
            Op::ReadData(i) => self.memories[placed.memories + i as usize].data,
            Op::Output(i, o) => {
                // Only the inputs that this output needs are known yet.
                let child = placed.children[i as usize];
                let in_parent = &def.instances[i as usize];
                let child_values = design.placed[child].values;
                for (&k, driver) in in_parent.def.reaches[o as usize].iter().zip(dependencies(def, id)) {
                    let port = in_parent.def.inputs[k as usize].node;
                    self.values[child_values + port.index()] = self.values[placed.values + driver.index()];
                }
                for &needed in &in_parent.def.cones[o as usize] {
                    self.evaluate(design, child, needed);
                }
                self.values[child_values + in_parent.def.outputs[o as usize].node.index()]
            }
            op => evaluate(op, node.width, |a| (self.values[placed.values + a.index()], def.width(a))),
        };
        self.values[placed.values + id.index()] = value;
    }

    /// What a memory does at the coming edge.
    fn access(&self, values: usize, memory: &Memory) -> Access {
        let value = |id: NodeId| self.values[values + id.index()];
        match memory.ports {
            MemoryPorts::OneRw { address, enable, write, data } => {
                let (enabled, write) = (value(enable) == 1, value(write) == 1);
                Access {
                    read: (enabled && !write).then(|| value(address)),
                    write: (enabled && write).then(|| (value(address), value(data))),
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
                read: (value(read_enable) == 1).then(|| value(read_address)),
                write: (value(write_enable) == 1).then(|| (value(write_address), value(write_data))),
                rule,
            },
        }
    }

    /// The data that a memory shows after the coming edge.
    fn next_data(&self, state: usize, access: &Access) -> u64 {
        match (access.read, access.write) {
            (Some(read), Some((write, data))) if read == write && access.rule == ReadDuringWrite::Forward => {
                data
            }
            (Some(read), _) => self.memories[state].words.get(read),
            (None, _) => self.memories[state].data,
        }
    }

    /// Checks everything that must hold before an edge.
    fn check(&mut self, design: &Design, cycle: u64) -> Result<(), Violation> {
        // Whether an instance lies in a sleeping one.
        let mut asleep = vec![None; design.placed.len()];
        for (instance, placed) in design.placed.iter().enumerate() {
            let def = &placed.def;
            let fail = |kind, name: &str, message: String| {
                Err(Violation {
                    cycle,
                    path: design.full_path(instance),
                    kind,
                    name: name.to_string(),
                    message,
                })
            };
            let value = |id: NodeId| self.values[placed.values + id.index()];
            for (i, property) in def.properties.iter().enumerate() {
                let holds = value(property.condition) == 1;
                let kind = match property.kind {
                    PropertyKind::Cover => {
                        self.covered[placed.properties + i] |= holds;
                        continue;
                    }
                    PropertyKind::Assert => ViolationKind::Assertion,
                    PropertyKind::Assume => ViolationKind::Assumption,
                };
                if !holds {
                    return fail(kind, &property.name, property.message.clone());
                }
            }
            let sleeper = placed.parent.and_then(|(parent, _)| asleep[parent]);
            let sleeper = sleeper.or_else(|| def.idle.filter(|&idle| value(idle) == 1).map(|_| instance));
            asleep[instance] = sleeper;
            for (i, memory) in def.memories.iter().enumerate() {
                let access = self.access(placed.values, memory);
                let addresses = [access.read, access.write.map(|w| w.0)];
                if let Some(address) = addresses.into_iter().flatten().find(|&a| a >= memory.words) {
                    let message = format!("address {address}, has {} words", memory.words);
                    return fail(ViolationKind::Address, &memory.name, message);
                }
                let collides = access.read.is_some() && access.read == access.write.map(|w| w.0);
                if collides && access.rule == ReadDuringWrite::Undefined {
                    let message =
                        format!("word {:?} is read and written in one cycle", access.read.unwrap_or(0));
                    return fail(ViolationKind::Collision, &memory.name, message);
                }
                if let Some(sleeper) = sleeper {
                    let state = placed.memories + i;
                    let old = &self.memories[state];
                    let writes = access.write.is_some_and(|(at, word)| old.words.get(at) != word);
                    if writes || self.next_data(state, &access) != old.data {
                        return fail(ViolationKind::Idle, &memory.name, asleep_text(design, sleeper));
                    }
                }
            }
            let Some(sleeper) = sleeper else { continue };
            for (i, reg) in def.regs.iter().enumerate() {
                let takes = reg.enable.is_none_or(|e| value(e) == 1);
                if takes && value(reg.next) != self.regs[placed.regs + i] {
                    return fail(ViolationKind::Idle, &reg.info.name, asleep_text(design, sleeper));
                }
            }
        }
        Ok(())
    }
}

fn asleep_text(design: &Design, sleeper: usize) -> String {
    format!("changes although {} says that it is idle", design.full_path(sleeper))
}

impl Engine for Interpreter {
    fn set_input(&mut self, input: usize, value: u64) {
        self.settled &= self.inputs[input] == value;
        self.inputs[input] = value;
    }

    fn value(&mut self, instance: usize, node: NodeId) -> u64 {
        self.settle();
        self.values[self.design.placed[instance].values + node.index()]
    }

    fn clock(&mut self, cycle: u64) -> Result<(), Violation> {
        self.settle();
        let design = Arc::clone(&self.design);
        self.check(&design, cycle)?;
        for placed in &design.placed {
            let values = placed.values;
            for (i, reg) in placed.def.regs.iter().enumerate() {
                if reg.enable.is_none_or(|e| self.values[values + e.index()] == 1) {
                    self.regs[placed.regs + i] = self.values[values + reg.next.index()];
                }
            }
            for (i, memory) in placed.def.memories.iter().enumerate() {
                let state = placed.memories + i;
                let access = self.access(values, memory);
                self.memories[state].data = self.next_data(state, &access);
                if let Some((address, word)) = access.write {
                    self.memories[state].words.set(address, word);
                }
            }
        }
        self.settled = false;
        Ok(())
    }

    fn reset(&mut self) {
        for placed in &self.design.placed {
            for (i, reg) in placed.def.regs.iter().enumerate() {
                self.regs[placed.regs + i] = reg.reset;
            }
        }
        self.settled = false;
    }

    fn set_reg(&mut self, instance: usize, reg: usize, value: u64) {
        let at = self.design.placed[instance].regs + reg;
        self.regs[at] = value;
        self.settled = false;
    }

    fn word(&self, instance: usize, memory: usize, address: u64) -> u64 {
        self.memories[self.design.placed[instance].memories + memory].words.get(address)
    }

    fn set_word(&mut self, instance: usize, memory: usize, address: u64, word: u64) {
        let at = self.design.placed[instance].memories + memory;
        self.memories[at].words.set(address, word);
    }

    fn load(&mut self, instance: usize, memory: usize, words: &[u64]) {
        let at = self.design.placed[instance].memories + memory;
        self.memories[at].words.load(words);
    }

    fn covered(&self, instance: usize, property: usize) -> bool {
        self.covered[self.design.placed[instance].properties + property]
    }
}
