//! Properties of the blocks over random parameters and stimulus, a file for each; [`all`] is the list.
//!
//! A property elaborates a block, lets a test alter it, and compares what it does with a plain model. So the same property
//! that holds of the block must fail of the block with a fault.

pub mod barrier;
pub mod links;
pub mod mesh;
pub mod queue;
pub mod ring;
pub mod soma;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};
use rtl::{Def, Simulator, Violation};
use std::cell::Cell;
use std::fmt::Debug;

/// What a test does to a block before it is simulated.
pub type Alter<'a> = &'a dyn Fn(Def) -> Def;

/// A property.
pub struct Property {
    /// Name.
    pub name: &'static str,
    /// What holds.
    pub claim: &'static str,
    /// Looks for a case that breaks it; gives the smallest that it finds.
    pub check: fn(&mut Search<'_>) -> Result<(), String>,
}

/// All properties.
#[must_use]
pub fn all() -> Vec<Property> {
    vec![
        ring::property(),
        queue::property(),
        links::fifo(),
        links::memory_fifo(),
        links::credits(),
        mesh::property(),
        soma::property(),
        barrier::property(),
    ]
}

/// A search for a case that breaks a property.
pub struct Search<'a> {
    runner: TestRunner,
    alter: Alter<'a>,
}

impl<'a> Search<'a> {
    /// A search through so many cases. With `keep` a case that fails is kept and tried first from then on.
    #[must_use]
    pub fn new(cases: u32, rng: TestRng, keep: bool, alter: Alter<'a>) -> Self {
        let config = if keep {
            Config { max_shrink_iters: 2000, ..crate::keeping(cases) }
        } else {
            Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() }
        };
        Self { runner: TestRunner::new_with_rng(config, rng), alter }
    }

    /// Tries `run` on random cases.
    ///
    /// # Errors
    /// The smallest case found that fails.
    ///
    /// # Panics
    /// If `run` does: that is no finding, but a mistake of the property or of a fault.
    pub fn over<S: Strategy<Value: Debug>>(
        &mut self,
        cases: &S,
        run: impl Fn(&S::Value, Alter<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let (alter, found) = (self.alter, Cell::new(false));
        let result = self.runner.run(cases, |case| {
            let result = run(&case, alter);
            found.set(found.get() | result.is_err());
            result.map_err(TestCaseError::fail)
        });
        // The runner takes a panic for a failing case.
        let result = result.map_err(|e| e.to_string());
        assert!(result.is_ok() || found.get(), "{result:?}");
        result
    }
}

/// A running block with its ports by name.
pub(crate) struct Circuit(pub Simulator);

impl Circuit {
    pub fn new(def: Def, alter: Alter<'_>) -> Self {
        Self(Simulator::interpreted(&alter(def)))
    }

    pub fn set(&mut self, name: &str, value: impl Into<u64>) {
        let input = self.0.input(name).expect("an input");
        self.0.set(input, value.into());
    }

    pub fn set_s(&mut self, name: &str, value: i64) {
        let input = self.0.input(name).expect("an input");
        self.0.set_s(input, value);
    }

    pub fn get(&mut self, name: &str) -> u64 {
        self.0.peek(name).expect("a signal")
    }

    pub fn is(&mut self, name: &str) -> bool {
        self.get(name) == 1
    }

    pub fn get_s(&mut self, name: &str) -> i64 {
        let probe = self.0.probe(name).expect("a signal");
        self.0.get_s(probe)
    }

    pub fn step(&mut self) -> Result<(), String> {
        self.0.step().map_err(|v: Violation| v.to_string())
    }
}

/// An error where two values differ.
pub(crate) fn same<T: PartialEq + Debug>(found: T, expected: T, what: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}")) }
}

/// A small generator of stalls, so that a case is small and its stimulus long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
