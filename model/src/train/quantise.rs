//! From trained weights to the integers of the contract.
//!
//! In units of its own membrane a neuron n has the threshold 2^k(n), a power of two; a weight w (in
//! thresholds) of a projection with shift f is the integer nearest to w 2^(k(n) - f). The exponents are
//! chosen when the integer phase begins, to lose the least of the weights, and stay.

use super::engine::{Effective, Exact};
use super::net::Plan;
use super::parameters::Parameters;
use super::simd::LANES;
use crate::network::{DECAY_ONE, Kind, Network, Population, Projection, Synapse};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Most fraction bits of a membrane: weights enter shifted by as much, so that small membranes leak too.
const FRACTION: i32 = 6;
/// log2 of the thresholds that a hidden membrane should hold, and of the units that the readout should.
const HEADROOM: (i32, i32) = (4, 9);
/// Largest difference of shifts into one population; more would cost exactness of sums.
const SHIFTS: i32 = 4;

/// How weights become integers; frozen through the integer phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scales {
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Bits of a membrane.
    pub membrane_bits: u8,
    /// Weight shift of each projection.
    pub shift: Vec<u8>,
    /// log2 of the threshold, `[population][neuron]`; the readout's is its unit.
    pub exponent: Vec<Vec<u8>>,
}

fn power(exponent: i32) -> f32 {
    2f32.powi(exponent)
}

/// Sum of squared errors of weights as integers of at most `top`, at 2^exponent an integer.
fn error(weights: &[f32], exponent: i32, top: f32) -> f64 {
    let (up, down) = (power(exponent), power(-exponent));
    weights.iter().map(|w| f64::from((w * up).round_ties_even().clamp(-top, top) * down - w).powi(2)).sum()
}

/// The exponent at which weights lose least, of those from where the largest just fits.
fn fitting(weights: &[Vec<f32>], offsets: &[i32], top: f32) -> i32 {
    let largest = |w: &Vec<f32>| w.iter().fold(0f32, |m, x| m.max(x.abs()));
    let first = weights
        .iter()
        .zip(offsets)
        .map(|(w, o)| (largest(w), o))
        .filter(|(m, _)| *m > 0.0)
        .map(|(m, o)| (top / m).log2().floor() as i32 + o)
        .min();
    let Some(first) = first else { return 0 };
    let lost = |e: i32| -> f64 { weights.iter().zip(offsets).map(|(w, o)| error(w, e - o, top)).sum() };
    (first..=first + 3).min_by(|&a, &b| lost(a).total_cmp(&lost(b))).unwrap_or(first)
}

impl Scales {
    /// Chooses scales; `accumulator_bits` is the platform's, where it is known.
    ///
    /// # Errors
    /// Weights that cannot be held, and sums that would not be exact.
    pub fn new(
        plan: &Plan,
        parameters: &Parameters,
        weight_bits: u8,
        membrane_bits: u8,
        accumulator_bits: Option<u8>,
    ) -> Result<Self, String> {
        let mut most = FRACTION;
        loop {
            let out = Self::with_fraction(plan, parameters, weight_bits, membrane_bits, most);
            let widest = out.widest(plan, parameters);
            let fits = accumulator_bits.is_none_or(|bits| widest < 1u64 << (bits - 1));
            if fits {
                out.exact(plan, parameters)?;
                return Ok(out);
            }
            if most == 0 {
                return Err(format!(
                    "accumulators of {} bits, and one to spare: weights that arrive at one neuron in a step may add up to {widest}; prune more delays (--keep) or use fewer --weight-bits",
                    accumulator_bits.unwrap_or(0)
                ));
            }
            most -= 1;
        }
    }

