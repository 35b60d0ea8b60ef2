//! The default network and image: made anew byte for byte, as good as the README says, and the same on
//! both structures for a recording of a human voice.

use hw::{Image, Platform, Structure};
use model::golden;
use model::network::{Kind, Network};
use sim::{Options, Simulator};
use spikes::{Binned, SpikeFile};
use std::path::{Path, PathBuf};
use std::process::Command;
use testbenches::programs::built;

/// Samples of `digits.npz` by voices that training never heard, and those that the image carries.
/// `digits.toml` states the first, `scripts/make_default.sh` both.
const TEST: std::ops::Range<usize> = 720..880;
const STIMULUS: std::ops::Range<usize> = 740..748;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace").into()
}

fn network() -> (Network, Vec<u8>) {
    let path = root().join("model/data/shd.safetensors");
    (Network::read(&path).expect("the default network"), std::fs::read(&path).expect("the default network"))
}

fn digits() -> SpikeFile {
    SpikeFile::read(&root().join("model/data/digits.npz")).expect("the embedded digits")
}

/// Asserts that golden model and simulator make the same of an input, on both structures.
fn assert_equal(network: &Network, image: &Image, input: &Binned, what: &str) {
    let expected = golden::run(network, input);
    assert!(!expected.spikes.is_empty(), "{what}: a silent network proves nothing");
    let spikes: Vec<_> = expected.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
    for structure in Structure::ALL {
        let mut simulator = Simulator::new(image, structure, Options::default()).expect("built for both");
        let outcome = simulator.run(input).expect("runs");
        assert_eq!(outcome.overflows, [], "{what}, {structure}");
        let got: Vec<_> = outcome.spikes.iter().map(|s| (s.step, s.population, s.neuron)).collect();
        assert_eq!(got, spikes, "{what}, {structure}: spikes");
        assert_eq!(outcome.scores, expected.scores, "{what}, {structure}: scores");
        assert_eq!(outcome.prediction, expected.prediction, "{what}, {structure}: class");
    }
}

#[test]
fn the_default_image_is_made_anew_from_the_network_byte_for_byte() {
    let (network, file) = network();
    let platform = Platform::load("loihi").expect("preset");
    let mut image = compiler::image(&network, &file, &platform, Structure::RingBuffer).expect("fits");
    let stimulus = digits().select(STIMULUS).to_npz(Path::new("digits.npz")).expect("packs");
    image.stimulus = Some(stimulus);
    let committed = std::fs::read(root().join("shd.bin")).expect("shd.bin");
    assert!(image.to_bytes() == committed, "shd.bin is stale: scripts/make_default.sh image");
}

#[test]
fn the_default_network_knows_the_digits_of_voices_that_it_never_heard() {
    let ((network, _), digits) = (network(), digits());
    let outcomes: Vec<_> = TEST
        .map(|sample| {
            let input = digits.bin(sample, &network.binning()).expect("suits the network");
            (digits.label(sample), golden::run(&network, &input))
        })
        .collect();
    let right = outcomes.iter().filter(|(label, o)| *label == Some(o.prediction)).count();
    let accuracy = right as f64 / outcomes.len() as f64;
    assert!(accuracy >= 0.85, "accuracy {accuracy}");
    for (index, population) in
        network.populations.iter().enumerate().filter(|(_, p)| matches!(p.kind, Kind::Lif { .. }))
    {
        let spikes: usize = outcomes
            .iter()
            .map(|(_, o)| o.spikes.iter().filter(|s| s.population as usize == index).count())
            .sum();
        let cells = outcomes.len() * population.size as usize * network.steps as usize;
        let density = spikes as f64 / cells as f64;
        assert!((0.01..=0.20).contains(&density), "`{}` fires at {density}", population.name);
    }
}

#[test]
fn the_stimulus_of_the_default_image_gives_the_golden_spikes_on_both_structures() {
    let (network, _) = network();
    let image = Image::read(&root().join("shd.bin")).expect("shd.bin");
    let stimulus = image.stimulus.as_ref().expect("carries a stimulus");
    let stimulus = SpikeFile::from_bytes(stimulus, Path::new("shd.bin")).expect("spikes");
    assert_eq!(stimulus.len(), STIMULUS.len());
    for sample in 0..stimulus.len() {
        let input = stimulus.bin(sample, &network.binning()).expect("suits the network");
        assert_equal(&network, &image, &input, &format!("sample {sample}"));
    }
}

