//! Random networks, inputs and platforms: valid, small, and as odd as the contract allows; and how many of them.
//!
//! Every property over them runs for a seed that is fixed and for a fresh one that is printed. A longer run, with any
//! number of cases (`DELAYLINE_SEED` repeats the fresh seed of another):
//!
//! ```sh
//! PROPTEST_CASES=1000 cargo test --release -p testbenches --test rtl --test vcd --test equivalence --test files
//! ```

use hw::platform::{
    Casting, Core, Injector, Mesh, Platform, Ports, RingBuffer, SharedQueue, Side, Structure,
};
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use spikes::Binned;

/// Cases of a property: `PROPTEST_CASES`, or so many.
#[must_use]
pub fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// A seed that no run had before, printed; `DELAYLINE_SEED` sets it.
#[must_use]
pub fn fresh_seed() -> u64 {
    let seed = std::env::var("DELAYLINE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |d| d.as_nanos() as u64)
    });
    println!("DELAYLINE_SEED={seed}");
    seed
}

/// The random numbers of a seed.
#[must_use]
pub fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// What a random population becomes: size, kind, and a seed for its parameters.
#[derive(Debug, Clone)]
struct Draft {
    size: u32,
    subtract: bool,
    parameters: Vec<(u16, i32)>,
}

fn decay() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(1), Just(4095), Just(4096), 0..=4096u16]
}

fn weight() -> impl Strategy<Value = i8> {
    prop_oneof![1 => Just(-128i8), 1 => Just(127i8), 1 => Just(0i8), 6 => any::<i8>()]
}

/// Mostly short, so that much arrives within the sample.
fn delay() -> impl Strategy<Value = u16> {
    prop_oneof![2 => 1..=5u16, 1 => 1..=63u16]
}

fn shift() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0..5u8, 1 => 0..=15u8]
}

fn draft(most: u32) -> impl Strategy<Value = Draft> {
    (1..=most).prop_flat_map(|size| {
        (any::<bool>(), vec((decay(), 1..1500i32), size as usize))
            .prop_map(move |(subtract, parameters)| Draft { size, subtract, parameters })
    })
}

/// A random valid network: recurrent, skipping and parallel projections of different shifts,
/// several delays a pair, with or without an integrator.
pub fn network() -> impl Strategy<Value = Network> {
    let shape = (1..12u32, vec(draft(9), 1..4), any::<bool>(), 2..=32u8, 1..30u32, 1..3u32);
    let edges = vec(
        (any::<u32>(), any::<u32>(), shift(), vec((any::<u32>(), any::<u32>(), delay(), weight()), 0..60)),
        1..7,
    );
    (shape, edges).prop_map(|((inputs, drafts, integrates, membrane_bits, steps, group), edges)| {
        let mut populations =
            vec![Population { name: "input".into(), kind: Kind::Input { group }, size: inputs }];
        let top = ((1i64 << (membrane_bits - 1)) - 1).min(i64::from(i32::MAX)) as i32;
        let last = drafts.len() - 1;
        for (i, d) in drafts.iter().enumerate() {
            let decay = d.parameters.iter().map(|p| p.0).collect();
            let kind = if integrates && i == last {
                Kind::Integrator { decay }
            } else {
                let reset = if d.subtract { Reset::Subtract } else { Reset::Zero };
                let threshold = d.parameters.iter().map(|p| p.1.min(top)).collect();
                Kind::Lif { reset, decay, threshold }
            };
            populations.push(Population { name: format!("p{i}"), kind, size: d.size });
        }
        let sources = if integrates { populations.len() - 1 } else { populations.len() };
        let projections = edges
            .into_iter()
            .enumerate()
            .map(|(i, (source, target, weight_shift, list))| {
                // The first always reaches the first population, so that something happens.
                let source = if i == 0 { 0 } else { source as usize % sources };
                let target = if i == 0 { 1 } else { 1 + target as usize % (populations.len() - 1) };
                let mut synapses: Vec<_> = list
                    .into_iter()
                    .map(|(pre, post, delay, weight)| Synapse {
                        pre: pre % populations[source].size,
                        post: post % populations[target].size,
                        delay,
                        weight,
                    })
                    .collect();
                synapses.sort_by_key(|s| (s.pre, s.post, s.delay));
                synapses.dedup_by_key(|s| (s.pre, s.post, s.delay));
                Projection { name: format!("e{i}"), source, target, weight_shift, synapses }
            })
            .collect();
        Network {
            name: "random".into(),
            step_ms: 10.0,
            steps,
            membrane_bits,
            classes: Vec::new(),
            populations,
            projections,
        }
    })
}

