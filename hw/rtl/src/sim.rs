//! One way to run any circuit, whatever engine computes it: set inputs, look at signals, take a clock edge.
//!
//! Values settle by themselves: [`Simulator::get`] shows a cycle's signals for the inputs set so far, and
//! [`Simulator::step`] ends the cycle. Paths have dots and leave out the top: `core0.count`.

use crate::design::{Design, SimError};
use crate::interp::Interpreter;
use crate::ir::{Def, Named, NodeId, Op, PropertyKind, Type};
use crate::semantics::{mask, signed};
use crate::states::States;
use std::fmt;
use std::sync::Arc;

/// What a simulator asks of whatever computes the circuit.
pub(crate) trait Engine: Send {
    fn name(&self) -> &'static str;
    /// Whether cycles are checked.
    fn set_checks(&mut self, on: bool);
    fn set_input(&mut self, input: usize, value: u64);
    /// What a register holds in this cycle.
    fn register(&self, instance: usize, reg: usize) -> u64;
    /// A node's value in this cycle.
    fn value(&mut self, instance: usize, node: NodeId) -> u64;
    /// Checks the cycle and takes the clock edge; where a check fails nothing changes.
    fn clock(&mut self, cycle: u64) -> Result<(), Violation>;
    fn reset(&mut self);
    fn set_reg(&mut self, instance: usize, reg: usize, value: u64);
    fn word(&self, instance: usize, memory: usize, address: u64) -> u64;
    fn set_word(&mut self, instance: usize, memory: usize, address: u64, word: u64);
    fn load(&mut self, instance: usize, memory: usize, words: &[u64]);
    fn covered(&self, instance: usize, property: usize) -> bool;
}

/// What went wrong in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViolationKind {
    /// An assertion does not hold.
    Assertion,
    /// The surroundings broke an assumption.
    Assumption,
    /// A memory was addressed beyond its end.
    Address,
    /// A word was read and written in one cycle, which this memory leaves undefined.
    Collision,
    /// State changes in an instance that says it is idle.
    Idle,
}

impl fmt::Display for ViolationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assertion => "assertion",
            Self::Assumption => "assumption",
            Self::Address => "memory",
            Self::Collision => "memory",
            Self::Idle => "idle_when:",
        })
    }
}

/// A property that a cycle violated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cycle {cycle}: {path}: {kind} {name}: {message}")]
pub struct Violation {
    /// Clock edges before it.
    pub cycle: u64,
    /// Instance, from the top's name.
    pub path: String,
    /// What it is.
    pub kind: ViolationKind,
    /// Property, memory or register.
    pub name: String,
    /// What it means.
    pub message: String,
}

/// An input port of the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input(usize);

/// A signal anywhere in the circuit: a port, register, named signal, or a memory's read data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Probe {
    pub(crate) instance: usize,
    pub(crate) node: NodeId,
    width: u32,
    reg: Option<usize>,
    /// The instance and register whose value it only passes on: looked up, not computed.
    held: Option<(usize, usize)>,
}

impl Probe {
    pub(crate) fn new(instance: usize, node: NodeId, width: u32) -> Self {
        Self { instance, node, width, reg: None, held: None }
    }

    /// Its width in bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.width
    }
}

/// A memory anywhere in the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemoryId {
    instance: usize,
    memory: usize,
}

/// An engine. What happens in every cycle is called directly, the rest through the trait.
enum Running {
    #[cfg(feature = "jit")]
    Jit(Box<crate::jit::Jit>),
    Interpreter(Box<Interpreter>),
}

/// Calls a method of whichever engine runs.
macro_rules! directly {
    ($running:expr, $engine:ident => $call:expr) => {
        match $running {
            #[cfg(feature = "jit")]
            Running::Jit($engine) => $call,
            Running::Interpreter($engine) => $call,
        }
    };
}

impl std::ops::Deref for Running {
    type Target = dyn Engine;
    fn deref(&self) -> &Self::Target {
        directly!(self, engine => &**engine)
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Self::Target {
        directly!(self, engine => &mut **engine)
    }
}

/// Largest value of an input, as bits, and its width.
struct Most {
    bits: u64,
    width: u32,
}

/// A running circuit.
pub struct Simulator {
    design: Arc<Design>,
    engine: Running,
    /// Of each input.
    most: Vec<Most>,
    cycle: u64,
}

impl Simulator {
    /// A circuit just after reset, compiled to machine code; where that cannot be had (feature `jit` off, or a computer for which there is
    /// no code) the interpreter runs it.
    #[must_use]
    pub fn new(top: &Def) -> Self {
        #[cfg(feature = "jit")]
        {
            let design = Arc::new(Design::new(top));
            if let Ok(jit) = crate::jit::Jit::new(&design) {
                return Self::with(design, Running::Jit(Box::new(jit)));
            }
        }
        Self::interpreted(top)
    }

