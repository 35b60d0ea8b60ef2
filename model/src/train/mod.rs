//! The trainer: delays and weights together, under the limits of the hardware.
//!
//! Every pair of neurons has one synapse for each candidate delay ([`net`]); surrogate gradients teach
//! their weights ([`engine`], [`trainer`]), pruning chooses among them ([`prune`]), or positions are
//! learned ([`parameters`]). The last epochs run on the integers that are exported ([`quantise`]), so that
//! the exported network's golden evaluation equals the trainer's own forward pass bit for bit.
//!
//! Long because a training run from its data to its report is one sequence.

pub mod augment;
pub mod budget;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod engine;
pub mod events;
mod kernels;
pub mod loss;
pub mod net;
mod neurons;
pub mod optimiser;
pub mod parameters;
pub mod prune;
pub mod quantise;
pub mod report;
pub mod simd;
pub mod trainer;

use crate::golden;
use crate::network::{Network, Reset};
use anyhow::{Context, Result, bail};
use budget::{Budget, Crowded, Unmet};
use checkpoint::write_whole;
pub use config::TrainArgs;
use config::{Config, Control, Delays, Export, ResetTo};
use data::{Data, Place, Sample};
use net::{Net, Plan, Projection};
use quantise::About;
use rayon::prelude::*;
use report::{Best, History, Record, interval, words};
use simd::Simd;
use spikes::Binning;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trainer::{Phase, Trainer};

/// The run was interrupted.
#[derive(Debug, thiserror::Error)]
#[error("interrupted in epoch {epoch} of {epochs}; {} goes on with --resume", checkpoint.display())]
pub struct Interrupted {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Where the run is saved.
    pub checkpoint: PathBuf,
}

/// Runs `model train`.
///
/// # Errors
/// Bad input, I/O, [`Interrupted`], or [`Unmet`].
pub fn train(args: &TrainArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")?;
    let config = args.resolve()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.map_or(0, usize::from)).build()?;
    // What is wrong with a control is said before anything is trained.
    let controls: Vec<_> = config.controls.iter().map(|c| controlled(&config, *c)).collect::<Result<_>>()?;
    pool.install(|| {
        run(args, &config, &stop)?;
        for (config, name) in controls {
            println!("\ncontrol: {name}");
            // A run that is resumed may never have come to its controls.
            let begun = config.directory()?.is_dir();
            run(&TrainArgs { resume: args.resume && begun, ..args.clone() }, &config, &stop)?;
        }
        Ok(())
    })
}

/// The settings of a control: it begins anew, whatever the run itself began with, or it would be that run's
/// own source under another name; with as many epochs in all.
fn controlled(config: &Config, control: Control) -> Result<(Config, &'static str)> {
    let mut out = config.clone();
    out.controls.clear();
    if let Some(from) = out.from.take() {
        out.epochs += checkpoint::read(&from)?.epochs();
    }
    let name = match control {
        Control::RandomDelays => {
            if config.keep.is_none() {
                bail!("--controls random-delays needs --keep: as many delays a pair");
            }
            out.epochs += out.phases()[1];
            out.prune = config::Prune::Random;
            out.regrow = false;
            "random-delays"
        }
        Control::NoDelays => {
            let one: Delays = "1".parse().map_err(anyhow::Error::msg)?;
            out.epochs += out.phases()[1];
            (out.keep, out.regrow, out.prune) = (None, false, config::Prune::Synaptic);
            (out.delays, out.input_delays) = (one.clone(), one.clone());
            out.recurrent = out.recurrent.map(|_| one.clone());
            out.projection.iter_mut().for_each(|w| w.delays = one.clone());
            "no-delays"
        }
    };
    let beside = |path: &Path, ending: &str| {
        let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        path.with_file_name(format!("{stem}.{name}.{ending}"))
    };
    let directory = config.directory()?;
    out.output = Some(beside(Config::required(&config.output, "output")?, "safetensors"));
    out.run = Some(beside(&directory, "run"));
    out.log = config.log.as_deref().map(|p| beside(p, "jsonl"));
    Ok((out, name))
}

