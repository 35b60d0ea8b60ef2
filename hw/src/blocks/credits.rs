//! Credits: what the writer of a buffer knows of the room in it (`TIMING.md` section 2).
//!
//! ```text
//!                +---------+
//!      send  --->|         |
//!                | credits |---> usable
//!  returned  --->|         |
//!                +---------+
//!
//!   cycle       c      c+1     ..      p      p+1
//!   send        1
//!   returned                           1
//!   register    k      k-1     k-1     k-1    k
//! ```
//! A counter in the module of the writer: full at reset, one less from the cycle after a send, one more from the cycle
//! after a returned credit. `usable` is the register alone, so that a credit never comes through the mesh in one cycle.
//!
//! Latency: one cycle from `send` or `returned` to `usable`.
//! Throughput: a send and a return a cycle. A place comes back after 3 cycles at the earliest: 3 credits sustain a flit a
//! cycle, 2 two flits in three cycles, 1 one flit in three.
//! Limits: depth 1 to 1024 as the platform has it.
//! Undefined: to send without a credit, and a credit for a flit that was never sent. Both are asserted.

use rtl::{Module, Reg, U, bits_for};

/// The counter of a writer.
#[derive(Clone, Copy)]
pub struct Credits<'m> {
    /// 1 where a flit may be sent in this cycle.
    pub usable: U<'m>,
    m: &'m Module,
    count: Reg<'m, U<'m>>,
    depth: u64,
}

impl<'m> Credits<'m> {
    /// A counter for a buffer of `depth` words, as the register `name`.
    #[track_caller]
    pub fn new(m: &'m Module, name: &str, depth: u64) -> Self {
        let count =
            m.reg(name, bits_for(depth + 1), depth).doc("Free places of the buffer that is written to.");
        Self { usable: count.q.any(), m, count, depth }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> U<'m> {
        self.count.q
    }

    /// Says when a flit is sent and when a credit comes back.
    #[track_caller]
    pub fn drive(self, name: &str, send: U<'m>, returned: U<'m>) {
        let next = returned.mux(self.count.q + 1, self.count.q - 1);
        self.count.set_if(send ^ returned, next);
        self.m.assert(&format!("{name}_spent"), !send | self.usable, "a flit is sent without a credit");
        let full = self.count.q.eq(self.depth);
        self.m.assert(
            &format!("{name}_returned"),
            !returned | !full,
            "a credit comes back that was never spent",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtl::Simulator;

    #[test]
    fn a_credit_is_spent_from_the_next_cycle_and_comes_back_from_the_next() {
        let m = Module::new("writer", &[]);
        let credits = Credits::new(&m, "credits", 2);
        let (send, returned) = (m.input("send", 1), m.input("returned", 1));
        credits.drive("credits", send, returned);
        m.output("usable", credits.usable);
        let def = m.finish().expect("a right description");
        let mut sim = Simulator::new(&def);
        let (send, returned) = (sim.input("send").unwrap(), sim.input("returned").unwrap());
        let mut count = 2;
        for (s, r) in [(1, 0), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0), (0, 1), (0, 1)] {
            // With both at once the count stays; a credit of this cycle is not usable in it.
            let s = s & u64::from(count > 0);
            sim.set(send, s);
            sim.set(returned, r);
            assert_eq!(sim.peek("usable").unwrap(), u64::from(count > 0));
            sim.step().expect("no violation");
            count = count - s + r;
            assert_eq!(sim.peek("credits").unwrap(), count);
        }
        sim.set(send, 0);
        sim.set(returned, 1);
        assert_eq!(count, 2);
        assert_eq!(sim.step().unwrap_err().name, "credits_returned");
    }
}
