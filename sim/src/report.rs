//! The report of a run in words: accuracy, latency, traffic, and every memory to the bit. All of it is from `stats.json`.

use anyhow::{Context, Result};
use hw::Image;
use hw::platform::Structure;
use sim::memory::Memories;
use sim::statistics::Statistics;
use std::fmt::Write as _;
use std::io::Write;

/// The report.
pub fn report(run: &Statistics, image: &Image) -> String {
    let mut s = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = s.write_fmt(text);
        s.push('\n');
    };
    let (h, t) = (&run.header, &run.total);
    let cores = run.cores.len();
    line(format_args!("{} on {} ({}), {cores} cores; {}", h.network, h.platform, h.structure, h.input));
    line(format_args!("samples     {} run, {} failed", t.samples + t.failed, t.failed));
    if t.labelled > 0 {
        let share = 100.0 * t.correct as f64 / t.labelled as f64;
        line(format_args!("accuracy    {share:.2} % ({} of {})", t.correct, t.labelled));
    }
    if let (Some(least), Some(most)) = (t.cycles_min, t.cycles_max) {
        let per = |n: u64| n as f64 / t.samples as f64;
        let (mean, clock) = (per(t.cycles), h.clock_mhz);
        line(format_args!(
            "latency     {mean:.0} cycles a sample ({least}..{most}), {:.1} us at {clock} MHz; reset {} cycles",
            mean / clock,
            t.reset_cycles
        ));
        line(format_args!(
            "a sample    {:.0} input spikes ({:.1} late, {:.1} repeated), {:.0} spikes, {:.0} flits, {:.0} hops",
            per(t.input_spikes),
            per(t.input_late),
            per(t.input_repeats),
            per(t.counts.spikes),
            per(t.flits_injected + t.counts.flits_sent),
            per(t.hops)
        ));
        line(format_args!(
            "            {:.0} synaptic operations ({:.0} past the end), {:.0} neuron updates",
            per(t.counts.synaptic_operations),
            per(t.counts.lost),
            per(t.counts.updates)
        ));
    }
    for o in &run.overflows {
        line(format_args!("overflow    {o}"));
    }
    line(format_args!(""));
    line(format_args!("memory, bits in all cores in use"));
    line(format_args!("{:16} {:>31} {:>31}", "", "ring-buffer", "shared-queue"));
    line(format_args!("{:16} {:>15} {:>15} {:>15} {:>15}", "", "used", "allocated", "used", "allocated"));
    for memory in Memories::kinds_of(&run.memories) {
        let mut row = format!("{:16}", memory.name());
        for kind in run.memories.iter().map(|m| m.of(memory)) {
            let _ = match kind {
                Some(kind) => write!(row, " {:>15} {:>15}", kind.used_bits, kind.allocated_bits),
                None => write!(row, " {:>15} {:>15}", "-", "-"),
            };
        }
        line(format_args!("{row}"));
    }
    let mut row = format!("{:16}", "all");
    for (allocated, used) in run.memories.iter().map(Memories::bits) {
        let _ = write!(row, " {used:>15} {allocated:>15}");
    }
    line(format_args!("{row}"));
    for memories in &run.memories {
        if let Some(reason) = &memories.refused {
            line(format_args!("{}: no build: {reason}", memories.structure));
        }
    }
    if h.structure == Structure::SharedQueue {
        let (depth, peak) = (image.platform.shared_queue.depth, t.counts.queue_peak);
        let how = if peak > depth.into() { "asked for" } else { "in use" };
        line(format_args!("queues: {depth} events deep, at most {peak} {how} in this run"));
    }
    s
}

/// Prints; a reader that has left is no error.
pub fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}
