//! Lockstep: a chip in RTL beside the fast model, signal by signal in every cycle.
//!
//! The fast model runs a step; what it says of the signals of the chosen components is put in the order of its cycles;
//! then the RTL runs through them, and both are compared before each clock edge. Memory is bounded by the busiest step.
//! The whole chip runs in RTL, and the chosen components are compared, so that a component is fed by RTL, never by
//! what is being tested. Routers that no flit can reach may be left out ([`Machine::in_use`]): they never do anything.

mod trace;

use crate::error::Error;
use crate::lanes::Follow;
use crate::probe::{NoProbe, Probe};
use crate::steps::{Record, Recorder};
use crate::{Outcome, Run, Simulator, Spike};
use hw::machine::{self, Cycle, Machine, MachineError};
use rtl::wave::{Layout, Writer};
use spikes::Binned;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use trace::Trace;
pub use trace::{Change, Signal, Value};

/// Cycles that the waves around a difference hold before and after it.
const BEFORE: usize = 64;
const AFTER: u64 = 16;

/// Which components are compared. The chip's own signals (step, barrier) always are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Components {
    /// All of them.
    All,
    /// These: `0_1` is a core with its router; `core_0_1`, `router_0_1`, `injector_0` are one each.
    Named(Vec<String>),
}

impl std::str::FromStr for Components {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<_> = text.split(',').map(|n| n.trim().to_string()).collect();
        match names.iter().any(|n| n == "all") {
            true if names.len() == 1 => Ok(Self::All),
            true => Err("`all` stands alone: it is every component".into()),
            false => Ok(Self::Named(names)),
        }
    }
}

impl Components {
    /// The names among those of a chip that are meant.
    fn resolve(&self, known: &[String]) -> Result<BTreeSet<String>, Error> {
        let Self::Named(names) = self else { return Ok(known.iter().cloned().collect()) };
        let mut chosen = BTreeSet::new();
        for name in names {
            let both = [name.clone(), format!("core_{name}"), format!("router_{name}")];
            let before = chosen.len();
            chosen.extend(both.into_iter().filter(|n| known.contains(n)));
            if chosen.len() == before && !known.contains(name) {
                return Err(Error::Component { name: name.clone(), known: known.join(", ") });
            }
        }
        Ok(chosen)
    }
}

/// Where RTL and fast model part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step.
    pub step: u32,
    /// The cycle since the start of step 0.
    pub cycle: u64,
    /// The component: `chip`, `core_X_Y`, `router_X_Y`, `injector_I`.
    pub component: String,
    /// The signal in it.
    pub signal: String,
    /// Its value in RTL.
    pub rtl: u64,
    /// Its value in the fast model.
    pub fast: u64,
    /// Other signals that differ in the same cycle.
    pub others: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "step {}, cycle {}: {}.{} is {:#x} in RTL, {:#x} in the fast model",
            self.step, self.cycle, self.component, self.signal, self.rtl, self.fast
        )?;
        match self.others {
            0 => Ok(()),
            n => write!(f, " ({n} more signals differ in this cycle)"),
        }
    }
}

/// What came of a sample in lockstep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the fast model made of it; absent where the two parted.
    pub outcome: Option<Outcome>,
    /// What was read from the RTL itself; absent where it did not come to its end, or a queue overflowed.
    pub rtl: Option<Readout>,
    /// The first difference.
    pub difference: Option<Difference>,
    /// Cycles that were compared.
    pub cycles: u64,
    /// Values that were compared.
    pub values: u64,
    /// What the fast model did by step, where a recorder followed it to the end.
    pub record: Option<Record>,
}

/// What the RTL made of a sample, in the network's terms. No value in it comes from the fast model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readout {
    /// All spikes, sorted by step, population, neuron.
    pub spikes: Vec<Spike>,
    /// One score a readout unit.
    pub scores: Vec<i64>,
    /// Index of the highest score, the lowest on a tie.
    pub prediction: u32,
}

