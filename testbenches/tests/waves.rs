//! The VCD of a run, read by a reader that is not ours, holds what the simulator had.

use hw::{Platform, Structure};
use sim::mesh::{Flit, Port};
use sim::probe::{Phase, Probe, SynapticOperation};
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Simulator};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use testbenches::golden::{Vector, first_steps};
use wellen::simple::Waveform;

/// What core (0, 0) did, in the order of its cycles.
#[derive(Default)]
struct Recorder {
    membranes: Vec<(u64, u64, u64, bool)>,
    sums: Vec<(u64, u64)>,
    flits: Vec<(u64, u64)>,
    starts: Vec<(u64, u64)>,
}

/// Waves and a recorder of the same run.
struct Both<'a>(&'a mut Waves, &'a mut Recorder);

impl Probe for Both<'_> {
    fn step(&mut self, cycle: u64, step: u32) {
        self.1.starts.push((cycle, step.into()));
        self.0.step(cycle, step);
    }
    fn barrier(&mut self, quiet: u64, release: u64) {
        self.0.barrier(quiet, release);
    }
    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        self.0.phase(cycle, core, phase);
    }
    fn synapse(&mut self, cycle: u64, core: usize, op: SynapticOperation) {
        if core == 0 {
            self.1.sums.push((cycle + 2, op.sum.cast_unsigned() & 0xfff_ffff));
        }
        self.0.synapse(cycle, core, op);
    }
    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, at: u32, value: i32, spike: bool) {
        if core == 0 {
            self.1.membranes.push((cycle, neuron.into(), value.cast_unsigned().into(), spike));
        }
        self.0.membrane(cycle, core, neuron, at, value, spike);
    }
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {
        if router == 0 && port == Port::Local {
            self.1.flits.push((cycle, flit.axon().into()));
        }
        self.0.router_output(cycle, router, port, flit);
    }
    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        self.0.router_input(cycle, router, port);
    }
    fn core_input(&mut self, cycle: u64, core: usize, flit: Flit) {
        self.0.core_input(cycle, core, flit);
    }
    fn core_output(&mut self, cycle: u64, core: usize, flit: Flit) {
        self.0.core_output(cycle, core, flit);
    }
    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {
        self.0.injector_output(cycle, injector, flit);
    }
    fn credit(&mut self, cycle: u64, router: usize, port: Port) {
        self.0.credit(cycle, router, port);
    }
    fn queue_write(&mut self, cycle: u64, core: usize, event: hw::layout::QueueEvent) {
        self.0.queue_write(cycle, core, event);
    }
    fn queue_read(&mut self, cycle: u64, core: usize, event: hw::layout::QueueEvent) {
        self.0.queue_read(cycle, core, event);
    }
}

struct Reader {
    wave: Waveform,
    period: u64,
}

impl Reader {
    /// Value of a signal in each cycle in which it changed.
    fn changes(&mut self, path: &str) -> HashMap<u64, u64> {
        let h = self.wave.hierarchy();
        let var = h.all_vars().map(|v| &h[v]).find(|v| v.full_name(h) == path);
        let signal = var.unwrap_or_else(|| panic!("no {path}")).signal_ref();
        self.wave.load_signals(&[signal]);
        let times = self.wave.time_table().to_vec();
        let signal = self.wave.get_signal(signal).expect("loaded");
        let number = |bits: String| u64::from_str_radix(&bits, 2).ok();
        signal
            .iter_changes()
            .filter_map(|(t, v)| Some((times[t as usize] / self.period, number(v.to_bit_string()?)?)))
            .collect()
    }

    /// Value of a signal in every cycle up to `end`.
    fn values(&mut self, path: &str, end: u64) -> Vec<Option<u64>> {
        let changes = self.changes(path);
        let mut held = None;
        (0..end)
            .map(|cycle| {
                held = changes.get(&cycle).copied().or(held);
                held
            })
            .collect()
    }
}

/// Waves of one sample of a small chip: the recorder, the VCD, the FST, the cycles.
fn record_both(structure: Structure, selection: &Selection) -> (Recorder, Waveform, Waveform, u64) {
    let vector = Vector::load("recurrent_subtract");
    let mut platform = Platform::load("loihi").expect("preset");
    platform.core.neurons = 8;
    platform.core.readouts = 8;
    (platform.mesh.width, platform.mesh.height) = (2, 2);
    platform.mesh.injectors.truncate(1);
    let image = compiler::image(&vector.network, &vector.file, &platform, structure).expect("fits");
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    let folder = tempfile::tempdir().expect("folder");
    let (path, fst) = (folder.path().join("out.vcd"), folder.path().join("out.fst"));
    let files = Files { vcd: Some(&path), fst: Some(&fst) };
    let mut waves = Waves::create(files, simulator.program(), selection).expect("file");
    let mut recorder = Recorder::default();
    let outcome = simulator.run_with(&vector.binned(0), &mut Both(&mut waves, &mut recorder)).expect("runs");
    waves.finish().expect("written");
    (recorder, read(&path), read(&fst), outcome.cycles)
}

