//! Golden model and simulator agree on any network, however it is cut, on both structures.

use hw::Platform;
use hw::image::Image;
use hw::platform::Structure;
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use sim::{Options, Outcome, Simulator};
use spikes::Binned;
use testbenches::random::{self, cases, fresh_seed, rng};

/// Runs a network that fits; `None` where it does not.
fn simulate(network: &Network, input: &Binned, platform: &Platform, structure: Structure) -> Option<Outcome> {
    let image = compiler::image(network, b"", platform, structure).ok()?;
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    Some(simulator.run(input).expect("runs"))
}

fn agree(network: &Network, input: &Binned, platform: &Platform) -> Result<bool, TestCaseError> {
    network.validate().map_err(|e| TestCaseError::fail(e.to_string()))?;
    let golden = model::golden::run(network, input);
    let expected: Vec<_> = golden.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
    let mut ran = false;
    for structure in Structure::ALL {
        let Some(outcome) = simulate(network, input, platform, structure) else {
            continue;
        };
        ran = true;
        prop_assert_eq!(&outcome.overflows, &[]);
        let found: Vec<_> = outcome.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
        prop_assert_eq!(&found, &expected, "spikes on {}", structure);
        prop_assert_eq!(&outcome.scores, &golden.scores, "scores on {}", structure);
        prop_assert_eq!(outcome.prediction, golden.prediction);
    }
    Ok(ran)
}

