//! The operators of values; their widths are in the table of [`crate::value`].

use crate::error::ErrorKind;
use crate::handle::Item;
use crate::ir::{Named, NodeId, Op};
use crate::module::Module;
use crate::states::States;
use crate::value::{E, Operand, Raw, S, Signal, U};
use std::ops::{Add, BitAnd, BitOr, BitXor, Mul, Neg, Not, Range, Shl, Shr, Sub};
use std::panic::Location;

/// An amount to shift by: a plain number or a value.
pub trait Amount<'m> {
    /// As a node.
    #[doc(hidden)]
    fn amount(self, shifted: Raw<'m>) -> NodeId;
}

impl<'m> Amount<'m> for u32 {
    #[track_caller]
    fn amount(self, shifted: Raw<'m>) -> NodeId {
        if self >= shifted.width {
            let allowed = format!("below {}", shifted.width);
            shifted.m.fail(ErrorKind::Width { signal: "shift by".into(), bits: self, allowed });
        }
        shifted.m.node(Op::Const(self.into()), crate::bits_for(u64::from(self) + 1)).id
    }
}

impl<'m> Amount<'m> for U<'m> {
    #[track_caller]
    fn amount(self, shifted: Raw<'m>) -> NodeId {
        let id = shifted.m.own(self.0);
        if self.width() <= 32 {
            return id;
        }
        // Tools shift by 32 bits at most, and there is nothing left to shift beyond.
        let far = U(self.0.slice(32..self.width())).any();
        far.mux(shifted.m.u(u64::from(u32::MAX), 32), self.trunc(32)).0.id
    }
}

