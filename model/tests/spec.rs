//! The examples of `SPEC.md`, run.

use model::golden;
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use spikes::Binned;

struct Example {
    network: Network,
    fired: Vec<(u32, u32)>,
    expectations: Vec<Vec<String>>,
}

fn number<T: std::str::FromStr>(words: &[String], at: usize) -> T {
    words[at].parse().unwrap_or_else(|_| panic!("`{}` in {words:?}", words[at]))
}

/// The number after a key.
fn after<T: std::str::FromStr>(words: &[String], key: &str) -> T {
    let at = words.iter().position(|w| w == key).unwrap_or_else(|| panic!("{key} in {words:?}"));
    number(words, at + 1)
}

/// `population.index`.
fn neuron(network: &Network, word: &str) -> (usize, u32) {
    let (name, index) = word.split_once('.').expect("population.index");
    let population = network.populations.iter().position(|p| p.name == name).expect("a population");
    (population, index.parse().expect("an index"))
}

impl Example {
    fn new() -> Self {
        let network = Network {
            name: "example".into(),
            step_ms: 1.0,
            steps: 0,
            membrane_bits: 24,
            classes: Vec::new(),
            populations: Vec::new(),
            projections: Vec::new(),
        };
        Self { network, fired: Vec::new(), expectations: Vec::new() }
    }

    fn line(&mut self, words: &[String]) {
        let network = &mut self.network;
        let mut populate = |name: &str, kind, size| {
            network.populations.push(Population { name: name.into(), kind, size });
        };
        match words[0].as_str() {
            "steps" => network.steps = number(words, 1),
            "membrane_bits" => network.membrane_bits = number(words, 1),
            "input" => populate("input", Kind::Input { group: 1 }, number(words, 1)),
            "lif" => {
                let subtract = words.iter().any(|w| w == "subtract");
                let kind = Kind::Lif {
                    reset: if subtract { Reset::Subtract } else { Reset::Zero },
                    decay: vec![after(words, "decay")],
                    threshold: vec![after(words, "threshold")],
                };
                populate(&words[1], kind, 1);
            }
            "integrator" => {
                let size: u32 = number(words, 2);
                let decay = vec![after(words, "decay"); size as usize];
                populate(&words[1], Kind::Integrator { decay }, size);
            }
            "synapse" => {
                let (source, pre) = neuron(network, &words[1]);
                let (target, post) = neuron(network, &words[2]);
                let (delay, weight) = (after(words, "delay"), after(words, "weight"));
                network.projections.push(Projection {
                    name: format!("projection {}", network.projections.len()),
                    source,
                    target,
                    weight_shift: 0,
                    synapses: vec![Synapse { pre, post, delay, weight }],
                });
            }
            "spike" => self.fired.push((number(words, 1), neuron(network, &words[2]).1)),
            "expect" => self.expectations.push(words[1..].to_vec()),
            other => panic!("`{other}` is no item of an example"),
        }
    }

    fn check(self) {
        let network = self.network;
        network.validate().expect("a valid network");
        let input = Binned::from_pairs(self.fired, network.steps);
        let mut membranes = Vec::new();
        let outcome = golden::run_traced(&network, &input, |_, population, v| {
            membranes.push((population, v.to_vec()));
        });
        assert!(!self.expectations.is_empty(), "an example expects something");
        for words in &self.expectations {
            let numbers =
                |from: usize| -> Vec<i64> { (from..words.len()).map(|i| number(words, i)).collect() };
            let named = || neuron(&network, &words[1]);
            let (found, expected): (Vec<i64>, _) = match words[0].as_str() {
                "spikes" => {
                    let fired = |s: &&golden::Spike| (s.population as usize, s.neuron) == named();
                    (outcome.spikes.iter().filter(fired).map(|s| s.step.into()).collect(), numbers(2))
                }
                "membrane" => {
                    let (population, index) = named();
                    let of = membranes.iter().filter(|m| m.0 == population);
                    (of.map(|m| m.1[index as usize]).collect(), numbers(2))
                }
                "scores" => (outcome.scores.clone(), numbers(1)),
                "prediction" => (vec![outcome.prediction.into()], numbers(1)),
                "lost" => (vec![outcome.lost.cast_signed()], numbers(1)),
                other => panic!("`{other}` cannot be expected"),
            };
            assert_eq!(found, expected, "{words:?}");
        }
    }
}

#[test]
fn every_example_of_the_specification_holds() {
    let text = include_str!("../SPEC.md");
    let blocks: Vec<_> = text.split("```example\n").skip(1).collect();
    assert!(blocks.len() >= 5, "{} examples", blocks.len());
    for block in blocks {
        let mut example = Example::new();
        for line in block.split("```").next().expect("ends").lines() {
            example.line(&line.split_whitespace().map(str::to_string).collect::<Vec<_>>());
        }
        example.check();
    }
}
