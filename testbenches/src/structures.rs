//! Small waves of the two delay structures alone, which a reader opens beside the timing diagrams of their files.
//!
//! Each structure is the circuit of a small platform; a few steps of the cycles that `TIMING.md` gives it come from here.

use hw::Structure;
use hw::blocks::ring_buffer::ring_buffer;
use hw::blocks::shape::Shape;
use hw::blocks::shared_queue::shared_queue;
use hw::platform::Ports;
use rtl::{Def, Library, Simulator, TraceOptions, Tracer};
use std::error::Error;

/// Clock period of the waves in picoseconds.
pub const PERIOD_PS: u64 = 10_000;
/// Slots of a neuron in use.
pub const SLOTS: u64 = 4;
/// Neurons that are updated in a step.
const NEURONS: u64 = 2;

/// Gives the bytes of a VCD file, or which property of its own the circuit violates.
pub type Make = fn() -> Result<Vec<u8>, Box<dyn Error>>;

/// Names of the files and what makes them.
pub const WAVES: [(&str, Make); 2] =
    [("ring-buffer-block.vcd", ring_buffer_waves), ("shared-queue-block.vcd", shared_queue_waves)];

/// A weight that is added: neuron, delay, weight.
type Add = (u64, u64, i64);

/// What comes in each step of the ring buffer's waves, and how many cycles it waits for the barrier.
///
/// Two adds to one word one after the other (step 0); a delay that goes around the ring (step 1); a long wait, in which the
/// head stays (step 2); a slot that is used again, which was read and cleared (step 3).
pub const ADDS: [(&[Add], u64); 6] = [
    (&[(1, 1, 5), (1, 1, 7)], 1),
    (&[(0, 3, 9), (0, 1, -4)], 1),
    (&[], 4),
    (&[(1, 2, 6)], 1),
    (&[], 1),
    (&[], 1),
];

/// Useful-weight rows by axon: axon 2 has synapses of delays 1 and 3, axon 5 of 1, axon 7 of 2.
pub const ROWS: [u64; 8] = [0, 0, 0b101, 0, 0, 0b001, 0, 0b010];

/// The flits of each step of the shared queue's waves: cycle of the step in which one comes, axon.
///
/// The second step's flit comes in the very cycle in which an event is queued again, and waits.
pub const ARRIVALS: [&[(u64, u64)]; 5] = [&[(2, 2), (3, 5)], &[(3, 7)], &[], &[], &[]];

fn shape(structure: Structure) -> Shape {
    let mut p = crate::platform(2, 2, NEURONS as u32);
    p.core.input_axons = ROWS.len() as u32;
    p.core.membrane_bits_max = 16;
    (p.ring_buffer.slots, p.ring_buffer.accumulators) = (SLOTS as u32, (SLOTS * NEURONS) as u32);
    (p.shared_queue.longest_delay, p.shared_queue.depth) = (SLOTS as u32 - 1, 4);
    p.shared_queue.axon_synapses = 4;
    (p.ring_buffer.accumulator_bits, p.ring_buffer.accumulator_ports) = (16, Ports::OneReadOneWrite);
    Shape::new(&p, structure)
}

/// A circuit whose inputs are 0 in all cycles that do not say otherwise.
struct Recorded<'a> {
    sim: Simulator,
    tracer: Tracer<&'a mut Vec<u8>>,
}

impl<'a> Recorded<'a> {
    fn new(def: &Def, out: &'a mut Vec<u8>) -> Result<Self, Box<dyn Error>> {
        let sim = Simulator::interpreted(def);
        let tracer = Tracer::new(&sim, out, &TraceOptions { period_ps: PERIOD_PS, only: Vec::new() })?;
        Ok(Self { sim, tracer })
    }

    fn set(&mut self, inputs: &[(&str, u64)]) -> Result<(), Box<dyn Error>> {
        for &(name, value) in inputs {
            let input = self.sim.input(name)?;
            self.sim.set(input, value);
        }
        Ok(())
    }

    /// Ends a cycle.
    fn step(&mut self, inputs: &[(&str, u64)]) -> Result<(), Box<dyn Error>> {
        self.tracer.sample(&mut self.sim)?;
        self.sim.step()?;
        inputs.iter().try_for_each(|&(name, _)| self.set(&[(name, 0)]))
    }
}

