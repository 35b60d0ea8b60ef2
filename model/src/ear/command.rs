//! `model encode`: recordings to one spike file.

use super::audio::Recording;
use super::cache::Cache;
use super::sources::{self, Labels, Pattern, Source, Table};
use super::{Error, Span, times};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use spikes::SpikeFile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Turns recorded audio into spikes with a model of the inner ear.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  model encode 3_anna_0.wav --output three.npz
  model encode fsdd --output fsdd.npz --list fsdd.csv
  model encode recordings --pattern 'lang-{lang}_digit-{label}' --output digits.npz

Recordings are WAV or FLAC at any rate, up to 10 s; several channels are averaged. The same seed gives
the same spikes for a recording of the same file name, alone or in a folder, on any number of threads.
The membrane's transfer matrices are computed once for each length (0.5 s, 1.0 s, ..) and kept in a
cache: --cache, else $DELAYLINE_CACHE, else delayline in $XDG_CACHE_HOME or ~/.cache.")]
pub struct EncodeArgs {
    /// A recording, or a folder or zip archive of them (.wav, .flac; folders in folders too)
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// The spike file to write (.npz); its samples are in the order of the file names
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Labels by file name, like {label}_{speaker}_{take} [default: the number that a name begins with,
    /// none where it does not]
    #[arg(long, value_name = "PATTERN", conflicts_with = "labels")]
    pub pattern: Option<Pattern>,
    /// Labels by a CSV with the columns file and label
    #[arg(long, value_name = "CSV")]
    pub labels: Option<PathBuf>,
    /// Write which recording each sample is, as CSV: sample,file,label,spikes,seconds
    #[arg(long, value_name = "CSV")]
    pub list: Option<PathBuf>,
    /// Channels along the cochlea, from the highest frequency down
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u16).range(1..))]
    pub channels: u16,
    /// Grid of the spike times in milliseconds, or `none`; a time is the middle of its cell
    #[arg(long, value_name = "MS", default_value = "1")]
    pub grid: Grid,
    /// Seed of the nerve fibres
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder of the transfer matrices
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Most megabytes in that folder; what was not used for longest goes first
    #[arg(long, value_name = "MB", default_value_t = 512)]
    pub cache_limit: u64,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// No progress bar and no summary
    #[arg(long)]
    pub quiet: bool,
}

/// Grid of spike times, ms; none keeps the times as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid(pub Option<f64>);

impl std::str::FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let number = text.parse().ok().filter(|ms: &f64| (0.05..=1000.0).contains(ms));
        number.map(|ms| Self(Some(ms))).ok_or_else(|| format!("`{text}`: 0.05 to 1000, or none"))
    }
}

/// Runs `model encode`.
///
/// # Errors
/// Bad input, I/O, or [`Error::Interrupted`]; nothing half-written is left.
pub fn encode(args: &EncodeArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let began = Instant::now();
    for path in [Some(&args.output), args.list.as_ref()].into_iter().flatten() {
        spikes::check_place(path).with_context(|| path.display().to_string())?;
    }
    let sources = sources::find(&args.input)?;
    let labels = match (&args.pattern, &args.labels) {
        (Some(pattern), _) => Labels::Pattern(pattern.clone()),
        (_, Some(path)) => Labels::Table(Table::read(path)?),
        _ => Labels::Leading,
    };
    let labels: Vec<_> = sources.iter().map(|s| labels.of(s)).collect::<Result<_, _>>()?;
    let threads = args.threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let (samples, seconds) = pool.install(|| ear(args, &sources, &stop))?;
    let file = joined(&samples, &labels);
    file.write_npz(&args.output)?;
    if let Some(path) = &args.list {
        let count = |i: usize| samples[i].0.len();
        list(path, &sources, &labels, count, &seconds)?;
    }
    if !args.quiet {
        let unlabelled = labels.iter().filter(|l| l.is_none()).count();
        let sound: f64 = seconds.iter().sum();
        println!(
            "{}: {} recordings, {sound:.1} s of sound, {} spikes ({:.0} each), in {:.1} s",
            args.output.display(),
            file.len(),
            file.times.len(),
            file.times.len() as f64 / file.len().max(1) as f64,
            began.elapsed().as_secs_f64()
        );
        if unlabelled > 0 {
            println!("{unlabelled} of them without a label: --pattern and --labels give one");
        }
    }
    Ok(())
}

