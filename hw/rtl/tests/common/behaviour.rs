//! Circuits run by an engine, `super::simulator`, one behaviour each.

use super::simulator;
use rtl::{
    Def, Module, ReadDuringWrite, SimError, Simulator, Values, Violation, ViolationKind, Widths, bundle,
};

use crate::common::{self, Phase, everything};

fn finish(m: Module) -> Def {
    m.finish().expect("a right description")
}

/// A counter with an enable.
fn counter() -> Def {
    let m = Module::new("counter", &[]);
    let count = m.reg("count", 4, 3);
    count.set_if(m.input("on", 1), count.q + 1);
    m.idle_when(!m.named("busy", m.input("awake", 1)));
    m.output("count", count.q);
    finish(m)
}

#[test]
fn a_register_takes_its_reset_value_then_counts_and_wraps() {
    let mut sim = simulator(&counter());
    let (on, awake) = (sim.input("on").unwrap(), sim.input("awake").unwrap());
    let count = sim.probe("count").unwrap();
    sim.set(awake, 1);
    assert_eq!(sim.get(count), 3);
    sim.step().unwrap();
    assert_eq!(sim.get(count), 3, "held without its enable");
    sim.set(on, 1);
    sim.run(14).unwrap();
    assert_eq!(sim.get(count), 1, "wrapped");
    sim.reset();
    assert_eq!(sim.get(count), 3);
    assert_eq!(sim.cycle(), 16);
}

#[test]
fn idle_when_is_checked_and_not_trusted() {
    let mut sim = simulator(&counter());
    let on = sim.input("on").unwrap();
    sim.run(3).unwrap();
    sim.set(on, 1);
    let violation = sim.step().unwrap_err();
    assert_eq!(
        violation.to_string(),
        "cycle 3: counter: idle_when: count: changes although counter says that it is idle"
    );
    assert_eq!(sim.peek("count").unwrap(), 3, "the circuit stays in the cycle that violates");
}

#[test]
fn a_sleeping_parent_answers_for_its_instances() {
    let m = Module::new("parent", &[]);
    let one = m.u(1, 1);
    let c = m.instance("inner", &counter()).set("on", one).set("awake", one);
    m.idle_when(one);
    m.output("x", c.u("count"));
    let violation = simulator(&finish(m)).step().unwrap_err();
    assert_eq!((violation.kind, violation.path.as_str()), (ViolationKind::Idle, "parent.inner"));
}

/// A memory with all its ports at the top.
fn memory(rule: ReadDuringWrite) -> Simulator {
    let m = Module::new("memory", &[]);
    let table = m.memory_1r1w("store", 6, 8, rule);
    table.write(m.input("to", 3), m.input("write", 1), m.input("word", 8));
    m.output("data", table.read(m.input("from", 3), m.input("read", 1)));
    simulator(&finish(m))
}

fn cycle(sim: &mut Simulator, inputs: &[(&str, u64)]) -> Result<u64, Violation> {
    for (name, value) in inputs {
        let input = sim.input(name).expect("a right name");
        sim.set(input, *value);
    }
    sim.step()?;
    Ok(sim.peek("data").expect("a right name"))
}

#[test]
fn a_memory_answers_in_the_next_cycle_and_keeps_its_data() {
    let mut sim = memory(ReadDuringWrite::OldData);
    cycle(&mut sim, &[("to", 5), ("write", 1), ("word", 77)]).expect("a right name");
    assert_eq!(cycle(&mut sim, &[("write", 0), ("read", 1), ("from", 5)]), Ok(77));
    assert_eq!(cycle(&mut sim, &[("read", 0), ("from", 2)]), Ok(77));
    assert_eq!(cycle(&mut sim, &[("read", 1)]), Ok(0));
}

#[test]
fn read_during_write_follows_its_rule() {
    let collide = [("to", 1), ("from", 1), ("write", 1), ("read", 1), ("word", 9)];
    assert_eq!(cycle(&mut memory(ReadDuringWrite::OldData), &collide), Ok(0));
    assert_eq!(cycle(&mut memory(ReadDuringWrite::Forward), &collide), Ok(9));
    let violation = cycle(&mut memory(ReadDuringWrite::Undefined), &collide).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "cycle 0: memory: memory store: word 1 is read and written in one cycle"
    );
}

