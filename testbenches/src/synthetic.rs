//! Networks of any size for benches and load tests. The same arguments give the same network.

use hw::platform::{Injector, Platform, Side, Structure};
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use sim::Outcome;
use spikes::Binned;

/// A chip on which every core does the same: `neurons` a core, all of which fire in every step but the first few,
/// each to `fan_out` synapses in the core beside it (the only one in itself): one hop, however large the mesh. One input
/// a core starts them in step 0.
#[must_use]
pub fn busy_cores(cores: u32, neurons: u32, fan_out: u32, steps: u32) -> (Network, Binned, Platform) {
    let all = cores * neurons;
    let mut synapses = Vec::new();
    for pre in 0..all {
        let (core, neuron) = (pre / neurons, pre % neurons);
        for i in 0..fan_out {
            let beside = if core ^ 1 < cores { core ^ 1 } else { core };
            let post = beside * neurons + (neuron + i) % neurons;
            // A pair of neurons that has several synapses has them at different delays.
            let delay = (1 + (neuron + i) % 8 + 8 * (i / neurons)) as u16;
            synapses.push(Synapse { pre, post, delay, weight: 1 });
        }
    }
    let starts = (0..all).map(|post| Synapse { pre: post / neurons, post, delay: 1, weight: 1 }).collect();
    let size = all as usize;
    let kind = Kind::Lif { reset: Reset::Zero, decay: vec![4096; size], threshold: vec![1; size] };
    let populations = vec![
        Population { name: "input".into(), kind: Kind::Input { group: 1 }, size: cores },
        Population { name: "all".into(), kind, size: all },
    ];
    let projections = vec![
        Projection { name: "start".into(), source: 0, target: 1, weight_shift: 0, synapses: starts },
        Projection { name: "loop".into(), source: 1, target: 1, weight_shift: 0, synapses },
    ];
    let input = Binned::from_pairs((0..cores).map(|c| (0, c)).collect(), steps);
    let mut platform = Platform::load("loihi").expect("preset");
    let width = (1..=64).find(|w| w * w >= cores).expect("at most 4096 cores") as u16;
    (platform.mesh.width, platform.mesh.height) = (width, (cores as u16).div_ceil(width));
    platform.mesh.injectors = vec![Injector { x: 0, y: 0, side: Side::West }];
    platform.core.neurons = neurons;
    platform.core.readouts = neurons;
    platform.core.output_axons = 1 << 16;
    platform.core.synapse_bits = 1 << 24;
    platform.ring_buffer.accumulators = 64 * neurons;
    platform.shared_queue.depth = 1 << 16;
    let network = Network {
        name: "busy_cores".into(),
        step_ms: 10.0,
        steps,
        membrane_bits: 24,
        classes: Vec::new(),
        populations,
        projections,
    };
    (network, input, platform)
}

/// Synaptic events that spikes of a run emitted: a ring buffer adds them all, those that are lost past the end among them;
/// a queue never does these.
#[must_use]
pub fn emitted(outcome: &Outcome, structure: Structure) -> u64 {
    let never_done = u64::from(structure == Structure::SharedQueue);
    outcome.cores.iter().map(|c| c.synaptic_operations + never_done * c.lost).sum()
}
