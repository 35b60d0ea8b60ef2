//! The router: at most one input an output, no flit lost, invented or altered, XY routes, and fairness.

use super::{Bench, Proof, constant, hold, implies};
use crate::formal::Method;
use hw::blocks::router::{Port, router};
use hw::layout::Widths;
use hw::{Platform, Structure};
use rtl::{Def, Errors, Library, Module, U};

/// The proofs.
pub fn proofs() -> Vec<Proof> {
    let loihi = Platform::load("loihi").expect("the preset");
    let mut small = loihi.clone();
    (small.mesh.width, small.mesh.height, small.core.input_axons) = (3, 3, 2);
    (small.mesh.router_buffer, small.mesh.core_buffer) = (1, 1);
    let proof = |name, p: &Platform, small| {
        let w = Widths::new(p, Structure::RingBuffer);
        let (depth, core_depth) = (p.mesh.router_buffer.into(), p.mesh.core_buffer.into());
        Proof {
            name,
            claim: "an output grants at most one input and an input one output; what is granted is the head, sent once and \
                    the way XY says; an input that waits is passed at most 4 times while its output has credits; credits \
                    conserved",
            parameters: format!("buffers {depth}, core's {core_depth}, flits of {} bits", w.flit()),
            block: router(&mut Library::new(), &w, depth, core_depth).expect("a router"),
            harness,
            method: Method::Induction(2),
            small,
        }
    };
    vec![proof("router", &loihi, Some(ONE_DEEP)), proof(ONE_DEEP, &small, None)]
}

const ONE_DEEP: &str = "router, one deep";

const NAMES: [&str; 5] = ["north", "east", "south", "west", "local"];

/// Every signal that the proof looks at.
fn open(def: &Def) -> Result<Def, Errors> {
    Module::altered(def, "", "open", |m| {
        for side in NAMES {
            // That flits are of the present step is the barrier's promise.
            m.assume_instead(&format!("{side}_parity"));
            for what in ["pointer", "send", "out_credits"] {
                m.expose(&format!("{side}_{what}"));
            }
            for what in ["level", "out_data"] {
                m.expose(&format!("{side}_buffer.{what}"));
            }
            for other in NAMES {
                m.expose(&format!("{side}_asks_{other}"));
                m.expose(&format!("{side}_grants_{other}"));
            }
        }
    })
}

