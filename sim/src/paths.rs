//! Files of a run: none is written over one that is read, nor over another, and all can be written.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Refuses outputs that are an input, or each other. Each comes with the option that names it.
pub fn keep_apart(inputs: &[(&str, &Path)], outputs: &[(&str, PathBuf)]) -> Result<()> {
    for (i, (option, path)) in outputs.iter().enumerate() {
        let Some(place) = place(path) else { continue };
        if let Some((input, _)) = inputs.iter().find(|(_, p)| self::place(p).as_ref() == Some(&place)) {
            bail!("{option} {}: is the file of {input}, which is read; write to another", path.display());
        }
        let same = |other: &&(&str, PathBuf)| self::place(&other.1).as_ref() == Some(&place);
        if let Some((other, _)) = outputs[..i].iter().find(same) {
            let tables = |option: &str| option.starts_with("--stats");
            let hint = if tables(option) || tables(other) {
                " (--stats FILE also writes FILE with .csv, .steps.csv and .path.csv for its ending)"
            } else {
                ""
            };
            bail!("{option} {}: is the file of {other} too; write to another{hint}", path.display());
        }
    }
    Ok(())
}

/// Refuses outputs that cannot be written, before the work that they are for. Options of `makes` make their folder.
pub fn can_write(outputs: &[(&str, PathBuf)], makes: &[&str]) -> Result<()> {
    for (option, path) in outputs {
        let mut place = path.clone();
        if makes.contains(option) && !path.exists() {
            // The folders that are missing will lie in the first that is there.
            let there = path.ancestors().skip(1).find(|p| p.exists()).unwrap_or(Path::new(""));
            place = there.join("made");
        }
        spikes::check_place(&place).with_context(|| format!("{option} {}", path.display()))?;
    }
    Ok(())
}

/// Where a file is or will be, links followed; `None` for what takes any number of writers, as devices do.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return real.is_file().then_some(real);
    }
    let name = path.file_name()?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(parent.canonicalize().unwrap_or_else(|_| parent.to_path_buf()).join(name))
}
