//! Waves of a run: a probe that writes what a hardware engineer looks for as VCD.
//!
//! What happens in a step is collected, put in the order of its cycles at the barrier, and written;
//! memory is bounded by the busiest step.

mod signals;

use crate::error::Error;
use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe, SynapticOperation};
use crate::program::Program;
use hw::layout::{QueueEvent, Widths, bits_for};
use hw::platform::Structure;
use rtl::wave::{Layout, SignalId, Writer};
use signals::{ChipSignals, CoreSignals, Declare, RouterSignals, Signal};
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What to write.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Steps to write, half-open; all where `None`.
    pub steps: Option<Range<u32>>,
    /// Scopes or signals to write, as globs on their path (`chip.core_0_0.*`); all where empty.
    pub scopes: Vec<glob::Pattern>,
}

/// One change: absolute, or relative to what a counter holds.
#[derive(Debug, Clone, Copy)]
struct Change {
    cycle: u64,
    /// In one cycle a falling pulse comes before a rising one.
    rank: u8,
    signal: SignalId,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Set(u64),
    /// Adds to the counter of this index.
    Add(u32, i64),
    /// Sets the counter of this index.
    Load(u32, i64),
}

/// Writes waves while a sample runs.
pub struct Waves {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    failed: Option<std::io::Error>,
    period_ps: u64,
    widths: Widths,
    width: usize,
    depth: u32,
    steps: Option<Range<u32>>,
    on: bool,
    changes: Vec<Change>,
    counters: Vec<i64>,
    chip: ChipSignals,
    cores: Vec<CoreSignals>,
    routers: Vec<RouterSignals>,
    injectors: Vec<(Signal, Signal)>,
    core_of_router: Vec<Option<usize>>,
    /// Counter of a core's input port, a router's input buffers, a router's credits.
    core_counter: u32,
    input_counter: u32,
    credit_counter: u32,
    /// First of three counters of a core's queue: write pointer, read level, read pointer.
    queue_counter: u32,
    router_of_core: Vec<usize>,
    entries: Vec<(usize, Port)>,
    start: u64,
    first: Option<u64>,
    /// Events written to each core's queue in this step.
    written: Vec<i64>,
    swapped: bool,
}

