//! The arrows between the crates, and what every manifest must say.

use cargo_metadata::{Metadata, MetadataCommand};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may depend on whom, dev- and build-dependencies included. `testbenches` may depend on all.
const ARROWS: [(&str, &[&str]); 6] = [
    ("spikes", &[]),
    ("model", &["spikes"]),
    ("rtl", &[]),
    ("hw", &["rtl"]),
    ("compiler", &["model", "hw", "spikes"]),
    ("sim", &["hw", "rtl", "spikes"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in a workspace").into()
}

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata")
}

#[test]
fn no_arrow_but_those_of_the_house() {
    let metadata = metadata();
    let ours: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    for package in &metadata.packages {
        let name = package.name.to_string();
        let Some((_, allowed)) = ARROWS.iter().find(|a| a.0 == name) else {
            assert_eq!(name, "testbenches", "a crate that the house does not know");
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| ours.contains(&d.name)) {
            assert!(allowed.contains(&dependency.name.as_str()), "{name} depends on {}", dependency.name);
        }
    }
    assert_eq!(ours.len(), ARROWS.len() + 1);
}

/// A clean build of the two programs of the main job is a matter of minutes.
#[test]
fn simulator_and_compiler_do_not_pull_in_trainer_audio_or_plots() {
    for package in ["sim", "compiler"] {
        let out = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none", "-p", package])
            .current_dir(root())
            .output()
            .expect("cargo tree");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let tree = String::from_utf8(out.stdout).expect("UTF-8");
        assert!(tree.contains("clap "), "a tree that lists nothing shows nothing");
        for heavy in ["symphonia", "rubato", "rustfft", "realfft", "plotters", "candle", "burn"] {
            let pulled = tree.lines().any(|l| l.starts_with(heavy));
            assert!(!pulled, "{package} pulls in {heavy}: make it a feature of the crate that needs it");
        }
    }
}

#[test]
fn the_compiler_does_without_trainer_and_audio() {
    let metadata = metadata();
    let compiler = metadata.packages.iter().find(|p| p.name == "compiler").expect("a crate");
    let model = compiler.dependencies.iter().find(|d| d.name == "model").expect("a dependency");
    assert!(!model.uses_default_features && model.features.is_empty(), "model's features cost build time");
}

#[test]
fn no_crate_is_published_and_all_share_one_rust_version() {
    for package in metadata().packages {
        assert_eq!(package.publish, Some(Vec::new()), "{} must say publish = false", package.name);
        assert!(package.rust_version.is_some(), "{} must say rust-version.workspace = true", package.name);
    }
}

#[test]
fn versions_stand_only_in_the_workspace() {
    for package in metadata().packages {
        let text = std::fs::read_to_string(&package.manifest_path).expect("manifest");
        let mut dependencies = false;
        for line in text.lines() {
            if line.starts_with('[') {
                dependencies = line.contains("dependencies");
            } else if dependencies && line.contains('=') {
                assert!(line.contains("workspace = true"), "{}: `{line}`", package.manifest_path);
            }
        }
    }
}

/// Text files that git tracks or would track.
fn tracked() -> Vec<(String, String)> {
    let list = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git");
    String::from_utf8(list.stdout)
        .expect("UTF-8 names")
        .lines()
        .filter_map(|name| {
            std::fs::read_to_string(root().join(name)).ok().map(|text| (name.to_string(), text))
        })
        .collect()
}

#[test]
fn long_files_give_their_reason() {
    for (name, text) in tracked().into_iter().filter(|f| f.0.ends_with(".rs")) {
        let lines = text.lines().count();
        assert!(
            lines <= 500 || text.contains("//! Long because"),
            "{name} has {lines} lines and no reason for it"
        );
    }
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let folders = ["work", "root", "home"].map(|f| format!("/{f}/"));
    for (name, text) in
        tracked().into_iter().filter(|f| !f.0.ends_with(".lock") && !f.0.starts_with("LICENSE"))
    {
        for folder in &folders {
            let found = text.match_indices(folder.as_str()).any(|(at, _)| {
                // A path of its own, not the middle of another.
                !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c))
            });
            assert!(!found, "{name} names {folder}");
        }
    }
}
