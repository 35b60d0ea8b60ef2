//! Memories, routes and inputs of the cores.

use crate::fan_in::{FanIn, Source};
use hw::image::{Build, CoreImage, Segment};
use hw::layout::{AxonRow, Memory, NeuronParameters, QueueSynapse, RingSynapse, RouteRow, Target, Widths};
use hw::platform::{Platform, Structure};
use model::network::{Kind, Network, Reset};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// (delay, neuron in the core, weight) of an axon's synapses.
type Lists = BTreeMap<Source, Vec<(u16, u32, i8)>>;

/// Fills the memories of all cores.
#[must_use]
pub fn build(
    network: &Network,
    fan_in: &FanIn,
    platform: &Platform,
    structure: Structure,
    depth: u32,
    cores: &[Range<usize>],
    places: &[(u16, u16)],
) -> Build {
    let widths = Widths::new(platform, structure);
    let lists: Vec<Lists> = cores.iter().map(|range| lists(fan_in, range)).collect();
    // Cores stand in the image by place, and so do the targets of every spike.
    let mut order: Vec<usize> = (0..cores.len()).collect();
    order.sort_by_key(|&c| (places[c].1, places[c].0));
    let mut targets: HashMap<(u32, u32), Vec<Target>> = HashMap::new();
    for &core in &order {
        let (x, y) = places[core];
        for (axon, source) in lists[core].keys().enumerate() {
            let target = Target { x, y, axon: axon as u32 };
            targets.entry((source.population, source.neuron)).or_default().push(target);
        }
    }
    let input = network.input();
    let targets_of =
        |population: u32, neuron: u32| targets.get(&(population, neuron)).map_or(&[][..], Vec::as_slice);
    Build {
        structure,
        depth,
        cores: order
            .iter()
            .map(|&core| {
                let neurons = &fan_in.neurons[cores[core].clone()];
                let mut segments: Vec<Segment> = Vec::new();
                let (mut parameters, mut index, mut routes) = (Vec::new(), Vec::new(), Vec::new());
                for neuron in neurons {
                    match segments.last_mut() {
                        Some(s) if s.population == neuron.population => s.count += 1,
                        _ => segments.push(Segment {
                            population: neuron.population,
                            first: neuron.index,
                            count: 1,
                        }),
                    }
                    let found = parameters_of(network, neuron.population, neuron.index);
                    parameters.push(widths.pack_parameters(found));
                    let to = targets_of(neuron.population, neuron.index);
                    let row = RouteRow { base: routes.len() as u32, count: to.len() as u32 };
                    index.push(widths.pack_route_row(row));
                    routes.extend(to.iter().map(|t| widths.pack_target(*t)));
                }
                let mut contents = synapses(&widths, &lists[core]);
                contents.extend([
                    (Memory::Parameters, parameters),
                    (Memory::RouteIndex, index),
                    (Memory::Routes, routes),
                ]);
                CoreImage { x: places[core].0, y: places[core].1, segments, contents }
            })
            .collect(),
        inputs: (0..network.populations[input].size)
            .map(|channel| targets_of(input as u32, channel).to_vec())
            .collect(),
    }
}

/// The synapses of a core, by axon.
fn lists(fan_in: &FanIn, range: &Range<usize>) -> Lists {
    let mut lists = Lists::new();
    for (local, neuron) in fan_in.neurons[range.clone()].iter().enumerate() {
        for i in &neuron.incoming {
            lists.entry(i.source).or_default().push((i.delay, local as u32, i.weight));
        }
    }
    for list in lists.values_mut() {
        list.sort_unstable();
    }
    lists
}

/// Synapses, axon rows and, for a shared queue, useful-weight rows.
fn synapses(widths: &Widths, lists: &Lists) -> Vec<(Memory, Vec<u64>)> {
    let (mut words, mut rows, mut useful) = (Vec::new(), Vec::new(), Vec::new());
    for (source, list) in lists {
        let row = AxonRow { base: words.len() as u32, count: list.len() as u32, shift: source.shift };
        rows.push(widths.pack_axon_row(row));
        useful.push(list.iter().fold(0u64, |row, s| row | 1 << (s.0 - 1)));
        for (i, &(delay, neuron, weight)) in list.iter().enumerate() {
            words.push(match widths.structure {
                Structure::RingBuffer => {
                    widths.pack_ring_synapse(RingSynapse { neuron, delay: delay.into(), weight })
                }
                Structure::SharedQueue => {
                    let last = list.get(i + 1).is_none_or(|next| next.0 != delay);
                    widths.pack_queue_synapse(QueueSynapse { neuron, last, weight })
                }
            });
        }
    }
    let mut out = vec![(Memory::Synapses, words), (Memory::Axons, rows)];
    if widths.structure == Structure::SharedQueue {
        out.push((Memory::UsefulWeights, useful));
    }
    out
}

fn parameters_of(network: &Network, population: u32, neuron: u32) -> NeuronParameters {
    let population = &network.populations[population as usize];
    let n = neuron as usize;
    match &population.kind {
        Kind::Lif { reset, decay, threshold } => NeuronParameters {
            decay: decay[n],
            threshold: threshold[n],
            subtract: *reset == Reset::Subtract,
            integrator: false,
        },
        Kind::Integrator { decay } => {
            NeuronParameters { decay: decay[n], threshold: 0, subtract: false, integrator: true }
        }
        Kind::Input { .. } => unreachable!("inputs are not placed"),
    }
}
