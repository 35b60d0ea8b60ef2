//! What a sample did step by step: counts of each core, and the way that ended last and so held the barrier.
//!
//! A [`Recorder`] is a probe of flits alone, so that values are still computed in closed form. It follows every flit
//! through the buffers: these are first in first out, so that flits need no names.

use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe};
use crate::program::Program;
use crate::series::{CoreSeries, Held, Steps};
use crate::stats::CoreStats;
use crate::{Error, Outcome, Run, Simulator};
use hw::platform::Structure;
use spikes::Binned;
use std::collections::VecDeque;
use std::sync::Arc;

/// Series of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The chip.
    pub chip: Steps,
    /// Each core.
    pub cores: Vec<CoreSeries>,
}

/// Who sent a flit.
#[derive(Debug, Clone, Copy)]
enum Source {
    Core(usize),
    Injector(usize),
}

/// A flit in a buffer.
#[derive(Debug, Clone, Copy)]
struct Entry {
    source: Source,
    sent: u64,
    /// Cycle from which it can be at the head of its buffer.
    enters: u64,
    /// Where it waited longest, and how long.
    waited: (u64, usize, Port),
}

/// What a core did in the present step, as far as cycles go.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    update: u64,
    accept: u64,
    /// First cycle after its last flit.
    sent: u64,
    /// The last flit that was taken, and when.
    last: Option<(Entry, u64)>,
}

/// Records a sample.
#[derive(Debug)]
pub struct Recorder {
    program: Arc<Program>,
    width: usize,
    core_of_router: Vec<Option<usize>>,
    router_of_core: Vec<usize>,
    entries: Vec<(usize, Port)>,
    /// Five of each router, then the input port of each core.
    buffers: Vec<VecDeque<Entry>>,
    /// First cycle after the last flit left each.
    left: Vec<u64>,
    moving: Option<Entry>,
    moments: Vec<Moment>,
    hops: Vec<u64>,
    stalls: Vec<u64>,
    injected: u64,
    step: usize,
    start: u64,
    quiet: u64,
    release: u64,
    /// Counts of the cores at the end of the step before.
    before: Vec<CoreStats>,
    record: Record,
}

impl Recorder {
    /// Runs a sample and records it; `other` watches too.
    ///
    /// # Errors
    /// As [`Simulator::run`].
    pub fn run<P: Probe>(
        simulator: &mut Simulator,
        input: &Binned,
        other: &mut P,
    ) -> Result<(Outcome, Record), Error> {
        simulator.count_visits();
        let mut recorder = Self::new(simulator.program());
        let mut run = simulator.begin(input)?;
        while run.advance(&mut (&mut recorder, &mut *other))? {
            recorder.end_step(&run);
        }
        Ok((run.finish(), recorder.record))
    }

    fn new(program: &Arc<Program>) -> Self {
        let mesh = &program.platform.mesh;
        let width = usize::from(mesh.width);
        let (routers, cores) = (width * usize::from(mesh.height), program.cores());
        let steps = program.network.steps as usize;
        let router_of_core: Vec<_> = program.cores.iter().map(|c| c.router).collect();
        let mut core_of_router = vec![None; routers];
        for (core, &router) in router_of_core.iter().enumerate() {
            core_of_router[router] = Some(core);
        }
        let place = |i: &hw::platform::Injector| usize::from(i.y) * width + usize::from(i.x);
        Self {
            program: Arc::clone(program),
            width,
            core_of_router,
            router_of_core,
            entries: mesh.injectors.iter().map(|i| (place(i), Port::of(i.side))).collect(),
            buffers: vec![VecDeque::new(); 5 * routers + cores],
            left: vec![0; 5 * routers],
            moving: None,
            moments: vec![Moment::default(); cores],
            hops: vec![0; routers],
            stalls: vec![0; routers],
            injected: 0,
            step: 0,
            start: 0,
            quiet: 0,
            release: 0,
            before: vec![CoreStats::default(); cores],
            record: Record { chip: Steps::new(steps), cores: vec![CoreSeries::new(steps); cores] },
        }
    }

