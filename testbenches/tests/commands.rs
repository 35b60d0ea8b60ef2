//! The `sim` command as a user calls it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use testbenches::golden::{Vector, folder};

/// The `sim` binary, built beside this test.
fn sim(arguments: &[&str]) -> Output {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace").join("Cargo.toml");
    Command::new(env!("CARGO"))
        .args(["run", "-q", "-p", "sim", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(arguments)
        .output()
        .expect("cargo runs")
}

fn image(at: &Path, depth: u32) -> PathBuf {
    let vector = Vector::load("basic");
    let mut platform = hw::Platform::load("loihi").expect("preset");
    platform.shared_queue.depth = depth;
    let mut image =
        compiler::image(&vector.network, &vector.file, &platform, hw::Structure::RingBuffer).expect("fits");
    image.stimulus = Some(vector.input.to_npz(Path::new("basic.npz")).expect("packs"));
    let path = at.join("basic.bin");
    image.write(&path).expect("written");
    path
}

#[test]
fn a_run_writes_what_the_golden_vectors_say_on_any_number_of_threads() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let expected = std::fs::read_to_string(folder().join("basic.spikes.csv")).expect("golden");
    let mut results = Vec::new();
    for (threads, delays) in [("1", "ring-buffer"), ("3", "ring-buffer"), ("2", "shared-queue")] {
        let [spikes, csv] = ["spikes.csv", "results.csv"].map(|f| at.path().join(f));
        let out = sim(&[
            "--image",
            image.to_str().expect("UTF-8"),
            "--threads",
            threads,
            "--delays",
            delays,
            "--spikes",
            spikes.to_str().expect("UTF-8"),
            "--results",
            csv.to_str().expect("UTF-8"),
        ]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(std::fs::read_to_string(&spikes).expect("written"), expected);
        results.push((delays, std::fs::read_to_string(&csv).expect("written")));
    }
    assert_eq!(results[0], results[1], "threads change nothing");
    assert!(results[0].1.starts_with("sample,label,prediction,cycles,score_0"));
}

#[test]
fn an_overflow_fails_the_sample_and_says_what_would_suffice() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 3);
    let out = sim(&["--image", image.to_str().expect("UTF-8"), "--delays", "shared-queue"]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("core (0, 0)") && text.contains("would have sufficed"), "{text}");
}

#[test]
fn wrong_use_is_status_2_and_names_the_file() {
    let at = tempfile::tempdir().expect("folder");
    let image = image(at.path(), 4096);
    let name = image.to_str().expect("UTF-8");
    let waves = at.path().join("out.vcd");
    let missing = at.path().join("no.npz");
    for (arguments, says) in [
        (vec!["--image", "nothing.bin"], "nothing.bin"),
        (vec!["--image", name, "--input", missing.to_str().expect("UTF-8")], "no.npz"),
        (vec!["--image", name, "--samples", "7"], "--samples"),
        (vec!["--image", name, "--samples", "0..2", "--vcd", waves.to_str().expect("UTF-8")], "one sample"),
    ] {
        let out = sim(&arguments);
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
    assert!(!waves.exists(), "a refused run writes nothing");
}
