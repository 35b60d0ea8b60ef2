//! A core: delay structure, soma and sender, as `hw/TIMING.md` states them.
//!
//! What a core does between two flits depends on nothing outside it, so it is computed in closed
//! form when it begins, with the cycle of each event.

use crate::mesh::{Flit, Mesh};
use crate::probe::{Phase, Probe, SynapticOperation};
use crate::program::{CoreProgram, Program};
use crate::stats::CoreStats;
use hw::layout::QueueEvent;
use hw::platform::Structure;

/// Cycles from reading a neuron to writing its membrane.
const SOMA_LATENCY: u64 = 3;
/// Cycles from addressing a synapse to its accumulator being written.
const SYNAPSE_LATENCY: u64 = 2;
/// Cycles from the start of a step to the first event of the pre-processing queue at the synapses.
const QUEUE_FILL: u64 = 2;

/// A spike of the present step.
#[derive(Debug, Clone, Copy)]
struct Fired {
    neuron: u32,
    /// Cycle from which it is at the head of the spike FIFO.
    visible: u64,
}

/// An event that entered the post-processing queue.
#[derive(Debug, Clone, Copy)]
struct Queued {
    cycle: u64,
    event: QueueEvent,
}

/// State of one core.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub index: usize,
    membranes: Vec<i32>,
    /// Ring: `slot * neurons + neuron`. Queue: one for each neuron.
    accumulators: Vec<i64>,
    pub scores: Vec<i64>,
    /// Slot of the present step.
    head: u32,
    /// First cycle in which arrivals are accepted (ring buffer).
    accept_from: u64,
    /// When the event that was popped last reached the synapses, and when they are free again.
    entered: u64,
    free: u64,
    /// Shared queue: events of this step, and those that wait for the next, by how they came.
    events: Vec<QueueEvent>,
    requeued: Vec<Queued>,
    arrived: Vec<Queued>,
    /// First requeued event whose write is not past.
    requeue_next: usize,
    fired: Vec<Fired>,
    sending: Sending,
    /// First cycle from which the core has nothing to do in this step.
    pub quiet: u64,
    parity: bool,
    pub stats: CoreStats,
}

/// Where the sender is.
#[derive(Debug, Clone, Copy, Default)]
struct Sending {
    spike: usize,
    route: u32,
    end: u32,
    /// Cycle in which the first route entry of the spike is addressed.
    addressed: u64,
    /// First cycle in which the next flit can be sent.
    ready: u64,
    active: bool,
}

impl Core {
    pub fn new(program: &Program, index: usize) -> Self {
        let core = &program.cores[index];
        let n = core.neurons.len();
        let slots = match program.structure {
            Structure::RingBuffer => program.depth as usize,
            Structure::SharedQueue => 1,
        };
        Self {
            index,
            membranes: vec![0; n],
            accumulators: vec![0; n * slots],
            scores: vec![0; core.readouts.len()],
            head: 0,
            accept_from: 0,
            entered: 0,
            free: 0,
            events: Vec::new(),
            requeued: Vec::new(),
            arrived: Vec::new(),
            requeue_next: 0,
            fired: Vec::new(),
            sending: Sending::default(),
            quiet: 0,
            parity: false,
            stats: CoreStats::default(),
        }
    }

    /// Clears all state for a new sample; returns the cycles that takes (one word a cycle).
    pub fn reset(&mut self) -> u64 {
        self.membranes.fill(0);
        self.accumulators.fill(0);
        self.scores.fill(0);
        (self.head, self.accept_from, self.entered, self.free, self.quiet) = (0, 0, 0, 0, 0);
        self.events.clear();
        self.requeued.clear();
        self.arrived.clear();
        self.fired.clear();
        self.sending = Sending::default();
        self.stats = CoreStats::default();
        self.accumulators.len() as u64
    }

