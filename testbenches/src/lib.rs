//! Properties, equivalence, co-simulation and cross-crate benches.
//!
//! What the tests share: golden vectors, platforms, random networks, proofs.

pub mod faults;
pub mod formal;
pub mod golden;
pub mod proofs;
pub mod properties;
pub mod random;
