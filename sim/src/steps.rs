//! What a sample did step by step: counts of each core, and the way that ended last and so held the barrier.
//!
//! A [`Recorder`] is a probe of flits alone, so that values are still computed in closed form. It notes where each flit
//! entered a buffer from: these are first in first out, so that flits need no names, and the one flit of a step that
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

/// A flit that entered a buffer.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Cycle in which it was sent, and in which it left the buffer.
    sent: u64,
    left: u64,
    /// Where it was before, where [`SOURCE`] means that a core or an injector sent it, and where it went.
    from: Place,
    to: Place,
}

/// A flit by its buffer, and how many flits of the step had entered that before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    buffer: u32,
    number: u32,
}

const SOURCE: Place = Place { buffer: u32::MAX, number: 0 };

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
    /// What entered each buffer in this step: five buffers of each router, then the input port of each core.
    entered: Vec<Vec<Entry>>,
    /// Flits that left each buffer in this step.
    left: Vec<u32>,
    /// Buffers and routers that a flit may pass: the others cost nothing.
    buffers: Vec<usize>,
    routers: Vec<usize>,
    /// The flit that crosses a router.
    moving: Place,
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
            entered: vec![Vec::new(); 5 * routers + cores],
            left: vec![0; 5 * routers + cores],
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

    /// A flit enters a buffer from where it was.
    #[inline]
    fn enter(&mut self, buffer: usize, sent: u64, from: Place) {
        let entered = &mut self.entered[buffer];
        let to = Place { buffer: buffer as u32, number: entered.len() as u32 };
        entered.push(Entry { sent, left: 0, from, to: SOURCE });
        if from != SOURCE {
            self.entered[from.buffer as usize][from.number as usize].to = to;
        }
    }

    /// The next flit leaves a buffer.
    #[inline]
    fn leave(&mut self, buffer: usize, cycle: u64) -> Place {
        let place = Place { buffer: buffer as u32, number: self.left[buffer] };
        self.left[buffer] += 1;
        self.entered[buffer][place.number as usize].left = cycle;
        place
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
                Event::Left(place) if place.buffer as usize >= self.ports() => {
                    self.why_taken(place, &mut parts)
                }
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

    fn entry(&self, place: Place) -> Entry {
        self.entered[place.buffer as usize][place.number as usize]
    }

    /// The flit that entered a buffer so many before another.
    fn before(&self, place: Place, by: u32) -> Option<(Place, Entry)> {
        let before = Place { number: place.number.checked_sub(by)?, ..place };
        Some((before, self.entry(before)))
    }

    /// The flit whose leaving made the room for another that was sent in the first cycle in which it could be.
    fn made_room(&self, place: Place) -> Option<Place> {
        let mesh = &self.program.platform.mesh;
        let depth = if place.buffer as usize >= self.ports() { mesh.core_buffer } else { mesh.router_buffer };
        let (before, entry) = self.before(place, depth.into())?;
        (entry.left + 1 == self.entry(place).sent).then_some(before)
    }

    /// What a core did last.
    fn last_of(&self, core: usize, parts: &mut Parts) -> Option<Event> {
        let m = self.moments[core];
        let last = |buffer: usize| {
            let number = (self.entered[buffer].len() as u32).checked_sub(1)?;
            let place = Place { buffer: buffer as u32, number };
            Some((place, self.entry(place)))
        };
        let own = last(5 * self.router_of_core[core] + Port::Local as usize);
        if self.quiet > m.accept
            && own.is_none_or(|(_, own)| self.quiet > own.sent + 1)
            && let Some((place, entry)) = last(self.ports() + core)
        {
            parts.add("synapses", Component::Core(core), self.quiet - entry.left);
            return Some(Event::Left(place));
        }
        self.sent_by(core, self.quiet, own, parts)
    }

    /// Why a core took a flit no sooner.
    fn why_taken(&self, place: Place, parts: &mut Parts) -> Option<Event> {
        let core = place.buffer as usize - self.ports();
        let (entry, this) = (self.entry(place), Component::Core(core));
        let visible = entry.sent + LINK;
        if entry.left > visible {
            let ring = self.program.structure == Structure::RingBuffer;
            match self.before(place, 1) {
                // The synapses of those before, or for a shared queue its write port.
                Some((before, b)) if ring || b.left + 1 > visible => {
                    parts.add(if ring { "synapses" } else { "port" }, this, entry.left - b.left);
                    return Some(Event::Left(before));
                }
                None if ring => return self.sent_by(core, entry.left, None, parts),
                _ => parts.add("port", this, entry.left - visible),
            }
        }
        self.link(entry, place, parts)
    }

    /// Why a router granted a flit no sooner.
    fn why_granted(&self, place: Place, parts: &mut Parts) -> Event {
        let entry = self.entry(place);
        if entry.left > entry.sent + LINK {
            let (router, to) = (place.buffer as usize / 5, entry.to);
            parts.add("mesh", Component::Output(router, self.output(to)), 1);
            if let Some(room) = self.made_room(to) {
                return Event::Left(room);
            }
            // Another input's turn, or the flit before it in the buffer.
            if let Some((before, b)) = self.before(to, 1)
                && b.sent + 1 == entry.left
            {
                return Event::Left(self.entry(before).from);
            }
            let before = self.before(place, 1).filter(|(_, b)| b.left + 1 == entry.left);
            return Event::Left(before.expect("a head waits for room, its turn, or to be the head").0);
        }
        self.link(entry, place, parts).expect("somebody sent it")
    }

    /// The way over the link into a buffer.
    fn link(&self, entry: Entry, place: Place, parts: &mut Parts) -> Option<Event> {
        if entry.from == SOURCE {
            parts.add("mesh", Component::Router(place.buffer as usize / 5), LINK);
            return Some(Event::Sent(place));
        }
        let output = Component::Output(entry.from.buffer as usize / 5, self.output(place));
        parts.add("mesh", output, LINK);
        Some(Event::Left(entry.from))
    }

    /// The output that fills a buffer.
    fn output(&self, place: Place) -> Port {
        let buffer = place.buffer as usize;
        if buffer >= self.ports() { Port::Local } else { Port::ALL[(buffer % 5 + 2) % 4] }
    }

    /// Why a core or an injector sent a flit no sooner.
    fn why_sent(&self, place: Place, parts: &mut Parts) -> Option<Event> {
        let (buffer, sent) = (place.buffer as usize, self.entry(place).sent);
        let before = self.before(place, 1);
        if before.is_none_or(|(_, b)| b.sent + 1 < sent)
            && let Some(room) = self.made_room(place)
        {
            parts.add("mesh", Component::Router(buffer / 5), 1);
            return Some(Event::Left(room));
        }
        let Some(injector) = self.injector_at[buffer] else {
            let core = self.core_of_router[buffer / 5].expect("a core sent what no injector did");
            return self.sent_by(core, sent, before, parts);
        };
        let from = before.map_or(self.start, |(_, b)| b.sent);
        parts.add("sender", Component::Injector(injector), sent - from);
        before.map(|(before, _)| Event::Sent(before))
    }

    /// Why a core had not sent a flit, or was not done, before a cycle: the flit that it sent before, or its update.
    fn sent_by(
        &self,
        core: usize,
        until: u64,
        before: Option<(Place, Entry)>,
        parts: &mut Parts,
    ) -> Option<Event> {
        let (m, this) = (self.moments[core], Component::Core(core));
        if let Some((before, b)) = before
            && (b.sent >= m.accept || b.sent + 1 == until)
        {
            parts.add("sender", this, until - b.sent);
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
            self.entered[buffer].clear();
            self.left[buffer] = 0;
        }
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
        self.moving = self.leave(5 * router + port as usize, cycle);
    }

    #[inline]
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, _: Flit) {
        let buffer = match port {
            Port::North => 5 * (router - self.width) + Port::South as usize,
            Port::East => 5 * (router + 1) + Port::West as usize,
            Port::South => 5 * (router + self.width) + Port::North as usize,
            Port::West => 5 * (router - 1) + Port::East as usize,
            Port::Local => self.ports() + self.core_of_router[router].expect("flits go to cores"),
        };
        self.enter(buffer, cycle, self.moving);
    }

    #[inline]
    fn core_output(&mut self, cycle: u64, core: usize, _: Flit) {
        self.enter(5 * self.router_of_core[core] + Port::Local as usize, cycle, SOURCE);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, _: Flit) {
        self.injected += 1;
        self.enter(self.entries[injector], cycle, SOURCE);
    }

    #[inline]
    fn core_input(&mut self, cycle: u64, core: usize, _: Flit) {
        self.leave(self.ports() + core, cycle);
    }
}
