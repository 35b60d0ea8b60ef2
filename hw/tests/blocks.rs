//! Every file of a block tells its user the same things in the same places.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// What stands in a line of its own, with a text behind it.
const HEADINGS: [&str; 4] = ["Latency", "Throughput", "Limits", "Undefined"];

/// Files that describe no circuit with cycles: the packet format, and what a core is made for.
const NO_CIRCUIT: [&str; 2] = ["flit", "shape"];

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/blocks").join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The blocks: the public modules but those without a circuit.
fn blocks() -> Vec<String> {
    let list = text("mod.rs");
    let public = list.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    public.filter(|name| !NO_CIRCUIT.contains(name)).map(Into::into).collect()
}

/// What a block's file lacks.
fn lacks(file: &str) -> Vec<String> {
    let header: Vec<_> = file.lines().map_while(|l| l.strip_prefix("//!")).map(str::trim).collect();
    let drawn: Vec<_> = header.split(|l| l.starts_with("```")).skip(1).step_by(2).flatten().collect();
    let behind = |heading: &str| {
        header
            .iter()
            .find_map(|l| l.strip_prefix(heading)?.strip_prefix(": "))
            .filter(|t| !t.trim().is_empty())
    };
    let tested = file.contains("#[test]")
        || behind("Tests").is_some_and(|list| {
            let mut files = list.split('`').skip(1).step_by(2).peekable();
            files.peek().is_some() && files.all(|f| text(f).contains("#[test]"))
        });
    let mut out = Vec::new();
    let mut need = |there: bool, what: &str| {
        if !there {
            out.push(what.to_string());
        }
    };
    need(header.first().is_some_and(|l| !l.is_empty() && !l.starts_with("```")), "what it does");
    need(drawn.iter().any(|l| l.contains("+--")), "symbol");
    let in_cycles = |l: &str| l.starts_with("cycle ") || l.contains("/~~");
    need(drawn.iter().any(|l| in_cycles(l)), "timing diagram");
    HEADINGS.iter().for_each(|h| need(behind(h).is_some(), h));
    need(tested, "tests");
    out
}

#[test]
fn every_block_has_symbol_diagram_cycles_limits_and_tests() {
    let blocks = blocks();
    assert!(blocks.len() > 15, "the list of blocks in mod.rs is read: {blocks:?}");
    let found = blocks.iter().map(|b| (b, lacks(&text(&format!("{b}.rs"))))).filter(|(_, l)| !l.is_empty());
    let found: Vec<_> =
        found.map(|(block, lacks)| format!("{block}.rs lacks {}", lacks.join(", "))).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_taken_out_of_a_file_is_missed() {
    let file = text("router.rs");
    assert_eq!(lacks(&file), [""; 0]);
    for heading in HEADINGS {
        assert_eq!(lacks(&file.replace(&format!("//! {heading}: "), "//! ")), [heading]);
    }
    assert_eq!(lacks(&file.replace("+--", "")), ["symbol"]);
    assert_eq!(lacks(&file.replace("/~~", "")), ["timing diagram"]);
    assert_eq!(lacks(&file.replace("#[test]", "")), ["tests"]);
    assert_eq!(lacks(&format!("//!\n{file}")), ["what it does"]);
}
