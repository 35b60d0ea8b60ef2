//! The training loop: batches, loss, optimiser, phases.
//!
//! Long because the state of a training run and all that changes it.

use super::augment::augment;
use super::config::{Config, Learn, Prune};
use super::data::Sample;
use super::engine::{Batch, Effective, Engine, Gradients, State};
use super::loss::{Rates, cross_entropy};
use super::net::Plan;
use super::optimiser::{Adam, rate};
use super::parameters::{Parameters, SIGMA_END};
use super::prune::{self, Action};
use super::quantise::Scales;
use super::simd::{LANES, Simd};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spikes::Binned;

/// What an epoch or an evaluation gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean cross entropy, in training against smoothed labels.
    pub loss: f64,
    /// Share of samples whose highest score is their label.
    pub accuracy: f64,
    /// Spikes a neuron and step of each hidden population.
    pub densities: Vec<f64>,
    /// Samples.
    pub samples: usize,
}

/// Sums on the way to a [`Score`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    loss: f64,
    correct: usize,
    spikes: Vec<u64>,
    samples: usize,
}

impl Sums {
    /// Samples so far.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Means so far.
    #[must_use]
    pub fn score(&self, plan: &Plan) -> Score {
        let n = self.samples.max(1) as f64;
        let cells = |p: usize| n * (plan.net.steps * plan.net.sizes[p]) as f64;
        Score {
            loss: self.loss / n,
            accuracy: self.correct as f64 / n,
            densities: self.spikes.iter().enumerate().map(|(i, s)| *s as f64 / cells(i + 1)).collect(),
            samples: self.samples,
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Epochs done.
    pub epoch: usize,
    /// Batches done of the next.
    pub batch: usize,
}

/// A phase of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// In floating point, all candidate delays.
    Dense,
    /// Pruning, and after it.
    Pruned,
    /// On the integers that are exported.
    Integer,
}

/// Weights in training.
#[derive(Debug, Clone)]
pub struct Trainer {
    /// Runs the batches.
    pub engine: Engine<f32>,
    /// What is learned.
    pub parameters: Parameters,
    /// The optimiser.
    pub adam: Adam,
    /// Scales of the integer phase, frozen when it begins.
    pub scales: Option<Scales>,
    /// Settings.
    pub config: Config,
    /// Epochs and batches done.
    pub place: Place,
    /// Sums of the batches done of the next epoch.
    pub sums: Sums,
    /// Actions of the pruning phase by its epochs.
    pub actions: Vec<(usize, Action)>,
    /// Epochs of the runs before, whose network this run began with.
    pub before: usize,
    /// What the samples are that it learns from and chooses by ([`super::data::Data::fingerprint`]).
    pub data: u32,
    /// Highest density that hidden populations are pushed down to: as set, or less where a queue overflows.
    pub ceiling: f32,
    state: State<f32>,
    gradients: Gradients<f32>,
}

/// Most samples that an evaluation runs at a time.
pub const EVALUATED: usize = 256;

impl Trainer {
    /// Random weights, scaled so that hidden populations fire at a few per cent on `samples`.
    ///
    /// # Errors
    /// A timetable that does not fit its epochs.
    pub fn new(plan: Plan, simd: Simd, config: &Config, samples: &[Sample]) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let taps = (config.learn == Learn::Positions).then_some(config.taps);
        let parameters = Parameters::new(&plan, config.tau, taps, &mut rng);
        let mut out = Self::with(plan, simd, config, parameters)?;
        out.parameters.sigma = out.sigma();
        if config.prune == Prune::Random
            && let Some(k) = config.keep
        {
            prune::prune(&out.engine.plan, &mut out.parameters, Prune::Random, k, &mut rng);
        }
        out.scale_to_density(&samples[..samples.len().min(64)]);
        Ok(out)
    }

