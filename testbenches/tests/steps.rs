//! Statistics by step: they add up to the counts of the sample, and what held a barrier adds up to its cycles.

use hw::{Platform, Structure};
use proptest::prelude::*;
use sim::mesh::{Flit, Port};
use sim::probe::{NoProbe, Probe, SynapticOperation};
use sim::series::Held;
use sim::stats::CoreStats;
use sim::steps::{Record, Recorder};
use sim::{Options, Outcome, Simulator};
use spikes::Binned;
use testbenches::random;

/// What a fine probe sees by step and core: synaptic operations, and hops.
#[derive(Default)]
struct Seen {
    step: usize,
    operations: Vec<Vec<u64>>,
    hops: Vec<u64>,
    events: Vec<Vec<u64>>,
}

impl Seen {
    fn new(steps: usize, cores: usize) -> Self {
        let counts = vec![vec![0; cores]; steps];
        Self { step: 0, operations: counts.clone(), hops: vec![0; steps], events: counts }
    }
}

impl Probe for Seen {
    fn step(&mut self, _: u64, step: u32) {
        self.step = step as usize;
    }
    fn synapse(&mut self, _: u64, core: usize, _: SynapticOperation) {
        self.operations[self.step][core] += 1;
    }
    fn queue_read(&mut self, _: u64, core: usize, _: hw::layout::QueueEvent) {
        self.events[self.step][core] += 1;
    }
    fn router_output(&mut self, _: u64, _: usize, port: Port, _: Flit) {
        self.hops[self.step] += u64::from(port != Port::Local);
    }
}

fn total(series: &[u64]) -> u64 {
    series.iter().sum()
}

/// Everything that must hold of a record, for both structures.
fn check(structure: Structure, platform: &Platform, record: &Record, outcome: &Outcome, seen: &Seen) {
    for (i, (core, counts)) in record.cores.iter().zip(&outcome.cores).enumerate() {
        let sums = CoreStats {
            arrivals: total(&core.arrivals),
            arrival_stalls: total(&core.arrival_stalls),
            delivered: total(&core.delivered),
            skipped: total(&core.skipped),
            dropped: total(&core.dropped),
            synaptic_operations: total(&core.performed),
            lost: total(&core.lost),
            updates: total(&core.updates),
            spikes: total(&core.spikes),
            flits_sent: total(&core.flits_sent),
            send_stalls: total(&core.send_stalls),
            queue_peak: core.queue_peak.iter().copied().max().unwrap_or(0),
        };
        assert_eq!(&sums, counts, "{structure}, core {i}");
        for (t, seen) in seen.operations.iter().enumerate() {
            assert_eq!(core.performed[t], seen[i], "{structure}, core {i}, step {t}: synaptic operations");
        }
        for (t, seen) in seen.events.iter().enumerate() {
            assert_eq!(
                core.delivered[t] + core.skipped[t],
                seen[i],
                "{structure}, core {i}, step {t}: events"
            );
        }
        for (t, &cycles) in record.chip.chip.cycles.iter().enumerate() {
            assert!(core.busy[t] <= cycles, "{structure}, core {i}, step {t}");
            assert!(core.barrier_wait[t] >= u64::from(platform.mesh.barrier_latency));
            assert!(
                core.busy[t] + core.barrier_wait[t] <= cycles + 8,
                "what is not waiting is work or a flit's way"
            );
        }
        let lost = if structure == Structure::SharedQueue { total(&core.lost) } else { 0 };
        assert_eq!(total(&core.emitted), counts.synaptic_operations + lost);
    }
    let chip = &record.chip.chip;
    assert_eq!(chip.hops, seen.hops);
    assert_eq!(total(&chip.cycles), outcome.cycles);
    assert_eq!((total(&chip.hops), total(&chip.injected)), (outcome.hops, outcome.injected));
    assert_eq!(total(&chip.router_stalls), outcome.router_stalls);
    let path = record.chip.path.all();
    for (t, &cycles) in chip.cycles.iter().enumerate() {
        let parts: u64 = path.iter().map(|part| part[t]).sum();
        assert_eq!(parts, cycles, "{structure}, step {t}: the parts of the critical path");
        assert_eq!(record.chip.held[t].len(), 1);
        assert_eq!(record.chip.path.barrier[t], u64::from(platform.mesh.barrier_latency));
    }
}

proptest! {
    #![proptest_config(testbenches::keeping(48))]

    #[test]
    fn series_add_up_to_the_counts_and_paths_to_the_cycles((network, input, platform) in random::case()) {
        for structure in Structure::ALL {
            let Ok(image) = compiler::image(&network, b"", &platform, structure) else { continue };
            let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
            let plain = simulator.run(&input).expect("runs");
            let mut seen = Seen::new(network.steps as usize, simulator.program().cores());
            let (outcome, record) = Recorder::run(&mut simulator, &input, &mut seen).expect("runs");
            prop_assert_eq!(&outcome, &plain, "recording changes nothing");
            check(structure, &platform, &record, &outcome, &seen);
            let (again, alone) = Recorder::run(&mut simulator, &input, &mut NoProbe).expect("runs");
            prop_assert_eq!((again, alone), (plain, record), "nor does a fine probe beside it");
        }
    }
}

/// One input, one neuron, one core: `hw/TIMING.md`, section 9.
#[test]
fn the_worked_example_names_what_held_its_barrier() {
    use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
    let mut platform = Platform::load("loihi").expect("preset");
    (platform.mesh.width, platform.mesh.height, platform.mesh.barrier_latency) = (1, 1, 4);
    platform.mesh.injectors.truncate(1);
    (platform.mesh.injectors[0].x, platform.mesh.injectors[0].y) = (0, 0);
    platform.mesh.injectors[0].side = hw::platform::Side::West;
    let lif = Kind::Lif { reset: Reset::Zero, decay: vec![0], threshold: vec![100] };
    let network = Network {
        name: "one".into(),
        step_ms: 1.0,
        steps: 2,
        membrane_bits: 24,
        classes: Vec::new(),
        populations: vec![
            Population { name: "in".into(), kind: Kind::Input { group: 1 }, size: 1 },
            Population { name: "out".into(), kind: lif, size: 1 },
        ],
        projections: vec![Projection {
            name: "one".into(),
            source: 0,
            target: 1,
            weight_shift: 0,
            synapses: vec![Synapse { pre: 0, post: 0, delay: 1, weight: 1 }],
        }],
    };
    let image = compiler::image(&network, b"", &platform, Structure::RingBuffer).expect("fits");
    let mut simulator = Simulator::new(&image, Structure::RingBuffer, Options::default()).expect("built");
    let input = Binned::from_pairs(vec![(0, 0)], 2);
    let (_, record) = Recorder::run(&mut simulator, &input, &mut NoProbe).expect("runs");
    let path = &record.chip.path;
    // Sent in 0, at the head of the port in 4 and taken, quiet in 8; then four cycles of barrier.
    assert_eq!(
        (path.sender[0], path.mesh[0], path.port[0], path.synapses[0], path.barrier[0]),
        (0, 4, 0, 4, 4)
    );
    // Nothing arrives: the update alone.
    assert_eq!((path.update[1], path.barrier[1], record.chip.chip.cycles[1]), (4, 4, 8));
    let held = |t: usize| record.chip.held[t][0].held.clone();
    assert_eq!(held(0), Held { part: "mesh".into(), component: "router_0_0".into() });
    assert_eq!(held(1), Held { part: "update".into(), component: "core_0_0".into() });
    let core = &record.cores[0];
    assert_eq!((&core.arrivals[..], &core.busy[..]), (&[1, 0][..], &[5, 4][..]));
}
