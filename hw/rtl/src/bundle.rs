//! Bundles: Rust structs of named fields, once as widths, once as signals, once as plain values.
//!
//! ```
//! use rtl::{Module, Signals, Widths, bundle};
//! bundle! {
//!     /// A message between two blocks.
//!     pub struct Message {
//!         /// Where it goes.
//!         target: U,
//!         /// What it carries.
//!         weight: S,
//!     }
//! }
//! let widths = Message::<Widths> { target: 5, weight: 8 };
//! let m = Module::new("register", &[]);
//! let message: Message<Signals> = m.input_bundle("in", &widths); // ports in_target and in_weight
//! let kept = m.reg_bundle("kept", &widths);
//! kept.set(&message);
//! m.output_bundle("out", &kept.q);
//! m.output("word", m.pack(&message)); // 13 bits, the first field at the bottom
//! m.finish()?;
//! # Ok::<(), rtl::Errors>(())
//! ```

use crate::design::SimError;
use crate::instance::Inst;
use crate::ir::{Op, Type};
use crate::module::Module;
use crate::sim::Simulator;
use crate::value::{Raw, S, Signal, U};
use std::marker::PhantomData;

/// What the fields of a bundle are.
pub trait Kind {
    /// An unsigned field.
    type U: Copy;
    /// A signed field.
    type S: Copy;
}

/// Fields are widths in bits.
#[derive(Debug, Clone, Copy)]
pub struct Widths;

/// Fields are signals of an open module.
#[derive(Clone, Copy)]
pub struct Signals<'m>(PhantomData<&'m Module>);

/// Fields are plain numbers.
#[derive(Debug, Clone, Copy)]
pub struct Values;

/// Fields are left out.
#[derive(Debug, Clone, Copy)]
pub struct Empty;

impl Kind for Widths {
    type U = u32;
    type S = u32;
}
impl<'m> Kind for Signals<'m> {
    type U = U<'m>;
    type S = S<'m>;
}
impl Kind for Values {
    type U = u64;
    type S = i64;
}
impl Kind for Empty {
    type U = ();
    type S = ();
}

/// What is done with each field.
pub trait Fields<A: Kind, B: Kind> {
    /// An unsigned field.
    fn u(&mut self, name: &'static str, field: A::U) -> B::U;
    /// A signed field.
    fn s(&mut self, name: &'static str, field: A::S) -> B::S;
}

/// A bundle; made by [`crate::bundle!`].
pub trait Bundle<A: Kind>: Sized {
    /// The same bundle with other fields.
    type With<B: Kind>: Bundle<B>;
    /// Does something with each field, in the order in which they stand.
    fn map<B: Kind>(&self, fields: &mut impl Fields<A, B>) -> Self::With<B>;
}

/// Declares a bundle of named fields, each `U` or `S`.
#[macro_export]
macro_rules! bundle {
    (@map U $fields:ident, $name:expr, $field:expr) => { $fields.u($name, $field) };
    (@map S $fields:ident, $name:expr, $field:expr) => { $fields.s($name, $field) };
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident : $kind:ident),+ $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $name<K: $crate::Kind> { $($(#[$field_meta])* pub $field: K::$kind),+ }

        impl<K: $crate::Kind> Clone for $name<K> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<K: $crate::Kind> Copy for $name<K> {}
        impl<K: $crate::Kind<U: PartialEq, S: PartialEq>> PartialEq for $name<K> {
            fn eq(&self, other: &Self) -> bool {
                $(self.$field == other.$field)&&+
            }
        }
        impl<K: $crate::Kind<U: std::fmt::Debug, S: std::fmt::Debug>> std::fmt::Debug for $name<K> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))+.finish()
            }
        }
        impl<A: $crate::Kind> $crate::Bundle<A> for $name<A> {
            type With<B: $crate::Kind> = $name<B>;
            fn map<B: $crate::Kind>(&self, fields: &mut impl $crate::Fields<A, B>) -> $name<B> {
                $name { $($field: $crate::bundle!(@map $kind fields, stringify!($field), self.$field)),+ }
            }
        }
    };
}

/// Makes signals of fields by one rule for both types.
struct Make<F>(F);

