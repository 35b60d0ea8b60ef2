//! Cycle-level simulator of a mesh of cores with delay structures.
//!
//! It takes an image and spikes, and gives spikes, scores and the cycle of everything. It shares
//! file formats with the golden model, never arithmetic. `hw/TIMING.md` says what happens when.
//!
//! A core's work, its port and its sender depend on little outside it and are computed in closed form;
//! routers are simulated cycle by cycle, but only while they have flits to grant.

mod core;
pub mod cost;
pub mod error;
mod lanes;
mod lines;
pub mod lockstep;
pub mod memory;
pub mod mesh;
pub mod noc;
pub mod page;
pub mod probe;
pub mod program;
pub mod schedule;
pub mod series;
pub mod statistics;
pub mod stats;
pub mod steps;
mod sums;
pub mod vcd;

pub use error::Error;
pub use program::Program;

use crate::core::Core;
use hw::image::Image;
use hw::platform::Structure;
use mesh::{Endpoints, Flit, Mesh};
use probe::{NoProbe, Probe};
use serde::{Deserialize, Serialize};
use spikes::Binned;
use stats::CoreStats;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// SHA-256 of bytes, hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    digest_of_parts([bytes])
}

/// SHA-256 of bytes that come part by part, hexadecimal.
pub fn digest_of_parts<B: AsRef<[u8]>>(parts: impl IntoIterator<Item = B>) -> String {
    use sha2::Digest;
    let mut all = sha2::Sha256::new();
    parts.into_iter().for_each(|part| all.update(part));
    all.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// One spike of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spike {
    /// Step in which it was emitted.
    pub step: u32,
    /// Index of the population in the network.
    pub population: u32,
    /// Index in the population.
    pub neuron: u32,
}

/// A queue that was too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    /// Column of the core.
    pub x: u16,
    /// Row of the core.
    pub y: u16,
    /// First step at whose barrier more events waited than fit.
    pub step: u32,
    /// Depth of the queue in events.
    pub depth: u32,
    /// Depth that would have sufficed for this core and sample.
    pub needed: u32,
}

impl std::fmt::Display for Overflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "core ({}, {}), step {}: the queue of {} events overflowed; a depth of {} would have sufficed (platform: shared_queue.depth)",
            self.x, self.y, self.step, self.depth, self.needed
        )
    }
}

/// What came of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// All spikes, sorted by step, population, neuron.
    pub spikes: Vec<Spike>,
    /// One score a readout unit.
    pub scores: Vec<i64>,
    /// Index of the highest score, the lowest on a tie.
    pub prediction: u32,
    /// Cycles from the first of step 0 to the end of the barrier of the last step.
    pub cycles: u64,
    /// Cycles of the reset phase before it.
    pub reset_cycles: u64,
    /// Queues that overflowed, the earliest first; then nothing else of the outcome counts.
    pub overflows: Vec<Overflow>,
    /// What each core did.
    pub cores: Vec<CoreStats>,
    /// Input spikes.
    pub input_spikes: u64,
    /// Flits that injectors sent.
    pub injected: u64,
    /// Cycles that flits at the heads of injectors waited for a credit.
    pub injector_stalls: u64,
    /// Router-to-router hops.
    pub hops: u64,
    /// Cycles that heads of router buffers waited for a credit or a grant.
    pub router_stalls: u64,
    /// Of them, cycles in which another head was granted; in the others there was no credit.
    pub grant_stalls: u64,
}

/// Options of a simulator.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Set from outside to stop at the next step.
    pub interrupt: Option<Arc<AtomicBool>>,
    /// Cycles in which some flit must move while any are under way, else the run is a deadlock; [`mesh::PATIENCE`] where `None`.
    pub patience: Option<u64>,
}

/// Runs samples on one image and structure. Cloning shares the decoded image.
#[derive(Debug, Clone)]
pub struct Simulator {
    program: Arc<Program>,
    options: Options,
    mesh: Mesh,
    cores: Vec<Core>,
    /// Cores by the first of their neurons, so that spikes come all but sorted.
    by_neuron: Vec<usize>,
    /// Index of the core at a router.
    core_at: Vec<Option<u32>>,
    injectors: Vec<Injector>,
    input_spikes: u64,
    injected: u64,
    injector_stalls: u64,
}

/// Flits of the present step that an injector has still to send.
#[derive(Debug, Clone, Default)]
struct Injector {
    flits: Vec<Flit>,
    next: usize,
    /// First cycle in which it can send the next.
    ready: u64,
    /// Cycles that it waited for a credit in this step.
    stalls: u64,
}

/// What is at the edges of the mesh.
struct Chip<'a> {
    program: &'a Program,
    cores: &'a mut [Core],
    core_at: &'a [Option<u32>],
    injectors: &'a mut [Injector],
    /// Parity of the step.
    odd: bool,
}

