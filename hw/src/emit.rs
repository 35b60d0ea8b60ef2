//! Emission of Verilog.

use crate::cli;
use crate::folder::Folder;
use anyhow::{Context, Result, bail};
use hw::blocks::chip::Chip;
use hw::blocks::{core_of, mesh};
use hw::image::Build;
use hw::layout::Widths;
use hw::{Image, Platform, Structure, machine};
use rtl::{Cost, Def, Library, verilog};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The list of blocks beside the Verilog.
const BLOCKS: &str = "blocks.toml";

/// Emits what was asked for; says what was written.
pub fn verilog(args: &cli::Verilog) -> Result<String> {
    let image = args.image.as_deref().map(Image::read).transpose()?;
    let platform = match (&image, &args.platform) {
        (Some(image), _) => image.platform.clone(),
        (None, Some(name)) => Platform::load(name)?,
        (None, None) => bail!("give --platform or --image"),
    };
    let structure = args.delays.unwrap_or(image.as_ref().map_or(platform.delays, |i| i.primary));
    let mut library = Library::new();
    let (chip, build) = match &image {
        Some(image) => {
            let (build, chip) = machine::elaborate(image, structure)?;
            (chip, Some(build))
        }
        None => {
            let core = core_of(&mut library, &platform, structure)?;
            (Chip::full(&platform, structure).elaborate(&mut library, &core)?, None)
        }
    };
    let Some(wanted) = &args.block else {
        return write(args, &[chip], build, structure);
    };
    let mut blocks = BTreeMap::new();
    collect(&chip, &mut blocks);
    let widths = Widths::new(&platform, structure);
    let alone = mesh::mesh(&mut library, &platform, &widths)?;
    blocks.insert(alone.unique_name(), alone);
    let found = called(wanted, &blocks);
    if found.is_empty() {
        let there = format!("--block {wanted}: no such block in a chip with the delay structure {structure}");
        for other in Structure::ALL.into_iter().filter(|s| *s != structure) {
            let mut blocks = BTreeMap::new();
            collect(&core_of(&mut Library::new(), &platform, other)?, &mut blocks);
            if !called(wanted, &blocks).is_empty() {
                bail!("{there}; it is in one with the other: give --delays {other}");
            }
        }
        let names: BTreeSet<_> = blocks.values().map(|d| d.name().to_string()).collect();
        let names: Vec<_> = names.into_iter().collect();
        bail!("{there}; there are {}", names.join(", "));
    }
    // A block alone has no place in the chip, and so no contents of its own.
    if let Some(path) = &args.image
        && found.iter().any(|def| !verilog::emit(def).memories.is_empty())
    {
        bail!(
            "--block {wanted}: its memories differ from core to core, so that there is none to take from {}: \
             leave --block out for the whole chip, which holds all of them, or give --platform for the block \
             with empty ones",
            path.display()
        );
    }
    write(args, &found, None, structure)
}

/// Definitions of this name, with or without their parameters.
fn called(wanted: &str, blocks: &BTreeMap<String, Def>) -> Vec<Def> {
    let found = blocks.iter().filter(|(name, def)| *name == wanted || def.name() == wanted);
    found.map(|(_, def)| def.clone()).collect()
}

/// All definitions in a circuit by their full name.
fn collect(def: &Def, into: &mut BTreeMap<String, Def>) {
    if into.insert(def.unique_name(), def.clone()).is_none() {
        def.instances().iter().for_each(|i| collect(&i.def, into));
    }
}

