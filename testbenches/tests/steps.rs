//! Statistics by step: they add up to the counts of the sample, and what held a barrier adds up to its cycles.

use hw::image::CoreImage;
use hw::layout::{Memory, Widths};
use hw::platform::Ports;
use hw::{Image, Platform, Structure};
use model::network::Network;
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use sim::mesh::{Flit, Port};
use sim::probe::{NoProbe, Phase, Probe, SynapticOperation};
use sim::series::{CoreSeries, Held, RouterSeries};
use sim::stats::CoreStats;
use sim::steps::{Record, Recorder};
use sim::{Options, Outcome, Simulator};
use spikes::Binned;
use std::cell::Cell;
use std::collections::VecDeque;
use testbenches::random::{self, cases, fresh_seed, rng};

/// A buffer as a probe sees it: when each flit in it can be at its head.
#[derive(Default, Clone)]
struct Fifo {
    visible: VecDeque<u64>,
    /// First cycle after the last flit that left.
    head: u64,
}

impl Fifo {
    fn enter(&mut self, sent: u64) {
        self.visible.push_back(sent + 2);
    }

    /// Cycles that the flit that leaves has waited at the head.
    fn leave(&mut self, cycle: u64) -> u64 {
        let visible = self.visible.pop_front().expect("a flit that entered");
        let waited = cycle - visible.max(self.head);
        self.head = cycle + 1;
        waited
    }
}

/// What a core and its router do in a step, counted event by event.
#[derive(Default, Clone)]
struct Counted {
    arrivals: u64,
    arrival_stalls: u64,
    update_stalls: u64,
    operations: u64,
    /// Events that the queue streams, those of them that no synapse follows, and those that are written again.
    read: u64,
    bare: u64,
    again: u64,
    updates: u64,
    /// Cycles of the update.
    update: u64,
    spikes: u64,
    flits: u64,
    send_stalls: u64,
    router_stalls: u64,
    /// First cycle after all of that.
    quiet: u64,
}

/// A fine probe that counts for itself.
struct Seen {
    platform: Platform,
    structure: Structure,
    /// Core of a router, and router of a core.
    core_of: Vec<Option<usize>>,
    router_of: Vec<usize>,
    counted: Vec<Vec<Counted>>,
    hops: Vec<u64>,
    router_stalls: Vec<u64>,
    injector_stalls: Vec<u64>,
    /// By injector: first cycle in which it can send the next.
    ready: Vec<u64>,
    releases: Vec<u64>,
    /// Five inputs of each router, then the port of its core.
    buffers: Vec<[Fifo; 6]>,
    step: usize,
    start: u64,
    /// By core and neuron: flits of a spike, from the image.
    routes: Vec<Vec<u32>>,
    /// By core, of this step: when each of its spikes is at the head of the FIFO and how many flits it has, when each flit
    /// was sent, and when it left the router's buffer.
    fired: Vec<Vec<(u64, u32)>>,
    sent: Vec<Vec<u64>>,
    left: Vec<Vec<u64>>,
    /// By core: start of its update, and whether the last event streamed had no synapse yet.
    update: Vec<u64>,
    /// Cycle from which each takes flits (ring buffer).
    accept: Vec<u64>,
    bare: Vec<bool>,
}

impl Seen {
    fn new(simulator: &Simulator, image: &Image, structure: Structure) -> Self {
        let program = simulator.program();
        let (cores, steps) = (program.cores(), program.network.steps as usize);
        let mesh = &program.platform.mesh;
        let routers = usize::from(mesh.width) * usize::from(mesh.height);
        let place = |core| {
            let (x, y) = program.place(core);
            usize::from(y) * usize::from(mesh.width) + usize::from(x)
        };
        let router_of: Vec<_> = (0..cores).map(place).collect();
        Self {
            platform: program.platform.clone(),
            structure,
            core_of: (0..routers).map(|r| router_of.iter().position(|&of| of == r)).collect(),
            router_of,
            counted: vec![vec![Counted::default(); cores]; steps],
            hops: vec![0; steps],
            router_stalls: vec![0; steps],
            injector_stalls: vec![0; steps],
            ready: vec![0; mesh.injectors.len()],
            releases: Vec::new(),
            buffers: vec![Default::default(); routers],
            step: 0,
            start: 0,
            routes: routes(image, structure),
            fired: vec![Vec::new(); cores],
            sent: vec![Vec::new(); cores],
            left: vec![Vec::new(); cores],
            update: vec![0; cores],
            accept: vec![0; cores],
            bare: vec![false; cores],
        }
    }

