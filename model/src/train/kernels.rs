//! The innermost loops. Each job works on one tile (sixteen neurons) of one block of samples.
//!
//! - [`Scatter`]: spikes add rows of weights to the steps in which they arrive.
//! - [`Gather`]: the derivative by a spike, only where the surrogate is not zero.
//! - [`Outer`]: the derivative by the weights.
//! - [`Fire`], [`Integrate`]: membranes through time; [`FireBack`], [`IntegrateBack`]: their derivatives.
//!
//! `unsafe`: see `simd`. Rows and places come from [`super::net::Layout`] and [`super::events::Events`],
//! which bound them; debug builds check the outermost ones.

// Lanes and registers are counted, not walked: unrolled by the compiler.
#![allow(clippy::needless_range_loop)]

use super::events::{Event, Events};
use super::net::{Chunk, Layout};
use super::simd::{Job, LANES, Real, Vector};

/// Adds all spikes of a source to a tile of currents.
pub struct Scatter<'a, E> {
    /// The projection.
    pub layout: &'a Layout,
    /// Weights of the tile, `[pre][delay][16]`.
    pub weights: &'a [E],
    /// Spikes of the source.
    pub events: &'a Events<E>,
    /// Currents of the tile, `[row][16]`.
    pub currents: &'a mut [E],
}

/// Adds one spike: `groups` groups of four rows, or one row for a chunk of one delay.
#[inline(always)]
pub(super) unsafe fn add_rows<E: Real, V: Vector<E>>(
    chunk: &Chunk,
    delays: &[u16],
    weights: *const E,
    step: usize,
    to: *mut E,
    value: Option<E>,
) {
    unsafe {
        let valid = usize::from(*chunk.valid.get_unchecked(step));
        let rows = if chunk.groups == 0 { valid } else { 4 * valid };
        for d in 0..rows {
            let at = to.add(usize::from(*delays.get_unchecked(chunk.first + d)) * LANES);
            let row = V::load(weights.add((chunk.first + d) * LANES));
            match value {
                None => V::load(at).add(row).store(at),
                Some(value) => row.fused(V::splat(value), V::load(at)).store(at),
            }
        }
    }
}

/// The same for whole groups, unrolled.
#[inline(always)]
unsafe fn add_groups<E: Real, V: Vector<E>>(
    chunk: &Chunk,
    offsets: &[usize; 16],
    weights: *const E,
    events: &[Event],
    currents: *mut E,
) {
    unsafe {
        for event in events {
            let to = currents.add(event.row as usize * LANES);
            let valid = *chunk.valid.get_unchecked(event.step as usize);
            for g in 0..usize::from(valid) {
                for k in 4 * g..4 * g + 4 {
                    let at = to.add(*offsets.get_unchecked(k));
                    V::load(at).add(V::load(weights.add(k * LANES))).store(at);
                }
            }
        }
    }
}

/// Offsets in numbers of the delays of a chunk.
#[inline(always)]
fn offsets(layout: &Layout, chunk: &Chunk) -> [usize; 16] {
    let mut out = [0; 16];
    for (out, &d) in out.iter_mut().zip(&layout.delays[chunk.first..]) {
        *out = usize::from(d) * LANES;
    }
    out
}

impl<E: Real> Job<E> for Scatter<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        let Self { layout, weights, events, currents } = self;
        debug_assert_eq!(weights.len(), layout.tile_len());
        let width = layout.delays.len() * LANES;
        let to = currents.as_mut_ptr();
        for chunk in &layout.chunks {
            let offsets = offsets(layout, chunk);
            for pre in 0..layout.pre {
                let (list, values) = events.of(pre);
                if list.is_empty() {
                    continue;
                }
                unsafe {
                    let weights = weights.as_ptr().add(pre * width);
                    if !values.is_empty() {
                        for (event, &value) in list.iter().zip(values) {
                            let to = to.add(event.row as usize * LANES);
                            add_rows::<E, V>(
                                chunk,
                                &layout.delays,
                                weights,
                                event.step as usize,
                                to,
                                Some(value),
                            );
                        }
                    } else if chunk.groups == 0 {
                        let weight = V::load(weights.add(chunk.first * LANES));
                        for event in list {
                            if *chunk.valid.get_unchecked(event.step as usize) != 0 {
                                let at = to.add(event.row as usize * LANES + offsets[0]);
                                V::load(at).add(weight).store(at);
                            }
                        }
                    } else {
                        add_groups::<E, V>(chunk, &offsets, weights.add(chunk.first * LANES), list, to);
                    }
                }
            }
        }
    }
}

