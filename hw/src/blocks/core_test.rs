//! A core alone, with random networks and random stalls, against `TIMING.md` sections 1, 2, 5 to 8 in closed form.

use super::queue_core::queue_core;
use super::ring_core::ring_core;
use super::shape::{Shape, memory_path};
use super::test::{Random, Sends, lint, platform, sends, set};
use crate::layout::{AxonRow, Memory, NeuronParameters, QueueSynapse, RingSynapse, RouteRow, Target};
use crate::platform::{Platform, Ports, Structure};
use rtl::{Def, Library, Probe, Simulator};
use std::collections::{BTreeMap, BTreeSet};

fn core(platform: &Platform, structure: Structure) -> Def {
    let library = &mut Library::new();
    match structure {
        Structure::RingBuffer => ring_core(library, platform),
        Structure::SharedQueue => queue_core(library, platform),
    }
    .expect("a right description")
}

/// A synapse, whatever the structure.
#[derive(Clone, Copy)]
struct Synapse {
    neuron: u32,
    delay: u32,
    weight: i8,
}

/// What a core's memories hold.
struct Network {
    slots_log2: u32,
    limit: i64,
    neurons: Vec<NeuronParameters>,
    integrators: usize,
    shifts: Vec<u8>,
    /// Synapses of each axon by delay, and the address of the first.
    axons: Vec<(u32, Vec<Synapse>)>,
    rows: Vec<RouteRow>,
    entries: Vec<Target>,
}

impl Network {
    fn new(shape: &Shape, random: &mut Random) -> Self {
        let slots_log2 = 1 + random.below(shape.slots.ilog2().max(1).into()) as u32;
        let ring = shape.structure() == Structure::RingBuffer;
        let most = if ring { shape.accumulators >> slots_log2 } else { shape.neurons };
        let n = 1 + random.below(most.min(shape.neurons)) as usize;
        let integrators = n - random.below(1 + shape.readouts.min(n as u64)) as usize;
        let limit = (1i64 << (5 + random.below(u64::from(shape.membrane_bits) - 5))) - 1;
        let neurons = (0..n).map(|i| NeuronParameters {
            decay: random.below(4097) as u16,
            threshold: 1 + random.below(limit.min(200) as u64) as i32,
            subtract: random.one_in(2),
            integrator: i >= integrators,
        });
        let neurons = neurons.collect();
        let longest = if ring { (1 << slots_log2) - 1 } else { u64::from(shape.longest_delay) };
        let mut base = 0;
        let mut axons = vec![];
        for _ in 0..shape.axons {
            let count = 1 + random.below(5);
            let latest = longest.min(1 + random.below(longest));
            let mut synapses: Vec<_> = (0..count)
                .map(|_| Synapse {
                    // Few neurons and delays, so that sums meet in the pipeline.
                    neuron: random.below((n as u64).min(3)) as u32,
                    delay: 1 + random.below(latest) as u32,
                    weight: random.range(-60, 127) as i8,
                })
                .collect();
            synapses.sort_by_key(|s| s.delay);
            axons.push((base, synapses));
            base += count as u32;
        }
        let (mut rows, mut entries) = (vec![], vec![]);
        for neuron in 0..n as u64 {
            let count = random.below(4).min(shape.routes - entries.len() as u64) as u32;
            let base = entries.len() as u32;
            rows.push(RouteRow { base, count });
            entries.extend((0..count).map(|i| Target { x: (i % 3) as u16, y: 1, axon: neuron as u32 + i }));
        }
        let shifts = (0..shape.axons).map(|_| random.below(3) as u8).collect();
        Self { slots_log2, limit, neurons, integrators, shifts, axons, rows, entries }
    }

    fn accumulators(&self, structure: Structure) -> u64 {
        match structure {
            Structure::RingBuffer => (self.neurons.len() as u64) << self.slots_log2,
            Structure::SharedQueue => self.neurons.len() as u64,
        }
    }

