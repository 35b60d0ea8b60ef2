//! `sim`: runs an image cycle by cycle.

mod cli;
mod cost_command;
mod curve;
mod gates_command;
mod lockstep_run;
mod parallel;
mod paths;
mod random_input;
mod report;
mod run;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let result = match (cli.command, cli.run) {
        (Some(cli::Command::Noc(noc)), _) => curve::run(&noc),
        (Some(cli::Command::Cost(args)), _) => cost_command::run(&args),
        (Some(cli::Command::Gates(args)), _) => gates_command::run(&args),
        (None, Some(args)) => run::run(&args),
        (None, None) => Err(anyhow::anyhow!("name an image with --image FILE, or a command; see --help")),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            ExitCode::from(run::status(&error))
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
