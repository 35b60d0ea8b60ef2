//! Ring-buffer core (`TIMING.md` section 7): [`core`](super::core) around a [`ring_buffer`](super::ring_buffer).
//!
//! ```text
//!                  +-------------------------------------------+
//!  clear, start -->|                                           |---> quiet, clearing
//! first, parity -->|  input -> axons -> synapse -> ring        |---> sent, received
//!                  |                              |  ^         |
//!  in_valid,flit ->|                              v  |         |---> out_valid, out_flit
//!      in_credit <-|  sender <- spikes <--------- soma         |<--- out_credit
//!                  |                                           |
//!  configuration =>|  neurons, slots_log2, accumulators,       |===> readout_data
//!                  |  integrators, readouts, membrane_max      |---> spike, spike_neuron, ..
//!                  +-------------------------------------------+
//!
//!   one neuron, one flit (the example of TIMING.md section 9)
//!   cycle     0      1      2      3      4      5      6      7      8
//!   start     1
//!   state     Update Update Update Update Accept ..
//!   in_valid                       1
//!   received                              1
//!   synapse_read                                 1
//!   ring.add                                            1
//!   accumulator_write                                          1
//!   quiet     0      0      0      0      0      0      0      0      1
//! ```
//! Update from `start` on; then arrivals are taken, one axon row waiting while the synapses of the event before are read.
//! Latency: flit taken in p, first synapse addressed in p+1, its accumulator written in p+3.
//! Throughput: a synapse every w cycles.
//! `quiet` is 0 while a flit waits in the input port, too.
//! Limits: neurons x slots in use fit the accumulators.
//! Undefined: configuration that changes in a run.
//! Tests: `core_test.rs`

use super::core::{Core, Joined, Parts, never};
use super::ring_buffer::ring_buffer;
use super::shape::Shape;
use crate::platform::{Platform, Structure};
use rtl::{Def, Errors, Library, Module};

/// The ring-buffer core of a platform.
///
/// # Errors
/// What is wrong with the description.
pub fn ring_core(library: &mut Library, platform: &Platform) -> Result<Def, Errors> {
    let shape = Shape::new(platform, Structure::RingBuffer);
    let parts = Parts::new(library, &shape)?;
    let buffer = ring_buffer(library, &shape)?;
    // Not kept by the library, since nothing in its name says which platform it is for.
    let module = Module::new("ring_core", &[]);
    let m = &module;
    m.doc("Core with a ring buffer: synapses add to the accumulator of the step in which they are due.");
    let core = Core::open(m, &parts, &shape);
    let slots_log2 =
        m.input("slots_log2", shape.slots_log2()).doc("Configuration: slots of a neuron in use.");
    let ring = m
        .instance("ring", &buffer)
        .set("start", core.start)
        .set("first", core.first)
        .set("slots_log2", slots_log2)
        .set("add_delay", core.synapse.u("delay"));
    core.accumulates(ring);
    core.synapse.set("count", core.axons.u("count"));
    let take = core.has_flit & core.control.u("accepts") & core.axons.u("ready");
    core.axons.set("read", take).set("axon", core.flit.axon);
    let busy = core.axons.u("valid") | core.synapse.u("busy") | ring.u("write");
    core.join(&Joined { take, go: core.start, sums: ring, busy, overflow: never(m) });
    m.output("ring_head", ring.u("head")).doc("Slot of this step.");
    m.output("ring_slot", ring.u("slot")).doc("Slot of the accumulator that is written.");
    module.finish()
}
