//! The chip: mesh, cores, injectors, barrier, sequencer and readout together.
//!
//! ```text
//!                    +------------------------------------------------+
//!   begin_sample --->| sequencer --- start, step, clear --> all       |---> step, start, state
//!   steps ==========>|     ^                                          |
//!                    |     +-- released - barrier <-- quiet, flits    |---> quiet
//!   host_I_valid --->|                                                |
//!   host_I_target ==>| injector_I ==> router_0_0 === router_1_0 ..    |---> host_I_ready
//!   host_I_idle ---->|                    ||            ||            |
//!                    |                 core_0_0      core_1_0 ..      |---> overflow
//!   read ----------->|                    ||            ||            |
//!   read_core ======>|                    ||            ||            |
//!   read_address ===>|                    +== readout ==+             |===> read_data, read_overflow, ..
//!                    +------------------------------------------------+
//!
//!   one step, k accumulators in the largest core
//!   cycle          b      b+1    ..  s=b+k+1  s+1    ..  e      e+1    e+2    e+3
//!   begin_sample   1
//!   state          Idle   Reset  ..  Reset    Run    ..  Run    Done   Done   Done
//!   start                            1
//!   host_I_valid                     1
//!   host_I_idle    1      1      ..  0        1      ..  1      1      1      1
//!   released                                             1
//!   read                                                        1
//!   read_data                                                                 the score
//! ```
//!
//! The cycles of a sample stand in the sequencer's diagram; those of a step in `TIMING.md`. Cores of one kind share one
//! definition: what differs from core to core comes in through ports tied to constants here, and through the contents
//! of the memories. Sites without a core are tied off.
//!
//! Host: `begin_sample` for a cycle; in each step, from the cycle of `start` on, the targets of each injector, then `idle`;
//! after the last step the readout.
//!
//! Latency: step 0 starts k + 1 cycles after `begin_sample`; a score comes 2 cycles after its address.
//! Throughput: one sample at a time, a target an injector and cycle as credits allow, a score a cycle.
//! Limits: 1 to 64 columns and rows, 1 to 256 injectors, each at a side of its own at the edge; at most a core a router.
//! Undefined: what the parts leave undefined; targets without a core (asserted).

use super::barrier::barrier;
use super::flit::Flit;
use super::injector::injector;
use super::mesh::{Mesh, Outgoing};
use super::readout::readout;
use super::router::{Port, router};
use super::sequencer::sequencer;
use super::shared_queue::STEP_BITS;
use crate::image::{Build, Image};
use crate::layout::{Memory, Widths};
use crate::platform::{Platform, Structure};
use rtl::{Def, Errors, Inst, Library, Module, U, bits_for};
use std::collections::BTreeSet;

/// A core in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Neurons in use, at least 1.
    pub neurons: u32,
    /// Logarithm of the ring slots in use; 0 for the shared queue.
    pub slots_log2: u32,
    /// Index of the first integrator; 0 where there is none.
    pub integrators: u32,
    /// Number of integrators, which are the last neurons.
    pub readouts: u32,
}

impl Site {
    /// Accumulators in use: the words that the reset phase clears.
    #[must_use]
    pub fn accumulators(&self) -> u32 {
        self.neurons << self.slots_log2
    }
}

/// What a chip is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct Chip<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// Widths of its fields.
    pub widths: Widths,
    /// Width at which membranes saturate, in bits.
    pub membrane_bits: u8,
    /// The cores.
    pub sites: Vec<Site>,
    /// Places of the routers that are left out.
    pub left_out: BTreeSet<(u16, u16)>,
}

