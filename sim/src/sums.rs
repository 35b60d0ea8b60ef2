//! Sums of weights, 32 bits wide where that is enough.

use std::fmt::Debug;

/// A sum of weights.
pub(crate) trait Sum: Copy + Default + Into<i64> + Debug {
    /// Adds a shifted weight.
    fn add(&mut self, weight: i32);
}

impl Sum for i32 {
    #[inline]
    fn add(&mut self, weight: i32) {
        *self = self.wrapping_add(weight);
    }
}

impl Sum for i64 {
    #[inline]
    fn add(&mut self, weight: i32) {
        *self += Self::from(weight);
    }
}

/// The sums of a core.
#[derive(Debug, Clone)]
pub(crate) enum Sums {
    /// No neuron's weights can add up to more than 32 bits.
    Narrow(Vec<i32>),
    /// Some might.
    Wide(Vec<i64>),
}

impl Default for Sums {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Sums {
    pub fn new(wide: bool, count: usize) -> Self {
        if wide { Self::Wide(vec![0; count]) } else { Self::Narrow(vec![0; count]) }
    }

    pub fn clear(&mut self) {
        match self {
            Self::Narrow(s) => s.fill(0),
            Self::Wide(s) => s.fill(0),
        }
    }
}
