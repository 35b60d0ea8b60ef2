//! Cycles of every golden vector, step by step, stay what they were: `golden/cycles.csv`.
//!
//! A change to `hw/TIMING.md` changes them: write them anew with `DELAYLINE_WRITE=1` and say why in the commit.

use hw::{Platform, Structure};
use sim::mesh::{Flit, Port};
use sim::probe::Probe;
use sim::{Options, Program, Simulator};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use testbenches::golden::{NAMES, Vector, folder};

/// First quiet cycle of every step; and how long the flit at the head of each input port waited, by what goes in and out.
struct Steps {
    quiet: Vec<u64>,
    core_of: HashMap<usize, usize>,
    /// By core: cycles in which flits can be at the head, and the first in which the next one is.
    ports: Vec<(VecDeque<u64>, u64)>,
    arrival_stalls: u64,
}

impl Steps {
    fn new(program: &Program) -> Self {
        let router = |core| {
            let (x, y) = program.place(core);
            usize::from(y) * usize::from(program.platform.mesh.width) + usize::from(x)
        };
        Self {
            quiet: Vec::new(),
            core_of: (0..program.cores()).map(|core| (router(core), core)).collect(),
            ports: vec![Default::default(); program.cores()],
            arrival_stalls: 0,
        }
    }
}

impl Probe for Steps {
    fn barrier(&mut self, quiet: u64, _release: u64) {
        self.quiet.push(quiet);
    }
    fn router_output(&mut self, cycle: u64, router: usize, port: Port, _: Flit) {
        if port == Port::Local {
            self.ports[self.core_of[&router]].0.push_back(cycle + 2);
        }
    }
    fn core_input(&mut self, cycle: u64, core: usize, _: Flit) {
        let (visible, head) = &mut self.ports[core];
        let from = visible.pop_front().expect("a flit that a router sent");
        self.arrival_stalls += cycle - from.max(*head);
        *head = cycle + 1;
    }
}

/// The rows of a vector on a platform.
fn rows(name: &str, platform: &Platform) -> String {
    let mut text = String::new();
    let vector = Vector::load(name);
    for structure in Structure::ALL {
        let image = compiler::image(&vector.network, b"", platform, structure).expect("fits");
        let mut simulator = Simulator::new(&image, structure, Options::default()).expect("built");
        for sample in 0..vector.input.len() {
            let binned = vector.binned(sample);
            let mut steps = Steps::new(simulator.program());
            let watched = simulator.run_with(&binned, &mut steps).expect("runs");
            let outcome = simulator.run(&binned).expect("runs");
            assert_eq!(outcome, watched, "{name}: a probe changes nothing");
            let bytes: Vec<_> = steps.quiet.iter().flat_map(|c| c.to_le_bytes()).collect();
            let sum = |f: fn(&sim::stats::CoreStats) -> u64| outcome.cores.iter().map(f).sum::<u64>();
            assert_eq!(sum(|c| c.arrival_stalls), steps.arrival_stalls, "{name}: heads that waited");
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
    text
}

fn table() -> String {
    let tiny = Platform::parse("tiny", include_str!("../platforms/tiny.toml")).expect("valid");
    let [loihi, seneca] = ["loihi", "seneca"].map(|name| Platform::load(name).expect("preset"));
    let platforms = [loihi, seneca, tiny];
    let all = platforms.iter().flat_map(|platform| NAMES.iter().map(move |name| (name, platform)));
    let rows = std::thread::scope(|scope| {
        let running: Vec<_> = all.map(|(name, platform)| scope.spawn(move || rows(name, platform))).collect();
        running.into_iter().map(|rows| rows.join().expect("a thread that ends")).collect::<String>()
    });
    format!(
        "vector,platform,structure,sample,cycles,steps_crc32,flits,hops,arrival_stalls,send_stalls\n{rows}"
    )
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
