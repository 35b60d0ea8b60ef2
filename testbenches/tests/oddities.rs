//! Networks at the edges of the contract, written by hand: golden model and simulator agree on both
//! structures, in one core and cut into many.

use hw::image::Image;
use hw::{Platform, Structure};
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use sim::{Options, Simulator};
use spikes::Binned;

fn input(size: u32) -> Population {
    Population { name: "input".into(), kind: Kind::Input { group: 1 }, size }
}

fn lif(name: &str, reset: Reset, decay: &[u16], threshold: &[i32]) -> Population {
    let kind = Kind::Lif { reset, decay: decay.into(), threshold: threshold.into() };
    Population { name: name.into(), kind, size: decay.len() as u32 }
}

fn integrator(decay: &[u16]) -> Population {
    let kind = Kind::Integrator { decay: decay.into() };
    Population { name: "out".into(), kind, size: decay.len() as u32 }
}

/// Synapses as (pre, post, delay, weight).
fn join(source: usize, target: usize, weight_shift: u8, synapses: &[(u32, u32, u16, i8)]) -> Projection {
    Projection {
        name: String::new(),
        source,
        target,
        weight_shift,
        synapses: synapses
            .iter()
            .map(|&(pre, post, delay, weight)| Synapse { pre, post, delay, weight })
            .collect(),
    }
}

fn network(
    steps: u32,
    membrane_bits: u8,
    populations: Vec<Population>,
    mut projections: Vec<Projection>,
) -> Network {
    for (i, p) in projections.iter_mut().enumerate() {
        p.name = format!("p{i}");
    }
    let name = "odd".into();
    Network { name, step_ms: 1.0, steps, membrane_bits, classes: Vec::new(), populations, projections }
}

/// One core of the preset; cores of one or two neurons behind buffers one deep.
fn platforms() -> Vec<Platform> {
    let loihi = Platform::load("loihi").expect("preset");
    let mut small = loihi.clone();
    (small.mesh.width, small.mesh.height) = (3, 9);
    (small.mesh.router_buffer, small.mesh.core_buffer) = (1, 1);
    small.mesh.injectors.truncate(1);
    (small.core.neurons, small.core.readouts) = (2, 1);
    small.shared_queue.accumulator_ports = hw::platform::Ports::OneRw;
    vec![loihi, small]
}

/// Runs everything everywhere; returns what the golden model made of it.
fn agree(network: &Network, input: &[(u32, u32)]) -> model::golden::Outcome {
    network.validate().expect("valid");
    let file = network.to_bytes().expect("writes");
    let network = &Network::from_bytes(&file, "odd.safetensors".as_ref()).expect("reads");
    let binned = Binned::from_pairs(input.to_vec(), network.steps);
    let golden = model::golden::run(network, &binned);
    let expected: Vec<_> = golden.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
    for platform in platforms() {
        for structure in Structure::ALL {
            let image = compiler::image(network, &file, &platform, structure).expect("fits");
            let image = Image::from_bytes(&image.to_bytes()).expect("reads");
            let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
            // Twice: a sample leaves nothing behind.
            for _ in 0..2 {
                let found = simulator.run(&binned).expect("runs");
                assert_eq!(found.overflows, []);
                let spikes: Vec<_> = found.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
                assert_eq!(spikes, expected, "{structure}");
                assert_eq!((&found.scores, found.prediction), (&golden.scores, golden.prediction));
            }
        }
    }
    golden
}

/// Every channel in every step.
fn always(steps: u32, channels: u32) -> Vec<(u32, u32)> {
    (0..steps).flat_map(|t| (0..channels).map(move |c| (t, c))).collect()
}

