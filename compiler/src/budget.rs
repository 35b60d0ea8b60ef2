//! A platform's limits and costs, for tools that shape networks without knowing the hardware.
//!
//! Within budget means accepted: [`Budget::accepts`] is on the safe side of the compiler, which falls
//! back to the cut that [`Budget::plan`] finds.

use crate::fan_in::FanIn;
use hw::layout::Widths;
use hw::platform::{Platform, Structure};
use model::network::{Kind, Network};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Version of the budget's fields.
pub const VERSION: u32 = 1;

/// Limits and costs of one delay structure of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Version of these fields.
    pub version: u32,
    /// Name of the platform.
    pub platform: String,
    /// Delay structure.
    pub structure: Structure,
    /// Limits of the whole chip, and widths.
    pub chip: Chip,
    /// Limits of each core.
    pub core: Core,
    /// What neurons and synapses cost.
    pub cost: Cost,
}

/// Limits of the chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Cores.
    pub cores: u64,
    /// Longest delay in steps.
    pub longest_delay: u32,
    /// Narrowest membrane in bits.
    pub membrane_bits_min: u8,
    /// Widest membrane in bits.
    pub membrane_bits_max: u8,
    /// Width of an accumulator in bits.
    pub accumulator_bits: u8,
    /// Width of a score in bits.
    pub score_bits: u8,
}

/// Limits of one core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// Neurons.
    pub neurons: u64,
    /// Accumulators.
    pub accumulators: u64,
    /// Synapse words.
    pub synapse_words: u64,
    /// Input axons.
    pub input_axons: u64,
    /// Synapses of one input axon; no limit where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axon_synapses: Option<u64>,
    /// Output axons.
    pub output_axons: u64,
    /// Integrators.
    pub readouts: u64,
    /// Events that each of its two queues holds; none where events do not wait in queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_depth: Option<u64>,
}

/// What the parts of a network cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Accumulators of a neuron.
    pub accumulators: Slots,
    /// Synapse words of a synapse whose weight is not 0.
    pub synapse_words: u64,
    /// Width of a synapse word in bits.
    pub synapse_word_bits: u32,
    /// Input axons of a core for each (source neuron, weight shift) with a synapse into it.
    pub input_axons: u64,
    /// Output axons of a neuron for each (target core, weight shift).
    pub output_axons: u64,
}

/// How many accumulators a neuron takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slots {
    /// The smallest power of two above the network's longest delay.
    PowerOfTwo,
    /// One.
    One,
}

impl Slots {
    fn of(self, longest_delay: u16) -> u64 {
        match self {
            Self::PowerOfTwo => (u64::from(longest_delay) + 1).next_power_of_two(),
            Self::One => 1,
        }
    }
}

/// The rule, as it stands above the TOML.
const RULE: &str = "\
# What a network may need on this platform with this delay structure. Within budget means accepted.
#
# Synapses of weight 0 count nowhere. A network is within budget where
#  1. every delay is at most chip.longest_delay;
#  2. chip.membrane_bits_min <= membrane_bits <= chip.membrane_bits_max;
#  3. for every neuron the sum of |weight << weight_shift| over its synapses is below 2^(chip.accumulator_bits - 1);
#  4. with an integrator, steps * 2^(membrane_bits - 1) is at most 2^(chip.score_bits - 1);
#  5. every population p (other than the input) has a number of neurons a core, n(p) >= 1, such that
#       n(p)                                                   <= core.neurons (an integrator's also <= core.readouts)
#       n(p) * slots * 1                                       <= core.accumulators, slots by cost.accumulators:
#            `power-of-two`: the smallest power of two above the network's longest delay; `one`: 1
#       n(p) * cost.synapse_words * (largest fan-in in p)      <= core.synapse_words
#       cost.input_axons * min(A, n(p) * a)                    <= core.input_axons, where A counts the distinct (source
#            population, source neuron, weight shift) into p, and a the most of them into one neuron of p
#       min(L, n(p) * l)                                       <= core.axon_synapses (where given), where L is the most
#            synapses of one such source into p, and l the most of them into one neuron of p
#       n(p) * cost.output_axons * sum over q of shifts(p, q) * k(q)  <= core.output_axons, where k(q) = ceil(size(q) / n(q))
#            and shifts(p, q) counts the distinct weight shifts of the projections from p to q
#     and the sum of k(p) is at most chip.cores. Take each n(p) as large as the first five allow, compute k, lower n(p) where
#     the sixth asks for it, and repeat until nothing changes: this finds the largest n(p).
# The compiler mixes populations in a core and may accept more than this.
#
# A run may need more than a network shows. Where core.queue_depth is given, no queue overflows on an input where at every
# step at most so many events wait: each spike of step t, of an input channel or a neuron, is one event for each distinct
# weight shift of its synapses, and waits in the steps t to t + (its longest delay with that shift) - 1. This counts all
# sources at once, as if one core had synapses from each.

