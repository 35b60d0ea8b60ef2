//! Damaged settings of the trainer and budgets give errors that name the file, never panics.
//!
//! A longer run: `PROPTEST_CASES=100000 cargo test --release -p model --test fuzz`.
#![cfg(feature = "train")]

use model::train::budget::Budget;
use model::train::config::TrainArgs;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// Settings with every kind of value that there is.
const SETTINGS: &str = include_str!("../../scripts/shd.toml");

/// A budget as `compiler budget` prints one.
const BUDGET: &str = r#"version = 1
platform = "small"
structure = "ring-buffer"
[chip]
cores = 8
longest_delay = 63
membrane_bits_min = 2
membrane_bits_max = 32
accumulator_bits = 28
score_bits = 48
[core]
neurons = 64
accumulators = 1024
synapse_words = 1000
input_axons = 256
output_axons = 256
readouts = 16
[cost]
accumulators = "power-of-two"
synapse_words = 1
synapse_word_bits = 24
input_axons = 1
output_axons = 1
"#;

/// What may stand in a TOML file by mistake.
const WRONG: [&str; 16] = [
    "-1",
    "0",
    "1",
    "4294967296",
    "9223372036854775807",
    "1e400",
    "nan",
    "\"\"",
    "\"0x0\"",
    "\"60x\"",
    "[]",
    "[-1]",
    "{}",
    "true",
    "[core]",
    "surprise = 3",
];

/// A line, or the value in it, is something else.
fn damaged(text: &str, line: prop::sample::Index, wrong: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let at = line.index(lines.len());
    lines[at] = match lines[at].split_once('=') {
        Some((name, _)) if !wrong.contains('=') => format!("{name}= {wrong}"),
        _ => wrong.to_string(),
    };
    lines.join("\n")
}

/// Reads settings from a file of this text; the error in full.
fn resolve(text: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("odd.toml");
    std::fs::write(&path, text).expect("written");
    let args = TrainArgs { config: Some(path), ..TrainArgs::default() };
    args.resolve().map(drop).map_err(|e| format!("{e:#}"))
}

/// Whether an error names the file, or the setting as it is called on the command line.
fn names(error: &str) -> bool {
    error.contains("odd.toml") || error.contains("--")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(128),
        // A case that fails is kept in model/regressions.txt and tried first from then on.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("regressions.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_settings_are_refused_by_name_or_are_right(line in any::<prop::sample::Index>(), with in 0..WRONG.len()) {
        if let Err(error) = resolve(damaged(SETTINGS, line, WRONG[with]).as_bytes()) {
            prop_assert!(names(&error), "{}", error);
        }
    }

    #[test]
    fn any_bytes_as_settings_are_refused_by_name_or_are_right(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        if let Err(error) = resolve(&bytes) {
            prop_assert!(names(&error), "{}", error);
        }
    }

    #[test]
    fn damaged_budgets_are_refused_by_name_or_are_right(line in any::<prop::sample::Index>(), with in 0..WRONG.len()) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("odd.toml");
        std::fs::write(&path, damaged(BUDGET, line, WRONG[with])).expect("written");
        if let Err(error) = Budget::read(&path) {
            let error = format!("{error:#}");
            prop_assert!(error.contains("odd.toml"), "{}", error);
        }
    }
}

#[test]
fn the_settings_and_the_budget_that_are_damaged_are_right_themselves() {
    assert_eq!(resolve(SETTINGS.as_bytes()), Ok(()));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("budget.toml");
    std::fs::write(&path, BUDGET).expect("written");
    Budget::read(&path).expect("a budget");
}
