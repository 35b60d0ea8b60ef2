//! Forward and backward pass of a batch, over all threads.
//!
//! The work is cut by block of samples and tile of neurons (forward, derivatives of membranes) and by
//! tile and source neuron (derivatives of weights). Every number is summed by one thread in one order, so
//! that results do not depend on how many threads there are.
//!
//! Long because forward and backward pass of a step mirror each other.

use super::events::{Event, Events};
use super::kernels::{Gather, Outer, Scatter};
use super::net::Plan;
use super::neurons::{
    Fire, FireBack, Integers, Integrate, IntegrateBack, Loop, LoopBack, Neurons, active, soft,
};
use super::simd::{LANES, Real, Simd};
use rayon::prelude::*;
use spikes::Binned;

/// Weights and decays as the passes see them.
#[derive(Debug, Clone)]
pub struct Effective<E> {
    /// Weights of each projection, laid out; in thresholds, or in units of [`Exact::scale`].
    pub weights: Vec<Vec<E>>,
    /// Weights of the backward pass where they differ: in thresholds.
    pub back: Option<Vec<Vec<E>>>,
    /// What a step keeps of each membrane, `[population][neuron]`, padded to whole tiles; empty for the input.
    pub keep: Vec<Vec<E>>,
    /// The forward pass runs on integers.
    pub exact: Option<Exact>,
}

/// Parameters of the contract's step.
#[derive(Debug, Clone, PartialEq)]
pub struct Exact {
    /// 4096 - decay, `[population][neuron]`, padded.
    pub keep: Vec<Vec<f64>>,
    /// 1 / threshold, `[population][neuron]`, padded.
    pub unit: Vec<Vec<f64>>,
    /// 2 to the least weight shift into each population.
    pub scale: Vec<f64>,
    /// Membrane width in bits.
    pub membrane_bits: u8,
}

/// Derivatives of a loss.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradients<E> {
    /// By the weights, laid out as these.
    pub weights: Vec<Vec<E>>,
    /// By `keep`.
    pub keep: Vec<Vec<E>>,
}

/// The input of a batch, block by block.
#[derive(Debug, Clone, Default)]
pub struct Batch<E> {
    /// Spikes of the input.
    pub inputs: Vec<Events<E>>,
    /// Samples.
    pub samples: usize,
    /// Hidden neurons that are not dropped: `[population][block][tile][sample]`; empty where all live.
    pub alive: Vec<Vec<u16>>,
}

/// What the passes write; kept from batch to batch.
#[derive(Debug, Clone, Default)]
pub struct State<E> {
    /// Membranes before the reset, `[population][block][tile][row][16]`.
    pub membranes: Vec<Vec<E>>,
    /// Spikes, `[population][block][tile][row]`, one bit a neuron.
    pub masks: Vec<Vec<u16>>,
    /// Spikes of hidden populations by neuron, `[population][block]`.
    events: Vec<Vec<Events<E>>>,
    /// Derivatives by currents, laid out as the membranes.
    delta: Vec<Vec<E>>,
    /// Scores in thresholds, `[block][tile][sample][16]`.
    scores: Vec<E>,
    exact: Vec<i64>,
}

/// Runs batches of a network.
#[derive(Debug, Clone)]
pub struct Engine<E> {
    /// The network.
    pub plan: Plan,
    /// The instruction set.
    pub simd: Simd,
    /// Half-width of the surrogate, in thresholds.
    pub width: E,
    /// Smoothed spikes, for finite differences.
    pub smooth: bool,
}

/// Bytes of weight derivatives that one piece of work should keep in the second-level cache.
const OUTER_BYTES: usize = 192 * 1024;

