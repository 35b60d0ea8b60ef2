//! Synapse memory and fetch: stage S of an event (`TIMING.md` sections 7 and 8), one block for each delay structure.
//!
//! ```text
//!                 +---------------------+
//!        valid--->|  synapses (1rw)     |---> enter           an event enters in this cycle (q)
//!   base, shift==>|                     |---> read, address   a synapse is addressed
//!  ring:   count=>|                     |---> free            S takes an event in this cycle
//!  queue: useful->|                     |---> add, neuron, weight   from the cycle after the address
//!  queue: offset=>|                     |===> ring: delay     queue: last, finish, next_offset
//!                 +---------------------+
//!
//!   one synapse a cycle (1r1w accumulators): events of 2 and 1 synapses
//!   cycle       q      q+1    q+2    q+3
//!   valid       A      B      B
//!   enter       1      0      1
//!   read        1      1      1
//!   address     A0     A1     B0
//!   add                1      1      1
//!   neuron             A0     A1     B0
//!   last (queue)       0      1      1
//!   finish (queue)            1      1
//! ```
//! With one synapse every two cycles (1rw accumulators) the cycle after each address stays empty.
//! The ring buffer counts the axon's synapses down. The shared queue reads until the `last` bit of the list, which comes from
//! the memory and selects the next address in the same cycle, so that lists follow each other without a gap; an event whose
//! list is not useful passes in one cycle and reads nothing. `finish` is the cycle q + o of an event, in which
//! `next_offset` is its offset behind the list.
//!
//! The weight leaves shifted and as wide as an accumulator.
//! Latency: one cycle from address to `add`.
//! Throughput: a synapse every w cycles.
//! Limits: an axon has at least one synapse, a list ends (the compiler's duty; the first is asserted).
//! Undefined: outputs of a synapse while `add` is 0.

use super::shape::{Shape, at_least_two, fit};
use crate::layout::{SHIFT_BITS, WEIGHT_BITS};
use crate::platform::Structure;
use rtl::{Def, Errors, Library, Module, S, U};

/// The synapses of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn synapses(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let w = shape.widths;
    let parameters = [
        ("words", shape.synapses),
        ("neuron", w.neuron.into()),
        ("list", w.list.into()),
        ("sum", shape.accumulator_bits.into()),
        ("interval", shape.synapse_interval()),
    ];
    match shape.structure() {
        Structure::RingBuffer => {
            let parameters = [&parameters[..], &[("delay", w.delay.into())]].concat();
            library.define("ring_synapses", &parameters, |m| ring(m, shape))
        }
        Structure::SharedQueue => library.define("queue_synapses", &parameters, |m| queue(m, shape)),
    }
}

/// Counts an axon's synapses down.
fn ring(m: &Module, shape: &Shape) {
    let w = shape.widths;
    m.doc("Synapses of a ring-buffer core: an axon's synapses in turn, with their delays.");
    let valid = m.input("valid", 1).doc("An event waits with its axon row.");
    let base = m.input("base", w.synapse_address).doc("Address of its first synapse.");
    let count = m.input("count", w.list).doc("How many it has, at least 1.");
    let shift = m.input("shift", SHIFT_BITS).doc("Left shift of its weights.");
    let remaining = m.reg("remaining", w.list, 0).doc("Synapses of the event that are not yet addressed.");
    let next = m.reg("next_address", w.synapse_address, 0);
    let kept_shift = m.reg("kept_shift", SHIFT_BITS, 0);
    let add = m.reg("add", 1, 0).doc("A synapse is there, to be added.");
    let more = remaining.q.any();
    // With one synapse every two cycles the cycle after an address stays empty.
    let two = shape.synapse_interval() == 2;
    let free = (if two { !more & !add.q } else { !more }).named("free");
    let enter = (valid & free).named("enter").doc("The event enters: its first synapse is addressed.");
    let going = if two { more & !add.q } else { more };
    let read = (enter | going).named("read").doc("A synapse is addressed.");
    let address = enter.mux(base, next.q).named("address");
    next.set_if(read, address + 1);
    remaining.set_if(read, enter.mux(count, remaining.q) - 1);
    kept_shift.set_if(enter, shift);
    add.set(read);
    let memory = m.memory_1rw("synapses", at_least_two(shape.synapses), w.synapse()).loadable();
    let word = memory.read(address, read).named("word").doc("Neuron, delay, weight from the lowest bit up.");
    let after = w.neuron + w.delay;
    m.assert("has_synapses", !enter | count.any(), "an axon has no synapse in this core");
    m.idle_when(!valid & !more & !add.q);
    m.output("enter", enter);
    m.output("read", read);
    m.output("address", address);
    m.output("add", add.q);
    m.output("neuron", word.slice(0..w.neuron)).doc("Target of the synapse.");
    m.output("delay", word.slice(w.neuron..after)).doc("Its delay in steps.");
    m.output("weight", weight(m, shape, add.q, word.slice(after..after + WEIGHT_BITS), kept_shift.q))
        .doc("Its weight, shifted.");
    m.output("busy", more | add.q).doc("An event is in this stage.");
}