    fn enter(&mut self, buffer: usize, source: Source, sent: u64) {
        let waited = (0, buffer / 5, Port::Local);
        self.buffers[buffer].push_back(Entry { source, sent, enters: sent + LINK, waited });
    }

    /// Takes up the counts of the step that ended.
    fn end_step(&mut self, run: &Run<'_>) {
        let t = self.step;
        let interval = self.program.synapse_interval;
        let queue = self.program.structure == Structure::SharedQueue;
        for (i, core) in run.simulator.cores.iter().enumerate() {
            let (now, moment) = (&core.stats, self.moments[i]);
            let before = std::mem::replace(&mut self.before[i], now.clone());
            let router = self.router_of_core[i];
            let s = &mut self.record.cores[i];
            s.arrivals[t] = now.arrivals - before.arrivals;
            s.arrival_stalls[t] = now.arrival_stalls - before.arrival_stalls;
            s.lost[t] = now.lost - before.lost;
            // Counted with the arrivals: what they come to up to the last step.
            let counted = now.synaptic_operations - before.synaptic_operations;
            s.emitted[t] = counted + if queue { s.lost[t] } else { 0 };
            let visits = core.visits_of(t);
            (s.delivered[t], s.skipped[t], s.dropped[t]) = (visits.delivered, visits.skipped, visits.dropped);
            s.performed[t] = if queue { visits.performed } else { counted };
            s.updates[t] = now.updates - before.updates;
            s.spikes[t] = now.spikes - before.spikes;
            s.flits_sent[t] = now.flits_sent - before.flits_sent;
            s.send_stalls[t] = now.send_stalls - before.send_stalls;
            s.queue_peak[t] = core.waiting_events().into();
            s.hops[t] = self.hops[router];
            s.router_stalls[t] = self.stalls[router];
            let streamed = s.performed[t] * interval + visits.skipped;
            s.busy[t] = moment.accept - moment.update + streamed;
            s.barrier_wait[t] = self.release - core.quiet;
        }
        let chip = &mut self.record.chip.chip;
        chip.cycles[t] = self.release - self.start;
        chip.cycles_max[t] = chip.cycles[t];
        chip.injected[t] = std::mem::take(&mut self.injected);
        chip.hops[t] = self.hops.iter().sum();
        chip.router_stalls[t] = self.stalls.iter().sum();
        self.hops.fill(0);
        self.stalls.fill(0);
        let last = run.simulator.cores.iter().position(|c| c.quiet == self.quiet);
        self.follow(last);
    }

    /// Follows the way that ended last back to the start of the step.
    fn follow(&mut self, last: Option<usize>) {
        let t = self.step;
        let name = |core: usize| {
            let (x, y) = self.program.place(core);
            format!("core_{x}_{y}")
        };
        // Parts by cycles, each with who is to answer for it.
        let mut parts: Vec<(&str, u64, String)> = Vec::new();
        match last {
            None => {
                // An injector sent last: it is quiet after its last flit.
                parts.push(("sender", self.quiet - self.start, "injector".into()));
            }
            Some(core) => {
                let m = self.moments[core];
                match m.last.filter(|_| self.quiet > m.accept && self.quiet > m.sent) {
                    Some((flit, taken)) => {
                        let visible = flit.enters;
                        parts.push(("synapses", self.quiet - taken, name(core)));
                        parts.push(("port", taken - visible, name(core)));
                        let (waited, router, port) = flit.waited;
                        let (x, y) = (router % self.width, router / self.width);
                        let place = if waited > 0 {
                            format!("router_{x}_{y}.{}", port.name())
                        } else {
                            let at = self.router_of_core[core];
                            format!("router_{}_{}", at % self.width, at / self.width)
                        };
                        parts.push(("mesh", visible - flit.sent, place));
                        match flit.source {
                            Source::Injector(i) => {
                                parts.push(("sender", flit.sent - self.start, format!("injector_{i}")));
                            }
                            Source::Core(from) => self.sent_by(from, flit.sent, &mut parts),
                        }
                    }
                    None => self.sent_by(core, self.quiet, &mut parts),
                }
            }
        }
        let path = &mut self.record.chip.path;
        for (part, cycles, _) in &parts {
            let series = match *part {
                "queue" => &mut path.queue,
                "update" => &mut path.update,
                "sender" => &mut path.sender,
                "mesh" => &mut path.mesh,
                "port" => &mut path.port,
                _ => &mut path.synapses,
            };
            series[t] += cycles;
        }
        path.barrier[t] = self.release - self.quiet;
        // The longest part; the parts stand last first, and of equal ones the maximum is that which came first.
        if let Some((part, _, component)) = parts.into_iter().max_by_key(|p| p.1) {
            self.record.chip.hold(t, Held { part: part.into(), component });
        }
    }

