//! Verilog-2005: a module and a file for each definition with its parameters, memories as modules of their own.
//!
//! Names are those of the Rust description, comments its doc texts. Every wire is unsigned; `$signed` stands around the
//! operands of the signed operators only, and signed shifts and products have a wire of their own, so that no context
//! can change them. Properties stand behind `` `ifdef FORMAL `` as immediate assertions. Icarus 11 (`-g2005 -Wall`),
//! Verilator 5.006 (`--lint-only -Wall`) and Yosys 0.23 take the text without a warning.
//!
//! Contents come by `$readmemh`. A memory with contents of its own in each instance reads `<top>.<path>.hex`; the
//! parameter `PATH` carries the path down, so that instances still share their module.

mod bench;
mod expr;
mod module;

use crate::design::Design;
use crate::ir::{Contents, Def, MemoryPorts, ReadDuringWrite};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

pub use bench::Bench;

/// A memory whose contents stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HexFile {
    /// Name of the file, which `$readmemh` opens relative to where the tool runs.
    pub name: String,
    /// Path of the memory, as the simulator takes it; none where all instances share the contents.
    pub path: Option<String>,
    /// Words.
    pub words: u64,
    /// Bits of a word.
    pub bits: u32,
    /// The contents that all instances share.
    fixed: Vec<u64>,
}

/// Emitted Verilog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verilog {
    /// Name of the top module.
    pub top: String,
    /// Names and texts of the files; what a module needs stands before it, the top is last.
    pub files: Vec<(String, String)>,
    /// Contents that the modules read.
    pub memories: Vec<HexFile>,
}

/// Emits a circuit.
#[must_use]
pub fn emit(top: &Def) -> Verilog {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    let mut memories = Vec::new();
    collect(top, &mut seen, &mut files, &mut memories);
    let design = Design::new(top);
    let name = top.unique_name();
    for (instance, placed) in design.placed.iter().enumerate() {
        for memory in placed.def.memories.iter().filter(|m| m.contents == Contents::PerInstance) {
            let path = design.path_to(instance, &memory.name);
            let name = format!("{name}.{path}.hex");
            if instance == 0 {
                // The top's own file is not the empty one of its module.
                memories.retain(|m| m.name != name);
            }
            memories.push(HexFile {
                name,
                path: Some(path),
                words: memory.words,
                bits: memory.bits,
                fixed: vec![],
            });
        }
    }
    Verilog { top: name, files, memories }
}

/// Emits a definition after everything that it needs.
fn collect(
    def: &Def,
    seen: &mut BTreeSet<String>,
    files: &mut Vec<(String, String)>,
    memories: &mut Vec<HexFile>,
) {
    let name = def.unique_name();
    if !seen.insert(name.clone()) {
        return;
    }
    for memory in &def.memories {
        for &(module, text) in memory_modules(&memory.ports) {
            if seen.insert(module.to_string()) {
                files.push((format!("{module}.v"), text.to_string()));
            }
        }
        let fixed = match &memory.contents {
            Contents::Unknown => continue,
            Contents::Fixed(words) => words.to_vec(),
            // Yosys elaborates a module by itself before it does so for its instances, and wants a file then.
            Contents::PerInstance => Vec::new(),
        };
        let file = format!("{name}.{}.hex", memory.name);
        memories.push(HexFile { name: file, path: None, words: memory.words, bits: memory.bits, fixed });
    }
    for instance in &def.instances {
        collect(&instance.def, seen, files, memories);
    }
    files.push((format!("{name}.v"), module::text(def)));
}

const MEMORY_1RW: (&str, &str) = ("memory_1rw", include_str!("../verilog/memory_1rw.v"));
const MEMORY_1R1W: (&str, &str) = ("memory_1r1w", include_str!("../verilog/memory_1r1w.v"));
const FORWARD: (&str, &str) = ("memory_1r1w_forward", include_str!("../verilog/memory_1r1w_forward.v"));

/// Names that memories take for themselves.
pub(crate) const RESERVED: [&str; 3] = [MEMORY_1RW.0, MEMORY_1R1W.0, FORWARD.0];

/// The modules that a memory needs; the last is the memory itself.
fn memory_modules(ports: &MemoryPorts) -> &'static [(&'static str, &'static str)] {
    match ports {
        MemoryPorts::OneRw { .. } => &[MEMORY_1RW],
        MemoryPorts::OneReadOneWrite { rule: ReadDuringWrite::Forward, .. } => &[MEMORY_1R1W, FORWARD],
        MemoryPorts::OneReadOneWrite { .. } => &[MEMORY_1R1W],
    }
}

impl Verilog {
    /// Text of a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str())
    }

    /// All modules as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.files.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Writes all files to a directory, with the contents of memories as `.hex`.
    ///
    /// `contents` gives the words of a memory by its path; the rest, and what it does not know, is zero.
    ///
    /// # Errors
    /// Those of writing; more words than a memory has.
    pub fn write_to(&self, dir: &Path, contents: impl Fn(&str) -> Option<Vec<u64>>) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        for (name, text) in &self.files {
            write_file(dir, name, |out| out.write_all(text.as_bytes()))?;
        }
        for memory in &self.memories {
            let given = memory.path.as_ref().and_then(|path| contents(path));
            let words = given.as_deref().unwrap_or(&memory.fixed);
            if words.len() as u64 > memory.words {
                let text =
                    format!("{}: {} words of contents, has {}", memory.name, words.len(), memory.words);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            write_file(dir, &memory.name, |out| write_hex(out, words, memory.words, memory.bits))?;
        }
        Ok(())
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// Those of writing.
pub fn write_file(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = dir.join(format!(".{name}.tmp"));
    let mut out = io::BufWriter::new(fs::File::create(&temporary)?);
    write(&mut out)?;
    out.flush()?;
    fs::rename(&temporary, dir.join(name))
}

/// Writes words for `$readmemh`, one a line, padded with zeros to the whole memory.
fn write_hex(out: &mut dyn Write, words: &[u64], all: u64, bits: u32) -> io::Result<()> {
    let digits = bits.div_ceil(4) as usize;
    for address in 0..all {
        let word = words.get(address as usize).copied().unwrap_or(0);
        writeln!(out, "{word:0digits$x}")?;
    }
    Ok(())
}
