//! The pictures of what delays cost: our compiler, our simulator, our models, over synthetic networks and a given one.
//!
//!     cargo run --release -p testbenches --example delay_costs -- FOLDER [NETWORK.safetensors SPIKES.npz [PLATFORM]]
//!
//! Writes SVG and, beside each, its data as CSV. The golden `reference_256` on `seneca` stands beside the given network.
//! Seeds are fixed: the same sources give the same bytes.
//!
//! Long because each picture is one function, and they share the cases and how these are measured.

use hw::image::Image;
use hw::layout::Widths;
use hw::platform::{Platform, Structure};
use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sim::cost::Area;
use sim::cost::area::NODES;
use sim::cost::bits::{Bits, fitted_platform};
use sim::cost::energy::{Bill, PriceTable};
use sim::cost::ledger::{Cause, Term};
use sim::cost::record::Recorder;
use sim::cost::svg::{Axis, Bar, Bars, Chart, Draw, Series};
use sim::statistics::{Header, Statistics};
use sim::{Options, Program, Simulator};
use spikes::{Binned, SpikeFile};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SEED: u64 = 20_250_113;
const STEPS: u32 = 200;

/// A synthetic case: I input channels onto J neurons on one core, fully connected.
#[derive(Clone, Copy)]
struct Case {
    inputs: u32,
    neurons: u32,
    /// Longest delay in steps.
    levels: u32,
    /// Share of channels with a spike in a step, mean.
    alpha: f64,
    /// Delays of a pair.
    taps: u32,
    /// The taps of an axon are the same for all its targets.
    axonal: bool,
}

const BASE: Case = Case { inputs: 128, neurons: 128, levels: 31, alpha: 0.05, taps: 1, axonal: false };

fn network(case: Case) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut synapses = Vec::new();
    let draw = |rng: &mut ChaCha8Rng| -> Vec<u16> {
        let mut delays: Vec<_> =
            sample(rng, case.levels as usize, case.taps as usize).iter().map(|d| d as u16 + 1).collect();
        delays.sort_unstable();
        delays
    };
    for pre in 0..case.inputs {
        let shared = draw(&mut rng);
        for post in 0..case.neurons {
            let delays = if case.axonal { shared.clone() } else { draw(&mut rng) };
            for delay in delays {
                let weight = rng.random_range(1..=31) * if rng.random::<bool>() { 1 } else { -1 };
                synapses.push(Synapse { pre, post, delay, weight });
            }
        }
    }
    let n = case.neurons as usize;
    Network {
        name: "synthetic".into(),
        step_ms: 5.0,
        steps: STEPS,
        membrane_bits: 24,
        classes: Vec::new(),
        populations: vec![
            Population { name: "input".into(), kind: Kind::Input { group: 1 }, size: case.inputs },
            Population {
                name: "out".into(),
                kind: Kind::Lif { reset: Reset::Zero, decay: vec![200; n], threshold: vec![2000; n] },
                size: case.neurons,
            },
        ],
        projections: vec![Projection { name: "in".into(), source: 0, target: 1, weight_shift: 0, synapses }],
    }
}

/// How much denser than the mean step t is: an onset that dies away, as spoken words have it. Mean 1, peak 3.4.
fn envelope(step: u32) -> f64 {
    let x = f64::from(step) / f64::from(STEPS);
    // Rises over a tenth of the sample, then falls by e every quarter.
    let raw = |x: f64| if x < 0.1 { x / 0.1 } else { (-(x - 0.1) / 0.25).exp() };
    let mean = 0.05 + 0.25 * (1.0 - (-0.9f64 / 0.25).exp());
    raw(x) / mean
}

fn stimulus(channels: u32, alpha: f64, steps: u32, seed: u64) -> Binned {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pairs = Vec::new();
    for step in 0..steps {
        let share = (alpha * envelope(step * STEPS / steps)).min(1.0);
        pairs.extend((0..channels).filter(|_| rng.random_bool(share)).map(|c| (step, c)));
    }
    Binned::from_pairs(pairs, steps)
}

/// A core large enough for every case, so that one core holds the network on both structures.
fn large_core() -> Result<Platform> {
    let mut p = Platform::load("seneca")?;
    p.core.neurons = 1024;
    p.core.synapse_bits = 1 << 28;
    p.ring_buffer.accumulators = 1 << 16;
    p.shared_queue.depth = 1 << 18;
    p.shared_queue.axon_synapses = 1 << 20;
    Ok(p)
}

