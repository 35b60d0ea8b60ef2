//! What a core does in a step by `TIMING.md` sections 1, 2, 5 to 8, in closed form, for random networks.

use super::shape::{Shape, memory_path};
use super::test::{Random, Sends, sends, set};
use crate::layout::{AxonRow, Memory, NeuronParameters, QueueSynapse, RingSynapse, RouteRow, Target};
use crate::platform::Structure;
use rtl::Simulator;
use std::collections::{BTreeMap, BTreeSet};

/// A synapse, whatever the structure.
#[derive(Clone, Copy)]
pub(super) struct Synapse {
    pub neuron: u32,
    pub delay: u32,
    pub weight: i8,
}

/// What a core's memories hold.
pub(super) struct Network {
    pub slots_log2: u32,
    pub limit: i64,
    pub neurons: Vec<NeuronParameters>,
    pub integrators: usize,
    pub shifts: Vec<u8>,
    /// Synapses of each axon by delay, and the address of the first.
    pub axons: Vec<(u32, Vec<Synapse>)>,
    pub rows: Vec<RouteRow>,
    pub entries: Vec<Target>,
}

impl Network {
    pub fn new(shape: &Shape, random: &mut Random) -> Self {
        let slots_log2 = 1 + random.below(shape.slots.ilog2().max(1).into()) as u32;
        let ring = shape.structure() == Structure::RingBuffer;
        let most = if ring { shape.accumulators >> slots_log2 } else { shape.neurons };
        let n = 1 + random.below(most.min(shape.neurons)) as usize;
        let integrators = n - random.below(1 + shape.readouts.min(n as u64)) as usize;
        let limit = (1i64 << (5 + random.below(u64::from(shape.membrane_bits) - 5))) - 1;
        let neurons = (0..n).map(|i| NeuronParameters {
            decay: random.below(4097) as u16,
            threshold: 1 + random.below(limit.min(200) as u64) as i32,
            subtract: random.one_in(2),
            integrator: i >= integrators,
        });
        let neurons = neurons.collect();
        let longest = if ring { (1 << slots_log2) - 1 } else { u64::from(shape.longest_delay) };
        let mut base = 0;
        let mut axons = vec![];
        for _ in 0..shape.axons {
            let count = 1 + random.below(5);
            let latest = longest.min(1 + random.below(longest));
            let mut synapses: Vec<_> = (0..count)
                .map(|_| Synapse {
                    // Few neurons and delays, so that sums meet in the pipeline.
                    neuron: random.below((n as u64).min(3)) as u32,
                    delay: 1 + random.below(latest) as u32,
                    weight: random.range(-60, 127) as i8,
                })
                .collect();
            synapses.sort_by_key(|s| s.delay);
            axons.push((base, synapses));
            base += count as u32;
        }
        let (mut rows, mut entries) = (vec![], vec![]);
        for neuron in 0..n as u64 {
            let count = random.below(4).min(shape.routes - entries.len() as u64) as u32;
            let base = entries.len() as u32;
            rows.push(RouteRow { base, count });
            entries.extend((0..count).map(|i| Target { x: (i % 3) as u16, y: 1, axon: neuron as u32 + i }));
        }
        let shifts = (0..shape.axons).map(|_| random.below(3) as u8).collect();
        Self { slots_log2, limit, neurons, integrators, shifts, axons, rows, entries }
    }

    pub fn accumulators(&self, structure: Structure) -> u64 {
        match structure {
            Structure::RingBuffer => (self.neurons.len() as u64) << self.slots_log2,
            Structure::SharedQueue => self.neurons.len() as u64,
        }
    }

