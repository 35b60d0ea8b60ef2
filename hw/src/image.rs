//! The image: everything that a run needs, in one checked file. `IMAGE.md` states the bytes.

use crate::layout::{Memory, MemorySpec, Target, Widths};
use crate::platform::{Platform, Structure};
use serde::{Deserialize, Serialize};

/// Version of the file format.
pub const VERSION: u32 = 1;

/// A loaded image.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// About the network.
    pub network: NetworkInfo,
    /// The platform that it was compiled for.
    pub platform: Platform,
    /// The delay structure that a run uses unless told otherwise.
    pub primary: Structure,
    /// One build for each structure that the network fits; the primary is always there.
    pub builds: Vec<Build>,
    /// Structures that the network does not fit, with the reason.
    pub refused: Vec<Refusal>,
    /// Version of the compiler.
    pub tool: String,
    /// Stimulus, as the bytes of a spike file (`.npz`).
    pub stimulus: Option<Vec<u8>>,
}

/// What the readers of results need to know of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// Name.
    pub name: String,
    /// SHA-256 of the network file, hexadecimal.
    pub sha256: String,
    /// Length of a step in milliseconds.
    pub step_ms: f64,
    /// Steps of a sample.
    pub steps: u32,
    /// Width at which membranes saturate, in bits.
    pub membrane_bits: u8,
    /// Units of the recording that share an input channel.
    pub group: u32,
    /// Class names; may be empty.
    pub classes: Vec<String>,
    /// Populations, in the network's order.
    pub populations: Vec<PopulationInfo>,
    /// Synapses of weight 0, which no core holds.
    pub zero_weights: u64,
}

/// A population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PopulationInfo {
    /// Name.
    pub name: String,
    /// What its members do.
    pub kind: PopulationKind,
    /// Members.
    pub size: u32,
}

/// What the members of a population do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PopulationKind {
    /// Input channels.
    Input,
    /// Spiking neurons.
    Lif,
    /// Integrators, read out.
    Integrator,
}

/// Why there is no build for a structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The structure.
    pub structure: Structure,
    /// The reason, in words.
    pub reason: String,
}

/// The network on the cores of one delay structure.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// The structure.
    pub structure: Structure,
    /// Ring slots of a neuron in use, a power of two (ring buffer), or the longest delay (shared queue).
    pub depth: u32,
    /// The cores in use, in the order of their place: y, then x.
    pub cores: Vec<CoreImage>,
    /// For each input channel the axons that its spike goes to, in the order in which its flits are sent.
    pub inputs: Vec<Vec<Target>>,
}

/// One core.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreImage {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Which neurons it holds: core neuron `local..` are `population[first..]`; contiguous and in order.
    pub segments: Vec<Segment>,
    /// Contents of the memories that have any, one entry for each of [`CONTENTS`] that the structure has, in that order; words as packed by [`Widths`].
    pub contents: Vec<(Memory, Vec<u64>)>,
}

/// Memories with contents, in file order.
pub const CONTENTS: [Memory; 6] = [
    Memory::Synapses,
    Memory::Axons,
    Memory::UsefulWeights,
    Memory::Parameters,
    Memory::RouteIndex,
    Memory::Routes,
];

/// A run of neurons of one population in a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Index of the population in [`NetworkInfo::populations`].
    pub population: u32,
    /// First neuron of the population.
    pub first: u32,
    /// Number of neurons.
    pub count: u32,
}

/// One line of a memory table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Memory, words and width that the platform provides.
    pub spec: MemorySpec,
    /// Words that the network uses.
    pub used: u64,
}

impl CoreImage {
    /// Number of neurons.
    #[must_use]
    pub fn neurons(&self) -> u32 {
        self.segments.iter().map(|s| s.count).sum()
    }

    /// Contents of a memory; empty where it has none.
    #[must_use]
    pub fn words(&self, memory: Memory) -> &[u64] {
        self.contents.iter().find(|c| c.0 == memory).map_or(&[], |c| &c.1)
    }
}

impl Build {
    /// Field widths of its cores.
    #[must_use]
    pub fn widths(&self, platform: &Platform) -> Widths {
        Widths::new(platform, self.structure)
    }
}

impl CoreImage {
    /// Every memory of the core, with the words that the network uses (queues and FIFOs: known only from a run, so 0).
    #[must_use]
    pub fn memory_use(&self, platform: &Platform, build: &Build) -> Vec<MemoryUse> {
        let widths = build.widths(platform);
        let neurons = u64::from(self.neurons());
        let readouts =
            self.words(Memory::Parameters).iter().filter(|&&w| widths.parameters(w).integrator).count()
                as u64;
        widths
            .memories(platform)
            .into_iter()
            .map(|spec| {
                let used = match spec.memory {
                    Memory::Membranes => neurons,
                    Memory::Accumulators if build.structure == Structure::RingBuffer => {
                        neurons * u64::from(build.depth)
                    }
                    Memory::Accumulators => neurons,
                    Memory::Scores => readouts,
                    Memory::QueueA | Memory::QueueB | Memory::SpikeFifo | Memory::InputFifo => 0,
                    memory => self.words(memory).len() as u64,
                };
                MemoryUse { spec, used }
            })
            .collect()
    }
}
