//! `sim cost`: stages of the cost report. Read, run what has no statistics, price, write.

use crate::paths::{can_write, keep_apart};
use crate::report::print;
use crate::run::{Origin, header};
use anyhow::{Context, Result, bail};
use hw::Image;
use hw::platform::Structure;
use sim::cost::area::{NODES, Node};
use sim::cost::energy::{PriceTable, TABLES};
use sim::cost::gates::Gates;
use sim::cost::record::Recorder;
use sim::cost::{Cost, Header, NOTICE, Request};
use sim::statistics::Statistics;
use sim::{Options, Simulator};
use spikes::{Binning, SampleRange};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Options of `sim cost`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim cost --image shd.bin --output cost           runs the image's stimulus on both structures
  sim cost --image shd.bin --stats ring.json --stats queue.json --output cost
                                                   with the counts of longer runs (`sim --stats`)
  sim cost --image shd.bin --node 22fdx-scaled --prices my.toml --output cost

Writes cost.json and cost.html. Layers: 0 bits and 1 events (exact), 2 gates, 3 um2 at a measured node,
4 um2 at scaled nodes, 5 energy. sim/COST.md has formulas, sources and errors, and how to write prices.
Exit status: 0 done, 1 a queue overflowed in every sample, 2 wrong use or bad input, 130 interrupted.")]
pub struct CostArgs {
    /// Image that `compiler` wrote
    #[arg(long, value_name = "FILE", default_value = "shd.bin")]
    image: PathBuf,
    /// Counts of a run of this image; may be given once for each structure [default: run the stimulus]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "samples"])]
    stats: Vec<PathBuf>,
    /// Spikes to run (.npz or SHD HDF5) instead of the stimulus inside the image
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Samples: all, N (the one of index N), or A..B (half-open) [default: all]
    #[arg(long, value_name = "RANGE")]
    samples: Option<SampleRange>,
    /// Node for areas: ihp130, 22fdx-scaled, 45nm-scaled, 65nm-scaled; may be given several times [default: ihp130]
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    /// Prices: ihp130, seneca, loihi, horowitz45, or a TOML file; may be given several times [default: all four]
    #[arg(long, value_name = "NAME|FILE")]
    prices: Vec<String>,
    /// Results of `sim gates` for the image's platform [default: the committed ones]
    #[arg(long, value_name = "FILE")]
    gates: Option<PathBuf>,
    /// Folder for cost.json and cost.html
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// No progress bar and no summary on the terminal
    #[arg(long)]
    quiet: bool,
}

