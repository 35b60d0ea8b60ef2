//! Waves of a run: a probe that writes what a hardware engineer looks for, as VCD, FST or both.
//!
//! What happens in a step is collected, put in the order of its cycles at the barrier, and handed to a thread that
//! writes; memory is bounded by the busiest steps.

mod player;
mod signals;

use crate::error::Error;
use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe, SynapticOperation};
use crate::program::Program;
use hw::layout::{QueueEvent, Widths, bits_for};
use hw::platform::Structure;
use player::{Change, Kind, Output, Player, Step, failure};
use rtl::fst;
use rtl::wave::{Layout, SignalId, Writer};
use signals::{ChipSignals, CoreSignals, Declare, RouterSignals, Signal};
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
pub struct Waves {
    /// Steps for the player; `None` once it has failed.
    steps_to: Option<SyncSender<Step>>,
    player: JoinHandle<Result<(), Error>>,
    widths: Widths,
    width: usize,
    depth: u32,
    steps: Option<Range<u32>>,
    on: bool,
    /// Changes as they came; where each cycle begins in the order of time.
    changes: Vec<Change>,
    places: Vec<u32>,
    /// What signals that count hold, by their index, as long as nothing is written.
    held: Vec<i64>,
    chip: ChipSignals,
    cores: Vec<CoreSignals>,
    routers: Vec<RouterSignals>,
    injectors: Vec<(Signal, Signal)>,
    core_of_router: Vec<Option<usize>>,
    router_of_core: Vec<usize>,
    entries: Vec<(usize, Port)>,
    start: u64,
    first: Option<u64>,
    /// Events written to each core's queue in this step.
    written: Vec<i64>,
    swapped: bool,
}

impl Waves {
    /// Starts wave files for a program.
    ///
    /// # Errors
    /// [`Error::Waves`] where a file cannot be written, [`Error::Scope`] where a pattern matches nothing.
    pub fn create(files: Files<'_>, program: &Program, selection: &Selection) -> Result<Self, Error> {
        let platform = &program.platform;
        let widths = program.widths();
        let width = usize::from(platform.mesh.width);
        let routers = width * usize::from(platform.mesh.height);
        let hits = vec![false; selection.scopes.len()];
        let mut d = Declare { layout: Layout::new(), patterns: &selection.scopes, hits };
        let top = d.scope(None, "chip");
        let chip = ChipSignals {
            clk: d.signal(top, "clk", 1),
            step: d.signal(top, "step", bits_for(program.network.steps.into())),
            start: d.signal(top, "step_start", 1),
            quiet: d.signal(top, "quiet", 1),
        };
        let injectors = (0..platform.mesh.injectors.len())
            .map(|i| {
                let scope = d.scope(Some(top), &format!("injector_{i}"));
                (d.signal(scope, "valid", 1), d.signal(scope, "flit", widths.flit()))
            })
            .collect();
        let mut core_of_router = vec![None; routers];
        let mut router_of_core = Vec::new();
        let mut cores = Vec::new();
        for i in 0..program.cores() {
            let (x, y) = program.place(i);
            let router = usize::from(y) * width + usize::from(x);
            core_of_router[router] = Some(i);
            router_of_core.push(router);
            let scope = d.scope(Some(top), &format!("core_{x}_{y}"));
            cores.push(CoreSignals::declare(&mut d, scope, program, &widths));
        }
        let buffer_bits = bits_for(u64::from(platform.mesh.router_buffer.max(platform.mesh.core_buffer)) + 1);
        let router_signals: Vec<_> = (0..routers)
            .map(|r| {
                let scope = d.scope(Some(top), &format!("router_{}_{}", r % width, r / width));
                let mut signals = RouterSignals::default();
                for port in Port::ALL {
                    let (p, name) = (port as usize, port.name());
                    signals.in_level[p] = d.signal(scope, &format!("{name}_in_level"), buffer_bits);
                    signals.out_valid[p] = d.signal(scope, &format!("{name}_out_valid"), 1);
                    signals.out_flit[p] = d.signal(scope, &format!("{name}_out_flit"), widths.flit());
                    signals.credits[p] = d.signal(scope, &format!("{name}_credits"), buffer_bits);
                }
                signals
            })
            .collect();
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
        for router in &router_signals {
            for (port, signal) in Port::ALL.into_iter().zip(router.credits) {
                let mesh = &platform.mesh;
                let depth = if port == Port::Local { mesh.core_buffer } else { mesh.router_buffer };
                if let Some(signal) = signal {
                    held[signal.index()] = depth.into();
                }
            }
        }
        let player = Player::new(outputs, period_ps, chip.clk, &signals);
        // One step is written while one waits and one is simulated.
        let (sender, receiver) = sync_channel(1);
        Ok(Self {
            steps_to: Some(sender),
            player: std::thread::spawn(move || player.run(&receiver)),
            widths,
            width,
            depth: if program.structure == Structure::RingBuffer { program.depth } else { 1 },
            steps: selection.steps.clone(),
            on: true,
            changes: Vec::new(),
            places: Vec::new(),
            held,
            chip,
            written: vec![0; cores.len()],
            cores,
            routers: router_signals,
            injectors,
            core_of_router,
            router_of_core,
            entries: platform
                .mesh
                .injectors
                .iter()
                .map(|i| (usize::from(i.y) * width + usize::from(i.x), Port::of(i.side)))
                .collect(),
            start: 0,
            first: None,
            swapped: false,
        })
    }

