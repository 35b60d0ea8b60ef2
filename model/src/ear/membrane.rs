//! The basilar membrane: from sound at the stapes to velocity at each place.
//!
//! Sieroka, Dosch, Rupp: "Semirealistic models of the cochlea", J. Acoust. Soc. Am. 120 (2006) 297:
//! a long-wave (shallow-water) cochlea of height h in the frequency domain, Liouville-Green
//! approximation. At place x (cm from the base), angular frequency w (rad/s), in CGS units:
//!
//! - the membrane: stiffness S = C0 exp(-alpha x) - a, damping R = delta sqrt(C0 m) exp(-alpha x / 2),
//!   mass m, together xi = S - m w^2 - i w R;
//! - the wave number g = w sqrt(rho / (h xi)) and its phase G = 2 g(0) / alpha + integral of g from 0;
//! - the pressure p = sqrt(G / g) H0(G), a wave that runs away from the base (H of the first kind);
//! - the velocity v = (2 w / xi) (p / p(0)) Z(w).
//!
//! Two closed forms that the paper leaves to the reader:
//!
//! **The phase.** With u = exp(alpha x / 2) and b = a + m w^2 the integrand becomes
//! (2 / alpha) w sqrt(rho / h) / sqrt(C0 - i w R(0) u - b u^2), so that
//! G = 2 g(0) / alpha + (2 w / alpha) sqrt(rho / (h b)) (asin s(u) - asin s(1)),
//! s(u) = (2 b u + i w R(0)) / sqrt(4 b C0 - w^2 R(0)^2). Im s is positive everywhere, so that s never
//! meets a cut of asin.
//!
//! **The impedance.** Without mass, damping and a, S = C0 exp(-alpha x) and the pressure obeys
//! p'' = -(2 w^2 / (h S)) p with the two sides of the membrane moving against each other. Its outgoing
//! solution is H0(z), z = (2 w / alpha) sqrt(2 / (h S)), and p / p' at x = 0 gives
//! Z = i sqrt(2 C0 / h) H0(z0) / H1(z0), here of the second kind, z0 = (2 w / alpha) sqrt(2 / (h C0)).

use super::hankel::{hankel, hankel_real};
use super::{Error, RATE, Span};
use rayon::prelude::*;
use realfft::num_complex::{Complex32, Complex64};
use realfft::{ComplexToReal, RealFftPlanner};
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stiffness at the base, g / (cm^2 s^2).
const STIFFNESS: f64 = 1e9;
/// Stiffness that is taken off everywhere: a.
const OFFSET: f64 = 3500.0;
/// Stiffness falls as exp(-ALPHA x), 1 / cm.
const ALPHA: f64 = 3.0;
/// Damping, without dimension: delta.
const DAMPING: f64 = 0.15;
/// Density of the fluid, g / cm^3: rho.
const DENSITY: f64 = 1.0;
/// Height of the scala, cm: h.
const HEIGHT: f64 = 0.1;
/// Mass of the membrane, g / cm^2: m.
const MASS: f64 = 0.05;
/// Length of the cochlea, cm.
const LENGTH: f64 = 3.5;
/// A channel's bins end past its resonance where its response is below this share of its greatest:
/// -120 dB.
const CUT: f64 = 1e-6;

/// Place of a channel, cm from the base: evenly spaced, both ends included.
#[must_use]
pub fn place(channel: usize, channels: usize) -> f64 {
    if channels < 2 { 0.0 } else { LENGTH * channel as f64 / (channels - 1) as f64 }
}

/// R at the base.
fn damping() -> f64 {
    DAMPING * (STIFFNESS * MASS).sqrt()
}

fn stiffness(x: f64) -> f64 {
    STIFFNESS * (-ALPHA * x).exp() - OFFSET
}

/// xi.
fn impedance(w: f64, x: f64) -> Complex64 {
    Complex64::new(stiffness(x) - MASS * w * w, -w * damping() * (-ALPHA * x / 2.0).exp())
}

/// g.
fn wave_number(w: f64, xi: Complex64) -> Complex64 {
    w * (DENSITY / (HEIGHT * xi)).sqrt()
}

/// asin for Im z > 0, by the logarithm whose two terms add up: the other one cancels.
fn asin(z: Complex64) -> Complex64 {
    let i = Complex64::I;
    i * ((1.0 - z * z).sqrt() - i * z).ln()
}

/// What depends on the frequency alone.
#[derive(Debug, Clone, Copy)]
pub struct Tone {
    w: f64,
    /// 2 g(0) / alpha - the lower end of the integral.
    start: Complex64,
    /// (2 w / alpha) sqrt(rho / (h b)).
    factor: f64,
    /// s(u) = slope u + offset.
    slope: f64,
    offset: Complex64,
    /// 2 w Z / p(0).
    drive: Complex64,
}

impl Tone {
    /// A tone of `hertz` > 0.
    #[must_use]
    pub fn new(hertz: f64) -> Self {
        let w = TAU * hertz;
        let b = OFFSET + MASS * w * w;
        let width = (4.0 * b * STIFFNESS - (w * damping()).powi(2)).sqrt();
        let factor = 2.0 * w / ALPHA * (DENSITY / (HEIGHT * b)).sqrt();
        let (slope, offset) = (2.0 * b / width, Complex64::new(0.0, w * damping() / width));
        let base = 2.0 / ALPHA * wave_number(w, impedance(w, 0.0));
        let start = base - factor * asin(slope + offset);
        let (h0, h1) = hankel_real(2.0 * w / ALPHA * (2.0 / (HEIGHT * STIFFNESS)).sqrt());
        let z = Complex64::I * (2.0 * STIFFNESS / HEIGHT).sqrt() * (h0 / h1).conj();
        let mut tone = Self { w, start, factor, slope, offset, drive: Complex64::ZERO };
        tone.drive = 2.0 * w * z / tone.pressure(0.0).0;
        tone
    }

