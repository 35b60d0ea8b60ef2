//! What a sample did step by step: counts of each core, and the way that ended last and so held the barrier.
//!
//! A [`Recorder`] is a probe of flits alone, so that values are still computed in closed form. It notes when each flit
//! entered and left a buffer: these are first in first out, so that flits need no names, and the one flit of a step that
//! matters is followed back through the notes when the step is over. Counts are differences of those that are kept anyway.
//!
//! Long because what is noted of flits and how it is followed back are one argument.

use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe};
use crate::program::Program;
use crate::series::{CoreSeries, Held, RouterSeries, Steps};
use crate::stats::CoreStats;
use crate::{Error, Outcome, Run, Simulator};
use hw::platform::Structure;
use spikes::Binned;
use std::sync::Arc;

/// Series of one sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The chip.
    pub chip: Steps,
    /// Each core.
    pub cores: Vec<CoreSeries>,
    /// Each router that flits may pass and whose core is not in use, with its column and row.
    pub routers: Vec<(u16, u16, RouterSeries)>,
}

/// What passed a buffer in a step. Each flit is a cycle and a port of a router, packed by [`note`].
#[derive(Debug, Clone, Default)]
struct Buffer {
    /// Flits that entered: the cycle in which each was sent, and the input of the router that sent it, [`SOURCE`] where a core or
    /// an injector did.
    entered: Vec<u64>,
    /// Flits that left: the cycle, and the output through which each did.
    left: Vec<u64>,
}

/// In the place of a port: none.
const SOURCE: usize = 5;

#[inline]
fn note(cycle: u64, port: usize) -> u64 {
    cycle << 3 | port as u64
}

/// The cycle and the port that were noted.
fn noted(note: u64) -> (u64, usize) {
    (note >> 3, note as usize & 7)
}

/// A flit by its buffer, and how many flits of the step had entered that before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    buffer: usize,
    number: usize,
}

impl Place {
    /// The flit that entered the buffer so many before this one.
    fn before(self, by: usize) -> Option<Self> {
        Some(Self { number: self.number.checked_sub(by)?, ..self })
    }
}

/// What the critical path is followed back to: what a flit did in a cycle.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// It was sent into its buffer.
    Sent(Place),
    /// It left its buffer; it was taken, where that is the port of a core.
    Left(Place),
}

/// What a core did in the present step, as far as cycles go.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    update: u64,
    accept: u64,
}

/// Who is to answer for a part of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    Core(usize),
    Injector(usize),
    Router(usize),
    Output(usize, Port),
}