impl<'a> Chip<'a> {
    /// The chip for a build of an image: the cores in use.
    #[must_use]
    pub fn of(image: &'a Image, build: &Build) -> Self {
        let widths = build.widths(&image.platform);
        let slots_log2 = match build.structure {
            Structure::RingBuffer => build.depth.trailing_zeros(),
            Structure::SharedQueue => 0,
        };
        let sites = build.cores.iter().map(|core| {
            let rows = core.words(Memory::Parameters).iter().map(|&w| widths.parameters(w).integrator);
            let kinds: Vec<bool> = rows.collect();
            let first = kinds.iter().position(|&i| i).unwrap_or(0);
            let readouts = kinds.iter().filter(|&&i| i).count() as u32;
            let (neurons, integrators) = (core.neurons(), first as u32);
            Site { x: core.x, y: core.y, neurons, slots_log2, integrators, readouts }
        });
        let (platform, membrane_bits) = (&image.platform, image.network.membrane_bits);
        Self { platform, widths, membrane_bits, sites: sites.collect(), left_out: BTreeSet::new() }
    }

    /// The same chip for the same build without the routers that no flit passes on its way from an injector or a core to
    /// a core that it has a target in. Such a router never does anything, so that nothing else changes, not by a
    /// cycle; that no flit leaves toward it is asserted. The barrier remains that of the whole chip.
    #[must_use]
    pub fn in_use(image: &'a Image, build: &Build) -> Self {
        let mut chip = Self::of(image, build);
        let mesh = &image.platform.mesh;
        let mut passed = BTreeSet::new();
        // XY: along the row first.
        let mut pass = |from: (u16, u16), to: (u16, u16)| {
            passed.extend((from.0.min(to.0)..=from.0.max(to.0)).map(|x| (x, from.1)));
            passed.extend((from.1.min(to.1)..=from.1.max(to.1)).map(|y| (to.0, y)));
        };
        for (i, injector) in mesh.injectors.iter().enumerate() {
            let from = (injector.x, injector.y);
            pass(from, from);
            let channels = build.inputs.iter().skip(i).step_by(mesh.injectors.len());
            let targets: BTreeSet<_> = channels.flatten().map(|t| (t.x, t.y)).collect();
            targets.into_iter().for_each(|to| pass(from, to));
        }
        for core in &build.cores {
            let from = (core.x, core.y);
            pass(from, from);
            let targets = core.words(Memory::Routes).iter().map(|&word| chip.widths.target(word));
            let targets: BTreeSet<_> = targets.map(|t| (t.x, t.y)).collect();
            targets.into_iter().for_each(|to| pass(from, to));
        }
        let places = (0..mesh.height).flat_map(|y| (0..mesh.width).map(move |x| (x, y)));
        chip.left_out = places.filter(|place| !passed.contains(place)).collect();
        chip
    }

    /// A platform's chip at its limits: a full core at every site.
    #[must_use]
    pub fn full(platform: &'a Platform, structure: Structure) -> Self {
        let ring = &platform.ring_buffer;
        let (neurons, slots_log2) = match structure {
            Structure::RingBuffer => {
                // A ring of all slots, or of as many as there are accumulators.
                let slots_log2 = ring.slots.ilog2().min(ring.accumulators.ilog2());
                (platform.core.neurons.min(ring.accumulators >> slots_log2), slots_log2)
            }
            Structure::SharedQueue => (platform.core.neurons, 0),
        };
        let readouts = platform.core.readouts.min(neurons);
        let (width, height) = (platform.mesh.width, platform.mesh.height);
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let sites = places.map(|(x, y)| Site {
            x,
            y,
            neurons,
            slots_log2,
            integrators: neurons - readouts,
            readouts,
        });
        Self {
            platform,
            widths: Widths::new(platform, structure),
            membrane_bits: platform.core.membrane_bits_max,
            sites: sites.collect(),
            left_out: BTreeSet::new(),
        }
    }