/// Who follows a run in lockstep, or meddles with it.
pub trait Watch {
    /// The fast model has run a step: what it says of its signals, in the order of cycles.
    fn fast(&mut self, _step: u32, _signals: &[Signal], _changes: &mut Vec<Change>) {}
    /// A cycle of the RTL, before it is compared; breaking off ends the run as interrupted.
    fn rtl(&mut self, _cycle: &mut Cycle<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Watches nothing.
impl Watch for () {}

/// Who else sees what the fast model does.
pub struct Also<'a, P> {
    /// Counts by step.
    pub recorder: Option<&'a mut Recorder>,
    /// Anything else.
    pub probe: &'a mut P,
}

/// Both sides of one cycle.
struct Moment {
    cycle: u64,
    fast: Vec<u64>,
    rtl: Vec<u64>,
}

/// A fast model and a machine in RTL, side by side.
pub struct Lockstep {
    fast: Simulator,
    machine: Machine,
    trace: Follow<Trace>,
    /// The last cycles, the latest at the end.
    moments: VecDeque<Moment>,
}

impl Lockstep {
    /// Puts a fast model beside a machine of the same platform and structure.
    ///
    /// # Errors
    /// [`Error::Component`], or [`Error::Rtl`] where the circuit lacks a signal.
    pub fn new(fast: Simulator, machine: Machine, components: &Components) -> Result<Self, Error> {
        let known = trace::components(fast.program(), &machine);
        let chosen = components.resolve(&known)?;
        let trace = Trace::follow(fast.program(), &machine, &chosen).map_err(MachineError::from)?;
        Ok(Self { fast, machine, trace, moments: VecDeque::new() })
    }

    /// Signals that are compared.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.trace.sink.signals
    }

    /// Runs a sample until its end, the first difference, or the end of the step in which a queue overflows.
    ///
    /// # Errors
    /// Those of [`Simulator::run`]; [`Error::Rtl`] where the circuit violates a property or is stuck;
    /// [`Error::Interrupted`] where the watch breaks off.
    pub fn run(&mut self, input: &Binned, watch: &mut impl Watch) -> Result<Report, Error> {
        self.run_also(input, watch, Also { recorder: None, probe: &mut NoProbe })
    }

    fn run_also<P: Probe>(
        &mut self,
        input: &Binned,
        watch: &mut impl Watch,
        mut also: Also<'_, P>,
    ) -> Result<Report, Error> {
        let Self { fast, machine, trace, moments } = self;
        let program = std::sync::Arc::clone(fast.program());
        let channels: Vec<Vec<u32>> = (0..program.network.steps).map(|t| input.step(t).to_vec()).collect();
        moments.clear();
        trace.begin();
        trace.sink.begin();
        if let Some(recorder) = &mut also.recorder {
            recorder.begin();
        }
        let mut both = Both {
            run: fast.begin(input)?,
            also,
            trace,
            moments,
            failed: None,
            difference: None,
            overflow: false,
            cycles: 0,
            values: 0,
        };
        let ran = machine.run_with(&channels, |cycle| both.cycle(cycle, watch));
        let Both { run, also, failed, difference, overflow, cycles, values, .. } = both;
        if difference.is_some() {
            return Ok(Report { outcome: None, rtl: None, difference, cycles, values, record: None });
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if overflow {
            // A queue that is too short loses events: after that step the sample means nothing.
            let mut run = run;
            while run.advance(also.probe)? {}
            let outcome = Some(run.finish());
            return Ok(Report { outcome, rtl: None, difference, cycles, values, record: None });
        }
        let ran = match ran {
            Err(MachineError::Interrupted) => return Err(Error::Interrupted),
            other => other?,
        };
        let outcome = run.finish();
        let readout = read(&program, machine, &ran, outcome.scores.len());
        let difference = compare(&program, &ran, &readout, &outcome);
        let outcome = difference.is_none().then_some(outcome);
        let record = also.recorder.map(Recorder::take);
        Ok(Report { outcome, rtl: Some(readout), difference, cycles, values, record })
    }

    /// Runs a sample until its end; where the two sides part, or one of them stops, both go into a VCD at `waves`.
    ///
    /// # Errors
    /// Those of [`Lockstep::run`]; [`Error::Parted`] and [`Error::Stopped`] once the VCD is there; [`Error::Waves`].
    pub fn check<P: Probe>(
        &mut self,
        input: &Binned,
        waves: &Path,
        watch: &mut impl Watch,
        also: Also<'_, P>,
    ) -> Result<Report, Error> {
        let path = waves.display().to_string();
        let error = match self.run_also(input, watch, also) {
            Ok(Report { difference: Some(difference), .. }) => {
                Error::Parted { difference, waves: path.clone() }
            }
            Err(
                source @ (Error::Rtl(MachineError::Violation(_) | MachineError::Stuck { .. })
                | Error::Deadlock { .. }),
            ) => Error::Stopped { source: Box::new(source), waves: path.clone() },
            other => return other,
        };
        let mut file = Vec::new();
        let written = self.waves(&mut file).and_then(|()| spikes::write_whole(waves, &file));
        Err(written.map_or_else(|source| Error::Waves { path, source }, |()| error))
    }

    /// Writes the last cycles of the last run as VCD, both sides in it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn waves(&self, out: impl Write) -> io::Result<()> {
        let mut layout = Layout::new();
        let top = layout.scope(None, "lockstep");
        let differs = layout.signal(top, "differs", 1);
        let sides = ["fast", "rtl"].map(|side| {
            let side = layout.scope(Some(top), side);
            let mut last: Option<(&str, _)> = None;
            let signals = self.trace.sink.signals.iter().map(|signal| {
                let scope = match last {
                    Some((name, scope)) if name == signal.component => scope,
                    _ => layout.scope(Some(side), &signal.component),
                };
                last = Some((&signal.component, scope));
                layout.signal(scope, &signal.name.replace('.', "_"), signal.bits())
            });
            signals.collect::<Vec<_>>()
        });
        let period = (1e6 / self.fast.program().platform.clock_mhz).round().max(1.0) as u64;
        let mut writer = Writer::new(out, &layout, 1, "delayline sim: RTL and fast model where they part")?;
        for moment in &self.moments {
            let time = moment.cycle * period;
            let equal = |i| self.trace.sink.equal(i, &moment.fast, &moment.rtl);
            writer.change(time, differs, (!(0..self.trace.sink.signals.len()).all(equal)).into())?;
            for (signals, values) in sides.iter().zip([&moment.fast, &moment.rtl]) {
                for (&signal, &value) in signals.iter().zip(values) {
                    writer.change(time, signal, value)?;
                }
            }
        }
        writer.finish()
    }
}

