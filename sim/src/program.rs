//! An image made ready to run: tables decoded once, shared by all threads.

use hw::image::{Build, CoreImage, Image, NetworkInfo, PopulationKind};
use hw::layout::{Memory, Target, Widths};
use hw::platform::{Platform, Ports, Structure};

/// A synapse, decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Synapse {
    /// `weight << shift`.
    pub weight: i32,
    /// Neuron in the core.
    pub neuron: u16,
    /// Delay (ring buffer).
    pub delay: u8,
    /// Last of its (axon, delay) list (shared queue).
    pub last: bool,
}

/// An input axon, decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axon {
    /// First synapse.
    pub base: u32,
    /// Number of synapses.
    pub count: u32,
    /// Bit k - 1: a list for delay k exists (shared queue).
    pub useful: u64,
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
    pub synapses: Vec<Synapse>,
    pub neurons: Vec<Neuron>,
    /// Route entries of neuron n: `routes[route_start[n]..route_start[n + 1]]`.
    pub route_start: Vec<u32>,
    pub routes: Vec<Target>,
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
    pub(crate) inputs: Vec<Vec<Target>>,
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
        Some(Self {
            network: image.network.clone(),
            platform: platform.clone(),
            structure,
            depth: build.depth,
            synapse_interval,
            neuron_interval: synapse_interval.max(slow(platform.core.membrane_ports)),
            cores: build.cores.iter().map(|c| CoreProgram::new(image, build, c)).collect(),
            inputs: build.inputs.clone(),
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
    fn new(image: &Image, build: &Build, core: &CoreImage) -> Self {
        let widths = build.widths(&image.platform);
        let queue = build.structure == Structure::SharedQueue;
        let rows: Vec<_> = core.words(Memory::Axons).iter().map(|&w| widths.axon_row_of(w)).collect();
        let words = core.words(Memory::Synapses);
        let useful = core.words(Memory::UsefulWeights);
        let mut synapses = Vec::with_capacity(words.len());
        let mut axons = Vec::with_capacity(rows.len());
        for (a, row) in rows.iter().enumerate() {
            let next = rows.get(a + 1).map_or(words.len(), |r| r.base as usize);
            let count = if queue { next as u32 - row.base } else { row.count };
            axons.push(Axon { base: row.base, count, useful: useful.get(a).copied().unwrap_or(0) });
            synapses.extend(words[row.base as usize..][..count as usize].iter().map(|&word| {
                let (neuron, delay, last, weight) = if queue {
                    let s = widths.queue_synapse(word);
                    (s.neuron, 0, s.last, s.weight)
                } else {
                    let s = widths.ring_synapse(word);
                    (s.neuron, s.delay, false, s.weight)
                };
                Synapse {
                    weight: i32::from(weight) << row.shift,
                    neuron: neuron as u16,
                    delay: delay as u8,
                    last,
                }
            }));
        }
        let parameters: Vec<_> =
            core.words(Memory::Parameters).iter().map(|&w| widths.parameters(w)).collect();
        let first = parameters.iter().position(|p| p.integrator).unwrap_or(parameters.len());
        let readouts = first..first + parameters.iter().filter(|p| p.integrator).count();
        let index: Vec<_> = core.words(Memory::RouteIndex).iter().map(|&w| widths.route_row(w)).collect();
        let entries = core.words(Memory::Routes);
        let (mut route_start, mut routes) = (vec![0], Vec::with_capacity(entries.len()));
        for row in &index {
            routes
                .extend(entries[row.base as usize..][..row.count as usize].iter().map(|&w| widths.target(w)));
            route_start.push(routes.len() as u32);
        }
        Self {
            router: usize::from(core.y) * usize::from(image.platform.mesh.width) + usize::from(core.x),
            axons,
            synapses,
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