    fn at(&mut self, core: usize) -> &mut Counted {
        &mut self.counted[self.step][core]
    }

    fn busy_until(&mut self, core: usize, cycle: u64) {
        let quiet = &mut self.at(core).quiet;
        *quiet = cycle.max(*quiet);
    }

    /// Follows the sender of a core through a step: `hw/TIMING.md`, section 6.
    fn follow_sender(&mut self, core: usize) {
        let buffer = usize::from(self.platform.mesh.router_buffer);
        let (mut sent, mut number) = (self.sent[core].iter().copied(), 0);
        // When a spike's first route entry is addressed, and when its last flit is sent.
        let (mut addressed, mut last, mut stalls) = (0, 0, 0);
        for &(visible, flits) in &self.fired[core] {
            let popped = visible.max(addressed);
            addressed = last.max(popped + 1);
            last = addressed;
            for _ in 0..flits {
                let ready = last + 1;
                let credit = usize::checked_sub(number, buffer).map_or(0, |n| self.left[core][n] + 1);
                last = sent.next().expect("all flits are sent");
                assert_eq!(last, ready.max(credit), "core {core}, step {}: flit {number}", self.step);
                stalls += last - ready;
                number += 1;
            }
            if flits == 0 {
                last = addressed + 1;
            }
        }
        assert_eq!(sent.next(), None, "core {core}, step {}: a flit of no spike", self.step);
        self.at(core).send_stalls = stalls;
        if !self.fired[core].is_empty() {
            self.busy_until(core, last + 1);
        }
    }
}

/// Flits that a spike of each neuron of each core sends.
fn routes(image: &Image, structure: Structure) -> Vec<Vec<u32>> {
    let widths = Widths::new(&image.platform, structure);
    let build = image.builds.iter().find(|b| b.structure == structure).expect("built");
    let rows = |core: &CoreImage| {
        core.words(Memory::RouteIndex).iter().map(|&word| widths.route_row(word).count).collect()
    };
    build.cores.iter().map(rows).collect()
}

impl Probe for Seen {
    fn step(&mut self, cycle: u64, step: u32) {
        (self.step, self.start) = (step as usize, cycle);
        [&mut self.sent, &mut self.left].into_iter().flatten().for_each(Vec::clear);
        self.fired.iter_mut().for_each(Vec::clear);
        self.ready.fill(cycle);
    }
    fn barrier(&mut self, _: u64, release: u64) {
        self.releases.push(release);
        (0..self.fired.len()).for_each(|core| self.follow_sender(core));
    }
    fn phase(&mut self, cycle: u64, core: usize, phase: Phase) {
        match phase {
            Phase::Update => self.update[core] = cycle,
            Phase::Accept => {
                self.at(core).update = cycle - self.update[core];
                self.accept[core] = cycle;
                self.busy_until(core, cycle);
            }
            Phase::Deliver => {}
        }
    }
    fn synapse(&mut self, cycle: u64, core: usize, _: SynapticOperation) {
        let bare = std::mem::take(&mut self.bare[core]);
        let counted = self.at(core);
        counted.operations += 1;
        counted.bare -= u64::from(bare);
        if self.structure == Structure::RingBuffer {
            // Addressed, read, and written two cycles later.
            self.busy_until(core, cycle + 3);
        }
    }
    fn membrane(&mut self, cycle: u64, core: usize, neuron: u32, _: u32, _: i32, spike: bool) {
        let counted = self.at(core);
        counted.updates += 1;
        counted.spikes += u64::from(spike);
        if spike {
            self.fired[core].push((cycle + 1, self.routes[core][neuron as usize]));
        }
    }
    fn queue_read(&mut self, _: u64, core: usize, _: hw::layout::QueueEvent) {
        self.bare[core] = true;
        let counted = self.at(core);
        counted.read += 1;
        counted.bare += 1;
    }
    fn queue_write(&mut self, _: u64, core: usize, event: hw::layout::QueueEvent) {
        self.at(core).again += u64::from(event.age > 1);
    }
    fn router_input(&mut self, cycle: u64, router: usize, port: Port) {
        let waited = self.buffers[router][port as usize].leave(cycle);
        self.router_stalls[self.step] += waited;
        if let Some(core) = self.core_of[router] {
            self.at(core).router_stalls += waited;
            if port == Port::Local {
                self.left[core].push(cycle);
            }
        }
    }
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, _: Flit) {
        self.hops[self.step] += u64::from(port != Port::Local);
        let width = usize::from(self.platform.mesh.width);
        let (router, input) = match port {
            Port::North => (router - width, Port::South as usize),
            Port::East => (router + 1, Port::West as usize),
            Port::South => (router + width, Port::North as usize),
            Port::West => (router - 1, Port::East as usize),
            Port::Local => (router, 5),
        };
        self.buffers[router][input].enter(cycle);
    }
    fn core_output(&mut self, cycle: u64, core: usize, _: Flit) {
        self.buffers[self.router_of[core]][Port::Local as usize].enter(cycle);
        self.at(core).flits += 1;
        self.sent[core].push(cycle);
    }
    fn injector_output(&mut self, cycle: u64, injector: usize, _: Flit) {
        let at = &self.platform.mesh.injectors[injector];
        let router = usize::from(at.y) * usize::from(self.platform.mesh.width) + usize::from(at.x);
        self.buffers[router][Port::of(at.side) as usize].enter(cycle);
        self.injector_stalls[self.step] += cycle - self.ready[injector];
        self.ready[injector] = cycle + 1;
    }
    fn core_input(&mut self, cycle: u64, core: usize, _: Flit) {
        let waited = self.buffers[self.router_of[core]][5].leave(cycle);
        let updating = self.accept[core].saturating_sub(cycle - waited).min(waited);
        let ring = self.structure == Structure::RingBuffer;
        let counted = self.at(core);
        counted.arrivals += 1;
        counted.arrival_stalls += waited;
        counted.update_stalls += if ring { updating } else { 0 };
        self.busy_until(core, cycle + 1);
    }
}

