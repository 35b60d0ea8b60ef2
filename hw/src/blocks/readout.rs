//! The readout: what the host reads from the cores after the last barrier.
//!
//! ```text
//!                      +-----------+
//!   read, core ------->|           |----> data
//!   address ---------->|  readout  |----> overflow, overflow_step
//!   data_0..n-1 ------>|           |
//!   overflow_0..n-1 -->|           |----> core_read, core_address
//!                      +-----------+
//!
//!   cycle          c          c+1        c+2
//!   read           1
//!   core, address  k, a
//!   data_k                    score a
//!   data                                 score a of core k
//! ```
//!
//! The address goes to all cores, whose score memories answer in the next cycle; the word of the chosen core is
//! registered.
//!
//! Latency: two cycles from the address to `data`.
//! Throughput: a word a cycle.
//! Limits: scores of at most 64 bits, all cores with as many.
//! Undefined: a core or an address that is not there, and scores before the end of the sample, when the memories
//! serve the neurons.

use super::shared_queue::STEP_BITS;
use rtl::{Def, Errors, Library, bits_for};

/// The readout of this many cores, each with `scores` words of `bits`.
///
/// # Errors
/// What is wrong with the description.
pub fn readout(library: &mut Library, cores: u32, scores: u32, bits: u32) -> Result<Def, Errors> {
    let parameters = [("cores", cores.into()), ("scores", scores.into()), ("bits", bits.into())];
    library.define("readout", &parameters, |m| {
        m.doc("Chooses among the scores of the cores.");
        let read = m.input("read", 1).doc("Read a score.");
        let core = m.input("core", bits_for(cores.into())).doc("Index of a core.");
        let address = m.input("address", bits_for(scores.into())).doc("Index of a score in it.");
        let inputs = |name: &str, bits| -> Vec<_> {
            (0..cores).map(|i| m.input(&format!("{name}_{i}"), bits)).collect()
        };
        let data: Vec<_> = (0..cores).map(|i| m.input_s(&format!("data_{i}"), bits)).collect();
        let overflow = inputs("overflow", 1);
        let step = inputs("overflow_step", STEP_BITS);
        let chosen = m.delayed("chosen", core).doc("The core whose data come.");
        m.output("core_read", read).doc("To every core: read a score.");
        m.output("core_address", address).doc("To the score memory of every core.");
        m.output("data", m.delayed("data_out", m.index(chosen, &data))).doc("The score.");
        m.output("overflow", m.delayed("overflow_out", m.index(chosen, &overflow)))
            .doc("The core's queue overflowed.");
        m.output("overflow_step", m.delayed("overflow_step_out", m.index(chosen, &step)))
            .doc("The step in which it did first.");
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::blocks::test::lint;
    use rtl::Simulator;

    #[test]
    fn the_chosen_core_answers_after_two_cycles() {
        let mut sim = Simulator::new(&readout(&mut Library::new(), 5, 8, 48).unwrap());
        for i in 0..5u64 {
            let data = sim.input(&format!("data_{i}")).unwrap();
            sim.set_s(data, -100 - i.cast_signed());
            for (name, value) in [("overflow", i & 1), ("overflow_step", 7 * i)] {
                let input = sim.input(&format!("{name}_{i}")).unwrap();
                sim.set(input, value);
            }
        }
        let (core, address) = (sim.input("core").unwrap(), sim.input("address").unwrap());
        sim.set(address, 6);
        assert_eq!(sim.peek("core_address").unwrap(), 6);
        let data = sim.probe("data").unwrap();
        // Another core in every cycle; each answers two cycles later.
        for cycle in 0..7u64 {
            sim.set(core, cycle % 5);
            if let Some(i) = cycle.checked_sub(2) {
                assert_eq!(sim.get_s(data), -100 - i.cast_signed());
                let seen = ["overflow", "overflow_step"].map(|n| sim.peek(n).unwrap());
                assert_eq!(seen, [i & 1, 7 * i]);
            }
            sim.step().unwrap();
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        lint(&readout(&mut Library::new(), 5, 8, 48).unwrap());
        lint(&readout(&mut Library::new(), 1, 1, 64).unwrap());
    }
}