    /// Phase G of the wave at a place.
    #[must_use]
    pub fn phase(&self, x: f64) -> Complex64 {
        self.start + self.factor * asin(self.slope * (ALPHA * x / 2.0).exp() + self.offset)
    }

    /// p and xi.
    fn pressure(&self, x: f64) -> (Complex64, Complex64) {
        let xi = impedance(self.w, x);
        let phase = self.phase(x);
        ((phase / wave_number(self.w, xi)).sqrt() * hankel(phase).0, xi)
    }

    /// Velocity at a place for a sound of amplitude 1.
    #[must_use]
    pub fn velocity(&self, x: f64) -> Complex64 {
        let (p, xi) = self.pressure(x);
        self.drive * p / xi
    }
}

/// Fourier transform of a padded recording, as one at 48 kHz would have it.
pub struct Spectrum {
    bins: Vec<Complex32>,
}

impl Spectrum {
    /// Of samples at a rate, whose number is a [`Span`]'s.
    #[must_use]
    pub fn of(mut samples: Vec<f32>, rate: u32) -> Self {
        let forward = RealFftPlanner::<f32>::new().plan_fft_forward(samples.len());
        let mut bins = forward.make_output_vec();
        let scale = 2.0 * RATE as f32 / rate as f32;
        forward.process(&mut samples, &mut bins).expect("the buffers are the plan's");
        // Strictly below half the rate: what stands on it has no phase.
        bins.truncate(samples.len().div_ceil(2));
        bins.iter_mut().for_each(|b| *b *= scale);
        Self { bins }
    }
}

/// Response of every channel's place to every frequency, for one padded length.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    span: Span,
    /// Bins of channel c are `starts[c]..starts[c + 1]`, from 0 Hz on; `[channels + 1]`.
    pub(super) starts: Vec<usize>,
    pub(super) values: Vec<Complex32>,
}

impl Transfer {
    /// Computes it, in parallel; `done` is told of every finished channel.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn compute(
        span: Span,
        channels: usize,
        stop: &AtomicBool,
        done: impl Fn() + Sync,
    ) -> Result<Self, Error> {
        let hertz = |k: usize| 2.0 * k as f64 / f64::from(span.0);
        let tones: Vec<Tone> = (1..span.samples(RATE)).into_par_iter().map(|k| Tone::new(hertz(k))).collect();
        let rows: Vec<Vec<Complex32>> = (0..channels)
            .into_par_iter()
            .map(|channel| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let x = place(channel, channels);
                let resonance = (stiffness(x).max(0.0) / MASS).sqrt();
                let (mut greatest, mut row) = (0.0f64, vec![Complex32::ZERO]);
                for tone in &tones {
                    let v = tone.velocity(x);
                    greatest = greatest.max(v.norm());
                    if tone.w > resonance && v.norm() < CUT * greatest {
                        break;
                    }
                    row.push(Complex32::new(v.re as f32, v.im as f32));
                }
                done();
                Ok(row)
            })
            .collect::<Result<_, _>>()?;
        let mut starts = vec![0];
        starts.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        Ok(Self { span, starts, values: rows.concat() })
    }

    pub(super) fn from_parts(span: Span, starts: Vec<usize>, values: Vec<Complex32>) -> Self {
        Self { span, starts, values }
    }

    /// The padded length that it is for.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.starts.len() - 1
    }

    /// Response of a channel's place, bin after bin from 0 Hz; past the end it is nothing.
    #[must_use]
    pub fn row(&self, channel: usize) -> &[Complex32] {
        &self.values[self.starts[channel]..self.starts[channel + 1]]
    }

    /// Velocity over time at [`RATE`] for some channels.
    ///
    /// # Panics
    /// If `inverse` is not of the span's length.
    #[must_use]
    pub fn velocities(
        &self,
        channels: &[usize],
        spectrum: &Spectrum,
        inverse: &dyn ComplexToReal<f32>,
    ) -> Vec<Vec<f32>> {
        let samples = self.span.samples(RATE);
        assert_eq!(inverse.len(), samples);
        let mut bins = inverse.make_input_vec();
        let mut scratch = inverse.make_scratch_vec();
        // Frequencies from 12 to 24 kHz fold back: taking every second sample of 48 kHz does that.
        let scale = 0.5 / samples as f32;
        channels
            .iter()
            .map(|&channel| {
                bins.fill(Complex32::ZERO);
                for (k, (v, s)) in self.row(channel).iter().zip(&spectrum.bins).enumerate() {
                    let y = v * s * scale;
                    if k < bins.len() {
                        bins[k] += y;
                    }
                    if k + bins.len() > samples {
                        bins[samples - k] += y.conj();
                    }
                }
                // 0 Hz moves nothing; in the middle both halves met.
                bins[0] = Complex32::ZERO;
                if let Some(last) = bins.last_mut() {
                    last.im = 0.0;
                }
                let mut out = inverse.make_output_vec();
                inverse
                    .process_with_scratch(&mut bins, &mut out, &mut scratch)
                    .expect("the buffers are the plan's");
                out
            })
            .collect()
    }
}
