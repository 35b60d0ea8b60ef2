//! What a sample did step by step: counts of each core, and the way that ended last and so held the barrier.
//!
//! A [`Recorder`] is a probe of flits alone, so that values are still computed in closed form. It notes where each flit
//! entered a buffer from: these are first in first out, so that flits need no names, and the one flit of a step that
//! matters is followed back through the notes when the step is over. Counts are differences of those that are kept anyway.

use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe};
use crate::program::Program;
use crate::series::{CoreSeries, Held, Steps};
use crate::stats::CoreStats;
use crate::{Error, Outcome, Run, Simulator};
use spikes::Binned;
use std::sync::Arc;

/// Series of one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The chip.
    pub chip: Steps,
    /// Each core.
    pub cores: Vec<CoreSeries>,
}

/// A flit that entered a buffer.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Cycle in which it was sent.
    sent: u64,
    /// Cycles that it waited at the head of the buffer before.
    waited: u64,
    /// The buffer before, or [`SOURCE`]; and how many flits of the step had left that one by then.
    from: u32,
    number: u32,
}

/// In place of the buffer before: a core or an injector sent it.
const SOURCE: u32 = u32::MAX;

/// What a core did in the present step, as far as cycles go.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    update: u64,
    accept: u64,
    /// First cycle after its last flit.
    sent: u64,
    /// When it took the last flit; 0 where it took none, since the first comes later.
    taken: u64,
}

/// Who is to answer for a part of the critical path.
#[derive(Debug, Clone, Copy)]
enum Component {
    Core(usize),
    Injector(usize),
    Router(usize),
    Output(usize, Port),
}

/// Parts of a critical path with their cycles, the last first.
type Parts = Vec<(&'static str, u64, Component)>;

/// Records a sample.
#[derive(Debug)]
pub struct Recorder {
    program: Arc<Program>,
    width: usize,
    core_of_router: Vec<Option<usize>>,
    router_of_core: Vec<usize>,
    /// Buffers that injectors fill.
    entries: Vec<usize>,
    /// What entered each buffer in this step: five buffers of each router, then the input port of each core.
    entered: Vec<Vec<Entry>>,
    /// Flits that left each buffer of a router in this step, and the first cycle after the last of them.
    left: Vec<(u32, u64)>,
    /// The flit that crosses a router, `sent` not known yet.
    moving: Entry,
    moments: Vec<Moment>,
    injected: u64,
    step: usize,
    start: u64,
    quiet: u64,
    release: u64,
    /// Counts of the cores, and hops and stalls of the routers, at the end of the step before.
    before: Vec<CoreStats>,
    traffic: Vec<(u64, u64)>,
    /// Kept from step to step for its room.
    parts: Parts,
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
            entries: mesh.injectors.iter().map(|i| 5 * place(i) + Port::of(i.side) as usize).collect(),
            entered: vec![Vec::new(); 5 * routers + cores],
            left: vec![(0, 0); 5 * routers],
            moving: Entry { sent: 0, waited: 0, from: SOURCE, number: 0 },
            moments: vec![Moment::default(); cores],
            injected: 0,
            step: 0,
            start: 0,
            quiet: 0,
            release: 0,
            before: vec![CoreStats::default(); cores],
            traffic: vec![(0, 0); routers],
            parts: Vec::new(),
            record: Record { chip: Steps::new(steps), cores: vec![CoreSeries::new(steps); cores] },
        }
    }

    /// A core or an injector fills a buffer.
    fn enter(&mut self, buffer: usize, sent: u64) {
        self.entered[buffer].push(Entry { sent, waited: 0, from: SOURCE, number: 0 });
    }

    /// Takes up the counts of the step that ended.
    fn end_step(&mut self, run: &Run<'_>) {
        let t = self.step;
        let interval = self.program.synapse_interval;
        let chip = &mut self.record.chip.chip;
        for (router, before) in self.traffic.iter_mut().enumerate() {
            let now = run.simulator.mesh.traffic(router);
            let (hops, stalls) = (now.0 - before.0, now.1 - before.1);
            *before = now;
            chip.hops[t] += hops;
            chip.router_stalls[t] += stalls;
            if let Some(core) = self.core_of_router[router] {
                let s = &mut self.record.cores[core];
                (s.hops[t], s.router_stalls[t]) = (hops, stalls);
            }
        }
        chip.cycles[t] = self.release - self.start;
        chip.cycles_max[t] = chip.cycles[t];
        chip.injected[t] = std::mem::take(&mut self.injected);
        for (i, core) in run.simulator.cores.iter().enumerate() {
            let (now, moment) = (&core.stats, self.moments[i]);
            let before = std::mem::replace(&mut self.before[i], now.clone());
            let s = &mut self.record.cores[i];
            s.arrivals[t] = now.arrivals - before.arrivals;
            s.arrival_stalls[t] = now.arrival_stalls - before.arrival_stalls;
            s.delivered[t] = now.delivered - before.delivered;
            s.skipped[t] = now.skipped - before.skipped;
            s.dropped[t] = now.dropped - before.dropped;
            s.emitted[t] = core.emitted;
            s.performed[t] = now.synaptic_operations - before.synaptic_operations;
            s.lost[t] = now.lost - before.lost;
            s.updates[t] = now.updates - before.updates;
            s.spikes[t] = now.spikes - before.spikes;
            s.flits_sent[t] = now.flits_sent - before.flits_sent;
            s.send_stalls[t] = now.send_stalls - before.send_stalls;
            s.queue_peak[t] = core.waiting_events().into();
            s.busy[t] = moment.accept - moment.update + s.performed[t] * interval + s.skipped[t];
            s.barrier_wait[t] = self.release - core.quiet;
        }
        let last = run.simulator.cores.iter().position(|c| c.quiet == self.quiet);
        self.follow(last.expect("a core is quiet last: what an injector sends reaches one later"));
    }

    /// Follows the way that ended last, in a core, back to the start of the step.
    fn follow(&mut self, core: usize) {
        let t = self.step;
        let mut parts = std::mem::take(&mut self.parts);
        let m = self.moments[core];
        if self.quiet > m.accept && self.quiet > m.sent && m.taken > 0 {
            self.arrived(core, m.taken, &mut parts);
        } else {
            self.sent_by(core, self.quiet, &mut parts);
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
        if let Some(&(part, _, component)) = parts.iter().max_by_key(|p| p.1) {
            let place = |router: usize| format!("{}_{}", router % self.width, router / self.width);
            let component = match component {
                Component::Core(core) => format!("core_{}", place(self.router_of_core[core])),
                Component::Injector(injector) => format!("injector_{injector}"),
                Component::Router(router) => format!("router_{}", place(router)),
                Component::Output(router, port) => format!("router_{}.{}", place(router), port.name()),
            };
            self.record.chip.hold(t, Held { part: part.into(), component });
        }
        parts.clear();
        self.parts = parts;
    }

    /// The way of the last flit that a core took.
    fn arrived(&self, core: usize, taken: u64, parts: &mut Parts) {
        let port = self.left.len() + core;
        let (mut buffer, mut entry) = (port, self.entered[port][self.entered[port].len() - 1]);
        let visible = entry.sent + LINK;
        let (mut longest, mut place) = (0, Component::Router(self.router_of_core[core]));
        while entry.from != SOURCE {
            let from = entry.from as usize;
            // Of equal waits the first counts.
            if entry.waited > 0 && entry.waited >= longest {
                // The output that faces the input.
                let output = if buffer == port { Port::Local } else { Port::ALL[(buffer % 5 + 2) % 4] };
                (longest, place) = (entry.waited, Component::Output(from / 5, output));
            }
            (buffer, entry) = (from, self.entered[from][entry.number as usize]);
        }
        parts.push(("synapses", self.quiet - taken, Component::Core(core)));
        parts.push(("port", taken - visible, Component::Core(core)));
        parts.push(("mesh", visible - entry.sent, place));
        match self.entries.iter().position(|&b| b == buffer) {
            Some(i) => parts.push(("sender", entry.sent - self.start, Component::Injector(i))),
            None => {
                let from = self.core_of_router[buffer / 5].expect("a core sent what no injector did");
                self.sent_by(from, entry.sent, parts);
            }
        }
    }

    /// The way of a spike that a core sent, or had done with, in a cycle.
    fn sent_by(&self, core: usize, until: u64, parts: &mut Parts) {
        let m = self.moments[core];
        let updated = until.min(m.accept);
        parts.push(("sender", until - updated, Component::Core(core)));
        parts.push(("update", updated - m.update, Component::Core(core)));
        parts.push(("queue", m.update - self.start, Component::Core(core)));
    }
}

