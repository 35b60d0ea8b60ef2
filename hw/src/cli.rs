//! The command line.

use clap::{Args, Parser, Subcommand};
use hw::Structure;
use std::path::PathBuf;

/// Gives the hardware in other forms.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to give
    #[command(subcommand)]
    pub command: Command,
}

/// What can be had.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Emit Verilog-2005 of a block or a whole chip
    #[command(after_help = "\
Without --block the whole chip is written: a file for each module, and the contents of each memory as
CHIP.PATH.hex, which $readmemh opens relative to where the tool runs. A platform's chip has a full core at
every site and empty memories; an image's chip has the cores in use and their contents. A block alone is at
no place in the chip: of a platform it has empty memories, of an image it may have none.
Beside them stands blocks.toml, which lists the blocks for `sim gates`, and files.toml, which lists what was
written: the next emission into the folder replaces that, and refuses to replace any other file.

Examples:
  hw verilog --platform loihi --output rtl
  hw verilog --platform chip.toml --delays shared-queue --block queue_core --output rtl
  hw verilog --image shd.bin --output rtl && cd rtl && verilator --lint-only -Wall --top-module chip *.v

Exit status: 0 done, 2 wrong use or bad input.")]
    Verilog(Verilog),
}

/// What to emit, and where.
#[derive(Debug, Args)]
pub struct Verilog {
    /// Preset (loihi, seneca) or TOML file
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "image", conflicts_with = "image")]
    pub platform: Option<String>,
    /// Image that `compiler` wrote: its chip, with the contents of its memories
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Delay structure of the cores; the platform's or image's own if left out
    #[arg(long, value_name = "ring-buffer|shared-queue")]
    pub delays: Option<Structure>,
    /// One block, such as router or soma, instead of the whole chip; with --image one without memories, whose contents only
    /// the whole chip holds
    #[arg(long, value_name = "NAME")]
    pub block: Option<String>,
    /// Directory for the files; made where it is not there
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
}