impl<'m, F: FnMut(&'static str, u32, Type) -> Raw<'m>> Fields<Widths, Signals<'m>> for Make<F> {
    fn u(&mut self, name: &'static str, width: u32) -> U<'m> {
        U((self.0)(name, width, Type::Unsigned))
    }
    fn s(&mut self, name: &'static str, width: u32) -> S<'m> {
        S((self.0)(name, width, Type::Signed))
    }
}

impl<'m, F: FnMut(&'static str, Raw<'m>, Type) -> Raw<'m>> Fields<Signals<'m>, Signals<'m>> for Make<F> {
    fn u(&mut self, name: &'static str, field: U<'m>) -> U<'m> {
        U((self.0)(name, field.0, Type::Unsigned))
    }
    fn s(&mut self, name: &'static str, field: S<'m>) -> S<'m> {
        S((self.0)(name, field.0, Type::Signed))
    }
}

/// Uses fields by one rule for both types.
struct Use<F>(F);

impl<'m, F: FnMut(&'static str, Raw<'m>, Type)> Fields<Signals<'m>, Empty> for Use<F> {
    fn u(&mut self, name: &'static str, field: U<'m>) {
        (self.0)(name, field.0, Type::Unsigned);
    }
    fn s(&mut self, name: &'static str, field: S<'m>) {
        (self.0)(name, field.0, Type::Signed);
    }
}

impl<F: FnMut(&'static str, u64)> Fields<Values, Empty> for Use<F> {
    fn u(&mut self, name: &'static str, field: u64) {
        (self.0)(name, field);
    }
    fn s(&mut self, name: &'static str, field: i64) {
        (self.0)(name, field.cast_unsigned());
    }
}

fn raws<'m, B: Bundle<Signals<'m>>>(bundle: &B) -> Vec<Raw<'m>> {
    let mut all = Vec::new();
    bundle.map::<Empty>(&mut Use(|_: &'static str, raw: Raw<'m>, _: Type| all.push(raw)));
    all
}

/// A register for each field of a bundle.
#[derive(Clone, Copy)]
pub struct RegBundle<'m, B> {
    /// What they hold.
    pub q: B,
    m: &'m Module,
    first: u32,
}

impl<'m, B: Bundle<Signals<'m>>> RegBundle<'m, B> {
    /// Their next values, taken at every clock edge.
    #[track_caller]
    pub fn set(&self, value: &B) {
        self.drive(None, value);
    }

    /// Their next values, taken where `enable` holds.
    #[track_caller]
    pub fn set_if(&self, enable: U<'m>, value: &B) {
        self.drive(Some(enable), value);
    }

    #[track_caller]
    fn drive(&self, enable: Option<U<'m>>, value: &B) {
        for (i, (raw, q)) in raws(value).into_iter().zip(raws(&self.q)).enumerate() {
            let reg = self.m.reg_at(self.first + i as u32, U(q));
            match enable {
                None => reg.set(U(raw)),
                Some(enable) => reg.set_if(enable, U(raw)),
            }
        }
    }
}

impl Module {
    /// An input port `<name>_<field>` for each field.
    #[track_caller]
    pub fn input_bundle<'m, B: Bundle<Widths>>(&'m self, name: &str, widths: &B) -> B::With<Signals<'m>> {
        widths.map(&mut Make(|field: &'static str, width, ty| {
            let name = format!("{name}_{field}");
            if ty == Type::Signed { self.input_s(&name, width).0 } else { self.input(&name, width).0 }
        }))
    }

    /// An output port `<name>_<field>` for each field.
    #[track_caller]
    pub fn output_bundle<'m, B: Bundle<Signals<'m>>>(&'m self, name: &str, value: &B) {
        value.map::<Empty>(&mut Use(|field: &'static str, raw, ty| {
            let name = format!("{name}_{field}");
            if ty == Type::Signed {
                self.output(&name, S(raw))
            } else {
                self.output(&name, U(raw))
            };
        }));
    }

    /// A register `<name>_<field>` for each field, zero after reset.
    #[track_caller]
    pub fn reg_bundle<'m, B: Bundle<Widths>>(
        &'m self,
        name: &str,
        widths: &B,
    ) -> RegBundle<'m, B::With<Signals<'m>>> {
        let first = self.open.borrow().def.regs.len() as u32;
        let q = widths.map(&mut Make(|field: &'static str, width, ty| {
            let name = format!("{name}_{field}");
            if ty == Type::Signed { self.reg_s(&name, width, 0).q.0 } else { self.reg(&name, width, 0).q.0 }
        }));
        RegBundle { q, m: self, first }
    }

    /// Fields joined to one word, the first at the bottom.
    #[track_caller]
    pub fn pack<'m, B: Bundle<Signals<'m>>>(&'m self, value: &B) -> U<'m> {
        let parts: Vec<_> = raws(value).into_iter().rev().map(U).collect();
        self.cat(&parts)
    }

    /// Fields taken off a word, the first from the bottom. The widths must use up the word.
    #[track_caller]
    pub fn unpack<'m, B: Bundle<Widths>>(&'m self, widths: &B, word: U<'m>) -> B::With<Signals<'m>> {
        let mut at = 0;
        let out = widths.map(&mut Make(|_: &'static str, width, _| {
            at += width;
            word.slice(at - width..at).0
        }));
        self.same_width("unpack", ("the fields together".into(), at), ("the word".into(), word.width()));
        out
    }

    /// Field by field, one of two bundles: the first where the condition is 1.
    #[track_caller]
    pub fn mux_bundle<'m, B: Bundle<Signals<'m>>>(
        &'m self,
        condition: U<'m>,
        one: &B,
        zero: &B,
    ) -> B::With<Signals<'m>> {
        let mut zeros = raws(zero).into_iter();
        one.map(&mut Make(|_: &'static str, raw: Raw<'m>, _| {
            let zero = zeros.next().unwrap_or(raw);
            condition.mux(U(raw), U(zero)).0
        }))
    }

    /// A bundle of zeros.
    pub fn zero_bundle<'m, B: Bundle<Widths>>(&'m self, widths: &B) -> B::With<Signals<'m>> {
        widths.map(&mut Make(|_: &'static str, width: u32, _| self.node(Op::Const(0), width.clamp(1, 64))))
    }
}

