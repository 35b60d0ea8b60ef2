//! Cycle-level simulator of a mesh of cores with delay structures.
//!
//! It takes an image and spikes, and gives spikes, scores and the cycle of everything. It shares
//! file formats with the golden model, never arithmetic. `hw/TIMING.md` says what happens when.
//!
//! A core's work between two flits depends on nothing outside it and is computed in closed form;
//! routers, ports and senders are simulated cycle by cycle, but only while they have flits.

mod core;
pub mod cost;
pub mod error;
pub mod memory;
pub mod mesh;
pub mod probe;
pub mod program;
pub mod schedule;
pub mod statistics;
pub mod stats;
pub mod vcd;

pub use error::Error;
pub use program::Program;

use crate::core::Core;
use hw::image::Image;
use hw::platform::Structure;
use mesh::{Flit, Mesh};
use probe::{NoProbe, Probe};
use serde::Serialize;
use spikes::Binned;
use stats::CoreStats;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// SHA-256 of bytes, hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// Router-to-router hops.
    pub hops: u64,
    /// Cycles that heads of router buffers waited for a credit or a grant.
    pub router_stalls: u64,
}

/// Options of a simulator.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Set from outside to stop at the next step.
    pub interrupt: Option<Arc<AtomicBool>>,
}

/// Runs samples on one image and structure. Cloning shares the decoded image.
#[derive(Debug, Clone)]
pub struct Simulator {
    program: Arc<Program>,
    options: Options,
    mesh: Mesh,
    cores: Vec<Core>,
    /// Index of the core at a router.
    core_at: Vec<Option<u32>>,
    injectors: Vec<Injector>,
    input_spikes: u64,
    injected: u64,
}