fn reset(config: &Config) -> Reset {
    match config.reset {
        ResetTo::Zero => Reset::Zero,
        ResetTo::Subtract => Reset::Subtract,
    }
}

/// The network that the settings describe.
///
/// # Errors
/// Projections that cannot be, by their names.
pub fn plan(config: &Config, classes: usize) -> Result<Plan> {
    let mut sizes = vec![config.units.div_ceil(config.group) as usize];
    sizes.extend(&config.hidden);
    sizes.push(classes);
    let last = sizes.len() - 1;
    let of = |source: usize| if source == 0 { &config.input_delays } else { &config.delays };
    let mut projections = Vec::new();
    for p in 0..last {
        if let Some(delays) = config.recurrent.as_ref().filter(|_| p > 0) {
            projections.push((p, p, delays.clone()));
        }
        projections.push((p, p + 1, of(p).clone()));
    }
    let index = |name: &str| match name {
        "input" => Ok(0),
        "output" => Ok(last),
        _ => {
            let number = name.strip_prefix("hidden").and_then(|n| n.parse().ok());
            number.filter(|n| (1..last).contains(n)).with_context(|| {
                format!(
                    "--projection: `{name}` is no population; there are input, hidden1 to hidden{}, output",
                    last - 1
                )
            })
        }
    };
    for wire in &config.projection {
        let (source, target) = (index(&wire.source)?, index(&wire.target)?);
        match projections.iter_mut().find(|p| (p.0, p.1) == (source, target)) {
            Some(p) => p.2 = wire.delays.clone(),
            None => projections.push((source, target, wire.delays.clone())),
        }
    }
    let projections = projections.into_iter().map(|(source, target, delays)| Projection {
        source,
        target,
        delays: match (config.learn, &delays.steps[..]) {
            // Positions narrow to less than a step: between candidates farther apart they would carry nothing.
            (config::Learn::Positions, &[first, .., last]) => (first..=last).collect(),
            _ => delays.steps,
        },
    });
    let projections: Vec<_> = projections.collect();
    let name = |p: usize| match p {
        0 => "input".to_string(),
        p if p == last => "output".to_string(),
        p => format!("hidden{p}"),
    };
    if let Some(p) = projections.iter().find(|p| p.source >= last || p.target == 0) {
        bail!(
            "--projection {}:{}: from the input or a hidden population to a hidden one or the output",
            name(p.source),
            name(p.target)
        );
    }
    let net = Net { steps: config.steps as usize, sizes, reset: reset(config), projections };
    Plan::new(net).map_err(anyhow::Error::msg)
}

/// Bytes of memory that the machine has free, where it says so.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|k| k * 1024)
}

/// Says what a step needs, and refuses what will not fit.
fn check_memory(config: &Config, plan: &Plan, data: &Data) -> Result<u64> {
    let most = config.memory.map(|m| m.saturating_mul(1 << 20)).or_else(|| free_memory().map(|f| f / 4 * 3));
    let most_samples = data.train.len().max(data.validation.len()).max(data.test.len());
    let evaluated = most_samples.min(trainer::EVALUATED);
    let samples = config.batch.max(evaluated);
    let needed = plan.bytes(samples, if config.learn == config::Learn::Positions { config.taps } else { 0 });
    if let Some(most) = most.filter(|m| needed > *m) {
        let smaller = if config.batch > evaluated { "--batch, " } else { "" };
        bail!(
            "{samples} samples x {} steps at a time need {} MiB, and {} MiB may be used; use a smaller {smaller}--hidden or --steps, fewer --delays, or raise --memory",
            config.steps,
            needed.div_ceil(1 << 20),
            most >> 20
        );
    }
    Ok(needed)
}

