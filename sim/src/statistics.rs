//! `stats.json`: what a run did, exactly, in documented fields. `sim/STATS.md` says what each means.
//!
//! All numbers are sums over the samples that did not fail, unless their name says otherwise.
//! Series by step ([`crate::series`]) are there where the run recorded them ([`crate::steps`]).

use crate::cost::ledger::Ledger;
use crate::lines::Lines;
use crate::memory::Memories;
use crate::program::Program;
use crate::series::{ChipSeries, CoreSeries, PathSeries, RouterSeries, Steps};
use crate::stats::CoreStats;
use crate::steps::Record;
use crate::{Outcome, Overflow};
use hw::platform::Structure;
use serde::{Deserialize, Serialize};
use spikes::Binned;
use std::fmt::Write as _;

/// Name of the format, in its first field.
pub const FORMAT: &str = "delayline-stats";
/// Version of the fields.
pub const VERSION: u32 = 1;

/// A whole `stats.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// What was run.
    pub header: Header,
    /// Sums over the chip.
    pub total: Total,
    /// Each core in use.
    pub cores: Vec<Core>,
    /// Each router that flits may pass and whose core is not in use, where steps were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<Router>,
    /// Each core whose queue overflowed, with the depth that would have sufficed for all samples.
    #[serde(default)]
    pub overflows: Vec<Overflow>,
    /// Memories of both structures; of a run that has not ended none.
    #[serde(default)]
    pub memories: Vec<Memories>,
    /// Each sample, in order; failed ones too.
    pub samples: Vec<Sample>,
    /// The chip by step, where that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
}

/// What was run, and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Program and version.
    pub tool: String,
    /// The command line.
    pub command: Vec<String>,
    /// Seed of the stimulus, where it was drawn at random.
    pub seed: Option<u64>,
    /// The image.
    pub image: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub image_sha256: String,
    /// Version of the compiler that made it.
    pub compiler: String,
    /// Where the spikes came from.
    pub input: String,
    /// SHA-256 of the spike file's bytes, hexadecimal.
    pub input_sha256: String,
    /// Name of the network.
    pub network: String,
    /// SHA-256 of the network's file, hexadecimal.
    pub network_sha256: String,
    /// Name of the platform.
    pub platform: String,
    /// Delay structure that ran.
    pub structure: Structure,
    /// Steps of a sample.
    pub steps: u32,
    /// Length of a step in milliseconds.
    pub step_ms: f64,
    /// Clock of the platform in MHz.
    pub clock_mhz: f64,
    /// Whether the run was interrupted before its last sample.
    pub interrupted: bool,
}

/// Sums over the chip and the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// Samples that ran to their end.
    pub samples: u64,
    /// Samples that failed, since a queue overflowed.
    pub failed: u64,
    /// Samples with a label.
    pub labelled: u64,
    /// Samples whose prediction is the label.
    pub correct: u64,
    /// Cycles, without reset phases.
    pub cycles: u64,
    /// Fewest cycles of a sample.
    pub cycles_min: Option<u64>,
    /// Most cycles of a sample.
    pub cycles_max: Option<u64>,
    /// Cycles of the reset phase of one sample.
    pub reset_cycles: u64,
    /// Cycles of barriers: steps x latency.
    pub barrier_cycles: u64,
    /// Input spikes that were sent.
    pub input_spikes: u64,
    /// Input spikes at or after the last step, left out.
    pub input_late: u64,
    /// Input spikes that repeat a channel within a step, left out.
    pub input_repeats: u64,
    /// Flits that injectors sent.
    pub flits_injected: u64,
    /// Router-to-router hops.
    pub hops: u64,
    /// Synaptic operations.
    pub synaptic_operations: SynapticOperations,
    /// Cycles that something waited, by cause.
    pub stalls: Stalls,
    /// Sums of the cores' counts; of peaks the largest.
    pub counts: CoreStats,
    /// Accesses of all cores and of the mesh.
    pub ledger: Ledger,
}

/// Synaptic operations of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SynapticOperations {
    /// Those that the spikes give rise to: (spike, synapse) pairs.
    pub emitted: u64,
    /// Those that the machine did.
    pub performed: u64,
    /// Those that arrive at or after the last step: done in vain (ring buffer) or never done (shared queue).
    pub lost: u64,
}

