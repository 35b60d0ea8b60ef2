//! Waves of a run: a probe that writes what a hardware engineer looks for, as VCD, FST or both.
//!
//! What happens in a step is collected, put in the order of its cycles at the barrier, and handed to a thread that
//! writes; memory is bounded by the busiest steps.

mod player;
mod signals;

use crate::error::Error;
use crate::lanes::{Follow, InjectorLanes, Lanes, RouterLanes, Sink};
use crate::mesh::Port;
use crate::program::Program;
use hw::layout::bits_for;
use player::{Change, Kind, Output, Player, Step, failure};
use rtl::fst;
use rtl::wave::{Layout, SignalId, Writer};
use signals::{Declare, Signal};
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// What to write.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Steps to write, half-open; all where `None`.
    pub steps: Option<Range<u32>>,
    /// Scopes or signals to write, as globs on their path (`chip.core_0_0.*`); all where empty.
    pub scopes: Vec<glob::Pattern>,
}

/// Where waves go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'a> {
    /// As VCD, a text that every viewer reads.
    pub vcd: Option<&'a Path>,
    /// As FST, compressed; states are numbers in it.
    pub fst: Option<&'a Path>,
}

/// Writes waves while a sample runs.
pub type Waves = Follow<Steps>;

/// Takes what signals do, step by step.
pub struct Steps {
    /// Steps for the player; `None` once it has failed.
    steps_to: Option<SyncSender<Step>>,
    player: JoinHandle<Result<(), Error>>,
    steps: Option<Range<u32>>,
    on: bool,
    /// Whether anything was written.
    begun: bool,
    /// Changes as they came; where each cycle begins in the order of time.
    changes: Vec<Change>,
    places: Vec<u32>,
    /// What signals that count hold, by their index, as long as nothing is written.
    held: Vec<i64>,
    start: u64,
}

