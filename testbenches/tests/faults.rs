//! The equality tests can fail: a fault seeded into any one side is seen.

use hw::image::Image;
use hw::layout::Memory;
use hw::{Platform, Structure};
use model::network::{Kind, Network};
use sim::{Options, Simulator};
use testbenches::golden::{Outcome, Vector};

const NAME: &str = "recurrent_subtract";

fn golden(vector: &Vector, network: &Network) -> Vec<Outcome> {
    (0..vector.input.len())
        .map(|sample| {
            let o = model::golden::run(network, &vector.binned(sample));
            let spikes = o.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
            (spikes, o.scores, o.prediction)
        })
        .collect()
}

fn simulated(vector: &Vector, image: &Image, structure: Structure) -> Vec<Outcome> {
    let mut simulator = Simulator::new(image, structure, Options::default()).expect("built");
    (0..vector.input.len())
        .map(|sample| {
            let o = simulator.run(&vector.binned(sample)).expect("runs");
            let spikes = o.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
            (spikes, o.scores, o.prediction)
        })
        .collect()
}

fn image(vector: &Vector, structure: Structure) -> Image {
    let platform = Platform::load("loihi").expect("preset");
    compiler::image(&vector.network, &vector.file, &platform, structure).expect("fits")
}

/// The strongest synapse into the output of the neuron that fires most: the scores must show it.
fn audible(network: &mut Network) -> &mut model::network::Synapse {
    let vector = Vector::load(NAME);
    let output = &network.projections[2];
    let fired = golden(&vector, network).into_iter().flat_map(|o| o.0);
    let mut counts = vec![0; network.populations[output.source].size as usize];
    for (_, _, neuron) in fired.filter(|s| s.1 as usize == output.source) {
        counts[neuron as usize] += 1;
    }
    let busiest = (0..counts.len()).max_by_key(|&n| counts[n]).expect("neurons") as u32;
    assert!(counts[busiest as usize] > 0, "the vector must make it fire");
    let synapses = network.projections[2].synapses.iter_mut().filter(|s| s.pre == busiest);
    synapses.max_by_key(|s| s.weight.unsigned_abs()).expect("has synapses")
}

#[test]
fn a_fault_in_the_golden_models_network_is_seen() {
    let vector = Vector::load(NAME);
    type Fault = fn(&mut Network);
    let faults: [(&str, Fault); 5] = [
        ("weight", |n| audible(n).weight ^= 64),
        ("delay", |n| audible(n).delay += 1),
        ("shift", |n| n.projections[1].weight_shift += 1),
        ("leak", |n| {
            if let Kind::Lif { decay, .. } = &mut n.populations[1].kind {
                decay[0] = 4096 - decay[0];
            }
        }),
        ("threshold", |n| {
            if let Kind::Lif { threshold, .. } = &mut n.populations[1].kind {
                threshold[0] *= 2;
            }
        }),
    ];
    vector.compare(&golden(&vector, &vector.network)).expect("without a fault they agree");
    for (name, fault) in faults {
        let mut network = vector.network.clone();
        fault(&mut network);
        assert!(vector.compare(&golden(&vector, &network)).is_err(), "a wrong {name} goes unseen");
    }
}

/// One bit of one word of a memory of core (0, 0).
fn flip(image: &mut Image, structure: Structure, memory: Memory, word: usize, bit: u32) {
    let build = image.builds.iter_mut().find(|b| b.structure == structure).expect("built");
    let contents = build.cores[0].contents.iter_mut().find(|c| c.0 == memory).expect("has contents");
    contents.1[word] ^= 1 << bit;
}

#[test]
fn a_fault_in_any_memory_of_the_simulator_is_seen() {
    let vector = Vector::load(NAME);
    for structure in Structure::ALL {
        let whole = image(&vector, structure);
        vector.compare(&simulated(&vector, &whole, structure)).expect("without a fault they agree");
        let widths = whole.builds[0].widths(&whole.platform);
        let mut faults = vec![
            // High bits of a weight, of the target neuron; leak and threshold.
            (
                "weight",
                Memory::Synapses,
                4,
                hw::layout::Widths::new(&whole.platform, structure).synapse() - 2,
            ),
            ("neuron", Memory::Synapses, 4, 0),
            ("leak", Memory::Parameters, 0, 11),
            ("threshold", Memory::Parameters, 0, hw::layout::DECAY_BITS + 6),
            ("route", Memory::Routes, 0, widths.x + widths.y),
        ];
        if structure == Structure::RingBuffer {
            faults.push(("delay", Memory::Synapses, 4, widths.neuron));
        }
        for (name, memory, word, bit) in faults {
            let mut faulty = whole.clone();
            flip(&mut faulty, structure, memory, word, bit);
            let outcome = simulated(&vector, &faulty, structure);
            assert!(vector.compare(&outcome).is_err(), "a wrong {name} goes unseen on {structure}");
        }
    }
}
