//! Emission of Verilog.

use crate::cli;
use anyhow::{Context, Result, bail};
use hw::blocks::chip::Chip;
use hw::blocks::{core_of, mesh};
use hw::image::Build;
use hw::layout::Widths;
use hw::{Image, Platform, machine};
use rtl::{Def, Library, verilog};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

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
        return write(args, &[chip], build);
    };
    let mut blocks = BTreeMap::new();
    collect(&chip, &mut blocks);
    let widths = Widths::new(&platform, structure);
    let alone = mesh::mesh(&mut library, &platform, &widths)?;
    blocks.insert(alone.unique_name(), alone);
    let matches =
        |(name, def): (&String, &Def)| (name == wanted || def.name() == wanted).then(|| def.clone());
    let found: Vec<_> = blocks.iter().filter_map(matches).collect();
    if found.is_empty() {
        let names: BTreeSet<_> = blocks.values().map(|d| d.name().to_string()).collect();
        let names: Vec<_> = names.into_iter().collect();
        bail!("--block {wanted}: no such block; there are {}", names.join(", "));
    }
    // A block alone has no place in the chip, and so no contents of its own.
    write(args, &found, None)
}

/// All definitions in a circuit by their full name.
fn collect(def: &Def, into: &mut BTreeMap<String, Def>) {
    if into.insert(def.unique_name(), def.clone()).is_none() {
        def.instances().iter().for_each(|i| collect(&i.def, into));
    }
}

fn write(args: &cli::Verilog, tops: &[Def], build: Option<&Build>) -> Result<String> {
    let mut summary = String::new();
    for top in tops {
        let text = verilog::emit(top);
        let paths = text.memories.iter().filter_map(|m| m.path.clone()).collect();
        let contents: BTreeMap<_, _> =
            build.map(|b| machine::contents(b, paths).collect()).unwrap_or_default();
        text.write_to(&args.output, |path| contents.get(path).map(|words| words.to_vec()))
            .with_context(|| format!("--output {}: cannot write", args.output.display()))?;
        let (modules, memories) = (text.files.len(), text.memories.len());
        let line = format!("{}: {modules} modules, {memories} memories", text.top);
        write!(summary, "{}{line}", if summary.is_empty() { "" } else { "\n" })?;
    }
    Ok(summary)
}
