//! The blocks of the machine, one file each; each keeps the cycles of `TIMING.md`.
//!
//! A block is a function that adds its definition to a [`rtl::Library`]; what it is made for are its arguments.

pub mod accumulators;
pub mod axons;
pub mod barrier;
pub mod chip;
pub mod controller;
pub mod core;
#[cfg(test)]
mod core_model;
#[cfg(test)]
mod core_test;
pub mod credits;
pub mod fifo;
pub mod flit;
pub mod injector;
pub mod link;
pub mod memory_fifo;
pub mod mesh;
pub mod queue_core;
pub mod readout;
pub mod ring_buffer;
pub mod ring_core;
pub mod router;
pub mod sender;
pub mod sequencer;
pub mod shape;
pub mod shared_queue;
pub mod soma;
pub mod store;
pub mod synapses;
#[cfg(test)]
mod test;
#[cfg(test)]
mod test_link;

use crate::platform::{Platform, Structure};
use rtl::{Def, Errors, Library};

/// The core of a platform with a delay structure.
///
/// # Errors
/// What is wrong with a description.
pub fn core_of(library: &mut Library, platform: &Platform, structure: Structure) -> Result<Def, Errors> {
    match structure {
        Structure::RingBuffer => ring_core::ring_core(library, platform),
        Structure::SharedQueue => queue_core::queue_core(library, platform),
    }
}
