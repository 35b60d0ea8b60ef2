//! Runs proofs: a harness as Verilog, through Yosys to SMT, to z3 by `yosys-smtbmc`.
//!
//! A harness is a module of the RTL layer: a block, what surrounds it (assumed), and what must hold of it (asserted).
//! Every assertion in the block itself is proved with it.

use rtl::ir::PropertyKind;
use rtl::{Def, Design, verilog};
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

/// Proves a harness; gives the verdict and how long it took. Covers are looked for where it is said.
///
/// # Panics
/// If a tool is missing or does not take the text.
#[must_use]
pub fn prove(harness: &Def, method: Method, covers: bool) -> (Verdict, Duration) {
    let begun = Instant::now();
    let dir = compiled(harness, &format!("{} write_smt2 {WHOLE}", flow(method)));
    let (cycles, induction) = match method {
        Method::Induction(k) => (k, true),
        Method::Bounded(cycles) => (cycles, false),
    };
    let solve = |options: &[&str]| smt(dir.path(), WHOLE, options);
    let verdict = 'verdict: {
        if let Some(broken) = solve(&["-t", &cycles.to_string()]) {
            break 'verdict Verdict::Broken(broken);
        }
        if induction && let Some(broken) = solve(&["-i", "-t", &cycles.to_string()]) {
            break 'verdict Verdict::NotInductive(broken);
        }
        // Induction says nothing of how far a run must go until something happens.
        let far = if induction { FAR } else { cycles };
        if covers && let Some(unreached) = solve(&["-c", "-t", &far.to_string()]) {
            break 'verdict Verdict::Unreached(unreached);
        }
        Verdict::Holds
    };
    (verdict, begun.elapsed())
}

/// The model of a whole harness.
const WHOLE: &str = "model.smt2";

/// Cycles within which the covers of an inductive proof must be reached.
const FAR: u32 = 24;

/// For each of these assertions of a harness, whether a run of up to this many cycles breaks it. Each is looked at alone: all
/// other assertions, those inside the block too, are taken away, so that none of them can fail in its place.
///
/// # Panics
/// If the harness has no such assertion; if a tool is missing or does not take the text.
#[must_use]
pub fn broken_alone(harness: &Def, method: Method, claims: &[String], cycles: u32) -> Vec<bool> {
    // Before anything is optimised: equal assertions would become one.
    let models = claims.iter().map(|claim| {
        format!(
            "design -load whole; select -assert-count 1 t:$assert c:{claim} %i; \
             delete t:$cover t:$assert c:{claim} %d; {} write_smt2 {claim}.smt2; ",
            flow(method)
        )
    });
    let begin = String::from("proc; flatten; opt_clean; design -save whole; ");
    let dir = compiled(harness, &models.fold(begin, |script, model| script + &model));
    let broken = |claim: &String| {
        let said = smt(dir.path(), &format!("{claim}.smt2"), &["-t", &cycles.to_string()]);
        assert!(said.as_ref().is_none_or(|said| said.contains(claim)), "{claim}: {said:?}");
        said.is_some()
    };
    claims.iter().map(broken).collect()
}

/// Names of the assertions of a harness: what it claims of the block.
#[must_use]
pub fn claims(harness: &Def) -> Vec<String> {
    let asserts = harness.properties().iter().filter(|p| p.kind == PropertyKind::Assert);
    asserts.map(|p| p.name.clone()).collect()
}

/// Names of the assertions inside the block of a harness, with their paths: they are proved with the claims.
#[must_use]
pub fn embedded(harness: &Def) -> Vec<String> {
    let design = Design::new(harness);
    let inside = design.tree().filter(|(path, _)| !path.is_empty());
    inside.flat_map(|(path, def)| claims(def).into_iter().map(move |name| format!("{path}.{name}"))).collect()
}

/// From Verilog to what is solved: words stay words where a proof is by induction, and become bits where runs are long. (Not
/// unrolled, z3 makes nothing of either.)
fn flow(method: Method) -> &'static str {
    match method {
        Method::Induction(_) => "prep -flatten; memory_map; opt -full; clean -purge; dffunmap;",
        Method::Bounded(_) => {
            "prep -flatten; memory_map; opt_clean -purge; simplemap; opt -full; splitnets; clean -purge; opt; \
             dffunmap;"
        }
    }
}

/// Compiles a harness in a folder of its own; the script ends with what makes SMT models of it. Reset comes in the first cycle
/// alone: with it a run begins anew.
fn compiled(harness: &Def, models: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut text = verilog::emit(harness);
    let reset = "    initial assume (reset);\n";
    let once = format!("{reset}    always @* if (!$initstate) assume (!reset);\n");
    let top = text.files.last_mut().expect("a top module");
    top.1 = top.1.replacen(reset, &once, 1);
    text.write_to(dir.path(), |_| None).expect("written");
    let files: Vec<_> = text.files.iter().map(|(name, _)| name.as_str()).collect();
    let read = format!("read_verilog -formal {}; hierarchy -check -top {}; ", files.join(" "), text.top);
    let script = read + models;
    let out = Command::new("yosys").args(["-q", "-p", &script]).current_dir(dir.path()).output();
    let out = out.unwrap_or_else(|e| panic!("yosys: {e}: scripts/setup.sh"));
    assert!(out.status.success(), "yosys: {}", String::from_utf8_lossy(&[out.stdout, out.stderr].concat()));
    dir
}

/// Runs the solver; gives what it says failed.
fn smt(dir: &Path, model: &str, options: &[&str]) -> Option<String> {
    let all = ["-s", "z3", "--unroll"].iter().chain(options).chain([&model]);
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
