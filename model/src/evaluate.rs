//! `model evaluate`: the golden model over the samples of a file.

use crate::golden;
use crate::network::{Kind, Network};
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;
use spikes::{ResultsCsv, SampleRange, SpikeFile, SpikesCsv};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a network on recorded spikes with the golden model.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  model evaluate net.safetensors --input digits.npz
  model evaluate net.safetensors --input shd_test.h5 --samples 0..100 --results results.csv
  model evaluate net.safetensors --input digits.npz --confusion confusion.svg")]
pub struct EvaluateArgs {
    /// The network (.safetensors)
    #[arg(value_name = "NETWORK")]
    pub network: PathBuf,
    /// Spikes (.npz or SHD HDF5)
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Samples: all, N (the one of index N), or A..B (half-open)
    #[arg(long, value_name = "RANGE", default_value = "all")]
    pub samples: SampleRange,
    /// Write all spikes as CSV
    #[arg(long, value_name = "FILE")]
    pub spikes: Option<PathBuf>,
    /// Write predictions and scores as CSV
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Draw the confusion matrix of the labelled samples, as SVG
    #[cfg(feature = "plots")]
    #[arg(long, value_name = "FILE.svg")]
    pub confusion: Option<PathBuf>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress bar and no summary
    #[arg(long)]
    pub quiet: bool,
}

/// The run was interrupted.
#[derive(Debug, thiserror::Error)]
#[error("interrupted after {done} of {all} samples; their results are written")]
pub struct Interrupted {
    /// Samples that are written.
    pub done: usize,
    /// Samples asked for.
    pub all: usize,
}

/// Sums over the samples.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Samples that were run.
    pub samples: u64,
    /// Samples that have a label.
    pub labelled: u64,
    /// Samples whose prediction is their label.
    pub correct: u64,
    /// Input spikes after binning.
    pub input_spikes: u64,
    /// Input spikes at or after the last step, dropped.
    pub input_late: u64,
    /// Repeats of a channel in a step, counted once.
    pub input_repeats: u64,
    /// Synaptic events emitted.
    pub synaptic_events: u64,
    /// Of these, those that would arrive past the end.
    pub lost: u64,
    /// Share of (neuron, step) pairs with a spike, for each lif population.
    pub densities: Vec<(String, f64)>,
}

/// Samples between writes to the files.
const CHUNK: usize = 64;

