//! The command line.

use crate::random_input::RandomInput;
use clap::{Args as Arguments, Parser, Subcommand};
use hw::platform::Structure;
use sim::lockstep::Components;
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
  sim --image shd.bin --fst out.fst            the same, compressed: a tenth of the size or less
  sim --image shd.bin --input speech.npz       every sample of a file, statistics only
  sim --image shd.bin --samples 0..8 --spikes spikes.csv --results results.csv
  sim --image shd.bin --vcd out.vcd --vcd-steps 10..20 --vcd-scope 'chip.core_0_0'
  sim --image shd.bin --random-input 100,8000,1 a load test: 100 samples of 8000 random spikes
  sim noc --svg curve.svg                      the mesh alone: latency against load
  sim --image shd.bin --stats stats.json       every count of the run, exact
  sim --image shd.bin --lockstep all --random-input 3,2000,1
                                               three samples beside the RTL, every signal in every cycle
  sim cost --image shd.bin --output cost       what the delays cost, on both structures

Exit status: 0 done, 1 a queue overflowed, the mesh deadlocked or RTL and fast model differ, 2 wrong use or bad input, 130 interrupted."
)]
pub struct Cli {
    /// Something other than running an image
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run
    #[command(flatten)]
    pub run: Option<Args>,
}

/// Other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure latency against load of the mesh alone, under uniform random traffic
    Noc(Noc),
    /// Say what the delays cost: bits, events, gates, area, energy
    Cost(crate::cost_command::CostArgs),
    /// Count the gates of emitted Verilog with Yosys, for `cost`
    Gates(crate::gates_command::GatesArgs),
}

/// Arguments of `noc`.
#[derive(Debug, Arguments)]
pub struct Noc {
    /// Columns of the mesh
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub width: u16,
    /// Rows of the mesh
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub height: u16,
    /// Depth of each router input buffer in flits
    #[arg(long, value_name = "FLITS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub router_buffer: u16,
    /// Depth of each core's input port in flits
    #[arg(long, value_name = "FLITS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub core_buffer: u16,
    /// Loads to measure, in flits a core and cycle
    #[arg(
        long,
        value_name = "RATE,..",
        value_delimiter = ',',
        default_value = "0.01,0.05,0.1,0.15,0.18,0.2,0.22,0.24,0.25,0.26,0.28,0.3,0.32,0.34,0.36,0.4"
    )]
    pub rates: Vec<f64>,
    /// Cycles before measuring
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    pub warmup: u64,
    /// Cycles in which measured flits are created
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub cycles: u64,
    /// Seed of the traffic
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Write the curve as CSV
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw the curve as SVG
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Arguments of a run.
#[derive(Debug, Arguments)]
#[command(group = clap::ArgGroup::new("waves").multiple(true))]
pub struct Args {
    /// Image that `compiler` wrote
    #[arg(long, value_name = "FILE")]
    pub image: PathBuf,
    /// Spikes to run (.npz or SHD HDF5) instead of the stimulus inside the image
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Random spikes instead: so many samples of so many spikes each, from a seed
    #[arg(long, value_name = "SAMPLES,SPIKES,SEED", conflicts_with = "input")]
    pub random_input: Option<RandomInput>,
    /// Samples: all, N (the one of index N), or A..B (half-open) [default: all, or 0 with waves or
    /// with --lockstep]
    #[arg(long, value_name = "RANGE")]
    pub samples: Option<SampleRange>,
    /// Delay structure to run on, where the image holds both [default: the image's own]
    #[arg(long, value_name = "ring-buffer|shared-queue")]
    pub delays: Option<Structure>,
    /// Write waves of one sample as VCD
    #[arg(long, value_name = "FILE", group = "waves")]
    pub vcd: Option<PathBuf>,
    /// Write waves of one sample as FST, compressed (GTKWave, Surfer); states are numbers in it
    #[arg(long, value_name = "FILE", group = "waves")]
    pub fst: Option<PathBuf>,
    /// Only these steps in the waves, A..B (half-open)
    #[arg(long, value_name = "A..B", requires = "waves")]
    pub vcd_steps: Option<SampleRange>,
    /// Only scopes or signals whose path matches this glob; may be given several times
    #[arg(long, value_name = "GLOB", requires = "waves")]
    pub vcd_scope: Vec<glob::Pattern>,
    /// Run these components in RTL too and compare them with it in every cycle: all, or names like 0_1 (core and router
    /// at column 0, row 1), core_0_1, router_2_0, injector_0 with commas between; the first difference ends the run, status 1.
    /// The whole chip runs in RTL whatever is named
    #[arg(long, value_name = "CORES|all", conflicts_with_all = ["waves", "threads"])]
    pub lockstep: Option<Components>,
    /// Where --lockstep writes both sides as VCD if they differ
    #[arg(long, value_name = "FILE", requires = "lockstep", default_value = "lockstep.vcd")]
    pub lockstep_vcd: PathBuf,
    /// Write all spikes as CSV
    #[arg(long, value_name = "FILE")]
    pub spikes: Option<PathBuf>,
    /// Write predictions, cycles and scores as CSV
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Write index.html (one page, no network needed), report.txt, stats.json and its CSVs into this folder
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Write every count of the run as JSON, and beside it as .csv, by step as .steps.csv and .path.csv (sim/STATS.md)
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,
    /// Threads for running samples in parallel [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print stats.json (sim/STATS.md) in place of the report, series by step only with --stats or --report
    #[arg(long)]
    pub json: bool,
    /// No progress bar and no report on the terminal
    #[arg(long)]
    pub quiet: bool,
}
