//! Files that appear under their name only when they are whole.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file in the making.
#[derive(Debug)]
pub(crate) struct Whole {
    /// As the user named it.
    path: PathBuf,
    out: BufWriter<Out>,
}

#[derive(Debug)]
enum Out {
    /// A temporary file beside its place.
    Temporary(NamedTempFile, PathBuf),
    /// A pipe or a device, such as `/dev/stdout`, whatever that stands for: never replaced by a file.
    Stream(File),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Temporary(file, _) => file.write(bytes),
            Self::Stream(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Temporary(file, _) => file.flush(),
            Self::Stream(file) => file.flush(),
        }
    }
}

impl Whole {
    /// Starts a file. A place that can never be written is an error now, not after the work.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let out = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder; name a file in it"));
            }
            Ok(found) if !found.is_file() || path.starts_with("/dev") => {
                Out::Stream(File::options().append(true).open(path)?)
            }
            // A link stays, and the file that it names is replaced.
            found => {
                let place = if found.is_ok() { path.canonicalize()? } else { path.to_path_buf() };
                let folder = folder_of(&place)?;
                Out::Temporary(NamedTempFile::new_in(folder)?, place)
            }
        };
        Ok(Self { path: path.into(), out: BufWriter::new(out) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.out.write_fmt(text)
    }

    /// Puts the file in its place.
    pub(crate) fn finish(self) -> io::Result<()> {
        let out = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let Out::Temporary(file, place) = out else { return Ok(()) };
        // Temporary files are private; results are as readable as any file of the user's.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&place).map_err(|e| e.error)?;
        Ok(())
    }
}

/// The folder that a file is to lie in; it must be there.
fn folder_of(path: &Path) -> io::Result<&Path> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    if folder.exists() && !folder.is_dir() {
        let text = format!("`{}` is no folder, but a file; write elsewhere", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
    }
    if !folder.is_dir() {
        let text = format!("there is no folder `{}`; make it first", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(folder)
}

/// Whether a file can be written where a path says, to be asked before long work. Pipes and devices are not opened.
///
/// # Errors
/// Where the path is a folder, or its folder is not there or cannot be written to.
pub fn check_place(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => Ok(()),
        _ => Whole::create(path).map(drop),
    }
}

/// Writes a file in whole: a temporary file beside it, then a rename. Pipes and devices are written to.
///
/// # Errors
/// Those of the file system; nothing half-written is left.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut whole = Whole::create(path)?;
    whole.out.write_all(bytes)?;
    whole.finish()
}