fn header(image: &Image, structure: Structure) -> Header {
    Header {
        tool: "delay_costs".into(),
        command: Vec::new(),
        seed: Some(SEED),
        image: image.network.name.clone(),
        image_sha256: String::new(),
        compiler: image.tool.clone(),
        input: "synthetic".into(),
        input_sha256: String::new(),
        network: image.network.name.clone(),
        network_sha256: image.network.sha256.clone(),
        platform: image.platform.name.clone(),
        structure,
        steps: image.network.steps,
        step_ms: image.network.step_ms,
        clock_mhz: image.platform.clock_mhz,
        interrupted: false,
    }
}

/// One structure of one case, run and priced.
struct Measured {
    statistics: Statistics,
    bits: Bits,
    area: Area,
    bill: Bill,
    accumulator_bits: u32,
    event_bits: u32,
    axon_bits: u32,
}

fn measure(image: &Image, structure: Structure, inputs: &[Binned]) -> Result<Measured> {
    let simulator = Simulator::new(image, structure, Options::default())?;
    let mut recorder = Recorder::new(simulator, header(image, structure));
    for (i, input) in inputs.iter().enumerate() {
        recorder.run(i, None, input)?;
    }
    let statistics = recorder.finish();
    let program = Program::new(image, structure).ok_or("not compiled")?;
    let peaks: Vec<_> = statistics.cores.iter().map(|c| c.counts.queue_peak).collect();
    let bits = Bits::new(image, &program, Some(&peaks));
    let area = Area::new(&NODES[0], &bits, None, true);
    let bill = Bill::new(&PriceTable::load("ihp130")?, &statistics, &bits.fitted);
    let fitted = fitted_platform(&program, peaks.iter().copied().max());
    let widths = Widths::new(&fitted, structure);
    Ok(Measured {
        accumulator_bits: fitted.accumulator(structure).0.into(),
        event_bits: widths.event(),
        axon_bits: widths.axon,
        statistics,
        bits,
        area,
        bill,
    })
}

/// Both structures of a case.
struct Row {
    case: Case,
    ring: Measured,
    queue: Measured,
    arrivals_mean: f64,
    arrivals_peak: f64,
    queued_mean: f64,
}

/// Bits of the delay structure in four designs, fields as narrow as the case allows.
struct Designs {
    ring: f64,
    queue_peak: f64,
    queue_mean: f64,
    fifo: f64,
    history: f64,
}

impl Row {
    fn new(case: Case) -> Result<Self> {
        let network = network(case);
        let image = compiler::image(&network, &network.to_bytes()?, &large_core()?, Structure::RingBuffer)
            .map_err(|v| format!("{v:?}"))?;
        let inputs = [stimulus(case.inputs, case.alpha, STEPS, SEED + 1)];
        let ring = measure(&image, Structure::RingBuffer, &inputs)?;
        let queue = measure(&image, Structure::SharedQueue, &inputs)?;
        assert_eq!(ring.bits.cores, 1, "one core");
        let steps = f64::from(STEPS);
        Ok(Self {
            case,
            arrivals_mean: queue.statistics.total.counts.arrivals as f64 / steps,
            arrivals_peak: queue.statistics.cores[0].arrivals_peak.unwrap_or(0) as f64,
            queued_mean: queue.statistics.total.ledger.count(Term::QueueWrite) as f64 / steps,
            ring,
            queue,
        })
    }

    fn designs(&self) -> Designs {
        let fitted = |m: &Measured| m.bits.delay.fitted_bits.unwrap_or(0) as f64;
        let neurons = f64::from(self.case.neurons) * f64::from(self.queue.accumulator_bits);
        let rows = f64::from(self.case.inputs) * f64::from(self.queue.bits.longest_delay);
        let levels = f64::from(self.queue.bits.longest_delay);
        Designs {
            ring: fitted(&self.ring),
            queue_peak: fitted(&self.queue),
            queue_mean: neurons + rows + 2.0 * self.queued_mean * f64::from(self.queue.event_bits),
            // One FIFO a level and one that fills, each as deep as the densest step; no age and no offset.
            fifo: neurons + (levels + 1.0) * self.arrivals_peak * f64::from(self.queue.axon_bits),
            history: neurons + rows,
        }
    }
}

