//! The machine in RTL: elaborates the chip of an image, loads it, runs samples cycle by cycle.
//!
//! This is the host's side, in plain Rust over the simulator of circuits: it offers input spikes to the injectors,
//! follows the steps, and reads the scores. All that a sample needs beside it is in the circuit.
//!
//! Long because elaborating, loading, following and reading are one host's dealings with one circuit.

use crate::blocks::chip::Chip;
use crate::blocks::core_of;
use crate::blocks::router::Port;
use crate::image::{Build, Image};
use crate::layout::{Memory, Target};
use crate::platform::{Mesh, Structure};
use rtl::{Def, Errors, Input, Library, Probe, SimError, Simulator, Violation};
use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

/// Why a machine cannot be made or a sample not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The image was not compiled for the structure.
    #[error("the image has no {structure} build: {reason}")]
    NoBuild {
        /// The structure.
        structure: Structure,
        /// Why, or what to do.
        reason: String,
    },
    /// A block's description is wrong for this platform.
    #[error("the platform's circuit cannot be built: {0}")]
    Build(#[from] Errors),
    /// The circuit lacks something that this driver uses, or contents do not fit it.
    #[error("the image does not fit its circuit: {0}")]
    Circuit(#[from] SimError),
    /// An assertion of the circuit failed.
    #[error("the circuit violates a property: {0}")]
    Violation(#[from] Violation),
    /// The input has another number of steps than the image.
    #[error("the input has {found} steps, the image {expected}: bin the recording for this network")]
    Steps {
        /// Steps of the image.
        expected: u32,
        /// Steps of the input.
        found: usize,
    },
    /// A channel that the network does not have.
    #[error("step {step}: channel {channel}, the network has {channels}: bin the recording for this network")]
    Channel {
        /// The channel.
        channel: u32,
        /// The step.
        step: u32,
        /// Channels of the network.
        channels: usize,
    },
    /// A step, or the reset phase, does not end.
    #[error("step {step} is not over after {cycles} cycles: the chip is stuck; {}", waiting.join("; "))]
    Stuck {
        /// The step.
        step: u32,
        /// Cycles since it started.
        cycles: u64,
        /// Who waits for whom.
        waiting: Vec<String>,
    },
    /// The observer asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A spike of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spike {
    /// Step in which it was emitted.
    pub step: u32,
    /// Index of the core in the build.
    pub core: u32,
    /// Index of the neuron in the core.
    pub neuron: u32,
}

/// Cycles of a step, counted from the start of step 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepCycles {
    /// Its first cycle, s(t).
    pub start: u64,
    /// First cycle in which nothing was left to do, c*.
    pub quiet: u64,
    /// First cycle of the next step, s(t + 1).
    pub release: u64,
}

/// A queue that was too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Overflow {
    /// Index of the core in the build.
    pub core: u32,
    /// First step in which it overflowed.
    pub step: u32,
}

/// What came of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Spikes, sorted by step, core, neuron.
    pub spikes: Vec<Spike>,
    /// Scores of each core's integrators.
    pub scores: Vec<Vec<i64>>,
    /// Cycles of each step.
    pub steps: Vec<StepCycles>,
    /// Cycles of the reset phase.
    pub reset_cycles: u64,
    /// Queues that overflowed, by core; then nothing else of the outcome counts.
    pub overflows: Vec<Overflow>,
}

/// A cycle of a running sample, for observers.
pub struct Cycle<'a> {
    /// Cycle since the start of step 0; -1 in all cycles before it.
    pub cycle: i64,
    /// The present step.
    pub step: u32,
    /// The circuit, all inputs set; its signals are those of this cycle.
    pub circuit: &'a mut Simulator,
}

/// Who watches a sample.
type Observer<'a> = dyn FnMut(&mut Cycle<'_>) -> ControlFlow<()> + 'a;

/// Ports of an injector on the host's side.
struct Host {
    valid: Input,
    target: Input,
    idle: Input,
    ready: Probe,
    waiting: VecDeque<u64>,
}

