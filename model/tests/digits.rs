//! The embedded data is what its manifest and its README say.

use sha2::{Digest, Sha256};
use spikes::SpikeFile;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn manifest() -> toml::Table {
    std::fs::read_to_string(path("digits.toml")).expect("reads").parse().expect("TOML")
}

fn text<'a>(table: &'a toml::Table, field: &str) -> &'a str {
    table[field].as_str().expect("a string")
}

fn strings(table: &toml::Table, field: &str) -> Vec<String> {
    table[field].as_array().expect("a list").iter().map(|v| v.as_str().expect("a string").into()).collect()
}

/// Both parts: range of samples and voices.
fn parts(manifest: &toml::Table) -> [(std::ops::Range<usize>, Vec<String>); 2] {
    ["train", "test"].map(|part| {
        let part = manifest[part].as_table().expect("a table");
        let (from, to) = text(part, "samples").split_once("..").expect("a range");
        (from.parse().expect("a number")..to.parse().expect("a number"), strings(part, "voices"))
    })
}

#[test]
fn check_sums_are_those_of_the_manifest() {
    let manifest = manifest();
    for (file, sum) in [("digits.npz", "sha256"), ("digits.csv", "table_sha256")] {
        let hash = Sha256::digest(std::fs::read(path(file)).expect("reads"));
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, text(&manifest, sum), "{file}");
    }
}

#[test]
fn the_file_is_small_and_has_enough_of_every_class() {
    let manifest = manifest();
    assert!(path("digits.npz").metadata().expect("there").len() <= 5_000_000);
    let file = SpikeFile::read(&path("digits.npz")).expect("reads");
    assert_eq!(manifest["samples"].as_integer(), Some(file.len() as i64));
    assert_eq!(manifest["spikes"].as_integer(), Some(file.times.len() as i64));
    assert_eq!(strings(&manifest, "classes").len(), 20);
    for ((range, voices), least) in parts(&manifest).into_iter().zip([16, 4]) {
        assert!(range.len() == 20 * voices.len() && voices.len() >= least);
        for i in range {
            assert_eq!(file.label(i), Some(i as u32 % 20), "sample {i}");
            assert!(file.sample(i).0.len() > 500, "sample {i} is nearly silent");
        }
    }
}

#[test]
fn no_voice_is_in_both_parts() {
    let [(train, learned), (test, tested)] = parts(&manifest());
    assert!(train.start == 0 && train.end == test.start, "training first");
    let learned: BTreeSet<_> = learned.into_iter().collect();
    assert!(tested.iter().all(|v| !learned.contains(v)));
}

#[test]
fn the_table_names_voice_and_part_of_every_sample() {
    let text = std::fs::read_to_string(path("digits.csv")).expect("reads");
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split(',').collect()).collect();
    let [train, test] = parts(&manifest());
    assert_eq!(rows.len(), test.0.end);
    for (part, (range, voices)) in [("train", train), ("test", test)] {
        for i in range.clone() {
            let voice = &voices[(i - range.start) / 20];
            let (sample, label) = (i.to_string(), (i % 20).to_string());
            assert_eq!(
                (rows[i][0], rows[i][1], rows[i][2], rows[i][4]),
                (&*sample, part, &*label, voice.as_str())
            );
        }
    }
}

#[test]
fn the_readme_says_the_same_ranges() {
    let readme = std::fs::read_to_string(path("README.md")).expect("reads");
    for (range, voices) in parts(&manifest()) {
        assert!(readme.contains(&format!("`{}..{}`", range.start, range.end)));
        assert!(readme.contains(&format!("{} ", voices.len())));
    }
    assert!(readme.contains("not SHD"));
}
