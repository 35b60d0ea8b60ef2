//! Every word survives packing, on platforms of every size.

use hw::layout::{AxonRow, NeuronParameters, QueueSynapse, RingSynapse, RouteRow, Target, Widths};
use hw::{Platform, Structure};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn widths() -> impl Strategy<Value = (Widths, Platform)> {
    let sizes = (1..65u16, 1..65u16, 1..65_537u32, 1..1_048_577u32, 1..1_048_577u32, 2..33u8);
    let delays = (1..7u32, 1..64u32, 1..(1 << 24) + 1u32, 64..(1u64 << 32) + 1);
    (sizes, delays, any::<bool>()).prop_map(|(sizes, delays, ring)| {
        let mut p = Platform::load("loihi").expect("preset");
        (p.mesh.width, p.mesh.height) = (sizes.0, sizes.1);
        p.mesh.injectors.truncate(1);
        (p.core.neurons, p.core.input_axons, p.core.output_axons) = (sizes.2, sizes.3, sizes.4);
        p.core.readouts = 1;
        p.core.membrane_bits_max = sizes.5;
        p.ring_buffer.slots = 1 << delays.0;
        p.shared_queue.longest_delay = delays.1;
        p.shared_queue.axon_synapses = delays.2;
        p.core.synapse_bits = delays.3;
        assert_eq!(p.problems(), [""; 0]);
        let structure = if ring { Structure::RingBuffer } else { Structure::SharedQueue };
        (Widths::new(&p, structure), p)
    })
}

/// A value that fits so many bits.
fn fit(value: u32, bits: u32) -> u32 {
    (u64::from(value) & ((1u64 << bits) - 1)) as u32
}

/// So many cases; one that fails is kept in `hw/regressions.txt` and tried first from then on.
fn keeping(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("regressions.txt");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(keeping(500))]

    #[test]
    fn every_word_is_unpacked_as_it_was_packed(
        (w, platform) in widths(),
        (a, b, c) in any::<(u32, u32, u32)>(),
        (shift, weight, flags) in (0..16u8, any::<i8>(), any::<(bool, bool)>()),
        decay in 0..4097u16,
    ) {
        for spec in w.memories(&platform) {
            prop_assert!((1..=64).contains(&spec.bits), "{}: {} bits", spec.memory.name(), spec.bits);
        }
        if w.structure == Structure::RingBuffer {
            let s = RingSynapse { neuron: fit(a, w.neuron), delay: fit(b, w.delay), weight };
            prop_assert_eq!(w.ring_synapse(w.pack_ring_synapse(s)), s);
            prop_assert!(w.pack_ring_synapse(s) >> w.synapse() == 0);
        } else {
            let s = QueueSynapse { neuron: fit(a, w.neuron), last: flags.0, weight };
            prop_assert_eq!(w.queue_synapse(w.pack_queue_synapse(s)), s);
            prop_assert!(w.pack_queue_synapse(s) >> w.synapse() == 0);
        }
        let count = if w.structure == Structure::RingBuffer { fit(b, w.list) } else { 0 };
        let row = AxonRow { base: fit(a, w.synapse_address), count, shift };
        prop_assert_eq!(w.axon_row_of(w.pack_axon_row(row)), row);
        let p = NeuronParameters { decay, threshold: fit(c, w.threshold).cast_signed(), subtract: flags.0, integrator: flags.1 };
        prop_assert_eq!(w.parameters(w.pack_parameters(p)), p);
        let r = RouteRow { base: fit(a, w.route_address), count: fit(b, w.route_address) };
        prop_assert_eq!(w.route_row(w.pack_route_row(r)), r);
        let t = Target { x: fit(a, w.x) as u16, y: fit(b, w.y) as u16, axon: fit(c, w.axon) };
        prop_assert_eq!(w.target(w.pack_target(t)), t);
    }
}

#[test]
fn presets_are_valid() {
    for (name, _) in Platform::PRESETS {
        let platform = Platform::load(name).expect("preset");
        assert_eq!(platform.name, name);
    }
}

#[test]
fn a_field_out_of_range_is_named() {
    let text = Platform::PRESETS[0].1.replace("slots = 64", "slots = 63");
    let error = Platform::parse("mine.toml", &text).expect_err("no power of two").to_string();
    assert!(error.contains("mine.toml") && error.contains("ring_buffer.slots"), "{error}");
    let text = Platform::PRESETS[0].1.replace("slots = 64", "slotz = 64");
    let error = Platform::parse("mine.toml", &text).expect_err("unknown field").to_string();
    assert!(error.contains("slotz"), "{error}");
}

#[test]
fn absurd_values_are_refused_all_at_once() {
    let text = Platform::PRESETS[0].1;
    for clock in ["0", "-1", "1e-300", "1e300", "nan", "inf"] {
        let text = text.replace("clock_mhz = 100.0", &format!("clock_mhz = {clock}"));
        let error = Platform::parse("mine.toml", &text).expect_err(clock).to_string();
        assert!(error.contains("clock_mhz") && error.contains("0.001 to 100000"), "{error}");
    }
    let text = text
        .replace("name = \"loihi\"", "name = \"\"")
        .replace("width = 16", "width = 0")
        .replace("height = 8", "height = 65")
        .replace("router_buffer = 4", "router_buffer = 0")
        .replace("barrier_latency = 16", "barrier_latency = 0")
        .replace("depth = 4096", "depth = 0")
        .replace("readouts = 64", "readouts = 2000");
    let error = Platform::parse("mine.toml", &text).expect_err("absurd").to_string();
    for field in [
        "name: empty",
        "mesh.width = 0: must be 1 to 64",
        "mesh.height = 65",
        "mesh.router_buffer = 0",
        "mesh.barrier_latency = 0",
        "shared_queue.depth = 0",
        "core.readouts = 2000: must be 1 to 1024",
        "mesh.injectors[0]",
    ] {
        assert!(error.contains(field), "{field}: {error}");
    }
}
