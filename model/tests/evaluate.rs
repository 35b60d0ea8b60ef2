//! The command `model evaluate`: its files against the golden vectors, its words and its exit status.

use model::network::{Kind, Network, Population, Projection, Reset, Synapse};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NAMES: [&str; 8] = [
    "basic",
    "edges",
    "longest_delays",
    "many_cores",
    "many_taps_shifted",
    "recurrent_subtract",
    "reference_256",
    "saturating",
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbenches/golden").join(name)
}

fn evaluate(network: &Path, input: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    command.arg("evaluate").arg(network).arg("--input").arg(input).args(more);
    command.output().expect("starts")
}

/// Spikes and results of a run that must go well.
fn files(name: &str, input: &str, more: &[&str]) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |file: &str| folder.path().join(file).to_str().expect("UTF-8").to_string();
    let (spikes, results) = (path("s.csv"), path("r.csv"));
    let mut arguments = vec!["--quiet", "--spikes", &spikes, "--results", &results];
    arguments.extend(more);
    let network = golden(&format!("{name}.safetensors"));
    let output = evaluate(&network, &golden(input), &arguments);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "--quiet says nothing");
    let read = |path: &str| std::fs::read_to_string(path).expect("written");
    (read(&spikes), read(&results))
}

fn expected(name: &str, end: &str) -> String {
    std::fs::read_to_string(golden(&format!("{name}.{end}.csv"))).expect("golden")
}

/// Results without their column `cycles`, which must be empty: the form of the golden scores.
fn without_cycles(results: &str) -> String {
    results.lines().enumerate().fold(String::new(), |text, (i, line)| {
        let mut fields: Vec<_> = line.split(',').collect();
        assert_eq!(fields.remove(3), if i == 0 { "cycles" } else { "" }, "{line}");
        text + &fields.join(",") + "\n"
    })
}

#[test]
fn every_golden_vector_comes_out_to_the_byte() {
    for name in NAMES {
        let (spikes, results) = files(name, &format!("{name}.npz"), &[]);
        assert!(spikes == expected(name, "spikes"), "{name}: spikes differ");
        assert_eq!(without_cycles(&results), expected(name, "scores"), "{name}");
    }
}

#[test]
fn hdf5_of_every_float_width_comes_out_to_the_byte() {
    for input in ["basic.f2.h5", "basic.f4.h5", "basic.f8.h5"] {
        let (spikes, results) = files("basic", input, &[]);
        assert!(spikes == expected("basic", "spikes"), "{input}: spikes differ");
        assert_eq!(without_cycles(&results), expected("basic", "scores"), "{input}");
    }
}