fn write(args: &cli::Verilog, tops: &[Def], build: Option<&Build>, structure: Structure) -> Result<String> {
    let blocks = toml::to_string(&listed(tops, structure))?;
    let texts: Vec<_> = tops.iter().map(verilog::emit).collect();
    let names = texts.iter().flat_map(|text| {
        let modules = text.files.iter().map(|(name, _)| name);
        modules.chain(text.memories.iter().map(|memory| &memory.name)).cloned()
    });
    let folder = Folder::open(&args.output, names.chain([BLOCKS.to_string()]).collect())?;
    let cannot_write = || format!("--output {}: cannot write", args.output.display());
    let mut summary = Vec::new();
    for (top, text) in tops.iter().zip(&texts) {
        let paths = text.memories.iter().filter_map(|m| m.path.clone()).collect();
        let contents: BTreeMap<_, _> =
            build.map(|b| machine::contents(b, paths).collect()).unwrap_or_default();
        text.write_to(&args.output, |path| contents.get(path).map(|words| words.to_vec()))
            .with_context(cannot_write)?;
        summary.push(format!("{}: {} modules, {}", text.top, text.files.len(), made_of(top)));
    }
    verilog::write_file(&args.output, BLOCKS, |out| {
        writeln!(out, "# The blocks, for `sim gates {BLOCKS}`.\n{blocks}")
    })
    .with_context(cannot_write)?;
    folder.close()?;
    Ok(summary.join("\n"))
}

/// Flip-flops and memories of a circuit, in words.
fn made_of(top: &Def) -> String {
    let cost = Cost::of(top);
    let mut out = format!("{} flip-flops", cost.flip_flops);
    for (ports, bits) in cost.memory_bits() {
        let of_kind = cost.memories.iter().filter(|(shape, _)| shape.ports == ports);
        let count: u64 = of_kind.map(|(_, count)| count).sum();
        out += &format!(", {count} memories {ports} with {bits} bits in all");
    }
    out
}

/// Blocks to be synthesised, as `sim gates` reads them.
#[derive(Serialize)]
struct Blocks {
    block: Vec<Block>,
}

/// A block: its top module, the files that it needs, its memories, and where it is used.
#[derive(Serialize)]
struct Block {
    name: String,
    top: String,
    sources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blackbox: Vec<String>,
    structure: Structure,
    /// `core` and `chip` are added up; a `part` is inside another block of the list.
    per: &'static str,
    count: u64,
}

/// The blocks of a chip, cores and routers first, each before its parts; or blocks alone, which are parts.
fn listed(tops: &[Def], structure: Structure) -> Blocks {
    let mut found: Vec<(Def, &'static str, u64)> = Vec::new();
    for top in tops {
        if top.name() != "chip" {
            found.push((top.clone(), "part", 1));
            continue;
        }
        for (def, count) in counted(top) {
            // A core in use has one router; the rest is there once, for the whole chip.
            let of_core = def.name() == "router" || def.name().ends_with("_core");
            found.push(if of_core { (def.clone(), "core", 1) } else { (def.clone(), "chip", count) });
            let mut parts = Vec::new();
            below(&def, 1, &mut parts);
            found.extend(parts.into_iter().map(|(def, count)| (def, "part", count)));
        }
    }
    let mut names: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    found.iter().for_each(|(def, ..)| {
        names.entry(def.name()).or_default().insert(def.unique_name());
    });
    let block = found.iter().map(|(def, per, count)| {
        let alone = names[def.name()].len() == 1;
        let text = verilog::emit(def);
        let sources: Vec<_> = text.files.into_iter().map(|(name, _)| name).collect();
        let memories = ["memory_1rw", "memory_1r1w"].into_iter();
        Block {
            name: if alone { def.name().to_string() } else { def.unique_name() },
            blackbox: memories.filter(|m| sources.contains(&format!("{m}.v"))).map(Into::into).collect(),
            top: text.top,
            sources,
            structure,
            per,
            count: *count,
        }
    });
    Blocks { block: block.collect() }
}

/// Definitions of the instances right in a definition, and how many there are of each.
fn counted(def: &Def) -> Vec<(Def, u64)> {
    let mut all: Vec<(Def, u64)> = Vec::new();
    for instance in def.instances() {
        match all.iter_mut().find(|(known, _)| known.unique_name() == instance.def.unique_name()) {
            Some((_, count)) => *count += 1,
            None => all.push((instance.def.clone(), 1)),
        }
    }
    all
}

/// All definitions below one, and how many there are of each in it.
fn below(def: &Def, times: u64, into: &mut Vec<(Def, u64)>) {
    for (inner, count) in counted(def) {
        match into.iter_mut().find(|(known, _)| known.unique_name() == inner.unique_name()) {
            Some((_, known)) => *known += times * count,
            None => into.push((inner.clone(), times * count)),
        }
        below(&inner, times * count, into);
    }
}
