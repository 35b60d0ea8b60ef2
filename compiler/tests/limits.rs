//! Each limit: what is exactly at it is accepted, one over is refused for it and no other.

mod common;

use hw::layout::Memory;
use hw::{Platform, Structure};
use model::network::Network;

/// A mesh of one core, so that a cut cannot help.
fn one_core() -> Platform {
    let mut platform = Platform::load("loihi").expect("preset");
    (platform.mesh.width, platform.mesh.height) = (1, 1);
    platform.mesh.injectors.truncate(1);
    platform
}

fn used(network: &Network, structure: Structure, memory: Memory) -> u64 {
    let platform = one_core();
    let build = compiler::compile(network, &platform, structure).expect("fits");
    let uses = build.cores[0].memory_use(&platform, &build);
    uses.iter().find(|u| u.spec.memory == memory).expect("memory").used
}

/// `set` gives the platform a limit; exactly `need` is enough, `less` is not.
fn at_limit(limit: &str, structure: Structure, need: u64, less: u64, set: impl Fn(&mut Platform, u64)) {
    let network = common::network();
    let mut platform = one_core();
    set(&mut platform, need);
    if let Err(v) = compiler::compile(&network, &platform, structure) {
        panic!("{limit} = {need}: {v:?}");
    }
    set(&mut platform, less);
    let violations = compiler::compile(&network, &platform, structure).expect_err("one over");
    let [v] = &violations[..] else { panic!("{limit}: {violations:?}") };
    assert_eq!(v.limit, limit);
    assert_eq!(v.needed, need);
    assert_eq!(v.available, less);
    assert!(!v.remedy.is_empty());
}

fn each(f: impl Fn(Structure)) {
    Structure::ALL.into_iter().for_each(f);
}

#[test]
fn neurons() {
    each(|s| at_limit("core.neurons", s, 9, 8, |p, n| p.core.neurons = n as u32));
}

#[test]
fn accumulators() {
    let need = used(&common::network(), Structure::RingBuffer, Memory::Accumulators);
    assert_eq!(need, 9 * 8);
    at_limit("ring_buffer.accumulators", Structure::RingBuffer, need, need - 1, |p, n| {
        p.ring_buffer.accumulators = n as u32
    });
}

#[test]
fn synapse_words() {
    each(|s| {
        let need = used(&common::network(), s, Memory::Synapses);
        assert_eq!(need, 24 + 36 + 18);
        at_limit("core.synapse_bits", s, need, need - 1, |p, n| {
            let bits = u64::from(hw::layout::Widths::new(p, s).synapse());
            // All but the last bit of one word more.
            p.core.synapse_bits = (n + 1) * bits - 1;
        });
    });
}

#[test]
fn input_axons() {
    each(|s| {
        let need = used(&common::network(), s, Memory::Axons);
        // Hidden neurons feed with two shifts.
        assert_eq!(need, 4 + 2 * 6);
        at_limit("core.input_axons", s, need, need - 1, |p, n| p.core.input_axons = n as u32);
    });
}

#[test]
fn output_axons() {
    each(|s| {
        let need = used(&common::network(), s, Memory::Routes);
        assert_eq!(need, 2 * 6);
        at_limit("core.output_axons", s, need, need - 1, |p, n| p.core.output_axons = n as u32);
    });
}

#[test]
fn readouts() {
    each(|s| at_limit("core.readouts", s, 3, 2, |p, n| p.core.readouts = n as u32));
}

#[test]
fn synapses_of_an_axon() {
    at_limit("shared_queue.axon_synapses", Structure::SharedQueue, 6, 5, |p, n| {
        p.shared_queue.axon_synapses = n as u32
    });
}

#[test]
fn delays() {
    let network = common::network();
    let mut platform = one_core();
    platform.ring_buffer.slots = 8;
    platform.shared_queue.longest_delay = 7;
    each(|s| assert!(compiler::compile(&network, &platform, s).is_ok()));
    let mut longer = network;
    // One synapse, one step.
    longer.projections[0].synapses.iter_mut().find(|s| s.delay == 7).expect("delay 7").delay = 8;
    let refused = |s| compiler::compile(&longer, &platform, s).expect_err("too long");
    let ring = refused(Structure::RingBuffer);
    assert_eq!((ring.len(), ring[0].limit.as_str(), ring[0].needed), (1, "ring_buffer.slots", 9));
    assert!(ring[0].subject.contains("in-hidden"));
    let queue = refused(Structure::SharedQueue);
    assert_eq!((queue.len(), queue[0].limit.as_str(), queue[0].needed), (1, "shared_queue.longest_delay", 8));
}

#[test]
fn accumulator_width() {
    // 4 x (90 << 1) + 6 x 5 = 750 needs 10 bits and a sign.
    at_limit("ring_buffer.accumulator_bits", Structure::RingBuffer, 11, 10, |p, n| {
        p.ring_buffer.accumulator_bits = n as u8
    });
    at_limit("shared_queue.accumulator_bits", Structure::SharedQueue, 11, 10, |p, n| {
        p.shared_queue.accumulator_bits = n as u8
    });
}

#[test]
fn score_width() {
    // 100 x 2^19 is below 2^26.
    each(|s| at_limit("core.score_bits", s, 27, 26, |p, n| p.core.score_bits = n as u8));
}

#[test]
fn membrane_width() {
    each(|s| {
        at_limit("core.membrane_bits_max", s, 20, 19, |p, n| p.core.membrane_bits_max = n as u8);
        at_limit("core.membrane_bits_min", s, 20, 21, |p, n| p.core.membrane_bits_min = n as u8);
    });
}

#[test]
fn one_synapse_more_is_refused_for_synapses_alone() {
    each(|s| {
        let mut network = common::network();
        let mut platform = one_core();
        let bits = u64::from(hw::layout::Widths::new(&platform, s).synapse());
        platform.core.synapse_bits = used(&network, s, Memory::Synapses) * bits;
        assert!(compiler::compile(&network, &platform, s).is_ok());
        let mut more = network.projections[0].synapses[0];
        more.delay = 7;
        more.weight = 0;
        network.projections[0].synapses.push(more);
        assert!(compiler::compile(&network, &platform, s).is_ok(), "a weight of 0 costs nothing");
        network.projections[0].synapses.last_mut().expect("pushed").weight = 1;
        let violations = compiler::compile(&network, &platform, s).expect_err("one synapse over");
        assert_eq!(violations.iter().map(|v| v.limit.as_str()).collect::<Vec<_>>(), ["core.synapse_bits"]);
        assert_eq!(violations[0].core, Some((0, 0)));
        assert_eq!(violations[0].needed, violations[0].available + 1);
    });
}

#[test]
fn routes_that_are_too_many_are_cut_again_where_there_are_cores() {
    let network = common::network();
    let mut platform = Platform::load("loihi").expect("preset");
    platform.core.output_axons = 8;
    each(|s| {
        let build = compiler::compile(&network, &platform, s).expect("fits on several cores");
        assert!(build.cores.len() > 1);
        assert!(build.cores.iter().all(|c| c.words(Memory::Routes).len() <= 8));
    });
}
