//! Layer 0: every memory of every core, to the bit. Nothing here is estimated.
//!
//! Three sizes of each memory: what the platform *provides*, the words that the network *uses* at the
//! platform's width, and the same words *fitted*, in fields just wide enough for this network.

use crate::Program;
use hw::image::Image;
use hw::layout::{Memory, MemorySpec, Widths, bits_for};
use hw::platform::{Platform, Ports, Structure};
use serde::Serialize;

/// One memory of one core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Column of the core.
    pub x: u16,
    /// Row of the core.
    pub y: u16,
    /// Which memory; `router_buffers` are the five input buffers of the core's router.
    pub memory: &'static str,
    /// Ports.
    pub ports: Ports,
    /// Whether it is there because of delays.
    pub delay: bool,
    /// Words that the platform provides.
    pub provided_words: u64,
    /// Bits of a word on the platform.
    pub word_bits: u32,
    /// Words that the network uses; of a queue the peak of the run, and none where it did not run.
    pub used_words: Option<u64>,
    /// Bits of a word that this network needs.
    pub fitted_word_bits: u32,
    /// `provided_words x word_bits`.
    pub provided_bits: u64,
    /// `used_words x word_bits`.
    pub used_bits: Option<u64>,
    /// `used_words x fitted_word_bits`.
    pub fitted_bits: Option<u64>,
}

/// Sums over the cores; none where a part is not known without a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Bits that the platform provides in the cores in use.
    pub provided_bits: u64,
    /// Bits that the network uses.
    pub used_bits: Option<u64>,
    /// Bits that it would need in a fitted core.
    pub fitted_bits: Option<u64>,
}

/// Sums of one memory over the cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemorySums {
    /// Which memory.
    pub memory: &'static str,
    /// Its bits.
    #[serde(flatten)]
    pub sums: Sums,
}

/// Layer 0 of one structure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bits {
    /// Cores in use.
    pub cores: usize,
    /// Longest delay of any synapse, in steps.
    pub longest_delay: u32,
    /// Ring slots of a neuron; 1 for a shared queue.
    pub slots: u32,
    /// Every memory of every core.
    pub lines: Vec<Line>,
    /// By memory.
    pub memories: Vec<MemorySums>,
    /// What is there because of delays: accumulators; of a shared queue also useful-weight rows and queues.
    pub delay: Sums,
    /// Bits of the delay fields in used synapse words (ring buffer), in addition.
    pub synapse_delay_bits: u64,
    /// Everything.
    pub all: Sums,
    /// The memories of one core of the platform.
    #[serde(skip)]
    pub provided: Vec<MemorySpec>,
    /// Those of the core that this network needs: the largest of each kind of word, and every field as narrow as may be.
    #[serde(skip)]
    pub fitted: Vec<MemorySpec>,
}

/// Whether a memory is part of the delay structure.
#[must_use]
pub fn is_delay(memory: Memory) -> bool {
    matches!(memory, Memory::Accumulators | Memory::UsefulWeights | Memory::QueueA | Memory::QueueB)
}

/// Bits of a signed number of absolute value up to `most`.
fn signed_bits(most: u64) -> u32 {
    65 - most.leading_zeros()
}

/// Longest delay of any synapse, in steps; at least 1.
fn longest_delay(program: &Program) -> u32 {
    let cores = &program.cores;
    let longest = match program.structure {
        Structure::RingBuffer => {
            cores.iter().flat_map(|c| c.synapses.iter().map(|(place, _)| place / c.row as u32)).max()
        }
        Structure::SharedQueue => cores.iter().flat_map(|c| &c.axons).map(|a| a.span()).max(),
    };
    longest.unwrap_or(1).max(1)
}

/// The smallest platform on which this build of the network runs: every limit as it is used.
/// `queue_peak` is the most events that waited in any queue.
#[must_use]
pub fn fitted_platform(program: &Program, queue_peak: Option<u64>) -> Platform {
    let mut p = program.platform.clone();
    let most = |f: &dyn Fn(usize) -> u64| (0..program.cores()).map(f).max().unwrap_or(1).max(1);
    let cores = &program.cores;
    let neurons = most(&|i| cores[i].neurons.len() as u64);
    let accumulator = most(&|i| {
        let mut sums = vec![0u64; cores[i].neurons.len()];
        for axon in &cores[i].axons {
            for (place, weight) in (axon.base..axon.base + axon.count).map(|s| cores[i].synapses.get(s)) {
                sums[place as usize % cores[i].row] += u64::from(weight.unsigned_abs());
            }
        }
        sums.into_iter().max().unwrap_or(0)
    });
    p.mesh.width = (0..program.cores()).map(|i| program.place(i).0 + 1).max().unwrap_or(1);
    p.mesh.height = (0..program.cores()).map(|i| program.place(i).1 + 1).max().unwrap_or(1);
    p.core.neurons = neurons as u32;
    p.core.input_axons = most(&|i| cores[i].axons.len() as u64) as u32;
    p.core.output_axons = most(&|i| cores[i].routes.len() as u64) as u32;
    p.core.readouts = most(&|i| cores[i].readouts.len() as u64) as u32;
    p.core.membrane_bits_max = program.network.membrane_bits;
    // A sum of `steps` membranes.
    p.core.score_bits =
        program.network.membrane_bits + bits_for(u64::from(program.network.steps).max(2)) as u8;
    p.ring_buffer.slots = program.depth.max(2);
    p.ring_buffer.accumulators = (neurons * u64::from(program.depth)) as u32;
    p.ring_buffer.accumulator_bits = signed_bits(accumulator) as u8;
    p.shared_queue.longest_delay = longest_delay(program);
    p.shared_queue.depth = queue_peak.unwrap_or(u64::from(p.shared_queue.depth)).max(1) as u32;
    p.shared_queue.axon_synapses =
        most(&|i| cores[i].axons.iter().map(|a| u64::from(a.count)).max().unwrap_or(1)) as u32;
    p.shared_queue.accumulator_bits = signed_bits(accumulator) as u8;
    // The width of a synapse does not depend on how many there are.
    let word = Widths::new(&p, program.structure).synapse();
    p.core.synapse_bits = most(&|i| cores[i].synapses.len() as u64) * u64::from(word);
    p
}

