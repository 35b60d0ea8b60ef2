//! Ring buffer = array of sums.

use super::{Alter, Circuit, Dice, Property, same};
use hw::blocks::ring_buffer::ring_buffer;
use hw::blocks::shape::Shape;
use hw::platform::Ports;
use hw::{Platform, Structure};
use proptest::collection::vec;
use proptest::prelude::*;
use rtl::Library;

/// The property.
pub fn property() -> Property {
    Property {
        name: "ring buffer",
        claim: "an array of sums, one for each neuron and step, each read and cleared in its step",
        check: |search| search.over(&case(), run),
    }
}

/// Neuron, delay (modulo the ring), weight, empty cycles after it.
type Add = (u64, u64, i64, u8);

#[derive(Debug)]
struct Case {
    neurons: u32,
    /// Slots of the platform, and of those in use, as powers of two.
    log2: (u32, u32),
    bits: u8,
    ports: Ports,
    steps: Vec<Vec<Add>>,
    /// Of the soma's stalls.
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let add = (any::<u64>(), any::<u64>(), prop_oneof![Just(-128i64), Just(127), -128..=127i64], 0..3u8);
    // Few neurons and short rings often, so that adds meet.
    let neurons = prop_oneof![1..4u32, 1..=64u32];
    let ports = prop_oneof![Just(Ports::OneRw), Just(Ports::OneReadOneWrite)];
    let log2 = (1..=6u32).prop_flat_map(|most| (Just(most), 1..=most));
    (neurons, log2, 20..=36u8, ports, vec(vec(add, 0..24), 1..12), any::<u64>()).prop_map(
        |(neurons, log2, bits, ports, steps, seed)| Case { neurons, log2, bits, ports, steps, seed },
    )
}

fn run(case: &Case, alter: Alter<'_>) -> Result<(), String> {
    let mut p = Platform::load("loihi").expect("the preset");
    p.core.neurons = case.neurons;
    p.ring_buffer.slots = 1 << case.log2.0;
    p.ring_buffer.accumulators = case.neurons << case.log2.0;
    (p.ring_buffer.accumulator_bits, p.ring_buffer.accumulator_ports) = (case.bits, case.ports);
    let shape = Shape::new(&p, Structure::RingBuffer);
    let mut c = Circuit::new(ring_buffer(&mut Library::new(), &shape).expect("a ring"), alter);
    c.set("slots_log2", case.log2.1);
    let slots = 1u64 << case.log2.1;
    // What the memory held is cleared first, as before each sample.
    let memory = c.0.memory("accumulator.accumulators").expect("the memory");
    for address in 0..c.0.words(memory) {
        c.0.set_word(memory, address, 3);
    }
    for address in 0..u64::from(case.neurons) << case.log2.1 {
        c.set("wipe", 1u64);
        c.set("wipe_address", address);
        c.step()?;
    }
    c.set("wipe", 0u64);
    // Once around the ring more, so that every sum is read.
    let steps = case.steps.len() + slots as usize;
    let mut sums = vec![vec![0i64; case.neurons as usize]; steps + slots as usize];
    let mut dice = Dice::new(case.seed);
    for step in 0..steps {
        c.set("start", 1u64);
        c.set("first", u64::from(step == 0));
        for neuron in 0..case.neurons {
            c.set("read", 1u64);
            c.set("read_neuron", neuron);
            c.step()?;
            c.set("start", 0u64);
            c.set("read", 0u64);
            same(c.get_s("sum"), sums[step][neuron as usize], &format!("step {step}, neuron {neuron}"))?;
            for _ in 0..dice.below(3) {
                c.step()?;
            }
            c.set("clear", 1u64);
            c.set("clear_neuron", neuron);
            c.step()?;
            c.set("clear", 0u64);
        }
        for &(neuron, delay, weight, stalls) in case.steps.get(step).into_iter().flatten() {
            let (neuron, delay) = (neuron % u64::from(case.neurons), 1 + delay % (slots - 1));
            sums[step + delay as usize][neuron as usize] += weight;
            c.set("add", 1u64);
            c.set("add_neuron", neuron);
            c.set("add_delay", delay);
            c.set_s("add_weight", weight);
            c.step()?;
            c.set("add", 0u64);
            for _ in 0..u64::from(stalls).max(shape.synapse_interval() - 1) {
                c.step()?;
            }
        }
        c.step()?;
    }
    Ok(())
}
