//! The interpreter: plainly right rather than fast, and what every other engine is compared with.

use crate::check::dependencies;
use crate::design::Design;
use crate::ir::{Contents, NodeId, Op};
use crate::semantics::evaluate;
use crate::sim::{Engine, Violation};
use crate::violation::{Access, Look, first_violation};
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
    checks: bool,
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
            checks: true,
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

    /// Marks the covers of this cycle.
    fn cover(&mut self, design: &Design) {
        for placed in &design.placed {
            for (i, property) in placed.def.properties.iter().enumerate() {
                let holds = self.values[placed.values + property.condition.index()] == 1;
                self.covered[placed.properties + i] |= holds;
            }
        }
    }
}

impl Look for Interpreter {
    fn node(&self, instance: usize, node: NodeId) -> u64 {
        self.values[self.design.placed[instance].values + node.index()]
    }

    fn data(&self, instance: usize, memory: usize) -> u64 {
        self.memories[self.design.placed[instance].memories + memory].data
    }

    fn word(&self, instance: usize, memory: usize, address: u64) -> u64 {
        self.memories[self.design.placed[instance].memories + memory].words.get(address)
    }
}

impl Engine for Interpreter {
    fn name(&self) -> &'static str {
        "interpreter"
    }

    fn set_checks(&mut self, on: bool) {
        self.checks = on;
    }

    fn set_input(&mut self, input: usize, value: u64) {
        self.settled &= self.inputs[input] == value;
        self.inputs[input] = value;
    }

    fn register(&self, instance: usize, reg: usize) -> u64 {
        self.regs[self.design.placed[instance].regs + reg]
    }

    fn value(&mut self, instance: usize, node: NodeId) -> u64 {
        self.settle();
        self.values[self.design.placed[instance].values + node.index()]
    }

    fn clock(&mut self, cycle: u64) -> Result<(), Violation> {
        self.settle();
        let design = Arc::clone(&self.design);
        if self.checks {
            self.cover(&design);
            first_violation(&design, cycle, self)?;
        }
        for placed in &design.placed {
            let values = placed.values;
            for (i, reg) in placed.def.regs.iter().enumerate() {
                if reg.enable.is_none_or(|e| self.values[values + e.index()] == 1) {
                    self.regs[placed.regs + i] = self.values[values + reg.next.index()];
                }
            }
            for (i, memory) in placed.def.memories.iter().enumerate() {
                let state = placed.memories + i;
                let access = Access::of(memory, |id| self.values[values + id.index()]);
                let MemoryState { words, data } = &mut self.memories[state];
                // Unchecked, an address beyond the end reads zero and writes nothing.
                *data = access.next_data(*data, |a| if a < memory.words { words.get(a) } else { 0 });
                if let Some((address, word)) = access.write.filter(|w| w.0 < memory.words) {
                    words.set(address, word);
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
        Look::word(self, instance, memory, address)
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