impl Endpoints for Chip<'_> {
    fn next<P: Probe>(&mut self, source: usize, credit: u64, probe: &mut P) -> Option<(Flit, u64)> {
        let Some(injector) = source.checked_sub(self.core_at.len()) else {
            return self.cores[self.core_at[source]? as usize].send(credit, probe);
        };
        let state = &mut self.injectors[injector];
        let flit = state.flits.get(state.next)?.of_parity(self.odd);
        state.next += 1;
        let sent = state.ready.max(credit);
        state.stalls += sent - state.ready;
        state.ready = sent + 1;
        if P::ON {
            probe.injector_output(sent, injector, flit);
        }
        Some((flit, sent))
    }

    fn take<P: Probe>(&mut self, router: usize, flit: Flit, visible: u64, probe: &mut P) -> u64 {
        // An image that was read sends only to cores that exist.
        let core = self.core_at[router].expect("a core") as usize;
        self.cores[core].accept(self.program, flit, visible, probe)
    }
}

impl Simulator {
    /// Makes an image ready to run on one of its structures.
    ///
    /// # Errors
    /// [`Error::NoBuild`] where the image was not compiled for the structure.
    pub fn new(image: &Image, structure: Structure, options: Options) -> Result<Self, Error> {
        let program = Program::new(image, structure).ok_or_else(|| Error::NoBuild {
            structure,
            reason: image
                .refused
                .iter()
                .find(|r| r.structure == structure)
                .map_or("compile it with --delays".into(), |r| r.reason.clone()),
        })?;
        let mut mesh = Mesh::new(&program.platform.mesh);
        mesh.patience = options.patience.unwrap_or(mesh.patience);
        mesh.expect(program.flows().into_iter());
        let mut core_at = vec![None; mesh.routers];
        for (i, core) in program.cores.iter().enumerate() {
            core_at[core.router] = Some(i as u32);
        }
        let mut by_neuron: Vec<_> = (0..program.cores.len()).collect();
        by_neuron.sort_by_key(|&core| program.cores[core].identity.first());
        Ok(Self {
            by_neuron,
            cores: (0..program.cores.len()).map(|i| Core::new(&program, i)).collect(),
            injectors: vec![Injector::default(); program.platform.mesh.injectors.len()],
            program: Arc::new(program),
            options,
            mesh,
            core_at,
            input_spikes: 0,
            injected: 0,
            injector_stalls: 0,
        })
    }

    /// The decoded image.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Runs one sample.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Channel`], [`Error::Deadlock`] or [`Error::Interrupted`].
    pub fn run(&mut self, input: &Binned) -> Result<Outcome, Error> {
        self.run_with(input, &mut NoProbe)
    }

    /// Runs one sample under a probe.
    ///
    /// # Errors
    /// As [`Simulator::run`].
    pub fn run_with<P: Probe>(&mut self, input: &Binned, probe: &mut P) -> Result<Outcome, Error> {
        let mut run = self.begin(input)?;
        while run.advance(probe)? {}
        Ok(run.finish())
    }

