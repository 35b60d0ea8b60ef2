//! Plays the changes of a run into wave files, on a thread of its own: the simulator goes on meanwhile.

use crate::error::Error;
use rtl::fst;
use rtl::wave::{SignalId, Writer};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

/// What takes changes of signals.
trait Sink {
    fn change(&mut self, time: u64, signal: SignalId, value: u64) -> io::Result<()>;
}

/// A wave file that is being written.
pub(super) enum Output {
    Vcd(Writer<BufWriter<File>>),
    Fst(Box<fst::Writer>),
}

impl Output {
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Vcd(writer) => writer.finish(),
            Self::Fst(writer) => writer.finish(),
        }
    }
}

impl Sink for Writer<BufWriter<File>> {
    #[inline]
    fn change(&mut self, time: u64, signal: SignalId, value: u64) -> io::Result<()> {
        Self::change(self, time, signal, value)
    }
}

impl Sink for fst::Writer {
    #[inline]
    fn change(&mut self, time: u64, signal: SignalId, value: u64) -> io::Result<()> {
        Self::change(self, time, signal, value)
    }
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    /// Sets the signal.
    Set,
    /// High in this cycle, low in the next unless it is high again.
    Pulse,
    /// Adds to the signal, which counts.
    Add,
}

/// One change, in the order of cycles; what comes first in a cycle is done first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// Cycle in the step.
    pub(super) at: u32,
    /// Index of the signal, four times, and the [`Kind`].
    pub(super) what: u32,
    pub(super) value: u64,
}

impl Change {
    pub(super) const NONE: Self = Self { at: 0, what: 0, value: 0 };

    #[inline]
    pub(super) fn new(at: u32, signal: SignalId, kind: Kind, value: u64) -> Self {
        Self { at, what: (signal.index() << 2) as u32 | kind as u32, value }
    }
}

/// The changes of a step.
pub(super) struct Step {
    /// Cycles `start..until`.
    pub(super) start: u64,
    pub(super) until: u64,
    pub(super) changes: Vec<Change>,
}

pub(super) fn failure(path: &Path, source: io::Error) -> Error {
    Error::Waves { path: path.display().to_string(), source }
}

/// Writes files, and what their signals hold.
pub(super) struct Player {
    outputs: Vec<(PathBuf, Output)>,
    tracks: Vec<Track>,
}

impl Player {
    pub(super) fn new(
        outputs: Vec<(PathBuf, Output)>,
        period_ps: u64,
        clk: Option<SignalId>,
        signals: &[SignalId],
    ) -> Self {
        let track = Track::new(period_ps, clk, signals.to_vec());
        Self { tracks: vec![track; outputs.len()], outputs }
    }

    /// Plays all steps that come, then ends the files, also after an error.
    // Not inlined, so that scripts/instructions.sh finds it by its name.
    #[inline(never)]
    pub(super) fn run(mut self, steps: &Receiver<Step>) -> Result<(), Error> {
        let played = steps.iter().try_for_each(|step| {
            self.outputs.iter_mut().zip(&mut self.tracks).try_for_each(|((path, output), track)| {
                let played = match output {
                    Output::Vcd(writer) => track.play(&step, writer),
                    Output::Fst(writer) => track.play(&step, &mut **writer),
                };
                played.map_err(|e| failure(path, e))
            })
        });
        let ends = self.outputs.into_iter().map(|(path, o)| o.finish().map_err(|e| failure(&path, e)));
        let ends: Vec<_> = ends.collect();
        played?;
        ends.into_iter().collect()
    }
}

/// What the signals of one file hold.
#[derive(Clone)]
struct Track {
    period_ps: u64,
    clk: Option<SignalId>,
    /// Signals by index, what each holds, and the cycle before which its last pulse ends.
    signals: Vec<SignalId>,
    held: Vec<Option<u64>>,
    ends: Vec<u64>,
    /// Signals that are high in this cycle, and that were in the one before.
    high: Vec<usize>,
    falling: Vec<usize>,
}

impl Track {
    fn new(period_ps: u64, clk: Option<SignalId>, signals: Vec<SignalId>) -> Self {
        let (held, ends) = (vec![None; signals.len()], vec![0; signals.len()]);
        Self { period_ps, clk, signals, held, ends, high: Vec::new(), falling: Vec::new() }
    }

    fn play<S: Sink>(&mut self, step: &Step, to: &mut S) -> io::Result<()> {
        let mut pending = &step.changes[..];
        let mut cycle = step.start;
        while cycle < step.until {
            if self.clk.is_none() && self.high.is_empty() {
                // Without a clock only cycles with changes matter.
                match pending.first() {
                    Some(c) => cycle = step.start + u64::from(c.at),
                    None => break,
                }
            }
            // Six years of a slow clock stand still rather than overflow.
            let time = cycle.saturating_mul(self.period_ps);
            if let Some(clk) = self.clk {
                to.change(time, clk, 1)?;
            }
            std::mem::swap(&mut self.high, &mut self.falling);
            let now = (cycle - step.start) as u32;
            while let Some((c, rest)) = pending.split_first()
                && c.at <= now
            {
                pending = rest;
                self.apply(c, cycle, time, to)?;
            }
            while let Some(signal) = self.falling.pop() {
                if self.ends[signal] == cycle {
                    self.held[signal] = Some(0);
                    to.change(time, self.signals[signal], 0)?;
                }
            }
            if let Some(clk) = self.clk {
                to.change(time.saturating_add(self.period_ps / 2), clk, 0)?;
            }
            cycle += 1;
        }
        Ok(())
    }

    #[inline]
    fn apply<S: Sink>(&mut self, c: &Change, cycle: u64, time: u64, to: &mut S) -> io::Result<()> {
        let (signal, kind) = ((c.what >> 2) as usize, c.what & 3);
        let held = &mut self.held[signal];
        let value = if kind == Kind::Add as u32 { held.unwrap_or(0).wrapping_add(c.value) } else { c.value };
        if kind == Kind::Pulse as u32 && self.ends[signal] != cycle + 1 {
            self.ends[signal] = cycle + 1;
            self.high.push(signal);
        }
        if *held == Some(value) {
            return Ok(());
        }
        *held = Some(value);
        to.change(time, self.signals[signal], value)
    }
}
