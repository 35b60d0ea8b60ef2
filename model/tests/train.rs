//! The trainer: learning, equality of export and golden model, determinism, resumption, limits.
//!
//! Long because one trainer answers for all of it; each test is one behaviour.
#![cfg(feature = "train")]

use model::golden;
use model::network::{Kind, Network, Reset};
use model::train::checkpoint;
use model::train::config::{Config, TrainArgs};
use model::train::data::Sample;
use model::train::quantise::About;
use model::train::report::History;
use model::train::simd::Simd;
use model::train::trainer::Trainer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spikes::Binned;
use std::path::Path;
use std::process::Command;

const STEPS: u32 = 40;

/// Two groups of channels that spike once each; the class is which comes first. Sums over time are the same.
fn order_task() -> Vec<Sample> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    (0..64)
        .map(|i| {
            let label = i % 2;
            let start = rng.random_range(0..10u32);
            let (a, b) = if label == 0 { (0, 12) } else { (12, 0) };
            let pairs = (0..4).flat_map(|c| [(start + a, c), (start + b, 4 + c)]).collect();
            Sample { input: Binned::from_pairs(pairs, STEPS), label: label as usize }
        })
        .collect()
}

/// Settings as they stand in a file.
fn config(text: &str) -> Config {
    let common = "units = 8\nsteps = 40\nhidden = [12, 12]\nbatch = 16\nlearning-rate = 0.02\ndropout = 0.0
channel-shift = 0\ndensity = 0.15\ndensity-penalty = 5.0\nseed = 9\n";
    // What the test itself says comes last and wins.
    let keys: Vec<&str> = text.lines().filter_map(|l| l.split_once('=')).map(|(k, _)| k.trim()).collect();
    let kept = common.lines().filter(|l| !keys.iter().any(|k| l.starts_with(k)));
    let all: String = kept.chain(text.lines()).map(|l| format!("{l}\n")).collect();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("c.toml");
    std::fs::write(&path, all).expect("written");
    TrainArgs { config: Some(path), ..TrainArgs::default() }.resolve().expect("valid settings")
}

fn trainer(config: &Config, samples: &[Sample]) -> Trainer {
    let plan = model::train::plan(config, 2).expect("valid network");
    Trainer::new(plan, Simd::best(), config, samples).expect("valid settings")
}

fn train(trainer: &mut Trainer, samples: &[Sample]) {
    while trainer.place.epoch < trainer.epochs() {
        next(trainer, samples);
    }
}

/// One epoch with what comes before it.
fn next(trainer: &mut Trainer, samples: &[Sample]) {
    use model::train::trainer::Phase;
    let (phase, within, _) = trainer.phase(trainer.place.epoch);
    let due: Vec<_> = trainer.actions.iter().filter(|a| phase == Phase::Pruned && a.0 == within).collect();
    let due: Vec<_> = due.into_iter().map(|a| a.1).collect();
    due.into_iter().for_each(|a| trainer.act(a));
    if phase == Phase::Integer && trainer.scales.is_none() {
        trainer.quantise(None).expect("integers");
    }
    trainer.epoch(samples, |_, _| true);
}

const WITH: &str = "delays = '16x3'\ntau = 0.5\ntau-rate = 0.0\nepochs = 60\ninteger-epochs = 30";

#[test]
fn delays_learn_an_order_that_is_lost_without_them() {
    let samples = order_task();
    // Membranes forget at once: only delays can bring the two together.
    let mut with = trainer(&config(WITH), &samples);
    train(&mut with, &samples);
    let mut without = trainer(&config(&WITH.replace("16x3", "1")), &samples);
    train(&mut without, &samples);
    let (with, without) = (with.evaluate(&samples).accuracy, without.evaluate(&samples).accuracy);
    assert!(with >= 0.99, "with delays {with}");
    assert!(without < 0.9, "without delays {without}");
}

#[test]
fn learned_positions_learn_the_order_too() {
    let samples = order_task();
    let text =
        "learn = 'positions'\ndelays = '16x3'\ntau = 0.5\ntau-rate = 0.0\nepochs = 80\ninteger-epochs = 30";
    let mut trainer = trainer(&config(text), &samples);
    train(&mut trainer, &samples);
    // One synapse a pair.
    assert_eq!(trainer.parameters.synapses(), 8 * 12 + 12 * 12 + 12 * 2);
    let accuracy = trainer.evaluate(&samples).accuracy;
    assert!(accuracy >= 0.95, "{accuracy}");
}

