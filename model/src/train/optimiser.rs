//! Adam (Kingma and Ba 2015) over named tensors, with masks.

use rayon::prelude::*;

/// Decay of the first and second moments, and what keeps the division finite.
const BETA: (f32, f32) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;
/// Numbers that a thread works on at a time; elementwise, so it changes no result.
const PIECE: usize = 16 * 1024;

/// Moments of one tensor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Mean of the gradients.
    pub first: Vec<f32>,
    /// Mean of their squares.
    pub second: Vec<f32>,
}

impl Moments {
    /// Zeros.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { first: vec![0.0; len], second: vec![0.0; len] }
    }
}

/// State of the optimiser.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Adam {
    /// Steps taken.
    pub steps: u32,
}

impl Adam {
    /// Counts a step; the tensors follow by [`Adam::update`].
    pub fn begin(&mut self) {
        self.steps += 1;
    }

    /// Moves values against their gradients; where the mask is false they become 0.
    pub fn update(
        &self,
        rate: f32,
        values: &mut [f32],
        gradients: &[f32],
        moments: &mut Moments,
        mask: Option<&[bool]>,
    ) {
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (c1, c2) = (1.0 - BETA.0.powi(steps), 1.0 - BETA.1.powi(steps));
        let (first, second) = (&mut moments.first, &mut moments.second);
        values
            .par_chunks_mut(PIECE)
            .zip(gradients.par_chunks(PIECE))
            .zip(first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE)))
            .enumerate()
            .for_each(|(piece, ((values, gradients), (first, second)))| {
                let each = values.iter_mut().zip(gradients).zip(first.iter_mut().zip(second));
                for (i, ((w, g), (m, v))) in each.enumerate() {
                    if mask.is_some_and(|mask| !mask[piece * PIECE + i]) {
                        (*w, *m, *v) = (0.0, 0.0, 0.0);
                        continue;
                    }
                    *m = BETA.0 * *m + (1.0 - BETA.0) * g;
                    *v = BETA.1 * *v + (1.0 - BETA.1) * g * g;
                    *w -= rate * (*m / c1) / ((*v / c2).sqrt() + EPSILON);
                }
            });
    }
}

/// Share of the highest learning rate at `done` (0 to 1) of a phase.
#[must_use]
pub fn rate(schedule: super::config::Schedule, done: f32) -> f32 {
    use super::config::Schedule;
    let down = |x: f32| 0.5 * (1.0 + (std::f32::consts::PI * x).cos());
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => down(done),
        // The proportions of Smith and Topin 2018: a third up from a 25th, then down to nothing.
        Schedule::OneCycle if done < 0.3 => 1.0 - 0.96 * down(done / 0.3),
        Schedule::OneCycle => down((done - 0.3) / 0.7),
    }
}
