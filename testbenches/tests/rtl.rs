//! Whole chips in RTL: the golden spikes and scores, and every signal of the fast model in every cycle.

use hw::image::PopulationKind;
use hw::machine::{Machine, MachineError};
use hw::platform::{Injector, Ports, Side};
use hw::{Image, Platform, Structure};
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use sim::lockstep::{Components, Lockstep};
use sim::{Options, Simulator};
use spikes::{Binned, Binning, SpikeFile};
use std::cell::Cell;
use std::ops::ControlFlow;
use testbenches::golden::{NAMES, Outcome, Vector};
use testbenches::random::{cases, fresh_seed, rng};
use testbenches::{platform, random};

/// Fast model and RTL of an image, side by side: all components that a flit can reach.
fn side_by_side(image: &Image, structure: Structure) -> Lockstep {
    let simulator = Simulator::new(image, structure, Options::default()).expect("built");
    let machine = Machine::in_use(image, structure).unwrap_or_else(|e| panic!("{e}"));
    Lockstep::new(simulator, machine, &Components::All).expect("a chip")
}

/// Runs a sample in lockstep: both must agree on every signal in every cycle, and on what is read in the end.
/// Gives what was read from the RTL.
fn lockstep(both: &mut Lockstep, input: &Binned) -> Outcome {
    let report = both.run(input, &mut ()).unwrap_or_else(|e| panic!("{e}"));
    if let Some(difference) = report.difference {
        panic!("{difference}");
    }
    let fast = report.outcome.expect("no difference");
    assert_eq!(fast.overflows, []);
    assert_eq!(report.cycles, fast.cycles + 1, "every cycle is compared, and that of the last release");
    let rtl = report.rtl.expect("it came to its end");
    let spikes = rtl.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
    (spikes, rtl.scores, rtl.prediction)
}

/// A golden vector on a platform, both structures, all samples.
fn golden(name: &str, platform: &Platform) {
    let vector = Vector::load(name);
    let image = compiler::image(&vector.network, &vector.file, platform, platform.delays).expect("fits");
    for structure in Structure::ALL {
        let mut both = side_by_side(&image, structure);
        let outcomes: Vec<_> =
            (0..vector.input.len()).map(|s| lockstep(&mut both, &vector.binned(s))).collect();
        vector.compare(&outcomes).unwrap_or_else(|e| panic!("{name}, {structure}: {e}"));
    }
}

/// The same platform with other ports and buffers.
fn with(mut platform: Platform, change: impl FnOnce(&mut Platform)) -> Platform {
    change(&mut platform);
    assert_eq!(platform.problems(), Vec::<String>::new());
    platform
}

#[test]
fn basic_on_four_cores() {
    golden("basic", &platform(2, 2, 7));
}

#[test]
fn a_population_that_spikes_into_itself_across_nine_cores() {
    golden("recurrent_subtract", &platform(3, 3, 3));
}

#[test]
fn rails_and_parallel_projections_on_fast_memories() {
    let fast = with(platform(2, 3, 3), |p| {
        p.core.membrane_ports = Ports::OneReadOneWrite;
        p.ring_buffer.accumulator_ports = Ports::OneReadOneWrite;
        (p.mesh.router_buffer, p.mesh.core_buffer, p.mesh.barrier_latency) = (4, 4, 16);
    });
    golden("edges", &fast);
}

#[test]
fn the_longest_delays_with_buffers_one_deep() {
    let narrow = with(platform(3, 2, 5), |p| {
        (p.mesh.router_buffer, p.mesh.core_buffer, p.mesh.barrier_latency) = (1, 1, 1);
    });
    golden("longest_delays", &narrow);
}

#[test]
fn many_taps_of_a_pair_on_a_row_of_cores() {
    let row = with(platform(6, 1, 4), |p| {
        p.mesh.injectors = vec![Injector { x: 0, y: 0, side: Side::West }];
        p.ring_buffer.accumulator_ports = Ports::OneReadOneWrite;
        p.mesh.barrier_latency = 7;
    });
    golden("many_taps_shifted", &row);
}

#[test]
fn saturating_membranes_on_slow_accumulators() {
    let slow = with(platform(1, 4, 7), |p| {
        p.mesh.injectors = vec![Injector { x: 0, y: 3, side: Side::South }];
        p.shared_queue.accumulator_ports = Ports::OneRw;
        p.core.membrane_ports = Ports::OneReadOneWrite;
    });
    golden("saturating", &slow);
}

#[test]
fn sixteen_cores() {
    let wide = with(platform(4, 4, 40), |p| {
        p.ring_buffer.accumulators = 40 * 64;
        p.core.synapse_bits = 1 << 20;
    });
    golden("many_cores", &wide);
}

/// All samples of all golden vectors on the presets as they stand.
macro_rules! on_presets {
    ($($vector:ident),+) => {
        mod on_loihi {
            $(#[test]
            fn $vector() {
                super::golden(stringify!($vector), &super::Platform::load("loihi").expect("preset"));
            })+
        }
        mod on_seneca {
            $(#[test]
            fn $vector() {
                super::golden(stringify!($vector), &super::Platform::load("seneca").expect("preset"));
            })+
        }

        #[test]
        fn no_golden_vector_is_left_out() {
            assert_eq!(NAMES, [$(stringify!($vector)),+]);
        }
    };
}