/// Runs `model evaluate`.
///
/// # Errors
/// Bad input, I/O, or [`Interrupted`].
pub fn evaluate(args: &EvaluateArgs) -> Result<Summary> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let network = Network::read(&args.network)?;
    let input = SpikeFile::read(&args.input)?;
    let samples = args.samples.resolve(input.len()).with_context(|| args.input.display().to_string())?;
    let binning = network.binning();
    let names: Vec<_> = network.populations.iter().map(|p| p.name.clone()).collect();
    let scores = network.populations[network.readout()].size as usize;
    let mut spikes = args.spikes.as_ref().map(|p| SpikesCsv::create(p, &names)).transpose()?;
    let mut results = args.results.as_ref().map(|p| ResultsCsv::create(p, scores)).transpose()?;
    #[cfg(feature = "plots")]
    let mut confused = args.confusion.as_ref().map(|path| Confusion::new(path, scores)).transpose()?;
    let mut summary = Summary::default();
    let mut counts = vec![0u64; network.populations.len()];
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let bar = if args.quiet {
        indicatif::ProgressBar::hidden()
    } else {
        let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {eta} left")?;
        indicatif::ProgressBar::new(samples.len() as u64).with_style(style)
    };
    let all: Vec<usize> = samples.collect();
    for chunk in all.chunks(CHUNK) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let done: Result<Vec<_>, _> = pool.install(|| {
            chunk
                .par_iter()
                .map(|&sample| {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    let binned = input.bin(sample, &binning)?;
                    let outcome = golden::run(&network, &binned);
                    bar.inc(1);
                    Ok(Some((sample, binned, outcome)))
                })
                .collect::<Result<_, spikes::Error>>()
        });
        let done = done.with_context(|| args.input.display().to_string())?;
        // Interrupted: the samples up to the first that is not there.
        for (sample, binned, outcome) in done.into_iter().map_while(|d| d) {
            let label = input.label(sample);
            if let Some(spikes) = &mut spikes {
                for s in &outcome.spikes {
                    spikes.write(sample, s.step, s.population as usize, s.neuron)?;
                }
            }
            if let Some(results) = &mut results {
                results.write(sample, label, outcome.prediction, None, &outcome.scores)?;
            }
            #[cfg(feature = "plots")]
            if let (Some(confused), Some(label)) = (&mut confused, label) {
                confused.count(label, outcome.prediction);
            }
            summary.samples += 1;
            summary.labelled += u64::from(label.is_some());
            summary.correct += u64::from(label == Some(outcome.prediction));
            summary.input_spikes += binned.channels.len() as u64;
            summary.input_late += binned.late;
            summary.input_repeats += binned.repeats;
            summary.synaptic_events += outcome.synaptic_events;
            summary.lost += outcome.lost;
            for s in &outcome.spikes {
                counts[s.population as usize] += 1;
            }
        }
    }
    bar.finish_and_clear();
    if let Some(spikes) = spikes {
        spikes.finish()?;
    }
    if let Some(results) = results {
        results.finish()?;
    }
    #[cfg(feature = "plots")]
    if let Some(confused) = confused {
        confused.write(&network)?;
    }
    for (population, count) in network.populations.iter().zip(counts) {
        if let Kind::Lif { .. } = population.kind {
            let cells = summary.samples * u64::from(network.steps) * u64::from(population.size);
            summary.densities.push((population.name.clone(), count as f64 / cells.max(1) as f64));
        }
    }
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&summary)?))?;
    } else if !args.quiet {
        print(&summary.text(&network))?;
    }
    if (summary.samples as usize) < all.len() {
        return Err(Interrupted { done: summary.samples as usize, all: all.len() }.into());
    }
    Ok(summary)
}

/// Samples of each label and prediction.
#[cfg(feature = "plots")]
struct Confusion<'a> {
    path: &'a std::path::Path,
    counts: Vec<Vec<u64>>,
}

#[cfg(feature = "plots")]
impl<'a> Confusion<'a> {
    fn new(path: &'a std::path::Path, classes: usize) -> Result<Self> {
        spikes::check_place(path).with_context(|| path.display().to_string())?;
        Ok(Self { path, counts: vec![vec![0; classes + 1]; classes + 1] })
    }

    /// Labels that the network has no class for share a row after all classes.
    fn count(&mut self, label: u32, prediction: u32) {
        let classes = self.counts.len() - 1;
        self.counts[classes.min(label as usize)][prediction as usize] += 1;
    }

    fn write(self, network: &Network) -> Result<()> {
        let (mut names, mut counts) = (network.class_labels(), self.counts);
        if counts[names.len()].iter().all(|n| *n == 0) {
            counts.truncate(names.len());
            counts.iter_mut().for_each(|row| row.truncate(names.len()));
        } else {
            names.push("other".into());
        }
        let picture = crate::plot::confusion(&names, &counts)?;
        spikes::write_whole(self.path, picture.as_bytes()).with_context(|| self.path.display().to_string())
    }
}

impl Summary {
    fn text(&self, network: &Network) -> String {
        let mut lines = vec![format!("{}: {} samples on the golden model", network.name, self.samples)];
        if self.labelled > 0 {
            let share = 100.0 * self.correct as f64 / self.labelled as f64;
            lines.push(format!("accuracy    {share:.2} % ({} of {})", self.correct, self.labelled));
        }
        let n = self.samples.max(1) as f64;
        lines.push(format!(
            "a sample    {:.0} input spikes ({:.1} late, {:.1} repeated), {:.0} synaptic events ({:.0} past the end)",
            self.input_spikes as f64 / n,
            self.input_late as f64 / n,
            self.input_repeats as f64 / n,
            self.synaptic_events as f64 / n,
            self.lost as f64 / n
        ));
        for (name, density) in &self.densities {
            lines.push(format!("density     {name}: {:.2} % of neurons fire in a step", 100.0 * density));
        }
        lines.join("\n") + "\n"
    }
}

/// Prints; a reader that has left is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}
