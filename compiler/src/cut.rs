//! Neurons to cores: each core takes neurons in the network's order until the next would break a limit.
//!
//! A core's needs only grow with its neurons, so this uses as few cores as any cut in that order can,
//! as long as routes allow it; where they do not, populations are cut one by one.

use crate::budget::Budget;
use crate::fan_in::{FanIn, Neuron, Source};
use crate::limits::Violation;
use crate::place;
use hw::layout::Widths;
use hw::platform::{Platform, Structure};
use model::network::{Kind, Network};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// What a set of neurons needs of one core, against what it has.
#[derive(Debug, Clone)]
struct Needs<'a> {
    network: &'a Network,
    limits: Limits,
    neurons: u64,
    synapses: u64,
    axons: HashMap<Source, u64>,
    longest_list: u64,
    readouts: u64,
}

/// Limits of one core.
#[derive(Debug, Clone, Copy)]
struct Limits {
    structure: Structure,
    neurons: u64,
    accumulators: u64,
    accumulators_each: u64,
    synapses: u64,
    axons: u64,
    axon_synapses: u64,
    readouts: u64,
    output_axons: u64,
}

impl Limits {
    fn new(platform: &Platform, structure: Structure, depth: u32) -> Self {
        let core = &platform.core;
        let ring = structure == Structure::RingBuffer;
        let word = u64::from(Widths::new(platform, structure).synapse());
        Self {
            structure,
            neurons: core.neurons.into(),
            accumulators: if ring { platform.ring_buffer.accumulators.into() } else { u64::MAX },
            accumulators_each: if ring { depth.into() } else { 1 },
            synapses: core.synapse_bits / word,
            axons: core.input_axons.into(),
            axon_synapses: if ring { u64::MAX } else { platform.shared_queue.axon_synapses.into() },
            readouts: core.readouts.into(),
            output_axons: core.output_axons.into(),
        }
    }
}

impl<'a> Needs<'a> {
    fn new(network: &'a Network, limits: Limits) -> Self {
        Self { network, limits, neurons: 0, synapses: 0, axons: HashMap::new(), longest_list: 0, readouts: 0 }
    }

    fn add(&mut self, neuron: &Neuron) {
        self.neurons += 1;
        self.synapses += neuron.incoming.len() as u64;
        for incoming in &neuron.incoming {
            let list = self.axons.entry(incoming.source).or_default();
            *list += 1;
            self.longest_list = self.longest_list.max(*list);
        }
        let kind = &self.network.populations[neuron.population as usize].kind;
        self.readouts += u64::from(matches!(kind, Kind::Integrator { .. }));
    }

    /// Limits that are broken: field, subject, needed, available, remedy.
    fn broken(&self) -> Vec<(&'static str, &'static str, u64, u64, &'static str)> {
        let l = &self.limits;
        let more_cores = "use a platform with more cores or larger ones, or a smaller network";
        let prune = "prune synapses, or use a platform with more cores or memory";
        [
            ("core.neurons", "neurons", self.neurons, l.neurons, more_cores),
            (
                "ring_buffer.accumulators",
                "accumulators (neurons x slots)",
                self.neurons * l.accumulators_each,
                l.accumulators,
                "use shorter delays, or a platform with more cores",
            ),
            ("core.synapse_bits", "synapse words", self.synapses, l.synapses, prune),
            ("core.input_axons", "input axons", self.axons.len() as u64, l.axons, prune),
            ("shared_queue.axon_synapses", "synapses of one axon", self.longest_list, l.axon_synapses, prune),
            ("core.readouts", "readouts", self.readouts, l.readouts, more_cores),
        ]
        .into_iter()
        .filter(|b| b.2 > b.3)
        .collect()
    }
}

/// Ranges of [`FanIn::neurons`], one a core.
///
/// # Errors
/// The limits that are broken, with the core that breaks them.
pub fn cut(
    network: &Network,
    fan_in: &FanIn,
    platform: &Platform,
    structure: Structure,
    depth: u32,
) -> Result<Vec<Range<usize>>, Vec<Violation>> {
    let limits = Limits::new(platform, structure, depth);
    mixed(network, fan_in, platform, limits)
        .or_else(|violations| by_population(network, fan_in, platform, limits).ok_or(violations))
}

/// Rounds of cutting again before the cut by population is tried.
const ROUNDS: usize = 64;

/// Cores filled in order, whatever the population; those whose routes are too many are halved.
fn mixed(
    network: &Network,
    fan_in: &FanIn,
    platform: &Platform,
    limits: Limits,
) -> Result<Vec<Range<usize>>, Vec<Violation>> {
    let mut breaks = BTreeSet::new();
    let mut first_refusal = None;
    for _ in 0..ROUNDS {
        let cores = match greedy(network, fan_in, platform, limits, &breaks) {
            Ok(cores) => cores,
            // Cores that were cut short for their routes do not fit: the routes are what is too many.
            Err(violations) => return Err(first_refusal.unwrap_or(violations)),
        };
        let crowded = crowded(fan_in, &cores, platform, limits);
        if crowded.is_empty() {
            return Ok(cores);
        }
        let before = breaks.len();
        for (core, _) in &crowded {
            let range = &cores[*core];
            if range.len() > 1 {
                breaks.insert(range.start + range.len() / 2);
            }
        }
        first_refusal.get_or_insert_with(|| crowded.into_iter().map(|c| c.1).collect());
        if breaks.len() == before {
            break;
        }
    }
    Err(first_refusal.unwrap_or_default())
}

