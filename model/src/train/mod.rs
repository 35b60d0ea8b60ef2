//! The trainer: surrogate gradients, delays as parallel synapses, export as a contract network.
//!
//! Every pair of neurons has one synapse for each delay of a grid; weights alone are learned. The
//! last epochs run on the integers that are exported, so that the exported network's golden
//! evaluation equals the trainer's own forward pass exactly.

pub mod engine;
pub mod optimiser;
pub mod quantise;
pub mod trainer;

use crate::network::DECAY_ONE;
use anyhow::{Context, Result, bail};
use engine::Shape;
use quantise::About;
use spikes::{Binning, SampleRange, SpikeFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trainer::{Sample, Score, Settings, Trainer};

/// Trains a chain of LIF populations with synaptic delays, and quantises it to 8 bits.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  model train --input digits.npz --samples 0..320 --test digits.npz --test-samples 320..400 --output net.safetensors")]
pub struct TrainArgs {
    /// Labelled spikes to learn from (.npz or SHD HDF5)
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Samples to learn from: all, N, or A..B (half-open)
    #[arg(long, value_name = "RANGE", default_value = "all")]
    pub samples: SampleRange,
    /// Labelled spikes to test on, once, at the end
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Samples to test on
    #[arg(long, value_name = "RANGE", default_value = "all", requires = "test")]
    pub test_samples: SampleRange,
    /// The network to write
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Name of the network
    #[arg(long, default_value = "trained")]
    pub name: String,
    /// Names of the classes, in the order of their labels
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub class_names: Vec<String>,
    /// Sizes of the hidden populations
    #[arg(long, value_delimiter = ',', default_value = "48,48")]
    pub hidden: Vec<usize>,
    /// Steps of a sample
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub steps: u32,
    /// Length of a step in milliseconds
    #[arg(long, default_value_t = 10.0)]
    pub step_ms: f64,
    /// Input units of the recording
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub units: u32,
    /// Units that share a channel
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub group: u32,
    /// Candidate delays of all projections but the first: 1, 1 + stride, .. up to depth
    #[arg(long, value_name = "DEPTHxSTRIDE", default_value = "60x4")]
    pub delays: Grid,
    /// Candidate delays of the projection from the input
    #[arg(long, value_name = "DEPTHxSTRIDE", default_value = "1x1")]
    pub input_delays: Grid,
    /// Keep this many delays a pair, the strongest, after half of the epochs
    #[arg(long, value_name = "K")]
    pub keep: Option<usize>,
    /// Epochs in floating point
    #[arg(long, default_value_t = 40)]
    pub epochs: usize,
    /// Epochs on integers, after them
    #[arg(long, default_value_t = 20)]
    pub integer_epochs: usize,
    /// Samples a step
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Step size of Adam at the start
    #[arg(long, default_value_t = 2e-3)]
    pub learning_rate: f32,
    /// Membrane time constant of hidden populations, in steps
    #[arg(long, default_value_t = 5.0)]
    pub tau: f32,
    /// Share of input spikes left out at random
    #[arg(long, default_value_t = 0.1)]
    pub dropout: f32,
    /// Input channels are shifted by up to so many, at random
    #[arg(long, default_value_t = 10)]
    pub channel_shift: u32,
    /// Highest density of spikes that hidden populations are not pushed down from
    #[arg(long, default_value_t = 0.12)]
    pub density: f32,
    /// Seed: the same gives the same bytes on any number of threads
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Write one line of JSON an epoch
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// No progress bar
    #[arg(long)]
    pub quiet: bool,
}

/// Candidate delays: 1, 1 + stride, .. up to depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Longest delay allowed, in steps.
    pub depth: usize,
    /// From one to the next, in steps.
    pub stride: usize,
}

impl Grid {
    /// The delays.
    #[must_use]
    pub fn delays(self) -> Vec<usize> {
        (1..=self.depth).step_by(self.stride).collect()
    }
}

impl std::str::FromStr for Grid {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: write DEPTHxSTRIDE, like 60x4; both at least 1");
        let (depth, stride) = text.split_once('x').ok_or_else(wrong)?;
        let number = |s: &str| s.parse().ok().filter(|n| (1..=65_535).contains(n)).ok_or_else(wrong);
        Ok(Self { depth: number(depth)?, stride: number(stride)? })
    }
}

/// Runs `model train`.
///
/// # Errors
/// Bad input, I/O, or [`crate::evaluate::Interrupted`].
pub fn train(args: &TrainArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    check(args)?;
    let binning = Binning {
        steps: args.steps,
        step_ms: args.step_ms,
        channels: args.units.div_ceil(args.group),
        group: args.group,
    };
    let samples = load(&args.input, args.samples, &binning)?;
    let classes = samples.iter().map(|s| s.label).max().map_or(0, |l| l + 1);
    let test = args.test.as_ref().map(|path| load(path, args.test_samples, &binning)).transpose()?;
    if let Some(s) = test.iter().flatten().find(|s| s.label >= classes) {
        bail!("--test: label {} does not occur in --input; train on all classes", s.label);
    }
    if !args.class_names.is_empty() && args.class_names.len() != classes {
        bail!(
            "--class-names: {} names for the {classes} classes of --input; name each",
            args.class_names.len()
        );
    }
    let shape = shape(args, &binning, classes);
    let settings = Settings {
        batch: args.batch as usize,
        learning_rate: args.learning_rate,
        dropout: args.dropout,
        channel_shift: args.channel_shift,
        density: args.density,
        rate_penalty: 20.0,
        seed: args.seed,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0)).build()?;
    let trainer = pool.install(|| run(args, shape, settings, &samples, &stop))?;
    let about = About {
        name: args.name.clone(),
        step_ms: args.step_ms,
        group: args.group,
        classes: args.class_names.clone(),
    };
    trainer.quantised().network(&trainer.shape, &about).write(&args.output)?;
    if let Some(test) = test {
        let score = pool.install(|| trainer.evaluate(&test));
        println!("test        {:.2} % of {} samples", 100.0 * score.accuracy, test.len());
    }
    Ok(())
}

