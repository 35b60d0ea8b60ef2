//! The program as a user runs it.

mod common;

use std::path::Path;
use std::process::{Command, Output};

fn compiler(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compiler")).current_dir(folder).args(args).output().expect("runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn compile_inspect_check_and_budget_agree() {
    let folder = tempfile::tempdir().expect("folder");
    common::network().write(&folder.path().join("net.safetensors")).expect("written");
    let out = compiler(
        folder.path(),
        &["net.safetensors", "--platform", "seneca", "--output", "net.bin", "--hex", "hex"],
    );
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let image = hw::Image::read(&folder.path().join("net.bin")).expect("image");
    assert_eq!(image.primary, hw::Structure::SharedQueue);
    assert!(folder.path().join("hex/core_0_0.synapses.hex").exists());
    let out = compiler(folder.path(), &["inspect", "net.bin"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(text(&out.stdout).contains("shared-queue"));
    let out = compiler(folder.path(), &["check", "net.safetensors", "--platform", "loihi"]);
    assert_eq!(out.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(report["violations"], serde_json::json!([]));
    let out = compiler(folder.path(), &["budget", "--platform", "loihi"]);
    assert_eq!(out.status.code(), Some(0));
    let budget: compiler::budget::Budget = toml::from_str(&text(&out.stdout)).expect("budget");
    assert!(budget.accepts(&common::network()));
    assert_eq!(budget.core.queue_depth, None);
    let out = compiler(folder.path(), &["budget", "--platform", "seneca"]);
    let depth = hw::Platform::load("seneca").expect("preset").shared_queue.depth;
    assert!(text(&out.stdout).contains(&format!("\nqueue_depth = {depth}\n")), "{}", text(&out.stdout));
    assert!(text(&out.stdout).contains("# step at most so many events wait"));
}

#[test]
fn what_does_not_fit_is_status_1_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let mut network = common::network();
    network.projections[0].synapses[0].delay = 64;
    network.write(&folder.path().join("net.safetensors")).expect("written");
    let out = compiler(
        folder.path(),
        &["net.safetensors", "--platform", "loihi", "--output", "net.bin", "--hex", "hex"],
    );
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("ring_buffer.slots"), "{}", text(&out.stderr));
    let out = compiler(folder.path(), &["check", "net.safetensors", "--platform", "loihi"]);
    assert_eq!(out.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(report["violations"][0]["limit"], "ring_buffer.slots");
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
}

#[test]
fn bad_input_and_wrong_use_are_status_2() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("bad.bin"), b"DLYIMAGE but not one, and long enough to hold a header")
        .expect("written");
    let cases: [&[&str]; 6] = [
        &[],
        &["missing.safetensors", "--platform", "loihi", "--output", "x.bin"],
        &["bad.bin", "--platform", "loihi", "--output", "x.bin"],
        &["inspect", "bad.bin"],
        &["budget", "--platform", "nowhere.toml"],
        &["check", "bad.bin", "--platform", "loihi", "--delays", "wheel"],
    ];
    for args in cases {
        let out = compiler(folder.path(), args);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {}", text(&out.stderr));
        assert!(!out.stderr.is_empty());
        let said = text(&out.stderr);
        assert!(said.matches("os error").count() <= 1, "each cause is said once: {said}");
    }
    assert!(!folder.path().join("x.bin").exists());
}

#[test]
fn stimulus_is_cut_to_its_samples_and_kept_in_the_image() {
    let folder = tempfile::tempdir().expect("folder");
    common::network().write(&folder.path().join("net.safetensors")).expect("written");
    let mut spikes = spikes::SpikeFile::default();
    for i in 0..3u16 {
        spikes.push(&[0.001, 0.002], &[i, 3], Some(i.into()));
    }
    spikes.write_npz(&folder.path().join("in.npz")).expect("written");
    let out = compiler(
        folder.path(),
        &[
            "net.safetensors",
            "--platform",
            "loihi",
            "--output",
            "net.bin",
            "--stimulus",
            "in.npz",
            "--stimulus-samples",
            "1..3",
        ],
    );
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let image = hw::Image::read(&folder.path().join("net.bin")).expect("image");
    let kept = spikes::SpikeFile::from_bytes(&image.stimulus.expect("stimulus"), Path::new("net.bin"))
        .expect("spikes");
    assert_eq!(kept, spikes.select(1..3));
}
