//! FIFOs keep order, and the credits of a link are conserved, at any depth and width under random stalls.

use super::{Alter, Circuit, Dice, Property, same};
use crate::proofs::link::link;
use hw::blocks::{fifo, memory_fifo};
use proptest::prelude::*;
use rtl::{Def, Library};
use std::collections::VecDeque;

/// The FIFO of flip-flops.
pub fn fifo() -> Property {
    Property {
        name: "FIFO",
        claim: "order, level and head are those of a plain queue",
        check: |search| {
            search.over(&case(16), |case, alter| {
                let def = fifo::fifo(&mut Library::new(), case.depth, case.bits).expect("a FIFO");
                queue(case, "in_valid", false, def, alter)
            })
        },
    }
}

/// The FIFO in a memory.
pub fn memory_fifo() -> Property {
    Property {
        name: "memory FIFO",
        claim: "order, level and head are those of a plain queue",
        check: |search| {
            search.over(&case(64), |case, alter| {
                let def =
                    memory_fifo::memory_fifo(&mut Library::new(), case.depth, case.bits).expect("a FIFO");
                queue(case, "push", true, def, alter)
            })
        },
    }
}

/// Writer and buffer.
pub fn credits() -> Property {
    Property {
        name: "credits",
        claim: "credits, flits on the link and in the buffer add up to the depth; flits arrive in order, two cycles after",
        check: |search| search.over(&case(9), run_link),
    }
}

#[derive(Debug)]
struct Case {
    depth: u64,
    bits: u32,
    seed: u64,
    /// Of ten cycles, in how many either side is willing.
    willing: (u64, u64),
}

fn case(most: u64) -> impl Strategy<Value = Case> {
    (prop_oneof![1..5u64, 1..=most], prop_oneof![1..9u32, 1..=64u32], any::<u64>(), (1..=10u64, 1..=10u64))
        .prop_map(|(depth, bits, seed, willing)| Case { depth, bits, seed, willing })
}

fn word(dice: &mut Dice, bits: u32) -> u64 {
    (dice.below(1 << 31) << 33 | dice.below(1 << 31) << 3 | dice.below(8)) >> (64 - bits)
}

/// Compares a FIFO with a plain queue; `passes`: a full one takes a word in the cycle of a pop.
fn queue(case: &Case, push: &str, passes: bool, def: Def, alter: Alter<'_>) -> Result<(), String> {
    let mut c = Circuit::new(def, alter);
    let mut dice = Dice::new(case.seed);
    let mut model = VecDeque::new();
    for _ in 0..300 {
        same(c.is("out_valid"), !model.is_empty(), "there is a head")?;
        same(c.get("level"), model.len() as u64, "the level")?;
        if let Some(&head) = model.front() {
            same(c.get("out_data"), head, "the head")?;
        }
        let goes = !model.is_empty() && dice.below(10) < case.willing.1;
        let room = (model.len() as u64) < case.depth || (passes && goes);
        let comes = room && dice.below(10) < case.willing.0;
        let data = word(&mut dice, case.bits);
        c.set(push, comes);
        c.set("in_data", data);
        c.set("pop", goes);
        c.step()?;
        if goes {
            model.pop_front();
        }
        if comes {
            model.push_back(data);
        }
    }
    Ok(())
}

fn run_link(case: &Case, alter: Alter<'_>) -> Result<(), String> {
    let mut c = Circuit::new(link(case.depth as u32, case.bits).expect("a link"), alter);
    let mut dice = Dice::new(case.seed);
    // Flits under way with the cycle from which each is at the head.
    let mut model: VecDeque<(u64, u64)> = VecDeque::new();
    for cycle in 0..300u64 {
        let head = model.front().filter(|f| f.0 <= cycle).map(|f| f.1);
        same(c.is("head_valid"), head.is_some(), "there is a head")?;
        if let Some(head) = head {
            same(c.get("head"), head, "the head")?;
        }
        let all = c.get("credits") + c.get("out_valid") + c.get("level");
        same(all, case.depth, "credits and flits")?;
        let pop = head.is_some() && dice.below(10) < case.willing.1;
        let (willing, flit) = (dice.below(10) < case.willing.0, word(&mut dice, case.bits));
        c.set("willing", willing);
        c.set("flit", flit);
        c.set("pop", pop);
        let room = (model.len() as u64) < case.depth;
        same(c.is("sent"), willing && room, "a flit is sent as soon as there is room")?;
        c.step()?;
        if pop {
            model.pop_front();
        }
        if willing && room {
            model.push_back((cycle + 2, flit));
        }
    }
    Ok(())
}
