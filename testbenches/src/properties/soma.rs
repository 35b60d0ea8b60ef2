//! The soma takes the golden model's step, for all corner values.

use super::{Alter, Circuit, Dice, Property, same};
use hw::blocks::shape::Shape;
use hw::blocks::soma::soma;
use hw::layout::NeuronParameters;
use hw::platform::Ports;
use hw::{Platform, Structure};
use model::golden;
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use proptest::collection::vec;
use proptest::prelude::*;
use rtl::Library;
use spikes::Binned;

/// The property.
pub fn property() -> Property {
    Property {
        name: "soma",
        claim: "membranes, spikes and scores are the golden model's, for corner values of every operand",
        check: |search| search.over(&case(), run),
    }
}

#[derive(Debug, Clone)]
struct Neuron {
    decay: u16,
    threshold: i32,
    /// What arrives in each step.
    sums: Vec<i64>,
}

#[derive(Debug)]
struct Case {
    membrane_bits: u8,
    sum_bits: u8,
    ports: (Ports, Ports),
    steps: usize,
    /// Neurons that reset to zero, that reset by subtraction, integrators.
    neurons: [Vec<Neuron>; 3],
    seed: u64,
}

fn ports() -> impl Strategy<Value = Ports> {
    prop_oneof![Just(Ports::OneRw), Just(Ports::OneReadOneWrite)]
}

/// Ends of a range, zero and its neighbours, or anything.
fn corner(low: i64, high: i64) -> impl Strategy<Value = i64> {
    let near = move |v: i64| Just(v.clamp(low, high));
    prop_oneof![near(low), near(low + 1), near(high), near(high - 1), near(-1), near(0), near(1), low..=high]
}

fn case() -> impl Strategy<Value = Case> {
    let count = prop_oneof![0..4usize, 0..22usize];
    let shape = (
        2..=32u8,
        8..=28u8,
        (ports(), ports()),
        1..6usize,
        [count.clone(), count.clone(), count],
        any::<u64>(),
    );
    shape.prop_filter("a neuron", |(_, _, _, _, counts, _)| counts.iter().sum::<usize>() > 0).prop_flat_map(
        |(membrane_bits, sum_bits, ports, steps, counts, seed)| {
            let (top, most) = ((1i64 << (membrane_bits - 1)) - 1, (1i64 << (sum_bits - 1)) - 1);
            let neuron = (corner(0, 4096), corner(1, top), vec(corner(-most - 1, most), steps)).prop_map(
                |(decay, threshold, sums)| Neuron { decay: decay as u16, threshold: threshold as i32, sums },
            );
            let neuron = neuron.boxed();
            let neurons = counts.map(|n| vec(neuron.clone(), n));
            neurons.prop_map(move |neurons| Case { membrane_bits, sum_bits, ports, steps, neurons, seed })
        },
    )
}

/// Weights and shifts of which any sum is made: powers of two of both signs up to 2^20, and 2^21 as often as needed.
fn coins() -> impl Iterator<Item = (i64, i8, u8)> {
    let powers = [0, 7, 14].into_iter().flat_map(|shift| (0..7).map(move |bit| (1i8 << bit, shift)));
    let large = std::iter::repeat_n((64, 15), 64);
    let both = powers.chain(large).flat_map(|(weight, shift)| [(weight, shift), (-weight, shift)]);
    both.map(|(weight, shift)| (i64::from(weight) << shift, weight, shift))
}

/// Which coins make a sum; large ones first.
fn change(sum: i64, coins: &[(i64, i8, u8)]) -> Vec<usize> {
    let (mut left, mut used) = (sum, Vec::new());
    for (i, &(value, ..)) in coins.iter().enumerate().rev() {
        if value.signum() == left.signum() && value.abs() <= left.abs() {
            left -= value;
            used.push(i);
        }
    }
    assert_eq!(left, 0, "{sum} is made of coins");
    used
}

/// The case as a network and its input: a channel for each neuron and coin, which it reaches a step later.
fn network(case: &Case) -> (Network, Binned) {
    let coins: Vec<_> = coins().collect();
    let neurons: Vec<_> = case.neurons.iter().flatten().collect();
    let channels = (neurons.len() * coins.len()) as u32;
    let mut populations =
        vec![Population { name: "input".into(), kind: Kind::Input { group: 1 }, size: channels }];
    let (mut projections, mut first) = (Vec::new(), 0);
    for (kind, list) in case.neurons.iter().enumerate().filter(|(_, list)| !list.is_empty()) {
        let decay = list.iter().map(|n| n.decay).collect();
        let threshold = list.iter().map(|n| n.threshold).collect();
        let kind = match kind {
            0 => Kind::Lif { reset: Reset::Zero, decay, threshold },
            1 => Kind::Lif { reset: Reset::Subtract, decay, threshold },
            _ => Kind::Integrator { decay },
        };
        let target = populations.len();
        for weight_shift in [0, 7, 14, 15] {
            let reaches = |post: usize| {
                let mine = coins.iter().enumerate().filter(move |(_, coin)| coin.2 == weight_shift);
                let pre = ((first + post) * coins.len()) as u32;
                mine.map(move |(i, coin)| Synapse {
                    pre: pre + i as u32,
                    post: post as u32,
                    delay: 1,
                    weight: coin.1,
                })
            };
            let synapses = (0..list.len()).flat_map(reaches).collect();
            projections.push(Projection {
                name: format!("e{target}_{weight_shift}"),
                source: 0,
                target,
                weight_shift,
                synapses,
            });
        }
        populations.push(Population { name: format!("p{target}"), kind, size: list.len() as u32 });
        first += list.len();
    }
    let mut pairs = Vec::new();
    for (n, neuron) in neurons.iter().enumerate() {
        for (t, &sum) in neuron.sums.iter().enumerate() {
            pairs.extend(change(sum, &coins).iter().map(|i| (t as u32, (n * coins.len() + i) as u32)));
        }
    }
    pairs.sort_unstable();
    let steps = case.steps as u32 + 1;
    let network = Network {
        name: "soma".into(),
        step_ms: 1.0,
        steps,
        membrane_bits: case.membrane_bits,
        classes: Vec::new(),
        populations,
        projections,
    };
    (network, Binned::from_pairs(pairs, steps))
}