fn about() -> About {
    About { name: "test".into(), step_ms: 1.0, group: 1, classes: Vec::new() }
}

fn exported(trainer: &Trainer) -> Network {
    let scales = trainer.scales.as_ref().expect("integer phase");
    scales.network(&trainer.engine.plan, &trainer.parameters, &about())
}

#[test]
fn the_exported_network_gives_exactly_the_trainers_own_spikes_and_scores() {
    let samples = order_task();
    for text in [
        "delays = '16x3'\nepochs = 8\ninteger-epochs = 4",
        "delays = '16x3'\nepochs = 8\ninteger-epochs = 4\nweight-bits = 3\nrecurrent = '5x2'\nreset = 'subtract'",
        "delays = '30x4'\nepochs = 8\nprune-epochs = 4\nkeep = 2\ninteger-epochs = 2\nmembrane-bits = 12
projection = ['hidden2:hidden1=9x4', 'input:output=3']\nhidden-dropout = 0.2",
        // So narrow that membranes saturate.
        "delays = '16x3'\nepochs = 8\ninteger-epochs = 2\nmembrane-bits = 7\nweight-bits = 6",
    ] {
        let mut trainer = trainer(&config(text), &samples);
        train(&mut trainer, &samples);
        let network = exported(&trainer);
        network.validate().expect("valid");
        let inputs: Vec<Binned> = samples.iter().take(24).map(|s| s.input.clone()).collect();
        let own = trainer.trace(&inputs);
        let mut spikes = 0;
        for (i, input) in inputs.iter().enumerate() {
            let golden = golden::run(&network, input);
            assert_eq!(golden.scores, trainer.engine.exact_scores(&own, i), "{text}: sample {i}");
            let mut fired = Vec::new();
            for p in 1..=2 {
                trainer.engine.spikes(&own, p, i, |step, neuron| {
                    fired.push((step as u32, p as u32, neuron as u32));
                });
            }
            fired.sort_unstable();
            let expected: Vec<_> = golden.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
            assert_eq!(fired, expected, "{text}: sample {i}");
            spikes += fired.len();
        }
        assert!(spikes > 50, "{text}: {spikes} spikes are no test");
    }
}

#[test]
fn sums_that_floats_cannot_hold_are_refused() {
    let text = "hidden = [2400]\ndelays = '63x1'\ninput-delays = '63x1'\nepochs = 1\nprojection = ['hidden1:output=63x1']";
    let plan = model::train::plan(&config(text), 2).expect("valid network");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let parameters = model::train::parameters::Parameters::new(&plan, 5.0, None, &mut rng);
    let mut trainer = Trainer::with(plan, Simd::best(), &config(text), parameters).expect("valid settings");
    let refusal = trainer.quantise(None).expect_err("2400 x 63 x 127 is above 2^24");
    assert!(refusal.contains("not exact"), "{refusal}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let samples = order_task();
    let text = "delays = '9x4'\nepochs = 2\nprune-epochs = 2\nkeep = 1\ninteger-epochs = 2\njitter = 0.5\nblend = 0.3
dropout = 0.1\nhidden-dropout = 0.1\nhidden = [20, 20]";
    let run = |threads, simd| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let mut trainer = trainer(&config(text), &samples);
            trainer.engine.simd = simd;
            train(&mut trainer, &samples);
            checkpoint::to_bytes(&trainer, &History::default()).expect("bytes")
        })
    };
    let one = run(1, Simd::best());
    assert!(run(3, Simd::best()) == one);
    for simd in Simd::available() {
        assert!(run(2, simd) == one, "{simd}");
    }
}

