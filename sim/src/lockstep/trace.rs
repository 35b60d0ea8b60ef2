//! The signals that RTL and fast model share, and what the fast model says of them.

use crate::lanes::{CoreLanes, Follow, InjectorLanes, Lanes, RouterLanes, Sink};
use crate::mesh::Port;
use crate::program::Program;
use hw::machine::Machine;
use hw::platform::Structure;
use rtl::SimError;
use std::collections::BTreeSet;

/// A signal of both sides; names are those of `sim`'s waves.
#[derive(Debug, Clone)]
pub struct Signal {
    /// `chip`, `core_X_Y`, `router_X_Y`, `injector_I`.
    pub component: String,
    /// The name in it.
    pub name: String,
    /// Its path in the RTL.
    pub path: String,
    pub(super) probe: rtl::Probe,
    /// It means something only where this signal, of the same component, is 1 on both sides.
    pub(super) when: Option<u32>,
}

impl Signal {
    /// Width in bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.probe.bits()
    }
}

/// One change of a signal as the fast model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The cycle.
    pub cycle: u64,
    /// Index of the signal.
    pub signal: u32,
    /// Its value from then on.
    pub value: Value,
    /// In one cycle a falling pulse comes before a rising one.
    rank: u8,
}

/// What a signal becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// This.
    Set(u64),
    /// So much more than it was.
    Add(i64),
}

/// A signal, where it is compared.
type Lane = Option<u32>;

/// What the fast model says of the signals that are compared.
pub(super) struct Trace {
    pub(super) signals: Vec<Signal>,
    /// Values at the start of a sample, and now.
    initial: Vec<u64>,
    pub(super) values: Vec<u64>,
    pub(super) changes: Vec<Change>,
    /// Changes already applied.
    next: usize,
    /// The step that was run last, and the first cycle after it.
    pub(super) step: u32,
    pub(super) until: u64,
    /// Queues that are compared, and how many events each holds.
    queues: Vec<Queue>,
    depth: u32,
}

/// The end of a shared queue that is written.
#[derive(Debug, Clone, Copy)]
struct Queue {
    write: Lane,
    pointer: Lane,
    overflow: Lane,
    step: Lane,
}

/// Names of all components of a machine.
pub(super) fn components(program: &Program, machine: &Machine) -> Vec<String> {
    let mesh = &program.platform.mesh;
    let cores = (0..program.cores()).map(|i| program.place(i)).map(|(x, y)| format!("core_{x}_{y}"));
    let places = (0..mesh.height).flat_map(|y| (0..mesh.width).map(move |x| (x, y)));
    let routers = places.filter(|&(x, y)| machine.has_router(x, y)).map(|(x, y)| format!("router_{x}_{y}"));
    let injectors = (0..mesh.injectors.len()).map(|i| format!("injector_{i}"));
    injectors.chain(cores).chain(routers).collect()
}

/// Declares signals.
struct Declare<'a> {
    machine: &'a Machine,
    chosen: &'a BTreeSet<String>,
    signals: Vec<Signal>,
    initial: Vec<u64>,
    queues: Vec<Queue>,
}