#[test]
#[cfg(feature = "plots")]
fn the_confusion_matrix_is_drawn_with_the_names_of_the_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, net) = (folder.path().join("c.svg"), folder.path().join("n.safetensors"));
    let mut network = model::network::Network::read(&golden("basic.safetensors")).expect("golden");
    let classes = network.populations.last().expect("a readout").size;
    network.classes = (0..classes).map(|c| format!("word-{c}")).collect();
    network.write(&net).expect("written");
    let more = ["--quiet", "--confusion", path.to_str().expect("UTF-8")];
    let output = evaluate(&net, &golden("basic.npz"), &more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = std::fs::read_to_string(&path).expect("written");
    assert!(picture.starts_with("<svg") && picture.contains("word-0"), "{picture}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads| files("edges", "edges.npz", &["--threads", threads]);
    assert_eq!(run("1"), run("7"));
}

#[test]
fn chosen_samples_keep_their_index() {
    let (spikes, results) = files("basic", "basic.npz", &["--samples", "1..2"]);
    let of_1 = |text: &str| text.lines().skip(1).all(|l| l.starts_with("1,"));
    assert!(of_1(&spikes) && of_1(&results));
    assert_eq!(results.lines().count(), 2);
}

/// Wrong use: status 2, a message that names the culprit, and no files.
fn refused(network: &Path, input: &Path, more: &[&str], says: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let spikes = folder.path().join("s.csv");
    let mut arguments = vec!["--spikes", spikes.to_str().expect("UTF-8")];
    arguments.extend(more);
    let output = evaluate(network, input, &arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for words in says {
        assert!(message.contains(words), "`{words}` is not in {message}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0, "a file was left");
}

#[test]
fn wrong_use_is_status_2_names_the_culprit_and_leaves_no_file() {
    let (network, input) = (golden("basic.safetensors"), golden("basic.npz"));
    refused(Path::new("no.safetensors"), &input, &[], &["no.safetensors"]);
    refused(&network, Path::new("no.npz"), &[], &["no.npz"]);
    refused(&input, &input, &[], &["basic.npz", "safetensors"]);
    refused(&network, &network, &[], &["basic.safetensors", ".npz"]);
    refused(&network, &input, &["--samples", "99999"], &["basic.npz", "99999"]);
    refused(&network, &input, &["--samples", "5..1"], &["--samples", "half-open"]);
    refused(&network, &input, &["--threads", "0"], &["--threads"]);
    refused(&network, &input, &["--results", "no/such/r.csv"], &["no/such/r.csv"]);
}

#[test]
fn a_recording_with_too_many_units_is_named_with_its_file() {
    let says = ["reference_256.npz", "unit", "input channels"];
    refused(&golden("basic.safetensors"), &golden("reference_256.npz"), &[], &says);
}

#[test]
fn help_teaches_with_an_example() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_model")).args(["evaluate", "--help"]).output().expect("runs");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("model evaluate net.safetensors --input"));
}

/// One channel, one neuron that fires a step later, so many steps.
fn relay(steps: u32) -> Network {
    Network {
        name: "relay".into(),
        step_ms: 1.0,
        steps,
        membrane_bits: 8,
        classes: Vec::new(),
        populations: vec![
            Population { name: "in".into(), kind: Kind::Input { group: 1 }, size: 1 },
            Population {
                name: "out".into(),
                kind: Kind::Lif { reset: Reset::Zero, decay: vec![0], threshold: vec![1] },
                size: 1,
            },
        ],
        projections: vec![Projection {
            name: "relay".into(),
            source: 0,
            target: 1,
            weight_shift: 0,
            synapses: vec![Synapse { pre: 0, post: 0, delay: 1, weight: 1 }],
        }],
    }
}

/// A network and an input of so many samples, each with one spike in step 0.
fn written(folder: &Path, network: &Network, samples: usize) -> (PathBuf, PathBuf) {
    let paths = (folder.join("relay.safetensors"), folder.join("in.npz"));
    network.write(&paths.0).expect("written");
    let mut input = spikes::SpikeFile::default();
    for _ in 0..samples {
        input.push(&[0.0], &[0], Some(0));
    }
    input.write_npz(&paths.1).expect("written");
    paths
}

#[test]
fn a_sample_of_millions_of_steps_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (network, input) = written(folder.path(), &relay(3_000_000), 1);
    let results = folder.path().join("r.csv");
    let output = evaluate(&network, &input, &["--results", results.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results = std::fs::read_to_string(results).expect("written");
    assert_eq!(results, "sample,label,prediction,cycles,score_0\n0,0,0,,1\n");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    for more in [&[][..], &["--json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
        command.arg("evaluate").arg(golden("basic.safetensors"));
        command.arg("--input").arg(golden("basic.npz")).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_whole_files_of_what_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let (network, input) = written(folder.path(), &relay(100_000), 20_000);
    let [spikes, results] = ["s.csv", "r.csv"].map(|f| folder.path().join(f));
    let mut command = Command::new(env!("CARGO_BIN_EXE_model"));
    command.arg("evaluate").arg(network).arg("--input").arg(input);
    command.arg("--spikes").arg(&spikes).arg("--results").arg(&results);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    // Its two inputs and the two temporary files: it runs.
    while std::fs::read_dir(folder.path()).expect("folder").count() < 4 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The shell's own, since a bare machine has no other.
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted after") && said.contains("of 20000"), "{said}");
    let read = |path: &Path| std::fs::read_to_string(path).expect("is there");
    let (spikes, results) = (read(&spikes), read(&results));
    let done = results.lines().count() - 1;
    assert!(done < 20_000);
    for (i, line) in results.lines().skip(1).enumerate() {
        assert_eq!(line, format!("{i},0,0,,1"));
    }
    let expected: String = (0..done).map(|i| format!("{i},1,out,0\n")).collect();
    assert_eq!(spikes, format!("sample,step,population,neuron\n{expected}"));
}
