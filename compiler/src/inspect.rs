//! What is in an image, as text.

use hw::Image;
use hw::image::{Build, PopulationKind};
use std::fmt::Write as _;

/// An image in words: network, platform, and for each build its cores and fullest memories.
/// `cores` adds every memory of every core.
#[must_use]
pub fn text(image: &Image, cores: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = describe(&mut out, image, cores);
    out
}

fn describe(out: &mut String, image: &Image, cores: bool) -> std::fmt::Result {
    let n = &image.network;
    writeln!(out, "network   {} (sha256 {})", n.name, n.sha256)?;
    writeln!(out, "steps     {} of {} ms, membranes of {} bits", n.steps, n.step_ms, n.membrane_bits)?;
    for p in &n.populations {
        let kind = match p.kind {
            PopulationKind::Input => format!("input channels, {} units each", n.group),
            PopulationKind::Lif => "lif neurons".into(),
            PopulationKind::Integrator => "integrators".into(),
        };
        writeln!(out, "          `{}`: {} {kind}", p.name, p.size)?;
    }
    writeln!(out, "left out  {} synapses of weight 0", n.zero_weights)?;
    if !n.classes.is_empty() {
        writeln!(out, "classes   {}", n.classes.join(", "))?;
    }
    let mesh = &image.platform.mesh;
    writeln!(out, "platform  {}: {} x {} cores", image.platform.name, mesh.width, mesh.height)?;
    match &image.stimulus {
        Some(s) => writeln!(out, "stimulus  {} bytes of spikes", s.len())?,
        None => writeln!(out, "stimulus  none")?,
    }
    writeln!(out, "written   by {}", image.tool)?;
    for build in &image.builds {
        let primary = if build.structure == image.primary { " (runs unless told otherwise)" } else { "" };
        writeln!(out, "\n{}{primary}: {} cores, {}", build.structure, build.cores.len(), depth(build))?;
        memories(out, image, build, cores)?;
    }
    for refused in &image.refused {
        writeln!(out, "\n{}: does not fit: {}", refused.structure, refused.reason)?;
    }
    Ok(())
}

fn depth(build: &Build) -> String {
    match build.structure {
        hw::Structure::RingBuffer => format!("{} slots a neuron", build.depth),
        hw::Structure::SharedQueue => format!("delays up to {} steps", build.depth),
    }
}

fn memories(out: &mut String, image: &Image, build: &Build, cores: bool) -> std::fmt::Result {
    let uses: Vec<_> = build.cores.iter().map(|c| c.memory_use(&image.platform, build)).collect();
    let targets: usize = build.inputs.iter().map(Vec::len).sum();
    writeln!(out, "  {targets} targets of {} input channels", build.inputs.len())?;
    writeln!(
        out,
        "  {:<16} {:>5} {:>10} {:>10} {:>6}  {:>12}  core",
        "memory", "bits", "most used", "words", "full", "all cores"
    )?;
    let Some(first) = uses.first() else {
        return Ok(());
    };
    for (i, memory) in first.iter().enumerate() {
        let total: u64 = uses.iter().map(|u| u[i].used).sum();
        let Some((core, used)) =
            uses.iter().map(|u| u[i].used).enumerate().max_by_key(|(c, n)| (*n, usize::MAX - c))
        else {
            continue;
        };
        let (x, y) = (build.cores[core].x, build.cores[core].y);
        writeln!(out, "  {}  {total:>12}  ({x}, {y})", line(memory, used))?;
    }
    if cores {
        for (core, memories) in build.cores.iter().zip(&uses) {
            writeln!(out, "  core ({}, {})", core.x, core.y)?;
            for s in &core.segments {
                let name = &image.network.populations[s.population as usize].name;
                writeln!(out, "    `{name}` {}..{}", s.first, s.first + s.count)?;
            }
            for memory in memories {
                writeln!(out, "    {}", line(memory, memory.used))?;
            }
        }
    }
    Ok(())
}

fn line(memory: &hw::image::MemoryUse, used: u64) -> String {
    let spec = &memory.spec;
    let full = 100.0 * used as f64 / spec.words.max(1) as f64;
    format!("{:<16} {:>5} {used:>10} {:>10} {full:>5.1}%", spec.memory.name(), spec.bits, spec.words)
}
