//! The engine's gradients against PyTorch's (fixtures) and against finite differences, and its determinism.
#![cfg(feature = "train")]

use model::network::Reset;
use model::train::engine::{Batch, Effective, Engine, Gradients, State};
use model::train::loss::{Rates, cross_entropy};
use model::train::net::{Net, Plan, Projection};
use model::train::simd::{LANES, Real, Simd};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use serde::Deserialize;
use spikes::Binned;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

#[derive(Deserialize)]
struct Description {
    steps: usize,
    batch: usize,
    sizes: Vec<usize>,
    reset: String,
    projections: Vec<(usize, usize, Vec<u16>)>,
}

struct Fixture {
    plan: Plan,
    with: Effective<f32>,
    inputs: Vec<Binned>,
    labels: Vec<usize>,
    loss: f64,
    logits: Vec<f32>,
    gradients: Gradients<f32>,
}

fn padded(values: &[f32]) -> Vec<f32> {
    let mut out = values.to_vec();
    out.resize(values.len().next_multiple_of(LANES), 0.0);
    out
}

/// `[delay][pre][post]` into the layout.
fn laid_out(plan: &Plan, j: usize, values: &[f32]) -> Vec<f32> {
    let layout = &plan.layouts[j];
    let place = |at| {
        layout.synapse(at).map_or(0.0, |(pre, d, post)| values[(d * layout.pre + pre) * layout.post + post])
    };
    (0..layout.len()).map(place).collect()
}

fn fixture(name: &str) -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.safetensors"));
    let bytes = std::fs::read(&path).expect("a fixture; scripts/make_gradient_fixtures.py writes it");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let text = &metadata.metadata().as_ref().expect("metadata")["net"];
    let net: Description = serde_json::from_str(text).expect("description");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = |name: &str| -> Vec<f32> {
        let view = tensors.tensor(name).expect("tensor");
        view.data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().expect("4"))).collect()
    };
    let integers = |name: &str| -> Vec<i32> {
        let view = tensors.tensor(name).expect("tensor");
        view.data().chunks_exact(4).map(|c| i32::from_le_bytes(c.try_into().expect("4"))).collect()
    };
    let mut pairs = vec![Vec::new(); net.batch];
    for spike in integers("input").chunks_exact(3) {
        pairs[spike[0] as usize].push((spike[1] as u32, spike[2] as u32));
    }
    let projections =
        net.projections.into_iter().map(|(source, target, delays)| Projection { source, target, delays });
    let reset = if net.reset == "zero" { Reset::Zero } else { Reset::Subtract };
    let populations = net.sizes.len();
    let plan =
        Plan::new(Net { steps: net.steps, sizes: net.sizes, reset, projections: projections.collect() })
            .expect("valid");
    let weights = |suffix: &str| -> Vec<Vec<f32>> {
        (0..plan.layouts.len()).map(|j| laid_out(&plan, j, &floats(&format!("weight.{j}{suffix}")))).collect()
    };
    let keeps = |suffix: &str| -> Vec<Vec<f32>> {
        let of = |p: usize| padded(&floats(&format!("keep.{p}{suffix}")));
        (0..populations).map(|p| if p == 0 { Vec::new() } else { of(p) }).collect()
    };
    Fixture {
        with: Effective { weights: weights(""), back: None, keep: keeps(""), exact: None },
        gradients: Gradients { weights: weights(".gradient"), keep: keeps(".gradient") },
        inputs: pairs.into_iter().map(|p| Binned::from_pairs(p, net.steps as u32)).collect(),
        labels: integers("labels").into_iter().map(|l| l as usize).collect(),
        loss: floats("loss")[0].into(),
        logits: floats("logits"),
        plan,
    }
}

fn engine<E: Real>(plan: &Plan, simd: Simd, smooth: bool) -> Engine<E> {
    Engine { plan: plan.clone(), simd, width: E::of(0.5), smooth }
}

/// What is made small: the mean cross entropy, and what rates cost.
#[derive(Clone, Copy)]
struct Aim<E> {
    sharpness: E,
    smoothing: E,
    rates: Option<Rates<E>>,
}

