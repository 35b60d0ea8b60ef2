//! The report of a run: accuracy, latency, traffic, and every memory to the bit.

use crate::cli::Args;
use anyhow::{Context, Result};
use hw::Image;
use hw::platform::Structure;
use serde::Serialize;
use sim::memory::Table;
use sim::stats::CoreStats;
use sim::{Outcome, Simulator};
use spikes::Binned;
use std::fmt::Write as _;
use std::io::Write;

/// Sums over the samples of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    tool: String,
    image: String,
    network_sha256: String,
    platform: String,
    structure: Structure,
    input: String,
    steps: u32,
    step_ms: f64,
    clock_mhz: f64,
    /// Samples that were run.
    pub samples: u64,
    /// Samples that failed (a queue overflowed).
    pub failed: u64,
    labelled: u64,
    correct: u64,
    cycles_total: u64,
    cycles_min: Option<u64>,
    cycles_max: Option<u64>,
    reset_cycles: u64,
    input_spikes: u64,
    input_late: u64,
    input_repeats: u64,
    flits_injected: u64,
    hops: u64,
    router_stalls: u64,
    total: CoreStats,
    cores: Vec<CoreReport>,
    /// Overflowed cores, with the depth that would have sufficed for all samples.
    overflows: Vec<sim::Overflow>,
    memories: Vec<Table>,
}

#[derive(Debug, Serialize)]
struct CoreReport {
    x: u16,
    y: u16,
    neurons: usize,
    #[serde(flatten)]
    stats: CoreStats,
}

impl Report {
    /// An empty report.
    pub fn new(image: &Image, structure: Structure, input: &str, simulator: &Simulator) -> Self {
        let program = simulator.program();
        let cores = (0..program.cores())
            .map(|i| {
                let (x, y) = program.place(i);
                CoreReport { x, y, neurons: program.neurons(i), stats: CoreStats::default() }
            })
            .collect();
        Self {
            tool: format!("delayline sim {}", env!("CARGO_PKG_VERSION")),
            image: image.network.name.clone(),
            network_sha256: image.network.sha256.clone(),
            platform: image.platform.name.clone(),
            structure,
            input: input.into(),
            steps: image.network.steps,
            step_ms: image.network.step_ms,
            clock_mhz: image.platform.clock_mhz,
            samples: 0,
            failed: 0,
            labelled: 0,
            correct: 0,
            cycles_total: 0,
            cycles_min: None,
            cycles_max: None,
            reset_cycles: 0,
            input_spikes: 0,
            input_late: 0,
            input_repeats: 0,
            flits_injected: 0,
            hops: 0,
            router_stalls: 0,
            total: CoreStats::default(),
            cores,
            overflows: Vec::new(),
            memories: Vec::new(),
        }
    }

    /// Adds a sample.
    pub fn add(&mut self, label: Option<u32>, binned: &Binned, outcome: &Outcome) {
        self.samples += 1;
        for (core, stats) in self.cores.iter_mut().zip(&outcome.cores) {
            core.stats.add(stats);
        }
        for o in &outcome.overflows {
            match self.overflows.iter_mut().find(|k| (k.x, k.y) == (o.x, o.y)) {
                Some(k) => k.needed = k.needed.max(o.needed),
                None => self.overflows.push(*o),
            }
        }
        if !outcome.overflows.is_empty() {
            self.failed += 1;
            return;
        }
        if let Some(label) = label {
            self.labelled += 1;
            self.correct += u64::from(label == outcome.prediction);
        }
        self.cycles_total += outcome.cycles;
        self.cycles_min = Some(self.cycles_min.map_or(outcome.cycles, |c| c.min(outcome.cycles)));
        self.cycles_max = self.cycles_max.max(Some(outcome.cycles));
        self.reset_cycles = outcome.reset_cycles;
        self.input_spikes += outcome.input_spikes;
        self.input_late += binned.late;
        self.input_repeats += binned.repeats;
        self.flits_injected += outcome.injected;
        self.hops += outcome.hops;
        self.router_stalls += outcome.router_stalls;
    }

