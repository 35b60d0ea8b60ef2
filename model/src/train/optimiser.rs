//! Adam (Kingma and Ba 2015) over the weights of all projections, with masks.

/// Decay of the first and second moments, and what keeps the division finite.
const BETA: (f32, f32) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;

/// State of the optimiser.
#[derive(Debug, Clone)]
pub struct Adam {
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    steps: i32,
}

impl Adam {
    /// Fresh moments for weights of these sizes.
    #[must_use]
    pub fn new(weights: &[Vec<f32>]) -> Self {
        let zeros: Vec<Vec<f32>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
        Self { first: zeros.clone(), second: zeros, steps: 0 }
    }

    /// One step against the gradients; weights outside the mask stay 0.
    pub fn step(&mut self, rate: f32, weights: &mut [Vec<f32>], gradients: &[Vec<f32>], mask: &[Vec<bool>]) {
        self.steps += 1;
        let (c1, c2) = (1.0 - BETA.0.powi(self.steps), 1.0 - BETA.1.powi(self.steps));
        for (l, weights) in weights.iter_mut().enumerate() {
            let moments = self.first[l].iter_mut().zip(&mut self.second[l]);
            for (((w, g), (m, v)), keep) in weights.iter_mut().zip(&gradients[l]).zip(moments).zip(&mask[l]) {
                if !keep {
                    (*w, *m, *v) = (0.0, 0.0, 0.0);
                    continue;
                }
                *m = BETA.0 * *m + (1.0 - BETA.0) * g;
                *v = BETA.1 * *v + (1.0 - BETA.1) * g * g;
                *w -= rate * (*m / c1) / ((*v / c2).sqrt() + EPSILON);
            }
        }
    }
}
