//! Ring buffer: an array of sums, one for each neuron and step; a slot is empty after the soma read and cleared it.

use super::{Bench, Proof, constant, hold, implies};
use crate::formal::Method;
use hw::blocks::ring_buffer::ring_buffer;
use hw::blocks::shape::Shape;
use hw::platform::Ports;
use hw::{Platform, Structure};
use rtl::{Def, Errors, Library, Module, U};

/// The proofs.
pub fn proofs() -> Vec<Proof> {
    let claim = "each slot holds the sum of what was added for its neuron and step since it was cleared; a slot that was \
                 read and cleared is empty";
    let loihi = Platform::load("loihi").expect("the preset");
    let mut small = loihi.clone();
    small.core.neurons = 2;
    (small.ring_buffer.slots, small.ring_buffer.accumulators, small.ring_buffer.accumulator_bits) = (4, 4, 2);
    let block = |platform: &Platform, ports| {
        let mut platform = platform.clone();
        platform.ring_buffer.accumulator_ports = ports;
        let shape = Shape::new(&platform, Structure::RingBuffer);
        (ring_buffer(&mut Library::new(), &shape).expect("a ring buffer"), shape)
    };
    let any_one = |name, ports, said| {
        let (block, shape) = block(&loihi, ports);
        Proof {
            name,
            claim,
            parameters: format!(
                "{} accumulators of {} bits, {said}, up to {} slots; any one slot",
                shape.accumulators, shape.accumulator_bits, shape.slots
            ),
            block,
            harness: any_slot,
            method: Method::Induction(3),
            small: None,
        }
    };
    let all = |name, ports, said| Proof {
        name,
        claim,
        parameters: format!("4 accumulators of 2 bits, {said}, 2 or 4 slots, its whole memory"),
        block: block(&small, ports).0,
        harness: whole,
        method: Method::Bounded(WHOLE),
        small: None,
    };
    vec![
        any_one("ring buffer", Ports::OneReadOneWrite, "1r1w"),
        any_one("ring buffer, one port", Ports::OneRw, "1rw"),
        all("ring buffer, whole", Ports::OneReadOneWrite, "1r1w"),
        all("ring buffer, whole, one port", Ports::OneRw, "1rw"),
    ]
}

/// Cycles in which a ring of four goes around more than twice and its sum is read.
const WHOLE: u32 = 13;

/// The slot that is followed, and what it should hold.
struct Followed<'m> {
    place: U<'m>,
    /// It was cleared once, so that what it holds is known.
    known: U<'m>,
    expected: U<'m>,
    /// A weight for it came in the last cycle and is being written.
    pending: U<'m>,
    /// It was read in the last cycle.
    was_read: U<'m>,
}

