//! Properties, equivalence, co-simulation and cross-crate benches.
//!
//! What the tests share: golden vectors, platforms, random networks, proofs, pages in a browser.

pub mod faults;
pub mod floor;
pub mod formal;
pub mod golden;
pub mod page;
pub mod programs;
pub mod proofs;
pub mod properties;
pub mod random;
pub mod replay;
pub mod structures;
pub mod synthetic;

use hw::Platform;
use hw::platform::{Injector, Side};
use proptest::test_runner::{Config, FileFailurePersistence};

/// Settings of proptest: so many cases; one that fails is kept in `regressions.txt` of this crate, and tried first from then on.
#[must_use]
pub fn keeping(cases: u32) -> Config {
    let kept = FileFailurePersistence::Direct("regressions.txt");
    Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() }
}

/// The small platform with another mesh and cores of so many neurons.
///
/// # Panics
/// If `platforms/tiny.toml` is damaged.
#[must_use]
pub fn platform(width: u16, height: u16, neurons: u32) -> Platform {
    let mut p = Platform::parse("tiny.toml", include_str!("../platforms/tiny.toml")).expect("a platform");
    (p.mesh.width, p.mesh.height) = (width, height);
    (p.core.neurons, p.core.readouts) = (neurons, neurons.min(5));
    p.mesh.injectors = vec![
        Injector { x: width - 1, y: 0, side: Side::North },
        Injector { x: width - 1, y: height - 1, side: Side::East },
        Injector { x: 0, y: height - 1, side: Side::South },
    ];
    p
}