impl SynapticOperations {
    /// From a core's counts.
    #[must_use]
    pub fn new(structure: Structure, stats: &CoreStats) -> Self {
        let performed = stats.synaptic_operations;
        let emitted = match structure {
            Structure::RingBuffer => performed,
            Structure::SharedQueue => performed + stats.lost,
        };
        Self { emitted, performed, lost: stats.lost }
    }
}

/// Cycles of waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalls {
    /// Flits at the head of a core's input port.
    pub input_port: u64,
    /// Flits at a core's sender without a credit.
    pub sender: u64,
    /// Heads of router buffers without a credit or a grant.
    pub router: u64,
    /// Of `router`: another head was granted.
    #[serde(default)]
    pub router_grant: u64,
    /// Of `input_port`: its neurons were not updated yet (ring buffer).
    #[serde(default)]
    pub input_port_update: u64,
    /// Flits at the heads of injectors without a credit.
    pub injector: u64,
}

/// One core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Core {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Neurons.
    pub neurons: u64,
    /// Integrators among them.
    pub readouts: u64,
    /// Input axons.
    pub axons: u64,
    /// Most arrivals of one step in any sample; absent where the run did not record it.
    #[serde(default)]
    pub arrivals_peak: Option<u64>,
    /// Counts.
    pub counts: CoreStats,
    /// Accesses.
    pub ledger: Ledger,
    /// Share of the cycles in which it updates neurons or adds synapses, where steps were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilisation: Option<f64>,
    /// Counts by step, where they were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<CoreSeries>,
}

/// One router whose core is not in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Counts by step.
    pub steps: RouterSeries,
}

/// One sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Its index in the input.
    pub sample: usize,
    /// Its label.
    pub label: Option<u32>,
    /// The class that was found; absent where it failed.
    pub prediction: Option<u32>,
    /// Its cycles; absent where it failed.
    pub cycles: Option<u64>,
    /// Its input spikes.
    pub input_spikes: u64,
    /// Spikes of neurons; absent where it failed.
    pub spikes: Option<u64>,
    /// Synaptic operations that the machine did; absent where it failed.
    pub synaptic_operations: Option<u64>,
    /// Most events that waited in one core's queue, also where it overflowed.
    pub queue_peak: u64,
}

impl Statistics {
    /// Nothing run yet.
    #[must_use]
    pub fn new(program: &Program, header: Header) -> Self {
        let cores = (0..program.cores())
            .map(|i| {
                let (x, y) = program.place(i);
                let core = &program.cores[i];
                Core {
                    x,
                    y,
                    neurons: core.neurons.len() as u64,
                    readouts: core.readouts.len() as u64,
                    axons: core.axons.len() as u64,
                    arrivals_peak: None,
                    counts: CoreStats::default(),
                    ledger: Ledger::default(),
                    utilisation: None,
                    steps: None,
                }
            })
            .collect();
        Self {
            format: FORMAT.into(),
            version: VERSION,
            header,
            total: Total::default(),
            cores,
            routers: Vec::new(),
            overflows: Vec::new(),
            memories: Vec::new(),
            samples: Vec::new(),
            steps: None,
        }
    }

    /// Adds what a sample that did not fail did by step.
    pub fn add_steps(&mut self, record: &Record) {
        let steps = self.header.steps as usize;
        self.steps.get_or_insert_with(|| Steps::new(steps)).add(&record.chip);
        for (core, series) in self.cores.iter_mut().zip(&record.cores) {
            core.steps.get_or_insert_with(|| CoreSeries::new(steps)).add(series);
        }
        if self.routers.is_empty() {
            let none = |&(x, y, _): &(u16, u16, _)| Router { x, y, steps: RouterSeries::new(steps) };
            self.routers = record.routers.iter().map(none).collect();
        }
        for (router, (_, _, series)) in self.routers.iter_mut().zip(&record.routers) {
            router.steps.add(series);
        }
    }

