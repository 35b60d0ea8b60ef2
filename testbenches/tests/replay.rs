//! The emitted Verilog of every block, alone, and of whole chips: what a running chip gave each of them, replayed in Icarus
//! and in Verilator, brings the same outputs in every cycle.

use hw::blocks::mesh::mesh;
use hw::machine::{Machine, contents};
use hw::platform::Ports;
use hw::{Platform, Structure};
use rtl::verilog::{Bench, emit};
use rtl::{Def, Input, Library, Probe, Simulator};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use testbenches::golden::Vector;
use testbenches::platform;

/// A mesh alone that is given what the mesh in a chip gets.
struct Alone {
    mesh: Simulator,
    inputs: Vec<(Input, Probe)>,
    bench: Bench,
}

impl Alone {
    fn new(platform: &Platform, widths: &hw::layout::Widths, chip: &Simulator) -> Self {
        let def = mesh(&mut Library::new(), platform, widths).expect("a right description");
        let mesh = Simulator::new(&def);
        let inputs = def.inputs().iter().map(|port| {
            let name = &port.info.name;
            let there = match name.strip_prefix("core_") {
                Some(local) => {
                    let (x, rest) = local.split_once('_').expect("a column");
                    let (y, signal) = rest.split_once('_').expect("a row");
                    format!("router_{x}_{y}.local_{signal}")
                }
                None => match name.rsplit_once('_') {
                    Some((injector, signal)) => format!("{injector}.out_{signal}"),
                    None => format!("router_0_0.{name}"),
                },
            };
            (mesh.input(name).expect("an input"), chip.probe(&there).expect("a signal of the chip"))
        });
        Self { inputs: inputs.collect(), bench: Bench::new(&def), mesh }
    }

    fn cycle(&mut self, chip: &mut Simulator) {
        for &(input, probe) in &self.inputs {
            self.mesh.set(input, chip.get(probe));
        }
        self.bench.sample(&mut self.mesh);
        self.mesh.step().expect("no violation");
    }
}

/// Recorded runs of one chip, in a directory with its Verilog.
struct Replay {
    dir: tempfile::TempDir,
    /// Verilog files.
    files: BTreeSet<String>,
    /// A bench for each definition, with the stimulus of the busiest of its instances.
    benches: Vec<Bench>,
}

/// Names of the definitions that the blocks describe, from their sources.
fn described() -> BTreeSet<String> {
    let blocks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw/src/blocks");
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(blocks).expect("the blocks") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a source");
        let text = text.split("#[cfg(test)]").next().expect("not empty");
        for opening in ["library.define(", "Module::new("] {
            for rest in text.split(opening).skip(1) {
                let name = rest.trim_start().strip_prefix('"').and_then(|r| r.split('"').next());
                names.insert(name.expect("a name that can be read").to_string());
            }
        }
    }
    names
}

/// Levels of instances in a definition.
fn height(def: &Def) -> usize {
    1 + def.instances().iter().map(|i| height(&i.def)).max().unwrap_or(0)
}

