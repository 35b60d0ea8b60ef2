//! The signals that RTL and fast model share, and what the fast model says of them.
//!
//! Long because every signal of every component is declared and followed here.

use crate::mesh::{Flit, LINK, Port};
use crate::probe::{Phase, Probe, SynapticOperation};
use crate::program::Program;
use hw::layout::{QueueEvent, Widths};
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

#[derive(Debug, Default)]
struct CoreLanes {
    taken: Lane,
    axon: Lane,
    level: Lane,
    out_valid: Lane,
    out_flit: Lane,
    credits: Lane,
    head: Lane,
    synapse_read: Lane,
    synapse_address: Lane,
    write: Lane,
    neuron: Lane,
    slot: Lane,
    weight: Lane,
    data: Lane,
    soma_write: Lane,
    soma_neuron: Lane,
    membrane: Lane,
    spike: Lane,
    queue: QueueLanes,
}

#[derive(Debug, Default)]
struct QueueLanes {
    selected: Lane,
    read: Lane,
    read_pointer: Lane,
    read_level: Lane,
    read_event: [Lane; 3],
    write: Lane,
    write_pointer: Lane,
    write_event: [Lane; 3],
}

#[derive(Debug, Default)]
struct RouterLanes {
    level: [Lane; 5],
    valid: [Lane; 5],
    flit: [Lane; 5],
    credits: [Lane; 5],
}

#[derive(Debug, Default)]
struct InjectorLanes {
    valid: Lane,
    flit: Lane,
    credits: Lane,
}

/// Who fills a router's input from outside the mesh.
#[derive(Debug, Clone, Copy)]
enum Filler {
    Core(usize),
    Injector(usize),
}

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
    widths: Widths,
    width: usize,
    depth: u32,
    chip: [Lane; 3],
    cores: Vec<CoreLanes>,
    routers: Vec<RouterLanes>,
    injectors: Vec<InjectorLanes>,
    core_of_router: Vec<Option<usize>>,
    router_of_core: Vec<usize>,
    /// By router and port.
    fillers: Vec<[Option<Filler>; 5]>,
    entries: Vec<(usize, Port)>,
    /// Events written to each core's queue in this step.
    written: Vec<u64>,
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

    fn core(&mut self, name: &str, structure: Structure, credits: u64) -> Result<CoreLanes, SimError> {
        let mut add = |signal: &str, path: &str, when: Lane| self.at(name, signal, path, when, 0);
        let mut core = CoreLanes::default();
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
        }
        core.credits = self.at(name, "output.credits", "sender.credits", None, credits)?;
        Ok(core)
    }
}

impl Trace {
    pub(super) fn new(
        program: &Program,
        machine: &Machine,
        chosen: &BTreeSet<String>,
    ) -> Result<Self, SimError> {
        let mesh = &program.platform.mesh;
        let width = usize::from(mesh.width);
        let routers = width * usize::from(mesh.height);
        let (buffer, port) = (u64::from(mesh.router_buffer), u64::from(mesh.core_buffer));
        let mut d = Declare { machine, chosen, signals: Vec::new(), initial: Vec::new() };
        let chip = [
            d.at("chip", "step", "step", None, 0)?,
            d.at("chip", "step_start", "start", None, 0)?,
            d.at("chip", "released", "released", None, 0)?,
        ];
        let mut fillers = vec![[None; 5]; routers];
        let (mut injectors, mut entries) = (Vec::new(), Vec::new());
        for (i, injector) in mesh.injectors.iter().enumerate() {
            let name = format!("injector_{i}");
            let valid = d.at(&name, "valid", "out_valid", None, 0)?;
            let flit = d.at(&name, "flit", "out_flit", valid, 0)?;
            let credits = d.at(&name, "credits", "out_credits", None, buffer)?;
            injectors.push(InjectorLanes { valid, flit, credits });
            let entry = (usize::from(injector.y) * width + usize::from(injector.x), Port::of(injector.side));
            fillers[entry.0][entry.1 as usize] = Some(Filler::Injector(i));
            entries.push(entry);
        }
        let (mut cores, mut router_of_core) = (Vec::new(), Vec::new());
        let mut core_of_router = vec![None; routers];
        for i in 0..program.cores() {
            let (x, y) = program.place(i);
            let router = usize::from(y) * width + usize::from(x);
            core_of_router[router] = Some(i);
            router_of_core.push(router);
            fillers[router][Port::Local as usize] = Some(Filler::Core(i));
            cores.push(d.core(&format!("core_{x}_{y}"), program.structure, buffer)?);
        }
        let mut router_lanes = Vec::new();
        for r in 0..routers {
            let component = format!("router_{}_{}", r % width, r / width);
            let mut lanes = RouterLanes::default();
            for to in Port::ALL {
                let (p, side) = (to as usize, to.name());
                let name = |end: &str| format!("{side}_{end}");
                let credits = if to == Port::Local { port } else { buffer };
                let level = format!("{side}_buffer.level");
                lanes.level[p] = d.at(&component, &name("in_level"), &level, None, 0)?;
                lanes.valid[p] = d.at(&component, &name("out_valid"), &name("out_valid"), None, 0)?;
                lanes.flit[p] = d.at(&component, &name("out_flit"), &name("out_flit"), lanes.valid[p], 0)?;
                lanes.credits[p] = d.at(&component, &name("credits"), &name("out_credits"), None, credits)?;
            }
            router_lanes.push(lanes);
        }
        Ok(Self {
            signals: d.signals,
            values: d.initial.clone(),
            initial: d.initial,
            changes: Vec::new(),
            next: 0,
            step: 0,
            until: 0,
            widths: program.widths(),
            width,
            depth: if program.structure == Structure::RingBuffer { program.depth } else { 1 },
            chip,
            written: vec![0; cores.len()],
            cores,
            routers: router_lanes,
            injectors,
            core_of_router,
            router_of_core,
            fillers,
            entries,
        })
    }