    /// Adds a sample; `index` is its place in the input.
    pub fn add(&mut self, index: usize, label: Option<u32>, binned: &Binned, outcome: &Outcome) {
        let peak = outcome.cores.iter().map(|c| c.queue_peak).max().unwrap_or(0);
        let needed = outcome.overflows.iter().map(|o| u64::from(o.needed)).max().unwrap_or(0);
        let failed = !outcome.overflows.is_empty();
        let sum = |f: fn(&CoreStats) -> u64| (!failed).then(|| outcome.cores.iter().map(f).sum());
        self.samples.push(Sample {
            sample: index,
            label,
            prediction: (!failed).then_some(outcome.prediction),
            cycles: (!failed).then_some(outcome.cycles),
            input_spikes: outcome.input_spikes,
            spikes: sum(|c| c.spikes),
            synaptic_operations: sum(|c| c.synaptic_operations),
            queue_peak: peak.max(needed),
        });
        for o in &outcome.overflows {
            match self.overflows.iter_mut().find(|k| (k.x, k.y) == (o.x, o.y)) {
                Some(k) => k.needed = k.needed.max(o.needed),
                None => self.overflows.push(*o),
            }
        }
        let t = &mut self.total;
        if failed {
            t.failed += 1;
            for (core, stats) in self.cores.iter_mut().zip(&outcome.cores) {
                core.counts.queue_peak = core.counts.queue_peak.max(stats.queue_peak);
            }
            return;
        }
        t.samples += 1;
        if let Some(label) = label {
            t.labelled += 1;
            t.correct += u64::from(label == outcome.prediction);
        }
        t.cycles += outcome.cycles;
        t.cycles_min = Some(t.cycles_min.map_or(outcome.cycles, |c| c.min(outcome.cycles)));
        t.cycles_max = t.cycles_max.max(Some(outcome.cycles));
        t.reset_cycles = outcome.reset_cycles;
        t.input_spikes += outcome.input_spikes;
        t.input_late += binned.late;
        t.input_repeats += binned.repeats;
        t.flits_injected += outcome.injected;
        t.hops += outcome.hops;
        t.stalls.router += outcome.router_stalls;
        t.stalls.router_grant += outcome.grant_stalls;
        t.stalls.injector += outcome.injector_stalls;
        for (core, stats) in self.cores.iter_mut().zip(&outcome.cores) {
            core.counts.add(stats);
        }
    }

    /// Derives the sums and the ledgers from the counts; call it once all samples are in.
    pub fn finish(&mut self, barrier_latency: u32) {
        let structure = self.header.structure;
        let steps = u64::from(self.header.steps) * self.total.samples;
        self.total.barrier_cycles = steps * u64::from(barrier_latency);
        self.total.counts = CoreStats::default();
        self.total.ledger = Ledger::default();
        for core in &mut self.cores {
            core.ledger = Ledger::of_core(structure, &core.counts, core.readouts * steps);
            self.total.counts.add(&core.counts);
            self.total.ledger.add(&core.ledger);
        }
        let t = &mut self.total;
        t.ledger.add(&Ledger::of_mesh(t.flits_injected + t.counts.flits_sent, t.hops));
        t.synaptic_operations = SynapticOperations::new(structure, &t.counts);
        t.stalls.input_port = t.counts.arrival_stalls;
        t.stalls.input_port_update = t.counts.update_stalls;
        t.stalls.sender = t.counts.send_stalls;
        let cycles = t.cycles.max(1) as f64;
        for core in &mut self.cores {
            core.utilisation = core.steps.as_ref().map(|s| s.busy.iter().sum::<u64>() as f64 / cycles);
        }
        if let Some(steps) = &mut self.steps {
            steps.rank();
        }
    }

