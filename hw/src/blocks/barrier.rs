//! The barrier: tells all cores in one cycle that a step is over (`hw/TIMING.md`, section 1).
//!
//! ```text
//!                     +-----------+
//!   start ----------->|           |
//!   quiet_0..n-1 ---->|  barrier  |----> released
//!   sent_0..n-1 ----->|           |----> quiet
//!   received_0..n-1 ->|           |
//!                     +-----------+
//!
//!   L = 3               s            ..      c*   c*+1  c*+2  c*+3
//!   start             __/~~\________________________________/~~\__
//!   all quiet         _______________________/~~~~~~~~~~~~~~\_____
//!   flits under way   0     1   2  ..   1    0
//!   released          ______________________________________/~~\__
//! ```
//!
//! Each leaf (a core or an injector) says in every cycle whether it has something to do, and whether it sends or takes a
//! flit. A balanced binary tree reduces "all quiet" and "sent minus received" of one and the same cycle; its root adds up
//! the flits under way. c* is the first cycle after the start in which all leaves are quiet and no flit is under way;
//! `released` is 1 exactly L cycles later, once for each start.
//!
//! Up to L / 2 levels of the tree end in registers, spread evenly; the rest of L are registers on the way back, at least
//! one. So L = 1 has the whole tree in one cycle: it suits small chips.
//!
//! Latency: L cycles from c* to `released`.
//! Throughput: one release for each start; a step takes at least L + 1 cycles, since c* comes after its start.
//! Limits: L at least 1, one leaf at least; `capacity` flits under way at most (asserted).
//! Undefined: a leaf that is quiet in a cycle in which it sends (assumed not to happen), a start before the last release
//! (asserted).

use rtl::{Def, Errors, Library, Module, S, U, bits_for};

/// The barrier of a chip with this many leaves, a latency of at least 1, and room for `capacity` flits in all buffers.
///
/// # Errors
/// A latency of 0.
pub fn barrier(library: &mut Library, leaves: u32, latency: u32, capacity: u64) -> Result<Def, Errors> {
    let parameters = [("leaves", leaves.into()), ("latency", latency.into()), ("capacity", capacity)];
    library.define("barrier", &parameters, |m| build(m, leaves.max(1), latency, capacity))
}

fn build(m: &Module, leaves: u32, latency: u32, capacity: u64) {
    m.doc("Global barrier: releases all leaves `latency` cycles after the first cycle in which nothing is left to do.");
    if latency == 0 {
        m.error("the latency of the barrier must be at least 1");
        return;
    }
    let start = m.input("start", 1).doc("A step starts in this cycle.");
    let mut level: Vec<(U<'_>, S<'_>)> = (0..leaves)
        .map(|i| {
            let quiet = m.input(&format!("quiet_{i}"), 1);
            let (sent, received) = (m.input(&format!("sent_{i}"), 1), m.input(&format!("received_{i}"), 1));
            m.assume(&format!("quiet_{i}_sends_nothing"), !(quiet & sent), "a quiet leaf sends a flit");
            // +1, 0 or -1.
            (quiet, m.cat(&[received & !sent, sent ^ received]).as_s())
        })
        .collect();

    let levels = u32::BITS - (leaves - 1).leading_zeros();
    let registered = levels.min(latency / 2);
    // Whether a level of the tree ends in registers.
    let ends = |l: u32| l * registered / levels != (l - 1) * registered / levels;
    for l in 1..=levels {
        level = level.chunks(2).map(join).collect();
        if ends(l) {
            for (i, (quiet, sum)) in level.iter_mut().enumerate() {
                *quiet = m.delayed(&format!("level{l}_quiet_{i}"), *quiet);
                *sum = m.delayed(&format!("level{l}_sum_{i}"), *sum);
            }
        }
    }
    let (all_quiet, sum) = level[0];
    let started = (0..registered).fold(start, |s, i| m.delayed(&format!("started_{i}"), s));

    let bits = (bits_for(capacity + 1) + 1).max(sum.width());
    let under_way = m.reg_s("under_way", bits, 0).doc("Flits sent and not yet taken.");
    under_way.set(under_way.q + sum.sext(bits));
    let armed = m.reg("armed", 1, 0).doc("This step has not been released yet.");
    let quiet = (all_quiet & under_way.q.eq(0)).named("quiet").doc("Nothing is left to do.");
    let fire = (quiet & armed.q).named("fire");
    armed.set_first(&[(started, m.u(1, 1)), (fire, m.u(0, 1))]);
    let release = (0..latency - registered).fold(fire, |s, i| m.delayed(&format!("back_{i}"), s));
    m.output("quiet", quiet);
    m.output("released", release).doc("The step is over; the next one starts in this cycle.");

    m.assert("none_invented", !under_way.q.is_negative(), "more flits were taken than sent");
    let most = capacity.min(i64::MAX.cast_unsigned()).cast_signed();
    m.assert("none_hoarded", under_way.q.le(most), "more flits are under way than all buffers hold");
    m.assert("one_release", !(started & armed.q), "a step starts before the last one was released");
    m.cover("step_over", fire, "a step is released");
}

