//! The command line.

use clap::{Args, Parser, Subcommand};
use hw::Structure;
use spikes::SampleRange;
use std::path::PathBuf;

/// Places a network on a platform and writes an image for the simulator.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  compiler shd.safetensors --platform loihi --output shd.bin
  compiler shd.safetensors --platform chip.toml --delays shared-queue --output shd.bin --hex memories
  compiler shd.safetensors --platform seneca --output shd.bin --stimulus speech.npz --stimulus-samples 0..8
  compiler inspect shd.bin
  compiler check shd.safetensors --platform seneca
  compiler budget --platform loihi > loihi-budget.toml

Exit status: 0 done, 1 the network does not fit, 2 wrong use or bad input."
)]
pub struct Cli {
    /// Something other than compiling
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to compile
    #[command(flatten)]
    pub compile: Option<Compile>,
}

/// Other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what is in an image
    Inspect {
        /// Image that `compiler` wrote
        image: PathBuf,
        /// Every memory of every core
        #[arg(long)]
        cores: bool,
    },
    /// Say as JSON which limits a network breaks; status 1 where there are any
    Check {
        /// Network file
        network: PathBuf,
        /// Where it shall run
        #[command(flatten)]
        on: On,
    },
    /// Print limits and costs of a platform as TOML, for trainers
    Budget {
        /// Which platform
        #[command(flatten)]
        on: On,
    },
}

/// Platform and delay structure.
#[derive(Debug, Args)]
pub struct On {
    /// Platform: a preset or a TOML file
    #[arg(long, value_name = "loihi|seneca|FILE.toml")]
    pub platform: String,
    /// Delay structure [default: the platform's own]
    #[arg(long, value_name = "ring-buffer|shared-queue")]
    pub delays: Option<Structure>,
}

/// Arguments of compiling.
#[derive(Debug, Args)]
pub struct Compile {
    /// Network file (.safetensors)
    pub network: PathBuf,
    /// Platform: a preset or a TOML file
    #[arg(long, value_name = "loihi|seneca|FILE.toml")]
    pub platform: String,
    /// Delay structure that runs unless told otherwise [default: the platform's own]
    #[arg(long, value_name = "ring-buffer|shared-queue")]
    pub delays: Option<Structure>,
    /// Image to write
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Also write every memory as text for $readmemh into this folder
    #[arg(long, value_name = "DIR")]
    pub hex: Option<PathBuf>,
    /// Put these spikes (.npz or SHD HDF5) into the image
    #[arg(long, value_name = "FILE")]
    pub stimulus: Option<PathBuf>,
    /// Which of them: all, N (the one of index N), or A..B (half-open)
    #[arg(long, value_name = "RANGE", requires = "stimulus", default_value = "all")]
    pub stimulus_samples: SampleRange,
}