impl Declare<'_> {
    /// A signal of a component, if that is compared, with its value at the start of a sample.
    fn at(
        &mut self,
        component: &str,
        name: &str,
        path: &str,
        when: Lane,
        initial: u64,
    ) -> Result<Lane, SimError> {
        if component != "chip" && !self.chosen.contains(component) {
            return Ok(None);
        }
        let path = if component == "chip" { path.to_string() } else { format!("{component}.{path}") };
        let probe = self.machine.circuit().probe(&path)?;
        let (component, name) = (component.to_string(), name.to_string());
        self.signals.push(Signal { component, name, path, probe, when });
        self.initial.push(initial);
        Ok(Some(self.signals.len() as u32 - 1))
    }

    fn core(&mut self, name: &str, structure: Structure, credits: u64) -> Result<CoreLanes<Lane>, SimError> {
        let mut add = |signal: &str, path: &str, when: Lane| self.at(name, signal, path, when, 0);
        let mut core = CoreLanes::default();
        core.state = add("state", "state", None)?;
        core.taken = add("input.taken", "received", None)?;
        core.axon = add("input.axon", "input_axon", core.taken)?;
        core.level = add("input.level", "input_level", None)?;
        core.out_valid = add("output.valid", "out_valid", None)?;
        core.out_flit = add("output.flit", "out_flit", core.out_valid)?;
        core.synapse_read = add("synapse.read", "synapse_read", None)?;
        core.synapse_address = add("synapse.address", "synapse_address", core.synapse_read)?;
        core.write = add("accumulator.write", "accumulator_write", None)?;
        core.neuron = add("accumulator.neuron", "accumulator_neuron", core.write)?;
        if structure == Structure::RingBuffer {
            core.head = add("ring.head", "ring_head", None)?;
            core.slot = add("ring.slot", "ring_slot", core.write)?;
        }
        core.weight = add("accumulator.weight", "accumulator_weight", core.write)?;
        core.data = add("accumulator.data", "accumulator_data", core.write)?;
        core.soma_write = add("soma.write", "soma_write", None)?;
        core.soma_neuron = add("soma.neuron", "soma_neuron", core.soma_write)?;
        core.membrane = add("soma.membrane", "soma_membrane", core.soma_write)?;
        core.spike = add("soma.spike", "soma_spike", None)?;
        if structure == Structure::SharedQueue {
            let q = &mut core.queue;
            q.selected = add("queue.selected", "queue_selected", None)?;
            q.read = add("queue.read", "queue_read", None)?;
            q.read_pointer = add("queue.read_pointer", "queue_read_pointer", None)?;
            q.read_level = add("queue.read_level", "queue_read_level", None)?;
            q.write = add("queue.write", "queue_write", None)?;
            q.write_pointer = add("queue.write_pointer", "queue_write_pointer", None)?;
            for (i, field) in ["axon", "age", "offset"].iter().enumerate() {
                q.read_event[i] =
                    add(&format!("queue.read_{field}"), &format!("queue_read_{field}"), q.read)?;
                q.write_event[i] =
                    add(&format!("queue.write_{field}"), &format!("queue_write_{field}"), q.write)?;
            }
            let overflow = add("queue.overflow", "overflow", None)?;
            let step = add("queue.overflow_step", "overflow_step", overflow)?;
            let (write, pointer) = (q.write, q.write_pointer);
            self.queues.push(Queue { write, pointer, overflow, step });
        }
        core.credits = self.at(name, "output.credits", "sender.credits", None, credits)?;
        Ok(core)
    }
}

impl Trace {
    /// Follows the signals of the chosen components.
    pub(super) fn follow(
        program: &Program,
        machine: &Machine,
        chosen: &BTreeSet<String>,
    ) -> Result<Follow<Self>, SimError> {
        let mesh = &program.platform.mesh;
        let (buffer, port) = (u64::from(mesh.router_buffer), u64::from(mesh.core_buffer));
        let mut d = Declare { machine, chosen, signals: Vec::new(), initial: Vec::new(), queues: Vec::new() };
        let mut lanes = Lanes::default();
        lanes.chip.step = d.at("chip", "step", "step", None, 0)?;
        lanes.chip.start = d.at("chip", "step_start", "start", None, 0)?;
        lanes.chip.released = d.at("chip", "released", "released", None, 0)?;
        for i in 0..mesh.injectors.len() {
            let name = format!("injector_{i}");
            let valid = d.at(&name, "valid", "out_valid", None, 0)?;
            let flit = d.at(&name, "flit", "out_flit", valid, 0)?;
            let credits = d.at(&name, "credits", "out_credits", None, buffer)?;
            lanes.injectors.push(InjectorLanes { valid, flit, credits });
        }
        for (x, y) in (0..program.cores()).map(|i| program.place(i)) {
            lanes.cores.push(d.core(&format!("core_{x}_{y}"), program.structure, buffer)?);
        }
        for (x, y) in (0..mesh.height).flat_map(|y| (0..mesh.width).map(move |x| (x, y))) {
            let component = format!("router_{x}_{y}");
            let mut router = RouterLanes::default();
            for to in Port::ALL {
                let (p, side) = (to as usize, to.name());
                let name = |end: &str| format!("{side}_{end}");
                let credits = if to == Port::Local { port } else { buffer };
                let level = format!("{side}_buffer.level");
                router.level[p] = d.at(&component, &name("in_level"), &level, None, 0)?;
                router.valid[p] = d.at(&component, &name("out_valid"), &name("out_valid"), None, 0)?;
                router.flit[p] =
                    d.at(&component, &name("out_flit"), &name("out_flit"), router.valid[p], 0)?;
                router.credits[p] =
                    d.at(&component, &name("credits"), &name("out_credits"), None, credits)?;
            }
            lanes.routers.push(router);
        }
        let trace = Self {
            signals: d.signals,
            values: d.initial.clone(),
            initial: d.initial,
            changes: Vec::new(),
            next: 0,
            step: 0,
            until: 0,
            queues: d.queues,
            depth: program.platform.shared_queue.depth,
        };
        Ok(Follow::new(program, lanes, trace))
    }

