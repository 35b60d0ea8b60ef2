//! The golden vectors: networks, inputs and what every implementation must make of them.

use model::network::Network;
use spikes::{Binned, SpikeFile};
use std::path::PathBuf;

/// Names of all vectors.
pub const NAMES: [&str; 8] = [
    "basic",
    "edges",
    "longest_delays",
    "many_cores",
    "many_taps_shifted",
    "recurrent_subtract",
    "reference_256",
    "saturating",
];

/// One vector.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Its name.
    pub name: String,
    /// The network.
    pub network: Network,
    /// The bytes of its file.
    pub file: Vec<u8>,
    /// The input, as it stands in the `.npz`.
    pub input: SpikeFile,
    /// Lines of the spikes file, header first.
    pub spikes: Vec<String>,
    /// Lines of the scores file, header first.
    pub scores: Vec<String>,
}

/// What an implementation made of a sample: spikes as (step, population, neuron), scores, prediction.
pub type Outcome = (Vec<(u32, u32, u32)>, Vec<i64>, u32);

/// Folder of the vectors.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// An input of which only the spikes of the first steps are left.
#[must_use]
pub fn first_steps(mut input: Binned, steps: usize) -> Binned {
    let cut = input.offsets[steps];
    input.offsets.iter_mut().for_each(|o| *o = (*o).min(cut));
    input.channels.truncate(cut as usize);
    input
}

impl Vector {
    /// Loads a vector.
    ///
    /// # Panics
    /// If one of its files is not there or not right.
    #[must_use]
    pub fn load(name: &str) -> Self {
        let path = |end: &str| folder().join(format!("{name}.{end}"));
        let network = path("safetensors");
        let lines = |end: &str| -> Vec<String> {
            let text = std::fs::read_to_string(path(end)).expect("golden CSV");
            text.lines().map(str::to_string).collect()
        };
        Self {
            name: name.into(),
            network: Network::read(&network).expect("golden network"),
            file: std::fs::read(&network).expect("golden network"),
            input: SpikeFile::read(&path("npz")).expect("golden input"),
            spikes: lines("spikes.csv"),
            scores: lines("scores.csv"),
        }
    }

    /// The input of a sample, binned for the network.
    ///
    /// # Panics
    /// If it does not fit the network.
    #[must_use]
    pub fn binned(&self, sample: usize) -> Binned {
        self.input.bin(sample, &self.network.binning()).expect("golden input fits its network")
    }

    /// Compares with what an implementation gave, sample by sample.
    ///
    /// # Errors
    /// The first line that differs.
    pub fn compare(&self, outcomes: &[Outcome]) -> Result<(), String> {
        let (spikes, scores) = self.lines(outcomes);
        same("spikes", &self.spikes, &spikes)?;
        same("scores", &self.scores, &scores)
    }

    /// The lines of both files for these outcomes.
    fn lines(&self, outcomes: &[Outcome]) -> (Vec<String>, Vec<String>) {
        let mut spikes = vec!["sample,step,population,neuron".to_string()];
        let mut scores = vec![self.scores[0].clone()];
        for (sample, (fired, score, prediction)) in outcomes.iter().enumerate() {
            spikes.extend(fired.iter().map(|&(step, population, neuron)| {
                format!("{sample},{step},{},{neuron}", self.network.populations[population as usize].name)
            }));
            let label = self.input.label(sample).map_or(String::new(), |l| l.to_string());
            let numbers: Vec<_> = score.iter().map(ToString::to_string).collect();
            scores.push(format!("{sample},{label},{prediction},{}", numbers.join(",")));
        }
        (spikes, scores)
    }
}

fn same(what: &str, expected: &[String], found: &[String]) -> Result<(), String> {
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        if e != f {
            return Err(format!("{what}, line {}: expected `{e}`, found `{f}`", i + 1));
        }
    }
    if expected.len() == found.len() {
        Ok(())
    } else {
        Err(format!("{what}: expected {} lines, found {}", expected.len(), found.len()))
    }
}