/// Runs `law` on random networks, inputs and platforms; it says whether the network fitted.
fn run(cases: u32, rng: TestRng, law: impl Fn(&Network, &Binned, &Platform) -> Result<bool, TestCaseError>) {
    let config = testbenches::keeping(cases);
    let ran = std::cell::Cell::new(0u32);
    TestRunner::new_with_rng(config, rng)
        .run(&random::case(), |(network, input, platform)| {
            ran.set(ran.get() + u32::from(law(&network, &input, &platform)?));
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(ran.get() > cases / 2, "only {} of {cases} networks fitted their platform", ran.get());
}

/// Most events that wait in the queue of any core, from what the golden model fired: an event of step s
/// waits at the barrier of step t while its axon has a synapse in the core of delay t - s + 1 or more.
fn golden_peak(network: &Network, input: &Binned, build: &hw::image::Build) -> u32 {
    let mut fired: Vec<_> =
        model::golden::run(network, input).spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
    let source = network.input() as u32;
    for t in 0..network.steps {
        fired.extend(input.step(t).iter().map(|&channel| (t, source, channel)));
    }
    let mut peak = 0;
    for core in &build.cores {
        let here = |population: usize, neuron: u32| {
            let mut segments = core.segments.iter().filter(|s| s.population as usize == population);
            segments.any(|s| (s.first..s.first + s.count).contains(&neuron))
        };
        // Longest delay of each axon: source and shift.
        let mut longest = std::collections::HashMap::new();
        for p in &network.projections {
            for s in p.synapses.iter().filter(|s| s.weight != 0 && here(p.target, s.post)) {
                let delay = longest.entry((p.source as u32, s.pre, p.weight_shift)).or_insert(0);
                *delay = s.delay.max(*delay);
            }
        }
        for t in 0..network.steps {
            let waits = |&(step, population, neuron): &(u32, u32, u32)| {
                let axons = longest.iter().filter(|(a, _)| (a.0, a.1) == (population, neuron));
                axons.filter(|(_, delay)| step <= t && t - step < u32::from(**delay)).count() as u32
            };
            peak = peak.max(fired.iter().map(waits).sum());
        }
    }
    peak
}

#[test]
fn queues_as_deep_as_the_golden_peak_suffice_and_one_less_does_not() {
    let overflowed = std::cell::Cell::new(0u32);
    let cases = cases(80);
    run(cases, rng(9), |network, input, platform| {
        let queue = Structure::SharedQueue;
        let Ok(build) = compiler::compile(network, platform, queue) else { return Ok(false) };
        let peak = golden_peak(network, input, &build);
        let mut platform = platform.clone();
        platform.shared_queue.depth = peak.max(1);
        prop_assert!(agree(network, input, &platform)?);
        if peak > 1 {
            overflowed.set(overflowed.get() + 1);
            platform.shared_queue.depth = peak - 1;
            let outcome = simulate(network, input, &platform, queue).expect("fits");
            let needed = outcome.overflows.iter().map(|o| o.needed).max();
            prop_assert_eq!(needed, Some(peak));
        }
        Ok(true)
    });
    assert!(overflowed.get() > cases / 2, "{}", overflowed.get());
}

#[test]
fn the_trainers_bound_on_queued_events_holds_however_the_network_is_cut() {
    let (met, busy) = (std::cell::Cell::new(0u32), std::cell::Cell::new(0u32));
    run(cases(150), rng(10), |network, input, platform| {
        let Some(outcome) = simulate(network, input, platform, Structure::SharedQueue) else {
            return Ok(false);
        };
        let peak = outcome.cores.iter().map(|c| c.queue_peak).max().unwrap_or(0);
        let needed = outcome.overflows.iter().map(|o| u64::from(o.needed)).max().unwrap_or(0);
        let bound = model::train::budget::queued(network, input);
        prop_assert!(bound >= peak.max(needed), "{bound} is no bound of {peak}, {needed}");
        met.set(met.get() + u32::from(bound == peak));
        busy.set(busy.get() + u32::from(peak > 1));
        Ok(true)
    });
    assert!(met.get() > 0 && busy.get() > 0, "the bound is never met, or nothing waits");
}

#[test]
fn golden_and_simulator_agree_for_a_fixed_seed() {
    run(cases(1000), rng(7), agree);
}

#[test]
fn golden_and_simulator_agree_for_a_fresh_seed() {
    run(cases(300), rng(fresh_seed()), agree);
}

/// Every neuron of one recurrent population fires in every step, to every other, on every core.
fn all_to_all(size: u32, steps: u32) -> (Network, Binned) {
    let pairs = |weight: i8| {
        (0..size).flat_map(|pre| (0..size).map(move |post| Synapse { pre, post, delay: 1, weight })).collect()
    };
    let lif = |threshold: i32| Kind::Lif {
        reset: Reset::Zero,
        decay: vec![0; size as usize],
        threshold: vec![threshold; size as usize],
    };
    let network = Network {
        name: "all to all".into(),
        step_ms: 1.0,
        steps,
        membrane_bits: 24,
        classes: Vec::new(),
        populations: vec![
            Population { name: "input".into(), kind: Kind::Input { group: 1 }, size },
            Population { name: "all".into(), kind: lif(1), size },
        ],
        projections: vec![
            Projection { name: "in".into(), source: 0, target: 1, weight_shift: 0, synapses: pairs(1) },
            Projection { name: "loop".into(), source: 1, target: 1, weight_shift: 0, synapses: pairs(1) },
        ],
    };
    let input = Binned::from_pairs((0..size).map(|c| (0, c)).collect(), steps);
    (network, input)
}

fn crowded() -> Platform {
    let mut platform = Platform::load("loihi").expect("preset");
    (platform.mesh.width, platform.mesh.height) = (4, 4);
    (platform.mesh.router_buffer, platform.mesh.core_buffer) = (1, 1);
    (platform.core.neurons, platform.core.readouts) = (4, 4);
    platform.mesh.injectors.truncate(1);
    platform
}

#[test]
fn all_to_all_traffic_through_buffers_one_deep_ends() {
    let (network, input) = all_to_all(64, 6);
    let golden = model::golden::run(&network, &input);
    assert_eq!(golden.spikes.len(), 5 * 64, "every neuron fires in every step but the first");
    assert!(agree(&network, &input, &crowded()).expect("agrees"));
}

#[test]
fn cores_that_have_come_to_rest_wake_up_as_they_were() {
    let synapse = |pre, post| Synapse { pre, post, delay: 1 + (15 * pre + 3 * post) as u16, weight: 40 };
    let reach = |n: u32| (0..n).flat_map(|pre| (0..4).map(move |post| synapse(pre, post))).collect();
    let (mut network, _) = all_to_all(4, 400);
    network.populations[1].kind = Kind::Lif {
        reset: Reset::Subtract,
        decay: vec![1, 100, 2048, 4096],
        threshold: vec![30, 50, 100, 1],
    };
    network.populations.push(Population {
        name: "out".into(),
        kind: Kind::Integrator { decay: vec![4096, 2000, 300, 40] },
        size: 4,
    });
    network.projections[0].synapses = reach(3);
    network.projections[1].target = 2;
    network.projections[1].synapses = reach(4);
    // Silences shorter and longer than the longest delay, and than what the membranes take to fade.
    let input = [0, 1, 70, 75, 230, 399].map(|step| (step, step % 3)).to_vec();
    let input = Binned::from_pairs(input, 400);
    let golden = model::golden::run(&network, &input);
    assert!(golden.spikes.iter().any(|s| s.step > 230) && golden.scores.iter().any(|s| *s != 0));
    for neurons in [1, 4] {
        let mut platform = crowded();
        (platform.core.neurons, platform.core.readouts) = (neurons, neurons);
        compiler::image(&network, b"", &platform, Structure::RingBuffer).unwrap_or_else(|e| panic!("{e:?}"));
        assert!(agree(&network, &input, &platform).expect("agrees"));
    }
}

#[test]
fn cycles_fall_with_deeper_buffers_and_more_ports() {
    let (network, input) = all_to_all(64, 6);
    let cycles = |platform: &Platform| {
        simulate(&network, &input, platform, Structure::RingBuffer).expect("fits").cycles
    };
    let shallow = crowded();
    let mut deep = shallow.clone();
    (deep.mesh.router_buffer, deep.mesh.core_buffer) = (4, 4);
    assert!(cycles(&deep) < cycles(&shallow));
    let mut ported = shallow.clone();
    let mut slow = shallow.clone();
    ported.mesh.injectors.push(hw::platform::Injector { x: 3, y: 3, side: hw::platform::Side::East });
    assert!(cycles(&ported) < cycles(&shallow));
    slow.ring_buffer.accumulator_ports = hw::platform::Ports::OneRw;
    assert!(cycles(&slow) > cycles(&shallow));
}

#[test]
fn a_queue_that_is_too_short_is_reported_with_the_depth_that_suffices() {
    let (network, input) = all_to_all(16, 4);
    let mut platform = crowded();
    platform.shared_queue.depth = 15;
    let overflow = |platform: &Platform| {
        simulate(&network, &input, platform, Structure::SharedQueue).expect("fits").overflows
    };
    let found = overflow(&platform);
    // Every core gets all 16 inputs in step 0.
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|o| (o.step, o.depth, o.needed) == (0, 15, 16)), "{found:?}");
    platform.shared_queue.depth = 16;
    assert_eq!(overflow(&platform), []);
}

#[test]
fn results_do_not_depend_on_how_an_image_was_read() {
    let (network, _) = all_to_all(8, 3);
    let image = compiler::image(&network, b"", &crowded(), Structure::RingBuffer).expect("fits");
    let bytes = image.to_bytes();
    assert_eq!(Image::from_bytes(&bytes).expect("reads"), image);
    assert_eq!(Image::from_bytes(&bytes).expect("reads").to_bytes(), bytes);
}
