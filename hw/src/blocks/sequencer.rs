//! The sequencer: reset phase, steps 0 .. T-1, done (`hw/TIMING.md`, section 1).
//!
//! ```text
//!                +-------------+
//!   begin_sample >|             |----> clear
//!   steps ------>|  sequencer  |----> start, first
//!   clearing --->|             |----> step, parity
//!   released --->|             |----> state
//!                +-------------+
//!
//!   steps = 2    b     b+1  ..         s(0)         s(1)         end
//!   begin_sam. __/~~\_____________________________________________
//!   clear      __/~~\_____________________________________________
//!   clearing   ______/~~~~~~~~~~~~~~~~~\__________________________
//!   released   _________________________________/~~\________/~~\__
//!   start      ________________________/~~\_____/~~\______________
//!   first      ________________________/~~\_______________________
//!   step                               0         1
//!   state        Idle  Reset                Run                  Done
//! ```
//!
//! `clear` makes every core clear its state; while one of them is at it, `clearing` is 1, from the cycle after `clear` on.
//! Step 0 starts in the first cycle without. `step` and `parity` are those of the present step, in the cycle of its start
//! too. The release of the last step ends the sample. A `begin_sample` in a running sample is not heard.
//!
//! Latency: none from `released` to `start`; `state` follows a cycle later.
//! Throughput: a step a release; the next sample may begin in the first cycle of Done.
//! Limits: 1 to 2^32 - 1 steps.
//! Undefined: `steps` = 0 (assumed not to be), or changed while it runs; a release outside a step (asserted).

use super::shared_queue::STEP_BITS;
use rtl::{Def, Errors, Library};

rtl::states! {
    /// Where a sample is.
    pub enum Stage {
        /// Nothing has begun.
        Idle,
        /// The cores clear their state.
        Reset,
        /// Steps run.
        Run,
        /// The last step is over: scores can be read.
        Done,
    }
}

/// The sequencer.
///
/// # Errors
/// What is wrong with the description.
pub fn sequencer(library: &mut Library) -> Result<Def, Errors> {
    library.define("sequencer", &[], |m| {
        m.doc("Leads a sample from its reset phase through its steps to its end.");
        let begin = m.input("begin_sample", 1).doc("Begin a sample.");
        let steps = m.input("steps", STEP_BITS).doc("Steps of a sample, at least 1.");
        let clearing = m.input("clearing", 1).doc("A core clears its state.");
        let release = m.input("released", 1).doc("The barrier ends the step.");
        m.assume("steps_positive", steps.ne(0), "a sample has at least one step");

        let state = m.reg_e("state", Stage::Idle).doc("Where the sample is.");
        let count = m.reg("count", STEP_BITS, 0).doc("Step that started last.");
        let clear = begin & (state.q.is(Stage::Idle) | state.q.is(Stage::Done));
        let first = (state.q.is(Stage::Reset) & !clearing).named("first_start");
        let next = (count.q + 1).named("next");
        let last = next.eq(steps);
        let over = release & state.q.is(Stage::Run);
        let again = over & !last;
        let start = first | again;
        let step = first.mux(m.u(0, STEP_BITS), again.mux(next, count.q));
        count.set_if(start, step);
        state.set_first(&[
            (clear, m.e(Stage::Reset)),
            (first, m.e(Stage::Run)),
            (over & last, m.e(Stage::Done)),
        ]);
        m.output("clear", clear).doc("The reset phase begins after this cycle.");
        m.output("start", start).doc("A step starts in this cycle.");
        m.output("first", first).doc("It is step 0.");
        m.output("step", step).doc("The present step.");
        m.output("parity", step.bit(0)).doc("Its lowest bit.");
        m.output("state", state.q);
        m.assert("release_in_run", !release | state.q.is(Stage::Run), "a step ends that did not run");
        m.idle_when(!(clear | first | over));
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::blocks::test::lint;
    use rtl::Simulator;

    #[test]
    fn a_sample_has_its_steps_and_can_be_run_again() {
        let mut sim = Simulator::new(&sequencer(&mut Library::new()).unwrap());
        let [begin, steps, clearing, release] =
            ["begin_sample", "steps", "clearing", "released"].map(|n| sim.input(n).unwrap());
        let state = sim.probe("state").unwrap();
        sim.set(steps, 3);
        for _ in 0..2 {
            sim.set(begin, 1);
            assert_eq!(sim.peek("clear").unwrap(), 1);
            sim.step().unwrap();
            sim.set(begin, 0);
            sim.set(clearing, 1);
            sim.run(4).unwrap();
            assert_eq!(sim.get_e::<Stage>(state), Stage::Reset);
            sim.set(clearing, 0);
            for t in 0..3 {
                let seen = ["start", "first", "step", "parity"].map(|n| sim.peek(n).unwrap());
                assert_eq!(seen, [1, u64::from(t == 0), t, t & 1]);
                sim.step().unwrap();
                sim.set(release, 0);
                sim.run(2).unwrap();
                assert_eq!([sim.peek("start").unwrap(), sim.peek("step").unwrap()], [0, t]);
                sim.set(release, 1);
            }
            assert_eq!(sim.peek("start").unwrap(), 0);
            sim.step().unwrap();
            sim.set(release, 0);
            assert_eq!(sim.get_e::<Stage>(state), Stage::Done);
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        lint(&sequencer(&mut Library::new()).unwrap());
    }
}
