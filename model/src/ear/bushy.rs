//! The bushy cell of the cochlear nucleus: 40 nerve fibres of a channel to one spike train.
//!
//! A fibre fires with the hair cell's probability, then not for 1 ms. The cell is leaky
//! integrate-and-fire with an exponential synapse, stepped by exact decays. Two shortcuts that leave
//! the distribution as it is: the fibres are alike, so the number that fires is drawn at once, from
//! the binomial distribution over those that are ready; and the synapse is linear, so one current
//! serves all of them.

use super::RATE;
use rand::{Rng, RngExt};

/// Fibres that converge on a cell.
const FIBRES: usize = 40;
/// Membrane time constant, s.
const TAU_MEMBRANE: f64 = 1e-3;
/// Synaptic time constant, s.
const TAU_SYNAPSE: f64 = 5e-4;
/// Refractory samples, of fibres and cells: 1 ms.
const REFRACTORY: usize = RATE as usize / 1000;
/// Weight of a fibre, thresholds / s.
const WEIGHT: f64 = 13e3 / FIBRES as f64;
/// Threshold.
const THRESHOLD: f64 = 1.0;

/// Runs a cell over the firing probabilities of its fibres; `emit` is told the sample of each spike.
pub fn fire(probabilities: &[f32], rng: &mut impl Rng, mut emit: impl FnMut(usize)) {
    let dt = 1.0 / f64::from(RATE);
    let (keep_v, keep_i) = ((-dt / TAU_MEMBRANE).exp(), (-dt / TAU_SYNAPSE).exp());
    let (mut v, mut current, mut rest) = (0.0, 0.0, 0usize);
    // How many fibres fired at each of the last REFRACTORY - 1 samples, and in all.
    let mut fired = [0u8; REFRACTORY - 1];
    let (mut at, mut tired) = (0, 0usize);
    for (t, &p) in probabilities.iter().enumerate() {
        let now = binomial(FIBRES - tired, f64::from(p), rng.random());
        tired = tired - usize::from(fired[at]) + now;
        fired[at] = now as u8;
        at = (at + 1) % fired.len();
        let spikes = v >= THRESHOLD && rest == 0;
        v *= keep_v;
        current = current * keep_i + now as f64;
        if spikes {
            emit(t);
            rest = REFRACTORY;
            v = 0.0;
        }
        if rest == 0 {
            v += current * WEIGHT * dt;
        } else {
            rest -= 1;
        }
    }
}

/// The number of successes in n trials of probability p, by inversion of u, uniform in 0..1.
#[must_use]
pub fn binomial(n: usize, p: f64, u: f64) -> usize {
    if p >= 1.0 {
        return n;
    }
    // (1 - p)^n is at least 1 - n p: mostly that settles it.
    if u < 1.0 - n as f64 * p {
        return 0;
    }
    let mut share = (1.0 - p).powi(n as i32);
    let mut below = share;
    let mut k = 0;
    while u >= below && k < n {
        share *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        below += share;
        k += 1;
    }
    k
}
