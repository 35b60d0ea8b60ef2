//! Cycles of every golden vector, step by step, stay what they were: `golden/cycles.csv`.
//!
//! A change to `hw/TIMING.md` changes them: write them anew with `DELAYLINE_WRITE=1` and say why in the commit.

use hw::{Platform, Structure};
use sim::probe::Probe;
use sim::{Options, Simulator};
use std::fmt::Write;
use testbenches::golden::{NAMES, Vector, folder};

/// First quiet cycle of every step.
#[derive(Default)]
struct Steps(Vec<u64>);

impl Probe for Steps {
    fn barrier(&mut self, quiet: u64, _release: u64) {
        self.0.push(quiet);
    }
}

fn table() -> String {
    let mut text = String::from(
        "vector,platform,structure,sample,cycles,steps_crc32,flits,hops,arrival_stalls,send_stalls\n",
    );
    let tiny = Platform::parse("tiny", include_str!("../platforms/tiny.toml")).expect("valid");
    let presets = ["loihi", "seneca"].map(|name| Platform::load(name).expect("preset"));
    for platform in presets.iter().chain([&tiny]) {
        for name in NAMES {
            let vector = Vector::load(name);
            for structure in Structure::ALL {
                let image = compiler::image(&vector.network, b"", platform, structure).expect("fits");
                let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
                for sample in 0..vector.input.len() {
                    let binned = vector.binned(sample);
                    let mut steps = Steps::default();
                    let watched = simulator.run_with(&binned, &mut steps).expect("runs");
                    let outcome = simulator.run(&binned).expect("runs");
                    assert_eq!(outcome, watched, "{name}: a probe changes nothing");
                    let bytes: Vec<_> = steps.0.iter().flat_map(|c| c.to_le_bytes()).collect();
                    let sum = |f: fn(&sim::stats::CoreStats) -> u64| outcome.cores.iter().map(f).sum::<u64>();
                    let flits = outcome.injected + sum(|c| c.flits_sent);
                    writeln!(
                        text,
                        "{name},{},{structure},{sample},{},{:08x},{flits},{},{},{}",
                        platform.name,
                        outcome.cycles,
                        crc32fast::hash(&bytes),
                        outcome.hops,
                        sum(|c| c.arrival_stalls),
                        sum(|c| c.send_stalls)
                    )
                    .expect("a string takes it");
                }
            }
        }
    }
    text
}

#[test]
fn golden_vectors_take_the_cycles_that_they_took() {
    let path = folder().join("cycles.csv");
    let found = table();
    if std::env::var_os("DELAYLINE_WRITE").is_some() {
        std::fs::write(&path, &found).expect("can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("golden/cycles.csv");
    for (e, f) in expected.lines().zip(found.lines()) {
        assert_eq!(e, f);
    }
    assert_eq!(expected.lines().count(), found.lines().count());
}