    /// Ends the files.
    ///
    /// # Errors
    /// [`Error::Waves`] where one could not be written in whole.
    pub fn finish(mut self) -> Result<(), Error> {
        self.steps_to = None;
        self.player.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    #[inline]
    fn change(&mut self, cycle: u64, signal: SignalId, kind: Kind, value: u64) {
        // What is later than any step can last is not written in any case.
        let at = u32::try_from(cycle.saturating_sub(self.start)).unwrap_or(u32::MAX);
        self.changes.push(Change::new(at, signal, kind, value));
    }

    #[inline]
    fn set(&mut self, cycle: u64, signal: Signal, value: u64) {
        if let Some(signal) = signal.filter(|_| self.on) {
            self.change(cycle, signal, Kind::Set, value);
        }
    }

    /// High in this cycle, low in the next unless it is set again.
    #[inline]
    fn pulse(&mut self, cycle: u64, signal: Signal) {
        if let Some(signal) = signal.filter(|_| self.on) {
            self.change(cycle, signal, Kind::Pulse, 1);
        }
    }

    #[inline]
    fn count(&mut self, cycle: u64, signal: Signal, by: i64) {
        match signal {
            Some(signal) if self.on => self.change(cycle, signal, Kind::Add, by.cast_unsigned()),
            Some(signal) => self.held[signal.index()] += by,
            None => {}
        }
    }

    /// Shows what a signal that counts holds when the waves begin.
    fn show(&mut self, cycle: u64, signal: Signal) {
        if let Some(signal) = signal {
            self.change(cycle, signal, Kind::Set, self.held[signal.index()].cast_unsigned());
        }
    }

    /// A flit is in a router's input buffer from two cycles after it was sent.
    fn enters(&mut self, sent: u64, router: usize, port: Port) {
        self.count(sent + LINK, self.routers[router].in_level[port as usize], 1);
    }

    fn flit(&self, flit: Flit) -> u64 {
        let w = &self.widths;
        let axon = u64::from(flit.axon()) << (1 + w.x + w.y);
        axon | u64::from(flit.y()) << (1 + w.x) | u64::from(flit.x()) << 1 | u64::from(flit.parity())
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

impl Probe for Waves {
    fn step(&mut self, cycle: u64, step: u32) {
        self.on = self.steps.as_ref().is_none_or(|s| s.contains(&step));
        if !self.on {
            // The queues swap, seen or not.
            self.swapped = !self.swapped;
            self.written.fill(0);
            return;
        }
        if self.first.is_none() {
            self.first = Some(cycle);
            for r in 0..self.routers.len() {
                for p in 0..5 {
                    self.show(cycle, self.routers[r].credits[p]);
                    self.show(cycle, self.routers[r].in_level[p]);
                }
            }
        }
        self.set(cycle, self.chip.step, step.into());
        self.pulse(cycle, self.chip.start);
        for i in 0..self.cores.len() {
            self.count(cycle, self.cores[i].in_level, 0);
            self.set(cycle, self.cores[i].head, u64::from(step % self.depth));
            let waiting = std::mem::take(&mut self.written[i]);
            if let Some(q) = &self.cores[i].queue {
                let (level, selected, write, read) =
                    (q.read_level, q.selected, q.write_pointer, q.read_pointer);
                self.set(cycle, selected, self.swapped.into());
                self.set(cycle, write, 0);
                self.set(cycle, level, waiting.cast_unsigned());
                self.set(cycle, read, 0);
            }
        }
        self.swapped = !self.swapped;
    }

    fn barrier(&mut self, quiet: u64, release: u64) {
        self.pulse(quiet, self.chip.quiet);
        for i in 0..self.cores.len() {
            self.set(quiet, self.cores[i].state, Phase::Idle as u64);
        }
        if self.on {
            self.flush(release);
        } else {
            self.start = release;
        }
    }

    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        self.set(cycle, self.cores[core].state, phase as u64);
    }

    fn synapse(&mut self, cycle: u64, core: usize, op: SynapticOperation) {
        let s = &self.cores[core];
        let (read, address) = (s.synapse_read, s.synapse_address);
        let (write, neuron, slot) = (s.accumulator_write, s.accumulator_neuron, s.accumulator_slot);
        let (weight, data) = (s.weight, s.accumulator_data);
        self.pulse(cycle, read);
        self.set(cycle, address, op.synapse.into());
        let written = cycle + 2;
        self.pulse(written, write);
        self.set(written, neuron, u64::from(op.accumulator / self.depth));
        self.set(written, slot, u64::from(op.accumulator % self.depth));
        self.set(written, weight, op.weight.cast_unsigned());
        self.set(written, data, op.sum.cast_unsigned());
    }

    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, _accumulator: u32, value: i32, spike: bool) {
        let s = &self.cores[core];
        let (write, index, membrane, fired) = (s.soma_write, s.soma_neuron, s.soma_membrane, s.soma_spike);
        self.pulse(cycle, write);
        self.set(cycle, index, neuron.into());
        self.set(cycle, membrane, i64::from(value).cast_unsigned());
        if spike {
            self.pulse(cycle, fired);
        }
    }

    fn queue_write(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        self.written[core] += 1;
        if let Some(q) = &self.cores[core].queue {
            let (write, pointer) = (q.write, q.write_pointer);
            let fields =
                [(q.write_axon, event.axon), (q.write_age, event.age), (q.write_offset, event.offset)];
            self.pulse(cycle, write);
            for (signal, value) in fields {
                self.set(cycle, signal, value.into());
            }
            self.count(cycle + 1, pointer, 1);
        }
    }

    fn queue_read(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        if let Some(q) = &self.cores[core].queue {
            let (read, level, pointer) = (q.read, q.read_level, q.read_pointer);
            let fields = [(q.read_axon, event.axon), (q.read_age, event.age), (q.read_offset, event.offset)];
            self.pulse(cycle, read);
            for (signal, value) in fields {
                self.set(cycle, signal, value.into());
            }
            self.count(cycle + 1, level, -1);
            self.count(cycle + 1, pointer, 1);
        }
    }

    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {
        let p = port as usize;
        self.pulse(cycle, self.routers[router].out_valid[p]);
        self.set(cycle, self.routers[router].out_flit[p], self.flit(flit));
        self.count(cycle + 1, self.routers[router].credits[p], -1);
        let (next, entry) = match port {
            Port::North => (router - self.width, Port::South),
            Port::East => (router + 1, Port::West),
            Port::South => (router + self.width, Port::North),
            Port::West => (router - 1, Port::East),
            Port::Local => {
                if let Some(core) = self.core_of_router[router] {
                    self.count(cycle + LINK, self.cores[core].in_level, 1);
                }
                return;
            }
        };
        self.enters(cycle, next, entry);
    }

    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        self.count(cycle + 1, self.routers[router].in_level[port as usize], -1);
    }

    fn core_output(&mut self, cycle: u64, core: usize, flit: Flit) {
        let (valid, data) = (self.cores[core].out_valid, self.cores[core].out_flit);
        self.pulse(cycle, valid);
        self.set(cycle, data, self.flit(flit));
        self.enters(cycle, self.router_of_core[core], Port::Local);
    }

    fn core_input(&mut self, cycle: u64, core: usize, flit: Flit) {
        let s = &self.cores[core];
        let (valid, axon, level) = (s.in_valid, s.in_axon, s.in_level);
        self.pulse(cycle, valid);
        self.set(cycle, axon, flit.axon().into());
        self.count(cycle + 1, level, -1);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {
        let (valid, data) = self.injectors[injector];
        self.pulse(cycle, valid);
        self.set(cycle, data, self.flit(flit));
        let (router, port) = self.entries[injector];
        self.enters(cycle, router, port);
    }

    fn credit(&mut self, cycle: u64, router: usize, port: Port) {
        self.count(cycle + 1, self.routers[router].credits[port as usize], 1);
    }
}