    /// A circuit just after reset, run by the interpreter: slower, and plainly right.
    #[must_use]
    pub fn interpreted(top: &Def) -> Self {
        let design = Arc::new(Design::new(top));
        let engine = Running::Interpreter(Box::new(Interpreter::new(Arc::clone(&design))));
        Self::with(design, engine)
    }

    fn with(design: Arc<Design>, engine: Running) -> Self {
        let most = |port: &crate::ir::Port| {
            let width = port.info.width;
            let bits = match port.info.ty {
                Type::States(states) => states.states.len() as u64 - 1,
                _ => mask(width),
            };
            Most { bits, width }
        };
        Self { most: design.top().inputs.iter().map(most).collect(), design, engine, cycle: 0 }
    }

    /// The same without checks: properties, memory addresses and collisions are not looked at, covers are not marked, and
    /// the compiled circuit trusts `idle_when`. An address beyond the end of a memory then reads zero and writes nothing;
    /// a word that is read and written in one cycle gives its old data.
    #[must_use]
    pub fn without_checks(mut self) -> Self {
        self.engine.set_checks(false);
        self
    }

    /// What runs it: `jit` or `interpreter`.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// The circuit.
    #[must_use]
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Clock edges so far.
    #[must_use]
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// An input port by name.
    ///
    /// # Errors
    /// There is no such input.
    pub fn input(&self, name: &str) -> Result<Input, SimError> {
        match self.design.find(name)? {
            (0, Named::Input(i)) => Ok(Input(i as usize)),
            _ => Err(wrong_kind(name, "an input of the top")),
        }
    }

    /// A signal by path. The name of a memory stands for its read data.
    ///
    /// # Errors
    /// There is no such signal.
    pub fn probe(&self, path: &str) -> Result<Probe, SimError> {
        let (instance, named) = self.design.find(path)?;
        let def = &self.design.placed[instance].def;
        let mut register = None;
        let node = match named {
            Named::Input(i) => def.inputs[i as usize].node,
            Named::Output(i) => def.outputs[i as usize].node,
            Named::Wire(i) => def.wires[i as usize].node,
            Named::Reg(i) => {
                register = Some(i as usize);
                def.regs[i as usize].node
            }
            Named::Memory(i) => def.memories[i as usize].node,
            Named::Property(i) => def.properties[i as usize].condition,
            Named::Instance(_) => return Err(wrong_kind(path, "a signal")),
        };
        let (at, origin) = self.design.origin(instance, node);
        let held = match self.design.placed[at].def.node(origin).op {
            Op::Reg(reg) => Some((at, reg as usize)),
            _ => None,
        };
        Ok(Probe { instance, node, width: def.width(node), reg: register, held })
    }

    /// A memory by path.
    ///
    /// # Errors
    /// There is no such memory.
    pub fn memory(&self, path: &str) -> Result<MemoryId, SimError> {
        match self.design.find(path)? {
            (instance, Named::Memory(memory)) => Ok(MemoryId { instance, memory: memory as usize }),
            _ => Err(wrong_kind(path, "a memory")),
        }
    }

    fn port(&self, input: Input) -> &crate::ir::Info {
        &self.design.top().inputs[input.0].info
    }