/// Writes a picture and its data, with the command that made them.
struct Folder(PathBuf, String);

impl Folder {
    fn write(&self, name: &str, svg: &str, csv: &str) -> Result<()> {
        std::fs::write(self.0.join(format!("{name}.svg")), svg)?;
        std::fs::write(self.0.join(format!("{name}.csv")), format!("# {}\n{csv}", self.1))?;
        println!("{}", self.0.join(format!("{name}.svg")).display());
        Ok(())
    }
}

fn line(name: &str, colour: usize, draw: Draw, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.into(), colour, draw, points }
}

const HEAD: &str = "inputs,neurons,longest_delay,delays_a_pair,axonal,alpha_mean,alpha_peak,queued_mean,queued_peak,ring_bits,queue_bits_peak,queue_bits_mean,fifo_per_level_bits,history_bits,ring_synapse_bits,queue_synapse_bits,ring_cycles,queue_cycles,ring_delay_um2,queue_delay_um2,ring_all_um2,queue_all_um2,ring_priced_nj,queue_priced_nj\n";

fn csv_row(r: &Row) -> String {
    let d = r.designs();
    let i = f64::from(r.case.inputs);
    let synapses = |m: &Measured| {
        m.bits.memories.iter().find(|x| x.memory == "synapses").and_then(|x| x.sums.fitted_bits).unwrap_or(0)
    };
    let um2 = |v: Option<sim::cost::interval::Interval>| v.map_or(0.0, |v| v.point);
    format!(
        "{},{},{},{},{},{:.5},{:.5},{:.2},{},{},{},{:.0},{:.0},{:.0},{},{},{},{},{:.0},{:.0},{:.0},{:.0},{:.2},{:.2}\n",
        r.case.inputs,
        r.case.neurons,
        r.queue.bits.longest_delay,
        r.case.taps,
        r.case.axonal,
        r.arrivals_mean / i,
        r.arrivals_peak / i,
        r.queued_mean,
        r.queue.statistics.total.counts.queue_peak,
        d.ring,
        d.queue_peak,
        d.queue_mean,
        d.fifo,
        d.history,
        synapses(&r.ring),
        synapses(&r.queue),
        r.ring.statistics.total.cycles,
        r.queue.statistics.total.cycles,
        um2(r.ring.area.fitted_delay_um2),
        um2(r.queue.area.fitted_delay_um2),
        um2(r.ring.area.fitted_um2),
        um2(r.queue.area.fitted_um2),
        r.ring.bill.priced_nj_per_inference.point,
        r.queue.bill.priced_nj_per_inference.point,
    )
}

/// Bits of four designs against what is varied.
fn bits_picture(
    folder: &Folder,
    name: &str,
    title: &str,
    axis: Axis,
    rows: &[Row],
    x: fn(&Row) -> f64,
) -> Result<()> {
    let points = |f: fn(&Designs) -> f64| rows.iter().map(|r| (x(r), f(&r.designs()))).collect();
    let b = BASE;
    let chart = Chart {
        title: title.into(),
        subtitle: format!(
            "one core; unless varied I = {}, J = {}, D = {}, alpha = {}, one delay a pair; fields as narrow as may be",
            b.inputs, b.neurons, b.levels, b.alpha
        ),
        x: axis,
        y: Axis::log("bits of the delay structure"),
        series: vec![
            line("ring buffer", 0, Draw::Line, points(|d| d.ring)),
            line("shared queue, at its peak", 1, Draw::Line, points(|d| d.queue_peak)),
            line("shared queue, at its mean", 1, Draw::Dashed, points(|d| d.queue_mean)),
            line("FIFO a level, at its peak (formula)", 2, Draw::Dashed, points(|d| d.fifo)),
            line("history matrix I x D (formula)", 3, Draw::Dashed, points(|d| d.history)),
        ],
        marks: Vec::new(),
    };
    let csv: String = HEAD.to_string() + &rows.iter().map(csv_row).collect::<String>();
    folder.write(name, &chart.svg(true), &csv)
}

