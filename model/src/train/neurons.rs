//! Membranes of a tile through time, and their derivatives.
//!
//! The threshold is 1: weights count in thresholds. On integers the step is the contract's, in f64, which
//! holds every intermediate value exactly; the membrane is handed on in thresholds.
//!
//! Long because the scan of every kind of neuron stands beside its derivative.

// Lanes and registers are counted, not walked: unrolled by the compiler.
#![allow(clippy::needless_range_loop)]

use super::events::Event;
use super::kernels::{add_rows, dot_cell};
use super::net::{Plan, Stage};
use super::simd::{Job, LANES, Real, Vector};
use crate::network::Reset;

/// Parameters of sixteen neurons.
#[derive(Debug, Clone, Copy)]
pub struct Neurons<'a, E> {
    /// Share of the membrane that a step keeps, `[16]`.
    pub keep: &'a [E],
    /// Reset of a spike.
    pub reset: Reset,
    /// Half-width of the triangular surrogate, in thresholds.
    pub width: E,
    /// Spikes are the integral of the surrogate, and the reset has its derivative (for finite differences).
    pub smooth: bool,
    /// The step on integers.
    pub integer: Option<Integers<'a>>,
}

/// What the contract's step needs of sixteen neurons.
#[derive(Debug, Clone, Copy)]
pub struct Integers<'a> {
    /// 4096 - decay, `[16]`.
    pub keep: &'a [f64],
    /// 1 / threshold, a power of two, `[16]`.
    pub unit: &'a [f64],
    /// What a unit of the currents counts: 2 to the least weight shift of the projections.
    pub scale: f64,
    /// Highest membrane; the lowest is `-high - 1`.
    pub high: f64,
}

/// Height of the smoothed spike: the integral of the triangle of half-width `w` around 1.
#[inline(always)]
pub fn soft<E: Real>(v: E, w: E) -> E {
    let (x, zero, one) = (v - E::of(1.0), E::default(), E::of(1.0));
    let half = |x: E| x * x / (E::of(2.0) * w * w);
    if x <= -w {
        zero
    } else if x < zero {
        half(x + w)
    } else if x < w {
        one - half(w - x)
    } else {
        one
    }
}

/// The triangle: derivative of [`soft`], and the surrogate of a spike's.
#[inline(always)]
pub fn slope<E: Real>(v: E, w: E) -> E {
    let x = v - E::of(1.0);
    let size = if x < E::default() { -x } else { x };
    let height = (E::of(1.0) - size / w) / w;
    if height > E::default() { height } else { E::default() }
}

/// Membranes between two steps.
#[derive(Debug, Clone)]
pub struct Held<E> {
    v: [E; LANES],
    wide: [f64; LANES],
}

impl<E: Real> Default for Held<E> {
    fn default() -> Self {
        Self { v: [E::default(); LANES], wide: [0.0; LANES] }
    }
}

/// One step on integers, before any spike: leak truncated toward zero, sum, one saturation.
#[inline(always)]
fn integer_row<E: Real>(n: &Integers<'_>, held: &mut [f64; LANES], row: &[E]) {
    for i in 0..LANES {
        let leaked = (held[i] * n.keep[i] * (1.0 / 4096.0)).trunc();
        held[i] = (leaked + row[i].wide() * n.scale).max(-n.high - 1.0).min(n.high);
    }
}