    /// Loads the memories as the compiler packs them, and dirties those that the reset phase must clear.
    fn load(&self, sim: &mut Simulator, shape: &Shape) {
        let w = &shape.widths;
        let structure = shape.structure();
        let ring = structure == Structure::RingBuffer;
        let list = |(_, synapses): &(u32, Vec<Synapse>)| -> Vec<u64> {
            let word = |(i, s): (usize, &Synapse)| {
                let Synapse { neuron, delay, weight } = *s;
                let last = synapses.get(i + 1).is_none_or(|next| next.delay != delay);
                if ring {
                    w.pack_ring_synapse(RingSynapse { neuron, delay, weight })
                } else {
                    w.pack_queue_synapse(QueueSynapse { neuron, last, weight })
                }
            };
            synapses.iter().enumerate().map(word).collect()
        };
        let row = |((base, s), &shift): (&(u32, Vec<Synapse>), &u8)| {
            let count = if ring { s.len() as u32 } else { 0 };
            w.pack_axon_row(AxonRow { base: *base, count, shift })
        };
        let mut load = |memory: Memory, words: Vec<u64>| {
            if let Some(path) = memory_path(structure, memory) {
                let memory = sim.memory(path).unwrap();
                sim.load(memory, &words).unwrap();
            }
        };
        load(Memory::Synapses, self.axons.iter().flat_map(list).collect());
        load(Memory::Axons, self.axons.iter().zip(&self.shifts).map(row).collect());
        load(Memory::UsefulWeights, (0..self.axons.len()).map(|a| self.useful(a)).collect());
        load(Memory::Parameters, self.neurons.iter().map(|&p| w.pack_parameters(p)).collect());
        load(Memory::RouteIndex, self.rows.iter().map(|&r| w.pack_route_row(r)).collect());
        load(Memory::Routes, self.entries.iter().map(|&t| w.pack_target(t)).collect());
        for memory in [Memory::Membranes, Memory::Scores, Memory::Accumulators] {
            let memory = sim.memory(memory_path(structure, memory).unwrap()).unwrap();
            (0..sim.words(memory)).for_each(|i| sim.set_word(memory, i, 3));
        }
        set(sim, "neurons", self.neurons.len() as u64);
        set(sim, "integrators", self.integrators as u64 % self.neurons.len() as u64);
        set(sim, "readouts", (self.neurons.len() - self.integrators) as u64);
        set(sim, "accumulators", self.accumulators(structure));
        set(sim, "membrane_max", self.limit as u64);
        if ring {
            set(sim, "slots_log2", self.slots_log2.into());
        }
    }

    /// Bit k - 1 is set where the axon has a synapse of delay k.
    fn useful(&self, axon: usize) -> u64 {
        self.axons[axon].1.iter().fold(0, |row, s| row | 1 << (s.delay - 1))
    }
}

/// What a core does in a step, each with its cycle.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    /// Flits taken: axon.
    taken: Vec<(u64, u64)>,
    /// Synapses addressed.
    synapses: Vec<(u64, u64)>,
    /// Accumulators written: neuron, slot, sum.
    sums: Vec<(u64, u64, u64, i64)>,
    /// Neurons written: neuron, membrane, spike.
    membranes: Vec<(u64, u64, i64, bool)>,
    /// Events that enter the synapse stage: axon, age, offset.
    delivered: Vec<(u64, [u64; 3])>,
    /// Events written to the POQ.
    queued: Vec<(u64, [u64; 3])>,
    /// Flits sent.
    sent: Vec<(u64, u64)>,
    /// Cycles that are not quiet.
    busy: Vec<u64>,
}

/// State of the closed form.
struct Model<'a> {
    shape: &'a Shape,
    network: &'a Network,
    membranes: Vec<i64>,
    scores: Vec<i64>,
    /// By neuron and slot.
    sums: BTreeMap<(u32, u64), i64>,
    queue: Vec<[u64; 3]>,
    high_water: usize,
    overflow: Option<u64>,
}

impl<'a> Model<'a> {
    fn new(shape: &'a Shape, network: &'a Network) -> Self {
        let n = network.neurons.len();
        let (membranes, scores) = (vec![0; n], vec![0; n - network.integrators]);
        let (sums, queue) = (BTreeMap::new(), vec![]);
        Self { shape, network, membranes, scores, sums, queue, high_water: 0, overflow: None }
    }

    fn add(&mut self, out: &mut Trace, at: u64, axon: usize, synapse: usize, slot: u64) {
        let (base, list) = &self.network.axons[axon];
        let s = list[synapse];
        out.synapses.push((at, u64::from(*base) + synapse as u64));
        let sum = self.sums.entry((s.neuron, slot)).or_default();
        *sum += i64::from(s.weight) << self.network.shifts[axon];
        out.sums.push((at + 2, s.neuron.into(), slot, *sum));
    }

