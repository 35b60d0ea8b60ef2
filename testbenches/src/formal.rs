//! Runs proofs: a harness as Verilog, through Yosys to SMT, to z3 by `yosys-smtbmc`.
//!
//! A harness is a module of the RTL layer: a block, what surrounds it (assumed), and what must hold of it (asserted).
//! Every assertion in the block itself is proved with it.

use rtl::{Def, verilog};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How far a proof goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By k-induction over this many cycles: for runs of any length.
    Induction(u32),
    /// For all runs of up to this many cycles after reset.
    Bounded(u32),
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Induction(k) => write!(f, "induction, k = {k}"),
            Self::Bounded(cycles) => write!(f, "{cycles} cycles"),
        }
    }
}

/// What came of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything holds, and every cover is reached.
    Holds,
    /// A run breaks this assertion.
    Broken(String),
    /// An assertion could not be proved by induction, though no run was found that breaks it.
    NotInductive(String),
    /// These covers are not reached: the assumptions leave out too much.
    Unreached(String),
}

/// Proves a harness; gives the verdict and how long it took.
///
/// # Panics
/// If a tool is missing or does not take the text.
#[must_use]
pub fn prove(harness: &Def, method: Method) -> (Verdict, Duration) {
    let begun = Instant::now();
    let dir = model_of(harness, method);
    let (cycles, induction) = match method {
        Method::Induction(k) => (k, true),
        Method::Bounded(cycles) => (cycles, false),
    };
    let verdict = 'verdict: {
        if let Some(broken) = smt(dir.path(), &["-t", &cycles.to_string()]) {
            break 'verdict Verdict::Broken(broken);
        }
        if induction && let Some(broken) = smt(dir.path(), &["-i", "-t", &cycles.to_string()]) {
            break 'verdict Verdict::NotInductive(broken);
        }
        // Induction says nothing of how far a run must go until something happens.
        let far = if induction { FAR } else { cycles };
        if has_covers(harness)
            && let Some(unreached) = smt(dir.path(), &["-c", "-t", &far.to_string()])
        {
            break 'verdict Verdict::Unreached(unreached);
        }
        Verdict::Holds
    };
    (verdict, begun.elapsed())
}

/// Cycles within which the covers of an inductive proof must be reached.
const FAR: u32 = 24;

/// Looks for a run of up to this many cycles that breaks an assertion, and gives the assertion.
///
/// # Panics
/// If a tool is missing or does not take the text.
#[must_use]
pub fn counterexample(harness: &Def, method: Method, cycles: u32) -> Option<String> {
    smt(model_of(harness, method).path(), &["-t", &cycles.to_string()])
}

fn has_covers(harness: &Def) -> bool {
    harness.properties().iter().any(|p| p.kind == rtl::ir::PropertyKind::Cover)
}

/// From Verilog to what is solved: words stay words where a proof is by induction, and become bits where runs are long. (Not
/// unrolled, z3 makes nothing of either.)
fn flow(method: Method) -> &'static str {
    match method {
        Method::Induction(_) => "prep -flatten; memory_map; opt -full; clean -purge; ",
        Method::Bounded(_) => {
            "prep -flatten; memory_map; opt_clean -purge; simplemap; opt -full; splitnets; clean -purge; opt; "
        }
    }
}

/// The SMT model of a harness in a folder of its own. Reset comes in the first cycle alone: with it a run begins anew.
fn model_of(harness: &Def, method: Method) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut text = verilog::emit(harness);
    let reset = "    initial assume (reset);\n";
    let once = format!("{reset}    always @* if (!$initstate) assume (!reset);\n");
    let top = text.files.last_mut().expect("a top module");
    top.1 = top.1.replacen(reset, &once, 1);
    text.write_to(dir.path(), |_| None).expect("written");
    let files: Vec<_> = text.files.iter().map(|(name, _)| name.as_str()).collect();
    let read = format!("read_verilog -formal {}; hierarchy -check -top {}; ", files.join(" "), text.top);
    let script = read + flow(method) + "dffunmap; write_smt2 model.smt2";
    let out = Command::new("yosys").args(["-q", "-p", &script]).current_dir(dir.path()).output();
    let out = out.unwrap_or_else(|e| panic!("yosys: {e}: scripts/setup.sh"));
    assert!(out.status.success(), "yosys: {}", String::from_utf8_lossy(&[out.stdout, out.stderr].concat()));
    dir
}

/// Runs the solver; gives what it says failed.
fn smt(dir: &Path, options: &[&str]) -> Option<String> {
    let all = ["-s", "z3", "--unroll"].iter().chain(options).chain(&["model.smt2"]);
    let out = Command::new("yosys-smtbmc").args(all).current_dir(dir).output();
    let out = out.unwrap_or_else(|e| panic!("yosys-smtbmc: {e}: scripts/setup.sh"));
    let text = String::from_utf8_lossy(&out.stdout);
    if out.status.success() {
        assert!(text.contains("Status: "), "{text}");
        return None;
    }
    let wanted = ["Assert failed in ", "Unreached cover statement at ", "Unreached cover statement in "];
    let lines =
        text.lines().filter_map(|l| wanted.iter().find_map(|w| l.split_once(w)).map(|(_, rest)| rest));
    let failed: Vec<_> = lines.map(|rest| rest.trim_end_matches('.').trim().to_string()).collect();
    assert!(!failed.is_empty(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    Some(failed.join("; "))
}
