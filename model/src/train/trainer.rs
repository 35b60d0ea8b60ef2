//! The training loop: batches, loss, optimiser, phases.

use super::engine::{Shape, Trace, backward, forward, forward_integer};
use super::optimiser::Adam;
use super::quantise::{Quantised, scale};
use crate::network::DEFAULT_MEMBRANE_BITS;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use spikes::Binned;

/// One labelled sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its spikes.
    pub input: Binned,
    /// Its class.
    pub label: usize,
}

/// How to train.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Samples a step.
    pub batch: usize,
    /// Adam's step size at the start; it falls to nothing as a half cosine over all epochs.
    pub learning_rate: f32,
    /// Spikes of the input left out at random, in training.
    pub dropout: f32,
    /// Input channels shifted by up to so many, one shift a sample, in training.
    pub channel_shift: u32,
    /// Density that hidden populations are held at or below: spikes a neuron and step.
    pub density: f32,
    /// Weight of the pull toward that density.
    pub rate_penalty: f32,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
}

/// Samples of a batch that one gradient buffer sums; fixed, so that results do not depend on threads.
const CHUNK: usize = 8;

/// What an epoch or evaluation gave.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Score {
    /// Mean cross entropy.
    pub loss: f64,
    /// Share of samples whose highest score is their label.
    pub accuracy: f64,
    /// Spikes a neuron and step of each hidden population.
    pub densities: Vec<f64>,
}

/// Weights in training.
#[derive(Debug, Clone)]
pub struct Trainer {
    /// The chain.
    pub shape: Shape,
    /// Weights in thresholds, `[pre][delay][post]` for each projection.
    pub weights: Vec<Vec<f32>>,
    mask: Vec<Vec<bool>>,
    settings: Settings,
    adam: Adam,
    rng: ChaCha8Rng,
    /// Scores are divided by this before the softmax.
    temperature: f32,
    /// Scales of the integer phase, frozen when it begins.
    scales: Option<Vec<u8>>,
}

/// Sums over a chunk of samples.
struct Sums {
    gradients: Vec<Vec<f32>>,
    loss: f64,
    correct: usize,
    spikes: Vec<u64>,
}

impl Trainer {
    /// Random weights, scaled so that hidden populations fire at a few per cent on `samples`.
    #[must_use]
    pub fn new(shape: Shape, settings: Settings, samples: &[Sample]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let weights: Vec<Vec<f32>> = (0..shape.projections())
            .map(|l| {
                let spread = 1.0 / ((shape.sizes[l] * shape.delays[l].len()) as f32).sqrt();
                (0..shape.weights(l)).map(|_| spread * normal(&mut rng)).collect()
            })
            .collect();
        let mask = weights.iter().map(|w| vec![true; w.len()]).collect();
        let (adam, temperature) = (Adam::new(&weights), shape.steps as f32 / 10.0);
        let mut trainer = Self { shape, weights, mask, settings, adam, rng, temperature, scales: None };
        trainer.scale_to_density(&samples[..samples.len().min(64)]);
        trainer
    }

    /// Scales each hidden projection, front to back, by bisection on the density that it causes.
    fn scale_to_density(&mut self, samples: &[Sample]) {
        let goal = f64::from(self.settings.density) / 2.0;
        for l in 0..self.shape.projections() - 1 {
            let original = self.weights[l].clone();
            let (mut low, mut high) = (0f32, 64f32);
            for _ in 0..14 {
                let factor = (low * high).max(1e-3).sqrt().max(low);
                let factor = if low == 0.0 { high / 2.0 } else { factor };
                self.weights[l] = original.iter().map(|w| w * factor).collect();
                if self.evaluate(samples).densities[l] > goal {
                    high = factor;
                } else {
                    low = factor;
                }
            }
        }
    }

    /// Keeps the `k` largest weights of every (pre, post) pair over its delays, for good.
    pub fn prune(&mut self, k: usize) {
        for l in 0..self.shape.projections() {
            let (delays, n) = (self.shape.delays[l].len(), self.shape.sizes[l + 1]);
            for pre in 0..self.shape.sizes[l] {
                for post in 0..n {
                    let at = |d: usize| (pre * delays + d) * n + post;
                    let mut order: Vec<usize> = (0..delays).collect();
                    let size = |d: usize| self.weights[l][at(d)].abs();
                    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
                    for &d in order.iter().skip(k) {
                        self.mask[l][at(d)] = false;
                        self.weights[l][at(d)] = 0.0;
                    }
                }
            }
        }
    }