/// Waves of the ring buffer: each step begins with the soma's pass, then come [`ADDS`].
///
/// # Errors
/// The circuit violates a property of its own.
pub fn ring_buffer_waves() -> Result<Vec<u8>, Box<dyn Error>> {
    let shape = shape(Structure::RingBuffer);
    let def = ring_buffer(&mut Library::new(), &shape)?;
    let mut out = Vec::new();
    let mut ring = Recorded::new(&def, &mut out)?;
    ring.set(&[("slots_log2", SLOTS.ilog2().into())])?;
    // The soma reads neuron i in the cycle i of a step and clears it three cycles later.
    let updated = NEURONS + 3;
    for (step, (adds, wait)) in ADDS.into_iter().enumerate() {
        for cycle in 0..updated + adds.len() as u64 + wait {
            let mut inputs = Vec::new();
            if cycle == 0 {
                inputs.extend([("start", 1), ("first", u64::from(step == 0))]);
            }
            if cycle < NEURONS {
                inputs.extend([("read", 1), ("read_neuron", cycle)]);
            }
            if let Some(neuron) = cycle.checked_sub(3).filter(|&n| n < NEURONS) {
                inputs.extend([("clear", 1), ("clear_neuron", neuron)]);
            }
            if let Some(&(neuron, delay, weight)) =
                cycle.checked_sub(updated).and_then(|i| adds.get(i as usize))
            {
                let weight = weight.cast_unsigned() & ((1 << shape.accumulator_bits) - 1);
                inputs.extend([("add", 1), ("add_neuron", neuron), ("add_delay", delay)]);
                inputs.push(("add_weight", weight));
            }
            ring.set(&inputs)?;
            ring.step(&inputs)?;
        }
    }
    ring.tracer.finish()?;
    Ok(out)
}

/// Waves of the shared queue: [`ARRIVALS`], on axons with [`ROWS`] and one synapse for each useful delay.
///
/// Axon table and synapse stage are played: a row stands one cycle after it is read, and an event leaves the synapse stage
/// one cycle after it enters, since its list has one synapse or is skipped.
///
/// # Errors
/// The circuit violates a property of its own.
pub fn shared_queue_waves() -> Result<Vec<u8>, Box<dyn Error>> {
    let def = shared_queue(&mut Library::new(), &shape(Structure::SharedQueue))?;
    let mut out = Vec::new();
    let mut queue = Recorded::new(&def, &mut out)?;
    let rows = queue.sim.memory("useful_weights")?;
    queue.sim.load(rows, &ROWS)?;
    queue.set(&[("row_ready", 1), ("free", 1)])?;
    // An event with its rows; the offset of the one in the synapse stage behind its list.
    let (mut row, mut stage) = (false, None);
    for (step, arrivals) in ARRIVALS.into_iter().enumerate() {
        let (mut taken, mut update, mut cycle) = (0, false, 0);
        // The soma starts, and all flits are taken: the barrier may release.
        while !(update && taken == arrivals.len()) {
            let mut inputs = Vec::new();
            if cycle == 0 {
                inputs.extend([("start", 1), ("first", u64::from(step == 0))]);
            }
            if row {
                inputs.extend([("row_valid", 1), ("enter", 1)]);
            }
            if let Some(offset) = stage {
                inputs.extend([("finish", 1), ("next_offset", offset)]);
            }
            if let Some(&(_, axon)) = arrivals.get(taken).filter(|(at, _)| *at <= cycle) {
                inputs.extend([("in_valid", 1), ("in_axon", axon)]);
            }
            queue.set(&inputs)?;
            let sim = &mut queue.sim;
            stage = if row { Some(sim.peek("offset")? + sim.peek("useful")?) } else { None };
            row = sim.peek("row_read")? == 1;
            taken += sim.peek("take")? as usize;
            update |= sim.peek("update")? == 1;
            queue.step(&inputs)?;
            cycle += 1;
        }
        // One more, so that the step's end is seen.
        queue.step(&[])?;
    }
    queue.tracer.finish()?;
    Ok(out)
}
