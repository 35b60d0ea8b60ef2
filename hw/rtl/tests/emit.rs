//! Emitted Verilog: what it says, and that the tools of the trade take it.

use rtl::verilog::{Bench, emit};
use rtl::{Cost, Def, MemoryShape, Module, ReadDuringWrite, Simulator, U};
use std::path::Path;
use std::process::Command;

mod common;
use common::{corners, everything};

/// The text of a single module.
fn text(build: impl FnOnce(&Module)) -> String {
    let m = Module::new("block", &[]);
    build(&m);
    let def = m.finish().expect("a right description");
    emit(&def).file("block.v").expect("its file").to_string()
}

#[test]
fn names_docs_and_states_are_those_of_the_description() {
    let verilog = emit(&everything());
    let names: Vec<_> = verilog.files.iter().map(|(name, _)| name.as_str()).collect();
    let expected =
        ["memory_1r1w.v", "memory_1r1w_forward.v", "memory_1rw.v", "datapath_bits8.v", "everything.v"];
    assert_eq!(names, expected);
    let datapath = verilog.file("datapath_bits8.v").expect("a file");
    assert!(datapath.starts_with("// Signed arithmetic.\n// Saturates.\nmodule datapath_bits8 (\n"));
    assert!(datapath.contains("    // First operand. Signed.\n    input  wire [7:0] a,\n"));
    assert!(datapath.contains("    // Exact. Signed.\n    wire [15:0] product;\n"));
    let top = verilog.file("everything.v").expect("a file");
    assert!(top.contains("// Where it is. Phase: 0 Idle, 1 Add, 2 Write.\n"));
    assert!(top.contains("if (reset) phase <= 2'd0; // Idle"));
    assert!(top.contains("(phase == Phase_Idle)"));
    assert!(top.contains("    // The arithmetic.\n    datapath_bits8 data (\n"));
}

#[test]
fn a_signed_shift_never_meets_an_unsigned_context() {
    let text = text(|m| {
        let v = m.input_s("v", 16);
        let leak = v >> 4;
        m.output("next", v - leak);
    });
    let wire = text.lines().find(|l| l.contains(">>>")).expect("the shift");
    let (name, expression) =
        wire.trim().strip_prefix("wire [15:0] ").and_then(|l| l.split_once(" = ")).expect("a wire");
    assert_eq!(expression, "$signed(v) >>> 4;");
    assert!(text.contains(&format!("assign next = v - {name};")), "{text}");
}

#[test]
fn a_shift_by_more_than_any_value_has_bits_is_one_by_as_many() {
    let text = text(|m| {
        let v = m.input("v", 16);
        m.output("gone", v >> m.u(1 << 40, 41));
    });
    assert!(text.contains("v >> 64"), "{text}");
}

#[test]
fn two_inversions_never_stand_together() {
    let text = text(|m| {
        let a = m.input("a", 4);
        m.output("x", !(!a.trunc(1)));
        m.output("y", (!a).any());
        m.output("z", !a.all());
    });
    for pair in ["~~", "|~", "~&", "&&"] {
        assert!(!text.lines().any(|l| l.contains("assign") && l.contains(pair)), "{pair} in {text}");
    }
}

#[test]
fn what_a_constant_decides_is_not_written() {
    type Build = for<'m> fn(&'m Module, U<'m>, U<'m>) -> U<'m>;
    let cases: [(Build, &str); 8] = [
        (|m, c, _| c.mux(m.u(1, 1), m.u(0, 1)), "c"),
        (|m, c, _| c.mux(m.u(0, 1), m.u(1, 1)), "~c"),
        (|m, c, a| c.mux(m.u(1, 1), a), "c | a"),
        (|m, c, a| c.mux(a, m.u(0, 1)), "c & a"),
        (|m, c, a| c.mux(m.u(0, 1), a), "~c & a"),
        (|m, c, a| c.mux(a, m.u(1, 1)), "~c | a"),
        (|_, c, a| c.eq(1) & a.ne(1), "c & ~a"),
        (|_, c, a| (((c & 1) | 0) ^ 0) ^ ((a + 0) - 0), "c ^ a"),
    ];
    for (build, expected) in cases {
        let text = text(|m| {
            let (c, a) = (m.input("c", 1).may_be_unused(), m.input("a", 1).may_be_unused());
            m.output("out", build(m, c, a));
        });
        let line = text.lines().find_map(|l| l.trim().strip_prefix("assign out = ")).expect("the output");
        assert_eq!(line, format!("{expected};"), "{text}");
    }
}