/// Flits of the present step that an injector has still to send.
#[derive(Debug, Clone, Default)]
struct Injector {
    flits: Vec<Flit>,
    next: usize,
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
        let mesh = Mesh::new(&program.platform);
        let mut core_at = vec![None; mesh.routers];
        for (i, core) in program.cores.iter().enumerate() {
            core_at[core.router] = Some(i as u32);
        }
        Ok(Self {
            cores: (0..program.cores.len()).map(|i| Core::new(&program, i)).collect(),
            injectors: vec![Injector::default(); program.platform.mesh.injectors.len()],
            program: Arc::new(program),
            options,
            mesh,
            core_at,
            input_spikes: 0,
            injected: 0,
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
        let program = Arc::clone(&self.program);
        let steps = program.network.steps;
        let found = input.offsets.len() as u32 - 1;
        if found != steps {
            return Err(Error::Input { expected: steps, found });
        }
        self.mesh.reset();
        (self.input_spikes, self.injected) = (0, 0);
        let reset_cycles = self.cores.iter_mut().map(Core::reset).max().unwrap_or(0);
        let mut spikes = Vec::new();
        let mut overflows: Vec<Overflow> = Vec::new();
        let mut now = 0;
        for step in 0..steps {
            if self.options.interrupt.as_ref().is_some_and(|i| i.load(Ordering::Relaxed)) {
                return Err(Error::Interrupted);
            }
            probe.step(now, step);
            let first = spikes.len();
            let quiet = self.step(&program, input, step, now, &mut spikes, probe)?;
            spikes[first..].sort_unstable();
            let release = quiet + u64::from(program.platform.mesh.barrier_latency);
            probe.barrier(quiet, release);
            if program.structure == Structure::SharedQueue {
                self.watch_queues(&program, step, &mut overflows);
            }
            now = release;
        }
        for core in &mut self.cores {
            // What still waits in a queue would arrive past the end.
            let code = &program.cores[core.index];
            let lost: u64 =
                core.waiting_events().map(|e| u64::from(code.axons[e.axon as usize].count - e.offset)).sum();
            core.stats.lost += lost;
        }
        let scores = self.scores(&program, &spikes);
        let prediction = (0..scores.len()).rev().max_by_key(|&i| scores[i]).unwrap_or(0) as u32;
        Ok(Outcome {
            spikes,
            prediction,
            scores,
            cycles: now,
            reset_cycles,
            overflows,
            cores: self.cores.iter().map(|c| c.stats.clone()).collect(),
            input_spikes: self.input_spikes,
            injected: self.injected,
            hops: self.mesh.hops,
            router_stalls: self.mesh.blocked,
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
        self.mesh.agenda.restart(start);
        for core in &mut self.cores {
            core.begin_step(program, step, start, spikes, probe);
            let code = &program.cores[core.index];
            if let Some(at) = core.begin_sending(code) {
                self.mesh.agenda.wake(self.mesh.sender_component(code.router), at);
            }
        }
        let mut quiet = start;
        for injector in &mut self.injectors {
            injector.flits.clear();
            injector.next = 0;
        }
        let count = self.injectors.len();
        for &channel in input.step(step) {
            let targets = program.inputs.get(channel as usize).ok_or(Error::Channel {
                channel,
                step,
                channels: program.inputs.len(),
            })?;
            self.input_spikes += 1;
            self.injectors[channel as usize % count].flits.extend(targets.iter().map(|t| Flit {
                axon: t.axon,
                x: t.x as u8,
                y: t.y as u8,
                parity: step & 1 == 1,
            }));
        }
        for (i, injector) in self.injectors.iter().enumerate() {
            if !injector.flits.is_empty() {
                self.mesh.agenda.wake(self.mesh.injector_component(i), start);
            }
        }
        let routers = self.mesh.routers;
        let mut awake = Vec::new();
        let mut last = start;
        while let Some(now) = self.mesh.agenda.advance() {
            self.mesh.agenda.take(&mut awake);
            last = now;
            for &component in &awake {
                let c = component as usize;
                let again = match c / routers {
                    0 => {
                        self.mesh.router_cycle(c, now, probe);
                        None
                    }
                    1 => self.core_at[c - routers].and_then(|core| {
                        let core = &mut self.cores[core as usize];
                        core.accept(program, &mut self.mesh, step, now, probe)
                    }),
                    2 if self.core_at[c - 2 * routers].is_some() => {
                        let core = self.core_at[c - 2 * routers].map_or(0, |c| c as usize);
                        let code = &program.cores[core];
                        self.cores[core].send(code, &mut self.mesh, now, probe)
                    }
                    _ => self.inject(c - 3 * routers, now, &mut quiet, probe),
                };
                if let Some(at) = again {
                    self.mesh.agenda.wake(component, at);
                }
            }
            self.mesh.end_cycle(now, probe);
        }
        let unsent = self.injectors.iter().any(|i| i.next < i.flits.len());
        if self.mesh.in_flight > 0 || unsent || self.cores.iter().any(Core::is_sending) {
            return Err(Error::Deadlock { step, cycle: last, waiting: self.mesh.waiting() });
        }
        Ok(self.cores.iter().map(|c| c.quiet).fold(quiet, u64::max))
    }

    /// One cycle of an injector; returns when to look again.
    fn inject<P: Probe>(&mut self, injector: usize, now: u64, quiet: &mut u64, probe: &mut P) -> Option<u64> {
        let writer = self.mesh.injector(injector);
        let state = &mut self.injectors[injector];
        if state.next == state.flits.len() || !self.mesh.has_credit(writer) {
            return None;
        }
        let flit = state.flits[state.next];
        state.next += 1;
        self.injected += 1;
        self.mesh.in_flight += 1;
        self.mesh.send(writer, flit, now);
        if P::ON {
            probe.injector_output(now, injector, flit);
        }
        *quiet = (*quiet).max(now + 1);
        (state.next < state.flits.len()).then_some(now + 1)
    }

    /// Keeps the high-water mark of every queue, and what overflowed.
    fn watch_queues(&mut self, program: &Program, step: u32, overflows: &mut Vec<Overflow>) {
        let depth = program.platform.shared_queue.depth;
        for (i, core) in self.cores.iter_mut().enumerate() {
            let waiting = core.waiting_events().count() as u64;
            core.stats.queue_peak = core.stats.queue_peak.max(waiting);
            if waiting > u64::from(depth) {
                let (x, y) = program.place(i);
                let needed = waiting as u32;
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
