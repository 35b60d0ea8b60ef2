//! Samples on threads.

use crate::cli::Args;
use crate::run::{Done, Finish, Source, recorder, run_one};
use anyhow::Result;
use sim::Simulator;
use sim::probe::NoProbe;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

/// Samples for each thread that may be done before the one whose turn it is: one that takes long holds up no more memory.
const AHEAD: usize = 16;

/// Runs samples on threads; results are handed on in the order of the samples.
pub fn parallel(
    args: &Args,
    simulator: &Simulator,
    from: &Source<'_>,
    samples: Range<usize>,
    finish: &mut Finish<'_>,
) -> Result<()> {
    let threads =
        args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let (next, count, ahead) = (AtomicUsize::new(0), samples.len(), AHEAD * threads);
    let turn = Turn::default();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel::<(usize, Result<Done>)>();
        for _ in 0..threads.min(count) {
            let (sender, next, turn) = (sender.clone(), &next, &turn);
            let (mut simulator, mut recorder) = (simulator.clone(), recorder(args, simulator));
            let first = samples.start;
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    turn.wait_for(index.saturating_sub(ahead));
                    let result = (|| {
                        let binned = from.bin(first + index)?;
                        Ok(run_one(args, &mut simulator, recorder.as_mut(), index, binned, &mut NoProbe)?)
                    })();
                    let stop = result.is_err();
                    if sender.send((index, result)).is_err() || stop {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        let mut hand_on = || {
            for (index, result) in &receiver {
                waiting.insert(index, result);
                while let Some(result) = waiting.remove(&due) {
                    finish(due, result?)?;
                    due += 1;
                    turn.pass(due);
                }
            }
            Ok(())
        };
        let ended = hand_on();
        // Nobody waits for a turn that will not come, nor sends what nobody takes.
        turn.pass(usize::MAX);
        drop(receiver);
        ended
    })
}

/// Whose result is handed on next.
#[derive(Default)]
struct Turn {
    due: Mutex<usize>,
    passed: Condvar,
}

impl Turn {
    /// Waits until it is the turn of a sample, or of one after it.
    fn wait_for(&self, index: usize) {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.passed.wait_while(due, |due| *due < index));
    }

    fn pass(&self, due: usize) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        self.passed.notify_all();
    }
}