    /// A sample begins.
    pub(super) fn begin(&mut self) {
        self.values.clone_from(&self.initial);
        self.changes.clear();
        self.written.fill(0);
        (self.next, self.until) = (0, 0);
    }

    /// Puts what is still to come in the order of its cycles.
    pub(super) fn sort(&mut self) {
        self.changes.drain(..self.next);
        self.next = 0;
        self.changes.sort_by_key(|c| (c.cycle, c.rank));
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

    fn set(&mut self, cycle: u64, lane: Lane, value: u64) {
        if let Some(signal) = lane {
            self.changes.push(Change { cycle, signal, value: Value::Set(value), rank: 1 });
        }
    }

    /// High in this cycle, low in the next unless set again.
    fn pulse(&mut self, cycle: u64, lane: Lane) {
        self.set(cycle, lane, 1);
        if let Some(signal) = lane {
            self.changes.push(Change { cycle: cycle + 1, signal, value: Value::Set(0), rank: 0 });
        }
    }

    /// A counter is set, before what is added to it in the same cycle.
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

    fn flit(&self, flit: Flit) -> u64 {
        let target = hw::layout::Target { x: flit.x().into(), y: flit.y().into(), axon: flit.axon() };
        self.widths.pack_target(target) << 1 | u64::from(flit.parity())
    }

    /// A flit is on the link in the cycle after it was sent.
    fn link(&mut self, sent: u64, valid: Lane, word: Lane, credits: Lane, flit: Flit) {
        self.pulse(sent + 1, valid);
        self.set(sent + 1, word, self.flit(flit));
        self.add(sent + 1, credits, -1);
    }
}

impl Probe for Trace {
    fn step(&mut self, cycle: u64, step: u32) {
        self.step = step;
        self.set(cycle, self.chip[0], step.into());
        self.pulse(cycle, self.chip[1]);
        for i in 0..self.cores.len() {
            let waiting = std::mem::take(&mut self.written[i]);
            let core = &self.cores[i];
            let (head, q) = (core.head, &core.queue);
            let (selected, write, level, read) = (q.selected, q.write_pointer, q.read_level, q.read_pointer);
            self.set(cycle, head, u64::from(step % self.depth));
            self.set(cycle, selected, (step & 1).into());
            self.load(cycle, write, 0);
            self.load(cycle, level, waiting);
            self.load(cycle, read, 0);
        }
    }

    fn barrier(&mut self, _quiet: u64, release: u64) {
        self.pulse(release, self.chip[2]);
        self.until = release;
    }

    fn phase(&mut self, _cycle: u64, _core: usize, _phase: Phase) {}

