//! Runs Yosys on the Verilog of a block, and reads what it says.
//!
//! Gate equivalents come from our own cell library with the memories as black boxes (they are priced as macros);
//! the FPGA columns from `synth_ice40` and `synth_xilinx`, with the memories in. Each memory stays a module there, so
//! that one which is only read, since its contents come from outside, is not taken for a constant.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Our cell library, in gate equivalents.
pub const LIBRARY: &str = include_str!("../../gates/ge.lib");
/// The recipe as it is printed in results.
pub const RECIPE: &str = "read_verilog -sv -DNO_CONTENTS; blackbox MEMORIES; hierarchy -top T; synth -flatten -top T; dfflibmap -liberty ge.lib; abc -liberty ge.lib; opt_clean; stat -liberty ge.lib";

/// Where the blocks of a platform are: a TOML file beside the Verilog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// The blocks.
    pub block: Vec<BlockSource>,
}

/// One block to synthesise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockSource {
    /// Name in tables.
    pub name: String,
    /// Top module.
    pub top: String,
    /// Verilog files, relative to the TOML file; `*` and `?` match.
    pub sources: Vec<String>,
    /// Modules that are memories; `*` and `?` match. They count no gates.
    #[serde(default)]
    pub blackbox: Vec<String>,
    /// Which kind of core it is in; both where absent.
    #[serde(default)]
    pub structure: Option<hw::Structure>,
    /// How many there are.
    #[serde(default)]
    pub per: Per,
    /// So many in each.
    #[serde(default = "one")]
    pub count: u64,
}

fn one() -> u64 {
    1
}

/// What a block belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each core in use.
    #[default]
    Core,
    /// The chip, once.
    Chip,
    /// Part of another block that is listed too; shown, and not added.
    Part,
}

/// What became of one block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Name in tables.
    pub name: String,
    /// Top module.
    pub top: String,
    /// Which kind of core it is in; both where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<hw::Structure>,
    /// What it belongs to.
    pub per: Per,
    /// So many in each.
    pub count: u64,
    /// SHA-256 of its sources in the order of their names, hexadecimal.
    pub sources_sha256: String,
    /// Gate equivalents, without memories.
    pub gate_equivalents: f64,
    /// Flip-flops.
    pub flip_flops: u64,
    /// Memories left out: module and how many.
    pub memories: BTreeMap<String, u64>,
    /// `synth_ice40`.
    pub ice40: Fpga,
    /// `synth_xilinx`, 7 series.
    pub xilinx: Fpga,
}

/// An FPGA column, memories included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fpga {
    /// Look-up tables as logic.
    pub lut: u64,
    /// Look-up tables as memory or shift registers.
    pub lut_ram: u64,
    /// Flip-flops.
    pub ff: u64,
    /// Carry cells.
    pub carry: u64,
    /// Block memories: 4 kbit (iCE40) or 18 kbit, a 36 kbit one counting twice (7 series).
    pub bram: u64,
    /// Multiplier blocks.
    pub dsp: u64,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Yosys is not there.
    #[error("cannot run `{program}`: {source}; install it with scripts/setup.sh rtl")]
    Missing {
        /// What was called.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Yosys refused.
    #[error("block `{block}`: Yosys failed: {message}")]
    Failed {
        /// The block.
        block: String,
        /// Its last words.
        message: String,
    },
    /// Its output is not as expected.
    #[error("block `{block}`: {message}")]
    Output {
        /// The block.
        block: String,
        /// What was missed.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
}

/// The last report of a `stat` command: cells by type, and area where a library was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stat {
    /// Cells by type.
    pub cells: BTreeMap<String, u64>,
    /// Area of the module in the library's unit.
    pub area: Option<f64>,
}

