//! The trainer: surrogate gradients, delays as parallel synapses, export as a contract network.

/// `model train`.
#[derive(Debug, clap::Args)]
pub struct TrainArgs {}

/// Runs `model train`.
///
/// # Errors
/// Whatever stops it.
pub fn train(_args: &TrainArgs) -> anyhow::Result<()> {
    Ok(())
}
