//! Word layouts of every memory of a core, in one place: compiler, image, simulator and RTL use these.
//!
//! A word holds its fields from the least significant bit up, in the order in which they stand here.

use crate::platform::{Platform, Ports, Structure};

/// Bits that hold the values `0..n`; at least 1.
#[must_use]
pub fn bits_for(n: u64) -> u32 {
    (64 - n.saturating_sub(1).leading_zeros()).max(1)
}

/// Weight width in bits (contract section 2).
pub const WEIGHT_BITS: u32 = 8;
/// Weight-shift width in bits.
pub const SHIFT_BITS: u32 = 4;
/// Decay width in bits: 0..=4096.
pub const DECAY_BITS: u32 = 13;

/// Field widths of a platform's core with a given structure, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Delay structure.
    pub structure: Structure,
    /// Neuron index in a core.
    pub neuron: u32,
    /// Input axon index in a core.
    pub axon: u32,
    /// Column of the mesh.
    pub x: u32,
    /// Row of the mesh.
    pub y: u32,
    /// Delay, or age of an event.
    pub delay: u32,
    /// Address of a synapse word.
    pub synapse_address: u32,
    /// Number of synapses of an axon (ring) or offset into them (queue).
    pub list: u32,
    /// Address of a route entry; also their count.
    pub route_address: u32,
    /// Threshold, unsigned.
    pub threshold: u32,
}

/// A memory of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemorySpec {
    /// Which one.
    pub memory: Memory,
    /// Words that the platform provides.
    pub words: u64,
    /// Width of a word in bits, at most 64.
    pub bits: u32,
    /// Ports.
    pub ports: Ports,
}

/// The memories of a core. The first five have contents in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// Synapse words.
    Synapses,
    /// One row an input axon: where its synapses are, and their shift.
    Axons,
    /// Useful-weight rows of a shared queue, one an input axon: bit k - 1 is set where a synapse of delay k exists.
    UsefulWeights,
    /// Decay, threshold, reset and kind of each neuron.
    Parameters,
    /// One row a neuron: its route entries.
    RouteIndex,
    /// Route entries: target core and axon.
    Routes,
    /// Membranes.
    Membranes,
    /// Accumulators: neurons x slots (ring), or neurons (queue).
    Accumulators,
    /// Scores of integrators.
    Scores,
    /// One of the two queues of a shared queue.
    QueueA,
    /// The other.
    QueueB,
    /// Spikes of this step that wait to be sent.
    SpikeFifo,
    /// The input port.
    InputFifo,
}

impl Memory {
    /// Name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Synapses => "synapses",
            Self::Axons => "axons",
            Self::UsefulWeights => "useful_weights",
            Self::Parameters => "parameters",
            Self::RouteIndex => "route_index",
            Self::Routes => "routes",
            Self::Membranes => "membranes",
            Self::Accumulators => "accumulators",
            Self::Scores => "scores",
            Self::QueueA => "queue_a",
            Self::QueueB => "queue_b",
            Self::SpikeFifo => "spike_fifo",
            Self::InputFifo => "input_fifo",
        }
    }
}

/// Packs fields from the least significant bit up.
fn pack(fields: &[(u64, u32)]) -> u64 {
    let (mut word, mut at) = (0, 0);
    for &(value, bits) in fields {
        debug_assert!(bits == 64 || value >> bits == 0, "{value} does not fit {bits} bits");
        word |= value << at;
        at += bits;
    }
    word
}

/// Takes fields off a word, from the least significant bit up.
struct Fields(u64);

impl Fields {
    fn take(&mut self, bits: u32) -> u64 {
        let value = self.0 & (u64::MAX >> (64 - bits));
        self.0 = if bits == 64 { 0 } else { self.0 >> bits };
        value
    }
}

/// A synapse of a ring-buffer core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RingSynapse {
    /// Target neuron in the core.
    pub neuron: u32,
    /// Delay in steps, 1..slots.
    pub delay: u32,
    /// Weight.
    pub weight: i8,
}

/// A synapse of a shared-queue core; its list says its axon and delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueSynapse {
    /// Target neuron in the core.
    pub neuron: u32,
    /// Whether the list of this (axon, delay) ends here.
    pub last: bool,
    /// Weight.
    pub weight: i8,
}

/// The row of an input axon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AxonRow {
    /// Address of its first synapse.
    pub base: u32,
    /// Its number of synapses (ring buffer; 0 and not stored for the shared queue).
    pub count: u32,
    /// Left shift of its weights.
    pub shift: u8,
}

/// Parameters of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NeuronParameters {
    /// Leak, 0..=4096.
    pub decay: u16,
    /// Threshold, at least 1 (0 for an integrator).
    pub threshold: i32,
    /// Reset by subtraction rather than to zero.
    pub subtract: bool,
    /// Never spikes; read out.
    pub integrator: bool,
}

