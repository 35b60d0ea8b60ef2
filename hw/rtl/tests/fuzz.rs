//! Random circuits: interpreter = machine code = emitted Verilog in Icarus = in Verilator.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};
use rtl::verilog::{Bench, emit};
use rtl::{Def, Module, Simulator};
use std::path::Path;
use std::process::Command;

mod common;
#[path = "common/random.rs"]
mod random;
use random::{Recipe, Stimulus, bring_out, build, recipes};

fn runner(cases: u32, seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // A case that fails is kept in hw/rtl/regressions.txt and tried first from then on.
    let kept = FileFailurePersistence::Direct("regressions.txt");
    let config = Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// A seed that was never used before, or the one of a run that is to be repeated.
fn fresh_seed() -> u64 {
    let given = std::env::var("DELAYLINE_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |t| t.as_nanos() as u64)
    });
    println!("DELAYLINE_SEED={seed}");
    seed
}

/// Paths of all signals of a circuit.
#[cfg(feature = "jit")]
fn signals(def: &Def, path: &str, into: &mut Vec<String>) {
    let ports = def.inputs().iter().chain(def.outputs()).map(|p| p.info.name.as_str());
    let regs = def.registers().iter().map(|r| r.info.name.as_str());
    let memories = def.memories().iter().map(|m| m.name.as_str());
    into.extend(ports.chain(regs).chain(memories).map(|name| format!("{path}{name}")));
    for instance in def.instances() {
        signals(&instance.def, &format!("{path}{}.", instance.name), into);
    }
}

/// Runs a circuit on both engines, and where nothing may be violated on an unchecked one, and compares all there is.
#[cfg(feature = "jit")]
fn engines_agree(recipe: &Recipe, cycles: u64, seed: u64) {
    let def = build(recipe, 0);
    let mut interpreted = Simulator::interpreted(&def);
    let mut compiled = Simulator::new(&def);
    assert_eq!(compiled.engine(), "jit");
    let mut trusting = Simulator::new(&def).without_checks();
    let mut paths = Vec::new();
    signals(&def, "", &mut paths);
    let probes: Vec<_> = paths.iter().map(|path| interpreted.probe(path).expect("a signal")).collect();
    let all = interpreted.probe("all").expect("an output");
    let mut stimulus = Stimulus::new(seed);
    for cycle in 0..cycles {
        stimulus.set(&def, &mut [&mut interpreted, &mut compiled, &mut trusting]);
        let expected = interpreted.get(all);
        assert_eq!(compiled.get(all), expected, "cycle {cycle}: the outputs");
        if !recipe.wild {
            assert_eq!(trusting.get(all), expected, "cycle {cycle}: the outputs without checks");
        }
        if cycle % 8 == 7 {
            for (path, &probe) in paths.iter().zip(&probes) {
                assert_eq!(compiled.get(probe), interpreted.get(probe), "cycle {cycle}: {path}");
            }
        }
        let result = interpreted.step();
        assert_eq!(compiled.step(), result);
        if recipe.wild {
            if result.is_err() && stimulus.next().is_multiple_of(2) {
                interpreted.reset();
                compiled.reset();
            }
        } else {
            result.expect("right by construction");
            trusting.step().expect("nothing is checked");
        }
    }
    assert_eq!(compiled.covers(), interpreted.covers());
    for path in interpreted.design().memory_paths() {
        let memory = interpreted.memory(&path).expect("a memory");
        for address in 0..interpreted.words(memory) {
            let expected = interpreted.word(memory, address);
            assert_eq!(compiled.word(memory, address), expected, "{path}[{address}]");
            if !recipe.wild {
                assert_eq!(trusting.word(memory, address), expected, "{path}[{address}] without checks");
            }
        }
    }
}

#[cfg(feature = "jit")]
fn fuzz_engines(wild: bool, cases: u32, seed: u64) {
    let strategy = (recipes(wild, 40), proptest::num::u64::ANY);
    let result = runner(cases, seed).run(&strategy, |(recipe, stimulus)| {
        engines_agree(&recipe, 64, stimulus);
        Ok(())
    });
    if let Err(error) = result {
        panic!("seed {seed}: {error}");
    }
}

#[cfg(feature = "jit")]
#[test]
fn engines_agree_on_random_circuits_of_fixed_seeds() {
    (1..=3).for_each(|seed| fuzz_engines(false, 32, seed));
}

#[cfg(feature = "jit")]
#[test]
fn engines_agree_on_random_circuits_of_a_fresh_seed() {
    fuzz_engines(false, 64, fresh_seed());
}

#[cfg(feature = "jit")]
#[test]
fn engines_find_the_same_violations() {
    (1..=2).for_each(|seed| fuzz_engines(true, 32, seed));
    fuzz_engines(true, 32, fresh_seed());
}