/// What all three types have.
macro_rules! common {
    ($name:ident $(, $t:ident)?) => {
        impl<'m $(, $t: States)?> $name<'m $(, $t)?> {
            /// Its width in bits.
            #[must_use]
            pub fn width(self) -> u32 {
                self.0.width
            }

            /// Gives it a name, in waves and Verilog.
            #[track_caller]
            #[must_use]
            pub fn named(self, name: &str) -> Self {
                self.0.m.named(name, self)
            }

            /// Gives a port, register or named signal a doc text.
            #[track_caller]
            pub fn doc(self, text: &str) -> Self {
                match self.0.item() {
                    Some(item) => _ = item.doc(text),
                    None => self.0.m.error("doc text is for ports, registers, memories and named signals"),
                }
                self
            }

            /// Says that nothing need read this input.
            pub fn may_be_unused(self) -> Self {
                if let Some(Item { named: Named::Input(i), .. }) = self.0.item() {
                    self.0.m.open.borrow_mut().def.inputs[i as usize].may_be_unused = true;
                }
                self
            }

            /// 1 where both are equal.
            #[track_caller]
            #[must_use]
            pub fn eq(self, other: impl Operand<'m, Self>) -> U<'m> {
                U(self.0.equal("eq", other.operand(self).raw(), Op::Eq, Some(1)))
            }

            /// 1 where they differ.
            #[track_caller]
            #[must_use]
            pub fn ne(self, other: impl Operand<'m, Self>) -> U<'m> {
                U(self.0.equal("ne", other.operand(self).raw(), Op::Ne, Some(1)))
            }
        }
    };
}
common!(U);
common!(S);
common!(E, T);

/// What numbers have, with the operators that depend on their signedness.
macro_rules! number {
    ($name:ident, $plain:ident, $less:ident, $less_or_equal:ident, $multiply:ident, $right:ident, $extend:ident) => {
        impl<'m> $name<'m> {
            /// Less.
            #[track_caller]
            #[must_use]
            pub fn lt(self, other: impl Operand<'m, Self>) -> U<'m> {
                U(self.0.equal("lt", other.operand(self).raw(), Op::$less, Some(1)))
            }

            /// Less or equal.
            #[track_caller]
            #[must_use]
            pub fn le(self, other: impl Operand<'m, Self>) -> U<'m> {
                U(self.0.equal("le", other.operand(self).raw(), Op::$less_or_equal, Some(1)))
            }

            /// Greater.
            #[track_caller]
            #[must_use]
            pub fn gt(self, other: impl Operand<'m, Self>) -> U<'m> {
                other.operand(self).lt(self)
            }

            /// Greater or equal.
            #[track_caller]
            #[must_use]
            pub fn ge(self, other: impl Operand<'m, Self>) -> U<'m> {
                other.operand(self).le(self)
            }

            /// The sum with one bit more.
            #[track_caller]
            #[must_use]
            pub fn add_wide(self, other: impl Operand<'m, Self>) -> Self {
                let (a, b) = self.wide("add_wide", other);
                a + b
            }

            /// The difference with one bit more (the topmost is the borrow, or the sign).
            #[track_caller]
            #[must_use]
            pub fn sub_wide(self, other: impl Operand<'m, Self>) -> Self {
                let (a, b) = self.wide("sub_wide", other);
                a - b
            }

            #[track_caller]
            fn wide(self, what: &str, other: impl Operand<'m, Self>) -> (Self, Self) {
                let other = other.operand(self);
                self.0.m.same_width(what, self.0.described(), other.0.described());
                let width = self.width().max(other.width()) + 1;
                (Self(self.0.extend(what, width, Op::$extend)), Self(other.0.extend(what, width, Op::$extend)))
            }

            /// The lowest bits.
            #[track_caller]
            #[must_use]
            pub fn trunc(self, width: u32) -> Self {
                let width = self.0.checked("trunc", width, 1, self.width());
                Self(self.0.slice(0..width))
            }
        }

        number!(@binary $name, $plain, Add, add, "+", Op::Add);
        number!(@binary $name, $plain, Sub, sub, "-", Op::Sub);

        impl<'m, R: Operand<'m, $name<'m>>> Mul<R> for $name<'m> {
            type Output = $name<'m>;
            #[track_caller]
            fn mul(self, other: R) -> $name<'m> {
                $name(self.0.product(other.operand(self).0, Op::$multiply))
            }
        }

        impl<'m, A: Amount<'m>> Shl<A> for $name<'m> {
            type Output = $name<'m>;
            #[track_caller]
            fn shl(self, amount: A) -> $name<'m> {
                $name(self.0.m.node(Op::Shl(self.0.id, amount.amount(self.0)), self.width()))
            }
        }

        impl<'m, A: Amount<'m>> Shr<A> for $name<'m> {
            type Output = $name<'m>;
            #[track_caller]
            fn shr(self, amount: A) -> $name<'m> {
                $name(self.0.m.node(Op::$right(self.0.id, amount.amount(self.0)), self.width()))
            }
        }
    };
    (@binary $name:ident, $plain:ident, $trait:ident, $method:ident, $symbol:literal, $op:expr) => {
        impl<'m, R: Operand<'m, $name<'m>>> $trait<R> for $name<'m> {
            type Output = $name<'m>;
            #[track_caller]
            fn $method(self, other: R) -> $name<'m> {
                $name(self.0.equal($symbol, other.operand(self).0, $op, None))
            }
        }
    };
}
number!(U, u64, Lt, Le, Mul, Shr, Zext);
number!(S, i64, LtS, LeS, MulS, Sar, Sext);
number!(@binary U, u64, BitAnd, bitand, "&", Op::And);
number!(@binary U, u64, BitOr, bitor, "|", Op::Or);
number!(@binary U, u64, BitXor, bitxor, "^", Op::Xor);

impl<'m> Not for U<'m> {
    type Output = U<'m>;
    fn not(self) -> U<'m> {
        let op = self.0.m.open.borrow().def.node(self.0.id).op;
        if let Op::Not(id) = op {
            return U(Raw { id, ..self.0 });
        }
        U(self.0.m.node(Op::Not(self.0.id), self.width()))
    }
}

impl<'m> Neg for S<'m> {
    type Output = S<'m>;
    fn neg(self) -> S<'m> {
        S(self.0.m.node(Op::Const(0), self.width())) - self
    }
}

impl<'m> U<'m> {
    /// Widened with zeros.
    #[track_caller]
    #[must_use]
    pub fn zext(self, width: u32) -> Self {
        Self(self.0.extend("zext", width, Op::Zext))
    }