/// One step: currents become membranes before the reset; the spikes come back.
#[inline(always)]
unsafe fn fire_row<E: Real, V: Vector<E>>(n: &Neurons<'_, E>, held: &mut Held<E>, row: &mut [E]) -> u16 {
    if let Some(integers) = &n.integer {
        integer_row(integers, &mut held.wide, row);
        let mut bits = 0;
        for i in 0..LANES {
            let v = held.wide[i] * integers.unit[i];
            row[i] = E::of(v);
            let fires = v >= 1.0;
            bits |= u16::from(fires) << i;
            let rest = match n.reset {
                Reset::Zero => 0.0,
                Reset::Subtract => held.wide[i] - 1.0 / integers.unit[i],
            };
            held.wide[i] = if fires { rest } else { held.wide[i] };
        }
        return bits;
    }
    if n.smooth {
        let mut bits = 0;
        for i in 0..LANES {
            let v = n.keep[i].fused(held.v[i], row[i]);
            let s = soft(v, n.width);
            row[i] = v;
            bits |= u16::from(s > E::default()) << i;
            held.v[i] = match n.reset {
                Reset::Zero => v * (E::of(1.0) - s),
                Reset::Subtract => v - s,
            };
        }
        return bits;
    }
    unsafe {
        let one = V::splat(E::of(1.0));
        let v = V::load(n.keep.as_ptr()).fused(V::load(held.v.as_ptr()), V::load(row.as_ptr()));
        v.store(row.as_mut_ptr());
        let fires = v.ge(one);
        let rest = match n.reset {
            Reset::Zero => V::splat(E::default()),
            Reset::Subtract => v.sub(one),
        };
        V::select(fires, rest, v).store(held.v.as_mut_ptr());
        V::bits(fires)
    }
}

/// Steps hidden neurons of one tile through time.
pub struct Fire<'a, E> {
    /// Rows and steps.
    pub plan: &'a Plan,
    /// The neurons.
    pub neurons: Neurons<'a, E>,
    /// Samples in the block.
    pub samples: usize,
    /// Currents, `[row][16]`; membranes before the reset afterwards.
    pub rows: &'a mut [E],
    /// Spikes, `[row]`.
    pub masks: &'a mut [u16],
}

impl<E: Real> Job<E> for Fire<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        for s in 0..self.samples {
            let mut held = Held::default();
            for row in s * self.plan.rows..s * self.plan.rows + self.plan.net.steps {
                let currents = &mut self.rows[row * LANES..][..LANES];
                self.masks[row] = unsafe { fire_row::<E, V>(&self.neurons, &mut held, currents) };
            }
        }
    }
}

/// Steps readout neurons of one tile through time.
pub struct Integrate<'a, E> {
    /// Rows and steps.
    pub plan: &'a Plan,
    /// The neurons.
    pub neurons: Neurons<'a, E>,
    /// Samples in the block.
    pub samples: usize,
    /// Currents, `[row][16]`; membranes afterwards.
    pub rows: &'a mut [E],
    /// Sums of the membranes over time, in thresholds, `[sample][16]`.
    pub scores: &'a mut [E],
    /// The same as integers, on integers.
    pub exact: &'a mut [i64],
}

impl<E: Real> Job<E> for Integrate<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        let n = &self.neurons;
        for s in 0..self.samples {
            let mut held = Held::<E>::default();
            let mut sums = [0f64; LANES];
            let scores = &mut self.scores[s * LANES..][..LANES];
            scores.fill(E::default());
            for row in s * self.plan.rows..s * self.plan.rows + self.plan.net.steps {
                let row = &mut self.rows[row * LANES..][..LANES];
                if let Some(integers) = &n.integer {
                    integer_row(integers, &mut held.wide, row);
                    for i in 0..LANES {
                        sums[i] += held.wide[i];
                        row[i] = E::of(held.wide[i] * integers.unit[i]);
                    }
                } else {
                    unsafe {
                        let v =
                            V::load(n.keep.as_ptr()).fused(V::load(held.v.as_ptr()), V::load(row.as_ptr()));
                        v.store(row.as_mut_ptr());
                        v.store(held.v.as_mut_ptr());
                        V::load(scores.as_ptr()).add(v).store(scores.as_mut_ptr());
                    }
                }
            }
            if let Some(integers) = &n.integer {
                for i in 0..LANES {
                    scores[i] = E::of(sums[i] * integers.unit[i]);
                    self.exact[s * LANES + i] = sums[i] as i64;
                }
            }
        }
    }
}