    /// From now on the forward pass runs on the integers that will be exported.
    pub fn quantise(&mut self) {
        self.scales = Some(self.weights.iter().map(|w| scale(w)).collect());
        self.adam = Adam::new(&self.weights);
    }

    /// The integers of the present weights.
    #[must_use]
    pub fn quantised(&self) -> Quantised {
        let scales = self.scales.clone().unwrap_or_else(|| self.weights.iter().map(|w| scale(w)).collect());
        Quantised::new(&self.weights, &scales)
    }

    /// Weights as the passes see them, with the integers where the integer phase has begun.
    fn effective(&self) -> (Vec<Vec<f32>>, Option<Quantised>) {
        match &self.scales {
            None => (self.weights.clone(), None),
            Some(scales) => {
                let quantised = Quantised::new(&self.weights, scales);
                (quantised.float(), Some(quantised))
            }
        }
    }

    /// One epoch over the samples, in random order; `progress` is told `t`, the share of all training done, per batch.
    pub fn epoch(
        &mut self,
        samples: &[Sample],
        from: f32,
        to: f32,
        mut progress: impl FnMut(usize) -> bool,
    ) -> Score {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.shuffle(&mut self.rng);
        let mut total = Score { densities: vec![0.0; self.shape.projections() - 1], ..Score::default() };
        let batches = order.chunks(self.settings.batch);
        let count = batches.len() as f32;
        let mut seen = 0;
        for (i, batch) in batches.enumerate() {
            let seed: u64 = self.rng.random();
            let sums = self.pass(batch, samples, seed);
            let done = from + (to - from) * (i as f32 / count);
            let rate = self.settings.learning_rate * 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
            let Self { adam, weights, mask, .. } = self;
            adam.step(rate, weights, &sums.gradients, mask);
            if self.scales.is_none() {
                // Nothing beyond what eight bits of a useful scale can hold.
                self.weights.iter_mut().flatten().for_each(|w| *w = w.clamp(-8.0, 8.0));
            }
            seen += batch.len();
            total.loss += sums.loss;
            total.accuracy += sums.correct as f64;
            self.add_densities(&mut total, &sums.spikes);
            if !progress(batch.len()) {
                break;
            }
        }
        finish(total, seen)
    }

    fn add_densities(&self, total: &mut Score, spikes: &[u64]) {
        for (l, (density, spikes)) in total.densities.iter_mut().zip(spikes).enumerate() {
            *density += *spikes as f64 / (self.shape.steps * self.shape.sizes[l + 1]) as f64;
        }
    }

