//! The VCD of the fast model and that of the RTL, both read by wellen, hold the same on the signals that both have.

use hw::machine::{Machine, MachineError};
use hw::{Image, Structure};
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use rtl::{TraceOptions, Tracer};
use sim::probe::Probe;
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Simulator};
use spikes::Binned;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use testbenches::golden::{NAMES, Vector};
use testbenches::random::{self, cases, fresh_seed, rng};
use wellen::simple::Waveform;

/// Values by cycle, at their changes; `None` is unknown.
type Changes = BTreeMap<u64, Option<u64>>;

/// A wave file with a signal's path to its changes.
struct Reader {
    wave: Waveform,
    paths: BTreeMap<String, wellen::SignalRef>,
    period: u64,
    /// Cycles before cycle 0 of a sample.
    origin: u64,
}

impl Reader {
    fn new(path: &Path, period: u64, origin: u64) -> Self {
        let wave = wellen::simple::read(path).expect("wellen reads it");
        let h = wave.hierarchy();
        let paths = h.all_vars().map(|v| (h[v].full_name(h), h[v].signal_ref())).collect();
        Self { wave, paths, period, origin }
    }

    fn changes(&mut self, path: &str) -> Option<Changes> {
        let signal = *self.paths.get(path)?;
        self.wave.load_signals(&[signal]);
        let times = self.wave.time_table();
        let values = self.wave.get_signal(signal).expect("loaded").iter_changes();
        // What changed before the sample is its value at cycle 0.
        let cycle = |t: u32| (times[t as usize] / self.period).saturating_sub(self.origin);
        let number = |v: wellen::SignalValueRef<'_>| u64::from_str_radix(&v.to_bit_string()?, 2).ok();
        Some(values.map(|(t, v)| (cycle(t), number(v))).collect())
    }
}

/// The value in a cycle.
fn at(changes: &Changes, cycle: u64) -> Option<u64> {
    changes.range(..=cycle).next_back().and_then(|(_, v)| *v)
}

/// Where the RTL has a signal of the fast model, by how many cycles later, and the signal that must be 1 for it to mean
/// anything. The fast model shows a flit in the cycle in which it is sent, the RTL's register in the next.
fn of_rtl(path: &str) -> Option<(String, u64, Option<String>)> {
    let (scope, name) =
        path.strip_prefix("chip.")?.rsplit_once('.').unwrap_or(("", path.strip_prefix("chip.")?));
    let when = |valid: &str| Some(format!("chip.{scope}.{valid}"));
    let plain = |name: &str| Some((format!("chip.{name}"), 0, None));
    if scope.is_empty() {
        return match name {
            "step" => plain("step"),
            "step_start" => plain("start"),
            // The clock has its own time scale; what is quiet shows at the root of the barrier's tree later on.
            _ => None,
        };
    }
    if let Some(injector) = scope.strip_prefix("injector_") {
        let valid = (name == "flit").then(|| format!("chip.{scope}.valid"));
        return Some((format!("chip.injector_{injector}.out_{name}"), 1, valid));
    }
    if scope.starts_with("router_") {
        let (side, rest) = name.split_once('_')?;
        return match rest {
            "in_level" => Some((format!("chip.{scope}.{side}_buffer.level"), 0, None)),
            "credits" => Some((format!("chip.{scope}.{side}_out_credits"), 0, None)),
            "out_flit" => Some((format!("chip.{scope}.{name}"), 1, when(&format!("{side}_out_valid")))),
            _ => Some((format!("chip.{scope}.{name}"), 1, None)),
        };
    }
    // A core: `chip.core_X_Y.soma.write` is the output `soma_write` of the RTL's core.
    let (core, part) = scope.split_once('.')?;
    let here = |signal: String| format!("chip.{core}.{signal}");
    Some(match (part, name) {
        ("input", "taken") => (here("received".into()), 0, None),
        ("input", "axon") => (here("input_axon".into()), 0, when("taken")),
        ("output", "valid") => (here("out_valid".into()), 1, None),
        ("output", "flit") => (here("out_flit".into()), 1, when("valid")),
        ("ring", "slot") => (here("ring_slot".into()), 0, Some(here("accumulator.write".into()))),
        ("synapse", "address") => (here("synapse_address".into()), 0, when("read")),
        ("soma" | "accumulator", "write") | ("soma", "spike") => (here(format!("{part}_{name}")), 0, None),
        ("soma" | "accumulator", _) => (here(format!("{part}_{name}")), 0, when("write")),
        ("queue", "read_axon" | "read_age" | "read_offset") => {
            (here(format!("queue_{name}")), 0, when("read"))
        }
        ("queue", "write_axon" | "write_age" | "write_offset") => {
            (here(format!("queue_{name}")), 0, when("write"))
        }
        _ => (here(format!("{part}_{name}")), 0, None),
    })
}

/// The releases of all steps.
struct Releases(Vec<u64>);

impl Probe for Releases {
    fn barrier(&mut self, _quiet: u64, release: u64) {
        self.0.push(release);
    }
}

