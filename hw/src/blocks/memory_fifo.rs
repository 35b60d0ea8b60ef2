//! FIFO in a memory: the spikes of a step that wait to be sent (`TIMING.md` sections 5 and 6).
//!
//! ```text
//!             +------------------+
//!     push--->|  words (1r1w)    |---> out_valid
//!  in_data===>|                  |===> out_data
//!             |                  |<--- pop
//!             +------------------+===> level
//!
//!   cycle       c      c+1     c+2     c+3
//!   push        1      1
//!   in_data     A      B
//!   out_valid          1       1       0
//!   out_data           A       B
//!   pop                1       1
//! ```
//! The first word falls through: in every cycle with a push or a pop the memory reads what is the head in the next one. Where
//! that is the word which comes in this cycle, the memory forwards it.
//!
//! Latency: one cycle from `push` to `out_valid`.
//! Throughput: a push and a pop a cycle, without gaps.
//! Limits: depth 1 to 2^32. The output is that of the memory.
//! Undefined: a push when it is full, a pop when it is empty (both are asserted); `out_data` while `out_valid` is 0.

use super::shape::at_least_two;
use rtl::{Def, Errors, Library, ReadDuringWrite, bits_for};

/// A FIFO of `depth` words of `bits`.
///
/// # Errors
/// What is wrong with the description.
pub fn memory_fifo(library: &mut Library, depth: u64, bits: u32) -> Result<Def, Errors> {
    library.define("memory_fifo", &[("depth", depth), ("bits", bits.into())], |m| {
        m.doc("FIFO in a memory; the first word falls through.");
        if depth == 0 {
            m.error("a FIFO of 0 words: must be 1 or more");
        }
        let push = m.input("push", 1).doc("A word comes.");
        let in_data = m.input("in_data", bits);
        let pop = m.input("pop", 1).doc("The head is taken.");
        let level = m.reg("level", bits_for(depth + 1), 0).doc("Words in it.");
        let words = m
            .memory_1r1w("words", at_least_two(depth), bits, ReadDuringWrite::Forward)
            .doc("Its words, in a ring.");
        let address_bits = words.address_bits();
        let [write, read] = ["write_pointer", "read_pointer"].map(|name| m.reg(name, address_bits, 0));
        let last = depth.saturating_sub(1);
        let [after_write, after_read] =
            [write.q, read.q].map(|q| q.eq(last).mux(m.u(0, address_bits), q + 1));
        let next = pop.mux(after_read, read.q).named("next_read");
        write.set_if(push, after_write);
        read.set_if(pop, after_read);
        level.set_if(push ^ pop, push.mux(level.q + 1, level.q - 1));
        words.write(write.q, push, in_data);
        let head = words.read(next, push | pop);
        m.assert("not_over", !push | level.q.ne(depth) | pop, "a word comes although the FIFO is full");
        m.assert("not_under", !pop | level.q.any(), "a word is taken although the FIFO is empty");
        m.assert("level_in_range", level.q.le(depth), "the level passed the depth");
        m.idle_when(!push & !pop);
        m.output("out_valid", level.q.any()).doc("There is a head.");
        m.output("out_data", head).doc("The head.");
        m.output("level", level.q);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::test::{Random, lint};
    use rtl::Simulator;
    use std::collections::VecDeque;

    #[test]
    fn it_keeps_order_and_a_word_is_at_the_head_in_the_cycle_after_its_push() {
        for (depth, bits) in [(1, 3), (2, 7), (3, 64), (8, 9)] {
            let def = memory_fifo(&mut Library::new(), depth, bits).expect("a right description");
            let mut sim = Simulator::new(&def);
            let [push, data, pop] = ["push", "in_data", "pop"].map(|n| sim.input(n).unwrap());
            let mut random = Random::new(depth);
            let mut model = VecDeque::new();
            for cycle in 0..900 {
                let head = model.front().copied();
                assert_eq!(sim.peek("out_valid").unwrap(), u64::from(head.is_some()));
                assert_eq!(sim.peek("level").unwrap(), model.len() as u64);
                if let Some(head) = head {
                    assert_eq!(sim.peek("out_data").unwrap(), head, "depth {depth} cycle {cycle}");
                }
                // By turns mostly empty, mixed, mostly full.
                let (fast, slow) = [(3, 1), (2, 2), (1, 3)][cycle / 300];
                let goes = head.is_some() && random.one_in(slow);
                let comes = (model.len() as u64) < depth && random.one_in(fast);
                let word = random.bits(bits);
                sim.set(push, comes.into());
                sim.set(data, word);
                sim.set(pop, goes.into());
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
    fn a_pop_of_nothing_is_a_violation() {
        let def = memory_fifo(&mut Library::new(), 2, 4).expect("a right description");
        let mut sim = Simulator::new(&def);
        let pop = sim.input("pop").unwrap();
        sim.set(pop, 1);
        assert_eq!(sim.step().unwrap_err().name, "not_under");
    }

    #[test]
    #[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
    fn its_verilog_passes_the_linters() {
        lint(&memory_fifo(&mut Library::new(), 7, 9).expect("a right description"));
        lint(&memory_fifo(&mut Library::new(), 1, 1).expect("a right description"));
    }
}