#[test]
fn a_run_goes_on_from_its_checkpoint_to_the_same_bytes() {
    let samples = order_task();
    for learn in ["grid", "positions"] {
        let keep = if learn == "grid" { "keep = 2\nregrow = true\nprune-epochs = 6" } else { "" };
        let text = format!(
            "learn = '{learn}'\ndelays = '13x4'\nepochs = 2\n{keep}\ninteger-epochs = 2\njitter = 0.5"
        );
        let config = config(&text);
        let mut whole = trainer(&config, &samples);
        train(&mut whole, &samples);
        let whole = checkpoint::to_bytes(&whole, &History::default()).expect("bytes");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("c.safetensors");
        // Killed after every second batch, four batches an epoch.
        let mut trainer = trainer(&config, &samples);
        loop {
            let (phase, within, _) = trainer.phase(trainer.place.epoch);
            if trainer.place.batch == 0 {
                use model::train::trainer::Phase;
                let due: Vec<_> = trainer
                    .actions
                    .iter()
                    .filter(|a| phase == Phase::Pruned && a.0 == within)
                    .map(|a| a.1)
                    .collect();
                due.into_iter().for_each(|a| trainer.act(a));
                if phase == Phase::Integer && trainer.scales.is_none() {
                    trainer.quantise(None).expect("integers");
                }
            }
            let mut left = 2;
            trainer.epoch(&samples, |_, _| {
                left -= 1;
                left > 0
            });
            std::fs::write(&path, checkpoint::to_bytes(&trainer, &History::default()).expect("bytes"))
                .expect("written");
            if trainer.place.epoch == trainer.epochs() {
                break;
            }
            let read = checkpoint::read(&path).expect("whole");
            trainer = read.resume(&config, Simd::best(), 0).expect("the same settings").0;
        }
        assert!(std::fs::read(&path).expect("read") == whole, "{learn}");
    }
}

#[test]
fn other_settings_are_refused_when_a_run_goes_on() {
    let samples = order_task();
    let first = config("epochs = 2");
    let bytes = checkpoint::to_bytes(&trainer(&first, &samples), &History::default()).expect("bytes");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("c.safetensors");
    std::fs::write(&path, &bytes).expect("written");
    let read = checkpoint::read(&path).expect("whole");
    let refusal = read.resume(&config("epochs = 3"), Simd::best(), 0).expect_err("refused").to_string();
    assert!(refusal.contains("`epochs` was 2"), "{refusal}");
    let read = checkpoint::read(&path).expect("whole");
    let refusal = read.resume(&first, Simd::best(), 1).expect_err("refused").to_string();
    assert!(refusal.contains("samples"), "{refusal}");
    std::fs::write(&path, &bytes[..bytes.len() - 3]).expect("written");
    assert!(checkpoint::read(&path).is_err(), "cut off");
}

