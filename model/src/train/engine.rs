//! Forward and backward pass of a chain of populations, one sample at a time.
//!
//! Everything follows the spikes: a spike adds a contiguous row of weights for each delay, and its
//! gradient is looked for only where the surrogate is not zero. Threshold 1 stands for the integer
//! threshold, so floating-point and integer passes share one backward pass.

use spikes::Binned;

/// Half-width of the triangular surrogate derivative, in thresholds.
const SURROGATE: f32 = 0.5;

/// Shape of a chain: input, hidden LIF populations, integrator.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Steps of a sample.
    pub steps: usize,
    /// Sizes of all populations, input first.
    pub sizes: Vec<usize>,
    /// Candidate delays of each projection, ascending; projection l joins populations l and l + 1.
    pub delays: Vec<Vec<usize>>,
    /// `4096 - decay` of each population but the input.
    pub keep: Vec<u16>,
}

impl Shape {
    /// Number of projections.
    #[must_use]
    pub fn projections(&self) -> usize {
        self.delays.len()
    }

    /// Number of weights of a projection, laid out `[pre][delay][post]`.
    #[must_use]
    pub fn weights(&self, l: usize) -> usize {
        self.sizes[l] * self.delays[l].len() * self.sizes[l + 1]
    }

    /// Leak factor of population l + 1.
    #[must_use]
    pub fn beta(&self, l: usize) -> f32 {
        f32::from(self.keep[l]) / 4096.0
    }
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Membranes before the reset, in thresholds, of each hidden population: `[steps][size]`.
    pub membranes: Vec<Vec<f32>>,
    /// Spikes of each hidden population: neurons of step t.
    pub spikes: Vec<Vec<Vec<u32>>>,
    /// Scores of the readout, in thresholds of its scale.
    pub scores: Vec<f32>,
    /// Scores as integers; empty after a floating-point pass.
    pub integer_scores: Vec<i64>,
}

/// Neurons that fire in a step: of the input, or of a hidden population.
fn fired<'a>(input: &'a Binned, spikes: &'a [Vec<Vec<u32>>], l: usize, t: usize) -> &'a [u32] {
    if l == 0 { input.step(t as u32) } else { &spikes[l - 1][t] }
}

/// Adds the rows of every spike of population l to the steps in which they arrive.
fn scatter<'a, T: Copy + std::ops::AddAssign>(
    shape: &Shape,
    l: usize,
    weights: &[T],
    currents: &mut [T],
    of: impl Fn(usize) -> &'a [u32],
) {
    let (n, delays) = (shape.sizes[l + 1], &shape.delays[l]);
    for t in 0..shape.steps {
        for &pre in of(t) {
            for (d, &delay) in delays.iter().enumerate() {
                let at = t + delay;
                if at >= shape.steps {
                    break;
                }
                let row = &weights[(pre as usize * delays.len() + d) * n..][..n];
                for (current, &weight) in currents[at * n..][..n].iter_mut().zip(row) {
                    *current += weight;
                }
            }
        }
    }
}

/// Floating-point forward pass; `weights[l]` are in thresholds.
#[must_use]
pub fn forward(shape: &Shape, weights: &[Vec<f32>], input: &Binned) -> Trace {
    let mut trace = Trace::default();
    for (l, weights) in weights.iter().enumerate() {
        let n = shape.sizes[l + 1];
        let beta = shape.beta(l);
        let mut v = vec![0f32; shape.steps * n];
        scatter(shape, l, weights, &mut v, |t| fired(input, &trace.spikes, l, t));
        let mut held = vec![0f32; n];
        if l + 1 == shape.projections() {
            let mut scores = vec![0f32; n];
            for step in v.chunks_exact(n) {
                for ((u, current), score) in held.iter_mut().zip(step).zip(&mut scores) {
                    *u = beta * *u + current;
                    *score += *u;
                }
            }
            trace.scores = scores;
        } else {
            let mut spikes = vec![Vec::new(); shape.steps];
            for (t, step) in v.chunks_exact_mut(n).enumerate() {
                for (i, (v, held)) in step.iter_mut().zip(&mut held).enumerate() {
                    *v += beta * *held;
                    *held = if *v >= 1.0 {
                        spikes[t].push(i as u32);
                        0.0
                    } else {
                        *v
                    };
                }
            }
            trace.spikes.push(spikes);
            trace.membranes.push(v);
        }
    }
    trace
}

