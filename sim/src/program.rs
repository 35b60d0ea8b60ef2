//! An image made ready to run: tables decoded once, shared by all threads.

use crate::mesh::Flit;
use hw::image::{Build, CoreImage, Image, NetworkInfo, PopulationKind};
use hw::layout::{Memory, Target, Widths};
use hw::platform::{Platform, Ports, Structure};
use std::collections::BTreeSet;

/// A synapse, decoded: the place of its sum relative to the present slot (`delay * row + neuron`, see
/// [`CoreProgram::row`]) in the lower half, the weight as its axon shifts it in the upper half.
pub(crate) trait Synapse: Copy {
    /// Place of its sum.
    fn place(self) -> u32;
    /// Shifted weight.
    fn weight(self) -> i32;
}

impl Synapse for u32 {
    #[inline]
    fn place(self) -> u32 {
        self & 0xffff
    }

    #[inline]
    fn weight(self) -> i32 {
        self.cast_signed() >> 16
    }
}

impl Synapse for u64 {
    #[inline]
    fn place(self) -> u32 {
        self as u32
    }

    #[inline]
    fn weight(self) -> i32 {
        (self >> 32) as i32
    }
}

/// The synapses of a core, in 32 bits where all fit: they are most of what a run reads.
#[derive(Debug)]
pub(crate) enum Synapses {
    /// Places below 2^16, weights of 16 bits.
    Short(Vec<u32>),
    /// Others.
    Long(Vec<u64>),
}

impl Synapses {
    fn new(all: Vec<(u32, i32)>) -> Self {
        let short = |&(place, weight): &(u32, i32)| {
            let (place, weight) = (u16::try_from(place).ok()?, i16::try_from(weight).ok()?);
            Some(u32::from(place) | u32::from(weight.cast_unsigned()) << 16)
        };
        let long = |(place, weight): (u32, i32)| u64::from(place) | u64::from(weight.cast_unsigned()) << 32;
        let found: Option<_> = all.iter().map(short).collect();
        found.map_or_else(|| Self::Long(all.into_iter().map(long).collect()), Self::Short)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Short(s) => s.len(),
            Self::Long(s) => s.len(),
        }
    }

    /// Place and weight of each.
    pub fn iter(&self) -> impl Iterator<Item = (u32, i32)> {
        (0..self.len() as u32).map(|s| self.get(s))
    }

    /// Place and weight of a synapse.
    pub fn get(&self, synapse: u32) -> (u32, i32) {
        match self {
            Self::Short(s) => (s[synapse as usize].place(), s[synapse as usize].weight()),
            Self::Long(s) => (s[synapse as usize].place(), s[synapse as usize].weight()),
        }
    }
}

/// An input axon, decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axon {
    /// First synapse.
    pub base: u32,
    /// Number of synapses.
    pub count: u32,
    /// First visit (shared queue).
    pub visits: u32,
    /// Bit k - 1: a list for delay k exists (shared queue).
    pub useful: u64,
}

impl Axon {
    /// Number of visits of an event: its longest useful delay.
    pub fn span(&self) -> u32 {
        64 - self.useful.leading_zeros()
    }

    /// Synaptic operations of the first visits.
    pub fn performed(&self, code: &CoreProgram, visits: u32, interval: u64) -> u64 {
        let list = (self.visits..self.visits + visits).map(|v| code.visits.cycles(v));
        let skipped = (!self.useful & ((1 << visits) - 1)).count_ones();
        (list.sum::<u64>() - u64::from(skipped)) / interval
    }
}

/// Cycles of visits, in bytes where they fit: the queue reads them in no order, and what is small stays near.
#[derive(Debug)]
pub(crate) enum Visits {
    /// None takes more than 255 cycles.
    Short(Vec<u8>),
    /// Some do.
    Long(Vec<u32>),
}

impl Visits {
    fn new(cycles: Vec<u32>) -> Self {
        let short: Result<_, _> = cycles.iter().map(|&c| u8::try_from(c)).collect();
        short.map_or(Self::Long(cycles), Self::Short)
    }

    /// Cycles of one visit.
    pub fn cycles(&self, visit: u32) -> u64 {
        match self {
            Self::Short(v) => v[visit as usize].into(),
            Self::Long(v) => v[visit as usize].into(),
        }
    }
}

/// A neuron's parameters, decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neuron {
    /// `4096 - decay`.
    pub keep: i32,
    /// Threshold; more than any membrane for an integrator.
    pub threshold: i64,
    /// Reset by subtraction.
    pub subtract: bool,
}

