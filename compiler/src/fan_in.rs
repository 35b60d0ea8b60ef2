//! What each neuron receives, all projections together.

use model::network::{Kind, Network};

/// A source of spikes with the shift of the weights that it feeds: what becomes an axon in a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Index of the population.
    pub population: u32,
    /// Index in the population.
    pub neuron: u32,
    /// Left shift of the weights.
    pub shift: u8,
}

/// A synapse as its target sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incoming {
    /// Where its spikes come from.
    pub source: Source,
    /// Delay in steps.
    pub delay: u16,
    /// Weight, never 0.
    pub weight: i8,
}

/// A neuron to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neuron {
    /// Index of the population.
    pub population: u32,
    /// Index in the population.
    pub index: u32,
    /// Its synapses, sorted.
    pub incoming: Vec<Incoming>,
}

/// All neurons of a network, in its order, with what they receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanIn {
    /// Every neuron that is placed on a core.
    pub neurons: Vec<Neuron>,
    /// Synapses of weight 0, left out: they can never change a sum.
    pub zero_weights: u64,
    /// Longest delay of the others.
    pub longest_delay: u16,
}

impl FanIn {
    /// Gathers the synapses of a valid network.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let mut first = Vec::new();
        let mut neurons = Vec::new();
        for (p, population) in network.populations.iter().enumerate() {
            first.push(neurons.len());
            if matches!(population.kind, Kind::Input { .. }) {
                continue;
            }
            neurons.extend((0..population.size).map(|index| Neuron {
                population: p as u32,
                index,
                incoming: Vec::new(),
            }));
        }
        let (mut zero_weights, mut longest_delay) = (0, 1);
        for p in &network.projections {
            for s in &p.synapses {
                if s.weight == 0 {
                    zero_weights += 1;
                    continue;
                }
                longest_delay = longest_delay.max(s.delay);
                neurons[first[p.target] + s.post as usize].incoming.push(Incoming {
                    source: Source { population: p.source as u32, neuron: s.pre, shift: p.weight_shift },
                    delay: s.delay,
                    weight: s.weight,
                });
            }
        }
        for neuron in &mut neurons {
            neuron.incoming.sort_unstable();
        }
        Self { neurons, zero_weights, longest_delay }
    }
}
