//! The inner-ear model: recorded audio to spikes of 700 channels.

/// `model encode`.
#[derive(Debug, clap::Args)]
pub struct EncodeArgs {}

/// Runs `model encode`.
///
/// # Errors
/// Whatever stops it.
pub fn encode(_args: &EncodeArgs) -> anyhow::Result<()> {
    Ok(())
}