#[test]
fn an_address_beyond_the_end_is_a_violation() {
    let mut sim = memory(ReadDuringWrite::OldData);
    let violation = cycle(&mut sim, &[("write", 1), ("to", 6)]).unwrap_err();
    assert_eq!(violation.to_string(), "cycle 0: memory: memory store: address 6, has 6 words");
}

#[test]
fn a_single_port_reads_or_writes_and_keeps_its_data_through_writes() {
    let m = Module::new("single", &[]);
    let table = m.memory_1rw("store", 4, 8).fixed(&[10, 11, 12]);
    let data = table.access(m.input("address", 2), m.input("on", 1), m.input("write", 1), m.input("word", 8));
    m.output("data", data);
    let mut sim = simulator(&finish(m));
    assert_eq!(cycle(&mut sim, &[("on", 1), ("address", 1)]), Ok(11));
    assert_eq!(cycle(&mut sim, &[("write", 1), ("address", 3), ("word", 99)]), Ok(11));
    assert_eq!(cycle(&mut sim, &[("write", 0)]), Ok(99));
    assert_eq!(cycle(&mut sim, &[("on", 0), ("address", 0)]), Ok(99));
}

#[test]
fn memories_are_loaded_by_instance_path() {
    let m = Module::new("leaf", &[]);
    let table = m.memory_1rw("store", 8, 12).loadable();
    m.output("data", table.read(m.input("a", 3), m.u(1, 1)));
    let leaf = finish(m);
    let m = Module::new("top", &[]);
    let a = m.input("a", 3);
    for i in 0..3 {
        m.output(&format!("d{i}"), m.instance(&format!("leaf{i}"), &leaf).set("a", a).u("data"));
    }
    let mut sim = simulator(&finish(m));
    assert_eq!(sim.design().memory_paths(), ["leaf0.store", "leaf1.store", "leaf2.store"]);
    for i in 0..3 {
        let memory = sim.memory(&format!("leaf{i}.store")).unwrap();
        sim.load(memory, &[i, 10 + i, 4000 + i]).unwrap();
        assert_eq!((sim.word(memory, 2), sim.words(memory)), (4000 + i, 8));
    }
    let address = sim.input("a").unwrap();
    sim.set(address, 1);
    sim.step().unwrap();
    assert_eq!([0, 1, 2].map(|i| sim.peek(&format!("d{i}")).unwrap()), [10, 11, 12]);
    let memory = sim.memory("leaf1.store").unwrap();
    let error = sim.load(memory, &[0, 4096]).unwrap_err();
    assert_eq!(error.to_string(), "memory leaf1.store: word 1 is 4096, has 12 bits");
    sim.set_word(memory, 7, 5);
    assert_eq!(sim.word(memory, 7), 5);
}

#[test]
fn properties_name_cycle_path_and_meaning() {
    let m = Module::new("leaf", &[]);
    let a = m.input("a", 4);
    m.assert("small", a.lt(9), "a is at most eight");
    m.assume("not_seven", a.ne(7), "the surroundings leave seven out");
    m.cover("four", a.eq(4), "a is four");
    m.cover("five", a.eq(5), "a is five");
    let leaf = finish(m);
    let m = Module::new("top", &[]);
    m.instance("inner", &leaf).set("a", m.input("a", 4));
    let mut sim = simulator(&finish(m));
    let a = sim.input("a").unwrap();
    sim.set(a, 4);
    sim.run(2).unwrap();
    sim.set(a, 9);
    let violation = sim.step().unwrap_err();
    assert_eq!(violation.to_string(), "cycle 2: top.inner: assertion small: a is at most eight");
    sim.set(a, 7);
    assert_eq!(sim.step().unwrap_err().kind, ViolationKind::Assumption);
    assert_eq!(sim.covers(), [("inner.four".to_string(), true), ("inner.five".to_string(), false)]);
}

