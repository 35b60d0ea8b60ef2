//! What the builder accepts and what it refuses, with module, signal and widths named.

use rtl::{BuildError, Def, Errors, Library, Module, ReadDuringWrite, bundle};
use std::sync::Arc;

rtl::states! { enum Phase { Idle, Run } }
rtl::states! { enum Other { A, B } }

/// The texts of all errors of a module.
fn errors(build: impl FnOnce(&Module)) -> Vec<String> {
    let m = Module::new("block", &[("n", 4)]);
    build(&m);
    match m.finish() {
        Ok(_) => Vec::new(),
        Err(Errors(all)) => all.iter().map(BuildError::to_string).collect(),
    }
}

/// The text of the only error of a module, without its place.
#[track_caller]
fn error(build: impl FnOnce(&Module)) -> String {
    let all = errors(build);
    assert_eq!(all.len(), 1, "{all:#?}");
    let (text, place) = all[0].rsplit_once(" (").expect("a place");
    assert!(place.starts_with("hw/rtl/tests/build.rs:"), "{place}");
    text.to_string()
}

fn adder() -> Def {
    let m = Module::new("adder", &[]);
    let (a, b) = (m.input("a", 8), m.input("b", 8));
    let kept = m.reg("kept", 8, 0);
    kept.set(b);
    m.output("sum", a + kept.q);
    m.finish().expect("a right description")
}

#[test]
fn unequal_widths_name_module_signals_and_widths() {
    let text = error(|m| {
        let sum = m.input("a", 8) + m.input("b", 9);
        m.output("sum", sum);
    });
    assert_eq!(text, "module block_n4: +: a has 8 bits, b has 9: widths must be equal");
}

#[test]
fn a_connection_of_the_wrong_width_is_refused() {
    let text = error(|m| m.reg("count", 8, 0).set(m.input("a", 4)));
    assert_eq!(text, "module block_n4: connection: count has 8 bits, a has 4: widths must be equal");
}

#[test]
fn a_condition_has_one_bit() {
    let text = error(|m| {
        let a = m.input("a", 4);
        m.output("x", a.mux(a, a));
    });
    assert_eq!(text, "module block_n4: mux: a condition has 1 bits, a has 4: widths must be equal");
}

#[test]
fn a_constant_must_fit() {
    assert_eq!(
        error(|m| {
            m.output("x", m.input("a", 4) + 16);
        }),
        "module block_n4: constant 16 does not fit 4 bits"
    );
    assert_eq!(
        error(|m| {
            m.output("x", m.input_s("a", 4) + -9);
        }),
        "module block_n4: constant -9 does not fit 4 bits"
    );
}

#[test]
fn widths_out_of_range_are_refused() {
    let wide = error(|m| {
        m.output("x", m.input("a", 65));
    });
    assert_eq!(wide, "module block_n4: a: 65 bits, must be 1 to 64");
    let product = error(|m| {
        let a = m.input("a", 40);
        m.output("x", a * a);
    });
    assert_eq!(product, "module block_n4: product of a: 80 bits, must be 1 to 64");
    let narrower = error(|m| {
        m.output("x", m.input("a", 8).zext(4));
    });
    assert_eq!(narrower, "module block_n4: zext of a: 4 bits, must be 8 to 64");
}

#[test]
fn a_slice_must_lie_inside() {
    let text = error(|m| {
        m.output("x", m.input("a", 8).slice(4..9));
    });
    assert_eq!(text, "module block_n4: slice 4..9 of a, which has 8 bits");
}

#[test]
fn names_clash_and_some_are_reserved() {
    let clash = error(|m| {
        let a = m.input("a", 1);
        m.output("a", a);
    });
    assert_eq!(clash, "module block_n4: name a is declared twice");
    let reserved = error(|m| {
        m.output("clk", m.input("a", 1));
    });
    assert_eq!(reserved, "module block_n4: name clk is reserved");
}

#[test]
fn keywords_of_verilog_are_names_like_others_until_they_clash_there() {
    let none = errors(|m| {
        m.output("logic", m.input("reg", 1));
    });
    assert!(none.is_empty(), "{none:?}");
    let clash = error(|m| {
        m.output("reg_", m.input("reg", 1));
    });
    assert_eq!(clash, "module block_n4: name reg_ is declared twice");
}

