//! The folder that an emission goes to: what an earlier one wrote there gives way, what is another's stays.

use anyhow::{Context, Result, bail};
use rtl::verilog::write_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The list of what was written, in the folder itself.
const LIST: &str = "files.toml";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    files: BTreeSet<String>,
}

/// A folder that is being written to.
pub struct Folder<'a> {
    dir: &'a Path,
    earlier: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl<'a> Folder<'a> {
    /// Takes a folder for files of these names; it is made where it is not there.
    ///
    /// # Errors
    /// A file of such a name that no emission wrote; a damaged list; those of writing.
    pub fn open(dir: &'a Path, names: BTreeSet<String>) -> Result<Self> {
        let list = dir.join(LIST);
        let remedy = "remove it, or choose another --output";
        let earlier = match fs::read_to_string(&list) {
            Ok(text) => {
                let written: Written = toml::from_str(&text)
                    .with_context(|| format!("{}: not a list of emitted files: {remedy}", list.display()))?;
                written.files
            }
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot read", list.display())),
        };
        // What is on the list will be removed: nothing outside the folder may be.
        let plain = |name: &String| Path::new(name).file_name().is_some_and(|n| n == name.as_str());
        if let Some(name) = earlier.iter().find(|name| !plain(name)) {
            bail!("{}: files: `{name}` is not a name in this folder: {remedy}", list.display());
        }
        let there = |name: &&String| dir.join(name).symlink_metadata().is_ok();
        if let Some(name) = names.difference(&earlier).find(there) {
            bail!("{}: not written by `hw verilog`: {remedy}", dir.join(name).display());
        }
        fs::create_dir_all(dir).with_context(|| format!("--output {}: cannot write", dir.display()))?;
        let folder = Self { dir, earlier, names };
        // Should the emission break off, all that it may have written is known.
        folder.record(folder.earlier.union(&folder.names).cloned().collect())?;
        Ok(folder)
    }

    /// Takes away what the earlier emission wrote and this one did not.
    ///
    /// # Errors
    /// Those of writing.
    pub fn close(self) -> Result<()> {
        for name in self.earlier.difference(&self.names) {
            let path = self.dir.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{}: cannot remove", path.display()));
                }
                _ => {}
            }
        }
        self.record(self.names.clone())
    }

    fn record(&self, files: BTreeSet<String>) -> Result<()> {
        let text = toml::to_string(&Written { files })?;
        write_file(self.dir, LIST, |out| {
            writeln!(out, "# What `hw verilog` wrote here, to be replaced by the next emission.\n{text}")
        })
        .with_context(|| format!("{}: cannot write", self.dir.join(LIST).display()))
    }
}
