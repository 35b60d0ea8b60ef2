//! The barrier: it releases L cycles after the first cycle in which nothing is left to do, never earlier, and once.

use super::{Bench, Proof, implies};
use crate::formal::Method;
use hw::blocks::barrier::barrier;
use rtl::{Def, Errors, Library, Module, U};

const CAPACITY: u64 = 3;

/// The proofs.
pub fn proofs() -> Vec<Proof> {
    let proof = |leaves: u32, latency: u32, cycles| Proof {
        name: if latency == 1 { "barrier, one cycle" } else { "barrier" },
        claim: "released exactly L cycles after the first cycle in which all leaves are quiet and no flit is under way",
        parameters: format!("{leaves} leaves, L = {latency}, {CAPACITY} flits"),
        block: barrier(&mut Library::new(), leaves, latency, CAPACITY).expect("a barrier"),
        harness,
        method: Method::Bounded(cycles),
        small: None,
    };
    vec![proof(3, 4, 18), proof(2, 1, 14)]
}

fn harness(def: &Def) -> Result<Def, Errors> {
    let [leaves, latency] = ["leaves", "latency"].map(|p| def.parameter(p).expect("of a barrier"));
    let m = Module::new("prove_barrier", &[]);
    let b = Bench::new(&m, def);
    let start = b.arbitrary("start");
    let bits = 6;
    let under_way = m.reg("under_way", bits, 0);
    let (mut quiet, mut sent, mut taken) = (m.u(1, 1), m.u(0, bits), m.u(0, bits));
    for i in 0..leaves {
        quiet = quiet & b.arbitrary(&format!("quiet_{i}"));
        sent = sent + b.arbitrary(&format!("sent_{i}")).zext(bits);
        taken = taken + b.arbitrary(&format!("received_{i}")).zext(bits);
    }
    m.assume("taken_was_sent", taken.le(under_way.q), "a flit is taken after it was sent");
    let next = under_way.q + sent - taken;
    m.assume("room", next.le(CAPACITY), "the buffers hold what is under way");
    under_way.set(next);
    // A step starts in the beginning, then only where the last one is released.
    let begun = m.reg("begun", 1, 0);
    begun.set_if(start, m.u(1, 1));
    let released = b.get("released");
    m.assume("start_after_release", !start | !begun.q | released, "a step starts when the last one is over");
    m.assume("start_at_release", implies(released, start), "and then it does");
    let armed = m.reg("armed", 1, 0);
    let over = armed.q & quiet & !under_way.q.any();
    armed.set_first(&[(start, m.u(1, 1)), (over, m.u(0, 1))]);
    let expected = (0..latency).fold(over, |s: U<'_>, i| m.delayed(&format!("over_{i}"), s));
    m.assert("in_its_cycle", released.eq(expected), "released in another cycle than L after the quiet one");
    let steps = m.reg("steps", 2, 0);
    steps.set_if(released & !steps.q.all(), steps.q + 1);
    m.cover("two_steps", steps.q.eq(2) & under_way.q.any(), "two steps are over and a flit is under way");
    m.finish()
}