    /// Loads the memories as the compiler packs them, and dirties those that the reset phase must clear.
    pub fn load(&self, sim: &mut Simulator, shape: &Shape) {
        let w = &shape.widths;
        let structure = shape.structure();
        let ring = structure == Structure::RingBuffer;
        let list = |(_, synapses): &(u32, Vec<Synapse>)| -> Vec<u64> {
            let word = |(i, s): (usize, &Synapse)| {
                let Synapse { neuron, delay, weight } = *s;
                let last = synapses.get(i + 1).is_none_or(|next| next.delay != delay);
                if ring {
                    w.pack_ring_synapse(RingSynapse { neuron, delay, weight })
                } else {
                    w.pack_queue_synapse(QueueSynapse { neuron, last, weight })
                }
            };
            synapses.iter().enumerate().map(word).collect()
        };
        let row = |((base, s), &shift): (&(u32, Vec<Synapse>), &u8)| {
            let count = if ring { s.len() as u32 } else { 0 };
            w.pack_axon_row(AxonRow { base: *base, count, shift })
        };
        let mut load = |memory: Memory, words: Vec<u64>| {
            if let Some(path) = memory_path(structure, memory) {
                let memory = sim.memory(path).unwrap();
                sim.load(memory, &words).unwrap();
            }
        };
        load(Memory::Synapses, self.axons.iter().flat_map(list).collect());
        load(Memory::Axons, self.axons.iter().zip(&self.shifts).map(row).collect());
        load(Memory::UsefulWeights, (0..self.axons.len()).map(|a| self.useful(a)).collect());
        load(Memory::Parameters, self.neurons.iter().map(|&p| w.pack_parameters(p)).collect());
        load(Memory::RouteIndex, self.rows.iter().map(|&r| w.pack_route_row(r)).collect());
        load(Memory::Routes, self.entries.iter().map(|&t| w.pack_target(t)).collect());
        for memory in [Memory::Membranes, Memory::Scores, Memory::Accumulators] {
            let memory = sim.memory(memory_path(structure, memory).unwrap()).unwrap();
            (0..sim.words(memory)).for_each(|i| sim.set_word(memory, i, 3));
        }
        set(sim, "neurons", self.neurons.len() as u64);
        set(sim, "integrators", self.integrators as u64 % self.neurons.len() as u64);
        set(sim, "readouts", (self.neurons.len() - self.integrators) as u64);
        set(sim, "accumulators", self.accumulators(structure));
        set(sim, "membrane_max", self.limit as u64);
        if ring {
            set(sim, "slots_log2", self.slots_log2.into());
        }
    }

    /// Bit k - 1 is set where the axon has a synapse of delay k.
    fn useful(&self, axon: usize) -> u64 {
        self.axons[axon].1.iter().fold(0, |row, s| row | 1 << (s.delay - 1))
    }
}

/// What a core does in a step, each with its cycle.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Trace {
    /// Flits taken: axon.
    pub taken: Vec<(u64, u64)>,
    /// Synapses addressed.
    pub synapses: Vec<(u64, u64)>,
    /// Accumulators written: neuron, slot, sum.
    pub sums: Vec<(u64, u64, u64, i64)>,
    /// Neurons written: neuron, membrane, spike.
    pub membranes: Vec<(u64, u64, i64, bool)>,
    /// Events that enter the synapse stage: axon, age, offset.
    pub delivered: Vec<(u64, [u64; 3])>,
    /// Events written to the POQ.
    pub queued: Vec<(u64, [u64; 3])>,
    /// Flits sent.
    pub sent: Vec<(u64, u64)>,
    /// Cycles that are not quiet.
    pub busy: Vec<u64>,
}

/// State of the closed form.
pub(super) struct Model<'a> {
    pub shape: &'a Shape,
    pub network: &'a Network,
    pub membranes: Vec<i64>,
    pub scores: Vec<i64>,
    /// By neuron and slot.
    pub sums: BTreeMap<(u32, u64), i64>,
    pub queue: Vec<[u64; 3]>,
    pub high_water: usize,
    pub overflow: Option<u64>,
}

impl<'a> Model<'a> {
    pub fn new(shape: &'a Shape, network: &'a Network) -> Self {
        let n = network.neurons.len();
        let (membranes, scores) = (vec![0; n], vec![0; n - network.integrators]);
        let (sums, queue) = (BTreeMap::new(), vec![]);
        Self { shape, network, membranes, scores, sums, queue, high_water: 0, overflow: None }
    }

    fn add(&mut self, out: &mut Trace, at: u64, axon: usize, synapse: usize, slot: u64) {
        let (base, list) = &self.network.axons[axon];
        let s = list[synapse];
        out.synapses.push((at, u64::from(*base) + synapse as u64));
        let sum = self.sums.entry((s.neuron, slot)).or_default();
        *sum += i64::from(s.weight) << self.network.shifts[axon];
        out.sums.push((at + 2, s.neuron.into(), slot, *sum));
    }

