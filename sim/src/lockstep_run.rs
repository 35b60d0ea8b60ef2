//! `sim --lockstep`: samples beside the RTL, until the first difference.

use crate::cli::Args;
use crate::run::{Done, Finish, Source, warn};
use anyhow::{Context, Result};
use hw::Image;
use hw::machine::{Cycle, Machine};
use sim::lockstep::{Change, Components, Difference, Lockstep, Signal, Watch};
use sim::{Error, Simulator};
use std::ops::{ControlFlow, Range};

/// RTL and fast model differ.
#[derive(Debug, thiserror::Error)]
#[error("sample {sample}, {difference}; both sides around it are in {waves}")]
pub struct Parted {
    sample: usize,
    difference: Difference,
    waves: String,
}

/// Shows how far it is.
struct Bar(indicatif::ProgressBar);

impl Watch for Bar {
    fn fast(&mut self, _: u32, _: &[Signal], _: &mut Vec<Change>) {
        self.0.inc(1);
    }
    fn rtl(&mut self, _: &mut Cycle<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Runs samples one after the other; an error where the two sides part.
pub fn in_lockstep(
    args: &Args,
    components: &Components,
    image: &Image,
    simulator: Simulator,
    from: &Source<'_>,
    samples: Range<usize>,
    finish: &mut Finish<'_>,
) -> Result<()> {
    let structure = simulator.program().structure;
    let machine = Machine::in_use(image, structure).map_err(Error::from)?;
    let mut both = Lockstep::new(simulator, machine, components)?;
    let steps = samples.len() as u64 * u64::from(from.binning.steps);
    let bar = if args.quiet { indicatif::ProgressBar::hidden() } else { indicatif::ProgressBar::new(steps) };
    let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} steps beside RTL, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    let mut bar = Bar(bar);
    let (mut cycles, mut values) = (0, 0);
    let first = samples.start;
    for sample in samples {
        let binned = from.bin(sample)?;
        let ran = both.run(&binned, &mut bar);
        let parted = match &ran {
            Ok(report) => report.difference.is_some(),
            Err(error) => matches!(error, Error::Rtl(_)),
        };
        let waves = args.lockstep_vcd.display().to_string();
        if parted {
            let mut file = Vec::new();
            both.waves(&mut file).with_context(|| waves.clone())?;
            spikes::write_whole(&args.lockstep_vcd, &file).with_context(|| waves.clone())?;
        }
        let report = match ran {
            Err(error @ Error::Rtl(_)) => {
                let text = format!("sample {sample}; both sides before it are in {waves}");
                return Err(anyhow::Error::from(error).context(text));
            }
            other => other?,
        };
        if let Some(difference) = report.difference {
            return Err(Parted { sample, difference, waves }.into());
        }
        (cycles, values) = (cycles + report.cycles, values + report.values);
        if let Some(outcome) = report.outcome {
            finish(sample - first, Done { binned, outcome, record: None, gallery: None })?;
        }
    }
    bar.0.finish_and_clear();
    if !args.quiet {
        let signals = both.signals().len();
        warn(format_args!("RTL and fast model agree: {signals} signals, {cycles} cycles, {values} values"));
    }
    Ok(())
}
