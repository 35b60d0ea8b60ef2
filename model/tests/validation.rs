//! What is no network, and how it is said: every problem at once, each with its field.

use model::network::{Kind, Network, Population, Projection, Reset, Synapse};

fn lif(name: &str, size: u32) -> Population {
    let kind =
        Kind::Lif { reset: Reset::Zero, decay: vec![100; size as usize], threshold: vec![5; size as usize] };
    Population { name: name.into(), kind, size }
}

fn valid() -> Network {
    let input = Population { name: "input".into(), kind: Kind::Input { group: 1 }, size: 3 };
    let integrator = Kind::Integrator { decay: vec![0; 2] };
    let out = Population { name: "out".into(), kind: integrator, size: 2 };
    let project = |name: &str, source, target| Projection {
        name: name.into(),
        source,
        target,
        weight_shift: 2,
        synapses: vec![Synapse { pre: 0, post: 1, delay: 1, weight: -3 }],
    };
    Network {
        name: "n".into(),
        step_ms: 1.0,
        steps: 10,
        membrane_bits: 8,
        classes: vec!["a".into(), "b".into()],
        populations: vec![input, lif("hidden", 2), out],
        projections: vec![project("in", 0, 1), project("rec", 1, 1), project("read", 1, 2)],
    }
}

/// The problems of a valid network after one change.
fn problems(change: impl FnOnce(&mut Network)) -> Vec<String> {
    let mut network = valid();
    change(&mut network);
    network.validate().expect_err("must be refused").0
}

/// One change, one problem that says all of this.
fn one(change: impl FnOnce(&mut Network), says: &[&str]) {
    let found = problems(change);
    assert_eq!(found.len(), 1, "{found:?}");
    for words in says {
        assert!(found[0].contains(words), "`{words}` is not in `{}`", found[0]);
    }
}

fn decay(network: &mut Network) -> &mut Vec<u16> {
    match &mut network.populations[1].kind {
        Kind::Lif { decay, .. } => decay,
        _ => unreachable!("the hidden population is lif"),
    }
}

fn threshold(network: &mut Network) -> &mut Vec<i32> {
    match &mut network.populations[1].kind {
        Kind::Lif { threshold, .. } => threshold,
        _ => unreachable!("the hidden population is lif"),
    }
}

fn synapse(network: &mut Network) -> &mut Synapse {
    &mut network.projections[0].synapses[0]
}

#[test]
fn the_network_that_the_tests_change_is_valid() {
    valid().validate().expect("valid");
}

#[test]
fn step_length_must_be_positive() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-60] {
        one(|n| n.step_ms = bad, &["step_ms"]);
    }
}

#[test]
fn there_must_be_a_step() {
    one(|n| n.steps = 0, &["steps", "at least 1"]);
}

#[test]
fn steps_that_no_memory_holds_are_refused() {
    one(|n| n.steps = u32::MAX, &["steps = 4294967295", "at most 16777216"]);
    valid_after(|n| n.steps = 1 << 24);
}

#[test]
fn membranes_are_2_to_32_bits_wide() {
    for bad in [0, 1, 33, 255] {
        let found = problems(|n| n.membrane_bits = bad);
        assert!(found[0].contains("membrane_bits") && found[0].contains("2 to 32"), "{found:?}");
    }
}

#[test]
fn decay_is_at_most_4096_and_one_a_neuron() {
    one(|n| decay(n)[1] = 4097, &["hidden.decay[1]", "4097"]);
    one(|n| decay(n).push(0), &["hidden.decay", "3 values for 2 neurons"]);
    valid_after(|n| decay(n)[0] = 4096);
}

fn valid_after(change: impl FnOnce(&mut Network)) {
    let mut network = valid();
    change(&mut network);
    network.validate().expect("valid");
}

#[test]
fn a_threshold_is_at_least_1_and_fits_the_membrane() {
    for bad in [0, -1, i32::MIN, 128, i32::MAX] {
        one(|n| threshold(n)[0] = bad, &["hidden.threshold[0]", "1 to 127"]);
    }
    valid_after(|n| threshold(n)[0] = 127);
    one(|n| threshold(n).truncate(1), &["hidden.threshold", "1 values for 2 neurons"]);
}

#[test]
fn synapses_stay_within_their_populations() {
    one(|n| synapse(n).pre = 3, &["in.pre[0]", "`input` has 3"]);
    one(|n| synapse(n).post = 2, &["in.post[0]", "`hidden` has 2"]);
}

#[test]
fn there_is_no_delay_0_even_in_recurrent_projections() {
    one(|n| n.projections[1].synapses[0].delay = 0, &["rec.delay[0]", "least delay is 1"]);
}

