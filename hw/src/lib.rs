//! The machine: platforms, word layouts, image format, RTL blocks, and whole chips that run from an image.
//!
//! `TIMING.md` beside the manifest states what every block does in which cycle; `IMAGE.md` states the file format.

pub mod blocks;
pub mod codec;
pub mod image;
pub mod layout;
pub mod machine;
pub mod platform;

pub use codec::ImageError;
pub use image::Image;
pub use platform::{Platform, Structure};
