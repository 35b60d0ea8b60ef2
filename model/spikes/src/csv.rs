//! The two result files: spikes, and predictions with scores.

use crate::Error;
use crate::whole::Whole;
use std::fmt;
use std::path::Path;

/// A [`Whole`] file whose errors name it.
#[derive(Debug)]
struct Out(Whole);

impl Out {
    fn create(path: &Path) -> Result<Self, Error> {
        Whole::create(path).map(Self).map_err(|source| Error::Io { path: path.into(), source })
    }

    fn write(&mut self, text: fmt::Arguments<'_>) -> Result<(), Error> {
        self.0.write(text).map_err(|source| Error::Io { path: self.0.path().into(), source })
    }

    fn finish(self) -> Result<(), Error> {
        let path = self.0.path().to_path_buf();
        self.0.finish().map_err(|source| Error::Io { path, source })
    }
}

/// `sample,step,population,neuron`; the file appears when it is finished.
#[derive(Debug)]
pub struct SpikesCsv {
    out: Out,
    populations: Vec<String>,
}

impl SpikesCsv {
    /// Starts a file; `populations` are the network's names, by index.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, populations: &[String]) -> Result<Self, Error> {
        let mut out = Out::create(path)?;
        out.write(format_args!("sample,step,population,neuron\n"))?;
        Ok(Self { out, populations: populations.to_vec() })
    }

    /// Adds a spike; the caller keeps the order sample, step, population, neuron.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, sample: usize, step: u32, population: usize, neuron: u32) -> Result<(), Error> {
        let name = &self.populations[population];
        self.out.write(format_args!("{sample},{step},{name},{neuron}\n"))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<(), Error> {
        self.out.finish()
    }
}

/// `sample,label,prediction,cycles,score_0..`; the file appears when it is finished.
#[derive(Debug)]
pub struct ResultsCsv {
    out: Out,
    scores: usize,
}

impl ResultsCsv {
    /// Starts a file with so many scores a sample.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, scores: usize) -> Result<Self, Error> {
        let mut out = Out::create(path)?;
        out.write(format_args!("sample,label,prediction,cycles"))?;
        for i in 0..scores {
            out.write(format_args!(",score_{i}"))?;
        }
        out.write(format_args!("\n"))?;
        Ok(Self { out, scores })
    }

    /// Adds a sample; `cycles` is empty for the golden model.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(
        &mut self,
        sample: usize,
        label: Option<u32>,
        prediction: u32,
        cycles: Option<u64>,
        scores: &[i64],
    ) -> Result<(), Error> {
        let text = |v: Option<u64>| v.map_or(String::new(), |v| v.to_string());
        let (label, cycles) = (text(label.map(u64::from)), text(cycles));
        self.out.write(format_args!("{sample},{label},{prediction},{cycles}"))?;
        for score in scores {
            self.out.write(format_args!(",{score}"))?;
        }
        self.out.write(format_args!("\n"))
    }

    /// Adds a sample that failed: everything but its index and label is empty.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_failed(&mut self, sample: usize, label: Option<u32>) -> Result<(), Error> {
        let label = label.map_or(String::new(), |l| l.to_string());
        self.out.write(format_args!("{sample},{label},,{}\n", ",".repeat(self.scores)))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<(), Error> {
        self.out.finish()
    }
}