    /// With given parameters, and pruned from the delays that the plan has now.
    ///
    /// # Errors
    /// A timetable that does not fit its epochs.
    pub fn with(plan: Plan, simd: Simd, config: &Config, parameters: Parameters) -> Result<Self, String> {
        let most = plan.layouts.iter().map(|l| l.real).max().unwrap_or(1);
        let gap = |l: &super::net::Layout| l.delays[..l.real].windows(2).map(|w| w[1] - w[0]).max();
        let stride = plan.layouts.iter().filter_map(gap).max().unwrap_or(1);
        let actions = prune::timetable(config, most, stride)?;
        Ok(Self::at(plan, simd, config, parameters, actions))
    }

    /// With given parameters and timetable, which a run under way brings along.
    #[must_use]
    pub fn at(
        plan: Plan,
        simd: Simd,
        config: &Config,
        parameters: Parameters,
        actions: Vec<(usize, Action)>,
    ) -> Self {
        Self {
            engine: Engine { plan, simd, width: config.surrogate, smooth: false },
            parameters,
            adam: Adam::default(),
            scales: None,
            config: config.clone(),
            place: Place::default(),
            sums: Sums::default(),
            actions,
            before: 0,
            data: 0,
            ceiling: config.density,
            state: State::default(),
            gradients: Gradients::default(),
        }
    }