#[test]
fn the_same_synapse_twice_is_refused_and_another_delay_is_not() {
    one(
        |n| {
            let twin = Synapse { weight: 9, ..*synapse(n) };
            n.projections[0].synapses.push(twin);
        },
        &["in[1]", "stands twice"],
    );
    valid_after(|n| {
        let other = Synapse { delay: 2, ..*synapse(n) };
        n.projections[0].synapses.push(other);
    });
}

#[test]
fn parallel_projections_are_allowed() {
    valid_after(|n| {
        let mut twin = n.projections[0].clone();
        twin.name = "in again".into();
        twin.weight_shift = 15;
        n.projections.push(twin);
    });
}

#[test]
fn a_shift_is_at_most_15() {
    one(|n| n.projections[0].weight_shift = 16, &["`in`", "weight_shift = 16"]);
}

#[test]
fn the_input_takes_nothing_and_the_integrator_sends_nothing() {
    one(|n| (n.projections[1].target, n.projections[1].source) = (0, 1), &["`rec`", "is the input"]);
    one(|n| (n.projections[1].source, n.projections[1].target) = (2, 1), &["`rec`", "never spikes"]);
    one(|n| n.projections[1].source = 9, &["`rec`", "no population"]);
}

#[test]
fn there_is_exactly_one_input_and_at_most_one_integrator() {
    one(
        |n| n.populations.push(Population { name: "x".into(), kind: Kind::Input { group: 1 }, size: 1 }),
        &["2 of kind input"],
    );
    one(
        |n| {
            let twin = Population { name: "x".into(), ..n.populations[2].clone() };
            n.populations.push(twin);
        },
        &["2 of kind integrator"],
    );
}

#[test]
fn without_an_integrator_the_last_population_must_spike() {
    one(
        |n| {
            n.populations.swap(0, 1);
            n.populations.truncate(2);
            n.projections.clear();
            n.classes.clear();
        },
        &["without an integrator"],
    );
}

#[test]
fn names_are_unique_and_fit_a_csv_file() {
    one(|n| n.populations[1].name = "out".into(), &["`out`", "taken"]);
    one(|n| n.projections[1].name = "in".into(), &["projections[1] `in`", "taken"]);
    for bad in ["", "a,b", "a\"b", "a\nb"] {
        one(|n| n.projections[0].name = bad.into(), &["projections[0]", "no commas"]);
    }
    for fine in ["schicht_ä", "隠れ 層", "h(1)'s=#2", "a.pre", "{}[]%;"] {
        valid_after(|n| n.populations[1].name = fine.into());
    }
}

#[test]
fn a_projection_may_be_called_like_a_population() {
    valid_after(|n| n.projections[0].name = "hidden".into());
    valid_after(|n| n.projections[0].name = "input".into());
    let mut network = valid();
    network.projections[0].name = "hidden".into();
    let bytes = network.to_bytes().expect("writes");
    assert_eq!(Network::from_bytes(&bytes, "n".as_ref()).expect("reads"), network);
}

#[test]
fn of_many_bad_values_the_first_is_named_and_the_rest_counted() {
    one(|n| decay(n).fill(5000), &["hidden.decay[0] = 5000", "(1 more like it)"]);
    one(|n| threshold(n).fill(-7), &["hidden.threshold[0] = -7", "(1 more like it)"]);
}

#[test]
fn classes_are_one_a_readout_unit_or_none() {
    one(|n| n.classes.truncate(1), &["classes", "1 names for 2"]);
    valid_after(|n| n.classes.clear());
}

#[test]
fn a_group_of_none_is_refused() {
    one(|n| n.populations[0].kind = Kind::Input { group: 0 }, &["group"]);
}

#[test]
fn all_problems_are_said_at_once() {
    let found = problems(|n| {
        n.steps = 0;
        n.membrane_bits = 40;
        synapse(n).delay = 0;
        decay(n)[0] = 9999;
        n.projections[2].weight_shift = 99;
    });
    for words in ["steps", "membrane_bits", "in.delay[0]", "hidden.decay[0]", "weight_shift"] {
        assert!(found.iter().any(|p| p.contains(words)), "{words}: {found:?}");
    }
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn an_invalid_network_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("n.safetensors");
    let mut network = valid();
    network.projections[0].target = 77;
    let message = network.write(&path).expect_err("refused").to_string();
    assert!(message.contains("n.safetensors") && message.contains("`in`"), "{message}");
    assert!(!path.exists());
    assert!(network.to_bytes().is_err());
}
