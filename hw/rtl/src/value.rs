//! Values of an open module: unsigned [`U`], signed [`S`], states [`E`], and their operators.
//!
//! # Widths
//! A value has 1 to 64 bits, and no operator guesses a width:
//!
//! | operators | operands | result |
//! |---|---|---|
//! | `+ - & \| ^ !`, unary `-` (signed) | equal widths | the same width, wraps |
//! | `add_wide`, `sub_wide` | equal widths | one bit more, never wraps |
//! | `*` | any widths, at most 64 bits together | the sum of the widths, exact |
//! | `eq ne lt le gt ge` | equal widths | 1 bit |
//! | `<< >>` | amount: a `u32` below the width, or a [`U`] of any width | the width of the left side |
//! | `mux` | 1-bit condition, equal widths | the same width |
//! | `cat` | any, at most 64 bits together | the sum of the widths |
//! | `slice(a..b)`, `bit`, `trunc` | inside the value | as many bits as asked for |
//! | `zext`, `sext` | not narrower than the value | as many bits as asked for |
//! | `any all parity` | any | 1 bit |
//!
//! `>>` brings in zeros on [`U`] and the sign on [`S`]. An operand may be a plain number (`count + 1`), which takes
//! the width of the other side. `as_s`, `as_u` read the same bits the other way; `to_s` adds a sign bit.
//!
//! Long because it holds the table of widths and every operator that follows it, each with its documentation.

use crate::error::ErrorKind;
use crate::handle::Item;
use crate::ir::{Named, NodeId, Op, Type};
use crate::module::Module;
use crate::states::States;
use std::marker::PhantomData;
use std::ops::Range;

/// A node of an open module, without a type.
#[derive(Clone, Copy)]
pub struct Raw<'m> {
    pub(crate) m: &'m Module,
    pub(crate) id: NodeId,
    pub(crate) width: u32,
}

/// A typed value of an open module: [`U`], [`S`] or [`E`].
pub trait Signal<'m>: Copy {
    /// How it is read.
    const TYPE: Type;
    /// Its node.
    fn raw(self) -> Raw<'m>;
    /// This type's view of a node.
    #[doc(hidden)]
    fn of(raw: Raw<'m>) -> Self;
}

/// An unsigned value or plain bits.
#[derive(Clone, Copy)]
pub struct U<'m>(pub(crate) Raw<'m>);

/// A signed value in two's complement.
#[derive(Clone, Copy)]
pub struct S<'m>(pub(crate) Raw<'m>);

/// A state of the enumeration `T`.
pub struct E<'m, T>(pub(crate) Raw<'m>, PhantomData<T>);

impl<T> Clone for E<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for E<'_, T> {}

impl<'m> Signal<'m> for U<'m> {
    const TYPE: Type = Type::Unsigned;
    fn raw(self) -> Raw<'m> {
        self.0
    }
    fn of(raw: Raw<'m>) -> Self {
        Self(raw)
    }
}

impl<'m> Signal<'m> for S<'m> {
    const TYPE: Type = Type::Signed;
    fn raw(self) -> Raw<'m> {
        self.0
    }
    fn of(raw: Raw<'m>) -> Self {
        Self(raw)
    }
}

impl<'m, T: States> Signal<'m> for E<'m, T> {
    const TYPE: Type = Type::States(T::INFO);
    fn raw(self) -> Raw<'m> {
        self.0
    }
    fn of(raw: Raw<'m>) -> Self {
        Self(raw, PhantomData)
    }
}

/// What can stand at the other side of an operator: a value of the same type, or a plain number.
pub trait Operand<'m, T> {
    /// As a value of the type and width of `like`.
    fn operand(self, like: T) -> T;
}

impl<'m, T: Signal<'m>> Operand<'m, T> for T {
    fn operand(self, _like: T) -> T {
        self
    }
}

impl<'m> Operand<'m, U<'m>> for u64 {
    #[track_caller]
    fn operand(self, like: U<'m>) -> U<'m> {
        like.0.m.u(self, like.width())
    }
}

impl<'m> Operand<'m, S<'m>> for i64 {
    #[track_caller]
    fn operand(self, like: S<'m>) -> S<'m> {
        like.0.m.s(self, like.width())
    }
}

impl<'m, T: States> Operand<'m, E<'m, T>> for T {
    fn operand(self, like: E<'m, T>) -> E<'m, T> {
        like.0.m.e(self)
    }
}

impl<'m> Raw<'m> {
    pub(crate) fn described(self) -> (String, u32) {
        (self.m.open.borrow().describe(self.id), self.width)
    }

    /// An operator on two operands of equal width.
    #[track_caller]
    pub(crate) fn equal(
        self,
        symbol: &str,
        other: Raw<'m>,
        op: fn(NodeId, NodeId) -> Op,
        width: Option<u32>,
    ) -> Raw<'m> {
        let id = self.m.own(other);
        if self.width != other.width {
            self.m.same_width(symbol, self.described(), other.described());
            return self.m.node(Op::Const(0), width.unwrap_or(self.width));
        }
        self.m.node(op(self.id, id), width.unwrap_or(self.width))
    }

    #[track_caller]
    pub(crate) fn product(self, other: Raw<'m>, op: fn(NodeId, NodeId) -> Op) -> Raw<'m> {
        let width = self.checked("product", self.width + other.width, 1, 64);
        let id = self.m.own(other);
        self.m.node(op(self.id, id), width)
    }

    /// A width between two bounds; out of them the error is recorded and the nearer bound taken.
    #[track_caller]
    pub(crate) fn checked(self, what: &str, bits: u32, least: u32, most: u32) -> u32 {
        if !(least..=most).contains(&bits) {
            let signal = format!("{what} of {}", self.described().0);
            let allowed = format!("{least} to {most}");
            self.m.fail(ErrorKind::Width { signal, bits, allowed });
        }
        bits.clamp(least, most)
    }

    #[track_caller]
    pub(crate) fn slice(self, range: Range<u32>) -> Raw<'m> {
        let Range { start, end } = range;
        if start >= end || end > self.width {
            let (name, bits) = self.described();
            self.m.error(&format!("slice {start}..{end} of {name}, which has {bits} bits"));
            return self.m.node(Op::Const(0), end.saturating_sub(start).clamp(1, 64));
        }
        if end - start == self.width {
            return self;
        }
        // A slice of a slice is one slice, so that equal ones are shared.
        let op = self.m.open.borrow().def.node(self.id).op;
        let (from, first) = if let Op::Slice(a, first) = op { (a, first) } else { (self.id, 0) };
        self.m.node(Op::Slice(from, first + start), end - start)
    }

    #[track_caller]
    pub(crate) fn extend(self, what: &str, width: u32, op: fn(NodeId) -> Op) -> Raw<'m> {
        let width = self.checked(what, width, self.width, 64);
        if width == self.width { self } else { self.m.node(op(self.id), width) }
    }

    pub(crate) fn item(self) -> Option<Item<'m>> {
        let op = self.m.open.borrow().def.node(self.id).op;
        let named = match op {
            Op::Input(i) => Named::Input(i),
            Op::Wire(i) => Named::Wire(i),
            Op::Reg(i) => Named::Reg(i),
            Op::ReadData(i) => Named::Memory(i),
            _ => return None,
        };
        Some(Item { m: self.m, named })
    }
}