#[test]
fn signals_inside_are_found_by_path_and_wrong_paths_say_what_is_there() {
    let mut sim = simulator(&everything());
    assert_eq!(sim.peek("data.kept").unwrap(), 253);
    let kept = sim.probe("data.kept").unwrap();
    assert_eq!(sim.get_s(kept), -3);
    let phase = sim.probe("phase").unwrap();
    assert_eq!(sim.get_e::<Phase>(phase), Phase::Idle);
    sim.poke("data.kept", 5).unwrap();
    assert_eq!(sim.get_s(kept), 5);
    let error = sim.probe("data.nothing").unwrap_err().to_string();
    assert!(error.starts_with("path data.nothing: everything.data has no nothing; it has a, b,"), "{error}");
    assert!(matches!(sim.input("data.a"), Err(SimError::WrongKind { .. })));
    assert!(sim.poke("a", 1).is_err());
}

#[test]
fn signed_arithmetic_holds_in_every_corner() {
    let mut sim = simulator(&common::datapath(8));
    let [a, b, by] = ["a", "b", "by"].map(|n| sim.input(n).unwrap());
    let [high, saturated, shifted] = ["product_high", "saturated", "shifted"].map(|n| sim.probe(n).unwrap());
    let order = sim.probe("order").unwrap();
    for x in -128..=127i64 {
        for y in [-128, -127, -64, -1, 0, 1, 2, 63, 126, 127i64] {
            let shift = (x + y).rem_euclid(8) as u64;
            sim.set_s(a, x);
            sim.set_s(b, y);
            sim.set(by, shift);
            assert_eq!(sim.get_s(high), (x * y) >> 8);
            assert_eq!(sim.get_s(saturated), (x + y).clamp(-128, 127));
            assert_eq!(sim.get_s(shifted), (x >> shift) << 2);
            let bits = [x < y, x <= y, x > y, x >= y, x == y, x != y, x < 0];
            let expected = bits.iter().fold(0, |all, &bit| all << 1 | u64::from(bit));
            assert_eq!(sim.get(order), expected, "{x} {y}");
        }
    }
}

#[test]
fn saturation_to_any_width_is_the_nearest_value() {
    for width in 1..=9 {
        let m = Module::new("saturate", &[("width", width)]);
        m.output("x", m.input_s("a", 8).saturate(width as u32));
        let mut sim = simulator(&finish(m));
        let (a, x) = (sim.input("a").unwrap(), sim.probe("x").unwrap());
        for value in -128..=127 {
            sim.set_s(a, value);
            let most = (1 << (width - 1)) - 1;
            assert_eq!(sim.get_s(x), value.clamp(-most - 1, most), "{value} to {width} bits");
        }
    }
}

#[test]
fn index_picks_each_of_any_number_of_values() {
    for n in 1..=9u64 {
        let m = Module::new("index", &[("n", n)]);
        let values: Vec<_> = (0..n).map(|i| m.u(i * 3, 8)).collect();
        m.output("x", m.index(m.input("i", 4).may_be_unused(), &values));
        let mut sim = simulator(&finish(m));
        let i = sim.input("i").unwrap();
        for at in 0..n {
            sim.set(i, at);
            assert_eq!(sim.peek("x").unwrap(), at * 3, "{at} of {n}");
        }
    }
}

bundle! {
    /// Fields of both types.
    struct Event { axon: U, weight: S, last: U }
}

#[test]
fn bundles_pass_through_ports_registers_words_and_instances() {
    let widths = Event::<Widths> { axon: 5, weight: 8, last: 1 };
    let m = Module::new("stage", &[]);
    let input = m.input_bundle("in", &widths);
    let held = m.reg_bundle("held", &widths);
    held.set_if(m.input("on", 1), &m.unpack(&widths, m.pack(&input)));
    m.output_bundle("out", &held.q);
    let stage = finish(m);
    let m = Module::new("two", &[]);
    let on = m.input("on", 1);
    let first = m.instance("first", &stage).set("on", on).set_bundle("in", &m.input_bundle("in", &widths));
    let second = m.instance("second", &stage).set("on", on).set_bundle("in", &first.bundle("out", &widths));
    m.output_bundle("out", &m.mux_bundle(on, &second.bundle("out", &widths), &m.zero_bundle(&widths)));
    let mut sim = simulator(&finish(m));
    let on = sim.input("on").unwrap();
    sim.set(on, 1);
    let event = Event::<Values> { axon: 19, weight: -77, last: 1 };
    sim.set_bundle("in", &event).unwrap();
    sim.run(2).unwrap();
    assert_eq!(sim.get_bundle("out", &widths).unwrap(), event);
    assert_eq!(sim.get_bundle("first.held", &widths).unwrap(), event);
    sim.set(on, 0);
    assert_eq!(sim.get_bundle("out", &widths).unwrap(), Event { axon: 0, weight: 0, last: 0 });
}

