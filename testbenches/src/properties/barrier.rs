//! The barrier releases exactly L cycles after the first cycle in which nothing is left to do.

use super::{Alter, Circuit, Dice, Property, same};
use hw::blocks::barrier::barrier;
use proptest::prelude::*;
use rtl::Library;

/// The property.
pub fn property() -> Property {
    Property {
        name: "barrier",
        claim: "released once a step, L cycles after all leaves are quiet and no flit is under way, for any tree",
        check: |search| search.over(&case(), run),
    }
}

#[derive(Debug)]
struct Case {
    leaves: u32,
    latency: u32,
    capacity: u64,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    (1..20u32, 1..=16u32, 1..30u64, any::<u64>()).prop_map(|(leaves, latency, capacity, seed)| Case {
        leaves,
        latency,
        capacity,
        seed,
    })
}

fn run(case: &Case, alter: Alter<'_>) -> Result<(), String> {
    let def = barrier(&mut Library::new(), case.leaves, case.latency, case.capacity).expect("a barrier");
    let mut c = Circuit::new(def, alter);
    let mut dice = Dice::new(case.seed);
    let (mut under_way, mut over, mut next) = (0, None, Some(0));
    let mut steps = 0;
    for cycle in 0..300u64 {
        let start = next == Some(cycle);
        c.set("start", start);
        let armed = over.is_none() && !start && steps > 0;
        // Leaves send for a while, then take what is under way and become quiet.
        let lively = dice.below(3) == 0;
        let (mut sent, mut taken, mut quiet) = (0, 0, true);
        for leaf in 0..case.leaves {
            let sends = lively && under_way + sent < case.capacity && dice.below(3) == 0;
            let takes = taken < under_way && dice.below(2) == 0;
            let is_quiet = !sends && dice.below(12) > 0;
            c.set(&format!("quiet_{leaf}"), is_quiet);
            c.set(&format!("sent_{leaf}"), sends);
            c.set(&format!("received_{leaf}"), takes);
            (sent, taken, quiet) = (sent + u64::from(sends), taken + u64::from(takes), quiet && is_quiet);
        }
        if armed && quiet && under_way == 0 {
            over = Some(cycle);
        }
        let released = over.is_some_and(|c| c + u64::from(case.latency) == cycle);
        same(c.is("released"), released, &format!("released in cycle {cycle} of step {steps}"))?;
        if released {
            // The next step starts with the release, or later.
            (over, next) = (Some(u64::MAX / 2), Some(cycle + 1 + dice.below(2)));
        }
        if start {
            (over, steps) = (None, steps + 1);
        }
        under_way = under_way + sent - taken;
        c.step()?;
    }
    if steps < 2 { Err("no step ended".into()) } else { Ok(()) }
}
