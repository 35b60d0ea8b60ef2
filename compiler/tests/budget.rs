//! Within budget means accepted.

mod common;

use compiler::budget::Budget;
use hw::{Platform, Structure};
use model::network::{Kind, Network, Synapse};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;

/// The network of the other tests in other sizes and with random synapses.
fn networks() -> impl Strategy<Value = Network> {
    let synapse = (any::<u32>(), any::<u32>(), 1..12u16, -20..20i8);
    let synapses = prop::collection::vec(synapse, 1..60);
    ((1..12u32, 1..20u32, 1..6u32), [0..3u8, 0..3, 0..3], [synapses.clone(), synapses.clone(), synapses])
        .prop_map(|(sizes, shifts, lists)| {
            let mut network = common::network();
            let sizes = [sizes.0, sizes.1, sizes.2];
            for (p, size) in network.populations.iter_mut().zip(sizes) {
                p.size = size;
                match &mut p.kind {
                    Kind::Lif { decay, threshold, .. } => {
                        decay.resize(size as usize, 5);
                        threshold.resize(size as usize, 5);
                    }
                    Kind::Integrator { decay } => decay.resize(size as usize, 5),
                    Kind::Input { .. } => {}
                }
            }
            for ((p, shift), list) in network.projections.iter_mut().zip(shifts).zip(lists) {
                p.weight_shift = shift;
                p.synapses = list
                    .into_iter()
                    .map(|(pre, post, delay, weight)| Synapse {
                        pre: pre % sizes[p.source],
                        post: post % sizes[p.target],
                        delay,
                        weight,
                    })
                    .collect();
                p.synapses.sort_unstable();
                p.synapses.dedup_by_key(|s| (s.pre, s.post, s.delay));
            }
            network.validate().expect("valid");
            network
        })
}

fn platforms() -> impl Strategy<Value = Platform> {
    (1..6u16, 1..6u16, 1..24u32, 2..40u32, 4..60u32, 1..5u32, 8..128u32, 100..2500u64, 1..20u32).prop_map(
        |(
            width,
            height,
            neurons,
            input_axons,
            output_axons,
            readouts,
            accumulators,
            synapse_bits,
            axon_synapses,
        )| {
            let mut p = Platform::load("loihi").expect("preset");
            (p.mesh.width, p.mesh.height) = (width, height);
            p.mesh.injectors.truncate(1);
            p.core.neurons = neurons;
            p.core.input_axons = input_axons;
            p.core.output_axons = output_axons;
            p.core.readouts = readouts.min(neurons);
            p.core.synapse_bits = synapse_bits;
            p.ring_buffer.accumulators = accumulators;
            p.ring_buffer.slots = 16;
            p.shared_queue.axon_synapses = axon_synapses;
            p.shared_queue.longest_delay = 11;
            assert_eq!(p.problems(), [""; 0]);
            p
        },
    )
}

#[test]
fn within_budget_means_accepted() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let mut config = ProptestConfig::with_cases(1500);
    // A case that fails is kept in compiler/regressions.txt and tried first from then on.
    let kept = proptest::test_runner::FileFailurePersistence::Direct("regressions.txt");
    config.failure_persistence = Some(Box::new(kept));
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&(networks(), platforms()), |(network, platform)| {
            for structure in Structure::ALL {
                let budget = Budget::new(&platform, structure);
                let parsed: Budget = toml::from_str(&budget.to_toml().expect("TOML")).expect("its own TOML");
                prop_assert_eq!(&parsed, &budget);
                if !parsed.accepts(&network) {
                    refused.set(refused.get() + 1);
                    continue;
                }
                accepted.set(accepted.get() + 1);
                match compiler::image(&network, b"", &platform, structure) {
                    Err(violations) => {
                        prop_assert!(false, "{structure}: within budget, but {violations:?}")
                    }
                    Ok(image) => {
                        prop_assert_eq!(hw::Image::from_bytes(&image.to_bytes()), Ok(image))
                    }
                }
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    // Neither side may be empty, or the test would show nothing.
    println!("{} accepted, {} refused", accepted.get(), refused.get());
    assert!(
        accepted.get() > 100 && refused.get() > 100,
        "{} accepted, {} refused",
        accepted.get(),
        refused.get()
    );
}

#[test]
fn budget_refuses_each_width_that_is_too_narrow() {
    let network = common::network();
    let platform = Platform::load("loihi").expect("preset");
    let budget = Budget::new(&platform, Structure::RingBuffer);
    assert!(budget.accepts(&network));
    let changes: [fn(&mut Budget); 5] = [
        |b| b.chip.longest_delay = 6,
        |b| b.chip.membrane_bits_max = 19,
        |b| b.chip.membrane_bits_min = 21,
        |b| b.chip.accumulator_bits = 10,
        |b| b.chip.score_bits = 26,
    ];
    for change in changes {
        let mut narrow = budget.clone();
        change(&mut narrow);
        assert!(!narrow.accepts(&network), "{:?}", narrow.chip);
    }
}
