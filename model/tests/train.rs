//! The trainer: gradients, determinism, learning, and equality of export and golden model.
#![cfg(feature = "train")]

use model::golden;
use model::train::engine::{Shape, backward, forward, forward_integer};
use model::train::quantise::About;
use model::train::trainer::{Sample, Settings, Trainer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spikes::Binned;

fn random_input(rng: &mut ChaCha8Rng, steps: u32, channels: u32, share: f32) -> Binned {
    let cells = (0..steps).flat_map(|t| (0..channels).map(move |c| (t, c)));
    Binned::from_pairs(cells.filter(|_| rng.random::<f32>() < share).collect(), steps)
}

fn shape() -> Shape {
    Shape {
        steps: 30,
        sizes: vec![12, 10, 9, 4],
        delays: vec![vec![1], vec![1, 4, 7], vec![2, 5]],
        keep: vec![3500, 3300, 3900],
    }
}

fn random_weights(rng: &mut ChaCha8Rng, shape: &Shape) -> Vec<Vec<f32>> {
    (0..shape.projections())
        .map(|l| (0..shape.weights(l)).map(|_| rng.random_range(-0.3..0.6f32)).collect())
        .collect()
}

/// The same derivative, written without sparsity, over dense time and all weights, in f64.
fn dense_gradient(shape: &Shape, weights: &[Vec<f32>], input: &Binned, by_score: &[f32]) -> Vec<Vec<f64>> {
    let steps = shape.steps;
    let trace = forward(shape, weights, input);
    let fires = |l: usize, t: usize, n: usize| -> f64 {
        let list = if l == 0 { input.step(t as u32) } else { &trace.spikes[l - 1][t] };
        f64::from(u8::from(list.contains(&(n as u32))))
    };
    let last = shape.projections() - 1;
    // by_current[l][t][n]: derivative by the current into population l + 1.
    let mut by_current: Vec<Vec<Vec<f64>>> =
        (0..=last).map(|l| vec![vec![0.0; shape.sizes[l + 1]]; steps + 1]).collect();
    for l in (0..=last).rev() {
        let beta = f64::from(shape.beta(l));
        for t in (0..steps).rev() {
            for n in 0..shape.sizes[l + 1] {
                let later = by_current[l][t + 1][n];
                by_current[l][t][n] = if l == last {
                    f64::from(by_score[n]) + beta * later
                } else {
                    let v = f64::from(trace.membranes[l][t * shape.sizes[l + 1] + n]);
                    let surrogate = ((1.0 - (v - 1.0).abs() / 0.5) / 0.5).max(0.0);
                    let mut by_spike = 0.0;
                    for (d, &delay) in shape.delays[l + 1].iter().enumerate() {
                        if t + delay < steps {
                            let width = shape.sizes[l + 2];
                            for post in 0..width {
                                let w = weights[l + 1][(n * shape.delays[l + 1].len() + d) * width + post];
                                by_spike += f64::from(w) * by_current[l + 1][t + delay][post];
                            }
                        }
                    }
                    surrogate * by_spike + beta * later * (1.0 - fires(l + 1, t, n))
                };
            }
        }
    }
    (0..=last)
        .map(|l| {
            let (delays, width) = (&shape.delays[l], shape.sizes[l + 1]);
            (0..shape.weights(l))
                .map(|i| {
                    let (pre, delay, post) =
                        (i / width / delays.len(), delays[i / width % delays.len()], i % width);
                    (0..steps - delay.min(steps))
                        .map(|t| fires(l, t, pre) * by_current[l][t + delay][post])
                        .sum()
                })
                .collect()
        })
        .collect()
}

#[test]
fn sparse_gradients_equal_dense_ones() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let shape = shape();
    let weights = random_weights(&mut rng, &shape);
    let input = random_input(&mut rng, 30, 12, 0.2);
    let by_score = [0.3, -0.7, 0.5, -0.1];
    let trace = forward(&shape, &weights, &input);
    assert!(trace.spikes.iter().all(|l| l.iter().map(Vec::len).sum::<usize>() > 10), "every layer must fire");
    let mut found: Vec<Vec<f32>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
    backward(&shape, &weights, &input, &trace, &by_score, &[0.0, 0.0], &mut found);
    let expected = dense_gradient(&shape, &weights, &input, &by_score);
    for (l, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let top = expected.iter().fold(0f64, |m, g| m.max(g.abs()));
        assert!(top > 0.0, "projection {l} has a gradient");
        for (f, e) in found.iter().zip(expected) {
            assert!((f64::from(*f) - e).abs() <= 1e-5 * top, "projection {l}: {f} against {e}");
        }
    }
}