fn follow<'m>(b: &Bench<'m>) -> Followed<'m> {
    let m = b.m;
    let [start, first, add, read, clear, wipe] =
        ["start", "first", "add", "read", "clear", "wipe"].map(|name| b.arbitrary(name));
    let [add_neuron, read_neuron, clear_neuron] =
        ["add_neuron", "read_neuron", "clear_neuron"].map(|name| b.arbitrary(name));
    let (delay, weight, wiped) =
        (b.arbitrary("add_delay"), b.arbitrary("add_weight"), b.arbitrary("wipe_address"));
    let log2 = b.arbitrary("slots_log2");
    hold(m, "slots_log2", log2);
    let (neuron, slot) = (constant(m, "neuron", add_neuron.width()), constant(m, "slot", delay.width()));
    let bits = delay.width();
    let most = u64::from(bits);
    m.assume("some_slots", log2.any() & log2.le(most), "two slots or more, no more than there are");
    let mask = ((m.u(1, bits + 1) << log2) - 1).trunc(bits);
    m.assume("slot_exists", slot.le(mask), "a slot of those in use");
    // Neurons and slots in use fit the memory.
    let (address_bits, wider) = (wiped.width(), neuron.width() + bits + 1);
    for (name, value) in
        [("add", add_neuron), ("read", read_neuron), ("clear", clear_neuron), ("own", neuron)]
    {
        let address = value.zext(wider) << log2;
        m.assume(&format!("{name}_fits"), address.lt(1 << address_bits), "a neuron that is in use");
    }
    let place = ((neuron.zext(wider) << log2) | slot.zext(wider)).trunc(address_bits);

    // What the rest of a core keeps to.
    m.assume("delays", !add | (delay.any() & delay.le(mask)), "a delay is 1 .. slots - 1");
    m.assume("one_reader", !(add & read), "no weight comes while the soma reads");
    let writes = m.delayed("writes", add);
    let alone = !((writes & clear) | (writes & wipe) | (clear & wipe));
    m.assume("one_writer", alone, "nothing is cleared while a sum is written");
    if b.def.parameter("ports") == Some(1) {
        // The two cycles from one synapse to the next, and from one neuron to the next.
        let both = (add | read) & (writes | clear | wipe);
        m.assume("one_port", !both, "nothing is read in a cycle in which something is written");
    }

    let head = m.reg("own_head", bits, 0);
    let now = start.mux(first.mux(m.u(0, bits), (head.q + 1) & mask), head.q);
    head.set(now);
    m.assert("head_in_range", b.get("head").le(mask), "the head is a slot out of use");
    m.assert("head", b.get("head").eq(now), "the head is not the step's slot");
    let due = (now + delay) & mask;
    let adds = add & add_neuron.eq(neuron) & due.eq(slot);
    let reads = read & read_neuron.eq(neuron) & now.eq(slot);
    let clears = (clear & clear_neuron.eq(neuron) & now.eq(slot)) | (wipe & wiped.eq(place));
    let known = m.reg("known", 1, 0);
    known.set_if(clears, m.u(1, 1));
    let expected = m.reg("expected", weight.width(), 0);
    let left = clears.mux(m.u(0, weight.width()), expected.q);
    expected.set(adds.mux(left + weight, left));
    let was_read = m.delayed("was_read", reads & (known.q | clears));
    let at_read = m.delayed("at_read", left);
    m.assert("sum", implies(was_read, b.get("sum").eq(at_read)), "the sum that is read is not what came");

    m.cover("read_again", was_read & at_read.any(), "a slot with a sum is read");
    let rounds = m.reg("rounds", 2, 0);
    rounds.set_if(start & !first & !now.any() & !rounds.q.all(), rounds.q + 1);
    // A short run does not get around a long ring.
    for log2_of in (1..=bits).filter(|_| bits <= 2) {
        let past = log2.eq(u64::from(log2_of)) & rounds.q.bit(1) & head.q.any() & was_read & at_read.any();
        let name = format!("two_wraps_of_{}", 1 << log2_of);
        m.cover(&name, past, "the head went around more than twice and a sum is read");
    }
    Followed { place, known: known.q, expected: expected.q, pending: m.delayed("pending", adds), was_read }
}

fn whole(def: &Def) -> Result<Def, Errors> {
    let open = Module::altered(def, "accumulator", "open", |m| m.assume_instead("sum_fits"))?;
    let m = Module::new("prove_ring_buffer", &[]);
    follow(&Bench::new(&m, &open));
    m.finish()
}

fn any_slot(def: &Def) -> Result<Def, Errors> {
    let open = Module::altered(def, "accumulator", "open", |m| {
        // That sums fit is the compiler's promise.
        m.assume_instead("sum_fits");
        m.know_one_word("accumulators");
        for name in ["word", "known", "hit", "held"] {
            m.expose(&format!("accumulators_{name}"));
        }
        m.expose("write_address");
    })?;
    let m = Module::new("prove_ring_buffer", &[]);
    let b = Bench::new(&m, &open);
    let seen = |name: &str| b.get(&format!("accumulator_{name}_seen"));
    b.arbitrary("accumulator_accumulators_any");
    let f = follow(&b);
    b.set("accumulator_accumulators_place", f.place);
    let (word_known, word) = (seen("accumulators_known"), seen("accumulators_word"));
    let (hit, held) = (seen("accumulators_hit"), seen("accumulators_held"));
    let kept = implies(f.known & !f.pending, word_known & word.eq(f.expected));
    m.assert("kept", kept, "the slot holds something else");
    let written = b.get("write") & seen("write_address").eq(f.place);
    m.assert("no_other_write", implies(written, f.pending), "a weight is written to another's slot");
    m.assert("pending_is_written", implies(f.pending, written), "a weight is not written to its slot");
    let sum = hit & (held + b.get("weight")).eq(f.expected);
    m.assert("pending_sum", implies(f.known & f.pending, sum), "a weight is added to something else");
    m.assert("read_hits", implies(f.was_read, hit), "the slot was not read");
    m.finish()
}