impl Host {
    fn offer(&self, circuit: &mut Simulator) {
        circuit.set(self.valid, (!self.waiting.is_empty()).into());
        circuit.set(self.idle, self.waiting.is_empty().into());
        circuit.set(self.target, self.waiting.front().copied().unwrap_or(0));
    }

    /// Whether what it offers is taken in this cycle.
    fn takes(&self, circuit: &mut Simulator) -> bool {
        !self.waiting.is_empty() && circuit.get(self.ready) == 1
    }
}

/// Signals of a core that the driver watches.
struct CoreProbes {
    spike: Probe,
    neuron: Probe,
}

/// A chip that runs samples.
pub struct Machine {
    circuit: Simulator,
    pub(crate) build: Build,
    steps: u32,
    pub(crate) mesh: Mesh,
    left_out: BTreeSet<(u16, u16)>,
    /// Scores of each core.
    readouts: Vec<u32>,
    /// Targets of each channel, packed.
    inputs: Vec<Vec<u64>>,
    hosts: Vec<Host>,
    cores: Vec<CoreProbes>,
    begin: Input,
    read: Input,
    read_core: Input,
    read_address: Input,
    read_data: Probe,
    start: Probe,
    released: Probe,
    /// The last sample did not come to its end.
    broken_off: bool,
    /// Cycles after which a step, or the reset phase, that is not over is an error. At first so many that no step of this
    /// image can need them.
    pub patience: u64,
}

impl Machine {
    /// The machine of an image with one of its structures.
    ///
    /// # Errors
    /// [`MachineError::NoBuild`], [`MachineError::Build`], [`MachineError::Circuit`].
    pub fn new(image: &Image, structure: Structure) -> Result<Self, MachineError> {
        let build = build_of(image, structure)?;
        Self::of(image, build, &Chip::of(image, build))
    }

    /// The same machine without the routers that no flit can reach ([`Chip::in_use`]): equal to the whole in every cycle
    /// and every signal that it has, and faster by as much as it lacks.
    ///
    /// # Errors
    /// Those of [`Machine::new`].
    pub fn in_use(image: &Image, structure: Structure) -> Result<Self, MachineError> {
        let build = build_of(image, structure)?;
        Self::of(image, build, &Chip::in_use(image, build))
    }

    fn of(image: &Image, build: &Build, chip: &Chip<'_>) -> Result<Self, MachineError> {
        let def = circuit_of(chip)?;
        let mut circuit = Simulator::new(&def);
        for (path, words) in contents(build, circuit.design().memory_paths()) {
            let memory = circuit.memory(&path)?;
            circuit.load(memory, words)?;
        }
        let hosts = (0..image.platform.mesh.injectors.len()).map(|i| {
            Ok(Host {
                valid: circuit.input(&format!("host_{i}_valid"))?,
                target: circuit.input(&format!("host_{i}_target"))?,
                idle: circuit.input(&format!("host_{i}_idle"))?,
                ready: circuit.probe(&format!("host_{i}_ready"))?,
                waiting: VecDeque::new(),
            })
        });
        let hosts = hosts.collect::<Result<Vec<_>, SimError>>()?;
        let cores = build.cores.iter().map(|core| {
            let name = format!("core_{}_{}", core.x, core.y);
            Ok(CoreProbes {
                spike: circuit.probe(&format!("{name}.spike"))?,
                neuron: circuit.probe(&format!("{name}.spike_neuron"))?,
            })
        });
        let cores = cores.collect::<Result<Vec<_>, SimError>>()?;
        let widths = build.widths(&image.platform);
        let pack = |targets: &Vec<Target>| targets.iter().map(|&t| widths.pack_target(t)).collect();
        let steps = circuit.input("steps")?;
        circuit.set(steps, image.network.steps.into());
        Ok(Self {
            build: build.clone(),
            steps: image.network.steps,
            mesh: image.platform.mesh.clone(),
            left_out: chip.left_out.clone(),
            readouts: chip.sites.iter().map(|s| s.readouts).collect(),
            inputs: build.inputs.iter().map(pack).collect(),
            hosts,
            cores,
            begin: circuit.input("begin_sample")?,
            read: circuit.input("read")?,
            read_core: circuit.input("read_core")?,
            read_address: circuit.input("read_address")?,
            read_data: circuit.probe("read_data")?,
            start: circuit.probe("start")?,
            released: circuit.probe("released")?,
            broken_off: false,
            patience: longest_step(image, build),
            circuit,
        })
    }

