//! Runs a hot loop so many times and prints `LOOP RUNS SECONDS TOTAL WORK CLOCK`: CPU seconds of its busiest thread and of all,
//! user and system, the work of one run in the loop's own unit, and seconds on the clock. For scripts/bench_sim.sh, scripts/instructions.sh and profilers.
//! `hot LOOP TIMES`, with LOOP one of
//!
//! - `floor`, `ring-buffer`, `shared-queue`: a sample of `reference_256`, in synaptic events;
//! - `statistics-STRUCTURE`: it with the counts of each step and core, as `sim --stats` records them;
//! - `load-ring-buffer`, `load-shared-queue`: its image, from bytes to ready, in images;
//! - `mesh`: 8 x 8 routers under uniform traffic of 0.1 flits a core and cycle, in flit-hops;
//! - `vcd-STRUCTURE`, `writer-STRUCTURE`: it with the input of 25 steps, everything as VCD, and the wave writer alone, in changes;
//! - `cores-N-STRUCTURE`: constant work a core on N cores, in synaptic events;
//! - `idle-N-STRUCTURE`: the same chip without any input, in cores times steps.
//!
//! `hot flatten OUT` writes `reference_256` for the plain C program that scripts/bench_sim.sh compares with.

use hw::{Image, Platform, Structure};
use sim::noc::{Setup, measure};
use sim::probe::NoProbe;
use sim::steps::Recorder;
use sim::vcd::{Files, Selection, Waves};
use sim::{Options, Simulator};
use spikes::Binned;
use std::fs::File;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::Path;
use testbenches::floor::{Floor, flatten};
use testbenches::golden::{Vector, first_steps};
use testbenches::replay::Replay;
use testbenches::synthetic::{busy_cores, emitted};

type Error = Box<dyn std::error::Error>;

/// CPU seconds of this process, those of threads that have ended among them, in hundredths, and of this thread, exact;
/// 0 where the system does not tell.
fn cpu_seconds() -> [f64; 2] {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let number = |text: &str, place| text.split_whitespace().nth(place).and_then(|n| n.parse::<f64>().ok());
    // After the name, which stands in parentheses, user and system time are the fields 11 and 12 (man 5 proc).
    let all = read("/proc/self/stat");
    let all = all.rsplit(')').next().unwrap_or_default();
    let all = number(all, 11).zip(number(all, 12)).map_or(0.0, |(user, system)| user + system);
    [all / 100.0, number(&read("/proc/thread-self/schedstat"), 0).unwrap_or(0.0) / 1e9]
}

fn image(vector: &Vector) -> Result<Image, Error> {
    let platform = Platform::load("loihi")?;
    Ok(compiler::image(&vector.network, b"", &platform, Structure::RingBuffer)
        .map_err(|v| format!("{v:?}"))?)
}

/// Runs a loop; its work is that of the last run. Never inlined: scripts/instructions.sh counts what runs inside of it.
#[inline(never)]
fn repeat(name: &str, times: u32, mut run: impl FnMut() -> Result<u64, Error>) -> Result<(), Error> {
    let (start, clock) = (cpu_seconds(), std::time::Instant::now());
    let mut work = 0;
    for _ in 0..times {
        work = run()?;
    }
    let clock = clock.elapsed().as_secs_f64();
    let [all, here] = std::array::from_fn(|i| cpu_seconds()[i] - start[i]);
    // Waves are written on a thread of their own: what counts is the one that has more to do.
    println!("{name} {times} {:.4} {:.4} {work} {clock:.4}", here.max(all - here), all.max(here));
    Ok(())
}

fn main() -> Result<(), Error> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, second] = &arguments[..] else {
        return Err("hot LOOP TIMES, or hot flatten OUT".into());
    };
    let vector = Vector::load("reference_256");
    let input = vector.binned(0);
    if name == "flatten" {
        flatten(&vector.network, &input, BufWriter::new(File::create(second)?))?;
        return Ok(());
    }
    let times: u32 = second.parse()?;
    if name == "mesh" {
        let setup = Setup {
            width: 8,
            height: 8,
            router_buffer: 4,
            core_buffer: 4,
            warmup: 0,
            cycles: 5000,
            seed: 42,
        };
        return repeat(name, times, || Ok(measure(black_box(&setup), 0.1).flit_hops));
    }
    if name == "floor" {
        let mut floor = Floor::new(&vector.network);
        return repeat(name, times, || Ok(floor.run(black_box(&input)).1));
    }
    if let Some(structure) = name.strip_prefix("load-") {
        let (bytes, structure) = (image(&vector)?.to_bytes(), structure.parse()?);
        return repeat(name, times, || {
            let image = Image::from_bytes(black_box(&bytes))?;
            black_box(Simulator::new(&image, structure, Options::default())?);
            Ok(1)
        });
    }
    if let Some((what @ ("cores" | "idle"), rest)) = name.split_once('-')
        && let Some((cores, structure)) = rest.split_once('-')
        && let Ok(cores) = cores.parse()
    {
        let (steps, structure) = (50, structure.parse()?);
        let (network, input, platform) = busy_cores(cores, 64, 128, steps);
        let image =
            compiler::image(&network, b"", &platform, Structure::RingBuffer).map_err(|v| format!("{v:?}"))?;
        let mut simulator = Simulator::new(&image, structure, Options::default())?;
        let idle = what == "idle";
        let input = if idle { Binned::from_pairs(Vec::new(), steps) } else { input };
        return repeat(name, times, || {
            let outcome = simulator.run(black_box(&input))?;
            Ok(if idle { u64::from(cores * steps) } else { emitted(&outcome, structure) })
        });
    }
    let (kind, structure) = match name.split_once('-') {
        Some((kind @ ("vcd" | "writer" | "statistics"), structure)) => (Some(kind), structure.parse()?),
        _ => (None, name.parse()?),
    };
    let mut simulator = Simulator::new(&image(&vector)?, structure, Options::default())?;
    let Some(kind) = kind else {
        return repeat(name, times, || {
            let outcome = simulator.run(black_box(&input))?;
            Ok(emitted(&outcome, structure))
        });
    };
    if kind == "statistics" {
        let mut recorder = Recorder::new(&simulator);
        return repeat(name, times, || {
            let (outcome, record) = recorder.run(&mut simulator, black_box(&input), &mut NoProbe)?;
            black_box(record);
            Ok(emitted(&outcome, structure))
        });
    }
    let input = first_steps(input, 25);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("out.vcd");
    let mut run = |path: &Path| -> Result<(), Error> {
        let files = Files { vcd: Some(path), fst: None };
        let mut waves = Waves::create(files, simulator.program(), &Selection::default())?;
        simulator.run_with(black_box(&input), &mut waves)?;
        Ok(waves.finish()?)
    };
    run(&path)?;
    let replay = Replay::read(&path);
    repeat(name, times, || {
        if kind == "vcd" {
            run(&path)?;
        } else {
            replay.write(BufWriter::with_capacity(1 << 18, File::create(&path)?))?;
        }
        Ok(replay.changes() as u64)
    })
}