/// A function of so many instructions gets its registers by another way than small ones.
#[cfg(feature = "jit")]
#[test]
fn engines_agree_on_one_very_large_module() {
    const REGS: usize = 256;
    fn fit(value: rtl::U<'_>, bits: u32) -> rtl::U<'_> {
        if value.width() < bits { value.zext(bits) } else { value.trunc(bits) }
    }
    let m = Module::new("large", &[]);
    let seed = m.input("seed", 64);
    let regs: Vec<_> = (0..REGS).map(|i| m.reg(&format!("r{i}"), 1 + i as u32 % 64, i as u64 & 1)).collect();
    for (i, reg) in regs.iter().enumerate() {
        let bits = reg.q.width();
        let mut value = reg.q ^ fit(seed, bits);
        for k in 0..60 {
            let other = fit(regs[(i * 7 + k * 13 + 1) % REGS].q, bits);
            value = match k % 5 {
                0 => value + other,
                1 => value ^ (other << (k as u32 % bits)),
                2 => !value & other,
                3 => value.bit(0).mux(other, value),
                _ => value - other,
            };
        }
        reg.set(value);
        m.output(&format!("o{i}"), reg.q);
    }
    let def = m.finish().expect("a right description");
    let (mut compiled, mut interpreted) = (Simulator::new(&def), Simulator::interpreted(&def));
    assert_eq!(compiled.engine(), "jit");
    let input = compiled.input("seed").expect("an input");
    for cycle in 0..30u64 {
        for sim in [&mut compiled, &mut interpreted] {
            sim.set(input, cycle.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            sim.step().expect("no property");
        }
        for i in 0..REGS {
            let path = format!("r{i}");
            assert_eq!(compiled.peek(&path), interpreted.peek(&path), "cycle {cycle}: {path}");
        }
    }
}

/// Many random circuits side by side.
fn joined(recipes: &[Recipe]) -> Def {
    let m = Module::new("fuzz", &[]);
    for (i, recipe) in recipes.iter().enumerate() {
        let def = build(recipe, i as u64);
        let instance = m.instance(&format!("c{i}"), &def);
        bring_out(&m, &format!("c{i}_"), instance, &def);
    }
    m.finish().expect("right by construction")
}

fn random_recipes(count: usize, steps: usize, seed: u64) -> Vec<Recipe> {
    let mut runner = runner(1, seed);
    let strategy = recipes(false, steps);
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a recipe").current()).collect()
}

/// Writes the emitted text of a circuit and the bench of a random run; returns the files for the tools.
fn bench(def: &Def, cycles: u64, seed: u64, dir: &Path) -> Vec<String> {
    let verilog = emit(def);
    verilog.write_to(dir, |_| None).expect("written");
    let mut sim = Simulator::new(def);
    let mut bench = Bench::new(def);
    let mut stimulus = Stimulus::new(seed);
    for _ in 0..cycles {
        stimulus.set(def, &mut [&mut sim]);
        bench.sample(&mut sim);
        sim.step().expect("right by construction");
    }
    std::fs::write(dir.join("bench.v"), bench.text()).expect("written");
    std::fs::write(dir.join("fuzz.vectors"), bench.vectors()).expect("written");
    verilog.files.into_iter().map(|(name, _)| name).chain(["bench.v".to_string()]).collect()
}

#[track_caller]
fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).current_dir(dir).output().expect("the tool is installed");
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).to_string();
    assert!(out.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// Replays random circuits in a tool; `replay` gives what the bench prints.
fn fuzz_verilog(recipes: &[Recipe], seed: u64, replay: impl Fn(&Path, &[&str]) -> String) {
    let dir = tempfile::tempdir().expect("a directory");
    let files = bench(&joined(recipes), 100, seed, dir.path());
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let out = replay(dir.path(), &files);
    if !out.contains("PASS 100 cycles, 0 unknown bits") {
        let kept = dir.keep();
        panic!("seed {seed}, in {}: {out}", kept.display());
    }
}

fn icarus(dir: &Path, files: &[&str]) -> String {
    let arguments = [&["-g2005", "-Wall", "-o", "all.vvp"], files].concat();
    let warnings = run(dir, "iverilog", &arguments);
    assert!(!warnings.contains("warning"), "{warnings}");
    run(dir, "vvp", &["-n", "all.vvp"])
}

/// The linter has nothing to say of the modules.
fn lint(dir: &Path, modules: &[&str]) {
    // What a constant decides is folded; that a random value is narrower than it looks only the linter finds.
    let own = ["-Wno-UNSIGNED", "-Wno-CMPCONST"];
    let options = [&["--lint-only", "-Wall"], &own[..], &["--top-module", "fuzz"], modules].concat();
    let warnings = run(dir, "verilator", &options);
    assert!(warnings.is_empty(), "{warnings}");
}

fn verilator(dir: &Path, files: &[&str]) -> String {
    lint(dir, &files[..files.len() - 1]);
    let options =
        ["--binary", "--timing", "--x-initial", "0", "--top-module", "fuzz_bench", "-Mdir", "built"];
    // Warnings are for the circuit; the bench is for any tool.
    let speed = ["-Wno-fatal", "-O1", "-CFLAGS", "-O0", "-j", "2", "-o", "bench"];
    run(dir, "verilator", &[&options, &speed[..], files].concat());
    run(dir, "built/bench", &[])
}

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn icarus_agrees_on_random_circuits() {
    for seed in [1, 2, 3, fresh_seed()] {
        fuzz_verilog(&random_recipes(12, 40, seed), seed, icarus);
    }
}

#[test]
#[ignore = "needs Verilator: scripts/setup.sh"]
fn verilator_takes_many_random_circuits_without_a_warning() {
    // The first two once shifted by more than the linter takes.
    for seed in [1_795_596_373_149_219_960, 1_795_597_790_301_064_770, 1, 2, fresh_seed()] {
        let dir = tempfile::tempdir().expect("a directory");
        let verilog = emit(&joined(&random_recipes(32, 40, seed)));
        verilog.write_to(dir.path(), |_| None).expect("written");
        let modules: Vec<&str> = verilog.files.iter().map(|(name, _)| name.as_str()).collect();
        lint(dir.path(), &modules);
    }
}

#[test]
#[ignore = "needs Verilator: scripts/setup.sh"]
fn verilator_agrees_on_random_circuits() {
    for seed in [1, fresh_seed()] {
        fuzz_verilog(&random_recipes(8, 40, seed), seed, verilator);
    }
}