#[test]
fn a_combinational_path_through_instances_settles_in_one_cycle() {
    let m = Module::new("inverter", &[]);
    m.output("y", !m.input("x", 8));
    let inverter = finish(m);
    let m = Module::new("chain", &[]);
    let mut x = m.input("x", 8);
    for i in 0..5 {
        x = m.instance(&format!("i{i}"), &inverter).set("x", x).u("y") + 1;
    }
    m.output("y", x);
    let mut sim = simulator(&finish(m));
    let x = sim.input("x").unwrap();
    for value in [0, 1, 200, 255u64] {
        sim.set(x, value);
        // Five negations.
        assert_eq!(sim.peek("y").unwrap(), value.wrapping_neg() & 255);
    }
}

#[test]
fn many_instances_share_their_definition() {
    let mut def = everything();
    // 4^4 copies: elaboration depends on the depth, not on the number of instances.
    for level in 0..4 {
        let m = Module::new("quad", &[("level", level)]);
        let inputs: Vec<_> = def.inputs().iter().map(|p| (p.info.name.clone(), p.info.width)).collect();
        let inputs: Vec<_> = inputs.iter().map(|(n, w)| (n.clone(), m.input(n, *w))).collect();
        for i in 0..4 {
            let instance = m.instance(&format!("q{i}"), &def);
            for (name, value) in &inputs {
                instance.set(name, *value);
            }
            if i == 0 {
                m.output("n", instance.u("n"));
            }
        }
        def = finish(m);
    }
    let mut sim = simulator(&def);
    assert_eq!(sim.design().instances(), 256 * 3 + 1 + 4 + 16 + 64);
    sim.run(3).unwrap();
    assert_eq!(sim.peek("n").unwrap(), 2);
    assert_eq!(sim.peek("q3.q2.q1.q0.count").unwrap(), 2);
}

#[test]
fn a_slice_of_a_slice_is_the_bits_that_both_take() {
    let m = Module::new("slices", &[]);
    let a = m.input("a", 16);
    m.output("x", a.slice(3..12).slice(2..5));
    m.output("top", a.slice(8..16).slice(7..8));
    let mut sim = simulator(&finish(m));
    let a = sim.input("a").unwrap();
    for value in [0, 0xffff, 0xabcd, 0x5a5a, 0x0123u64] {
        sim.set(a, value);
        assert_eq!(sim.peek("x").unwrap(), value >> 5 & 7);
        assert_eq!(sim.peek("top").unwrap(), value >> 15);
    }
}

#[test]
fn sums_of_extended_values_wrap_at_their_own_width() {
    let m = Module::new("sums", &[]);
    let (a, b) = (m.input_s("a", 6), m.input_s("b", 6));
    let once = a.sext(7) + b.sext(7);
    let twice = once + once;
    m.output("less", twice.lt(once));
    m.output("shifted", (twice - b.sext(7)) >> 2);
    let (x, y) = (a.as_u().zext(7), b.as_u().zext(7));
    m.output("unsigned", ((x + y) + (x - y)) >> 1);
    let mut sim = simulator(&finish(m));
    let (a, b) = (sim.input("a").unwrap(), sim.input("b").unwrap());
    let [less, shifted, unsigned] = ["less", "shifted", "unsigned"].map(|n| sim.probe(n).unwrap());
    let wrap = |x: i64| (x << 57) >> 57;
    for (x, y) in (-32..32i64).flat_map(|x| (-32..32).map(move |y| (x, y))) {
        sim.set_s(a, x);
        sim.set_s(b, y);
        let twice = wrap(2 * (x + y));
        assert_eq!(sim.get(less), u64::from(twice < x + y), "{x} {y}");
        assert_eq!(sim.get_s(shifted), wrap(twice - y) >> 2, "{x} {y}");
        assert_eq!(sim.get(unsigned), ((2 * (x & 63)) & 127) as u64 >> 1, "{x} {y}");
    }
}