    /// Gradients of a batch: chunks in parallel, summed in their order.
    fn pass(&self, batch: &[usize], samples: &[Sample], seed: u64) -> Sums {
        let (weights, quantised) = self.effective();
        let integers = quantised.as_ref().map(|q| (q.shifted(), q.thresholds()));
        let each = 1.0 / batch.len() as f32;
        let chunks: Vec<Sums> = batch
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(c, chunk)| {
                let mut sums = Sums {
                    gradients: weights.iter().map(|w| vec![0.0; w.len()]).collect(),
                    loss: 0.0,
                    correct: 0,
                    spikes: vec![0; self.shape.projections() - 1],
                };
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(c as u64);
                for &index in chunk {
                    let sample = &samples[index];
                    let input = self.augment(&sample.input, &mut rng);
                    let trace = self.forward(&weights, integers.as_ref(), &input);
                    let (loss, gradient, correct) = self.loss(&trace, sample.label, each);
                    let rates = self.rates(&trace, each, &mut sums.spikes);
                    backward(&self.shape, &weights, &input, &trace, &gradient, &rates, &mut sums.gradients);
                    sums.loss += loss;
                    sums.correct += usize::from(correct);
                }
                sums
            })
            .collect();
        let mut chunks = chunks.into_iter();
        let mut total = chunks.next().expect("a batch has samples");
        for sums in chunks {
            for (to, from) in total.gradients.iter_mut().zip(&sums.gradients) {
                to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
            }
            total.loss += sums.loss;
            total.correct += sums.correct;
            total.spikes.iter_mut().zip(&sums.spikes).for_each(|(t, f)| *t += f);
        }
        total
    }

    fn forward(
        &self,
        weights: &[Vec<f32>],
        integers: Option<&(Vec<Vec<i32>>, Vec<i32>)>,
        input: &Binned,
    ) -> Trace {
        match integers {
            None => forward(&self.shape, weights, input),
            Some((weights, thresholds)) => {
                forward_integer(&self.shape, weights, thresholds, DEFAULT_MEMBRANE_BITS, input)
            }
        }
    }

    /// Cross entropy of the scores, its gradient by them, and whether the highest is the label.
    fn loss(&self, trace: &Trace, label: usize, each: f32) -> (f64, Vec<f32>, bool) {
        let scores: Vec<f32> = trace.scores.iter().map(|s| s / self.temperature).collect();
        let top = scores.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = scores.iter().map(|s| (s - top).exp()).sum();
        let loss = sum.ln() + top - scores[label];
        let gradient = scores
            .iter()
            .enumerate()
            .map(|(i, s)| {
                let p = (s - top).exp() / sum;
                (p - f32::from(u8::from(i == label))) * each / self.temperature
            })
            .collect();
        let best = (0..scores.len()).rev().max_by(|&a, &b| trace.scores[a].total_cmp(&trace.scores[b]));
        (loss.into(), gradient, best == Some(label))
    }

    /// Derivative of the penalty on populations that fire too much, by each of their spikes.
    fn rates(&self, trace: &Trace, each: f32, spikes: &mut [u64]) -> Vec<f32> {
        trace
            .spikes
            .iter()
            .enumerate()
            .map(|(l, steps)| {
                let count: usize = steps.iter().map(Vec::len).sum();
                spikes[l] += count as u64;
                let cells = (self.shape.steps * self.shape.sizes[l + 1]) as f32;
                let excess = count as f32 / cells - self.settings.density;
                2.0 * self.settings.rate_penalty * excess.max(0.0) * each / cells
            })
            .collect()
    }

    /// Drops spikes and shifts channels, as set.
    fn augment(&self, input: &Binned, rng: &mut ChaCha8Rng) -> Binned {
        let (dropout, shift) = (self.settings.dropout, i64::from(self.settings.channel_shift));
        if dropout == 0.0 && shift == 0 {
            return input.clone();
        }
        let by = if shift == 0 { 0 } else { rng.random_range(-shift..=shift) };
        let size = self.shape.sizes[0] as i64;
        let mut pairs = Vec::with_capacity(input.channels.len());
        for t in 0..input.steps() {
            for &channel in input.step(t) {
                let to = i64::from(channel) + by;
                if (0..size).contains(&to) && (dropout == 0.0 || rng.random::<f32>() >= dropout) {
                    pairs.push((t, to as u32));
                }
            }
        }
        Binned::from_pairs(pairs, input.steps())
    }

    /// Loss, accuracy and densities of the present network, without augmentation.
    #[must_use]
    pub fn evaluate(&self, samples: &[Sample]) -> Score {
        let (weights, quantised) = self.effective();
        let integers = quantised.as_ref().map(|q| (q.shifted(), q.thresholds()));
        let each: Vec<(f64, bool, Vec<u64>)> = samples
            .par_iter()
            .map(|sample| {
                let trace = self.forward(&weights, integers.as_ref(), &sample.input);
                let (loss, _, correct) = self.loss(&trace, sample.label, 1.0);
                let count = |s: &Vec<Vec<u32>>| s.iter().map(Vec::len).sum::<usize>() as u64;
                (loss, correct, trace.spikes.iter().map(count).collect())
            })
            .collect();
        let mut total = Score { densities: vec![0.0; self.shape.projections() - 1], ..Score::default() };
        for (loss, correct, spikes) in &each {
            total.loss += loss;
            total.accuracy += f64::from(u8::from(*correct));
            self.add_densities(&mut total, spikes);
        }
        finish(total, samples.len())
    }
}

/// Sums to means.
fn finish(mut total: Score, samples: usize) -> Score {
    let n = samples.max(1) as f64;
    total.loss /= n;
    total.accuracy /= n;
    total.densities.iter_mut().for_each(|d| *d /= n);
    total
}

/// A normal number (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (a, b): (f32, f32) = (rng.random::<f32>().max(f32::MIN_POSITIVE), rng.random());
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}
