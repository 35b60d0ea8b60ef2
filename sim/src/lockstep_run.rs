//! `sim --lockstep`: samples beside the RTL, until the first difference.

use crate::cli::Args;
use crate::run::{Done, Finish, Source, recorder, warn};
use anyhow::{Context, Result};
use hw::Image;
use hw::machine::Machine;
use sim::lockstep::{Also, Change, Components, Lockstep, Signal, Watch};
use sim::page::Gallery;
use sim::probe::NoProbe;
use sim::{Error, Simulator};
use std::ops::Range;

/// Shows how far it is.
struct Bar(indicatif::ProgressBar);

impl Watch for Bar {
    fn fast(&mut self, _: u32, _: &[Signal], _: &mut Vec<Change>) {
        self.0.inc(1);
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
    let mesh = &image.platform.mesh;
    let places = (0..mesh.height).flat_map(|y| (0..mesh.width).map(move |x| (x, y)));
    let routers = places.filter(|&(x, y)| machine.has_router(x, y)).count();
    let mut recorder = recorder(args, &simulator);
    let mut gallery = args.report.as_ref().map(|_| Gallery::new(simulator.program()));
    let mut both = Lockstep::new(simulator, machine, components)?;
    let signals = both.signals().len();
    if !args.quiet {
        warn(format_args!(
            "lockstep: the whole chip runs in RTL, with the {routers} of {} routers that a flit can reach; {signals} signals of {} are compared",
            mesh.width * mesh.height,
            match components {
                Components::All => "all components".into(),
                Components::Named(names) => names.join(", "),
            },
        ));
        if args.samples.is_none() && samples.len() < from.len() {
            warn(format_args!(
                "lockstep: sample {} of {}; --samples all runs all",
                samples.start,
                from.len()
            ));
        }
    }
    let steps = samples.len() as u64 * u64::from(from.binning.steps);
    let bar = if args.quiet { indicatif::ProgressBar::hidden() } else { indicatif::ProgressBar::new(steps) };
    let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} steps beside RTL, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    let mut bar = Bar(bar);
    let (mut cycles, mut values, count) = (0, 0, samples.len());
    let first = samples.start;
    for sample in samples {
        let binned = from.bin(sample)?;
        let (recorder, mut drawn) = (recorder.as_mut(), gallery.take());
        let ran = match &mut drawn {
            Some(probe) => both.check(&binned, &args.lockstep_vcd, &mut bar, Also { recorder, probe }),
            None => both.check(&binned, &args.lockstep_vcd, &mut bar, Also { recorder, probe: &mut NoProbe }),
        };
        let report = ran.with_context(|| format!("sample {sample}"))?;
        (cycles, values) = (cycles + report.cycles, values + report.values);
        if let Some(outcome) = report.outcome {
            finish(sample - first, Done { binned, outcome, record: report.record, gallery: drawn })?;
        }
    }
    bar.0.finish_and_clear();
    if !args.quiet {
        warn(format_args!(
            "lockstep: RTL and fast model agree; samples {count}, signals {signals}, cycles {cycles}, values {values}"
        ));
    }
    Ok(())
}
