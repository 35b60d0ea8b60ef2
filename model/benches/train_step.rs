//! Forward and backward pass of one batch, and its parts: 32 samples x 100 steps, 700-128-128-20, 16 delays.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use model::network::Reset;
use model::train::engine::{Effective, Engine, Gradients, State};
use model::train::net::{Net, Plan, Projection};
use model::train::parameters::Parameters;
use model::train::simd::Simd;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spikes::Binned;

const SAMPLES: usize = 32;
const STEPS: usize = 100;

fn step(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let delays: Vec<u16> = (1..=61).step_by(4).collect();
    let projections =
        (0..3).map(|p| Projection { source: p, target: p + 1, delays: delays.clone() }).collect();
    let net = Net { steps: STEPS, sizes: vec![700, 128, 128, 20], reset: Reset::Zero, projections };
    let plan = Plan::new(net).expect("valid");
    let mut parameters = Parameters::new(&plan, 10.0, None, &mut rng);
    // Weights of one standard deviation of the input at 1.5 %, and of hidden spikes at 5 %.
    for (weights, density) in parameters.weights.iter_mut().zip([0.015f32, 0.05, 0.05]) {
        weights.values.iter_mut().for_each(|w| *w *= 0.72 / density.sqrt());
    }
    let with: Effective<f32> = parameters.effective(&plan);
    let inputs: Vec<Binned> = (0..SAMPLES)
        .map(|_| {
            let cells = (0..STEPS as u32).flat_map(|t| (0..700).map(move |ch| (t, ch)));
            Binned::from_pairs(cells.filter(|_| rng.random::<f32>() < 0.015).collect(), STEPS as u32)
        })
        .collect();
    let by_score: Vec<Vec<f32>> =
        (0..SAMPLES).map(|_| (0..20).map(|_| rng.random_range(-1e-4..1e-4)).collect()).collect();
    for simd in Simd::available().into_iter().filter(|s| *s != Simd::Scalar) {
        let engine = Engine { plan: plan.clone(), simd, width: 0.5f32, smooth: false };
        let batch = engine.batch(&inputs);
        let mut state = State::default();
        c.bench_function(&format!("forward/{simd}"), |b| {
            b.iter(|| engine.forward(&with, &batch, &mut state))
        });
        let mut gradients = Gradients::default();
        c.bench_function(&format!("backward/{simd}"), |b| {
            b.iter_batched(
                || (),
                |()| engine.backward(&with, &batch, &by_score, &[], &mut state, &mut gradients),
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = step
}
criterion_main!(benches);
