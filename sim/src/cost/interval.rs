//! A value with its bounds.

use serde::{Deserialize, Serialize};

/// An estimate: the point and what it is believed to lie between.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Best value.
    pub point: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Interval {
    /// A value with relative errors, `below` and `above` as shares of it.
    #[must_use]
    pub fn relative(point: f64, below: f64, above: f64) -> Self {
        Self { point, low: point * (1.0 - below), high: point * (1.0 + above) }
    }

    /// A value known to within a factor.
    #[must_use]
    pub fn factor(point: f64, factor: f64) -> Self {
        Self { point, low: point / factor, high: point * factor }
    }

    /// Times a number that is not negative.
    #[must_use]
    pub fn times(self, n: f64) -> Self {
        Self { point: self.point * n, low: self.low * n, high: self.high * n }
    }
}

impl std::ops::Add for Interval {
    type Output = Self;
    /// Bounds add: errors of one model go the same way.
    fn add(self, other: Self) -> Self {
        Self { point: self.point + other.point, low: self.low + other.low, high: self.high + other.high }
    }
}

impl std::iter::Sum for Interval {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| a + b)
    }
}
