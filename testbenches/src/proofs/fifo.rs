//! Both FIFOs: any word that goes in comes out, after those before it and before those behind it, and nothing else does.

use super::{Bench, Proof, constant, implies};
use crate::formal::Method;
use hw::Platform;
use hw::blocks::fifo::fifo;
use hw::blocks::memory_fifo::memory_fifo;
use rtl::{Def, Errors, Library, Module, U, bits_for};

/// The proofs.
pub fn proofs() -> Vec<Proof> {
    let loihi = Platform::load("loihi").expect("the preset");
    let (depth, neurons) = (u64::from(loihi.mesh.router_buffer), u64::from(loihi.core.neurons));
    let lib = &mut Library::new();
    let claim = "FIFO order: each word comes out once, unaltered, in its place; the level is what is in it";
    vec![
        Proof {
            name: "FIFO",
            claim,
            parameters: format!("depth {depth}, 20 bits"),
            block: fifo(lib, depth, 20).expect("a FIFO"),
            harness: registers,
            method: Method::Induction(3),
            small: None,
        },
        Proof {
            name: "memory FIFO",
            claim,
            parameters: format!("depth {neurons}, 10 bits; any one word"),
            block: memory_fifo(lib, neurons, 10).expect("a FIFO"),
            harness: any_place,
            method: Method::Induction(3),
            small: Some("memory FIFO, three words"),
        },
        Proof {
            name: "memory FIFO, three words",
            claim,
            parameters: "depth 3, 2 bits; any one word".into(),
            block: memory_fifo(lib, 3, 2).expect("a FIFO"),
            harness: any_place,
            method: Method::Induction(3),
            small: None,
        },
        Proof {
            name: "memory FIFO, whole",
            claim,
            parameters: "depth 3, 2 bits, its whole memory".into(),
            block: memory_fifo(lib, 3, 2).expect("a FIFO"),
            harness: whole,
            method: Method::Bounded(13),
            small: None,
        },
    ]
}

fn depth_of(def: &Def) -> u64 {
    def.parameter("depth").expect("a FIFO has a depth")
}

/// A word that was chosen when it came.
struct Chosen<'m> {
    /// It is in the FIFO.
    inside: U<'m>,
    /// Words before it.
    ahead: U<'m>,
    word: U<'m>,
}

/// What both have: a chosen word is followed; `may` says whether the one that comes may be chosen.
fn follow<'m>(b: &Bench<'m>, depth: u64, push: &str, may: U<'m>) -> Chosen<'m> {
    let m = b.m;
    let (push, data, pop) = (b.arbitrary(push), b.arbitrary("in_data"), b.arbitrary("pop"));
    let (level, valid, out) = (b.get("level"), b.get("out_valid"), b.get("out_data"));
    let bits = level.width();
    m.assume("room", !push | level.lt(depth), "nothing comes when it is full");
    m.assume("head", !pop | valid, "nothing is taken when it is empty");
    let choose = m.input("choose", 1);
    let inside = m.reg("inside", 1, 0);
    let ahead = m.reg("ahead", bits, 0);
    let word = m.reg("word", data.width(), 0);
    let chosen = push & choose & may & !inside.q;
    let leaves = inside.q & pop & !ahead.q.any();
    inside.set_first(&[(chosen, m.u(1, 1)), (leaves, m.u(0, 1))]);
    ahead.set_first(&[(chosen, level - pop.zext(bits)), (inside.q & pop, ahead.q - 1)]);
    word.set_if(chosen, data);
    let count = m.reg("count", bits, 0);
    count.set(count.q + push.zext(bits) - pop.zext(bits));
    m.assert("none_lost_or_invented", level.eq(count.q), "the level is not what came less what went");
    m.assert("head_when_any", valid.eq(level.any()), "there is a head where there are words");
    m.assert("still_inside", !inside.q | ahead.q.lt(level), "the chosen word is gone");
    let is_head = inside.q & !ahead.q.any();
    m.assert(
        "in_order",
        implies(is_head, valid & out.eq(word.q)),
        "the head is not the word whose turn it is",
    );
    m.cover("comes_out", leaves & word.q.any(), "a word goes through");
    let turns = m.reg("turns", bits_for(4 * depth + 1), 0);
    turns.set_if(pop & turns.q.lt(2 * depth + 1), turns.q + 1);
    m.cover("two_wraps", turns.q.gt(2 * depth) & leaves, "the pointers went around more than twice");
    Chosen { inside: inside.q, ahead: ahead.q, word: word.q }
}

fn registers(def: &Def) -> Result<Def, Errors> {
    let depth = depth_of(def);
    let open = Module::altered(def, "", "open", |m| {
        (0..depth).for_each(|i| m.expose(&format!("word_{i}")));
    })?;
    let m = Module::new("prove_fifo", &[]);
    let b = Bench::new(&m, &open);
    let chosen = follow(&b, depth, "in_valid", m.u(1, 1));
    for i in 0..depth {
        let here = chosen.inside & chosen.ahead.eq(i);
        let kept = b.seen(&format!("word_{i}")).eq(chosen.word);
        m.assert(&format!("kept_{i}"), implies(here, kept), "the chosen word is not in its place");
    }
    m.finish()
}

fn whole(def: &Def) -> Result<Def, Errors> {
    let m = Module::new("prove_memory_fifo", &[]);
    follow(&Bench::new(&m, def), depth_of(def), "push", m.u(1, 1));
    m.finish()
}

fn any_place(def: &Def) -> Result<Def, Errors> {
    let depth = depth_of(def);
    let open = Module::altered(def, "", "open", |m| {
        m.know_one_word("words");
        for name in ["read_pointer", "write_pointer", "words_word", "words_known", "words_hit", "words_held"]
        {
            m.expose(name);
        }
    })?;
    let m = Module::new("prove_memory_fifo", &[]);
    let b = Bench::new(&m, &open);
    let place = constant(&m, "place", b.width("words_place"));
    b.set("words_place", place);
    b.arbitrary("words_any");
    let (read, write) = (b.seen("read_pointer"), b.seen("write_pointer"));
    let chosen = follow(&b, depth, "push", write.eq(place));
    // Pointers and level go around together, and the chosen word lies behind those before it.
    let bits = chosen.ahead.width() + 1;
    let [last, own] = [b.get("level"), chosen.ahead].map(|words| {
        let sum = read.zext(bits) + words.zext(bits);
        sum.ge(depth).mux(sum - depth, sum)
    });
    m.assert("read_in_range", read.zext(bits).lt(depth), "the read pointer is in the memory");
    m.assert("pointers_and_level", write.zext(bits).eq(last), "pointers and level disagree");
    let there = place.zext(bits).eq(own);
    m.assert("lies_in_order", implies(chosen.inside, there), "the chosen word lies elsewhere");
    let kept = b.seen("words_known") & b.seen("words_word").eq(chosen.word);
    m.assert("kept", implies(chosen.inside, kept), "the chosen word is altered");
    let shown = b.seen("words_hit") & b.seen("words_held").eq(chosen.word);
    let is_head = chosen.inside & !chosen.ahead.any();
    m.assert("shown", implies(is_head, shown), "the head was not read");
    m.finish()
}