/// Random input for a network, each channel firing in about a share of the steps.
pub fn input(network: &Network) -> impl Strategy<Value = Binned> + use<> {
    let (steps, channels) = (network.steps, network.binning().channels);
    (0.0..0.9f64).prop_flat_map(move |share| {
        vec(proptest::bool::weighted(share), (steps * channels) as usize).prop_map(move |fires| {
            let pairs = (0..steps * channels)
                .filter(|i| fires[*i as usize])
                .map(|i| (i / channels, i % channels))
                .collect();
            Binned::from_pairs(pairs, steps)
        })
    })
}

fn ports() -> impl Strategy<Value = Ports> {
    prop_oneof![Just(Ports::OneRw), Just(Ports::OneReadOneWrite)]
}

/// A random platform: any shape of mesh, buffers down to one flit, small cores.
/// It is large enough for any network of [`network`], unless cores of few neurons run out.
pub fn platform() -> impl Strategy<Value = Platform> {
    let mesh = (1..6u16, 1..6u16, 1..4u16, 1..4u16, 1..9u32, vec((any::<u16>(), 0..4u8), 1..4));
    (mesh, 1..20u32, ports(), ports(), ports()).prop_map(
        |(
            (width, height, router_buffer, core_buffer, barrier_latency, places),
            neurons,
            membrane,
            ring,
            queue,
        )| {
            let mut injectors: Vec<Injector> = Vec::new();
            for (at, side) in places {
                let (side, x, y) = match side {
                    0 => (Side::North, at % width, 0),
                    1 => (Side::South, at % width, height - 1),
                    2 => (Side::West, 0, at % height),
                    _ => (Side::East, width - 1, at % height),
                };
                let injector = Injector { x, y, side };
                if !injectors.contains(&injector) {
                    injectors.push(injector);
                }
            }
            Platform {
                name: "random".into(),
                description: String::new(),
                delays: Structure::RingBuffer,
                clock_mhz: 100.0,
                mesh: Mesh {
                    width,
                    height,
                    router_buffer,
                    core_buffer,
                    barrier_latency,
                    casting: Casting::Unicast,
                    injectors,
                },
                core: Core {
                    neurons,
                    input_axons: 600,
                    output_axons: 4096,
                    readouts: neurons,
                    score_bits: 48,
                    membrane_bits_min: 2,
                    membrane_bits_max: 32,
                    membrane_ports: membrane,
                    synapse_bits: 40_000,
                },
                ring_buffer: RingBuffer {
                    slots: 64,
                    accumulators: 64 * neurons,
                    accumulator_bits: 36,
                    accumulator_ports: ring,
                },
                shared_queue: SharedQueue {
                    longest_delay: 63,
                    depth: 1 << 16,
                    axon_synapses: 1 << 12,
                    accumulator_bits: 36,
                    accumulator_ports: queue,
                },
            }
        },
    )
}

/// A network, an input for it and a platform.
pub fn case() -> impl Strategy<Value = (Network, Binned, Platform)> {
    (network(), platform()).prop_flat_map(|(network, platform)| {
        (input(&network), Just(network), Just(platform)).prop_map(|(i, n, p)| (n, i, p))
    })
}