impl Replay {
    /// Runs a recurrent network on four cores and records every instance.
    fn record(structure: Structure, ports: Ports) -> Self {
        let vector = Vector::load("recurrent_subtract");
        let mut platform = platform(2, 2, 7);
        platform.core.membrane_ports = ports;
        platform.ring_buffer.accumulator_ports = ports;
        platform.shared_queue.accumulator_ports = ports;
        let image = compiler::image(&vector.network, &vector.file, &platform, structure).expect("fits");
        let build = image.builds.iter().find(|b| b.structure == structure).expect("a build");
        let binned = vector.binned(0);
        let channels: Vec<_> = (0..image.network.steps).map(|t| binned.step(t).to_vec()).collect();

        let mut machine = Machine::new(&image, structure).expect("a circuit");
        let circuit = machine.circuit();
        let mut alone = Alone::new(&platform, &build.widths(&platform), circuit);
        let paths: Vec<_> = circuit.design().tree().map(|(path, _)| path).collect();
        let memories = circuit.design().memory_paths();
        let mut benches: Vec<_> = paths.iter().map(|p| Bench::inside(circuit, p).expect("there")).collect();
        let outcome = machine.run_with(&channels, |cycle| {
            benches.iter_mut().for_each(|bench| bench.sample(cycle.circuit));
            alone.cycle(cycle.circuit);
            ControlFlow::Continue(())
        });
        assert!(outcome.expect("runs").spikes.len() > 50);

        let mut busiest: BTreeMap<String, (usize, String, Bench)> = BTreeMap::new();
        for (path, bench) in paths.into_iter().zip(benches).chain([(String::new(), alone.bench)]) {
            let found = (bench.activity(), path, bench);
            let name = found.2.def().unique_name();
            if busiest.get(&name).is_none_or(|known| known.0 < found.0) {
                busiest.insert(name, found);
            }
        }
        let mut busiest: Vec<_> = busiest.into_values().map(|(_, path, bench)| (path, bench)).collect();
        // A block's contents are written after those of what holds it, where they stand empty.
        busiest.sort_by_key(|(_, bench)| std::cmp::Reverse(height(bench.def())));
        let contents: BTreeMap<_, _> = contents(build, memories).collect();
        let dir = tempfile::tempdir().expect("a directory");
        let mut files = BTreeSet::new();
        let mut all = String::from("module all_bench;\n");
        let write =
            |name: String, text: String| std::fs::write(dir.path().join(name), text).expect("written");
        for (path, bench) in &busiest {
            let text = emit(bench.def());
            let inside = |memory: &str| {
                let path = if path.is_empty() { memory.to_string() } else { format!("{path}.{memory}") };
                contents.get(&path).map(|words| words.to_vec())
            };
            text.write_to(dir.path(), inside).expect("written");
            let top = &text.top;
            write(format!("{top}_bench.v"), bench.text());
            write(format!("{top}.vectors"), bench.vectors());
            all.push_str(&format!("    {top}_bench #(.FINISH(0)) of_{top} ();\n"));
            files.extend(text.files.into_iter().map(|(name, _)| name));
            files.insert(format!("{top}_bench.v"));
        }
        write("all_bench.v".into(), all + "endmodule\n");
        files.insert("all_bench.v".into());
        Self { dir, files, benches: busiest.into_iter().map(|(_, bench)| bench).collect() }
    }

    fn tool(&self, program: &str, options: &[&str]) -> String {
        let out = Command::new(program).current_dir(self.dir.path()).args(options).output();
        let out = out.unwrap_or_else(|e| panic!("{program}: {e}"));
        let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).to_string();
        assert!(out.status.success(), "{program}: {text}");
        text
    }

    fn icarus(&self) -> String {
        let options = ["-g2005", "-Wall", "-s", "all_bench", "-o", "all.vvp"];
        let files = self.files.iter().map(String::as_str);
        let said = self.tool("iverilog", &options.into_iter().chain(files).collect::<Vec<_>>());
        assert!(!said.contains("warning"), "{said}");
        self.tool("vvp", &["-n", "all.vvp"])
    }

    fn verilator(&self) -> String {
        let options = ["--binary", "-Wno-fatal", "--x-initial", "0", "-O3", "-j", "2", "-CFLAGS", "-O0"];
        let files = ["--top-module", "all_bench", "-o", "run"]
            .into_iter()
            .chain(self.files.iter().map(String::as_str));
        self.tool("verilator", &options.into_iter().chain(files).collect::<Vec<_>>());
        self.tool("obj_dir/run", &[])
    }

    /// Bits that were unknown in each bench that passed, by its definition; every bench must have passed.
    fn unknown(&self, said: &str) -> BTreeMap<String, u64> {
        let unknown = self.benches.iter().map(|bench| {
            let (name, cycles) = (bench.def().unique_name(), bench.cycles());
            let (before, after) = (format!("PASS {cycles} cycles, "), format!(" unknown bits in {name}"));
            let line = said.lines().find_map(|l| l.strip_prefix(&before)?.strip_suffix(&after));
            let bits = line.unwrap_or_else(|| panic!("{name} did not pass: {said}"));
            (name, bits.parse().expect("a number"))
        });
        unknown.collect()
    }

    /// Names of the recorded definitions without their parameters.
    fn names(&self) -> BTreeSet<String> {
        self.benches.iter().map(|b| b.def().name().to_string()).collect()
    }
}

