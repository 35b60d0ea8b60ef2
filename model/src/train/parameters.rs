//! What is learned: weights with masks, decays, and positions of delays.

use super::augment::normal;
use super::engine::{Effective, Gradients};
use super::net::{Layout, Net, Plan};
use super::optimiser::{Adam, Moments};
use super::simd::LANES;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Width of the Gaussian at the end of learning positions, in steps (the published code of DCLS).
pub const SIGMA_END: f32 = 0.23;
/// Deviates beyond which the Gaussian is left out.
const CUT: f32 = 3.0;

/// A tensor with the optimiser's moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensor {
    /// The values.
    pub values: Vec<f32>,
    /// Their moments.
    pub moments: Moments,
}

impl Tensor {
    /// With moments of 0.
    #[must_use]
    pub fn new(values: Vec<f32>) -> Self {
        let moments = Moments::new(values.len());
        Self { values, moments }
    }
}

/// Positions of a projection: `taps` delays a pair, each a weight and a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taps {
    /// Delays of a pair.
    pub taps: usize,
    /// `[target tile][pre][tap][16]`.
    pub weights: Tensor,
    /// In steps, laid out alike.
    pub positions: Tensor,
}

/// Everything that is learned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// Weights in thresholds, laid out, for each projection.
    pub weights: Vec<Tensor>,
    /// Synapses that are there; padding never is.
    pub mask: Vec<Vec<bool>>,
    /// Logit of what a step keeps of the membrane, `[population][neuron]`, padded; empty for the input.
    pub decay: Vec<Tensor>,
    /// Where positions are learned: for each projection with more than one candidate delay.
    pub taps: Vec<Option<Taps>>,
    /// Width of their Gaussians, in steps.
    pub sigma: f32,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl Parameters {
    /// Random weights of one standard deviation of an even input; every synapse there.
    #[must_use]
    pub fn new(plan: &Plan, tau: f32, taps: Option<usize>, rng: &mut ChaCha8Rng) -> Self {
        let mut out = Self::default();
        for layout in &plan.layouts {
            let spread = |n: usize| 1.0 / ((layout.pre * n) as f32).sqrt();
            out.mask.push((0..layout.len()).map(|at| layout.synapse(at).is_some()).collect());
            let positions = taps.filter(|_| layout.real > 1);
            let mut weights = vec![0.0; layout.len()];
            if let Some(taps) = positions {
                let len = layout.tiles() * layout.pre * taps * LANES;
                let (first, last) = (f32::from(layout.delays[0]), f32::from(layout.delays[layout.real - 1]));
                let (mut w, mut p) = (vec![0.0; len], vec![first; len]);
                for at in 0..len {
                    // Padding lanes stay 0.
                    if at / (layout.pre * taps * LANES) * LANES + at % LANES < layout.post {
                        w[at] = spread(taps) * normal(rng);
                        let share: f32 = rand::RngExt::random(rng);
                        p[at] = first + share * (last - first);
                    }
                }
                out.taps.push(Some(Taps { taps, weights: Tensor::new(w), positions: Tensor::new(p) }));
            } else {
                // In the order of pairs, so that padding changes nothing.
                for pre in 0..layout.pre {
                    for d in 0..layout.real {
                        for post in 0..layout.post {
                            weights[layout.at(pre, d, post)] = spread(layout.real) * normal(rng);
                        }
                    }
                }
                out.taps.push(None);
            }
            out.weights.push(Tensor::new(weights));
        }
        // keep = exp(-1 / tau); the readout forgets three times more slowly.
        let logit = |tau: f32| {
            let keep = (-1.0 / tau).exp();
            (keep / (1.0 - keep)).ln()
        };
        out.decay.push(Tensor::default());
        for p in 1..plan.net.sizes.len() {
            let tau = if p == plan.readout() { 3.0 * tau } else { tau };
            out.decay.push(Tensor::new(vec![logit(tau); plan.tiles(p) * LANES]));
        }
        out
    }

    /// What a step keeps of each membrane.
    #[must_use]
    pub fn keep(&self) -> Vec<Vec<f32>> {
        self.decay.iter().map(|d| d.values.iter().map(|&x| sigmoid(x)).collect()).collect()
    }

    /// Weights of the candidate delays, those of positions spread over them.
    #[must_use]
    pub fn spread(&self, plan: &Plan) -> Vec<Vec<f32>> {
        let of = |j: usize| match &self.taps[j] {
            None => self.weights[j].values.clone(),
            Some(taps) => taps.spread(&plan.layouts[j], self.sigma),
        };
        (0..self.weights.len()).map(of).collect()
    }

    /// As the passes see them in floating point.
    #[must_use]
    pub fn effective(&self, plan: &Plan) -> Effective<f32> {
        Effective { weights: self.spread(plan), back: None, keep: self.keep(), exact: None }
    }

    /// One step of the optimiser; `rates` are those of weights, decays and positions.
    pub fn update(
        &mut self,
        plan: &Plan,
        gradients: &Gradients<f32>,
        rates: (f32, f32, f32),
        adam: &mut Adam,
    ) {
        adam.begin();
        for j in 0..self.weights.len() {
            if let Some(taps) = &mut self.taps[j] {
                let layout = &plan.layouts[j];
                let (weights, positions) = taps.gradients(layout, self.sigma, &gradients.weights[j]);
                adam.update(rates.0, &mut taps.weights.values, &weights, &mut taps.weights.moments, None);
                let places = &mut taps.positions;
                adam.update(rates.2, &mut places.values, &positions, &mut places.moments, None);
                let (first, last) = (f32::from(layout.delays[0]), f32::from(layout.delays[layout.real - 1]));
                places.values.iter_mut().for_each(|p| *p = p.clamp(first, last));
            } else {
                let Tensor { values, moments } = &mut self.weights[j];
                adam.update(rates.0, values, &gradients.weights[j], moments, Some(&self.mask[j]));
            }
        }
        if rates.1 > 0.0 {
            for (p, decay) in self.decay.iter_mut().enumerate().skip(1) {
                let slope = |(&x, &g): (&f32, &f32)| g * sigmoid(x) * (1.0 - sigmoid(x));
                let gradient: Vec<f32> = decay.values.iter().zip(&gradients.keep[p]).map(slope).collect();
                adam.update(rates.1, &mut decay.values, &gradient, &mut decay.moments, None);
            }
        }
    }

    /// Ends the learning of positions: each goes to the nearest candidate delay.
    pub fn settle(&mut self, plan: &Plan) {
        for (j, layout) in plan.layouts.iter().enumerate() {
            let Some(taps) = self.taps[j].take() else { continue };
            let mut weights = vec![0.0; layout.len()];
            let mut mask = vec![false; layout.len()];
            for pre in 0..layout.pre {
                for tap in 0..taps.taps {
                    for post in 0..layout.post {
                        let from = taps.at(layout, pre, tap, post);
                        let place = taps.positions.values[from];
                        let far = |d: &usize| (f32::from(layout.delays[*d]) - place).abs();
                        let nearest = (0..layout.real).min_by(|a, b| far(a).total_cmp(&far(b)));
                        let at = layout.at(pre, nearest.unwrap_or(0), post);
                        weights[at] += taps.weights.values[from];
                        mask[at] = true;
                    }
                }
            }
            self.weights[j] = Tensor::new(weights);
            self.mask[j] = mask;
        }
    }

    /// Gives a projection other candidate delays; synapses keep their weights and moments, new ones
    /// begin at 0, absent.
    pub fn relay(&mut self, net: &mut Net, j: usize, delays: Vec<u16>) {
        let old = Layout::new(net, &net.projections[j]);
        net.projections[j].delays = delays;
        let new = Layout::new(net, &net.projections[j]);
        let from: Vec<Option<usize>> = (0..new.len())
            .map(|at| {
                let (pre, d, post) = new.synapse(at)?;
                let d = old.delays[..old.real].iter().position(|x| *x == new.delays[d])?;
                Some(old.at(pre, d, post))
            })
            .collect();
        let moved = |v: &[f32]| -> Vec<f32> { from.iter().map(|f| f.map_or(0.0, |f| v[f])).collect() };
        let tensor = &self.weights[j];
        self.weights[j] = Tensor {
            values: moved(&tensor.values),
            moments: Moments { first: moved(&tensor.moments.first), second: moved(&tensor.moments.second) },
        };
        self.mask[j] = from.iter().map(|f| f.is_some_and(|f| self.mask[j][f])).collect();
    }

    /// Synapses that are there.
    #[must_use]
    pub fn synapses(&self) -> usize {
        let taps = self.taps.iter().zip(&self.mask);
        taps.map(|(t, mask)| match t {
            // Lanes of padding are few; they are not counted out.
            Some(taps) => taps.weights.values.iter().filter(|w| **w != 0.0).count(),
            None => mask.iter().filter(|m| **m).count(),
        })
        .sum()
    }
}

