//! Ring buffer: for each neuron a ring of accumulators, one for each step ahead (`TIMING.md` section 7).
//!
//! ```text
//!                           +----------------------+
//!            start, first-->| head                 |===> head
//!  add, neuron, delay ----->|   |                  |
//!              add_weight==>|   v   slot           |---> write, neuron, slot, weight, data
//!    read, read_neuron ---->| +--------------+     |
//!   clear, clear_neuron --->| | accumulators |     |===> sum
//!    wipe, wipe_address --->| +--------------+     |
//!                           +----------------------+
//!
//!   cycle        s(t)     ..   c           c+1        ..  s(t+1)
//!   start        1                                        1
//!   head         h        ..   h           h          ..  h+1
//!   add                        1
//!   add_delay                  d
//!   write                                  1
//!   slot                                   h+d mod slots
//! ```
//! Only the release of the barrier (`start`) advances the head; the new one is valid in the cycle of `start` itself. A weight of
//! delay d is added to slot (head + d) mod slots; the soma reads and clears the slot of the head.
//!
//! Waves of it alone: `waves/ring-buffer-block.vcd`.
//!
//! Latency: none from `start` to `head`; 1 cycle from `add` to `write`.
//! Throughput: an add a cycle (1r1w), every second cycle (1rw), as in [`accumulators`](super::accumulators).
//! Limits: slots in use are a power of two up to the platform's; a delay is 1 .. slots - 1 (asserted).
//! Undefined: `slots_log2` that changes in a run; what [`accumulators`](super::accumulators) leave undefined: two reads or
//! two writes in one cycle (asserted).

use super::accumulators::accumulators;
use super::shape::Shape;
use rtl::{Def, Errors, Library};

/// The ring buffer of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn ring_buffer(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let inner = accumulators(library, shape)?;
    let (neuron_bits, slot_bits, bits) = (shape.widths.neuron, shape.widths.delay, shape.accumulator_bits);
    let parameters = [
        ("words", shape.accumulators),
        ("bits", bits.into()),
        ("neuron", neuron_bits.into()),
        ("slots", shape.slots),
        ("ports", 3 - shape.synapse_interval()),
    ];
    library.define("ring_buffer", &parameters, |m| {
        m.doc("Ring buffer: a weight of delay d is added to the slot d steps ahead of the head.");
        let start = m.input("start", 1).doc("A step begins: the barrier releases.");
        let first = m.input("first", 1).doc("With start: it is step 0.");
        let slots_log2 = m.input("slots_log2", shape.slots_log2()).doc("Slots of a neuron in use.");
        let add = m.input("add", 1).doc("A weight comes.");
        let delay = m.input("add_delay", slot_bits).doc("In how many steps it is due.");
        let kept = m.reg("kept_head", slot_bits, 0).doc("The head of the step that began last.");
        let slots = m.u(1, slot_bits + 1) << slots_log2;
        let mask = (slots - 1).trunc(slot_bits).named("slot_mask");
        let zero = m.u(0, slot_bits);
        let next = first.mux(zero, (kept.q + 1) & mask);
        let head = start.mux(next, kept.q).named("head").doc("The slot of this step.");
        kept.set_if(start, next);
        let slot = (head + delay) & mask;
        m.assert("delay_in_range", !add | (delay.any() & delay.le(mask)), "a delay is not 1 .. slots - 1");

        let accumulator = m.instance("accumulator", &inner);
        for name in ["read", "clear", "wipe"] {
            accumulator.set(name, m.input(name, 1));
        }
        for name in ["add_neuron", "read_neuron", "clear_neuron"] {
            accumulator.set(name, m.input(name, neuron_bits));
        }
        accumulator
            .set("add", add)
            .set("add_weight", m.input_s("add_weight", bits))
            .set("wipe_address", m.input("wipe_address", shape.accumulator_address()))
            .set("add_slot", slot)
            .set("head", head)
            .set("slots_log2", slots_log2);
        m.output("head", head);
        m.output("sum", accumulator.s("sum")).doc("The word that was read.");
        m.output("write", accumulator.u("write")).doc("A sum is written.");
        m.output("neuron", accumulator.u("neuron"));
        m.output("slot", accumulator.u("slot"));
        m.output("weight", accumulator.s("weight"));
        m.output("data", accumulator.s("data"));
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint, set, set_s, shapes};
    use crate::platform::Structure;
    use rtl::Simulator;

    fn rings() -> impl Iterator<Item = Shape> {
        shapes().into_iter().filter(|s| s.structure() == Structure::RingBuffer)
    }

    /// A ring buffer is an array of sums, one for each neuron and step.
    #[test]
    fn every_weight_is_summed_in_the_step_in_which_it_is_due() {
        for shape in rings() {
            let def = ring_buffer(&mut Library::new(), &shape).expect("a right description");
            let mut sim = Simulator::new(&def);
            let slots_log2 = 2;
            let slots = 1 << slots_log2;
            set(&mut sim, "slots_log2", slots_log2);
            let (neurons, steps) = (shape.neurons as usize, 14);
            let mut sums = vec![vec![0i64; neurons]; steps + slots as usize];
            let mut random = Random::new(7);
            let w = shape.synapse_interval();
            for step in 0..steps {
                // The soma's pass, a read and a clear for each neuron.
                for neuron in 0..neurons as u64 {
                    set(&mut sim, "start", u64::from(neuron == 0));
                    set(&mut sim, "first", u64::from(step == 0));
                    set(&mut sim, "read", 1);
                    set(&mut sim, "read_neuron", neuron);
                    assert_eq!(sim.peek("head").unwrap(), step as u64 % slots);
                    sim.step().expect("no violation");
                    set(&mut sim, "start", 0);
                    set(&mut sim, "read", 0);
                    let sum = sim.probe("sum").unwrap();
                    assert_eq!(sim.get_s(sum), sums[step][neuron as usize], "step {step} neuron {neuron}");
                    set(&mut sim, "clear", 1);
                    set(&mut sim, "clear_neuron", neuron);
                    sim.step().expect("no violation");
                    set(&mut sim, "clear", 0);
                }
                for _ in 0..random.below(30) {
                    let (neuron, delay) = (random.below(2), 1 + random.below(slots - 1));
                    let weight = random.range(-128, 127);
                    sums[step + delay as usize][neuron as usize] += weight;
                    set(&mut sim, "add", 1);
                    set(&mut sim, "add_neuron", neuron);
                    set(&mut sim, "add_delay", delay);
                    set_s(&mut sim, "add_weight", weight);
                    sim.step().expect("no violation");
                    set(&mut sim, "add", 0);
                    sim.run(w - 1).expect("no violation");
                }
                sim.run(2).expect("no violation");
            }
        }
    }

    #[test]
    fn a_delay_beyond_the_ring_is_a_violation() {
        let shape = rings().next().unwrap();
        let def = ring_buffer(&mut Library::new(), &shape).expect("a right description");
        let mut sim = Simulator::new(&def);
        set(&mut sim, "slots_log2", 2);
        set(&mut sim, "add", 1);
        set(&mut sim, "add_delay", 4);
        assert_eq!(sim.step().unwrap_err().name, "delay_in_range");
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for shape in rings() {
            lint(&ring_buffer(&mut Library::new(), &shape).expect("a right description"));
        }
    }
}