/// Area of the delay structure and of all memories at equal capacity.
fn area_picture(folder: &Folder, name: &str, axis: Axis, rows: &[Row], x: fn(&Row) -> f64) -> Result<()> {
    let mut csv = String::from("x,structure,part,um2,low,high\n");
    let mut series = Vec::new();
    type Pick = fn(&Row) -> &Measured;
    for (structure, colour, pick) in
        [("ring buffer", 0, (|r: &Row| &r.ring) as Pick), ("shared queue", 1, |r: &Row| &r.queue)]
    {
        for (part, draw) in [("delay structure", Draw::Line), ("all memories", Draw::Dashed)] {
            let mut points = Vec::new();
            for r in rows {
                let area = &pick(r).area;
                let v = if part == "all memories" { area.fitted_um2 } else { area.fitted_delay_um2 };
                let v = v.ok_or("run")?;
                points.push((x(r), v.point / 1e6));
                writeln!(csv, "{},{structure},{part},{:.0},{:.0},{:.0}", x(r), v.point, v.low, v.high)?;
            }
            series.push(line(&format!("{structure}, {part}"), colour, draw, points));
        }
    }
    let chart = Chart {
        title: "Area at equal capacity, IHP 130 nm".into(),
        subtitle: "estimate, not layout; memories only: one port +-12 %, two ports +-3 %, outside measured sizes +-30 %".into(),
        x: axis,
        y: Axis::log("mm2 of memories of one core"),
        series,
        marks: Vec::new(),
    };
    folder.write(name, &chart.svg(true), &csv)
}

