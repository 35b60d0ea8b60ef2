//! Contention on the mesh takes the cycles that `hw/TIMING.md` predicts: no formula stands in for traffic.

use hw::Platform;
use hw::platform::{Injector, Ports, Side, Structure};
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use sim::probe::NoProbe;
use sim::series::Held;
use sim::steps::{Record, Recorder};
use sim::{Error, Options, Outcome, Simulator};
use spikes::Binned;

/// Cores of `neurons` neurons in a row; deep buffers, one injector at the west end.
fn row(width: u16, neurons: u32) -> Platform {
    let mut p = Platform::load("loihi").expect("preset");
    (p.mesh.width, p.mesh.height, p.mesh.barrier_latency) = (width, 1, 5);
    (p.mesh.router_buffer, p.mesh.core_buffer) = (8, 8);
    p.mesh.injectors = vec![Injector { x: 0, y: 0, side: Side::West }];
    (p.core.neurons, p.core.readouts) = (neurons, 1);
    p
}

fn lif(name: &str, size: u32, threshold: i32) -> Population {
    let n = size as usize;
    let kind = Kind::Lif { reset: Reset::Zero, decay: vec![0; n], threshold: vec![threshold; n] };
    Population { name: name.into(), kind, size }
}

fn join(name: &str, source: usize, target: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Projection {
    let synapses = pairs.map(|(pre, post)| Synapse { pre, post, delay: 1, weight: 1 }).collect();
    Projection { name: name.into(), source, target, weight_shift: 0, synapses }
}

fn network(steps: u32, channels: u32, lifs: Vec<Population>, projections: Vec<Projection>) -> Network {
    let mut populations =
        vec![Population { name: "input".into(), kind: Kind::Input { group: 1 }, size: channels }];
    populations.extend(lifs);
    let name = "contention".into();
    Network { name, step_ms: 1.0, steps, membrane_bits: 24, classes: Vec::new(), populations, projections }
}

/// Runs with every channel spiking in step 0. The shared queue takes an arrival in every cycle, so that
/// only the mesh is in the way.
fn run(network: &Network, platform: &Platform, structure: Structure) -> Outcome {
    let channels = network.populations[0].size;
    let input = Binned::from_pairs((0..channels).map(|c| (0, c)).collect(), network.steps);
    let image = compiler::image(network, b"", platform, structure).expect("fits");
    Simulator::new(&image, structure, Options::default()).expect("built").run(&input).expect("runs")
}

/// `n` channels, each to the one neuron of the core at the injector.
fn funnel(n: u32) -> Network {
    let all = join("all", 0, 1, (0..n).map(|c| (c, 0)));
    network(1, n, vec![lif("one", 1, 1 << 20)], vec![all])
}

/// Section 2: the cycle in which the last of `n` flits is sent, from 0, over buffers of a depth.
fn last_sent(n: u64, depth: u16) -> u64 {
    match depth {
        1 => 3 * (n - 1),
        2 => 3 * ((n - 1) / 2) + (n - 1) % 2,
        _ => n - 1,
    }
}

#[test]
fn router_buffers_of_depth_1_2_and_3_pass_a_third_two_thirds_and_all() {
    for n in [60u32, 61] {
        for (router, core) in [(1, 8), (2, 8), (3, 8), (8, 8), (8, 1), (8, 2), (8, 3), (1, 1), (2, 1)] {
            let mut platform = row(1, 1);
            (platform.mesh.router_buffer, platform.mesh.core_buffer) = (router, core);
            let outcome = run(&funnel(n), &platform, Structure::SharedQueue);
            // Two links to the port, where it is taken at once; quiet in the next cycle, then the barrier.
            let last = last_sent(n.into(), router.min(core));
            assert_eq!(outcome.cycles, last + 4 + 1 + 5, "{n} flits, router {router}, core {core}");
            if (router, core) == (1, 8) {
                assert_eq!(outcome.injector_stalls, 2 * u64::from(n - 1), "one flit in three cycles");
            }
        }
    }
}

#[test]
fn halving_the_injectors_doubles_the_cycles_of_injection() {
    let n = 64;
    let cycles = |injectors: &[Injector]| {
        // Two cores, so that both ways out are free.
        let mut platform = row(2, 1);
        platform.mesh.injectors = injectors.into();
        let each = join("each", 0, 1, (0..n).map(|c| (c, c % 2)));
        let network = network(1, n, vec![lif("two", 2, 1 << 20)], vec![each]);
        run(&network, &platform, Structure::SharedQueue).cycles
    };
    let west = Injector { x: 0, y: 0, side: Side::West };
    let east = Injector { x: 1, y: 0, side: Side::East };
    // Channels alternate between injectors as between cores, so with two nothing crosses.
    assert_eq!(cycles(&[west, east]), u64::from(n / 2) - 1 + 4 + 1 + 5);
    // With one, the last flit goes one hop further.
    assert_eq!(cycles(&[west]), u64::from(n) - 1 + 6 + 1 + 5);
}

/// Populations `a` at (0, 0) and `b` at (2, 0) of `k` neurons fire in step 1, each neuron into `c`
/// between them, where they may.
fn two_to_one(k: u32, a_fires: bool, b_fires: bool) -> Network {
    let threshold = |fires| if fires { 1 } else { 1 << 20 };
    let all = |n: u32| (0..n).map(|i| (i, i));
    let to_first = || (0..k).map(|i| (i, 0));
    network(
        2,
        k,
        vec![lif("a", k, threshold(a_fires)), lif("c", k, 1 << 20), lif("b", k, threshold(b_fires))],
        vec![
            join("in a", 0, 1, all(k)),
            join("in b", 0, 3, all(k)),
            join("a c", 1, 2, to_first()),
            join("b c", 3, 2, to_first()),
        ],
    )
}

#[test]
fn two_cores_to_one_port_take_longer_than_either_alone() {
    let k = 40;
    for structure in Structure::ALL {
        let cycles = |a, b| run(&two_to_one(k, a, b), &row(3, k), structure).cycles;
        let (none, a, b, both) =
            (cycles(false, false), cycles(true, false), cycles(false, true), cycles(true, true));
        assert_eq!(a, b, "both are one hop away");
        assert!(none < a);
        // One flit a cycle leaves by the port: the flits of the second add a cycle each.
        assert_eq!(both, a + u64::from(k), "{structure}");
    }
}

#[test]
fn waiting_for_a_port_is_counted() {
    let stalls = |a, b| run(&two_to_one(40, a, b), &row(3, 40), Structure::SharedQueue).router_stalls;
    let alone = stalls(true, false);
    assert!(stalls(true, true) > alone + 40);
}

#[test]
fn a_hop_costs_two_cycles() {
    // The last core of the row takes part only in the longer one.
    let cycles = |width: u16| {
        let one = join("one", 0, 1, std::iter::once((0, u32::from(width) - 1)));
        let network = network(1, 1, vec![lif("all", width.into(), 1 << 20)], vec![one]);
        run(&network, &row(width, 1), Structure::SharedQueue).cycles
    };
    // Sent in 0, at the port 2 (h + 2) later; but never before the update of the one neuron ends.
    for width in 4..9 {
        let hops = u64::from(width) - 1;
        assert_eq!(cycles(width), 2 * (hops + 2) + 1 + 5, "{hops} hops");
    }
}

/// A port that takes a flit every 128 cycles, behind buffers of one flit, from these sides of core (0, 0).
fn slow_port(sides: &[Side]) {
    let mut platform = row(1, 64);
    (platform.mesh.router_buffer, platform.mesh.core_buffer) = (1, 1);
    platform.ring_buffer.accumulator_ports = Ports::OneRw;
    platform.mesh.injectors = sides.iter().map(|&side| Injector { x: 0, y: 0, side }).collect();
    let channels = 8 * sides.len() as u32;
    let all = join("all", 0, 1, (0..channels).flat_map(|c| (0..64).map(move |n| (c, n))));
    let network = network(2, channels, vec![lif("many", 64, 1 << 20)], vec![all]);
    let image = compiler::image(&network, b"", &platform, Structure::RingBuffer).expect("fits");
    let simulator = |patience| {
        let options = Options { patience, ..Options::default() };
        Simulator::new(&image, Structure::RingBuffer, options).expect("built")
    };
    let input = Binned::from_pairs((0..channels).map(|c| (0, c)).collect(), network.steps);
    let expected = simulator(None).run(&input).expect("runs");
    assert!(expected.cycles > 128 * u64::from(channels - 1), "two cycles a synapse");
    assert_eq!(simulator(Some(1000)).run(&input).expect("is patient"), expected);

    let mut hasty = simulator(Some(100));
    let error = hasty.run(&input).expect_err("nothing moves for longer than 100 cycles");
    assert_eq!(error.status(), 1);
    let text = error.to_string();
    assert!(text.contains("no flit moves in the next 100 cycles"), "{text}");
    let Error::Deadlock { step: 0, waiting, .. } = error else { panic!("{text}") };
    for side in sides {
        let says = format!(
            "router (0, 0) {} holds 1 of 1 flits, the first for core (0, 0) waits for the input port of core (0, 0)",
            sim::mesh::Port::of(*side).name()
        );
        assert!(waiting.contains(&says), "{says}: {waiting:?}");
    }
    assert_eq!(waiting.len(), sides.len());

    // One flit does not wait for another: the deadlock has left nothing behind.
    let single = Binned::from_pairs(vec![(1, 0)], network.steps);
    let after = hasty.run(&single).expect("runs");
    assert_eq!(after, simulator(None).run(&single).expect("runs"));
}

#[test]
fn a_port_slower_than_the_patience_is_a_deadlock_that_says_who_waits_for_it() {
    slow_port(&[Side::West, Side::North]);
}

#[test]
fn so_it_is_where_a_buffer_runs_alone() {
    slow_port(&[Side::West]);
}

/// As [`run`], recorded.
fn record(network: &Network, platform: &Platform, structure: Structure) -> Record {
    let channels = network.populations[0].size;
    let input = Binned::from_pairs((0..channels).map(|c| (0, c)).collect(), network.steps);
    let image = compiler::image(network, b"", platform, structure).expect("fits");
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    Recorder::new(&simulator).run(&mut simulator, &input, &mut NoProbe).expect("runs").1
}

fn held(record: &Record, step: usize) -> (&str, &str) {
    let Held { part, component } = &record.chip.held[step][0].held;
    (part, component)
}

#[test]
fn a_step_is_held_by_the_core_whose_synapses_kept_the_mesh_full_not_by_the_injector_that_waited() {
    // The injector is a router away from the core that is slow.
    for depth in [1, 2, 8] {
        let mut platform = row(2, 64);
        (platform.mesh.router_buffer, platform.mesh.core_buffer) = (depth, depth);
        platform.ring_buffer.accumulator_ports = Ports::OneRw;
        platform.mesh.injectors[0] = Injector { x: 1, y: 0, side: Side::East };
        let n = 40u32;
        let all = join("all", 0, 1, (0..n).flat_map(|c| (0..64).map(move |i| (c, i))));
        let network = network(1, n, vec![lif("many", 64, 1 << 20)], vec![all]);
        let record = record(&network, &platform, Structure::RingBuffer);
        assert_eq!(held(&record, 0), ("synapses", "core_0_0"), "buffers of {depth}");
        // All synapses but those of the first flit, which is taken while the neurons are updated or later.
        assert!(record.chip.path.synapses[0] >= 128 * u64::from(n - 1), "{:?}", record.chip.path);
    }
}

#[test]
fn a_step_is_held_by_the_link_whose_credits_come_back_late() {
    let n = 60;
    let mut platform = row(1, 1);
    platform.mesh.router_buffer = 1;
    let record = record(&funnel(n), &platform, Structure::SharedQueue);
    // Three cycles from flit to flit on the link from the injector, and the way of one to the port.
    assert_eq!(record.chip.path.mesh[0], 3 * u64::from(n - 1) + 4);
    assert_eq!(held(&record, 0), ("mesh", "router_0_0"));
}

#[test]
fn a_step_is_held_by_the_output_at_which_two_cores_take_turns() {
    let record = record(&two_to_one(40, true, true), &row(3, 40), Structure::SharedQueue);
    assert_eq!(held(&record, 1), ("mesh", "router_1_0.local"));
}

#[test]
fn a_step_is_held_by_the_queue_that_streams() {
    let mut network = funnel(60);
    network.steps = 2;
    let record = record(&network, &row(1, 1), Structure::SharedQueue);
    // Filled in two cycles, 60 events of one synapse, two cycles to the accumulators.
    assert_eq!(record.chip.path.queue[1], 2 + 60 + 2);
    assert_eq!(held(&record, 1), ("queue", "core_0_0"));
}