    /// Section 5; returns the first free cycle and the spikes with the cycle from which they are visible.
    fn update(&mut self, out: &mut Trace, a: u64, slot: u64) -> (u64, Vec<(u64, usize)>) {
        let (u, mut spikes) = (self.shape.neuron_interval(), vec![]);
        for (i, p) in self.network.neurons.iter().enumerate() {
            let sum = self.sums.remove(&(i as u32, slot)).unwrap_or(0);
            let v = self.membranes[i] * i64::from(4096 - p.decay) / 4096 + sum;
            let v = v.clamp(-self.network.limit - 1, self.network.limit);
            let spike = !p.integrator && v >= p.threshold.into();
            let next = match (spike, p.subtract) {
                (false, _) => v,
                (true, true) => v - i64::from(p.threshold),
                (true, false) => 0,
            };
            self.membranes[i] = next;
            let r = a + i as u64 * u;
            out.membranes.push((r + 3, i as u64, next, spike));
            if spike {
                spikes.push((r + 4, i));
            }
            if p.integrator {
                self.scores[i - self.network.integrators] += next;
            }
        }
        (a + (self.network.neurons.len() as u64 - 1) * u + 4, spikes)
    }

    /// A step from cycle `s`; `arrivals` are the axons and the cycles in which their flits were sent.
    fn step(&mut self, step: u64, s: u64, arrivals: &[(u64, u64)], credits: &[u64]) -> Trace {
        let mut out = Trace::default();
        let mut busy = BTreeSet::new();
        let (w, network) = (self.shape.synapse_interval(), self.network);
        let (end, spikes);
        if self.shape.structure() == Structure::RingBuffer {
            let slots = 1 << network.slots_log2;
            (end, spikes) = self.update(&mut out, s, step % slots);
            // p and q of the event before, and when the synapse stage is free.
            let (mut taken, mut entered, mut free) = (0, 0, 0);
            for &(sent, axon) in arrivals {
                let visible = (sent + 2).max(taken + 1);
                let p = visible.max(end).max(entered);
                let q = (p + 1).max(free);
                let list = &network.axons[axon as usize].1;
                out.taken.push((p, axon));
                for (i, synapse) in list.iter().enumerate() {
                    let slot = (step + u64::from(synapse.delay)) % slots;
                    self.add(&mut out, q + i as u64 * w, axon as usize, i, slot);
                }
                (taken, entered, free) = (p, q, q + list.len() as u64 * w);
                busy.extend(visible..q + (list.len() as u64 - 1) * w + 3);
            }
        } else {
            let mut at = s + 2;
            let mut again = BTreeMap::new();
            for event in std::mem::take(&mut self.queue) {
                let [axon, age, offset] = event;
                out.delivered.push((at, event));
                let useful = network.useful(axon as usize) >> (age - 1);
                let list = network.axons[axon as usize].1.iter();
                let n = list.filter(|x| u64::from(x.delay) == age).count() as u64;
                for i in 0..n {
                    self.add(&mut out, at + i * w, axon as usize, (offset + i) as usize, 0);
                }
                at += (n * w).max(1);
                if useful >> 1 != 0 {
                    again.insert(at, [axon, age + 1, offset + n]);
                }
            }
            (end, spikes) = self.update(&mut out, at + 2, 0);
            let mut queued = again.clone();
            let mut taken = 0;
            for &(sent, axon) in arrivals {
                let visible = (sent + 2).max(taken + 1);
                let mut p = visible;
                while again.contains_key(&p) {
                    p += 1;
                }
                out.taken.push((p, axon));
                queued.insert(p, [axon, 1, 0]);
                busy.extend(visible..=p);
                taken = p;
            }
            for (cycle, event) in queued {
                if self.queue.len() as u64 == self.shape.queue_depth {
                    self.overflow.get_or_insert(step);
                } else {
                    self.queue.push(event);
                    out.queued.push((cycle, event));
                }
            }
            self.high_water = self.high_water.max(self.queue.len());
        }
        let Sends { flits, busy: sending } =
            sends(self.shape, &spikes, &network.rows, &network.entries, credits, step & 1);
        out.sent = flits;
        busy.extend(sending);
        busy.extend(s..end);
        out.busy = busy.into_iter().collect();
        out
    }
}

/// What is looked at in every cycle.
struct Watch {
    ring: bool,
    probes: BTreeMap<&'static str, Probe>,
    out_flit: Option<u64>,
}

