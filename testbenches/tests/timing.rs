//! The worked example of `hw/TIMING.md`, and laws that follow from it.

use hw::Platform;
use hw::platform::{Injector, Side, Structure};
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use sim::{Options, Outcome, Simulator};
use spikes::Binned;

fn platform(barrier_latency: u32) -> Platform {
    let mut p = Platform::load("loihi").expect("preset");
    (p.mesh.width, p.mesh.height, p.mesh.barrier_latency) = (1, 1, barrier_latency);
    p.mesh.injectors = vec![Injector { x: 0, y: 0, side: Side::West }];
    p
}

/// `fan_out` neurons, each with one synapse of delay 1 from the one input channel.
fn network(fan_out: u32, steps: u32) -> Network {
    let n = fan_out as usize;
    Network {
        name: "example".into(),
        step_ms: 1.0,
        steps,
        membrane_bits: 24,
        classes: Vec::new(),
        populations: vec![
            Population { name: "input".into(), kind: Kind::Input { group: 1 }, size: 1 },
            Population {
                name: "neurons".into(),
                kind: Kind::Lif { reset: Reset::Zero, decay: vec![0; n], threshold: vec![100; n] },
                size: fan_out,
            },
        ],
        projections: vec![Projection {
            name: "all".into(),
            source: 0,
            target: 1,
            weight_shift: 0,
            synapses: (0..fan_out).map(|post| Synapse { pre: 0, post, delay: 1, weight: 1 }).collect(),
        }],
    }
}

fn run(network: &Network, input: Vec<(u32, u32)>, platform: &Platform, structure: Structure) -> Outcome {
    let image = compiler::image(network, b"", platform, structure).expect("fits");
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    simulator.run(&Binned::from_pairs(input, network.steps)).expect("runs")
}

#[test]
fn the_worked_example_takes_the_cycles_it_says() {
    let ring = run(&network(1, 1), vec![(0, 0)], &platform(4), Structure::RingBuffer);
    assert_eq!(ring.cycles, 12);
}

#[test]
fn a_step_without_spikes_costs_update_and_barrier() {
    for latency in [1, 4, 17] {
        let platform = platform(latency);
        let ring = run(&network(5, 3), Vec::new(), &platform, Structure::RingBuffer);
        // (N - 1) + 4 cycles of update, then the barrier.
        assert_eq!(ring.cycles, 3 * (8 + u64::from(latency)));
        let queue = run(&network(5, 3), Vec::new(), &platform, Structure::SharedQueue);
        assert_eq!(queue.cycles, 3 * (4 + 8 + u64::from(latency)));
    }
}

#[test]
fn one_synapse_takes_one_cycle_and_two_on_a_single_port() {
    let cycles = |fan_out: u32, ports| {
        let mut platform = platform(4);
        platform.ring_buffer.accumulator_ports = ports;
        let outcome = run(&network(fan_out, 1), vec![(0, 0)], &platform, Structure::RingBuffer);
        outcome.cycles
    };
    use hw::platform::Ports::{OneReadOneWrite, OneRw};
    // Update of 100 neurons until cycle 103; the event then passes its synapses.
    assert_eq!(cycles(100, OneReadOneWrite), 103 + 1 + 99 + 3 + 4);
    assert_eq!(cycles(100, OneRw), 202 + 1 + 2 * 99 + 3 + 4);
}

#[test]
fn a_queued_event_costs_a_cycle_for_each_age_it_waits() {
    // One synapse of delay 3: two skips, then one addition.
    let mut late = network(1, 5);
    late.projections[0].synapses[0].delay = 3;
    let quiet = run(&late, Vec::new(), &platform(4), Structure::SharedQueue).cycles;
    let outcome = run(&late, vec![(0, 0)], &platform(4), Structure::SharedQueue);
    // Three visits of a cycle each, beside a step 0 that ends no later for one arrival.
    assert_eq!(outcome.cycles, quiet + 3);
    let core = &outcome.cores[0];
    assert_eq!((core.skipped, core.delivered, core.dropped, core.queue_peak), (2, 1, 1, 1));
}
