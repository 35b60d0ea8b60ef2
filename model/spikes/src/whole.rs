//! Files that appear under their name only when they are whole.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file in the making: a temporary one beside its place.
#[derive(Debug)]
pub(crate) struct Whole {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Whole {
    /// Starts a file. A place that can never be written is an error now, not after the work.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder; name a file in it"));
        }
        if !folder.is_dir() {
            let text = format!("there is no folder `{}`; make it first", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(Self { path: path.into(), file: BufWriter::new(NamedTempFile::new_in(folder)?) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.file.write_fmt(text)
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Temporary files are private; results are as readable as any file of the user's.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// Writes a file in whole: a temporary file beside it, then a rename.
///
/// # Errors
/// Those of the file system; nothing half-written is left.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut whole = Whole::create(path)?;
    whole.file.write_all(bytes)?;
    whole.finish()
}
