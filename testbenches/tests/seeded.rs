//! A fault in the code of any one implementation makes the equality tests fail: each is tried.
//!
//! The workspace is copied into the target folder with every fault in it, each asleep until the variable
//! `DELAYLINE_FAULT` names it, so that one build serves all. `faults.rs` seeds data, this seeds code.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Crate, file, expression as it stands there once, and the fault in its place.
type Fault = (&'static str, &'static str, &'static str, &'static str);

const GOLDEN: (&str, &str) = ("model", "model/src/golden.rs");
const COMPILER: (&str, &str) = ("compiler", "compiler/src/tables.rs");
const SIM: (&str, &str) = ("sim", "sim/src/core.rs");

const fn fault(at: (&'static str, &'static str), before: &'static str, after: &'static str) -> Fault {
    (at.0, at.1, before, after)
}

const FAULTS: [Fault; 20] = [
    fault(
        GOLDEN,
        "*v * (one - i64::from(population.decay()[n])) / one",
        "(*v * (one - i64::from(population.decay()[n]))).div_euclid(one)",
    ),
    fault(GOLDEN, "(*v + due[n]).clamp(bottom, top)", "*v + due[n]"),
    fault(GOLDEN, "*v >= threshold", "*v > threshold"),
    fault(GOLDEN, "t + usize::from(synapse.delay)", "t + usize::from(synapse.delay).max(2)"),
    fault(GOLDEN, "*score > scores[best]", "*score >= scores[best]"),
    fault(GOLDEN, "i64::from(synapse.weight) << projection.weight_shift", "i64::from(synapse.weight)"),
    fault(COMPILER, "source.shift", "0"),
    fault(COMPILER, "delay.into()", "1"),
    fault(COMPILER, "next.0 != delay", "next.0 > delay + 1"),
    fault(COMPILER, "threshold[n]", "threshold[n].max(2)"),
    fault(COMPILER, "*reset == Reset::Subtract", "*reset == Reset::Zero"),
    // Both structures.
    fault(SIM, "(product + ((product >> 63) & 4095)) >> 12", "product >> 12"),
    fault(
        SIM,
        "(leaked + (*sum).into()).clamp(-limit, limit - 1)",
        "(leaked + (*sum).into()).clamp(-limit, limit)",
    ),
    fault(SIM, "next >= neuron.threshold", "next > neuron.threshold"),
    fault(SIM, "next - neuron.threshold", "0"),
    fault(SIM, "*score += i64::from(*v)", "*score += i64::from(*v >> 1)"),
    // Slots of both structures.
    fault(SIM, "(s.place() as usize + head) & mask", "(s.place() as usize + head) & (mask >> 1)"),
    fault(SIM, "head as usize * code.row..", "(head & 7) as usize * code.row.."),
    // Levels of the shared queue.
    fault(SIM, "self.last[last as usize] += 1", "()"),
    fault(SIM, "self.waiting += arrivals.len() as u32", "self.waiting += arrivals.len() as u32 / 2"),
];

/// Added to each crate with faults.
const AWAKE: &str = r#"
#[doc(hidden)]
#[allow(missing_docs)]
pub fn seeded(fault: usize) -> bool {
    static AWAKE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let read = || std::env::var("DELAYLINE_FAULT").ok().and_then(|v| v.parse().ok()).unwrap_or(usize::MAX);
    *AWAKE.get_or_init(read) == fault
}
"#;

/// The text of a file with all of its faults, asleep.
fn seeded(name: &str, mut text: String) -> String {
    for (i, (_, file, before, after)) in FAULTS.iter().enumerate() {
        if *file == name {
            let found = text.matches(before).count();
            assert_eq!(found, 1, "`{before}` stands {found} times in {file}: bring FAULTS up to date");
            text =
                text.replace(before, &format!("(if crate::seeded({i}) {{ {after} }} else {{ {before} }})"));
        }
    }
    if FAULTS.iter().any(|f| name == format!("{}/src/lib.rs", f.0)) { text + AWAKE } else { text }
}

/// The manifest or lock file of the workspace with another version of our crates. The target folder is
/// shared, for the sake of all other crates; of one version the copy's would pass for ours in it.
fn renumbered(text: &str) -> String {
    let blocks = text.split("\n\n").map(|block| {
        // In a lock file what has no source is ours.
        let ours = block.starts_with("[workspace.package]")
            || (block.starts_with("[[package]]") && !block.contains("\nsource = "));
        let lines = block.lines().map(|line| match line.starts_with("version = ") {
            true if ours => "version = \"0.0.0-seeded\"",
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// Copies the workspace, writing only what changed, so that a second time builds nothing.
fn copy(from: &Path, to: &Path) {
    let list = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(from)
        .output()
        .expect("git");
    for name in String::from_utf8(list.stdout).expect("UTF-8 names").lines() {
        let Ok(mut bytes) = std::fs::read(from.join(name)) else { continue };
        if name.ends_with(".rs") {
            bytes = seeded(name, String::from_utf8(bytes).expect("UTF-8")).into_bytes();
        }
        if ["Cargo.toml", "Cargo.lock"].contains(&name) {
            bytes = renumbered(&String::from_utf8(bytes).expect("UTF-8")).into_bytes();
        }
        let place = to.join(name);
        if std::fs::read(&place).ok().as_ref() != Some(&bytes) {
            std::fs::create_dir_all(place.parent().expect("has a folder")).expect("folder");
            std::fs::write(&place, bytes).expect("written");
        }
    }
}

/// The test programs that compare the implementations, built from the copy.
fn programs(copy: &Path, target: &Path) -> Vec<PathBuf> {
    let out = Command::new(env!("CARGO"))
        .args([
            "test",
            "--no-run",
            "--offline",
            "--locked",
            "-q",
            "-p",
            "testbenches",
            "--message-format",
            "json",
        ])
        .args(["--test", "oddities", "--test", "equivalence"])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(copy)
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    cargo_metadata::Message::parse_stream(&out.stdout[..])
        .filter_map(|message| match message.expect("a message of cargo") {
            cargo_metadata::Message::CompilerArtifact(a) if a.profile.test => a.executable,
            _ => None,
        })
        .map(PathBuf::from)
        .collect()
}

#[test]
#[ignore = "builds the workspace a second time: with --include-ignored"]
fn every_fault_in_the_code_of_an_implementation_is_seen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in a workspace");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let folder = target.join("seeded");
    copy(root, &folder);
    let programs = programs(&folder, target);
    assert_eq!(programs.len(), 2);
    let passes = |fault: Option<usize>| {
        programs.iter().all(|program| {
            let mut run = Command::new(program);
            run.env_remove("DELAYLINE_FAULT").current_dir(folder.join("testbenches"));
            // A fresh seed could miss what the fixed one finds.
            run.args(["--skip", "fresh_seed"]);
            if let Some(fault) = fault {
                run.env("DELAYLINE_FAULT", fault.to_string());
            }
            run.output().expect("runs").status.success()
        })
    };
    assert!(passes(None), "with all faults asleep everything agrees");
    let unseen: Vec<_> = (0..FAULTS.len()).filter(|&i| passes(Some(i))).map(|i| FAULTS[i]).collect();
    assert!(unseen.is_empty(), "faults that go unseen: {unseen:#?}");
}