/// One step back in time. `by_spike` holds the derivative by the spikes, and by the currents afterwards.
#[inline(always)]
unsafe fn fire_back_row<E: Real, V: Vector<E>>(
    n: &Neurons<'_, E>,
    rate: &[E],
    row: &[E],
    before: Option<&[E]>,
    carried: &mut [E; LANES],
    by_spike: &mut [E],
    by_keep: &mut [E],
) {
    let one = E::of(1.0);
    if n.smooth {
        for i in 0..LANES {
            let rest = |v: E| match n.reset {
                Reset::Zero => v * (one - soft(v, n.width)),
                Reset::Subtract => v - soft(v, n.width),
            };
            let (v, tangent) = (row[i], slope(row[i], n.width));
            let kept = match n.reset {
                Reset::Zero => one - soft(v, n.width) - v * tangent,
                Reset::Subtract => one - tangent,
            };
            let g = tangent * (by_spike[i] + rate[i]) + kept * carried[i];
            by_spike[i] = g;
            carried[i] = n.keep[i] * g;
            by_keep[i] += g * before.map_or(E::default(), |b| rest(b[i]));
        }
        return;
    }
    unsafe {
        let (zero, one_v) = (V::splat(E::default()), V::splat(one));
        let v = V::load(row.as_ptr());
        let carried_v = V::load(carried.as_ptr());
        let kept = match n.reset {
            Reset::Zero => V::select(v.ge(one_v), zero, carried_v),
            Reset::Subtract => carried_v,
        };
        let size = v.sub(one_v).abs();
        let tangent = size.fused(V::splat(-(one / (n.width * n.width))), V::splat(one / n.width)).max(zero);
        let spike = V::load(by_spike.as_ptr()).add(V::load(rate.as_ptr()));
        let g = tangent.fused(spike, kept);
        g.store(by_spike.as_mut_ptr());
        V::load(n.keep.as_ptr()).mul(g).store(carried.as_mut_ptr());
        if let Some(before) = before {
            let p = V::load(before.as_ptr());
            let rest = match n.reset {
                Reset::Zero => zero,
                Reset::Subtract => p.sub(one_v),
            };
            let rest = V::select(p.ge(one_v), rest, p);
            g.fused(rest, V::load(by_keep.as_ptr())).store(by_keep.as_mut_ptr());
        }
    }
}

/// Derivatives of hidden neurons of one tile, back through time.
pub struct FireBack<'a, E> {
    /// Rows and steps.
    pub plan: &'a Plan,
    /// The neurons.
    pub neurons: Neurons<'a, E>,
    /// Samples in the block.
    pub samples: usize,
    /// Added to the derivative by every spike, `[16]`.
    pub rate: &'a [E],
    /// Membranes before the reset, `[row][16]`.
    pub rows: &'a [E],
    /// Derivatives by the spikes, `[row][16]`; by the currents afterwards.
    pub delta: &'a mut [E],
    /// Derivatives by `keep`, `[16]`, added to.
    pub by_keep: &'a mut [E],
}

impl<E: Real> Job<E> for FireBack<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        for s in 0..self.samples {
            let mut carried = [E::default(); LANES];
            let first = s * self.plan.rows;
            for row in (first..first + self.plan.net.steps).rev() {
                let before = (row > first).then(|| &self.rows[(row - 1) * LANES..][..LANES]);
                unsafe {
                    fire_back_row::<E, V>(
                        &self.neurons,
                        self.rate,
                        &self.rows[row * LANES..][..LANES],
                        before,
                        &mut carried,
                        &mut self.delta[row * LANES..][..LANES],
                        self.by_keep,
                    );
                }
            }
        }
    }
}

/// Derivatives of readout neurons of one tile, back through time.
pub struct IntegrateBack<'a, E> {
    /// Rows and steps.
    pub plan: &'a Plan,
    /// The neurons.
    pub neurons: Neurons<'a, E>,
    /// Samples in the block.
    pub samples: usize,
    /// Derivatives by the scores, `[sample][16]`.
    pub by_score: &'a [E],
    /// Membranes, `[row][16]`.
    pub rows: &'a [E],
    /// Derivatives by the currents, `[row][16]`, written.
    pub delta: &'a mut [E],
    /// Derivatives by `keep`, `[16]`, added to.
    pub by_keep: &'a mut [E],
}

