//! Validation: every problem of a network at once, each with its field and remedy.

use crate::network::{DECAY_ONE, Kind, Network, Population};
use std::collections::HashSet;
use std::fmt;

/// All problems of a network; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problem{}:", self.0.len(), if self.0.len() == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|p| write!(f, "\n  {p}"))
    }
}

impl std::error::Error for Problems {}

/// At most this many synapses of a projection are named one by one.
const NAMED: usize = 5;
/// What is said of an index that is out of range.
pub(crate) const NO_POPULATION: &str = "source or target is no population";
/// Most members of a population.
pub(crate) const MOST_MEMBERS: u32 = 1 << 24;
/// Most steps of a sample: over four hours of 1 ms steps, and few enough that a sample's steps fit in memory.
pub const MOST_STEPS: u32 = 1 << 24;

impl Network {
    /// Whether it is a network of the contract.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut out = Vec::new();
        if !(self.step_ms.is_finite() && self.step_ms > 0.0 && (self.step_ms / 1000.0) as f32 > 0.0) {
            out.push(format!("step_ms = {}: must be a positive number", self.step_ms));
        }
        if self.steps == 0 || self.steps > MOST_STEPS {
            out.push(format!("steps = {}: must be at least 1, at most {MOST_STEPS}", self.steps));
        }
        if !(2..=32).contains(&self.membrane_bits) {
            out.push(format!("membrane_bits = {}: must be 2 to 32", self.membrane_bits));
        }
        self.check_populations(&mut out);
        self.check_projections(&mut out);
        if out.is_empty() { Ok(()) } else { Err(Problems(out)) }
    }

    fn check_populations(&self, out: &mut Vec<String>) {
        let mut names = HashSet::new();
        for (i, p) in self.populations.iter().enumerate() {
            let at = format!("populations[{i}] `{}`", p.name);
            check_name(&p.name, &at, out);
            if !names.insert(&p.name) {
                out.push(format!("{at}: the name is taken; names are unique"));
            }
            if p.size == 0 || p.size > MOST_MEMBERS {
                out.push(format!("{at}: size = {}: must be 1 to {MOST_MEMBERS}", p.size));
            }
            self.check_parameters(p, &at, out);
        }
        let count = |f: fn(&Kind) -> bool| self.populations.iter().filter(|p| f(&p.kind)).count();
        let inputs = count(|k| matches!(k, Kind::Input { .. }));
        if inputs != 1 {
            out.push(format!("populations: {inputs} of kind input; there must be exactly one"));
        }
        let integrators = count(|k| matches!(k, Kind::Integrator { .. }));
        if integrators > 1 {
            out.push(format!("populations: {integrators} of kind integrator; at most one is read out"));
        }
        match self.populations.last() {
            None => out.push("populations: empty".into()),
            Some(last) if integrators == 0 && !matches!(last.kind, Kind::Lif { .. }) => {
                out.push(
                    "populations: without an integrator the last one must be lif: its spikes are the scores"
                        .into(),
                );
            }
            _ => {}
        }
        if !self.classes.is_empty() && !self.populations.is_empty() {
            let units = self.populations[self.readout()].size as usize;
            if self.classes.len() != units {
                out.push(format!(
                    "classes: {} names for {units} readout units; one each, or none",
                    self.classes.len()
                ));
            }
        }
    }

    fn check_parameters(&self, p: &Population, at: &str, out: &mut Vec<String>) {
        if let Kind::Input { group: 0 } = p.kind {
            out.push(format!("{at}: group = 0: must be at least 1"));
        }
        let decay = p.decay();
        if !matches!(p.kind, Kind::Input { .. }) && decay.len() != p.size as usize {
            out.push(format!("{}.decay: {} values for {} neurons", p.name, decay.len(), p.size));
        }
        let bad = |d: &u16| *d > DECAY_ONE;
        if let Some(n) = decay.iter().position(bad) {
            let more = others(decay.iter().filter(|d| bad(d)).count());
            out.push(format!("{}.decay[{n}] = {}: must be 0 to {DECAY_ONE}{more}", p.name, decay[n]));
        }
        if let Kind::Lif { threshold, .. } = &p.kind {
            if threshold.len() != p.size as usize {
                out.push(format!("{}.threshold: {} values for {} neurons", p.name, threshold.len(), p.size));
            }
            let top = (1i64 << (self.membrane_bits.clamp(2, 32) - 1)) - 1;
            let bad = |t: &i32| *t < 1 || i64::from(*t) > top;
            if let Some(n) = threshold.iter().position(bad) {
                let more = others(threshold.iter().filter(|t| bad(t)).count());
                out.push(format!(
                    "{}.threshold[{n}] = {}: must be 1 to {top}, the highest value of a {}-bit membrane{more}",
                    p.name, threshold[n], self.membrane_bits
                ));
            }
        }
    }

    fn check_projections(&self, out: &mut Vec<String>) {
        // A projection may be called like a population: their tensors have other endings.
        let mut names = HashSet::new();
        for (i, p) in self.projections.iter().enumerate() {
            let at = format!("projections[{i}] `{}`", p.name);
            check_name(&p.name, &at, out);
            if !names.insert(&p.name) {
                out.push(format!("{at}: the name is taken; names are unique"));
            }
            if p.weight_shift > 15 {
                out.push(format!("{at}: weight_shift = {}: must be 0 to 15", p.weight_shift));
            }
            let (Some(source), Some(target)) =
                (self.populations.get(p.source), self.populations.get(p.target))
            else {
                out.push(format!("{at}: {NO_POPULATION}"));
                continue;
            };
            if matches!(source.kind, Kind::Integrator { .. }) {
                out.push(format!("{at}: source `{}` is an integrator, which never spikes", source.name));
            }
            if matches!(target.kind, Kind::Input { .. }) {
                out.push(format!("{at}: target `{}` is the input, which takes no synapses", target.name));
            }
            let mut seen = HashSet::with_capacity(p.synapses.len());
            let mut wrong = Vec::new();
            for (s, synapse) in p.synapses.iter().enumerate() {
                if synapse.pre >= source.size {
                    wrong.push(format!(
                        "{}.pre[{s}] = {}: `{}` has {} members",
                        p.name, synapse.pre, source.name, source.size
                    ));
                }
                if synapse.post >= target.size {
                    wrong.push(format!(
                        "{}.post[{s}] = {}: `{}` has {} members",
                        p.name, synapse.post, target.name, target.size
                    ));
                }
                if synapse.delay == 0 {
                    wrong.push(format!("{}.delay[{s}] = 0: the least delay is 1 step", p.name));
                }
                if !seen.insert((synapse.pre, synapse.post, synapse.delay)) {
                    wrong.push(format!(
                        "{}[{s}]: ({}, {}, delay {}) stands twice; add the weights up in one synapse",
                        p.name, synapse.pre, synapse.post, synapse.delay
                    ));
                }
            }
            let more = wrong.len().saturating_sub(NAMED);
            out.extend(wrong.into_iter().take(NAMED));
            if more > 0 {
                out.push(format!("{at}: and {more} more synapses like these"));
            }
        }
    }
}

/// How many more values are wrong than the one that is named.
fn others(wrong: usize) -> String {
    if wrong > 1 { format!(" ({} more like it)", wrong - 1) } else { String::new() }
}

/// Names stand in CSV files, unquoted.
fn check_name(name: &str, at: &str, out: &mut Vec<String>) {
    if name.is_empty() || name.contains(|c: char| c == ',' || c == '"' || c.is_control()) {
        out.push(format!("{at}: a name has at least one character, no commas, quotes or line ends"));
    }
}
