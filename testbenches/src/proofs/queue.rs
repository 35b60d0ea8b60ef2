//! Shared queue: every event is streamed once a step, in its order, until its last useful delay; none is lost or invented.
//!
//! At the depth that ships each residence of an event is proved apart: what is written at any place of one queue is entered
//! once in the next step, unaltered and in its turn; what leaves the synapse stage with a useful delay left is written again
//! with age + 1. Steps follow each other, so together these say it for the whole life of an event; a small queue shows it so.

use super::{Bench, Proof, constant, implies};
use crate::formal::Method;
use hw::blocks::shape::Shape;
use hw::blocks::shared_queue::shared_queue;
use hw::{Platform, Structure};
use rtl::{Def, Errors, Library, Module, U};

/// The proofs.
pub fn proofs() -> Vec<Proof> {
    let seneca = Platform::load("seneca").expect("the preset");
    let ships = Shape::new(&seneca, Structure::SharedQueue);
    let few = Shape::new(&small(), Structure::SharedQueue);
    let block = |shape| shared_queue(&mut Library::new(), shape).expect("a queue");
    let claim = "each event that was written is entered once in the next step, unaltered and in order, and none else; with a \
                 useful delay left it is written again, age + 1; arrivals are written or wait; never more events than the \
                 depth: one too many is latched";
    vec![
        Proof {
            name: "shared queue",
            claim,
            parameters: format!(
                "depth {}, delays to {}, {} axons; any one place",
                ships.queue_depth, ships.longest_delay, ships.axons
            ),
            block: block(&ships),
            harness: any_place,
            method: Method::Induction(3),
            small: Some(TWO_PLACES),
        },
        Proof {
            name: TWO_PLACES,
            claim,
            parameters: "depth 2, delays to 3, 2 axons; any one place".into(),
            block: block(&few),
            harness: any_place,
            method: Method::Induction(3),
            small: None,
        },
        Proof {
            name: "shared queue, whole",
            claim: "an event is delivered once in each step until its last useful delay, or its overflow is latched",
            parameters: "depth 2, delays to 3, 2 axons, both queues whole; any useful-weight rows".into(),
            block: block(&few),
            harness: whole,
            method: Method::Bounded(23),
            small: None,
        },
    ]
}

const TWO_PLACES: &str = "shared queue, two places";

/// A platform whose queue is as small as can be.
fn small() -> Platform {
    let mut p = Platform::load("seneca").expect("the preset");
    p.core.input_axons = 2;
    (p.shared_queue.depth, p.shared_queue.longest_delay, p.shared_queue.axon_synapses) = (2, 3, 3);
    p
}

/// The surroundings: an axon table that holds one row, a synapse stage that holds one event for as long as it likes.
struct Around<'m> {
    start: U<'m>,
    clear: U<'m>,
    /// A step runs: from the cycle after its start to the start of the update.
    running: U<'m>,
    /// No step began since clear.
    fresh: U<'m>,
    row_valid: U<'m>,
    enter: U<'m>,
    active: U<'m>,
    finish: U<'m>,
    /// The event in the synapse stage has a useful delay left.
    more: U<'m>,
    /// The event in the synapse stage, as it should be queued again.
    axon: U<'m>,
    age: U<'m>,
    next_offset: U<'m>,
    in_axon: U<'m>,
    take: U<'m>,
    /// The POQ is full.
    full: U<'m>,
}