fn run(case: &Case, alter: Alter<'_>) -> Result<(), String> {
    let (network, input) = network(case);
    let mut membranes = vec![Vec::new(); case.steps + 1];
    let outcome = golden::run_traced(&network, &input, |t, population, v| {
        if population > 0 {
            membranes[t as usize].extend_from_slice(v);
        }
    });
    let neurons: Vec<_> = case.neurons.iter().flatten().collect();
    let integrators = case.neurons[2].len();
    let first = neurons.len() - integrators;

    let mut p = Platform::load("loihi").expect("the preset");
    p.core.neurons = neurons.len() as u32 + (case.seed % 3) as u32;
    p.core.readouts = p.core.neurons;
    (p.core.membrane_ports, p.ring_buffer.accumulator_ports) = case.ports;
    (p.core.membrane_bits_max, p.ring_buffer.accumulator_bits) = (32, case.sum_bits);
    (p.ring_buffer.slots, p.ring_buffer.accumulators) = (2, 2 * p.core.neurons);
    let shape = Shape::new(&p, Structure::RingBuffer);
    let mut c = Circuit::new(soma(&mut Library::new(), &shape).expect("a soma"), alter);
    c.set("neurons", neurons.len() as u64);
    c.set("integrators", if integrators > 0 { first as u64 } else { 0 });
    c.set("readouts", integrators as u64);
    c.set("membrane_max", (1u64 << (case.membrane_bits - 1)) - 1);
    let words: Vec<_> = (0..neurons.len())
        .map(|i| {
            let subtract = i >= case.neurons[0].len() && i < first;
            let Neuron { decay, threshold, .. } = *neurons[i];
            let parameters = NeuronParameters { decay, threshold, subtract, integrator: i >= first };
            shape.widths.pack_parameters(parameters)
        })
        .collect();
    let memory = c.0.memory("parameters").expect("a memory");
    c.0.load(memory, &words).expect("they fit");
    for name in ["membranes", "scores"] {
        let memory = c.0.memory(name).expect("a memory");
        (0..c.0.words(memory)).for_each(|i| c.0.set_word(memory, i, 1));
    }
    c.set("wipe", 1u64);
    for address in 0..1u64 << shape.accumulator_address() {
        c.set("wipe_address", address);
        c.step()?;
    }
    c.set("wipe", 0u64);

    let mut dice = Dice::new(case.seed);
    let mut spikes = Vec::new();
    let mut v = vec![0; neurons.len()];
    for (step, expected) in membranes.iter().enumerate() {
        let mut read = None;
        let mut done = false;
        c.set("go", 1u64);
        for _ in 0..2 * neurons.len() + 8 {
            if done {
                break;
            }
            // What arrived comes in the cycle after the read; else anything.
            let sum = read.map(|n: usize| if step == 0 { 0 } else { neurons[n].sums[step - 1] });
            c.set_s("sum", sum.unwrap_or(dice.below(100) as i64 - 50));
            read = c.is("read").then(|| c.get("read_neuron") as usize).filter(|&n| n < neurons.len());
            if c.is("write") {
                let n = c.get("neuron") as usize;
                if n >= v.len() {
                    return Err(format!("neuron {n} is written"));
                }
                v[n] = c.get_s("membrane");
                spikes.extend(c.is("spike").then_some((step, n)));
            }
            done = c.is("done");
            c.step()?;
            c.set("go", 0u64);
        }
        same(done, true, "the update ends")?;
        same(&v, expected, &format!("membranes of step {step}"))?;
        for _ in 0..dice.below(3) {
            c.step()?;
        }
    }
    let mut base = vec![0];
    for population in &network.populations[1..] {
        base.push(base[base.len() - 1] + population.size as usize);
    }
    let expected: Vec<_> = outcome
        .spikes
        .iter()
        .map(|s| (s.step as usize, base[s.population as usize - 1] + s.neuron as usize))
        .collect();
    same(spikes, expected, "spikes")?;
    for i in 0..integrators {
        c.set("readout", 1u64);
        c.set("readout_address", i as u64);
        c.step()?;
        same(c.get_s("readout_data"), outcome.scores[i], &format!("score {i}"))?;
    }
    Ok(())
}
