//! `hw`: what can be had from the hardware without running it.

mod cli;
mod emit;
mod folder;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli::Command::Verilog(args) = cli::Cli::parse().command;
    match emit::verilog(&args) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