/// Integer forward pass, the contract's step: `weights[l]` are shifted integers, `thresholds[l]`
/// belong to population l + 1 (the readout's is only its scale).
#[must_use]
pub fn forward_integer(
    shape: &Shape,
    weights: &[Vec<i32>],
    thresholds: &[i32],
    membrane_bits: u8,
    input: &Binned,
) -> Trace {
    let mut trace = Trace::default();
    let limit = 1i64 << (membrane_bits - 1);
    for (l, weights) in weights.iter().enumerate() {
        let n = shape.sizes[l + 1];
        let keep = i64::from(shape.keep[l]);
        let threshold = i64::from(thresholds[l]);
        let unit = 1.0 / thresholds[l] as f32;
        let mut currents = vec![0i32; shape.steps * n];
        scatter(shape, l, weights, &mut currents, |t| fired(input, &trace.spikes, l, t));
        let mut held = vec![0i64; n];
        let readout = l + 1 == shape.projections();
        let mut scores = vec![0i64; n];
        let mut spikes = vec![Vec::new(); shape.steps];
        let mut membranes = vec![0f32; if readout { 0 } else { shape.steps * n }];
        for (t, step) in currents.chunks_exact(n).enumerate() {
            for (i, current) in step.iter().enumerate() {
                let v = (held[i] * keep / 4096 + i64::from(*current)).clamp(-limit, limit - 1);
                held[i] = v;
                if readout {
                    scores[i] += v;
                } else {
                    membranes[t * n + i] = v as f32 * unit;
                    if v >= threshold {
                        spikes[t].push(i as u32);
                        held[i] = 0;
                    }
                }
            }
        }
        if readout {
            trace.scores = scores.iter().map(|&s| s as f32 * unit).collect();
            trace.integer_scores = scores;
        } else {
            trace.spikes.push(spikes);
            trace.membranes.push(membranes);
        }
    }
    trace
}

/// Adds the gradient of one sample to `gradients`.
///
/// `score_gradient` is the derivative of the loss by each score; `rate_gradient[l]` is added to the
/// derivative by every spike of hidden population l. The reset is detached.
pub fn backward(
    shape: &Shape,
    weights: &[Vec<f32>],
    input: &Binned,
    trace: &Trace,
    score_gradient: &[f32],
    rate_gradient: &[f32],
    gradients: &mut [Vec<f32>],
) {
    let last = shape.projections() - 1;
    // Derivative by the current of each step, from the readout down.
    let mut delta = vec![0f32; shape.steps * shape.sizes[last + 1]];
    let (n, beta) = (shape.sizes[last + 1], shape.beta(last));
    let mut carried = vec![0f32; n];
    for step in delta.chunks_exact_mut(n).rev() {
        for ((d, carried), g) in step.iter_mut().zip(&mut carried).zip(score_gradient) {
            *carried = g + beta * *carried;
            *d = *carried;
        }
    }
    for l in (0..=last).rev() {
        let n = shape.sizes[l + 1];
        let delays = &shape.delays[l];
        for t in 0..shape.steps {
            for &pre in fired(input, &trace.spikes, l, t) {
                for (d, &delay) in delays.iter().enumerate() {
                    let at = t + delay;
                    if at >= shape.steps {
                        break;
                    }
                    let row = &mut gradients[l][(pre as usize * delays.len() + d) * n..][..n];
                    for (g, d) in row.iter_mut().zip(&delta[at * n..][..n]) {
                        *g += d;
                    }
                }
            }
        }
        if l == 0 {
            break;
        }
        let (m, beta) = (shape.sizes[l], shape.beta(l - 1));
        let membranes = &trace.membranes[l - 1];
        let mut below = vec![0f32; shape.steps * m];
        let mut carried = vec![0f32; m];
        for t in (0..shape.steps).rev() {
            for i in 0..m {
                let v = membranes[t * m + i];
                // What the membrane hands to the next step, unless it was reset.
                let mut g = if v >= 1.0 { 0.0 } else { beta * carried[i] };
                let slope = (1.0 - (v - 1.0).abs() / SURROGATE) / SURROGATE;
                if slope > 0.0 {
                    let mut by_spike = rate_gradient[l - 1];
                    for (d, &delay) in delays.iter().enumerate() {
                        let at = t + delay;
                        if at >= shape.steps {
                            break;
                        }
                        let row = &weights[l][(i * delays.len() + d) * n..][..n];
                        by_spike += dot(row, &delta[at * n..][..n]);
                    }
                    g += slope * by_spike;
                }
                carried[i] = g;
                below[t * m + i] = g;
            }
        }
        delta = below;
    }
}

/// Sum of products in eight lanes, so that it vectorises and its order is fixed.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
