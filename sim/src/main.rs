//! `sim`: runs an image cycle by cycle.

mod cli;
mod report;
mod run;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    match run::run(&args) {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            ExitCode::from(if run::is_interrupt(&error) { 130 } else { run::status(&error) })
        }
    }
}

/// Prints an error with its causes, each said once.
fn print_error(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    // A reader that has left hears nothing; the status says it.
    let _ = writeln!(std::io::stderr(), "error: {text}");
}