";

/// What a population needs, whatever its cut.
#[derive(Debug, Clone, Default)]
struct Demand {
    size: u64,
    integrator: bool,
    fan_in: u64,
    sources: u64,
    sources_each: u64,
    list: u64,
    list_each: u64,
    /// (target population, number of shifts).
    targets: Vec<(usize, u64)>,
}

fn demands(network: &Network, fan_in: &FanIn) -> Vec<Demand> {
    let mut out: Vec<Demand> = network
        .populations
        .iter()
        .map(|p| Demand {
            size: p.size.into(),
            integrator: matches!(p.kind, Kind::Integrator { .. }),
            ..Demand::default()
        })
        .collect();
    let mut lists: Vec<HashMap<_, u64>> = vec![HashMap::new(); out.len()];
    for neuron in &fan_in.neurons {
        let p = neuron.population as usize;
        let demand = &mut out[p];
        demand.fan_in = demand.fan_in.max(neuron.incoming.len() as u64);
        // Incoming synapses are sorted by source.
        let mut sources = 0;
        for list in neuron.incoming.chunk_by(|a, b| a.source == b.source) {
            sources += 1;
            demand.list_each = demand.list_each.max(list.len() as u64);
            *lists[p].entry(list[0].source).or_default() += list.len() as u64;
        }
        demand.sources_each = demand.sources_each.max(sources);
    }
    for (demand, lists) in out.iter_mut().zip(&lists) {
        demand.sources = lists.len() as u64;
        demand.list = lists.values().copied().max().unwrap_or(0);
    }
    let shifts: HashSet<_> = network
        .projections
        .iter()
        .filter(|p| p.synapses.iter().any(|s| s.weight != 0))
        .map(|p| (p.source, p.target, p.weight_shift))
        .collect();
    let mut pairs: HashMap<(usize, usize), u64> = HashMap::new();
    for (source, target, _) in shifts {
        *pairs.entry((source, target)).or_default() += 1;
    }
    for ((source, target), shifts) in pairs {
        out[source].targets.push((target, shifts));
    }
    out
}

/// The most items that fit, each of a cost; all where they cost nothing.
fn most(available: u64, each: u64) -> u64 {
    available.checked_div(each).unwrap_or(u64::MAX)
}

impl Budget {
    /// The budget of a platform.
    #[must_use]
    pub fn new(platform: &Platform, structure: Structure) -> Self {
        let (c, widths) = (&platform.core, Widths::new(platform, structure));
        let ring = structure == Structure::RingBuffer;
        Self {
            version: VERSION,
            platform: platform.name.clone(),
            structure,
            chip: Chip {
                cores: platform.cores().into(),
                longest_delay: platform.longest_delay(structure),
                membrane_bits_min: c.membrane_bits_min,
                membrane_bits_max: c.membrane_bits_max,
                accumulator_bits: platform.accumulator(structure).0,
                score_bits: c.score_bits,
            },
            core: Core {
                neurons: c.neurons.into(),
                accumulators: if ring { platform.ring_buffer.accumulators.into() } else { c.neurons.into() },
                synapse_words: c.synapse_bits / u64::from(widths.synapse()),
                input_axons: c.input_axons.into(),
                axon_synapses: (!ring).then(|| platform.shared_queue.axon_synapses.into()),
                output_axons: c.output_axons.into(),
                readouts: c.readouts.into(),
                queue_depth: (!ring).then(|| platform.shared_queue.depth.into()),
            },
            cost: Cost {
                accumulators: if ring { Slots::PowerOfTwo } else { Slots::One },
                synapse_words: 1,
                synapse_word_bits: widths.synapse(),
                input_axons: 1,
                output_axons: 1,
            },
        }
    }

