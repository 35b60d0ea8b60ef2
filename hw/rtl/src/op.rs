//! Nodes and their operators. Signedness lives in the operators, never in a node.

/// Index of a node in its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Stands for "not connected yet"; a finished definition holds none.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node computes. Operands of unequal width occur only where it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// A constant.
    Const(u64),
    /// Value of an enumeration: (index of the enumeration in the definition, state).
    State(u32, u32),
    /// An input port.
    Input(u32),
    /// A named or forward-declared signal.
    Wire(u32),
    /// The value that a register holds.
    Reg(u32),
    /// The read data of a memory.
    ReadData(u32),
    /// An output of an instance: (instance, output).
    Output(u32, u32),
    /// Bitwise not.
    Not(NodeId),
    /// All bits set, 1 bit.
    All(NodeId),
    /// Any bit set, 1 bit.
    Any(NodeId),
    /// Exclusive or of all bits, 1 bit.
    Parity(NodeId),
    /// Bitwise and.
    And(NodeId, NodeId),
    /// Bitwise or.
    Or(NodeId, NodeId),
    /// Bitwise exclusive or.
    Xor(NodeId, NodeId),
    /// Sum, wraps.
    Add(NodeId, NodeId),
    /// Difference, wraps.
    Sub(NodeId, NodeId),
    /// Unsigned product, as wide as both factors together.
    Mul(NodeId, NodeId),
    /// Signed product, as wide as both factors together.
    MulS(NodeId, NodeId),
    /// Shift left; the amount has any width.
    Shl(NodeId, NodeId),
    /// Shift right, zeros in; the amount has any width.
    Shr(NodeId, NodeId),
    /// Shift right, sign in; the amount has any width.
    Sar(NodeId, NodeId),
    /// Equal, 1 bit.
    Eq(NodeId, NodeId),
    /// Not equal, 1 bit.
    Ne(NodeId, NodeId),
    /// Unsigned less, 1 bit.
    Lt(NodeId, NodeId),
    /// Unsigned less or equal, 1 bit.
    Le(NodeId, NodeId),
    /// Signed less, 1 bit.
    LtS(NodeId, NodeId),
    /// Signed less or equal, 1 bit.
    LeS(NodeId, NodeId),
    /// (condition of 1 bit, value where it is 1, value where it is 0).
    Mux(NodeId, NodeId, NodeId),
    /// (high part, low part) joined.
    Cat(NodeId, NodeId),
    /// Bits from this one up, as many as the node is wide.
    Slice(NodeId, u32),
    /// Widened with zeros.
    Zext(NodeId),
    /// Widened with the sign.
    Sext(NodeId),
}

impl Op {
    /// Operands, in order.
    pub(crate) fn operands(self) -> impl Iterator<Item = NodeId> {
        let (a, b, c) = match self {
            Self::Const(_)
            | Self::State(..)
            | Self::Input(_)
            | Self::Wire(_)
            | Self::Reg(_)
            | Self::ReadData(_)
            | Self::Output(..) => (None, None, None),
            Self::Not(a) | Self::All(a) | Self::Any(a) | Self::Parity(a) => (Some(a), None, None),
            Self::Slice(a, _) | Self::Zext(a) | Self::Sext(a) => (Some(a), None, None),
            Self::And(a, b) | Self::Or(a, b) | Self::Xor(a, b) | Self::Cat(a, b) => (Some(a), Some(b), None),
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) | Self::MulS(a, b) => {
                (Some(a), Some(b), None)
            }
            Self::Shl(a, b) | Self::Shr(a, b) | Self::Sar(a, b) => (Some(a), Some(b), None),
            Self::Eq(a, b) | Self::Ne(a, b) | Self::Lt(a, b) | Self::Le(a, b) => (Some(a), Some(b), None),
            Self::LtS(a, b) | Self::LeS(a, b) => (Some(a), Some(b), None),
            Self::Mux(a, b, c) => (Some(a), Some(b), Some(c)),
        };
        [a, b, c].into_iter().flatten()
    }

    /// Whether the node has no operator of its own.
    pub(crate) fn is_leaf(self) -> bool {
        self.operands().next().is_none()
    }

    /// Name of the operator in messages and cost tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Const(_) | Self::State(..) => "constant",
            Self::Input(_) => "input",
            Self::Wire(_) => "wire",
            Self::Reg(_) => "register",
            Self::ReadData(_) => "read data",
            Self::Output(..) => "instance output",
            Self::Not(_) => "not",
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::Parity(_) => "parity",
            Self::And(..) => "and",
            Self::Or(..) => "or",
            Self::Xor(..) => "xor",
            Self::Add(..) => "add",
            Self::Sub(..) => "subtract",
            Self::Mul(..) => "multiply",
            Self::MulS(..) => "multiply signed",
            Self::Shl(..) => "shift left",
            Self::Shr(..) => "shift right",
            Self::Sar(..) => "shift right signed",
            Self::Eq(..) | Self::Ne(..) => "equal",
            Self::Lt(..) | Self::Le(..) => "compare",
            Self::LtS(..) | Self::LeS(..) => "compare signed",
            Self::Mux(..) => "mux",
            Self::Cat(..) => "concatenate",
            Self::Slice(..) => "slice",
            Self::Zext(_) => "zero-extend",
            Self::Sext(_) => "sign-extend",
        }
    }
}

/// An operator and the width of its result in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// Operator.
    pub op: Op,
    /// Bits, 1 to 64.
    pub width: u32,
}
