//! Stages of a run: read, simulate, write.

use crate::cli::Args;
use crate::report::{Report, write_whole};
use anyhow::{Context, Result, bail};
use hw::Image;
use hw::platform::Structure;
use sim::statistics::{Header, Statistics};
use sim::vcd::{Selection, Waves};
use sim::{Options, Outcome, Simulator};
use spikes::{Binned, Binning, ResultsCsv, SampleRange, SpikeFile, SpikesCsv};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

/// Whether an error means that the user interrupted the run.
pub fn is_interrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(sim::Error::Interrupted))
}

/// Exit status of an error: 1 where the run itself failed, 2 for everything before it.
pub fn status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(sim::Error::Deadlock { .. }) => 1,
        _ => 2,
    }
}

/// Runs as the command line says.
pub fn run(args: &Args) -> Result<ExitCode> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupt);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let image = Image::read(&args.image)?;
    let (input, name) = stimulus(&args.image, args.input.as_deref(), &image)?;
    let range =
        args.samples.unwrap_or(if args.vcd.is_some() { SampleRange::One(0) } else { SampleRange::All });
    let samples = range.resolve(input.len()).with_context(|| format!("--samples, of {name}"))?;
    if args.vcd.is_some() && samples.len() != 1 {
        bail!("--vcd takes exactly one sample, not {}: choose it with --samples N", samples.len());
    }
    let structure = args.delays.unwrap_or(image.primary);
    let simulator = Simulator::new(&image, structure, Options { interrupt: Some(interrupt) })?;
    let network = &image.network;
    let inputs = network.populations.iter().find(|p| p.kind == hw::image::PopulationKind::Input);
    let binning = Binning {
        steps: network.steps,
        step_ms: network.step_ms,
        channels: inputs.map_or(0, |p| p.size),
        group: network.group,
    };
    let mut writers = Writers::create(args, &image, &simulator)?;
    let mut report = Report::new(&image, structure, &name, &simulator);
    let wanted = args.stats.is_some() || args.report.is_some();
    let mut statistics = if wanted {
        let header = header(&args.image, args.input.as_deref(), &image, structure)?;
        Some(Statistics::new(simulator.program(), header))
    } else {
        None
    };
    let bar = progress(args, samples.len() as u64);
    let first = samples.start;
    let mut finish = |index: usize, binned: &Binned, outcome: Outcome| -> Result<()> {
        let label = input.label(first + index);
        for overflow in &outcome.overflows {
            bar.suspend(|| eprintln!("sample {}: {overflow}", first + index));
        }
        writers.write(first + index, label, &outcome)?;
        report.add(label, binned, &outcome);
        if let Some(statistics) = &mut statistics {
            statistics.add(first + index, label, binned, &outcome);
        }
        bar.inc(1);
        Ok(())
    };
    let outcome = if let Some(path) = &args.vcd {
        with_waves(args, path, simulator, &input, &binning, first, &mut finish)
    } else {
        parallel(args, &simulator, &input, &binning, samples.clone(), &mut finish)
    };
    bar.finish_and_clear();
    if let Err(error) = outcome {
        if is_interrupt(&error) {
            // What is done is kept whole.
            writers.finish()?;
            write_statistics(args, &image, statistics, true)?;
            eprintln!(
                "interrupted after {} of {} samples; their results are written",
                report.samples,
                samples.len()
            );
        }
        return Err(error);
    }
    writers.finish()?;
    report.write(args, &image)?;
    write_statistics(args, &image, statistics, false)?;
    Ok(if report.failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The input file, or the stimulus inside the image.
pub fn stimulus(path: &Path, input: Option<&Path>, image: &Image) -> Result<(SpikeFile, String)> {
    if let Some(path) = input {
        return Ok((SpikeFile::read(path)?, path.display().to_string()));
    }
    let name = format!("{} (stimulus)", path.display());
    let Some(bytes) = &image.stimulus else {
        bail!("{}: the image has no stimulus; give spikes with --input FILE", path.display());
    };
    let file = SpikeFile::from_bytes(bytes, Path::new(&name))?;
    Ok((file, name))
}

/// Says what a run was made of, with the digests of its files.
pub fn header(path: &Path, input: Option<&Path>, image: &Image, structure: Structure) -> Result<Header> {
    let read = |p: &Path| std::fs::read(p).with_context(|| p.display().to_string());
    let (input, input_sha256) = match input {
        Some(file) => (file.display().to_string(), sim::digest(&read(file)?)),
        None => (
            format!("{} (stimulus)", path.display()),
            sim::digest(image.stimulus.as_deref().unwrap_or_default()),
        ),
    };
    Ok(Header {
        tool: format!("delayline sim {}", env!("CARGO_PKG_VERSION")),
        command: std::env::args().collect(),
        seed: None,
        image: path.display().to_string(),
        image_sha256: sim::digest(&read(path)?),
        compiler: image.tool.clone(),
        input,
        input_sha256,
        network: image.network.name.clone(),
        network_sha256: image.network.sha256.clone(),
        platform: image.platform.name.clone(),
        structure,
        steps: image.network.steps,
        step_ms: image.network.step_ms,
        clock_mhz: image.platform.clock_mhz,
        interrupted: false,
    })
}

/// Writes the files of `--stats` and `--report`.
fn write_statistics(
    args: &Args,
    image: &Image,
    statistics: Option<Statistics>,
    interrupted: bool,
) -> Result<()> {
    let Some(mut statistics) = statistics else { return Ok(()) };
    statistics.header.interrupted = interrupted;
    statistics.finish(image.platform.mesh.barrier_latency);
    let json = serde_json::to_string_pretty(&statistics)? + "\n";
    let folder = args.report.as_ref().map(|folder| folder.join("stats.json"));
    for path in args.stats.iter().chain(&folder) {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{}: cannot make the folder", parent.display()))?;
        }
        write_whole(path, &json)?;
        write_whole(&path.with_extension("csv"), &statistics.csv())?;
    }
    Ok(())
}