impl Watch {
    fn new(sim: &Simulator, ring: bool) -> Self {
        let both = [
            "received input_axon synapse_read synapse_address accumulator_write accumulator_neuron",
            "accumulator_data soma_write soma_neuron soma_membrane soma_spike sent out_flit out_valid quiet",
            "spike spike_neuron in_credit",
        ];
        let own = if ring {
            "ring_slot ring_head"
        } else {
            "queue_read queue_read_axon queue_read_age queue_read_offset queue_write queue_write_axon \
             queue_write_age queue_write_offset"
        };
        let names = both.into_iter().chain([own]).flat_map(str::split_whitespace);
        Self { ring, probes: names.map(|n| (n, sim.probe(n).unwrap())).collect(), out_flit: None }
    }

    fn get(&self, sim: &mut Simulator, name: &str) -> u64 {
        sim.get(self.probes[name])
    }

    fn cycle(&mut self, sim: &mut Simulator, cycle: u64, out: &mut Trace) {
        let is = |sim: &mut Simulator, name: &str| sim.get(self.probes[name]) == 1;
        if let Some(sent) = self.out_flit.take() {
            assert!(is(sim, "out_valid"), "a flit is on the link in the cycle after its send");
            out.sent.push((sent, self.get(sim, "out_flit")));
        }
        if is(sim, "sent") {
            self.out_flit = Some(cycle);
        }
        assert_eq!(self.get(sim, "received"), self.get(sim, "in_credit"));
        if is(sim, "received") {
            out.taken.push((cycle, self.get(sim, "input_axon")));
        }
        if is(sim, "synapse_read") {
            out.synapses.push((cycle, self.get(sim, "synapse_address")));
        }
        if is(sim, "accumulator_write") {
            let slot = if self.ring { self.get(sim, "ring_slot") } else { 0 };
            let neuron = self.get(sim, "accumulator_neuron");
            out.sums.push((cycle, neuron, slot, sim.get_s(self.probes["accumulator_data"])));
        }
        assert_eq!(is(sim, "spike"), is(sim, "soma_spike"));
        if is(sim, "soma_write") {
            let (neuron, spike) = (self.get(sim, "soma_neuron"), is(sim, "soma_spike"));
            out.membranes.push((cycle, neuron, sim.get_s(self.probes["soma_membrane"]), spike));
        }
        if !self.ring && is(sim, "queue_read") {
            let event = ["queue_read_axon", "queue_read_age", "queue_read_offset"];
            out.delivered.push((cycle, event.map(|n| self.get(sim, n))));
        }
        if !self.ring && is(sim, "queue_write") {
            let event = ["queue_write_axon", "queue_write_age", "queue_write_offset"];
            out.queued.push((cycle, event.map(|n| self.get(sim, n))));
        }
        if !is(sim, "quiet") {
            out.busy.push(cycle);
        }
    }
}

/// How a run is stimulated.
#[derive(Clone, Copy)]
struct Stimulus {
    samples: u64,
    steps: u64,
    /// Most flits that arrive in a step.
    flits: u64,
}