    /// Elaborates the chip with this core.
    ///
    /// # Errors
    /// What is wrong with a description.
    pub fn elaborate(&self, library: &mut Library, core: &Def) -> Result<Def, Errors> {
        let (p, w) = (&self.platform.mesh, &self.widths);
        let router = router(library, w, p.router_buffer.into(), p.core_buffer.into())?;
        let injector = injector(library, w, p.router_buffer.into())?;
        let (cores, injectors) = (self.sites.len() as u32, p.injectors.len() as u32);
        let room =
            u64::from(self.platform.cores()) * (5 * u64::from(p.router_buffer) + u64::from(p.core_buffer));
        let barrier = barrier(library, cores + injectors, p.barrier_latency, room)?;
        let sequencer = sequencer(library)?;
        let c = &self.platform.core;
        let readout = readout(library, cores, c.readouts, c.score_bits.into())?;

        let m = Module::new("chip", &[]);
        m.doc(&format!("The chip of platform {}.", self.platform.name));
        let begin = m.input("begin_sample", 1).doc("Begin a sample.");
        let steps = m.input("steps", STEP_BITS).doc("Steps of a sample.");
        let read = m.input("read", 1).doc("Read a score, after the last step.");
        let read_core = m.input("read_core", bits_for(cores.into())).doc("Index of a core.");
        let read_address = m.input("read_address", bits_for(c.readouts.into())).doc("Score in it.");

        let barrier = m.instance("barrier", &barrier);
        let sequencer = m.instance("sequencer", &sequencer);
        sequencer.set("begin_sample", begin).set("steps", steps).set("released", barrier.u("released"));
        barrier.set("start", sequencer.u("start"));
        let readout = m.instance("readout", &readout);
        readout.set("read", read).set("core", read_core).set("address", read_address);
        let (clear, parity) = (sequencer.u("clear"), sequencer.u("parity"));
        let there = |x, y| !self.left_out.contains(&(x, y));
        let mesh = Mesh::new(&m, &router, w, (p.width, p.height), there, clear, parity);

        let mut clearing = m.u(0, 1);
        let mut overflow = m.u(0, 1);
        for (i, site) in self.sites.iter().enumerate() {
            let core = self.place(&m, core, site, &mesh, sequencer);
            core.set("readout", readout.u("core_read")).set("readout_address", readout.u("core_address"));
            barrier
                .set(&format!("quiet_{i}"), core.u("quiet"))
                .set(&format!("sent_{i}"), core.u("sent"))
                .set(&format!("received_{i}"), core.u("received"));
            readout
                .set(&format!("data_{i}"), core.s("readout_data"))
                .set(&format!("overflow_{i}"), core.u("overflow"))
                .set(&format!("overflow_step_{i}"), core.u("overflow_step"));
            clearing = clearing | core.u("clearing");
            overflow = overflow | core.u("overflow");
        }
        sequencer.set("clearing", clearing);
        for (x, y) in mesh.places().filter(|&place| !self.sites.iter().any(|s| (s.x, s.y) == place)) {
            mesh.tie_off(x, y, Port::Local);
        }
        for (x, y, port) in mesh.edges() {
            let injector_at = p.injectors.iter().position(|i| (i.x, i.y, Port::of(i.side)) == (x, y, port));
            let Some(i) = injector_at else {
                mesh.tie_off(x, y, port);
                continue;
            };
            let injector = m.instance(&format!("injector_{i}"), &injector);
            injector
                .set("parity", parity)
                .set("valid", m.input(&format!("host_{i}_valid"), 1).doc("A target is offered."))
                .set("target", m.input(&format!("host_{i}_target"), w.flit() - 1).doc("Axon, row, column."))
                .set("idle", m.input(&format!("host_{i}_idle"), 1).doc("No more targets in this step."))
                .set("out_credit", mesh.outgoing(x, y, port).credit);
            m.output(&format!("host_{i}_ready"), injector.u("ready")).doc("An offered target is taken.");
            let (valid, flit) = (injector.u("out_valid"), injector.u("out_flit"));
            mesh.connect(x, y, port, Outgoing { valid, flit, credit: m.u(0, 1) });
            mesh.closed(x, y, port);
            let leaf = cores as usize + i;
            barrier
                .set(&format!("quiet_{leaf}"), injector.u("quiet"))
                .set(&format!("sent_{leaf}"), injector.u("sent"))
                .set(&format!("received_{leaf}"), m.u(0, 1));
        }

        m.output("start", sequencer.u("start")).doc("A step starts.");
        m.output("step", sequencer.u("step")).doc("The present step.");
        m.output("state", sequencer.e::<super::sequencer::Stage>("state"));
        m.output("released", barrier.u("released")).doc("A step ends.");
        m.output("quiet", barrier.u("quiet")).doc("Nothing is left to do, as the barrier's root sees it.");
        m.output("overflow", overflow).doc("A queue overflowed: the sample failed.");
        m.output("read_data", readout.s("data")).doc("The score, two cycles after its address.");
        m.output("read_overflow", readout.u("overflow")).doc("That core's queue overflowed.");
        m.output("read_overflow_step", readout.u("overflow_step"));
        m.finish()
    }