/// One core, decoded.
#[derive(Debug)]
pub(crate) struct CoreProgram {
    /// Index of its router.
    pub router: usize,
    pub axons: Vec<Axon>,
    /// Where they begin in [`Program::counts`].
    pub first_axon: u32,
    pub synapses: Synapses,
    /// Cycles of each visit to an axon, from age 1 to its longest useful delay (shared queue).
    pub visits: Visits,
    /// Neurons in a row of sums, and rows, both powers of two, so that places wrap by a mask.
    pub row: usize,
    pub slots: u32,
    /// Whether sums need more than 32 bits.
    pub wide: bool,
    pub neurons: Vec<Neuron>,
    /// Route entries of neuron n: `routes[route_start[n]..route_start[n + 1]]`.
    pub route_start: Vec<u32>,
    pub routes: Vec<Flit>,
    /// Integrators are the neurons of this range.
    pub readouts: std::ops::Range<usize>,
    /// (population, index in it) of each neuron.
    pub identity: Vec<(u32, u32)>,
}

/// An image and structure, ready to run.
#[derive(Debug)]
pub struct Program {
    /// About the network.
    pub network: NetworkInfo,
    /// The platform.
    pub platform: Platform,
    /// The delay structure.
    pub structure: Structure,
    /// Ring slots in use, or the longest delay.
    pub depth: u32,
    /// Cycles from one synapse to the next, from one neuron to the next.
    pub(crate) synapse_interval: u64,
    pub(crate) neuron_interval: u64,
    pub(crate) cores: Vec<CoreProgram>,
    /// Synapses of each axon of all cores, which is all that a port needs.
    pub(crate) counts: Vec<u32>,
    pub(crate) inputs: Vec<Vec<Flit>>,
    /// Population that is read out, and whether by its integrators.
    pub(crate) readout: (u32, bool),
}

impl Program {
    /// Decodes the build of a structure; `None` where the image has none.
    #[must_use]
    pub fn new(image: &Image, structure: Structure) -> Option<Self> {
        let build = image.builds.iter().find(|b| b.structure == structure)?;
        let platform = &image.platform;
        let slow = |ports| if ports == Ports::OneRw { 2 } else { 1 };
        let synapse_interval = slow(platform.accumulator(structure).1);
        let populations = &image.network.populations;
        let integrator = populations.iter().position(|p| p.kind == PopulationKind::Integrator);
        let mut cores: Vec<_> =
            build.cores.iter().map(|c| CoreProgram::new(image, build, c, synapse_interval)).collect();
        let mut counts = Vec::new();
        for core in &mut cores {
            core.first_axon = counts.len() as u32;
            counts.extend(core.axons.iter().map(|a| a.count));
        }
        Some(Self {
            network: image.network.clone(),
            platform: platform.clone(),
            structure,
            depth: build.depth,
            synapse_interval,
            neuron_interval: synapse_interval.max(slow(platform.core.membrane_ports)),
            cores,
            counts,
            inputs: build.inputs.iter().map(|t| t.iter().map(|t| flit(*t)).collect()).collect(),
            readout: integrator.map_or((populations.len() as u32 - 1, false), |i| (i as u32, true)),
        })
    }

    /// Place of a core: column and row.
    #[must_use]
    pub fn place(&self, core: usize) -> (u16, u16) {
        let width = usize::from(self.platform.mesh.width);
        let router = self.cores[core].router;
        ((router % width) as u16, (router / width) as u16)
    }

    /// Field widths of the cores.
    #[must_use]
    pub fn widths(&self) -> Widths {
        Widths::new(&self.platform, self.structure)
    }

    /// All (source, column, row) that flits may travel: senders of cores by router, then injectors.
    pub(crate) fn flows(&self) -> BTreeSet<(usize, u8, u8)> {
        let routers = self.platform.cores() as usize;
        let ports = self.platform.mesh.injectors.len();
        let flows = |source: usize, flits: &[Flit]| -> BTreeSet<_> {
            flits.iter().map(|f| (source, f.x(), f.y())).collect()
        };
        let mut all: BTreeSet<_> = self.cores.iter().flat_map(|c| flows(c.router, &c.routes)).collect();
        for (channel, flits) in self.inputs.iter().enumerate() {
            all.extend(flows(routers + channel % ports, flits));
        }
        all
    }

    /// Number of readout units.
    #[must_use]
    pub fn scores(&self) -> usize {
        self.network.populations[self.readout.0 as usize].size as usize
    }

    /// Number of cores in use.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// Neurons of a core.
    #[must_use]
    pub fn neurons(&self, core: usize) -> usize {
        self.cores[core].neurons.len()
    }
}