#[test]
fn a_comparison_that_every_value_decides_is_a_bit_that_still_reads_it() {
    type Build = for<'m> fn(&'m Module, U<'m>) -> U<'m>;
    let cases: [(Build, &str); 10] = [
        (|_, a| a.le(7), "|a | 1'd1"),
        (|m, a| m.u(0, 3).le(a), "|a | 1'd1"),
        (|_, a| a.lt(0), "|a & 1'd0"),
        (|m, a| m.u(7, 3).lt(a), "|a & 1'd0"),
        (|_, a| a.as_s().le(3), "|a | 1'd1"),
        (|m, a| m.s(-4, 3).le(a.as_s()), "|a | 1'd1"),
        (|_, a| a.as_s().lt(-4), "|a & 1'd0"),
        (|m, a| m.s(3, 3).lt(a.as_s()), "|a & 1'd0"),
        (|_, a| a.trunc(1).le(1), "a[0] | 1'd1"),
        (|_, a| a.as_s().trunc(1).lt(-1), "a[0] & 1'd0"),
    ];
    for (build, expected) in cases {
        let text = text(|m| {
            m.output("out", build(m, m.input("a", 3)));
        });
        let line = text.lines().find_map(|l| l.trim().strip_prefix("assign out = ")).expect("the output");
        assert_eq!(line, format!("{expected};"), "{text}");
    }
}

#[test]
fn no_line_of_names_is_too_wide_to_read() {
    let text = text(|m| {
        for i in 0..60 {
            let name = format!("an_input_that_nothing_reads_{i}");
            let input = m.input(&name, 2);
            m.output(&format!("low_{i}"), input.bit(0));
        }
    });
    let sink = text.split_once("= &{").expect("the sink of unused bits").1;
    assert_eq!(sink.matches("an_input_that_nothing_reads").count(), 60);
    assert!(sink.lines().all(|l| l.len() <= 100), "{sink}");
}

#[test]
fn properties_stand_behind_formal() {
    let verilog = emit(&everything());
    let (hardware, formal) =
        verilog.file("everything.v").and_then(|t| t.split_once("`ifdef FORMAL")).expect("both");
    assert!(!hardware.contains("assert"));
    assert!(
        formal.contains(
            "            // the phase has three states\n            valid: assert (phase != 2'd3);"
        )
    );
    assert!(formal.contains("wrapped: cover (count == 4'd0);"));
    assert!(formal.contains("old_write_address: assert ("), "addresses of a memory of odd depth");
}

#[test]
fn what_only_properties_need_stands_behind_formal() {
    let text = text(|m| {
        let a = m.input("a", 8);
        let deep = (0..6).fold(a, |x, i| (x ^ m.u(i, 8)) + a);
        m.assert("deep", deep.any(), "deep enough to be cut");
        m.output("x", m.delayed("kept", a));
    });
    let (hardware, formal) = text.split_once("`ifdef FORMAL").expect("both");
    let cut = formal.lines().find_map(|l| l.trim().strip_prefix("wire [7:0] ")).expect("a cut");
    let name = cut.split(' ').next().expect("its name");
    assert!(!hardware.contains(name), "{name} in {hardware}");
}

#[test]
fn contents_are_written_as_hex_by_path() {
    let verilog = emit(&everything());
    let names: Vec<_> = verilog.memories.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["everything.old.hex", "everything.single.hex", "everything.forward.hex"]);
    let dir = tempfile::tempdir().expect("a directory");
    verilog.write_to(dir.path(), |path| (path == "forward").then(|| vec![0xab, 3])).expect("written");
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a file");
    assert!(read("everything.forward.hex").starts_with("ab\n03\n00\n"));
    assert_eq!(read("everything.forward.hex").lines().count(), 16);
    assert!(read("everything.old.hex").starts_with("001\n002\n003\n1f4\n000\n"));
}

#[test]
fn cost_counts_registers_memories_and_operators_of_all_instances() {
    let leaf = {
        let m = Module::new("leaf", &[]);
        let a = m.input("a", 8);
        let sum = m.reg("sum", 8, 0);
        sum.set(sum.q + a);
        m.assert("even", !sum.q.bit(0) | sum.q.lt(100), "costs nothing");
        let table = m.memory_1r1w("store", 32, 8, ReadDuringWrite::Forward);
        table.write(a.trunc(5), m.u(1, 1), (a << 2) ^ sum.q);
        m.output("x", table.read(a.trunc(5), m.u(1, 1)));
        m.finish().expect("a right description")
    };
    let m = Module::new("top", &[]);
    let a = m.input("a", 8);
    let first = m.instance("first", &leaf).set("a", a).u("x");
    m.output("x", m.instance("second", &leaf).set("a", first).u("x") * a);
    let cost = Cost::of(&m.finish().expect("a right description"));
    assert_eq!(cost.flip_flops, 2 * (8 + 9), "the forwarding has a word and a flag");
    assert_eq!(cost.memories[&MemoryShape { ports: "1r1w", words: 32, bits: 8 }], 2);
    assert_eq!(cost.memory_bits()["1r1w"], 512);
    let expected =
        [(("add", 8), 2), (("equal", 5), 2), (("multiply", 8), 1), (("mux", 8), 2), (("xor", 8), 2)];
    assert_eq!(cost.operators.into_iter().collect::<Vec<_>>(), expected);
}

