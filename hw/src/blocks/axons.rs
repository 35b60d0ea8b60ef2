//! Axon table: stage R of an event (`TIMING.md` sections 7 and 8).
//!
//! ```text
//!               +--------------------+
//!      read --->|  axons (1rw)       |---> valid, ready
//!      axon ===>|                    |===> base, shift
//!     enter --->|                    |===> count (ring buffer)
//!               +--------------------+
//!
//!   cycle       p      p+1    ..  q      q+1
//!   read        1                 (1)
//!   axon        A                 (B)
//!   valid              1      1   1      (1)
//!   base, ..           row A      row A  (row B)
//!   enter                         1
//!   ready       1      0      0   1      0
//! ```
//! A row that is read in p stands at the memory's output from p+1 until the event enters the synapse stage in q; the next
//! may be read in q.
//!
//! Latency: one cycle.
//! Throughput: a row a cycle.
//! Limits: `core.input_axons` rows; one row waits at a time.
//! Undefined: an axon that has no row, a read while `ready` is 0 (asserted), the row while `valid` is 0.

use super::shape::{Shape, at_least_two};
use crate::layout::SHIFT_BITS;
use crate::platform::Structure;
use rtl::{Def, Errors, Library};

/// The axon table of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn axons(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let w = shape.widths;
    let count_bits = if shape.structure() == Structure::RingBuffer { w.list } else { 0 };
    let parameters = [
        ("words", shape.axons),
        ("axon", w.axon.into()),
        ("base", w.synapse_address.into()),
        ("count", count_bits.into()),
    ];
    library.define("axons", &parameters, |m| {
        m.doc("Axon table: where the synapses of an input axon are. Holds the row of the event that waits.");
        let read = m.input("read", 1).doc("Addresses the row of an axon.");
        let axon = m.input("axon", w.axon);
        let enter = m.input("enter", 1).doc("The event whose row is held goes on.");
        let valid = m.reg("valid", 1, 0).doc("A row is held.");
        let ready = !valid.q | enter;
        valid.set_first(&[(read, m.u(1, 1)), (enter, m.u(0, 1))]);
        let table = m.memory_1rw("axons", at_least_two(shape.axons), w.axon_row()).loadable();
        let row = table
            .read(axon, read)
            .named("row")
            .doc("Base, count (ring buffer), shift from the lowest bit up.");
        m.assert("row_is_kept", !read | ready, "a row is read over one that waits");
        m.assert("enter_is_real", !enter | valid.q, "an event goes on that is not there");
        m.idle_when(!read & !enter);
        m.output("valid", valid.q);
        m.output("ready", ready).doc("A row may be read in this cycle.");
        let (base, rest) = (w.synapse_address, w.synapse_address + count_bits);
        m.output("base", row.slice(0..base)).doc("Address of the axon's first synapse.");
        if count_bits > 0 {
            m.output("count", row.slice(base..rest)).doc("How many synapses it has in this core.");
        }
        m.output("shift", row.slice(rest..rest + SHIFT_BITS)).doc("Left shift of their weights.");
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{lint, shapes};
    use crate::layout::AxonRow;
    use rtl::Simulator;

    #[test]
    fn a_row_is_there_after_one_cycle_and_stays_until_its_event_goes_on() {
        for shape in shapes() {
            let ring = shape.structure() == Structure::RingBuffer;
            let def = axons(&mut Library::new(), &shape).expect("a right description");
            let mut sim = Simulator::new(&def);
            let row = |i: u32| AxonRow { base: 3 + i, count: if ring { i + 1 } else { 0 }, shift: i as u8 };
            let words: Vec<_> = (0..4).map(|i| shape.widths.pack_axon_row(row(i))).collect();
            let memory = sim.memory("axons").unwrap();
            sim.load(memory, &words).unwrap();
            let [read, axon, enter] = ["read", "axon", "enter"].map(|n| sim.input(n).unwrap());
            let mut step = |r: u64, a: u64, e: u64, held: Option<u32>| {
                sim.set(read, r);
                sim.set(axon, a);
                sim.set(enter, e);
                assert_eq!(sim.peek("valid").unwrap(), u64::from(held.is_some()));
                assert_eq!(sim.peek("ready").unwrap(), u64::from(held.is_none() || e == 1));
                if let Some(i) = held {
                    assert_eq!(sim.peek("base").unwrap(), u64::from(row(i).base));
                    assert_eq!(sim.peek("shift").unwrap(), u64::from(row(i).shift));
                    if ring {
                        assert_eq!(sim.peek("count").unwrap(), u64::from(row(i).count));
                    }
                }
                sim.step().map_err(|v| v.name)
            };
            step(1, 2, 0, None).unwrap();
            step(0, 0, 0, Some(2)).unwrap();
            step(0, 3, 0, Some(2)).unwrap();
            step(1, 1, 1, Some(2)).unwrap();
            step(0, 0, 1, Some(1)).unwrap();
            step(1, 3, 0, None).unwrap();
            assert_eq!(step(1, 3, 0, Some(3)).unwrap_err(), "row_is_kept");
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for shape in shapes() {
            lint(&axons(&mut Library::new(), &shape).expect("a right description"));
        }
    }
}