    /// Sets an input.
    ///
    /// # Panics
    /// If the value does not fit its width, or is no state of its enumeration.
    #[inline]
    #[track_caller]
    pub fn set(&mut self, input: Input, value: u64) {
        if value > self.most[input.0].bits {
            self.refuse(input, value.into());
        }
        directly!(&mut self.engine, engine => engine.set_input(input.0, value));
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refuse(&self, input: Input, value: i128) -> ! {
        let info = self.port(input);
        match info.ty {
            Type::Signed => panic!("input {}: {value} in {} bits", info.name, info.width),
            _ => panic!("input {}: {value}, must be 0 to {}", info.name, self.most[input.0].bits),
        }
    }

    /// Sets a signed input.
    ///
    /// # Panics
    /// If the value does not fit its width.
    #[inline]
    #[track_caller]
    pub fn set_s(&mut self, input: Input, value: i64) {
        let Most { bits: most, width } = self.most[input.0];
        let bits = value.cast_unsigned() & most;
        if signed(bits, width) != value {
            self.refuse(input, value.into());
        }
        directly!(&mut self.engine, engine => engine.set_input(input.0, bits));
    }

    /// Sets an input that carries a state.
    pub fn set_e<T: States>(&mut self, input: Input, state: T) {
        self.set(input, state.index());
    }

    /// Sets an input of any type to the lowest bits of a value read as 64-bit two's complement.
    pub(crate) fn set_bits(&mut self, input: Input, value: u64) {
        if self.port(input).ty == Type::Signed {
            self.set_s(input, value.cast_signed());
        } else {
            self.set(input, value);
        }
    }

    /// A signal in this cycle, as bits.
    #[inline]
    pub fn get(&mut self, probe: Probe) -> u64 {
        directly!(&mut self.engine, engine => match probe.held {
            Some((instance, reg)) => engine.register(instance, reg),
            None => engine.value(probe.instance, probe.node),
        })
    }

    /// A port of an instance in this cycle, as bits.
    pub(crate) fn port_bits(&mut self, instance: usize, port: &crate::ir::Port) -> u64 {
        self.engine.value(instance, port.node)
    }

    /// A signal in this cycle, as a signed number.
    pub fn get_s(&mut self, probe: Probe) -> i64 {
        signed(self.get(probe), probe.width)
    }

    /// A signal in this cycle, as a state.
    ///
    /// # Panics
    /// If the enumeration has no such state.
    pub fn get_e<T: States>(&mut self, probe: Probe) -> T {
        T::ALL[self.get(probe) as usize]
    }

    /// A signal in this cycle by path, as bits.
    ///
    /// # Errors
    /// There is no such signal.
    pub fn peek(&mut self, path: &str) -> Result<u64, SimError> {
        let probe = self.probe(path)?;
        Ok(self.get(probe))
    }

    /// Sets a register from outside the circuit, for tests.
    ///
    /// # Errors
    /// The path is no register, or the value does not fit it.
    pub fn poke(&mut self, path: &str, value: u64) -> Result<(), SimError> {
        match self.probe(path)? {
            Probe { instance, reg: Some(reg), width, .. } if value <= mask(width) => {
                self.engine.set_reg(instance, reg, value);
                Ok(())
            }
            _ => Err(wrong_kind(path, "a register that holds this value")),
        }
    }

    /// Ends the cycle: checks its properties, then takes the clock edge.
    ///
    /// # Errors
    /// The first violation; the circuit then stays in the cycle that violates, to be looked at.
    #[inline]
    pub fn step(&mut self) -> Result<(), Violation> {
        directly!(&mut self.engine, engine => engine.clock(self.cycle))?;
        self.cycle += 1;
        Ok(())
    }

    /// Takes several clock edges with the inputs as they are.
    ///
    /// # Errors
    /// The first violation.
    pub fn run(&mut self, cycles: u64) -> Result<(), Violation> {
        (0..cycles).try_for_each(|_| self.step())
    }

    /// Takes a clock edge under reset: registers take their reset values; memories keep words and read data.
    pub fn reset(&mut self) {
        self.engine.reset();
        self.cycle += 1;
    }

    /// Loads a memory from its first word on; the rest becomes zero.
    ///
    /// # Errors
    /// More words than it has, or one that does not fit.
    pub fn load(&mut self, memory: MemoryId, words: &[u64]) -> Result<(), SimError> {
        let info = &self.design.placed[memory.instance].def.memories[memory.memory];
        let what = if words.len() as u64 > info.words {
            format!("{} words of contents, has {}", words.len(), info.words)
        } else if let Some(at) = words.iter().position(|&w| w > mask(info.bits)) {
            format!("word {at} is {}, has {} bits", words[at], info.bits)
        } else {
            self.engine.load(memory.instance, memory.memory, words);
            return Ok(());
        };
        Err(SimError::Contents { path: self.design.path_to(memory.instance, &info.name), what })
    }

    /// Number of words of a memory.
    #[must_use]
    pub fn words(&self, memory: MemoryId) -> u64 {
        self.design.placed[memory.instance].def.memories[memory.memory].words
    }

    /// A word of a memory.
    ///
    /// # Panics
    /// If the address is beyond its end.
    #[must_use]
    pub fn word(&self, memory: MemoryId, address: u64) -> u64 {
        self.engine.word(memory.instance, memory.memory, address)
    }

    /// Sets a word of a memory.
    ///
    /// # Panics
    /// If the address is beyond its end or the word does not fit.
    pub fn set_word(&mut self, memory: MemoryId, address: u64, word: u64) {
        let info = &self.design.placed[memory.instance].def.memories[memory.memory];
        assert!(word <= mask(info.bits), "memory {}: {word} in {} bits", info.name, info.bits);
        self.engine.set_word(memory.instance, memory.memory, address, word);
    }

    /// Path of every cover and whether it was reached.
    #[must_use]
    pub fn covers(&self) -> Vec<(String, bool)> {
        let mut out = Vec::new();
        for (instance, placed) in self.design.placed.iter().enumerate() {
            for (i, property) in placed.def.properties.iter().enumerate() {
                if property.kind == PropertyKind::Cover {
                    let path = self.design.path_to(instance, &property.name);
                    out.push((path, self.engine.covered(instance, i)));
                }
            }
        }
        out
    }
}

fn wrong_kind(path: &str, wanted: &'static str) -> SimError {
    SimError::WrongKind { path: path.to_string(), wanted }
}
