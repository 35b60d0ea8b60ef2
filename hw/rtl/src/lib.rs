//! The RTL layer: describe, simulate, write waves, emit Verilog.
//!
//! It knows nothing about spikes.
//!
//! # Describe
//! Plain Rust builds a module at run time: open one, add ports, registers, memories and instances, and
//! [`finish`](Module::finish) it. Handles are `Copy` and operators overload; widths are explicit (the table is in [`value`]).
//! Every mistake is recorded with its place and returned by `finish`.
//!
//! ```
//! use rtl::{Module, ReadDuringWrite, Simulator, verilog};
//! rtl::states! { enum Phase { Idle, Count } }
//!
//! // A counter that counts up to a limit once it is started.
//! let counter = {
//!     let m = Module::new("counter", &[("bits", 8)]);
//!     m.doc("Counts to a limit, then stops.");
//!     let start = m.input("start", 1).doc("Begins to count from zero.");
//!     let limit = m.input("limit", 8);
//!     let phase = m.reg_e("phase", Phase::Idle);
//!     let count = m.reg("count", 8, 0);
//!     let counting = phase.q.is(Phase::Count);
//!     let done = (counting & count.q.eq(limit)).named("done");
//!     phase.set_first(&[(start, m.e(Phase::Count)), (done, m.e(Phase::Idle))]);
//!     count.set_first(&[(start, m.u(0, 8)), (counting & !done, count.q + 1)]);
//!     m.assert("in_range", count.q.le(limit) | !counting, "the count passed its limit");
//!     m.idle_when(!start & !counting);
//!     m.output("value", count.q);
//!     m.output("busy", counting);
//!     m.finish()?
//! };
//! // Its values go to a memory.
//! let m = Module::new("recorder", &[]);
//! let start = m.input("start", 1);
//! let read = m.input("read", 4);
//! let c = m.instance("counter", &counter).set("start", start).set("limit", m.u(9, 8));
//! let log = m.memory_1r1w("log", 16, 8, ReadDuringWrite::OldData);
//! log.write(c.u("value").trunc(4), c.u("busy"), c.u("value") << 1);
//! m.output("logged", log.read(read, m.u(1, 1)));
//! let recorder = m.finish()?;
//!
//! let mut sim = Simulator::new(&recorder);
//! let (start, read) = (sim.input("start")?, sim.input("read")?);
//! sim.set(start, 1);
//! sim.step()?;
//! sim.set(start, 0);
//! sim.run(20)?;
//! sim.set(read, 7);
//! sim.step()?;
//! assert_eq!(sim.peek("logged")?, 14);
//! assert_eq!(sim.peek("counter.count")?, 9);
//!
//! let text = verilog::emit(&recorder);
//! assert!(text.file("counter_bits8.v").is_some_and(|t| t.contains("reg  [7:0] count;")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The parts
//! - [`module`], [`value`], [`memory`], [`instance`], [`bundle`](mod@bundle), [`states`](mod@states): building.
//!   [`Module::finish`] checks (`check.rs`) and gives a [`Def`] ([`ir`]), shared by all instances.
//! - [`Simulator`] runs a circuit a cycle at a time, compiled to machine code (`jit/`) or interpreted (`interp.rs`);
//!   [`Tracer`] writes its waves through [`wave`].
//! - [`reopen`] opens a finished definition again: for faults, proofs and a look inside.
//! - [`verilog`] emits Verilog-2005, a file a definition; [`Cost`] counts what a circuit is made of.
//!
//! # Clock and reset
//! One clock, one synchronous reset; both are ports of every emitted module with state, and neither is a signal in a
//! description. Every register has a reset value. Memories do nothing under reset.

pub mod bundle;
mod check;
mod cost;
mod design;
mod error;
mod fold;
pub mod fst;
mod handle;
pub mod instance;
mod interp;
pub mod ir;
#[cfg(feature = "jit")]
mod jit;
pub mod memory;
pub mod module;
mod names;
mod op;
mod operators;
pub mod reopen;
mod semantics;
mod sim;
pub mod states;
mod trace;
pub mod value;
pub mod verilog;
mod violation;
pub mod wave;
pub mod whole;
mod words;

pub use bundle::{Bundle, Empty, Fields, Kind, Signals, Values, Widths};
pub use cost::{Cost, MemoryShape};
pub use design::{Design, SimError};
pub use error::{BuildError, ErrorKind, Errors};
pub use handle::{Item, Reg, Wire};
pub use instance::{Inst, Library};
pub use ir::{Def, Definition, ReadDuringWrite};
pub use memory::{Memory1R1W, Memory1Rw};
pub use module::Module;
pub use operators::Amount;
pub use sim::{Input, MemoryId, Probe, Simulator, Violation, ViolationKind};
pub use states::{StateInfo, States};
pub use trace::{TraceOptions, Tracer};
pub use value::{E, Operand, S, Signal, U};

/// Bits that hold the values `0..n`; at least 1.
#[must_use]
pub fn bits_for(n: u64) -> u32 {
    (64 - n.saturating_sub(1).leading_zeros()).max(1)
}
