//! The signals of a chip, followed from what a probe sees: for waves ([`crate::vcd`]) and for lockstep
//! ([`crate::lockstep`]), which differ in where the values go.

use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe, SynapticOperation};
use crate::program::Program;
use hw::layout::{QueueEvent, Widths};
use hw::platform::Structure;
use std::fmt::Debug;

/// Where the values of signals go.
pub trait Sink: Sized {
    /// A signal, or nothing where it is left out.
    type Lane: Copy + Debug + Default;
    /// Cycles from that in which a flit is sent to that in which its link shows it.
    const SHOWN: u64;
    /// A signal has this value from now on.
    fn set(&mut self, cycle: u64, lane: Self::Lane, value: u64);
    /// High in this cycle, low in the next unless it is high again.
    fn pulse(&mut self, cycle: u64, lane: Self::Lane);
    /// A signal that counts is set, before what is added to it in the same cycle.
    fn load(&mut self, cycle: u64, lane: Self::Lane, value: u64);
    /// A signal that counts has so much more from now on.
    fn add(&mut self, cycle: u64, lane: Self::Lane, by: i64);
    /// A step starts, before anything else of it.
    fn step(&mut self, cycle: u64, step: u32, lanes: &Lanes<Self::Lane>);
    /// A step is over, after everything else of it.
    fn barrier(&mut self, release: u64);
}

/// Signals of a core.
#[derive(Debug, Clone, Copy, Default)]
pub struct CoreLanes<L> {
    pub(crate) state: L,
    pub(crate) taken: L,
    pub(crate) axon: L,
    pub(crate) level: L,
    pub(crate) out_valid: L,
    pub(crate) out_flit: L,
    pub(crate) credits: L,
    pub(crate) head: L,
    pub(crate) synapse_read: L,
    pub(crate) synapse_address: L,
    pub(crate) write: L,
    pub(crate) neuron: L,
    pub(crate) slot: L,
    pub(crate) weight: L,
    pub(crate) data: L,
    pub(crate) soma_write: L,
    pub(crate) soma_neuron: L,
    pub(crate) membrane: L,
    pub(crate) spike: L,
    pub(crate) queue: QueueLanes<L>,
}

/// Signals of a shared queue; events are axon, age, offset.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueueLanes<L> {
    pub(crate) selected: L,
    pub(crate) read: L,
    pub(crate) read_pointer: L,
    pub(crate) read_level: L,
    pub(crate) read_event: [L; 3],
    pub(crate) write: L,
    pub(crate) write_pointer: L,
    pub(crate) write_event: [L; 3],
}

/// Signals of a router, by port.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouterLanes<L> {
    pub(crate) level: [L; 5],
    pub(crate) valid: [L; 5],
    pub(crate) flit: [L; 5],
    pub(crate) credits: [L; 5],
}

/// Signals of an injector.
#[derive(Debug, Clone, Copy, Default)]
pub struct InjectorLanes<L> {
    pub(crate) valid: L,
    pub(crate) flit: L,
    pub(crate) credits: L,
}

/// Signals of the chip itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChipLanes<L> {
    pub(crate) step: L,
    pub(crate) start: L,
    pub(crate) quiet: L,
    pub(crate) released: L,
}

/// All signals of a chip.
#[derive(Debug, Clone, Default)]
pub struct Lanes<L> {
    pub(crate) chip: ChipLanes<L>,
    pub(crate) injectors: Vec<InjectorLanes<L>>,
    pub(crate) cores: Vec<CoreLanes<L>>,
    pub(crate) routers: Vec<RouterLanes<L>>,
}

/// Who fills a router's input from outside the mesh.
#[derive(Debug, Clone, Copy)]
enum Filler {
    Core(usize),
    Injector(usize),
}

