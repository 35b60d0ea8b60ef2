//! Spikes as the kernels want them: sorted by who fires, block by block.

use super::net::Plan;
use super::simd::{LANES, Real};
use spikes::Binned;

/// One spike of a known neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Row in a tile of the block: sample in the block * rows + step.
    pub row: u32,
    /// Step.
    pub step: u32,
}

/// Spikes of one population in one block of samples.
#[derive(Debug, Clone, Default)]
pub struct Events<E> {
    /// Events of neuron i are `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<u32>,
    /// By neuron, then by sample, then by step.
    pub events: Vec<Event>,
    /// Height of each spike on the smoothed network; empty where all are 1.
    pub values: Vec<E>,
}

impl<E: Real> Events<E> {
    /// Events of one neuron, and their values where there are any.
    #[inline(always)]
    pub fn of(&self, neuron: usize) -> (&[Event], &[E]) {
        let range = self.offsets[neuron] as usize..self.offsets[neuron + 1] as usize;
        let values = if self.values.is_empty() { &[][..] } else { &self.values[range.clone()] };
        (&self.events[range], values)
    }

    /// Of input recordings; a block holds at most `plan.block` of them.
    #[must_use]
    pub fn of_inputs(plan: &Plan, samples: &[Binned]) -> Self {
        let mut out = Self { offsets: vec![0; plan.net.sizes[0] + 1], ..Self::default() };
        for sample in samples {
            sample.channels.iter().for_each(|&c| out.offsets[c as usize + 1] += 1);
        }
        let mut next = out.start();
        for (s, sample) in samples.iter().enumerate() {
            for step in 0..sample.steps() {
                let event = Event { row: (s * plan.rows) as u32 + step, step };
                for &channel in sample.step(step) {
                    out.events[next[channel as usize] as usize] = event;
                    next[channel as usize] += 1;
                }
            }
        }
        out
    }

    /// Turns counts into offsets, makes room, and says where each neuron's events begin.
    fn start(&mut self) -> Vec<u32> {
        for i in 1..self.offsets.len() {
            self.offsets[i] += self.offsets[i - 1];
        }
        let all = self.offsets.last().copied().unwrap_or(0) as usize;
        self.events.clear();
        self.events.resize(all, Event { row: 0, step: 0 });
        self.offsets[..self.offsets.len() - 1].to_vec()
    }

    /// Of spike masks, `[tile][row]`, one bit a neuron; `alive` (`[tile][sample]`, may be empty) leaves
    /// dropped neurons out, `value` gives the height of a spike at (tile, row, lane) where it is not 1.
    pub fn fill(
        &mut self,
        plan: &Plan,
        neurons: usize,
        samples: usize,
        masks: &[u16],
        alive: &[u16],
        value: Option<&dyn Fn(usize, usize, usize) -> E>,
    ) {
        let rows = plan.block_rows();
        let tiles = neurons.div_ceil(LANES);
        let mask = |tile: usize, s: usize, row: usize| {
            masks[tile * rows + row] & if alive.is_empty() { u16::MAX } else { alive[tile * plan.block + s] }
        };
        self.offsets.clear();
        self.offsets.resize(tiles * LANES + 1, 0);
        self.values.clear();
        for tile in 0..tiles {
            for s in 0..samples {
                for row in s * plan.rows..s * plan.rows + plan.net.steps {
                    let mut bits = mask(tile, s, row);
                    while bits != 0 {
                        self.offsets[tile * LANES + bits.trailing_zeros() as usize + 1] += 1;
                        bits &= bits - 1;
                    }
                }
            }
        }
        let mut next = self.start();
        if value.is_some() {
            self.values.resize(self.events.len(), E::default());
        }
        for tile in 0..tiles {
            for s in 0..samples {
                for step in 0..plan.net.steps {
                    let row = s * plan.rows + step;
                    let mut bits = mask(tile, s, row);
                    while bits != 0 {
                        let lane = bits.trailing_zeros() as usize;
                        let at = &mut next[tile * LANES + lane];
                        self.events[*at as usize] = Event { row: row as u32, step: step as u32 };
                        if let Some(value) = value {
                            self.values[*at as usize] = value(tile, row, lane);
                        }
                        *at += 1;
                        bits &= bits - 1;
                    }
                }
            }
        }
    }
}
