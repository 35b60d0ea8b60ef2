//! `sim gates`: Yosys over the Verilog of a platform's blocks, into a results file for `sim cost`.

use crate::report::print;
use anyhow::{Context, Result};
use hw::Platform;
use sim::cost::gates::{FORMAT, Gates, VERSION, digest};
use sim::cost::yosys::{Block, Blocks, LIBRARY, RECIPE, sources, synthesise, version};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `sim gates`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hw verilog --platform seneca --delays ring-buffer --output rtl/ring
  hw verilog --platform seneca --delays shared-queue --output rtl/queue
  sim gates rtl/ring/blocks.toml rtl/queue/blocks.toml --platform seneca --output sim/gates/seneca.json

A block that several files list with the same Verilog is synthesised once.

BLOCKS.toml names the blocks; paths are relative to it:
  [[block]]
  name = \"shared-queue core\"
  top = \"core_queue\"
  sources = [\"*.v\"]
  blackbox = [\"*_ram\"]            # memories: priced as macros, not as gates
  structure = \"shared-queue\"      # leave out where both kinds of core have it
  per = \"core\"                    # core (the default), chip, or part (of another block that is listed)
  count = 1                       # so many in each")]
pub struct GatesArgs {
    /// The blocks
    #[arg(value_name = "BLOCKS.toml", required = true)]
    blocks: Vec<PathBuf>,
    /// Platform that the Verilog was emitted for: a preset or a TOML file
    #[arg(long, value_name = "loihi|seneca|FILE.toml")]
    platform: String,
    /// Results file
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Yosys
    #[arg(long, value_name = "PROGRAM", default_value = "yosys")]
    yosys: String,
}

/// Synthesises every block and writes the results.
pub fn run(args: &GatesArgs) -> Result<ExitCode> {
    let platform = Platform::load(&args.platform)?;
    let tool = version(&args.yosys)?;
    let mut results: Vec<Block> = Vec::new();
    for file in &args.blocks {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| name.clone())?;
        let blocks: Blocks = toml::from_str(&text).with_context(|| name.clone())?;
        let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(parent).with_context(|| name.clone())?;
        for block in &blocks.block {
            let sources = sources(block, &folder)?;
            let same = |b: &&mut Block| {
                (&b.name, &b.top, b.per, b.count) == (&block.name, &block.top, block.per, block.count)
                    && b.sources_sha256 == sources.sha256
            };
            if let Some(known) = results.iter_mut().find(same) {
                if known.structure != block.structure {
                    known.structure = None;
                }
                continue;
            }
            let result = synthesise(&args.yosys, block, sources)?;
            print(&format!(
                "{:32} {:>9.0} gate equivalents, {:>6} flip-flops, {} memories left out\n",
                result.name,
                result.gate_equivalents,
                result.flip_flops,
                result.memories.values().sum::<u64>()
            ))?;
            results.push(result);
        }
    }
    let gates = Gates {
        format: FORMAT.into(),
        version: VERSION,
        platform: platform.name.clone(),
        platform_sha256: digest(&platform),
        tool,
        recipe: RECIPE.into(),
        library_sha256: sim::digest(LIBRARY.as_bytes()),
        blocks: results,
    };
    let json = serde_json::to_string_pretty(&gates)? + "\n";
    spikes::write_whole(&args.output, json.as_bytes()).with_context(|| args.output.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