impl Probe for Recorder {
    const FINE: bool = false;

    fn step(&mut self, cycle: u64, step: u32) {
        (self.step, self.start) = (step as usize, cycle);
        self.moments.fill(Moment::default());
        self.entered.iter_mut().for_each(Vec::clear);
        self.left.fill((0, 0));
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

    #[inline]
    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        let buffer = 5 * router + port as usize;
        let (left, free) = &mut self.left[buffer];
        let enters = self.entered[buffer][*left as usize].sent + LINK;
        self.moving.waited = cycle - enters.max(*free);
        (self.moving.from, self.moving.number) = (buffer as u32, *left);
        (*left, *free) = (*left + 1, cycle + 1);
    }

    #[inline]
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, _: Flit) {
        let buffer = match port {
            Port::North => 5 * (router - self.width) + Port::South as usize,
            Port::East => 5 * (router + 1) + Port::West as usize,
            Port::South => 5 * (router + self.width) + Port::North as usize,
            Port::West => 5 * (router - 1) + Port::East as usize,
            Port::Local => self.left.len() + self.core_of_router[router].expect("flits go to cores"),
        };
        self.entered[buffer].push(Entry { sent: cycle, ..self.moving });
    }

    #[inline]
    fn core_output(&mut self, cycle: u64, core: usize, _: Flit) {
        self.moments[core].sent = cycle + 1;
        self.enter(5 * self.router_of_core[core] + Port::Local as usize, cycle);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, _: Flit) {
        self.injected += 1;
        self.enter(self.entries[injector], cycle);
    }

    #[inline]
    fn core_input(&mut self, cycle: u64, core: usize, _: Flit) {
        self.moments[core].taken = cycle;
    }
}