/// Each population cut for itself, as [`Budget::plan`] has it: what is within budget fits.
fn by_population(
    network: &Network,
    fan_in: &FanIn,
    platform: &Platform,
    limits: Limits,
) -> Option<Vec<Range<usize>>> {
    let plan = Budget::new(platform, limits.structure).plan(network, fan_in)?;
    let mut cores: Vec<Range<usize>> = Vec::new();
    for (i, neuron) in fan_in.neurons.iter().enumerate() {
        if u64::from(neuron.index) % plan[neuron.population as usize] == 0 {
            cores.push(i..i);
        }
        cores.last_mut()?.end = i + 1;
    }
    crowded(fan_in, &cores, platform, limits).is_empty().then_some(cores)
}

/// Fills one core after the other; `breaks` are neurons that must open a core.
fn greedy(
    network: &Network,
    fan_in: &FanIn,
    platform: &Platform,
    limits: Limits,
    breaks: &BTreeSet<usize>,
) -> Result<Vec<Range<usize>>, Vec<Violation>> {
    let available = platform.cores() as usize;
    let mut cores = Vec::new();
    let mut start = 0;
    let mut needs = Needs::new(network, limits);
    for (i, neuron) in fan_in.neurons.iter().enumerate() {
        let last = cores.len() + 1 == available;
        let fits = needs.fits(neuron);
        // The last core takes all that is left, so that what it lacks can be said.
        if i > start && !last && (!fits || breaks.contains(&i)) {
            cores.push(start..i);
            start = i;
            needs = Needs::new(network, limits);
        }
        needs.add(neuron);
        // A neuron that does not fit alone fits nowhere.
        if !last && i == start && !needs.broken().is_empty() {
            return Err(violations(&needs, cores.len(), platform));
        }
    }
    let broken = violations(&needs, cores.len(), platform);
    if broken.is_empty() {
        cores.push(start..fan_in.neurons.len());
        Ok(cores)
    } else {
        Err(broken)
    }
}

impl Needs<'_> {
    /// Whether a neuron still fits.
    fn fits(&self, neuron: &Neuron) -> bool {
        let l = &self.limits;
        let mut added: HashMap<Source, u64> = HashMap::new();
        for incoming in &neuron.incoming {
            *added.entry(incoming.source).or_default() += 1;
        }
        let held = |s: &Source| self.axons.get(s).copied();
        let new_axons = added.keys().filter(|s| held(s).is_none()).count() as u64;
        let longest = added.iter().map(|(s, n)| n + held(s).unwrap_or(0)).max().unwrap_or(0);
        let kind = &self.network.populations[neuron.population as usize].kind;
        let readout = u64::from(matches!(kind, Kind::Integrator { .. }));
        self.neurons < l.neurons
            && (self.neurons + 1) * l.accumulators_each <= l.accumulators
            && self.synapses + neuron.incoming.len() as u64 <= l.synapses
            && self.axons.len() as u64 + new_axons <= l.axons
            && longest <= l.axon_synapses
            && self.readouts + readout <= l.readouts
    }
}

fn violations(needs: &Needs<'_>, core: usize, platform: &Platform) -> Vec<Violation> {
    let place = place::place(core + 1, platform)[core];
    needs
        .broken()
        .into_iter()
        .filter(|b| b.0 != "ring_buffer.accumulators" || needs.limits.structure == Structure::RingBuffer)
        .map(|(limit, subject, needed, available, remedy)| Violation {
            limit: limit.into(),
            core: Some(place),
            subject: subject.into(),
            needed,
            available,
            remedy: remedy.into(),
        })
        .collect()
}

/// Cores whose neurons have more route entries than fit: index and violation.
fn crowded(
    fan_in: &FanIn,
    cores: &[Range<usize>],
    platform: &Platform,
    limits: Limits,
) -> Vec<(usize, Violation)> {
    let home: HashMap<(u32, u32), usize> = cores
        .iter()
        .enumerate()
        .flat_map(|(c, range)| {
            fan_in.neurons[range.clone()].iter().map(move |n| ((n.population, n.index), c))
        })
        .collect();
    let mut entries = vec![0u64; cores.len()];
    for range in cores {
        let sources: BTreeSet<Source> =
            fan_in.neurons[range.clone()].iter().flat_map(|n| n.incoming.iter().map(|i| i.source)).collect();
        for source in sources {
            if let Some(&core) = home.get(&(source.population, source.neuron)) {
                entries[core] += 1;
            }
        }
    }
    let places = place::place(cores.len(), platform);
    entries
        .into_iter()
        .enumerate()
        .filter(|(_, n)| *n > limits.output_axons)
        .map(|(core, needed)| {
            let violation = Violation {
                limit: "core.output_axons".into(),
                core: Some(places[core]),
                subject: "output axons".into(),
                needed,
                available: limits.output_axons,
                remedy: "prune synapses, or use a platform with more cores or output axons".into(),
            };
            (core, violation)
        })
        .collect()
}
