//! Operators as machine code.
//!
//! A value of one bit is a byte that holds 0 or 1. A wider one is a 64-bit word whose upper bits are cleaned only where an
//! operator looks at them; [`Upper`] tells what is known of them. `semantics.rs` says what is to be computed.

use crate::ir::{NodeId, Op};
use crate::semantics::{mask, signed};
use cranelift::prelude::{FunctionBuilder, InstBuilder, IntCC, Value, types};

/// What the bits above a value's width are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upper {
    /// The value is below 2^n, n at most its width: zeros.
    Zero(u32),
    /// The value read as two's complement fits n bits, n at most its width: copies of the sign.
    Sign(u32),
    /// Anything.
    Any,
}

/// A computed value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub raw: Value,
    pub width: u32,
    pub upper: Upper,
    pub constant: Option<u64>,
}

/// Emits operators at the end of the code so far.
pub(super) struct Code<'a> {
    pub b: FunctionBuilder<'a>,
}

impl Code<'_> {
    pub fn number(&mut self, value: u64) -> Value {
        self.b.ins().iconst(types::I64, value.cast_signed())
    }

    pub fn bit(&mut self, value: bool) -> Value {
        self.b.ins().iconst(types::I8, i64::from(value))
    }

    pub fn constant(&mut self, value: u64, width: u32) -> Form {
        let raw = if width == 1 { self.bit(value == 1) } else { self.number(value) };
        Form { raw, width, upper: Upper::Zero(64 - value.leading_zeros()), constant: Some(value) }
    }

    /// A byte of 0 or 1.
    pub fn of_bit(raw: Value) -> Form {
        Form { raw, width: 1, upper: Upper::Zero(1), constant: None }
    }

    /// A word of more than one bit, or the lowest bit of it.
    pub fn of_word(&mut self, raw: Value, width: u32, upper: Upper) -> Form {
        if width > 1 {
            return Form { raw, width, upper, constant: None };
        }
        let byte = self.b.ins().ireduce(types::I8, raw);
        let one = self.bit(true);
        Self::of_bit(self.b.ins().band(byte, one))
    }

    /// As a word with any upper bits.
    fn word(&mut self, a: Form) -> Value {
        if a.width == 1 { self.b.ins().uextend(types::I64, a.raw) } else { a.raw }
    }

    /// As a word with zeros above.
    pub fn clean(&mut self, a: Form) -> Value {
        match a.upper {
            _ if a.width == 1 => self.b.ins().uextend(types::I64, a.raw),
            Upper::Zero(_) => a.raw,
            Upper::Sign(_) | Upper::Any if a.width == 64 => a.raw,
            Upper::Sign(_) | Upper::Any => {
                let mask = self.number(mask(a.width));
                self.b.ins().band(a.raw, mask)
            }
        }
    }

    /// Bits of the value read as two's complement, where its word has the sign above.
    fn sign_bits(a: Form) -> Option<u32> {
        match a.upper {
            Upper::Sign(bits) => Some(bits),
            Upper::Zero(bits) if a.width > 1 && bits < a.width => Some(bits + 1),
            Upper::Zero(_) | Upper::Any => None,
        }
    }

    /// As a word with the sign above.
    fn signed(&mut self, a: Form) -> Value {
        if let Some(value) = a.constant {
            return self.number(signed(value, a.width).cast_unsigned());
        }
        if Self::sign_bits(a).is_some() || a.width == 64 {
            return a.raw;
        }
        let narrow = match a.width {
            8 => types::I8,
            16 => types::I16,
            32 => types::I32,
            _ => {
                let (word, by) = (self.word(a), self.number(u64::from(64 - a.width)));
                let high = self.b.ins().ishl(word, by);
                return self.b.ins().sshr(high, by);
            }
        };
        let narrow = self.b.ins().ireduce(narrow, a.raw);
        self.b.ins().sextend(types::I64, narrow)
    }

    pub fn not(&mut self, a: Form) -> Form {
        match a.upper {
            _ if a.width == 1 => {
                let one = self.bit(true);
                Self::of_bit(self.b.ins().bxor(a.raw, one))
            }
            Upper::Zero(_) => {
                let mask = self.number(mask(a.width));
                let raw = self.b.ins().bxor(a.raw, mask);
                self.of_word(raw, a.width, Upper::Zero(a.width))
            }
            Upper::Sign(_) | Upper::Any => {
                let raw = self.b.ins().bnot(a.raw);
                self.of_word(raw, a.width, a.upper)
            }
        }
    }

    /// Both, of one bit each.
    pub fn and(&mut self, a: Form, b: Form) -> Form {
        match (a.constant, b.constant) {
            (Some(0), _) | (_, Some(1)) => a,
            (_, Some(0)) | (Some(1), _) => b,
            _ => Self::of_bit(self.b.ins().band(a.raw, b.raw)),
        }
    }

    /// Either, of one bit each.
    pub fn or(&mut self, a: Form, b: Form) -> Form {
        match (a.constant, b.constant) {
            (Some(1), _) | (_, Some(0)) => a,
            (_, Some(1)) | (Some(0), _) => b,
            _ => Self::of_bit(self.b.ins().bor(a.raw, b.raw)),
        }
    }

    /// `a` where `condition` is 1, else `b`.
    pub fn select(&mut self, condition: Form, a: Form, b: Form) -> Form {
        if let Some(known) = condition.constant {
            return if known == 1 { a } else { b };
        }
        let raw = self.b.ins().select(condition.raw, a.raw, b.raw);
        let upper = match (a.upper, b.upper) {
            (Upper::Zero(x), Upper::Zero(y)) => Upper::Zero(x.max(y)),
            _ => match (Self::sign_bits(a), Self::sign_bits(b)) {
                (Some(x), Some(y)) => Upper::Sign(x.max(y)),
                _ => Upper::Any,
            },
        };
        Form { raw, width: a.width, upper, constant: None }
    }

    pub fn equal(&mut self, condition: IntCC, a: Form, b: Form) -> Form {
        let width = a.width;
        let same = match (a.upper, b.upper) {
            (Upper::Zero(_), Upper::Zero(_)) => Some((a.raw, b.raw)),
            _ if Self::sign_bits(a).is_some() && Self::sign_bits(b).is_some() => Some((a.raw, b.raw)),
            _ if width == 64 => Some((a.raw, b.raw)),
            _ if a.constant.is_some() || b.constant.is_some() => Some((self.clean(a), self.clean(b))),
            _ => None,
        };
        Self::of_bit(match same {
            Some((x, y)) => self.b.ins().icmp(condition, x, y),
            None => {
                let differ = self.b.ins().bxor(a.raw, b.raw);
                let mask = self.number(mask(width));
                let differ = self.b.ins().band(differ, mask);
                let zero = self.number(0);
                self.b.ins().icmp(condition, differ, zero)
            }
        })
    }

    fn order(&mut self, condition: IntCC, a: Form, b: Form) -> Form {
        let signed = matches!(condition, IntCC::SignedLessThan | IntCC::SignedLessThanOrEqual);
        let (x, y) = if signed { (self.signed(a), self.signed(b)) } else { (self.clean(a), self.clean(b)) };
        Self::of_bit(self.b.ins().icmp(condition, x, y))
    }

    /// Above what a sum or difference of two values is.
    fn carried(a: Form, b: Form, width: u32, unsigned: bool) -> Upper {
        match (a.upper, b.upper) {
            (Upper::Zero(x), Upper::Zero(y)) if unsigned && x.max(y) < width => Upper::Zero(x.max(y) + 1),
            _ => match (Self::sign_bits(a), Self::sign_bits(b)) {
                (Some(x), Some(y)) if x.max(y) < width => Upper::Sign(x.max(y) + 1),
                _ => Upper::Any,
            },
        }
    }

    /// A shift by a value; 64 and more give `far`.
    fn shift(&mut self, amount: Form, near: impl FnOnce(&mut Self, Value) -> Value, far: u64) -> Value {
        let by = self.clean(amount);
        let near = near(self, by);
        if amount.width <= 6 || amount.constant.is_some_and(|k| k < 64) {
            return near;
        }
        let (most, far) = (self.number(63), self.number(far));
        let is_near = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, by, most);
        self.b.ins().select(is_near, near, far)
    }

    /// Value of an operator that is no leaf.
    pub fn operator(&mut self, op: Op, width: u32, operand: impl Fn(NodeId) -> Form) -> Form {
        use Upper::{Any, Sign, Zero};
        let f = operand;
        match op {
            Op::Not(a) => self.not(f(a)),
            Op::All(a) => {
                let a = f(a);
                let (value, all) = match a.upper {
                    _ if a.width == 1 => return a,
                    Zero(_) => (a.raw, mask(a.width)),
                    Sign(_) => (a.raw, u64::MAX),
                    Any => {
                        let above = self.number(!mask(a.width));
                        (self.b.ins().bor(a.raw, above), u64::MAX)
                    }
                };
                let all = self.number(all);
                Self::of_bit(self.b.ins().icmp(IntCC::Equal, value, all))
            }
            Op::Any(a) => {
                let a = f(a);
                let value = match a.upper {
                    _ if a.width == 1 => return a,
                    Zero(_) | Sign(_) => a.raw,
                    Any => self.clean(a),
                };
                let zero = self.number(0);
                Self::of_bit(self.b.ins().icmp(IntCC::NotEqual, value, zero))
            }
            Op::Parity(a) => {
                let value = self.clean(f(a));
                let ones = self.b.ins().popcnt(value);
                self.of_word(ones, 1, Any)
            }
            Op::And(a, b) | Op::Or(a, b) | Op::Xor(a, b) => {
                let (a, b) = (f(a), f(b));
                let upper = match (op, a.upper, b.upper) {
                    (Op::And(..), Zero(x), Zero(y)) => Zero(x.min(y)),
                    (Op::And(..), Zero(x), _) | (Op::And(..), _, Zero(x)) => Zero(x),
                    (_, Zero(x), Zero(y)) => Zero(x.max(y)),
                    (_, Sign(x), Sign(y)) => Sign(x.max(y)),
                    _ => Any,
                };
                let raw = match op {
                    Op::And(..) => self.b.ins().band(a.raw, b.raw),
                    Op::Or(..) => self.b.ins().bor(a.raw, b.raw),
                    _ => self.b.ins().bxor(a.raw, b.raw),
                };
                Form { raw, width, upper, constant: None }
            }
            Op::Add(a, b) => {
                let upper = Self::carried(f(a), f(b), width, true);
                let (x, y) = (self.word(f(a)), self.word(f(b)));
                let raw = self.b.ins().iadd(x, y);
                self.of_word(raw, width, upper)
            }
            Op::Sub(a, b) => {
                let upper = Self::carried(f(a), f(b), width, false);
                let (x, y) = (self.word(f(a)), self.word(f(b)));
                let raw = self.b.ins().isub(x, y);
                self.of_word(raw, width, upper)
            }
            Op::Mul(a, b) => {
                let (x, y) = (self.clean(f(a)), self.clean(f(b)));
                let raw = self.b.ins().imul(x, y);
                self.of_word(raw, width, Zero(width))
            }
            Op::MulS(a, b) => {
                let (x, y) = (self.signed(f(a)), self.signed(f(b)));
                let raw = self.b.ins().imul(x, y);
                self.of_word(raw, width, Sign(width))
            }
            Op::Shl(a, by) => {
                let value = self.word(f(a));
                let raw = self.shift(f(by), |c, by| c.b.ins().ishl(value, by), 0);
                self.of_word(raw, width, Any)
            }
            Op::Shr(a, by) => {
                let value = self.clean(f(a));
                let raw = self.shift(f(by), |c, by| c.b.ins().ushr(value, by), 0);
                self.of_word(raw, width, Zero(width))
            }
            Op::Sar(a, by) => {
                let (value, by) = (self.signed(f(a)), f(by));
                let amount = self.clean(by);
                let most = self.number(63);
                let amount = if by.width > 6 { self.b.ins().umin(amount, most) } else { amount };
                let raw = self.b.ins().sshr(value, amount);
                self.of_word(raw, width, Sign(width))
            }
            Op::Eq(a, b) => self.equal(IntCC::Equal, f(a), f(b)),
            Op::Ne(a, b) => self.equal(IntCC::NotEqual, f(a), f(b)),
            Op::Lt(a, b) => self.order(IntCC::UnsignedLessThan, f(a), f(b)),
            Op::Le(a, b) => self.order(IntCC::UnsignedLessThanOrEqual, f(a), f(b)),
            Op::LtS(a, b) => self.order(IntCC::SignedLessThan, f(a), f(b)),
            Op::LeS(a, b) => self.order(IntCC::SignedLessThanOrEqual, f(a), f(b)),
            Op::Mux(c, a, b) => self.select(f(c), f(a), f(b)),
            Op::Cat(high, low) => {
                let (high, low) = (f(high), f(low));
                let upper = match high.upper {
                    Zero(bits) => Zero(bits + low.width),
                    Sign(bits) => Sign(bits + low.width),
                    Any => Any,
                };
                let (x, y, by) = (self.word(high), self.clean(low), self.number(low.width.into()));
                let shifted = self.b.ins().ishl(x, by);
                let raw = self.b.ins().bor(shifted, y);
                self.of_word(raw, width, upper)
            }
            Op::Slice(a, from) => {
                let a = f(a);
                let upper = match a.upper {
                    Zero(bits) if bits <= from + width => Zero(bits.saturating_sub(from)),
                    _ => Any,
                };
                let (value, by) = (self.word(a), self.number(from.into()));
                let raw = self.b.ins().ushr(value, by);
                self.of_word(raw, width, upper)
            }
            Op::Zext(a) => {
                let bits = if let Zero(bits) = f(a).upper { bits } else { f(a).width };
                let raw = self.clean(f(a));
                self.of_word(raw, width, Zero(bits))
            }
            Op::Sext(a) => {
                let bits = Self::sign_bits(f(a)).unwrap_or(f(a).width);
                let raw = self.signed(f(a));
                self.of_word(raw, width, Sign(bits))
            }
            Op::Const(_)
            | Op::State(..)
            | Op::Input(_)
            | Op::Wire(_)
            | Op::Reg(_)
            | Op::ReadData(_)
            | Op::Output(..) => unreachable!("a leaf is no operator"),
        }
    }
}
