//! What can be wrong with a description.

use std::fmt;
use std::panic::Location;

/// One mistake in a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("module {module}: {kind} ({file}:{line})")]
pub struct BuildError {
    /// Module in which it is.
    pub module: String,
    /// What is wrong.
    pub kind: ErrorKind,
    /// Source file that described it.
    pub file: &'static str,
    /// Line in that file.
    pub line: u32,
}

impl BuildError {
    pub(crate) fn new(module: &str, kind: ErrorKind, at: &'static Location<'static>) -> Self {
        Self { module: module.to_string(), kind, file: at.file(), line: at.line() }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Operands or connections of unequal width.
    #[error("{operation}: {left} has {left_bits} bits, {right} has {right_bits}: widths must be equal")]
    Widths {
        /// Operator or connection.
        operation: String,
        /// One side.
        left: String,
        /// Its bits.
        left_bits: u32,
        /// The other side.
        right: String,
        /// Its bits.
        right_bits: u32,
    },
    /// A width outside 1 to 64, or outside what an operation allows.
    #[error("{signal}: {bits} bits, must be {allowed}")]
    Width {
        /// Signal or operation.
        signal: String,
        /// Bits asked for.
        bits: u32,
        /// What is allowed.
        allowed: String,
    },
    /// A constant that its width cannot hold.
    #[error("constant {value} does not fit {bits} bits")]
    Constant {
        /// Value.
        value: i128,
        /// Bits.
        bits: u32,
    },
    /// A name that stands twice in a module.
    #[error("name {0} is declared twice")]
    NameClash(String),
    /// A name that the layer keeps for itself: `clk`, `reset`, the modules of memories.
    #[error("name {0} is reserved")]
    Reserved(String),
    /// A wire, register, memory port or instance input that nothing drives.
    #[error("{0} is not driven")]
    Undriven(String),
    /// Driven more than once.
    #[error("{0} is driven twice")]
    DrivenTwice(String),
    /// An input port that nothing reads.
    #[error("input {0} is not used: use it, or say .may_be_unused()")]
    Unused(String),
    /// A path of operators that comes back to itself.
    #[error("combinational loop: {0}")]
    Loop(String),
    /// A signal of another module.
    #[error("{0} belongs to module {1}")]
    ForeignSignal(String, String),
    /// An instance has no such port, or another type of it.
    #[error("instance {instance} of {definition}: {what}")]
    Port {
        /// Instance.
        instance: String,
        /// Its definition.
        definition: String,
        /// What is wrong.
        what: String,
    },
    /// Two definitions share name and parameters but differ.
    #[error("two different definitions are named {0}: give them different parameters")]
    DefinitionClash(String),
    /// An impossible memory.
    #[error("memory {memory}: {what}")]
    Memory {
        /// Memory.
        memory: String,
        /// What is wrong.
        what: String,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// All mistakes found in a description, in the order in which they were made.
#[derive(Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<BuildError>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

// As text, so that `expect` in a test is readable.
impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for Errors {}
