//! A circuit with every operator, every kind of memory, states and a combinational path through an instance.

#![allow(dead_code)]

use rtl::{Def, E, Module, ReadDuringWrite, S, U};

rtl::states! {
    /// What the control does.
    pub enum Phase {
        /// Waits.
        Idle,
        /// Adds.
        Add,
        /// Writes back.
        Write,
    }
}

/// A signed datapath: combinational from inputs to outputs, with one register.
pub fn datapath(bits: u32) -> Def {
    let m = Module::new("datapath", &[("bits", bits.into())]);
    m.doc("Signed arithmetic.\nSaturates.");
    let (a, b) = (m.input_s("a", bits).doc("First operand."), m.input_s("b", bits));
    let by = m.input("by", 3);
    let product = (a * b).named("product").doc("Exact.");
    let sum = a.add_wide(b);
    let kept = m.reg_s("kept", bits, -3);
    kept.set_if(a.lt(b), (a - b) >> by);
    m.output("product_high", (product >> bits).trunc(bits));
    m.output("saturated", sum.saturate(bits)).doc("The sum, saturated.");
    m.output("next", kept.q + 1);
    m.output("kept", kept.q);
    m.output("shifted", (a >> by).sext(bits + 3) << 2);
    m.output("order", m.cat(&[a.lt(b), a.le(b), a.gt(b), a.ge(b), a.eq(b), a.ne(b), a.is_negative()]));
    m.finish().expect("a right description")
}

/// The whole.
pub fn everything() -> Def {
    let m = Module::new("everything", &[]);
    let (a, b) = (m.input("a", 8), m.input("b", 8));
    let go = m.input("go", 1);
    let phase = m.reg_e("phase", Phase::Idle).doc("Where it is.");
    let next: E<Phase> = phase.q.select(
        m.e(Phase::Idle),
        &[(Phase::Idle, go.mux(m.e(Phase::Add), m.e(Phase::Idle))), (Phase::Add, m.e(Phase::Write))],
    );
    phase.set(next);
    let data = m.instance("data", &datapath(8)).doc("The arithmetic.");
    data.set("a", a.as_s()).set("b", b.as_s()).set("by", b.trunc(3));
    // Combinational through the instance and back into another one.
    let more = m.instance("more", &datapath(8));
    more.set("a", data.s("saturated")).set("b", data.s("next")).set("by", a.slice(2..5));

    let one: U = m.u(1, 1);
    let forward = m.memory_1r1w("forward", 16, 8, ReadDuringWrite::Forward).loadable();
    forward.write(a.trunc(4), go, b);
    let old = m.memory_1r1w("old", 12, 9, ReadDuringWrite::OldData).fixed(&[1, 2, 3, 500]);
    let place = (a.trunc(4).lt(12)).mux(a.trunc(4), a.trunc(4) - 4);
    old.write(place, phase.q.is(Phase::Write), m.cat(&[b, one]));
    let single = m.memory_1rw("single", 8, 3).fixed(&[]).doc("One port.");
    let word = single.access(a.trunc(3), one, go, b.slice(3..6));
    m.output("forwarded", forward.read(b.trunc(4), one));
    m.output("before", old.read(place, one));
    m.output("word", word);

    m.output("product", (a * b).zext(20) + 5);
    m.output("logic", (a & b) ^ (!a | (b >> a.trunc(4))));
    m.output("shifts", (a << b.trunc(4)) + (b << 3) + (a >> 7));
    m.output("reduced", m.cat(&[a.any(), a.all(), a.parity(), (!a).any(), !(!a.bit(0)), a.bit_at(b)]));
    m.output("order", m.cat(&[a.lt(b), a.le(b), a.gt(b), a.ge(b), a.eq(b), a.ne(b)]));
    m.output("wide", a.add_wide(b).cat(a.sub_wide(b)));
    m.output("picked", m.index(a.trunc(2), &[a, b, a + b, a - b]));
    m.output("phase", phase.q);
    let all: [(&str, S); 3] =
        [("m0", more.s("saturated")), ("m1", more.s("kept")), ("m2", -more.s("product_high"))];
    for (name, value) in all {
        m.output(name, value);
    }
    m.output("m3", more.s("shifted").as_u().cat(data.s("shifted").as_u()));
    m.output("m4", more.u("order").cat(data.u("order")));
    m.output("m5", data.s("product_high"));
    let count = m.reg("count", 4, 9);
    count.set_first(&[(phase.q.is(Phase::Add), count.q + 1), (a.eq(0), m.u(2, 4))]);
    m.output("n", count.q);
    m.assert("valid", phase.q.as_u().ne(3), "the phase has three states");
    m.cover("wrapped", count.q.eq(0), "the count wraps");
    m.finish().expect("a right description")
}

/// What is rare: properties without state, sleep, collisions left undefined, keywords, names that meet inside an instance.
pub fn corners() -> Def {
    let watch = {
        let m = Module::new("watch", &[]);
        m.doc("Has nothing but a property.");
        let busy = m.input("busy", 1);
        m.assert("never", !(busy & m.input("stop", 1)), "busy and stopped");
        m.output("logic", !busy);
        m.finish().expect("a right description")
    };
    let sleeper = {
        let m = Module::new("sleeper", &[("small", 1)]);
        let wake = m.input("wake", 1);
        let at = m.input("at", 3);
        let count = m.reg("count", 6, 1);
        count.set_if(wake, count.q + 1);
        let words = m.memory_1r1w("words", 8, 6, ReadDuringWrite::Undefined);
        words.write(at, wake, count.q);
        m.output("word", words.read(at + 1, wake));
        let table = m.memory_1rw("table", 5, 33).loadable();
        m.output("entry", table.access(at.any().mux(m.u(4, 3), at), wake, m.u(0, 1), m.u(7, 33)));
        m.idle_when(!wake);
        m.assume("places", at.ne(7), "the last place is not used");
        m.finish().expect("a right description")
    };
    let m = Module::new("corners", &[]);
    let wake = m.input("reg", 1);
    let at = m.input("at", 3);
    m.input("spare", 5).may_be_unused();
    let watch = m.instance("busy", &watch).set("busy", wake).set("stop", !wake);
    for (i, name) in ["count", "second"].iter().enumerate() {
        let sleeper = m.instance(name, &sleeper).set("wake", watch.u("logic")).set("at", at);
        m.output(&format!("word{i}"), sleeper.u("word"));
        if i == 0 {
            m.output("entry", sleeper.u("entry").trunc(20));
        }
    }
    m.named("only_watched", at + 3);
    let chain = (0..20).fold(at, |x, i| (x ^ m.u(i % 8, 3)) + at);
    m.output("chain", chain.as_s() >> 1);
    m.finish().expect("a right description")
}