impl<E: Real> Engine<E> {
    /// The parameters of a tile of neurons.
    fn neurons<'a>(&self, with: &'a Effective<E>, population: usize, tile: usize) -> Neurons<'a, E> {
        let lanes = tile * LANES..(tile + 1) * LANES;
        Neurons {
            keep: &with.keep[population][lanes.clone()],
            reset: self.plan.net.reset,
            width: self.width,
            smooth: self.smooth,
            integer: with.exact.as_ref().map(|e| Integers {
                keep: &e.keep[population][lanes.clone()],
                unit: &e.unit[population][lanes],
                scale: e.scale[population],
                high: (1i64 << (e.membrane_bits - 1)) as f64 - 1.0,
            }),
        }
    }

    /// Sorts samples into a batch.
    #[must_use]
    pub fn batch(&self, samples: &[Binned]) -> Batch<E> {
        let inputs = samples.par_chunks(self.plan.block).map(|c| Events::of_inputs(&self.plan, c)).collect();
        Batch { inputs, samples: samples.len(), alive: Vec::new() }
    }

    /// Samples of a block of the batch.
    fn samples(&self, batch: &Batch<E>, block: usize) -> usize {
        (batch.samples - block * self.plan.block).min(self.plan.block)
    }

    fn alive<'a>(&self, batch: &'a Batch<E>, population: usize, block: usize) -> &'a [u16] {
        let tiles = self.plan.tiles(population) * self.plan.block;
        batch.alive.get(population).filter(|a| !a.is_empty()).map_or(&[], |a| &a[block * tiles..][..tiles])
    }

    /// Numbers of a block of a population.
    fn block_len(&self, population: usize) -> usize {
        self.plan.tiles(population) * self.plan.block_rows() * LANES
    }

    fn resize(&self, state: &mut State<E>, blocks: usize) {
        let n = self.plan.net.sizes.len();
        let block_rows = self.plan.block_rows();
        state.membranes.resize_with(n, Vec::new);
        state.masks.resize_with(n, Vec::new);
        state.events.resize_with(n, Vec::new);
        state.delta.resize_with(n, Vec::new);
        for p in 1..n {
            state.membranes[p].resize(blocks * self.block_len(p), E::default());
            state.masks[p].resize(blocks * self.plan.tiles(p) * block_rows, 0);
            state.events[p].resize_with(blocks, Events::default);
        }
        let scores = blocks * self.plan.tiles(n - 1) * self.plan.block * LANES;
        state.scores.resize(scores, E::default());
        state.exact.resize(scores, 0);
    }

    /// Runs a batch; membranes, spikes and scores are left in `state`.
    pub fn forward(&self, with: &Effective<E>, batch: &Batch<E>, state: &mut State<E>) {
        let plan = &self.plan;
        let tile_len = plan.block_rows() * LANES;
        self.resize(state, batch.inputs.len());
        for stage in &plan.stages {
            for &p in &stage.populations {
                let outside: Vec<usize> = (0..plan.net.projections.len())
                    .filter(|i| plan.net.projections[*i].target == p && !stage.inner.contains(i))
                    .collect();
                let State { membranes, masks, events, scores, exact, .. } = &mut *state;
                let tiles = plan.tiles(p);
                let readout = p == plan.readout();
                let looped = !stage.inner.is_empty();
                let score_len = if readout { plan.block * LANES } else { 1 };
                // What only the readout writes has one place a tile; the others get a row of nothing.
                let mut none = (Vec::new(), Vec::new());
                let (scores, exact) = if readout {
                    (scores, exact)
                } else {
                    none.0.resize(batch.inputs.len() * tiles, E::default());
                    none.1.resize(batch.inputs.len() * tiles, 0);
                    (&mut none.0, &mut none.1)
                };
                membranes[p]
                    .par_chunks_mut(tile_len)
                    .zip(masks[p].par_chunks_mut(plan.block_rows()))
                    .zip(scores.par_chunks_mut(score_len).zip(exact.par_chunks_mut(score_len)))
                    .enumerate()
                    .for_each(|(i, ((rows, masks), (scores, exact)))| {
                        let (block, tile) = (i / tiles, i % tiles);
                        rows.fill(E::default());
                        for &j in &outside {
                            let (layout, source) = (&plan.layouts[j], plan.net.projections[j].source);
                            let events =
                                if source == 0 { &batch.inputs[block] } else { &events[source][block] };
                            let weights = &with.weights[j][tile * layout.tile_len()..][..layout.tile_len()];
                            E::run(self.simd, Scatter { layout, weights, events, currents: rows });
                        }
                        let samples = self.samples(batch, block);
                        let neurons = self.neurons(with, p, tile);
                        if readout {
                            E::run(self.simd, Integrate { plan, neurons, samples, rows, scores, exact });
                        } else if !looped {
                            E::run(self.simd, Fire { plan, neurons, samples, rows, masks });
                        }
                    });
            }
            if !stage.inner.is_empty() {
                self.forward_loop(stage, with, batch, state);
            }
            for &p in stage.populations.iter().filter(|p| **p != plan.readout()) {
                self.sort(p, batch, state);
            }
        }
    }

    fn forward_loop(
        &self,
        stage: &super::net::Stage,
        with: &Effective<E>,
        batch: &Batch<E>,
        state: &mut State<E>,
    ) {
        let plan = &self.plan;
        let neurons: Vec<Vec<Neurons<'_, E>>> = stage
            .populations
            .iter()
            .map(|&p| (0..plan.tiles(p)).map(|t| self.neurons(with, p, t)).collect())
            .collect();
        let mut rows = blocks(&mut state.membranes, stage, |p| self.block_len(p));
        let mut masks = blocks(&mut state.masks, stage, |p| plan.tiles(p) * plan.block_rows());
        rows.par_iter_mut().zip(&mut masks).enumerate().for_each(|(block, (rows, masks))| {
            let job = Loop {
                plan,
                stage,
                weights: &with.weights,
                neurons: &neurons,
                samples: self.samples(batch, block),
                rows: std::mem::take(rows),
                masks: std::mem::take(masks),
                alive: stage.populations.iter().map(|&p| self.alive(batch, p, block)).collect(),
            };
            E::run(self.simd, job);
        });
    }

    /// Sorts the spikes of a population by neuron.
    fn sort(&self, p: usize, batch: &Batch<E>, state: &mut State<E>) {
        let plan = &self.plan;
        let (membranes, masks) = (&state.membranes[p], &state.masks[p]);
        state.events[p].par_iter_mut().enumerate().for_each(|(block, events)| {
            let mask_len = plan.tiles(p) * plan.block_rows();
            let rows = &membranes[block * self.block_len(p)..][..self.block_len(p)];
            let height = |tile: usize, row: usize, lane: usize| {
                soft(rows[(tile * plan.block_rows() + row) * LANES + lane], self.width)
            };
            events.fill(
                plan,
                plan.net.sizes[p],
                self.samples(batch, block),
                &masks[block * mask_len..][..mask_len],
                self.alive(batch, p, block),
                self.smooth.then_some(&height),
            );
        });
    }

    /// Scores of a sample after a forward pass, in thresholds: sums of the readout's membranes over time.
    #[must_use]
    pub fn scores(&self, state: &State<E>, sample: usize) -> Vec<E> {
        self.readout(&state.scores, sample)
    }

    /// Scores of a sample as integers, after a forward pass on integers.
    #[must_use]
    pub fn exact_scores(&self, state: &State<E>, sample: usize) -> Vec<i64> {
        self.readout(&state.exact, sample)
    }

    fn readout<T: Copy>(&self, scores: &[T], sample: usize) -> Vec<T> {
        let (block, s) = (sample / self.plan.block, sample % self.plan.block);
        let tiles = self.plan.tiles(self.plan.readout());
        let classes = self.plan.net.sizes[self.plan.readout()];
        let at = |c: usize| (((block * tiles + c / LANES) * self.plan.block) + s) * LANES + c % LANES;
        (0..classes).map(|c| scores[at(c)]).collect()
    }

    /// Spikes of each neuron of a hidden population, of one sample: `f(step, neuron)`, by step then neuron.
    pub fn spikes(
        &self,
        state: &State<E>,
        population: usize,
        sample: usize,
        mut f: impl FnMut(usize, usize),
    ) {
        let (block, s) = (sample / self.plan.block, sample % self.plan.block);
        let (tiles, rows) = (self.plan.tiles(population), self.plan.block_rows());
        for step in 0..self.plan.net.steps {
            for tile in 0..tiles {
                let row = s * self.plan.rows + step;
                let mut bits = state.masks[population][(block * tiles + tile) * rows + row];
                while bits != 0 {
                    f(step, tile * LANES + bits.trailing_zeros() as usize);
                    bits &= bits - 1;
                }
            }
        }
    }

    /// Spikes of each neuron of a hidden population over the whole batch, dropped neurons left out; smoothed spikes
    /// count by their heights.
    #[must_use]
    pub fn counts(&self, state: &State<E>, population: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.plan.net.sizes[population]];
        for events in &state.events[population] {
            for (neuron, out) in out.iter_mut().enumerate() {
                let (spikes, heights) = events.of(neuron);
                *out += if heights.is_empty() {
                    spikes.len() as f64
                } else {
                    heights.iter().map(|h| h.wide()).sum()
                };
            }
        }
        out
    }

    /// The derivatives of a loss, after [`Engine::forward`] of the same batch.
    ///
    /// `by_score` is its derivative by each score, `[sample][class]`; `rate[p]` is added to the derivative
    /// by every spike of the neurons of hidden population p (may be empty). The reset is detached, unless smoothed.
    pub fn backward(
        &self,
        with: &Effective<E>,
        batch: &Batch<E>,
        by_score: &[Vec<E>],
        rate: &[Vec<E>],
        state: &mut State<E>,
        out: &mut Gradients<E>,
    ) {
        let plan = &self.plan;
        let weights = with.back.as_ref().unwrap_or(&with.weights);
        let count = batch.inputs.len();
        let n = plan.net.sizes.len();
        out.keep.resize_with(n, Vec::new);
        for p in 1..n {
            let len = count * self.block_len(p);
            if state.delta[p].len() != len {
                state.delta[p] = vec![E::default(); len];
            }
        }
        for stage in plan.stages.iter().rev() {
            let mut by_keep: Vec<Vec<E>> = vec![Vec::new(); n];
            for &p in &stage.populations {
                by_keep[p] = vec![E::default(); count * plan.tiles(p) * LANES];
                let mut delta = std::mem::take(&mut state.delta[p]);
                self.back_outside(
                    stage,
                    p,
                    with,
                    weights,
                    batch,
                    by_score,
                    rate,
                    state,
                    &mut delta,
                    &mut by_keep[p],
                );
                state.delta[p] = delta;
            }
            if !stage.inner.is_empty() {
                self.back_loop(stage, with, weights, batch, rate, state, &mut by_keep);
            }
            for &p in &stage.populations {
                let neurons = plan.tiles(p) * LANES;
                out.keep[p].clear();
                out.keep[p].resize(neurons, E::default());
                for block in by_keep[p].chunks_exact(neurons) {
                    out.keep[p].iter_mut().zip(block).for_each(|(o, b)| *o += *b);
                }
            }
        }
        self.outer(batch, state, out);
    }

    /// Derivatives by the currents of a population, or, in a loop, what comes to its spikes from outside.
    #[allow(clippy::too_many_arguments)]
    fn back_outside(
        &self,
        stage: &super::net::Stage,
        p: usize,
        with: &Effective<E>,
        weights: &[Vec<E>],
        batch: &Batch<E>,
        by_score: &[Vec<E>],
        rate: &[Vec<E>],
        state: &State<E>,
        delta: &mut [E],
        by_keep: &mut [E],
    ) {
        let plan = &self.plan;
        let tiles = plan.tiles(p);
        let tile_len = plan.block_rows() * LANES;
        let zeros = [E::default(); LANES];
        let outside: Vec<usize> = (0..plan.net.projections.len())
            .filter(|i| plan.net.projections[*i].source == p && !stage.inner.contains(i))
            .collect();
        delta
            .par_chunks_mut(tile_len)
            .zip(by_keep.par_chunks_mut(LANES))
            .zip(state.membranes[p].par_chunks(tile_len))
            .enumerate()
            .for_each_init(
                || std::array::from_fn::<Vec<Event>, LANES, _>(|_| Vec::new()),
                |cells, (i, ((delta, by_keep), rows))| {
                    let (block, tile) = (i / tiles, i % tiles);
                    let samples = self.samples(batch, block);
                    let neurons = self.neurons(with, p, tile);
                    delta.fill(E::default());
                    if p == plan.readout() {
                        let mut scores = vec![E::default(); samples * LANES];
                        for s in 0..samples {
                            let from = &by_score[block * plan.block + s];
                            let lanes = from.len().min((tile + 1) * LANES) - tile * LANES;
                            scores[s * LANES..][..lanes].copy_from_slice(&from[tile * LANES..][..lanes]);
                        }
                        let by_score = &scores[..];
                        E::run(
                            self.simd,
                            IntegrateBack { plan, neurons, samples, by_score, rows, delta, by_keep },
                        );
                        return;
                    }
                    let alive = self.alive(batch, p, block);
                    let alive =
                        if alive.is_empty() { alive } else { &alive[tile * plan.block..][..plan.block] };
                    active(plan, &neurons, samples, rows, alive, cells);
                    for &j in &outside {
                        let target = plan.net.projections[j].target;
                        let len = self.block_len(target);
                        let job = Gather {
                            layout: &plan.layouts[j],
                            weights: &weights[j],
                            first: tile * LANES,
                            cells,
                            delta: &state.delta[target][block * len..][..len],
                            tile: tile_len,
                            out: delta,
                        };
                        E::run(self.simd, job);
                    }
                    if stage.inner.is_empty() {
                        let rate = rate.get(p).filter(|r| !r.is_empty());
                        let rate = rate.map_or(&zeros[..], |r| &r[tile * LANES..][..LANES]);
                        E::run(self.simd, FireBack { plan, neurons, samples, rate, rows, delta, by_keep });
                    }
                },
            );
    }

    #[allow(clippy::too_many_arguments)]
    fn back_loop(
        &self,
        stage: &super::net::Stage,
        with: &Effective<E>,
        weights: &[Vec<E>],
        batch: &Batch<E>,
        rate: &[Vec<E>],
        state: &mut State<E>,
        by_keep: &mut [Vec<E>],
    ) {
        let plan = &self.plan;
        let widest = stage.populations.iter().map(|&p| plan.tiles(p) * LANES).max().unwrap_or(0);
        let zeros = vec![E::default(); widest];
        let neurons: Vec<Vec<Neurons<'_, E>>> = stage
            .populations
            .iter()
            .map(|&p| (0..plan.tiles(p)).map(|t| self.neurons(with, p, t)).collect())
            .collect();
        let State { membranes, delta, .. } = state;
        let mut delta = blocks(delta, stage, |p| self.block_len(p));
        let mut by_keep = blocks(by_keep, stage, |p| plan.tiles(p) * LANES);
        delta.par_iter_mut().zip(&mut by_keep).enumerate().for_each(|(block, (delta, by_keep))| {
            let job = LoopBack {
                plan,
                stage,
                weights,
                neurons: &neurons,
                samples: self.samples(batch, block),
                rate: stage
                    .populations
                    .iter()
                    .map(|&p| rate.get(p).filter(|r| !r.is_empty()).map_or(&zeros[..], |r| &r[..]))
                    .collect(),
                rows: stage
                    .populations
                    .iter()
                    .map(|&p| &membranes[p][block * self.block_len(p)..][..self.block_len(p)])
                    .collect(),
                alive: stage.populations.iter().map(|&p| self.alive(batch, p, block)).collect(),
                delta: std::mem::take(delta),
                by_keep: std::mem::take(by_keep),
            };
            E::run(self.simd, job);
        });
    }

    /// Derivatives by the weights of all projections.
    fn outer(&self, batch: &Batch<E>, state: &State<E>, out: &mut Gradients<E>) {
        let plan = &self.plan;
        out.weights.resize_with(plan.layouts.len(), Vec::new);
        let mut work = Vec::new();
        for (j, (layout, out)) in plan.layouts.iter().zip(&mut out.weights).enumerate() {
            out.clear();
            out.resize(layout.len(), E::default());
            let width = layout.delays.len() * LANES;
            let some = (OUTER_BYTES / (width * size_of::<E>())).clamp(1, layout.pre);
            for (tile, out) in out.chunks_exact_mut(layout.tile_len()).enumerate() {
                for (i, out) in out.chunks_mut(some * width).enumerate() {
                    work.push((j, tile, i * some, out));
                }
            }
        }
        work.into_par_iter().for_each(|(j, tile, first, out)| {
            let (projection, layout) = (&plan.net.projections[j], &plan.layouts[j]);
            let (len, tile_len) = (self.block_len(projection.target), plan.block_rows() * LANES);
            let delta: Vec<&[E]> = state.delta[projection.target]
                .chunks_exact(len)
                .map(|block| &block[tile * tile_len..][..tile_len])
                .collect();
            let events =
                if projection.source == 0 { &batch.inputs } else { &state.events[projection.source] };
            E::run(self.simd, Outer { layout, events: &events[..], delta: &delta, first, out });
        });
    }
}

/// For each block the slices of the populations of a stage.
fn blocks<'a, T>(
    of: &'a mut [Vec<T>],
    stage: &super::net::Stage,
    len: impl Fn(usize) -> usize,
) -> Vec<Vec<&'a mut [T]>> {
    let mut out: Vec<Vec<&'a mut [T]>> = Vec::new();
    for (p, of) in of.iter_mut().enumerate().filter(|(p, _)| stage.populations.contains(p)) {
        for (block, slice) in of.chunks_exact_mut(len(p)).enumerate() {
            if out.len() <= block {
                out.push(Vec::new());
            }
            out[block].push(slice);
        }
    }
    out
}