#[test]
fn the_settings_for_shd_train_on_files_of_its_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["scripts", "shd"] {
        std::fs::create_dir(folder.path().join(name)).expect("made");
    }
    let settings = folder.path().join("scripts/shd.toml");
    std::fs::copy(root.join("scripts/shd.toml"), &settings).expect("copied");
    for name in ["shd_train.h5", "shd_test.h5"] {
        let fixture = root.join("model/spikes/tests/fixtures/speakers.h5");
        std::fs::copy(fixture, folder.path().join("shd").join(name)).expect("copied");
    }
    let train = |more: &[&str]| {
        let program = env!("CARGO_BIN_EXE_model");
        let out = Command::new(program)
            .args(["train", "--quiet", "--epochs", "1", "--integer-epochs", "1", "--config"])
            .arg(&settings)
            .args(more)
            .output()
            .expect("runs");
        (out.status.code(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    };
    let (status, text) = train(&[]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("of 6 samples") && text.contains("control: no-delays"), "{text}");
    let network = Network::read(&folder.path().join("shd/shd.safetensors")).expect("written");
    let longest = network.projections.iter().flat_map(|p| p.synapses.iter().map(|s| s.delay)).max();
    assert!(longest.is_some_and(|d| d <= 63), "the ring holds {longest:?}");
    let (status, text) = train(&["--validation", "groups:10,4"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("no sample is of group `4`; there are 0, 10, 11"), "{text}");
}

/// Runs `model train` in a folder on a few of the embedded digits: status, and all that it said.
fn command(folder: &Path, arguments: &str) -> (Option<i32>, String) {
    let out = begun(folder, arguments).output().expect("runs");
    (out.status.code(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

fn begun(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits.npz");
    command.current_dir(folder).args(["train", "--quiet", "--samples", "0..48", "--input"]).arg(digits);
    command.args("--hidden 10 --group 35 --steps 40 --step-ms 25 --threads 1".split(' '));
    command.args(arguments.split(' '));
    command
}

/// The delays of a network file's projection into the readout, and synapses a pair.
fn readout_delays(path: &Path) -> (std::collections::BTreeSet<u16>, usize) {
    let network = Network::read(path).expect("written");
    let last = network.projections.last().expect("a readout");
    let pairs: std::collections::HashSet<_> = last.synapses.iter().map(|s| (s.pre, s.post)).collect();
    (last.synapses.iter().map(|s| s.delay).collect(), last.synapses.len().div_ceil(pairs.len()))
}

#[test]
fn controls_of_a_branch_begin_anew_with_as_many_epochs_in_all() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    let source = "--delays 13x4 --epochs 2 --integer-epochs 0 --output dense.safetensors";
    assert_eq!(command(folder.path(), source).0, Some(0));
    let branch = "--delays 13x4 --from dense.run/float.safetensors --epochs 0 --keep 2 --prune-epochs 3 --pace one-shot --integer-epochs 1";
    let controls = format!("{branch} --controls random-delays,no-delays --output net.safetensors");
    let (status, text) = command(folder.path(), &controls);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(readout_delays(&at("net.no-delays.safetensors")), ([1].into(), 1));
    assert_eq!(readout_delays(&at("net.random-delays.safetensors")).1, 2);
    for control in ["no-delays", "random-delays"] {
        let log = std::fs::read_to_string(at(&format!("net.{control}.run/log.csv"))).expect("a log");
        assert_eq!(log.lines().filter(|l| l.contains(",dense,")).count(), 2 + 3, "{log}");
        assert_eq!(log.lines().filter(|l| l.contains(",integer,")).count(), 1, "{log}");
    }
    let (status, text) = command(folder.path(), &format!("{branch} --prune random --output r.safetensors"));
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("--prune random") && text.contains("--from"), "{text}");
}

#[test]
fn a_branch_that_is_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    // Growing again leaves other delays than the settings name.
    let source = "--delays 13x4 --epochs 1 --keep 2 --regrow --prune-epochs 7 --integer-epochs 0 --output dense.safetensors";
    let (status, text) = command(folder.path(), source);
    assert_eq!(status, Some(0), "{text}");
    let branch = "--delays 13x4 --from dense.run/float.safetensors --epochs 0 --keep 1 --pace gradual --prune-epochs 9 --integer-epochs 1";
    let (status, text) = command(folder.path(), &format!("{branch} --output whole.safetensors"));
    assert_eq!(status, Some(0), "{text}");
    let log = std::fs::read_to_string(folder.path().join("whole.run/log.csv")).expect("a log");
    assert!(log.matches("keep").count() > 2, "not gradual:\n{log}");
    let killed = format!("{branch} --output killed.safetensors");
    let last = folder.path().join("killed.run/last.safetensors");
    loop {
        let mut child = begun(folder.path(), &killed).spawn().expect("runs");
        while !last.exists() && child.try_wait().expect("known").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // SIGKILL.
        child.kill().expect("killed");
        let _ = child.wait().expect("ended");
        assert!(last.exists(), "it ended by itself");
        // Again, where the run was over before the signal came.
        if std::fs::remove_file(folder.path().join("killed.safetensors")).is_err() {
            break;
        }
        std::fs::remove_file(&last).expect("removed");
    }
    let (status, text) = command(folder.path(), &format!("{killed} --resume"));
    assert_eq!(status, Some(0), "{text}");
    for file in ["RUN/log.jsonl", "NET.safetensors"] {
        let of = |name: &str| {
            let path = file.replace("RUN", &format!("{name}.run")).replace("NET", name);
            std::fs::read(folder.path().join(path)).expect("written")
        };
        let (whole, killed) = (of("whole"), of("killed"));
        assert!(whole == killed, "{file}");
    }
}

#[test]
fn a_branch_keeps_the_delays_of_its_source_and_refuses_others() {
    let folder = tempfile::tempdir().expect("folder");
    let source = "--delays 13x4 --projection hidden1:output=9x2 --epochs 1 --integer-epochs 0 --output dense.safetensors";
    let (status, text) = command(folder.path(), source);
    assert_eq!(status, Some(0), "{text}");
    let branch = "--from dense.run/float.safetensors --epochs 0 --integer-epochs 1 --output net.safetensors";
    for (other, asked, has) in [
        ("--delays 13x3", "13x3", "13x4"),
        ("--input-delays 5x2", "5x2", "1x1"),
        ("--recurrent 3", "3", "none"),
        ("--projection input:output=2", "input:output=2", "hidden1:output=9x2"),
        ("--learn positions", "positions", "grid"),
        ("--reset subtract", "subtract", "zero"),
    ] {
        let (status, text) = command(folder.path(), &format!("{branch} {other}"));
        assert_eq!(status, Some(2), "{other}: {text}");
        for word in [asked, has, "dense.run/float.safetensors"] {
            assert!(text.contains(word), "{other}: no `{word}` in {text}");
        }
    }
    // Not given, and given in other words.
    for same in ["", " --delays 1+5+9+13 --learn grid"] {
        let (status, text) = command(folder.path(), &format!("{branch}{same}"));
        assert_eq!(status, Some(0), "{text}");
        let delays = readout_delays(&folder.path().join("net.safetensors")).0;
        assert!(delays.iter().all(|d| d % 2 == 1 && *d <= 9) && delays.len() > 1, "{delays:?}");
    }
}

#[test]
fn a_branch_keeps_the_reset_of_its_source_to_its_test() {
    let folder = tempfile::tempdir().expect("folder");
    let test = format!("--test {}/data/digits.npz --test-samples 640..660", env!("CARGO_MANIFEST_DIR"));
    let source = format!(
        "--reset subtract --delays 13x4 --epochs 2 --integer-epochs 0 {test} --output dense.safetensors"
    );
    let (status, before) = command(folder.path(), &source);
    assert_eq!(status, Some(0), "{before}");
    let branch = format!(
        "--from dense.run/float.safetensors --epochs 0 --integer-epochs 1 {test} --output net.safetensors"
    );
    let (status, text) = command(folder.path(), &branch);
    assert_eq!(status, Some(0), "{text}");
    let float = |text: &str| text.lines().find(|l| l.contains("float:")).map(str::to_string);
    assert!(float(&text).is_some() && float(&text) == float(&before), "the same network:\n{before}\n{text}");
    let network = Network::read(&folder.path().join("net.safetensors")).expect("written");
    for population in &network.populations[1..network.populations.len() - 1] {
        let subtracts = matches!(population.kind, Kind::Lif { reset: Reset::Subtract, .. });
        assert!(subtracts, "{}", population.name);
    }
    let checkpoint = checkpoint::read(&folder.path().join("net.run/last.safetensors")).expect("whole");
    assert_eq!(checkpoint.plan.net.reset, Reset::Subtract);
    // A row a test sample, under its index in the file.
    let rows = std::fs::read_to_string(folder.path().join("net.run/test.csv")).expect("written");
    let samples: Vec<u32> = rows.lines().skip(1).filter_map(|l| l.split(',').next()?.parse().ok()).collect();
    assert_eq!(samples, (640..660).collect::<Vec<_>>());
    for picture in ["curves.svg", "delays.svg", "weights.svg", "confusion.svg"] {
        let text = std::fs::read_to_string(folder.path().join("net.run").join(picture)).expect(picture);
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{picture}");
    }
}

#[test]
fn a_run_interrupted_before_its_controls_goes_on_to_them() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = "--delays 13x4 --epochs 1 --integer-epochs 1";
    let (status, text) = command(folder.path(), &format!("{settings} --output net.safetensors --resume"));
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("--resume") && text.contains("net.run"), "{text}");
    let (status, text) = command(folder.path(), &format!("{settings} --output net.safetensors"));
    assert_eq!(status, Some(0), "{text}");
    let all = format!("{settings} --controls no-delays --output net.safetensors");
    let (status, text) = command(folder.path(), &format!("{all} --resume"));
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(readout_delays(&folder.path().join("net.no-delays.safetensors")), ([1].into(), 1));
    // One that was killed before its first checkpoint begins.
    let control = folder.path().join("net.no-delays.safetensors");
    let bytes = std::fs::read(&control).expect("written");
    std::fs::remove_file(folder.path().join("net.no-delays.run/last.safetensors")).expect("there");
    std::fs::remove_file(&control).expect("there");
    let (status, text) = command(folder.path(), &format!("{all} --resume"));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("no checkpoint yet"), "{text}");
    assert!(std::fs::read(&control).expect("written") == bytes);
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_run_and_ends_with_130() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = "--delays 13x4 --epochs 3000 --integer-epochs 0 --output net.safetensors";
    let mut child =
        begun(folder.path(), settings).stderr(std::process::Stdio::piped()).spawn().expect("runs");
    let log = folder.path().join("net.run/log.csv");
    while !log.exists() && child.try_wait().expect("known").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let out = child.wait_with_output().expect("ended");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(130), "{text}");
    assert!(text.contains("--resume"), "{text}");
    assert!(checkpoint::read(&folder.path().join("net.run/last.safetensors")).is_ok(), "a whole checkpoint");
    assert!(!folder.path().join("net.safetensors").exists());
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_learned() {
    let folder = tempfile::tempdir().expect("folder");
    let budget = |bits: &str| {
        let text = "version = 1\nplatform = 'odd'\n[chip]\ncores = 4\nlongest_delay = 63\nmembrane_bits_min = 2\nmembrane_bits_max = 32\naccumulator_bits = BITS\nscore_bits = 48\n[core]\nneurons = 9\naccumulators = 9\nsynapse_words = 9\ninput_axons = 9\noutput_axons = 9\nreadouts = 9\n[cost]\naccumulators = 'one'\nsynapse_words = 1\ninput_axons = 1\noutput_axons = 1\n";
        std::fs::write(folder.path().join(format!("{bits}.toml")), text.replace("BITS", bits))
            .expect("written");
    };
    budget("0");
    budget("200");
    std::fs::write(folder.path().join("c.toml"), "controls = ['no-delays']\nkeep = 1\n").expect("written");
    for (arguments, says) in [
        ("--memory 1 --hidden 512", "MiB may be used"),
        ("--log nowhere/x.jsonl", "nowhere"),
        ("--budget 0.toml", "accumulator_bits = 0: must be 2 to 64"),
        ("--budget 200.toml", "accumulator_bits = 200: must be 2 to 64"),
        ("--projection hidden1:input=3", "hidden1:input"),
        ("--without controls", "--config"),
        ("--controls random-delays", "--keep"),
        ("--keep 2 --prune-epochs 0", "--prune-epochs"),
        ("--prune axonal", "--keep"),
        ("--pace gradual", "--keep"),
        ("--taps 5", "--learn positions"),
        ("--config c.toml --without kept", "it has controls, keep"),
    ] {
        let (status, text) = command(
            folder.path(),
            &format!("{arguments} --epochs 1 --integer-epochs 1 --output net.safetensors"),
        );
        assert_eq!(status, Some(2), "{arguments}: {text}");
        assert!(text.contains(says), "{arguments}: {text}");
        assert!(!folder.path().join("net.run/log.csv").exists(), "{arguments}");
    }
    // What a file sets can be left out, and more memory allowed than there is.
    let settings = "--config c.toml --without controls,keep --memory 17592186044416 --epochs 1 --integer-epochs 1 --output net.safetensors";
    let (status, text) = command(folder.path(), settings);
    assert_eq!(status, Some(0), "{text}");
    assert!(!text.contains("control:"), "{text}");
    let (status, text) = command(
        folder.path(),
        "--resume --config c.toml --without keep --epochs 1 --integer-epochs 1 --output net.safetensors",
    );
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("control: no-delays"), "{text}");
}

