//! Command line of the model: evaluate, encode, train.

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Networks with synaptic delays: golden model, ear model, trainer.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 done, 1 a limit is not met, 2 wrong use or bad input, 130 interrupted."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a network on recorded spikes with the golden model
    Evaluate(model::evaluate::EvaluateArgs),
    /// Turn recorded audio into spikes with a model of the inner ear
    #[cfg(feature = "audio")]
    Encode(model::ear::command::EncodeArgs),
    /// Train a network with delays and quantise it
    #[cfg(feature = "train")]
    Train(Box<model::train::TrainArgs>),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Evaluate(args) => model::evaluate::evaluate(&args).map(drop),
        #[cfg(feature = "audio")]
        Command::Encode(args) => model::ear::command::encode(&args),
        #[cfg(feature = "train")]
        Command::Train(args) => model::train::train(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(status(&error))
        }
    }
}

/// 1 where a limit is not met, 130 where the run was interrupted, else 2.
fn status(error: &anyhow::Error) -> u8 {
    if error.is::<model::evaluate::Interrupted>() {
        return 130;
    }
    #[cfg(feature = "audio")]
    if matches!(error.downcast_ref(), Some(model::ear::Error::Interrupted)) {
        return 130;
    }
    #[cfg(feature = "train")]
    if error.is::<model::train::Interrupted>() {
        return 130;
    }
    #[cfg(feature = "train")]
    if error.is::<model::train::budget::Unmet>() {
        return 1;
    }
    2
}

/// Prints an error with its causes, each said once.
fn report(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    // A reader that has left hears nothing; the status says it.
    let _ = writeln!(std::io::stderr(), "error: {text}");
}