/// The plane of break-even, with the cores of the project's networks.
fn plane(folder: &Folder, sweeps: &[&[Row]], golden: &[Golden]) -> Result<()> {
    let mut csv =
        String::from("network,mean_alpha_i_event_bits,peak_alpha_i_event_bits,j_accumulator_bits\n");
    let mut synthetic = Vec::new();
    for r in sweeps.iter().flat_map(|s| s.iter()) {
        let event = f64::from(r.queue.event_bits);
        let j = f64::from(r.case.neurons) * f64::from(r.ring.accumulator_bits);
        synthetic.push((r.arrivals_mean * event, j));
        writeln!(csv, "synthetic,{:.1},{:.1},{j}", r.arrivals_mean * event, r.arrivals_peak * event)?;
    }
    let (mut mean, mut peak, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for Golden { name, cores } in golden {
        for (i, (m, p, j)) in cores.iter().enumerate() {
            mean.push((*m, *j));
            peak.push((*p, *j));
            if i == 0 && (*name == "reference_256" || !testbenches::golden::NAMES.contains(&name.as_str())) {
                marks.push((*p, *j, name.clone()));
            }
            writeln!(csv, "{name},{m:.1},{p:.1},{j}")?;
        }
    }
    let (low, high) = (1.0, 100_000.0);
    let chart = Chart {
        title: "Where the shared queue needs fewer bits than the ring buffer".into(),
        subtitle: "a level of delay costs alpha I event bits in the queue, J accumulator bits in the ring; above the line the queue is smaller".into(),
        x: Axis { label: "alpha x I x event bits".into(), log: true, range: Some((low, high)) },
        y: Axis { label: "J x accumulator bits".into(), log: true, range: Some((10.0, high)) },
        series: vec![
            line("break-even, one queue", 6, Draw::Dashed, vec![(10.0, 10.0), (high, high)]),
            line("break-even, two queues (this machine)", 4, Draw::Dashed, vec![(5.0, 10.0), (high / 2.0, high)]),
            line("synthetic sweeps, mean alpha", 5, Draw::Points, synthetic),
            line("golden and given networks, mean alpha", 2, Draw::Points, mean),
            line("golden and given networks, peak alpha", 1, Draw::Hollow, peak),
        ],
        marks,
    };
    folder.write("break-even", &chart.svg(true), &csv)
}

/// A golden network on seneca, core by core: mean and peak alpha I event bits, J accumulator bits.
struct Golden {
    name: String,
    cores: Vec<(f64, f64, f64)>,
}

fn points(name: &str, m: &Measured, steps: u32) -> Golden {
    let steps = f64::from(steps) * m.statistics.samples.len() as f64;
    let event = f64::from(m.event_bits);
    let cores = m.statistics.cores.iter().map(|c| {
        (
            c.counts.arrivals as f64 / steps * event,
            c.arrivals_peak.unwrap_or(0) as f64 * event,
            c.neurons as f64 * f64::from(m.accumulator_bits),
        )
    });
    Golden { name: name.into(), cores: cores.collect() }
}

/// Runs the golden networks.
fn golden_points() -> Result<Vec<Golden>> {
    let mut out = Vec::new();
    let mut platform = Platform::load("seneca")?;
    platform.shared_queue.depth = 1 << 18;
    for name in testbenches::golden::NAMES {
        let vector = testbenches::golden::Vector::load(name);
        let image = compiler::image(&vector.network, &vector.file, &platform, Structure::SharedQueue)
            .map_err(|v| format!("{v:?}"))?;
        let inputs: Vec<_> = (0..vector.input.len()).map(|i| vector.binned(i)).collect();
        let m = measure(&image, Structure::SharedQueue, &inputs)?;
        out.push(points(name, &m, image.network.steps));
    }
    Ok(out)
}

/// What delay pruning saves on each structure.
fn pruning(folder: &Folder) -> Result<()> {
    let mut rows = Vec::new();
    for axonal in [false, true] {
        for taps in [10, 5, 3, 1] {
            rows.push(Row::new(Case { levels: 60, taps, axonal, ..BASE })?);
        }
    }
    let csv: String = HEAD.to_string() + &rows.iter().map(csv_row).collect::<String>();
    let curve = |axonal: bool, f: &dyn Fn(&Row) -> f64| -> Vec<(f64, f64)> {
        rows.iter().filter(|r| r.case.axonal == axonal).map(|r| (f64::from(r.case.taps), f(r))).collect()
    };
    let chart = |title: &str, y: &str, ring: &dyn Fn(&Row) -> f64, queue: &dyn Fn(&Row) -> f64| {
        Chart {
        title: title.into(),
        subtitle: "I = J = 128, delays of 1..60, alpha = 0.05; synaptic: each pair its own delays; axonal: each axon the same for all targets".into(),
        x: Axis::log("delays a pair"),
        y: Axis::log(y),
        series: vec![
            line("ring buffer, synaptic", 0, Draw::Line, curve(false, ring)),
            line("ring buffer, axonal", 5, Draw::Dashed, curve(true, ring)),
            line("shared queue, synaptic", 1, Draw::Line, curve(false, queue)),
            line("shared queue, axonal", 4, Draw::Dashed, curve(true, queue)),
        ],
        marks: Vec::new(),
    }
    };
    let all = |m: &Measured| m.bits.all.fitted_bits.unwrap_or(0) as f64;
    let picture =
        chart("Delay pruning: all memory of the core", "bits", &|r| all(&r.ring), &|r| all(&r.queue));
    folder.write("pruning-bits", &picture.svg(true), &csv)?;
    let cycles = |m: &Measured| m.statistics.total.cycles as f64;
    let picture =
        chart("Delay pruning: cycles of an inference", "cycles", &|r| cycles(&r.ring), &|r| cycles(&r.queue));
    folder.write("pruning-cycles", &picture.svg(true), &csv)?;
    let energy = |m: &Measured| m.bill.priced_nj_per_inference.point / 1e3;
    let picture = chart(
        "Delay pruning: energy at IHP 130 nm, fitted memories, +-2x",
        "uJ an inference, what has a price",
        &|r| energy(&r.ring),
        &|r| energy(&r.queue),
    );
    folder.write("pruning-energy", &picture.svg(true), &csv)
}

/// Accuracy beside what pruning saves, from `pruning-trained.csv` in the folder (`scripts/pruned_costs.py`).
fn trained(folder: &Folder) -> Result<()> {
    let path = folder.0.join("pruning-trained.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("{} is not there: no pictures of trained networks", path.display());
        return Ok(());
    };
    let mut lines = text.lines().map(|l| l.split(',').collect::<Vec<_>>());
    let head = lines.next().ok_or_else(|| format!("{}: empty", path.display()))?;
    let rows: Vec<_> = lines.collect();
    let column = |name: &str| {
        head.iter().position(|h| *h == name).ok_or_else(|| format!("{}: no column `{name}`", path.display()))
    };
    let [mode, structure, accuracy] = [column("mode")?, column("structure")?, column("accuracy")?];
    for (of, label) in [
        ("all_bits", "all memory, bits"),
        ("cycles", "cycles of an inference"),
        ("priced_nj", "nJ an inference, memories, IHP 130 nm, +-2x"),
    ] {
        let x = column(of)?;
        let points = |s: &str, modes: &[&str]| -> Result<Vec<(f64, f64)>> {
            let mine = rows.iter().filter(|r| r[structure] == s && modes.contains(&r[mode]));
            mine.map(|r| Ok((r[x].parse()?, r[accuracy].parse()?))).collect()
        };
        let mut series = Vec::new();
        for (s, name, first) in [("ring-buffer", "ring buffer", 0), ("shared-queue", "shared queue", 1)] {
            series.push(line(
                &format!("{name}, synaptic (15, 10, 5, 3, 1)"),
                first,
                Draw::Line,
                points(s, &["all", "synaptic"])?,
            ));
            series.push(line(&format!("{name}, axonal"), first + 2, Draw::Line, points(s, &["axonal"])?));
            series.push(line(&format!("{name}, no delays"), first + 4, Draw::Points, points(s, &["none"])?));
        }
        let chart = Chart {
            title: format!("Delay pruning of trained networks: accuracy and {label}"),
            subtitle: "700-48-48-10, recorded digits (FSDD), the speaker left out, on `seneca`; 15 delays a pair at the right, 1 at the left".into(),
            x: Axis::log(label),
            y: Axis { label: "test accuracy, %".into(), log: false, range: Some((20.0, 50.0)) },
            series,
            marks: Vec::new(),
        };
        let name = format!("pruning-trained-{}.svg", of.replace('_', "-"));
        std::fs::write(folder.0.join(&name), chart.svg(true))?;
        println!("{}", folder.0.join(&name).display());
    }
    Ok(())
}

/// Energy and cycles of an inference by cause, on the given network.
fn causes(
    folder: &Folder,
    name: &str,
    ring: &Measured,
    queue: &Measured,
    cost: &sim::cost::Cost,
) -> Result<()> {
    let both = [("ring buffer", ring), ("shared queue", queue)];
    let mut csv = String::from("structure,cause,nj,low,high\n");
    let mut bars = Vec::new();
    for (structure, m) in both {
        for cause in Cause::ALL {
            let v = m.bill.cause(cause);
            writeln!(csv, "{structure},{},{:.2},{:.2},{:.2}", cause.name(), v.point, v.low, v.high)?;
        }
        let all = m.bill.priced_nj_per_inference;
        bars.push(Bar {
            label: structure.into(),
            values: Cause::ALL.iter().map(|c| m.bill.cause(*c).point / 1e3).collect(),
            bounds: Some((all.low / 1e3, all.high / 1e3)),
            note: String::new(),
        });
    }
    let unpriced: Vec<_> = ring.bill.unpriced.iter().map(|u| u.term.name()).collect();
    let picture = Bars {
        title: format!("Energy of an inference by cause: {name}, IHP 130 nm"),
        subtitle: format!(
            "estimate, not layout; +-2x; memories fitted to the network; no price: {}",
            unpriced.join(", ")
        ),
        label: "uJ an inference, what has a price".into(),
        parts: Cause::ALL.iter().enumerate().map(|(i, c)| (c.name().into(), i)).collect(),
        bars,
    };
    folder.write(&format!("energy-by-cause-{name}"), &picture.svg(true), &csv)?;
    let mut csv = String::from("structure,cause,cycles\n");
    let (mut parts, mut bars) = (Vec::new(), Vec::new());
    for x in &cost.structures {
        let Some(events) = x.layer1_events.get() else { continue };
        parts = events.cycles.iter().zip([0, 4, 2, 5, 6, 3]).map(|(c, i)| (c.cause.to_string(), i)).collect();
        for c in &events.cycles {
            writeln!(csv, "{},{},{:.1}", x.structure, c.cause, c.cycles)?;
        }
        let values = events.cycles.iter().map(|c| c.cycles).collect();
        bars.push(Bar { label: x.structure.name().into(), values, ..Bar::default() });
    }
    let picture = Bars {
        title: format!("Cycles of an inference by cause: {name}"),
        subtitle: "in the core with most work; exact".into(),
        label: "cycles".into(),
        parts,
        bars,
    };
    folder.write(&format!("cycles-by-cause-{name}"), &picture.svg(true), &csv)
}

/// The given samples, and others like them of other strength, time and pitch: every spike moves, some are lost, some are added.
fn variations(input: &[Binned], channels: u32, count: usize) -> Vec<Binned> {
    let vary = |i: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED + 2 + i as u64);
        let of = &input[i % input.len()];
        let steps = of.steps();
        let (strength, shift, turn): (f64, _, _) =
            (rng.random_range(0.6..1.3), rng.random_range(-8..=8i64), rng.random_range(-20..=20i64));
        let mut pairs = Vec::new();
        for step in 0..steps {
            for &channel in of.step(step) {
                let copies = u32::from(rng.random_bool(strength.min(1.0)))
                    + u32::from(rng.random_bool((strength - 1.0).max(0.0)));
                for _ in 0..copies {
                    let to = i64::from(step) + shift + rng.random_range(-2..=2i64);
                    let place = i64::from(channel) + turn + rng.random_range(-2..=2i64);
                    if (0..i64::from(steps)).contains(&to) && (0..i64::from(channels)).contains(&place) {
                        pairs.push((to as u32, place as u32));
                    }
                }
            }
        }
        Binned::from_pairs(pairs, steps)
    };
    input.iter().cloned().chain((0..count).map(vary)).collect()
}

