//! Core controller: the phase of a core, and the reset phase (`TIMING.md` section 1).
//!
//! ```text
//!                 +------------+
//!       clear --->|            |---> state
//!       start --->| controller |---> wipe, wipe_address     a word of each memory is cleared
//! go, updated --->|            |---> clearing
//! accumulators -->|            |
//!                 +------------+
//!
//!   ring buffer, update of two neurons
//!   cycle    ..     s       s+1     ..  s+4     s+5
//!   start           1
//!   go              1
//!   updated                             1
//!   state    Accept Update  Update  ..  Update  Accept
//!
//!   reset phase of two accumulators
//!   cycle           c       c+1     c+2     c+3
//!   clear           1
//!   wipe                    1       1
//!   wipe_address            0       1
//!   clearing        1       1       1       0
//!   state                   Clear   Clear   Idle
//! ```
//! `state` is that of the present cycle: `start` begins Deliver (shared queue) or Update (ring buffer) in its own cycle, `go` begins
//! Update in its own. After the update a core accepts until the next step.
//!
//! Latency: none.
//! Throughput: one phase at a time; the reset phase clears a word of each memory a cycle.
//! Limits: `accumulators` at least 1 (asserted), constant.
//! Undefined: `clear` or `start` while another phase runs (asserted by the core).

use super::shape::Shape;
use crate::platform::Structure;
use rtl::{Def, Errors, Library};

rtl::states! {
    /// What a core does.
    pub enum State {
        /// Nothing: before the first step.
        Idle,
        /// The pre-processing queue streams (shared queue).
        Deliver,
        /// Neurons are updated.
        Update,
        /// Arrivals are accepted (a shared queue accepts them in the other phases too).
        Accept,
        /// The reset phase clears the memories.
        Clear,
    }
}

/// The controller of a core.
///
/// # Errors
/// What is wrong with the description.
pub fn controller(library: &mut Library, shape: &Shape) -> Result<Def, Errors> {
    let queue = shape.structure() == Structure::SharedQueue;
    let parameters = [("accumulators", shape.accumulators), ("queue", queue.into())];
    library.define("controller", &parameters, |m| {
        m.doc("The phase of a core.");
        let address_bits = shape.accumulator_address();
        let clear = m.input("clear", 1).doc("The reset phase begins after this cycle.");
        let start = m.input("start", 1).doc("A step begins.");
        let updated = m.input("updated", 1).doc("The last neuron is written.");
        let accumulators = m.input("accumulators", shape.accumulator_count()).doc("Words to clear.");
        let kept = m.reg_e("kept_state", State::Idle);
        let address = m.reg("wipe_address", address_bits, 0).doc("The word that is cleared.");
        let state = if queue {
            let go = m.input("go", 1).doc("The update starts.");
            m.select(kept.q, &[(start, m.e(State::Deliver)), (go, m.e(State::Update))])
        } else {
            start.mux(m.e(State::Update), kept.q)
        };
        let state = state.named("state").doc("What the core does in this cycle.");
        let wipe = kept.q.is(State::Clear).named("wipe").doc("A word of each memory is cleared.");
        let wiped = wipe & address.q.eq((accumulators - 1).trunc(address_bits));
        kept.set(m.select(
            state,
            &[(clear, m.e(State::Clear)), (wiped, m.e(State::Idle)), (updated, m.e(State::Accept))],
        ));
        address.set_first(&[(clear | wiped, m.u(0, address_bits)), (wipe, address.q + 1)]);
        m.assert("has_words", !clear | accumulators.any(), "a core without accumulators");
        m.output("state", state);
        m.output("wipe", wipe);
        m.output("wipe_address", address.q);
        m.output("clearing", clear | wipe).doc("The reset phase lasts.");
        let busy = wipe | state.is(State::Deliver) | state.is(State::Update);
        m.output("busy", busy).doc("A phase runs that ends by itself.");
        m.output("accepts", state.is(State::Accept));
        m.idle_when(!clear & !start & !busy & !updated);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{lint, set, shapes};
    use rtl::Simulator;

    #[test]
    fn phases_change_in_the_cycle_of_their_cause() {
        for shape in shapes() {
            let def = controller(&mut Library::new(), &shape).expect("a right description");
            let queue = shape.structure() == Structure::SharedQueue;
            let mut sim = Simulator::new(&def);
            set(&mut sim, "accumulators", 2);
            let mut cycle = |inputs: &[&str], state: State, wipe: Option<u64>| {
                for name in ["clear", "start", "updated", "go"].iter().filter(|&&n| queue || n != "go") {
                    set(&mut sim, name, inputs.contains(name).into());
                }
                let probe = sim.probe("state").unwrap();
                assert_eq!(sim.get_e::<State>(probe), state);
                assert_eq!(sim.peek("wipe").unwrap(), u64::from(wipe.is_some()));
                let clearing = wipe.is_some() || inputs.contains(&"clear");
                assert_eq!(sim.peek("clearing").unwrap(), u64::from(clearing));
                if let Some(address) = wipe {
                    assert_eq!(sim.peek("wipe_address").unwrap(), address);
                }
                sim.step().expect("no violation");
            };
            for _ in 0..2 {
                cycle(&["clear"], State::Idle, None);
                cycle(&[], State::Clear, Some(0));
                cycle(&[], State::Clear, Some(1));
                cycle(&[], State::Idle, None);
            }
            for _ in 0..2 {
                if queue {
                    cycle(&["start"], State::Deliver, None);
                    cycle(&[], State::Deliver, None);
                    cycle(&["go"], State::Update, None);
                } else {
                    cycle(&["start"], State::Update, None);
                }
                cycle(&["updated"], State::Update, None);
                cycle(&[], State::Accept, None);
                cycle(&[], State::Accept, None);
            }
        }
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        for shape in shapes() {
            lint(&controller(&mut Library::new(), &shape).expect("a right description"));
        }
    }
}
