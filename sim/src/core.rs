//! A core: delay structure, soma and sender, as `hw/TIMING.md` states them.
//!
//! What a core does between two flits depends on nothing outside it, so it is computed in closed
//! form, with the cycle of each event. Values and cycles are computed apart: the sum that a neuron
//! gets in a step does not depend on the order of arrivals, and no cycle depends on a sum but for
//! the spikes. So both structures keep sums by the step in which they are due, filled from the
//! arrivals of a step at its end; what a shared queue streams is followed by its lengths alone.
//!
//! Long because the closed form of a core is one argument, from the first cycle of a step to the last.

use crate::mesh::Flit;
use crate::probe::{Phase, Probe, SynapticOperation};
use crate::program::{CoreProgram, Program, Synapse, Synapses, Visits};
use crate::stats::CoreStats;
use crate::sums::{Sum, Sums};
use hw::layout::QueueEvent;
use hw::platform::Structure;

/// Cycles from reading a neuron to writing its membrane.
const SOMA_LATENCY: u64 = 3;
/// Cycles from addressing a synapse to its accumulator being written.
const SYNAPSE_LATENCY: u64 = 2;
/// Cycles from the start of a step to the first event of the pre-processing queue at the synapses.
const QUEUE_FILL: u64 = 2;

/// A flit to send in the present step.
#[derive(Debug, Clone, Copy)]
struct Outgoing {
    flit: Flit,
    /// Cycle from which its spike is at the head of the spike FIFO, from the start of the update on.
    visible: u32,
    /// Spikes by which its spike comes after that of the flit before; 0 where it is the same.
    after: u32,
}

/// The input port. Together, since all cores take turns at it within a step: what that needs must stay in the cache.
#[derive(Debug, Clone, Default)]
#[repr(align(64))]
struct Port {
    /// First cycle in which it may take the next flit.
    next: u64,
    /// When the synapses are free again (ring buffer).
    free: u64,
    /// First cycle in which the flit behind the last one taken is at its head.
    head: u64,
    /// Cycles that flits have waited at its head.
    stalls: u64,
    /// Axons of the flits taken in this step, in order.
    arrivals: Vec<u32>,
    /// Where its axons begin in [`Program::counts`].
    axons: u32,
    parity: bool,
}

/// The sender; together, as [`Port`].
#[derive(Debug, Clone, Default)]
#[repr(align(64))]
struct Sender {
    /// What is to be sent in this step.
    flits: Vec<Outgoing>,
    next: u32,
    /// Spikes without routes after the last flit, and [`Outgoing::visible`] of the last spike.
    rest: u32,
    visible: u32,
    /// First cycle of the update.
    update: u64,
    /// Cycle in which the first route entry of the last spike was addressed.
    addressed: u64,
    /// Cycle in which the last flit was sent.
    sent: u64,
}

/// State of one core.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Core {
    port: Port,
    sender: Sender,
    queue: Queue,
    pub index: usize,
    membranes: Vec<i32>,
    /// Sums by slot, then neuron (see [`CoreProgram::row`]).
    sums: Sums,
    pub scores: Vec<i64>,
    step: u32,
    /// All membranes are 0 and below their thresholds; the last step in which anything may be due.
    rests: bool,
    due: u32,
    /// Cycle in which the first synapse of each arrival is addressed; kept only under a probe (ring buffer).
    addressed: Vec<u64>,
    /// First cycle from which the core has nothing to do in this step.
    pub quiet: u64,
    pub stats: CoreStats,
    /// Cycles that flits waited for a credit of the router.
    send_stalls: u64,
    /// Synaptic operations that the arrivals of the present step give rise to, once it has ended.
    pub emitted: u64,
}

/// The two queues of a shared-queue core, followed by their lengths.
///
/// How long the queue streams in a step is a sum over its events, kept by step as they arrive. Where an
/// event stands in it matters only to arrivals, which find the write port taken: it is walked as far as they need.
#[derive(Debug, Clone, Default)]
struct Queue {
    /// Events in order, from `front` on, so that there is room before them; some may have had their last visit.
    events: Vec<Event>,
    front: usize,
    /// By step: cycles that the events take at the synapses, and events that have their last visit.
    cycles: Vec<u32>,
    last: Vec<u32>,
    /// Lists that are due in the steps to come.
    due: Due,
    /// Events that wait for the next step.
    waiting: u32,
    /// The walk: events that are through, and the cycle in which the next one reaches the synapses.
    walked: usize,
    at: u64,
    /// For each arrival of this step how many events were through before it.
    places: Vec<u32>,
    /// Accumulators as the hardware has them; kept only under a probe.
    watched: Vec<i64>,
}