fn surround<'m>(b: &Bench<'m>, depth: u64) -> Around<'m> {
    let m = b.m;
    let one = m.u(1, 1);
    let zero = m.u(0, 1);
    let [start, first, clear, in_valid] =
        ["start", "first", "clear", "in_valid"].map(|name| b.arbitrary(name));
    let (in_axon, next_offset) = (b.arbitrary("in_axon"), b.arbitrary("next_offset"));
    let row = b.arbitrary("useful_weights_any");

    let running = m.reg("running", 1, 0);
    let update = b.get("update");
    running.set_first(&[(start, one), (update, zero)]);
    let fresh = m.reg("fresh", 1, 1);
    fresh.set_first(&[(clear, one), (start, zero)]);
    m.assume(
        "step_by_step",
        !start | !(running.q | in_valid | clear),
        "a step starts when the last one is over",
    );
    m.assume("first_step", !start | first.eq(fresh.q), "step 0 is the first after clear");
    m.assume("clear_alone", !clear | !(running.q | in_valid), "clear comes between samples");
    m.assume("no_early_flits", !fresh.q | !in_valid, "nothing comes before step 0");

    let row_valid = m.reg("row_valid", 1, 0);
    let active = m.reg("active", 1, 0);
    let finish = active.q & m.input("done", 1);
    let free = !active.q | finish;
    let enter = row_valid.q & free;
    let row_read = b.get("row_read");
    row_valid.set_first(&[(row_read, one), (enter, zero)]);
    active.set_first(&[(enter, one), (finish, zero)]);
    for (name, value) in [("row_valid", row_valid.q), ("row_ready", !row_valid.q | enter), ("enter", enter)] {
        b.set(name, value);
    }
    b.set("finish", finish);
    b.set("free", free);
    m.assert("row_is_kept", !row_read | !row_valid.q | enter, "a row is read over one that waits");

    // The event that enters, as the queue shows it, with its row.
    let held_age = b.get("read_age");
    let left = row.zext(row.width() + 1) >> (held_age - 1);
    m.assert("useful", implies(enter, b.get("useful").eq(left.bit(0))), "the filter's bit is another");
    let [axon, age, more] = [
        m.reg("stage_axon", in_axon.width(), 0),
        m.reg("stage_age", held_age.width(), 0),
        m.reg("stage_more", 1, 0),
    ];
    axon.set_if(enter, b.get("read_axon"));
    age.set_if(enter, held_age + 1);
    more.set_if(enter, (left >> 1).any());

    // What is written to the POQ.
    let requeue = finish & more.q;
    let take = b.get("take");
    m.assert(
        "taken_or_waits",
        take.eq(in_valid & !requeue & !start),
        "an arrival is neither taken nor waits",
    );
    let comes = requeue | take;
    let full = b.get("write_pointer").eq(depth);
    m.assert("written", b.get("write").eq(comes & !full), "what comes is not written, or more than that");
    let [to_axon, to_age, to_offset] = ["write_axon", "write_age", "write_offset"].map(|name| b.get(name));
    let again = to_axon.eq(axon.q) & to_age.eq(age.q) & to_offset.eq(next_offset);
    m.assert("queued_again", implies(requeue, again), "an event is queued again as another");
    let arrives = to_axon.eq(in_axon) & to_age.eq(1) & !to_offset.any();
    m.assert("age_written", implies(b.get("write"), to_age.any()), "an event of age 0 is written");
    m.assert("arrives", implies(take, arrives), "an arrival is written as another");
    let overflow = m.reg("own_overflow", 1, 0);
    overflow.set_first(&[(clear, zero), (comes & full, one)]);
    m.assert("overflow", b.get("overflow").eq(overflow.q), "an overflow is not latched");
    m.assert("depth", b.get("write_pointer").le(depth), "more events than the depth");
    m.assert("level", b.get("read_level").le(depth), "more events than the depth");

    // As many are entered as were written.
    let level_bits = b.get("read_level").width() + 1;
    let [pointer, level, written] =
        ["read_pointer", "read_level", "write_pointer"].map(|name| b.get(name).zext(level_bits));
    let (total, filled) = (m.reg("total", level_bits, 0), m.reg("filled", level_bits, 0));
    let now = start.mux(filled.q, total.q);
    total.set_first(&[(clear, m.u(0, level_bits)), (start, filled.q)]);
    let filling = start.mux(m.u(0, level_bits), filled.q);
    filled.set(clear.mux(m.u(0, level_bits), filling + b.get("write").zext(level_bits)));
    m.assert("none_lost_or_invented", (pointer + level).eq(now), "events are lost or invented");
    m.assert("total_in_range", now.le(depth), "more events than the depth");
    m.assert("counted", written.eq(filling), "the POQ's level is not what was written");
    m.assert("entered_was_there", implies(enter, level.any()), "an event enters that is not there");
    let idle = !level.any() & !row_valid.q & !active.q;
    m.assert("all_entered", implies(update, idle), "the soma starts before all events are delivered");
    Around {
        start,
        clear,
        running: running.q,
        fresh: fresh.q,
        row_valid: row_valid.q,
        enter,
        active: active.q,
        finish,
        more: more.q,
        axon: axon.q,
        age: age.q,
        next_offset,
        in_axon,
        take,
        full,
    }
}