    /// The way of a spike that a core sent, or had done with, in a cycle.
    fn sent_by(&self, core: usize, until: u64, parts: &mut Vec<(&'static str, u64, String)>) {
        let m = self.moments[core];
        let (x, y) = self.program.place(core);
        let name = format!("core_{x}_{y}");
        let updated = until.min(m.accept);
        parts.push(("sender", until - updated, name.clone()));
        parts.push(("update", updated - m.update, name.clone()));
        parts.push(("queue", m.update - self.start, name));
    }
}

impl Probe for Recorder {
    const FINE: bool = false;

    fn step(&mut self, cycle: u64, step: u32) {
        (self.step, self.start) = (step as usize, cycle);
        self.moments.fill(Moment::default());
    }

    fn barrier(&mut self, quiet: u64, release: u64) {
        (self.quiet, self.release) = (quiet, release);
    }

    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        match phase {
            Phase::Update => self.moments[core].update = cycle,
            Phase::Accept => self.moments[core].accept = cycle,
            Phase::Idle | Phase::Deliver => {}
        }
    }

    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        let buffer = 5 * router + port as usize;
        let mut entry = self.buffers[buffer].pop_front().expect("what leaves a buffer has entered it");
        let waited = cycle - entry.enters.max(self.left[buffer]);
        self.left[buffer] = cycle + 1;
        self.stalls[router] += waited;
        // The output follows; so far it is this input.
        if waited > entry.waited.0 {
            entry.waited = (waited, router, port);
        }
        self.moving = Some(entry);
    }

    fn router_output(&mut self, cycle: u64, router: usize, port: Port, _: Flit) {
        let mut entry = self.moving.take().expect("what leaves a router came from a buffer");
        entry.enters = cycle + LINK;
        if entry.waited.0 > 0 && entry.waited.1 == router {
            entry.waited.2 = port;
        }
        let (next, input) = match port {
            Port::North => (router - self.width, Port::South),
            Port::East => (router + 1, Port::West),
            Port::South => (router + self.width, Port::North),
            Port::West => (router - 1, Port::East),
            Port::Local => {
                let core = self.core_of_router[router].expect("flits go to cores");
                let port = self.left.len() + core;
                return self.buffers[port].push_back(entry);
            }
        };
        self.hops[router] += 1;
        self.buffers[5 * next + input as usize].push_back(entry);
    }

    fn core_output(&mut self, cycle: u64, core: usize, _: Flit) {
        self.moments[core].sent = cycle + 1;
        let buffer = 5 * self.router_of_core[core] + Port::Local as usize;
        self.enter(buffer, Source::Core(core), cycle);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, _: Flit) {
        self.injected += 1;
        let (router, port) = self.entries[injector];
        self.enter(5 * router + port as usize, Source::Injector(injector), cycle);
    }

    fn core_input(&mut self, cycle: u64, core: usize, _: Flit) {
        let port = self.left.len() + core;
        let entry = self.buffers[port].pop_front().expect("what is taken was in the port");
        self.moments[core].last = Some((entry, cycle));
    }
}
