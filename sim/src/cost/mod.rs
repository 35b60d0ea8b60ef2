//! What the delays cost: bits, events, gates, area and energy, in layers of falling certainty.
//!
//! `sim/COST.md` has formulas, sources and errors. Every estimate carries its bounds.

pub mod area;
pub mod bits;
pub mod energy;
pub mod gates;
pub mod interval;
pub mod ledger;
pub mod page;
pub mod record;
pub mod svg;
pub mod yosys;

use crate::Program;
use crate::statistics::{Stalls, Statistics, SynapticOperations};
use crate::stats::CoreStats;
use area::{Build, LOGIC_ERROR, Node};
use bits::Bits;
use energy::{Bill, PriceTable};
use gates::Gates;
use hw::image::Image;
use hw::layout::Memory;
use hw::platform::Structure;
use interval::Interval;
use ledger::Ledger;
use serde::Serialize;

/// Name of the format, in its first field.
pub const FORMAT: &str = "delayline-cost";
/// Version of the fields.
pub const VERSION: u32 = 1;
/// What every estimate is.
pub const NOTICE: &str = "estimate, not layout";

/// A whole `cost.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// [`FORMAT`].
    pub format: &'static str,
    /// [`VERSION`].
    pub version: u32,
    /// What was priced, with what.
    pub header: Header,
    /// Both structures.
    pub structures: Vec<StructureCost>,
}

/// What was priced, with what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Header {
    /// Program and version.
    pub tool: String,
    /// The command line.
    pub command: Vec<String>,
    /// The image.
    pub image: String,
    /// SHA-256 of its bytes.
    pub image_sha256: String,
    /// Name of the network.
    pub network: String,
    /// SHA-256 of the network's file.
    pub network_sha256: String,
    /// Name of the platform.
    pub platform: String,
    /// Structure that the image runs unless told otherwise.
    pub primary: Structure,
    /// Steps of a sample.
    pub steps: u32,
    /// Length of a step in milliseconds.
    pub step_ms: f64,
    /// Clock of the platform in MHz.
    pub clock_mhz: f64,
    /// [`NOTICE`].
    pub notice: &'static str,
}

/// A layer that needs something that may be absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Layer<T> {
    /// It is there.
    Run(T),
    /// It is not, and why.
    NotRun {
        /// Why.
        reason: String,
    },
}

impl<T> Layer<T> {
    /// What is there.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Run(value) => Some(value),
            Self::NotRun { .. } => None,
        }
    }
}

/// All layers of one structure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StructureCost {
    /// The structure.
    pub structure: Structure,
    /// Layer 0: bits, exact.
    pub layer0_bits: Layer<Bits>,
    /// Layer 1: events, exact for the run.
    pub layer1_events: Layer<Events>,
    /// Layer 2: gates, +-15 %.
    pub layer2_gates: Layer<GateTotals>,
    /// Layers 3 and 4: um2 at each node that was asked for.
    pub area: Vec<Area>,
    /// Layer 5: energy under each table of prices.
    pub layer5_energy: Layer<Energy>,
}

/// Layer 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Events {
    /// Program that ran it.
    pub tool: String,
    /// Where the spikes came from.
    pub input: String,
    /// SHA-256 of the spike file.
    pub input_sha256: String,
    /// Samples that ran.
    pub samples: u64,
    /// Samples that overflowed, not counted below.
    pub failed: u64,
    /// Mean cycles of an inference.
    pub cycles_per_inference: f64,
    /// Fewest.
    pub cycles_min: u64,
    /// Most.
    pub cycles_max: u64,
    /// Mean latency in microseconds at the platform's clock.
    pub us_per_inference: f64,
    /// Cycles of the reset phase before each inference, not counted above.
    pub reset_cycles: u64,
    /// Where the cycles of an inference went, in the core with most work; sums to `cycles_per_inference`.
    pub cycles: Vec<CycleShare>,
    /// Input spikes of all samples.
    pub input_spikes: u64,
    /// Router-to-router hops of all samples.
    pub hops: u64,
    /// Synaptic operations of all samples.
    pub synaptic_operations: SynapticOperations,
    /// Cycles of waiting, of all samples.
    pub stalls: Stalls,
    /// Counts of all cores and samples; of peaks the largest.
    pub counts: CoreStats,
    /// Accesses and operations of all cores, mesh and samples.
    pub ledger: Ledger,
    /// How dense events are at each core.
    pub activity: Vec<Activity>,
}

