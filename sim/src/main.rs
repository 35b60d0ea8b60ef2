//! `sim`: runs an image cycle by cycle.

mod cli;
mod report;
mod run;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    match run::run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if run::is_interrupt(&error) { 130 } else { run::status(&error) })
        }
    }
}