impl<E: Real> Job<E> for IntegrateBack<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        for s in 0..self.samples {
            unsafe {
                let keep = V::load(self.neurons.keep.as_ptr());
                let by_score = V::load(self.by_score[s * LANES..][..LANES].as_ptr());
                let mut carried = V::splat(E::default());
                let first = s * self.plan.rows;
                for row in (first..first + self.plan.net.steps).rev() {
                    let g = keep.fused(carried, by_score);
                    g.store(self.delta[row * LANES..][..LANES].as_mut_ptr());
                    if row > first {
                        let before = V::load(self.rows[(row - 1) * LANES..][..LANES].as_ptr());
                        let sum = g.fused(before, V::load(self.by_keep.as_ptr()));
                        sum.store(self.by_keep.as_mut_ptr());
                    }
                    carried = g;
                }
            }
        }
    }
}

/// The cells of a tile whose surrogate is not zero, by neuron.
pub fn active<E: Real>(
    plan: &Plan,
    neurons: &Neurons<'_, E>,
    samples: usize,
    rows: &[E],
    alive: &[u16],
    cells: &mut [Vec<Event>; LANES],
) {
    cells.iter_mut().for_each(Vec::clear);
    for s in 0..samples {
        let alive = if alive.is_empty() { u16::MAX } else { alive[s] };
        for step in 0..plan.net.steps {
            let row = s * plan.rows + step;
            let mut bits = active_row(neurons, &rows[row * LANES..][..LANES]) & alive;
            while bits != 0 {
                cells[bits.trailing_zeros() as usize].push(Event { row: row as u32, step: step as u32 });
                bits &= bits - 1;
            }
        }
    }
}

#[inline(always)]
fn active_row<E: Real>(n: &Neurons<'_, E>, row: &[E]) -> u16 {
    let (low, high) = (E::of(1.0) - n.width, E::of(1.0) + n.width);
    let mut bits = 0;
    for (i, &v) in row.iter().enumerate().take(LANES) {
        bits |= u16::from((v > low) & (v < high)) << i;
    }
    bits
}

/// Populations that are joined in a loop, in one block: step by step, spikes delivered at once.
pub struct Loop<'a, E> {
    /// Rows and steps.
    pub plan: &'a Plan,
    /// The populations and projections.
    pub stage: &'a Stage,
    /// Weights of all projections.
    pub weights: &'a [Vec<E>],
    /// Neurons of each population of the stage, tile by tile.
    pub neurons: &'a [Vec<Neurons<'a, E>>],
    /// Samples in the block.
    pub samples: usize,
    /// Currents from outside of each population, `[tile][row][16]`; membranes before the reset afterwards.
    pub rows: Vec<&'a mut [E]>,
    /// Spikes of each population, `[tile][row]`.
    pub masks: Vec<&'a mut [u16]>,
    /// Neurons that are not dropped, of each population, `[tile][sample]`; may be empty.
    pub alive: Vec<&'a [u16]>,
}

