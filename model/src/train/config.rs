//! What a run is told: by a TOML file, and by the command line, which wins.
//!
//! Every setting stands once, in the macro below: it becomes an option of the command line, a key of the
//! file (the same name), and a field of [`Config`] with its default.
//!
//! Long because every option of the command stands here once, with its help.

use super::data::Selection;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Candidate delays of a projection: a grid `DEPTHxSTRIDE` (1, 1 + stride, .. up to depth), or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delays {
    text: String,
    /// In steps, ascending.
    pub steps: Vec<u16>,
}

impl std::str::FromStr for Delays {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}`: write DEPTHxSTRIDE, like 60x4 for 1, 5, .. 57, or ascending delays like 1+5+9; each 1 to 65535"
            )
        };
        let number = |s: &str| s.parse::<u16>().ok().filter(|n| *n >= 1).ok_or_else(wrong);
        let steps: Vec<u16> = match text.split_once('x') {
            Some((depth, stride)) => (1..=number(depth)?).step_by(number(stride)?.into()).collect(),
            None => text.split('+').map(number).collect::<Result<_, _>>()?,
        };
        if !steps.is_sorted_by(|a, b| a < b) {
            return Err(wrong());
        }
        Ok(Self { text: text.into(), steps })
    }
}

impl TryFrom<String> for Delays {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Delays> for String {
    fn from(delays: Delays) -> Self {
        delays.text
    }
}

/// A projection by name: `hidden1:hidden2=60x4`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wire {
    /// Name of the source population.
    pub source: String,
    /// Name of the target population.
    pub target: String,
    /// Candidate delays.
    pub delays: Delays,
}

impl std::str::FromStr for Wire {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(ends, d)| Some((ends.split_once(':')?, d)));
        let ((source, target), delays) = parts
            .ok_or_else(|| format!("`{text}`: write SOURCE:TARGET=DELAYS, like hidden1:hidden1=20x4"))?;
        Ok(Self { source: source.into(), target: target.into(), delays: delays.parse()? })
    }
}

impl TryFrom<String> for Wire {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Wire> for String {
    fn from(wire: Wire) -> Self {
        format!("{}:{}={}", wire.source, wire.target, wire.delays.text)
    }
}

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)* }
    };
}

choice! {
    /// How delays are chosen from the candidates.
    Prune {
        /// The strongest k of each pair
        Synaptic,
        /// The strongest k of each axon, shared by all its targets
        Axonal,
        /// The strongest k times (number of axons) of each projection, as they fall
        AxonalVariable,
        /// Any k of each pair, from the start; not with --from
        Random,
    }
}

choice! {
    /// How fast pruning goes.
    Pace {
        /// At once
        OneShot,
        /// Halved again and again
        Stepped,
        /// A little every epoch
        Gradual,
    }
}

choice! {
    /// How delays are learned.
    Learn {
        /// One weight for each candidate delay
        Grid,
        /// Weights with positions anywhere from the first to the last candidate delay, through a Gaussian that narrows (DCLS)
        Positions,
    }
}

choice! {
    /// Shape of the learning rate over a phase.
    Schedule {
        /// Up for the first third, then down
        OneCycle,
        /// Down as half a cosine
        Cosine,
        /// Flat
        Constant,
    }
}

choice! {
    /// What a spike does to the membrane.
    ResetTo {
        /// To 0
        Zero,
        /// By the threshold
        Subtract,
    }
}

choice! {
    /// Which epoch's network is written.
    Export {
        /// The best on the validation samples; the last where there are none
        Best,
        /// The last
        Last,
    }
}

choice! {
    /// What is trained beside the network itself, for comparison.
    Control {
        /// The same, with as many delays a pair, chosen at random from the start
        RandomDelays,
        /// The same, with every delay 1
        NoDelays,
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $(#[arg($($arg:tt)*)])? $name:ident : $type:ty $(= $default:expr)?;)*) => {
        /// Trains a network with synaptic delays under the limits of the hardware, and writes its integers.
        #[derive(Debug, Clone, Default, clap::Args, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        #[command(after_help = EXAMPLE)]
        pub struct TrainArgs {
            /// TOML file of settings: the options below without dashes, like `hidden = [48, 48]`; the command line wins
            #[arg(long, value_name = "FILE")]
            #[serde(skip)]
            pub config: Option<PathBuf>,
            /// Settings of the --config file to leave out, as if they did not stand there: `controls,keep`
            #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "config")]
            #[serde(skip)]
            pub without: Vec<String>,
            /// Go on from the last checkpoint of the run directory, to the same bytes as a run never stopped
            #[arg(long)]
            #[serde(skip)]
            pub resume: bool,
            /// No progress bar
            #[arg(long)]
            #[serde(skip)]
            pub quiet: bool,
            /// Threads [default: all cores]; results do not depend on it
            #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
            #[serde(skip)]
            pub threads: Option<u16>,
            /// Instruction set: avx512, avx2, neon or scalar [default: avx2 or neon where the machine has it; avx512 was measured no faster]; results do not depend on it
            #[arg(long, value_name = "SET")]
            #[serde(skip)]
            pub simd: Option<super::simd::Simd>,
            $($(#[doc = $doc])* $(#[doc = concat!("[default: ", stringify!($default), "]")])?
            #[arg(long $(, $($arg)*)?)]
            pub $name: Option<$type>,)*
        }

        /// All settings of a run.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Config {
            $($(#[doc = $doc])* pub $name: settings!(@type $type $(, $default)?),)*
        }

        impl TrainArgs {
            /// Fills what the command line leaves open from the file.
            fn fill(&mut self, file: Self) {
                $(if self.$name.is_none() { self.$name = file.$name; })*
            }

            fn defaults(self) -> Config {
                Config { $($name: settings!(@value self.$name $(, $default)?),)* }
            }
        }
    };
    (@type $type:ty, $default:expr) => { $type };
    (@type $type:ty) => { Option<$type> };
    (@value $value:expr, $default:expr) => { $value.unwrap_or_else(|| $default.into()) };
    (@value $value:expr) => { $value };
}

const EXAMPLE: &str = "\
Examples:
  model train --input digits.npz --samples 0..320 --test digits.npz --test-samples 320..400 --output net.safetensors
  model train --config shd.toml --hidden 64,64 --keep 5 --output net.safetensors
  model train --config shd.toml --resume
  model train --config shd.toml --without controls
  model train --input recordings --samples groups:anna,ben --test recordings --test-samples groups:cleo --output net.safetensors
                                                                  (recordings/anna/3_anna_0.wav, ..: a folder a speaker)

The run directory (--run) holds checkpoints, logs as JSON lines and CSV, and pictures. Ctrl-C saves a checkpoint
and stops; --resume goes on. Exit status: 0 done, 1 a limit of --budget cannot be met, 2 wrong use or bad input,
130 interrupted.";

settings! {
    /// Labelled spikes to learn from: .npz or SHD HDF5; or audio, a folder or zip archive of .wav and .flac whose names begin with the label
    #[arg(value_name = "FILE")]
    input: PathBuf;
    /// Samples to learn from: all, N, A..B (half-open), @FILE (one index a line), groups:NAME,NAME
    #[arg(value_name = "SAMPLES")]
    samples: Selection = Selection::default();
    /// Samples to choose by, left out of learning: as --samples, a share like 0.1 (of each class), or none
    #[arg(value_name = "SAMPLES")]
    validation: Selection = Selection::None;
    /// What to test on, once, at the end; as --input
    #[arg(value_name = "FILE")]
    test: PathBuf;
    /// Samples to test on, as --samples
    #[arg(value_name = "SAMPLES")]
    test_samples: Selection = Selection::default();
    /// CSV of two columns, sample and group (a speaker, say), with a header; for groups:NAME [default: the speakers that SHD names, 0 to 11; the folders that audio stands in]
    #[arg(value_name = "FILE")]
    groups: PathBuf;
    /// The network to write
    #[arg(value_name = "FILE")]
    output: PathBuf;
    /// Directory for checkpoints, logs and pictures [default: the output with the ending .run]
    #[arg(value_name = "DIR")]
    run: PathBuf;
    /// Begin with the network of this checkpoint of another run; it keeps its projections and candidate delays
    #[arg(value_name = "FILE")]
    from: PathBuf;
    /// Name of the network
    name: String = "trained";
    /// Names of the classes, in the order of their labels
    #[arg(value_name = "NAMES", value_delimiter = ',')]
    class_names: Vec<String> = [];
    /// Sizes of the hidden populations
    #[arg(value_name = "N,N", value_delimiter = ',')]
    hidden: Vec<usize> = [48, 48];
    /// Steps of a sample
    #[arg(value_name = "N")]
    steps: u32 = 100u32;
    /// Length of a step in milliseconds
    #[arg(value_name = "MS")]
    step_ms: f64 = 10.0;
    /// Input units of the recording
    #[arg(value_name = "N")]
    units: u32 = 700u32;
    /// Units that share a channel
    #[arg(value_name = "N")]
    group: u32 = 1u32;
    /// Candidate delays from hidden populations on: DEPTHxSTRIDE, or a list 1+5+9
    #[arg(value_name = "DELAYS")]
    delays: Delays = "60x4".parse::<Delays>().unwrap_or_else(|_| unreachable!());
    /// Candidate delays from the input
    #[arg(value_name = "DELAYS")]
    input_delays: Delays = "1x1".parse::<Delays>().unwrap_or_else(|_| unreachable!());
    /// Candidate delays of a projection of every hidden population onto itself
    #[arg(value_name = "DELAYS")]
    recurrent: Delays;
    /// More projections, or other delays for one: SOURCE:TARGET=DELAYS, of input, hidden1, .., output
    #[arg(value_name = "WIRE", value_delimiter = ',')]
    projection: Vec<Wire> = [];
    /// Reset of hidden neurons
    #[arg(value_enum)]
    reset: ResetTo = ResetTo::Zero;
    /// How delays are learned
    #[arg(value_enum)]
    learn: Learn = Learn::Grid;
    /// Delays of each pair, where positions are learned
    #[arg(value_name = "N")]
    taps: usize = 1usize;
    /// Epochs in floating point
    #[arg(value_name = "N")]
    epochs: usize = 40usize;
    /// Keep so many delays of each pair (or axon)
    #[arg(value_name = "K")]
    keep: usize;
    /// How they are chosen
    #[arg(value_enum)]
    prune: Prune = Prune::Synaptic;
    /// How fast the others go
    #[arg(value_enum)]
    pace: Pace = Pace::Stepped;
    /// After pruning, offer finer delays around those kept and prune again, until the stride is 1
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    regrow: bool = false;
    /// Epochs of pruning and after it, in floating point
    #[arg(value_name = "N")]
    prune_epochs: usize = 20usize;
    /// Epochs on integers, at the end
    #[arg(value_name = "N")]
    integer_epochs: usize = 20usize;
    /// Bits of a weight, 2 to 8
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(2..=8))]
    weight_bits: u8 = 8u8;
    /// Bits of a membrane, 2 to 32
    #[arg(value_name = "N", value_parser = clap::value_parser!(u8).range(2..=32))]
    membrane_bits: u8 = 24u8;
    /// Limits of a platform: what `compiler budget --platform P` prints; its queue depth is checked on the samples learned from after every epoch on integers, and lowers --density while exceeded
    #[arg(value_name = "FILE")]
    budget: PathBuf;
    /// Also train the same network for comparison, from random weights and for as many epochs in all, those before --from among them
    #[arg(value_enum, value_delimiter = ',')]
    controls: Vec<Control> = [];
    /// Samples a step of the optimiser
    #[arg(value_name = "N")]
    batch: usize = 32usize;
    /// Highest step size of Adam; half of it after pruning, a fifth on integers
    #[arg(value_name = "X")]
    learning_rate: f32 = 0.002;
    /// Its shape over each phase
    #[arg(value_enum)]
    schedule: Schedule = Schedule::OneCycle;
    /// Membrane time constant of hidden populations at the start, in steps; three times that for the readout (a network --from has its own)
    #[arg(value_name = "STEPS")]
    tau: f32 = 5.0;
    /// Step size of the time constants, in learning rates; 0 leaves them alone
    #[arg(value_name = "X")]
    tau_rate: f32 = 2.0;
    /// Step size of positions, in learning rates
    #[arg(value_name = "X")]
    position_rate: f32 = 50.0;
    /// Half-width of the surrogate's triangle, in thresholds
    #[arg(value_name = "X")]
    surrogate: f32 = 0.5;
    /// Logits are the mean of the readout over time, times this
    #[arg(value_name = "X")]
    sharpness: f32 = 10.0;
    /// Share of the target given to all classes alike
    #[arg(value_name = "X")]
    smoothing: f32 = 0.0;
    /// Share of input spikes left out at random
    #[arg(value_name = "X")]
    dropout: f32 = 0.1;
    /// Share of hidden neurons left out of a sample at random, in floating point
    #[arg(value_name = "X")]
    hidden_dropout: f32 = 0.0;
    /// Input channels are shifted by up to so many, at random
    #[arg(value_name = "N")]
    channel_shift: u32 = 10u32;
    /// Input spikes are moved in time by a normal deviate of so many steps
    #[arg(value_name = "STEPS")]
    jitter: f32 = 0.0;
    /// Samples are shifted in time by up to so many steps, at random
    #[arg(value_name = "STEPS")]
    time_shift: u32 = 0u32;
    /// Samples are stretched or squeezed in time, by up to e to this power, at random
    #[arg(value_name = "X")]
    stretch: f32 = 0.0;
    /// More input spikes are left out where a random smooth curve over the channels says so, up to this share
    #[arg(value_name = "X")]
    uneven: f32 = 0.0;
    /// All input spikes of a random band of up to so many channels are left out (SpecAugment's frequency mask)
    #[arg(value_name = "N")]
    band: u32 = 0u32;
    /// Share of samples that are blends of two of their class
    #[arg(value_name = "X")]
    blend: f32 = 0.0;
    /// Lowest density (spikes a neuron and step) that hidden neurons are pushed up to
    #[arg(value_name = "X")]
    density_low: f32 = 0.005;
    /// Highest density that hidden populations are pushed down to
    #[arg(value_name = "X")]
    density: f32 = 0.12;
    /// Strength of both pushes
    #[arg(value_name = "X")]
    density_penalty: f32 = 20.0;
    /// Which network is written
    #[arg(value_enum)]
    export: Export = Export::Best;
    /// Seed: the same gives the same bytes
    #[arg(value_name = "N")]
    seed: u64 = 1u64;
    /// Most memory of a step in MiB [default: three quarters of what the machine has free]
    #[arg(value_name = "MIB")]
    memory: u64;
    /// Also write one line of JSON an epoch here
    #[arg(value_name = "FILE")]
    log: PathBuf;
}

/// The settings of a file but for some.
fn without(text: &str, left_out: &[String]) -> Result<toml::Table> {
    let mut table: toml::Table = text.parse()?;
    for name in left_out {
        let there: Vec<_> = table.keys().cloned().collect();
        table.remove(name).with_context(|| {
            format!("--without {name}: no setting of the file; it has {}", there.join(", "))
        })?;
    }
    Ok(table)
}

impl TrainArgs {
    /// The settings: command line, then file, then defaults; checked.
    ///
    /// # Errors
    /// A file that cannot be read, and what is out of range, by its name.
    pub fn resolve(&self) -> Result<Config> {
        let mut args = self.clone();
        if let Some(path) = &self.config {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let mut file: Self = match &self.without[..] {
                [] => toml::from_str(&text),
                left_out => without(&text, left_out)?.try_into(),
            }
            .with_context(|| path.display().to_string())?;
            file.relative_to(path.parent().unwrap_or(Path::new("")));
            args.fill(file);
        }
        args.inherit()?;
        let config = args.defaults();
        config.check()?;
        Ok(config)
    }

    /// Takes the network's shape from the run that this one begins with, where nothing else is asked for.
    fn inherit(&mut self) -> Result<()> {
        let Some(from) = &self.from else { return Ok(()) };
        let source = super::checkpoint::read(from)?;
        let source = source.config();
        let path = from.display().to_string();
        let has = |name: &str, asked: &str, has: &str| {
            anyhow::anyhow!(
                "--{name} {asked}: the network of --from {path} has {has}, and keeps it; give the same, leave --{name} out, or leave --from out"
            )
        };
        let none = || "none".to_string();
        let same = |a: &Delays, b: &Delays| a.steps == b.steps;
        for (name, asked, there) in [
            ("delays", &mut self.delays, Some(&source.delays)),
            ("input-delays", &mut self.input_delays, Some(&source.input_delays)),
            ("recurrent", &mut self.recurrent, source.recurrent.as_ref()),
        ] {
            match (&asked, there) {
                (Some(a), Some(b)) if same(a, b) => {}
                (Some(a), b) => return Err(has(name, &a.text, &b.map_or_else(none, |b| b.text.clone()))),
                (None, b) => *asked = b.cloned(),
            }
        }
        if let Some(asked) = &self.projection {
            let wires = |all: &[Wire]| {
                let mut all: Vec<_> = all
                    .iter()
                    .map(|w| (w.source.clone(), w.target.clone(), w.delays.steps.clone()))
                    .collect();
                all.sort();
                all
            };
            if wires(asked) != wires(&source.projection) {
                let text = |all: &[Wire]| {
                    let all: Vec<String> = all.iter().cloned().map(String::from).collect();
                    if all.is_empty() { none() } else { all.join(",") }
                };
                return Err(has("projection", &text(asked), &text(&source.projection)));
            }
        }
        let learn = |l: Learn| if l == Learn::Grid { "grid" } else { "positions" };
        if let Some(asked) = self.learn.filter(|l| *l != source.learn) {
            return Err(has("learn", learn(asked), learn(source.learn)));
        }
        let reset = |r: ResetTo| if r == ResetTo::Zero { "zero" } else { "subtract" };
        if let Some(asked) = self.reset.filter(|r| *r != source.reset) {
            return Err(has("reset", reset(asked), reset(source.reset)));
        }
        self.reset = Some(source.reset);
        self.projection = Some(source.projection.clone());
        self.learn = Some(source.learn);
        if let Some(asked) = self.taps.filter(|taps| *taps != source.taps) {
            return Err(has("taps", &asked.to_string(), &source.taps.to_string()));
        }
        self.taps = Some(source.taps);
        Ok(())
    }

    /// Paths of a file count from its own folder.
    fn relative_to(&mut self, folder: &Path) {
        let paths = [&mut self.input, &mut self.test, &mut self.groups, &mut self.output];
        let more = [&mut self.run, &mut self.from, &mut self.budget, &mut self.log];
        for path in paths.into_iter().chain(more).flatten() {
            *path = folder.join(&*path);
        }
        for selection in
            [&mut self.samples, &mut self.validation, &mut self.test_samples].into_iter().flatten()
        {
            if let Selection::File(path) = selection {
                *path = folder.join(&*path);
            }
        }
    }
}

impl Config {
    fn check(&self) -> Result<()> {
        if self.hidden.contains(&0) || self.hidden.iter().any(|&n| n > 1 << 20) {
            bail!("--hidden: each population has 1 to {} neurons", 1 << 20);
        }
        for (name, value, low, high) in [
            ("--steps", f64::from(self.steps), 1.0, 100_000.0),
            ("--units", self.units.into(), 1.0, 65536.0),
            ("--group", self.group.into(), 1.0, 65536.0),
            ("--step-ms", self.step_ms, 1e-6, 1e6),
            ("--taps", self.taps as f64, 1.0, 64.0),
            ("--batch", self.batch as f64, 1.0, 65536.0),
            ("--keep", self.keep.unwrap_or(1) as f64, 1.0, 65535.0),
            ("--weight-bits", self.weight_bits.into(), 2.0, 8.0),
            ("--membrane-bits", self.membrane_bits.into(), 2.0, 32.0),
            ("--learning-rate", self.learning_rate.into(), 0.0, 1.0),
            ("--tau", self.tau.into(), 0.1, 10_000.0),
            ("--tau-rate", self.tau_rate.into(), 0.0, 1000.0),
            ("--position-rate", self.position_rate.into(), 0.0, 100_000.0),
            ("--surrogate", self.surrogate.into(), 0.01, 10.0),
            ("--sharpness", self.sharpness.into(), 1e-3, 1e6),
            ("--smoothing", self.smoothing.into(), 0.0, 0.9),
            ("--dropout", self.dropout.into(), 0.0, 0.99),
            ("--hidden-dropout", self.hidden_dropout.into(), 0.0, 0.9),
            ("--jitter", self.jitter.into(), 0.0, 1000.0),
            ("--stretch", self.stretch.into(), 0.0, 2.0),
            ("--uneven", self.uneven.into(), 0.0, 1.0),
            ("--blend", self.blend.into(), 0.0, 1.0),
            ("--density", self.density.into(), 0.0, 1.0),
            ("--density-low", self.density_low.into(), 0.0, 1.0),
            ("--density-penalty", self.density_penalty.into(), 0.0, 1e6),
        ] {
            // A NaN is in no range.
            if !(low..=high).contains(&value) {
                bail!("{name} {value}: must be {low} to {high}");
            }
        }
        if self.density_low > self.density {
            bail!("--density-low {} is above --density {}", self.density_low, self.density);
        }
        if self.learn == Learn::Positions && (self.regrow || self.keep.is_some()) {
            bail!(
                "--learn positions learns the delays themselves; leave out --keep and --regrow, or use --learn grid"
            );
        }
        let pruned = self.keep.is_some();
        if pruned && self.prune != Prune::Random && self.prune_epochs == 0 {
            bail!("--keep needs --prune-epochs above 0, in which the others go");
        }
        if !pruned
            && (matches!(self.prune, Prune::Axonal | Prune::AxonalVariable) || self.pace != Pace::Stepped)
        {
            bail!("--prune and --pace say how delays are pruned, and need --keep, which says to how many");
        }
        if self.taps != 1 && self.learn == Learn::Grid {
            bail!("--taps {}: needs --learn positions", self.taps);
        }
        if self.regrow && (self.keep.is_none() || self.prune == Prune::Random) {
            bail!("--regrow needs --keep, and a --prune that is not random");
        }
        if self.prune == Prune::Random && self.keep.is_none() {
            bail!("--prune random needs --keep");
        }
        if self.prune == Prune::Random && self.from.is_some() {
            bail!(
                "--prune random chooses delays before anything is learned; leave out --from, or use --controls random-delays"
            );
        }
        if self.phases().iter().all(|n| *n == 0) && self.from.is_none() {
            bail!("--epochs 0: nothing would be learned; at least 1, or a network --from");
        }
        Ok(())
    }

    /// Epochs of each phase: floating point, pruning, integers.
    #[must_use]
    pub fn phases(&self) -> [usize; 3] {
        let pruning = if self.keep.is_some() && self.prune != Prune::Random { self.prune_epochs } else { 0 };
        [self.epochs, pruning, self.integer_epochs]
    }

    /// A required path.
    ///
    /// # Errors
    /// Where it is missing, by its name.
    pub fn required<'a>(path: &'a Option<PathBuf>, name: &str) -> Result<&'a Path> {
        path.as_deref()
            .with_context(|| format!("--{name} FILE is missing (or `{name}` in the --config file)"))
    }

    /// Directory of the run.
    ///
    /// # Errors
    /// Where there is no output.
    pub fn directory(&self) -> Result<PathBuf> {
        match &self.run {
            Some(run) => Ok(run.clone()),
            None => Ok(Self::required(&self.output, "output")?.with_extension("run")),
        }
    }
}
