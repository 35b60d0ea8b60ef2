//! What every operator computes: the one definition that the interpreter uses and every other back-end is tested against.

use crate::ir::{NodeId, Op};

/// The lowest `width` bits set.
pub(crate) fn mask(width: u32) -> u64 {
    u64::MAX >> (64 - width)
}

/// A value of `width` bits read as two's complement.
pub(crate) fn signed(value: u64, width: u32) -> i64 {
    value.cast_signed() << (64 - width) >> (64 - width)
}

/// Value of an operator of `width` bits; `operand` gives value and width of its operands.
///
/// Leaves have no value of their own here, except constants.
pub(crate) fn evaluate(op: Op, width: u32, operand: impl Fn(NodeId) -> (u64, u32)) -> u64 {
    let value = |id| operand(id).0;
    let signed = |id| {
        let (value, width) = operand(id);
        signed(value, width)
    };
    let bit = |b: bool| u64::from(b);
    let raw = match op {
        Op::Const(value) => value,
        Op::State(_, state) => state.into(),
        Op::Input(_) | Op::Wire(_) | Op::Reg(_) | Op::ReadData(_) | Op::Output(..) => 0,
        Op::Not(a) => !value(a),
        Op::All(a) => {
            let (value, width) = operand(a);
            bit(value == mask(width))
        }
        Op::Any(a) => bit(value(a) != 0),
        Op::Parity(a) => u64::from(value(a).count_ones() & 1),
        Op::And(a, b) => value(a) & value(b),
        Op::Or(a, b) => value(a) | value(b),
        Op::Xor(a, b) => value(a) ^ value(b),
        Op::Add(a, b) => value(a).wrapping_add(value(b)),
        Op::Sub(a, b) => value(a).wrapping_sub(value(b)),
        Op::Mul(a, b) => value(a).wrapping_mul(value(b)),
        Op::MulS(a, b) => signed(a).wrapping_mul(signed(b)).cast_unsigned(),
        Op::Shl(a, b) => {
            if value(b) < 64 {
                value(a) << value(b)
            } else {
                0
            }
        }
        Op::Shr(a, b) => {
            if value(b) < 64 {
                value(a) >> value(b)
            } else {
                0
            }
        }
        Op::Sar(a, b) => (signed(a) >> value(b).min(63)).cast_unsigned(),
        Op::Eq(a, b) => bit(value(a) == value(b)),
        Op::Ne(a, b) => bit(value(a) != value(b)),
        Op::Lt(a, b) => bit(value(a) < value(b)),
        Op::Le(a, b) => bit(value(a) <= value(b)),
        Op::LtS(a, b) => bit(signed(a) < signed(b)),
        Op::LeS(a, b) => bit(signed(a) <= signed(b)),
        Op::Mux(c, a, b) => {
            if value(c) == 1 {
                value(a)
            } else {
                value(b)
            }
        }
        Op::Cat(high, low) => {
            let (low, bits) = operand(low);
            value(high) << bits | low
        }
        Op::Slice(a, from) => value(a) >> from,
        Op::Zext(a) => value(a),
        Op::Sext(a) => signed(a).cast_unsigned(),
    };
    raw & mask(width)
}