/// Where a neuron's route entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteRow {
    /// Address of the first.
    pub base: u32,
    /// How many.
    pub count: u32,
}

/// A target of a spike: an input axon of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// Column of the core.
    pub x: u16,
    /// Row of the core.
    pub y: u16,
    /// Input axon in that core.
    pub axon: u32,
}

/// An event in a shared queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueEvent {
    /// Input axon.
    pub axon: u32,
    /// Steps since its spike, at least 1, when next streamed.
    pub age: u32,
    /// How many synapses of the axon belong to delays already past.
    pub offset: u32,
}

impl Widths {
    /// Widths of a platform's core.
    #[must_use]
    pub fn new(platform: &Platform, structure: Structure) -> Self {
        let core = &platform.core;
        let neuron = bits_for(core.neurons.into());
        let delay = bits_for(u64::from(platform.longest_delay(structure)) + 1);
        let synapse_bits = match structure {
            Structure::RingBuffer => neuron + delay + WEIGHT_BITS,
            Structure::SharedQueue => neuron + 1 + WEIGHT_BITS,
        };
        let synapse_words = core.synapse_bits / u64::from(synapse_bits);
        Self {
            structure,
            neuron,
            axon: bits_for(core.input_axons.into()),
            x: bits_for(platform.mesh.width.into()),
            y: bits_for(platform.mesh.height.into()),
            delay,
            synapse_address: bits_for(synapse_words),
            list: match structure {
                Structure::RingBuffer => bits_for(synapse_words + 1),
                Structure::SharedQueue => bits_for(platform.shared_queue.axon_synapses.into()),
            },
            route_address: bits_for(u64::from(core.output_axons) + 1),
            threshold: u32::from(core.membrane_bits_max) - 1,
        }
    }

    /// Bits of a synapse word.
    #[must_use]
    pub fn synapse(&self) -> u32 {
        match self.structure {
            Structure::RingBuffer => self.neuron + self.delay + WEIGHT_BITS,
            Structure::SharedQueue => self.neuron + 1 + WEIGHT_BITS,
        }
    }

    /// Bits of an event in the queue: axon, age, offset.
    #[must_use]
    pub fn event(&self) -> u32 {
        self.axon + self.delay + self.list
    }

    /// Bits of a flit: parity of its step, column, row, axon.
    #[must_use]
    pub fn flit(&self) -> u32 {
        1 + self.x + self.y + self.axon
    }

    /// Bits of an axon row.
    #[must_use]
    pub fn axon_row(&self) -> u32 {
        let count = match self.structure {
            Structure::RingBuffer => self.list,
            Structure::SharedQueue => 0,
        };
        self.synapse_address + count + SHIFT_BITS
    }

    /// Every memory of a core with the words that the platform provides.
    #[must_use]
    pub fn memories(&self, platform: &Platform) -> Vec<MemorySpec> {
        use Memory as M;
        let (c, q) = (&platform.core, &platform.shared_queue);
        let (accumulator_bits, accumulator_ports) = platform.accumulator(self.structure);
        let ring = self.structure == Structure::RingBuffer;
        let spec = |memory, words: u64, bits, ports| MemorySpec { memory, words, bits, ports };
        let synapse_words = c.synapse_bits / u64::from(self.synapse());
        let mut out = vec![
            spec(M::Synapses, synapse_words, self.synapse(), Ports::OneRw),
            spec(M::Axons, c.input_axons.into(), self.axon_row(), Ports::OneRw),
        ];
        if !ring {
            out.push(spec(M::UsefulWeights, c.input_axons.into(), q.longest_delay, Ports::OneRw));
        }
        let accumulators = if ring { platform.ring_buffer.accumulators } else { c.neurons };
        out.extend([
            spec(M::Parameters, c.neurons.into(), DECAY_BITS + self.threshold + 2, Ports::OneRw),
            spec(M::RouteIndex, c.neurons.into(), 2 * self.route_address, Ports::OneRw),
            spec(M::Routes, c.output_axons.into(), self.x + self.y + self.axon, Ports::OneRw),
            spec(M::Membranes, c.neurons.into(), c.membrane_bits_max.into(), c.membrane_ports),
            spec(M::Accumulators, accumulators.into(), accumulator_bits.into(), accumulator_ports),
            spec(M::Scores, c.readouts.into(), c.score_bits.into(), c.membrane_ports),
        ]);
        if !ring {
            out.push(spec(M::QueueA, q.depth.into(), self.event(), Ports::OneRw));
            out.push(spec(M::QueueB, q.depth.into(), self.event(), Ports::OneRw));
        }
        out.push(spec(M::SpikeFifo, c.neurons.into(), self.neuron, Ports::OneReadOneWrite));
        out.push(spec(M::InputFifo, platform.mesh.core_buffer.into(), 1 + self.axon, Ports::OneReadOneWrite));
        out
    }

