//! Shared-queue core (`TIMING.md` section 8): [`core`](super::core) around a [`shared_queue`](super::shared_queue).
//!
//! ```text
//!                  +-------------------------------------------+
//!  clear, start -->|           +---------------+               |---> quiet, clearing
//! first, parity -->|  input -> |     queue     | <--- again    |---> sent, received
//!                  |           +---------------+        ^      |
//!  in_valid,flit ->|             |                      |      |---> out_valid, out_flit
//!      in_credit <-|           axons -> synapse --------+      |<--- out_credit
//!                  |                       |                   |
//!                  |                  accumulator              |---> overflow, overflow_step
//!  configuration =>|                      |  ^                 |
//!                  |  sender <- spikes <- soma                 |===> readout_data
//!                  |                                           |---> spike, spike_neuron, ..
//!                  +-------------------------------------------+
//!
//!   no events, one neuron, one arrival
//!   cycle     s       s+1     s+2     s+3     s+4     ..  s+7     s+8
//!   start     1
//!   state     Deliver Deliver Deliver Deliver Update  ..  Update  Accept
//!   in_valid          1
//!   received                  1
//!   quiet     0       0       0       0       0       ..  0       1
//! ```
//! Events of the pre-processing queue are delivered from `start` on, then neurons are updated; arrivals are taken all the time.
//! Latency: an event enters the synapse stage from s+2 on.
//! Throughput: a synapse every w cycles, an event a cycle without a list.
//! `quiet` is 0 while a flit waits in the input port, too.
//! Limits: `shared_queue.depth` events wait at most; more is an overflow, latched with its step.
//! Undefined: configuration that changes in a run.
//! Tests: `core_test.rs`

use super::accumulators::accumulators;
use super::core::{Core, Joined, Parts};
use super::shape::Shape;
use super::shared_queue::{Event, shared_queue};
use crate::platform::{Platform, Structure};
use rtl::{Def, Errors, Library, Module};

/// The shared-queue core of a platform.
///
/// # Errors
/// What is wrong with the description.
pub fn queue_core(library: &mut Library, platform: &Platform) -> Result<Def, Errors> {
    let shape = Shape::new(platform, Structure::SharedQueue);
    let parts = Parts::new(library, &shape)?;
    let queues = shared_queue(library, &shape)?;
    let sums = accumulators(library, &shape)?;
    // Not kept by the library, since nothing in its name says which platform it is for.
    let module = Module::new("queue_core", &[]);
    let m = &module;
    m.doc("Core with a shared delay queue: events wait, and their synapses add when they are due.");
    let core = Core::open(m, &parts, &shape);
    let queue = m
        .instance("queue", &queues)
        .set("start", core.start)
        .set("first", core.first)
        .set("clear", core.clear)
        .set("in_valid", core.has_flit)
        .set("in_axon", core.flit.axon)
        .set("row_valid", core.axons.u("valid"))
        .set("row_ready", core.axons.u("ready"))
        .set("enter", core.synapse.u("enter"))
        .set("finish", core.synapse.u("finish"))
        .set("free", core.synapse.u("free"))
        .set("next_offset", core.synapse.u("next_offset"));
    let sums = m.instance("accumulator", &sums);
    core.accumulates(sums);
    core.axons.set("read", queue.u("row_read")).set("axon", queue.u("row_axon"));
    core.synapse.set("useful", queue.u("useful")).set("offset", queue.u("offset"));
    let go = queue.u("update");
    core.control.set("go", go);
    let (take, overflow) = (queue.u("take"), (queue.u("overflow"), queue.u("step")));
    // Deliver lasts until every sum is written, so that the phase covers it all.
    core.join(&Joined { take, go, sums, busy: m.u(0, 1), overflow });
    m.output("queue_selected", queue.u("selected")).doc("0: queue_a is read, queue_b is written.");
    m.output("queue_read", core.synapse.u("enter")).doc("An event enters the synapse stage.");
    m.output("queue_read_pointer", queue.u("read_pointer"));
    m.output("queue_read_level", queue.u("read_level"));
    let event = Event::of(&shape.widths);
    m.output_bundle("queue_read", &queue.bundle("read", &event));
    m.output("queue_write", queue.u("write")).doc("An event is written.");
    m.output("queue_write_pointer", queue.u("write_pointer"));
    m.output_bundle("queue_write", &queue.bundle("write", &event));
    m.output("queue_high_water", queue.u("high_water")).doc("Most events that waited at once since clear.");
    module.finish()
}