/// Whether any step overflowed.
fn run(def: &Def, shape: &Shape, seed: u64, stimulus: Stimulus) -> bool {
    let structure = shape.structure();
    let ring = structure == Structure::RingBuffer;
    let mut random = Random::new(seed);
    let network = Network::new(shape, &mut random);
    let mut sim = Simulator::new(def);
    network.load(&mut sim, shape);
    let mut overflowed = false;
    for sample in 0..stimulus.samples {
        let at = format!("{structure} seed {seed} sample {sample}");
        set(&mut sim, "clear", 1);
        for _ in 0..=network.accumulators(structure) {
            assert_eq!(sim.peek("clearing").unwrap(), 1, "{at}");
            sim.step().expect("no violation");
            set(&mut sim, "clear", 0);
        }
        assert_eq!(sim.peek("clearing").unwrap(), 0, "{at}");
        assert_eq!(sim.peek("overflow").unwrap(), 0, "{at}");
        let mut model = Model::new(shape, &network);
        for step in 0..stimulus.steps {
            let at = format!("{at} step {step}");
            let s = sim.cycle();
            let mut watch = Watch::new(&sim, ring);
            let (mut got, mut arrivals, mut credits) = (Trace::default(), vec![], vec![]);
            let planned = random.below(stimulus.flits + 1);
            let dense = random.one_in(2);
            // The router's side of the two links.
            let (mut room, mut link, mut held) = (shape.input_depth, None, 0);
            let mut silent = 0;
            while silent < 3 {
                let cycle = sim.cycle();
                assert!(cycle < s + 20_000, "{at}: never quiet");
                set(&mut sim, "start", u64::from(cycle == s));
                set(&mut sim, "first", u64::from(step == 0));
                set(&mut sim, "parity", step & 1);
                set(&mut sim, "in_valid", u64::from(link.is_some()));
                if let Some(axon) = link.take() {
                    set(&mut sim, "in_flit", axon << 1 | (step & 1));
                }
                let wanted = (arrivals.len() as u64) < planned && room > 0;
                if wanted && (dense || random.one_in(4)) {
                    let axon = random.below(shape.axons);
                    arrivals.push((cycle, axon));
                    link = Some(axon);
                    room -= 1;
                }
                let credit = held > 0 && random.one_in(1 + seed % 3);
                set(&mut sim, "out_credit", credit.into());
                if credit {
                    held -= 1;
                    credits.push(cycle);
                }
                watch.cycle(&mut sim, cycle, &mut got);
                held += watch.get(&mut sim, "out_valid");
                room += watch.get(&mut sim, "in_credit");
                let idle = watch.get(&mut sim, "quiet") == 1 && watch.out_flit.is_none();
                let done = idle && held == 0 && arrivals.len() as u64 == planned && link.is_none();
                silent = if done && room == shape.input_depth { silent + 1 } else { 0 };
                sim.step().unwrap_or_else(|v| panic!("{at}: {v}"));
            }
            let expected = model.step(step, s, &arrivals, &credits);
            assert_eq!(got, expected, "{at}, starts in {s}");
            if !ring {
                assert_eq!(sim.peek("queue_high_water").unwrap(), model.high_water as u64, "{at}");
                let latched =
                    (sim.peek("overflow").unwrap() == 1).then(|| sim.peek("overflow_step").unwrap());
                assert_eq!(latched, model.overflow, "{at}");
                overflowed |= latched.is_some();
            }
        }
        set(&mut sim, "out_credit", 0);
        set(&mut sim, "readout", 1);
        for (i, &score) in model.scores.iter().enumerate() {
            set(&mut sim, "readout_address", i as u64);
            sim.step().expect("no violation");
            let data = sim.probe("readout_data").unwrap();
            assert_eq!(sim.get_s(data), score, "{at}");
        }
        set(&mut sim, "readout", 0);
    }
    overflowed
}

const KINDS: [Ports; 2] = [Ports::OneReadOneWrite, Ports::OneRw];

fn random_runs(structure: Structure) {
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let fresh = fresh.as_nanos() as u64;
    println!("fresh seed {fresh}");
    for accumulators in KINDS {
        for membranes in KINDS {
            let platform = platform(accumulators, membranes);
            let shape = Shape::new(&platform, structure);
            let def = core(&platform, structure);
            for seed in (1..12).chain([fresh]) {
                run(&def, &shape, seed, Stimulus { samples: 2, steps: 9, flits: 3 + seed % 4 });
            }
        }
    }
}

#[test]
fn a_ring_core_does_everything_in_the_cycle_of_the_timing() {
    random_runs(Structure::RingBuffer);
}

#[test]
fn a_queue_core_does_everything_in_the_cycle_of_the_timing() {
    random_runs(Structure::SharedQueue);
}

#[test]
fn an_overflow_is_latched_with_its_step_and_the_run_goes_on() {
    let mut platform = platform(Ports::OneReadOneWrite, Ports::OneReadOneWrite);
    platform.shared_queue.depth = 4;
    let shape = Shape::new(&platform, Structure::SharedQueue);
    let def = core(&platform, Structure::SharedQueue);
    let overflows = |seed| run(&def, &shape, seed, Stimulus { samples: 2, steps: 7, flits: 4 });
    assert!((1..8).filter(|&seed| overflows(seed)).count() > 3);
}

