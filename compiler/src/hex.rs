//! Memories as text for Verilog's `$readmemh`.

use hw::Image;
use hw::image::Build;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; name a folder that can be written", path.display())]
pub struct HexError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why not.
    pub source: std::io::Error,
}

/// Name and text of a file for each core and memory with contents: `core_X_Y.MEMORY.hex`, a word a line.
#[must_use]
pub fn files(image: &Image, build: &Build) -> Vec<(String, String)> {
    let specs = build.widths(&image.platform).memories(&image.platform);
    let mut out = Vec::new();
    for core in &build.cores {
        for (memory, words) in &core.contents {
            let bits = specs.iter().find(|s| s.memory == *memory).map_or(64, |s| s.bits);
            let digits = bits.div_ceil(4) as usize;
            let mut text = String::with_capacity(words.len() * (digits + 1));
            for word in words {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{word:0digits$x}");
            }
            out.push((format!("core_{}_{}.{}.hex", core.x, core.y, memory.name()), text));
        }
    }
    out
}

/// Writes the files of a build into a folder, which is made where there is none. No file gets its
/// name before all are whole.
///
/// # Errors
/// [`HexError`].
pub fn write(image: &Image, build: &Build, folder: &Path) -> Result<usize, HexError> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| HexError { path, source }
    };
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let mut whole = Vec::new();
    for (name, text) in files(image, build) {
        let path = folder.join(name);
        let mut file = NamedTempFile::new_in(folder).map_err(at(&path))?;
        file.write_all(text.as_bytes()).map_err(at(&path))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let readable = std::fs::Permissions::from_mode(0o644);
            file.as_file().set_permissions(readable).map_err(at(&path))?;
        }
        // Closed here, so that many cores need not many open files.
        whole.push((file.into_temp_path(), path));
    }
    let count = whole.len();
    for (file, path) in whole {
        file.persist(&path).map_err(|e| HexError { path, source: e.error })?;
    }
    Ok(count)
}
