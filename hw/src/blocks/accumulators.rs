//! Accumulators: what arrives for a neuron in a step is summed here (`TIMING.md` sections 5, 7, 8).
//!
//! ```text
//!                       +---------------------+
//!   add, neuron, slot-->|  accumulators       |===> sum    the word that was read
//!          add_weight==>|  (1r1w or 1rw)      |---> write, neuron, slot   an add in its write cycle
//!        read, neuron-->|                     |===> weight, data
//!       clear, neuron-->|                     |
//!       wipe, address-->|                     |
//!                       +---------------------+
//!
//!   two adds to one accumulator, 1r1w
//!   cycle          c       c+1       c+2
//!   add            1       1
//!   neuron, slot   A       A
//!   add_weight     5       7
//!   sum                    0         5 (forwarded)
//!   write                  1         1
//!   data                   5         12
//! ```
//! An add reads its accumulator in the cycle in which it comes, and writes the sum in the next: one read-modify-write a cycle.
//! **Hazard**: with 1r1w the next add may read the word that is being written; the memory forwards it, which is the only
//! forwarding path. With 1rw adds come every other cycle and reads never meet writes.
//! The soma reads a word in r (`read`) and clears it in r + 3 (`clear`); the reset phase clears a word a cycle (`wipe`).
//!
//! The address is neuron << slots_log2 | slot for a ring buffer, the neuron for a shared queue.
//! Latency: 1 cycle from add to write.
//! Throughput: an add a cycle (1r1w), every second cycle (1rw).
//! Limits: sums are as wide as the compiler proved enough (asserted).
//! Undefined: two reads or two writes in one cycle (asserted).

use super::shape::{Shape, fit};
use super::store::Store;
use rtl::{Def, Errors, Library, ReadDuringWrite};

