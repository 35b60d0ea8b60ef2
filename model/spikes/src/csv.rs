//! The two result files: spikes, and predictions with scores.

use crate::Error;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that appears under its name only when it is whole.
#[derive(Debug)]
struct Whole {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Whole {
    fn create(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder).map_err(|source| Error::Io { path: path.into(), source })?;
        Ok(Self { path: path.into(), file: BufWriter::new(file) })
    }

    fn write(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Error> {
        self.file.write_fmt(line).map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    fn finish(self) -> Result<(), Error> {
        let path = self.path;
        let persist = || -> io::Result<()> {
            let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            readable(&file)?;
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        persist().map_err(|source| Error::Io { path: path.clone(), source })
    }
}

/// Temporary files are private; results are as readable as any file of the user's.
fn readable(file: &NamedTempFile) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

/// Writes a file in whole: a temporary file beside it, then a rename.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut whole = Whole::create(path)?;
    whole.file.write_all(bytes).map_err(|source| Error::Io { path: path.into(), source })?;
    whole.finish()
}

/// `sample,step,population,neuron`; the file appears when it is finished.
#[derive(Debug)]
pub struct SpikesCsv {
    out: Whole,
    populations: Vec<String>,
}

impl SpikesCsv {
    /// Starts a file; `populations` are the network's names, by index.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, populations: &[String]) -> Result<Self, Error> {
        let mut out = Whole::create(path)?;
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
    out: Whole,
    scores: usize,
}

impl ResultsCsv {
    /// Starts a file with so many scores a sample.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, scores: usize) -> Result<Self, Error> {
        let mut out = Whole::create(path)?;
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