/// How many lists are due in each of the next 64 steps: bit t (mod 64) of plane i is bit i of the number for step t,
/// so that the useful word of an event is added to all of them at once.
#[derive(Debug, Clone, Default)]
struct Due([u64; 32]);

impl Due {
    /// Adds the lists of an event that arrived in a step.
    #[inline]
    fn add(&mut self, useful: u64, step: u32) {
        let mut carry = useful.rotate_left(step.wrapping_add(1));
        for plane in &mut self.0 {
            if carry == 0 {
                break;
            }
            (*plane, carry) = (*plane ^ carry, *plane & carry);
        }
    }

    /// Takes the number of a step.
    fn take(&mut self, step: u32) -> u64 {
        let mut number = 0;
        for (i, plane) in self.0.iter_mut().enumerate() {
            number |= (plane.rotate_right(step) & 1) << i;
            *plane &= !1u64.rotate_left(step);
        }
        number
    }
}

/// An event of a queue.
#[derive(Debug, Clone, Copy)]
struct Event {
    /// Its visit in step t is number `key + t` of the core (see [`CoreProgram::visits`]).
    key: u32,
    /// Step of its last visit.
    last: u32,
}

impl Core {
    pub fn new(program: &Program, index: usize) -> Self {
        let core = &program.cores[index];
        Self {
            port: Port { axons: core.first_axon, ..Port::default() },
            sender: Sender::default(),
            queue: Queue::default(),
            index,
            membranes: vec![0; core.neurons.len()],
            sums: Sums::new(core.wide, core.row * core.slots as usize),
            scores: vec![0; core.readouts.len()],
            step: 0,
            rests: false,
            due: 0,
            addressed: Vec::new(),
            quiet: 0,
            stats: CoreStats::default(),
            send_stalls: 0,
            emitted: 0,
        }
    }

    /// Clears all state for a new sample; returns the cycles that takes (one word a cycle).
    pub fn reset(&mut self, program: &Program) -> u64 {
        self.membranes.fill(0);
        self.sums.clear();
        self.scores.fill(0);
        (self.rests, self.due) = (false, 0);
        self.port.arrivals.clear();
        (self.port.head, self.port.stalls) = (0, 0);
        self.addressed.clear();
        if program.structure == Structure::SharedQueue {
            self.queue.reset(program.network.steps as usize + program.depth as usize);
        }
        self.sender.flits.clear();
        self.sender.next = 0;
        self.stats = CoreStats::default();
        self.send_stalls = 0;
        let slots = match program.structure {
            Structure::RingBuffer => u64::from(program.depth),
            Structure::SharedQueue => 1,
        };
        self.membranes.len() as u64 * slots
    }

    /// Events that wait for the next step.
    pub fn waiting_events(&self) -> u32 {
        self.queue.waiting
    }

    /// Starts step `step` at cycle `start`: what is due is summed, neurons are updated.
    pub fn begin_step<P: Probe>(
        &mut self,
        program: &Program,
        step: u32,
        start: u64,
        out: &mut Vec<crate::Spike>,
        probe: &mut P,
    ) {
        let code = &program.cores[self.index];
        self.step = step;
        self.port.parity = step & 1 == 1;
        let update = match program.structure {
            Structure::RingBuffer => start,
            Structure::SharedQueue => self.deliver(program, code, start, probe),
        };
        let mut sums = std::mem::take(&mut self.sums);
        let end = match &mut sums {
            Sums::Narrow(s) => self.update(program, code, s, update, out, probe),
            Sums::Wide(s) => self.update(program, code, s, update, out, probe),
        };
        self.sums = sums;
        self.port.next = match program.structure {
            Structure::RingBuffer => end,
            Structure::SharedQueue => start,
        };
        self.port.free = 0;
        self.quiet = end;
        if P::ON {
            probe.phase(end, self.index, Phase::Accept);
        }
        if self.sender.flits.is_empty() {
            self.end_sending(0);
        }
    }

