//! Properties, equivalence, co-simulation and cross-crate benches.
//!
//! What the tests share: golden vectors, platforms, random networks, pages in a browser.

pub mod golden;
pub mod page;
pub mod random;