impl Stat {
    /// Reads the text of `stat` for one module, or for all under the name `design hierarchy`; the layout of Yosys 0.9 to 0.23 (`TYPE count`) and that of later
    /// versions (`count [area] TYPE`) are both understood. `None` if the module is not in the text.
    #[must_use]
    pub fn parse(text: &str, top: &str) -> Option<Self> {
        let heading = format!("=== {top} ===");
        // The last one counts: earlier ones are of unfinished steps.
        let body = &text[text.rfind(&heading)? + heading.len()..];
        let mut stat = Self::default();
        let mut in_cells = false;
        for line in body.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if line.starts_with("===") {
                break;
            }
            if line.contains("Chip area for") {
                stat.area = words.last().and_then(|w| w.parse().ok());
                break;
            }
            if line.contains("Number of cells:") || words.last() == Some(&"cells") {
                in_cells = true;
                continue;
            }
            if !in_cells {
                continue;
            }
            let &[first, .., last] = words.as_slice() else { continue };
            let counted = match (first.parse::<u64>(), last.parse::<u64>()) {
                (_, Ok(count)) if words.len() == 2 => Some((first, count)),
                (Ok(count), _) => Some((last, count)),
                _ => None,
            };
            if let Some((name, count)) = counted {
                *stat.cells.entry(name.trim_start_matches('\\').into()).or_insert(0) += count;
            }
        }
        Some(stat)
    }

    /// Cells of the types that a test accepts.
    fn count(&self, of: impl Fn(&str) -> bool) -> u64 {
        self.cells.iter().filter(|c| of(c.0)).map(|c| c.1).sum()
    }

    /// As an iCE40.
    #[must_use]
    pub fn ice40(&self) -> Fpga {
        Fpga {
            lut: self.count(|c| c == "SB_LUT4"),
            lut_ram: 0,
            ff: self.count(|c| c.starts_with("SB_DFF")),
            carry: self.count(|c| c == "SB_CARRY"),
            bram: self.count(|c| c.starts_with("SB_RAM40")),
            dsp: self.count(|c| c.starts_with("SB_MAC")),
        }
    }

    /// As a Xilinx 7 series.
    #[must_use]
    pub fn xilinx(&self) -> Fpga {
        let digit = |c: &str, head: &str| {
            c.strip_prefix(head).is_some_and(|n| n.len() == 1 && n.chars().all(|d| d.is_ascii_digit()))
        };
        Fpga {
            lut: self.count(|c| digit(c, "LUT") || c == "INV"),
            lut_ram: self.count(|c| (c.starts_with("RAM") && !c.starts_with("RAMB")) || c.starts_with("SRL")),
            ff: self.count(|c| ["FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1"].contains(&c)),
            carry: self.count(|c| c == "CARRY4"),
            bram: self.count(|c| c.starts_with("RAMB18")) + 2 * self.count(|c| c.starts_with("RAMB36")),
            dsp: self.count(|c| c.starts_with("DSP48")),
        }
    }
}

/// The version that Yosys tells.
///
/// # Errors
/// [`Error::Missing`].
pub fn version(program: &str) -> Result<String, Error> {
    let out = Command::new(program)
        .arg("-V")
        .output()
        .map_err(|source| Error::Missing { program: program.into(), source })?;
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_string())
}

/// The Verilog of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    files: Vec<PathBuf>,
    /// SHA-256 of the files in the order of their names, hexadecimal.
    pub sha256: String,
}

/// Finds and reads the files that a block's patterns name; `folder` is where the TOML file is.
///
/// # Errors
/// [`Error::File`].
pub fn sources(block: &BlockSource, folder: &Path) -> Result<Sources, Error> {
    let mut files = Vec::new();
    for pattern in &block.sources {
        let path = folder.join(pattern);
        let wrong = |message: String| Error::File { path: path.clone(), message };
        let text = path.to_str().ok_or_else(|| wrong("is not UTF-8; rename it".into()))?;
        let found: Vec<_> = glob::glob(text)
            .map_err(|e| wrong(format!("{e}; block `{}`, sources", block.name)))?
            .filter_map(Result::ok)
            .collect();
        if found.is_empty() {
            return Err(wrong(format!("no such file; block `{}`, sources", block.name)));
        }
        files.extend(found);
    }
    // By name and not by folder: the digest is that of the text alone.
    files.sort_by(|a, b| (a.file_name(), a).cmp(&(b.file_name(), b)));
    files.dedup();
    let mut bytes = Vec::new();
    for file in &files {
        let text =
            std::fs::read(file).map_err(|e| Error::File { path: file.clone(), message: e.to_string() })?;
        bytes.extend(text);
    }
    Ok(Sources { files, sha256: crate::digest(&bytes) })
}

/// Synthesises one block three ways.
///
/// # Errors
/// [`Error`], naming the block.
pub fn synthesise(program: &str, block: &BlockSource, sources: Sources) -> Result<Block, Error> {
    let Sources { files, sha256 } = sources;
    let scratch = tempfile::tempdir()
        .map_err(|e| Error::File { path: std::env::temp_dir(), message: format!("{e}; set TMPDIR") })?;
    let library = scratch.path().join("ge.lib");
    std::fs::write(&library, LIBRARY)
        .map_err(|e| Error::File { path: library.clone(), message: e.to_string() })?;
    let read: String =
        files.iter().map(|f| format!("read_verilog -sv -DNO_CONTENTS \"{}\"\n", f.display())).collect();
    let top = &block.top;
    let (mut boxes, mut apart) = (String::new(), format!("hierarchy -check -top {top}\n"));
    for pattern in &block.blackbox {
        boxes += &format!("blackbox {pattern}\n");
        // As it is, and with parameters in the two ways in which Yosys names it then.
        for name in [pattern.clone(), format!("$paramod*\\{pattern}"), format!("$paramod\\{pattern}\\*")] {
            apart += &format!("setattr -mod -set keep_hierarchy 1 {name}\n");
        }
    }
    let lib = library.display();
    let gates = run(
        program,
        block,
        scratch.path(),
        &format!(
            "{read}{boxes}hierarchy -check -top {top}\nsynth -flatten -top {top}\ndfflibmap -liberty \"{lib}\"\nabc -liberty \"{lib}\"\nopt_clean\ntee -o stat.txt stat -liberty \"{lib}\"\n"
        ),
    )?;
    let area = gates.area.ok_or_else(|| Error::Output {
        block: block.name.clone(),
        message: "`stat` gave no area: a cell is not in the library".into(),
    })?;
    let ours: Vec<_> =
        LIBRARY.split("cell(").skip(1).filter_map(|c| c.split(')').next()).map(str::to_string).collect();
    let others: BTreeMap<String, u64> =
        gates.cells.iter().filter(|c| !ours.contains(c.0)).map(|(n, c)| (n.clone(), *c)).collect();
    // A cell that Yosys could not map would be left out of the area without a word.
    if let Some(name) = others.keys().find(|n| n.starts_with('$')) {
        return Err(Error::Output {
            block: block.name.clone(),
            message: format!(
                "cell {name} was not mapped; the library has no such gate or flip-flop (reset must be synchronous)"
            ),
        });
    }
    let ice40 = run(
        program,
        block,
        scratch.path(),
        &format!("{read}{apart}synth_ice40 -flatten -top {top}\ntee -o stat.txt stat\n"),
    )?;
    let xilinx = run(
        program,
        block,
        scratch.path(),
        &format!(
            "{read}{apart}synth_xilinx -noiopad -family xc7 -flatten -top {top}\ntee -o stat.txt stat\n"
        ),
    )?;
    Ok(Block {
        name: block.name.clone(),
        top: top.clone(),
        structure: block.structure,
        per: block.per,
        count: block.count,
        sources_sha256: sha256,
        gate_equivalents: (area * 100.0).round() / 100.0,
        flip_flops: gates.cells.get("DFF").copied().unwrap_or(0),
        memories: others,
        ice40: ice40.ice40(),
        xilinx: xilinx.xilinx(),
    })
}

