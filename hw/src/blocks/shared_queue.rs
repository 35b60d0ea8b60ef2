//! Shared circular delay queue: events with an age, streamed once a step (`TIMING.md` section 8).
//!
//! ```text
//!                       +-------------------------------------+
//!       start, first -->|          +---------+                |---> row_read, row_axon    to the axon table
//!  in_valid, in_axon -->|   +----->| queue_a |---+            |---> useful, offset        to the synapses
//!               take <--|   |      +---------+   |            |<--- row_valid, row_ready
//!                       | write    +---------+  read -> rows  |<--- enter, finish, free, next_offset
//!                       |   ^----->| queue_b |---+   useful   |---> update                starts the soma
//!                       |   |      +---------+       weights  |---> overflow, step
//!                       |   +-- requeue <--- age + 1, offset  |===> levels, high_water
//!                       +-------------------------------------+
//!
//!   two events of one synapse each; A is useful later too
//!   cycle          s      s+1    s+2    s+3    s+4    s+5    s+6
//!   start          1
//!   queue address  0      1
//!   event out             A      B
//!   row_read              A      B
//!   enter                        A      B
//!   finish                              A      B
//!   write (requeue)                     A,2
//!   update                                            (s+4+2) 1
//! ```
//! One memory is the pre-processing queue (PRQ) and only read, the other the post-processing queue (POQ) and only written;
//! `start` swaps them. An event is (axon, age, offset).
//! - **Deliver**: queue word, then the rows of its axon, then the synapse stage; each one cycle ahead of the next, so that events
//!   follow each other without a gap. Bit age - 1 of the useful-weight row says whether the axon has a list of that delay.
//! - **Requeue**: when an event leaves the synapse stage and a useful delay above its age is left, (axon, age + 1, next offset)
//!   is written to the POQ; else the event is dropped.
//! - **Arrivals** are written as (axon, 1, 0) in all other cycles: a requeue has the port first, the arrival waits.
//! - **Overflow**: a write to a full POQ is not done, and latched with the step until `clear`.
//!
//! Waves of it alone: `waves/shared-queue-block.vcd`.
//!
//! Latency: event i enters the synapse stage in s + 2 + sum of o(0 .. i-1).
//! Throughput: an event a cycle where nothing is read.
//! Limits: depth events in each queue. `level` of the PRQ counts the events that have not entered the synapse stage.
//! Undefined: `start` while it delivers or while a flit waits (asserted).

use super::shape::{Shape, at_least_two};
use rtl::{Def, Errors, Library, Module, Widths, bits_for, bundle};

bundle! {
    /// An event in the queue.
    pub struct Event {
        /// Input axon.
        axon: U,
        /// Steps since its spike when it is next streamed, at least 1.
        age: U,
        /// Synapses of the axon that belong to delays already past.
        offset: U,
    }
}

impl Event<Widths> {
    /// Widths of a platform.
    #[must_use]
    pub fn of(widths: &crate::layout::Widths) -> Self {
        Self { axon: widths.axon, age: widths.delay, offset: widths.list }
    }
}

/// Bits of the step that an overflow is latched with.
pub const STEP_BITS: u32 = 32;

/// The queues of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn shared_queue(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let w = shape.widths;
    let parameters = [
        ("depth", shape.queue_depth),
        ("axons", shape.axons),
        ("axon", w.axon.into()),
        ("delay", shape.longest_delay.into()),
        ("list", w.list.into()),
    ];
    library.define("shared_queue", &parameters, |m| describe(m, shape))
}

