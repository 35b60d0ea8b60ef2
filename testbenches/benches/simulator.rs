//! Speed of the simulator, each figure beside its rival in the same run: `cargo bench -p testbenches`.
//!
//! - `reference_256`: the functional floor and both structures, without and with the counts of each step and core; elements
//!   are the synaptic events of a sample.
//! - `load`: reading the image and making it ready.
//! - `mesh`: 8 x 8 routers under uniform traffic of 0.1 flits a core and cycle; elements are flit-hops.
//! - `waves`: a run that writes everything as VCD, and a loop that only hands the same changes to the wave writer.
//! - `cores`: constant work a core on 1, 16 and 256 cores, and 10 million synapses on 1024; elements are synaptic events.
//! - `samples`: a sample of 8000 random spikes on the default image, on one thread, without and with statistics; 2264 of them
//!   are what scripts/bench_sim.sh runs.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hw::image::PopulationKind;
use hw::{Image, Platform, Structure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sim::noc::{Setup, measure};
use sim::probe::NoProbe;
use sim::steps::Recorder;
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Simulator};
use spikes::Binned;
use std::hint::black_box;
use testbenches::floor::Floor;
use testbenches::golden::{Vector, first_steps};
use testbenches::replay::Replay;
use testbenches::synthetic::{busy_cores, emitted};

fn image(vector: &Vector) -> Image {
    let platform = Platform::load("loihi").expect("preset");
    compiler::image(&vector.network, b"", &platform, Structure::RingBuffer).expect("fits")
}

fn simulator(image: &Image, structure: Structure) -> Simulator {
    Simulator::new(image, structure, Options::default()).expect("built")
}

fn reference(c: &mut Criterion) {
    let vector = Vector::load("reference_256");
    let (image, input) = (image(&vector), vector.binned(0));
    let mut floor = Floor::new(&vector.network);
    let mut group = c.benchmark_group("reference_256");
    group.throughput(Throughput::Elements(floor.run(&input).1));
    group.bench_function("floor", |b| b.iter(|| floor.run(black_box(&input))));
    for structure in Structure::ALL {
        let mut simulator = simulator(&image, structure);
        group
            .bench_function(structure.name(), |b| b.iter(|| simulator.run(black_box(&input)).expect("runs")));
        group.bench_function(format!("{structure}, statistics"), |b| {
            let mut recorder = Recorder::new(&simulator);
            b.iter(|| recorder.run(&mut simulator, black_box(&input), &mut NoProbe).expect("runs"));
        });
    }
    group.finish();
    let bytes = image.to_bytes();
    let mut group = c.benchmark_group("load");
    for structure in Structure::ALL {
        group.bench_function(structure.name(), |b| {
            b.iter(|| simulator(&Image::from_bytes(black_box(&bytes)).expect("reads"), structure));
        });
    }
    group.finish();
}

fn mesh(c: &mut Criterion) {
    let setup =
        Setup { width: 8, height: 8, router_buffer: 4, core_buffer: 4, warmup: 0, cycles: 5000, seed: 42 };
    let mut group = c.benchmark_group("mesh");
    for rate in [0.01, 0.1, 0.3] {
        group.throughput(Throughput::Elements(measure(&setup, rate).flit_hops));
        group.bench_function(format!("8x8 at {rate}"), |b| b.iter(|| measure(black_box(&setup), rate)));
    }
    group.finish();
}

fn waves(c: &mut Criterion) {
    let vector = Vector::load("reference_256");
    // A tenth of the input is enough for a speed, and fits the memory of the loop that is compared with.
    let (image, input) = (image(&vector), first_steps(vector.binned(0), 25));
    let folder = tempfile::tempdir().expect("folder");
    let (vcd, fst) = (folder.path().join("out.vcd"), folder.path().join("out.fst"));
    let mut group = c.benchmark_group("waves");
    group.sample_size(10);
    for structure in Structure::ALL {
        let mut simulator = simulator(&image, structure);
        let mut run = |files: Files<'_>| {
            let mut waves = Waves::create(files, simulator.program(), &Selection::default()).expect("file");
            simulator.run_with(&input, &mut waves).expect("runs");
            waves.finish().expect("written");
        };
        run(Files { vcd: Some(&vcd), fst: None });
        let replay = Replay::read(&vcd);
        group.throughput(Throughput::Elements(replay.changes() as u64));
        group.bench_function(format!("writer alone, {structure}"), |b| {
            b.iter_batched(
                || std::io::BufWriter::with_capacity(1 << 18, std::fs::File::create(&vcd).expect("file")),
                |file| replay.write(file).expect("written"),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("vcd, {structure}"), |b| {
            b.iter(|| run(Files { vcd: Some(&vcd), fst: None }));
        });
        group.bench_function(format!("fst, {structure}"), |b| {
            b.iter(|| run(Files { vcd: None, fst: Some(&fst) }));
        });
    }
    group.finish();
}

fn cores(c: &mut Criterion) {
    let mut group = c.benchmark_group("cores");
    group.sample_size(10);
    for (cores, fan_out, steps) in [(1, 128, 50), (16, 128, 50), (256, 128, 50), (1024, 153, 20)] {
        let (network, input, platform) = busy_cores(cores, 64, fan_out, steps);
        let image = compiler::image(&network, b"", &platform, Structure::RingBuffer).expect("fits");
        for structure in Structure::ALL {
            let mut simulator = simulator(&image, structure);
            let outcome = simulator.run(&input).expect("runs");
            group.throughput(Throughput::Elements(emitted(&outcome, structure)));
            group.bench_function(format!("{cores} cores, {structure}"), |b| {
                b.iter(|| simulator.run(black_box(&input)).expect("runs"));
            });
        }
    }
    group.finish();
}

fn samples(c: &mut Criterion) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shd.bin");
    let image = Image::read(&path).expect("the default image");
    let network = &image.network;
    let input = network.populations.iter().find(|p| p.kind == PopulationKind::Input).expect("an input");
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut below = |n: u32| ((u64::from(random.next_u32()) * u64::from(n)) >> 32) as u32;
    let spikes = (0..8000).map(|_| (below(network.steps), below(input.size))).collect();
    let spikes = Binned::from_pairs(spikes, network.steps);
    let mut group = c.benchmark_group("samples");
    group.throughput(Throughput::Elements(1));
    for structure in Structure::ALL {
        let mut simulator = simulator(&image, structure);
        group.bench_function(structure.name(), |b| {
            b.iter(|| simulator.run(black_box(&spikes)).expect("runs"));
        });
        group.bench_function(format!("{structure}, statistics"), |b| {
            let mut recorder = Recorder::new(&simulator);
            b.iter(|| recorder.run(&mut simulator, black_box(&spikes), &mut NoProbe).expect("runs"));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(500)).measurement_time(std::time::Duration::from_secs(3));
    targets = reference, mesh, waves, cores, samples
}
criterion_main!(benches);
