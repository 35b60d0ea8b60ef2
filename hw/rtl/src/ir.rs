//! The finished form of a module: hash-consed nodes, registers, memories, instances and an order of evaluation.
//!
//! A node is a vector of 1 to 64 bits. Signedness lives in the operators, never in a node, so that no back-end
//! can get it wrong by context. Everything here is immutable once [`crate::Module::finish`] has checked it.
//!
//! Long because one finished module is described here whole: every part refers to the others.

use crate::names::legal;
pub use crate::op::{Node, NodeId, Op};
use crate::states::StateInfo;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A definition that may be shared by any number of instances, threads and simulators.
pub type Def = Arc<Definition>;

/// How a named signal is meant to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Unsigned number or plain bits.
    Unsigned,
    /// Two's complement.
    Signed,
    /// State of an enumeration.
    States(&'static StateInfo),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("unsigned"),
            Self::Signed => f.write_str("signed"),
            Self::States(info) => f.write_str(info.name),
        }
    }
}

/// What all named signals have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Name; in Verilog a keyword gets a `_`.
    pub name: String,
    /// Doc text, may be empty.
    pub doc: String,
    /// Bits.
    pub width: u32,
    /// How it is read.
    pub ty: Type,
}

impl Info {
    pub(crate) fn verilog(&self) -> String {
        legal(&self.name)
    }
}

/// An input or output port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name, doc text, width, type.
    pub info: Info,
    /// An input's own node, or what drives an output.
    pub node: NodeId,
    /// Nothing need read it.
    pub(crate) may_be_unused: bool,
}

/// A named signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireInfo {
    /// Name, doc text, width, type.
    pub info: Info,
    /// Its node.
    pub node: NodeId,
    /// What drives it.
    pub driver: NodeId,
}

/// A register: takes `next` at the clock edge where `enable` is 1 (or always).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Name, doc text, width, type.
    pub info: Info,
    /// The value that it holds.
    pub node: NodeId,
    /// Value after reset.
    pub reset: u64,
    /// Its next value.
    pub next: NodeId,
    /// Whether it takes it.
    pub enable: Option<NodeId>,
}

/// What a read returns that meets a write of the same address in the same cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadDuringWrite {
    /// What the word held before.
    OldData,
    /// What is being written: registers, a comparator and a multiplexer are built around the memory.
    Forward,
    /// Nothing may rely on it: a collision is an error in simulation, and an assertion in Verilog.
    Undefined,
}

/// Ports of a memory. An address given in one cycle has its data in the next, and they stay until the next read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryPorts {
    /// One port that reads or writes.
    OneRw {
        /// Word.
        address: NodeId,
        /// Whether anything happens.
        enable: NodeId,
        /// 1: write, and the read data stay; 0: read.
        write: NodeId,
        /// What is written.
        data: NodeId,
    },
    /// One port that reads, one that writes.
    OneReadOneWrite {
        /// Word read.
        read_address: NodeId,
        /// Whether it is read.
        read_enable: NodeId,
        /// Word written.
        write_address: NodeId,
        /// Whether it is written.
        write_enable: NodeId,
        /// What is written.
        write_data: NodeId,
        /// Read and write of one address in one cycle.
        rule: ReadDuringWrite,
    },
}

impl MemoryPorts {
    pub(crate) fn nodes(&self) -> [NodeId; 5] {
        match *self {
            Self::OneRw { address, enable, write, data } => [address, enable, write, data, data],
            Self::OneReadOneWrite {
                read_address,
                read_enable,
                write_address,
                write_enable,
                write_data,
                rule: _,
            } => [read_address, read_enable, write_address, write_enable, write_data],
        }
    }

    /// `1rw` or `1r1w`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OneRw { .. } => "1rw",
            Self::OneReadOneWrite { .. } => "1r1w",
        }
    }
}

/// What a memory holds at power-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Unknown; simulation starts from zeros.
    Unknown,
    /// The same words in every instance; the rest is zero.
    Fixed(Arc<[u64]>),
    /// Given for each instance path, to the simulator by `load`, to Verilog as a file.
    PerInstance,
}