/// One run: from the first epoch, or from its checkpoint, to the exported network.
fn run(args: &TrainArgs, config: &Config, stop: &AtomicBool) -> Result<()> {
    let output = Config::required(&config.output, "output")?;
    for path in [output].into_iter().chain(config.log.as_deref()) {
        spikes::check_place(path).with_context(|| path.display().to_string())?;
    }
    let directory = config.directory()?;
    if args.resume && !directory.is_dir() {
        bail!("--resume: there is no run {}; leave --resume out to begin it", directory.display());
    }
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let simd = args.simd.unwrap_or_else(Simd::best);
    let binning = Binning {
        steps: config.steps,
        step_ms: config.step_ms,
        channels: config.units.div_ceil(config.group),
        group: config.group,
    };
    let place = Place { directory: &directory, quiet: args.quiet, stop };
    let data = Data::read(config, &binning, place)?;
    let budget = config.budget.as_deref().map(Budget::read).transpose()?;
    let last = directory.join("last.safetensors");
    let files = Files {
        best: directory.join("best.network.safetensors"),
        float: directory.join("float.safetensors"),
        last,
        directory: directory.clone(),
    };
    let resumed = args.resume && files.last.exists();
    let (mut trainer, mut history) = if resumed {
        checkpoint::read(&files.last)?.resume(config, simd, data.fingerprint())?
    } else {
        if args.resume {
            println!("{}: no checkpoint yet; the run begins", directory.display());
        }
        (begin(config, simd, &data)?, History::default())
    };
    if let Some(budget) = &budget {
        budget.check(&trainer.engine.plan, config.membrane_bits)?;
    }
    let bytes = check_memory(config, &trainer.engine.plan, &data)?;
    if !args.quiet {
        println!(
            "{} samples to learn from, {} to choose by, {} to test on; {} classes; {} synapses; a step needs {} MiB ({simd})",
            data.train.len(),
            data.validation.len(),
            data.test.len(),
            data.classes,
            trainer.parameters.synapses(),
            bytes >> 20
        );
    }
    if !config.class_names.is_empty() && config.class_names.len() != data.classes {
        let (names, classes) = (config.class_names.len(), data.classes);
        bail!("--class-names: {names} names for {classes} classes; name each");
    }
    let about = About {
        name: config.name.clone(),
        step_ms: config.step_ms,
        group: config.group,
        classes: config.class_names.clone(),
    };
    if !resumed {
        // Nothing of an earlier run in this directory may be taken for this one's, whenever it is killed.
        trainer.data = data.fingerprint();
        for stale in [&files.best, &files.float] {
            if stale.exists() && config.from.as_ref() != Some(stale) {
                std::fs::remove_file(stale).with_context(|| stale.display().to_string())?;
            }
        }
        write_whole(&files.last, &checkpoint::to_bytes(&trainer, &history)?)?;
    }
    epochs(args, &mut trainer, &mut history, &data, &about, &files, budget.as_ref(), stop)?;
    if trainer.scales.is_none() {
        quantise(&mut trainer, &history, &files, budget.as_ref())?;
    }
    let newest =
        trainer.scales.as_ref().map(|s| s.network(&trainer.engine.plan, &trainer.parameters, &about));
    let newest = newest.context("no scales")?;
    let best = history.best.is_some() && config.export == Export::Best;
    let chosen = if best { Network::read(&files.best)? } else { newest.clone() };
    chosen.write(output)?;
    summary(config, &mut trainer, &history, &data, &newest, &files)?;
    #[cfg(feature = "plots")]
    pictures(&history, &chosen, &data, &files)?;
    let Some(budget) = budget else { return Ok(()) };
    let mut broken = budget.broken(&chosen);
    let inputs: Vec<_> = data.train.iter().map(|s| &s.input).collect();
    broken.extend(budget.crowded(&chosen, &inputs).map(|c| c.to_string()));
    if broken.is_empty() {
        println!("budget      within the limits of `{}`", budget.platform);
        return Ok(());
    }
    Err(Unmet { platform: budget.platform, limits: broken.join("; ") }.into())
}

