//! Waves of a circuit, read back by a reader that is not ours.

use rtl::{Simulator, TraceOptions, Tracer};
use std::io::Cursor;
use wellen::{SignalValue, SignalValueRef, simple};

mod common;
use common::{Phase, everything};

/// A wave file of some cycles, and the simulator's own view of two signals.
fn traced(options: &TraceOptions) -> (simple::Waveform, Vec<(u64, u64)>) {
    let mut sim = Simulator::new(&everything());
    let mut bytes = Vec::new();
    let mut tracer = Tracer::new(&sim, &mut bytes, options).expect("a header");
    let [a, go] = ["a", "go"].map(|n| sim.input(n).expect("an input"));
    let phase = sim.probe("phase").expect("a signal");
    let kept = sim.probe("data.kept").expect("a signal");
    let mut seen = Vec::new();
    for cycle in 0..30 {
        sim.set(a, cycle * 37 % 256);
        sim.set(go, u64::from(cycle % 5 == 1));
        tracer.sample(&mut sim).expect("written");
        seen.push((sim.get(phase), sim.get(kept)));
        sim.step().expect("no violation");
    }
    tracer.finish().expect("flushed");
    (simple::read_from_reader(Cursor::new(bytes)).expect("wellen reads it"), seen)
}

/// The value of a signal at each multiple of ten.
fn sampled(wave: &mut simple::Waveform, path: &str, cycles: u64) -> Vec<String> {
    let h = wave.hierarchy();
    let var = h.all_vars().map(|v| &h[v]).find(|v| v.full_name(h) == path);
    let signal = var.unwrap_or_else(|| panic!("no {path}")).signal_ref();
    wave.load_signals(&[signal]);
    let times = wave.time_table().to_vec();
    let signal = wave.get_signal(signal).expect("loaded");
    let changes: Vec<(u64, String)> = signal
        .iter_changes()
        .map(|(t, v)| {
            let value = SignalValue::from(v);
            let text = match SignalValueRef::from(&value) {
                SignalValueRef::String(s) => s.to_string(),
                other => other.to_bit_string().unwrap_or_default(),
            };
            (times[t as usize], text)
        })
        .collect();
    let at = |time| changes.iter().rev().find(|(t, _)| *t <= time).map(|(_, v)| v.clone());
    (0..cycles).map(|c| at(c * 10).unwrap_or_default()).collect()
}

#[test]
fn waves_show_states_by_name_and_values_by_scope() {
    let (mut wave, seen) = traced(&TraceOptions::default());
    let names: Vec<_> = seen
        .iter()
        .map(|&(phase, _)| format!("{:?}", [Phase::Idle, Phase::Add, Phase::Write][phase as usize]))
        .collect();
    assert_eq!(sampled(&mut wave, "everything.phase", 30), names);
    let kept: Vec<_> = seen.iter().map(|&(_, kept)| format!("{kept:08b}")).collect();
    assert_eq!(sampled(&mut wave, "everything.data.kept", 30), kept);
    assert!(names.contains(&"Write".to_string()));
}

#[test]
fn a_trace_can_be_kept_to_some_instances() {
    let (wave, _) = traced(&TraceOptions { only: vec!["more".into()], ..TraceOptions::default() });
    let h = wave.hierarchy();
    let names: Vec<_> = h.all_vars().map(|v| h[v].full_name(h)).collect();
    assert!(names.iter().any(|n| n == "everything.more.kept"));
    assert!(!names.iter().any(|n| n.starts_with("everything.data")));
    assert!(names.iter().any(|n| n == "everything.clk"));
}
