//! What both kinds of core have: input port, soma, spike FIFO, sender, controller, and how they are joined.
//!
//! ```text
//!  in_valid, in_flit   +-------+      +-------+    +---------+ add  +-----------+
//!  ------------------->| input |----->| axons |--->| synapse |----->| delay     |
//!  in_credit <---------| (fifo)| take +-------+    +---------+      | structure |
//!                      +-------+                                    +-----------+
//!                                                              read, clear |  ^ sum
//!  out_valid, out_flit +--------+     +--------+   spike            +------v--+---+
//!  <-------------------| sender |<----| spikes |<-------------------|    soma     |
//!  out_credit -------->|        |     | (fifo) |                    +-------------+
//!                      +--------+     +--------+
//!
//!   neuron 0 spikes and has one route; the update starts in a
//!   cycle             a      ..  a+3    a+4    a+5    a+6    a+7
//!   state             Update ..  Update ..
//!   spike                        1
//!   head of spikes                      1
//!   route addressed                            1
//!   sent                                              1
//!   out_valid                                                1
//! ```
//! The ports of a core are the same for both structures, but for `slots_log2` and what is shown of ring and queue:
//! [`ring_core`](super::ring_core), [`queue_core`](super::queue_core).
//!
//! Latency: neuron i of an update that starts in a spikes in a + i u + 3; its first flit is on the link 4 cycles later, where
//! the sender is free and has a credit.
//! Throughput: a neuron every u cycles, a synapse every w cycles, a flit a cycle out as credits allow.
//! Limits: neurons and integrators in use up to the platform's, one neuron at least; the spike FIFO has room for all neurons.
//! Undefined: configuration that changes in a run; `start` or `clear` before all is done, a flit of another step (asserted).
//! Tests: `core_test.rs`

use super::axons::axons;
use super::controller::{State, controller};
use super::fifo::fifo;
use super::flit::{CoreFlit, Flit};
use super::memory_fifo::memory_fifo;
use super::sender::sender;
use super::shape::Shape;
use super::shared_queue::STEP_BITS;
use super::soma::soma;
use super::synapses::synapses;
use rtl::{Def, Errors, Inst, Library, Module, Signals, U};

/// Definitions of the parts that both kinds have.
pub(super) struct Parts {
    input: Def,
    axons: Def,
    synapses: Def,
    soma: Def,
    spikes: Def,
    sender: Def,
    controller: Def,
}

impl Parts {
    pub fn new(library: &mut Library, shape: &Shape) -> Result<Self, Errors> {
        Ok(Self {
            input: fifo(library, shape.input_depth, shape.core_flit())?,
            axons: axons(library, shape)?,
            synapses: synapses(library, shape)?,
            soma: soma(library, shape)?,
            spikes: memory_fifo(library, shape.neurons, shape.widths.neuron)?,
            sender: sender(library, shape)?,
            controller: controller(library, shape)?,
        })
    }
}

/// A core that is being described: its ports and the parts that both kinds have.
pub(super) struct Core<'m> {
    m: &'m Module,
    pub clear: U<'m>,
    pub start: U<'m>,
    pub first: U<'m>,
    parity: U<'m>,
    readout: U<'m>,
    in_valid: U<'m>,
    out_credit: U<'m>,
    /// The flit at the head of the input port, valid where `has_flit`.
    pub flit: CoreFlit<Signals<'m>>,
    pub has_flit: U<'m>,
    input: Inst<'m>,
    pub axons: Inst<'m>,
    pub synapse: Inst<'m>,
    pub soma: Inst<'m>,
    spikes: Inst<'m>,
    sender: Inst<'m>,
    pub control: Inst<'m>,
}

/// What the delay structure gives to the rest of a core.
pub(super) struct Joined<'m> {
    /// The head of the input port is taken.
    pub take: U<'m>,
    /// The update starts.
    pub go: U<'m>,
    /// What was summed up: an output of this instance.
    pub sums: Inst<'m>,
    /// The structure has something to do that no phase of the controller covers.
    pub busy: U<'m>,
    /// Latched overflow, and its step.
    pub overflow: (U<'m>, U<'m>),
}

