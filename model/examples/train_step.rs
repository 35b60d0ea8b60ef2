//! One training step (forward and backward) on exported inputs and weights, for `scripts/bench_trainer.py`.
//!
//! `train_step FILE.safetensors THREADS [SIMD]` prints a line of loss and densities, then, for every line on
//! its input, runs a step and prints its wall and CPU time in milliseconds.

use anyhow::{Context, Result};
use model::network::Reset;
use model::train::engine::{Effective, Engine, Gradients, State};
use model::train::net::{Net, Plan, Projection};
use model::train::simd::{LANES, Simd};
use safetensors::SafeTensors;
use serde::Deserialize;
use spikes::Binned;
use std::io::{BufRead, Write};
use std::time::Instant;

#[derive(Deserialize)]
struct Description {
    steps: usize,
    sizes: Vec<usize>,
    delays: Vec<u16>,
    keep: f32,
}

/// CPU time of all threads in milliseconds, where the system says so.
fn cpu() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    tasks.flatten().filter_map(of).sum::<f64>() / 1e6
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let file = args.get(1).context("FILE is missing")?;
    let threads = args.get(2).context("THREADS is missing")?.parse()?;
    let simd = args.get(3).map_or(Ok(Simd::best()), |s| s.parse().map_err(anyhow::Error::msg))?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;

    let bytes = std::fs::read(file)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let text = metadata.metadata().as_ref().and_then(|m| m.get("net")).context("no `net`")?;
    let d: Description = serde_json::from_str(text)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let words = |name: &str| -> Result<Vec<[u8; 4]>> {
        let data = tensors.tensor(name)?.data();
        Ok(data.chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect())
    };
    let integers =
        |name: &str| -> Result<Vec<i32>> { Ok(words(name)?.into_iter().map(i32::from_le_bytes).collect()) };
    let labels = integers("labels")?;
    let mut pairs = vec![Vec::new(); labels.len()];
    for spike in integers("input")?.chunks_exact(3) {
        pairs[spike[0] as usize].push((spike[1] as u32, spike[2] as u32));
    }
    let inputs: Vec<Binned> = pairs.into_iter().map(|p| Binned::from_pairs(p, d.steps as u32)).collect();
    let projections = (0..d.sizes.len() - 1)
        .map(|p| Projection { source: p, target: p + 1, delays: d.delays.clone() })
        .collect();
    let net = Net { steps: d.steps, sizes: d.sizes, reset: Reset::Zero, projections };
    let plan = Plan::new(net).map_err(anyhow::Error::msg)?;
    let mut weights = Vec::new();
    for (j, l) in plan.layouts.iter().enumerate() {
        let values: Vec<f32> = words(&format!("weight.{j}"))?.into_iter().map(f32::from_le_bytes).collect();
        let of = |at| l.synapse(at).map_or(0.0, |(pre, d, post)| values[(d * l.pre + pre) * l.post + post]);
        weights.push((0..l.len()).map(of).collect());
    }
    let keep =
        (0..plan.net.sizes.len()).map(|p| vec![d.keep; if p == 0 { 0 } else { plan.tiles(p) * LANES }]);
    let with = Effective { weights, back: None, keep: keep.collect(), exact: None };
    let engine = Engine { plan, simd, width: 0.5f32, smooth: false };
    let (mut state, mut gradients) = (State::default(), Gradients::default());

    let mut step = || -> (f64, Vec<f64>) {
        let batch = engine.batch(&inputs);
        engine.forward(&with, &batch, &mut state);
        let scale = 1.0 / engine.plan.net.steps as f32;
        let mut loss = 0.0;
        let mut by_score = Vec::with_capacity(labels.len());
        for (i, &label) in labels.iter().enumerate() {
            let logits: Vec<f32> = engine.scores(&state, i).iter().map(|s| s * scale).collect();
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = logits.iter().map(|l| (l - top).exp()).sum();
            loss += f64::from(sum.ln() + top - logits[label as usize]);
            let each = scale / labels.len() as f32;
            let by = |(c, l): (usize, &f32)| {
                ((l - top).exp() / sum - f32::from(u8::from(c == label as usize))) * each
            };
            by_score.push(logits.iter().enumerate().map(by).collect());
        }
        engine.backward(&with, &batch, &by_score, &[], &mut state, &mut gradients);
        let cells = |p: usize| (labels.len() * engine.plan.net.steps * engine.plan.net.sizes[p]) as f64;
        let densities = (1..engine.plan.readout())
            .map(|p| engine.counts(&state, p).iter().sum::<f64>() / cells(p))
            .collect();
        (loss / labels.len() as f64, densities)
    };
    let (loss, densities) = step();
    let mut out = std::io::stdout();
    writeln!(out, "{loss:.6} {}", densities.iter().map(|d| format!("{d:.4}")).collect::<Vec<_>>().join(" "))?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let (start, before) = (Instant::now(), cpu());
        step();
        writeln!(out, "{:.3} {:.3}", start.elapsed().as_secs_f64() * 1e3, cpu() - before)?;
        out.flush()?;
    }
    Ok(())
}