    /// The circuit, for waves.
    #[must_use]
    pub fn circuit(&self) -> &Simulator {
        &self.circuit
    }

    /// Whether it has the router at a place.
    #[must_use]
    pub fn has_router(&self, x: u16, y: u16) -> bool {
        !self.left_out.contains(&(x, y))
    }

    /// Population and index in it of a core's neuron.
    #[must_use]
    pub fn identity(&self, core: u32, neuron: u32) -> Option<(u32, u32)> {
        let mut left = neuron;
        for segment in &self.build.cores.get(core as usize)?.segments {
            if left < segment.count {
                return Some((segment.population, segment.first + left));
            }
            left -= segment.count;
        }
        None
    }

    /// Runs a sample: for each step the channels that spike, in ascending order.
    ///
    /// # Errors
    /// All but those of [`Machine::new`].
    pub fn run(&mut self, input: &[Vec<u32>]) -> Result<Outcome, MachineError> {
        self.run_with(input, |_| ControlFlow::Continue(()))
    }

    /// Runs a sample and shows every cycle of it to an observer: the one that begins it, reset phase, steps, readout.
    ///
    /// # Errors
    /// As [`Machine::run`]; [`MachineError::Interrupted`] where the observer breaks off.
    pub fn run_with(
        &mut self,
        input: &[Vec<u32>],
        mut observe: impl FnMut(&mut Cycle<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, MachineError> {
        if input.len() != self.steps as usize {
            return Err(MachineError::Steps { expected: self.steps, found: input.len() });
        }
        // The reset phase clears what a whole sample leaves; one that broke off may have left flits anywhere.
        if std::mem::replace(&mut self.broken_off, true) {
            self.circuit.reset();
        }
        self.circuit.set(self.read, 0);
        for host in &mut self.hosts {
            host.waiting.clear();
            host.offer(&mut self.circuit);
        }
        self.circuit.set(self.begin, 1);
        self.tick(-1, 0, &mut observe)?;
        self.circuit.set(self.begin, 0);
        let reset_cycles = self.clear(&mut observe)?;
        let origin = self.circuit.cycle();
        let (mut spikes, mut steps) = (Vec::new(), Vec::<StepCycles>::new());
        for (step, channels) in (0..).zip(input) {
            self.offer(step, channels)?;
            steps.push(self.step(step, origin, &mut spikes, &mut observe)?);
        }
        spikes.sort_unstable();
        let mut outcome = Outcome { spikes, scores: vec![], steps, reset_cycles, overflows: vec![] };
        self.read(&mut outcome, origin, &mut observe)?;
        self.broken_off = false;
        Ok(outcome)
    }

    /// Shows a cycle to the observer, then ends it.
    fn tick(&mut self, cycle: i64, step: u32, observe: &mut Observer<'_>) -> Result<(), MachineError> {
        let seen = observe(&mut Cycle { cycle, step, circuit: &mut self.circuit });
        if seen.is_break() {
            return Err(MachineError::Interrupted);
        }
        Ok(self.circuit.step()?)
    }

    /// The reset phase; returns its cycles. It leaves the circuit in the first cycle of step 0.
    fn clear(&mut self, observe: &mut Observer<'_>) -> Result<u64, MachineError> {
        let mut cycles = 0;
        while self.circuit.get(self.start) == 0 {
            self.tick(-1, 0, observe)?;
            cycles += 1;
            self.be_patient(0, cycles)?;
        }
        Ok(cycles)
    }

    fn be_patient(&mut self, step: u32, cycles: u64) -> Result<(), MachineError> {
        if cycles <= self.patience {
            return Ok(());
        }
        Err(MachineError::Stuck { step, cycles, waiting: self.waiting()? })
    }

    /// Who waits for whom in this cycle.
    fn waiting(&mut self) -> Result<Vec<String>, SimError> {
        let Self { circuit, build, mesh, left_out, hosts, .. } = self;
        let mut waiting = Vec::new();
        for (i, host) in hosts.iter().enumerate().filter(|(_, h)| !h.waiting.is_empty()) {
            let credits = circuit.peek(&format!("injector_{i}.out_credits"))?;
            let flits = host.waiting.len();
            waiting.push(format!("injector {i} has {flits} flits to send and {credits} credits"));
        }
        for (x, y) in build.cores.iter().map(|c| (c.x, c.y)) {
            let mut peek = |signal: &str| circuit.peek(&format!("core_{x}_{y}.{signal}"));
            if peek("quiet")? == 0 {
                let (level, credits) = (peek("input_level")?, peek("sender.credits")?);
                waiting.push(format!(
                    "core ({x}, {y}) is not done: {level} flits in its input port, {credits} credits to send"
                ));
            }
        }
        let places = (0..mesh.height).flat_map(|y| (0..mesh.width).map(move |x| (x, y)));
        for (x, y) in places.filter(|place| !left_out.contains(place)) {
            let mut peek = |signal: &str| circuit.peek(&format!("router_{x}_{y}.{signal}"));
            for input in Port::ALL.map(Port::name) {
                let level = peek(&format!("{input}_buffer.level"))?;
                if level == 0 {
                    continue;
                }
                for output in Port::ALL.map(Port::name) {
                    if peek(&format!("{input}_asks_{output}"))? == 1 {
                        let credits = peek(&format!("{output}_out_credits"))?;
                        waiting.push(format!(
                            "router ({x}, {y}) {input} holds {level} flits, the first waits for its output {output}, which has {credits} credits"
                        ));
                    }
                }
            }
        }
        Ok(waiting)
    }

    /// A step from its first cycle. It leaves the circuit in the cycle of its release.
    fn step(
        &mut self,
        step: u32,
        origin: u64,
        spikes: &mut Vec<Spike>,
        observe: &mut Observer<'_>,
    ) -> Result<StepCycles, MachineError> {
        let start = self.circuit.cycle() - origin;
        loop {
            let now = self.circuit.cycle() - origin;
            for (core, probes) in (0..).zip(&self.cores) {
                if self.circuit.get(probes.spike) == 1 {
                    let neuron = self.circuit.get(probes.neuron) as u32;
                    spikes.push(Spike { step, core, neuron });
                }
            }
            let taken: Vec<bool> = self.hosts.iter().map(|h| h.takes(&mut self.circuit)).collect();
            self.tick(now.cast_signed(), step, observe)?;
            for (host, _) in self.hosts.iter_mut().zip(taken).filter(|(_, taken)| *taken) {
                host.waiting.pop_front();
                host.offer(&mut self.circuit);
            }
            let release = now + 1;
            if self.circuit.get(self.released) == 1 {
                return Ok(StepCycles {
                    start,
                    quiet: release - u64::from(self.mesh.barrier_latency),
                    release,
                });
            }
            self.be_patient(step, release - start)?;
        }
    }

    /// Gives the injectors what they send in a step.
    fn offer(&mut self, step: u32, channels: &[u32]) -> Result<(), MachineError> {
        let count = self.hosts.len();
        for &channel in channels {
            let targets = self.inputs.get(channel as usize).ok_or(MachineError::Channel {
                channel,
                step,
                channels: self.inputs.len(),
            })?;
            self.hosts[channel as usize % count].waiting.extend(targets);
        }
        for host in self.hosts.iter().filter(|h| !h.waiting.is_empty()) {
            host.offer(&mut self.circuit);
        }
        Ok(())
    }

    /// Reads scores and overflows of all cores.
    fn read(
        &mut self,
        outcome: &mut Outcome,
        origin: u64,
        observe: &mut Observer<'_>,
    ) -> Result<(), MachineError> {
        let last = self.steps - 1;
        let mut tick = |machine: &mut Self| {
            let cycle = (machine.circuit.cycle() - origin).cast_signed();
            machine.tick(cycle, last, observe)
        };
        // The cycle of the last release.
        tick(self)?;
        self.circuit.set(self.read, 1);
        for core in 0..self.cores.len() {
            self.circuit.set(self.read_core, core as u64);
            let mut scores = Vec::new();
            // Overflows come by the same way, so that a core without scores is read too.
            for address in 0..self.readouts[core].max(1) {
                self.circuit.set(self.read_address, address.into());
                tick(self)?;
                tick(self)?;
                scores.push(self.circuit.get_s(self.read_data));
            }
            scores.truncate(self.readouts[core] as usize);
            outcome.scores.push(scores);
            if self.circuit.peek("read_overflow")? == 1 {
                let step = self.circuit.peek("read_overflow_step")? as u32;
                outcome.overflows.push(Overflow { core: core as u32, step });
            }
        }
        self.circuit.set(self.read, 0);
        Ok(())
    }
}

/// Cycles that no step and no reset phase of a build can need: as if everything that can happen in one were done one
/// after the other, each at its slowest.
fn longest_step(image: &Image, build: &Build) -> u64 {
    let (mesh, widths) = (&image.platform.mesh, build.widths(&image.platform));
    let mut flits: u64 = build.inputs.iter().map(|targets| targets.len() as u64).sum();
    // Synapses of an axon, and what cores do beside them.
    let (mut longest, mut others) = (0, 0);
    for core in &build.cores {
        flits += core.words(Memory::Routes).len() as u64;
        let rows = core.words(Memory::Axons).iter().map(|&word| u64::from(widths.axon_row_of(word).base));
        let mut ends: Vec<_> = rows.chain([core.words(Memory::Synapses).len() as u64]).collect();
        ends.sort_unstable();
        longest = ends.windows(2).map(|w| w[1] - w[0]).fold(longest, u64::max);
        others += 16 * u64::from(core.neurons()) * u64::from(build.depth);
    }
    let events = match build.structure {
        Structure::RingBuffer => 0,
        Structure::SharedQueue => u64::from(image.platform.shared_queue.depth) * build.cores.len() as u64,
    };
    let way = 4 * (u64::from(mesh.width) + u64::from(mesh.height) + 2);
    (flits + events) * (way + 2 * longest + 16) + others + u64::from(mesh.barrier_latency) + 64
}

/// The build of a structure and its chip.
///
/// # Errors
/// [`MachineError::NoBuild`], [`MachineError::Build`].
pub fn elaborate(image: &Image, structure: Structure) -> Result<(&Build, Def), MachineError> {
    let build = build_of(image, structure)?;
    Ok((build, circuit_of(&Chip::of(image, build))?))
}

fn build_of(image: &Image, structure: Structure) -> Result<&Build, MachineError> {
    image.builds.iter().find(|b| b.structure == structure).ok_or_else(|| {
        let refusal = image.refused.iter().find(|r| r.structure == structure);
        let reason = refusal.map_or("compile it with --delays".into(), |r| r.reason.clone());
        MachineError::NoBuild { structure, reason }
    })
}

fn circuit_of(chip: &Chip<'_>) -> Result<Def, MachineError> {
    let mut library = Library::new();
    let core = core_of(&mut library, chip.platform, chip.widths.structure)?;
    Ok(chip.elaborate(&mut library, &core)?)
}

/// Of a chip's memories those with contents in a build, by path.
pub fn contents(build: &Build, paths: Vec<String>) -> impl Iterator<Item = (String, &[u64])> {
    paths.into_iter().filter_map(|path| {
        let (core, rest) = path.split_once('.')?;
        let name = rest.rsplit('.').next()?;
        let core = build.cores.iter().find(|c| core == format!("core_{}_{}", c.x, c.y))?;
        let (_, words) = core.contents.iter().find(|(memory, _)| memory.name() == name)?;
        Some((path.clone(), words.as_slice()))
    })
}
