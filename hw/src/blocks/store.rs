//! A memory of state whose ports the platform chooses: 1r1w, or 1rw with the reads and writes in different cycles.
//!
//! ```text
//!                 +-------------+
//!   read, addr -->|   words     |===> data (from the next cycle on, until the next read)
//!  write, addr -->| 1r1w or 1rw |
//!   write data ==>|             |
//!                 +-------------+
//!
//!   cycle        c      c+1    c+2
//!   write        1
//!   write data   D
//!   read                1                of the same address
//!   data                       D
//! ```
//! Latency: one cycle from a read to its data; a word that is written in c can be read from c + 1.
//! Throughput: a read and a write a cycle (1r1w), one of them (1rw).
//! Limits: words of at most 64 bits.
//! Undefined: a read and a write in one cycle with 1rw; both are asserted never to meet.
//! Tests: `accumulators.rs`, `soma.rs`, with both kinds of ports

use super::shape::at_least_two;
use crate::platform::Ports;
use rtl::{Memory1R1W, Memory1Rw, Module, ReadDuringWrite, U};

/// A memory of an open module.
#[derive(Clone, Copy)]
pub struct Store<'m> {
    /// The word that was read last.
    pub data: U<'m>,
    m: &'m Module,
    kind: Kind<'m>,
}

#[derive(Clone, Copy)]
enum Kind<'m> {
    One(Memory1Rw<'m>),
    Two(Memory1R1W<'m>),
}

impl<'m> Store<'m> {
    /// A memory; `rule` is for 1r1w.
    #[track_caller]
    pub fn new(
        m: &'m Module,
        name: &str,
        words: u64,
        bits: u32,
        ports: Ports,
        rule: ReadDuringWrite,
    ) -> Self {
        let words = at_least_two(words);
        match ports {
            Ports::OneRw => {
                let memory = m.memory_1rw(name, words, bits);
                Self { data: memory.data, m, kind: Kind::One(memory) }
            }
            Ports::OneReadOneWrite => {
                let memory = m.memory_1r1w(name, words, bits, rule);
                Self { data: memory.data, m, kind: Kind::Two(memory) }
            }
        }
    }

    /// Drives it: (address, enable) of the read, (address, enable, data) of the write.
    #[track_caller]
    pub fn drive(self, name: &str, read: (U<'m>, U<'m>), write: (U<'m>, U<'m>, U<'m>)) {
        match self.kind {
            Kind::One(memory) => {
                memory.access(write.1.mux(write.0, read.0), read.1 | write.1, write.1, write.2);
                let text = "one port cannot read and write in one cycle";
                self.m.assert(&format!("{name}_one_port"), !(read.1 & write.1), text);
            }
            Kind::Two(memory) => {
                memory.read(read.0, read.1);
                memory.write(write.0, write.1, write.2);
            }
        }
    }
}