fn record(structure: Structure) -> (Recorder, Reader, u64) {
    record_some(structure, &Selection::default())
}

fn record_some(structure: Structure, selection: &Selection) -> (Recorder, Reader, u64) {
    let (recorder, wave, _, cycles) = record_both(structure, selection);
    (recorder, Reader { wave, period: 10_000 }, cycles)
}

/// Every known change of every signal, states as numbers.
fn everything(wave: &mut Waveform) -> BTreeMap<String, Vec<(u64, String)>> {
    let h = wave.hierarchy();
    let vars: Vec<_> = h.all_vars().map(|v| (h[v].full_name(h), h[v].signal_ref())).collect();
    wave.load_signals(&vars.iter().map(|v| v.1).collect::<Vec<_>>());
    let times = wave.time_table().to_vec();
    let value = |v: wellen::SignalValueRef<'_>| {
        let text = v.to_bit_string().unwrap_or_else(|| v.to_string());
        let state = ["IDLE", "DELIVER", "UPDATE", "ACCEPT"].iter().position(|s| *s == text);
        let text = state.map_or(text, |i| format!("{i:02b}"));
        // A reader of VCD may leave out zeros in front.
        (!text.contains(['x', 'X'])).then(|| text.trim_start_matches('0').to_string())
    };
    vars.into_iter()
        .map(|(name, signal)| {
            let signal = wave.get_signal(signal).expect("loaded");
            let changes = signal.iter_changes().filter_map(|(t, v)| Some((times[t as usize], value(v)?)));
            (name, changes.collect())
        })
        .collect()
}

#[test]
fn fst_and_vcd_of_a_run_hold_the_same() {
    for structure in Structure::ALL {
        let (_, mut vcd, mut fst, _) = record_both(structure, &Selection::default());
        let (vcd, fst) = (everything(&mut vcd), everything(&mut fst));
        assert_eq!(vcd.keys().collect::<Vec<_>>(), fst.keys().collect::<Vec<_>>());
        assert!(vcd.values().map(Vec::len).sum::<usize>() > 10_000);
        for (name, changes) in &vcd {
            assert_eq!(changes, &fst[name], "{name} on {structure}");
        }
    }
}

#[test]
fn an_fst_is_ten_times_smaller_than_the_vcd_of_the_same_run() {
    let vector = Vector::load("reference_256");
    let input = first_steps(vector.binned(0), 10);
    let platform = Platform::load("loihi").expect("preset");
    let image = compiler::image(&vector.network, &vector.file, &platform, platform.delays).expect("fits");
    let folder = tempfile::tempdir().expect("folder");
    let (vcd, fst) = (folder.path().join("out.vcd"), folder.path().join("out.fst"));
    for structure in Structure::ALL {
        let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
        let files = Files { vcd: Some(&vcd), fst: Some(&fst) };
        let mut waves = Waves::create(files, simulator.program(), &Selection::default()).expect("files");
        simulator.run_with(&input, &mut waves).expect("runs");
        waves.finish().expect("written");
        let [vcd, fst] = [&vcd, &fst].map(|path| std::fs::metadata(path).expect("written").len());
        assert!(10 * fst <= vcd, "{structure}: {fst} bytes of {vcd}");
    }
}

fn read(path: &Path) -> Waveform {
    wellen::simple::read(path).expect("wellen reads it")
}

