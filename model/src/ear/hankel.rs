//! Hankel functions of the first kind, orders 0 and 1, of complex argument.
//!
//! Both come from the modified Bessel functions K0 and K1 of y = -i z (Abramowitz and Stegun,
//! "Handbook of Mathematical Functions", 1964, 9.6.4), which stay well-conditioned where the wave is
//! damped and J and Y grow. For |y| < 4 these are the ascending series (9.6.12 and 9.6.13, 9.6.11),
//! beyond it the integral representation by Laplace's method (9.6.23 with t = x^2) with the trapezoid
//! rule, which converges geometrically for an entire Gaussian times a function that is regular within
//! |Im x| < 2.

use realfft::num_complex::Complex64;
use std::f64::consts::{FRAC_2_PI, PI};

/// Euler's constant.
const GAMMA: f64 = 0.577_215_664_901_532_9;
/// Distance of the trapezoid rule's points: its error is about exp(-2 pi 2 / 0.4) = 2e-14.
const SPACING: f64 = 0.4;
/// Points on one side of 0: exp(-(14 * 0.4)^2) = 2e-14.
const POINTS: usize = 14;

/// H0(z) and H1(z) of the first kind, for Re z > 0 and Im z >= 0; relative error below 1e-11.
#[must_use]
pub fn hankel(z: Complex64) -> (Complex64, Complex64) {
    let (k0, k1) = modified(Complex64::new(z.im, -z.re));
    (Complex64::new(0.0, -FRAC_2_PI) * k0, -FRAC_2_PI * k1)
}

/// K0 and K1 for Re y >= 0.
fn modified(y: Complex64) -> (Complex64, Complex64) {
    if y.norm_sqr() < 16.0 { series(y) } else { integral(y) }
}

fn series(y: Complex64) -> (Complex64, Complex64) {
    let square = y * y / 4.0;
    let log = (y / 2.0).ln() + GAMMA;
    // term = (y^2 / 4)^k / k!^2, harmonic = 1 + 1/2 + .. + 1/k
    let (mut term, mut harmonic) = (Complex64::new(1.0, 0.0), 0.0);
    let (mut k0, mut k1) = (-log, 1.0 / y + y / 2.0 * (log - 0.5));
    for k in 1..=30 {
        let k = f64::from(k);
        term *= square / (k * k);
        harmonic += 1.0 / k;
        k0 += term * (harmonic - log);
        // digamma(k + 1) + digamma(k + 2) = 2 (harmonic - gamma) + 1 / (k + 1)
        k1 += y / 2.0 * term / (k + 1.0) * (log - harmonic - 0.5 / (k + 1.0));
        if term.norm_sqr() < 1e-34 {
            break;
        }
    }
    (k0, k1)
}

fn integral(y: Complex64) -> (Complex64, Complex64) {
    let half = 0.5 / y;
    let (mut k0, mut k1) = (Complex64::new(0.5, 0.0), Complex64::new(0.0, 0.0));
    for i in 1..=POINTS {
        let square = (i as f64 * SPACING).powi(2);
        let root = (1.0 + square * half).sqrt();
        let gauss = (-square).exp();
        k0 += gauss / root;
        k1 += gauss * 2.0 * square * root;
    }
    let factor = (2.0 / y).sqrt() * (-y).exp() * SPACING;
    (factor * k0, factor * k1)
}

/// Both of a real, positive argument; those of the second kind are their conjugates.
#[must_use]
pub fn hankel_real(x: f64) -> (Complex64, Complex64) {
    debug_assert!(x > 0.0 && x < 1e6 * PI);
    hankel(Complex64::new(x, 0.0))
}