#[test]
fn an_output_may_have_the_name_of_the_register_that_drives_it() {
    let none = errors(|m| {
        let count = m.reg("count", 4, 0);
        count.set(count.q + 1);
        m.output("count", count.q);
    });
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn what_nothing_drives_is_named() {
    let all = errors(|m| {
        m.output("x", m.wire("open", 3).q);
        m.output("y", m.reg("held", 3, 0).q);
        let memory = m.memory_1r1w("table", 8, 3, ReadDuringWrite::OldData);
        m.output("z", memory.read(m.u(0, 3), m.u(1, 1)));
        m.output("s", m.instance("add", &adder()).set("a", m.u(0, 8)).u("sum"));
    });
    let expected = ["open", "register held", "memory table: its writing port", "input add.b"];
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (text, name) in all.iter().zip(expected) {
        assert!(text.contains(&format!("{name} is not driven")), "{text}");
    }
}

#[test]
fn driving_twice_is_refused() {
    let text = error(|m| {
        let a = m.input("a", 3);
        let wire = m.wire("w", 3);
        wire.set(a);
        wire.set(a + 1);
        m.output("x", wire.q);
    });
    assert_eq!(text, "module block_n4: w is driven twice");
    let text = error(|m| {
        let memory = m.memory_1rw("table", 8, 3);
        let address = m.input("a", 3);
        _ = memory.read(address, m.u(1, 1));
        m.output("x", memory.read(address, m.u(1, 1)));
    });
    assert_eq!(text, "module block_n4: port of memory table is driven twice");
}

#[test]
fn an_input_that_nothing_reads_is_refused_unless_it_is_said() {
    let text = error(|m| {
        m.input("spare", 3);
    });
    assert!(text.contains("input spare is not used"), "{text}");
    assert!(errors(|m| _ = m.input("spare", 3).may_be_unused()).is_empty());
}

#[test]
fn a_loop_is_named_with_its_path() {
    let text = error(|m| {
        let a = m.wire("ahead", 4);
        let b = m.named("behind", a.q + m.input("x", 4));
        a.set(b & 7);
        m.output("y", b);
    });
    assert_eq!(text, "module block_n4: combinational loop: ahead -> behind -> ahead");
}

#[test]
fn a_loop_through_an_instance_names_its_ports() {
    let text = error(|m| {
        let back = m.wire("back", 8);
        let add = m.instance("add", &adder()).set("a", back.q).set("b", m.u(1, 8));
        back.set(add.u("sum"));
        m.output("x", back.q);
    });
    assert!(text.contains("combinational loop") && text.contains("add.a -> add.sum -> back"), "{text}");
}

#[test]
fn a_register_inside_an_instance_breaks_a_loop() {
    let none = errors(|m| {
        let back = m.wire("back", 8);
        let add = m.instance("add", &adder()).set("a", m.u(3, 8)).set("b", back.q);
        back.set(add.u("sum"));
        m.output("x", back.q);
    });
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn ports_of_instances_are_checked() {
    let text =
        error(|m| _ = m.instance("add", &adder()).set("a", m.u(0, 8)).set("b", m.u(0, 8)).u("product"));
    assert_eq!(text, "module block_n4: instance add of adder: no output product; it has sum");
    let text = error(|m| {
        let add = m.instance("add", &adder()).set("a", m.u(0, 8)).set("b", m.u(0, 8));
        m.output("x", add.s("sum"));
    });
    assert_eq!(text, "module block_n4: instance add of adder: output sum is unsigned, used as signed");
}

#[test]
fn signals_of_another_module_are_refused() {
    let other = Module::new("other", &[]);
    let foreign = other.input("far", 4);
    let text = error(|m| {
        m.output("x", m.input("near", 4) + foreign);
    });
    assert_eq!(text, "module block_n4: far belongs to module other");
}

#[test]
fn contents_must_fit_their_memory() {
    let build = |m: &Module, words: &[u64]| {
        let rom = m.memory_1rw("rom", 4, 3).fixed(words);
        m.output("x", rom.read(m.input("a", 2), m.u(1, 1)));
    };
    assert_eq!(error(|m| build(m, &[0; 5])), "module block_n4: memory rom: 5 words of contents, has 4");
    assert_eq!(
        error(|m| build(m, &[1, 8])),
        "module block_n4: memory rom: contents of word 1 do not fit 3 bits"
    );
}

#[test]
fn equal_definitions_become_one_and_different_ones_of_a_name_are_refused() {
    let pass = |name: &str, inverted: bool| {
        let m = Module::new(name, &[("n", 1)]);
        let a = m.input("a", 1);
        m.output("x", if inverted { !a } else { a });
        m.finish().expect("a right description")
    };
    let m = Module::new("top", &[]);
    let a = m.input("a", 1);
    let first = m.instance("first", &pass("leaf", false)).set("a", a).u("x");
    m.output("x", m.instance("second", &pass("leaf", false)).set("a", first).u("x"));
    let top = m.finish().expect("a right description");
    assert!(Arc::ptr_eq(&top.instances()[0].def, &top.instances()[1].def));

    let text = error(|m| {
        let first = m.instance("first", &pass("leaf", false)).set("a", m.u(0, 1)).u("x");
        m.output("x", m.instance("second", &pass("leaf", true)).set("a", first).u("x"));
    });
    assert!(text.contains("two different definitions are named leaf_n1"), "{text}");
}

#[test]
fn a_library_builds_each_definition_once() {
    let mut library = Library::new();
    let mut built = 0;
    for bits in [4, 8, 4] {
        let def = library.define("wire", &[("bits", bits)], |m| {
            built += 1;
            m.output("x", m.input("a", bits as u32));
        });
        assert_eq!(def.expect("a right description").unique_name(), format!("wire_bits{bits}"));
    }
    assert_eq!(built, 2);
}

#[test]
fn shared_expressions_stay_small() {
    let m = Module::new("tower", &[]);
    let mut x = m.input("a", 32);
    for _ in 0..10_000 {
        x = x + x;
    }
    m.output("x", x);
    assert_eq!(m.finish().expect("a right description").node_count(), 10_001);
}

#[test]
fn states_of_different_enumerations_do_not_mix_at_ports() {
    let m = Module::new("leaf", &[]);
    m.output("x", m.input_e::<Phase>("phase").is(Phase::Run));
    let leaf = m.finish().expect("a right description");
    let text = error(|m| _ = m.instance("leaf", &leaf).set("phase", m.e(Other::B)).u("x"));
    assert!(text.contains("input phase is Phase, used as Other"), "{text}");
    _ = (Phase::Idle, Other::A);
}

bundle! {
    struct Pair { low: U, high: S }
}

#[test]
fn a_bundle_must_use_up_its_word() {
    let widths = Pair::<rtl::Widths> { low: 3, high: 4 };
    let text = error(|m| {
        let pair = m.unpack(&widths, m.input("word", 8));
        m.output("x", pair.high);
        m.output("y", pair.low);
    });
    assert!(text.contains("the fields together has 7 bits, the word has 8"), "{text}");
}