impl<E: Real> Aim<E> {
    /// Cross entropy of the scores over time alone, as in the fixtures.
    fn plain() -> Self {
        Self { sharpness: E::of(1.0), smoothing: E::default(), rates: None }
    }

    /// The loss of a batch, and its derivatives by the scores and by the spikes of each population's neurons.
    fn loss(
        &self,
        engine: &Engine<E>,
        state: &State<E>,
        labels: &[usize],
    ) -> (f64, Vec<Vec<E>>, Vec<Vec<E>>) {
        let plan = &engine.plan;
        let unit = self.sharpness / E::of(plan.net.steps as f64);
        let samples = E::of(labels.len() as f64);
        let (mut sum, mut by_score) = (0.0, Vec::new());
        for (i, &label) in labels.iter().enumerate() {
            let (loss, by_logit) = cross_entropy(&engine.scores(state, i), unit, label, self.smoothing);
            sum += (loss / samples).wide();
            by_score.push(by_logit.into_iter().map(|d| d * (unit / samples)).collect());
        }
        let mut by_spike = vec![Vec::new(); plan.net.sizes.len()];
        if let Some(rates) = self.rates {
            for (p, by_spike) in by_spike.iter_mut().enumerate().take(plan.readout()).skip(1) {
                let (cost, by) = rates.cost(&engine.counts(state, p), labels.len() * plan.net.steps);
                sum += cost.wide();
                *by_spike = by;
                by_spike.resize(plan.tiles(p) * LANES, E::default());
            }
        }
        (sum, by_score, by_spike)
    }
}

fn step<E: Real>(
    engine: &Engine<E>,
    aim: &Aim<E>,
    with: &Effective<E>,
    batch: &Batch<E>,
    labels: &[usize],
) -> (f64, Gradients<E>, State<E>) {
    let (mut state, mut out) = (State::default(), Gradients { weights: Vec::new(), keep: Vec::new() });
    engine.forward(with, batch, &mut state);
    let (loss, by_score, by_spike) = aim.loss(engine, &state, labels);
    engine.backward(with, batch, &by_score, &by_spike, &mut state, &mut out);
    (loss, out, state)
}

/// Largest difference over largest value, real synapses only.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let top = expected.iter().fold(0f32, |m, g| m.max(g.abs()));
    assert!(top > 0.0, "nothing to compare");
    let worst = found.iter().zip(expected).fold(0f32, |m, (f, e)| m.max((f - e).abs()));
    f64::from(worst / top)
}

#[test]
fn gradients_equal_those_of_pytorch() {
    for name in ["chain", "loops", "subtract"] {
        let f = fixture(name);
        for simd in Simd::available() {
            let engine = engine(&f.plan, simd, false);
            let (loss, found, state) =
                step(&engine, &Aim::plain(), &f.with, &engine.batch(&f.inputs), &f.labels);
            assert!((loss - f.loss).abs() < 1e-5 * f.loss, "{name} {simd}: loss {loss}, PyTorch {}", f.loss);
            let logits: Vec<f32> = (0..f.labels.len())
                .flat_map(|i| engine.scores(&state, i))
                .map(|s| s / f.plan.net.steps as f32)
                .collect();
            assert!(distance(&logits, &f.logits) <= 1e-5, "{name} {simd}: logits");
            for (j, layout) in f.plan.layouts.iter().enumerate() {
                // Padding has gradients too, which nobody reads.
                let real = |v: &[f32]| -> Vec<f32> {
                    (0..layout.len()).filter(|&at| layout.synapse(at).is_some()).map(|at| v[at]).collect()
                };
                let d = distance(&real(&found.weights[j]), &real(&f.gradients.weights[j]));
                assert!(d <= 1e-5, "{name} {simd}: projection {j}: {d:e}");
            }
            for p in 1..f.plan.net.sizes.len() {
                let n = f.plan.net.sizes[p];
                let d = distance(&found.keep[p][..n], &f.gradients.keep[p][..n]);
                assert!(d <= 1e-5, "{name} {simd}: decay of population {p}: {d:e}");
            }
        }
    }
}

