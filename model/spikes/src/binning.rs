use crate::{Error, SpikeFile};

/// How recorded times and units become steps and channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binning {
    /// Number of steps T.
    pub steps: u32,
    /// Length of a step in milliseconds.
    pub step_ms: f64,
    /// Number of input channels.
    pub channels: u32,
    /// Units that share a channel: channel = unit / group.
    pub group: u32,
}

/// One sample as channels for each step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binned {
    /// Channels of step t are `channels[offsets[t]..offsets[t + 1]]`; `[steps + 1]`.
    pub offsets: Vec<u32>,
    /// Ascending within a step, without repeats.
    pub channels: Vec<u32>,
    /// Spikes at or after step T, dropped.
    pub late: u64,
    /// Spikes of a channel that already spiked in the step, counted once.
    pub repeats: u64,
}

impl Binned {
    /// Channels that spike in a step.
    #[must_use]
    pub fn step(&self, step: u32) -> &[u32] {
        let t = step as usize;
        &self.channels[self.offsets[t] as usize..self.offsets[t + 1] as usize]
    }

    /// Number of steps.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.offsets.len() as u32 - 1
    }

    /// From (step, channel) pairs in any order, repeats allowed; pairs at or after `steps` are late.
    #[must_use]
    pub fn from_pairs(mut pairs: Vec<(u32, u32)>, steps: u32) -> Self {
        let all = pairs.len() as u64;
        pairs.retain(|p| p.0 < steps);
        let late = all - pairs.len() as u64;
        let within = pairs.len() as u64;
        pairs.sort_unstable();
        pairs.dedup();
        let offsets = (0..=steps).map(|t| pairs.partition_point(|p| p.0 < t) as u32).collect();
        let repeats = within - pairs.len() as u64;
        Self { offsets, channels: pairs.into_iter().map(|p| p.1).collect(), late, repeats }
    }
}

impl SpikeFile {
    /// One sample as channels for each step: step = floor(time / step length), in 32-bit floats.
    ///
    /// # Errors
    /// [`Error::Channel`] where a unit has no channel.
    pub fn bin(&self, sample: usize, binning: &Binning) -> Result<Binned, Error> {
        let (times, units) = self.sample(sample);
        let length = (binning.step_ms / 1000.0) as f32;
        let mut pairs = Vec::with_capacity(times.len());
        for (&time, &unit) in times.iter().zip(units) {
            let channel = u32::from(unit) / binning.group;
            if channel >= binning.channels {
                let (group, channels) = (binning.group, binning.channels);
                return Err(Error::Channel { sample, unit, channel, group, channels });
            }
            // A time past the end may not fit an integer; the cast saturates, which is past the end too.
            pairs.push(((time / length).floor() as u32, channel));
        }
        Ok(Binned::from_pairs(pairs, binning.steps))
    }
}
