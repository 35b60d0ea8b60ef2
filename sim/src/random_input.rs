//! Seeded spikes for load tests: as many as asked for, at random steps on random channels.

use hw::Image;
use hw::image::PopulationKind;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use spikes::SpikeFile;
use std::str::FromStr;

/// `SAMPLES,SPIKES,SEED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomInput {
    samples: u32,
    spikes: u32,
    seed: u64,
}

impl FromStr for RandomInput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: write SAMPLES,SPIKES,SEED, three whole numbers like 100,8000,1");
        let fields: Vec<_> = text.split(',').collect();
        let [samples, spikes, seed] = fields[..] else { return Err(wrong()) };
        let number = |s: &str| s.parse::<u32>().map_err(|_| wrong());
        let input = Self {
            samples: number(samples)?,
            spikes: number(spikes)?,
            seed: seed.parse().map_err(|_| wrong())?,
        };
        if input.samples == 0 || u64::from(input.samples) * u64::from(input.spikes) > 1 << 30 {
            return Err(format!("`{text}`: at least one sample, and at most 2^30 spikes in all"));
        }
        Ok(input)
    }
}

impl RandomInput {
    /// Seed of the draws.
    pub fn seed(self) -> u64 {
        self.seed
    }

    /// The spikes, for the input channels and steps of an image.
    ///
    /// # Errors
    /// Where a channel's unit does not fit a spike file.
    pub fn generate(&self, image: &Image) -> Result<SpikeFile, String> {
        let network = &image.network;
        let channels =
            network.populations.iter().find(|p| p.kind == PopulationKind::Input).map_or(0, |p| p.size);
        if channels == 0 || u64::from(channels - 1) * u64::from(network.group) > u16::MAX.into() {
            return Err(format!(
                "--random-input: {channels} channels of {} units are more than a spike file can name",
                network.group
            ));
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut below = |n: u32| (u64::from(random.next_u32()) * u64::from(n)) >> 32;
        let mut file = SpikeFile::default();
        let (mut times, mut units) = (Vec::new(), Vec::new());
        for _ in 0..self.samples {
            times.clear();
            units.clear();
            for _ in 0..self.spikes {
                // The middle of a step, so that no rounding moves it.
                times.push(((below(network.steps) as f64 + 0.5) * network.step_ms / 1000.0) as f32);
                units.push((below(channels) * u64::from(network.group)) as u16);
            }
            file.push(&times, &units, None);
        }
        Ok(file)
    }
}