impl<'m> Core<'m> {
    /// Opens a core: its ports, and its parts with what does not depend on the structure.
    pub fn open(m: &'m Module, parts: &Parts, shape: &Shape) -> Self {
        let clear = m.input("clear", 1).doc("The reset phase begins.");
        let start = m.input("start", 1).doc("A step begins in this cycle: the barrier releases.");
        let first = m.input("first", 1).doc("With start: it is step 0.");
        let parity = m.input("parity", 1).doc("Lowest bit of the step, from start on.");
        let neurons = m.input("neurons", shape.neuron_count()).doc("Configuration: neurons in use.");
        let integrators =
            m.input("integrators", shape.widths.neuron).doc("Configuration: the first integrator.");
        let readouts = m.input("readouts", shape.readout_count()).doc("Configuration: integrators in use.");
        let accumulators =
            m.input("accumulators", shape.accumulator_count()).doc("Configuration: words to clear.");
        let membrane_max = m
            .input("membrane_max", shape.widths.threshold)
            .doc("Configuration: largest membrane, 2^(bits - 1) - 1.");
        let in_valid = m.input("in_valid", 1).doc("A flit comes from the router.");
        let in_flit = m.input("in_flit", shape.core_flit()).doc("Parity and axon.");
        let out_credit = m.input("out_credit", 1).doc("The router took a flit.");
        let readout = m.input("readout", 1).doc("Reads a score, after the last step.");
        let readout_address = m.input("readout_address", shape.readout_address());

        let input = m.instance("input", &parts.input).set("in_valid", in_valid).set("in_data", in_flit);
        let flit = m.unpack(&Flit::of(&shape.widths).core(), input.u("out_data"));
        let control = m.instance("control", &parts.controller);
        let (wipe, wipe_address) = (control.u("wipe"), control.u("wipe_address"));
        let soma = m
            .instance("soma", &parts.soma)
            .set("neurons", neurons)
            .set("integrators", integrators)
            .set("readouts", readouts)
            .set("membrane_max", membrane_max)
            .set("wipe", wipe)
            .set("wipe_address", wipe_address)
            .set("readout", readout)
            .set("readout_address", readout_address);
        control
            .set("clear", clear)
            .set("start", start)
            .set("updated", soma.u("done"))
            .set("accumulators", accumulators);
        let spikes = m.instance("spikes", &parts.spikes);
        let sender = m
            .instance("sender", &parts.sender)
            .set("in_valid", spikes.u("out_valid"))
            .set("neuron", spikes.u("out_data"))
            .set("parity", parity)
            .set("out_credit", out_credit);
        spikes.set("push", soma.u("spike")).set("in_data", soma.u("neuron")).set("pop", sender.u("pop"));
        let has_flit = input.u("out_valid");
        let synapse = m.instance("synapse", &parts.synapses);
        let axons = m.instance("axons", &parts.axons).set("enter", synapse.u("enter"));
        synapse.set("valid", axons.u("valid")).set("base", axons.u("base")).set("shift", axons.u("shift"));
        Self {
            m,
            clear,
            start,
            first,
            parity,
            readout,
            in_valid,
            out_credit,
            flit,
            has_flit,
            input,
            axons,
            synapse,
            soma,
            spikes,
            sender,
            control,
        }
    }

    /// Gives an instance of accumulators, or what holds them, what soma, synapses and reset phase do to them.
    pub fn accumulates(&self, sums: Inst<'m>) {
        sums.set("add", self.synapse.u("add"))
            .set("add_neuron", self.synapse.u("neuron"))
            .set("add_weight", self.synapse.s("weight"))
            .set("read", self.soma.u("read"))
            .set("read_neuron", self.soma.u("read_neuron"))
            .set("clear", self.soma.u("write"))
            .set("clear_neuron", self.soma.u("neuron"))
            .set("wipe", self.control.u("wipe"))
            .set("wipe_address", self.control.u("wipe_address"));
    }

    /// Joins the delay structure to the rest, and declares the outputs that both kinds have.
    pub fn join(&self, joined: &Joined<'m>) {
        let m = self.m;
        let Joined { take, go, sums, busy, overflow } = *joined;
        self.input.set("pop", take);
        self.soma.set("go", go).set("sum", sums.s("sum"));

        let working = self.control.u("busy")
            | self.has_flit
            | self.spikes.u("out_valid")
            | self.sender.u("busy")
            | busy;
        let quiet =
            (!(working | self.clear | self.start)).named("quiet").doc("Nothing is left to do in this cycle.");
        let of_this_step = !take | self.flit.parity.eq(self.parity);
        m.assert("parity_fits", of_this_step, "a flit of another step is taken");
        // The controller is in the new phase already in the cycle of start.
        let left = self.has_flit | self.spikes.u("out_valid") | self.sender.u("busy") | busy;
        let idle = !(left | self.soma.u("busy") | self.control.u("wipe"));
        m.assert("start_when_quiet", !self.start | idle, "a step begins before the last one is done");
        m.assert("clear_when_quiet", !self.clear | idle, "the reset phase begins within a step");
        let outside = self.in_valid | self.out_credit | self.readout | self.sender.u("out_valid");
        m.idle_when(quiet & !outside);

        m.output("in_credit", self.input.u("credit")).doc("A place of the input port is free again.");
        m.output("out_valid", self.sender.u("out_valid")).doc("A flit goes to the router.");
        m.output("out_flit", self.sender.u("out_flit")).doc("Parity, x, y, axon from the lowest bit up.");
        m.output("sent", self.sender.u("sent")).doc("A flit is sent: it is at out_flit in the next cycle.");
        m.output("received", take).doc("A flit is taken.");
        m.output("quiet", quiet);
        m.output("clearing", self.control.u("clearing")).doc("The reset phase lasts.");
        m.output("overflow", overflow.0).doc("A queue overflowed; stays until clear.");
        m.output("overflow_step", overflow.1).doc("The step in which it did.");
        m.output("readout_data", self.soma.s("readout_data"))
            .doc("The score that was read in the last cycle.");
        m.output("spike", self.soma.u("spike")).doc("A neuron spikes.");
        m.output("spike_neuron", self.soma.u("neuron"));

        // What a trace shows.
        m.output("state", self.control.e::<State>("state"));
        m.output("input_axon", self.flit.axon);
        m.output("input_level", self.input.u("level"));
        m.output("synapse_read", self.synapse.u("read"));
        m.output("synapse_address", self.synapse.u("address"));
        m.output("accumulator_write", sums.u("write"));
        m.output("accumulator_neuron", sums.u("neuron"));
        m.output("accumulator_weight", sums.s("weight"));
        m.output("accumulator_data", sums.s("data"));
        m.output("soma_write", self.soma.u("write"));
        m.output("soma_neuron", self.soma.u("neuron"));
        m.output("soma_membrane", self.soma.s("membrane"));
        m.output("soma_spike", self.soma.u("spike"));
    }
}

/// The outputs of a core that cannot overflow.
pub(super) fn never(m: &Module) -> (U<'_>, U<'_>) {
    (m.u(0, 1), m.u(0, STEP_BITS))
}