on_presets! {
    basic, edges, longest_delays, many_cores, many_taps_shifted, recurrent_subtract, reference_256, saturating
}

#[test]
fn a_sample_of_the_default_image() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace");
    let image = Image::read(&root.join("shd.bin")).expect("the default image");
    let stimulus = image.stimulus.as_ref().expect("its stimulus");
    let stimulus = SpikeFile::from_bytes(stimulus, std::path::Path::new("shd.bin")).expect("spikes");
    let network = &image.network;
    let inputs = network.populations.iter().find(|p| p.kind == PopulationKind::Input).expect("checked");
    let (steps, step_ms) = (network.steps, network.step_ms);
    let binning = Binning { steps, step_ms, channels: inputs.size, group: network.group };
    let input = stimulus.bin(0, &binning).expect("fits");
    let [ring, queue] = Structure::ALL.map(|s| lockstep(&mut side_by_side(&image, s), &input));
    assert_eq!(ring, queue);
    assert!(ring.0.len() > 100, "{} spikes", ring.0.len());
}

#[test]
fn a_chip_without_the_routers_that_no_flit_can_reach_is_the_whole_chip_in_every_cycle() {
    let fits = random::case().prop_filter("a network that fits a small mesh", |(network, _, platform)| {
        let image = |&s: &Structure| compiler::image(network, b"", platform, s).is_ok();
        platform.cores() <= 12 && Structure::ALL.iter().all(image)
    });
    let config = testbenches::keeping(cases(8));
    let left_out = Cell::new(0);
    TestRunner::new_with_rng(config, rng(5))
        .run(&fits, |(network, input, platform)| {
            let channels: Vec<_> = (0..network.steps).map(|t| input.step(t).to_vec()).collect();
            for structure in Structure::ALL {
                let image = compiler::image(&network, b"", &platform, structure).expect("it fits");
                let mut whole = Machine::new(&image, structure).expect("a circuit");
                let mut cut = Machine::in_use(&image, structure).expect("a circuit");
                left_out.set(
                    left_out.get() + whole.circuit().design().instances()
                        - cut.circuit().design().instances(),
                );
                prop_assert_eq!(cut.run(&channels).expect("runs"), whole.run(&channels).expect("runs"));
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(left_out.get() > 0, "nothing was left out");
}

fn random_networks(cases: u32, rng: TestRng) {
    let config = testbenches::keeping(cases);
    let compile = |network: &_, platform: &_, structure| compiler::image(network, b"", platform, structure);
    // Each case runs on both structures: none is passed over.
    let fits = random::case().prop_filter("a network that fits its platform", |(network, _, platform)| {
        Structure::ALL.iter().all(|&s| compile(network, platform, s).is_ok())
    });
    let spikes = Cell::new(0);
    TestRunner::new_with_rng(config, rng)
        .run(&fits, |(network, input, platform)| {
            let golden = model::golden::run(&network, &input);
            let expected: Vec<_> = golden.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
            for structure in Structure::ALL {
                let image = compile(&network, &platform, structure).expect("it fits");
                let found = lockstep(&mut side_by_side(&image, structure), &input);
                prop_assert_eq!(&found.0, &expected, "spikes on {}", structure);
                prop_assert_eq!(&found.1, &golden.scores, "scores on {}", structure);
                prop_assert_eq!(found.2, golden.prediction, "prediction on {}", structure);
            }
            spikes.set(spikes.get() + expected.len());
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(spikes.get() > cases as usize, "only {} spikes in {cases} networks", spikes.get());
}

#[test]
fn random_networks_run_as_in_the_golden_model_for_a_fixed_seed() {
    random_networks(cases(16), rng(11));
}

#[test]
fn random_networks_run_as_in_the_golden_model_for_a_fresh_seed() {
    random_networks(cases(8), rng(fresh_seed()));
}

/// Random networks whose queues hold some events fewer than they need: both sides lose the first in the same cycle.
fn shallow_queues(cases: u32, rng: TestRng) {
    let queue = Structure::SharedQueue;
    let simulator = |network: &_, platform: &_| {
        let image = compiler::image(network, b"", platform, queue).ok()?;
        Some((Simulator::new(&image, queue, Options::default()).expect("built"), image))
    };
    let deep = (random::case(), any::<proptest::sample::Index>()).prop_filter_map(
        "a queue that holds two events",
        |((network, input, mut platform), depth)| {
            let outcome = simulator(&network, &platform)?.0.run(&input).expect("runs");
            let peak = outcome.cores.iter().map(|c| c.queue_peak).max()?;
            platform.shared_queue.depth =
                1 + depth.index(usize::try_from(peak).ok()?.checked_sub(1).filter(|&n| n > 0)?) as u32;
            Some((network, input, platform))
        },
    );
    TestRunner::new_with_rng(testbenches::keeping(cases), rng)
        .run(&deep, |(network, input, platform)| {
            let (mut fast, image) = simulator(&network, &platform).expect("it fits");
            let overflows = fast.run(&input).expect("runs").overflows;
            prop_assert!(!overflows.is_empty());
            let report = side_by_side(&image, queue).run(&input, &mut ()).expect("runs");
            prop_assert_eq!(report.difference, None);
            prop_assert_eq!(report.outcome.expect("no difference").overflows, overflows);
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn queues_that_are_too_shallow_overflow_in_the_same_cycle_for_a_fixed_seed() {
    shallow_queues(cases(10), rng(12));
}

#[test]
fn queues_that_are_too_shallow_overflow_in_the_same_cycle_for_a_fresh_seed() {
    shallow_queues(cases(5), rng(fresh_seed()));
}

/// An image of a golden vector on four cores, and its first sample by step.
fn four_cores(name: &str, change: impl FnOnce(&mut Platform)) -> (Vector, Image, Vec<Vec<u32>>) {
    let vector = Vector::load(name);
    let platform = with(platform(2, 2, 7), change);
    let image = compiler::image(&vector.network, &vector.file, &platform, platform.delays).expect("fits");
    let binned = vector.binned(0);
    let channels = (0..image.network.steps).map(|t| binned.step(t).to_vec()).collect();
    (vector, image, channels)
}

#[test]
fn a_queue_that_overflows_is_told_with_core_and_step() {
    let structure = Structure::SharedQueue;
    let (vector, image, channels) = four_cores("longest_delays", |p| p.shared_queue.depth = 20);
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    let fast = simulator.run(&vector.binned(0)).expect("runs");
    // What comes after the first step that overflows counts no more.
    let first = fast.overflows.iter().map(|o| o.step).min().expect("an overflow");
    let expected: Vec<_> = fast.overflows.iter().filter(|o| o.step == first).map(|o| (o.x, o.y)).collect();
    let mut machine = Machine::new(&image, structure).expect("a circuit");
    let rtl = machine.run(&channels).expect("runs on");
    let build = image.builds.iter().find(|b| b.structure == structure).expect("a build");
    let mut found: Vec<_> = rtl.overflows.iter().filter(|o| o.step == first).map(|o| o.core).collect();
    assert_eq!(rtl.overflows.iter().map(|o| o.step).min(), Some(first));
    found.sort_unstable();
    let found: Vec<_> = found.iter().map(|&c| &build.cores[c as usize]).map(|c| (c.x, c.y)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_machine_refuses_what_does_not_fit_its_image_and_runs_on() {
    let (_, image, mut channels) = four_cores("basic", |_| ());
    let mut machine = Machine::new(&image, Structure::RingBuffer).expect("a circuit");
    let refused = machine.run(&channels[1..]).unwrap_err();
    assert!(matches!(refused, MachineError::Steps { expected: 40, found: 39 }), "{refused}");
    let good = channels.clone();
    channels[1] = vec![20];
    let refused = machine.run(&channels).unwrap_err();
    assert!(matches!(refused, MachineError::Channel { channel: 20, step: 1, channels: 20 }), "{refused}");
    let stopped = machine.run_with(&good, |c| match c.cycle {
        ..100 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert!(matches!(stopped, Err(MachineError::Interrupted)));
    let after = machine.run(&good).expect("runs");
    let mut fresh = Machine::new(&image, Structure::RingBuffer).expect("a circuit");
    assert_eq!(after, fresh.run(&good).expect("runs"), "what broke off leaves nothing behind");
    fresh.patience = 3;
    assert!(matches!(fresh.run(&good), Err(MachineError::Stuck { step: 0, cycles: 4, .. })));
}

/// Takes the credits of a link away as long as a sample runs.
#[test]
fn a_chip_that_is_stuck_ends_in_time_and_says_who_waits_for_whom() {
    let (_, image, _) = four_cores("basic", |_| ());
    let channels: Vec<Vec<u32>> = vec![(0..20).collect(); image.network.steps as usize];
    for structure in Structure::ALL {
        let mut machine = Machine::new(&image, structure).expect("a circuit");
        // A step that goes on is never called stuck, and one that does not takes no hours.
        let longest = machine.run(&channels).expect("runs").steps.iter().map(|s| s.release - s.start).max();
        assert!((longest.expect("steps")..100_000_000).contains(&machine.patience), "{}", machine.patience);
        machine.patience = 10_000;
        let stuck = machine.run_with(&channels, |cycle| {
            cycle.circuit.poke("router_1_0.west_out_credits", 0).expect("a register");
            ControlFlow::Continue(())
        });
        let error = stuck.expect_err("nothing passes there");
        assert!(matches!(error, MachineError::Stuck { cycles: 10_001, .. }), "{error}");
        let said = error.to_string();
        for says in [
            "the first waits for its output west, which has 0 credits",
            "injector 0 has ",
            "flits to send and 0 credits",
        ] {
            assert!(said.contains(says), "{says}: {said}");
        }
    }
}