    /// Packs a synapse of a ring-buffer core.
    #[must_use]
    pub fn pack_ring_synapse(&self, s: RingSynapse) -> u64 {
        pack(&[
            (s.neuron.into(), self.neuron),
            (s.delay.into(), self.delay),
            (u64::from(s.weight.cast_unsigned()), WEIGHT_BITS),
        ])
    }

    /// Unpacks a synapse of a ring-buffer core.
    #[must_use]
    pub fn ring_synapse(&self, word: u64) -> RingSynapse {
        let mut f = Fields(word);
        RingSynapse {
            neuron: f.take(self.neuron) as u32,
            delay: f.take(self.delay) as u32,
            weight: (f.take(WEIGHT_BITS) as u8).cast_signed(),
        }
    }

    /// Packs a synapse of a shared-queue core.
    #[must_use]
    pub fn pack_queue_synapse(&self, s: QueueSynapse) -> u64 {
        pack(&[
            (s.neuron.into(), self.neuron),
            (s.last.into(), 1),
            (u64::from(s.weight.cast_unsigned()), WEIGHT_BITS),
        ])
    }

    /// Unpacks a synapse of a shared-queue core.
    #[must_use]
    pub fn queue_synapse(&self, word: u64) -> QueueSynapse {
        let mut f = Fields(word);
        QueueSynapse {
            neuron: f.take(self.neuron) as u32,
            last: f.take(1) == 1,
            weight: (f.take(WEIGHT_BITS) as u8).cast_signed(),
        }
    }

    /// Packs an axon row.
    #[must_use]
    pub fn pack_axon_row(&self, r: AxonRow) -> u64 {
        let base = (u64::from(r.base), self.synapse_address);
        let shift = (u64::from(r.shift), SHIFT_BITS);
        match self.structure {
            Structure::RingBuffer => pack(&[base, (r.count.into(), self.list), shift]),
            Structure::SharedQueue => pack(&[base, shift]),
        }
    }

    /// Unpacks an axon row.
    #[must_use]
    pub fn axon_row_of(&self, word: u64) -> AxonRow {
        let mut f = Fields(word);
        let base = f.take(self.synapse_address) as u32;
        let count = match self.structure {
            Structure::RingBuffer => f.take(self.list) as u32,
            Structure::SharedQueue => 0,
        };
        AxonRow { base, count, shift: f.take(SHIFT_BITS) as u8 }
    }

    /// Packs a neuron's parameters.
    #[must_use]
    pub fn pack_parameters(&self, p: NeuronParameters) -> u64 {
        pack(&[
            (p.decay.into(), DECAY_BITS),
            (u64::from(p.threshold.cast_unsigned()), self.threshold),
            (p.subtract.into(), 1),
            (p.integrator.into(), 1),
        ])
    }

    /// Unpacks a neuron's parameters.
    #[must_use]
    pub fn parameters(&self, word: u64) -> NeuronParameters {
        let mut f = Fields(word);
        NeuronParameters {
            decay: f.take(DECAY_BITS) as u16,
            threshold: f.take(self.threshold) as i32,
            subtract: f.take(1) == 1,
            integrator: f.take(1) == 1,
        }
    }

    /// Packs a route row.
    #[must_use]
    pub fn pack_route_row(&self, r: RouteRow) -> u64 {
        pack(&[(r.base.into(), self.route_address), (r.count.into(), self.route_address)])
    }

    /// Unpacks a route row.
    #[must_use]
    pub fn route_row(&self, word: u64) -> RouteRow {
        let mut f = Fields(word);
        RouteRow { base: f.take(self.route_address) as u32, count: f.take(self.route_address) as u32 }
    }

    /// Packs a route entry.
    #[must_use]
    pub fn pack_target(&self, t: Target) -> u64 {
        pack(&[(t.x.into(), self.x), (t.y.into(), self.y), (t.axon.into(), self.axon)])
    }

    /// Unpacks a route entry.
    #[must_use]
    pub fn target(&self, word: u64) -> Target {
        let mut f = Fields(word);
        Target { x: f.take(self.x) as u16, y: f.take(self.y) as u16, axon: f.take(self.axon) as u32 }
    }

    /// Packs a queue event, for waves and RTL.
    #[must_use]
    pub fn pack_event(&self, e: QueueEvent) -> u64 {
        pack(&[(e.axon.into(), self.axon), (e.age.into(), self.delay), (e.offset.into(), self.list)])
    }
}