/// Files of a run directory.
struct Files {
    directory: PathBuf,
    /// Checkpoint of the last epoch, or of an interrupt.
    last: PathBuf,
    /// Checkpoint of the last epoch in floating point.
    float: PathBuf,
    /// The network of the best epoch.
    best: PathBuf,
}

/// The change to integers: what the budget asks for goes, and the state before is kept. In words.
fn quantise(
    trainer: &mut Trainer,
    history: &History,
    files: &Files,
    budget: Option<&Budget>,
) -> Result<String> {
    write_whole(&files.float, &checkpoint::to_bytes(trainer, history)?)?;
    trainer.settle();
    let mut done = format!("{} bits", trainer.config.weight_bits);
    if let Some(budget) = budget
        && let Some(left) = budget.fit(&trainer.engine.plan, &mut trainer.parameters)?
    {
        done.push_str(&format!(", {left} synapses for `{}`", budget.platform));
    }
    // A bit to spare, since weights go on moving.
    let bits = budget.map(|b| b.accumulator_bits() - 1);
    if let Err(limits) = trainer.quantise(bits) {
        match budget {
            Some(budget) if limits.starts_with("accumulators of ") => {
                return Err(Unmet { platform: budget.platform.clone(), limits }.into());
            }
            _ => bail!("{limits}"),
        }
    }
    Ok(done)
}

/// A fresh run, from random weights or from another run's network.
fn begin(config: &Config, simd: Simd, data: &Data) -> Result<Trainer> {
    let plan = plan(config, data.classes)?;
    check_memory(config, &plan, data)?;
    let Some(from) = &config.from else {
        return Trainer::new(plan, simd, config, &data.train).map_err(anyhow::Error::msg);
    };
    let other = checkpoint::read(from)?;
    if other.plan.net.sizes != plan.net.sizes || other.plan.net.steps != plan.net.steps {
        bail!(
            "--from {}: a network of sizes {:?} and {} steps; the settings ask for {:?} and {}",
            from.display(),
            other.plan.net.sizes,
            other.plan.net.steps,
            plan.net.sizes,
            plan.net.steps
        );
    }
    let before = other.epochs();
    let mut trainer =
        Trainer::with(other.plan, simd, config, other.parameters).map_err(anyhow::Error::msg)?;
    trainer.before = before;
    Ok(trainer)
}