/// Compares the two files of a sample, of its first steps up to a number of cycles; returns how many signals and values were.
fn compare(image: &Image, structure: Structure, input: &Binned, most: u64) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("folder");
    let [fast, rtl] = ["fast.vcd", "rtl.vcd"].map(|f| folder.path().join(f));
    let mut simulator = Simulator::new(image, structure, Options::default()).expect("built");
    let mut releases = Releases(Vec::new());
    simulator.run_with(input, &mut releases).expect("runs");
    let steps = releases.0.iter().filter(|&&release| release <= most).count().max(1);
    let cycles = releases.0[steps - 1];
    let files = Files { vcd: Some(&fast), fst: None };
    let selection = Selection { steps: Some(0..steps as u32), ..Selection::default() };
    let mut waves = Waves::create(files, simulator.program(), &selection).expect("file");
    simulator.run_with(input, &mut waves).expect("runs");
    waves.finish().expect("written");

    let mut machine = Machine::in_use(image, structure).expect("a circuit");
    let period = (1e6 / image.platform.clock_mhz).round().max(2.0) as u64;
    let file = std::io::BufWriter::new(std::fs::File::create(&rtl).expect("file"));
    let options = TraceOptions { period_ps: period, ..TraceOptions::default() };
    let mut tracer = Tracer::new(machine.circuit(), file, &options).expect("file");
    let channels: Vec<Vec<u32>> = (0..image.network.steps).map(|t| input.step(t).to_vec()).collect();
    let mut origin = None;
    let ran = machine.run_with(&channels, |cycle| {
        if cycle.cycle >= 0 {
            origin.get_or_insert(cycle.circuit.cycle());
        }
        tracer.sample(cycle.circuit).expect("written");
        if cycle.cycle > cycles.cast_signed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(ran, Ok(_) | Err(MachineError::Interrupted)), "{:?}", ran.err());
    tracer.finish().expect("written");

    // Times are in the unit of the file.
    let unit = if period.is_multiple_of(2000) { 1000 } else { 1 };
    let mut fast = Reader::new(&fast, period, 0);
    let mut rtl = Reader::new(&rtl, period / unit, origin.expect("it ran"));
    let (mut signals, mut values) = (0, 0);
    for path in fast.paths.keys().cloned().collect::<Vec<_>>() {
        let Some((there, later, when)) = of_rtl(&path) else { continue };
        let ours = fast.changes(&path).expect("it is there");
        let Some(theirs) = rtl.changes(&there) else {
            // Routers that no flit can reach are not in the RTL, and do nothing.
            let place = path.strip_prefix("chip.router_").and_then(|rest| rest.split('.').next());
            let place = place.and_then(|p| p.split_once('_')).unwrap_or_else(|| panic!("{path}: no {there}"));
            let [x, y] = [place.0, place.1].map(|n| n.parse().expect("a number"));
            assert!(!machine.has_router(x, y), "{path}: the RTL has no {there}");
            assert!(ours.range(1..).next().is_none(), "{path} changes");
            continue;
        };
        let valid = when.map(|w| fast.changes(&w).unwrap_or_else(|| panic!("no {w}")));
        signals += 1;
        // Where nothing changes, what was equal stays equal.
        let here = ours.keys().copied().chain(valid.iter().flat_map(|v| v.keys().copied()));
        let moments: BTreeSet<_> =
            here.chain(theirs.keys().map(|c| c.saturating_sub(later))).chain([0]).collect();
        for cycle in moments.range(..cycles - later).copied() {
            let known = at(&ours, cycle);
            if valid.as_ref().is_some_and(|v| at(v, cycle) != Some(1)) {
                continue;
            }
            // A pulse that has not come yet is unknown in the fast model's file, and 0 in the RTL's.
            let theirs = at(&theirs, cycle + later);
            assert!(
                known == theirs || (known.is_none() && theirs == Some(0)),
                "{structure}, {path}, cycle {cycle}: {known:?}, in RTL {theirs:?}"
            );
            values += usize::from(known.is_some());
        }
    }
    (signals, values)
}

fn random_networks(cases: u32, rng: TestRng) {
    let config = testbenches::keeping(cases);
    let small = random::case().prop_filter("a small mesh and few steps", |(network, _, platform)| {
        platform.cores() <= 4 && network.steps <= 12
    });
    let (ran, compared) = (Cell::new(0u32), Cell::new(0));
    TestRunner::new_with_rng(config, rng)
        .run(&small, |(network, input, platform)| {
            for structure in Structure::ALL {
                let Ok(image) = compiler::image(&network, b"", &platform, structure) else { continue };
                let (signals, values) = compare(&image, structure, &input, u64::MAX);
                assert!(signals > 30, "{signals}");
                ran.set(ran.get() + 1);
                compared.set(compared.get() + values);
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(
        ran.get() > cases / 2 && compared.get() > 100 * cases as usize,
        "{} files, {} values",
        ran.get(),
        compared.get()
    );
}

#[test]
fn both_files_hold_the_same_for_random_networks_of_a_fixed_seed() {
    random_networks(cases(8), rng(23));
}

#[test]
fn both_files_hold_the_same_for_random_networks_of_a_fresh_seed() {
    random_networks(cases(4), rng(fresh_seed()));
}

#[test]
fn both_files_hold_the_same_for_every_golden_vector() {
    let platform = hw::Platform::load("loihi").expect("preset");
    let each = &|name: &str, structure: Structure| {
        let vector = Vector::load(name);
        let image = compiler::image(&vector.network, b"", &platform, structure).expect("fits");
        let (signals, values) = compare(&image, structure, &vector.binned(0), 5000);
        println!("{name}, {structure}: {signals} signals, {values} values");
        assert!(signals > 30 && values > 1000, "{name}, {structure}: {signals} signals, {values} values");
    };
    for name in NAMES {
        std::thread::scope(|scope| {
            for structure in Structure::ALL {
                scope.spawn(move || each(name, structure));
            }
        });
    }
}