#[test]
fn a_queue_that_overflows_lowers_the_density_and_is_named_where_that_is_not_enough() {
    let folder = tempfile::tempdir().expect("folder");
    let budget = |depth: u64| {
        let text = format!(
            "version = 1
platform = 'wide'
structure = 'shared-queue'
[chip]
cores = 64
longest_delay = 63
membrane_bits_min = 2
membrane_bits_max = 32
accumulator_bits = 40
score_bits = 48
[core]
neurons = 256
accumulators = 256
synapse_words = 100000
input_axons = 4096
axon_synapses = 4096
output_axons = 4096
readouts = 64
queue_depth = {depth}
[cost]
accumulators = 'one'
synapse_words = 1
synapse_word_bits = 24
input_axons = 1
output_axons = 1
"
        );
        std::fs::write(folder.path().join("budget.toml"), text).expect("written");
    };
    // Densities of the last epoch.
    let run = |name: &str| {
        let settings = "--delays 13x4 --epochs 2 --integer-epochs 8 --learning-rate 0.02 --density-penalty 1000 --budget budget.toml";
        let (status, text) = command(folder.path(), &format!("{settings} --output {name}.safetensors"));
        let log = std::fs::read_to_string(folder.path().join(format!("{name}.run/log.csv"))).expect("a log");
        let last = log.lines().last().expect("epochs").split(',').rev().take_while(|n| n.contains('.'));
        let density = last.filter_map(|n| n.parse::<f64>().ok()).next().expect("a density");
        (status, text, log, density)
    };
    budget(1_000_000);
    let (status, text, log, free) = run("free");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("within the limits of `wide`") && !log.contains("density below"), "{text}");
    budget(1);
    let (status, text, log, lowered) = run("crowded");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("core.queue_depth = 1: up to "), "{text}");
    assert!(
        log.contains("density below") && lowered < free,
        "{lowered} and {free}
{log}"
    );
}
