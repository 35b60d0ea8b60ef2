//! The inner ear: recorded audio to the spikes of 700 bushy cells.
//!
//! The chain of the Spiking Heidelberg Digits (Cramer, Stradmann, Schemmel, Zenke: "The Heidelberg
//! Spiking Data Sets", IEEE TNNLS 33, 2022): level and window, [`membrane`], [`hair_cell`],
//! [`bushy`]. Each stage's equations and constants stand in its file with their source; numbers
//! without another source are those of that data set.
//!
//! - **Rates**: the membrane is computed in the frequency domain from 0 to 24 kHz, the band of a
//!   recording at 48 kHz. A recording at another rate contributes the bins that it has, which is
//!   band-limited resampling. What follows runs on [`RATE`] samples a second.
//! - **Lengths**: a recording is padded with silence to a step of a short ladder ([`Span`]), since
//!   the membrane's transfer matrix depends on the length. The window spans the recording alone.
//! - **Randomness**: one ChaCha8 key for each recording, from the seed and the recording's file name;
//!   one stream of it for each channel. So a recording gives the same spikes alone and in a folder, on
//!   any number of threads.

pub mod audio;
pub mod bushy;
pub mod cache;
pub mod command;
pub mod hair_cell;
pub mod hankel;
pub mod membrane;
pub mod sources;

use audio::Recording;
use membrane::{Spectrum, Transfer};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use realfft::RealFftPlanner;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Samples a second behind the membrane: half of 48 kHz.
pub const RATE: u32 = 24_000;
/// Level that every recording is brought to before the ear: root mean square.
const LEVEL: f64 = 0.3;
/// Silence that a padded length leaves after a recording, in seconds: the membrane's response to the
/// end must not come round to the beginning.
const TAIL: f64 = 0.02;
/// Longest recording, in seconds; matrix and memory grow with the length.
pub const LONGEST: f64 = 10.0;
/// Channels that one task takes through the ear, side by side for the vector units.
const LANES: usize = hair_cell::LANES;

/// What can go wrong between a recording and its spikes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A recording that cannot be used.
    #[error("{name}: {reason}")]
    Audio {
        /// The recording.
        name: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// A recording without the label that was asked for.
    #[error("{name}: {reason}")]
    Label {
        /// The recording, or the table of labels.
        name: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// Stopped by the user.
    #[error("interrupted; nothing is written")]
    Interrupted,
}

/// A padded length: a number of half seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u32);

impl Span {
    /// The shortest that holds `samples` at `rate` and a tail, and whole samples at that rate.
    #[must_use]
    pub fn of(samples: usize, rate: u32) -> Self {
        let halves = (2.0 * (samples as f64 / f64::from(rate) + TAIL)).ceil() as u32;
        // At an odd rate only whole seconds hold whole samples.
        Self(if rate.is_multiple_of(2) { halves } else { halves.next_multiple_of(2) })
    }

    /// Samples at a rate.
    #[must_use]
    pub fn samples(self, rate: u32) -> usize {
        (u64::from(self.0) * u64::from(rate) / 2) as usize
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s", f64::from(self.0) / 2.0)
    }
}

/// A spike of a bushy cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spike {
    /// Sample at [`RATE`].
    pub sample: u32,
    /// Channel; 0 is the base of the cochlea, the highest frequency.
    pub channel: u16,
}

/// Spikes of a recording, sorted by time and channel. `name` without folders and `seed` fix the
/// randomness; `transfer` must be of [`Span::of`] the recording.
#[must_use]
pub fn encode(recording: &Recording, name: &str, seed: u64, transfer: &Transfer) -> Vec<Spike> {
    let spectrum = spectrum(recording, transfer.span());
    let samples = recording.samples.len() as u64 * u64::from(RATE) / u64::from(recording.rate);
    let samples = samples as usize;
    let inverse = RealFftPlanner::<f32>::new().plan_fft_inverse(transfer.span().samples(RATE));
    let key = key(name, seed);
    let blocks: Vec<usize> = (0..transfer.channels()).step_by(LANES).collect();
    let spikes: Vec<Vec<Spike>> = blocks
        .into_par_iter()
        .map(|first| {
            let channels: Vec<usize> = (first..transfer.channels().min(first + LANES)).collect();
            let mut velocities = transfer.velocities(&channels, &spectrum, inverse.as_ref());
            hair_cell::firing(&mut velocities, samples);
            let mut spikes = Vec::new();
            for (&channel, probabilities) in channels.iter().zip(&velocities) {
                let mut rng = ChaCha8Rng::from_seed(key);
                rng.set_stream(channel as u64);
                bushy::fire(&probabilities[..samples], &mut rng, |sample| {
                    spikes.push(Spike { sample: sample as u32, channel: channel as u16 });
                });
            }
            spikes
        })
        .collect();
    let mut spikes = spikes.concat();
    spikes.sort_unstable();
    spikes
}

/// Times of spikes in seconds, on a grid of so many milliseconds or as they are.
///
/// A time on the grid is the middle of its cell: floor(time / step) in 32-bit floats is then right for
/// every step that is a multiple of the grid. A channel fires at most once in a cell.
#[must_use]
pub fn times(spikes: &[Spike], grid_ms: Option<f64>) -> (Vec<f32>, Vec<u16>) {
    let seconds = |s: &Spike| f64::from(s.sample) / f64::from(RATE);
    let Some(grid) = grid_ms else {
        return spikes.iter().map(|s| (seconds(s) as f32, s.channel)).unzip();
    };
    // In samples, so that a border is met exactly where it can be.
    let cell = grid * f64::from(RATE) / 1000.0;
    let mut cells: Vec<(u64, u16)> =
        spikes.iter().map(|s| ((f64::from(s.sample) / cell) as u64, s.channel)).collect();
    cells.sort_unstable();
    cells.dedup();
    cells.into_iter().map(|(c, channel)| (((c as f64 + 0.5) * grid / 1000.0) as f32, channel)).unzip()
}

/// Level, window, padding and Fourier transform, scaled to a recording at 48 kHz.
fn spectrum(recording: &Recording, span: Span) -> Spectrum {
    let samples = &recording.samples;
    let power: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
    // Silence stays silence.
    let gain = if power > 0.0 { LEVEL / power.sqrt() } else { 0.0 };
    let mut padded = vec![0.0; span.samples(recording.rate)];
    let half = samples.len() / 2;
    for (n, (out, &sample)) in padded.iter_mut().zip(samples).enumerate() {
        // Two halves of a Hann window of 2 half points; the middle of an odd length stays as it is.
        let n = n.min(samples.len() - 1 - n) as f64;
        let window = if n < half as f64 {
            0.5 - 0.5 * (std::f64::consts::TAU * n / (2 * half - 1) as f64).cos()
        } else {
            1.0
        };
        *out = (f64::from(sample) * gain * window) as f32;
    }
    Spectrum::of(padded, recording.rate)
}

fn key(name: &str, seed: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    hash.finalize().into()
}
