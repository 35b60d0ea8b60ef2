//! The functional floor: what a plain ring buffer costs when no hardware is modelled at all.
//!
//! One ring of sums for all neurons, the synapses of a neuron in a row, no cores, no mesh, no cycles, no statistics.
//! The simulator's speed is told as a share of its speed.

use model::network::{Kind, Network, Reset};
use spikes::Binned;
use std::io::{self, Write};

/// A network, flattened.
#[derive(Debug, Clone)]
pub struct Floor {
    /// Synapses of source s: `start[s]..start[s + 1]`; inputs come first, then neurons.
    start: Vec<usize>,
    /// (delay * row + neuron, shifted weight).
    synapses: Vec<(u32, i32)>,
    inputs: usize,
    /// 4096 - decay, threshold (none for an integrator), reset by subtraction.
    neurons: Vec<(i32, i64, bool)>,
    /// Neurons in a row of the ring and rows in it, powers of two.
    row: usize,
    slots: usize,
    limit: i64,
    sums: Vec<i32>,
    membranes: Vec<i32>,
}

impl Floor {
    /// Flattens a network whose sums fit 32 bits.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let input = network.input();
        let mut first = vec![0; network.populations.len()];
        let mut neurons = Vec::new();
        for (i, p) in network.populations.iter().enumerate() {
            first[i] = neurons.len();
            match &p.kind {
                Kind::Input { .. } => {}
                Kind::Lif { reset, decay, threshold } => neurons.extend(
                    decay
                        .iter()
                        .zip(threshold)
                        .map(|(&d, &t)| (4096 - i32::from(d), t.into(), *reset == Reset::Subtract)),
                ),
                Kind::Integrator { decay } => {
                    neurons.extend(decay.iter().map(|&d| (4096 - i32::from(d), i64::MAX, false)));
                }
            }
        }
        let inputs = network.populations[input].size as usize;
        let row = neurons.len().next_power_of_two();
        let longest = network
            .projections
            .iter()
            .flat_map(|p| &p.synapses)
            .map(|s| usize::from(s.delay))
            .max()
            .unwrap_or(1);
        let slots = (longest + 1).next_power_of_two();
        let mut lists = vec![Vec::new(); inputs + neurons.len()];
        for p in &network.projections {
            let source = if p.source == input { 0 } else { inputs + first[p.source] };
            for s in &p.synapses {
                let place = usize::from(s.delay) * row + first[p.target] + s.post as usize;
                lists[source + s.pre as usize].push((place as u32, i32::from(s.weight) << p.weight_shift));
            }
        }
        let (mut start, mut synapses) = (vec![0], Vec::new());
        for mut list in lists {
            list.sort_unstable();
            synapses.extend(list);
            start.push(synapses.len());
        }
        Self {
            start,
            synapses,
            inputs,
            membranes: vec![0; neurons.len()],
            sums: vec![0; row * slots],
            neurons,
            row,
            slots,
            limit: 1 << (network.membrane_bits - 1),
        }
    }

    /// Runs a sample; returns the spikes of neurons and the synaptic events.
    pub fn run(&mut self, input: &Binned) -> (u64, u64) {
        self.sums.fill(0);
        self.membranes.fill(0);
        let mask = self.row * self.slots - 1;
        let (mut spikes, mut events) = (0, 0);
        let mut fired = Vec::new();
        for step in 0..input.steps() {
            let base = step as usize % self.slots * self.row;
            fired.clear();
            fired.extend(input.step(step).iter().map(|&c| c as usize));
            let due = &mut self.sums[base..][..self.neurons.len()];
            for (i, ((v, sum), &(keep, threshold, subtract))) in
                self.membranes.iter_mut().zip(due).zip(&self.neurons).enumerate()
            {
                let leaked = i64::from(*v) * i64::from(keep) / 4096;
                let mut next = (leaked + i64::from(*sum)).clamp(-self.limit, self.limit - 1);
                if next >= threshold {
                    next = if subtract { next - threshold } else { 0 };
                    fired.push(self.inputs + i);
                    spikes += 1;
                }
                (*v, *sum) = (next as i32, 0);
            }
            let sums = &mut self.sums[..=mask];
            for &source in &fired {
                let list = &self.synapses[self.start[source]..self.start[source + 1]];
                for &(place, weight) in list {
                    let sum = &mut sums[(place as usize + base) & mask];
                    *sum = sum.wrapping_add(weight);
                }
                events += list.len() as u64;
            }
        }
        (spikes, events)
    }
}

/// Writes a chain of populations and an input as the plain C program takes them, little-endian: i32 populations, steps,
/// longest delay, sizes; for each projection u32 starts of sources, u16 targets, u8 delays, i32 shifted weights, i32
/// decays and thresholds of the targets; a byte for each step and channel.
///
/// # Errors
/// Those of the output; a network that is no chain.
pub fn flatten(network: &Network, input: &Binned, mut to: impl Write) -> io::Result<()> {
    let no_chain = || io::Error::new(io::ErrorKind::InvalidInput, "the network is no chain of populations");
    let mut bytes: Vec<u8> = Vec::new();
    let int = |bytes: &mut Vec<u8>, value: i64| bytes.extend((value as i32).to_le_bytes());
    let delays = network.projections.iter().flat_map(|p| &p.synapses).map(|s| s.delay);
    int(&mut bytes, network.populations.len() as i64);
    int(&mut bytes, network.steps.into());
    int(&mut bytes, delays.max().unwrap_or(1).into());
    network.populations.iter().for_each(|p| int(&mut bytes, p.size.into()));
    for (i, p) in network.projections.iter().enumerate() {
        if (p.source, p.target) != (i, i + 1) {
            return Err(no_chain());
        }
        let mut synapses = p.synapses.clone();
        synapses.sort_by_key(|s| (s.pre, s.delay));
        for pre in 0..=network.populations[i].size {
            int(&mut bytes, synapses.partition_point(|s| s.pre < pre) as i64);
        }
        synapses.iter().for_each(|s| bytes.extend((s.post as u16).to_le_bytes()));
        bytes.extend(synapses.iter().map(|s| s.delay as u8));
        synapses.iter().for_each(|s| int(&mut bytes, i64::from(s.weight) << p.weight_shift));
        let (decay, threshold) = match &network.populations[i + 1].kind {
            Kind::Lif { decay, threshold, .. } => (decay, threshold.clone()),
            Kind::Integrator { decay } => (decay, vec![i32::MAX; decay.len()]),
            Kind::Input { .. } => return Err(no_chain()),
        };
        decay.iter().for_each(|&d| int(&mut bytes, d.into()));
        threshold.iter().for_each(|&t| int(&mut bytes, t.into()));
    }
    let channels = network.populations.first().ok_or_else(no_chain)?.size as usize;
    for step in 0..network.steps {
        let mut line = vec![0; channels];
        input.step(step).iter().for_each(|&c| line[c as usize] = 1);
        bytes.extend(line);
    }
    to.write_all(&bytes)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{NAMES, Vector};

    #[test]
    fn the_floor_does_the_whole_work() {
        for name in NAMES {
            let vector = Vector::load(name);
            let mut floor = Floor::new(&vector.network);
            for sample in 0..vector.input.len() {
                let input = vector.binned(sample);
                let golden = model::golden::run(&vector.network, &input);
                assert_eq!(floor.run(&input).0, golden.spikes.len() as u64, "{name}");
            }
        }
    }
}
