//! The command line.

use clap::{Parser, Subcommand};
use hw::platform::Structure;
use spikes::SampleRange;
use std::path::PathBuf;

/// Runs an image on a mesh of cores, cycle by cycle.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  sim --image shd.bin --vcd out.vcd            one sample of the image's own stimulus, with waves
  sim --image shd.bin --input speech.npz       every sample of a file, statistics only
  sim --image shd.bin --samples 0..8 --spikes spikes.csv --results results.csv
  sim --image shd.bin --vcd out.vcd --vcd-steps 10..20 --vcd-scope 'chip.core_0_0'
  sim --image shd.bin --stats stats.json       every count of the run, exact
  sim cost --image shd.bin --output cost       what the delays cost, on both structures

Exit status: 0 done, 1 a queue overflowed or the mesh deadlocked, 2 wrong use or bad input, 130 interrupted."
)]
pub struct Cli {
    /// Something other than running
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run
    #[command(flatten)]
    pub run: Option<Args>,
}

/// Other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what the delays cost: bits, events, gates, area, energy
    Cost(crate::cost_command::CostArgs),
    /// Count the gates of emitted Verilog with Yosys, for `cost`
    Gates(crate::gates_command::GatesArgs),
}

/// A run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image that `compiler` wrote
    #[arg(long, value_name = "FILE")]
    pub image: PathBuf,
    /// Spikes to run (.npz or SHD HDF5) instead of the stimulus inside the image
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Samples: all, N (the one of index N), or A..B (half-open) [default: all, or 0 with waves]
    #[arg(long, value_name = "RANGE")]
    pub samples: Option<SampleRange>,
    /// Delay structure to run on, where the image holds both [default: the image's own]
    #[arg(long, value_name = "ring-buffer|shared-queue")]
    pub delays: Option<Structure>,
    /// Write waves of one sample as VCD
    #[arg(long, value_name = "FILE")]
    pub vcd: Option<PathBuf>,
    /// Only these steps in the waves, A..B (half-open)
    #[arg(long, value_name = "A..B", requires = "vcd")]
    pub vcd_steps: Option<SampleRange>,
    /// Only scopes or signals whose path matches this glob; may be given several times
    #[arg(long, value_name = "GLOB", requires = "vcd")]
    pub vcd_scope: Vec<glob::Pattern>,
    /// Write all spikes as CSV
    #[arg(long, value_name = "FILE")]
    pub spikes: Option<PathBuf>,
    /// Write predictions, cycles and scores as CSV
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Write report.txt, report.json, stats.json and stats.csv into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Write every count of the run as JSON, and beside it as .csv (fields: sim/STATS.md)
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,
    /// Threads for running samples in parallel [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress bar and no report on the terminal
    #[arg(long)]
    pub quiet: bool,
}