const PORTS: [Ports; 2] = [Ports::OneRw, Ports::OneReadOneWrite];

#[test]
fn every_block_that_is_described_is_replayed() {
    let names: BTreeSet<_> =
        Structure::ALL.into_iter().flat_map(|s| Replay::record(s, PORTS[0]).names()).collect();
    assert_eq!(names, described());
}

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn icarus_runs_every_block_and_chip_to_the_same_outputs_every_cycle() {
    for structure in Structure::ALL {
        for ports in PORTS {
            let replay = Replay::record(structure, ports);
            let unknown = replay.unknown(&replay.icarus());
            for bench in &replay.benches {
                let name = bench.def().unique_name();
                let bits: u32 = bench.def().outputs().iter().map(|p| p.info.width).sum();
                let compared = bench.cycles() as u64 * u64::from(bits);
                // What a memory gives before its first read, as the scores do until the end. Verilator knows all bits.
                assert!(
                    unknown[&name] * 3 < compared * 2,
                    "{name}: {} of {compared} bits are unknown",
                    unknown[&name]
                );
            }
        }
    }
}

/// A fault in a block, and the benches that must fail.
struct Mutation {
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
    fails: [&'static str; 2],
}

const MUTATIONS: [Mutation; 2] = [
    Mutation {
        file: "sequencer.v",
        right: "assign next = count + 32'd1;",
        wrong: "assign next = count + 32'd2;",
        fails: ["sequencer", "chip"],
    },
    Mutation {
        file: "ring_core.v",
        right: "accumulators(accumulators)",
        wrong: "accumulators(10'd1)",
        fails: ["ring_core", "chip"],
    },
];

/// Runs recorded benches with a fault in their Verilog.
fn fails(replay: &Replay, fault: &Mutation, run: fn(&Replay) -> String) {
    let Mutation { file, right, wrong, fails } = *fault;
    let path = replay.dir.path().join(file);
    let text = std::fs::read_to_string(&path).expect("a module");
    let changed = text.replace(right, wrong);
    assert_ne!(text, changed, "{file} has no `{right}`");
    std::fs::write(&path, changed).expect("written");
    let said = run(replay);
    let failed: BTreeSet<_> =
        said.lines().filter_map(|l| l.strip_prefix("FAIL ")?.rsplit(' ').next()).collect();
    assert_eq!(failed, BTreeSet::from(fails), "{said}");
    std::fs::write(&path, text).expect("written");
}

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn a_fault_in_a_block_fails_its_bench_and_those_of_what_holds_it() {
    let replay = Replay::record(Structure::RingBuffer, PORTS[0]);
    MUTATIONS.iter().for_each(|fault| fails(&replay, fault, Replay::icarus));
}

#[test]
#[ignore = "needs Verilator: scripts/setup.sh"]
fn a_fault_in_a_block_fails_its_bench_in_verilator_too() {
    fails(&Replay::record(Structure::RingBuffer, PORTS[0]), &MUTATIONS[0], Replay::verilator);
}

#[test]
#[ignore = "needs Verilator: scripts/setup.sh"]
fn verilator_runs_every_block_and_chip_to_the_same_outputs_every_cycle() {
    for structure in Structure::ALL {
        for ports in PORTS {
            let replay = Replay::record(structure, ports);
            let unknown = replay.unknown(&replay.verilator());
            assert!(unknown.values().all(|&bits| bits == 0), "{unknown:?}");
        }
    }
}
