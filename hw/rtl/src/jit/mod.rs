//! The compiled engine: machine code made by Cranelift when a simulator is made.
//!
//! There is one function a definition, called for each instance with the address of its block of state. `idle_when` lets
//! the instance around skip a sleeping one; where cycles are checked, the promise was checked just before.
//! A cycle that may violate something is looked at as the interpreter does, which then tells what it is.

mod function;
mod layout;
mod program;
mod value;

use crate::design::Design;
use crate::ir::{Contents, NodeId};
use crate::sim::{Engine, Violation};
use crate::violation::{Look, first_violation};
use layout::{State, bytes};
use program::{CompileError, Program};
use std::sync::Arc;

/// A circuit as machine code.
pub(crate) struct Jit {
    design: Arc<Design>,
    program: Program,
    state: State,
    /// Unit of each instance, and where its block starts.
    placed: Vec<(usize, u64)>,
    /// Values of all nodes, where they are fresh.
    values: Vec<u64>,
    /// Counts changes of inputs and state.
    now: u64,
    /// When the values of each instance were computed, and those of the top's outputs.
    viewed: Vec<u64>,
    outputs_at: u64,
    is_output: Vec<bool>,
    checks: bool,
}

impl Jit {
    pub fn new(design: &Arc<Design>) -> Result<Self, CompileError> {
        let program = Program::new(design)?;
        let top = program.units.len() - 1;
        let mut placed = Vec::with_capacity(design.placed.len());
        for instance in &design.placed {
            placed.push(match instance.parent {
                None => (top, 0),
                Some((parent, index)) => {
                    let (unit, base): (usize, u64) = placed[parent];
                    let unit = &program.units[unit];
                    (unit.children[index], base + unit.layout.children[index])
                }
            });
        }
        let mut is_output = vec![false; design.top().nodes.len()];
        design.top().outputs.iter().for_each(|o| is_output[o.node.index()] = true);
        let mut jit = Self {
            state: State::new(program.units[top].layout.size),
            program,
            placed,
            values: vec![0; design.values],
            now: 1,
            viewed: vec![0; design.placed.len()],
            outputs_at: 0,
            is_output,
            checks: true,
            design: Arc::clone(design),
        };
        for (i, instance) in design.placed.iter().enumerate() {
            for (m, memory) in instance.def.memories.iter().enumerate() {
                if let Contents::Fixed(words) = &memory.contents {
                    jit.load(i, m, words);
                }
            }
        }
        jit.reset();
        Ok(jit)
    }

    /// Where an element of an instance's block lies, and its bytes.
    fn element(&self, instance: usize, place: impl Fn(&layout::Layout) -> layout::Place) -> (u64, u32) {
        let (unit, base) = self.placed[instance];
        let place = place(&self.program.units[unit].layout);
        (base + place.offset, bytes(place.width))
    }

    fn word_at(&self, instance: usize, memory: usize, address: u64) -> (u64, u32) {
        let words = self.design.placed[instance].def.memories[memory].words;
        assert!(address < words, "address {address}, has {words} words");
        let (unit, base) = self.placed[instance];
        let place = self.program.units[unit].layout.memories[memory];
        (base + State::element(place, address), bytes(place.width))
    }

    fn look(&mut self, instance: usize) {
        let (unit, at) = self.placed[instance];
        let from = self.design.placed[instance].values;
        self.program.look(unit, &mut self.state, at, &mut self.values[from..]);
    }

    /// Computes all values of an instance, those around it first, since they give its inputs.
    fn view(&mut self, instance: usize) {
        let mut around = vec![instance];
        while let Some((parent, _)) = self.design.placed[around[around.len() - 1]].parent {
            around.push(parent);
        }
        for &each in around.iter().rev() {
            if self.viewed[each] != self.now {
                self.look(each);
                self.viewed[each] = self.now;
            }
        }
    }

    /// Says what is wrong in this cycle.
    #[cold]
    fn tell(&mut self, cycle: u64) -> Result<(), Violation> {
        (0..self.placed.len()).for_each(|i| self.view(i));
        first_violation(&self.design, cycle, self)
    }
}

impl Look for Jit {
    fn node(&self, instance: usize, node: NodeId) -> u64 {
        self.values[self.design.placed[instance].values + node.index()]
    }

    fn data(&self, instance: usize, memory: usize) -> u64 {
        let (at, bytes) = self.element(instance, |l| l.data[memory]);
        self.state.get(at, bytes)
    }

    fn word(&self, instance: usize, memory: usize, address: u64) -> u64 {
        let (at, bytes) = self.word_at(instance, memory, address);
        self.state.get(at, bytes)
    }
}

impl Engine for Jit {
    fn name(&self) -> &'static str {
        "jit"
    }

    fn set_checks(&mut self, on: bool) {
        self.checks = on;
    }

    #[inline]
    fn set_input(&mut self, input: usize, value: u64) {
        // What was computed stays fresh where nothing changes.
        self.now += u64::from(self.state.replace(input, value) != value);
    }

    #[inline]
    fn register(&self, instance: usize, reg: usize) -> u64 {
        let (at, bytes) = self.element(instance, |l| l.regs[reg]);
        self.state.get(at, bytes)
    }

    #[inline]
    fn value(&mut self, instance: usize, node: NodeId) -> u64 {
        if instance == 0 && self.is_output[node.index()] {
            if self.outputs_at != self.now {
                self.program.outputs(&mut self.state, &mut self.values);
                self.outputs_at = self.now;
            }
            return self.values[node.index()];
        }
        self.view(instance);
        self.node(instance, node)
    }

    #[inline]
    fn clock(&mut self, cycle: u64) -> Result<(), Violation> {
        if self.checks && self.program.check(&mut self.state) {
            self.tell(cycle)?;
        }
        self.program.clock(&mut self.state);
        self.now += 1;
        Ok(())
    }

    fn reset(&mut self) {
        let design = Arc::clone(&self.design);
        for (i, instance) in design.placed.iter().enumerate() {
            for (r, reg) in instance.def.regs.iter().enumerate() {
                self.set_reg(i, r, reg.reset);
            }
        }
    }

    fn set_reg(&mut self, instance: usize, reg: usize, value: u64) {
        let (at, bytes) = self.element(instance, |l| l.regs[reg]);
        self.state.set(at, bytes, value);
        self.now += 1;
    }

    fn word(&self, instance: usize, memory: usize, address: u64) -> u64 {
        Look::word(self, instance, memory, address)
    }

    fn set_word(&mut self, instance: usize, memory: usize, address: u64, word: u64) {
        let (at, bytes) = self.word_at(instance, memory, address);
        self.state.set(at, bytes, word);
    }

    fn load(&mut self, instance: usize, memory: usize, words: &[u64]) {
        let all = self.design.placed[instance].def.memories[memory].words;
        for address in 0..all {
            let word = words.get(address as usize).copied().unwrap_or(0);
            // Pages that hold zeros already stay untouched.
            if word != 0 || Look::word(self, instance, memory, address) != 0 {
                self.set_word(instance, memory, address, word);
            }
        }
    }

    fn covered(&self, instance: usize, property: usize) -> bool {
        let (at, bytes) = self.element(instance, |l| l.covered[property]);
        self.state.get(at, bytes) == 1
    }
}