/// Trains the epochs that are left.
#[allow(clippy::too_many_arguments)]
fn epochs(
    args: &TrainArgs,
    trainer: &mut Trainer,
    history: &mut History,
    data: &Data,
    about: &About,
    files: &Files,
    budget: Option<&Budget>,
    stop: &AtomicBool,
) -> Result<()> {
    let config = trainer.config.clone();
    let all = trainer.epochs();
    let last = &files.last;
    let bar = if args.quiet {
        indicatif::ProgressBar::hidden()
    } else {
        let style = indicatif::ProgressStyle::with_template("{bar:24} {msg}, {eta} left")?;
        indicatif::ProgressBar::new((all * data.train.len()) as u64).with_style(style)
    };
    bar.set_position((trainer.place.epoch * data.train.len() + trainer.place.batch * config.batch) as u64);
    bar.reset_eta();
    let inputs: Vec<_> = data.train.iter().map(|s| &s.input).collect();
    let mut said = String::new();
    while trainer.place.epoch < all {
        let epoch = trainer.place.epoch;
        let (phase, within, _) = trainer.phase(epoch);
        if trainer.place.batch == 0 {
            prepare(trainer, history, data, files, budget, phase, within)?;
        }
        let score = trainer.epoch(&data.train, |n, sums| {
            bar.inc(n as u64);
            if sums.samples() % (8 * config.batch) < n {
                bar.set_message(format!("epoch {}/{all} {phase:?}, {said}", epoch + 1));
            }
            !stop.load(Ordering::Relaxed)
        });
        let Some(train) = score else {
            bar.finish_and_clear();
            write_whole(last, &checkpoint::to_bytes(trainer, history)?)?;
            return Err(Interrupted { epoch: epoch + 1, epochs: all, checkpoint: last.clone() }.into());
        };
        let validation = (!data.validation.is_empty()).then(|| trainer.evaluate(&data.validation));
        let densities: Vec<_> = train.densities.iter().map(|d| format!("{:.1} %", 100.0 * d)).collect();
        said = format!(
            "loss {:.3}, accuracy {:.1} %{}, density {}",
            train.loss,
            100.0 * train.accuracy,
            validation
                .as_ref()
                .map_or(String::new(), |v| format!(", validation {:.1} %", 100.0 * v.accuracy)),
            densities.join(", ")
        );
        let network =
            trainer.scales.as_ref().map(|s| s.network(&trainer.engine.plan, &trainer.parameters, about));
        let crowded = network.as_ref().zip(budget).and_then(|(n, b)| b.crowded(n, &inputs));
        if let (Some(network), Some(v)) = (&network, &validation) {
            let now =
                Best { epoch: epoch + 1, accuracy: v.accuracy, loss: v.loss, within: crowded.is_none() };
            let key = |b: &Best| (b.within, b.accuracy, -b.loss);
            if history.best.as_ref().is_none_or(|b| key(&now) > key(b)) {
                history.best = Some(now);
                network.write(&files.best)?;
            }
        }
        let (action, before) = (history.action.take(), history.before.take());
        if let Some(Crowded { depth, peak }) = crowded {
            // A little below what would do, since rates go on moving.
            trainer.quieten(&train, 0.9 * depth as f64 / peak as f64);
            let to = 100.0 * trainer.ceiling;
            history.action = Some(format!("density below {to:.2} % for {peak} events in queues of {depth}"));
            history.before.clone_from(&validation);
        }
        history.records.push(Record {
            epoch: epoch + 1,
            phase,
            action,
            before,
            train,
            validation,
            synapses: trainer.parameters.synapses(),
        });
        history.write(&files.directory, config.log.as_deref())?;
        write_whole(last, &checkpoint::to_bytes(trainer, history)?)?;
        if stop.load(Ordering::Relaxed) && trainer.place.epoch < all {
            bar.finish_and_clear();
            return Err(Interrupted { epoch: epoch + 1, epochs: all, checkpoint: last.clone() }.into());
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// What happens between epochs: pruning, and the change to integers.
fn prepare(
    trainer: &mut Trainer,
    history: &mut History,
    data: &Data,
    files: &Files,
    budget: Option<&Budget>,
    phase: Phase,
    within: usize,
) -> Result<()> {
    let mut done = Vec::new();
    if phase == Phase::Pruned {
        trainer.settle();
        let due: Vec<_> = trainer.actions.iter().filter(|a| a.0 == within).map(|a| a.1).collect();
        for action in due {
            trainer.act(action);
            done.push(words(action));
        }
    }
    if phase == Phase::Integer && trainer.scales.is_none() {
        done.push(quantise(trainer, history, files, budget)?);
    }
    if !done.is_empty() {
        history.action = Some(done.join(", "));
        history.before = (!data.validation.is_empty()).then(|| trainer.evaluate(&data.validation));
    }
    Ok(())
}

/// Says what came of it, and tests, once.
fn summary(
    config: &Config,
    trainer: &mut Trainer,
    history: &History,
    data: &Data,
    newest: &Network,
    files: &Files,
) -> Result<()> {
    history.stages().iter().for_each(|line| println!("{line}"));
    let mut report = serde_json::json!({
        "config": config,
        "stages": history.stages(),
        "best": history.best,
        "training": trainer.evaluate(&data.train),
    });
    if let Some(best) = &history.best {
        println!("best        epoch {}: validation {:.2} %", best.epoch, 100.0 * best.accuracy);
    }
    if !data.test.is_empty() {
        let labels: Vec<usize> = data.test.iter().map(|s| s.label).collect();
        let mut columns = Vec::new();
        if files.float.exists() {
            let other = checkpoint::read(&files.float)?;
            let simd = trainer.engine.simd;
            let mut floating = Trainer::at(other.plan, simd, config, other.parameters, Vec::new());
            columns.push(("float", floating.predict(&data.test).1));
        }
        columns.push(("last", predictions(newest, &data.test)));
        if history.best.is_some() {
            columns.push(("best", predictions(&Network::read(&files.best)?, &data.test)));
        }
        let mut table = String::from("sample,label");
        for (name, classes) in &columns {
            let correct = classes.iter().zip(&labels).filter(|(c, l)| c == l).count();
            let (low, high) = interval(correct, labels.len());
            let share = correct as f64 / labels.len() as f64;
            println!(
                "test        {name}: {:.2} % of {} samples (95 %: {:.2} to {:.2})",
                100.0 * share,
                labels.len(),
                100.0 * low,
                100.0 * high
            );
            report["test"][name] = serde_json::json!({ "accuracy": share, "correct": correct, "samples": labels.len(), "low": low, "high": high });
            table.push_str(&format!(",{name}"));
        }
        table.push('\n');
        for (i, (sample, label)) in data.tested.iter().zip(&labels).enumerate() {
            table.push_str(&format!("{sample},{label}"));
            columns.iter().for_each(|(_, classes)| table.push_str(&format!(",{}", classes[i])));
            table.push('\n');
        }
        write_whole(&files.directory.join("test.csv"), table.as_bytes())?;
    }
    write_whole(&files.directory.join("report.json"), serde_json::to_string_pretty(&report)?.as_bytes())
}

/// Curves of the epochs; of the network that is exported histograms of delays and weights, and the confusion on the test samples.
#[cfg(feature = "plots")]
fn pictures(history: &History, network: &Network, data: &Data, files: &Files) -> Result<()> {
    use crate::plot::{Line, counted, curves, histograms};
    let line = |name: &str, value: &dyn Fn(&Record) -> Option<f64>| -> Line {
        let points = history.records.iter().filter_map(|r| value(r).map(|v| (r.epoch as f64, v)));
        (name.into(), points.collect())
    };
    let densities = (0..network.populations.len().saturating_sub(2))
        .map(|i| line(&network.populations[i + 1].name, &|r| r.train.densities.get(i).map(|d| 100.0 * d)));
    let loss = vec![
        line("training", &|r| Some(r.train.loss)),
        line("validation", &|r| r.validation.as_ref().map(|v| v.loss)),
    ];
    let accuracy = vec![
        line("training", &|r| Some(100.0 * r.train.accuracy)),
        line("validation", &|r| r.validation.as_ref().map(|v| 100.0 * v.accuracy)),
    ];
    let panels = [
        ("loss", loss),
        ("accuracy, %", accuracy),
        ("density, % of neurons that fire in a step", densities.collect()),
    ];
    let write = |name: &str, text: String| write_whole(&files.directory.join(name), text.as_bytes());
    write("curves.svg", curves("epoch", &panels)?)?;
    let each = |of: &dyn Fn(&crate::network::Synapse) -> i64| {
        let panel = |p: &crate::network::Projection| (p.name.clone(), counted(p.synapses.iter().map(of)));
        network.projections.iter().map(panel).collect::<Vec<_>>()
    };
    write("delays.svg", histograms("delay, steps", &each(&|s| s.delay.into()))?)?;
    write("weights.svg", histograms("weight", &each(&|s| s.weight.into()))?)?;
    if data.test.is_empty() {
        return Ok(());
    }
    let mut counts = vec![vec![0u64; data.classes]; data.classes];
    let classes = predictions(network, &data.test);
    data.test.iter().zip(classes).for_each(|(sample, class)| counts[sample.label][class] += 1);
    write("confusion.svg", crate::plot::confusion(&network.class_labels(), &counts)?)
}

/// The golden model's class of each sample.
fn predictions(network: &Network, samples: &[Sample]) -> Vec<usize> {
    samples.par_iter().map(|s| golden::run(network, &s.input).prediction as usize).collect()
}
