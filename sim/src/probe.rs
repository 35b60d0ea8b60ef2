//! What can be watched during a run. A probe that does nothing costs nothing.

use crate::mesh::{Flit, Port};
use hw::layout::QueueEvent;

/// What a core's controller is doing; the numbers are those of the RTL's controller, which is idle (0) before the first
/// step only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A shared queue streams its events.
    Deliver = 1,
    /// Neurons are updated.
    Update,
    /// Arrivals are accepted, until the next step.
    Accept,
}

/// One synaptic operation, as it shows on a core's memories.
#[derive(Debug, Clone, Copy)]
pub struct SynapticOperation {
    /// Address of the synapse word.
    pub synapse: u32,
    /// Address of the accumulator.
    pub accumulator: u32,
    /// Shifted weight that is added.
    pub weight: i64,
    /// The accumulator after it.
    pub sum: i64,
}

/// Watches a run. Events of one step come before its `barrier`, but not in the order of their
/// cycles: work that is computed in closed form tells of the future.
#[allow(unused_variables)]
pub trait Probe {
    /// Whether anything is watched; `false` lets the compiler drop the calls.
    const ON: bool = true;
    /// Whether accesses to memories are watched one by one: synapses, membranes, events that a queue streams.
    const FINE: bool = Self::ON;
    /// A step starts.
    fn step(&mut self, cycle: u64, step: u32) {}
    /// Everything is quiet from `quiet`; the next step starts at `release`.
    fn barrier(&mut self, quiet: u64, release: u64) {}
    /// A core's controller changes its state.
    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {}
    /// A synapse word is addressed at `cycle`; the accumulator is written two cycles later.
    fn synapse(&mut self, cycle: u64, core: usize, operation: SynapticOperation) {}
    /// A membrane is written; `spike` tells whether it fired.
    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, accumulator: u32, value: i32, spike: bool) {}
    /// An event is written to the post-processing queue.
    fn queue_write(&mut self, cycle: u64, core: usize, event: QueueEvent) {}
    /// An event of the pre-processing queue reaches the synapses.
    fn queue_read(&mut self, cycle: u64, core: usize, event: QueueEvent) {}
    /// A flit leaves a router through a port.
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {}
    /// A flit is taken from a router's input buffer.
    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {}
    /// A flit leaves a core for its router.
    fn core_output(&mut self, cycle: u64, core: usize, flit: Flit) {}
    /// A flit is taken from a core's input port.
    fn core_input(&mut self, cycle: u64, core: usize, flit: Flit) {}
    /// A flit leaves an injector.
    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {}
    /// A credit comes back to a router's output; it can be used in the next cycle.
    fn credit(&mut self, cycle: u64, router: usize, port: Port) {}
}

/// Watches nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoProbe;

impl Probe for NoProbe {
    const ON: bool = false;
}

/// Two that watch the same run.
impl<A: Probe, B: Probe> Probe for (&mut A, &mut B) {
    const ON: bool = A::ON || B::ON;
    const FINE: bool = A::FINE || B::FINE;
    fn step(&mut self, cycle: u64, step: u32) {
        self.0.step(cycle, step);
        self.1.step(cycle, step);
    }
    fn barrier(&mut self, quiet: u64, release: u64) {
        self.0.barrier(quiet, release);
        self.1.barrier(quiet, release);
    }
    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        self.0.phase(cycle, core, phase);
        self.1.phase(cycle, core, phase);
    }
    fn synapse(&mut self, cycle: u64, core: usize, operation: SynapticOperation) {
        self.0.synapse(cycle, core, operation);
        self.1.synapse(cycle, core, operation);
    }
    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, accumulator: u32, value: i32, spike: bool) {
        self.0.membrane(cycle, core, neuron, accumulator, value, spike);
        self.1.membrane(cycle, core, neuron, accumulator, value, spike);
    }
    fn queue_write(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        self.0.queue_write(cycle, core, event);
        self.1.queue_write(cycle, core, event);
    }
    fn queue_read(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        self.0.queue_read(cycle, core, event);
        self.1.queue_read(cycle, core, event);
    }
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {
        self.0.router_output(cycle, router, port, flit);
        self.1.router_output(cycle, router, port, flit);
    }
    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        self.0.router_input(cycle, router, port);
        self.1.router_input(cycle, router, port);
    }
    fn core_output(&mut self, cycle: u64, core: usize, flit: Flit) {
        self.0.core_output(cycle, core, flit);
        self.1.core_output(cycle, core, flit);
    }
    fn core_input(&mut self, cycle: u64, core: usize, flit: Flit) {
        self.0.core_input(cycle, core, flit);
        self.1.core_input(cycle, core, flit);
    }
    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {
        self.0.injector_output(cycle, injector, flit);
        self.1.injector_output(cycle, injector, flit);
    }
    fn credit(&mut self, cycle: u64, router: usize, port: Port) {
        self.0.credit(cycle, router, port);
        self.1.credit(cycle, router, port);
    }
}
