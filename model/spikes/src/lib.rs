//! Spike files in and out, binning to time steps (contract section 5).
//!
//! A [`SpikeFile`] holds samples of (time, unit) pairs, read from SHD's own HDF5 or from `.npz`.
//! [`SpikeFile::bin`] turns one sample into channels for each step. [`SpikesCsv`] and
//! [`ResultsCsv`] write what a network made of it.
//!
//! - **Labels** are optional, for the file and for a sample: a negative number in a file is none. Labels
//!   that are there but cannot be read are an error, never silently none.
//! - **Steps** are floor(time / step length) in 32-bit floats, as the golden vectors need: 64-bit
//!   arithmetic puts times on a border into other steps. Repeats of a channel in a step count once;
//!   what falls at or after the last step is dropped. Both are counted in [`Binned`].
//! - **Files appear whole or not at all**: a temporary file in the same folder, then a rename. The same
//!   spikes give the same bytes.
//! - **Damaged files are errors** that name file and field. HDF5 has no check sum, so a changed value
//!   that is still a valid one goes unseen; a size that the file cannot hold is refused.
//!
//! ```
//! use spikes::{Binning, SpikeFile};
//!
//! let mut file = SpikeFile::default();
//! file.push(&[0.0004, 0.0021, 0.0022, 0.9], &[0, 5, 4, 1], Some(7));
//! let binned = file.bin(0, &Binning { steps: 10, step_ms: 1.0, channels: 3, group: 2 })?;
//! assert_eq!(binned.step(0), [0]);
//! assert_eq!(binned.step(2), [2]); // units 4 and 5 share channel 2
//! assert_eq!((binned.repeats, binned.late), (1, 1));
//! # Ok::<(), spikes::Error>(())
//! ```

mod binning;
mod csv;
mod error;
mod hdf5;
mod npz;
mod range;
mod whole;

pub use binning::{Binned, Binning};
pub use csv::{ResultsCsv, SpikesCsv};
pub use error::Error;
pub use range::SampleRange;
pub use whole::{check_place, write_whole};

use std::path::Path;

/// Samples of recorded spikes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpikeFile {
    /// Time of each spike in seconds, sample after sample; `[spikes]`.
    pub times: Vec<f32>,
    /// Unit of each spike; `[spikes]`.
    pub units: Vec<u16>,
    /// Spikes of sample i are `offsets[i]..offsets[i + 1]`; `[samples + 1]`.
    pub offsets: Vec<u64>,
    /// Label of each sample, where there are any; a negative number in a file is none.
    pub labels: Option<Vec<Option<u32>>>,
    /// Speaker of each sample, where the file names them: SHD's `extra/speaker`. Not written to `.npz`.
    pub speakers: Option<Vec<u32>>,
}

impl SpikeFile {
    /// Reads SHD HDF5 or `.npz`, told apart by content.
    ///
    /// # Errors
    /// [`Error`], naming the file, the field and the remedy.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads from memory; `path` is used in messages.
    ///
    /// # Errors
    /// As [`SpikeFile::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let file = if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
            hdf5::read(bytes, path)?
        } else if bytes.starts_with(b"PK") {
            npz::read(bytes, path)?
        } else {
            return Err(Error::Format { path: path.into() });
        };
        file.check(path)?;
        Ok(file)
    }

    /// Writes `.npz`, compressed; the same spikes give the same bytes.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing half-written is left.
    pub fn write_npz(&self, path: &Path) -> Result<(), Error> {
        write_whole(path, &self.to_npz(path)?).map_err(|source| Error::Io { path: path.into(), source })
    }

    /// The bytes of an `.npz` file; `path` is used in messages.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn to_npz(&self, path: &Path) -> Result<Vec<u8>, Error> {
        npz::write(self).map_err(|source| Error::Io { path: path.into(), source })
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Label of a sample.
    #[must_use]
    pub fn label(&self, sample: usize) -> Option<u32> {
        self.labels.as_ref().and_then(|l| l[sample])
    }

    /// Times and units of a sample.
    #[must_use]
    pub fn sample(&self, sample: usize) -> (&[f32], &[u16]) {
        let range = self.offsets[sample] as usize..self.offsets[sample + 1] as usize;
        (&self.times[range.clone()], &self.units[range])
    }

    /// Adds a sample.
    pub fn push(&mut self, times: &[f32], units: &[u16], label: Option<u32>) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        let samples = self.len();
        self.times.extend_from_slice(times);
        self.units.extend_from_slice(units);
        self.offsets.push(self.times.len() as u64);
        if label.is_some() || self.labels.is_some() {
            self.labels.get_or_insert_with(|| vec![None; samples]).push(label);
        }
        // A sample of unknown speaker: then none is known.
        self.speakers = None;
    }

    /// Chosen samples as a file of their own.
    #[must_use]
    pub fn select(&self, samples: impl IntoIterator<Item = usize>) -> Self {
        let mut out = Self { offsets: vec![0], ..Self::default() };
        let mut speakers = self.speakers.as_ref().map(|_| Vec::new());
        for i in samples {
            let (times, units) = self.sample(i);
            out.push(times, units, self.label(i));
            if let (Some(to), Some(from)) = (&mut speakers, &self.speakers) {
                to.push(from[i]);
            }
        }
        out.speakers = speakers;
        out
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        let field = |field: &'static str, message: String| Error::Field { path: path.into(), field, message };
        if self.times.len() != self.units.len() {
            let message =
                format!("{} times but {} units; one of each a spike", self.times.len(), self.units.len());
            return Err(field("units", message));
        }
        if self.offsets.first() != Some(&0) || self.offsets.last() != Some(&(self.times.len() as u64)) {
            let message =
                format!("must begin with 0 and end with the number of spikes, {}", self.times.len());
            return Err(field("offsets", message));
        }
        if let Some(i) = self.offsets.windows(2).position(|w| w[0] > w[1]) {
            return Err(field("offsets", format!("sample {i} ends before it begins; offsets must not fall")));
        }
        if let Some(labels) = &self.labels
            && labels.len() != self.len()
        {
            let message =
                format!("{} labels for {} samples; one each, negative for none", labels.len(), self.len());
            return Err(field("labels", message));
        }
        if let Some(speakers) = &self.speakers
            && speakers.len() != self.len()
        {
            let message = format!("{} speakers for {} samples; one each", speakers.len(), self.len());
            return Err(field("extra/speaker", message));
        }
        if let Some(i) = self.times.iter().position(|t| !(t.is_finite() && *t >= 0.0)) {
            let sample = self.offsets.partition_point(|&o| o <= i as u64) - 1;
            let message =
                format!("{} s in sample {sample}; times must be finite and not negative", self.times[i]);
            return Err(field("times", message));
        }
        Ok(())
    }
}