    /// Places a core at its router and tells it what it holds.
    fn place<'m>(
        &self,
        m: &'m Module,
        def: &Def,
        site: &Site,
        mesh: &Mesh<'m>,
        sequencer: Inst<'m>,
    ) -> Inst<'m> {
        let core = m.instance(&format!("core_{}_{}", site.x, site.y), def);
        for signal in ["clear", "start", "first", "parity"] {
            core.set(signal, sequencer.u(signal));
        }
        let constant = |name: &str, value: u32| {
            let port = def.inputs().iter().find(|p| p.info.name == name);
            core.set(name, m.u(value.into(), port.map_or(32, |p| p.info.width)));
        };
        constant("neurons", site.neurons);
        constant("accumulators", site.accumulators());
        constant("integrators", site.integrators);
        constant("readouts", site.readouts);
        constant("membrane_max", (1 << (self.membrane_bits - 1)) - 1);
        if self.widths.structure == Structure::RingBuffer {
            constant("slots_log2", site.slots_log2);
        }
        let out = mesh.outgoing(site.x, site.y, Port::Local);
        let flit: U<'m> = Flit::of(&self.widths).to_core(m, out.flit);
        core.set("in_valid", out.valid).set("in_flit", flit).set("out_credit", out.credit);
        let (valid, flit, credit) = (core.u("out_valid"), core.u("out_flit"), core.u("in_credit"));
        mesh.connect(site.x, site.y, Port::Local, Outgoing { valid, flit, credit });
        let target = m.unpack(&Flit::of(&self.widths), out.flit);
        let here = target.x.eq(u64::from(site.x)) & target.y.eq(u64::from(site.y));
        let name = format!("addressed_{}_{}", site.x, site.y);
        m.assert(&name, !out.valid | here, "a flit reaches a core that it was not sent to");
        core
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::sequencer::Stage;
    use super::*;
    use crate::blocks::shape::Shape;
    use crate::layout::Target;
    use crate::platform::{Injector, Side};
    use rtl::Simulator;

    /// A core that takes every flit at once and counts them; it clears for `accumulators` cycles.
    fn counter(shape: &Shape) -> Def {
        let m = Module::new("counter", &[]);
        let count = m.reg("count", shape.score_bits, 0);
        let left = m.reg("left", shape.accumulator_count(), 0);
        let valid = m.delayed("valid", m.input("in_valid", 1));
        let [clear, start, parity] = ["clear", "start", "parity"].map(|n| m.input(n, 1));
        let accumulators = m.input("accumulators", shape.accumulator_count());
        let flit = m.delayed("flit", m.input("in_flit", shape.core_flit()));
        m.assert("parity_matches", !valid | flit.bit(0).eq(parity), "a flit of another step");
        left.set_first(&[(clear, accumulators), (left.q.any(), left.q - 1)]);
        count.set_first(&[(clear, m.u(0, shape.score_bits)), (valid, count.q + 1)]);
        for (name, bits) in [
            ("first", 1),
            ("neurons", shape.neuron_count()),
            ("integrators", shape.widths.neuron),
            ("readouts", shape.readout_count()),
            ("membrane_max", shape.widths.threshold),
            ("slots_log2", shape.slots_log2()),
            ("out_credit", 1),
            ("readout", 1),
            ("readout_address", shape.readout_address()),
        ] {
            m.input(name, bits).may_be_unused();
        }
        for name in ["out_valid", "sent", "overflow"] {
            m.output(name, m.u(0, 1));
        }
        m.output("out_flit", m.u(0, shape.flit()));
        m.output("overflow_step", m.u(0, STEP_BITS));
        m.output("in_credit", valid);
        m.output("received", valid);
        m.output("quiet", !start & !left.q.any() & !valid);
        m.output("clearing", left.q.any());
        m.output("readout_data", count.q.as_s());
        m.finish().unwrap()
    }

    #[test]
    fn flits_reach_their_cores_and_steps_end_when_they_are_taken() {
        let mut platform = Platform::load("loihi").unwrap();
        (platform.mesh.width, platform.mesh.height, platform.mesh.barrier_latency) = (2, 2, 5);
        platform.mesh.injectors =
            vec![Injector { x: 0, y: 0, side: Side::West }, Injector { x: 1, y: 1, side: Side::South }];
        let shape = Shape::new(&platform, Structure::RingBuffer);
        let mut chip = Chip::full(&platform, Structure::RingBuffer);
        let site = Site { x: 0, y: 0, neurons: 4, slots_log2: 1, integrators: 0, readouts: 0 };
        chip.sites = vec![site, Site { x: 1, y: 1, neurons: 9, ..site }];
        let def = chip.elaborate(&mut Library::new(), &counter(&shape)).unwrap();
        let mut sim = Simulator::new(&def);
        let set = |sim: &mut Simulator, name: &str, value: u64| {
            let input = sim.input(name).unwrap();
            sim.set(input, value);
        };
        for i in 0..2 {
            set(&mut sim, &format!("host_{i}_idle"), 1);
        }
        set(&mut sim, "steps", 3);
        set(&mut sim, "begin_sample", 1);
        sim.step().unwrap();
        set(&mut sim, "begin_sample", 0);
        let state = sim.probe("state").unwrap();
        let origin = sim.cycle();
        let mut starts = Vec::new();
        // Step 0: three flits from the west to (1, 1). Step 1: none. Step 2: one from the south to (0, 0).
        let far = chip.widths.pack_target(Target { x: 1, y: 1, axon: 77 });
        let near = chip.widths.pack_target(Target { x: 0, y: 0, axon: 3 });
        let mut waiting = [0, 0];
        loop {
            if sim.peek("start").unwrap() == 1 {
                waiting = [[3, 0], [0, 0], [0, 1]][starts.len()];
                starts.push(sim.cycle() - origin);
            } else if sim.get_e::<Stage>(state) == Stage::Done {
                break;
            }
            for (i, target) in [(0, far), (1, near)] {
                set(&mut sim, &format!("host_{i}_valid"), (waiting[i] > 0).into());
                set(&mut sim, &format!("host_{i}_idle"), (waiting[i] == 0).into());
                set(&mut sim, &format!("host_{i}_target"), target);
            }
            for (i, left) in waiting.iter_mut().enumerate() {
                *left -= u64::from(*left > 0 && sim.peek(&format!("host_{i}_ready")).unwrap() == 1);
            }
            sim.step().unwrap();
        }
        // The larger core clears 18 words. Sent in 0, 1, 2 over two links: taken in 8, 9, 10, quiet in 11.
        // A step without flits is quiet in its cycle 1. One flit over two links: quiet in 9.
        let over = sim.cycle() - 1 - origin;
        assert_eq!((&starts[..], over), (&[18, 18 + 16, 18 + 22][..], 18 + 22 + 14));
        for (core, count) in [(0, 1), (1, 3)] {
            set(&mut sim, "read_core", core);
            sim.run(2).unwrap();
            assert_eq!(sim.peek("read_data").unwrap(), count);
        }
    }
}
