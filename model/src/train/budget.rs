//! The limits of a platform, as `compiler budget` prints them, and how training meets them.
//!
//! The rule stands in the comments of that file. It is written here a second time on purpose: the trainer
//! knows nothing of hardware, and what it says to be within budget the compiler must accept.

use super::net::Plan;
use super::parameters::Parameters;
use super::prune::apply;
use super::quantise::{About, Scales};
use crate::golden;
use crate::network::{Kind, Network};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use serde::Deserialize;
use spikes::Binned;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A limit that training could not meet.
#[derive(Debug, thiserror::Error)]
#[error("platform `{platform}`: {limits}")]
pub struct Unmet {
    /// Name of the platform.
    pub platform: String,
    /// The limits, in words.
    pub limits: String,
}

/// More events than a queue may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded {
    /// Events that it holds.
    pub depth: u64,
    /// Events that may wait in one core, at their most.
    pub peak: u64,
}

impl std::fmt::Display for Crowded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { depth, peak } = self;
        write!(
            f,
            "core.queue_depth = {depth}: up to {peak} events wait in a core on the samples learned from; lower --density, or shorten --delays"
        )
    }
}

/// Limits and costs of a platform with one delay structure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Budget {
    version: u32,
    /// Name of the platform.
    pub platform: String,
    chip: Chip,
    core: Core,
    cost: Cost,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Chip {
    cores: u64,
    longest_delay: u32,
    membrane_bits_min: u8,
    membrane_bits_max: u8,
    accumulator_bits: u8,
    score_bits: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Core {
    neurons: u64,
    accumulators: u64,
    synapse_words: u64,
    input_axons: u64,
    axon_synapses: Option<u64>,
    output_axons: u64,
    readouts: u64,
    /// Events that a shared queue holds.
    queue_depth: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Cost {
    accumulators: Slots,
    synapse_words: u64,
    input_axons: u64,
    output_axons: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Slots {
    PowerOfTwo,
    One,
}

/// What a population needs, whatever its cut: the letters of the rule.
#[derive(Default)]
struct Demand {
    fan_in: u64,
    all_sources: u64,
    most_sources: u64,
    all_list: u64,
    most_list: u64,
    shifts: HashMap<usize, u64>,
}

/// How many items fit, each of a cost; as many as one likes where it is 0.
fn fits(available: u64, each: u64) -> u64 {
    available.checked_div(each).unwrap_or(u64::MAX)
}

impl Budget {
    /// Reads a budget.
    ///
    /// # Errors
    /// A file that is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let budget: Self = toml::from_str(&text)
            .with_context(|| format!("{}: not what `compiler budget --platform P` prints", path.display()))?;
        if budget.version != 1 {
            bail!("{}: version {}: this reads version 1", path.display(), budget.version);
        }
        let chip = &budget.chip;
        for (field, bits) in [
            ("membrane_bits_min", chip.membrane_bits_min),
            ("membrane_bits_max", chip.membrane_bits_max),
            ("accumulator_bits", chip.accumulator_bits),
            ("score_bits", chip.score_bits),
        ] {
            if !(2..=64).contains(&bits) {
                bail!("{}: chip.{field} = {bits}: must be 2 to 64", path.display());
            }
        }
        Ok(budget)
    }

    /// Width of an accumulator in bits.
    #[must_use]
    pub fn accumulator_bits(&self) -> u8 {
        self.chip.accumulator_bits
    }

    /// What no training can mend: delays and widths that were asked for.
    ///
    /// # Errors
    /// The option to change.
    pub fn check(&self, plan: &Plan, membrane_bits: u8) -> Result<()> {
        let name = &self.platform;
        let longest = plan.net.projections.iter().filter_map(|p| p.delays.last()).max().copied().unwrap_or(1);
        if u32::from(longest) > self.chip.longest_delay {
            bail!(
                "--delays reach {longest} steps, and `{name}` holds at most {}; use a smaller depth",
                self.chip.longest_delay
            );
        }
        let (low, high) = (self.chip.membrane_bits_min, self.chip.membrane_bits_max);
        if !(low..=high).contains(&membrane_bits) {
            bail!("--membrane-bits {membrane_bits}: `{name}` has {low} to {high}");
        }
        if (plan.net.steps as u128) << (membrane_bits - 1) > 1u128 << (self.chip.score_bits - 1) {
            bail!(
                "--membrane-bits {membrane_bits}: over {} steps scores may outgrow the {} bits of `{name}`; use fewer",
                plan.net.steps,
                self.chip.score_bits
            );
        }
        Ok(())
    }

    /// The limits that a network breaks, in words; none where it is within budget.
    #[must_use]
    pub fn broken(&self, network: &Network) -> Vec<String> {
        let mut out = Vec::new();
        let longest = network.projections.iter().flat_map(|p| &p.synapses).filter(|s| s.weight != 0);
        let longest = longest.map(|s| s.delay).max().unwrap_or(1);
        if u32::from(longest) > self.chip.longest_delay {
            out.push(format!("chip.longest_delay = {}: a delay is {longest}", self.chip.longest_delay));
        }
        let widest = widest(network);
        if widest >= 1u128 << (self.chip.accumulator_bits - 1) {
            out.push(format!(
                "chip.accumulator_bits = {}: weights into a neuron add up to {widest}",
                self.chip.accumulator_bits
            ));
        }
        out.extend(self.cut(network, longest));
        out
    }

    /// The fifth rule: a number of neurons a core for each population.
    fn cut(&self, network: &Network, longest: u16) -> Vec<String> {
        let (core, cost) = (&self.core, &self.cost);
        let demands = demands(network);
        let slots = match cost.accumulators {
            Slots::PowerOfTwo => (u64::from(longest) + 1).next_power_of_two(),
            Slots::One => 1,
        };
        let shared = |available, all, each| if all <= available { u64::MAX } else { fits(available, each) };
        let mut n = Vec::new();
        let mut why = Vec::new();
        for (p, d) in network.populations.iter().zip(&demands) {
            let readouts = if matches!(p.kind, Kind::Integrator { .. }) { core.readouts } else { u64::MAX };
            let axons = cost.input_axons;
            let all = [
                ("all neurons of a population", p.size.into()),
                ("core.neurons", core.neurons),
                ("core.readouts", readouts),
                ("core.accumulators", fits(core.accumulators, slots)),
                ("core.synapse_words", fits(core.synapse_words, d.fan_in * cost.synapse_words)),
                ("core.input_axons", shared(core.input_axons, d.all_sources * axons, d.most_sources * axons)),
                (
                    "core.axon_synapses",
                    core.axon_synapses.map_or(u64::MAX, |most| shared(most, d.all_list, d.most_list)),
                ),
            ];
            let least = all.into_iter().min_by_key(|l| l.1).unwrap_or(("core.neurons", 0));
            n.push(least.1);
            why.push(least.0);
        }
        let input = network.input();
        let placed: Vec<usize> = (0..n.len()).filter(|p| *p != input).collect();
        loop {
            if let Some(&p) = placed.iter().find(|p| n[**p] == 0) {
                return vec![format!(
                    "{}: one neuron of `{}` needs more",
                    why[p], network.populations[p].name
                )];
            }
            let k: Vec<u64> = (0..n.len())
                .map(|p| if p == input { 0 } else { u64::from(network.populations[p].size).div_ceil(n[p]) })
                .collect();
            let cores: u64 = k.iter().sum();
            if cores > self.chip.cores {
                let worst = placed.iter().max_by_key(|p| k[**p]).map_or(0, |p| *p);
                return vec![format!(
                    "chip.cores = {}: {cores} are needed; `{}` takes {} because of {}",
                    self.chip.cores, network.populations[worst].name, k[worst], why[worst]
                )];
            }
            let mut changed = false;
            for &p in &placed {
                let each: u64 = demands[p].shifts.iter().map(|(q, shifts)| shifts * k[*q]).sum();
                let most = fits(core.output_axons, each * cost.output_axons);
                if most < n[p] {
                    (n[p], why[p], changed) = (most, "core.output_axons", true);
                }
            }
            if !changed {
                return Vec::new();
            }
        }
    }

    /// Prunes the weakest synapses of each neuron until the network fits; how many are left.
    ///
    /// # Errors
    /// [`Unmet`] where even one synapse a neuron does not fit.
    pub fn fit(&self, plan: &Plan, parameters: &mut Parameters) -> Result<Option<usize>, Unmet> {
        let within = |share: f64| -> Result<Parameters, Vec<String>> {
            let mut trial = parameters.clone();
            weaken(plan, &mut trial, share);
            // Accumulators depend on the integers, and are met when these are chosen.
            let network = skeleton(plan, &trial);
            let longest = network.projections.iter().flat_map(|p| &p.synapses).map(|s| s.delay).max();
            let broken = self.cut(&network, longest.unwrap_or(1));
            if broken.is_empty() { Ok(trial) } else { Err(broken) }
        };
        if within(1.0).is_ok() {
            return Ok(None);
        }
        let mut best = within(0.0).map_err(|limits| Unmet {
            platform: self.platform.clone(),
            limits: format!("{}, even with one synapse a neuron and projection", limits.join("; ")),
        })?;
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..10 {
            let share = (low + high) / 2.0;
            match within(share) {
                Ok(trial) => (best, low) = (trial, share),
                Err(_) => high = share,
            }
        }
        *parameters = best;
        Ok(Some(parameters.synapses()))
    }

    /// The limit that shows only in a run: events in a shared queue.
    #[must_use]
    pub fn crowded(&self, network: &Network, inputs: &[&Binned]) -> Option<Crowded> {
        let depth = self.core.queue_depth?;
        let peak = inputs.par_iter().map(|input| queued(network, input)).max().unwrap_or(0);
        (peak > depth).then_some(Crowded { depth, peak })
    }
}

/// Largest sum of |weight << shift| into a neuron.
fn widest(network: &Network) -> u128 {
    let mut sums: HashMap<(usize, u32), u128> = HashMap::new();
    for p in &network.projections {
        for s in &p.synapses {
            *sums.entry((p.target, s.post)).or_default() +=
                u128::from(s.weight.unsigned_abs()) << p.weight_shift;
        }
    }
    sums.into_values().max().unwrap_or(0)
}

fn demands(network: &Network) -> Vec<Demand> {
    let mut out: Vec<Demand> = network.populations.iter().map(|_| Demand::default()).collect();
    for (p, demand) in out.iter_mut().enumerate() {
        let mut fan_in: HashMap<u32, u64> = HashMap::new();
        // Synapses of each (source population, source neuron, shift), into all of p and into each neuron.
        let mut lists: HashMap<(usize, u32, u8), u64> = HashMap::new();
        let mut each: HashMap<(u32, usize, u32, u8), u64> = HashMap::new();
        for q in network.projections.iter().filter(|q| q.target == p) {
            for s in q.synapses.iter().filter(|s| s.weight != 0) {
                *fan_in.entry(s.post).or_default() += 1;
                *lists.entry((q.source, s.pre, q.weight_shift)).or_default() += 1;
                *each.entry((s.post, q.source, s.pre, q.weight_shift)).or_default() += 1;
            }
        }
        let mut sources: HashMap<u32, u64> = HashMap::new();
        each.keys().for_each(|k| *sources.entry(k.0).or_default() += 1);
        let most = |m: &HashMap<u32, u64>| m.values().copied().max().unwrap_or(0);
        (demand.fan_in, demand.most_sources) = (most(&fan_in), most(&sources));
        demand.all_sources = lists.len() as u64;
        demand.all_list = lists.into_values().max().unwrap_or(0);
        demand.most_list = each.into_values().max().unwrap_or(0);
    }
    let used = network.projections.iter().filter(|q| q.synapses.iter().any(|s| s.weight != 0));
    let shifts: HashSet<_> = used.map(|q| (q.source, q.target, q.weight_shift)).collect();
    for (source, target, _) in shifts {
        *out[source].shifts.entry(target).or_default() += 1;
    }
    out
}

/// The network with every synapse that is there, whatever its weight, and a shift for each projection.
fn skeleton(plan: &Plan, parameters: &Parameters) -> Network {
    let mut full = parameters.clone();
    for (weights, mask) in full.weights.iter_mut().zip(&full.mask) {
        weights.values = mask.iter().map(|m| f32::from(u8::from(*m))).collect();
    }
    let scales = Scales {
        weight_bits: 8,
        membrane_bits: 24,
        shift: (0..plan.layouts.len()).map(|j| (j % 16) as u8).collect(),
        exponent: plan.net.sizes.iter().map(|n| vec![16; *n]).collect(),
    };
    scales.network(plan, &full, &About::default())
}

/// Keeps a share of the synapses of each neuron in each projection, the strongest, but at least one.
fn weaken(plan: &Plan, parameters: &mut Parameters, share: f64) {
    for (j, layout) in plan.layouts.iter().enumerate() {
        let mut of: Vec<Vec<usize>> = vec![Vec::new(); layout.post];
        for at in (0..layout.len()).filter(|at| parameters.mask[j][*at]) {
            if let Some((_, _, post)) = layout.synapse(at) {
                of[post].push(at);
            }
        }
        let mut mask = vec![false; layout.len()];
        let weights = &parameters.weights[j].values;
        for mut places in of {
            let keep = ((places.len() as f64 * share) as usize).max(1);
            places.sort_by(|&a, &b| weights[b].abs().total_cmp(&weights[a].abs()).then(a.cmp(&b)));
            places.iter().take(keep).for_each(|&at| mask[at] = true);
        }
        apply(layout, &mut parameters.weights[j], &mut parameters.mask[j], mask);
    }
}

/// The most events that can wait at once in any core, whatever populations it holds: those of all sources. A core
/// has an axon for each (source, weight shift), whose events wait for its longest delay.
#[must_use]
pub fn queued(network: &Network, input: &Binned) -> u64 {
    let mut longest: HashMap<(usize, u32), HashMap<u8, usize>> = HashMap::new();
    for p in &network.projections {
        for s in p.synapses.iter().filter(|s| s.weight != 0) {
            let held = longest.entry((p.source, s.pre)).or_default().entry(p.weight_shift).or_default();
            *held = (*held).max(s.delay.into());
        }
    }
    let steps = network.steps as usize;
    // Arrivals of step t are queued from the barrier after it until they have no useful delay left.
    let mut change = vec![0i64; steps + 1];
    let mut add = |step: usize, population: usize, neuron: u32| {
        for &age in longest.get(&(population, neuron)).into_iter().flat_map(HashMap::values) {
            change[step] += 1;
            change[(step + age).min(steps)] -= 1;
        }
    };
    for t in 0..input.steps() {
        input.step(t).iter().for_each(|&c| add(t as usize, network.input(), c));
    }
    let outcome = golden::run(network, input);
    outcome.spikes.iter().for_each(|s| add(s.step as usize, s.population as usize, s.neuron));
    let waiting = change.iter().scan(0, |now, by| {
        *now += by;
        Some(*now)
    });
    waiting.max().unwrap_or(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::super::net::{Net, Projection};
    use super::*;
    use crate::network::Reset;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// What `compiler budget` prints, with a core of `words` synapse words.
    fn budget(words: u64) -> Budget {
        let text = format!(
            "version = 1\nplatform = 'small'\nstructure = 'ring-buffer'
[chip]\ncores = 8\nlongest_delay = 63\nmembrane_bits_min = 2\nmembrane_bits_max = 32\naccumulator_bits = 28\nscore_bits = 48
[core]\nneurons = 64\naccumulators = 1024\nsynapse_words = {words}\ninput_axons = 256\noutput_axons = 256\nreadouts = 16
[cost]\naccumulators = 'power-of-two'\nsynapse_words = 1\nsynapse_word_bits = 24\ninput_axons = 1\noutput_axons = 1\n"
        );
        toml::from_str(&text).expect("a budget")
    }

    fn network() -> (Plan, Parameters) {
        let delays: Vec<u16> = (1..=29).step_by(4).collect();
        let projections =
            [(0, 1), (1, 2)].map(|(source, target)| Projection { source, target, delays: delays.clone() });
        let net =
            Net { steps: 40, sizes: vec![20, 40, 3], reset: Reset::Zero, projections: projections.into() };
        let plan = Plan::new(net).expect("valid");
        let parameters = Parameters::new(&plan, 5.0, None, &mut ChaCha8Rng::seed_from_u64(1));
        (plan, parameters)
    }

    #[test]
    fn a_network_is_pruned_until_it_fits() {
        let (plan, mut parameters) = network();
        let all = parameters.synapses();
        assert_eq!(budget(10_000).fit(&plan, &mut parameters).expect("fits"), None);
        assert_eq!(parameters.synapses(), all);
        let left = budget(400).fit(&plan, &mut parameters).expect("can fit").expect("pruned");
        assert!(left < all && left > all / 4, "{left} of {all}");
        assert_eq!(budget(400).broken(&skeleton(&plan, &parameters)), [""; 0]);
    }

    #[test]
    fn a_limit_that_cannot_be_met_is_named() {
        let (plan, mut parameters) = network();
        let mut small = budget(400);
        small.chip.cores = 1;
        let unmet =
            small.fit(&plan, &mut parameters).expect_err("two populations need two cores").to_string();
        assert!(unmet.contains("chip.cores = 1"), "{unmet}");
        let refusal = Budget { chip: Chip { longest_delay: 9, ..small.chip.clone() }, ..small };
        let refusal = refusal.check(&plan, 24).expect_err("29 is longer").to_string();
        assert!(refusal.contains("29 steps"), "{refusal}");
    }
}
