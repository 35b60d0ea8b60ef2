//! Properties, equivalence, co-simulation and cross-crate benches.