#[test]
fn an_integrator_straight_behind_the_input() {
    let n = network(
        6,
        24,
        vec![input(2), integrator(&[0, 4096, 2048])],
        vec![join(0, 1, 3, &[(0, 0, 1, 5), (0, 1, 2, -7), (1, 2, 1, 100), (1, 0, 5, -1)])],
    );
    let golden = agree(&n, &[(0, 0), (0, 1), (2, 1)]);
    assert_eq!(golden.scores, [5 * 40 - 8, -56, 800 + 400 + 1000 + 500 + 250]);
}

#[test]
fn a_network_without_any_synapse() {
    let n = network(5, 24, vec![input(3), lif("a", Reset::Zero, &[0; 5], &[1; 5])], vec![]);
    let golden = agree(&n, &always(5, 3));
    assert_eq!((golden.spikes.len(), golden.scores), (0, vec![0; 5]));
}

#[test]
fn projections_without_synapses_and_with_weights_of_nothing() {
    let populations = vec![input(1), lif("a", Reset::Zero, &[0], &[1]), integrator(&[0, 0])];
    let empty = vec![join(0, 1, 15, &[]), join(1, 2, 0, &[(0, 0, 1, 0), (0, 1, 63, 0)])];
    let golden = agree(&network(4, 24, populations, empty), &always(4, 1));
    assert_eq!((golden.scores, golden.prediction), (vec![0, 0], 0));
}

#[test]
fn a_neuron_that_wakes_itself_after_63_steps() {
    let n = network(
        200,
        24,
        vec![input(1), lif("a", Reset::Zero, &[0], &[1])],
        vec![join(0, 1, 0, &[(0, 0, 1, 1)]), join(1, 1, 0, &[(0, 0, 63, 1)])],
    );
    let golden = agree(&n, &[(0, 0)]);
    assert_eq!(golden.spikes.iter().map(|s| s.step).collect::<Vec<_>>(), [1, 64, 127, 190]);
}

#[test]
fn one_pair_with_every_delay_there_is() {
    let taps: Vec<_> = (1..=63).map(|d| (0, 0, d, (d % 5) as i8 - 2)).collect();
    let n = network(130, 24, vec![input(1), integrator(&[4096])], vec![join(0, 1, 0, &taps)]);
    agree(&n, &[(0, 0), (1, 0), (2, 0), (63, 0), (64, 0), (129, 0)]);
    agree(&n, &always(130, 1));
}

#[test]
fn the_heaviest_weights_under_the_widest_shift() {
    let n = network(
        40,
        32,
        vec![input(2), lif("a", Reset::Subtract, &[1, 0], &[i32::MAX, i32::MAX]), integrator(&[0, 0])],
        vec![
            join(0, 1, 15, &[(0, 0, 1, 127), (1, 1, 1, -128), (0, 1, 63, 127)]),
            join(0, 2, 15, &[(0, 0, 1, -128), (1, 1, 1, 127)]),
        ],
    );
    let golden = agree(&n, &always(40, 2));
    assert!(golden.scores[0] < -(1 << 31), "{:?}", golden.scores);
}

#[test]
fn membranes_of_2_bits_saturate_at_once() {
    let n = network(
        8,
        2,
        vec![input(2), lif("a", Reset::Subtract, &[0, 0], &[1, 1]), integrator(&[0, 0, 0])],
        vec![
            join(0, 1, 15, &[(0, 0, 1, 127), (1, 1, 1, -128)]),
            join(0, 2, 0, &[(0, 0, 1, 1), (1, 1, 1, -1), (0, 2, 1, 100), (1, 2, 1, -99)]),
            join(1, 2, 15, &[(0, 0, 1, -128)]),
        ],
    );
    let golden = agree(&n, &[(0, 0), (0, 1), (1, 1), (4, 0)]);
    assert_eq!(golden.spikes.len(), 2);
    assert_eq!(golden.scores, [1 - 2 * 3 - 1 - 2 * 2, -1 - 2 * 6, 1 - 2 * 3 + 3]);
}