impl Waves {
    /// Starts wave files for a program.
    ///
    /// # Errors
    /// [`Error::Waves`] where a file cannot be written, [`Error::Scope`] where a pattern matches nothing.
    pub fn create(files: Files<'_>, program: &Program, selection: &Selection) -> Result<Self, Error> {
        let platform = &program.platform;
        let widths = program.widths();
        let hits = vec![false; selection.scopes.len()];
        let mut d = Declare { layout: Layout::new(), patterns: &selection.scopes, hits };
        let top = d.scope(None, "chip");
        let clk = d.signal(top, "clk", 1);
        let mut lanes = Lanes::default();
        lanes.chip.step = d.signal(top, "step", bits_for(program.network.steps.into()));
        lanes.chip.start = d.signal(top, "step_start", 1);
        lanes.chip.quiet = d.signal(top, "quiet", 1);
        for i in 0..platform.mesh.injectors.len() {
            let scope = d.scope(Some(top), &format!("injector_{i}"));
            let (valid, flit) = (d.signal(scope, "valid", 1), d.signal(scope, "flit", widths.flit()));
            lanes.injectors.push(InjectorLanes { valid, flit, credits: None });
        }
        for (x, y) in (0..program.cores()).map(|i| program.place(i)) {
            let scope = d.scope(Some(top), &format!("core_{x}_{y}"));
            lanes.cores.push(signals::core(&mut d, scope, program, &widths));
        }
        let (width, height) = (platform.mesh.width, platform.mesh.height);
        let buffer_bits = bits_for(u64::from(platform.mesh.router_buffer.max(platform.mesh.core_buffer)) + 1);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let scope = d.scope(Some(top), &format!("router_{x}_{y}"));
            let mut router = RouterLanes::default();
            for port in Port::ALL {
                let (p, name) = (port as usize, port.name());
                router.level[p] = d.signal(scope, &format!("{name}_in_level"), buffer_bits);
                router.valid[p] = d.signal(scope, &format!("{name}_out_valid"), 1);
                router.flit[p] = d.signal(scope, &format!("{name}_out_flit"), widths.flit());
                router.credits[p] = d.signal(scope, &format!("{name}_credits"), buffer_bits);
            }
            lanes.routers.push(router);
        }
        if let Some(i) = d.hits.iter().position(|hit| !hit) {
            return Err(Error::Scope { pattern: selection.scopes[i].to_string() });
        }
        let comment = format!(
            "delayline sim {}: {} on {} ({})",
            env!("CARGO_PKG_VERSION"),
            program.network.name,
            platform.name,
            program.structure
        );
        let vcd = |path: &Path| {
            let file = BufWriter::with_capacity(1 << 18, File::create(path)?);
            Ok(Output::Vcd(Writer::new(file, &d.layout, 1, &comment)?))
        };
        let fst = |path: &Path| Ok(Output::Fst(Box::new(fst::Writer::create(path, &d.layout, &comment)?)));
        let mut outputs = Vec::new();
        for (path, output) in [(files.vcd, files.vcd.map(vcd)), (files.fst, files.fst.map(fst))]
            .into_iter()
            .filter_map(|(p, o)| p.zip(o))
        {
            outputs.push((path.to_path_buf(), output.map_err(|source| failure(path, source))?));
        }
        let period_ps = (1e6 / platform.clock_mhz).round().max(2.0) as u64;
        let signals: Vec<_> = d.layout.signals().collect();
        let mut held = vec![0; signals.len()];
        for router in &lanes.routers {
            for (port, signal) in Port::ALL.into_iter().zip(router.credits) {
                let mesh = &platform.mesh;
                let depth = if port == Port::Local { mesh.core_buffer } else { mesh.router_buffer };
                if let Some(signal) = signal {
                    held[signal.index()] = depth.into();
                }
            }
        }
        let player = Player::new(outputs, period_ps, clk, &signals);
        // One step is written while one waits and one is simulated.
        let (sender, receiver) = sync_channel(1);
        let steps = Steps {
            steps_to: Some(sender),
            player: std::thread::spawn(move || player.run(&receiver)),
            steps: selection.steps.clone(),
            on: true,
            begun: false,
            changes: Vec::new(),
            places: Vec::new(),
            held,
            start: 0,
        };
        Ok(Self::new(program, lanes, steps))
    }

    /// Ends the files.
    ///
    /// # Errors
    /// [`Error::Waves`] where one could not be written in whole.
    pub fn finish(self) -> Result<(), Error> {
        let Steps { steps_to, player, .. } = self.sink;
        drop(steps_to);
        player.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Steps {
    #[inline]
    fn change(&mut self, cycle: u64, signal: SignalId, kind: Kind, value: u64) {
        // What is later than any step can last is not written in any case.
        let at = u32::try_from(cycle.saturating_sub(self.start)).unwrap_or(u32::MAX);
        self.changes.push(Change::new(at, signal, kind, value));
    }

    /// Shows what a signal that counts holds when the waves begin.
    fn show(&mut self, cycle: u64, signal: Signal) {
        if let Some(signal) = signal {
            self.change(cycle, signal, Kind::Set, self.held[signal.index()].cast_unsigned());
        }
    }

    /// Hands what happened before `until` to the player.
    fn flush(&mut self, until: u64) {
        let (start, cycles) = (self.start, until - self.start);
        self.start = until;
        let changes = self.sort(cycles);
        let step = Step { start, until, changes };
        // The player's error comes out at the end.
        self.steps_to.take_if(|to| to.send(step).is_err());
    }

    /// Takes the changes of the first cycles, in their order and as they came in each; the others stay for the next step.
    fn sort(&mut self, cycles: u64) -> Vec<Change> {
        let all = &mut self.changes;
        if cycles as usize > 2 * all.len() + 1024 {
            // Few changes in many cycles.
            all.sort_by_key(|c| c.at);
            let later = all.split_off(all.partition_point(|c| u64::from(c.at) < cycles));
            let sorted = std::mem::replace(all, later);
            all.iter_mut().for_each(|c| c.at -= cycles as u32);
            return sorted;
        }
        // By counting: what comes after this step stands behind all of it.
        let cycles = cycles as usize;
        let key = |c: &Change| (c.at as usize).min(cycles);
        self.places.clear();
        self.places.resize(cycles + 2, 0);
        all.iter().for_each(|change| self.places[key(change) + 1] += 1);
        let mut before = 0;
        for place in &mut self.places {
            before += *place;
            *place = before;
        }
        let mut sorted = vec![Change::NONE; all.len()];
        for change in all.drain(..) {
            let place = &mut self.places[key(&change)];
            sorted[*place as usize] = change;
            *place += 1;
        }
        let later = if cycles > 0 { self.places[cycles - 1] } else { 0 };
        all.extend(sorted.drain(later as usize..).map(|c| Change { at: c.at - cycles as u32, ..c }));
        sorted
    }
}

impl Sink for Steps {
    type Lane = Signal;
    const SHOWN: u64 = 0;

    #[inline]
    fn set(&mut self, cycle: u64, signal: Signal, value: u64) {
        if let Some(signal) = signal.filter(|_| self.on) {
            self.change(cycle, signal, Kind::Set, value);
        }
    }

    #[inline]
    fn pulse(&mut self, cycle: u64, signal: Signal) {
        if let Some(signal) = signal.filter(|_| self.on) {
            self.change(cycle, signal, Kind::Pulse, 1);
        }
    }

    /// It comes first in its cycle, being told at the start of a step.
    #[inline]
    fn load(&mut self, cycle: u64, signal: Signal, value: u64) {
        self.set(cycle, signal, value);
    }

    #[inline]
    fn add(&mut self, cycle: u64, signal: Signal, by: i64) {
        match signal {
            Some(signal) if self.on => self.change(cycle, signal, Kind::Add, by.cast_unsigned()),
            Some(signal) => self.held[signal.index()] += by,
            None => {}
        }
    }

    fn step(&mut self, cycle: u64, step: u32, lanes: &Lanes<Signal>) {
        self.on = self.steps.as_ref().is_none_or(|s| s.contains(&step));
        if self.on && !std::mem::replace(&mut self.begun, true) {
            for router in &lanes.routers {
                for p in 0..Port::ALL.len() {
                    self.show(cycle, router.credits[p]);
                    self.show(cycle, router.level[p]);
                }
            }
        }
    }

    fn barrier(&mut self, release: u64) {
        if self.on {
            self.flush(release);
        } else {
            self.start = release;
        }
    }
}