    /// The pre-processing queue streams; returns the cycle in which the update starts.
    fn deliver<P: Probe>(&mut self, program: &Program, code: &CoreProgram, start: u64, probe: &mut P) -> u64 {
        if P::ON {
            probe.phase(start, self.index, Phase::Deliver);
        }
        if P::FINE {
            self.watch(program, code, start, probe);
        }
        (self.queue.walked, self.queue.at) = (0, start + QUEUE_FILL);
        start + QUEUE_FILL + u64::from(self.queue.cycles[self.step as usize]) + SYNAPSE_LATENCY
    }

    /// Shows a probe what the queue streams, synapse by synapse.
    fn watch<P: Probe>(&mut self, program: &Program, code: &CoreProgram, start: u64, probe: &mut P) {
        let mut at = start + QUEUE_FILL;
        self.queue.watched.resize(code.neurons.len(), 0);
        for i in self.queue.front..self.queue.events.len() {
            let event = self.queue.events[i];
            if event.last < self.step {
                continue;
            }
            let index = event.key.wrapping_add(self.step);
            let axon = code.axons.partition_point(|a| a.visits <= index) - 1;
            let (row, cycles) = (&code.axons[axon], code.visits.cycles(index));
            let age = index - row.visits + 1;
            let offset = row.performed(code, age - 1, program.synapse_interval);
            let last = event.last == self.step;
            let mut event = QueueEvent { axon: axon as u32, age, offset: offset as u32 };
            probe.queue_read(at, self.index, event);
            if row.useful >> (age - 1) & 1 == 1 {
                let n = (cycles / program.synapse_interval) as u32;
                for i in 0..n {
                    let synapse = row.base + event.offset + i;
                    let (place, weight) = code.synapses.get(synapse);
                    let (neuron, weight) = (place % code.row as u32, i64::from(weight));
                    let sum = &mut self.queue.watched[neuron as usize];
                    *sum += weight;
                    let cycle = at + u64::from(i) * program.synapse_interval;
                    let operation = SynapticOperation { synapse, accumulator: neuron, weight, sum: *sum };
                    probe.synapse(cycle, self.index, operation);
                }
                event.offset += n;
            }
            at += cycles;
            if !last {
                event.age += 1;
                probe.queue_write(at, self.index, event);
            }
        }
    }

    /// All neurons once; returns the first cycle after it.
    fn update<S: Sum, P: Probe>(
        &mut self,
        program: &Program,
        code: &CoreProgram,
        sums: &mut [S],
        start: u64,
        out: &mut Vec<crate::Spike>,
        probe: &mut P,
    ) -> u64 {
        if P::ON {
            probe.phase(start, self.index, Phase::Update);
        }
        let n = code.neurons.len();
        let head = self.step & (code.slots - 1);
        let limit = 1i64 << (program.network.membrane_bits - 1);
        let interval = program.neuron_interval;
        let due = &mut sums[head as usize * code.row..][..n];
        if P::FINE && program.structure == Structure::SharedQueue {
            let watched = self.queue.watched.drain(..);
            debug_assert!(
                due.iter().zip(watched).all(|(a, b)| (*a).into() == b),
                "the queue streams what is due"
            );
        }
        let sender = &mut self.sender;
        sender.flits.clear();
        (sender.next, sender.update, sender.addressed, sender.sent) = (0, start, 0, 0);
        self.stats.updates += n as u64;
        let end = start + (n as u64 - 1) * interval + SOMA_LATENCY + 1;
        if self.rests && self.step > self.due && !P::FINE {
            (sender.rest, sender.visible) = (0, 0);
            return end;
        }
        let (first, mut after, mut visible) = (out.len(), 0, 0);
        let mut any = 0;
        for (i, ((v, sum), neuron)) in self.membranes.iter_mut().zip(due).zip(&code.neurons).enumerate() {
            let product = i64::from(*v) * i64::from(neuron.keep);
            // Toward zero: a negative product is lifted before the shift.
            let leaked = (product + ((product >> 63) & 4095)) >> 12;
            let mut next = (leaked + (*sum).into()).clamp(-limit, limit - 1);
            let spike = next >= neuron.threshold;
            if spike {
                next = if neuron.subtract { next - neuron.threshold } else { 0 };
                visible = i as u32 * interval as u32 + SOMA_LATENCY as u32 + 1;
                after += 1;
                for flit in &code.routes[code.route_start[i] as usize..code.route_start[i + 1] as usize] {
                    let flit = flit.of_parity(self.port.parity);
                    sender.flits.push(Outgoing { flit, visible, after });
                    after = 0;
                }
                let (population, index) = code.identity[i];
                out.push(crate::Spike { step: self.step, population, neuron: index });
            }
            *sum = S::default();
            *v = next as i32;
            any |= *v;
            if P::FINE {
                let accumulator = match program.structure {
                    Structure::RingBuffer => i as u32 * program.depth + head,
                    Structure::SharedQueue => i as u32,
                };
                let cycle = start + i as u64 * interval + SOMA_LATENCY;
                probe.membrane(cycle, self.index, i as u32, accumulator, *v, spike);
            }
        }
        for (score, v) in self.scores.iter_mut().zip(&self.membranes[code.readouts.clone()]) {
            *score += i64::from(*v);
        }
        (sender.rest, sender.visible) = (after, visible);
        let spikes = out.len() - first;
        self.rests = any == 0 && spikes == 0;
        self.stats.spikes += spikes as u64;
        self.stats.flits_sent += sender.flits.len() as u64;
        end
    }

