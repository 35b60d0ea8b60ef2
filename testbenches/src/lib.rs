//! Properties, equivalence, co-simulation and cross-crate benches.
//!
//! What the tests share: golden vectors, platforms, random networks.

pub mod floor;
pub mod golden;
pub mod random;
pub mod replay;
pub mod synthetic;