impl CoreProgram {
    fn new(image: &Image, build: &Build, core: &CoreImage, interval: u64) -> Self {
        let widths = build.widths(&image.platform);
        let neurons = core.words(Memory::Parameters).len();
        let row = neurons.next_power_of_two();
        let Lists { axons, synapses, visits, slots, wide } = match build.structure {
            Structure::RingBuffer => Lists::ring(core, &widths, row, build.depth),
            Structure::SharedQueue => Lists::queue(core, &widths, row, interval as u32),
        };
        let parameters: Vec<_> =
            core.words(Memory::Parameters).iter().map(|&w| widths.parameters(w)).collect();
        let first = parameters.iter().position(|p| p.integrator).unwrap_or(parameters.len());
        let readouts = first..first + parameters.iter().filter(|p| p.integrator).count();
        let index: Vec<_> = core.words(Memory::RouteIndex).iter().map(|&w| widths.route_row(w)).collect();
        let entries = core.words(Memory::Routes);
        let (mut route_start, mut routes) = (vec![0], Vec::with_capacity(entries.len()));
        for row in &index {
            let entries = &entries[row.base as usize..][..row.count as usize];
            routes.extend(entries.iter().map(|&w| flit(widths.target(w))));
            route_start.push(routes.len() as u32);
        }
        Self {
            router: usize::from(core.y) * usize::from(image.platform.mesh.width) + usize::from(core.x),
            axons,
            first_axon: 0,
            synapses: Synapses::new(synapses),
            visits: Visits::new(visits),
            row,
            slots,
            wide,
            neurons: parameters
                .iter()
                .map(|p| Neuron {
                    keep: 4096 - i32::from(p.decay),
                    threshold: if p.integrator { i64::MAX } else { p.threshold.into() },
                    subtract: p.subtract,
                })
                .collect(),
            route_start,
            routes,
            readouts,
            identity: core
                .segments
                .iter()
                .flat_map(|s| (s.first..s.first + s.count).map(|n| (s.population, n)))
                .collect(),
        }
    }
}

/// A flit to a target, of an even step.
fn flit(t: Target) -> Flit {
    Flit::new(t.axon, t.x as u8, t.y as u8)
}

/// The synapses of a core, by axon.
struct Lists {
    axons: Vec<Axon>,
    /// Place and shifted weight.
    synapses: Vec<(u32, i32)>,
    visits: Vec<u32>,
    slots: u32,
    wide: bool,
}

impl Lists {
    fn ring(core: &CoreImage, widths: &Widths, row: usize, slots: u32) -> Self {
        let mut axons = Vec::new();
        let mut bound = vec![0u64; row];
        let words = core.words(Memory::Synapses);
        let mut synapses = Vec::with_capacity(words.len());
        for axon in core.words(Memory::Axons).iter().map(|&w| widths.axon_row_of(w)) {
            for &word in &words[axon.base as usize..][..axon.count as usize] {
                let s = widths.ring_synapse(word);
                bound[s.neuron as usize] += u64::from(s.weight.unsigned_abs()) << axon.shift;
                synapses.push((s.delay * row as u32 + s.neuron, i32::from(s.weight) << axon.shift));
            }
            axons.push(Axon { base: axon.base, count: axon.count, visits: 0, useful: 0 });
        }
        Self { axons, synapses, visits: Vec::new(), slots, wide: is_wide(&bound) }
    }

    fn queue(core: &CoreImage, widths: &Widths, row: usize, interval: u32) -> Self {
        let mut axons = Vec::new();
        let mut visits = Vec::new();
        let mut bound = vec![0u64; row];
        let words = core.words(Memory::Synapses);
        let mut synapses = Vec::with_capacity(words.len());
        let mut longest = 1;
        for (&axon, &useful) in core.words(Memory::Axons).iter().zip(core.words(Memory::UsefulWeights)) {
            let axon = widths.axon_row_of(axon);
            let first = visits.len() as u32;
            let span = 64 - useful.leading_zeros();
            longest = longest.max(span);
            for delay in 1..=span {
                let before = synapses.len();
                if useful >> (delay - 1) & 1 == 1 {
                    loop {
                        let s = widths.queue_synapse(words[synapses.len()]);
                        bound[s.neuron as usize] += u64::from(s.weight.unsigned_abs()) << axon.shift;
                        synapses.push((delay * row as u32 + s.neuron, i32::from(s.weight) << axon.shift));
                        if s.last {
                            break;
                        }
                    }
                }
                let n = (synapses.len() - before) as u32;
                visits.push((n * interval).max(1));
            }
            let count = synapses.len() as u32 - axon.base;
            axons.push(Axon { base: axon.base, count, visits: first, useful });
        }
        let slots = (longest + 1).next_power_of_two();
        Self { axons, synapses, visits, slots, wide: is_wide(&bound) }
    }
}

/// Whether a sum can leave 32 bits; a synapse adds to a sum at most once.
fn is_wide(bound: &[u64]) -> bool {
    bound.iter().any(|&b| b > i32::MAX as u64)
}
