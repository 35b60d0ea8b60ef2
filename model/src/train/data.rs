//! Samples to learn from, to choose by and to test on.

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use spikes::{Binned, Binning, SampleRange, SpikeFile};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// One labelled sample.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its spikes.
    pub input: Binned,
    /// Its class.
    pub label: usize,
}

/// Which samples of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selection {
    /// A range of indices.
    Range(SampleRange),
    /// The indices in a file, one a line.
    File(PathBuf),
    /// Those of some groups of the file of groups.
    Groups(Vec<String>),
    /// A share of each class, at random.
    Share(f64),
    /// No samples.
    None,
}

impl Default for Selection {
    fn default() -> Self {
        Self::Range(SampleRange::All)
    }
}

impl std::str::FromStr for Selection {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::File(path.into()));
        }
        if let Some(names) = text.strip_prefix("groups:") {
            return Ok(Self::Groups(names.split(',').map(|n| n.trim().to_string()).collect()));
        }
        if let Some(share) = text.parse::<f64>().ok().filter(|s| text.contains('.') && *s > 0.0 && *s < 1.0) {
            return Ok(Self::Share(share));
        }
        text.parse()
            .map(Self::Range)
            .map_err(|e| format!("{e}; or @FILE, groups:NAME, a share like 0.1, none"))
    }
}

impl TryFrom<String> for Selection {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Selection> for String {
    fn from(selection: Selection) -> Self {
        match selection {
            Selection::Range(range) => range.to_string(),
            Selection::File(path) => format!("@{}", path.display()),
            Selection::Groups(names) => format!("groups:{}", names.join(",")),
            Selection::Share(share) => share.to_string(),
            Selection::None => "none".into(),
        }
    }
}

/// Spikes with what is needed to select from them.
pub struct Recordings {
    file: SpikeFile,
    path: PathBuf,
    /// Group of each sample, and the file that says so.
    groups: Option<(PathBuf, BTreeMap<usize, String>)>,
}

/// Where a run keeps what it encodes, and what it heeds meanwhile.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Directory of the run.
    pub directory: &'a Path,
    /// No progress bar.
    pub quiet: bool,
    /// Set where the run is to end.
    pub stop: &'a AtomicBool,
}

/// Whether a path is of audio: a folder, a zip archive, or a recording.
fn is_audio(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    path.is_dir() || matches!(ending.as_deref(), Some("zip" | "wav" | "flac"))
}

/// Recordings as spikes, with the folder that each stands in.
#[cfg(feature = "audio")]
fn encoded(path: &Path, units: u32, place: Place) -> Result<(SpikeFile, Vec<String>)> {
    let channels = u16::try_from(units).context("--units: recordings are encoded to at most 65535")?;
    let Place { directory, quiet, stop } = place;
    let (file, names) = crate::ear::command::recordings(path, channels, directory, quiet, stop)?;
    let folder = |name: String| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_string());
    Ok((file, names.into_iter().map(folder).collect()))
}

#[cfg(not(feature = "audio"))]
fn encoded(path: &Path, _: u32, _: Place) -> Result<(SpikeFile, Vec<String>)> {
    bail!("{}: audio; this build reads only .npz and SHD HDF5: encode it first", path.display())
}

impl Recordings {
    /// Reads a spike file or encodes audio, and reads the file of groups; without one, the groups are the speakers that SHD names,
    /// or the folders of the audio.
    ///
    /// # Errors
    /// Naming file, field and remedy.
    pub fn read(path: &Path, groups: Option<&Path>, units: u32, place: Place) -> Result<Self> {
        let groups =
            groups.map(|p| Ok::<_, anyhow::Error>((p.to_path_buf(), read_groups(p)?))).transpose()?;
        let (file, named) = if is_audio(path) {
            let (file, folders) = encoded(path, units, place)?;
            (file, Some(folders))
        } else {
            let file = SpikeFile::read(path)?;
            let speakers = file.speakers.as_ref().map(|all| all.iter().map(u32::to_string).collect());
            (file, speakers)
        };
        let groups = groups.or_else(|| Some((path.to_path_buf(), named?.into_iter().enumerate().collect())));
        Ok(Self { file, path: path.into(), groups })
    }

    /// Indices of a selection, ascending.
    ///
    /// # Errors
    /// What is not there.
    pub fn select(&self, selection: &Selection, among: &[usize], seed: u64) -> Result<Vec<usize>> {
        let all = self.file.len();
        let mut out: Vec<usize> = match selection {
            Selection::None => Vec::new(),
            Selection::Range(range) => {
                range.resolve(all).with_context(|| self.path.display().to_string())?.collect()
            }
            Selection::File(path) => read_indices(path, all)?,
            Selection::Groups(names) => {
                let (path, groups) = self
                    .groups
                    .as_ref()
                    .context("groups:NAME needs --groups FILE, or SHD's own speakers, or folders of audio")?;
                for name in names {
                    if !groups.values().any(|g| g == name) {
                        let there: BTreeSet<_> = groups.values().map(String::as_str).collect();
                        let there: Vec<_> = there.into_iter().collect();
                        bail!(
                            "{}: no sample is of group `{name}`; there are {}",
                            path.display(),
                            there.join(", ")
                        );
                    }
                }
                let of = |(i, g): (&usize, &String)| (names.contains(g) && *i < all).then_some(*i);
                groups.iter().filter_map(of).collect()
            }
            Selection::Share(share) => {
                let mut classes: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
                among.iter().for_each(|&i| classes.entry(self.file.label(i)).or_default().push(i));
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5e1e_c7ed);
                let take = |mut members: Vec<usize>| {
                    members.shuffle(&mut rng);
                    members.truncate((members.len() as f64 * share).round() as usize);
                    members
                };
                classes.into_values().flat_map(take).collect()
            }
        };
        out.sort_unstable();
        out.dedup();
        Ok(out)
    }

    /// Number of samples in the file.
    #[must_use]
    pub fn len(&self) -> usize {
        self.file.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// Bins labelled samples.
    ///
    /// # Errors
    /// A sample without label, or a unit without channel.
    pub fn bin(&self, indices: &[usize], binning: &Binning) -> Result<Vec<Sample>> {
        let name = || self.path.display().to_string();
        let sample = |&i: &usize| {
            let label = self.file.label(i);
            let label =
                label.with_context(|| format!("{}: sample {i} has no label; learning needs one", name()))?;
            Ok(Sample { input: self.file.bin(i, binning).with_context(name)?, label: label as usize })
        };
        indices.iter().map(sample).collect()
    }
}

