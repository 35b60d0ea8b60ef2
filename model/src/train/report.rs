//! What a run tells: history, logs, summary.

use super::checkpoint::write_whole;
use super::prune::Action;
use super::trainer::{Phase, Score};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1.
    pub epoch: usize,
    /// Its phase.
    pub phase: Phase,
    /// What was done to the delays before it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The validation samples right after that, before any training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Score>,
    /// While learning, with augmentation.
    pub train: Score,
    /// The validation samples, after the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Score>,
    /// Synapses that are there.
    pub synapses: usize,
}

/// The best epoch on integers, by the validation samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// Its validation accuracy.
    pub accuracy: f64,
    /// Its validation loss.
    pub loss: f64,
    /// Whether the queues of the budget held its events; such epochs come first.
    #[serde(default = "held")]
    pub within: bool,
}

fn held() -> bool {
    true
}

/// All epochs of a run so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// In order.
    pub records: Vec<Record>,
    /// Of the integer phase.
    pub best: Option<Best>,
    /// Action before the epoch that is being trained.
    pub action: Option<String>,
    /// Validation right after it.
    pub before: Option<Score>,
}

/// An action in words.
#[must_use]
pub fn words(action: Action) -> String {
    match action {
        Action::Keep(k) => format!("keep {k}"),
        Action::Offer(by) => format!("offer {by} around"),
    }
}

impl History {
    /// One line of JSON an epoch.
    ///
    /// # Errors
    /// What the JSON writer refuses.
    pub fn jsonl(&self) -> Result<String> {
        let mut out = String::new();
        for record in &self.records {
            out.push_str(&serde_json::to_string(record)?);
            out.push('\n');
        }
        Ok(out)
    }

    /// One line an epoch, for spreadsheets.
    #[must_use]
    pub fn csv(&self) -> String {
        let hidden = self.records.first().map_or(0, |r| r.train.densities.len());
        let densities: String = (1..=hidden).map(|i| format!(",density_{i}")).collect();
        let mut out = format!(
            "epoch,phase,action,synapses,train_loss,train_accuracy,validation_loss,validation_accuracy{densities}\n"
        );
        for r in &self.records {
            let phase = serde_json::to_value(r.phase).ok();
            let phase = phase.as_ref().and_then(|p| p.as_str()).unwrap_or("").to_string();
            let v = r.validation.as_ref().map_or((String::new(), String::new()), |v| {
                (format!("{:.6}", v.loss), format!("{:.6}", v.accuracy))
            });
            out.push_str(&format!(
                "{},{phase},{},{},{:.6},{:.6},{},{}",
                r.epoch,
                r.action.as_deref().unwrap_or(""),
                r.synapses,
                r.train.loss,
                r.train.accuracy,
                v.0,
                v.1
            ));
            r.train.densities.iter().for_each(|d| out.push_str(&format!(",{d:.6}")));
            out.push('\n');
        }
        out
    }

    /// Writes both logs into the run directory, and the JSON lines to a second place.
    ///
    /// # Errors
    /// I/O.
    pub fn write(&self, directory: &Path, log: Option<&Path>) -> Result<()> {
        let jsonl = self.jsonl()?;
        write_whole(&directory.join("log.jsonl"), jsonl.as_bytes())?;
        write_whole(&directory.join("log.csv"), self.csv().as_bytes())?;
        log.map_or(Ok(()), |path| write_whole(path, jsonl.as_bytes()))
    }

    /// The last epoch of each phase, and every action with what came right after it: one line each.
    #[must_use]
    pub fn stages(&self) -> Vec<String> {
        let mut out = Vec::new();
        let percent =
            |s: &Option<Score>| s.as_ref().map_or("-".into(), |s| format!("{:.2} %", 100.0 * s.accuracy));
        for (i, r) in self.records.iter().enumerate() {
            if let Some(action) = &r.action {
                out.push(format!("{action}: validation {} before training", percent(&r.before)));
            }
            let next = self.records.get(i + 1);
            if next.is_none_or(|n| n.phase != r.phase || n.action.is_some()) {
                out.push(format!(
                    "epoch {} ({:?}): {} synapses, training {:.2} %, validation {}",
                    r.epoch,
                    r.phase,
                    r.synapses,
                    100.0 * r.train.accuracy,
                    percent(&r.validation)
                ));
            }
        }
        out
    }
}

/// Wilson's interval at 95 % for `correct` of `all` (Wilson 1927).
#[must_use]
pub fn interval(correct: usize, all: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let n = all.max(1) as f64;
    let p = correct as f64 / n;
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (middle - half, middle + half)
}