/// Reads lists up to their last bit.
fn queue(m: &Module, shape: &Shape) {
    let w = shape.widths;
    m.doc("Synapses of a shared-queue core: the list of one axon and delay, up to its last bit.");
    let valid = m.input("valid", 1).doc("An event waits with its rows.");
    let useful = m.input("useful", 1).doc("It has a list for its age.");
    let base = m.input("base", w.synapse_address).doc("Address of its axon's first synapse.");
    let offset =
        m.input("offset", w.list).doc("How many synapses of the axon belong to delays already past.");
    let shift = m.input("shift", SHIFT_BITS).doc("Left shift of its weights.");
    let active = m.reg("active", 1, 0).doc("An event is in this stage.");
    let reading = m.reg("reading", 1, 0).doc("Its list is being read.");
    let kept_base = m.reg("kept_base", w.synapse_address, 0);
    let kept_offset = m.reg("kept_offset", w.list, 0).doc("Offset of the synapse that is addressed next.");
    let kept_shift = m.reg("kept_shift", SHIFT_BITS, 0);
    let add = m.reg("add", 1, 0).doc("A synapse is there, to be added.");
    let memory = m.memory_1rw("synapses", at_least_two(shape.synapses), w.synapse()).loadable();
    let last = memory.data.bit(w.neuron).named("last").doc("The list ends with this synapse.");
    // With one synapse every two cycles the cycle after an address stays empty.
    let two = shape.synapse_interval() == 2;
    let ends = if two { last & !add.q } else { last };
    let going = if two { reading.q & !last & !add.q } else { reading.q & !last };
    let finish = (active.q & (!reading.q | ends)).named("finish").doc("The event leaves this stage.");
    let free = (!active.q | finish).named("free").doc("An event may enter in this cycle.");
    let enter =
        (valid & free).named("enter").doc("The event enters; if useful, its first synapse is addressed.");
    let read = ((enter & useful) | going).named("read").doc("A synapse is addressed.");
    let now = enter.mux(offset, kept_offset.q);
    let address = (enter.mux(base, kept_base.q) + fit(now, w.synapse_address)).named("address");
    active.set_first(&[(enter, m.u(1, 1)), (finish, m.u(0, 1))]);
    reading.set_first(&[(enter, useful), (finish, m.u(0, 1))]);
    kept_base.set_if(enter, base);
    kept_offset.set_if(enter | going, now + read.zext(w.list));
    kept_shift.set_if(enter, shift);
    add.set(read);
    let word = memory.read(address, read);
    let after = w.neuron + 1;
    m.idle_when(!valid & !active.q & !add.q);
    m.output("enter", enter);
    m.output("read", read);
    m.output("address", address);
    m.output("free", free);
    m.output("finish", finish);
    m.output("next_offset", kept_offset.q).doc("With finish: the event's offset behind this list.");
    m.output("add", add.q);
    m.output("neuron", word.slice(0..w.neuron)).doc("Target of the synapse.");
    m.output("weight", weight(m, shape, add.q, word.slice(after..after + WEIGHT_BITS), kept_shift.q))
        .doc("Its weight, shifted.");
}

