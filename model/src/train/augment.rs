//! Samples made a little different each time they are learned from.

use super::config::Config;
use rand::{Rng, RngExt};
use spikes::Binned;

/// A normal deviate (Box and Muller 1958).
pub fn normal(rng: &mut impl Rng) -> f32 {
    let (a, b): (f32, f32) = (rng.random::<f32>().max(f32::MIN_POSITIVE), rng.random());
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}

/// Mean step and channel of a sample's spikes.
fn middle(sample: &Binned) -> (f32, f32) {
    let n = sample.channels.len().max(1) as f32;
    let steps: f32 = (0..sample.steps()).map(|t| sample.step(t).len() as f32 * t as f32).sum();
    let channels: f32 = sample.channels.iter().map(|&c| c as f32).sum();
    (steps / n, channels / n)
}

/// What one drawing of the augmentations does to every spike of a sample.
struct Change {
    /// Channels and steps moved by.
    by_channel: i64,
    by_step: i64,
    /// Times are multiplied by it.
    stretch: f32,
    /// Probability that a spike stays, by channel.
    keep: Vec<f32>,
    /// Standard deviation of single spikes in time, in steps.
    jitter: f32,
}

impl Change {
    fn draw(config: &Config, channels: usize, rng: &mut impl Rng) -> Self {
        let mut shift = |most: u32| {
            let most = i64::from(most);
            if most == 0 { 0 } else { rng.random_range(-most..=most) }
        };
        let (by_channel, by_step) = (shift(config.channel_shift), shift(config.time_shift));
        let mut keep = vec![1.0 - config.dropout; channels];
        if config.uneven > 0.0 {
            // A smooth curve over the channels: half a wave to two.
            let (phase, waves): (f32, f32) = (rng.random(), rng.random_range(0.5..2.0));
            for (channel, keep) in keep.iter_mut().enumerate() {
                let turn = std::f32::consts::TAU * (phase + waves * channel as f32 / channels as f32);
                *keep *= 1.0 - config.uneven * (0.5 + 0.5 * turn.sin());
            }
        }
        let widest = (config.band as usize).min(channels);
        if widest > 0 {
            let width = rng.random_range(0..=widest);
            let from = rng.random_range(0..=channels - width);
            keep[from..from + width].fill(0.0);
        }
        let stretch = match config.stretch {
            0.0 => 1.0,
            most => rng.random_range(-most..=most).exp(),
        };
        Self { by_channel, by_step, stretch, keep, jitter: config.jitter }
    }

    /// Adds the spikes of a sample that stay, each with probability `share` more.
    fn add(
        &self,
        from: &Binned,
        share: f32,
        moved: (i64, i64),
        rng: &mut impl Rng,
        to: &mut Vec<(u32, u32)>,
    ) {
        for t in 0..from.steps() {
            for &channel in from.step(t) {
                let chance: f32 = rng.random();
                let deviate = if self.jitter > 0.0 { normal(rng) } else { 0.0 };
                if chance >= self.keep[channel as usize] * share {
                    continue;
                }
                let target = i64::from(channel) + self.by_channel + moved.1;
                let mut at = i64::from(t);
                if self.stretch != 1.0 {
                    // Spikes of a step fall anywhere in it, so that a longer sample has no gaps.
                    at = ((t as f32 + rng.random::<f32>()) * self.stretch) as i64;
                }
                at += self.by_step + moved.0 + (deviate * self.jitter).round() as i64;
                if (0..self.keep.len() as i64).contains(&target) && at >= 0 {
                    to.push((at.min(i64::from(u32::MAX)) as u32, target as u32));
                }
            }
        }
    }
}

