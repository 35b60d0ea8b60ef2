//! Networks with synaptic delays: type, golden model, ear model, trainer.
//!
//! The semantics are stated in `SPEC.md` beside this crate's manifest.

#[cfg(feature = "audio")]
pub mod ear;
pub mod evaluate;
pub mod file;
pub mod golden;
pub mod network;
#[cfg(feature = "plots")]
pub mod plot;
pub mod validate;

#[cfg(feature = "train")]
pub mod train;