/// What all signals do, told to a sink.
pub struct Follow<S: Sink> {
    pub(crate) sink: S,
    pub(crate) lanes: Lanes<S::Lane>,
    widths: Widths,
    width: usize,
    /// Ring slots of a neuron.
    depth: u32,
    core_of_router: Vec<Option<usize>>,
    router_of_core: Vec<usize>,
    /// By router and port.
    fillers: Vec<[Option<Filler>; 5]>,
    /// Router and port of each injector.
    entries: Vec<(usize, Port)>,
    /// Events written to each core's queue in this step.
    written: Vec<u64>,
}

impl<S: Sink> Follow<S> {
    pub(crate) fn new(program: &Program, lanes: Lanes<S::Lane>, sink: S) -> Self {
        let mesh = &program.platform.mesh;
        let width = usize::from(mesh.width);
        let routers = width * usize::from(mesh.height);
        let mut fillers = vec![[None; 5]; routers];
        let entry =
            |i: &hw::platform::Injector| (usize::from(i.y) * width + usize::from(i.x), Port::of(i.side));
        let entries: Vec<_> = mesh.injectors.iter().map(entry).collect();
        for (i, &(router, port)) in entries.iter().enumerate() {
            fillers[router][port as usize] = Some(Filler::Injector(i));
        }
        let mut core_of_router = vec![None; routers];
        let mut router_of_core = Vec::new();
        for i in 0..program.cores() {
            let (x, y) = program.place(i);
            let router = usize::from(y) * width + usize::from(x);
            core_of_router[router] = Some(i);
            router_of_core.push(router);
            fillers[router][Port::Local as usize] = Some(Filler::Core(i));
        }
        Self {
            sink,
            lanes,
            widths: program.widths(),
            width,
            depth: if program.structure == Structure::RingBuffer { program.depth } else { 1 },
            written: vec![0; router_of_core.len()],
            core_of_router,
            router_of_core,
            fillers,
            entries,
        }
    }

    /// A sample begins.
    pub(crate) fn begin(&mut self) {
        self.written.fill(0);
    }

    fn flit(&self, flit: Flit) -> u64 {
        let w = &self.widths;
        let axon = u64::from(flit.axon()) << (1 + w.x + w.y);
        axon | u64::from(flit.y()) << (1 + w.x) | u64::from(flit.x()) << 1 | u64::from(flit.parity())
    }

    /// A flit is sent: on the link, and a credit less.
    fn link(&mut self, sent: u64, valid: S::Lane, word: S::Lane, credits: S::Lane, flit: Flit) {
        let flit = self.flit(flit);
        self.sink.pulse(sent + S::SHOWN, valid);
        self.sink.set(sent + S::SHOWN, word, flit);
        self.sink.add(sent + 1, credits, -1);
    }

    /// A flit that was sent comes into a router's input buffer.
    fn enters(&mut self, sent: u64, router: usize, port: Port) {
        self.sink.add(sent + LINK, self.lanes.routers[router].level[port as usize], 1);
    }
}

impl<S: Sink> Probe for Follow<S> {
    fn step(&mut self, cycle: u64, step: u32) {
        let Self { sink, lanes, written, .. } = self;
        sink.step(cycle, step, lanes);
        sink.set(cycle, lanes.chip.step, step.into());
        sink.pulse(cycle, lanes.chip.start);
        for (core, written) in lanes.cores.iter().zip(written) {
            let q = &core.queue;
            // Nothing new, but from here on it is known.
            sink.add(cycle, core.level, 0);
            sink.set(cycle, core.head, u64::from(step % self.depth));
            sink.set(cycle, q.selected, (step & 1).into());
            sink.load(cycle, q.write_pointer, 0);
            sink.load(cycle, q.read_level, std::mem::take(written));
            sink.load(cycle, q.read_pointer, 0);
        }
    }