    /// The same bits as a signed value.
    #[must_use]
    pub fn as_s(self) -> S<'m> {
        S(self.0)
    }

    /// The same value as a signed one, one bit wider.
    #[track_caller]
    #[must_use]
    pub fn to_s(self) -> S<'m> {
        S(self.0.extend("to_s", self.width() + 1, Op::Zext))
    }

    /// Bits `range.start` up to, not including, `range.end`.
    #[track_caller]
    #[must_use]
    pub fn slice(self, range: Range<u32>) -> Self {
        Self(self.0.slice(range))
    }

    /// One bit.
    #[track_caller]
    #[must_use]
    pub fn bit(self, index: u32) -> Self {
        Self(self.0.slice(index..index.saturating_add(1)))
    }

    /// The bit that a value points at; 0 beyond the end.
    #[track_caller]
    #[must_use]
    pub fn bit_at(self, index: U<'m>) -> Self {
        (self >> index).trunc(1)
    }

    /// This value above another.
    #[track_caller]
    #[must_use]
    pub fn cat(self, low: U<'m>) -> Self {
        let width = self.0.checked("cat", self.width() + low.width(), 2, 64);
        let id = self.0.m.own(low.0);
        Self(self.0.m.node(Op::Cat(self.0.id, id), width))
    }

    /// 1 where any bit is set.
    #[must_use]
    pub fn any(self) -> Self {
        self.reduced(Op::Any(self.0.id))
    }

    /// 1 where all bits are set.
    #[must_use]
    pub fn all(self) -> Self {
        self.reduced(Op::All(self.0.id))
    }

    /// Exclusive or of all bits.
    #[must_use]
    pub fn parity(self) -> Self {
        self.reduced(Op::Parity(self.0.id))
    }

    fn reduced(self, op: Op) -> Self {
        if self.width() == 1 { self } else { Self(self.0.m.node(op, 1)) }
    }

    /// One of two values: the first where this condition is 1.
    #[track_caller]
    #[must_use]
    pub fn mux<T: Signal<'m>>(self, one: T, zero: T) -> T {
        self.0.m.one_bit("mux", self);
        let m = self.0.m;
        let (a, b) = (one.raw(), zero.raw());
        m.same_width("mux", a.described(), b.described());
        let (a_id, b_id) = (m.own(a), m.own(b));
        if self.width() != 1 || a.width != b.width || a_id == b_id {
            return one;
        }
        T::of(m.node(Op::Mux(self.0.id, a_id, b_id), a.width))
    }
}

impl<'m> S<'m> {
    /// Widened with the sign.
    #[track_caller]
    #[must_use]
    pub fn sext(self, width: u32) -> Self {
        Self(self.0.extend("sext", width, Op::Sext))
    }

    /// The same bits as an unsigned value.
    #[must_use]
    pub fn as_u(self) -> U<'m> {
        U(self.0)
    }

    /// The sign bit.
    #[must_use]
    pub fn is_negative(self) -> U<'m> {
        self.as_u().bit(self.width() - 1)
    }

    /// The nearest value that fits `width` bits.
    #[track_caller]
    #[must_use]
    pub fn saturate(self, width: u32) -> Self {
        let width = self.0.checked("saturate", width, 1, 64);
        if width >= self.width() {
            return self.sext(width);
        }
        let m = self.0.m;
        let high = self.as_u().slice(width - 1..self.width());
        let fits = high.all() | !high.any();
        let largest = crate::semantics::mask(width) >> 1;
        let limit = self.is_negative().mux(m.u(largest + 1, width), m.u(largest, width));
        fits.mux(self.trunc(width), limit.as_s())
    }
}

impl<'m, T: States> E<'m, T> {
    /// 1 in this state.
    #[must_use]
    pub fn is(self, state: T) -> U<'m> {
        self.eq(self.0.m.e(state))
    }

    /// Its encoding.
    #[must_use]
    pub fn as_u(self) -> U<'m> {
        U(self.0)
    }

    /// The value of this state, or `default` where it has none.
    #[track_caller]
    #[must_use]
    pub fn select<V: Signal<'m>>(self, default: V, cases: &[(T, V)]) -> V {
        let cases: Vec<_> = cases.iter().map(|&(state, value)| (self.is(state), value)).collect();
        self.0.m.select(default, &cases)
    }
}

impl Module {
    /// Values joined, the first at the top.
    #[track_caller]
    pub fn cat<'m>(&'m self, parts: &[U<'m>]) -> U<'m> {
        match parts.split_first() {
            Some((&first, rest)) => rest.iter().fold(first, |high, &low| high.cat(low)),
            None => {
                self.open.borrow_mut().fail(ErrorKind::Other("cat of nothing".into()), Location::caller());
                self.u(0, 1)
            }
        }
    }
}
