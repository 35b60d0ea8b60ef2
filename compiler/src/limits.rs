//! Limits that no placement can mend, and the words for any limit that is broken.

use crate::fan_in::FanIn;
use hw::platform::{Platform, Structure};
use model::network::{Kind, Network};
use serde::Serialize;
use std::fmt;

/// A limit that a network breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Field of the platform, such as `core.neurons`.
    pub limit: String,
    /// Place of the core, where the limit is one core's: (x, y).
    pub core: Option<(u16, u16)>,
    /// Where in the network.
    pub subject: String,
    /// What the network needs.
    pub needed: u64,
    /// What the platform has.
    pub available: u64,
    /// What can be done.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((x, y)) = self.core {
            write!(f, "core ({x}, {y}): ")?;
        }
        write!(
            f,
            "{}: {} needs {}, the platform has {}; {}",
            self.limit, self.subject, self.needed, self.available, self.remedy
        )
    }
}

/// Slots of a ring for the network's delays, or the longest delay of a queue.
#[must_use]
pub fn depth(fan_in: &FanIn, platform: &Platform, structure: Structure) -> u32 {
    match structure {
        Structure::RingBuffer => (u32::from(fan_in.longest_delay) + 1).next_power_of_two(),
        Structure::SharedQueue => platform.shared_queue.longest_delay,
    }
}

/// Every limit of the network as a whole that is broken.
#[must_use]
pub fn check(network: &Network, platform: &Platform, structure: Structure) -> Vec<Violation> {
    let mut out = Vec::new();
    let mut broken = |limit: &str, subject: String, needed: u64, available: u64, remedy: &str| {
        out.push(Violation {
            limit: limit.into(),
            core: None,
            subject,
            needed,
            available,
            remedy: remedy.into(),
        });
    };
    let longest = u64::from(platform.longest_delay(structure));
    let delay_field = match structure {
        Structure::RingBuffer => "ring_buffer.slots",
        Structure::SharedQueue => "shared_queue.longest_delay",
    };
    for p in &network.projections {
        let kept = p.synapses.iter().filter(|s| s.weight != 0);
        if let Some(s) = kept.max_by_key(|s| s.delay)
            && u64::from(s.delay) > longest
        {
            let extra = u64::from(structure == Structure::RingBuffer);
            let subject =
                format!("projection `{}`, synapse {} to {} of delay {}", p.name, s.pre, s.post, s.delay);
            broken(
                delay_field,
                subject,
                u64::from(s.delay) + extra,
                longest + extra,
                "train with shorter delays, or with longer steps",
            );
        }
    }
    let core = &platform.core;
    let bits = u64::from(network.membrane_bits);
    if bits > core.membrane_bits_max.into() {
        broken(
            "core.membrane_bits_max",
            "membrane_bits".into(),
            bits,
            core.membrane_bits_max.into(),
            "the core cannot saturate at that width; choose a narrower membrane",
        );
    }
    if bits < core.membrane_bits_min.into() {
        broken(
            "core.membrane_bits_min",
            "membrane_bits".into(),
            bits,
            core.membrane_bits_min.into(),
            "the core cannot saturate at that width; choose a wider membrane",
        );
    }
    if let Some(i) = network.integrator() {
        // |v| <= 2^(bits - 1), summed over all steps.
        let worst = u128::from(network.steps) << (bits - 1);
        let needed = u64::from(128 - (worst - 1).leading_zeros()) + 1;
        if needed > core.score_bits.into() {
            broken(
                "core.score_bits",
                format!("a score of `{}` over {} steps", network.populations[i].name, network.steps),
                needed,
                core.score_bits.into(),
                "run fewer steps, or choose a narrower membrane",
            );
        }
    }
    let (accumulator_bits, _) = platform.accumulator(structure);
    let mut sums: Vec<Vec<u64>> = network.populations.iter().map(|p| vec![0; p.size as usize]).collect();
    for p in &network.projections {
        for s in &p.synapses {
            sums[p.target][s.post as usize] += u64::from(s.weight.unsigned_abs()) << p.weight_shift;
        }
    }
    for (p, sums) in network.populations.iter().zip(&sums) {
        if matches!(p.kind, Kind::Input { .. }) {
            continue;
        }
        let Some((n, worst)) = sums.iter().enumerate().max_by_key(|(_, s)| **s) else {
            continue;
        };
        let needed = u64::from(64 - worst.leading_zeros()) + 1;
        if needed > accumulator_bits.into() {
            let field = match structure {
                Structure::RingBuffer => "ring_buffer.accumulator_bits",
                Structure::SharedQueue => "shared_queue.accumulator_bits",
            };
            broken(
                field,
                format!("neuron {n} of `{}`, whose weights may all arrive at once,", p.name),
                needed,
                accumulator_bits.into(),
                "use smaller weights or shifts, or fewer synapses a neuron",
            );
        }
    }
    out
}