impl Waves {
    /// Starts a wave file for a program.
    ///
    /// # Errors
    /// [`Error::Waves`] where the file cannot be written, [`Error::Scope`] where a pattern matches nothing.
    pub fn create(path: &Path, program: &Program, selection: &Selection) -> Result<Self, Error> {
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
        let router_signals = (0..routers)
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
        let error = |source| Error::Waves { path: path.display().to_string(), source };
        let file = BufWriter::with_capacity(1 << 18, File::create(path).map_err(error)?);
        let comment = format!(
            "delayline sim {}: {} on {} ({})",
            env!("CARGO_PKG_VERSION"),
            program.network.name,
            platform.name,
            program.structure
        );
        let period_ps = (1e6 / platform.clock_mhz).round().max(2.0) as u64;
        let writer = Writer::new(file, &d.layout, 1, &comment).map_err(error)?;
        let core_counter = 0;
        let input_counter = cores.len() as u32;
        let credit_counter = input_counter + 5 * routers as u32;
        let queue_counter = credit_counter + 5 * routers as u32;
        let mut counters = vec![0; queue_counter as usize + 3 * cores.len()];
        for r in 0..routers {
            for port in Port::ALL {
                let depth =
                    if port == Port::Local { platform.mesh.core_buffer } else { platform.mesh.router_buffer };
                counters[credit_counter as usize + 5 * r + port as usize] = depth.into();
            }
        }
        Ok(Self {
            path: path.into(),
            writer,
            failed: None,
            period_ps,
            widths,
            width,
            depth: if program.structure == Structure::RingBuffer { program.depth } else { 1 },
            steps: selection.steps.clone(),
            on: true,
            changes: Vec::new(),
            counters,
            chip,
            written: vec![0; cores.len()],
            cores,
            routers: router_signals,
            injectors,
            core_of_router,
            core_counter,
            input_counter,
            credit_counter,
            queue_counter,
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

    /// Ends the file.
    ///
    /// # Errors
    /// [`Error::Waves`] where it could not be written in whole.
    pub fn finish(mut self) -> Result<(), Error> {
        let result = match self.failed.take() {
            Some(e) => Err(e),
            None => self.writer.finish().map(drop),
        };
        result.map_err(|source| Error::Waves { path: self.path.display().to_string(), source })
    }

    fn set(&mut self, cycle: u64, signal: Signal, value: u64) {
        if let Some(signal) = signal.filter(|_| self.on) {
            self.changes.push(Change { cycle, rank: 1, signal, value: Value::Set(value) });
        }
    }

    /// High in this cycle, low in the next unless set again.
    fn pulse(&mut self, cycle: u64, signal: Signal) {
        self.set(cycle, signal, 1);
        if let Some(signal) = signal.filter(|_| self.on) {
            self.changes.push(Change { cycle: cycle + 1, rank: 0, signal, value: Value::Set(0) });
        }
    }

    fn count(&mut self, cycle: u64, counter: u32, signal: Signal, by: i64) {
        match signal.filter(|_| self.on) {
            Some(signal) => {
                self.changes.push(Change { cycle, rank: 1, signal, value: Value::Add(counter, by) });
            }
            None => self.counters[counter as usize] += by,
        }
    }

    fn load(&mut self, cycle: u64, counter: u32, signal: Signal, value: i64) {
        match signal.filter(|_| self.on) {
            Some(signal) => {
                self.changes.push(Change { cycle, rank: 0, signal, value: Value::Load(counter, value) });
            }
            None => self.counters[counter as usize] = value,
        }
    }

    /// A flit is in a router's input buffer from two cycles after it was sent.
    fn enters(&mut self, sent: u64, router: usize, port: Port) {
        let at = self.input_counter + 5 * router as u32 + port as u32;
        self.count(sent + LINK, at, self.routers[router].in_level[port as usize], 1);
    }

    fn flit(&self, flit: Flit) -> u64 {
        let w = &self.widths;
        let axon = u64::from(flit.axon()) << (1 + w.x + w.y);
        axon | u64::from(flit.y()) << (1 + w.x) | u64::from(flit.x()) << 1 | u64::from(flit.parity())
    }

    fn flush(&mut self, until: u64) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by_key(|c| (c.cycle, c.rank));
        let mut pending = changes.iter().peekable();
        let clk = self.chip.clk.filter(|_| self.on);
        let (period, half) = (self.period_ps, self.period_ps / 2);
        // Six years of a slow clock stand still rather than overflow.
        let time = |cycle: u64| cycle.saturating_mul(period);
        let write = |writer: &mut Writer<_>, failed: &mut Option<_>, time, signal, value| {
            if failed.is_none()
                && let Err(e) = writer.change(time, signal, value)
            {
                *failed = Some(e);
            }
        };
        let mut cycle = self.start;
        while cycle < until {
            if clk.is_none() {
                // Without a clock only cycles with changes matter.
                match pending.peek() {
                    Some(c) if c.cycle < until => cycle = c.cycle,
                    _ => break,
                }
            }
            if let Some(clk) = clk {
                write(&mut self.writer, &mut self.failed, time(cycle), clk, 1);
            }
            while let Some(c) = pending.next_if(|c| c.cycle <= cycle) {
                let value = match c.value {
                    Value::Set(v) => v,
                    Value::Add(counter, by) => {
                        let held = &mut self.counters[counter as usize];
                        *held += by;
                        held.cast_unsigned()
                    }
                    Value::Load(counter, value) => {
                        self.counters[counter as usize] = value;
                        value.cast_unsigned()
                    }
                };
                write(&mut self.writer, &mut self.failed, time(cycle), c.signal, value);
            }
            if let Some(clk) = clk {
                write(&mut self.writer, &mut self.failed, time(cycle).saturating_add(half), clk, 0);
            }
            cycle += 1;
        }
        let rest: Vec<_> = pending.copied().collect();
        changes.clear();
        changes.extend(rest);
        self.changes = changes;
        self.start = until;
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
                    let at = 5 * r as u32 + p as u32;
                    self.count(cycle, self.credit_counter + at, self.routers[r].credits[p], 0);
                    self.count(cycle, self.input_counter + at, self.routers[r].in_level[p], 0);
                }
            }
        }
        self.set(cycle, self.chip.step, step.into());
        self.pulse(cycle, self.chip.start);
        for i in 0..self.cores.len() {
            self.count(cycle, self.core_counter + i as u32, self.cores[i].in_level, 0);
            self.set(cycle, self.cores[i].head, u64::from(step % self.depth));
            let waiting = std::mem::take(&mut self.written[i]);
            if let Some(q) = &self.cores[i].queue {
                let (level, selected, write, read) =
                    (q.read_level, q.selected, q.write_pointer, q.read_pointer);
                let counter = self.queue_counter + 3 * i as u32;
                self.set(cycle, selected, self.swapped.into());
                self.load(cycle, counter, write, 0);
                self.load(cycle, counter + 1, level, waiting);
                self.load(cycle, counter + 2, read, 0);
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
            self.count(cycle + 1, self.queue_counter + 3 * core as u32, pointer, 1);
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
            let counter = self.queue_counter + 3 * core as u32;
            self.count(cycle + 1, counter + 1, level, -1);
            self.count(cycle + 1, counter + 2, pointer, 1);
        }
    }

    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {
        let p = port as usize;
        self.pulse(cycle, self.routers[router].out_valid[p]);
        self.set(cycle, self.routers[router].out_flit[p], self.flit(flit));
        let at = 5 * router as u32 + p as u32;
        self.count(cycle + 1, self.credit_counter + at, self.routers[router].credits[p], -1);
        let (next, entry) = match port {
            Port::North => (router - self.width, Port::South),
            Port::East => (router + 1, Port::West),
            Port::South => (router + self.width, Port::North),
            Port::West => (router - 1, Port::East),
            Port::Local => {
                if let Some(core) = self.core_of_router[router] {
                    self.count(cycle + LINK, self.core_counter + core as u32, self.cores[core].in_level, 1);
                }
                return;
            }
        };
        self.enters(cycle, next, entry);
    }

    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        let at = self.input_counter + 5 * router as u32 + port as u32;
        self.count(cycle + 1, at, self.routers[router].in_level[port as usize], -1);
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
        self.count(cycle + 1, self.core_counter + core as u32, level, -1);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {
        let (valid, data) = self.injectors[injector];
        self.pulse(cycle, valid);
        self.set(cycle, data, self.flit(flit));
        let (router, port) = self.entries[injector];
        self.enters(cycle, router, port);
    }

    fn credit(&mut self, cycle: u64, router: usize, port: Port) {
        let at = self.credit_counter + 5 * router as u32 + port as u32;
        self.count(cycle + 1, at, self.routers[router].credits[port as usize], 1);
    }
}
