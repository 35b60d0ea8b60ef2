//! The VCD of the fast model and that of the RTL, both read by wellen, hold the same on the signals that both have: all of
//! the fast model's but its clock.
//!
//! Of the golden vectors on both presets, samples of few cycles are compared whole, of longer ones the first steps, some in the
//! middle and the last, of so many cycles as `DELAYLINE_VCD_CYCLES` says (1500); `DELAYLINE_VCD_CYCLES=1000000000` compares
//! all of every sample.

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
use std::ops::{ControlFlow, Range};
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

/// States of a core's controller, by number.
const STATES: [&str; 4] = ["IDLE", "DELIVER", "UPDATE", "ACCEPT"];

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
        // A file begins at 0 with all unknown.
        let cycle = |t: u32| (times[t as usize] / self.period).saturating_sub(self.origin);
        let number = |v: wellen::SignalValueRef<'_>| match v.to_bit_string() {
            Some(bits) => u64::from_str_radix(&bits, 2).ok(),
            None => {
                let state = STATES.iter().position(|s| s.eq_ignore_ascii_case(&v.to_string()));
                Some(state.unwrap_or_else(|| panic!("{path}: {v}")) as u64)
            }
        };
        Some(values.map(|(t, v)| (cycle(t), number(v))).collect())
    }
}

/// The value in a cycle.
fn at(changes: &Changes, cycle: u64) -> Option<u64> {
    changes.range(..=cycle).next_back().and_then(|(_, v)| *v)
}

/// Where the RTL has a signal of the fast model, by how many cycles later, and the signal that must be 1 for it to mean
/// anything. The fast model shows a flit in the cycle in which it is sent, the RTL's register in the next.
fn of_rtl(path: &str, barrier_latency: u64) -> (String, u64, Option<String>) {
    let path = path.strip_prefix("chip.").unwrap_or_else(|| panic!("{path} is of another chip"));
    let (scope, name) = path.rsplit_once('.').unwrap_or(("", path));
    let when = |valid: &str| Some(format!("chip.{scope}.{valid}"));
    if scope.is_empty() {
        return match name {
            "step" => ("chip.step".into(), 0, None),
            "step_start" => ("chip.start".into(), 0, None),
            // The RTL finds out at the root of the barrier's tree; the release comes so many cycles after the chip is quiet.
            "quiet" => ("chip.released".into(), barrier_latency, None),
            _ => panic!("chip.{name}: where is it in the RTL?"),
        };
    }
    if let Some(injector) = scope.strip_prefix("injector_") {
        let valid = (name == "flit").then(|| format!("chip.{scope}.valid"));
        return (format!("chip.injector_{injector}.out_{name}"), 1, valid);
    }
    if scope.starts_with("router_") {
        let (side, rest) = name.split_once('_').unwrap_or((name, ""));
        return match rest {
            "in_level" => (format!("chip.{scope}.{side}_buffer.level"), 0, None),
            "credits" => (format!("chip.{scope}.{side}_out_credits"), 0, None),
            "out_flit" => (format!("chip.{scope}.{name}"), 1, when(&format!("{side}_out_valid"))),
            _ => (format!("chip.{scope}.{name}"), 1, None),
        };
    }
    // A core: `chip.core_X_Y.soma.write` is the output `soma_write` of the RTL's core.
    let (core, part) = scope.split_once('.').unwrap_or((scope, ""));
    let here = |signal: String| format!("chip.{core}.{signal}");
    match (part, name) {
        ("", "state") => (here("state".into()), 0, None),
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
    }
}

/// The releases of all steps.
struct Releases(Vec<u64>);

impl Probe for Releases {
    fn barrier(&mut self, _quiet: u64, release: u64) {
        self.0.push(release);
    }
}

