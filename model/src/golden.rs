//! The golden model: the contract's step, in integers, as plainly as it can be said.
//!
//! It is the definition that the simulator and the RTL are compared with, so it is written to be
//! read, not to be fast. `SPEC.md` says the same in words.

use crate::network::{DECAY_ONE, Kind, Network, Reset};
use spikes::Binned;
use std::collections::HashMap;

/// One spike of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spike {
    /// Step in which it was emitted.
    pub step: u32,
    /// Index of the population.
    pub population: u32,
    /// Index in the population.
    pub neuron: u32,
}

/// What came of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// All spikes of neurons (not of inputs), sorted.
    pub spikes: Vec<Spike>,
    /// One score a readout unit.
    pub scores: Vec<i64>,
    /// Index of the highest score, the lowest on a tie.
    pub prediction: u32,
    /// Synaptic events: spikes times their synapses.
    pub synaptic_events: u64,
    /// Synaptic events that would arrive at or after the last step, and are lost.
    pub lost: u64,
}

/// Runs one sample of a valid network.
#[must_use]
pub fn run(network: &Network, input: &Binned) -> Outcome {
    run_traced(network, input, |_, _, _| {})
}

/// Runs one sample; `trace(step, population, membranes)` sees every population after its step.
///
/// # Panics
/// If the network is not valid or the input has other steps or channels.
pub fn run_traced(network: &Network, input: &Binned, mut trace: impl FnMut(u32, usize, &[i64])) -> Outcome {
    assert_eq!(input.steps(), network.steps, "input binned for another network");
    let steps = network.steps as usize;
    // Synapses of each source neuron, for each projection.
    let fan_out: Vec<Vec<Vec<usize>>> = network
        .projections
        .iter()
        .map(|p| {
            let mut lists = vec![Vec::new(); network.populations[p.source].size as usize];
            for (i, synapse) in p.synapses.iter().enumerate() {
                lists[synapse.pre as usize].push(i);
            }
            lists
        })
        .collect();
    // arriving[population][step][neuron]: the sum of all weights that arrive then, where any do.
    let mut arriving: Vec<HashMap<usize, Vec<i64>>> = vec![HashMap::new(); network.populations.len()];
    let mut membranes: Vec<Vec<i64>> = network.populations.iter().map(|p| vec![0; p.size as usize]).collect();
    let readout = network.readout();
    let mut scores = vec![0i64; network.populations[readout].size as usize];
    let top = (1i64 << (network.membrane_bits - 1)) - 1;
    let bottom = -top - 1;
    let (mut spikes, mut synaptic_events, mut lost) = (Vec::new(), 0, 0);

    for t in 0..steps {
        let mut fired: Vec<Vec<u32>> = vec![Vec::new(); network.populations.len()];
        for (index, population) in network.populations.iter().enumerate() {
            if let Kind::Input { .. } = population.kind {
                fired[index] = input.step(t as u32).to_vec();
                continue;
            }
            let due = arriving[index].remove(&t).unwrap_or_else(|| vec![0; population.size as usize]);
            for n in 0..population.size as usize {
                let v = &mut membranes[index][n];
                // 1. Leak, truncated toward zero.
                let one = i64::from(DECAY_ONE);
                *v = *v * (one - i64::from(population.decay()[n])) / one;
                // 2. One saturation, after the sum.
                *v = (*v + due[n]).clamp(bottom, top);
                match &population.kind {
                    // 3. Fire and reset.
                    Kind::Lif { reset, threshold, .. } => {
                        let threshold = i64::from(threshold[n]);
                        if *v >= threshold {
                            *v = match reset {
                                Reset::Zero => 0,
                                Reset::Subtract => *v - threshold,
                            };
                            fired[index].push(n as u32);
                            spikes.push(Spike { step: t as u32, population: index as u32, neuron: n as u32 });
                            if network.integrator().is_none() && index == readout {
                                scores[n] += 1;
                            }
                        }
                    }
                    Kind::Integrator { .. } => scores[n] += *v,
                    Kind::Input { .. } => {}
                }
            }
            trace(t as u32, index, &membranes[index]);
        }
        // A spike of step t arrives at t + d, never in t itself.
        for (projection, fan_out) in network.projections.iter().zip(&fan_out) {
            for &pre in &fired[projection.source] {
                for &s in &fan_out[pre as usize] {
                    let synapse = projection.synapses[s];
                    let at = t + usize::from(synapse.delay);
                    synaptic_events += 1;
                    if at < steps {
                        let size = network.populations[projection.target].size as usize;
                        let sums = arriving[projection.target].entry(at).or_insert_with(|| vec![0; size]);
                        sums[synapse.post as usize] += i64::from(synapse.weight) << projection.weight_shift;
                    } else {
                        lost += 1;
                    }
                }
            }
        }
    }
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = i;
        }
    }
    Outcome { spikes, scores, prediction: best as u32, synaptic_events, lost }
}