/// What clap does not check.
fn check(args: &TrainArgs) -> Result<()> {
    if args.hidden.is_empty() || args.hidden.contains(&0) {
        bail!("--hidden: name at least one population, each of at least one neuron");
    }
    if !(args.step_ms.is_finite() && args.step_ms > 0.0) {
        bail!("--step-ms {}: must be positive", args.step_ms);
    }
    if args.keep == Some(0) {
        bail!("--keep 0: would remove every synapse; keep at least 1");
    }
    if args.integer_epochs == 0 {
        bail!("--integer-epochs 0: the exported network is the one trained on integers; at least 1");
    }
    for (name, value, most) in [
        ("--dropout", args.dropout, 0.99),
        ("--density", args.density, 1.0),
        ("--learning-rate", args.learning_rate, 1.0),
    ] {
        if !(0.0..=most).contains(&value) {
            bail!("{name} {value}: must be 0 to {most}");
        }
    }
    if args.tau.is_nan() || args.tau <= 0.0 {
        bail!("--tau {}: must be positive", args.tau);
    }
    Ok(())
}

fn load(path: &Path, range: SampleRange, binning: &Binning) -> Result<Vec<Sample>> {
    let file = SpikeFile::read(path)?;
    let range = range.resolve(file.len()).with_context(|| path.display().to_string())?;
    if range.is_empty() {
        bail!("{}: no samples", path.display());
    }
    range
        .map(|i| {
            let label = file.label(i);
            let label = label.with_context(|| format!("{}: sample {i} has no label", path.display()))?;
            Ok(Sample { input: file.bin(i, binning)?, label: label as usize })
        })
        .collect()
}

fn shape(args: &TrainArgs, binning: &Binning, classes: usize) -> Shape {
    let mut sizes = vec![binning.channels as usize];
    sizes.extend(&args.hidden);
    sizes.push(classes);
    let mut delays = vec![args.input_delays.delays()];
    delays.resize(sizes.len() - 1, args.delays.delays());
    // exp(-1 / tau), in 4096ths; the readout forgets three times more slowly.
    let keep = |tau: f32| (f32::from(DECAY_ONE) * (-1.0 / tau).exp()).round() as u16;
    let mut keeps = vec![keep(args.tau); args.hidden.len()];
    keeps.push(keep(3.0 * args.tau));
    Shape { steps: args.steps as usize, sizes, delays, keep: keeps }
}

fn run(
    args: &TrainArgs,
    shape: Shape,
    settings: Settings,
    samples: &[Sample],
    stop: &AtomicBool,
) -> Result<Trainer> {
    let mut trainer = Trainer::new(shape, settings, samples);
    let all = args.epochs + args.integer_epochs;
    let bar = if args.quiet {
        indicatif::ProgressBar::hidden()
    } else {
        let style = indicatif::ProgressStyle::with_template("{bar:30} epoch {msg}, {eta} left")?;
        indicatif::ProgressBar::new((all * samples.len()) as u64).with_style(style)
    };
    let mut log = String::new();
    for epoch in 0..all {
        if epoch == args.epochs {
            trainer.quantise();
        }
        if let Some(k) = args.keep.filter(|_| epoch == args.epochs / 2) {
            trainer.prune(k);
        }
        let share = |e: usize| e as f32 / all as f32;
        let score = trainer.epoch(samples, share(epoch), share(epoch + 1), |n| {
            bar.inc(n as u64);
            !stop.load(Ordering::Relaxed)
        });
        let integers = epoch >= args.epochs;
        bar.set_message(format!("{}/{all}: {}", epoch + 1, line(&score)));
        let record = serde_json::json!({ "epoch": epoch + 1, "integers": integers, "train": score });
        log.push_str(&format!("{record}\n"));
        if stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            if !integers {
                bail!(
                    "interrupted in epoch {} of {all}, before the integer phase: nothing is written",
                    epoch + 1
                );
            }
            eprintln!("interrupted in epoch {} of {all}: writing what there is", epoch + 1);
            break;
        }
    }
    bar.finish_and_clear();
    if let Some(path) = &args.log {
        std::fs::write(path, log).with_context(|| path.display().to_string())?;
    }
    println!("training    {}", line(&trainer.evaluate(samples)));
    Ok(trainer)
}

fn line(score: &Score) -> String {
    let densities: Vec<_> = score.densities.iter().map(|d| format!("{:.1} %", 100.0 * d)).collect();
    format!(
        "loss {:.3}, accuracy {:.1} %, density {}",
        score.loss,
        100.0 * score.accuracy,
        densities.join(", ")
    )
}