fn check(structure: Structure) {
    let (mut recorder, mut reader, end) = record(structure);
    let scope = "chip.core_0_0";
    let write = reader.values(&format!("{scope}.soma.write"), end);
    let neuron = reader.values(&format!("{scope}.soma.neuron"), end);
    let membrane = reader.values(&format!("{scope}.soma.membrane"), end);
    let spike = reader.values(&format!("{scope}.soma.spike"), end);
    let found: Vec<_> = (0..end as usize)
        .filter(|&c| write[c] == Some(1))
        .map(|c| (c as u64, neuron[c].expect("known"), membrane[c].expect("known"), spike[c] == Some(1)))
        .collect();
    assert!(!found.is_empty());
    assert_eq!(found, recorder.membranes, "membranes");

    let write = reader.values(&format!("{scope}.accumulator.write"), end);
    let data = reader.values(&format!("{scope}.accumulator.data"), end);
    let found: Vec<_> = (0..end as usize)
        .filter(|&c| write[c] == Some(1))
        .map(|c| (c as u64, data[c].expect("known")))
        .collect();
    recorder.sums.sort_by_key(|s| s.0);
    assert!(!found.is_empty());
    assert_eq!(found, recorder.sums, "accumulators");

    let valid = reader.values("chip.router_0_0.local_out_valid", end);
    let flit = reader.values("chip.router_0_0.local_out_flit", end);
    let found: Vec<_> = (0..end as usize)
        .filter(|&c| valid[c] == Some(1))
        // Parity, one bit of column, one of row, then the axon.
        .map(|c| (c as u64, flit[c].expect("known") >> 3))
        .collect();
    assert!(!found.is_empty());
    assert_eq!(found, recorder.flits, "flits");

    let step = reader.changes("chip.step");
    assert!(recorder.starts.iter().all(|(cycle, s)| step.get(cycle) == Some(s)), "steps");
    // Buffers stay within their depth and are empty at the end.
    for port in Port::ALL {
        let level = reader.values(&format!("chip.router_0_0.{}_in_level", port.name()), end);
        assert!(level.iter().all(|l| l.is_some_and(|l| l <= 4)), "{}", port.name());
        assert_eq!(level.last(), Some(&Some(0)));
    }
}

#[test]
fn waves_of_a_ring_buffer_run_hold_what_the_simulator_had() {
    check(Structure::RingBuffer);
}

#[test]
fn waves_of_a_shared_queue_run_hold_what_the_simulator_had() {
    check(Structure::SharedQueue);
    let (_, mut reader, end) = record(Structure::SharedQueue);
    let written = reader.values("chip.core_0_0.queue.write_pointer", end);
    let level = reader.values("chip.core_0_0.queue.read_level", end);
    let start = reader.values("chip.step_start", end);
    // What was written before a barrier is what can be read after it.
    let starts: Vec<usize> = (1..end as usize).filter(|&c| start[c] == Some(1)).collect();
    assert!(starts.iter().any(|&c| level[c] > Some(0)), "the queue is used");
    for c in starts {
        assert_eq!(level[c], written[c - 1], "cycle {c}");
    }
}

/// Paths of all signals.
fn paths(reader: &Reader) -> Vec<String> {
    let h = reader.wave.hierarchy();
    h.all_vars().map(|v| h[v].full_name(h)).collect()
}

#[test]
fn waves_of_some_steps_hold_what_all_waves_hold_then() {
    for structure in Structure::ALL {
        let (recorder, mut all, end) = record(structure);
        let selection = Selection { steps: Some(7..10), ..Selection::default() };
        let (_, mut some, _) = record_some(structure, &selection);
        let (from, to) = (recorder.starts[7].0, recorder.starts[10].0);
        // At time 0 all is unknown.
        let (first, last) = (some.wave.time_table()[1], *some.wave.time_table().last().expect("times"));
        assert!(first / some.period == from && last / some.period <= to, "{first} to {last}");
        let signals = paths(&all);
        assert_eq!(signals, paths(&some));
        let mut compared = 0;
        for path in signals.iter().filter(|p| !p.ends_with(".state")) {
            let (whole, part) = (all.values(path, end), some.values(path, end));
            let changes = all.changes(path);
            let mut changed = false;
            for c in from..to {
                changed |= changes.contains_key(&c);
                let (w, p) = (whole[c as usize], part[c as usize]);
                // Unknown only as long as it did not change.
                assert!(
                    w == p || (p.is_none() && !changed),
                    "{structure} {path}, cycle {c}: {p:?} for {w:?}"
                );
                compared += u64::from(p.is_some());
            }
        }
        assert!(compared > 1000, "{compared}");
        // Buffers and credits are known from the first cycle on.
        let known = some.values("chip.router_0_0.local_credits", end);
        assert_eq!(known[from as usize], Some(4));
    }
}

#[test]
fn waves_of_some_scopes_hold_these_alone() {
    let pattern = |p| glob::Pattern::new(p).expect("a pattern");
    let scopes = vec![pattern("chip.core_0_0.soma"), pattern("chip.router_*.west_credits")];
    let (recorder, mut reader, end) =
        record_some(Structure::RingBuffer, &Selection { scopes, ..Selection::default() });
    let found = paths(&reader);
    assert!(found.iter().any(|p| p == "chip.core_0_0.soma.membrane"));
    assert!(found.iter().any(|p| p == "chip.router_1_1.west_credits"));
    assert!(found.iter().all(|p| p.starts_with("chip.core_0_0.soma.") || p.ends_with("west_credits")));
    let write = reader.values("chip.core_0_0.soma.write", end);
    let writes: Vec<_> = (0..end).filter(|&c| write[c as usize] == Some(1)).collect();
    assert_eq!(writes, recorder.membranes.iter().map(|m| m.0).collect::<Vec<_>>());
}
