//! Stages of a run: read, simulate, write.

use crate::cli::Args;
use crate::lockstep_run::in_lockstep;
use crate::parallel::parallel;
use crate::paths::{can_write, keep_apart};
use crate::random_input::RandomInput;
use crate::report::{print, report};
use anyhow::{Context, Result, anyhow, bail};
use hw::Image;
use hw::platform::Structure;
use sim::memory::Memories;
use sim::page::Gallery;
use sim::probe::Probe;
use sim::statistics::{Header, Statistics};
use sim::steps::{Record, Recorder};
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Outcome, Simulator};
use spikes::{Binned, Binning, ResultsCsv, SampleRange, SpikeFile, SpikesCsv};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    // Until here an interrupt ends the program, which has written nothing.
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupt);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
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
    let digests = counted(args) || args.json;
    let header = header(&args.image, origin, &input, &image, structure, digests)?;
    let mut statistics = Statistics::new(simulator.program(), header);
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
        statistics.add(first + index, label, &binned, &outcome);
        if let Some(record) = record.filter(|_| outcome.overflows.is_empty()) {
            statistics.add_steps(&record);
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
    let failed = statistics.total.failed > 0;
    if let Err(error) = outcome {
        if status(&error) != 2 {
            // What is done is kept whole.
            writers.finish()?;
            let (done, all) = (statistics.samples.len(), samples.len());
            statistics.header.interrupted = true;
            write_all(args, &image, statistics, gallery.as_ref())?;
            let how = if is_interrupt(&error) { "interrupted" } else { "stopped" };
            warn(format_args!("{how} after {done} of {all} samples; their results are written"));
        }
        return Err(error);
    }
    writers.finish()?;
    write_all(args, &image, statistics, gallery.as_ref())?;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Every file that a run writes, with the option that asks for it.
fn outputs(args: &Args) -> Vec<(&'static str, PathBuf)> {
    let waves = [("--vcd", &args.vcd), ("--fst", &args.fst)];
    let results = [("--spikes", &args.spikes), ("--results", &args.results)];
    let given = waves.into_iter().chain(results);
    let mut all: Vec<_> = given.filter_map(|(o, p)| Some((o, p.clone()?))).collect();
    if args.lockstep.is_some() {
        all.push(("--lockstep-vcd", args.lockstep_vcd.clone()));
    }
    if let Some(path) = &args.stats {
        all.push(("--stats", path.clone()));
        all.extend(tables(path).into_iter().map(|table| ("--stats", table)));
    }
    if let Some(folder) = &args.report {
        let files = ["index.html", "report.txt", "stats.json"];
        all.extend(files.map(|file| ("--report", folder.join(file))));
        all.extend(tables(&folder.join("stats.json")).into_iter().map(|table| ("--report", table)));
    }
    all
}

/// What stands beside a `stats.json`: cores, cores by step, the chip by step. Beside a pipe or a device stands nothing.
fn tables(path: &Path) -> Vec<PathBuf> {
    let stream = path.starts_with("/dev") || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir());
    let ends: &[&str] = if stream { &[] } else { &["csv", "steps.csv", "path.csv"] };
    ends.iter().map(|end| path.with_extension(end)).collect()
}

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

/// Whether anything is written that holds counts by step and digests.
fn counted(args: &Args) -> bool {
    args.stats.is_some() || args.report.is_some()
}

/// Says what a run was made of, with the digests of its files where they are wanted; `path` is the image's.
pub fn header(
    path: &Path,
    origin: Origin<'_>,
    spikes: &SpikeFile,
    image: &Image,
    structure: Structure,
    digests: bool,
) -> Result<Header> {
    let read = |p: &Path| std::fs::read(p).with_context(|| p.display().to_string());
    let (mut image_sha256, mut input_sha256) = Default::default();
    if digests {
        image_sha256 = sim::digest(&read(path)?);
        input_sha256 = match origin {
            Origin::File(file) => sim::digest(&read(file)?),
            Origin::Random(_) => digest_of(spikes),
            Origin::Stimulus => sim::digest(image.stimulus.as_deref().unwrap_or_default()),
        };
    }
    Ok(Header {
        tool: format!("delayline sim {}", env!("CARGO_PKG_VERSION")),
        command: std::env::args().collect(),
        seed: if let Origin::Random(random) = origin { Some(random.seed()) } else { None },
        image: path.display().to_string(),
        image_sha256,
        compiler: image.tool.clone(),
        input: origin.name(path),
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

/// Prints the report, and writes the files of `--stats` and `--report`.
fn write_all(args: &Args, image: &Image, mut run: Statistics, gallery: Option<&Gallery>) -> Result<()> {
    let peaks: Vec<_> = run.cores.iter().map(|c| c.counts.queue_peak).collect();
    run.memories = Memories::both(image, run.header.structure, &peaks);
    run.finish(image.platform.mesh.barrier_latency);
    let (json, text) = (run.json()?, report(&run, image));
    let folder = args.report.as_ref().map(|folder| folder.join("stats.json"));
    for path in args.stats.iter().chain(&folder) {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{}: cannot make the folder", parent.display()))?;
        }
        write(path, &json)?;
        for (table, text) in tables(path).iter().zip([Some(run.csv()), run.steps_csv(), run.path_csv()]) {
            if let Some(text) = text {
                write(table, &text)?;
            }
        }
    }
    if let Some(folder) = &args.report {
        write(&folder.join("report.txt"), &text)?;
        write(&folder.join("index.html"), &sim::page::page(&run, image, gallery))?;
    }
    if args.json {
        print(&json)
    } else if !args.quiet {
        print(&text)
    } else {
        Ok(())
    }
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
pub fn run_one<P: Probe>(
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
    counted(args).then(|| Recorder::new(simulator))
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
