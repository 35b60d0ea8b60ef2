//! What the blocks of a core are made for, taken from a platform once.

use crate::layout::{Memory, Widths};
use crate::platform::{Platform, Ports, Structure};
use rtl::{U, bits_for};

/// The shape of a core: words and widths of everything in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Field widths of all words.
    pub widths: Widths,
    /// Neurons.
    pub neurons: u64,
    /// Input axons.
    pub axons: u64,
    /// Synapse words.
    pub synapses: u64,
    /// Route entries.
    pub routes: u64,
    /// Integrators that are read out.
    pub readouts: u64,
    /// Width of a membrane.
    pub membrane_bits: u32,
    /// Ports of membranes and scores.
    pub membrane_ports: Ports,
    /// Width of a score.
    pub score_bits: u32,
    /// Accumulators.
    pub accumulators: u64,
    /// Width of an accumulator.
    pub accumulator_bits: u32,
    /// Ports of the accumulators.
    pub accumulator_ports: Ports,
    /// Most ring slots of a neuron; 1 for the shared queue.
    pub slots: u64,
    /// Longest delay in steps.
    pub longest_delay: u32,
    /// Depth of each event queue of a shared queue.
    pub queue_depth: u64,
    /// Depth of the input port.
    pub input_depth: u64,
    /// Credits of the sender: depth of the router's local input.
    pub output_depth: u64,
}

impl Shape {
    /// The shape of a platform's cores with a structure.
    #[must_use]
    pub fn new(platform: &Platform, structure: Structure) -> Self {
        let widths = Widths::new(platform, structure);
        let specs = widths.memories(platform);
        let words = |memory| specs.iter().find(|s| s.memory == memory).map_or(0, |s| s.words);
        let (accumulator_bits, accumulator_ports) = platform.accumulator(structure);
        Self {
            widths,
            neurons: platform.core.neurons.into(),
            axons: words(Memory::Axons),
            synapses: words(Memory::Synapses),
            routes: words(Memory::Routes),
            readouts: words(Memory::Scores),
            membrane_bits: platform.core.membrane_bits_max.into(),
            membrane_ports: platform.core.membrane_ports,
            score_bits: platform.core.score_bits.into(),
            accumulators: words(Memory::Accumulators),
            accumulator_bits: accumulator_bits.into(),
            accumulator_ports,
            slots: match structure {
                Structure::RingBuffer => platform.ring_buffer.slots.into(),
                Structure::SharedQueue => 1,
            },
            longest_delay: platform.longest_delay(structure),
            queue_depth: words(Memory::QueueA),
            input_depth: platform.mesh.core_buffer.into(),
            output_depth: platform.mesh.router_buffer.into(),
        }
    }

    /// The delay structure.
    #[must_use]
    pub fn structure(&self) -> Structure {
        self.widths.structure
    }

    /// Cycles from one synapse to the next: w of `TIMING.md`.
    #[must_use]
    pub fn synapse_interval(&self) -> u64 {
        if self.accumulator_ports == Ports::OneRw { 2 } else { 1 }
    }

    /// Cycles from one neuron to the next: u of `TIMING.md`.
    #[must_use]
    pub fn neuron_interval(&self) -> u64 {
        if self.accumulator_ports == Ports::OneRw || self.membrane_ports == Ports::OneRw { 2 } else { 1 }
    }

    /// Bits of an accumulator's address.
    #[must_use]
    pub fn accumulator_address(&self) -> u32 {
        bits_for(self.accumulators)
    }

    /// Bits of the input `neurons`: how many are in use.
    #[must_use]
    pub fn neuron_count(&self) -> u32 {
        bits_for(self.neurons + 1)
    }

    /// Bits of the input `slots_log2`.
    #[must_use]
    pub fn slots_log2(&self) -> u32 {
        bits_for(u64::from(self.slots.ilog2()) + 1)
    }

    /// Bits of the input `accumulators`: how many are in use.
    #[must_use]
    pub fn accumulator_count(&self) -> u32 {
        bits_for(self.accumulators + 1)
    }

    /// Bits of the input `readouts`: how many integrators are in use.
    #[must_use]
    pub fn readout_count(&self) -> u32 {
        bits_for(self.readouts + 1)
    }

    /// Bits of the address of a score.
    #[must_use]
    pub fn readout_address(&self) -> u32 {
        bits_for(self.readouts)
    }

    /// Bits of a level or pointer of an event queue.
    #[must_use]
    pub fn queue_level(&self) -> u32 {
        // Two bits at least, since up to two events are on their way.
        bits_for(self.queue_depth + 1).max(2)
    }

    /// Bits of the packed flit.
    #[must_use]
    pub fn flit(&self) -> u32 {
        self.widths.flit()
    }

    /// Bits of the packed flit at its target.
    #[must_use]
    pub fn core_flit(&self) -> u32 {
        1 + self.widths.axon
    }
}

/// Path of a memory in a core, where the core has it.
#[must_use]
pub fn memory_path(structure: Structure, memory: Memory) -> Option<&'static str> {
    let ring = structure == Structure::RingBuffer;
    Some(match memory {
        Memory::Synapses => "synapse.synapses",
        Memory::Axons => "axons.axons",
        Memory::UsefulWeights if !ring => "queue.useful_weights",
        Memory::QueueA if !ring => "queue.queue_a",
        Memory::QueueB if !ring => "queue.queue_b",
        Memory::Parameters => "soma.parameters",
        Memory::Membranes => "soma.membranes",
        Memory::Scores => "soma.scores",
        Memory::RouteIndex => "sender.route_index",
        Memory::Routes => "sender.routes",
        Memory::Accumulators if ring => "ring.accumulator.accumulators",
        Memory::Accumulators => "accumulator.accumulators",
        Memory::SpikeFifo => "spikes.words",
        // The input port is made of flip-flops.
        Memory::InputFifo | Memory::UsefulWeights | Memory::QueueA | Memory::QueueB => return None,
    })
}

/// Words of a memory primitive, which has at least two.
pub(super) fn at_least_two(words: u64) -> u64 {
    words.max(2)
}

/// A value with exactly so many bits: widened with zeros or cut.
#[track_caller]
pub(super) fn fit(value: U<'_>, bits: u32) -> U<'_> {
    if bits >= value.width() { value.zext(bits) } else { value.trunc(bits) }
}

/// 1 where `a < b`, whatever their widths.
#[track_caller]
pub(super) fn below<'m>(a: U<'m>, b: U<'m>) -> U<'m> {
    let bits = a.width().max(b.width());
    a.zext(bits).lt(b.zext(bits))
}
