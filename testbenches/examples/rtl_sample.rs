//! Runs a whole sample of an image's stimulus in RTL, beside the simulator, and says how fast.
//!
//!     cargo run --release -p testbenches --example rtl_sample -- shd.bin
//!     cargo run --release -p testbenches --example rtl_sample -- shd.bin shared-queue 3
//!
//! Spikes, scores and cycles of each step must be the simulator's. Exit status 1 where they are not.

use hw::image::PopulationKind;
use hw::machine::{Machine, StepCycles};
use hw::{Image, Structure};
use sim::probe::Probe;
use sim::{Options, Simulator};
use spikes::{Binning, SpikeFile};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Cycles of each step in the simulator.
#[derive(Default)]
struct Steps {
    start: u64,
    all: Vec<StepCycles>,
}

impl Probe for Steps {
    fn step(&mut self, cycle: u64, _: u32) {
        self.start = cycle;
    }
    fn barrier(&mut self, quiet: u64, release: u64) {
        self.all.push(StepCycles { start: self.start, quiet, release });
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("give an image, such as shd.bin")?;
    let structure: Structure = arguments.next().map_or(Ok(Structure::RingBuffer), |s| s.parse())?;
    let sample: usize = arguments.next().map_or(Ok(0), |s| s.parse())?;
    let image = Image::read(Path::new(&file))?;
    let stimulus = image.stimulus.as_ref().ok_or("the image carries no stimulus")?;
    let stimulus = SpikeFile::from_bytes(stimulus, Path::new(&file))?;
    let network = &image.network;
    let inputs = network.populations.iter().find(|p| p.kind == PopulationKind::Input);
    let binning = Binning {
        steps: network.steps,
        step_ms: network.step_ms,
        channels: inputs.map_or(0, |p| p.size),
        group: network.group,
    };
    let input = stimulus.bin(sample, &binning)?;
    let mut steps = Steps::default();
    let started = Instant::now();
    let fast = Simulator::new(&image, structure, Options::default())?.run_with(&input, &mut steps)?;
    let simulated = started.elapsed().as_secs_f64();

    let channels: Vec<Vec<u32>> = (0..image.network.steps).map(|t| input.step(t).to_vec()).collect();
    let started = Instant::now();
    let mut machine = Machine::new(&image, structure)?;
    let elaborated = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let rtl = machine.run(&channels)?;
    let ran = started.elapsed().as_secs_f64();
    let cycles = machine.circuit().cycle();
    println!(
        "{file}, sample {sample}, {structure}: {} instances on the {}",
        machine.circuit().design().instances(),
        machine.circuit().engine()
    );
    println!(
        "elaborated and loaded in {elaborated:.2} s; {cycles} cycles in {ran:.2} s, {:.0} cycles/s",
        cycles as f64 / ran
    );
    println!("the simulator took {simulated:.3} s");

    let identify = |s: &hw::machine::Spike| machine.identity(s.core, s.neuron).map(|(p, n)| (s.step, p, n));
    let mut spikes: Vec<_> = rtl.spikes.iter().filter_map(identify).collect();
    spikes.sort_unstable();
    let expected: Vec<_> = fast.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
    let equal = spikes == expected && rtl.steps == steps.all && rtl.reset_cycles == fast.reset_cycles;
    println!(
        "{} spikes, {} steps: {}",
        spikes.len(),
        rtl.steps.len(),
        if equal { "equal" } else { "DIFFERENT" }
    );
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