    /// Section 5; returns the first free cycle and the spikes with the cycle from which they are visible.
    fn update(&mut self, out: &mut Trace, a: u64, slot: u64) -> (u64, Vec<(u64, usize)>) {
        let (u, mut spikes) = (self.shape.neuron_interval(), vec![]);
        for (i, p) in self.network.neurons.iter().enumerate() {
            let sum = self.sums.remove(&(i as u32, slot)).unwrap_or(0);
            let v = self.membranes[i] * i64::from(4096 - p.decay) / 4096 + sum;
            let v = v.clamp(-self.network.limit - 1, self.network.limit);
            let spike = !p.integrator && v >= p.threshold.into();
            let next = match (spike, p.subtract) {
                (false, _) => v,
                (true, true) => v - i64::from(p.threshold),
                (true, false) => 0,
            };
            self.membranes[i] = next;
            let r = a + i as u64 * u;
            out.membranes.push((r + 3, i as u64, next, spike));
            if spike {
                spikes.push((r + 4, i));
            }
            if p.integrator {
                self.scores[i - self.network.integrators] += next;
            }
        }
        (a + (self.network.neurons.len() as u64 - 1) * u + 4, spikes)
    }

    /// A step from cycle `s`; `arrivals` are the axons and the cycles in which their flits were sent.
    pub fn step(&mut self, step: u64, s: u64, arrivals: &[(u64, u64)], credits: &[u64]) -> Trace {
        let mut out = Trace::default();
        let mut busy = BTreeSet::new();
        let (w, network) = (self.shape.synapse_interval(), self.network);
        let (end, spikes);
        if self.shape.structure() == Structure::RingBuffer {
            let slots = 1 << network.slots_log2;
            (end, spikes) = self.update(&mut out, s, step % slots);
            // p and q of the event before, and when the synapse stage is free.
            let (mut taken, mut entered, mut free) = (0, 0, 0);
            for &(sent, axon) in arrivals {
                let visible = (sent + 2).max(taken + 1);
                let p = visible.max(end).max(entered);
                let q = (p + 1).max(free);
                let list = &network.axons[axon as usize].1;
                out.taken.push((p, axon));
                for (i, synapse) in list.iter().enumerate() {
                    let slot = (step + u64::from(synapse.delay)) % slots;
                    self.add(&mut out, q + i as u64 * w, axon as usize, i, slot);
                }
                (taken, entered, free) = (p, q, q + list.len() as u64 * w);
                busy.extend(visible..q + (list.len() as u64 - 1) * w + 3);
            }
        } else {
            let mut at = s + 2;
            let mut again = BTreeMap::new();
            for event in std::mem::take(&mut self.queue) {
                let [axon, age, offset] = event;
                out.delivered.push((at, event));
                let useful = network.useful(axon as usize) >> (age - 1);
                let list = network.axons[axon as usize].1.iter();
                let n = list.filter(|x| u64::from(x.delay) == age).count() as u64;
                for i in 0..n {
                    self.add(&mut out, at + i * w, axon as usize, (offset + i) as usize, 0);
                }
                at += (n * w).max(1);
                if useful >> 1 != 0 {
                    again.insert(at, [axon, age + 1, offset + n]);
                }
            }
            (end, spikes) = self.update(&mut out, at + 2, 0);
            let mut queued = again.clone();
            let mut taken = 0;
            for &(sent, axon) in arrivals {
                let visible = (sent + 2).max(taken + 1);
                let mut p = visible;
                while again.contains_key(&p) {
                    p += 1;
                }
                out.taken.push((p, axon));
                queued.insert(p, [axon, 1, 0]);
                busy.extend(visible..=p);
                taken = p;
            }
            for (cycle, event) in queued {
                if self.queue.len() as u64 == self.shape.queue_depth {
                    self.overflow.get_or_insert(step);
                } else {
                    self.queue.push(event);
                    out.queued.push((cycle, event));
                }
            }
            self.high_water = self.high_water.max(self.queue.len());
        }
        let Sends { flits, busy: sending } =
            sends(self.shape, &spikes, &network.rows, &network.entries, credits, step & 1);
        out.sent = flits;
        busy.extend(sending);
        busy.extend(s..end);
        out.busy = busy.into_iter().collect();
        out
    }
}