/// A weight, shifted, as wide as an accumulator.
fn weight<'m>(m: &'m Module, shape: &Shape, add: U<'m>, weight: U<'m>, shift: U<'m>) -> S<'m> {
    let most = WEIGHT_BITS + (1 << SHIFT_BITS) - 1;
    let bits = shape.accumulator_bits;
    let shifted = weight.as_s().sext(most.max(bits)) << shift;
    let fits = shifted.trunc(bits).sext(most.max(bits)).eq(shifted);
    m.assert("weight_fits", !add | fits, "a shifted weight is wider than an accumulator");
    shifted.trunc(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint, shapes};
    use crate::layout::{QueueSynapse, RingSynapse};
    use rtl::Simulator;

    /// What a synapse gives: (neuron, delay or 0, shifted weight).
    type Added = (u32, u32, i64);

    /// First address and length of a list, and what its synapses give.
    type List = (u64, u64, Vec<Added>);

    /// Random lists; for each its first address, its length, and what its synapses give with a shift of `list % 5`.
    fn lists(shape: &Shape, random: &mut Random) -> (Vec<u64>, Vec<List>) {
        let (mut words, mut all) = (vec![], vec![]);
        for list in 0..6 {
            let (base, n) = (words.len() as u64, 1 + random.below(4));
            let mut added = vec![];
            for i in 0..n {
                let neuron = random.below(shape.neurons) as u32;
                let weight = random.range(-128, 127) as i8;
                let delay = 1 + random.below(shape.longest_delay.into()) as u32;
                let shifted = i64::from(weight) << (list % 5);
                let last = i + 1 == n;
                words.push(match shape.structure() {
                    Structure::RingBuffer => {
                        added.push((neuron, delay, shifted));
                        shape.widths.pack_ring_synapse(RingSynapse { neuron, delay, weight })
                    }
                    Structure::SharedQueue => {
                        added.push((neuron, 0, shifted));
                        shape.widths.pack_queue_synapse(QueueSynapse { neuron, last, weight })
                    }
                });
            }
            all.push((base, n, added));
        }
        (words, all)
    }

    #[test]
    fn lists_follow_each_other_without_a_gap_and_every_synapse_comes_once() {
        for (seed, shape) in shapes().into_iter().enumerate() {
            let mut random = Random::new(seed as u64 + 1);
            let ring = shape.structure() == Structure::RingBuffer;
            let (words, lists) = lists(&shape, &mut random);
            let def = synapses(&mut Library::new(), &shape).expect("a right description");
            let mut sim = Simulator::new(&def);
            let memory = sim.memory("synapses").unwrap();
            sim.load(memory, &words).unwrap();
            let set = |sim: &mut Simulator, name: &str, value: u64| {
                let input = sim.input(name).unwrap();
                sim.set(input, value);
            };
            // The cycle in which the stage is free again, and what must be added when.
            let (mut free, mut expected, mut got) = (0, vec![], vec![]);
            let mut finishes = vec![];
            let w = shape.synapse_interval();
            let mut waiting = None;
            for cycle in 0..400u64 {
                if waiting.is_none() && cycle < 380 && random.one_in(2) {
                    waiting = Some((random.below(6) as usize, ring || random.one_in(2)));
                }
                set(&mut sim, "valid", waiting.is_some().into());
                if let Some((list, useful)) = waiting {
                    let (base, n, added) = &lists[list];
                    // In a queue the list may begin behind others of its axon.
                    let offset = if ring { 0 } else { (*base).min(3) };
                    set(&mut sim, "base", base - offset);
                    set(&mut sim, "shift", list as u64 % 5);
                    if ring {
                        set(&mut sim, "count", *n);
                    } else {
                        set(&mut sim, "offset", offset);
                        set(&mut sim, "useful", useful.into());
                    }
                    let enter = cycle >= free;
                    assert_eq!(sim.peek("enter").unwrap(), u64::from(enter), "cycle {cycle}");
                    if enter {
                        for (i, &a) in added.iter().enumerate().filter(|_| useful) {
                            expected.push((cycle + 1 + i as u64 * w, a));
                        }
                        free = cycle + if useful { n * w } else { 1 };
                        finishes.push((free, offset + if useful { *n } else { 0 }));
                        waiting = None;
                    }
                }
                if sim.peek("add").unwrap() == 1 {
                    let weight = sim.probe("weight").unwrap();
                    let delay = if ring { sim.peek("delay").unwrap() as u32 } else { 0 };
                    let neuron = sim.peek("neuron").unwrap() as u32;
                    got.push((cycle, (neuron, delay, sim.get_s(weight))));
                }
                if !ring && sim.peek("finish").unwrap() == 1 {
                    let at = (cycle, sim.peek("next_offset").unwrap());
                    assert!(finishes.contains(&at), "{at:?} of {finishes:?}");
                }
                sim.step().expect("no violation");
            }
            assert!(expected.len() > 50);
            assert_eq!(got, expected);
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for shape in shapes() {
            lint(&synapses(&mut Library::new(), &shape).expect("a right description"));
        }
    }
}