fn whole(def: &Def) -> Result<Def, Errors> {
    let depth = def.parameter("depth").expect("of a queue");
    let open = Module::altered(def, "", "open", |m| m.know_one_word("useful_weights"))?;
    let m = Module::new("prove_shared_queue", &[]);
    let b = Bench::new(&m, &open);
    b.set("useful_weights_place", m.u(0, b.width("useful_weights_place")));
    let a = surround(&b, depth);

    // An arrival is chosen and followed through the steps: where it is, at which place of its queue.
    let pointer_bits = b.get("write_pointer").width();
    let (choose, ever) = (m.input("choose", 1), m.reg("ever", 1, 0));
    let [waits, streamed, staged] = ["waits", "streamed", "staged"].map(|name| m.reg(name, 1, 0));
    let place = m.reg("place", pointer_bits, 0);
    let [axon, age, offset] = [
        m.reg("own_axon", a.in_axon.width(), 0),
        m.reg("own_age", a.age.width(), 0),
        m.reg("own_offset", a.next_offset.width(), 0),
    ];
    let chosen = a.take & choose & !ever.q;
    ever.set_first(&[(a.clear, m.u(0, 1)), (chosen, m.u(1, 1))]);
    axon.set_if(chosen, a.in_axon);
    // It enters when as many others have.
    let turn = streamed.q & a.enter & b.get("read_pointer").eq(place.q);
    let again = staged.q & a.finish & a.more;
    let write = (chosen | again) & !a.full;
    waits.set_first(&[(a.clear, m.u(0, 1)), (write, m.u(1, 1)), (a.start, m.u(0, 1))]);
    let streams = a.start & waits.q;
    streamed.set_first(&[(a.clear | turn, m.u(0, 1)), (streams, m.u(1, 1))]);
    staged.set_first(&[(turn, m.u(1, 1)), (a.finish, m.u(0, 1))]);
    place.set_if(write, b.get("write_pointer"));
    age.set_first(&[(chosen, m.u(1, age.q.width())), (again, age.q + 1)]);
    offset.set_first(&[(chosen, m.u(0, offset.q.width())), (again, a.next_offset)]);
    let shown =
        b.get("read_axon").eq(axon.q) & b.get("read_age").eq(age.q) & b.get("read_offset").eq(offset.q);
    m.assert("delivered", implies(turn, shown), "another event is delivered in its turn");
    m.assert(
        "not_left_over",
        implies(a.start | b.get("update"), !streamed.q),
        "an event was not delivered in its step",
    );
    let lost = (chosen | again) & a.full;
    m.assert(
        "overflow_is_told",
        implies(m.delayed("lost", lost & !a.clear), b.get("overflow")),
        "lost without a word",
    );
    m.cover("third_delivery", turn & age.q.eq(3), "an event is delivered a third time");
    let swaps = m.reg("swaps", 3, 0);
    swaps.set_if(a.start & !a.fresh & !swaps.q.all(), swaps.q + 1);
    m.cover("three_swaps", swaps.q.eq(3) & turn, "an event is delivered after three swaps");
    m.cover("overflows", b.get("overflow"), "a queue overflows");
    m.finish()
}