    /// A sample begins.
    pub(super) fn begin(&mut self) {
        self.values.clone_from(&self.initial);
        self.changes.clear();
        (self.next, self.until) = (0, 0);
    }

    /// Puts what is still to come in the order of its cycles.
    pub(super) fn sort(&mut self) {
        self.changes.drain(..self.next);
        self.next = 0;
        self.changes.sort_by_key(|c| (c.cycle, c.rank));
    }

    /// A queue was too short for the step that was run last. The fast model goes on as with one that is deep enough; this
    /// is what one does that is not: it writes no event that it has no room for, and latches that it lost one, and when.
    pub(super) fn overflow(&mut self) {
        for queue in &self.queues {
            let (mut room, mut lost) = (self.depth, None);
            self.changes.retain(|change| {
                let lane = Some(change.signal);
                if lane == queue.write && change.value == Value::Set(1) {
                    if room == 0 {
                        lost.get_or_insert(change.cycle);
                        return false;
                    }
                    room -= 1;
                }
                // The pointer moves a cycle later.
                let moves = lane == queue.pointer && matches!(change.value, Value::Add(_));
                !moves || lost.is_none_or(|lost| change.cycle <= lost)
            });
            if let Some(cycle) = lost {
                for (lane, value) in [(queue.overflow, 1), (queue.step, self.step.into())] {
                    let latched = lane.map(|signal| Change {
                        cycle: cycle + 1,
                        signal,
                        value: Value::Set(value),
                        rank: 1,
                    });
                    self.changes.extend(latched);
                }
            }
        }
        self.sort();
    }

    /// Brings the values up to a cycle.
    pub(super) fn apply(&mut self, now: u64) {
        while let Some(change) = self.changes.get(self.next).filter(|c| c.cycle <= now) {
            let value = &mut self.values[change.signal as usize];
            match change.value {
                Value::Set(v) => *value = v,
                Value::Add(by) => *value = value.wrapping_add_signed(by),
            }
            self.next += 1;
        }
    }

    /// Whether a signal has the same value on both sides, or means nothing on both.
    pub(super) fn equal(&self, signal: usize, fast: &[u64], rtl: &[u64]) -> bool {
        let s = &self.signals[signal];
        let off = |when: u32| fast[when as usize] == 0 || rtl[when as usize] == 0;
        (fast[signal] ^ rtl[signal]) & (u64::MAX >> (64 - s.bits())) == 0 || s.when.is_some_and(off)
    }
}

impl Sink for Trace {
    type Lane = Lane;
    /// A register is on the link in the cycle after it was loaded.
    const SHOWN: u64 = 1;

    fn set(&mut self, cycle: u64, lane: Lane, value: u64) {
        if let Some(signal) = lane {
            self.changes.push(Change { cycle, signal, value: Value::Set(value), rank: 1 });
        }
    }

    fn pulse(&mut self, cycle: u64, lane: Lane) {
        self.set(cycle, lane, 1);
        self.load(cycle + 1, lane, 0);
    }

    fn load(&mut self, cycle: u64, lane: Lane, value: u64) {
        if let Some(signal) = lane {
            self.changes.push(Change { cycle, signal, value: Value::Set(value), rank: 0 });
        }
    }

    fn add(&mut self, cycle: u64, lane: Lane, by: i64) {
        if let Some(signal) = lane {
            self.changes.push(Change { cycle, signal, value: Value::Add(by), rank: 1 });
        }
    }

    fn step(&mut self, _: u64, step: u32, _: &Lanes<Lane>) {
        self.step = step;
    }

    fn barrier(&mut self, release: u64) {
        self.until = release;
    }
}