    /// Begins a sample that is then run step by step.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn begin<'a>(&'a mut self, input: &'a Binned) -> Result<Run<'a>, Error> {
        let program = Arc::clone(&self.program);
        let steps = program.network.steps;
        let found = input.offsets.len() as u32 - 1;
        if found != steps {
            return Err(Error::Input { expected: steps, found });
        }
        self.mesh.reset();
        (self.input_spikes, self.injected, self.injector_stalls) = (0, 0, 0);
        let reset_cycles = self.cores.iter_mut().map(|c| c.reset(&program)).max().unwrap_or(0);
        Ok(Run {
            simulator: self,
            program,
            input,
            step: 0,
            now: 0,
            reset_cycles,
            spikes: Vec::new(),
            overflows: Vec::new(),
        })
    }

    /// One step from its first cycle; returns the first cycle in which everything is quiet.
    fn step<P: Probe>(
        &mut self,
        program: &Program,
        input: &Binned,
        step: u32,
        start: u64,
        spikes: &mut Vec<Spike>,
        probe: &mut P,
    ) -> Result<u64, Error> {
        for &core in &self.by_neuron {
            self.cores[core].begin_step(program, step, start, spikes, probe);
        }
        for injector in &mut self.injectors {
            injector.flits.clear();
            (injector.next, injector.ready, injector.stalls) = (0, start, 0);
        }
        let count = self.injectors.len();
        for &channel in input.step(step) {
            let targets = program.inputs.get(channel as usize).ok_or(Error::Channel {
                channel,
                step,
                channels: program.inputs.len(),
            })?;
            self.input_spikes += 1;
            self.injectors[channel as usize % count].flits.extend_from_slice(targets);
        }
        let mesh = &mut self.mesh;
        let mut chip = Chip {
            program,
            cores: &mut self.cores,
            core_at: &self.core_at,
            injectors: &mut self.injectors,
            odd: step & 1 == 1,
        };
        mesh.start(start);
        for core in 0..chip.cores.len() {
            if chip.cores[core].is_sending() {
                mesh.prime(program.cores[core].router, &mut chip, probe);
            }
        }
        for injector in 0..count {
            mesh.prime(mesh.routers + injector, &mut chip, probe);
        }
        let last = mesh.run(&mut chip, probe).unwrap_or(start);
        if mesh.in_flight > 0 {
            let cycle = last.max(mesh.left_alone());
            return Err(Error::Deadlock { step, cycle, patience: mesh.patience, waiting: mesh.waiting() });
        }
        let mut quiet = start;
        for injector in self.injectors.iter().filter(|i| i.next > 0) {
            self.injected += injector.next as u64;
            self.injector_stalls += injector.stalls;
            quiet = quiet.max(injector.ready);
        }
        for core in &mut self.cores {
            core.end_step(program, probe);
            quiet = quiet.max(core.quiet);
        }
        Ok(quiet)
    }

    /// Notes the queues that overflowed.
    fn watch_queues(&self, program: &Program, step: u32, overflows: &mut Vec<Overflow>) {
        let depth = program.platform.shared_queue.depth;
        for (i, core) in self.cores.iter().enumerate() {
            let needed = core.waiting_events();
            if needed > depth {
                let (x, y) = program.place(i);
                match overflows.iter_mut().find(|o| (o.x, o.y) == (x, y)) {
                    Some(o) => o.needed = o.needed.max(needed),
                    None => overflows.push(Overflow { x, y, step, depth, needed }),
                }
            }
        }
    }

    /// Sums of the integrators' membranes, or spike counts of the last population.
    fn scores(&self, program: &Program, spikes: &[Spike]) -> Vec<i64> {
        let (population, integrates) = program.readout;
        let size = program.network.populations[population as usize].size as usize;
        let mut scores = vec![0; size];
        if integrates {
            for core in &self.cores {
                let code = &program.cores[core.index];
                for (neuron, score) in code.readouts.clone().zip(&core.scores) {
                    scores[code.identity[neuron].1 as usize] = *score;
                }
            }
        } else {
            for spike in spikes.iter().filter(|s| s.population == population) {
                scores[spike.neuron as usize] += 1;
            }
        }
        scores
    }
}

/// Index of the highest score, the lowest on a tie.
fn highest(scores: &[i64]) -> u32 {
    (0..scores.len()).rev().max_by_key(|&i| scores[i]).unwrap_or(0) as u32
}

/// A sample in progress.
#[derive(Debug)]
pub struct Run<'a> {
    simulator: &'a mut Simulator,
    program: Arc<Program>,
    input: &'a Binned,
    step: u32,
    now: u64,
    reset_cycles: u64,
    spikes: Vec<Spike>,
    overflows: Vec<Overflow>,
}

impl Run<'_> {
    /// Runs the next step; `false` where none is left.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Deadlock`] or [`Error::Interrupted`].
    pub fn advance<P: Probe>(&mut self, probe: &mut P) -> Result<bool, Error> {
        let Self { simulator, program, step, .. } = self;
        let step = *step;
        if step == program.network.steps {
            return Ok(false);
        }
        if simulator.options.interrupt.as_ref().is_some_and(|i| i.load(Ordering::Relaxed)) {
            return Err(Error::Interrupted);
        }
        probe.step(self.now, step);
        let first = self.spikes.len();
        let quiet = simulator.step(program, self.input, step, self.now, &mut self.spikes, probe)?;
        self.spikes[first..].sort_unstable();
        let release = quiet + u64::from(program.platform.mesh.barrier_latency);
        probe.barrier(quiet, release);
        if program.structure == Structure::SharedQueue {
            simulator.watch_queues(program, step, &mut self.overflows);
        }
        self.now = release;
        self.step += 1;
        Ok(true)
    }

    /// Queues that have overflowed so far.
    #[must_use]
    pub fn overflows(&self) -> &[Overflow] {
        &self.overflows
    }

    /// What came of it, after the last step.
    #[must_use]
    pub fn finish(self) -> Outcome {
        let simulator = self.simulator;
        let scores = simulator.scores(&self.program, &self.spikes);
        let prediction = highest(&scores);
        Outcome {
            spikes: self.spikes,
            prediction,
            scores,
            cycles: self.now,
            reset_cycles: self.reset_cycles,
            overflows: self.overflows,
            cores: simulator.cores.iter().map(|c| c.stats.clone()).collect(),
            input_spikes: simulator.input_spikes,
            injected: simulator.injected,
            injector_stalls: simulator.injector_stalls,
            hops: simulator.mesh.hops(),
            router_stalls: simulator.mesh.stalls(),
            grant_stalls: simulator.mesh.grant_stalls(),
        }
    }
}