    /// Events that wait for the next step.
    pub fn waiting_events(&self) -> impl Iterator<Item = QueueEvent> + '_ {
        self.requeued.iter().chain(&self.arrived).map(|q| q.event)
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
        self.parity = step & 1 == 1;
        let update = match program.structure {
            Structure::RingBuffer => {
                self.head = step % program.depth;
                start
            }
            Structure::SharedQueue => self.deliver(program, code, start, probe),
        };
        let end = self.update(program, code, step, update, out, probe);
        self.accept_from = match program.structure {
            Structure::RingBuffer => end,
            Structure::SharedQueue => start,
        };
        (self.entered, self.free) = (0, 0);
        self.quiet = end;
        if P::ON {
            probe.phase(end, self.index, Phase::Accept);
        }
    }

    /// The pre-processing queue streams; returns the cycle in which the update starts.
    fn deliver<P: Probe>(&mut self, program: &Program, code: &CoreProgram, start: u64, probe: &mut P) -> u64 {
        // The barrier swapped the queues: both ways in, in the order of their writes.
        self.events.clear();
        let (mut r, mut a) = (self.requeued.iter().peekable(), self.arrived.iter().peekable());
        loop {
            let next = match (r.peek(), a.peek()) {
                (Some(x), Some(y)) if x.cycle < y.cycle => r.next(),
                (Some(_), None) => r.next(),
                _ => a.next(),
            };
            let Some(queued) = next else { break };
            self.events.push(queued.event);
        }
        self.requeued.clear();
        self.arrived.clear();
        self.requeue_next = 0;
        if P::ON {
            probe.phase(start, self.index, Phase::Deliver);
        }
        let interval = program.synapse_interval;
        let mut at = start + QUEUE_FILL;
        for i in 0..self.events.len() {
            let mut event = self.events[i];
            if P::ON {
                probe.queue_read(at, self.index, event);
            }
            let axon = &code.axons[event.axon as usize];
            let useful = axon.useful >> (event.age - 1);
            if useful & 1 == 1 {
                let first = axon.base + event.offset;
                let mut n = 0u32;
                loop {
                    let synapse = code.synapses[(first + n) as usize];
                    let sum = &mut self.accumulators[usize::from(synapse.neuron)];
                    *sum += i64::from(synapse.weight);
                    if P::ON {
                        probe.synapse(
                            at + u64::from(n) * interval,
                            self.index,
                            SynapticOperation {
                                synapse: first + n,
                                accumulator: synapse.neuron.into(),
                                weight: synapse.weight.into(),
                                sum: *sum,
                            },
                        );
                    }
                    n += 1;
                    if synapse.last {
                        break;
                    }
                }
                event.offset += n;
                self.stats.synaptic_operations += u64::from(n);
                self.stats.delivered += 1;
                at += u64::from(n) * interval;
            } else {
                self.stats.skipped += 1;
                at += 1;
            }
            if useful >> 1 != 0 {
                event.age += 1;
                self.requeued.push(Queued { cycle: at, event });
                if P::ON {
                    probe.queue_write(at, self.index, event);
                }
            } else {
                self.stats.dropped += 1;
            }
        }
        at + SYNAPSE_LATENCY
    }

    /// All neurons once; returns the first cycle after it.
    fn update<P: Probe>(
        &mut self,
        program: &Program,
        code: &CoreProgram,
        step: u32,
        start: u64,
        out: &mut Vec<crate::Spike>,
        probe: &mut P,
    ) -> u64 {
        if P::ON {
            probe.phase(start, self.index, Phase::Update);
        }
        let n = code.neurons.len();
        let base = match program.structure {
            Structure::RingBuffer => self.head as usize * n,
            Structure::SharedQueue => 0,
        };
        let limit = 1i64 << (program.network.membrane_bits - 1);
        let interval = program.neuron_interval;
        let due = &mut self.accumulators[base..base + n];
        self.fired.clear();
        for (i, ((v, sum), neuron)) in self.membranes.iter_mut().zip(due).zip(&code.neurons).enumerate() {
            let product = i64::from(*v) * i64::from(neuron.keep);
            // Toward zero: a negative product is lifted before the shift.
            let leaked = (product + ((product >> 63) & 4095)) >> 12;
            let mut next = (leaked + *sum).clamp(-limit, limit - 1);
            let spike = next >= neuron.threshold;
            if spike {
                next = if neuron.subtract { next - neuron.threshold } else { 0 };
                let visible = start + i as u64 * interval + SOMA_LATENCY + 1;
                self.fired.push(Fired { neuron: i as u32, visible });
                let (population, index) = code.identity[i];
                out.push(crate::Spike { step, population, neuron: index });
            }
            *sum = 0;
            *v = next as i32;
            if P::ON {
                let accumulator = match program.structure {
                    Structure::RingBuffer => i as u32 * program.depth + self.head,
                    Structure::SharedQueue => i as u32,
                };
                let cycle = start + i as u64 * interval + SOMA_LATENCY;
                probe.membrane(cycle, self.index, i as u32, accumulator, *v, spike);
            }
        }
        for (score, v) in self.scores.iter_mut().zip(&self.membranes[code.readouts.clone()]) {
            *score += i64::from(*v);
        }
        self.stats.updates += n as u64;
        self.stats.spikes += self.fired.len() as u64;
        start + (n as u64 - 1) * interval + SOMA_LATENCY + 1
    }

    /// Makes the sender ready for the spikes of this step; returns when it first acts.
    pub fn begin_sending(&mut self, code: &CoreProgram) -> Option<u64> {
        self.sending = Sending::default();
        self.next_spike(code, 0, 0, 0)
    }

    /// Moves the sender to spike `spike` or the next that has routes.
    fn next_spike(&mut self, code: &CoreProgram, spike: usize, before: u64, last: u64) -> Option<u64> {
        let (mut spike, mut before, mut last) = (spike, before, last);
        loop {
            let Some(fired) = self.fired.get(spike) else {
                self.sending.active = false;
                self.quiet = self.quiet.max(last + 1);
                return None;
            };
            let popped = fired.visible.max(before);
            let addressed = (popped + 1).max(last);
            let n = fired.neuron as usize;
            let (route, end) = (code.route_start[n], code.route_start[n + 1]);
            if route == end {
                (before, last) = (addressed, addressed + 1);
                spike += 1;
                continue;
            }
            let ready = addressed + 1;
            self.sending = Sending { spike, route, end, addressed, ready, active: true };
            return Some(ready);
        }
    }

    /// One cycle of the sender; returns when to look again (a returning credit wakes it too).
    pub fn send<P: Probe>(
        &mut self,
        code: &CoreProgram,
        mesh: &mut Mesh,
        now: u64,
        probe: &mut P,
    ) -> Option<u64> {
        let s = self.sending;
        if !s.active {
            return None;
        }
        if now < s.ready {
            return Some(s.ready);
        }
        let writer = mesh.sender(code.router);
        if !mesh.has_credit(writer) {
            return None;
        }
        let target = code.routes[s.route as usize];
        let flit = Flit { axon: target.axon, x: target.x as u8, y: target.y as u8, parity: self.parity };
        self.stats.send_stalls += now - s.ready;
        mesh.in_flight += 1;
        mesh.send(writer, flit, now);
        self.stats.flits_sent += 1;
        if P::ON {
            probe.core_output(now, self.index, flit);
        }
        if s.route + 1 < s.end {
            self.sending.route += 1;
            self.sending.ready = now + 1;
            Some(now + 1)
        } else {
            self.next_spike(code, s.spike + 1, s.addressed, now)
        }
    }

    /// Whether the sender has flits left.
    pub fn is_sending(&self) -> bool {
        self.sending.active
    }

    /// One cycle of the input port; returns when to look again (an arriving flit wakes it too).
    pub fn accept<P: Probe>(
        &mut self,
        program: &Program,
        mesh: &mut Mesh,
        step: u32,
        now: u64,
        probe: &mut P,
    ) -> Option<u64> {
        let code = &program.cores[self.index];
        let (flit, visible) = mesh.core_head(code.router)?;
        let mut may = visible.max(self.accept_from).max(self.entered);
        if program.structure == Structure::SharedQueue {
            // Events queued again have the write port first.
            while self.requeued.get(self.requeue_next).is_some_and(|q| q.cycle < now) {
                self.requeue_next += 1;
            }
            if self.requeued.get(self.requeue_next).is_some_and(|q| q.cycle == now) {
                may = may.max(now + 1);
            }
        }
        if may > now {
            return Some(may);
        }
        let left = mesh.core_pop(code.router);
        assert!(flit.parity == self.parity, "a flit of another step reached core {}", self.index);
        self.stats.arrivals += 1;
        self.stats.arrival_stalls += now - visible;
        if P::ON {
            probe.core_input(now, self.index, flit);
        }
        match program.structure {
            Structure::RingBuffer => {
                self.accumulate(program, code, flit.axon, step, now, probe);
                (left > 0).then_some(self.entered)
            }
            Structure::SharedQueue => {
                let event = QueueEvent { axon: flit.axon, age: 1, offset: 0 };
                self.arrived.push(Queued { cycle: now, event });
                self.quiet = self.quiet.max(now + 1);
                if P::ON {
                    probe.queue_write(now, self.index, event);
                }
                (left > 0).then_some(now + 1)
            }
        }
    }

    /// The synapses of an axon add to the slots of their delays.
    fn accumulate<P: Probe>(
        &mut self,
        program: &Program,
        code: &CoreProgram,
        axon: u32,
        step: u32,
        now: u64,
        probe: &mut P,
    ) {
        let axon = &code.axons[axon as usize];
        let (n, mask) = (code.neurons.len(), program.depth - 1);
        let list = &code.synapses[axon.base as usize..][..axon.count as usize];
        let interval = program.synapse_interval;
        let enters = (now + 1).max(self.free);
        for (i, synapse) in list.iter().enumerate() {
            let slot = (self.head + u32::from(synapse.delay)) & mask;
            let sum = &mut self.accumulators[slot as usize * n + usize::from(synapse.neuron)];
            *sum += i64::from(synapse.weight);
            if P::ON {
                probe.synapse(
                    enters + i as u64 * interval,
                    self.index,
                    SynapticOperation {
                        synapse: axon.base + i as u32,
                        accumulator: u32::from(synapse.neuron) * program.depth + slot,
                        weight: synapse.weight.into(),
                        sum: *sum,
                    },
                );
            }
        }
        let steps = program.network.steps;
        if step + program.depth > steps {
            let left = steps - step;
            let late = list.iter().filter(|s| u32::from(s.delay) >= left).count();
            self.stats.lost += late as u64;
        }
        self.stats.synaptic_operations += list.len() as u64;
        let count = u64::from(axon.count);
        self.entered = enters;
        self.free = enters + count * interval;
        self.quiet = self.quiet.max(enters + (count - 1) * interval + SYNAPSE_LATENCY + 1);
    }
}