/// A run in progress.
struct Both<'a, P> {
    run: Run<'a>,
    also: Also<'a, P>,
    trace: &'a mut Follow<Trace>,
    moments: &'a mut VecDeque<Moment>,
    failed: Option<Error>,
    difference: Option<Difference>,
    overflow: bool,
    cycles: u64,
    values: u64,
}

impl<P: Probe> Both<'_, P> {
    /// The next step of the fast model.
    fn advance(&mut self) -> Result<bool, Error> {
        let probe = &mut (&mut *self.trace, &mut *self.also.probe);
        let Some(recorder) = &mut self.also.recorder else { return self.run.advance(probe) };
        let more = self.run.advance(&mut (&mut **recorder, probe))?;
        if more {
            recorder.end_step(&self.run);
        }
        Ok(more)
    }

    fn cycle(&mut self, cycle: &mut Cycle<'_>, watch: &mut impl Watch) -> ControlFlow<()> {
        let Ok(now) = u64::try_from(cycle.cycle) else { return watch.rtl(cycle) };
        while now >= self.trace.sink.until && !self.overflow {
            if self.failed.is_some() {
                return ControlFlow::Break(());
            }
            match self.advance() {
                Ok(true) => {
                    self.overflow = !self.run.overflows().is_empty();
                    let trace = &mut self.trace.sink;
                    trace.sort();
                    if self.overflow {
                        trace.overflow();
                    }
                    watch.fast(trace.step, &trace.signals, &mut trace.changes);
                }
                Ok(false) => break,
                Err(error) => {
                    // Up to where the fast model came to a stand both are still compared.
                    if let Error::Deadlock { cycle, .. } = error {
                        self.trace.sink.sort();
                        self.trace.sink.until = cycle + 1;
                    }
                    self.failed = Some(error);
                }
            }
        }
        watch.rtl(cycle)?;
        // The cycle of the last release is the last one that both have.
        if now > self.trace.sink.until {
            return ControlFlow::Continue(());
        }
        self.trace.sink.apply(now);
        let mut moment =
            if self.moments.len() > BEFORE + AFTER as usize { self.moments.pop_front() } else { None }
                .unwrap_or(Moment { cycle: 0, fast: Vec::new(), rtl: Vec::new() });
        let trace = &self.trace.sink;
        moment.cycle = now;
        moment.fast.clone_from(&trace.values);
        moment.rtl.clear();
        moment.rtl.extend(trace.signals.iter().map(|s| cycle.circuit.get(s.probe)));
        // After a step in which a queue overflowed nothing counts but that it ends on both sides at once.
        let over = self.overflow && now == trace.until;
        let compared = |s: &Signal| !over || (&s.component[..], &s.name[..]) == ("chip", "released");
        if self.difference.is_none() {
            let mut differing = (0..trace.signals.len())
                .filter(|&i| compared(&trace.signals[i]) && !trace.equal(i, &moment.fast, &moment.rtl));
            if let Some(i) = differing.next() {
                let signal = &trace.signals[i];
                self.difference = Some(Difference {
                    step: cycle.step,
                    cycle: now,
                    component: signal.component.clone(),
                    signal: signal.name.clone(),
                    rtl: moment.rtl[i],
                    fast: moment.fast[i] & u64::MAX >> (64 - signal.bits()),
                    others: differing.count(),
                });
            }
            self.cycles += 1;
            self.values += moment.rtl.len() as u64;
        }
        self.moments.push_back(moment);
        let enough = self.difference.as_ref().is_some_and(|d| now >= d.cycle + AFTER);
        if over || enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Names the neurons of what a machine gave, and puts its scores in the order of the readout units.
fn read(program: &crate::Program, machine: &Machine, rtl: &machine::Outcome, units: usize) -> Readout {
    let name = |s: &machine::Spike| {
        let (population, neuron) = machine.identity(s.core, s.neuron)?;
        Some(Spike { step: s.step, population, neuron })
    };
    let mut spikes: Vec<_> = rtl.spikes.iter().filter_map(name).collect();
    spikes.sort_unstable();
    let (population, integrates) = program.readout;
    let mut scores = vec![0i64; units];
    if integrates {
        for (code, found) in program.cores.iter().zip(&rtl.scores) {
            for (neuron, &score) in code.readouts.clone().zip(found) {
                scores[code.identity[neuron].1 as usize] = score;
            }
        }
    } else {
        for spike in spikes.iter().filter(|s| s.population == population) {
            scores[spike.neuron as usize] += 1;
        }
    }
    Readout { prediction: crate::highest(&scores), spikes, scores }
}

/// Compares what is read after the last step: reset phase, spikes, overflows, scores.
fn compare(
    program: &crate::Program,
    rtl: &machine::Outcome,
    readout: &Readout,
    fast: &Outcome,
) -> Option<Difference> {
    let differ = |step: u32, signal: String, rtl: u64, fast_value: u64| {
        (rtl != fast_value).then(|| Difference {
            step,
            cycle: fast.cycles,
            component: "chip".into(),
            signal,
            rtl,
            fast: fast_value,
            others: 0,
        })
    };
    let last = |signal: &str, rtl, fast| differ(program.network.steps - 1, signal.into(), rtl, fast);
    last("reset_cycles", rtl.reset_cycles, fast.reset_cycles)
        // A spike without a name has no place among the others.
        .or_else(|| last("spikes", rtl.spikes.len() as u64, fast.spikes.len() as u64))
        .or_else(|| {
            let (found, expected) = readout.spikes.iter().zip(&fast.spikes).find(|(r, f)| r != f)?;
            // Both are sorted, so that the other side lacks the lower one.
            let (lower, in_rtl) = if found < expected { (found, 1) } else { (expected, 0) };
            let signal = format!("spike_{}_{}", lower.population, lower.neuron);
            differ(lower.step, signal, in_rtl, 1 - in_rtl)
        })
        .or_else(|| last("overflows", rtl.overflows.len() as u64, fast.overflows.len() as u64))
        .or_else(|| {
            readout.scores.iter().zip(&fast.scores).enumerate().find_map(|(i, (rtl, fast))| {
                last(&format!("score_{i}"), rtl.cast_unsigned(), fast.cast_unsigned())
            })
        })
        .or_else(|| last("prediction", readout.prediction.into(), fast.prediction.into()))
}
