//! What can stop a simulation.

use crate::lockstep::Difference;
use hw::machine::MachineError::{Stuck, Violation};
use hw::platform::Structure;

/// What can stop a simulation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image has no build for the structure.
    #[error("the image has no {structure} build: {reason}")]
    NoBuild {
        /// What was asked for.
        structure: Structure,
        /// Why it is not there.
        reason: String,
    },
    /// The input was binned for another number of steps.
    #[error(
        "input has {found} steps where the network has {expected}; bin it with the image's own step and group"
    )]
    Input {
        /// Steps of the network.
        expected: u32,
        /// Steps of the input.
        found: u32,
    },
    /// An input channel that does not exist.
    #[error("input channel {channel} at step {step}: the network has {channels} channels")]
    Channel {
        /// The channel.
        channel: u32,
        /// The step.
        step: u32,
        /// Size of the input population.
        channels: usize,
    },
    /// Flits wait for each other.
    #[error("deadlock at step {step}, cycle {cycle}: no flit moves in the next {patience} cycles; {}", waiting.join("; "))]
    Deadlock {
        /// The step.
        step: u32,
        /// The last cycle in which anything moved.
        cycle: u64,
        /// Cycles in which one had to move ([`crate::Options::patience`]).
        patience: u64,
        /// Who holds flits.
        waiting: Vec<String>,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// A pattern for waves that matches nothing.
    #[error(
        "--vcd-scope {pattern}: matches nothing; scopes are like `chip.core_0_0`, `chip.router_*`, `chip.core_*.soma.*`"
    )]
    Scope {
        /// The pattern.
        pattern: String,
    },
    /// The wave file cannot be written.
    #[error("{path}: {source}")]
    Waves {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The circuit cannot be made, or stopped by itself.
    #[error("RTL: {0}")]
    Rtl(#[from] hw::machine::MachineError),
    /// RTL and fast model differ.
    #[error("{difference}; both sides around it are in {waves}")]
    Parted {
        /// Where.
        difference: Difference,
        /// Waves of both sides.
        waves: String,
    },
    /// A side stopped by itself in lockstep.
    #[error("{source}; both sides before it are in {waves}")]
    Stopped {
        /// Why.
        source: Box<Self>,
        /// Waves of both sides.
        waves: String,
    },
    /// A name given to `--lockstep` that the chip does not have.
    #[error(
        "--lockstep {name}: no such component that a flit can reach; write `all`, or names with commas between them: {known}"
    )]
    Component {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl Error {
    /// Exit status of a command that ends with it: 1 where the run itself failed, 130 where it was interrupted, else 2.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Deadlock { .. } | Self::Parted { .. } => 1,
            Self::Rtl(Stuck { .. } | Violation(_)) | Self::Stopped { .. } => 1,
            Self::Interrupted => 130,
            _ => 2,
        }
    }
}