fn progress(args: &Args, samples: u64) -> indicatif::ProgressBar {
    if args.quiet || samples < 2 {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {eta} left")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(samples).with_style(style)
}

type Finish<'a> = dyn FnMut(usize, &Binned, Outcome) -> Result<()> + 'a;

fn with_waves(
    args: &Args,
    path: &Path,
    mut simulator: Simulator,
    input: &SpikeFile,
    binning: &Binning,
    sample: usize,
    finish: &mut Finish<'_>,
) -> Result<()> {
    let binned = input.bin(sample, binning)?;
    let steps = match &args.vcd_steps {
        None => None,
        Some(range) => {
            let range = range.resolve(binning.steps as usize).context("--vcd-steps")?;
            Some(range.start as u32..range.end as u32)
        }
    };
    let selection = Selection { steps, scopes: args.vcd_scope.clone() };
    let mut waves = Waves::create(path, simulator.program(), &selection)?;
    let outcome = simulator.run_with(&binned, &mut waves);
    // An interrupted or failed run leaves the waves up to there.
    waves.finish()?;
    finish(0, &binned, outcome?)
}

/// Samples on threads; results are handed on in the order of the samples.
fn parallel(
    args: &Args,
    simulator: &Simulator,
    input: &SpikeFile,
    binning: &Binning,
    samples: std::ops::Range<usize>,
    finish: &mut Finish<'_>,
) -> Result<()> {
    let threads =
        args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let (next, count) = (AtomicUsize::new(0), samples.len());
    let (sender, receiver) = mpsc::sync_channel::<(usize, Result<(Binned, Outcome)>)>(4 * threads);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            let (sender, next) = (sender.clone(), &next);
            let mut simulator = simulator.clone();
            let first = samples.start;
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let result = (|| {
                        let binned = input.bin(first + index, binning)?;
                        let outcome = simulator.run(&binned)?;
                        Ok((binned, outcome))
                    })();
                    let stop = result.is_err();
                    if sender.send((index, result)).is_err() || stop {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        for (index, result) in receiver {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&due) {
                let (binned, outcome) = result?;
                finish(due, &binned, outcome)?;
                due += 1;
            }
        }
        Ok(())
    })
}

/// The CSV files asked for.
struct Writers {
    spikes: Option<SpikesCsv>,
    results: Option<ResultsCsv>,
}

impl Writers {
    fn create(args: &Args, image: &Image, simulator: &Simulator) -> Result<Self> {
        let names: Vec<_> = image.network.populations.iter().map(|p| p.name.clone()).collect();
        let scores = simulator.program().scores();
        Ok(Self {
            spikes: args.spikes.as_ref().map(|p| SpikesCsv::create(p, &names)).transpose()?,
            results: args.results.as_ref().map(|p| ResultsCsv::create(p, scores)).transpose()?,
        })
    }

    fn write(&mut self, sample: usize, label: Option<u32>, outcome: &Outcome) -> Result<()> {
        if !outcome.overflows.is_empty() {
            // A failed sample has no spikes, prediction or scores to trust.
            if let Some(results) = &mut self.results {
                results.write_failed(sample, label)?;
            }
            return Ok(());
        }
        if let Some(spikes) = &mut self.spikes {
            for s in &outcome.spikes {
                spikes.write(sample, s.step, s.population as usize, s.neuron)?;
            }
        }
        if let Some(results) = &mut self.results {
            results.write(sample, label, outcome.prediction, Some(outcome.cycles), &outcome.scores)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(spikes) = self.spikes.take() {
            spikes.finish()?;
        }
        if let Some(results) = self.results.take() {
            results.finish()?;
        }
        Ok(())
    }
}
