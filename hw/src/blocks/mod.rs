//! The blocks of the machine, one file each; each keeps the cycles of `TIMING.md`.
//!
//! A block is a function that adds its definition to a [`rtl::Library`]; what it is made for are its arguments.

pub mod accumulators;
pub mod axons;
pub mod controller;
pub mod core;
#[cfg(test)]
mod core_model;
#[cfg(test)]
mod core_test;
pub mod credits;
pub mod fifo;
pub mod flit;
pub mod memory_fifo;
pub mod queue_core;
pub mod ring_buffer;
pub mod ring_core;
pub mod sender;
pub mod shape;
pub mod shared_queue;
pub mod soma;
pub mod store;
pub mod synapses;
#[cfg(test)]
mod test;