    fn with_fraction(
        plan: &Plan,
        parameters: &Parameters,
        weight_bits: u8,
        membrane_bits: u8,
        most: i32,
    ) -> Self {
        let top = f32::from((1u16 << (weight_bits - 1)) - 1);
        let mut out = Self {
            weight_bits,
            membrane_bits,
            shift: vec![0; plan.layouts.len()],
            exponent: vec![Vec::new(); plan.net.sizes.len()],
        };
        for p in 1..plan.net.sizes.len() {
            let readout = p == plan.readout();
            let into: Vec<usize> =
                (0..plan.layouts.len()).filter(|j| plan.net.projections[*j].target == p).collect();
            // Weights that are there, by neuron, for each projection.
            let mut of: Vec<Vec<Vec<f32>>> = vec![vec![Vec::new(); into.len()]; plan.net.sizes[p]];
            for (i, &j) in into.iter().enumerate() {
                for (at, &w) in parameters.weights[j].values.iter().enumerate() {
                    if parameters.mask[j][at]
                        && let Some((_, _, post)) = plan.layouts[j].synapse(at)
                    {
                        of[post][i].push(w);
                    }
                }
            }
            let own: Vec<i32> = (0..into.len())
                .map(|i| {
                    let all: Vec<f32> = of.iter().flat_map(|n| n[i].iter().copied()).collect();
                    fitting(&[all], &[0], top)
                })
                .collect();
            let finest = own.iter().copied().max().unwrap_or(0);
            // Larger weights of a projection are shifted further.
            let further: Vec<i32> = own.iter().map(|e| (finest - e).min(SHIFTS)).collect();
            let headroom = if readout { HEADROOM.1 } else { HEADROOM.0 };
            let highest = i32::from(membrane_bits) - 2;
            let mut exponents: Vec<i32> = if readout {
                // One unit for all, since scores are compared.
                let all: Vec<Vec<f32>> =
                    (0..into.len()).map(|i| of.iter().flat_map(|n| n[i].iter().copied()).collect()).collect();
                vec![fitting(&all, &further, top); of.len()]
            } else {
                of.iter().map(|n| fitting(n, &further, top)).collect()
            };
            // A neuron without weights takes after the others; none may outgrow the membrane.
            let silent = exponents.iter().copied().max().unwrap_or(0);
            for (e, n) in exponents.iter_mut().zip(&of) {
                if !readout && n.iter().all(Vec::is_empty) {
                    *e = silent;
                }
                *e = (*e).clamp(0, highest);
            }
            let largest = exponents.iter().copied().max().unwrap_or(0);
            let fraction = (highest + 1 - headroom - largest).clamp(0, most);
            let fraction = fraction.min(highest - largest);
            out.exponent[p] = exponents.iter().map(|e| (e + fraction) as u8).collect();
            for (&j, further) in into.iter().zip(&further) {
                out.shift[j] = (fraction + further) as u8;
            }
        }
        out
    }

    fn top(&self) -> f32 {
        f32::from((1u16 << (self.weight_bits - 1)) - 1)
    }

    /// Least shift into a population.
    fn least(&self, plan: &Plan, population: usize) -> u8 {
        let into = plan.net.projections.iter().zip(&self.shift).filter(|(q, _)| q.target == population);
        into.map(|(_, s)| *s).min().unwrap_or(0)
    }

    /// log2 of the integer of a weight of one threshold.
    fn step(&self, plan: &Plan, j: usize, post: usize) -> i32 {
        i32::from(self.exponent[plan.net.projections[j].target][post]) - i32::from(self.shift[j])
    }

    /// f32 holds every sum of integers below 2^24 exactly, in any order.
    fn exact(&self, plan: &Plan, parameters: &Parameters) -> Result<(), String> {
        for p in 1..plan.net.sizes.len() {
            let mut sums = vec![0f64; plan.net.sizes[p]];
            for (j, layout) in plan.layouts.iter().enumerate() {
                if plan.net.projections[j].target != p {
                    continue;
                }
                let each = f64::from(self.top()) * f64::from(1u32 << (self.shift[j] - self.least(plan, p)));
                for at in (0..layout.len()).filter(|at| parameters.mask[j][*at]) {
                    if let Some((_, _, post)) = layout.synapse(at) {
                        sums[post] += each;
                    }
                }
            }
            if let Some(n) = sums.iter().position(|s| *s >= f64::from(1 << 24)) {
                return Err(format!(
                    "population {p}, neuron {n}: weights that arrive in one step may add up to {}, and sums from 2^24 on are not exact; prune delays (--keep), use fewer --weight-bits, or a smaller population before it",
                    sums[n]
                ));
            }
        }
        Ok(())
    }

    /// Largest sum of |weight << shift| into a neuron.
    fn widest(&self, plan: &Plan, parameters: &Parameters) -> u64 {
        let weights = self.integers(plan, parameters);
        let mut widest = 0;
        for p in 1..plan.net.sizes.len() {
            let mut sums = vec![0u64; plan.tiles(p) * LANES];
            for (j, layout) in plan.layouts.iter().enumerate() {
                if plan.net.projections[j].target == p {
                    for (at, w) in weights[j].iter().enumerate() {
                        let post = at / layout.tile_len() * LANES + at % LANES;
                        sums[post] += u64::from(w.unsigned_abs()) << self.shift[j];
                    }
                }
            }
            widest = widest.max(sums.into_iter().max().unwrap_or(0));
        }
        widest
    }

    /// Applies `f(weight, log2 of its integer, ..)` to the weights of a projection.
    fn map<T: Send>(
        &self,
        plan: &Plan,
        j: usize,
        weights: &[f32],
        f: impl Fn(f32, i32) -> T + Sync,
    ) -> Vec<T> {
        let layout = &plan.layouts[j];
        weights
            .par_chunks(layout.tile_len())
            .enumerate()
            .flat_map_iter(|(tile, weights)| {
                let steps: Vec<i32> = (0..LANES)
                    .map(|i| (tile * LANES + i).min(layout.post - 1))
                    .map(|post| self.step(plan, j, post))
                    .collect();
                let f = &f;
                weights.iter().enumerate().map(move |(at, &w)| f(w, steps[at % LANES]))
            })
            .collect()
    }

    /// The integers, laid out, unshifted.
    #[must_use]
    pub fn integers(&self, plan: &Plan, parameters: &Parameters) -> Vec<Vec<i8>> {
        let top = self.top();
        (0..plan.layouts.len())
            .map(|j| {
                self.map(plan, j, &parameters.weights[j].values, |w, e| {
                    (w * power(e)).round_ties_even().clamp(-top, top) as i8
                })
            })
            .collect()
    }

