//! A core alone, with random networks and random stalls, against the closed form of `TIMING.md`.

use super::core_model::{Model, Network, Synapse, Trace};
use super::queue_core::queue_core;
use super::ring_core::ring_core;
use super::shape::Shape;
use super::test::{Random, command, lint, platform, set};
use crate::layout::{NeuronParameters, RouteRow};
use crate::platform::{Platform, Ports, Structure};
use rtl::verilog::{self, Bench};
use rtl::{Def, Library, Probe, Simulator};
use std::collections::BTreeMap;

fn core(platform: &Platform, structure: Structure) -> Def {
    let library = &mut Library::new();
    match structure {
        Structure::RingBuffer => ring_core(library, platform),
        Structure::SharedQueue => queue_core(library, platform),
    }
    .expect("a right description")
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

/// Runs samples against the model; whether any step overflowed.
fn run(def: &Def, shape: &Shape, seed: u64, stimulus: Stimulus) -> bool {
    run_with(def, shape, seed, stimulus, |_| ())
}

/// The same, with a look at each cycle just before its end.
fn run_with(
    def: &Def,
    shape: &Shape,
    seed: u64,
    stimulus: Stimulus,
    mut look: impl FnMut(&mut Simulator),
) -> bool {
    let mut step_on = |sim: &mut Simulator, at: &str| {
        look(sim);
        sim.step().unwrap_or_else(|v| panic!("{at}: {v}"));
    };
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
            step_on(&mut sim, &at);
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
                step_on(&mut sim, &at);
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
            step_on(&mut sim, &at);
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

#[test]
#[ignore = "needs Icarus: scripts/setup.sh"]
fn their_verilog_computes_what_the_simulator_computes() {
    for structure in Structure::ALL {
        for ports in KINDS {
            let platform = platform(ports, ports);
            let shape = Shape::new(&platform, structure);
            let def = core(&platform, structure);
            let mut bench = Bench::new(&def);
            let mut contents = BTreeMap::new();
            let stimulus = Stimulus { samples: 2, steps: 8, flits: 5 };
            run_with(&def, &shape, 5, stimulus, |sim| {
                if contents.is_empty() {
                    for path in sim.design().memory_paths() {
                        let memory = sim.memory(&path).unwrap();
                        let words = (0..sim.words(memory)).map(|i| sim.word(memory, i)).collect::<Vec<_>>();
                        contents.insert(path, words);
                    }
                }
                bench.sample(sim);
            });
            let dir = tempfile::tempdir().expect("a directory");
            let text = verilog::emit(&def);
            text.write_to(dir.path(), |path| contents.get(path).cloned()).expect("written");
            std::fs::write(dir.path().join("bench.v"), bench.text()).expect("written");
            let vectors = format!("{}.vectors", text.top);
            std::fs::write(dir.path().join(vectors), bench.vectors()).expect("written");
            let mut arguments = vec!["-g2005", "-o", "all.vvp", "bench.v"];
            arguments.extend(text.files.iter().map(|(name, _)| name.as_str()));
            command(dir.path(), "iverilog", &arguments);
            let out = command(dir.path(), "vvp", &["-n", "all.vvp"]);
            assert!(out.contains(&format!("PASS {} cycles", bench.cycles())), "{structure}: {out}");
        }
    }
}
