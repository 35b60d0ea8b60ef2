//! The programs of the workspace, for tests that call them as a user does.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds programs in the profile of the calling test, and gives their paths in order. All of the workspace is chosen from, so that
/// every test that calls programs shares what is built for them.
///
/// # Panics
/// If one cannot be built.
#[must_use]
pub fn built<const N: usize>(names: [&str; N]) -> [PathBuf; N] {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace").join("Cargo.toml");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "-q", "--workspace", "--message-format", "json", "--manifest-path"]).arg(manifest);
    names.iter().for_each(|name| _ = build.args(["--bin", name]));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let out = build.output().expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let paths: Vec<PathBuf> = cargo_metadata::Message::parse_stream(&out.stdout[..])
        .filter_map(|message| match message.expect("a message of cargo") {
            cargo_metadata::Message::CompilerArtifact(a) => a.executable.map(Into::into),
            _ => None,
        })
        .collect();
    names.map(|name| {
        let found = paths.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
        found.unwrap_or_else(|| panic!("builds {name}")).clone()
    })
}