/// Runs a command in a directory; its output must not warn.
#[track_caller]
fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).current_dir(dir).output().expect("the tool is installed");
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).to_string();
    assert!(out.status.success(), "{program} {arguments:?}: {text}");
    assert!(!text.to_lowercase().contains("warning"), "{program} {arguments:?}: {text}");
    text
}

/// A directory with everything emitted, and the names of its modules' files.
fn emitted(def: &Def) -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().expect("a directory");
    let verilog = emit(def);
    verilog.write_to(dir.path(), |_| Some(vec![1, 2, 3])).expect("written");
    (dir, verilog.files.into_iter().map(|(name, _)| name).collect())
}

fn with<'a>(arguments: &[&'a str], files: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(files.iter().map(String::as_str)).collect()
}

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn icarus_takes_it_without_a_warning() {
    for def in [everything(), corners()] {
        let (dir, files) = emitted(&def);
        run(dir.path(), "iverilog", &with(&["-g2005", "-Wall", "-o", "all.vvp"], &files));
    }
}

#[test]
#[ignore = "needs Verilator: scripts/setup.sh"]
fn verilator_takes_it_without_a_warning() {
    for def in [everything(), corners()] {
        let (dir, files) = emitted(&def);
        let top = def.unique_name();
        run(dir.path(), "verilator", &with(&["--lint-only", "-Wall", "--top-module", &top], &files));
    }
}

#[test]
#[ignore = "needs Yosys: scripts/setup.sh"]
fn yosys_infers_every_memory_with_synchronous_reads() {
    for (def, memories) in [(everything(), 3), (corners(), 4)] {
        let (dir, files) = emitted(&def);
        let script = format!(
            "read_verilog {}; hierarchy -top {} -check; proc; opt; memory -nomap; check -assert; flatten; \
             select -assert-count {memories} t:$mem_v2; select -assert-none t:$mem_v2 r:RD_CLK_ENABLE=1'1 %d",
            files.join(" "),
            def.unique_name()
        );
        run(dir.path(), "yosys", &["-p", &script]);
    }
}

#[test]
#[ignore = "needs Yosys: scripts/setup.sh"]
fn yosys_reads_the_properties() {
    for (def, asserts) in [(everything(), 3), (corners(), 8)] {
        let (dir, files) = emitted(&def);
        let script = format!(
            "read_verilog -formal -DFORMAL {}; prep -top {} -flatten; \
             select -assert-min {asserts} t:$assert; select -assert-min 1 t:$assume",
            files.join(" "),
            def.unique_name()
        );
        run(dir.path(), "yosys", &["-q", "-p", &script]);
    }
}

/// A run of pseudo-random inputs.
fn recorded(def: &Def, cycles: u64) -> Bench {
    let mut sim = Simulator::new(def);
    for path in sim.design().memory_paths() {
        if emit(def).memories.iter().any(|m| m.path.as_ref() == Some(&path)) {
            let memory = sim.memory(&path).expect("a memory");
            sim.load(memory, &[1, 2, 3]).expect("it fits");
        }
    }
    let mut bench = Bench::new(def);
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..cycles {
        for port in def.inputs() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let input = sim.input(&port.info.name).expect("an input");
            sim.set(input, random >> (64 - port.info.width));
        }
        bench.sample(&mut sim);
        sim.step().expect("no violation");
    }
    bench
}

/// What the bench prints of a recorded run of the emitted text, after a change of it.
fn replayed(change: impl Fn(&str) -> String) -> String {
    let def = everything();
    let (dir, mut files) = emitted(&def);
    for file in &files {
        let path = dir.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(path, change(&text)).expect("written");
    }
    let bench = recorded(&def, 2000);
    std::fs::write(dir.path().join("bench.v"), bench.text()).expect("written");
    std::fs::write(dir.path().join("everything.vectors"), bench.vectors()).expect("written");
    files.push("bench.v".into());
    run(dir.path(), "iverilog", &with(&["-g2005", "-Wall", "-o", "all.vvp"], &files));
    run(dir.path(), "vvp", &["-n", "all.vvp"])
}

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn icarus_computes_what_the_interpreter_computes() {
    // The read data of the memories are unknown in the first cycle.
    let out = replayed(str::to_string);
    assert!(out.contains("PASS 2000 cycles, 20 unknown bits"), "{out}");
}

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn the_bench_finds_faults_in_the_text() {
    for (right, wrong) in [
        (">>>", ">>"),
        ("$signed(a) < $signed(b)", "a < b"),
        ("forward ? forwarded : stored", "stored"),
        ("else phase <= ", "else if (go) phase <= "),
        ("a - b", "b - a"),
        ("{8{a[7]}}", "{8{1'b0}}"),
    ] {
        let out = replayed(|text| text.replace(right, wrong));
        assert!(out.contains("FAIL"), "{right} -> {wrong}: {out}");
    }
}