/// Queue depth against the probability that a sample overflows.
fn overflow(folder: &Folder, name: &str, peaks: &[u64], what: &str) -> Result<()> {
    let mut sorted = peaks.to_vec();
    sorted.sort_unstable();
    let n = sorted.len();
    let mut csv = String::from("depth,share_of_samples_that_overflow\n");
    let mut points = Vec::new();
    for (i, peak) in sorted.iter().enumerate() {
        // A depth of this peak holds this sample and all smaller ones.
        let share = (n - 1 - i) as f64 / n as f64;
        writeln!(csv, "{peak},{share:.5}")?;
        points.push((*peak as f64, share));
    }
    let largest = sorted.last().copied().unwrap_or(0);
    // A tenth of room above all that was seen, in whole blocks of 64 events.
    let recommended = (largest + largest / 10).div_ceil(64) * 64;
    writeln!(csv, "# recommended depth {recommended}: largest peak {largest} + 10 %, in blocks of 64")?;
    let bound = 3.0 / n as f64;
    let chart = Chart {
        title: format!("Queue depth and overflow: {name}"),
        subtitle: format!(
            "{n} samples ({what}); none above {largest}: P(overflow) < {bound:.3} at 95 % if samples are independent; recommended depth {recommended}"
        ),
        x: Axis::linear("depth of the queue in events"),
        y: Axis { label: "share of samples that overflow".into(), log: false, range: Some((0.0, 1.0)) },
        series: vec![
            line("share of samples", 1, Draw::Plain, points),
            line(
                "recommended depth",
                2,
                Draw::Dashed,
                vec![(recommended as f64, 0.0), (recommended as f64, 1.0)],
            ),
        ],
        marks: Vec::new(),
    };
    folder.write(&format!("overflow-{name}"), &chart.svg(true), &csv)?;
    println!("recommended depth of the queue: {recommended} (largest peak {largest} in {n} samples)");
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rest @ ..] = arguments.as_slice() else {
        return Err("give a folder for the pictures, and perhaps NETWORK SPIKES [PLATFORM]".into());
    };
    std::fs::create_dir_all(folder)?;
    let folder = Folder(
        folder.into(),
        ["scripts/costs.sh"].into_iter().chain(rest.iter().map(String::as_str)).collect::<Vec<_>>().join(" "),
    );

    let sweep = |cases: Vec<Case>| cases.into_iter().map(Row::new).collect::<Result<Vec<_>>>();
    let levels = sweep([1, 3, 7, 15, 31, 63].map(|levels| Case { levels, ..BASE }).to_vec())?;
    let neurons = sweep([16, 32, 64, 128, 256, 512, 1024].map(|neurons| Case { neurons, ..BASE }).to_vec())?;
    let alphas =
        sweep([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3].map(|alpha| Case { alpha, ..BASE }).to_vec())?;
    let by_levels = || Axis::log("longest delay D in steps");
    bits_picture(
        &folder,
        "bits-by-delay",
        "Memory of delays against delay levels",
        by_levels(),
        &levels,
        |r| f64::from(r.case.levels),
    )?;
    bits_picture(
        &folder,
        "bits-by-neurons",
        "Memory of delays against neurons",
        Axis::log("neurons J"),
        &neurons,
        |r| f64::from(r.case.neurons),
    )?;
    bits_picture(
        &folder,
        "bits-by-activity",
        "Memory of delays against activity",
        Axis::log("alpha, mean: share of input axons with an event in a step (peak 3 to 7 times that)"),
        &alphas,
        |r| r.arrivals_mean / f64::from(r.case.inputs),
    )?;
    bits_picture(
        &folder,
        "bits-by-peak-activity",
        "Memory of delays against the peak of activity",
        Axis::log("alpha, observed peak: largest share of input axons with an event in one step"),
        &alphas,
        |r| r.arrivals_peak / f64::from(r.case.inputs),
    )?;
    area_picture(&folder, "area-by-delay", by_levels(), &levels, |r| f64::from(r.case.levels))?;
    area_picture(&folder, "area-by-neurons", Axis::log("neurons J"), &neurons, |r| {
        f64::from(r.case.neurons)
    })?;
    pruning(&folder)?;
    trained(&folder)?;

    let golden = testbenches::golden::folder();
    let reference = (golden.join("reference_256.safetensors"), golden.join("reference_256.npz"), "seneca");
    let mut networks = vec![reference];
    match rest {
        [] => {}
        [n, s] => networks.push((PathBuf::from(n), PathBuf::from(s), "seneca")),
        [n, s, p] => networks.push((PathBuf::from(n), PathBuf::from(s), p.as_str())),
        _ => return Err("give NETWORK SPIKES [PLATFORM] after the folder".into()),
    }
    let mut of_networks = golden_points()?;
    for (path, spikes, platform) in &networks {
        let points = network_of_files(&folder, path, spikes, platform)?;
        if !of_networks.iter().any(|g| g.name == points.name) {
            of_networks.push(points);
        }
    }
    plane(&folder, &[&levels, &neurons, &alphas], &of_networks)
}