#[test]
fn readout_gradients_equal_finite_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let shape = shape();
    let mut weights = random_weights(&mut rng, &shape);
    let input = random_input(&mut rng, 30, 12, 0.2);
    let by_score = [1.0, 0.0, -1.0, 0.5];
    let trace = forward(&shape, &weights, &input);
    let mut found: Vec<Vec<f32>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
    backward(&shape, &weights, &input, &trace, &by_score, &[0.0, 0.0], &mut found);
    let value = |weights: &[Vec<f32>]| -> f64 {
        let scores = forward(&shape, weights, &input).scores;
        scores.iter().zip(by_score).map(|(s, g)| f64::from(*s) * f64::from(g)).sum()
    };
    for i in (0..shape.weights(2)).step_by(5) {
        let held = weights[2][i];
        weights[2][i] = held + 0.5;
        let up = value(&weights);
        weights[2][i] = held - 0.5;
        let down = value(&weights);
        weights[2][i] = held;
        // Linear in the readout's weights, so that a wide difference is exact.
        assert!(
            (up - down - f64::from(found[2][i])).abs() < 1e-3,
            "weight {i}: {} against {}",
            up - down,
            found[2][i]
        );
    }
}

/// Two channels that spike once each; the class is which comes first. Sums over time are the same.
fn order_task(steps: u32) -> Vec<Sample> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    (0..64)
        .map(|i| {
            let label = i % 2;
            let start = rng.random_range(0..10u32);
            let (a, b) = if label == 0 { (0, 12) } else { (12, 0) };
            let pairs = (0..4).flat_map(|c| [(start + a, c), (start + b, 4 + c)]).collect();
            Sample { input: Binned::from_pairs(pairs, steps), label: label as usize }
        })
        .collect()
}

fn settings() -> Settings {
    Settings {
        batch: 16,
        learning_rate: 0.01,
        dropout: 0.0,
        channel_shift: 0,
        density: 0.15,
        rate_penalty: 5.0,
        seed: 9,
    }
}

fn trained(delays: Vec<usize>, epochs: usize) -> Trainer {
    let samples = order_task(40);
    let shape = Shape {
        steps: 40,
        sizes: vec![8, 12, 12, 2],
        delays: vec![vec![1], delays.clone(), delays],
        // Membranes forget at once: only delays can bring the two together.
        keep: vec![200, 200, 2000],
    };
    let mut trainer = Trainer::new(shape, settings(), &samples);
    for epoch in 0..epochs {
        if epoch == epochs * 2 / 3 {
            trainer.quantise();
        }
        let (from, to) = (epoch as f32 / epochs as f32, (epoch + 1) as f32 / epochs as f32);
        trainer.epoch(&samples, from, to, |_| true);
    }
    trainer
}

#[test]
fn delays_learn_an_order_that_is_lost_without_them() {
    let samples = order_task(40);
    let with = trained((1..=16).step_by(3).collect(), 90).evaluate(&samples);
    let without = trained(vec![1], 90).evaluate(&samples);
    assert!(with.accuracy >= 0.99, "with delays {}", with.accuracy);
    assert!(without.accuracy < 0.9, "without delays {}", without.accuracy);
}

#[test]
fn the_exported_network_gives_exactly_the_trainers_own_spikes_and_scores() {
    let trainer = trained((1..=16).step_by(3).collect(), 12);
    let about = About { name: "test".into(), step_ms: 1.0, group: 1, classes: Vec::new() };
    let quantised = trainer.quantised();
    let network = quantised.network(&trainer.shape, &about);
    network.validate().expect("valid");
    let mut spikes = 0;
    for sample in order_task(40).iter().take(16) {
        let own =
            forward_integer(&trainer.shape, &quantised.shifted(), &quantised.thresholds(), 24, &sample.input);
        let golden = golden::run(&network, &sample.input);
        assert_eq!(golden.scores, own.integer_scores);
        let mut fired = Vec::new();
        for (l, steps) in own.spikes.iter().enumerate() {
            for (t, neurons) in steps.iter().enumerate() {
                fired.extend(neurons.iter().map(|&n| (t as u32, l as u32 + 1, n)));
            }
        }
        fired.sort_unstable();
        let expected: Vec<_> = golden.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
        assert_eq!(fired, expected);
        spikes += fired.len();
    }
    assert!(spikes > 50, "{spikes} spikes are no test");
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| trained(vec![1, 5, 9], 6).weights)
    };
    let one = run(1);
    assert_eq!(run(3), one);
    assert_eq!(run(2), one);
}

#[test]
fn pruning_keeps_the_strongest_delays_of_each_pair() {
    let samples = order_task(40);
    let mut trainer = trained((1..=16).step_by(3).collect(), 2);
    let before = trainer.weights.clone();
    trainer.prune(2);
    let (n, delays) = (trainer.shape.sizes[2], trainer.shape.delays[1].len());
    let pair = |w: &[f32], pre: usize, post: usize| -> Vec<f32> {
        (0..delays).map(|d| w[(pre * delays + d) * n + post]).collect()
    };
    let kept = pair(&trainer.weights[1], 0, 0);
    let mut sizes: Vec<f32> = pair(&before[1], 0, 0).iter().map(|w| w.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    assert_eq!(kept.iter().filter(|w| **w != 0.0).count(), 2);
    assert!(kept.iter().filter(|w| **w != 0.0).all(|w| w.abs() >= sizes[delays - 2]));
    // Training does not bring them back.
    trainer.epoch(&samples, 0.0, 0.1, |_| true);
    assert_eq!(pair(&trainer.weights[1], 0, 0).iter().filter(|w| **w != 0.0).count(), 2);
}