/// Adds the derivative by the spikes of sixteen source neurons to `out`, cell by cell.
pub struct Gather<'a, E> {
    /// The projection.
    pub layout: &'a Layout,
    /// Weights of the whole projection.
    pub weights: &'a [E],
    /// First of the sixteen source neurons.
    pub first: usize,
    /// Cells of each of them whose surrogate is not zero.
    pub cells: &'a [Vec<Event>; LANES],
    /// Derivatives by the currents of the target, `[tile][row][16]`; rows past the sample are 0.
    pub delta: &'a [E],
    /// Numbers of a tile of `delta`.
    pub tile: usize,
    /// Derivatives by the spikes, `[row][16]`.
    pub out: &'a mut [E],
}

#[inline(always)]
unsafe fn dot_groups<E: Real, V: Vector<E>, const G: usize>(
    chunk: &Chunk,
    offsets: &[usize; 16],
    weights: *const E,
    cells: &[Event],
    delta: *const E,
    out: *mut E,
) {
    unsafe {
        let zero = V::splat(E::default());
        let mut w = [[zero; 4]; G];
        for g in 0..G {
            for k in 0..4 {
                w[g][k] = V::load(weights.add((4 * g + k) * LANES));
            }
        }
        for cell in cells {
            let from = delta.add(cell.row as usize * LANES);
            let valid = usize::from(*chunk.valid.get_unchecked(cell.step as usize));
            if valid == 0 {
                continue;
            }
            let mut sums = [zero; 4];
            for g in 0..G {
                if g < valid {
                    for k in 0..4 {
                        sums[k] = w[g][k].fused(V::load(from.add(offsets[4 * g + k])), sums[k]);
                    }
                }
            }
            let at = out.add(cell.row as usize * LANES);
            *at += sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum();
        }
    }
}

/// One cell, for the steps of a loop.
#[inline(always)]
pub(super) unsafe fn dot_cell<E: Real, V: Vector<E>>(
    chunk: &Chunk,
    delays: &[u16],
    weights: *const E,
    step: usize,
    from: *const E,
) -> E {
    unsafe {
        let valid = usize::from(*chunk.valid.get_unchecked(step));
        let rows = if chunk.groups == 0 { valid } else { 4 * valid };
        let mut sum = V::splat(E::default());
        for d in chunk.first..chunk.first + rows {
            let delta = V::load(from.add(usize::from(*delays.get_unchecked(d)) * LANES));
            sum = V::load(weights.add(d * LANES)).fused(delta, sum);
        }
        sum.sum()
    }
}

impl<E: Real> Job<E> for Gather<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        let Self { layout, weights, first, cells, delta, tile, out } = self;
        debug_assert_eq!(weights.len(), layout.len());
        let width = layout.delays.len() * LANES;
        for chunk in &layout.chunks {
            let offsets = offsets(layout, chunk);
            for target in 0..layout.tiles() {
                for (lane, cells) in cells.iter().enumerate().take(layout.pre - first) {
                    if cells.is_empty() {
                        continue;
                    }
                    unsafe {
                        let weights = weights
                            .as_ptr()
                            .add(target * layout.tile_len() + (first + lane) * width + chunk.first * LANES);
                        let delta = delta.as_ptr().add(target * tile);
                        let out = out.as_mut_ptr().add(lane);
                        match chunk.groups {
                            0 => {
                                let w = V::load(weights);
                                for cell in cells {
                                    if *chunk.valid.get_unchecked(cell.step as usize) != 0 {
                                        let from = delta.add(cell.row as usize * LANES + offsets[0]);
                                        *out.add(cell.row as usize * LANES) += w.mul(V::load(from)).sum();
                                    }
                                }
                            }
                            1 => dot_groups::<E, V, 1>(chunk, &offsets, weights, cells, delta, out),
                            2 => dot_groups::<E, V, 2>(chunk, &offsets, weights, cells, delta, out),
                            3 => dot_groups::<E, V, 3>(chunk, &offsets, weights, cells, delta, out),
                            _ => dot_groups::<E, V, 4>(chunk, &offsets, weights, cells, delta, out),
                        }
                    }
                }
            }
        }
    }
}