impl<E: Real> Job<E> for Loop<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(mut self) {
        let (plan, block_rows) = (self.plan, self.plan.block_rows());
        let mut held: Vec<Vec<Held<E>>> =
            self.neurons.iter().map(|n| vec![Held::default(); n.len() * self.samples]).collect();
        for step in 0..plan.net.steps {
            for (k, &population) in self.stage.populations.iter().enumerate() {
                for (tile, neurons) in self.neurons[k].iter().enumerate() {
                    for s in 0..self.samples {
                        let row = s * plan.rows + step;
                        let at = tile * block_rows + row;
                        let mut bits = unsafe {
                            let currents = &mut self.rows[k][at * LANES..][..LANES];
                            fire_row::<E, V>(neurons, &mut held[k][tile * self.samples + s], currents)
                        };
                        self.masks[k][at] = bits;
                        if !self.alive[k].is_empty() {
                            bits &= self.alive[k][tile * plan.block + s];
                        }
                        while bits != 0 {
                            let lane = bits.trailing_zeros() as usize;
                            bits &= bits - 1;
                            let value =
                                neurons.smooth.then(|| soft(self.rows[k][at * LANES + lane], neurons.width));
                            for &p in &self.stage.inner {
                                let projection = &plan.net.projections[p];
                                if projection.source != population {
                                    continue;
                                }
                                let Some(to) =
                                    self.stage.populations.iter().position(|&q| q == projection.target)
                                else {
                                    continue;
                                };
                                let layout = &plan.layouts[p];
                                let pre = tile * LANES + lane;
                                for target in 0..layout.tiles() {
                                    let weights = &self.weights[p][layout.at(pre, 0, target * LANES)..];
                                    let rows = &mut self.rows[to][(target * block_rows + row) * LANES..];
                                    for chunk in &layout.chunks {
                                        unsafe {
                                            add_rows::<E, V>(
                                                chunk,
                                                &layout.delays,
                                                weights.as_ptr(),
                                                step,
                                                rows.as_mut_ptr(),
                                                value,
                                            );
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Derivatives of populations that are joined in a loop, back through time.
pub struct LoopBack<'a, E> {
    /// Rows and steps.
    pub plan: &'a Plan,
    /// The populations and projections.
    pub stage: &'a Stage,
    /// Weights of all projections.
    pub weights: &'a [Vec<E>],
    /// Neurons of each population of the stage, tile by tile.
    pub neurons: &'a [Vec<Neurons<'a, E>>],
    /// Samples in the block.
    pub samples: usize,
    /// Added to the derivative by every spike, `[neuron]` for each population.
    pub rate: Vec<&'a [E]>,
    /// Membranes before the reset, `[tile][row][16]`.
    pub rows: Vec<&'a [E]>,
    /// Neurons that are not dropped, of each population, `[tile][sample]`; may be empty.
    pub alive: Vec<&'a [u16]>,
    /// Derivatives by the spikes as far as they come from outside; by the currents afterwards.
    pub delta: Vec<&'a mut [E]>,
    /// Derivatives by `keep`, `[neuron]`, added to.
    pub by_keep: Vec<&'a mut [E]>,
}

impl<E: Real> Job<E> for LoopBack<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(mut self) {
        let (plan, block_rows) = (self.plan, self.plan.block_rows());
        let mut carried: Vec<Vec<[E; LANES]>> =
            self.neurons.iter().map(|n| vec![[E::default(); LANES]; n.len() * self.samples]).collect();
        for step in (0..plan.net.steps).rev() {
            for (k, &population) in self.stage.populations.iter().enumerate() {
                for (tile, neurons) in self.neurons[k].iter().enumerate() {
                    for s in 0..self.samples {
                        let row = s * plan.rows + step;
                        let at = (tile * block_rows + row) * LANES;
                        let membranes = &self.rows[k][at..][..LANES];
                        let mut bits = active_row(neurons, membranes);
                        if !self.alive[k].is_empty() {
                            bits &= self.alive[k][tile * plan.block + s];
                        }
                        while bits != 0 {
                            let lane = bits.trailing_zeros() as usize;
                            bits &= bits - 1;
                            let mut by_spike = E::default();
                            for &p in &self.stage.inner {
                                let projection = &plan.net.projections[p];
                                if projection.source != population {
                                    continue;
                                }
                                let Some(to) =
                                    self.stage.populations.iter().position(|&q| q == projection.target)
                                else {
                                    continue;
                                };
                                let layout = &plan.layouts[p];
                                let pre = tile * LANES + lane;
                                for target in 0..layout.tiles() {
                                    let weights = &self.weights[p][layout.at(pre, 0, target * LANES)..];
                                    let from = &self.delta[to][(target * block_rows + row) * LANES..];
                                    for chunk in &layout.chunks {
                                        by_spike += unsafe {
                                            dot_cell::<E, V>(
                                                chunk,
                                                &layout.delays,
                                                weights.as_ptr(),
                                                step,
                                                from.as_ptr(),
                                            )
                                        };
                                    }
                                }
                            }
                            self.delta[k][at + lane] += by_spike;
                        }
                        let before = (step > 0).then(|| &self.rows[k][at - LANES..][..LANES]);
                        unsafe {
                            fire_back_row::<E, V>(
                                neurons,
                                &self.rate[k][tile * LANES..][..LANES],
                                membranes,
                                before,
                                &mut carried[k][tile * self.samples + s],
                                &mut self.delta[k][at..][..LANES],
                                &mut self.by_keep[k][tile * LANES..][..LANES],
                            );
                        }
                    }
                }
            }
        }
    }
}