fn sum<'m>(m: &'m Module, values: &[U<'m>], bits: u32) -> U<'m> {
    values.iter().fold(m.u(0, bits), |a, b| a + b.zext(bits))
}

fn harness(def: &Def) -> Result<Def, Errors> {
    let [buffer, core_buffer] = ["buffer", "core_buffer"].map(|p| def.parameter(p).expect("of a router"));
    let m = Module::new("prove_router", &[]);
    let b = Bench::new(&m, &open(def)?);
    let clear = b.arbitrary("clear");
    b.arbitrary("parity");
    let (x, y) = (b.arbitrary("x"), b.arbitrary("y"));
    hold(&m, "x", x);
    hold(&m, "y", y);
    // Both ends of every link keep to the credits.
    let bits = 6;
    for (port, side) in Port::ALL.into_iter().zip(NAMES) {
        let comes = b.arbitrary(&format!("{side}_in_valid"));
        b.arbitrary(&format!("{side}_in_flit"));
        let room = m.reg(&format!("{side}_room"), bits, buffer);
        m.assume(&format!("{side}_credit"), !comes | room.q.any(), "a writer sends with a credit only");
        let back = b.get(&format!("{side}_in_credit"));
        room.set(room.q - comes.zext(bits) + back.zext(bits));
        let level = b.seen(&format!("{side}_buffer.level"));
        let conserved = (room.q.zext(bits + 1) + level.zext(bits + 1)).eq(buffer);
        m.assert(&format!("{side}_in_conserved"), conserved, "credits and flits do not add up to the depth");

        let depth = if port == Port::Local { core_buffer } else { buffer };
        let taken = b.arbitrary(&format!("{side}_out_credit"));
        let there = m.reg(&format!("{side}_there"), bits, 0);
        m.assume(&format!("{side}_taken"), !taken | there.q.any(), "a reader takes what is there");
        let valid = b.get(&format!("{side}_out_valid"));
        there.set(there.q + valid.zext(bits) - taken.zext(bits));
        let credits = b.seen(&format!("{side}_out_credits"));
        let all = credits.zext(bits + 1) + valid.zext(bits + 1) + there.q.zext(bits + 1);
        let conserved = all.eq(depth);
        m.assert(&format!("{side}_out_conserved"), conserved, "credits and flits do not add up to the depth");
    }

    // One input and one output, which may be any.
    let (input, output) = (constant(&m, "input", 3), constant(&m, "output", 3));
    m.assume("ports", input.lt(5) & output.lt(5), "there are five ports");
    let of = |name: &dyn Fn(&str) -> String| NAMES.map(|side| b.get(&name(side)));
    let grants: Vec<Vec<U<'_>>> =
        NAMES.iter().map(|out| NAMES.map(|i| b.seen(&format!("{out}_grants_{i}"))).to_vec()).collect();
    let asks: Vec<Vec<U<'_>>> =
        NAMES.iter().map(|out| NAMES.map(|i| b.seen(&format!("{i}_asks_{out}"))).to_vec()).collect();
    let of_output: Vec<_> =
        (0..5).map(|i| m.index(output, &grants.iter().map(|row| row[i]).collect::<Vec<_>>())).collect();
    let of_input: Vec<_> = grants.iter().map(|row| m.index(input, row)).collect();
    let [granted, asking] = [&grants, &asks].map(|table| {
        let rows: Vec<_> = table.iter().map(|row| m.index(input, row)).collect();
        m.index(output, &rows)
    });
    let one = sum(&m, &of_output, 3).le(1);
    m.assert("one_input_an_output", one, "an output grants two inputs");
    m.assert("one_output_an_input", sum(&m, &of_input, 3).le(1), "two outputs grant one input");
    m.assert("granted_asked", implies(granted, asking), "a grant for nothing");
    let popped = m.index(input, &of(&|side| format!("{side}_in_credit")));
    m.assert(
        "none_lost",
        popped.zext(3).eq(sum(&m, &of_input, 3)),
        "a flit is taken and not sent, or sent and kept",
    );

    // What is granted is sent, the way XY says.
    let heads: Vec<_> = NAMES.iter().map(|side| b.seen(&format!("{side}_buffer.out_data"))).collect();
    let head = m.index(input, &heads);
    let valid = m.index(output, &of(&|side| format!("{side}_out_valid")));
    let flit = m.index(output, &of(&|side| format!("{side}_out_flit")));
    let (was_granted, was_head) = (m.delayed("was_granted", granted), m.delayed("was_head", head));
    m.assert("sent", implies(was_granted, valid & flit.eq(was_head)), "a granted flit is lost or altered");
    let any = m.delayed("any_grant", sum(&m, &of_output, 3).any());
    m.assert("none_invented", valid.eq(any), "a flit is sent that was not granted");
    let (to_x, to_y) = (head.slice(1..1 + x.width()), head.slice(1 + x.width()..1 + x.width() + y.width()));
    let row = to_x.eq(x);
    let ways = [row & to_y.lt(y), to_x.gt(x), row & to_y.gt(y), to_x.lt(x), row & to_y.eq(y)];
    m.assert("xy", implies(granted, m.index(output, &ways)), "a flit goes another way than XY says");

    // Fairness: the pointer comes nearer with every grant to another input.
    let credits = m.index(output, &NAMES.map(|side| b.seen(&format!("{side}_out_credits")).any()));
    let progress = implies(asking & credits, sum(&m, &of_output, 3).any());
    m.assert("no_idle_output", progress, "an output with a credit grants nobody though an input asks");
    let passed = m.reg("passed", 3, 0).doc("Grants to others while the input waits.");
    let passes = asking & !granted & sum(&m, &of_output, 3).any();
    passed.set_first(&[(clear | granted | !asking, m.u(0, 3)), (passes, passed.q + 1)]);
    let pointer = m.index(output, &NAMES.map(|side| b.seen(&format!("{side}_pointer"))));
    m.assert("pointer_in_range", pointer.lt(5), "the pointer is at a port");
    let ahead = pointer.le(input).mux(input - pointer, input + 5 - pointer);
    m.assert(
        "comes_nearer",
        (passed.q.zext(4) + ahead.zext(4)).le(4),
        "the turn of an input does not come nearer",
    );
    m.assert("fair", passed.q.le(4), "an input is passed more than four times");
    m.cover("waits", passed.q.any(), "an input waits for another");
    for (i, side) in NAMES.into_iter().enumerate() {
        let from = grants.iter().fold(m.u(0, 1), |any, row| any | row[i]);
        m.cover(&format!("{side}_granted"), from, "a flit of this input is granted");
        m.cover(
            &format!("{side}_leaves"),
            b.get(&format!("{side}_out_valid")),
            "a flit leaves by this output",
        );
    }
    m.finish()
}