    /// The next flit, with the cycle in which it is sent: `credit` at the earliest.
    #[inline]
    pub fn send<P: Probe>(&mut self, credit: u64, probe: &mut P) -> Option<(Flit, u64)> {
        let s = &mut self.sender;
        let &Outgoing { flit, visible, after } = s.flits.get(s.next as usize)?;
        if after > 0 {
            s.addressed = s.pop(visible, after);
        }
        // The row of the spike is read in the cycle before its first flit.
        let ready = if after > 0 { s.addressed + 1 } else { s.sent + 1 };
        s.sent = ready.max(credit);
        s.next += 1;
        let sent = s.sent;
        self.send_stalls += sent - ready;
        if P::ON {
            probe.core_output(sent, self.index, flit);
        }
        if self.sender.next as usize == self.sender.flits.len() {
            self.end_sending(sent);
        }
        Some((flit, sent))
    }

    /// After the last flit: the spikes behind it that have no routes go.
    fn end_sending(&mut self, sent: u64) {
        let s = &self.sender;
        let last = if s.rest > 0 { s.pop(s.visible, s.rest) + 1 } else { sent };
        self.quiet = self.quiet.max(last + 1);
    }

    /// Whether the sender has flits left.
    pub fn is_sending(&self) -> bool {
        (self.sender.next as usize) < self.sender.flits.len()
    }

    /// A flit that can be at the head of the port from `visible`; returns the cycle in which it is taken.
    #[inline]
    pub fn accept<P: Probe>(&mut self, program: &Program, flit: Flit, visible: u64, probe: &mut P) -> u64 {
        let port = &mut self.port;
        assert!(flit.parity() == port.parity, "a flit of another step reached core {}", self.index);
        let first = visible.max(port.next);
        let taken = match program.structure {
            Structure::RingBuffer => {
                // It waits in R until the synapses of the one before it are through.
                let enters = (first + 1).max(port.free);
                let count = program.counts[port.axons as usize + flit.axon() as usize];
                port.next = enters;
                port.free = enters + u64::from(count) * program.synapse_interval;
                if P::FINE {
                    self.addressed.push(enters);
                }
                if port.arrivals.is_empty() {
                    // The first of the step has nothing to wait for but the update.
                    self.stats.update_stalls += first - visible.max(port.head);
                }
                first
            }
            Structure::SharedQueue => {
                let taken = self.queue.write_port(&program.cores[self.index], self.step, first);
                port.next = taken + 1;
                self.queue.places.push(self.queue.walked as u32);
                taken
            }
        };
        port.arrivals.push(flit.axon());
        port.stalls += taken - visible.max(port.head);
        port.head = taken + 1;
        if P::ON {
            probe.core_input(taken, self.index, flit);
            if program.structure == Structure::SharedQueue {
                probe.queue_write(taken, self.index, QueueEvent { axon: flit.axon(), age: 1, offset: 0 });
            }
        }
        taken
    }