impl Taps {
    fn at(&self, layout: &Layout, pre: usize, tap: usize, post: usize) -> usize {
        ((post / LANES * layout.pre + pre) * self.taps + tap) * LANES + post % LANES
    }

    /// Share of a tap at each candidate delay: a Gaussian around its place that sums to 1; and, in
    /// `slopes`, its derivative by the place.
    fn shares(layout: &Layout, place: f32, sigma: f32, shares: &mut [f32], slopes: &mut [f32]) {
        let (mut sum, mut slope) = (1e-7, 0.0);
        for (d, &delay) in layout.delays[..layout.real].iter().enumerate() {
            let x = f32::from(delay) - place;
            let near = x.abs() <= (CUT * sigma).max(1.0);
            shares[d] = if near { (-0.5 * (x / sigma) * (x / sigma)).exp() } else { 0.0 };
            slopes[d] = shares[d] * x / (sigma * sigma);
            sum += shares[d];
            slope += slopes[d];
        }
        for d in 0..layout.real {
            shares[d] /= sum;
            slopes[d] = (slopes[d] - shares[d] * slope) / sum;
        }
    }

    fn spread(&self, layout: &Layout, sigma: f32) -> Vec<f32> {
        let mut out = vec![0.0; layout.len()];
        let (wide, narrow) = (layout.delays.len() * LANES, self.taps * LANES);
        let of = self.weights.values.par_chunks(narrow).zip(self.positions.values.par_chunks(narrow));
        out.par_chunks_mut(wide).zip(of).for_each(|(out, (weights, places))| {
            let (mut shares, mut slopes) = (vec![0.0; layout.real], vec![0.0; layout.real]);
            for (i, (&weight, &place)) in weights.iter().zip(places).enumerate().filter(|(_, w)| *w.0 != 0.0)
            {
                Self::shares(layout, place, sigma, &mut shares, &mut slopes);
                for (d, share) in shares.iter().enumerate() {
                    out[d * LANES + i % LANES] += weight * share;
                }
            }
        });
        out
    }