    /// As TOML, with the rule in its comments.
    ///
    /// # Errors
    /// What the TOML writer refuses.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{RULE}{}", toml::to_string(self)?))
    }

    /// Whether a valid network is within budget; then the compiler accepts it.
    #[must_use]
    pub fn accepts(&self, network: &Network) -> bool {
        let fan_in = FanIn::new(network);
        u32::from(fan_in.longest_delay) <= self.chip.longest_delay
            && self.widths_hold(network, &fan_in)
            && self.plan(network, &fan_in).is_some()
    }

    fn widths_hold(&self, network: &Network, fan_in: &FanIn) -> bool {
        let chip = &self.chip;
        let accumulator = 1u128 << (chip.accumulator_bits - 1);
        let score = 1u128 << (chip.score_bits - 1);
        (chip.membrane_bits_min..=chip.membrane_bits_max).contains(&network.membrane_bits)
            && (network.integrator().is_none()
                || u128::from(network.steps) << (network.membrane_bits - 1) <= score)
            && fan_in.neurons.iter().all(|n| {
                let sum: u128 =
                    n.incoming.iter().map(|i| u128::from(i.weight.unsigned_abs()) << i.source.shift).sum();
                sum < accumulator
            })
    }

    /// Neurons a core for each population by rule 5 (0 for the input), if there are enough cores.
    #[must_use]
    pub fn plan(&self, network: &Network, fan_in: &FanIn) -> Option<Vec<u64>> {
        let (core, cost) = (&self.core, &self.cost);
        let demands = demands(network, fan_in);
        let input = network.input();
        let slots = cost.accumulators.of(fan_in.longest_delay);
        // Where all of a population's sources fit in one core, they limit no cut.
        let shared = |available: u64, all: u64, each: u64| {
            if all <= available { u64::MAX } else { most(available, each) }
        };
        let mut n: Vec<u64> = demands
            .iter()
            .map(|d| {
                let readouts = if d.integrator { core.readouts } else { u64::MAX };
                let axons =
                    shared(core.input_axons, d.sources * cost.input_axons, d.sources_each * cost.input_axons);
                let lists = core.axon_synapses.map_or(u64::MAX, |most| shared(most, d.list, d.list_each));
                [
                    d.size,
                    core.neurons,
                    readouts,
                    most(core.accumulators, slots),
                    most(core.synapse_words, d.fan_in * cost.synapse_words),
                    axons,
                    lists,
                ]
                .into_iter()
                .min()
                .unwrap_or(0)
            })
            .collect();
        n[input] = 0;
        let placed = |p: usize| p != input;
        loop {
            if (0..n.len()).any(|p| placed(p) && n[p] == 0) {
                return None;
            }
            let k: Vec<u64> =
                demands.iter().zip(&n).map(|(d, &n)| if n == 0 { 0 } else { d.size.div_ceil(n) }).collect();
            if k.iter().sum::<u64>() > self.chip.cores {
                return None;
            }
            let mut changed = false;
            for (p, d) in demands.iter().enumerate().filter(|(p, _)| placed(*p)) {
                let each: u64 = d.targets.iter().map(|&(q, shifts)| shifts * k[q]).sum();
                let fits = most(core.output_axons, each * cost.output_axons);
                if fits < n[p] {
                    n[p] = fits;
                    changed = true;
                }
            }
            if !changed {
                return Some(n);
            }
        }
    }
}