/// Parts of a critical path with their cycles, each part of a component once; those that it passes last come first.
#[derive(Debug, Default)]
struct Parts(Vec<(&'static str, Component, u64)>);

impl Parts {
    fn add(&mut self, part: &'static str, component: Component, cycles: u64) {
        // The path stays long where it is: the one before is found soon.
        match self.0.iter_mut().rev().find(|p| (p.0, p.1) == (part, component)) {
            Some(known) => known.2 += cycles,
            None => self.0.push((part, component, cycles)),
        }
    }

    /// Cycles of a part.
    fn total(&self, part: &str) -> u64 {
        self.0.iter().filter(|p| p.0 == part).map(|p| p.2).sum()
    }

    /// The longest part and whose most of it is; of equal ones the one that the path passes first.
    fn longest(&self) -> Option<(&'static str, Component)> {
        let longest = self.0.iter().max_by_key(|p| self.total(p.0))?.0;
        let of_it = self.0.iter().filter(|p| p.0 == longest);
        of_it.max_by_key(|p| p.2).map(|p| (p.0, p.1))
    }
}

/// Records samples, one after the other.
#[derive(Debug)]
pub struct Recorder {
    program: Arc<Program>,
    width: usize,
    core_of_router: Vec<Option<usize>>,
    router_of_core: Vec<usize>,
    /// Buffers that injectors fill, and which injector fills a buffer.
    entries: Vec<usize>,
    injector_at: Vec<Option<usize>>,
    /// What passed in this step: five buffers of each router, then the input port of each core.
    passed: Vec<Buffer>,
    /// Buffers and routers that a flit may pass: the others cost nothing.
    buffers: Vec<usize>,
    routers: Vec<usize>,
    /// The input from which a flit crosses a router.
    moving: usize,
    moments: Vec<Moment>,
    injected: u64,
    step: usize,
    start: u64,
    quiet: u64,
    release: u64,
    /// Counts of the cores, and of the routers' traffic, at the end of the step before.
    before: Vec<CoreStats>,
    traffic: Vec<[u64; 3]>,
    /// Kept from step to step for its room.
    parts: Parts,
    record: Record,
}

impl Recorder {
    /// Runs a sample and records it; `other` watches too. The simulator is the one, or a clone of the one, that it is made for.
    ///
    /// # Errors
    /// As [`Simulator::run`].
    pub fn run<P: Probe>(
        &mut self,
        simulator: &mut Simulator,
        input: &Binned,
        other: &mut P,
    ) -> Result<(Outcome, Record), Error> {
        self.begin();
        let mut run = simulator.begin(input)?;
        while run.advance(&mut (&mut *self, &mut *other))? {
            self.end_step(&run);
        }
        Ok((run.finish(), self.take()))
    }

    /// For samples on a simulator.
    #[must_use]
    pub fn new(simulator: &Simulator) -> Self {
        let program = simulator.program();
        let mesh = &program.platform.mesh;
        let width = usize::from(mesh.width);
        let (routers, cores) = (width * usize::from(mesh.height), program.cores());
        let router_of_core: Vec<_> = program.cores.iter().map(|c| c.router).collect();
        let mut core_of_router = vec![None; routers];
        for (core, &router) in router_of_core.iter().enumerate() {
            core_of_router[router] = Some(core);
        }
        let place = |i: &hw::platform::Injector| usize::from(i.y) * width + usize::from(i.x);
        let entries: Vec<_> =
            mesh.injectors.iter().map(|i| 5 * place(i) + Port::of(i.side) as usize).collect();
        let mut injector_at = vec![None; 5 * routers];
        for (injector, &buffer) in entries.iter().enumerate() {
            injector_at[buffer] = Some(injector);
        }
        let ports = (0..cores).map(|core| 5 * routers + core);
        let buffers = simulator.mesh.used().map(|(router, port)| 5 * router + port).chain(ports).collect();
        let mut used: Vec<_> = simulator.mesh.used().map(|(router, _)| router).collect();
        used.dedup();
        Self {
            program: Arc::clone(program),
            width,
            buffers,
            routers: used,
            core_of_router,
            router_of_core,
            entries,
            injector_at,
            passed: vec![Buffer::default(); 5 * routers + cores],
            moving: SOURCE,
            moments: vec![Moment::default(); cores],
            injected: 0,
            step: 0,
            start: 0,
            quiet: 0,
            release: 0,
            before: vec![CoreStats::default(); cores],
            traffic: vec![[0; 3]; routers],
            parts: Parts::default(),
            record: Record::default(),
        }
    }

    /// Begins a sample, whose steps end with [`Recorder::end_step`].
    pub(crate) fn begin(&mut self) {
        let steps = self.program.network.steps as usize;
        let cores = self.moments.len();
        let lone = self.routers.iter().filter(|&&r| self.core_of_router[r].is_none());
        self.record = Record {
            chip: Steps::new(steps),
            cores: vec![CoreSeries::new(steps); cores],
            routers: lone
                .map(|r| ((r % self.width) as u16, (r / self.width) as u16, RouterSeries::new(steps)))
                .collect(),
        };
        self.before.fill(CoreStats::default());
        self.traffic.fill([0; 3]);
        self.injected = 0;
    }

    /// What was recorded of the sample.
    pub(crate) fn take(&mut self) -> Record {
        std::mem::take(&mut self.record)
    }

    /// Takes up the counts of the step that ended.
    pub(crate) fn end_step(&mut self, run: &Run<'_>) {
        let t = self.step;
        let interval = self.program.synapse_interval;
        let chip = &mut self.record.chip.chip;
        let mut lone = self.record.routers.iter_mut();
        for &router in &self.routers {
            let now = run.simulator.mesh.traffic(router);
            let before = std::mem::replace(&mut self.traffic[router], now);
            let [hops, stalls, grants] = std::array::from_fn(|i| now[i] - before[i]);
            chip.hops[t] += hops;
            chip.router_stalls[t] += stalls;
            chip.grant_stalls[t] += grants;
            if let Some(core) = self.core_of_router[router] {
                let s = &mut self.record.cores[core];
                (s.hops[t], s.router_stalls[t], s.grant_stalls[t]) = (hops, stalls, grants);
            } else if let Some((_, _, s)) = lone.next() {
                (s.hops[t], s.router_stalls[t], s.grant_stalls[t]) = (hops, stalls, grants);
            }
        }
        chip.cycles[t] = self.release - self.start;
        chip.cycles_max[t] = chip.cycles[t];
        chip.injected[t] = std::mem::take(&mut self.injected);
        chip.injector_stalls[t] = run.simulator.injectors.iter().map(|i| i.stalls).sum();
        for (i, core) in run.simulator.cores.iter().enumerate() {
            let (now, moment) = (&core.stats, self.moments[i]);
            let before = std::mem::replace(&mut self.before[i], now.clone());
            let s = &mut self.record.cores[i];
            s.arrivals[t] = now.arrivals - before.arrivals;
            s.arrival_stalls[t] = now.arrival_stalls - before.arrival_stalls;
            s.update_stalls[t] = now.update_stalls - before.update_stalls;
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
        let mut next = self.last_of(core, &mut parts);
        while let Some(event) = next {
            next = match event {
                Event::Sent(place) => self.why_sent(place, &mut parts),
                Event::Left(place) if place.buffer >= self.ports() => self.why_taken(place, &mut parts),
                Event::Left(place) => Some(self.why_granted(place, &mut parts)),
            };
        }
        let path = &mut self.record.chip.path;
        for (part, _, cycles) in &parts.0 {
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
        if let Some((part, component)) = parts.longest() {
            let place = |router: usize| format!("{}_{}", router % self.width, router / self.width);
            let component = match component {
                Component::Core(core) => format!("core_{}", place(self.router_of_core[core])),
                Component::Injector(injector) => format!("injector_{injector}"),
                Component::Router(router) => format!("router_{}", place(router)),
                Component::Output(router, port) => format!("router_{}.{}", place(router), port.name()),
            };
            self.record.chip.hold(t, Held { part: part.into(), component });
        }
        parts.0.clear();
        self.parts = parts;
    }

    /// The index of the first port of a core among the buffers.
    fn ports(&self) -> usize {
        self.injector_at.len()
    }

    /// The cycle in which a flit was sent into its buffer.
    fn sent(&self, place: Place) -> u64 {
        noted(self.passed[place.buffer].entered[place.number]).0
    }

    /// The cycle in which a flit left its buffer.
    fn left(&self, place: Place) -> u64 {
        noted(self.passed[place.buffer].left[place.number]).0
    }

    /// Where a flit was before it entered its buffer; `None` where a core or an injector sent it.
    fn from(&self, place: Place) -> Option<Place> {
        let (sent, input) = noted(self.passed[place.buffer].entered[place.number]);
        (input != SOURCE).then(|| {
            let buffer = 5 * self.filler(place.buffer) + input;
            // One leaves a buffer in a cycle.
            let number = self.passed[buffer].left.partition_point(|&note| noted(note).0 < sent);
            Place { buffer, number }
        })
    }

    /// Where a flit went when it left its buffer.
    fn to(&self, place: Place) -> Place {
        let (left, output) = noted(self.passed[place.buffer].left[place.number]);
        let buffer = self.beyond(place.buffer / 5, Port::ALL[output]);
        let number = self.passed[buffer].entered.partition_point(|&note| noted(note).0 < left);
        Place { buffer, number }
    }

    /// The buffer behind an output of a router.
    #[inline]
    fn beyond(&self, router: usize, output: Port) -> usize {
        match output {
            Port::North => 5 * (router - self.width) + Port::South as usize,
            Port::East => 5 * (router + 1) + Port::West as usize,
            Port::South => 5 * (router + self.width) + Port::North as usize,
            Port::West => 5 * (router - 1) + Port::East as usize,
            Port::Local => self.ports() + self.core_of_router[router].expect("flits go to cores"),
        }
    }

    /// The router that fills a buffer, where one does.
    fn filler(&self, buffer: usize) -> usize {
        if buffer >= self.ports() {
            return self.router_of_core[buffer - self.ports()];
        }
        let router = buffer / 5;
        match Port::ALL[buffer % 5] {
            Port::North => router - self.width,
            Port::East => router + 1,
            Port::South => router + self.width,
            Port::West => router - 1,
            Port::Local => router,
        }
    }

    /// The flit whose leaving made the room for another that was sent in the first cycle in which it could be.
    fn made_room(&self, place: Place) -> Option<Place> {
        let mesh = &self.program.platform.mesh;
        let depth = if place.buffer >= self.ports() { mesh.core_buffer } else { mesh.router_buffer };
        let before = place.before(depth.into())?;
        (self.left(before) + 1 == self.sent(place)).then_some(before)
    }

    /// What a core did last.
    fn last_of(&self, core: usize, parts: &mut Parts) -> Option<Event> {
        let m = self.moments[core];
        let last = |buffer: usize| {
            let number = self.passed[buffer].entered.len().checked_sub(1)?;
            Some(Place { buffer, number })
        };
        let own = last(5 * self.router_of_core[core] + Port::Local as usize);
        if self.quiet > m.accept
            && own.is_none_or(|own| self.quiet > self.sent(own) + 1)
            && let Some(taken) = last(self.ports() + core)
        {
            parts.add("synapses", Component::Core(core), self.quiet - self.left(taken));
            return Some(Event::Left(taken));
        }
        self.sent_by(core, self.quiet, own, parts)
    }

    /// Why a core took a flit no sooner.
    fn why_taken(&self, place: Place, parts: &mut Parts) -> Option<Event> {
        let core = place.buffer - self.ports();
        let (taken, this) = (self.left(place), Component::Core(core));
        let visible = self.sent(place) + LINK;
        if taken > visible {
            let ring = self.program.structure == Structure::RingBuffer;
            match place.before(1) {
                // The synapses of those before, or for a shared queue its write port.
                Some(before) if ring || self.left(before) + 1 > visible => {
                    parts.add(if ring { "synapses" } else { "port" }, this, taken - self.left(before));
                    return Some(Event::Left(before));
                }
                None if ring => return self.sent_by(core, taken, None, parts),
                _ => parts.add("port", this, taken - visible),
            }
        }
        self.link(place, parts)
    }

    /// Why a router granted a flit no sooner.
    fn why_granted(&self, place: Place, parts: &mut Parts) -> Event {
        let granted = self.left(place);
        if granted > self.sent(place) + LINK {
            let (router, to) = (place.buffer / 5, self.to(place));
            parts.add("mesh", Component::Output(router, self.output(to)), 1);
            if let Some(room) = self.made_room(to) {
                return Event::Left(room);
            }
            // Another input's turn, or the flit before it in the buffer.
            if let Some(before) = to.before(1).filter(|&before| self.sent(before) + 1 == granted) {
                return Event::Left(self.from(before).expect("a router fills what is behind its output"));
            }
            let before = place.before(1).filter(|&before| self.left(before) + 1 == granted);
            return Event::Left(before.expect("a head waits for room, its turn, or to be the head"));
        }
        self.link(place, parts).expect("somebody sent it")
    }

    /// The way over the link into a buffer.
    fn link(&self, place: Place, parts: &mut Parts) -> Option<Event> {
        let Some(from) = self.from(place) else {
            parts.add("mesh", Component::Router(place.buffer / 5), LINK);
            return Some(Event::Sent(place));
        };
        parts.add("mesh", Component::Output(from.buffer / 5, self.output(place)), LINK);
        Some(Event::Left(from))
    }

    /// The output that fills a buffer.
    fn output(&self, place: Place) -> Port {
        let buffer = place.buffer;
        if buffer >= self.ports() { Port::Local } else { Port::ALL[(buffer % 5 + 2) % 4] }
    }

    /// Why a core or an injector sent a flit no sooner.
    fn why_sent(&self, place: Place, parts: &mut Parts) -> Option<Event> {
        let (buffer, sent) = (place.buffer, self.sent(place));
        let before = place.before(1);
        if before.is_none_or(|before| self.sent(before) + 1 < sent)
            && let Some(room) = self.made_room(place)
        {
            parts.add("mesh", Component::Router(buffer / 5), 1);
            return Some(Event::Left(room));
        }
        let Some(injector) = self.injector_at[buffer] else {
            let core = self.core_of_router[buffer / 5].expect("a core sent what no injector did");
            return self.sent_by(core, sent, before, parts);
        };
        let from = before.map_or(self.start, |before| self.sent(before));
        parts.add("sender", Component::Injector(injector), sent - from);
        before.map(Event::Sent)
    }

    /// Why a core had not sent a flit, or was not done, before a cycle: the flit that it sent before, or its update.
    fn sent_by(&self, core: usize, until: u64, before: Option<Place>, parts: &mut Parts) -> Option<Event> {
        let (m, this) = (self.moments[core], Component::Core(core));
        if let Some(before) = before
            && let sent = self.sent(before)
            && (sent >= m.accept || sent + 1 == until)
        {
            parts.add("sender", this, until - sent);
            return Some(Event::Sent(before));
        }
        let updated = until.min(m.accept);
        parts.add("sender", this, until - updated);
        parts.add("update", this, updated - m.update);
        parts.add("queue", this, m.update - self.start);
        None
    }
}

impl Probe for Recorder {
    const FINE: bool = false;

    fn step(&mut self, cycle: u64, step: u32) {
        (self.step, self.start) = (step as usize, cycle);
        self.moments.fill(Moment::default());
        for &buffer in &self.buffers {
            self.passed[buffer].entered.clear();
            self.passed[buffer].left.clear();
        }
    }

    fn barrier(&mut self, quiet: u64, release: u64) {
        (self.quiet, self.release) = (quiet, release);
    }

    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        match phase {
            Phase::Update => self.moments[core].update = cycle,
            Phase::Accept => self.moments[core].accept = cycle,
            Phase::Deliver => {}
        }
    }

    #[inline]
    fn router_input(&mut self, _: u64, _: usize, port: Port) {
        self.moving = port as usize;
    }

    #[inline]
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, _: Flit) {
        let (from, to) = (5 * router + self.moving, self.beyond(router, port));
        self.passed[from].left.push(note(cycle, port as usize));
        self.passed[to].entered.push(note(cycle, self.moving));
    }

    #[inline]
    fn core_output(&mut self, cycle: u64, core: usize, _: Flit) {
        let buffer = 5 * self.router_of_core[core] + Port::Local as usize;
        self.passed[buffer].entered.push(note(cycle, SOURCE));
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, _: Flit) {
        self.injected += 1;
        self.passed[self.entries[injector]].entered.push(note(cycle, SOURCE));
    }

    #[inline]
    fn core_input(&mut self, cycle: u64, core: usize, _: Flit) {
        let port = self.ports() + core;
        self.passed[port].left.push(note(cycle, SOURCE));
    }
}