    /// Derivatives by weights and places, of those by the spread weights.
    fn gradients(&self, layout: &Layout, sigma: f32, by_spread: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let len = self.weights.values.len();
        let (mut by_weight, mut by_place) = (vec![0.0; len], vec![0.0; len]);
        let (wide, narrow) = (layout.delays.len() * LANES, self.taps * LANES);
        let of = self.weights.values.par_chunks(narrow).zip(self.positions.values.par_chunks(narrow));
        by_weight
            .par_chunks_mut(narrow)
            .zip(by_place.par_chunks_mut(narrow))
            .zip(by_spread.par_chunks(wide))
            .zip(of)
            .for_each(|(((by_weight, by_place), by_spread), (weights, places))| {
                let (mut shares, mut slopes) = (vec![0.0; layout.real], vec![0.0; layout.real]);
                for i in (0..narrow).filter(|i| weights[*i] != 0.0) {
                    Self::shares(layout, places[i], sigma, &mut shares, &mut slopes);
                    let dot = |v: &[f32]| -> f32 {
                        v.iter().enumerate().map(|(d, x)| x * by_spread[d * LANES + i % LANES]).sum()
                    };
                    by_weight[i] = dot(&shares);
                    by_place[i] = weights[i] * dot(&slopes);
                }
            });
        (by_weight, by_place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::Projection;
    use super::*;
    use crate::network::Reset;
    use rand::{RngExt, SeedableRng};

    fn plan() -> Plan {
        let projections = [(0, 1), (1, 2)].map(|(source, target)| Projection {
            source,
            target,
            delays: (1..=20).step_by(2).collect(),
        });
        Plan::new(Net {
            steps: 30,
            sizes: vec![3, 18, 2],
            reset: Reset::Zero,
            projections: projections.into(),
        })
        .expect("valid")
    }

    #[test]
    fn gradients_of_positions_equal_finite_differences() {
        let plan = plan();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let parameters = Parameters::new(&plan, 5.0, Some(2), &mut rng);
        let layout = &plan.layouts[1];
        let taps = parameters.taps[1].clone().expect("taps");
        let by: Vec<f32> = (0..layout.len()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let sigma = 2.5;
        let value = |taps: &Taps| -> f64 {
            let spread = taps.spread(layout, sigma);
            spread.iter().zip(&by).map(|(s, b)| f64::from(*s) * f64::from(*b)).sum()
        };
        let (by_weight, by_place) = taps.gradients(layout, sigma, &by);
        for at in (0..taps.weights.values.len()).filter(|at| taps.weights.values[*at] != 0.0).step_by(7) {
            let h = 0.01;
            for (which, found) in [(0, by_weight[at]), (1, by_place[at])] {
                let moved = |by: f32| {
                    let mut taps = taps.clone();
                    let tensor = if which == 0 { &mut taps.weights } else { &mut taps.positions };
                    tensor.values[at] += by;
                    value(&taps)
                };
                let difference = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
                assert!((difference - f64::from(found)).abs() < 2e-3, "{which} {at}: {found} {difference}");
            }
        }
    }

    #[test]
    fn narrow_taps_carry_their_whole_weight_wherever_they_are_on_a_coarse_grid() {
        use crate::train::config::{Learn, TrainArgs};
        let args = TrainArgs {
            learn: Some(Learn::Positions),
            delays: Some("60x4".parse().expect("delays")),
            hidden: Some(vec![9, 20]),
            units: Some(30),
            ..TrainArgs::default()
        };
        let plan = crate::train::plan(&args.resolve().expect("settings"), 3).expect("a network");
        let mut parameters = Parameters::new(&plan, 5.0, Some(1), &mut ChaCha8Rng::seed_from_u64(1));
        parameters.sigma = SIGMA_END;
        let spread = parameters.spread(&plan);
        for (j, layout) in plan.layouts.iter().enumerate().filter(|(_, l)| l.real > 1) {
            let taps = parameters.taps[j].as_ref().expect("taps");
            for pre in 0..layout.pre {
                for post in 0..layout.post {
                    let whole = taps.weights.values[taps.at(layout, pre, 0, post)];
                    let sum: f32 = (0..layout.real).map(|d| spread[j][layout.at(pre, d, post)]).sum();
                    assert!(
                        (sum - whole).abs() <= 1e-3 * whole.abs(),
                        "{j}: {pre} to {post}: {sum} of {whole}"
                    );
                }
            }
        }
    }

    #[test]
    fn settled_positions_are_one_synapse_a_tap() {
        let plan = plan();
        let mut parameters = Parameters::new(&plan, 5.0, Some(1), &mut ChaCha8Rng::seed_from_u64(3));
        let before = parameters.taps[0].clone().expect("taps");
        parameters.settle(&plan);
        assert_eq!(parameters.mask[0].iter().filter(|m| **m).count(), 3 * 18);
        let layout = &plan.layouts[0];
        let sum: f32 = (0..layout.real).map(|d| parameters.weights[0].values[layout.at(2, d, 17)]).sum();
        assert_eq!(sum, before.weights.values[before.at(layout, 2, 0, 17)]);
    }

    #[test]
    fn other_delays_keep_the_weights_of_those_that_stay() {
        let mut net = plan().net;
        let mut parameters = Parameters::new(&plan(), 5.0, None, &mut ChaCha8Rng::seed_from_u64(4));
        let old = Layout::new(&net, &net.projections[0]);
        let weight = parameters.weights[0].values[old.at(1, 2, 17)];
        parameters.relay(&mut net, 0, vec![1, 4, 5, 6]);
        let new = Layout::new(&net, &net.projections[0]);
        assert_eq!(parameters.weights[0].values[new.at(1, 2, 17)], weight);
        assert!(parameters.mask[0][new.at(1, 2, 17)]);
        assert!(!parameters.mask[0][new.at(1, 1, 17)], "a new delay is absent until it is offered");
    }
}
