//! What the commands do.

use crate::cli::{Cli, Command, Compile, On};
use anyhow::{Context, Result};
use compiler::budget::Budget;
use compiler::{Violation, hex, inspect};
use hw::{Image, Platform, Structure};
use model::network::Network;
use serde_json::json;
use spikes::SpikeFile;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs a command; status 1 where a network does not fit.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match (cli.command, cli.compile) {
        (Some(Command::Inspect { image, cores }), _) => {
            print(&inspect::text(&Image::read(&image)?, cores))?;
            Ok(ExitCode::SUCCESS)
        }
        (Some(Command::Check { network, on }), _) => check(&network, &on),
        (Some(Command::Budget { on }), _) => {
            let (platform, structure) = load(&on.platform, on.delays)?;
            print(&Budget::new(&platform, structure).to_toml()?)?;
            Ok(ExitCode::SUCCESS)
        }
        (None, Some(args)) => compile(&args),
        (None, None) => {
            anyhow::bail!("name a network and --platform and --output, or a command; see --help")
        }
    }
}

fn load(platform: &str, delays: Option<Structure>) -> Result<(Platform, Structure)> {
    let platform = Platform::load(platform)?;
    let structure = delays.unwrap_or(platform.delays);
    Ok((platform, structure))
}

fn check(network: &Path, on: &On) -> Result<ExitCode> {
    let (platform, structure) = load(&on.platform, on.delays)?;
    let network = Network::read(network)?;
    let violations = compiler::compile(&network, &platform, structure).err().unwrap_or_default();
    let fits = violations.is_empty();
    let report = json!({
        "network": network.name,
        "platform": platform.name,
        "delays": structure,
        "fits": fits,
        "violations": violations,
    });
    print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    Ok(if fits { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn compile(args: &Compile) -> Result<ExitCode> {
    let (platform, structure) = load(&args.platform, args.delays)?;
    // One reading, so that the digest is that of the network compiled.
    let file = std::fs::read(&args.network).with_context(|| args.network.display().to_string())?;
    let network = Network::from_bytes(&file, &args.network)?;
    let stimulus = args.stimulus.as_deref().map(|path| stimulus(path, args, &network)).transpose()?;
    let mut image = match compiler::image(&network, &file, &platform, structure) {
        Ok(image) => image,
        Err(violations) => return Ok(refuse(args, &platform, structure, &violations)),
    };
    image.stimulus = stimulus;
    if let (Some(folder), Some(build)) = (&args.hex, image.builds.iter().find(|b| b.structure == structure)) {
        hex::write(&image, build, folder)?;
    }
    image.write(&args.output)?;
    let builds: Vec<_> =
        image.builds.iter().map(|b| format!("{} cores as {}", b.cores.len(), b.structure)).collect();
    print(&format!(
        "{}: `{}` on {}: {}\n",
        args.output.display(),
        network.name,
        platform.name,
        builds.join(", ")
    ))?;
    for refused in &image.refused {
        warn(format_args!("note: not as {}: {}", refused.structure, refused.reason));
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse(args: &Compile, platform: &Platform, structure: Structure, violations: &[Violation]) -> ExitCode {
    warn(format_args!("error: {}: does not fit {} ({structure}):", args.network.display(), platform.name));
    for violation in violations {
        warn(format_args!("  {violation}"));
    }
    ExitCode::from(1)
}

/// The chosen samples as `.npz`, once each is known to suit the network.
fn stimulus(path: &Path, args: &Compile, network: &Network) -> Result<Vec<u8>> {
    let file = SpikeFile::read(path)?;
    let samples = args.stimulus_samples.resolve(file.len()).with_context(|| path.display().to_string())?;
    for sample in samples.clone() {
        file.bin(sample, &network.binning()).with_context(|| path.display().to_string())?;
    }
    Ok(file.select(samples).to_npz(path)?)
}

/// A line for the user; a reader that has left is no error.
fn warn(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints; a reader that has left is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}
