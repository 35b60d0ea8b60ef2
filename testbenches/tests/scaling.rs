//! Many busy cores: the simulator does on them what a plain ring buffer does without any hardware.

use hw::Structure;
use sim::{Options, Simulator};
use testbenches::floor::Floor;
use testbenches::synthetic::{busy_cores, emitted};

/// Spikes and synaptic events of a run, also those that are due after it.
fn run(cores: u32, structure: Structure) -> (u64, u64) {
    let (network, input, platform) = busy_cores(cores, 16, 40, 30);
    let image = compiler::image(&network, b"", &platform, structure).expect("fits");
    let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
    assert_eq!(simulator.program().cores(), cores as usize);
    let outcome = simulator.run(&input).expect("runs");
    assert!(outcome.overflows.is_empty());
    let found = (outcome.spikes.len() as u64, emitted(&outcome, structure));
    assert_eq!(found, Floor::new(&network).run(&input), "{cores} cores, {structure}");
    found
}

#[test]
fn a_hundred_cores_do_a_hundred_times_what_one_does() {
    for structure in Structure::ALL {
        let (one, hundred) = (run(1, structure), run(100, structure));
        assert!(one.0 > 300, "{} spikes", one.0);
        assert_eq!(hundred, (100 * one.0, 100 * one.1));
    }
}