    fn barrier(&mut self, quiet: u64, release: u64) {
        let Self { sink, lanes, .. } = self;
        sink.pulse(quiet, lanes.chip.quiet);
        sink.pulse(release, lanes.chip.released);
        sink.barrier(release);
    }

    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        self.sink.set(cycle, self.lanes.cores[core].state, phase as u64);
    }

    fn synapse(&mut self, cycle: u64, core: usize, op: SynapticOperation) {
        let (sink, c) = (&mut self.sink, &self.lanes.cores[core]);
        sink.pulse(cycle, c.synapse_read);
        sink.set(cycle, c.synapse_address, op.synapse.into());
        let written = cycle + 2;
        sink.pulse(written, c.write);
        sink.set(written, c.neuron, u64::from(op.accumulator / self.depth));
        sink.set(written, c.slot, u64::from(op.accumulator % self.depth));
        sink.set(written, c.weight, op.weight.cast_unsigned());
        sink.set(written, c.data, op.sum.cast_unsigned());
    }

    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, _: u32, value: i32, spike: bool) {
        let (sink, c) = (&mut self.sink, &self.lanes.cores[core]);
        sink.pulse(cycle, c.soma_write);
        sink.set(cycle, c.soma_neuron, neuron.into());
        sink.set(cycle, c.membrane, i64::from(value).cast_unsigned());
        if spike {
            sink.pulse(cycle, c.spike);
        }
    }

    fn queue_write(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        self.written[core] += 1;
        let (sink, q) = (&mut self.sink, &self.lanes.cores[core].queue);
        sink.pulse(cycle, q.write);
        for (lane, value) in q.write_event.into_iter().zip([event.axon, event.age, event.offset]) {
            sink.set(cycle, lane, value.into());
        }
        sink.add(cycle + 1, q.write_pointer, 1);
    }

    fn queue_read(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        let (sink, q) = (&mut self.sink, &self.lanes.cores[core].queue);
        sink.pulse(cycle, q.read);
        for (lane, value) in q.read_event.into_iter().zip([event.axon, event.age, event.offset]) {
            sink.set(cycle, lane, value.into());
        }
        sink.add(cycle + 1, q.read_level, -1);
        sink.add(cycle + 1, q.read_pointer, 1);
    }

    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {
        let (lanes, p) = (&self.lanes.routers[router], port as usize);
        let (valid, word, credits) = (lanes.valid[p], lanes.flit[p], lanes.credits[p]);
        self.link(cycle, valid, word, credits, flit);
        let (next, entry) = match port {
            Port::North => (router - self.width, Port::South),
            Port::East => (router + 1, Port::West),
            Port::South => (router + self.width, Port::North),
            Port::West => (router - 1, Port::East),
            Port::Local => {
                if let Some(core) = self.core_of_router[router] {
                    self.sink.add(cycle + LINK, self.lanes.cores[core].level, 1);
                }
                return;
            }
        };
        self.enters(cycle, next, entry);
    }

    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        let (sink, lanes) = (&mut self.sink, &self.lanes);
        sink.add(cycle + 1, lanes.routers[router].level[port as usize], -1);
        let credits = match self.fillers[router][port as usize] {
            Some(Filler::Core(core)) => lanes.cores[core].credits,
            Some(Filler::Injector(injector)) => lanes.injectors[injector].credits,
            // Another router: its own event says so.
            None => return,
        };
        sink.add(cycle + 1, credits, 1);
    }

    fn core_output(&mut self, cycle: u64, core: usize, flit: Flit) {
        let c = &self.lanes.cores[core];
        let (valid, word, credits) = (c.out_valid, c.out_flit, c.credits);
        self.link(cycle, valid, word, credits, flit);
        self.enters(cycle, self.router_of_core[core], Port::Local);
    }

    fn core_input(&mut self, cycle: u64, core: usize, flit: Flit) {
        let (sink, c) = (&mut self.sink, &self.lanes.cores[core]);
        sink.pulse(cycle, c.taken);
        sink.set(cycle, c.axon, flit.axon().into());
        sink.add(cycle + 1, c.level, -1);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {
        let InjectorLanes { valid, flit: word, credits } = self.lanes.injectors[injector];
        self.link(cycle, valid, word, credits, flit);
        let (router, port) = self.entries[injector];
        self.enters(cycle, router, port);
    }

    fn credit(&mut self, cycle: u64, router: usize, port: Port) {
        self.sink.add(cycle + 1, self.lanes.routers[router].credits[port as usize], 1);
    }
}
