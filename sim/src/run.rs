//! Stages of a run: read, simulate, write.

use crate::cli::Args;
use crate::lockstep_run::in_lockstep;
use crate::paths::{can_write, keep_apart};
use crate::random_input::RandomInput;
use crate::report::Report;
use anyhow::{Context, Result, anyhow, bail};
use hw::Image;
use hw::platform::Structure;
use sim::memory::Table;
use sim::page::Gallery;
use sim::probe::{NoProbe, Probe};
use sim::statistics::{Header, Statistics};
use sim::steps::{Record, Recorder};
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Outcome, Simulator};
use spikes::{Binned, Binning, ResultsCsv, SampleRange, SpikeFile, SpikesCsv};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

/// Whether an error means that the user interrupted the run.
pub fn is_interrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(sim::Error::Interrupted))
}

/// Exit status of an error: 1 where the run itself failed, 130 where it was interrupted, 2 for everything before it.
pub fn status(error: &anyhow::Error) -> u8 {
    error.downcast_ref().map_or(2, |e: &sim::Error| e.status())
}

/// Runs as the command line says.
pub fn run(args: &Args) -> Result<ExitCode> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupt);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let mut inputs = vec![("--image", args.image.as_path())];
    inputs.extend(args.input.as_deref().map(|p| ("--input", p)));
    let outputs = outputs(args);
    keep_apart(&inputs, &outputs)?;
    can_write(&outputs, &["--stats", "--report"])?;
    let image = Image::read(&args.image)?;
    let origin = match (&args.input, args.random_input) {
        (Some(path), _) => Origin::File(path),
        (None, Some(random)) => Origin::Random(random),
        (None, None) => Origin::Stimulus,
    };
    let (input, name) = origin.spikes(&args.image, &image)?;
    let waves = args.vcd.is_some() || args.fst.is_some();
    // Lockstep takes seconds a sample, not milliseconds; random samples are as many as were asked for.
    let one = waves || args.lockstep.is_some() && args.random_input.is_none();
    let range = args.samples.unwrap_or(if one { SampleRange::One(0) } else { SampleRange::All });
    let samples = range.resolve(input.len()).with_context(|| format!("--samples, of {name}"))?;
    if waves && samples.len() != 1 {
        bail!("waves take exactly one sample, not {}: choose it with --samples N", samples.len());
    }
    let structure = args.delays.unwrap_or(image.primary);
    let simulator =
        Simulator::new(&image, structure, Options { interrupt: Some(interrupt), ..Options::default() })?;
    let network = &image.network;
    let inputs = network.populations.iter().find(|p| p.kind == hw::image::PopulationKind::Input);
    let binning = Binning {
        steps: network.steps,
        step_ms: network.step_ms,
        channels: inputs.map_or(0, |p| p.size),
        group: network.group,
    };
    let from = Source { file: &input, name: &name, binning };
    let mut writers = Writers::create(args, &image, &simulator)?;
    let mut report = Report::new(&image, structure, &name, &simulator);
    let wanted = args.stats.is_some() || args.report.is_some();
    let mut statistics = if wanted {
        let header = header(&args.image, origin, &input, &image, structure)?;
        Some(Statistics::new(simulator.program(), header))
    } else {
        None
    };
    let bar = progress(args, samples.len() as u64);
    let first = samples.start;
    let mut gallery = None;
    let mut finish = |index: usize, done: Done| -> Result<()> {
        let Done { binned, outcome, record, gallery: drawn } = done;
        let label = from.file.label(first + index);
        for overflow in &outcome.overflows {
            bar.suspend(|| warn(format_args!("sample {}: {overflow}", first + index)));
        }
        writers.write(first + index, label, &outcome)?;
        report.add(label, &binned, &outcome);
        if let Some(statistics) = &mut statistics {
            statistics.add(first + index, label, &binned, &outcome);
            if let Some(record) = record.filter(|_| outcome.overflows.is_empty()) {
                statistics.add_steps(&record);
            }
        }
        if let Some(drawn) = drawn {
            gallery = Some(drawn.with(first + index, binned, outcome));
        }
        bar.inc(1);
        Ok(())
    };
    let outcome = if let Some(components) = &args.lockstep {
        in_lockstep(args, components, &image, simulator, &from, samples.clone(), &mut finish)
    } else if waves {
        with_waves(args, simulator, &from, first, &mut finish)
    } else {
        parallel(args, &simulator, &from, samples.clone(), &mut finish)
    };
    bar.finish_and_clear();
    if let Err(error) = outcome {
        if status(&error) != 2 {
            // What is done is kept whole.
            writers.finish()?;
            let (done, all) = (report.samples, samples.len());
            report.write(args, &image)?;
            write_statistics(args, &image, statistics, gallery, true)?;
            let how = if is_interrupt(&error) { "interrupted" } else { "stopped" };
            warn(format_args!("{how} after {done} of {all} samples; their results are written"));
        }
        return Err(error);
    }
    writers.finish()?;
    report.write(args, &image)?;
    write_statistics(args, &image, statistics, gallery, false)?;
    Ok(if report.failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Every file that a run writes, with the option that asks for it.
fn outputs(args: &Args) -> Vec<(&'static str, PathBuf)> {
    let waves = [("--vcd", &args.vcd), ("--fst", &args.fst)];
    let tables = [("--spikes", &args.spikes), ("--results", &args.results)];
    let given = waves.into_iter().chain(tables);
    let mut all: Vec<_> = given.filter_map(|(o, p)| Some((o, p.clone()?))).collect();
    if args.lockstep.is_some() {
        all.push(("--lockstep-vcd", args.lockstep_vcd.clone()));
    }
    if let Some(path) = &args.stats {
        all.push(("--stats", path.clone()));
        all.extend(STATS_TABLES.map(|end| ("--stats", path.with_extension(end))));
    }
    if let Some(folder) = &args.report {
        let files = ["index.html", "report.txt", "report.json", "stats.json"];
        all.extend(files.map(|file| ("--report", folder.join(file))));
        all.extend(STATS_TABLES.map(|end| ("--report", folder.join("stats").with_extension(end))));
    }
    all
}

/// What stands beside a `stats.json`: cores, cores by step, the chip by step.
const STATS_TABLES: [&str; 3] = ["csv", "steps.csv", "path.csv"];

/// A line for the user; a reader that has left is no error.
pub fn warn(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Where spikes come from.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// A file.
    File(&'a Path),
    /// Drawn at random.
    Random(RandomInput),
    /// The image itself.
    Stimulus,
}

impl Origin<'_> {
    /// The spikes, and their name for messages; `path` is the image's.
    pub fn spikes(self, path: &Path, image: &Image) -> Result<(SpikeFile, String)> {
        let name = self.name(path);
        let file = match self {
            Origin::File(file) => SpikeFile::read(file)?,
            Origin::Random(random) => random.generate(image).map_err(anyhow::Error::msg)?,
            Origin::Stimulus => match &image.stimulus {
                Some(bytes) => SpikeFile::from_bytes(bytes, Path::new(&name))?,
                None => {
                    bail!("{}: the image has no stimulus; give spikes with --input FILE", path.display())
                }
            },
        };
        Ok((file, name))
    }

    fn name(self, path: &Path) -> String {
        match self {
            Origin::File(file) => file.display().to_string(),
            Origin::Random(_) => "random spikes".into(),
            Origin::Stimulus => format!("{} (stimulus)", path.display()),
        }
    }
}

/// SHA-256 of spikes that are in no file: of each sample the times, then the units, as they lie in a file. No archive is made of
/// them: packing would take longer than the run.
fn digest_of(spikes: &SpikeFile) -> String {
    sim::digest_of_parts((0..spikes.len()).map(|sample| {
        let (times, units) = spikes.sample(sample);
        let times = times.iter().flat_map(|t| t.to_le_bytes());
        times.chain(units.iter().flat_map(|u| u.to_le_bytes())).collect::<Vec<u8>>()
    }))
}

/// Says what a run was made of, with the digests of its files; `path` is the image's.
pub fn header(
    path: &Path,
    origin: Origin<'_>,
    spikes: &SpikeFile,
    image: &Image,
    structure: Structure,
) -> Result<Header> {
    let read = |p: &Path| std::fs::read(p).with_context(|| p.display().to_string());
    let input = origin.name(path);
    let (input_sha256, seed) = match origin {
        Origin::File(file) => (sim::digest(&read(file)?), None),
        Origin::Random(random) => (digest_of(spikes), Some(random.seed())),
        Origin::Stimulus => (sim::digest(image.stimulus.as_deref().unwrap_or_default()), None),
    };
    Ok(Header {
        tool: format!("delayline sim {}", env!("CARGO_PKG_VERSION")),
        command: std::env::args().collect(),
        seed,
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
    gallery: Option<Gallery>,
    interrupted: bool,
) -> Result<()> {
    let Some(mut statistics) = statistics else { return Ok(()) };
    statistics.header.interrupted = interrupted;
    statistics.finish(image.platform.mesh.barrier_latency);
    let json = statistics.json()?;
    let tables = [Some(statistics.csv()), statistics.steps_csv(), statistics.path_csv()];
    let folder = args.report.as_ref().map(|folder| folder.join("stats.json"));
    for path in args.stats.iter().chain(&folder) {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{}: cannot make the folder", parent.display()))?;
        }
        write(path, &json)?;
        for (end, text) in STATS_TABLES.iter().zip(&tables) {
            if let Some(text) = text {
                write(&path.with_extension(end), text)?;
            }
        }
    }
    if let Some(folder) = &args.report {
        let peaks: Vec<_> = statistics.cores.iter().map(|c| c.counts.queue_peak).collect();
        let memories = Table::both(image, statistics.header.structure, &peaks);
        write(&folder.join("index.html"), &sim::page::page(&statistics, image, &memories, gallery.as_ref()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    spikes::write_whole(path, text.as_bytes()).with_context(|| path.display().to_string())
}

fn progress(args: &Args, samples: u64) -> indicatif::ProgressBar {
    // In lockstep steps are counted, not samples.
    if args.quiet || samples < 2 || args.lockstep.is_some() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {eta} left")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(samples).with_style(style)
}

/// Where samples come from.
pub struct Source<'a> {
    file: &'a SpikeFile,
    /// For messages.
    name: &'a str,
    /// How they become steps and channels.
    pub binning: Binning,
}

impl Source<'_> {
    /// Samples that there are.
    pub fn len(&self) -> usize {
        self.file.len()
    }

    /// The spikes of a sample.
    pub fn bin(&self, sample: usize) -> Result<Binned> {
        self.file.bin(sample, &self.binning).with_context(|| self.name.to_string())
    }
}

/// A sample that has run.
pub struct Done {
    /// What went in.
    pub binned: Binned,
    /// What came of it.
    pub outcome: Outcome,
    /// What it did by step, where that is wanted.
    pub record: Option<Record>,
    /// What the report shows of it; of the first sample.
    pub gallery: Option<Gallery>,
}

/// Runs one sample under a probe; `index` is its place in the run.
fn run_one<P: Probe>(
    args: &Args,
    simulator: &mut Simulator,
    recorder: Option<&mut Recorder>,
    index: usize,
    binned: Binned,
    probe: &mut P,
) -> Result<Done, sim::Error> {
    let Some(recorder) = recorder else {
        let outcome = simulator.run_with(&binned, probe)?;
        return Ok(Done { binned, outcome, record: None, gallery: None });
    };
    let mut gallery = (args.report.is_some() && index == 0).then(|| Gallery::new(simulator.program()));
    let (outcome, record) = match &mut gallery {
        Some(gallery) => recorder.run(simulator, &binned, &mut (gallery, probe))?,
        None => recorder.run(simulator, &binned, probe)?,
    };
    Ok(Done { binned, outcome, record: Some(record), gallery })
}

/// Who counts by step, where that is wanted.
pub fn recorder(args: &Args, simulator: &Simulator) -> Option<Recorder> {
    (args.stats.is_some() || args.report.is_some()).then(|| Recorder::new(simulator))
}

/// What is done with each sample, in their order.
pub type Finish<'a> = dyn FnMut(usize, Done) -> Result<()> + 'a;

fn with_waves(
    args: &Args,
    mut simulator: Simulator,
    from: &Source<'_>,
    sample: usize,
    finish: &mut Finish<'_>,
) -> Result<()> {
    let binned = from.bin(sample)?;
    let steps = match &args.vcd_steps {
        None => None,
        Some(range) => {
            let steps = from.binning.steps;
            let range = range
                .resolve(steps as usize)
                .map_err(|_| anyhow!("--vcd-steps {range}: the network has {steps} steps, from 0 on"))?;
            Some(range.start as u32..range.end as u32)
        }
    };
    let selection = Selection { steps, scopes: args.vcd_scope.clone() };
    let files = Files { vcd: args.vcd.as_deref(), fst: args.fst.as_deref() };
    let mut waves = Waves::create(files, simulator.program(), &selection)?;
    let mut recorder = recorder(args, &simulator);
    let done = run_one(args, &mut simulator, recorder.as_mut(), 0, binned, &mut waves);
    // An interrupted or failed run leaves the waves up to there.
    waves.finish()?;
    finish(0, done?)
}

/// Samples on threads; results are handed on in the order of the samples.
fn parallel(
    args: &Args,
    simulator: &Simulator,
    from: &Source<'_>,
    samples: std::ops::Range<usize>,
    finish: &mut Finish<'_>,
) -> Result<()> {
    let threads =
        args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let (next, count) = (AtomicUsize::new(0), samples.len());
    let (sender, receiver) = mpsc::sync_channel::<(usize, Result<Done>)>(4 * threads);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            let (sender, next) = (sender.clone(), &next);
            let (mut simulator, mut recorder) = (simulator.clone(), recorder(args, simulator));
            let first = samples.start;
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let result = (|| {
                        let binned = from.bin(first + index)?;
                        Ok(run_one(args, &mut simulator, recorder.as_mut(), index, binned, &mut NoProbe)?)
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
                finish(due, result?)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use sim::lockstep::Difference;

    #[test]
    fn what_wraps_an_error_of_the_run_keeps_its_status() {
        let difference = Difference {
            step: 1,
            cycle: 2,
            component: "core_0_0".into(),
            signal: "head".into(),
            rtl: 0,
            fast: 1,
            others: 0,
        };
        let parted: Result<()> = Err(sim::Error::Parted { difference, waves: "both.vcd".into() }.into());
        let parted = parted.context("sample 3").context("a run").expect_err("an error");
        assert_eq!((status(&parted), is_interrupt(&parted)), (1, false));
        let interrupted: Result<()> = Err(sim::Error::Interrupted.into());
        let interrupted = interrupted.context("sample 3").expect_err("an error");
        assert_eq!((status(&interrupted), is_interrupt(&interrupted)), (130, true));
        assert_eq!(status(&anyhow!("no such file")), 2);
    }
}
