//! From trained weights to the integers of the contract.

use super::engine::Shape;
use crate::network::{DECAY_ONE, Kind, Network, Population, Projection, Reset, Synapse};

/// Fraction bits of the membrane: weights enter shifted by as much, so that small membranes leak too.
pub const FRACTION: u8 = 6;
/// Largest weight of eight bits, symmetric.
const TOP: f32 = 127.0;

/// Integer weights with their scales.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    /// Weights of each projection, `[pre][delay][post]`, unshifted.
    pub weights: Vec<Vec<i8>>,
    /// log2 of the weight that stands for one threshold, for each projection.
    pub scale: Vec<u8>,
}

/// The power of two at which all but the largest thousandth of the weights fit eight bits.
#[must_use]
pub fn scale(weights: &[f32]) -> u8 {
    let mut sizes: Vec<f32> = weights.iter().map(|w| w.abs()).filter(|w| *w > 0.0).collect();
    if sizes.is_empty() {
        return 0;
    }
    let at = (sizes.len() - 1) * 999 / 1000;
    let (_, top, _) = sizes.select_nth_unstable_by(at, f32::total_cmp);
    let mut scale = 12u8;
    while scale > 0 && *top * f32::from(1u16 << scale) > TOP {
        scale -= 1;
    }
    scale
}

impl Quantised {
    /// Rounds to the nearest integer, ties to even, and clips.
    #[must_use]
    pub fn new(weights: &[Vec<f32>], scale: &[u8]) -> Self {
        let round = |(weights, &scale): (&Vec<f32>, &u8)| {
            let factor = f32::from(1u16 << scale);
            weights.iter().map(|w| (w * factor).round_ties_even().clamp(-TOP, TOP) as i8).collect()
        };
        Self { weights: weights.iter().zip(scale).map(round).collect(), scale: scale.to_vec() }
    }

    /// Weights in thresholds, as the backward pass wants them.
    #[must_use]
    pub fn float(&self) -> Vec<Vec<f32>> {
        let widen = |(weights, &scale): (&Vec<i8>, &u8)| {
            let factor = 1.0 / f32::from(1u16 << scale);
            weights.iter().map(|w| f32::from(*w) * factor).collect()
        };
        self.weights.iter().zip(&self.scale).map(widen).collect()
    }

    /// Weights as they enter the membrane.
    #[must_use]
    pub fn shifted(&self) -> Vec<Vec<i32>> {
        self.weights.iter().map(|w| w.iter().map(|w| i32::from(*w) << FRACTION).collect()).collect()
    }

    /// Thresholds of the populations that the projections feed.
    #[must_use]
    pub fn thresholds(&self) -> Vec<i32> {
        self.scale.iter().map(|&s| 1i32 << (s + FRACTION)).collect()
    }

    /// The network of the contract; weights of 0 are left out.
    #[must_use]
    pub fn network(&self, shape: &Shape, about: &About) -> Network {
        let last = shape.projections() - 1;
        let name = |l: usize| match l {
            0 => "input".to_string(),
            l if l == last + 1 => "output".to_string(),
            l => format!("hidden{l}"),
        };
        let mut populations = vec![Population {
            name: name(0),
            kind: Kind::Input { group: about.group },
            size: shape.sizes[0] as u32,
        }];
        let mut projections = Vec::new();
        for (l, threshold) in self.thresholds().into_iter().enumerate() {
            let size = shape.sizes[l + 1];
            let decay = vec![DECAY_ONE - shape.keep[l]; size];
            let kind = if l == last {
                Kind::Integrator { decay }
            } else {
                Kind::Lif { reset: Reset::Zero, decay, threshold: vec![threshold; size] }
            };
            populations.push(Population { name: name(l + 1), kind, size: size as u32 });
            let delays = &shape.delays[l];
            let mut synapses = Vec::new();
            for (i, &weight) in self.weights[l].iter().enumerate().filter(|(_, w)| **w != 0) {
                synapses.push(Synapse {
                    pre: (i / size / delays.len()) as u32,
                    post: (i % size) as u32,
                    delay: delays[i / size % delays.len()] as u16,
                    weight,
                });
            }
            projections.push(Projection {
                name: format!("{}_{}", name(l), name(l + 1)),
                source: l,
                target: l + 1,
                weight_shift: FRACTION,
                synapses,
            });
        }
        Network {
            name: about.name.clone(),
            step_ms: about.step_ms,
            steps: shape.steps as u32,
            membrane_bits: crate::network::DEFAULT_MEMBRANE_BITS,
            classes: about.classes.clone(),
            populations,
            projections,
        }
    }
}

/// What a network file says beside its weights.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Name of the network.
    pub name: String,
    /// Length of a step in milliseconds.
    pub step_ms: f64,
    /// Units of the recording that share a channel.
    pub group: u32,
    /// Class names; may be empty.
    pub classes: Vec<String>,
}