/// Name of the routers' buffers in tables.
pub const ROUTER_BUFFERS: &str = "router_buffers";

/// Memories of a core on a platform, its router's five buffers last.
fn specs(platform: &Platform, structure: Structure) -> (Vec<MemorySpec>, u64, u32) {
    let widths = Widths::new(platform, structure);
    (widths.memories(platform), 5 * u64::from(platform.mesh.router_buffer), widths.flit())
}

impl Bits {
    /// Counts a program. `peaks` are the high-water marks of each core's queue, where it ran.
    #[must_use]
    pub fn new(image: &Image, program: &Program, peaks: Option<&[u64]>) -> Self {
        let structure = program.structure;
        let platform = &program.platform;
        let largest = peaks.and_then(|p| p.iter().copied().max());
        let fitted_platform = fitted_platform(program, largest);
        let (own, buffer_words, flit) = specs(platform, structure);
        let (fitted, _, fitted_flit) = specs(&fitted_platform, structure);
        let build = image.builds.iter().find(|b| b.structure == structure);
        let mut lines = Vec::new();
        for (i, core) in build.iter().flat_map(|b| b.cores.iter().enumerate().map(move |c| (c.0, (*b, c.1))))
        {
            let (build, core) = core;
            let uses = core.memory_use(platform, build);
            for ((spec, fit), usage) in own.iter().zip(&fitted).zip(uses) {
                let used = match spec.memory {
                    Memory::QueueA | Memory::QueueB => peaks.map(|p| p.get(i).copied().unwrap_or(0)),
                    // Room for a spike of every neuron, whatever a run shows.
                    Memory::SpikeFifo => Some(u64::from(core.neurons())),
                    Memory::InputFifo => Some(spec.words),
                    _ => Some(usage.used),
                };
                let delay = is_delay(spec.memory);
                let place = (core.x, core.y);
                lines.push(Line::new(place, spec.memory.name(), spec, fit.bits, used, delay));
            }
            let spec = MemorySpec {
                memory: Memory::InputFifo,
                words: buffer_words,
                bits: flit,
                ports: Ports::OneReadOneWrite,
            };
            lines.push(Line::new(
                (core.x, core.y),
                ROUTER_BUFFERS,
                &spec,
                fitted_flit,
                Some(buffer_words),
                false,
            ));
        }
        let mut memories: Vec<MemorySums> = Vec::new();
        for line in &lines {
            match memories.iter_mut().find(|m| m.memory == line.memory) {
                Some(m) => m.sums.add(line),
                None => memories.push(MemorySums { memory: line.memory, sums: Sums::of(line) }),
            }
        }
        let total = |keep: &dyn Fn(&Line) -> bool| {
            let mut kept = lines.iter().filter(|l| keep(l));
            let first = kept.next().map(Sums::of).unwrap_or_default();
            kept.fold(first, |mut sums, line| {
                sums.add(line);
                sums
            })
        };
        let (delay, all) = (total(&|l| l.delay), total(&|_| true));
        let synapses: u64 = program.cores.iter().map(|c| c.synapses.len() as u64).sum();
        let synapse_delay_bits = match structure {
            Structure::RingBuffer => synapses * u64::from(program.widths().delay),
            Structure::SharedQueue => 0,
        };
        Self {
            cores: program.cores(),
            longest_delay: longest_delay(program),
            slots: if structure == Structure::RingBuffer { program.depth } else { 1 },
            lines,
            memories,
            delay,
            synapse_delay_bits,
            all,
            provided: own,
            fitted,
        }
    }
}

impl Line {
    fn new(
        (x, y): (u16, u16),
        memory: &'static str,
        spec: &MemorySpec,
        fitted: u32,
        used: Option<u64>,
        delay: bool,
    ) -> Self {
        Self {
            x,
            y,
            memory,
            ports: spec.ports,
            delay,
            provided_words: spec.words,
            word_bits: spec.bits,
            used_words: used,
            fitted_word_bits: fitted,
            provided_bits: spec.words * u64::from(spec.bits),
            used_bits: used.map(|u| u * u64::from(spec.bits)),
            fitted_bits: used.map(|u| u * u64::from(fitted)),
        }
    }
}

impl Sums {
    fn of(line: &Line) -> Self {
        Self { provided_bits: line.provided_bits, used_bits: line.used_bits, fitted_bits: line.fitted_bits }
    }

    fn add(&mut self, line: &Line) {
        self.provided_bits += line.provided_bits;
        self.used_bits = self.used_bits.zip(line.used_bits).map(|(a, b)| a + b);
        self.fitted_bits = self.fitted_bits.zip(line.fitted_bits).map(|(a, b)| a + b);
    }
}