/// Adds the derivative by the weights from some source neurons into one tile, over all blocks in order.
pub struct Outer<'a, E> {
    /// The projection.
    pub layout: &'a Layout,
    /// Spikes of the source, block by block.
    pub events: &'a [Events<E>],
    /// Derivatives by the currents of the tile, `[row][16]`, block by block.
    pub delta: &'a [&'a [E]],
    /// First source neuron.
    pub first: usize,
    /// Derivatives by the weights, `[pre from first][delay][16]`.
    pub out: &'a mut [E],
}

#[inline(always)]
unsafe fn outer_groups<E: Real, V: Vector<E>, const G: usize>(
    valid: &[u8],
    from_group: usize,
    offsets: &[usize],
    events: &[Event],
    delta: *const E,
    out: *mut E,
) {
    unsafe {
        let mut sums = [[V::splat(E::default()); 4]; G];
        for g in 0..G {
            for k in 0..4 {
                sums[g][k] = V::load(out.add((4 * g + k) * LANES));
            }
        }
        for event in events {
            let from = delta.add(event.row as usize * LANES);
            let valid = usize::from(*valid.get_unchecked(event.step as usize));
            for g in 0..G {
                if from_group + g < valid {
                    for k in 0..4 {
                        let at = from.add(*offsets.get_unchecked(4 * g + k));
                        sums[g][k] = sums[g][k].add(V::load(at));
                    }
                }
            }
        }
        for g in 0..G {
            for k in 0..4 {
                sums[g][k].store(out.add((4 * g + k) * LANES));
            }
        }
    }
}

impl<E: Real> Job<E> for Outer<'_, E> {
    #[inline(always)]
    unsafe fn run<V: Vector<E>>(self) {
        let Self { layout, events, delta, first, out } = self;
        let width = layout.delays.len() * LANES;
        for (events, delta) in events.iter().zip(delta) {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let (list, values) = events.of(first + i);
                if list.is_empty() {
                    continue;
                }
                for chunk in &layout.chunks {
                    let offsets = offsets(layout, chunk);
                    unsafe {
                        let (delta, out) = (delta.as_ptr(), out.as_mut_ptr().add(chunk.first * LANES));
                        if !values.is_empty() {
                            valued::<E, V>(chunk, &offsets, list, values, delta, out);
                            continue;
                        }
                        if chunk.groups == 0 {
                            let mut sum = V::load(out);
                            for event in list {
                                if *chunk.valid.get_unchecked(event.step as usize) != 0 {
                                    let from = delta.add(event.row as usize * LANES + offsets[0]);
                                    sum = sum.add(V::load(from));
                                }
                            }
                            sum.store(out);
                            continue;
                        }
                        let mut g = 0;
                        while g < chunk.groups {
                            let n = (chunk.groups - g).min(V::GROUPS);
                            let (offsets, out) = (&offsets[4 * g..], out.add(4 * g * LANES));
                            let valid = &chunk.valid;
                            match n {
                                1 => outer_groups::<E, V, 1>(valid, g, offsets, list, delta, out),
                                2 => outer_groups::<E, V, 2>(valid, g, offsets, list, delta, out),
                                3 => outer_groups::<E, V, 3>(valid, g, offsets, list, delta, out),
                                _ => outer_groups::<E, V, 4>(valid, g, offsets, list, delta, out),
                            }
                            g += n;
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn valued<E: Real, V: Vector<E>>(
    chunk: &Chunk,
    offsets: &[usize; 16],
    events: &[Event],
    values: &[E],
    delta: *const E,
    out: *mut E,
) {
    unsafe {
        for (event, &value) in events.iter().zip(values) {
            let valid = usize::from(chunk.valid[event.step as usize]);
            let rows = if chunk.groups == 0 { valid } else { 4 * valid };
            for (k, offset) in offsets.iter().enumerate().take(rows) {
                let from = V::load(delta.add(event.row as usize * LANES + offset));
                let at = out.add(k * LANES);
                from.fused(V::splat(value), V::load(at)).store(at);
            }
        }
    }
}
