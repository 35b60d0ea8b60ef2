//! The writer's end of a link: its credits and its output register (`TIMING.md` section 2).
//!
//! ```text
//!                +-----------------------+
//!      send ---->|  credits   out_valid  |----> <name>_valid
//!      flit ====>|            out_flit   |====> <name>_flit
//!     ready <----|                       |<---- returned
//!                +-----------------------+
//!
//!   cycle          c        c+1      c+2     ..  p       p+1
//!   send           1
//!   <name>_valid            1
//!   buffer                           head                      at the reader
//!   returned                                     1             the reader took it
//!   credits        n        n-1      n-1         n-1     n
//! ```
//! A part of the module that writes, not a module of its own.
//!
//! Latency: one cycle from `send` to `<name>_valid`; two to the head of the buffer.
//! Throughput: a flit a cycle while credits last, which 3 credits or more sustain.
//! Limits: a buffer of 1 to 1024 flits, a flit of at most 64 bits.
//! Undefined: a send without a credit and a credit for nothing, both asserted.
//! Tests: `injector.rs`, `router.rs`

use super::credits::Credits;
use rtl::{Module, U};

/// The end of a link at which flits are sent.
#[derive(Clone, Copy)]
pub struct Writer<'m> {
    /// 1 where a flit may be sent in this cycle.
    pub ready: U<'m>,
    m: &'m Module,
    credits: Credits<'m>,
}

impl<'m> Writer<'m> {
    /// A writer that holds the credits of a buffer of `depth` flits, in the register `<name>_credits`.
    #[track_caller]
    pub fn new(m: &'m Module, name: &str, depth: u32) -> Self {
        let credits = Credits::new(m, &format!("{name}_credits"), depth.into());
        Self { ready: credits.usable, m, credits }
    }

    /// Sends `flit` where `send` holds and takes back a credit where `returned` holds; makes the outputs
    /// `<name>_valid` and `<name>_flit`. Gives 1 where any of its registers may change.
    #[track_caller]
    pub fn drive(self, name: &str, send: U<'m>, flit: U<'m>, returned: U<'m>) -> U<'m> {
        let m = self.m;
        self.credits.drive(&format!("{name}_credits"), send, returned);
        let valid = m.delayed(&format!("{name}_valid"), send);
        let word = m.reg(&format!("{name}_flit"), flit.width(), 0);
        word.set_if(send, flit);
        m.output(&format!("{name}_valid"), valid).doc("A flit is on the link.");
        m.output(&format!("{name}_flit"), word.q).doc("Axon, row, column, parity, from the top.");
        valid | send | returned
    }
}
