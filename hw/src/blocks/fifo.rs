//! Buffer of a link: a small FIFO of flip-flops that gives credits back (`TIMING.md` section 2).
//!
//! ```text
//!                +-------------------+
//!   in_valid --->|                   |---> out_valid
//!   in_data  ===>| word_0 .. word_n  |===> out_data
//!     credit <---|                   |<--- pop
//!                +-------------------+===> level
//!
//!   cycle       c      c+1     c+2     ..  p       p+1
//!   in_valid           1
//!   in_data            A
//!   level       0      0       1           1       0
//!   out_valid                  1    ..     1       0
//!   out_data                   A    ..     A
//!   pop                                    1
//!   credit                                 1
//! ```
//! The writer sends in c, its output register shows the word in c+1, the word is at the head from c+2. The head is always in
//! `word_0`: a pop shifts, so that the output comes straight from a register. `credit` is `pop`, for the writer's counter.
//!
//! Latency: one cycle from `in_valid` to `out_valid`.
//! Throughput: a word a cycle; full and empty at once never stall.
//! Limits: depth 1 to 1024, meant for a few words; a large FIFO is [`memory_fifo`](super::memory_fifo).
//! Undefined: a word that comes when it is full, a pop when it is empty. Both are asserted.

use rtl::{Def, Errors, Library, bits_for};

/// A FIFO of `depth` words of `bits`.
///
/// # Errors
/// What is wrong with the description.
pub fn fifo(library: &mut Library, depth: u64, bits: u32) -> Result<Def, Errors> {
    library.define("fifo", &[("depth", depth), ("bits", bits.into())], |m| {
        m.doc("Buffer of a link: flip-flops, the head in word_0, a credit for each word taken.");
        if !(1..=1024).contains(&depth) {
            m.error(&format!("a FIFO of {depth} words: must be 1 to 1024"));
        }
        let in_valid = m.input("in_valid", 1).doc("A word comes.");
        let in_data = m.input("in_data", bits);
        let pop = m.input("pop", 1).doc("The head is taken.");
        let level = m.reg("level", bits_for(depth + 1), 0).doc("Words in it.");
        let words: Vec<_> = (0..depth).map(|i| m.reg(&format!("word_{i}"), bits, 0)).collect();
        let place = pop.mux(level.q - 1, level.q).named("place").doc("Where a word that comes is put.");
        for (i, word) in words.iter().enumerate() {
            let comes = in_valid & place.eq(i as u64);
            match words.get(i + 1) {
                Some(behind) => word.set_first(&[(comes, in_data), (pop, behind.q)]),
                None => word.set_if(comes, in_data),
            }
        }
        level.set_if(in_valid ^ pop, in_valid.mux(level.q + 1, level.q - 1));
        let (empty, full) = (!level.q.any(), level.q.eq(depth));
        m.assert("not_over", !in_valid | !full, "a word comes although the FIFO is full");
        m.assert("not_under", !pop | !empty, "a word is taken although the FIFO is empty");
        m.assert("level_in_range", level.q.le(depth), "the level passed the depth");
        m.idle_when(!in_valid & !pop);
        m.output("out_valid", !empty).doc("There is a head.");
        m.output("out_data", words.first().map_or(in_data, |w| w.q)).doc("The head.");
        m.output("level", level.q);
        m.output("credit", pop).doc("A place is free again, for the writer.");
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint};
    use rtl::Simulator;
    use std::collections::VecDeque;

    #[test]
    fn it_keeps_order_and_a_word_is_at_the_head_one_cycle_after_it_came() {
        for (depth, bits) in [(1, 1), (2, 7), (3, 64), (5, 9)] {
            let def = fifo(&mut Library::new(), depth, bits).expect("a right description");
            let mut sim = Simulator::new(&def);
            let [valid, data, pop] = ["in_valid", "in_data", "pop"].map(|n| sim.input(n).unwrap());
            let mut random = Random::new(depth);
            let mut model = VecDeque::new();
            for _ in 0..500 {
                let head = model.front().copied();
                assert_eq!(sim.peek("out_valid").unwrap(), u64::from(head.is_some()));
                assert_eq!(sim.peek("level").unwrap(), model.len() as u64);
                if let Some(head) = head {
                    assert_eq!(sim.peek("out_data").unwrap(), head);
                }
                let comes = (model.len() as u64) < depth && random.one_in(2);
                let goes = head.is_some() && random.one_in(2);
                let word = random.bits(bits);
                sim.set(valid, comes.into());
                sim.set(data, word);
                sim.set(pop, goes.into());
                assert_eq!(sim.peek("credit").unwrap(), u64::from(goes));
                sim.step().expect("no violation");
                if goes {
                    model.pop_front();
                }
                if comes {
                    model.push_back(word);
                }
            }
        }
    }

    #[test]
    fn a_word_too_many_and_a_pop_of_nothing_are_violations() {
        let def = fifo(&mut Library::new(), 1, 4).expect("a right description");
        let mut sim = Simulator::new(&def);
        let [valid, pop] = ["in_valid", "pop"].map(|n| sim.input(n).unwrap());
        sim.set(pop, 1);
        assert_eq!(sim.step().unwrap_err().name, "not_under");
        sim.set(pop, 0);
        sim.set(valid, 1);
        sim.step().expect("one word fits");
        assert_eq!(sim.step().unwrap_err().name, "not_over");
    }

    #[test]
    fn no_depth_is_refused() {
        let error = fifo(&mut Library::new(), 0, 4).unwrap_err().to_string();
        assert!(error.contains("must be 1 to 1024"), "{error}");
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        lint(&fifo(&mut Library::new(), 3, 9).expect("a right description"));
        lint(&fifo(&mut Library::new(), 1, 1).expect("a right description"));
    }
}