/// Cycles of an inference with one cause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CycleShare {
    /// What the core did.
    pub cause: &'static str,
    /// Mean cycles of an inference.
    pub cycles: f64,
}

/// Density of events at one core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Activity {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Input axons I.
    pub axons: u64,
    /// Neurons J.
    pub neurons: u64,
    /// alpha: share of the axons with an event in a step, mean over the run.
    pub alpha_mean: f64,
    /// The same for the step with most events, where it was recorded.
    pub alpha_peak: Option<f64>,
    /// Most events that waited in its queue (shared queue).
    pub queue_peak: u64,
}

/// Layer 2.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateTotals {
    /// What Yosys says of its version.
    pub tool: String,
    /// The blocks of this structure.
    pub blocks: Vec<yosys::Block>,
    /// Gate equivalents of the cores in use, with the typical error.
    pub gate_equivalents: Interval,
    /// The worst that was seen upward.
    pub worst: f64,
}

/// Layer 3 or 4: one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Area {
    /// Name of the node.
    pub node: &'static str,
    /// 3 for measured macros, 4 for scaled ones.
    pub layer: u8,
    /// Where its numbers come from.
    pub source: &'static str,
    /// Each memory over the cores in use.
    pub memories: Vec<MemoryLine>,
    /// All memories that the platform provides, in um2.
    pub provided_um2: Interval,
    /// Those that are there because of delays.
    pub provided_delay_um2: Interval,
    /// All memories of cores made for this network, in um2; none where the queues' depth is not known without a run.
    pub fitted_um2: Option<Interval>,
    /// Those that are there because of delays.
    pub fitted_delay_um2: Option<Interval>,
    /// Logic in um2; none where gates were not run or the node has no library.
    pub logic_um2: Option<Interval>,
    /// Provided memories and logic; none where either is missing.
    pub total_um2: Option<Interval>,
}

/// One memory at one node, summed over the cores in use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryLine {
    /// Which memory.
    pub memory: &'static str,
    /// Whether it is there because of delays.
    pub delay: bool,
    /// How the platform's is built.
    pub build: Build,
    /// Macros a core.
    pub macros: u64,
    /// Whether a macro is outside the sizes that were measured.
    pub extrapolated: bool,
    /// um2 of what the platform provides.
    pub provided_um2: Interval,
    /// um2 in cores made for this network.
    pub fitted_um2: Option<Interval>,
}

/// Layer 5.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Energy {
    /// One bill for each table.
    pub bills: Vec<Bill>,
}

/// What a report is made with.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The image.
    pub image: &'a Image,
    /// Nodes for layers 3 and 4.
    pub nodes: &'a [Node],
    /// Tables for layer 5.
    pub tables: &'a [PriceTable],
    /// Results for layer 2, or why there are none.
    pub gates: &'a Result<Gates, String>,
    /// Statistics of runs, at most one for each structure.
    pub runs: &'a [Statistics],
    /// Why a structure did not run.
    pub not_run: &'a str,
}

impl Cost {
    /// Prices an image.
    #[must_use]
    pub fn new(header: Header, request: &Request<'_>) -> Self {
        let structures = Structure::ALL.into_iter().map(|s| StructureCost::new(s, request)).collect();
        Self { format: FORMAT, version: VERSION, header, structures }
    }
}