impl<'m> Inst<'m> {
    /// Drives the inputs `<name>_<field>`.
    #[track_caller]
    pub fn set_bundle<B: Bundle<Signals<'m>>>(self, name: &str, value: &B) -> Self {
        value.map::<Empty>(&mut Use(|field: &'static str, raw, ty| {
            let name = format!("{name}_{field}");
            if ty == Type::Signed {
                self.set(&name, S(raw))
            } else {
                self.set(&name, U(raw))
            };
        }));
        self
    }

    /// The outputs `<name>_<field>`.
    #[track_caller]
    pub fn bundle<B: Bundle<Widths>>(self, name: &str, widths: &B) -> B::With<Signals<'m>> {
        widths.map(&mut Make(|field: &'static str, _, ty| {
            let name = format!("{name}_{field}");
            if ty == Type::Signed { self.s(&name).raw() } else { self.u(&name).raw() }
        }))
    }
}

/// Reads fields of a running circuit.
struct Read<'a> {
    sim: &'a mut Simulator,
    name: &'a str,
    error: Option<SimError>,
}

impl Read<'_> {
    fn field(&mut self, name: &str, signed: bool) -> u64 {
        let path = format!("{}_{name}", self.name);
        match self.sim.probe(&path) {
            Ok(probe) if signed => self.sim.get_s(probe).cast_unsigned(),
            Ok(probe) => self.sim.get(probe),
            Err(error) => {
                self.error.get_or_insert(error);
                0
            }
        }
    }
}

impl<A: Kind> Fields<A, Values> for Read<'_> {
    fn u(&mut self, name: &'static str, _: A::U) -> u64 {
        self.field(name, false)
    }
    fn s(&mut self, name: &'static str, _: A::S) -> i64 {
        self.field(name, true).cast_signed()
    }
}

impl Simulator {
    /// Sets the input ports `<name>_<field>`.
    ///
    /// # Errors
    /// There is no such port.
    ///
    /// # Panics
    /// If a value does not fit its port.
    pub fn set_bundle<B: Bundle<Values>>(&mut self, name: &str, value: &B) -> Result<(), SimError> {
        let mut result = Ok(());
        value.map::<Empty>(&mut Use(|field: &'static str, value: u64| {
            match self.input(&format!("{name}_{field}")) {
                Ok(input) => self.set_bits(input, value),
                Err(error) => result = Err(error),
            }
        }));
        result
    }

    /// Values of the signals `<name>_<field>`; `name` may be a path.
    ///
    /// # Errors
    /// There is no such signal.
    pub fn get_bundle<B: Bundle<Widths>>(
        &mut self,
        name: &str,
        widths: &B,
    ) -> Result<B::With<Values>, SimError> {
        let mut read = Read { sim: self, name, error: None };
        let out = widths.map(&mut read);
        read.error.map_or(Ok(out), Err)
    }
}