/// Synaptic operations that the spikes of each step give rise to, and those of them due past the end: from the network.
fn emitted(network: &Network, input: &Binned, outcome: &Outcome) -> (Vec<u64>, Vec<u64>) {
    let steps = network.steps;
    let source = network.input() as u32;
    let spikes = outcome.spikes.iter().map(|s| (s.step, s.population, s.neuron));
    let inputs = (0..steps).flat_map(|t| input.step(t).iter().map(move |&c| (t, source, c)));
    let (mut all, mut lost) = (vec![0; steps as usize], vec![0; steps as usize]);
    for (t, population, neuron) in spikes.chain(inputs) {
        for p in network.projections.iter().filter(|p| p.source as u32 == population) {
            for s in p.synapses.iter().filter(|s| s.weight != 0 && s.pre == neuron) {
                all[t as usize] += 1;
                lost[t as usize] += u64::from(t + u32::from(s.delay) >= steps);
            }
        }
    }
    (all, lost)
}

fn total(series: &[u64]) -> u64 {
    series.iter().sum()
}

/// Everything that must hold of a record, for both structures.
fn check(record: &Record, outcome: &Outcome, seen: &Seen, emitted: &(Vec<u64>, Vec<u64>)) {
    let (structure, platform) = (seen.structure, &seen.platform);
    for (i, (core, counts)) in record.cores.iter().zip(&outcome.cores).enumerate() {
        let sums = CoreStats {
            arrivals: total(&core.arrivals),
            arrival_stalls: total(&core.arrival_stalls),
            update_stalls: total(&core.update_stalls),
            delivered: total(&core.delivered),
            skipped: total(&core.skipped),
            dropped: total(&core.dropped),
            synaptic_operations: total(&core.performed),
            lost: total(&core.lost),
            updates: total(&core.updates),
            spikes: total(&core.spikes),
            flits_sent: total(&core.flits_sent),
            send_stalls: total(&core.send_stalls),
            queue_peak: core.queue_peak.iter().copied().max().unwrap_or(0),
        };
        assert_eq!(&sums, counts, "{structure}, core {i}");
        let releases = &seen.releases;
        let ports = match structure {
            Structure::RingBuffer => platform.ring_buffer.accumulator_ports,
            Structure::SharedQueue => platform.shared_queue.accumulator_ports,
        };
        let interval = if ports == Ports::OneRw { 2 } else { 1 };
        let mut waiting = 0;
        for (t, seen) in seen.counted.iter().enumerate() {
            let (seen, release) = (&seen[i], releases[t]);
            let at = format!("{structure}, core {i}, step {t}");
            assert_eq!(
                (core.arrivals[t], core.arrival_stalls[t], core.update_stalls[t]),
                (seen.arrivals, seen.arrival_stalls, seen.update_stalls),
                "{at}"
            );
            assert!(core.arrival_stalls[t] <= record.chip.chip.cycles[t], "{at}: one head a cycle");
            assert_eq!(core.performed[t], seen.operations, "{at}: synaptic operations");
            assert_eq!(
                (core.delivered[t], core.skipped[t]),
                (seen.read - seen.bare, seen.bare),
                "{at}: events"
            );
            assert_eq!(core.dropped[t], seen.read - seen.again, "{at}: events");
            if structure == Structure::SharedQueue {
                waiting += seen.arrivals;
                waiting -= seen.read - seen.again;
            }
            assert_eq!(core.queue_peak[t], waiting, "{at}: events that wait");
            assert_eq!((core.updates[t], core.spikes[t]), (seen.updates, seen.spikes), "{at}");
            assert_eq!((core.flits_sent[t], core.router_stalls[t]), (seen.flits, seen.router_stalls), "{at}");
            assert_eq!(core.send_stalls[t], seen.send_stalls, "{at}: waiting for credits that were late");
            assert_eq!(core.busy[t], seen.update + seen.operations * interval + seen.bare, "{at}: busy");
            assert_eq!(core.barrier_wait[t], release - seen.quiet, "{at}: barrier");
        }
        for (t, &cycles) in record.chip.chip.cycles.iter().enumerate() {
            assert!(core.busy[t] <= cycles, "{structure}, core {i}, step {t}");
            assert!(core.barrier_wait[t] >= u64::from(platform.mesh.barrier_latency));
            assert!(
                core.busy[t] + core.barrier_wait[t] <= cycles + 8,
                "what is not waiting is work or a flit's way"
            );
        }
        let lost = if structure == Structure::SharedQueue { total(&core.lost) } else { 0 };
        assert_eq!(total(&core.emitted), counts.synaptic_operations + lost);
    }
    for (t, (&all, &late)) in emitted.0.iter().zip(&emitted.1).enumerate() {
        let sum = |f: fn(&CoreSeries) -> &[u64]| record.cores.iter().map(|c| f(c)[t]).sum::<u64>();
        assert_eq!(sum(|c| &c.emitted), all, "{structure}, step {t}: operations emitted");
        assert_eq!(sum(|c| &c.lost), late, "{structure}, step {t}: operations lost");
    }
    let chip = &record.chip.chip;
    assert_eq!((&chip.hops, &chip.router_stalls), (&seen.hops, &seen.router_stalls));
    assert_eq!(total(&chip.cycles), outcome.cycles);
    assert_eq!((total(&chip.hops), total(&chip.injected)), (outcome.hops, outcome.injected));
    assert_eq!(total(&chip.router_stalls), outcome.router_stalls);
    assert_eq!(total(&chip.grant_stalls), outcome.grant_stalls);
    // What cores' own routers and the others did is what the chip did.
    for t in 0..chip.cycles.len() {
        let own = |f: fn(&CoreSeries) -> &[u64]| record.cores.iter().map(|c| f(c)[t]).sum::<u64>();
        let other =
            |f: fn(&RouterSeries) -> &[u64]| record.routers.iter().map(|(_, _, r)| f(r)[t]).sum::<u64>();
        assert_eq!(own(|c| &c.hops) + other(|r| &r.hops), chip.hops[t]);
        assert_eq!(own(|c| &c.router_stalls) + other(|r| &r.router_stalls), chip.router_stalls[t]);
        assert_eq!(own(|c| &c.grant_stalls) + other(|r| &r.grant_stalls), chip.grant_stalls[t]);
    }
    assert_eq!(chip.injector_stalls, seen.injector_stalls);
    assert_eq!(total(&chip.injector_stalls), outcome.injector_stalls);
    let path = record.chip.path.all();
    for (t, &cycles) in chip.cycles.iter().enumerate() {
        let parts: u64 = path.iter().map(|part| part[t]).sum();
        assert_eq!(parts, cycles, "{structure}, step {t}: the parts of the critical path");
        assert_eq!(record.chip.held[t].len(), 1);
        assert_eq!(record.chip.path.barrier[t], u64::from(platform.mesh.barrier_latency));
    }
}

