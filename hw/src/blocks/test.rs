//! What the tests of blocks share.

use rtl::{Def, verilog};
use std::process::Command;

/// A small generator of pseudo-random numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 7 ^ self.0 << 50
    }

    pub fn bits(&mut self, bits: u32) -> u64 {
        self.next() >> (64 - bits)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// One of `low..=high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as u64 + 1).cast_signed()
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Icarus and Verilator take the emitted Verilog without a warning.
#[track_caller]
pub(crate) fn lint(def: &Def) {
    let dir = tempfile::tempdir().expect("a directory");
    let text = verilog::emit(def);
    text.write_to(dir.path(), |_| None).expect("written");
    let files = text.files.iter().map(|(name, _)| name.as_str());
    let run = |program: &str, options: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(dir.path()).args(options).args(files.clone());
        let out = command.output().unwrap_or_else(|e| panic!("{program}: {e}"));
        let all = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).to_string();
        assert!(out.status.success() && !all.to_lowercase().contains("warning"), "{program}: {all}");
    };
    run("iverilog", &["-g2005", "-Wall", "-o", "all.vvp"]);
    run("verilator", &["--lint-only", "-Wall", "--top-module", &text.top]);
}