/// Cycles and energy by cause, and the depth of the queue, of a network on recorded spikes.
fn network_of_files(folder: &Folder, path: &Path, spikes: &Path, platform: &str) -> Result<Golden> {
    let file = std::fs::read(path)?;
    let network = Network::from_bytes(&file, path)?;
    let platform = Platform::load(platform)?;
    let image = compiler::image(&network, &file, &platform, platform.delays).map_err(|v| format!("{v:?}"))?;
    let input = SpikeFile::read(spikes)?;
    let mut binned = Vec::new();
    for i in 0..input.len() {
        binned.push(input.bin(i, &network.binning())?);
    }
    let ring = measure(&image, Structure::RingBuffer, &binned)?;
    let queue = measure(&image, Structure::SharedQueue, &binned)?;
    let runs = [ring.statistics.clone(), queue.statistics.clone()];
    let cost = sim::cost::Cost::new(
        sim::cost::Header {
            tool: "delay_costs".into(),
            command: Vec::new(),
            image: image.network.name.clone(),
            image_sha256: String::new(),
            network: image.network.name.clone(),
            network_sha256: image.network.sha256.clone(),
            platform: platform.name.clone(),
            primary: image.primary,
            steps: image.network.steps,
            step_ms: image.network.step_ms,
            clock_mhz: platform.clock_mhz,
            notice: sim::cost::NOTICE,
        },
        &sim::cost::Request {
            image: &image,
            nodes: &[],
            tables: &[],
            gates: &Err("not asked for".into()),
            runs: &runs,
            not_run: "it did not run",
        },
    );
    let name = network.name.clone();
    causes(folder, &name, &ring, &queue, &cost)?;
    let points = points(&name, &queue, image.network.steps);
    // A data set, or where there are few samples their variations.
    let (samples, what) = if binned.len() >= 50 {
        (binned, "as given")
    } else {
        (variations(&binned, network.binning().channels, 200), "the given ones and seeded variations")
    };
    let mut deep = image.clone();
    deep.platform.shared_queue.depth = 1 << 20;
    let deep = measure(&deep, Structure::SharedQueue, &samples)?;
    let peaks: Vec<_> = deep.statistics.samples.iter().map(|s| s.queue_peak).collect();
    overflow(folder, &name, &peaks, what)?;
    Ok(points)
}
