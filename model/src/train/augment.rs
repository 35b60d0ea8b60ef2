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

/// A sample as it is learned from: blended with another of its class, moved, thinned.
#[must_use]
pub fn augment(
    config: &Config,
    channels: usize,
    sample: &Binned,
    other: &Binned,
    rng: &mut impl Rng,
) -> Binned {
    let blend = config.blend > 0.0 && rng.random::<f32>() < config.blend;
    let plain = config.dropout == 0.0
        && config.channel_shift == 0
        && config.jitter == 0.0
        && config.time_shift == 0
        && !blend;
    if plain {
        return sample.clone();
    }
    let mut draw = |most: u32| {
        let most = i64::from(most);
        if most == 0 { 0 } else { rng.random_range(-most..=most) }
    };
    let (by_channel, by_step) = (draw(config.channel_shift), draw(config.time_shift));
    let mut pairs = Vec::with_capacity(sample.channels.len());
    let mut add =
        |from: &Binned, keep: f32, by_step: i64, by_channel: i64, rng: &mut dyn FnMut() -> (f32, f32)| {
            for t in 0..from.steps() {
                for &channel in from.step(t) {
                    let (chance, deviate) = rng();
                    if chance >= keep {
                        continue;
                    }
                    let to = i64::from(channel) + by_channel;
                    let at = i64::from(t) + by_step + (deviate * config.jitter).round() as i64;
                    if (0..channels as i64).contains(&to) && at >= 0 {
                        pairs.push((at.min(i64::from(u32::MAX)) as u32, to as u32));
                    }
                }
            }
        };
    let mut chances = || (rng.random::<f32>(), if config.jitter > 0.0 { normal(rng) } else { 0.0 });
    let keep = 1.0 - config.dropout;
    if blend {
        // Half the spikes of each, the other moved so that their middles meet between them.
        let (a, b) = (middle(sample), middle(other));
        let half = |x: f32| (x / 2.0).round() as i64;
        let (steps, bands) = (half(b.0 - a.0), half(b.1 - a.1));
        add(sample, keep / 2.0, by_step + steps, by_channel + bands, &mut chances);
        add(other, keep / 2.0, by_step - steps, by_channel - bands, &mut chances);
    } else {
        add(sample, keep, by_step, by_channel, &mut chances);
    }
    let mut out = Binned::from_pairs(pairs, sample.steps());
    (out.late, out.repeats) = (sample.late, sample.repeats);
    out
}