#[test]
fn the_highest_threshold_is_reached_only_by_saturating() {
    for bits in [2u8, 3, 16, 24, 31, 32] {
        let top = ((1i64 << (bits - 1)) - 1) as i32;
        let n = network(
            700,
            bits,
            vec![input(1), lif("a", Reset::Zero, &[0], &[top])],
            vec![join(0, 1, 15, &[(0, 0, 1, 127)])],
        );
        let golden = agree(&n, &always(700, 1));
        assert!(!golden.spikes.is_empty(), "{bits} bits");
    }
}

#[test]
fn leaks_of_everything_and_of_nothing_and_of_negative_membranes() {
    let decay = [0, 1, 2047, 2048, 2049, 4095, 4096];
    let to_all = |pre: u32, weight: i8| (0..7u32).map(move |post| (pre, post, 1, weight));
    let taps: Vec<_> = to_all(0, -3).chain(to_all(1, 127)).collect();
    let n = network(30, 24, vec![input(2), integrator(&decay)], vec![join(0, 1, 0, &taps)]);
    agree(&n, &[(0, 0), (3, 1), (4, 0), (5, 0), (20, 1)]);
}

#[test]
fn a_sample_of_one_step() {
    let n = network(
        1,
        24,
        vec![input(2), lif("a", Reset::Zero, &[0], &[1])],
        vec![join(0, 1, 0, &[(0, 0, 1, 127), (1, 0, 63, 127)])],
    );
    let golden = agree(&n, &[(0, 0), (0, 1)]);
    assert_eq!((golden.spikes.len(), golden.lost), (0, 2));
}

#[test]
fn delays_longer_than_the_sample() {
    let taps: Vec<_> = (1..=63).map(|d| (0, 0, d, 1)).collect();
    let n = network(5, 24, vec![input(1), integrator(&[0])], vec![join(0, 1, 0, &taps)]);
    let golden = agree(&n, &always(5, 1));
    assert_eq!(golden.scores, [1 + 3 + 6 + 10]);
}

#[test]
fn parallel_projections_add_each_with_its_shift() {
    let same: &[(u32, u32, u16, i8)] = &[(0, 0, 2, 3), (0, 1, 2, -1)];
    let n = network(
        5,
        24,
        vec![input(1), integrator(&[4096, 4096])],
        vec![join(0, 1, 0, same), join(0, 1, 4, same), join(0, 1, 15, same), join(0, 1, 4, same)],
    );
    let golden = agree(&n, &[(0, 0)]);
    let sum = 1 + 16 + (1 << 15) + 16;
    assert_eq!(golden.scores, [3 * sum, -sum]);
}

#[test]
fn populations_in_any_order_and_of_which_some_hear_nothing() {
    let n = network(
        12,
        24,
        vec![
            lif("late", Reset::Zero, &[0, 9], &[2, 1]),
            integrator(&[7, 4096]),
            input(3),
            lif("deaf", Reset::Subtract, &[0, 0, 0], &[1, 1, 1]),
            lif("early", Reset::Subtract, &[100], &[1]),
        ],
        vec![
            join(4, 0, 1, &[(0, 0, 3, 1), (0, 1, 1, 1)]),
            join(2, 4, 0, &[(1, 0, 1, 3)]),
            join(0, 1, 2, &[(0, 1, 1, -5), (1, 0, 2, 9)]),
            join(3, 1, 0, &[(0, 0, 1, 1)]),
            join(0, 4, 0, &[(1, 0, 1, -2)]),
        ],
    );
    let golden = agree(&n, &always(12, 3));
    assert!(golden.spikes.iter().any(|s| s.population == 0));
}

#[test]
fn ties_go_to_the_lowest_even_among_negative_scores() {
    let n = network(
        4,
        24,
        vec![input(1), integrator(&[0, 0, 0])],
        vec![join(0, 1, 0, &[(0, 0, 1, -9), (0, 1, 1, -3), (0, 2, 1, -3)])],
    );
    let golden = agree(&n, &[(0, 0)]);
    assert_eq!(golden.prediction, 1);
}