/// A memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Name; its read data are the signal `<name>_data`.
    pub name: String,
    /// Doc text, may be empty.
    pub doc: String,
    /// Words, at least 2.
    pub words: u64,
    /// Bits of a word, 1 to 64.
    pub bits: u32,
    /// Ports and what drives them.
    pub ports: MemoryPorts,
    /// The read data.
    pub node: NodeId,
    /// What it holds at power-up.
    pub contents: Contents,
}

/// An instance of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Name.
    pub name: String,
    /// Doc text, may be empty.
    pub doc: String,
    /// What it is an instance of.
    pub def: Def,
    /// What drives its inputs, in their order.
    pub inputs: Vec<NodeId>,
    /// Its outputs, in their order.
    pub outputs: Vec<NodeId>,
}

/// What a property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PropertyKind {
    /// Must hold in every cycle.
    Assert,
    /// The surroundings must keep it in every cycle.
    Assume,
    /// Should hold in some cycle.
    Cover,
}

/// A property, looked at just before every clock edge outside reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// What it is.
    pub kind: PropertyKind,
    /// Name.
    pub name: String,
    /// What it means when it is violated (or covered).
    pub message: String,
    /// 1 bit.
    pub condition: NodeId,
}

/// What a name in a definition stands for: an index into the list of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    /// Input port.
    Input(u32),
    /// Output port.
    Output(u32),
    /// Named signal.
    Wire(u32),
    /// Register.
    Reg(u32),
    /// Memory.
    Memory(u32),
    /// Instance.
    Instance(u32),
    /// Property.
    Property(u32),
}

/// A checked module with one set of parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, u64)>,
    pub(crate) doc: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) states: Vec<&'static StateInfo>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) wires: Vec<WireInfo>,
    pub(crate) regs: Vec<Register>,
    pub(crate) memories: Vec<Memory>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) properties: Vec<Property>,
    pub(crate) idle: Option<NodeId>,
    pub(crate) names: HashMap<String, Named>,
    /// Every live node after its operands.
    pub(crate) order: Vec<NodeId>,
    /// For each output, the nodes that it needs, in order.
    pub(crate) cones: Vec<Vec<NodeId>>,
    /// For each output, the inputs that reach it without a register or memory between.
    pub(crate) reaches: Vec<Vec<u32>>,
}

impl Definition {
    /// Name without parameters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name with parameters, such as `ring_slots64`: the name of its Verilog module.
    #[must_use]
    pub fn unique_name(&self) -> String {
        let mut name = self.name.clone();
        for (parameter, value) in &self.parameters {
            name.push_str(&format!("_{parameter}{value}"));
        }
        legal(&name)
    }

    /// A parameter by its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<u64> {
        self.parameters.iter().find(|(n, _)| n == name).map(|p| p.1)
    }

    /// Input ports.
    #[must_use]
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Output ports.
    #[must_use]
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Registers.
    #[must_use]
    pub fn registers(&self) -> &[Register] {
        &self.regs
    }

    /// Memories.
    #[must_use]
    pub fn memories(&self) -> &[Memory] {
        &self.memories
    }

    /// Instances.
    #[must_use]
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// Assertions, assumptions and covers.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// Number of nodes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Indices of the inputs that reach an output without a register or memory between.
    #[must_use]
    pub fn combinational_inputs(&self, output: usize) -> &[u32] {
        &self.reaches[output]
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
    }

    pub(crate) fn width(&self, id: NodeId) -> u32 {
        self.nodes[id.index()].width
    }

    /// Whether it or anything below it has state or properties, and so takes `clk` and `reset`.
    pub(crate) fn is_clocked(&self) -> bool {
        !self.regs.is_empty()
            || !self.memories.is_empty()
            || !self.properties.is_empty()
            || self.instances.iter().any(|i| i.def.is_clocked())
    }
}
