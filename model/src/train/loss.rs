//! What training makes small, with its derivatives: cross entropy of the scores, and penalties on rates.

use super::simd::Real;

/// Cross entropy of scores `[class]` against a label, of which the share `smoothing` is spread over all classes.
///
/// Logits are scores times `unit`. Returns it and its derivative by each logit.
#[must_use]
pub fn cross_entropy<E: Real>(scores: &[E], unit: E, label: usize, smoothing: E) -> (E, Vec<E>) {
    let logits: Vec<E> = scores.iter().map(|&s| s * unit).collect();
    let top = logits.iter().fold(logits[label], |top, &l| if l > top { l } else { top });
    let sum = logits.iter().fold(E::default(), |sum, &l| sum + (l - top).exp());
    let spread = smoothing / E::of(logits.len() as f64);
    let target = |c: usize| if c == label { spread + (E::of(1.0) - smoothing) } else { spread };
    let each = |(c, &l): (usize, &E)| (target(c) * (sum.ln() + top - l), (l - top).exp() / sum - target(c));
    let (losses, by_logit): (Vec<E>, Vec<E>) = logits.iter().enumerate().map(each).unzip();
    (losses.into_iter().fold(E::default(), |a, b| a + b), by_logit)
}

/// Which rates of a population cost something, in spikes a neuron and step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates<E> {
    /// Above it the population fires too much.
    pub high: E,
    /// Below it a neuron fires too little.
    pub low: E,
    /// Weight of the squares of both.
    pub penalty: E,
}

impl<E: Real> Rates<E> {
    /// What the spikes of each neuron of a population cost, counted over a batch of `steps` samples times steps.
    ///
    /// The square of what the mean rate is above `high`, and the mean square of what rates are below `low`.
    /// Returns it and its derivative by each neuron's count.
    #[must_use]
    pub fn cost(&self, counts: &[f64], steps: usize) -> (E, Vec<E>) {
        let (zero, two) = (E::default(), E::of(2.0));
        let at_least = |x: E| if x > zero { x } else { zero };
        let each = E::of(steps as f64);
        let cells = each * E::of(counts.len() as f64);
        let above = at_least(E::of(counts.iter().sum()) / cells - self.high);
        let below: Vec<E> = counts.iter().map(|&c| at_least(self.low - E::of(c) / each)).collect();
        let squares = below.iter().fold(zero, |sum, &b| sum + b * b);
        let cost = self.penalty * (above * above + squares / E::of(counts.len() as f64));
        (cost, below.into_iter().map(|b| two * self.penalty * (above - b) / cells).collect())
    }
}
