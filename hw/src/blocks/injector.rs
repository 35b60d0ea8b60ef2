//! An injector: input spikes enter the mesh here (`hw/TIMING.md`, section 4).
//!
//! ```text
//!                +------------+
//!   valid ------>|            |----> out_valid
//!   target ----->|  injector  |----> out_flit
//!   idle ------->|            |<---- out_credit
//!   ready <------|            |----> quiet, sent
//!   parity ----->|            |
//!                +------------+
//!
//!   cycle       s      s+1    s+2    s+3
//!   valid     __/~~~~~~~~~~~~~\_________
//!   target      A      B                   (x, y, axon)
//!   idle      ~~\_____________/~~~~~~~~~
//!   ready     __/~~~~~~~~~~~~~~~~~~~~~~~   a credit is there
//!   out_flit         | A    | B    |
//!   quiet     ~~\_____________/~~~~~~~~~
//! ```
//!
//! The host offers the targets of a step one after the other from the cycle of the step's start on, and says `idle` when
//! it has no more; the flit takes the parity of the step.
//!
//! Latency: one cycle from `valid` and `ready` to `out_valid`.
//! Throughput: a flit a cycle as credits allow.
//! Limits: a buffer of 1 to 1024 flits at the router; one injector a side of the mesh's edge.
//! Undefined: an offer between the barrier's quiet and its release, or `idle` before the last offer.

use super::link::Writer;
use crate::layout::Widths;
use rtl::{Def, Errors, Library};

/// An injector that writes to a router's buffer of `depth` flits.
///
/// # Errors
/// What is wrong with the description.
pub fn injector(library: &mut Library, w: &Widths, depth: u32) -> Result<Def, Errors> {
    let parameters =
        [("x", w.x.into()), ("y", w.y.into()), ("axon", w.axon.into()), ("buffer", depth.into())];
    library.define("injector", &parameters, |m| {
        m.doc("Sends the targets that the host offers into the mesh.");
        let parity = m.input("parity", 1).doc("Lowest bit of the present step.");
        let valid = m.input("valid", 1).doc("The host offers a target.");
        let target = m.input("target", w.x + w.y + w.axon).doc("Column, row, axon.");
        let idle = m.input("idle", 1).doc("The host has no more targets in this step.");
        let credit = m.input("out_credit", 1).doc("The router took a flit.");
        m.assume(
            "idle_offers_nothing",
            !(idle & valid),
            "the host offers a target and says that it has none",
        );

        let writer = Writer::new(m, "out", depth);
        let ready = writer.ready;
        let send = (valid & ready).named("send");
        let busy = writer.drive("out", send, target.cat(parity), credit);
        m.output("ready", ready).doc("An offered target is sent in this cycle.");
        m.output("sent", send).doc("A flit is sent.");
        m.output("quiet", idle).doc("Nothing is left to send in this step.");
        m.idle_when(!busy);
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::blocks::test::lint;
    use crate::platform::{Platform, Structure};
    use rtl::Simulator;

    fn bench(depth: u32) -> Simulator {
        let w = Widths::new(&Platform::load("loihi").unwrap(), Structure::RingBuffer);
        Simulator::new(&injector(&mut Library::new(), &w, depth).unwrap())
    }

    #[test]
    fn sends_a_flit_a_cycle_while_credits_last() {
        let mut sim = bench(2);
        let [valid, target, idle, parity, credit] =
            ["valid", "target", "idle", "parity", "out_credit"].map(|n| sim.input(n).unwrap());
        sim.set(valid, 1);
        sim.set(parity, 1);
        let mut sent = Vec::new();
        for cycle in 0..8u64 {
            sim.set(target, 5 + cycle);
            sim.set(credit, (cycle == 4).into());
            if sim.peek("ready").unwrap() == 1 {
                sent.push(cycle);
            }
            assert_eq!(sim.peek("quiet").unwrap(), 0);
            sim.step().unwrap();
            if sent.last() == Some(&cycle) {
                assert_eq!(sim.peek("out_valid").unwrap(), 1);
                assert_eq!(sim.peek("out_flit").unwrap(), (5 + cycle) << 1 | 1);
            }
        }
        assert_eq!(sent, [0, 1, 5], "the credit of cycle 4 is usable from cycle 5");
        sim.set(valid, 0);
        sim.set(idle, 1);
        assert_eq!(sim.peek("quiet").unwrap(), 1);
    }

    #[test]
    fn a_credit_too_many_is_caught() {
        let mut sim = bench(1);
        let credit = sim.input("out_credit").unwrap();
        sim.set(credit, 1);
        assert_eq!(sim.step().unwrap_err().name, "out_credits_returned");
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        let w = Widths::new(&Platform::load("loihi").unwrap(), Structure::RingBuffer);
        lint(&injector(&mut Library::new(), &w, 3).unwrap());
    }
}
