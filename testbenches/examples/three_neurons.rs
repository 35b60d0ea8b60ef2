//! Three neurons written by hand; the delay of the chain is seen in the wave.
//!
//!     cargo run -p testbenches --example three_neurons -- three.vcd && gtkwave three.vcd
//!
//! The input spikes in step 0. Delays 1, 5 and 3 carry it along the chain: the neurons fire in
//! steps 1, 6 and 9.

use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Simulator};
use spikes::Binned;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "three.vcd".into());
    let population = |name: &str, kind, size| Population { name: name.into(), kind, size };
    let neurons = Kind::Lif { reset: Reset::Zero, decay: vec![410; 3], threshold: vec![100; 3] };
    let projection = |name: &str, source, synapses: &[(u32, u32, u16)]| Projection {
        name: name.into(),
        source,
        target: 1,
        weight_shift: 0,
        synapses: synapses
            .iter()
            .map(|&(pre, post, delay)| Synapse { pre, post, delay, weight: 100 })
            .collect(),
    };
    let network = Network {
        name: "three neurons".into(),
        step_ms: 1.0,
        steps: 12,
        membrane_bits: 24,
        classes: Vec::new(),
        populations: vec![population("input", Kind::Input { group: 1 }, 1), population("chain", neurons, 3)],
        projections: vec![projection("in", 0, &[(0, 0, 1)]), projection("along", 1, &[(0, 1, 5), (1, 2, 3)])],
    };
    let platform = hw::Platform::load("loihi")?;
    let image = compiler::image(&network, &network.to_bytes()?, &platform, platform.delays)
        .map_err(|violations| format!("{violations:?}"))?;
    let mut simulator = Simulator::new(&image, image.primary, Options::default())?;
    let mut waves = Waves::create(
        Files { vcd: Some(path.as_ref()), fst: None },
        simulator.program(),
        &Selection::default(),
    )?;
    let outcome = simulator.run_with(&Binned::from_pairs(vec![(0, 0)], network.steps), &mut waves)?;
    waves.finish()?;
    for spike in &outcome.spikes {
        println!("step {}: neuron {} fires", spike.step, spike.neuron);
    }
    assert_eq!(outcome.spikes.iter().map(|s| s.step).collect::<Vec<_>>(), [1, 6, 9]);
    Ok(())
}