/// The accumulators of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn accumulators(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let (neuron_bits, bits) = (shape.widths.neuron, shape.accumulator_bits);
    let slot_bits = if shape.slots > 1 { shape.widths.delay } else { 0 };
    let address_bits = shape.accumulator_address();
    let parameters = [
        ("words", shape.accumulators),
        ("bits", bits.into()),
        ("neuron", neuron_bits.into()),
        ("slot", slot_bits.into()),
        ("ports", 3 - shape.synapse_interval()),
    ];
    library.define("accumulators", &parameters, |m| {
        m.doc("Accumulators: adds in one cycle, clears for the soma.");
        let add = m.input("add", 1).doc("A weight comes.");
        let add_neuron = m.input("add_neuron", neuron_bits).doc("Its neuron.");
        let add_weight = m.input_s("add_weight", bits);
        let read = m.input("read", 1).doc("The soma reads a neuron's sum of this step.");
        let read_neuron = m.input("read_neuron", neuron_bits);
        let clear = m.input("clear", 1).doc("The soma clears it.");
        let clear_neuron = m.input("clear_neuron", neuron_bits);
        let wipe = m.input("wipe", 1).doc("The reset phase clears a word.");
        let wipe_address = m.input("wipe_address", address_bits);
        let write = m.reg("write", 1, 0).doc("The last add is written.");
        let neuron = m.reg("neuron", neuron_bits, 0).doc("Its neuron.");
        let weight = m.reg_s("weight", bits, 0).doc("Its weight, shifted.");
        write.set(add);
        neuron.set_if(add, add_neuron);
        weight.set_if(add, add_weight);

        let mut from = add.mux(add_neuron, read_neuron);
        let mut to = write.q.mux(neuron.q, clear_neuron);
        if slot_bits > 0 {
            let add_slot = m.input("add_slot", slot_bits).doc("The slot that the weight is for.");
            let head = m.input("head", slot_bits).doc("The slot of this step, for the soma.");
            let slots_log2 = m.input("slots_log2", shape.slots_log2()).doc("Slots of a neuron.");
            let slot = m.reg("slot", slot_bits, 0).doc("Slot of the last add.");
            slot.set_if(add, add_slot);
            let most = address_bits.max(neuron_bits).max(slot_bits);
            from = (from.zext(most) << slots_log2) | add.mux(add_slot, head).zext(most);
            to = (to.zext(most) << slots_log2) | write.q.mux(slot.q, head).zext(most);
            m.output("slot", slot.q);
        }
        let read_address = fit(from, address_bits).named("read_address");
        let write_address = wipe.mux(wipe_address, fit(to, address_bits)).named("write_address");
        let memory = Store::new(
            m,
            "accumulators",
            shape.accumulators,
            bits,
            shape.accumulator_ports,
            ReadDuringWrite::Forward,
        );
        let sum = memory.data.as_s();
        let exact = sum.add_wide(weight.q);
        let data = exact.trunc(bits).named("data").doc("The new sum.");
        let written = write.q.mux(data.as_u(), m.u(0, bits));
        memory.drive(
            "accumulators",
            (read_address, add | read),
            (write_address, write.q | clear | wipe, written),
        );
        m.assert("one_read", !(add & read), "a weight is added while the soma reads");
        let writers = (write.q & clear) | (write.q & wipe) | (clear & wipe);
        m.assert("one_write", !writers, "two accumulators are written in one cycle");
        m.assert("sum_fits", !write.q | data.sext(bits + 1).eq(exact), "a sum is wider than an accumulator");
        m.idle_when(!add & !read & !clear & !wipe & !write.q);
        m.output("sum", sum).doc("The word that was read.");
        m.output("write", write.q);
        m.output("neuron", neuron.q);
        m.output("weight", weight.q);
        m.output("data", data);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint, set, shapes};
    use rtl::Simulator;
    use std::collections::HashMap;

    #[test]
    fn adds_to_the_same_word_one_after_the_other_lose_nothing() {
        for shape in shapes() {
            let def = accumulators(&mut Library::new(), &shape).expect("a right description");
            let mut sim = Simulator::new(&def);
            let mut random = Random::new(shape.accumulators + shape.synapse_interval());
            let slots_log2 = if shape.slots > 1 { 2 } else { 0 };
            if shape.slots > 1 {
                set(&mut sim, "slots_log2", slots_log2);
            }
            let mut model: HashMap<u64, i64> = HashMap::new();
            for cycle in 0..600 {
                let add = random.one_in(2) && cycle % shape.synapse_interval() == 0;
                let (neuron, slot) = (random.below(2), random.below(1 << slots_log2));
                let weight = random.range(-900, 900);
                set(&mut sim, "add", add.into());
                set(&mut sim, "add_neuron", neuron);
                if shape.slots > 1 {
                    set(&mut sim, "add_slot", slot);
                }
                let input = sim.input("add_weight").unwrap();
                sim.set_s(input, weight);
                sim.step().expect("no violation");
                if add {
                    let sum = model.entry(neuron << slots_log2 | slot).or_default();
                    *sum += weight;
                    assert_eq!(sim.peek("write").unwrap(), 1);
                    let data = sim.probe("data").unwrap();
                    assert_eq!(sim.get_s(data), *sum, "cycle {cycle}");
                }
            }
            set(&mut sim, "add", 0);
            sim.step().expect("no violation");
            let memory = sim.memory("accumulators").unwrap();
            for (address, sum) in model {
                let mask = (1 << shape.accumulator_bits) - 1;
                assert_eq!(sim.word(memory, address), sum.cast_unsigned() & mask);
            }
        }
    }

    #[test]
    fn a_sum_that_does_not_fit_is_a_violation() {
        let shape = shapes()[0];
        let def = accumulators(&mut Library::new(), &shape).expect("a right description");
        let mut sim = Simulator::new(&def);
        set(&mut sim, "add", 1);
        let weight = sim.input("add_weight").unwrap();
        sim.set_s(weight, (1 << (shape.accumulator_bits - 1)) - 1);
        sim.run(2).expect("one is the largest");
        assert_eq!(sim.step().unwrap_err().name, "sum_fits");
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for shape in shapes() {
            lint(&accumulators(&mut Library::new(), &shape).expect("a right description"));
        }
    }
}