fn series_add_up(cases: u32, rng: TestRng) {
    let ran = Cell::new(0u32);
    TestRunner::new_with_rng(testbenches::keeping(cases), rng)
        .run(&random::case(), |(network, input, platform)| {
            let mut fitted = false;
            for structure in Structure::ALL {
                let Ok(image) = compiler::image(&network, b"", &platform, structure) else { continue };
                fitted = true;
                let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
                let plain = simulator.run(&input).expect("runs");
                let mut seen = Seen::new(&simulator, &image, structure);
                let mut recorder = Recorder::new(&simulator);
                let (outcome, record) = recorder.run(&mut simulator, &input, &mut seen).expect("runs");
                prop_assert_eq!(&outcome, &plain, "recording changes nothing");
                check(&record, &outcome, &seen, &emitted(&network, &input, &outcome));
                let (again, alone) = recorder.run(&mut simulator, &input, &mut NoProbe).expect("runs");
                prop_assert_eq!((again, alone), (plain, record), "nor does a fine probe beside it");
            }
            ran.set(ran.get() + u32::from(fitted));
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(ran.get() > cases / 2, "only {} of {cases} networks fitted their platform", ran.get());
}

#[test]
fn series_add_up_to_the_counts_and_paths_to_the_cycles_for_a_fixed_seed() {
    series_add_up(cases(48), rng(31));
}

#[test]
fn series_add_up_to_the_counts_and_paths_to_the_cycles_for_a_fresh_seed() {
    series_add_up(cases(16), rng(fresh_seed()));
}

/// One input, one neuron, one core: `hw/TIMING.md`, section 9.
#[test]
fn the_worked_example_names_what_held_its_barrier() {
    use model::network::{Kind, Population, Projection, Reset, Synapse};
    let mut platform = Platform::load("loihi").expect("preset");
    (platform.mesh.width, platform.mesh.height, platform.mesh.barrier_latency) = (1, 1, 4);
    platform.mesh.injectors.truncate(1);
    (platform.mesh.injectors[0].x, platform.mesh.injectors[0].y) = (0, 0);
    platform.mesh.injectors[0].side = hw::platform::Side::West;
    let lif = Kind::Lif { reset: Reset::Zero, decay: vec![0], threshold: vec![100] };
    let network = Network {
        name: "one".into(),
        step_ms: 1.0,
        steps: 2,
        membrane_bits: 24,
        classes: Vec::new(),
        populations: vec![
            Population { name: "in".into(), kind: Kind::Input { group: 1 }, size: 1 },
            Population { name: "out".into(), kind: lif, size: 1 },
        ],
        projections: vec![Projection {
            name: "one".into(),
            source: 0,
            target: 1,
            weight_shift: 0,
            synapses: vec![Synapse { pre: 0, post: 0, delay: 1, weight: 1 }],
        }],
    };
    let image = compiler::image(&network, b"", &platform, Structure::RingBuffer).expect("fits");
    let mut simulator = Simulator::new(&image, Structure::RingBuffer, Options::default()).expect("built");
    let input = Binned::from_pairs(vec![(0, 0)], 2);
    let (_, record) = Recorder::new(&simulator).run(&mut simulator, &input, &mut NoProbe).expect("runs");
    let path = &record.chip.path;
    // Sent in 0, at the head of the port in 4 and taken, quiet in 8; then four cycles of barrier.
    assert_eq!(
        (path.sender[0], path.mesh[0], path.port[0], path.synapses[0], path.barrier[0]),
        (0, 4, 0, 4, 4)
    );
    // Nothing arrives: the update alone.
    assert_eq!((path.update[1], path.barrier[1], record.chip.chip.cycles[1]), (4, 4, 8));
    let held = |t: usize| record.chip.held[t][0].held.clone();
    assert_eq!(held(0), Held { part: "mesh".into(), component: "router_0_0".into() });
    assert_eq!(held(1), Held { part: "update".into(), component: "core_0_0".into() });
    let core = &record.cores[0];
    assert_eq!((&core.arrivals[..], &core.busy[..]), (&[1, 0][..], &[5, 4][..]));
}