/// A sample as it is learned from: blended with another of its class, moved, stretched, thinned.
#[must_use]
pub fn augment(
    config: &Config,
    channels: usize,
    sample: &Binned,
    other: &Binned,
    rng: &mut impl Rng,
) -> Binned {
    let blend = config.blend > 0.0 && rng.random::<f32>() < config.blend;
    let shares = config.dropout + config.uneven + config.stretch + config.jitter;
    let plain = shares == 0.0 && config.channel_shift == 0 && config.time_shift == 0 && config.band == 0;
    if plain && !blend {
        return sample.clone();
    }
    let change = Change::draw(config, channels, rng);
    let mut pairs = Vec::with_capacity(sample.channels.len());
    if blend {
        // Half the spikes of each, the other moved so that their middles meet between them.
        let (a, b) = (middle(sample), middle(other));
        let half = |x: f32| (x / 2.0).round() as i64;
        let (steps, bands) = (half(b.0 - a.0), half(b.1 - a.1));
        change.add(sample, 0.5, (steps, bands), rng, &mut pairs);
        change.add(other, 0.5, (-steps, -bands), rng, &mut pairs);
    } else {
        change.add(sample, 1.0, (0, 0), rng, &mut pairs);
    }
    let mut out = Binned::from_pairs(pairs, sample.steps());
    (out.late, out.repeats) = (sample.late, sample.repeats);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const CHANNELS: usize = 200;

    /// Every channel spikes in steps 10 and 50, of 100; as it is learned from under these settings.
    fn learned(settings: &str, seed: u64) -> Binned {
        let mut config: Config = super::super::config::TrainArgs::default().resolve().expect("defaults");
        (config.dropout, config.channel_shift) = (0.0, 0);
        for (name, value) in settings.split(' ').filter_map(|s| s.split_once('=')) {
            let value: f32 = value.parse().expect("a number");
            match name {
                "stretch" => config.stretch = value,
                "uneven" => config.uneven = value,
                "band" => config.band = value as u32,
                "channel-shift" => config.channel_shift = value as u32,
                "time-shift" => config.time_shift = value as u32,
                "jitter" => config.jitter = value,
                "dropout" => config.dropout = value,
                other => panic!("{other}"),
            }
        }
        let pairs = (0..CHANNELS as u32).flat_map(|c| [(10, c), (50, c)]).collect();
        let sample = Binned::from_pairs(pairs, 100);
        augment(&config, CHANNELS, &sample, &sample, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn a_band_of_channels_falls_silent_and_no_other() {
        let mut widths = Vec::new();
        for seed in 0..50 {
            let out = learned("band=60", seed);
            assert_eq!(out.step(10), out.step(50), "in every step");
            let left: Vec<u32> = out.step(10).to_vec();
            let gap = (0..CHANNELS as u32).filter(|c| !left.contains(c)).collect::<Vec<_>>();
            assert!(gap.windows(2).all(|w| w[1] == w[0] + 1), "one band: {gap:?}");
            widths.push(gap.len());
        }
        assert!(widths.iter().all(|w| *w <= 60) && widths.iter().any(|w| *w > 40), "{widths:?}");
    }

    #[test]
    fn shifts_move_all_spikes_alike_up_to_the_most_and_lose_what_leaves() {
        let (mut channels, mut steps) = (Vec::new(), Vec::new());
        for seed in 0..60 {
            let out = learned("channel-shift=20 time-shift=5", seed);
            let times: Vec<u32> = (0..100).filter(|&t| !out.step(t).is_empty()).collect();
            assert_eq!(times.len(), 2);
            assert_eq!(times[1] - times[0], 40, "both by as much");
            let row = out.step(times[0]);
            assert_eq!(row, out.step(times[1]));
            assert!(row.windows(2).all(|w| w[1] == w[0] + 1), "one block");
            let by = if row[0] > 0 { i64::from(row[0]) } else { row.len() as i64 - CHANNELS as i64 };
            assert_eq!(row.len() as i64, CHANNELS as i64 - by.abs(), "what leaves is lost");
            channels.push(by);
            steps.push(i64::from(times[0]) - 10);
        }
        for (found, most) in [(channels, 20), (steps, 5)] {
            assert!(found.iter().all(|by| by.abs() <= most), "{found:?}");
            assert!(found.contains(&most) || found.iter().any(|by| *by > most / 2), "{found:?}");
            assert!(found.iter().any(|by| *by < -most / 2), "{found:?}");
        }
    }

    #[test]
    fn jitter_moves_every_spike_by_a_normal_deviate_of_its_own() {
        let out = learned("jitter=3", 1);
        let moved = (0..100).flat_map(|t| out.step(t).iter().map(move |_| t));
        let by: Vec<f64> = moved.map(|t| f64::from(t) - if t < 30 { 10.0 } else { 50.0 }).collect();
        assert_eq!(by.len(), 2 * CHANNELS, "none is lost");
        let n = by.len() as f64;
        let (mean, squares) = (by.iter().sum::<f64>() / n, by.iter().map(|b| b * b).sum::<f64>() / n);
        assert!(mean.abs() < 0.6, "{mean}");
        assert!((2.4..3.7).contains(&squares.sqrt()), "{}", squares.sqrt());
    }

    #[test]
    fn dropout_leaves_a_share_out() {
        let left = learned("dropout=0.3", 1).channels.len() as f64 / (2 * CHANNELS) as f64;
        assert!((0.6..0.8).contains(&left), "{left}");
    }

    #[test]
    fn a_blend_has_half_the_spikes_of_each_where_their_middles_meet() {
        let mut config: Config = super::super::config::TrainArgs::default().resolve().expect("defaults");
        (config.dropout, config.channel_shift, config.blend) = (0.0, 0, 1.0);
        let of = |step, first: u32| Binned::from_pairs((first..first + 40).map(|c| (step, c)).collect(), 100);
        let (sample, other) = (of(20, 0), of(40, 100));
        let (mut from, mut both) = (0, 0);
        for seed in 0..20 {
            let out = augment(&config, CHANNELS, &sample, &other, &mut ChaCha8Rng::seed_from_u64(seed));
            // Halfway between the two, in time and in channel.
            assert!((0..100).all(|t| t == 30 || out.step(t).is_empty()));
            assert!(out.channels.iter().all(|c| (50..90).contains(c)), "{:?}", out.channels);
            from += 1;
            both += out.channels.len() + out.repeats as usize;
        }
        assert!(
            (24..40).contains(&(both / from)),
            "about half of 80, the same channel once: {}",
            both / from
        );
    }

    #[test]
    fn stretching_multiplies_times_and_keeps_channels() {
        let mut factors = Vec::new();
        for seed in 0..50 {
            let out = learned("stretch=0.3", seed);
            let times: Vec<u32> = (0..100).filter(|&t| !out.step(t).is_empty()).collect();
            let (first, last) = (times[0], times[times.len() - 1]);
            factors.push(f64::from(last) / 50.0);
            assert!((7..=14).contains(&first) && (36..=68).contains(&last), "{times:?}");
            let mut channels = out.channels.clone();
            channels.sort_unstable();
            channels.dedup();
            assert_eq!(channels.len(), CHANNELS);
        }
        assert!(factors.iter().any(|f| *f < 0.9) && factors.iter().any(|f| *f > 1.1), "{factors:?}");
    }

    #[test]
    fn an_uneven_share_leaves_more_out_in_some_channels_than_in_others() {
        let mut counts = [0; 2];
        for seed in 0..20 {
            let out = learned("uneven=1", seed);
            let halves = [0..CHANNELS as u32 / 2, CHANNELS as u32 / 2..CHANNELS as u32];
            let of = halves.map(|half| out.channels.iter().filter(|c| half.contains(c)).count());
            counts[usize::from(of[0] < of[1])] += usize::from(of[0].abs_diff(of[1]) > 30);
        }
        assert!(counts.iter().all(|c| *c > 2), "each half is at times the louder one: {counts:?}");
    }
}