/// Makes the report.
pub fn run(args: &CostArgs) -> Result<ExitCode> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupt);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let mut inputs = vec![("--image", args.image.as_path())];
    inputs.extend(args.input.as_deref().map(|p| ("--input", p)));
    inputs.extend(args.stats.iter().map(|p| ("--stats", p.as_path())));
    let outputs = ["cost.json", "cost.html"].map(|file| ("--output", args.output.join(file)));
    keep_apart(&inputs, &outputs)?;
    can_write(&outputs, &["--output"])?;
    let image = Image::read(&args.image)?;
    let names = if args.node.is_empty() { vec![NODES[0].name.to_string()] } else { args.node.clone() };
    let nodes = names.iter().map(|n| Node::named(n)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let names = if args.prices.is_empty() {
        TABLES.iter().map(|t| t.0.to_string()).collect()
    } else {
        args.prices.clone()
    };
    let tables = names.iter().map(|n| PriceTable::load(n)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let gates = Gates::find(&image.platform, args.gates.as_deref()).map_err(wrong)?;
    let digest = sim::digest(&std::fs::read(&args.image).with_context(|| args.image.display().to_string())?);
    let (runs, not_run) = if args.stats.is_empty() {
        measure(args, &image, &interrupt)?
    } else {
        let why =
            "no --stats for this structure; `sim --delays STRUCTURE --stats FILE` makes one".to_string();
        (read_runs(args, &digest)?, why)
    };
    let cost = Cost::new(
        Header {
            tool: format!("delayline sim {}", env!("CARGO_PKG_VERSION")),
            command: std::env::args().collect(),
            image: args.image.display().to_string(),
            image_sha256: digest,
            network: image.network.name.clone(),
            network_sha256: image.network.sha256.clone(),
            platform: image.platform.name.clone(),
            primary: image.primary,
            steps: image.network.steps,
            step_ms: image.network.step_ms,
            clock_mhz: image.platform.clock_mhz,
            notice: NOTICE,
        },
        &Request {
            image: &image,
            nodes: &nodes,
            tables: &tables,
            gates: &gates,
            runs: &runs,
            not_run: &not_run,
        },
    );
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("{}: cannot make the folder", args.output.display()))?;
    let page = args.output.join("cost.html");
    let json = serde_json::to_string_pretty(&cost)? + "\n";
    for (path, text) in [(&args.output.join("cost.json"), json), (&page, cost.page())] {
        spikes::write_whole(path, text.as_bytes()).with_context(|| path.display().to_string())?;
    }
    if !args.quiet {
        print(&format!("{}written: {}\n", summary(&cost), page.display()))?;
    }
    let failed = !runs.is_empty() && runs.iter().any(|r| r.total.samples == 0);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn wrong(message: String) -> anyhow::Error {
    anyhow::anyhow!(message)
}

/// The files of `--stats`, which must be of this image, and of one input.
fn read_runs(args: &CostArgs, digest: &str) -> Result<Vec<Statistics>> {
    let mut runs: Vec<Statistics> = Vec::new();
    for path in &args.stats {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        let run = Statistics::parse(&name, &text).map_err(wrong)?;
        let h = &run.header;
        if h.image_sha256 != digest {
            bail!(
                "{name}: image_sha256: the run was of another image (`{}`) than {}; run this one with `sim --stats`",
                h.image,
                args.image.display()
            );
        }
        if let Some(other) = runs.iter().find(|r| r.header.structure == h.structure) {
            bail!("{name}: structure: {} is already given by `{}`", h.structure, other.header.input);
        }
        let same = |r: &Statistics| {
            r.header.input_sha256 == h.input_sha256
                && r.samples.iter().map(|s| s.sample).eq(run.samples.iter().map(|s| s.sample))
        };
        if let Some(other) = runs.iter().find(|r| !same(r)) {
            bail!(
                "{name}: input: `{}` with {} samples, but the other run has `{}` with {}; run both structures on the same samples",
                h.input,
                run.samples.len(),
                other.header.input,
                other.samples.len()
            );
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Runs the stimulus on every structure that the image has; without one, says so.
fn measure(args: &CostArgs, image: &Image, interrupt: &Arc<AtomicBool>) -> Result<(Vec<Statistics>, String)> {
    if args.input.is_none() && image.stimulus.is_none() {
        let why = format!(
            "{} has no stimulus; give spikes with --input FILE or counts with --stats FILE",
            args.image.display()
        );
        return Ok((Vec::new(), why));
    }
    let origin = args.input.as_deref().map_or(Origin::Stimulus, Origin::File);
    let (input, name) = origin.spikes(&args.image, image)?;
    let range = args.samples.unwrap_or(SampleRange::All);
    let samples = range.resolve(input.len()).with_context(|| format!("--samples, of {name}"))?;
    let network = &image.network;
    let inputs = network.populations.iter().find(|p| p.kind == hw::image::PopulationKind::Input);
    let binning = Binning {
        steps: network.steps,
        step_ms: network.step_ms,
        channels: inputs.map_or(0, |p| p.size),
        group: network.group,
    };
    let structures: Vec<Structure> =
        Structure::ALL.into_iter().filter(|s| image.builds.iter().any(|b| b.structure == *s)).collect();
    let total = (samples.len() * structures.len()) as u64;
    let bar = if args.quiet || total < 3 {
        indicatif::ProgressBar::hidden()
    } else {
        let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {eta} left")
            .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
        indicatif::ProgressBar::new(total).with_style(style)
    };
    let mut runs = Vec::new();
    for structure in structures {
        let options = Options { interrupt: Some(Arc::clone(interrupt)), ..Options::default() };
        let header = header(&args.image, origin, &input, image, structure, true)?;
        let mut recorder = Recorder::new(Simulator::new(image, structure, options)?, header);
        for sample in samples.clone() {
            recorder.run(sample, input.label(sample), &input.bin(sample, &binning)?)?;
            bar.inc(1);
        }
        runs.push(recorder.finish());
    }
    bar.finish_and_clear();
    Ok((runs, "it did not run".into()))
}

/// A few lines for the terminal.
fn summary(cost: &Cost) -> String {
    use std::fmt::Write as _;
    let mut s = format!("{} on {}\n", cost.header.network, cost.header.platform);
    let mut line = |name: &str, cell: &dyn Fn(&sim::cost::StructureCost) -> Option<String>| {
        let _ = write!(s, "{name:46}");
        for x in &cost.structures {
            let _ = write!(s, " {:>24}", cell(x).unwrap_or_else(|| "not run".into()));
        }
        s.push('\n');
    };
    line("", &|x| Some(x.structure.name().into()));
    let bits = |f: fn(&sim::cost::bits::Bits) -> Option<u64>| {
        move |x: &sim::cost::StructureCost| x.layer0_bits.get().and_then(f).map(|b| b.to_string())
    };
    line("cores in use", &|x| x.layer0_bits.get().map(|b| b.cores.to_string()));
    line("bits used (exact)", &bits(|b| b.all.used_bits));
    line("  of it the delay structure", &bits(|b| b.delay.used_bits));
    line("cycles an inference (exact for the run)", &|x| {
        x.layer1_events.get().map(|e| format!("{:.0}", e.cycles_per_inference))
    });
    line("gate equivalents (+-15 %)", &|x| {
        x.layer2_gates.get().map(|g| format!("{:.0}", g.gate_equivalents.point))
    });
    for (i, area) in
        cost.structures.iter().find(|x| !x.area.is_empty()).iter().flat_map(|x| x.area.iter().enumerate())
    {
        line(&format!("mm2 of memories, fitted, {}", area.node), &|x| {
            let a = x.area.get(i)?.fitted_um2?;
            Some(format!("{:.3} [{:.3} .. {:.3}]", a.point / 1e6, a.low / 1e6, a.high / 1e6))
        });
    }
    let tables = cost.structures.iter().find_map(|x| x.layer5_energy.get());
    for (k, bill) in tables.iter().flat_map(|e| e.bills.iter().enumerate()) {
        line(&format!("uJ an inference, prices {}", bill.table), &|x| {
            let bill = x.layer5_energy.get()?.bills.get(k)?;
            Some(match bill.total_nj_per_inference {
                Some(t) => format!("{:.1} [{:.1} .. {:.1}]", t.point / 1e3, t.low / 1e3, t.high / 1e3),
                None => format!("no total: {} unpriced", bill.unpriced.len()),
            })
        });
    }
    s
}