    /// As the passes see them: integers forward, the same in thresholds backward.
    #[must_use]
    pub fn effective(&self, plan: &Plan, parameters: &Parameters) -> Effective<f32> {
        let top = self.top();
        let mut weights = Vec::new();
        let mut back = Vec::new();
        for j in 0..plan.layouts.len() {
            let further = self.shift[j] - self.least(plan, plan.net.projections[j].target);
            let unit = f32::from(1u16 << further);
            let both = self.map(plan, j, &parameters.weights[j].values, |w, e| {
                let integer = (w * power(e)).round_ties_even().clamp(-top, top);
                (integer * unit, integer * power(-e))
            });
            let (forward, backward): (Vec<f32>, Vec<f32>) = both.into_iter().unzip();
            weights.push(forward);
            back.push(backward);
        }
        let kept = self.kept(parameters);
        let populations = 0..plan.net.sizes.len();
        let unit = |p: usize| -> Vec<f64> {
            let mut unit: Vec<f64> = self.exponent[p].iter().map(|&e| (-f64::from(e)).exp2()).collect();
            unit.resize(if p == 0 { 0 } else { plan.tiles(p) * LANES }, 1.0);
            unit
        };
        Effective {
            weights,
            back: Some(back),
            keep: kept
                .iter()
                .map(|k| k.iter().map(|&k| f32::from(k) / f32::from(DECAY_ONE)).collect())
                .collect(),
            exact: Some(Exact {
                keep: kept.iter().map(|k| k.iter().map(|&k| f64::from(k)).collect()).collect(),
                unit: populations.clone().map(unit).collect(),
                scale: populations.map(|p| f64::from(self.least(plan, p)).exp2()).collect(),
                membrane_bits: self.membrane_bits,
            }),
        }
    }

    /// 4096 - decay of every neuron.
    fn kept(&self, parameters: &Parameters) -> Vec<Vec<u16>> {
        let round =
            |k: &f32| (k * f32::from(DECAY_ONE)).round_ties_even().clamp(0.0, f32::from(DECAY_ONE)) as u16;
        parameters.keep().iter().map(|k| k.iter().map(round).collect()).collect()
    }

    /// Keeps the trained weights within what the integers reach, so that none runs away unseen.
    pub fn clamp(&self, plan: &Plan, parameters: &mut Parameters) {
        let top = self.top();
        for j in 0..plan.layouts.len() {
            let values = &parameters.weights[j].values;
            let clamped = self.map(plan, j, values, |w, e| w.clamp(-top * power(-e), top * power(-e)));
            parameters.weights[j].values = clamped;
        }
    }

    /// The network of the contract; weights of 0 are left out.
    #[must_use]
    pub fn network(&self, plan: &Plan, parameters: &Parameters, about: &About) -> Network {
        let (weights, kept) = (self.integers(plan, parameters), self.kept(parameters));
        let sizes = &plan.net.sizes;
        let populations = (0..sizes.len())
            .map(|p| {
                let decay: Vec<u16> = kept[p].iter().take(sizes[p]).map(|k| DECAY_ONE - k).collect();
                let kind = if p == 0 {
                    Kind::Input { group: about.group }
                } else if p == plan.readout() {
                    Kind::Integrator { decay }
                } else {
                    let threshold = self.exponent[p].iter().map(|&e| 1i32 << e).collect();
                    Kind::Lif { reset: plan.net.reset, decay, threshold }
                };
                Population { name: name(plan, p), kind, size: sizes[p] as u32 }
            })
            .collect();
        let projections = plan
            .net
            .projections
            .iter()
            .enumerate()
            .map(|(j, projection)| {
                let layout = &plan.layouts[j];
                let mut synapses: Vec<Synapse> = weights[j]
                    .iter()
                    .enumerate()
                    .filter(|(at, w)| **w != 0 && parameters.mask[j][*at])
                    .filter_map(|(at, &weight)| {
                        let (pre, d, post) = layout.synapse(at)?;
                        Some(Synapse { pre: pre as u32, post: post as u32, delay: layout.delays[d], weight })
                    })
                    .collect();
                synapses.sort_unstable_by_key(|s| (s.pre, s.delay, s.post));
                Projection {
                    name: format!("{}_{}", name(plan, projection.source), name(plan, projection.target)),
                    source: projection.source,
                    target: projection.target,
                    weight_shift: self.shift[j],
                    synapses,
                }
            })
            .collect();
        Network {
            name: about.name.clone(),
            step_ms: about.step_ms,
            steps: plan.net.steps as u32,
            membrane_bits: self.membrane_bits,
            classes: about.classes.clone(),
            populations,
            projections,
        }
    }
}

/// Name of a population: `input`, `hidden1`, .., `output`.
#[must_use]
pub fn name(plan: &Plan, population: usize) -> String {
    match population {
        0 => "input".into(),
        p if p == plan.readout() => "output".into(),
        p => format!("hidden{p}"),
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
