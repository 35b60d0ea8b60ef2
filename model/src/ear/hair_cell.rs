//! The inner hair cell: from membrane velocity to the firing probability of a nerve fibre.
//!
//! Meddis: "Simulation of mechanical to neural transduction in the auditory receptor", J. Acoust. Soc.
//! Am. 79 (1986) 702, and 83 (1988) 1056. Transmitter goes from the free pool q through the cleft c
//! and the reprocessing store w back to the pool:
//!
//! - k = g (s + A) / (s + A + B) for s + A > 0, else 0 (permeability);
//! - dq/dt = y max(M - q, 0) + x w - k q; dc/dt = k q - (l + r) c; dw/dt = r c - x w;
//! - probability of a spike in dt: h c dt.
//!
//! Explicit Euler steps at [`RATE`](super::RATE), from rest at s = 0.

use super::RATE;

/// Cells that are stepped side by side.
pub const LANES: usize = 8;

/// Replenishment, 1 / s.
const Y: f64 = 5.05;
/// Greatest permeability, 1 / s.
const G: f64 = 2000.0;
/// Loss from the cleft, 1 / s.
const L: f64 = 2500.0;
/// Return from the cleft, 1 / s.
const R: f64 = 6580.0;
/// Release from the store, 1 / s.
const X: f64 = 66.3;
/// Permeability without sound.
const A: f64 = 5.0;
/// Permeability's half-way point.
const B: f64 = 300.0;
/// Firing rate by transmitter in the cleft, 1 / s.
const H: f64 = 50_000.0;
/// Capacity of the free pool.
const M: f64 = 1.0;

/// Turns the first `samples` of up to [`LANES`] velocities into firing probabilities, in place.
pub fn firing(velocities: &mut [Vec<f32>], samples: usize) {
    assert!(velocities.len() <= LANES);
    let dt = 1.0 / f64::from(RATE);
    let k = G * A / (A + B);
    let rest_c = M * Y * k / (L * k + Y * (L + R));
    let mut q = [rest_c * (L + R) / k; LANES];
    let mut c = [rest_c; LANES];
    let mut w = [rest_c * R / X; LANES];
    for t in 0..samples {
        let mut s = [0.0; LANES];
        for (s, velocity) in s.iter_mut().zip(velocities.iter()) {
            *s = f64::from(velocity[t]);
        }
        for i in 0..LANES {
            let open = (s[i] + A).max(0.0);
            let eject = G * dt * open / (open + B) * q[i];
            let replenish = Y * dt * (M - q[i]).max(0.0);
            let reprocess = X * dt * w[i];
            let (lost, back) = ((L + R) * dt * c[i], R * dt * c[i]);
            q[i] = (q[i] + replenish - eject + reprocess).max(0.0);
            c[i] = (c[i] + eject - lost).max(0.0);
            w[i] = (w[i] + back - reprocess).max(0.0);
        }
        for (c, velocity) in c.iter().zip(velocities.iter_mut()) {
            velocity[t] = (H * dt * c) as f32;
        }
    }
}