    /// Epochs in all.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.config.phases().iter().sum()
    }

    /// The phase of an epoch, the epoch in it, and its length.
    #[must_use]
    pub fn phase(&self, epoch: usize) -> (Phase, usize, usize) {
        let [dense, pruned, integer] = self.config.phases();
        match epoch {
            e if e < dense => (Phase::Dense, e, dense),
            e if e < dense + pruned => (Phase::Pruned, e - dense, pruned),
            e => (Phase::Integer, e - dense - pruned, integer),
        }
    }

    /// Width of the Gaussians of positions: from half of the longest delays' span down to 0.23 steps, over the first
    /// half of the dense phase.
    fn sigma(&self) -> f32 {
        let span = |l: &super::net::Layout| f32::from(l.delays[l.real - 1] - l.delays[0]);
        let first = self.engine.plan.layouts.iter().map(span).fold(1.0, f32::max) / 2.0;
        let half = (self.config.epochs as f32 / 2.0).max(1.0);
        first * (SIGMA_END / first).powf((self.place.epoch as f32 / half).min(1.0))
    }

    /// Scales the weights into each hidden population, front to back, by bisection on the density they cause.
    fn scale_to_density(&mut self, samples: &[Sample]) {
        let goal = f64::from(self.config.density) / 2.0;
        let hidden: Vec<usize> = self.engine.plan.stages.iter().flat_map(|s| s.populations.clone()).collect();
        for p in hidden {
            let into = |j: &usize| self.engine.plan.net.projections[*j].target == p;
            let into: Vec<usize> = (0..self.engine.plan.layouts.len()).filter(into).collect();
            let readout = p == self.engine.plan.readout();
            let original = self.parameters.clone();
            let (mut low, mut high) = (0.0f32, 64.0f32);
            for _ in 0..14 {
                let factor = if low == 0.0 { high / 2.0 } else { (low * high).sqrt() };
                for &j in &into {
                    let scaled = |from: &[f32]| from.iter().map(|w| w * factor).collect();
                    match (&mut self.parameters.taps[j], &original.taps[j]) {
                        (Some(to), Some(from)) => to.weights.values = scaled(&from.weights.values),
                        _ => self.parameters.weights[j].values = scaled(&original.weights[j].values),
                    }
                }
                // Hidden populations by their density, the readout by logits of a size near 1.
                let above = if readout {
                    self.logit_size(samples) > 1.0
                } else {
                    self.evaluate(samples).densities[p - 1] > goal
                };
                if above {
                    high = factor;
                } else {
                    low = factor;
                }
            }
        }
    }

    /// Root mean square of the logits.
    fn logit_size(&mut self, samples: &[Sample]) -> f32 {
        let with = self.effective();
        let inputs: Vec<Binned> = samples.iter().map(|s| s.input.clone()).collect();
        let batch = self.engine.batch(&inputs);
        let mut state = std::mem::take(&mut self.state);
        self.engine.forward(&with, &batch, &mut state);
        let unit = self.config.sharpness / self.engine.plan.net.steps as f32;
        let all: Vec<f32> = (0..inputs.len()).flat_map(|i| self.engine.scores(&state, i)).collect();
        self.state = state;
        (all.iter().map(|s| (s * unit).powi(2)).sum::<f32>() / all.len().max(1) as f32).sqrt()
    }

    /// From now on the forward pass runs on the integers that will be exported.
    ///
    /// # Errors
    /// What integers cannot hold.
    pub fn quantise(&mut self, accumulator_bits: Option<u8>) -> Result<(), String> {
        self.settle();
        let (w, m) = (self.config.weight_bits, self.config.membrane_bits);
        self.scales = Some(Scales::new(&self.engine.plan, &self.parameters, w, m, accumulator_bits)?);
        self.forget();
        Ok(())
    }

    /// Aims at lower densities than those of an epoch, by this factor.
    pub fn quieten(&mut self, score: &Score, factor: f64) {
        let most = score.densities.iter().copied().fold(0.0, f64::max);
        self.ceiling = self.ceiling.min(most as f32) * factor as f32;
    }

    /// Ends the learning of positions.
    pub fn settle(&mut self) {
        if self.parameters.taps.iter().any(Option::is_some) {
            self.parameters.settle(&self.engine.plan);
            let plan = prune::compact(&self.engine.plan, &mut self.parameters);
            self.replan(plan);
        }
    }

    /// Forgets the moments of the optimiser, for a phase with another loss.
    fn forget(&mut self) {
        self.adam = Adam::default();
        let tensors = self.parameters.weights.iter_mut().chain(&mut self.parameters.decay);
        for tensor in tensors {
            tensor.moments.first.fill(0.0);
            tensor.moments.second.fill(0.0);
        }
    }

    /// Takes over a plan with other delays.
    pub fn replan(&mut self, plan: Plan) {
        if plan != self.engine.plan {
            self.engine.plan = plan;
            self.state = State::default();
        }
    }

    /// Prunes or offers delays.
    pub fn act(&mut self, action: Action) {
        match action {
            Action::Keep(k) => {
                let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
                prune::prune(&self.engine.plan, &mut self.parameters, self.config.prune, k, &mut rng);
                let plan = prune::compact(&self.engine.plan, &mut self.parameters);
                self.replan(plan);
            }
            Action::Offer(by) => {
                let plan = prune::offer(&self.engine.plan, &mut self.parameters, by);
                self.replan(plan);
            }
        }
    }

    /// The weights as the passes see them now.
    #[must_use]
    pub fn effective(&self) -> Effective<f32> {
        match &self.scales {
            None => self.parameters.effective(&self.engine.plan),
            Some(scales) => scales.effective(&self.engine.plan, &self.parameters),
        }
    }

    /// Runs samples and leaves membranes and spikes in the state, for those who look at them.
    #[must_use]
    pub fn trace(&self, inputs: &[Binned]) -> State<f32> {
        let mut state = State::default();
        self.engine.forward(&self.effective(), &self.engine.batch(inputs), &mut state);
        state
    }

    fn rng(&self, epoch: usize, sample: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed.wrapping_add(0x9e37_79b9));
        rng.set_stream((epoch as u64) << 32 | sample as u64);
        rng
    }

    /// Goes on with the present epoch; `progress` is told the samples of each batch and says whether to go on.
    ///
    /// Returns the score of the epoch when it is done.
    pub fn epoch(
        &mut self,
        samples: &[Sample],
        mut progress: impl FnMut(usize, &Sums) -> bool,
    ) -> Option<Score> {
        let epoch = self.place.epoch;
        self.parameters.sigma = self.sigma();
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.shuffle(&mut self.rng(epoch, u32::MAX as usize));
        let batches: Vec<&[usize]> = order.chunks(self.config.batch).collect();
        let (phase, within, length) = self.phase(epoch);
        let factor = [1.0, 0.5, 0.2][phase as usize];
        self.sums.spikes.resize(self.engine.plan.net.sizes.len() - 2, 0);
        while self.place.batch < batches.len() {
            let batch = batches[self.place.batch];
            self.gradients(batch, samples);
            let done = (within as f32 + self.place.batch as f32 / batches.len() as f32) / length as f32;
            let step = self.config.learning_rate * factor * rate(self.config.schedule, done);
            let rates = (step, step * self.config.tau_rate, step * self.config.position_rate);
            self.parameters.update(&self.engine.plan, &self.gradients, rates, &mut self.adam);
            if let Some(scales) = &self.scales {
                scales.clamp(&self.engine.plan, &mut self.parameters);
            }
            self.place.batch += 1;
            if !progress(batch.len(), &self.sums) && self.place.batch < batches.len() {
                return None;
            }
        }
        let score = self.sums.score(&self.engine.plan);
        self.place = Place { epoch: epoch + 1, batch: 0 };
        self.sums = Sums::default();
        Some(score)
    }

    /// Samples that are learned from in this epoch, as they are learned from.
    fn augmented(&self, batch: &[usize], samples: &[Sample]) -> Vec<Binned> {
        let channels = self.engine.plan.net.sizes[0];
        let each = |&i: &usize| {
            let mut rng = self.rng(self.place.epoch, i);
            let mut other = i;
            if self.config.blend > 0.0 {
                // Another of the class: the first one after a random place.
                let from = rng.random_range(0..samples.len());
                let mut after = (0..samples.len()).map(|k| (from + k) % samples.len());
                other = after.find(|&k| samples[k].label == samples[i].label).unwrap_or(i);
            }
            augment(&self.config, channels, &samples[i].input, &samples[other].input, &mut rng)
        };
        batch.par_iter().map(each).collect()
    }

    /// Leaves hidden neurons out at random.
    fn drop_out(&self, batch: &mut Batch<f32>, indices: &[usize]) {
        let plan = &self.engine.plan;
        let share = self.config.hidden_dropout;
        if share == 0.0 || self.scales.is_some() {
            return;
        }
        batch.alive = vec![Vec::new(); plan.net.sizes.len()];
        for p in 1..plan.readout() {
            let tiles = plan.tiles(p);
            batch.alive[p] = vec![u16::MAX; batch.inputs.len() * tiles * plan.block];
            for (i, &sample) in indices.iter().enumerate() {
                let mut rng = self.rng(self.place.epoch, sample);
                rng.set_word_pos(1 << 32 | (p as u128) << 20);
                let (block, s) = (i / plan.block, i % plan.block);
                for tile in 0..tiles {
                    let bits = (0..LANES).fold(0, |b, l| b | u16::from(rng.random::<f32>() >= share) << l);
                    batch.alive[p][(block * tiles + tile) * plan.block + s] = bits;
                }
            }
        }
    }

    /// Gradients of a batch.
    fn gradients(&mut self, indices: &[usize], samples: &[Sample]) {
        let inputs = self.augmented(indices, samples);
        let mut batch = self.engine.batch(&inputs);
        self.drop_out(&mut batch, indices);
        let mut with = self.effective();
        // Neurons that stay speak for those dropped.
        let louder = if batch.alive.is_empty() { 1.0 } else { 1.0 / (1.0 - self.config.hidden_dropout) };
        let hidden: Vec<bool> = self.engine.plan.net.projections.iter().map(|p| p.source != 0).collect();
        if louder != 1.0 {
            let weights = with.weights.iter_mut().zip(&hidden).filter(|(_, h)| **h);
            weights.for_each(|(w, _)| w.iter_mut().for_each(|w| *w *= louder));
        }
        let mut state = std::mem::take(&mut self.state);
        let mut gradients = std::mem::take(&mut self.gradients);
        self.engine.forward(&with, &batch, &mut state);
        let labels: Vec<usize> = indices.iter().map(|&i| samples[i].label).collect();
        let by_score = self.losses(&state, &labels, self.config.smoothing);
        let rates = self.rates(&state, indices.len());
        self.engine.backward(&with, &batch, &by_score, &rates, &mut state, &mut gradients);
        if louder != 1.0 {
            let weights = gradients.weights.iter_mut().zip(&hidden).filter(|(_, h)| **h);
            weights.for_each(|(g, _)| g.iter_mut().for_each(|g| *g *= louder));
        }
        (self.state, self.gradients) = (state, gradients);
    }

    /// Adds the cross entropies of a batch to the sums; derivatives of their mean by the scores.
    fn losses(&mut self, state: &State<f32>, labels: &[usize], smoothing: f32) -> Vec<Vec<f32>> {
        let unit = self.config.sharpness / self.engine.plan.net.steps as f32;
        let each = unit / labels.len() as f32;
        let mut out = Vec::with_capacity(labels.len());
        for (i, &label) in labels.iter().enumerate() {
            let scores = self.engine.scores(state, i);
            let best = if self.scales.is_some() {
                first_highest(&self.engine.exact_scores(state, i))
            } else {
                first_highest(&scores)
            };
            let (loss, by_logit) = cross_entropy(&scores, unit, label, smoothing);
            self.sums.loss += f64::from(loss);
            self.sums.correct += usize::from(best == label);
            out.push(by_logit.into_iter().map(|d| d * each).collect());
        }
        self.sums.samples += labels.len();
        out
    }

    /// Counts spikes; derivatives of the penalties on populations that fire too much and on neurons that
    /// fire too little, by each of their spikes.
    fn rates(&mut self, state: &State<f32>, samples: usize) -> Vec<Vec<f32>> {
        let plan = &self.engine.plan;
        let (high, penalty) = (self.ceiling, self.config.density_penalty);
        let rates = Rates { high, low: self.config.density_low.min(high), penalty };
        let mut out = vec![Vec::new(); plan.net.sizes.len()];
        self.sums.spikes.resize(plan.readout() - 1, 0);
        for (p, out) in out.iter_mut().enumerate().take(plan.readout()).skip(1) {
            let counts = self.engine.counts(state, p);
            self.sums.spikes[p - 1] += counts.iter().sum::<f64>() as u64;
            *out = rates.cost(&counts, samples * plan.net.steps).1;
            out.resize(plan.tiles(p) * LANES, 0.0);
        }
        out
    }

    /// Loss, accuracy and densities of the present network, without augmentation.
    #[must_use]
    pub fn evaluate(&mut self, samples: &[Sample]) -> Score {
        self.predict(samples).0
    }

    /// The same, with the class of each sample.
    #[must_use]
    pub fn predict(&mut self, samples: &[Sample]) -> (Score, Vec<usize>) {
        let with = self.effective();
        let held = std::mem::take(&mut self.sums);
        let mut state = std::mem::take(&mut self.state);
        let mut classes = Vec::with_capacity(samples.len());
        for chunk in samples.chunks(EVALUATED) {
            let inputs: Vec<Binned> = chunk.iter().map(|s| s.input.clone()).collect();
            let batch = self.engine.batch(&inputs);
            self.engine.forward(&with, &batch, &mut state);
            let labels: Vec<usize> = chunk.iter().map(|s| s.label).collect();
            let _ = self.losses(&state, &labels, 0.0);
            let _ = self.rates(&state, labels.len());
            for i in 0..chunk.len() {
                classes.push(if self.scales.is_some() {
                    first_highest(&self.engine.exact_scores(&state, i))
                } else {
                    first_highest(&self.engine.scores(&state, i))
                });
            }
        }
        self.state = state;
        let sums = std::mem::replace(&mut self.sums, held);
        (sums.score(&self.engine.plan), classes)
    }
}

/// Index of the highest, the lowest on a tie.
fn first_highest<T: PartialOrd>(scores: &[T]) -> usize {
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = i;
        }
    }
    best
}