impl StructureCost {
    fn new(structure: Structure, request: &Request<'_>) -> Self {
        let image = request.image;
        let Some(program) = Program::new(image, structure) else {
            let refusal = image.refused.iter().find(|r| r.structure == structure);
            let reason = refusal.map_or("the image was not compiled for it".into(), |r| {
                format!("the network does not fit: {}", r.reason)
            });
            return Self::absent(structure, &reason);
        };
        let run = request.runs.iter().find(|r| r.header.structure == structure);
        let peaks: Option<Vec<u64>> = run.map(|r| r.cores.iter().map(|c| c.counts.queue_peak).collect());
        let bits = Bits::new(image, &program, peaks.as_deref());
        let gates = match request.gates {
            Ok(gates) => Layer::Run(GateTotals::new(gates, structure, bits.cores)),
            Err(reason) => Layer::NotRun { reason: reason.clone() },
        };
        let area = request.nodes.iter().map(|n| Area::new(n, &bits, gates.get(), run.is_some())).collect();
        let (events, energy) = match run {
            Some(run) if run.total.samples > 0 => {
                let bills = request.tables.iter().map(|t| Bill::new(t, run, &bits.provided)).collect();
                (Layer::Run(Events::new(run, &program)), Layer::Run(Energy { bills }))
            }
            Some(_) => {
                let reason = || "every sample overflowed a queue".to_string();
                (Layer::NotRun { reason: reason() }, Layer::NotRun { reason: reason() })
            }
            None => {
                let reason = || request.not_run.to_string();
                (Layer::NotRun { reason: reason() }, Layer::NotRun { reason: reason() })
            }
        };
        Self {
            structure,
            layer0_bits: Layer::Run(bits),
            layer1_events: events,
            layer2_gates: gates,
            area,
            layer5_energy: energy,
        }
    }

    fn absent(structure: Structure, reason: &str) -> Self {
        let reason = || reason.to_string();
        Self {
            structure,
            layer0_bits: Layer::NotRun { reason: reason() },
            layer1_events: Layer::NotRun { reason: reason() },
            layer2_gates: Layer::NotRun { reason: reason() },
            area: Vec::new(),
            layer5_energy: Layer::NotRun { reason: reason() },
        }
    }
}

impl Events {
    fn new(run: &Statistics, program: &Program) -> Self {
        let t = &run.total;
        let n = t.samples as f64;
        let mean = t.cycles as f64 / n;
        let steps = f64::from(run.header.steps) * n;
        Self {
            tool: run.header.tool.clone(),
            input: run.header.input.clone(),
            input_sha256: run.header.input_sha256.clone(),
            samples: t.samples,
            failed: t.failed,
            cycles_per_inference: mean,
            cycles_min: t.cycles_min.unwrap_or(0),
            cycles_max: t.cycles_max.unwrap_or(0),
            us_per_inference: mean / run.header.clock_mhz,
            reset_cycles: t.reset_cycles,
            cycles: cycles(run, program),
            input_spikes: t.input_spikes,
            hops: t.hops,
            synaptic_operations: t.synaptic_operations,
            stalls: t.stalls,
            counts: t.counts.clone(),
            ledger: t.ledger.clone(),
            activity: run
                .cores
                .iter()
                .map(|c| {
                    let axons = c.axons.max(1) as f64;
                    Activity {
                        x: c.x,
                        y: c.y,
                        axons: c.axons,
                        neurons: c.neurons,
                        alpha_mean: c.counts.arrivals as f64 / (axons * steps),
                        alpha_peak: c.arrivals_peak.map(|p| p as f64 / axons),
                        queue_peak: c.counts.queue_peak,
                    }
                })
                .collect(),
        }
    }
}