fn read_indices(path: &Path, all: usize) -> Result<Vec<usize>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|(i, line)| {
            let index = line.parse::<usize>().ok().filter(|n| *n < all);
            index.with_context(|| {
                format!(
                    "{} line {}: `{line}`: must be an index from 0 to {}",
                    path.display(),
                    i + 1,
                    all.max(1) - 1
                )
            })
        })
        .collect()
}

fn read_groups(path: &Path) -> Result<BTreeMap<usize, String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut out = BTreeMap::new();
    for (i, line) in text.lines().enumerate().skip(1).filter(|(_, l)| !l.trim().is_empty()) {
        let wrong = || format!("{} line {}: `{line}`: must be SAMPLE,GROUP", path.display(), i + 1);
        let (sample, group) = line.split_once(',').with_context(wrong)?;
        let sample = sample.trim().parse().ok().with_context(wrong)?;
        if out.insert(sample, group.trim().to_string()).is_some() {
            bail!("{} line {}: sample {sample} stands twice", path.display(), i + 1);
        }
    }
    Ok(out)
}

/// Samples of a run.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// To learn from.
    pub train: Vec<Sample>,
    /// To choose by; may be empty.
    pub validation: Vec<Sample>,
    /// To test on, once; may be empty.
    pub test: Vec<Sample>,
    /// Their indices in the file.
    pub tested: Vec<usize>,
    /// Classes.
    pub classes: usize,
}

impl Data {
    /// CRC-32 of the samples to learn from and to choose by, with their labels.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let mut all = crc32fast::Hasher::new();
        for sample in self.train.iter().chain(&self.validation) {
            all.update(&(sample.label as u64).to_le_bytes());
            for numbers in [&sample.input.offsets, &sample.input.channels] {
                numbers.iter().for_each(|n| all.update(&n.to_le_bytes()));
            }
        }
        all.finalize()
    }

    /// Reads and splits the samples of a run.
    ///
    /// # Errors
    /// Bad files, overlapping or empty selections, labels that are never learned.
    pub fn read(config: &super::config::Config, binning: &Binning, place: Place) -> Result<Self> {
        let input = super::config::Config::required(&config.input, "input")?;
        let recordings = Recordings::read(input, config.groups.as_deref(), config.units, place)?;
        let all = |recordings: &Recordings| (0..recordings.len()).collect::<Vec<_>>();
        let chosen = recordings.select(&config.samples, &all(&recordings), config.seed)?;
        let validation = recordings.select(&config.validation, &chosen, config.seed)?;
        let left_out: HashSet<usize> = validation.iter().copied().collect();
        let train: Vec<usize> = chosen.into_iter().filter(|i| !left_out.contains(i)).collect();
        if train.is_empty() {
            bail!(
                "{}: no samples are left to learn from; look at --samples and --validation",
                input.display()
            );
        }
        if validation.is_empty() && config.validation != Selection::None {
            bail!("{}: --validation selects no samples", input.display());
        }
        let mut out = Self {
            train: recordings.bin(&train, binning)?,
            validation: recordings.bin(&validation, binning)?,
            ..Self::default()
        };
        if let Some(path) = &config.test {
            let same = std::fs::canonicalize(path).ok() == std::fs::canonicalize(input).ok();
            let other;
            let recordings = if same {
                &recordings
            } else {
                other = Recordings::read(path, config.groups.as_deref(), config.units, place)?;
                &other
            };
            let test = recordings.select(&config.test_samples, &all(recordings), config.seed)?;
            let seen: HashSet<usize> = train.iter().chain(&validation).copied().collect();
            if let Some(i) = test.iter().find(|i| same && seen.contains(i)) {
                bail!(
                    "{}: sample {i} is both learned from and tested on; look at --test-samples",
                    path.display()
                );
            }
            out.test = recordings.bin(&test, binning)?;
            out.tested = test;
            if out.test.is_empty() {
                bail!("{}: --test-samples selects no samples", path.display());
            }
        }
        out.classes = out.train.iter().map(|s| s.label).max().map_or(0, |l| l + 1);
        if let Some(s) = out.validation.iter().chain(&out.test).find(|s| s.label >= out.classes) {
            bail!("label {} is tested but never learned; train on all classes", s.label);
        }
        if out.classes > 4096 {
            bail!("{}: label {}: at most 4096 classes", input.display(), out.classes - 1);
        }
        Ok(out)
    }
}
