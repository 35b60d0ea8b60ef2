//! The RTL layer: describe, simulate, write waves, emit Verilog.
//!
//! It knows nothing about spikes.

pub mod wave;