    /// Ends a step after its last flit: what arrived is added to the steps in which it is due.
    pub fn end_step<P: Probe>(&mut self, program: &Program, probe: &mut P) {
        let code = &program.cores[self.index];
        if !self.port.arrivals.is_empty() {
            self.due = self.step + code.slots;
            self.quiet = self.quiet.max(match program.structure {
                Structure::RingBuffer => self.port.free - program.synapse_interval + SYNAPSE_LATENCY + 1,
                Structure::SharedQueue => self.port.next,
            });
        }
        self.stats.arrivals += self.port.arrivals.len() as u64;
        (self.stats.arrival_stalls, self.stats.send_stalls) = (self.port.stalls, self.send_stalls);
        let left = program.network.steps - self.step;
        let mut sums = std::mem::take(&mut self.sums);
        match (&mut sums, P::FINE && program.structure == Structure::RingBuffer) {
            (Sums::Narrow(s), false) => self.accumulate(code, s),
            (Sums::Wide(s), false) => self.accumulate(code, s),
            (Sums::Narrow(s), true) => self.accumulate_watched(program, code, s, probe),
            (Sums::Wide(s), true) => self.accumulate_watched(program, code, s, probe),
        }
        self.sums = sums;
        self.emitted = self.port.arrivals.iter().map(|&a| u64::from(code.axons[a as usize].count)).sum();
        match program.structure {
            Structure::RingBuffer => self.stats.synaptic_operations += self.emitted,
            Structure::SharedQueue => {
                self.count_queue(program.synapse_interval);
                self.queue.swap(code, self.step, &self.port.arrivals);
                self.stats.queue_peak = self.stats.queue_peak.max(self.queue.waiting.into());
            }
        }
        if left < code.slots {
            self.stats.lost += match &code.synapses {
                Synapses::Short(synapses) => self.count_late(code, synapses, left),
                Synapses::Long(synapses) => self.count_late(code, synapses, left),
            };
        }
        self.port.arrivals.clear();
        self.addressed.clear();
    }

    /// The synapses of the axons that arrived add to the slots of their delays.
    fn accumulate<S: Sum>(&self, code: &CoreProgram, sums: &mut [S]) {
        match &code.synapses {
            Synapses::Short(synapses) => self.add(code, synapses, sums),
            Synapses::Long(synapses) => self.add(code, synapses, sums),
        }
    }

    fn add<S: Sum, Y: Synapse>(&self, code: &CoreProgram, synapses: &[Y], sums: &mut [S]) {
        let mask = code.row * code.slots as usize - 1;
        let head = (self.step & (code.slots - 1)) as usize * code.row;
        let sums = &mut sums[..=mask];
        let list = |arrival: u32| {
            let axon = &code.axons[arrival as usize];
            &synapses[axon.base as usize..][..axon.count as usize]
        };
        let arrivals = &self.port.arrivals;
        for (i, &arrival) in arrivals.iter().enumerate() {
            if let Some(&next) = arrivals.get(i + 1) {
                // Lists lie anywhere: a look at each cache line (64 bytes) of the next fetches it in good time.
                list(next).iter().step_by(64 / size_of::<Y>()).for_each(|&s| _ = std::hint::black_box(s));
            }
            let mut add = |s: Y| sums[(s.place() as usize + head) & mask].add(s.weight());
            let (eights, rest) = list(arrival).as_chunks::<8>();
            eights.iter().for_each(|eight| eight.iter().for_each(|&s| add(s)));
            rest.iter().for_each(|&s| add(s));
        }
    }

    /// The same, synapse by synapse for a probe (ring buffer).
    fn accumulate_watched<S: Sum, P: Probe>(
        &self,
        program: &Program,
        code: &CoreProgram,
        sums: &mut [S],
        probe: &mut P,
    ) {
        let row = code.row as u32;
        for (&arrival, at) in self.port.arrivals.iter().zip(&self.addressed) {
            let axon = &code.axons[arrival as usize];
            for i in 0..axon.count {
                let (place, weight) = code.synapses.get(axon.base + i);
                let (delay, neuron) = (place / row, place % row);
                let slot = (self.step + delay) & (code.slots - 1);
                let sum = &mut sums[(slot * row + neuron) as usize];
                sum.add(weight);
                let operation = SynapticOperation {
                    synapse: axon.base + i,
                    accumulator: neuron * program.depth + slot,
                    weight: weight.into(),
                    sum: (*sum).into(),
                };
                probe.synapse(at + u64::from(i) * program.synapse_interval, self.index, operation);
            }
        }
    }

    /// Synapses that are due after the last step.
    fn count_late<Y: Synapse>(&self, code: &CoreProgram, synapses: &[Y], left: u32) -> u64 {
        let late = left * code.row as u32;
        let count = |&arrival: &u32| {
            let axon = &code.axons[arrival as usize];
            let list = &synapses[axon.base as usize..][..axon.count as usize];
            // Counted in 32 bits, four at a time.
            u64::from(list.iter().map(|s| u32::from(s.place() >= late)).sum::<u32>())
        };
        self.port.arrivals.iter().map(count).sum()
    }