/// All recordings of a folder or archive as the command encodes them when it is told no more, each with its name. They are kept as
/// `recordings-HASH.npz` in `folder`, where the hash is of the recordings, their names and the
/// number of channels, and read from there the next time.
///
/// # Errors
/// As [`encode`].
pub fn recordings(
    input: &Path,
    channels: u16,
    folder: &Path,
    quiet: bool,
    stop: &AtomicBool,
) -> Result<(SpikeFile, Vec<String>)> {
    let sources = sources::find(input)?;
    let mut hash = Sha256::new();
    hash.update(channels.to_le_bytes());
    for source in &sources {
        let bytes = source.bytes()?;
        for part in [source.name.as_bytes(), &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    let names = sources.iter().map(|s| s.name.clone()).collect();
    let hash: String = hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let kept = folder.join(format!("recordings-{hash}.npz"));
    if kept.exists() {
        return Ok((SpikeFile::read(&kept)?, names));
    }
    let labels: Vec<_> = sources.iter().map(|s| Labels::Leading.of(s)).collect::<Result<_, _>>()?;
    let args = EncodeArgs {
        input: input.into(),
        output: kept.clone(),
        pattern: None,
        labels: None,
        list: None,
        channels,
        grid: Grid(Some(1.0)),
        seed: 1,
        cache: None,
        cache_limit: 512,
        threads: None,
        quiet,
    };
    let file = joined(&ear(&args, &sources, stop)?.0, &labels);
    file.write_npz(&kept)?;
    Ok((file, names))
}

type Sample = (Vec<f32>, Vec<u16>);

fn joined(samples: &[Sample], labels: &[Option<u32>]) -> SpikeFile {
    let mut file = SpikeFile { offsets: vec![0], ..SpikeFile::default() };
    for ((times, units), &label) in samples.iter().zip(labels) {
        file.push(times, units, label);
    }
    file
}

/// Spikes and length of every recording, one padded length after the other.
fn ear(args: &EncodeArgs, sources: &[Source], stop: &AtomicBool) -> Result<(Vec<Sample>, Vec<f64>)> {
    let check = || if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) };
    let read = |source: &Source| Recording::decode(source.bytes()?, &source.shown());
    // All are read once before the long work, so that a bad one is known at once.
    let bar = bar(args, "reading", sources.len())?;
    let lengths: Vec<Result<(f64, Span), Error>> = sources
        .par_iter()
        .map(|source| {
            check()?;
            let recording = read(source)?;
            bar.inc(1);
            Ok((recording.seconds(), Span::of(recording.samples.len(), recording.rate)))
        })
        .collect();
    // The first bad one by name, whichever thread met it.
    let lengths: Vec<_> = lengths.into_iter().collect::<Result<_, _>>()?;
    bar.finish_and_clear();
    let mut by_span = BTreeMap::<Span, Vec<usize>>::new();
    for (i, (_, span)) in lengths.iter().enumerate() {
        by_span.entry(*span).or_default().push(i);
    }
    let folder = args.cache.clone().or_else(Cache::default_folder);
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("delayline"));
    let cache = Cache { folder, limit: args.cache_limit << 20 };
    let mut samples = vec![Sample::default(); sources.len()];
    let channels = usize::from(args.channels);
    for (span, members) in by_span {
        let bar = self::bar(args, &format!("matrix of {span}"), channels)?;
        let warn =
            |e: Error| eprintln!("warning: the matrix is not kept, and the next run makes it anew: {e}");
        let transfer = cache.get(span, channels, stop, || bar.inc(1), warn)?;
        bar.finish_and_clear();
        let bar = self::bar(args, &format!("recordings of {span}"), members.len())?;
        let encoded: Vec<Sample> = members
            .par_iter()
            .map(|&i| {
                check()?;
                let recording = read(&sources[i])?;
                let spikes = super::encode(&recording, sources[i].file_name(), args.seed, &transfer);
                bar.inc(1);
                Ok(times(&spikes, args.grid.0))
            })
            .collect::<Result<_, Error>>()?;
        bar.finish_and_clear();
        for (i, sample) in members.into_iter().zip(encoded) {
            samples[i] = sample;
        }
    }
    Ok((samples, lengths.into_iter().map(|l| l.0).collect()))
}

fn bar(args: &EncodeArgs, what: &str, length: usize) -> Result<ProgressBar> {
    if args.quiet {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {msg}: {pos}/{len}, {eta} left")?;
    Ok(ProgressBar::new(length as u64).with_style(style).with_message(what.to_owned()))
}

fn list(
    path: &Path,
    sources: &[Source],
    labels: &[Option<u32>],
    count: impl Fn(usize) -> usize,
    seconds: &[f64],
) -> Result<()> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["sample", "file", "label", "spikes", "seconds"])?;
    for (i, source) in sources.iter().enumerate() {
        let label = labels[i].map(|l| l.to_string()).unwrap_or_default();
        let row = [i.to_string(), source.name.clone(), label, count(i).to_string()];
        csv.write_record(row.iter().map(String::as_str).chain([format!("{:.4}", seconds[i]).as_str()]))?;
    }
    let bytes = csv.into_inner().map_err(|e| e.into_error())?;
    spikes::write_whole(path, &bytes).with_context(|| path.display().to_string())?;
    Ok(())
}