fn describe(m: &Module, shape: &Shape) {
    m.doc(
        "Shared circular delay queue: two event queues, swapped by the barrier, and the useful-weight rows.",
    );
    let w = shape.widths;
    let event = Event::of(&w);
    let (level_bits, address_bits) = (shape.queue_level(), bits_for(shape.queue_depth));
    let (one, zero) = (m.u(1, 1), m.u(0, 1));
    let none = m.u(0, level_bits);
    let start = m.input("start", 1).doc("A step begins: the barrier releases, the queues swap.");
    let first = m.input("first", 1).doc("With start: it is step 0, nothing waits.");
    let clear = m.input("clear", 1).doc("The reset phase begins.");
    let in_valid = m.input("in_valid", 1).doc("A flit is at the head of the input port.");
    let in_axon = m.input("in_axon", w.axon);
    let row_valid = m.input("row_valid", 1).doc("The rows of an event are held.");
    let row_ready = m.input("row_ready", 1).doc("The rows of the next may be read.");
    let enter = m.input("enter", 1).doc("The event with the rows enters the synapse stage.");
    let finish = m.input("finish", 1).doc("The event in the synapse stage leaves it.");
    let free = m.input("free", 1).doc("The synapse stage takes an event.");
    let next_offset = m.input("next_offset", w.list).doc("With finish: its offset behind its list.");

    // Which queue is which, and how full they are. What start changes is valid in its own cycle.
    let kept = m.reg("kept_selected", 1, 0);
    let selected =
        start.mux(!first & !kept.q, kept.q).named("selected").doc("0: queue_a is read, queue_b written.");
    kept.set_if(start, selected);
    let kept_read = m.reg("kept_read_pointer", level_bits, 0);
    let kept_level = m.reg("kept_read_level", level_bits, 0);
    let kept_write = m.reg("kept_write_pointer", level_bits, 0);
    let read_pointer = start.mux(none, kept_read.q).named("read_pointer");
    let waiting = first.mux(none, kept_write.q);
    let level = start.mux(waiting, kept_level.q).named("read_level");
    let write_pointer = start.mux(none, kept_write.q).named("write_pointer");
    read_pointer.doc("Events of the PRQ that entered the synapse stage.");
    level.doc("Events of the PRQ that did not yet.");
    write_pointer.doc("Events in the POQ.");

    // The word of the next event is read as soon as there is room for it at the memory's output.
    let out_valid = m.reg("out_valid", 1, 0).doc("The PRQ's output holds an event.");
    let row_read = (out_valid.q & row_ready).named("row_read").doc("The rows of that event are read.");
    let ahead = row_valid.zext(level_bits) + out_valid.q.zext(level_bits);
    let fetch = (ahead.lt(level) & (!out_valid.q | row_read)).named("fetch").doc("The PRQ is read.");
    let fetch_address = (read_pointer + ahead).named("fetch_address");
    out_valid.set_first(&[(fetch, one), (row_read, zero)]);
    kept_read.set_first(&[(start | clear, none), (enter, read_pointer + 1)]);
    kept_level.set_first(&[(clear, none), (start, waiting), (enter, level - 1)]);

    // The event whose rows are held, and what its useful-weight row says.
    let rows = m.memory_1rw("useful_weights", at_least_two(shape.axons), shape.longest_delay).loadable();
    let held = m.reg_bundle("read", &event);
    let row = rows.data;
    let left = row.zext(shape.longest_delay + 1) >> (held.q.age - 1);
    let useful = left.bit(0).named("useful").doc("The event has a list for its age.");
    let more = (left >> 1).any().named("more").doc("It has one for a later age.");

    // The event in the synapse stage.
    let axon = m.reg("stage_axon", w.axon, 0);
    let age = m.reg("stage_age", w.delay, 0).doc("Age that it has when it is queued again.");
    let again = m.reg("stage_again", 1, 0).doc("It is queued again.");
    axon.set_if(enter, held.q.axon);
    age.set_if(enter, held.q.age + 1);
    again.set_if(enter, more);

    // The POQ's port: requeue first.
    let requeue = (finish & again.q).named("requeue");
    let take = (in_valid & !requeue & !start).named("take").doc("The flit is taken.");
    let arrival = Event { axon: in_axon, age: m.u(1, w.delay), offset: m.u(0, w.list) };
    let later = Event { axon: axon.q, age: age.q, offset: next_offset };
    let written = m.mux_bundle(requeue, &later, &arrival);
    let comes = requeue | take;
    let full = write_pointer.eq(shape.queue_depth);
    let write = (comes & !full).named("write").doc("An event is written to the POQ.");
    let after = write_pointer + 1;
    kept_write.set_first(&[(start | clear, none), (write, after)]);
    let high_water = m.reg("high_water", level_bits, 0).doc("Most events in the POQ since clear.");
    high_water.set_first(&[(clear, none), (write & high_water.q.lt(after), after)]);
    let overflow = m.reg("overflow", 1, 0).doc("An event found the POQ full.");
    let step = m.reg("step", STEP_BITS, 0).doc("The step, or that of the overflow.");
    overflow.set_first(&[(clear, zero), (comes & full, one)]);
    step.set_first(&[
        (clear, m.u(0, STEP_BITS)),
        (start & !overflow.q, first.mux(m.u(0, STEP_BITS), step.q + 1)),
    ]);

    // The two memories.
    let word = m.pack(&written);
    let words = at_least_two(shape.queue_depth);
    let [from, to] = [fetch_address, write_pointer].map(|pointer| pointer.trunc(address_bits));
    let a =
        m.memory_1rw("queue_a", words, w.event()).doc("Events: axon, age, offset from the lowest bit up.");
    let b =
        m.memory_1rw("queue_b", words, w.event()).doc("Events: axon, age, offset from the lowest bit up.");
    a.access(selected.mux(to, from), selected.mux(write, fetch), selected, word);
    b.access(selected.mux(from, to), selected.mux(fetch, write), !selected, word);
    let out = m.unpack(&event, kept.q.mux(b.data, a.data));
    rows.read(out.axon, row_read);
    held.set_if(row_read, &out);

    // Two cycles after the last event left the synapse stage its last sum is written, and the soma may read.
    let delivering = m.reg("delivering", 1, 0).doc("Events are streamed.");
    let started = m.delayed("started", start).doc("The step began in the last cycle.");
    let drained = (delivering.q & !started & !level.any() & free).named("drained");
    delivering.set_first(&[(start, one), (drained, zero)]);
    let drained_1 = m.delayed("drained_1", drained);
    let update = m.delayed("update", drained_1).doc("The soma starts in this cycle.");

    let busy = delivering.q | drained_1 | update;
    m.assert("start_alone", !start | !(busy | in_valid | clear), "a step begins before the last one is done");
    m.assert("age_in_range", !enter | held.q.age.any(), "an event of age 0");
    m.assert("level_in_range", level.le(shape.queue_depth), "more events than the queue holds");
    m.assert("order", ahead.le(level), "an event came from nowhere");
    m.cover("overflows", overflow.q, "the POQ overflows");
    m.cover("waits", in_valid & requeue, "an arrival waits for an event that is queued again");
    m.idle_when(
        !start & !clear & !in_valid & !row_valid & !out_valid.q & !level.any() & !finish & !busy & !started,
    );
    m.output("take", take);
    m.output("row_read", row_read);
    m.output("row_axon", out.axon).doc("Its axon.");
    m.output("useful", useful);
    m.output("offset", held.q.offset).doc("Offset of the event whose rows are held.");
    m.output("update", update);
    m.output("selected", selected);
    m.output_bundle("read", &held.q);
    m.output("read_pointer", read_pointer);
    m.output("read_level", level);
    m.output("write", write);
    m.output("write_pointer", write_pointer);
    m.output_bundle("write", &written);
    m.output("high_water", high_water.q);
    m.output("overflow", overflow.q);
    m.output("step", step.q);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint, set, shapes};
    use crate::platform::Structure;
    use rtl::Simulator;

    fn shape() -> Shape {
        shapes().into_iter().find(|s| s.structure() == Structure::SharedQueue).unwrap()
    }

    /// The queue with axon table and synapse stage played by the test.
    struct Bench {
        sim: Simulator,
        /// Useful-weight rows.
        rows: Vec<u64>,
        step: u64,
    }

    impl Bench {
        fn new(shape: &Shape, rows: Vec<u64>) -> Self {
            let def = shared_queue(&mut Library::new(), shape).expect("a right description");
            let mut sim = Simulator::new(&def);
            let memory = sim.memory("useful_weights").unwrap();
            sim.load(memory, &rows).unwrap();
            Self { sim, rows, step: 0 }
        }

        /// A step in which flits of these axons wait from cycle s + 2 on. Returns the useful deliveries: axon and age.
        fn step(&mut self, arrivals: &[u64]) -> Vec<(u64, u64)> {
            let sim = &mut self.sim;
            let s = sim.cycle();
            // The event with its rows; the one in the synapse stage: its last cycle, offset, whether it is queued again.
            let (mut row, mut stage): (Option<u64>, Option<(u64, u64, bool)>) = (None, None);
            let (mut delivered, mut due, mut updated, mut taken) = (vec![], s + 2, None, 0);
            while updated.is_none() || taken < arrivals.len() {
                let cycle = sim.cycle();
                assert!(cycle < s + 1000, "the step ends");
                set(sim, "start", u64::from(cycle == s));
                set(sim, "first", u64::from(self.step == 0));
                let finish = stage.is_some_and(|f| f.0 == cycle);
                let free = stage.is_none() || finish;
                let enter = row.is_some() && free;
                set(sim, "row_valid", row.is_some().into());
                set(sim, "row_ready", u64::from(row.is_none() || enter));
                set(sim, "enter", enter.into());
                set(sim, "free", free.into());
                set(sim, "finish", finish.into());
                let again = stage.filter(|_| finish).is_some_and(|f| f.2);
                set(sim, "next_offset", stage.map_or(0, |f| f.1));
                let head = (cycle >= s + 2).then(|| arrivals.get(taken)).flatten();
                set(sim, "in_valid", head.is_some().into());
                set(sim, "in_axon", head.copied().unwrap_or(0));
                assert_eq!(sim.peek("take").unwrap() == 1, head.is_some() && !again, "requeue comes first");
                if again {
                    assert_eq!(sim.peek("write").unwrap(), 1);
                    assert_eq!(sim.peek("write_offset").unwrap(), stage.map_or(0, |f| f.1));
                }
                if finish {
                    stage = None;
                }
                if enter {
                    assert_eq!(cycle, due, "q(i)");
                    let axon = sim.peek("read_axon").unwrap();
                    let (age, offset) = (sim.peek("read_age").unwrap(), sim.peek("offset").unwrap());
                    assert_eq!(row, Some(axon));
                    let left = self.rows[axon as usize] >> (age - 1);
                    assert_eq!(sim.peek("useful").unwrap(), left & 1);
                    // Every list has two synapses, so that the offset counts the useful ages before.
                    let before = self.rows[axon as usize] & ((1 << (age - 1)) - 1);
                    assert_eq!(offset, 2 * u64::from(before.count_ones()));
                    let o = 1 + (left & 1);
                    due = cycle + o;
                    stage = Some((due, offset + 2 * (left & 1), left >> 1 != 0));
                    delivered.extend((left & 1 == 1).then_some((axon, age)));
                    row = None;
                }
                if sim.peek("row_read").unwrap() == 1 {
                    row = Some(sim.peek("row_axon").unwrap());
                }
                if sim.peek("update").unwrap() == 1 {
                    assert_eq!(cycle, due + 2, "the update starts two cycles after the last event");
                    updated = Some(cycle);
                }
                taken += sim.peek("take").unwrap() as usize;
                sim.step().expect("no violation");
            }
            assert_eq!(sim.peek("read_level").unwrap(), 0, "all events are delivered");
            set(sim, "in_valid", 0);
            self.step += 1;
            delivered
        }
    }

    #[test]
    fn every_event_is_delivered_once_for_each_useful_delay_in_its_step() {
        let shape = shape();
        for seed in 1..20 {
            let mut random = Random::new(seed);
            let rows = (0..shape.axons).map(|_| 1 + random.below((1 << shape.longest_delay) - 1)).collect();
            let mut bench = Bench::new(&shape, rows);
            let steps = 20;
            let mut expected = vec![vec![]; steps + 70];
            for step in 0..steps {
                // Few enough to fit the queue.
                let arrivals: Vec<_> = (0..random.below(3)).map(|_| random.below(shape.axons)).collect();
                for &axon in &arrivals {
                    for age in (1..64).filter(|k| bench.rows[axon as usize] >> (k - 1) & 1 == 1) {
                        expected[step + age].push((axon, age as u64));
                    }
                }
                let mut delivered = bench.step(&arrivals);
                if bench.sim.peek("overflow").unwrap() == 1 {
                    break;
                }
                delivered.sort_unstable();
                expected[step].sort_unstable();
                assert_eq!(delivered, expected[step], "seed {seed} step {step}");
            }
        }
    }

    #[test]
    fn events_keep_the_order_in_which_they_were_written() {
        let shape = shape();
        let mut bench = Bench::new(&shape, vec![0b111; shape.axons as usize]);
        assert_eq!(bench.step(&[3, 1, 2]), []);
        assert_eq!(bench.step(&[4]), [(3, 1), (1, 1), (2, 1)]);
        // The arrival was taken before the first event was queued again.
        assert_eq!(bench.step(&[]), [(4, 1), (3, 2), (1, 2), (2, 2)]);
        assert_eq!(bench.step(&[]), [(4, 2), (3, 3), (1, 3), (2, 3)]);
        assert_eq!(bench.step(&[]), [(4, 3)]);
    }

    #[test]
    fn an_arrival_waits_for_an_event_that_is_queued_again() {
        let shape = shape();
        let mut bench = Bench::new(&shape, vec![0b11; shape.axons as usize]);
        bench.step(&[0, 1, 2]);
        bench.step(&[3, 4, 5, 6]);
        assert!(bench.sim.covers().iter().any(|(path, reached)| path == "waits" && *reached));
    }

    #[test]
    fn an_event_too_many_is_not_written_and_latched_with_its_step() {
        let shape = shape();
        let depth = shape.queue_depth;
        let mut bench = Bench::new(&shape, vec![1; shape.axons as usize]);
        bench.step(&[]);
        bench.step(&vec![2; depth as usize]);
        assert_eq!(bench.sim.peek("overflow").unwrap(), 0);
        assert_eq!(bench.step(&vec![1; depth as usize + 1]).len() as u64, depth);
        assert_eq!(bench.sim.peek("overflow").unwrap(), 1);
        assert_eq!(bench.step(&[]), vec![(1, 1); depth as usize]);
        assert_eq!(bench.sim.peek("step").unwrap(), 2);
        assert_eq!(bench.sim.peek("high_water").unwrap(), depth);
        set(&mut bench.sim, "clear", 1);
        bench.sim.step().expect("no violation");
        for name in ["overflow", "high_water", "write_pointer", "step"] {
            assert_eq!(bench.sim.peek(name).unwrap(), 0, "{name}");
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        lint(&shared_queue(&mut Library::new(), &shape()).expect("a right description"));
    }
}
