//! Holds `PROOFS.md` to the lists of proofs, properties and faults. `DELAYLINE_BLESS=1` writes it anew.

use std::fmt::Write;
use std::path::Path;
use testbenches::faults::{self, Catcher};
use testbenches::formal::Method;
use testbenches::{proofs, properties};

const HEAD: &str = "\
# What is proved of the RTL

Written from the lists in `testbenches/src/proofs`, `properties` and `faults.rs`; a test holds this page to them.

- **Induction**: for runs of any length, at the parameters that ship. A memory is replaced by one that knows a single word, at a
  place that may be any; all else that it gives may be anything. So the proof holds at any place of the memory, and its depth costs
  nothing.
- **Cycles**: for all runs of so many cycles after reset, with the whole memory and small parameters. Covers show that such a run
  goes around more than twice, or swaps more than twice.
- **Tested**: random parameters and stimulus against a plain model, fixed and fresh seeds.

Every assertion inside a block is proved with it, but for what a comment in the harness calls a promise of its surroundings.
The solver is z3, by `yosys-smtbmc`, on the emitted Verilog. Run them, with their times:

    cargo test -p testbenches --test proofs -- --ignored --nocapture
    cargo test -p testbenches --test rtl_faults -- --include-ignored

";

fn page() -> String {
    let mut out = HEAD.to_string();
    out += "| block | what holds | how | parameters |\n|---|---|---|---|\n";
    let proofs = proofs::all();
    for kind in [true, false] {
        for p in proofs.iter().filter(|p| matches!(p.method, Method::Induction(_)) == kind) {
            let how = if kind { format!("proved: {}", p.method) } else { format!("bounded: {}", p.method) };
            _ = writeln!(out, "| {} | {} | {how} | {} |", p.name, p.claim, p.parameters);
        }
    }
    for p in properties::all() {
        _ = writeln!(out, "| {} | {} | tested | random |", p.name, p.claim);
    }
    out +=
        "\n# Seeded faults\n\nEach is caught by what it stands beside.\n\n| caught by | fault |\n|---|---|\n";
    for f in faults::all() {
        let (kind, name) = match f.caught_by {
            Catcher::Property(name) => ("test", name),
            Catcher::Proof(name) => ("proof", name),
        };
        _ = writeln!(out, "| {kind}: {name} | {} |", f.name);
    }
    out
}

#[test]
fn the_page_of_proofs_is_what_the_lists_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROOFS.md");
    if std::env::var_os("DELAYLINE_BLESS").is_some() {
        std::fs::write(&path, page()).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page(), "PROOFS.md is not up to date: run this test with DELAYLINE_BLESS=1");
}