    fn synapse(&mut self, cycle: u64, core: usize, op: SynapticOperation) {
        let c = &self.cores[core];
        let (read, address, write, neuron) = (c.synapse_read, c.synapse_address, c.write, c.neuron);
        let (slot, weight, data) = (c.slot, c.weight, c.data);
        self.pulse(cycle, read);
        self.set(cycle, address, op.synapse.into());
        let written = cycle + 2;
        self.pulse(written, write);
        self.set(written, neuron, u64::from(op.accumulator / self.depth));
        self.set(written, slot, u64::from(op.accumulator % self.depth));
        self.set(written, weight, op.weight.cast_unsigned());
        self.set(written, data, op.sum.cast_unsigned());
    }

    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, _: u32, value: i32, spike: bool) {
        let c = &self.cores[core];
        let (write, index, membrane, fired) = (c.soma_write, c.soma_neuron, c.membrane, c.spike);
        self.pulse(cycle, write);
        self.set(cycle, index, neuron.into());
        self.set(cycle, membrane, i64::from(value).cast_unsigned());
        if spike {
            self.pulse(cycle, fired);
        }
    }

    fn queue_write(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        self.written[core] += 1;
        let q = &self.cores[core].queue;
        let (write, pointer, fields) = (q.write, q.write_pointer, q.write_event);
        self.pulse(cycle, write);
        for (lane, value) in fields.into_iter().zip([event.axon, event.age, event.offset]) {
            self.set(cycle, lane, value.into());
        }
        self.add(cycle + 1, pointer, 1);
    }

    fn queue_read(&mut self, cycle: u64, core: usize, event: QueueEvent) {
        let q = &self.cores[core].queue;
        let (read, level, pointer, fields) = (q.read, q.read_level, q.read_pointer, q.read_event);
        self.pulse(cycle, read);
        for (lane, value) in fields.into_iter().zip([event.axon, event.age, event.offset]) {
            self.set(cycle, lane, value.into());
        }
        self.add(cycle + 1, level, -1);
        self.add(cycle + 1, pointer, 1);
    }

    fn router_output(&mut self, cycle: u64, router: usize, port: Port, flit: Flit) {
        let (lanes, p) = (&self.routers[router], port as usize);
        let (valid, word, credits) = (lanes.valid[p], lanes.flit[p], lanes.credits[p]);
        self.link(cycle, valid, word, credits, flit);
        let (next, entry) = match port {
            Port::North => (router - self.width, Port::South),
            Port::East => (router + 1, Port::West),
            Port::South => (router + self.width, Port::North),
            Port::West => (router - 1, Port::East),
            Port::Local => {
                let level = self.core_of_router[router].and_then(|core| self.cores[core].level);
                self.add(cycle + LINK, level, 1);
                return;
            }
        };
        self.add(cycle + LINK, self.routers[next].level[entry as usize], 1);
    }

    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        self.add(cycle + 1, self.routers[router].level[port as usize], -1);
        let credits = match self.fillers[router][port as usize] {
            Some(Filler::Core(core)) => self.cores[core].credits,
            Some(Filler::Injector(injector)) => self.injectors[injector].credits,
            // Another router: its own event says so.
            None => None,
        };
        self.add(cycle + 1, credits, 1);
    }

    fn core_output(&mut self, cycle: u64, core: usize, flit: Flit) {
        let c = &self.cores[core];
        let (valid, word, credits) = (c.out_valid, c.out_flit, c.credits);
        self.link(cycle, valid, word, credits, flit);
        let router = self.router_of_core[core];
        self.add(cycle + LINK, self.routers[router].level[Port::Local as usize], 1);
    }

    fn core_input(&mut self, cycle: u64, core: usize, flit: Flit) {
        let c = &self.cores[core];
        let (taken, axon, level) = (c.taken, c.axon, c.level);
        self.pulse(cycle, taken);
        self.set(cycle, axon, flit.axon().into());
        self.add(cycle + 1, level, -1);
    }

    fn injector_output(&mut self, cycle: u64, injector: usize, flit: Flit) {
        let i = &self.injectors[injector];
        let (valid, word, credits) = (i.valid, i.flit, i.credits);
        self.link(cycle, valid, word, credits, flit);
        let (router, port) = self.entries[injector];
        self.add(cycle + LINK, self.routers[router].level[port as usize], 1);
    }

    fn credit(&mut self, cycle: u64, router: usize, port: Port) {
        self.add(cycle + 1, self.routers[router].credits[port as usize], 1);
    }
}
