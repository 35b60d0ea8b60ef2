//! Credits of a link: what the writer may send, what is on the link and what is in the buffer are together always its depth.

use super::{Bench, Proof};
use crate::formal::Method;
use hw::Platform;
use hw::blocks::fifo::fifo;
use hw::blocks::link::Writer;
use rtl::{Def, Errors, Library, Module};

/// The proofs.
pub fn proofs() -> Vec<Proof> {
    let depth = Platform::load("loihi").expect("the preset").mesh.router_buffer;
    let proof = |depth: u32| Proof {
        name: if depth == 1 { "link, one deep" } else { "link" },
        claim: "credits conserved: credits, flits on the link and flits in the buffer add up to its depth; \
                nothing is sent to a full buffer",
        parameters: format!("depth {depth}, 20 bits"),
        block: link(depth, 20).expect("a link"),
        harness,
        method: Method::Induction(2),
        small: None,
    };
    vec![proof(depth.into()), proof(1)]
}

/// A writer and its buffer. The writer sends where it is `willing` and has a credit.
///
/// # Errors
/// What is wrong with the description.
pub fn link(depth: u32, bits: u32) -> Result<Def, Errors> {
    let buffer = fifo(&mut Library::new(), depth.into(), bits)?;
    let m = Module::new("link", &[("depth", depth.into()), ("bits", bits.into())]);
    m.doc("A writer and the buffer that it writes to.");
    let willing = m.input("willing", 1).doc("The writer has a flit.");
    let flit = m.input("flit", bits);
    let pop = m.input("pop", 1).doc("The reader takes the head.");
    let writer = Writer::new(&m, "out", depth);
    let send = (willing & writer.ready).named("send");
    let buffer = m.instance("buffer", &buffer).set("pop", pop);
    writer.drive("out", send, flit, buffer.u("credit"));
    let (valid, word) = (m.find("out_valid"), m.find("out_flit"));
    buffer.set("in_valid", valid).set("in_data", word);
    m.output("sent", send);
    m.output("credits", m.find("out_credits"));
    m.output("head_valid", buffer.u("out_valid"));
    m.output("head", buffer.u("out_data"));
    m.output("level", buffer.u("level"));
    m.finish()
}

fn harness(def: &Def) -> Result<Def, Errors> {
    let depth = def.parameter("depth").expect("a link has a depth");
    let m = Module::new("prove_link", &[]);
    let b = Bench::new(&m, def);
    b.arbitrary("willing");
    b.arbitrary("flit");
    let pop = b.arbitrary("pop");
    m.assume("head", !pop | b.get("head_valid"), "nothing is taken when the buffer is empty");
    let bits = b.get("level").width() + 2;
    let [credits, on_link, level] = ["credits", "out_valid", "level"].map(|name| b.get(name).zext(bits));
    m.assert(
        "conserved",
        (credits + on_link + level).eq(depth),
        "credits and flits do not add up to the depth",
    );
    let on_way = m.reg("on_way", bits, 0);
    on_way.set(on_way.q + b.get("sent").zext(bits) - pop.zext(bits));
    m.assert("none_lost_or_invented", on_way.q.eq(on_link + level), "a flit is lost or invented");
    m.cover("full", level.eq(depth) & !b.get("credits").any(), "the buffer is full");
    let was_full = m.reg("was_full", 1, 0);
    was_full.set_if(level.eq(depth), m.u(1, 1));
    m.cover("empty_again", was_full.q & credits.eq(depth), "all credits came back");
    m.finish()
}