/// Steps whose waves are compared: all of a sample if it has no more cycles than three windows, else the first, some in the
/// middle and the last, each of no more cycles than a window, but at least one step.
fn windows(releases: &[u64], most: u64) -> Vec<Range<u32>> {
    let steps = releases.len();
    if *releases.last().expect("a step") <= most.saturating_mul(3) {
        return std::iter::once(0..steps as u32).collect();
    }
    let start = |t: usize| if t == 0 { 0 } else { releases[t - 1] };
    let from = |t: usize| {
        let fitting = (t..steps).take_while(|&u| releases[u] - start(t) <= most).count().max(1);
        t as u32..(t + fitting) as u32
    };
    let last = (0..steps).find(|&t| releases[steps - 1] - start(t) <= most).unwrap_or(steps - 1);
    let mut windows = vec![from(0), from(steps / 2), last as u32..steps as u32];
    windows.dedup_by(|next, before| {
        let touch = next.start <= before.end;
        before.end = if touch { before.end.max(next.end) } else { before.end };
        touch
    });
    windows
}

/// Signals and values that were compared, and steps of the sample that were not.
#[derive(Default)]
struct Compared {
    signals: usize,
    values: usize,
    left_out: usize,
}

/// Compares the two files of a sample, in windows of so many cycles.
fn compare(image: &Image, structure: Structure, input: &Binned, most: u64) -> Compared {
    let folder = tempfile::tempdir().expect("folder");
    let file = |side: &str, window: usize| folder.path().join(format!("{side}-{window}.vcd"));
    let mut simulator = Simulator::new(image, structure, Options::default()).expect("built");
    let mut releases = Releases(Vec::new());
    simulator.run_with(input, &mut releases).expect("runs");
    let windows = windows(&releases.0, most);
    let start = |t: u32| if t == 0 { 0 } else { releases.0[t as usize - 1] };
    for (i, window) in windows.iter().enumerate() {
        let path = file("fast", i);
        let files = Files { vcd: Some(&path), fst: None };
        let selection = Selection { steps: Some(window.clone()), ..Selection::default() };
        let mut waves = Waves::create(files, simulator.program(), &selection).expect("file");
        simulator.run_with(input, &mut waves).expect("runs");
        waves.finish().expect("written");
    }

    let mut machine = Machine::in_use(image, structure).expect("a circuit");
    let period = (1e6 / image.platform.clock_mhz).round().max(2.0) as u64;
    let options = TraceOptions { period_ps: period, ..TraceOptions::default() };
    let mut tracers: Vec<_> = (0..windows.len())
        .map(|i| {
            let file = std::io::BufWriter::new(std::fs::File::create(file("rtl", i)).expect("file"));
            Tracer::new(machine.circuit(), file, &options).expect("file")
        })
        .collect();
    let end = start(windows.last().expect("a window").end);
    let channels: Vec<Vec<u32>> = (0..image.network.steps).map(|t| input.step(t).to_vec()).collect();
    let mut origin = None;
    let ran = machine.run_with(&channels, |cycle| {
        let Ok(now) = u64::try_from(cycle.cycle) else { return ControlFlow::Continue(()) };
        origin.get_or_insert(cycle.circuit.cycle());
        for (tracer, window) in tracers.iter_mut().zip(&windows) {
            // The cycle after it shows what was sent in its last.
            if (start(window.start)..=start(window.end)).contains(&now) {
                tracer.sample(cycle.circuit).expect("written");
            }
        }
        if now > end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(ran, Ok(_) | Err(MachineError::Interrupted)), "{:?}", ran.err());
    tracers.into_iter().for_each(|tracer| tracer.finish().expect("written"));

    // Times are in the unit of the file.
    let unit = if period.is_multiple_of(2000) { 1000 } else { 1 };
    let mut compared = Compared::default();
    for (i, window) in windows.iter().enumerate() {
        let fast = Reader::new(&file("fast", i), period, 0);
        let rtl = Reader::new(&file("rtl", i), period / unit, origin.expect("it ran"));
        let cycles = start(window.start)..start(window.end);
        let has_router = |x, y| machine.has_router(x, y);
        compare_window(fast, rtl, &cycles, image, has_router, &mut compared);
    }
    compared.left_out = releases.0.len() - windows.iter().map(Range::len).sum::<usize>();
    compared
}

/// Compares what two files say of some cycles.
fn compare_window(
    mut fast: Reader,
    mut rtl: Reader,
    cycles: &Range<u64>,
    image: &Image,
    has_router: impl Fn(u16, u16) -> bool,
    compared: &mut Compared,
) {
    for path in fast.paths.keys().cloned().collect::<Vec<_>>() {
        if path == "chip.clk" {
            // It has a time scale of its own.
            continue;
        }
        let (there, later, when) = of_rtl(&path, image.platform.mesh.barrier_latency.into());
        let ours = fast.changes(&path).expect("it is there");
        let Some(theirs) = rtl.changes(&there) else {
            // Routers that no flit can reach are not in the RTL, and do nothing.
            let place = path.strip_prefix("chip.router_").and_then(|rest| rest.split('.').next());
            let place = place.and_then(|p| p.split_once('_')).unwrap_or_else(|| panic!("{path}: no {there}"));
            let [x, y] = [place.0, place.1].map(|n| n.parse().expect("a number"));
            assert!(!has_router(x, y), "{path}: the RTL has no {there}");
            assert!(ours.range(cycles.start + 1..).next().is_none(), "{path} changes");
            continue;
        };
        let valid = when.map(|w| fast.changes(&w).unwrap_or_else(|| panic!("no {w}")));
        compared.signals += 1;
        // Where nothing changes, what was equal stays equal.
        let here = ours.keys().copied().chain(valid.iter().flat_map(|v| v.keys().copied()));
        let moments: BTreeSet<_> =
            here.chain(theirs.keys().map(|c| c.saturating_sub(later))).chain([cycles.start]).collect();
        let end = cycles.end.min((cycles.end + 1).saturating_sub(later)).max(cycles.start);
        for cycle in moments.range(cycles.start..end).copied() {
            let known = at(&ours, cycle);
            if valid.as_ref().is_some_and(|v| at(v, cycle) != Some(1)) {
                continue;
            }
            // A pulse that has not come yet is unknown in the fast model's file, and 0 in the RTL's.
            let theirs = at(&theirs, cycle + later);
            assert!(
                known == theirs || (known.is_none() && theirs == Some(0)),
                "{path}, cycle {cycle}: {known:?}, in RTL {theirs:?}"
            );
            compared.values += usize::from(known.is_some());
        }
    }
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
                let found = compare(&image, structure, &input, u64::MAX);
                assert!(found.signals > 30 && found.left_out == 0, "{} signals", found.signals);
                ran.set(ran.get() + 1);
                compared.set(compared.get() + found.values);
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
fn windows_are_of_the_start_the_middle_and_the_end() {
    let releases: Vec<_> = (1..=10).map(|t| t * 10).collect();
    assert!(windows(&releases, 34).into_iter().eq(std::iter::once(0..10)));
    assert_eq!(windows(&releases, 20), vec![0..2, 5..7, 8..10]);
    assert_eq!(windows(&releases, 1), vec![0..1, 5..6, 9..10]);
}

fn golden(preset: &str) {
    let platform = hw::Platform::load(preset).expect("preset");
    let given = std::env::var("DELAYLINE_VCD_CYCLES").ok();
    let most = given.map_or(1500, |n| n.parse().expect("DELAYLINE_VCD_CYCLES is a number"));
    let each = &|name: &str, structure: Structure| {
        let vector = Vector::load(name);
        let image = compiler::image(&vector.network, b"", &platform, structure).expect("fits");
        for sample in 0..vector.input.len() {
            let found = compare(&image, structure, &vector.binned(sample), most);
            let Compared { signals, values, left_out } = found;
            println!(
                "{name}, {structure}, sample {sample}: {signals} signals, {values} values, {left_out} steps left out"
            );
            assert!(signals > 30 && values > 1000, "{name}, {structure}: {signals} signals, {values} values");
        }
    };
    for name in NAMES {
        std::thread::scope(|scope| {
            for structure in Structure::ALL {
                scope.spawn(move || each(name, structure));
            }
        });
    }
}

#[test]
fn both_files_hold_the_same_for_every_golden_vector_on_loihi() {
    golden("loihi");
}

#[test]
fn both_files_hold_the_same_for_every_golden_vector_on_seneca() {
    golden("seneca");
}