fn any_place(def: &Def) -> Result<Def, Errors> {
    let depth = def.parameter("depth").expect("of a queue");
    let internal =
        ["out_valid", "kept_selected", "delivering", "started", "drained_1", "stage_axon", "stage_age"];
    let open = Module::altered(def, "", "open", |m| {
        m.know_one_word("useful_weights");
        // What is read at any place is what was written there, and that is asserted.
        m.assume_instead("age_in_range");
        for queue in ["queue_a", "queue_b"] {
            m.know_one_word(queue);
            ["word", "known", "hit", "held"].iter().for_each(|part| m.expose(&format!("{queue}_{part}")));
        }
        internal.iter().for_each(|name| m.expose(name));
        m.expose("stage_again");
    })?;
    let m = Module::new("prove_shared_queue", &[]);
    let b = Bench::new(&m, &open);
    let place = constant(&m, "place", b.width("queue_a_place"));
    for queue in ["queue_a", "queue_b"] {
        b.set(&format!("{queue}_place"), place);
        b.arbitrary(&format!("{queue}_any"));
    }
    b.set("useful_weights_place", m.u(0, b.width("useful_weights_place")));
    let a = surround(&b, depth);
    let bits = b.get("read_pointer").width() + 1;
    let place = place.zext(bits);
    let [pointer, level, written] =
        ["read_pointer", "read_level", "write_pointer"].map(|name| b.get(name).zext(bits));
    let zero = m.u(0, 1);

    // What lies at the place in each queue; `selected` 0: queue_a is the PRQ.
    let selected = b.get("selected");
    let event = m.cat(&["write_offset", "write_age", "write_axon"].map(|name| b.get(name)));
    let lies = b.get("write") & written.eq(place);
    let [(a_there, a_word), (b_there, b_word)] =
        [("queue_a", selected), ("queue_b", !selected)].map(|(name, fills)| {
            let there = m.reg(&format!("{name}_there"), 1, 0);
            let word = m.reg(&format!("{name}_own"), event.width(), 0);
            there.set_first(&[(a.clear, zero), (lies & fills, m.u(1, 1)), (a.start & fills, zero)]);
            word.set_if(lies & fills, event);
            (there.q & !(a.start & fills), word.q)
        });
    let known = |name: &str| b.seen(&format!("{name}_known"));
    let word = |name: &str| b.seen(&format!("{name}_word"));
    m.assert(
        "poq",
        selected.mux(a_there, b_there).eq(place.lt(written)),
        "the POQ's places are not filled in order",
    );
    let waiting = selected.mux(b_there, a_there);
    m.assert("prq", waiting.eq(place.lt(pointer + level)), "the PRQ holds others than it was filled with");
    m.assert(
        "a_kept",
        implies(a_there, known("queue_a") & word("queue_a").eq(a_word)),
        "an event is altered",
    );
    m.assert(
        "b_kept",
        implies(b_there, known("queue_b") & word("queue_b").eq(b_word)),
        "an event is altered",
    );

    // Its way out: the memory's output, the held row, the synapse stage.
    let expected = selected.mux(b_word, a_word);
    let out_valid = b.seen("out_valid");
    let turn = (pointer + a.row_valid.zext(bits)).eq(place);
    let hit = selected.mux(b.seen("queue_b_hit"), b.seen("queue_a_hit"));
    let out = selected.mux(b.seen("queue_b_held"), b.seen("queue_a_held"));
    m.assert("read", implies(out_valid & turn, hit & out.eq(expected)), "another event is read");
    let held = m.cat(&["read_offset", "read_age", "read_axon"].map(|name| b.get(name)));
    m.assert("held", implies(a.row_valid & pointer.eq(place), held.eq(expected)), "another event is held");
    m.assert(
        "entered",
        implies(a.enter & pointer.eq(place), waiting & held.eq(expected)),
        "another event enters",
    );
    let ahead = a.row_valid.zext(bits) + out_valid.zext(bits);
    m.assert("fetched", ahead.le(level), "an event is read that is not there");
    let staged =
        b.seen("stage_axon").eq(a.axon) & b.seen("stage_age").eq(a.age) & b.seen("stage_again").eq(a.more);
    let aged = b.seen("stage_age").any();
    m.assert("age_staged", implies(a.active & b.seen("stage_again"), aged), "an event of age 0 is staged");
    m.assert("staged", implies(a.active, staged), "another event is in the synapse stage");

    // The phases of a step.
    let [delivering, drained, update] =
        [b.seen("delivering"), b.seen("drained_1"), b.get("update")].map(|v| v.zext(2));
    m.assert("phases", (delivering + drained + update).eq(a.running.zext(2)), "a step is in one phase");
    m.assert(
        "start_delivers",
        implies(b.seen("started"), b.seen("delivering")),
        "a start begins with delivery",
    );
    let nothing = !a.row_valid & !out_valid & !a.active;
    let drains = b.seen("drained_1") | b.get("update");
    m.assert("drained", implies(drains | !a.running, nothing), "an event is left behind");
    m.assert(
        "drained_level",
        implies(drains | (!a.running & !a.start), !level.any()),
        "an event is left behind",
    );
    m.assert("same_selection", a.start | selected.eq(b.seen("kept_selected")), "the queues swap in a step");
    m.assert(
        "nothing_waits_at_first",
        implies(a.fresh, !written.any() & !a.running),
        "something waits before step 0",
    );
    m.assert("nothing_lies_at_first", implies(a.fresh, !a_there & !b_there), "something waits before step 0");
    m.assert("started_step", implies(b.seen("started"), !a.start), "two starts in a row");

    let requeue = a.finish & a.more;
    m.cover("queued_again_here", requeue & lies, "an event is queued again at the place");
    m.cover("swap_with_entries", a.start & waiting & level.eq(depth), "a full queue is swapped");
    m.cover("full", written.eq(depth) & a.running, "the POQ is full");
    m.cover("both_hold", a_there & b_there, "there is an event at the place of both queues");
    m.cover("enters", a.enter & pointer.eq(place) & waiting, "the event at the place enters");
    m.finish()
}