#[test]
fn the_trainers_bound_on_queued_events_holds_for_the_default_network() {
    let (network, _) = network();
    let image = Image::read(&root().join("shd.bin")).expect("shd.bin");
    let mut simulator =
        Simulator::new(&image, Structure::SharedQueue, Options::default()).expect("built for both");
    for sample in STIMULUS {
        let input = digits().bin(sample, &network.binning()).expect("suits the network");
        let outcome = simulator.run(&input).expect("runs");
        let peak = outcome.cores.iter().map(|c| c.queue_peak).max().unwrap_or(0);
        let bound = model::train::budget::queued(&network, &input);
        assert!(peak > 0 && bound >= peak, "sample {sample}: {bound} is no bound of {peak}");
    }
}

#[test]
fn a_recorded_voice_gives_the_golden_spikes_on_both_structures() {
    let data = std::env::var_os("DELAYLINE_DATA").map_or(root().join("../shared/data"), PathBuf::from);
    let recording = data.join("hd_spoken_digit.flac");
    if !recording.is_file() {
        println!("not run: {} is not there (set DELAYLINE_DATA)", recording.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let spikes = folder.path().join("digit.npz");
    let [model] = built(["model"]);
    let status = Command::new(model)
        .args(["encode", "--quiet", "--cache"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("ear-cache"))
        .arg("--output")
        .args([&spikes, &recording])
        .status()
        .expect("runs");
    assert!(status.success());
    let (network, _) = network();
    let image = Image::read(&root().join("shd.bin")).expect("shd.bin");
    let file = SpikeFile::read(&spikes).expect("encoded");
    let input = file.bin(0, &network.binning()).expect("suits the network");
    assert_equal(&network, &image, &input, "hd_spoken_digit.flac");
}

/// Cycles in which steps start, and in which a neuron of the first core fires.
#[derive(Default)]
struct Moments {
    starts: Vec<u64>,
    spikes: Vec<u64>,
}

impl sim::probe::Probe for Moments {
    fn step(&mut self, cycle: u64, _: u32) {
        self.starts.push(cycle);
    }

    fn membrane(&mut self, cycle: u64, core: usize, _: u32, _: u32, _: i32, spike: bool) {
        if spike && core == 0 {
            self.spikes.push(cycle);
        }
    }
}

#[test]
fn the_layout_of_the_ring_buffer_opens_on_the_start_of_a_step_with_a_spike() {
    let image = Image::read(&root().join("shd.bin")).expect("shd.bin");
    let stimulus = image.stimulus.as_ref().expect("carries a stimulus");
    let stimulus = SpikeFile::from_bytes(stimulus, Path::new("shd.bin")).expect("spikes");
    let input = stimulus.bin(0, &network().0.binning()).expect("suits the network");
    let mut simulator =
        Simulator::new(&image, Structure::RingBuffer, Options::default()).expect("built for both");
    let mut moments = Moments::default();
    simulator.run_with(&input, &mut moments).expect("runs");
    let layout = std::fs::read_to_string(root().join("waves/ring-buffer.gtkw")).expect("a layout");
    let opens = layout.lines().find_map(|l| l.strip_prefix("[timestart] ")).expect("opens somewhere");
    let opens: f64 = opens.parse().expect("picoseconds");
    let from = (opens * image.platform.clock_mhz / 1e6) as u64;
    let start = moments.starts.iter().find(|&&c| c >= from).expect("a step");
    assert!(start - from < 10, "opens in cycle {from}, the next step starts in {start}");
    // As many cycles as the picture is wide.
    assert!(moments.spikes.iter().any(|c| (from..from + 70).contains(c)), "no spike after cycle {from}");
}

#[test]
fn the_layouts_for_gtkwave_name_signals_that_the_waves_have() {
    let image = Image::read(&root().join("shd.bin")).expect("shd.bin");
    for (structure, layout) in
        [(Structure::RingBuffer, "ring-buffer.gtkw"), (Structure::SharedQueue, "shared-queue.gtkw")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.vcd");
        let simulator = Simulator::new(&image, structure, Options::default()).expect("built for both");
        let selection = sim::vcd::Selection { steps: None, scopes: Vec::new() };
        let files = sim::vcd::Files { vcd: Some(&path), fst: None };
        let waves = sim::vcd::Waves::create(files, simulator.program(), &selection).expect("created");
        waves.finish().expect("written");
        let waves = wellen::simple::read(&path).expect("read back");
        let hierarchy = waves.hierarchy();
        let names: std::collections::HashSet<_> =
            hierarchy.all_vars().map(|v| hierarchy[v].full_name(hierarchy)).collect();
        let text = std::fs::read_to_string(root().join("waves").join(layout)).expect("a layout");
        let wanted: Vec<_> = text.lines().filter(|l| l.starts_with("chip.")).collect();
        assert!(wanted.len() > 20, "{layout}: {} signals", wanted.len());
        for signal in wanted {
            let name = signal.split('[').next().expect("not empty");
            assert!(names.contains(name), "{layout}: no signal `{name}`");
        }
    }
}
