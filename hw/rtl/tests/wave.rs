//! Waves read back by a reader that is not ours.

use rtl::wave::{Layout, Writer};
use std::io::Cursor;
use wellen::{SignalValue, SignalValueRef, simple};

fn read(bytes: Vec<u8>) -> simple::Waveform {
    simple::read_from_reader(Cursor::new(bytes)).expect("wellen reads it")
}

/// (time, value as text) of a signal.
fn values(wave: &mut simple::Waveform, path: &str) -> Vec<(u64, String)> {
    let h = wave.hierarchy();
    let var = h.all_vars().map(|v| &h[v]).find(|v| v.full_name(h) == path);
    let signal = var.unwrap_or_else(|| panic!("no {path}")).signal_ref();
    wave.load_signals(&[signal]);
    let times = wave.time_table().to_vec();
    let signal = wave.get_signal(signal).expect("loaded");
    signal.iter_changes().map(|(t, v)| (times[t as usize], text(&v.into()))).collect()
}

fn text(value: &SignalValue) -> String {
    match SignalValueRef::from(value) {
        SignalValueRef::String(s) => s.to_string(),
        other => other.to_bit_string().unwrap_or_default(),
    }
}

#[test]
fn every_width_is_read_back_with_its_values_and_times() {
    let mut layout = Layout::new();
    let top = layout.scope(None, "top");
    let signals: Vec<_> = (1..=64).map(|w| layout.signal(top, &format!("w{w}"), w)).collect();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &layout, 1, "widths").expect("header");
    let mut expected = vec![Vec::new(); 64];
    for step in 0..40u64 {
        let value = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xdead_beef;
        for (i, &signal) in signals.iter().enumerate() {
            let masked = value & (u64::MAX >> (63 - i));
            writer.change(step * 10, signal, value).expect("write");
            let text = format!("{masked:0width$b}", width = i + 1);
            if expected[i].last().is_none_or(|(_, last)| *last != text) {
                expected[i].push((step * 10, text));
            }
        }
    }
    writer.finish().expect("flush");
    let mut wave = read(bytes);
    for (i, expected) in expected.iter().enumerate() {
        let mut found = values(&mut wave, &format!("top.w{}", i + 1));
        found.retain(|(_, v)| !v.contains('x'));
        assert_eq!(&found, expected, "width {}", i + 1);
    }
}

#[test]
fn states_are_read_back_by_name() {
    let mut layout = Layout::new();
    let top = layout.scope(None, "top");
    let inner = layout.scope(Some(top), "core 0");
    let state = layout.state(inner, "state", &["IDLE", "RUN"]);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &layout, 1, "states").expect("header");
    for (time, value) in [(0, 0), (3, 1), (4, 1), (9, 0)] {
        writer.change(time, state, value).expect("write");
    }
    writer.finish().expect("flush");
    let mut wave = read(bytes);
    let found = values(&mut wave, "top.core_0.state");
    let expected = [(0, "IDLE"), (3, "RUN"), (9, "IDLE")].map(|(t, v)| (t, v.to_string()));
    assert_eq!(found, expected);
}

#[test]
fn going_back_in_time_is_an_error() {
    let mut layout = Layout::new();
    let top = layout.scope(None, "top");
    let bit = layout.signal(top, "bit", 1);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &layout, 1, "back").expect("header");
    writer.change(5, bit, 1).expect("write");
    let error = writer.change(4, bit, 0).expect_err("goes back");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