#[test]
fn the_smallest_core_works() {
    let mut platform = platform(Ports::OneReadOneWrite, Ports::OneReadOneWrite);
    let p = &mut platform;
    (p.core.neurons, p.core.readouts, p.core.input_axons, p.core.output_axons) = (1, 1, 1, 1);
    (p.mesh.core_buffer, p.mesh.router_buffer) = (1, 1);
    (p.ring_buffer.slots, p.ring_buffer.accumulators) = (2, 2);
    (p.shared_queue.longest_delay, p.shared_queue.depth) = (1, 1);
    assert!(p.problems().is_empty(), "{:?}", p.problems());
    for structure in Structure::ALL {
        let shape = Shape::new(p, structure);
        let def = core(p, structure);
        for seed in 1..6 {
            run(&def, &shape, seed, Stimulus { samples: 1, steps: 6, flits: 2 });
        }
    }
}

#[test]
fn the_example_of_the_timing_takes_its_cycles() {
    let platform = platform(Ports::OneReadOneWrite, Ports::OneReadOneWrite);
    let shape = Shape::new(&platform, Structure::RingBuffer);
    let network = Network {
        slots_log2: 3,
        limit: 1000,
        neurons: vec![NeuronParameters { decay: 0, threshold: 5, subtract: false, integrator: false }],
        integrators: 1,
        shifts: vec![0],
        axons: vec![(0, vec![Synapse { neuron: 0, delay: 1, weight: 7 }])],
        rows: vec![RouteRow { base: 0, count: 0 }],
        entries: vec![],
    };
    let mut sim = Simulator::new(&core(&platform, Structure::RingBuffer));
    network.load(&mut sim, &shape);
    set(&mut sim, "clear", 1);
    sim.step().unwrap();
    set(&mut sim, "clear", 0);
    sim.run(8).unwrap();
    let start = sim.cycle();
    let mut watch = Watch::new(&sim, true);
    let mut got = Trace::default();
    for cycle in 0..12 {
        set(&mut sim, "start", u64::from(cycle == 0));
        set(&mut sim, "first", u64::from(cycle == 0));
        // The router grants in cycle 2; its output register shows the flit in 3.
        set(&mut sim, "in_valid", u64::from(cycle == 3));
        watch.cycle(&mut sim, cycle, &mut got);
        sim.step().unwrap();
    }
    assert_eq!(sim.cycle(), start + 12);
    let expected = Trace {
        taken: vec![(4, 0)],
        synapses: vec![(5, 0)],
        sums: vec![(7, 0, 1, 7)],
        membranes: vec![(3, 0, 0, false)],
        busy: (0..8).collect(),
        ..Trace::default()
    };
    assert_eq!(got, expected);
}

#[test]
fn a_flit_of_another_step_is_a_violation() {
    for structure in Structure::ALL {
        let platform = platform(Ports::OneReadOneWrite, Ports::OneReadOneWrite);
        let shape = Shape::new(&platform, structure);
        let network = Network::new(&shape, &mut Random::new(3));
        let mut sim = Simulator::new(&core(&platform, structure));
        network.load(&mut sim, &shape);
        set(&mut sim, "start", 1);
        set(&mut sim, "first", 1);
        sim.step().unwrap();
        set(&mut sim, "start", 0);
        set(&mut sim, "in_valid", 1);
        set(&mut sim, "in_flit", 1);
        sim.step().unwrap();
        set(&mut sim, "in_valid", 0);
        let violation = (0..40).find_map(|_| sim.step().err()).expect("a violation");
        assert_eq!(violation.name, "parity_fits");
    }
}

#[test]
fn a_step_that_begins_too_early_is_a_violation() {
    for structure in Structure::ALL {
        let platform = platform(Ports::OneReadOneWrite, Ports::OneReadOneWrite);
        let shape = Shape::new(&platform, structure);
        let network = Network::new(&shape, &mut Random::new(3));
        let mut sim = Simulator::new(&core(&platform, structure));
        network.load(&mut sim, &shape);
        set(&mut sim, "start", 1);
        sim.step().unwrap();
        let violation = sim.step().unwrap_err();
        assert!(["start_when_quiet", "start_alone"].contains(&violation.name.as_str()), "{violation}");
    }
}

#[test]
#[ignore = "needs Icarus and Verilator: scripts/setup.sh"]
fn their_verilog_passes_the_linters() {
    for structure in Structure::ALL {
        for (a, m) in [(KINDS[0], KINDS[0]), (KINDS[1], KINDS[1]), (KINDS[0], KINDS[1])] {
            lint(&core(&platform(a, m), structure));
        }
        for (name, _) in Platform::PRESETS {
            lint(&core(&Platform::load(name).expect("a preset"), structure));
        }
    }
}