#[test]
fn every_instruction_set_and_any_number_of_threads_give_the_same_bits() {
    for name in ["chain", "loops"] {
        let f = fixture(name);
        // More blocks than the fixture has, so that threads share them.
        let inputs: Vec<Binned> = f.inputs.iter().cycle().take(40).cloned().collect();
        let labels: Vec<usize> = f.labels.iter().cycle().take(40).copied().collect();
        let run = |simd, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let engine = engine(&f.plan, simd, false);
                let (_, out, _) = step(&engine, &Aim::plain(), &f.with, &engine.batch(&inputs), &labels);
                let all = out.weights.iter().chain(&out.keep).flatten();
                all.map(|g: &f32| g.to_bits()).collect::<Vec<_>>()
            })
        };
        let one = run(Simd::best(), 1);
        for threads in [2, 3] {
            assert!(run(Simd::best(), threads) == one, "{name}: {threads} threads");
        }
        for simd in Simd::available() {
            assert!(run(simd, 2) == one, "{name}: {simd}");
        }
    }
}

fn wide(with: &Effective<f32>) -> Effective<f64> {
    let all = |v: &[Vec<f32>]| -> Vec<Vec<f64>> {
        v.iter().map(|v| v.iter().map(|x| f64::from(*x)).collect()).collect()
    };
    Effective { weights: all(&with.weights), back: None, keep: all(&with.keep), exact: None }
}

#[test]
fn gradients_of_what_the_trainer_makes_small_equal_finite_differences_of_the_smoothed_network() {
    let given = std::env::var("DELAYLINE_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish() >> 1);
    println!("DELAYLINE_SEED={seed}");
    for name in ["chain", "loops", "subtract"] {
        let f = fixture(name);
        let engine: Engine<f64> = engine(&f.plan, Simd::Scalar, true);
        let batch = engine.batch(&f.inputs);
        let mut with = wide(&f.with);
        // Softer than the fixtures, so that the third derivative does not spoil the difference.
        with.weights.iter_mut().flatten().for_each(|w| *w *= 0.5);
        // Penalties on both sides of what the network does, so that every neuron has one of them.
        let mut state = State::default();
        engine.forward(&with, &batch, &mut state);
        let counts: Vec<f64> = (1..f.plan.readout()).flat_map(|p| engine.counts(&state, p)).collect();
        let mean = counts.iter().sum::<f64>() / (counts.len() * f.labels.len() * f.plan.net.steps) as f64;
        assert!(mean > 0.0, "{name}: nothing fires");
        let rates = Some(Rates { high: 0.5 * mean, low: mean, penalty: 3.0 });
        let aim = Aim { sharpness: 2.0, smoothing: 0.1, rates };
        let (_, found, _) = step(&engine, &aim, &with, &batch, &f.labels);
        for trial in 0..4 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed + trial);
            let mut direction = with.clone();
            for (j, layout) in f.plan.layouts.iter().enumerate() {
                for at in 0..layout.len() {
                    let real = layout.synapse(at).is_some();
                    direction.weights[j][at] = if real { rng.random_range(-1.0..1.0) } else { 0.0 };
                }
            }
            direction.keep.iter_mut().flatten().for_each(|k| *k = rng.random_range(-0.1..0.1));
            let moved = |by: f64| {
                let mut with = with.clone();
                let add = |to: &mut [Vec<f64>], from: &[Vec<f64>]| {
                    for (t, f) in to.iter_mut().flatten().zip(from.iter().flatten()) {
                        *t += by * f;
                    }
                };
                add(&mut with.weights, &direction.weights);
                add(&mut with.keep, &direction.keep);
                let mut state = State::default();
                engine.forward(&with, &batch, &mut state);
                aim.loss(&engine, &state, &f.labels).0
            };
            let h = 2e-7;
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            // Against what it would be if nothing cancelled: of a sum of large terms of both signs little is left.
            let products = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<f64> {
                a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| x * y).collect()
            };
            let mut terms = products(&found.weights, &direction.weights);
            terms.extend(products(&found.keep, &direction.keep));
            let found: f64 = terms.iter().sum();
            let size: f64 = terms.iter().map(|t| t.abs()).sum();
            let error = (found - difference).abs() / size;
            assert!(error <= 1e-6, "{name}, trial {trial}: {found} against {difference}: {error:e}");
        }
    }
}