/// Joins one or two parts of the tree.
fn join<'m>(pair: &[(U<'m>, S<'m>)]) -> (U<'m>, S<'m>) {
    match *pair {
        [(quiet_a, sum_a), (quiet_b, sum_b)] => (quiet_a & quiet_b, sum_a.add_wide(sum_b)),
        _ => (pair[0].0, pair[0].1.sext(pair[0].1.width() + 1)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::blocks::test::lint;
    use rtl::Simulator;

    struct Bench {
        sim: Simulator,
        leaves: u32,
    }

    impl Bench {
        fn new(leaves: u32, latency: u32) -> Self {
            let def = barrier(&mut Library::new(), leaves, latency, 100).unwrap();
            let mut bench = Self { sim: Simulator::new(&def), leaves };
            for i in 0..leaves {
                bench.set("quiet", i, 1);
            }
            bench
        }

        fn set(&mut self, what: &str, leaf: u32, value: u64) {
            let input = self.sim.input(&format!("{what}_{leaf}")).unwrap();
            self.sim.set(input, value);
        }

        /// A step in which leaf i is quiet from cycle `from[i]` on; returns when `release` was seen, in 60 cycles.
        fn step(&mut self, from: &[u64]) -> Vec<u64> {
            let start = self.sim.input("start").unwrap();
            (0..60)
                .filter(|&cycle| {
                    self.sim.set(start, (cycle == 0).into());
                    for i in 0..self.leaves {
                        self.set("quiet", i, (cycle >= from[i as usize]).into());
                    }
                    let released = self.sim.peek("released").unwrap() == 1;
                    self.sim.step().unwrap();
                    released
                })
                .collect()
        }
    }

    #[test]
    fn releases_once_exactly_latency_cycles_after_the_last_leaf_is_quiet() {
        for leaves in [1, 2, 3, 5, 8, 13] {
            for latency in [1, 2, 3, 4, 7, 16] {
                let mut bench = Bench::new(leaves, latency);
                for last in [1, 2, 9] {
                    let mut from: Vec<u64> = (0..leaves.into()).map(|i| 1 + i * 5 % last).collect();
                    from[(leaves - 1) as usize] = last;
                    assert_eq!(bench.step(&from), [last + u64::from(latency)], "{leaves} leaves");
                }
            }
        }
    }

    #[test]
    fn a_flit_under_way_holds_the_barrier() {
        for latency in 1..6 {
            let mut bench = Bench::new(4, latency);
            let start = bench.sim.input("start").unwrap();
            let mut seen = Vec::new();
            for cycle in 0..40u64 {
                bench.sim.set(start, (cycle == 0).into());
                for i in 0..4 {
                    bench.set("quiet", i, (cycle > 3).into());
                }
                // Leaf 0 sends two flits in cycles 2 and 3; leaf 3 takes them in 9 and 12.
                bench.set("sent", 0, (cycle == 2 || cycle == 3).into());
                bench.set("received", 3, (cycle == 9 || cycle == 12).into());
                if bench.sim.peek("released").unwrap() == 1 {
                    seen.push(cycle);
                }
                bench.sim.step().unwrap();
            }
            assert_eq!(seen, [13 + u64::from(latency)]);
        }
    }

    #[test]
    fn a_flit_taken_and_never_sent_is_caught() {
        let mut bench = Bench::new(3, 4);
        bench.set("received", 1, 1);
        assert_eq!(bench.sim.run(5).unwrap_err().name, "none_invented");
    }

    #[test]
    fn a_latency_of_zero_is_refused() {
        assert!(barrier(&mut Library::new(), 3, 0, 10).is_err());
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for (leaves, latency) in [(1, 1), (5, 1), (5, 16)] {
            lint(&barrier(&mut Library::new(), leaves, latency, 100).unwrap());
        }
    }
}