    /// Counts what the queue streamed in this step.
    fn count_queue(&mut self, interval: u64) {
        let (stats, queue, step) = (&mut self.stats, &mut self.queue, self.step as usize);
        let delivered = queue.due.take(self.step);
        let skipped = u64::from(queue.waiting) - delivered;
        stats.delivered += delivered;
        stats.skipped += skipped;
        stats.dropped += u64::from(queue.last[step]);
        // An event without a list takes a cycle.
        stats.synaptic_operations += (u64::from(queue.cycles[step]) - skipped) / interval;
    }
}

impl Sender {
    /// The cycle in which the first route entry of a spike is addressed that comes `after` so many. Those in between have no
    /// routes: each is popped a cycle after the one before it, or as soon as it is visible, which is no later than this one.
    #[inline]
    fn pop(&self, visible: u32, after: u32) -> u64 {
        let visible = self.update + u64::from(visible);
        (visible + 1).max(self.addressed + u64::from(after)).max(self.sent + u64::from(after - 1))
    }
}

impl Queue {
    fn reset(&mut self, steps: usize) {
        self.events.clear();
        self.front = 0;
        self.watched.clear();
        self.due = Due::default();
        self.places.clear();
        self.waiting = 0;
        for by_step in [&mut self.cycles, &mut self.last] {
            by_step.clear();
            by_step.resize(steps, 0);
        }
    }

    /// The first cycle from `at` on in which no event is queued again.
    #[inline]
    fn write_port(&mut self, code: &CoreProgram, step: u32, at: u64) -> u64 {
        match &code.visits {
            Visits::Short(visits) => self.walk(visits, step, at),
            Visits::Long(visits) => self.walk(visits, step, at),
        }
    }

    #[inline]
    fn walk<C: Copy + Into<u64>>(&mut self, visits: &[C], step: u32, mut at: u64) -> u64 {
        let (mut walked, mut through) = (self.walked, self.at);
        for event in &self.events[self.front + walked..] {
            if event.last >= step {
                let done = through + visits[event.key.wrapping_add(step) as usize].into();
                if done > at {
                    break;
                }
                at += u64::from(done == at && event.last > step);
                through = done;
            }
            walked += 1;
        }
        (self.walked, self.at) = (walked, through);
        at
    }

    /// The barrier swaps the queues: both ways in, in the order of their writes.
    fn swap(&mut self, code: &CoreProgram, step: u32, arrivals: &[u32]) {
        self.waiting -= self.last[step as usize];
        self.waiting += arrivals.len() as u32;
        if self.front < arrivals.len() {
            let room = arrivals.len() + self.events.len();
            self.events.splice(0..0, std::iter::repeat_n(Event { key: 0, last: 0 }, room));
            self.front += room;
        }
        // What was walked moves forward, and the arrivals go between.
        let (mut from, mut to) = (self.front, self.front - arrivals.len());
        for (&arrival, &place) in arrivals.iter().zip(&self.places) {
            let (before, axon) = (self.front + place as usize, &code.axons[arrival as usize]);
            self.events.copy_within(from..before, to);
            to += before - from;
            from = before;
            let first = step as usize + 1;
            let sums = &mut self.cycles[first..][..axon.span() as usize];
            match &code.visits {
                Visits::Short(visits) => add(sums, &visits[axon.visits as usize..]),
                Visits::Long(visits) => add(sums, &visits[axon.visits as usize..]),
            }
            self.due.add(axon.useful, step);
            let last = step + axon.span();
            self.last[last as usize] += 1;
            self.events[to] = Event { key: axon.visits.wrapping_sub(step + 1), last };
            to += 1;
        }
        self.front -= arrivals.len();
        self.places.clear();
        if self.events.len() - self.front > self.waiting as usize * 5 / 4 {
            // Those that had their last visit go; the others move to the end.
            let mut to = self.events.len();
            for i in (self.front..to).rev() {
                if self.events[i].last > step {
                    to -= 1;
                    self.events[to] = self.events[i];
                }
            }
            self.front = to;
        }
    }
}

/// Adds the cycles of an axon's visits to those of the steps in which they come.
fn add<C: Copy + Into<u32>>(sums: &mut [u32], visits: &[C]) {
    // An axon has one event of an age at most, so that all visits of a core fit 32 bits.
    for (sum, &cycles) in sums.iter_mut().zip(visits) {
        *sum += cycles.into();
    }
}