    /// As JSON: an object a line and field, lists in one line.
    ///
    /// # Errors
    /// None that a value of this type can cause.
    pub fn json(&self) -> serde_json::Result<String> {
        let mut text = Vec::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Lines::default()))?;
        text.push(b'\n');
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Cores and routers by step as CSV, and the whole chip of each step; `None` where steps were not recorded.
    #[must_use]
    pub fn steps_csv(&self) -> Option<String> {
        let steps = self.steps.as_ref()?;
        let mut s = String::from("step,x,y,cycles,utilisation");
        CoreSeries::NAMES.iter().for_each(|name| {
            let _ = write!(s, ",{name}");
        });
        s.push('\n');
        let peak = CoreSeries::NAMES.iter().position(|n| *n == "queue_peak");
        // A router without a core has what routers have, and nothing else.
        let own = CoreSeries::NAMES.iter().map(|n| RouterSeries::NAMES.iter().position(|m| m == n));
        let own: Vec<_> = own.collect();
        for (step, &cycles) in steps.chip.cycles.iter().enumerate() {
            let (mut all, mut working) = (vec![0; CoreSeries::NAMES.len()], 0);
            let mut row = |x: &str, y: &str, busy: f64, values: &[u64]| {
                let share = busy / cycles.max(1) as f64;
                let _ = write!(s, "{step},{x},{y},{cycles},{share:.6}");
                values.iter().for_each(|v| {
                    let _ = write!(s, ",{v}");
                });
                s.push('\n');
            };
            for (core, series) in self.cores.iter().filter_map(|c| Some((c, c.steps.as_ref()?))) {
                let values: Vec<u64> = series.all().iter().map(|v| v[step]).collect();
                for (i, (all, &v)) in all.iter_mut().zip(&values).enumerate() {
                    *all = if Some(i) == peak { v.max(*all) } else { *all + v };
                }
                row(&core.x.to_string(), &core.y.to_string(), series.busy[step] as f64, &values);
                working += series.busy[step];
            }
            for router in &self.routers {
                let series = router.steps.all();
                let values: Vec<u64> = own.iter().map(|i| i.map_or(0, |i| series[i][step])).collect();
                all.iter_mut().zip(&values).for_each(|(all, v)| *all += v);
                row(&router.x.to_string(), &router.y.to_string(), 0.0, &values);
            }
            row("all", "all", working as f64 / self.cores.len().max(1) as f64, &all);
        }
        Some(s)
    }

    /// What held the barrier of each step, as CSV; `None` where steps were not recorded.
    #[must_use]
    pub fn path_csv(&self) -> Option<String> {
        let steps = self.steps.as_ref()?;
        let mut s = String::from("step");
        for name in ChipSeries::NAMES.iter().chain(PathSeries::NAMES) {
            let _ = write!(s, ",{name}");
        }
        s.push_str(",held_part,held_component,held_samples\n");
        for (step, held) in steps.held.iter().enumerate() {
            let _ = write!(s, "{step}");
            for series in steps.chip.all().iter().chain(&steps.path.all()) {
                let _ = write!(s, ",{}", series[step]);
            }
            match held.first() {
                Some(h) => {
                    let _ = writeln!(s, ",{},{},{}", h.held.part, h.held.component, h.samples);
                }
                None => s.push_str(",,,0\n"),
            }
        }
        Some(s)
    }

    /// The cores as CSV, one a row, the chip in the last; columns as in `sim/STATS.md`.
    #[must_use]
    pub fn csv(&self) -> String {
        use crate::cost::ledger::Term;
        let counts = |stats: &CoreStats| -> Vec<(String, String)> {
            let value = serde_json::to_value(stats).unwrap_or_default();
            let fields = value.as_object().cloned().unwrap_or_default();
            fields.into_iter().map(|(name, n)| (name, n.to_string())).collect()
        };
        let mut s = String::from("x,y,neurons,readouts,axons");
        for (name, _) in counts(&CoreStats::default()) {
            let _ = write!(s, ",{name}");
        }
        for term in Term::ALL {
            let _ = write!(s, ",{term}");
        }
        s.push('\n');
        let mut row = |place: String, sizes: [u64; 3], stats: &CoreStats, ledger: &Ledger| {
            let _ = write!(s, "{place},{},{},{}", sizes[0], sizes[1], sizes[2]);
            for (_, n) in counts(stats) {
                let _ = write!(s, ",{n}");
            }
            for term in Term::ALL {
                let _ = write!(s, ",{}", ledger.count(term));
            }
            s.push('\n');
        };
        for c in &self.cores {
            row(format!("{},{}", c.x, c.y), [c.neurons, c.readouts, c.axons], &c.counts, &c.ledger);
        }
        let sum = |f: fn(&Core) -> u64| self.cores.iter().map(f).sum();
        let sizes = [sum(|c| c.neurons), sum(|c| c.readouts), sum(|c| c.axons)];
        row("all,all".into(), sizes, &self.total.counts, &self.total.ledger);
        s
    }

    /// Reads a `stats.json`; `path` is used in messages.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong.
    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| format!("{path}: {e}; it is not JSON"))?;
        let (format, version) = (&value["format"], &value["version"]);
        if format != FORMAT || version != VERSION {
            return Err(format!(
                "{path}: format {format}, version {version}; it must be \"{FORMAT}\", version {VERSION}: write it with `sim --stats FILE`"
            ));
        }
        serde_json::from_value(value)
            .map_err(|e| format!("{path}: {e}; write it anew with `sim --stats FILE`"))
    }
}