    /// Prints it, and writes the files of `--report`.
    pub fn write(&mut self, args: &Args, image: &Image) -> Result<()> {
        for core in &self.cores {
            self.total.add(&core.stats);
        }
        let peaks: Vec<_> = self.cores.iter().map(|c| c.stats.queue_peak).collect();
        self.memories = Table::both(image, self.structure, &peaks);
        let text = self.text(image);
        let json = serde_json::to_string_pretty(self)?;
        if let Some(folder) = &args.report {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{}: cannot make the folder", folder.display()))?;
            for (name, text) in [("report.txt", &text), ("report.json", &json)] {
                let path = folder.join(name);
                spikes::write_whole(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
            }
        }
        if args.json {
            print(&format!("{json}\n"))
        } else if !args.quiet {
            print(&text)
        } else {
            Ok(())
        }
    }

    fn text(&self, image: &Image) -> String {
        let mut s = String::new();
        let done = (self.samples - self.failed).max(1) as f64;
        let per = |n: u64| n as f64 / done;
        let mean = per(self.cycles_total);
        let us = mean / self.clock_mhz;
        let t = &self.total;
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = s.write_fmt(text);
            s.push('\n');
        };
        line(format_args!(
            "{} on {} ({}), {} cores; {}",
            self.image,
            self.platform,
            self.structure,
            self.cores.len(),
            self.input
        ));
        line(format_args!("samples     {} run, {} failed", self.samples, self.failed));
        if self.labelled > 0 {
            let share = 100.0 * self.correct as f64 / self.labelled as f64;
            line(format_args!("accuracy    {share:.2} % ({} of {})", self.correct, self.labelled));
        }
        line(format_args!(
            "latency     {mean:.0} cycles a sample ({}..{}), {us:.1} us at {} MHz; reset {} cycles",
            self.cycles_min.unwrap_or(0),
            self.cycles_max.unwrap_or(0),
            self.clock_mhz,
            self.reset_cycles
        ));
        line(format_args!(
            "a sample    {:.0} input spikes ({:.1} late, {:.1} repeated), {:.0} spikes, {:.0} flits, {:.0} hops",
            per(self.input_spikes),
            per(self.input_late),
            per(self.input_repeats),
            per(t.spikes),
            per(self.flits_injected + t.flits_sent),
            per(self.hops)
        ));
        line(format_args!(
            "            {:.0} synaptic operations ({:.0} past the end), {:.0} neuron updates",
            per(t.synaptic_operations),
            per(t.lost),
            per(t.updates)
        ));
        for o in &self.overflows {
            line(format_args!("overflow    {o}"));
        }
        line(format_args!(""));
        line(format_args!("memory, bits in all cores in use"));
        let tables: Vec<_> = self.memories.iter().map(|t| (t, t.totals())).collect();
        line(format_args!("{:16} {:>31} {:>31}", "", "ring-buffer", "shared-queue"));
        line(format_args!("{:16} {:>15} {:>15} {:>15} {:>15}", "", "used", "allocated", "used", "allocated"));
        let mut names: Vec<_> = tables.iter().flat_map(|t| t.1.iter().map(|m| m.memory)).collect();
        names.sort();
        names.dedup();
        for memory in names {
            let mut row = format!("{:16}", memory.name());
            for (_, totals) in &tables {
                match totals.iter().find(|t| t.memory == memory) {
                    Some(t) => {
                        let _ = write!(row, " {:>15} {:>15}", t.used_bits, t.allocated_bits);
                    }
                    None => {
                        let _ = write!(row, " {:>15} {:>15}", "-", "-");
                    }
                }
            }
            line(format_args!("{row}"));
        }
        let mut row = format!("{:16}", "all");
        for (_, totals) in &tables {
            let used: u64 = totals.iter().map(|t| t.used_bits).sum();
            let allocated: u64 = totals.iter().map(|t| t.allocated_bits).sum();
            let _ = write!(row, " {used:>15} {allocated:>15}");
        }
        line(format_args!("{row}"));
        for (table, _) in &tables {
            if let Some(reason) = &table.refused {
                line(format_args!("{}: no build: {reason}", table.structure));
            }
        }
        if self.structure == Structure::SharedQueue {
            line(format_args!(
                "queues: {} events deep, at most {} in use in this run",
                image.platform.shared_queue.depth, t.queue_peak
            ));
        }
        s
    }
}

/// Prints; a reader that has left is no error.
pub fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}