/// Runs a script and reads the `stat` that it leaves in `stat.txt`.
fn run(program: &str, block: &BlockSource, folder: &Path, script: &str) -> Result<Stat, Error> {
    let file = |name: &str| folder.join(name);
    let fault = |path: PathBuf| move |e: std::io::Error| Error::File { path, message: e.to_string() };
    std::fs::write(file("run.ys"), script).map_err(fault(file("run.ys")))?;
    let out = Command::new(program)
        .args(["-q", "-s", "run.ys"])
        .current_dir(folder)
        .output()
        .map_err(|source| Error::Missing { program: program.into(), source })?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr);
        let message = text.lines().rev().find(|l| l.contains("ERROR")).unwrap_or("no message");
        return Err(Error::Failed { block: block.name.clone(), message: message.into() });
    }
    let text = std::fs::read_to_string(file("stat.txt")).map_err(fault(file("stat.txt")))?;
    Stat::parse(&text, "design hierarchy").or_else(|| Stat::parse(&text, &block.top)).ok_or_else(|| {
        Error::Output {
            block: block.name.clone(),
            message: format!("`stat` says nothing of module `{}`", block.top),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\n3. Printing statistics.\n\n=== t ===\n\n   Number of wires:                 18\n   Number of wire bits:            218\n   Number of cells:                 20\n     CARRY4                          1\n     DFF                             4\n     FDRE                            4\n     LUT2                            4\n     LUT6                            2\n     RAM32M                          3\n     RAMB18E1                        1\n     RAMB36E1                        1\n\n   Area for cell type \\RAMB18E1 is unknown!\n\n   Chip area for module '\\t': 593.250000\n";
    const NEW: &str = "\n=== t ===\n\n        +----------Local Count, excluding submodules.\n        |        +-Local Area, excluding submodules.\n        | \n       18        - wires\n      218        - wire bits\n       20    40.68 cells\n        4    22.68   DFF\n       16       16   NAND2\n        1        -   foo_ram\n\n   Chip area for module '\\t': 40.680000\n     of which used for sequential elements: 22.680000 (55.75%)\n";

    #[test]
    fn both_layouts_of_stat_are_read() {
        let old = Stat::parse(OLD, "t").unwrap();
        assert_eq!(old.area, Some(593.25));
        let fpga = old.xilinx();
        assert_eq!((fpga.lut, fpga.lut_ram, fpga.ff, fpga.carry, fpga.bram), (6, 3, 4, 1, 3));
        let new = Stat::parse(NEW, "t").unwrap();
        assert_eq!(new.area, Some(40.68));
        let expected = [("DFF", 4), ("NAND2", 16), ("foo_ram", 1)];
        assert_eq!(new.cells, expected.into_iter().map(|(n, c)| (n.to_string(), c)).collect());
        assert_eq!(Stat::parse(OLD, "u"), None);
    }

    #[test]
    fn the_library_has_the_weights_it_states() {
        let areas: BTreeMap<_, f64> = LIBRARY
            .split("cell(")
            .skip(1)
            .map(|c| {
                let area = c.split("area :").nth(1).unwrap().split(';').next().unwrap();
                (c.split(')').next().unwrap(), area.trim().parse().unwrap())
            })
            .collect();
        assert_eq!(areas.len(), 20);
        assert_eq!((areas["NAND2"], areas["INV"], areas["MUX2"], areas["DFF"]), (1.0, 0.67, 2.33, 5.67));
    }
}
