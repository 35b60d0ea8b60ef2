//! Operators that a constant operand decides, such as `x ? 1 : 0`, which is `x`.
//!
//! No operand is dropped but constants: what a description reads stays read, whatever its parameters are. So a comparison that
//! holds of every value, such as `x <= 7` of three bits, becomes `|x | 1`.

use crate::ir::{Definition, NodeId, Op};
use crate::semantics::mask;

/// What is left of an operator.
pub(crate) enum Folded {
    /// It stays.
    Same,
    /// It is one of its operands.
    Is(NodeId),
    /// It is another operator.
    Op(Op),
    /// It is an operator on the complement of its first operand.
    OfNot(NodeId, fn(NodeId, NodeId) -> Op, NodeId),
    /// It is this bit, whatever the value of the operand.
    Always(bool, NodeId),
}

/// Folds an operator of `width` bits.
pub(crate) fn fold(def: &Definition, op: Op, width: u32) -> Folded {
    use Folded::{Always, Is, OfNot, Same};
    let constant = |id: NodeId| if let Op::Const(value) = def.node(id).op { Some(value) } else { None };
    let zero = |id| constant(id) == Some(0);
    let ones = |id| constant(id) == Some(mask(def.width(id)));
    let one_bit = |id| def.width(id) == 1;
    let largest = |id| constant(id) == Some(mask(def.width(id)) >> 1);
    let smallest = |id| constant(id) == Some(1 << (def.width(id) - 1));
    match op {
        Op::Not(a) => match def.node(a).op {
            Op::Not(inner) => Is(inner),
            _ => Same,
        },
        Op::All(a) | Op::Any(a) | Op::Parity(a) if one_bit(a) => Is(a),
        Op::And(a, b) | Op::Or(a, b) if a == b => Is(a),
        Op::And(a, b) if ones(b) => Is(a),
        Op::And(a, b) if ones(a) => Is(b),
        Op::Or(a, b) | Op::Xor(a, b) | Op::Add(a, b) if zero(b) => Is(a),
        Op::Or(a, b) | Op::Xor(a, b) | Op::Add(a, b) if zero(a) => Is(b),
        Op::Xor(a, b) if ones(b) => Folded::Op(Op::Not(a)),
        Op::Xor(a, b) if ones(a) => Folded::Op(Op::Not(b)),
        Op::Sub(a, b) | Op::Shl(a, b) | Op::Shr(a, b) | Op::Sar(a, b) if zero(b) => Is(a),
        // On one bit.
        Op::Eq(a, b) if one_bit(a) && ones(b) => Is(a),
        Op::Eq(a, b) if one_bit(a) && ones(a) => Is(b),
        Op::Eq(a, b) if one_bit(a) && zero(b) => Folded::Op(Op::Not(a)),
        Op::Eq(a, b) if one_bit(a) && zero(a) => Folded::Op(Op::Not(b)),
        Op::Ne(a, b) if one_bit(a) && zero(b) => Is(a),
        Op::Ne(a, b) if one_bit(a) && zero(a) => Is(b),
        Op::Ne(a, b) if one_bit(a) && ones(b) => Folded::Op(Op::Not(a)),
        Op::Ne(a, b) if one_bit(a) && ones(a) => Folded::Op(Op::Not(b)),
        // With the first and the last of all values.
        Op::Le(a, b) if ones(b) => Always(true, a),
        Op::Le(a, b) if zero(a) => Always(true, b),
        Op::Lt(a, b) if zero(b) => Always(false, a),
        Op::Lt(a, b) if ones(a) => Always(false, b),
        Op::LeS(a, b) if largest(b) => Always(true, a),
        Op::LeS(a, b) if smallest(a) => Always(true, b),
        Op::LtS(a, b) if smallest(b) => Always(false, a),
        Op::LtS(a, b) if largest(a) => Always(false, b),
        Op::Mux(c, a, b) if constant(c) == Some(1) && constant(b).is_some() => Is(a),
        Op::Mux(c, a, b) if constant(c) == Some(0) && constant(a).is_some() => Is(b),
        Op::Mux(c, a, b) if width == 1 && ones(a) && zero(b) => Is(c),
        Op::Mux(c, a, b) if width == 1 && zero(a) && ones(b) => Folded::Op(Op::Not(c)),
        Op::Mux(c, a, b) if width == 1 && ones(a) => Folded::Op(Op::Or(c, b)),
        Op::Mux(c, a, b) if width == 1 && zero(b) => Folded::Op(Op::And(c, a)),
        Op::Mux(c, a, b) if width == 1 && zero(a) => OfNot(c, Op::And, b),
        Op::Mux(c, a, b) if width == 1 && ones(b) => OfNot(c, Op::Or, a),
        _ => Same,
    }
}