/// Where the cycles of an inference went in the core with most work, by `hw/TIMING.md` sections 5 to 8.
fn cycles(run: &Statistics, program: &Program) -> Vec<CycleShare> {
    let t = &run.total;
    let n = t.samples as f64;
    let steps = f64::from(run.header.steps);
    let queue = program.structure == Structure::SharedQueue;
    let work = |c: &crate::statistics::Core| {
        let update = steps * ((c.neurons as f64 - 1.0) * program.neuron_interval as f64 + 4.0);
        let synapses = c.counts.synaptic_operations as f64 * program.synapse_interval as f64 / n;
        let skipped = if queue { c.counts.skipped as f64 / n } else { 0.0 };
        // Two cycles until the first event is at the synapses, two until the last sum is written.
        let fill = if queue { 4.0 * steps } else { 0.0 };
        [update, synapses, skipped, fill]
    };
    let total = |w: &[f64; 4]| w.iter().sum::<f64>();
    let busiest = run.cores.iter().map(work).max_by(|a, b| total(a).total_cmp(&total(b))).unwrap_or_default();
    let barrier = t.barrier_cycles as f64 / n;
    let mean = t.cycles as f64 / n;
    let [update, synapses, skipped, fill] = busiest;
    [
        ("synapses", synapses),
        ("events without a list", skipped),
        ("neuron updates", update),
        ("pipeline fill of the queue", fill),
        ("barrier", barrier),
        ("waiting for spikes and other cores", mean - barrier - total(&busiest)),
    ]
    .map(|(cause, cycles)| CycleShare { cause, cycles })
    .into()
}

impl GateTotals {
    fn new(gates: &Gates, structure: Structure, cores: usize) -> Self {
        let point = gates.total(structure, cores);
        Self {
            tool: gates.tool.clone(),
            blocks: gates
                .blocks
                .iter()
                .filter(|b| b.structure.is_none_or(|s| s == structure))
                .cloned()
                .collect(),
            gate_equivalents: Interval::relative(point, LOGIC_ERROR.0, LOGIC_ERROR.0),
            worst: point * (1.0 + LOGIC_ERROR.1),
        }
    }
}

impl Area {
    /// Areas of the cores of `bits` at a node.
    #[must_use]
    pub fn new(node: &Node, bits: &Bits, gates: Option<&GateTotals>, ran: bool) -> Self {
        let cores = bits.cores as f64;
        let Some(first) = bits.lines.first() else {
            return Self {
                node: node.name,
                layer: node.layer,
                source: node.source,
                memories: Vec::new(),
                provided_um2: Interval::default(),
                provided_delay_um2: Interval::default(),
                fitted_um2: None,
                fitted_delay_um2: None,
                logic_um2: None,
                total_um2: None,
            };
        };
        // All cores of a chip are alike: one core's memories, times the cores in use.
        let own = bits.lines.iter().take_while(|l| (l.x, l.y) == (first.x, first.y));
        let memories: Vec<_> = own
            .map(|line| {
                let provided = node.memory(line.provided_words, line.word_bits, line.ports);
                let fit = bits.fitted.iter().find(|s| s.memory.name() == line.memory);
                let known = ran || fit.is_none_or(|s| !matches!(s.memory, Memory::QueueA | Memory::QueueB));
                let words = fit.map_or(line.provided_words, |s| s.words);
                let fitted = node.memory(words, line.fitted_word_bits, line.ports);
                MemoryLine {
                    memory: line.memory,
                    delay: line.delay,
                    build: provided.build,
                    macros: provided.macros,
                    extrapolated: provided.extrapolated,
                    provided_um2: provided.um2.times(cores),
                    fitted_um2: known.then(|| fitted.um2.times(cores)),
                }
            })
            .collect();
        let provided = |delay: bool| -> Interval {
            memories.iter().filter(|m| m.delay || !delay).map(|m| m.provided_um2).sum()
        };
        let fitted = |delay: bool| -> Option<Interval> {
            memories.iter().filter(|m| m.delay || !delay).map(|m| m.fitted_um2).sum()
        };
        let logic = gates.and_then(|g| node.logic(g.gate_equivalents.point));
        Self {
            node: node.name,
            layer: node.layer,
            source: node.source,
            provided_um2: provided(false),
            provided_delay_um2: provided(true),
            fitted_um2: fitted(false),
            fitted_delay_um2: fitted(true),
            total_um2: logic.map(|l| l + provided(false)),
            logic_um2: logic,
            memories,
        }
    }
}
