//! Layer 5: the ledger times a table of prices.
//!
//! A price pays for the terms that it covers. A term that happened and that no price covers is listed, and
//! then there is no total: a sum over whatever happens to have a price would flatter the structure with the most gaps.

use super::interval::Interval;
use super::ledger::{Access, Cause, Ledger, Term};
use crate::statistics::Statistics;
use hw::layout::MemorySpec;
use hw::platform::Ports;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A table of prices, as it stands in TOML. `sim/COST.md` explains the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// Name.
    pub name: String,
    /// What it prices, in a sentence.
    pub description: String,
    /// Process node.
    pub node: String,
    /// Supply voltage and other conditions, where they are known.
    #[serde(default)]
    pub conditions: String,
    /// Prices are right to within this factor either way.
    #[serde(default = "two")]
    pub factor: f64,
    /// Prices of events.
    #[serde(default)]
    pub price: Vec<Price>,
    /// Prices of accesses to SRAM, by size.
    #[serde(default)]
    pub memory: Vec<MemoryPrice>,
    /// Leakage of memories in pW a bit, by ports.
    #[serde(default)]
    pub leakage: Vec<Leakage>,
}

fn two() -> f64 {
    2.0
}

/// Where a price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// On silicon.
    Measured,
    /// In the source's own simulation.
    Simulated,
    /// From a publication, not read again at its source.
    Literature,
}

impl Grade {
    /// Name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Simulated => "simulated",
            Self::Literature => "literature",
        }
    }
}

/// The price of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What is paid for, in words.
    pub name: String,
    /// The term whose count is multiplied.
    pub per: Term,
    /// Every term that this pays for, `per` among them.
    pub covers: Vec<Term>,
    /// Picojoule an event.
    pub pj: f64,
    /// Lower bound where the source gives a range.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper bound where the source gives a range.
    #[serde(default)]
    pub high: Option<f64>,
    /// Grade.
    pub grade: Grade,
    /// Table and publication, and what was assumed.
    pub source: String,
}

/// The price of an access to a memory of w words of b bits:
/// `constant + per_bit b + per_word_bit w b`, or the first step that is large enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryPrice {
    /// Ports of the memory; any where absent.
    #[serde(default)]
    pub ports: Option<Ports>,
    /// Kind of access; any where absent.
    #[serde(default)]
    pub access: Option<Access>,
    /// Smallest memory that it is for, in words.
    #[serde(default)]
    pub min_words: u64,
    /// Words of the largest macro; larger memories are cut and one macro is accessed.
    #[serde(default)]
    pub max_words: Option<u64>,
    /// Picojoule.
    #[serde(default)]
    pub constant: f64,
    /// Picojoule a bit of the word.
    #[serde(default)]
    pub per_bit: f64,
    /// Picojoule a bit of the memory.
    #[serde(default)]
    pub per_word_bit: f64,
    /// Picojoule for memories of up to so many bytes, ascending; then the formula does not count.
    #[serde(default)]
    pub steps: Vec<(u64, f64)>,
    /// Grade.
    pub grade: Grade,
    /// Where from.
    pub source: String,
}

/// Leakage of memories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leakage {
    /// Ports of the memory.
    pub ports: Ports,
    /// Picowatt a bit.
    pub pw_per_bit: f64,
    /// Grade.
    pub grade: Grade,
    /// Where from.
    pub source: String,
}

/// Tables that come with the program: name and TOML.
pub const TABLES: [(&str, &str); 4] = [
    ("ihp130", include_str!("../../prices/ihp130.toml")),
    ("seneca", include_str!("../../prices/seneca.toml")),
    ("loihi", include_str!("../../prices/loihi.toml")),
    ("horowitz45", include_str!("../../prices/horowitz45.toml")),
];

impl PriceTable {
    /// A table by name, or a TOML file.
    ///
    /// # Errors
    /// A sentence that names the file, the field and the remedy.
    pub fn load(name_or_path: &str) -> Result<Self, String> {
        if let Some((name, text)) = TABLES.iter().find(|t| t.0 == name_or_path) {
            return Self::parse(name, text);
        }
        let names: Vec<_> = TABLES.iter().map(|t| t.0).collect();
        let text = std::fs::read_to_string(Path::new(name_or_path)).map_err(|e| {
            format!("{name_or_path}: {e}; name a table ({}) or a readable TOML file", names.join(", "))
        })?;
        Self::parse(name_or_path, &text)
    }

    /// Parses and checks TOML text.
    ///
    /// # Errors
    /// As [`PriceTable::load`].
    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let table: Self = toml::from_str(text).map_err(|e| format!("{path}: {e}"))?;
        let mut paid: BTreeMap<Term, &str> = BTreeMap::new();
        let good = |v: f64| v.is_finite() && v >= 0.0;
        if !(table.factor.is_finite() && table.factor >= 1.0) {
            return Err(format!("{path}: factor = {}: must be a number of at least 1", table.factor));
        }
        for price in &table.price {
            let at = format!("{path}: price `{}`", price.name);
            let bounds = [price.pj, price.low.unwrap_or(price.pj), price.high.unwrap_or(price.pj)];
            if !bounds.into_iter().all(good) || bounds[1] > bounds[0] || bounds[2] < bounds[0] {
                return Err(format!(
                    "{at}: pj, low and high must be numbers of at least 0, low <= pj <= high"
                ));
            }
            if !price.covers.contains(&price.per) {
                return Err(format!("{at}: covers must name `{}` too, since it is paid per that", price.per));
            }
            for &term in &price.covers {
                if let Some(other) = paid.insert(term, &price.name) {
                    return Err(format!("{at}: `{term}` is already paid for by `{other}`; leave it to one"));
                }
            }
        }
        for memory in &table.memory {
            let numbers = [memory.constant, memory.per_bit, memory.per_word_bit];
            let steps = &memory.steps;
            if !numbers.into_iter().chain(steps.iter().map(|s| s.1)).all(good)
                || steps.windows(2).any(|w| w[0].0 >= w[1].0)
                || memory.max_words == Some(0)
            {
                return Err(format!(
                    "{path}: memory: prices must be numbers of at least 0, steps ascend, max_words is at least 1"
                ));
            }
        }
        if table.leakage.iter().any(|l| !good(l.pw_per_bit)) {
            return Err(format!("{path}: leakage: pw_per_bit must be a number of at least 0"));
        }
        Ok(table)
    }

    fn bounds(&self, pj: f64, low: Option<f64>, high: Option<f64>) -> Interval {
        Interval { point: pj, low: low.unwrap_or(pj) / self.factor, high: high.unwrap_or(pj) * self.factor }
    }

    /// The price of one access, where there is one.
    fn access(&self, words: u64, bits: u32, ports: Ports, access: Access) -> Option<(&MemoryPrice, f64)> {
        self.memory.iter().find_map(|m| {
            let fits = m.ports.is_none_or(|p| p == ports)
                && m.access.is_none_or(|a| a == access)
                && words >= m.min_words;
            if !fits {
                return None;
            }
            if m.steps.is_empty() {
                let rows = words.div_ceil(m.max_words.unwrap_or(u64::MAX));
                let w = words.div_ceil(rows.max(1)) as f64;
                let b = f64::from(bits);
                return Some((m, m.constant + m.per_bit * b + m.per_word_bit * w * b));
            }
            let bytes = (words * u64::from(bits)).div_ceil(8);
            m.steps.iter().find(|s| bytes <= s.0).map(|s| (m, s.1))
        })
    }
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// What is paid for.
    pub name: String,
    /// What it is for.
    pub cause: Cause,
    /// How often, in the whole run.
    pub count: u64,
    /// Picojoule each.
    pub pj: Interval,
    /// Nanojoule an inference.
    pub nj_per_inference: Interval,
    /// Grade of the price.
    pub grade: Grade,
    /// Source of the price.
    pub source: String,
}

/// A term without a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// The term.
    pub term: Term,
    /// How often it happened, in the whole run.
    pub count: u64,
}

/// The ledger of a run under one table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// Name of the table.
    pub table: String,
    /// Its description.
    pub description: String,
    /// Its node.
    pub node: String,
    /// Its conditions.
    pub conditions: String,
    /// What has a price.
    pub items: Vec<Item>,
    /// Terms that happened and have no price, with their counts.
    pub unpriced: Vec<Unpriced>,
    /// Sum of the items, in nanojoule an inference; not a total while anything is unpriced.
    pub priced_nj_per_inference: Interval,
    /// The total of switching energy, in nanojoule an inference; none while anything is unpriced.
    pub total_nj_per_inference: Option<Interval>,
    /// Leakage of the memories of the cores in use over the run's time, in nanojoule an inference, where the table has it; not in the total.
    pub leakage_nj_per_inference: Option<Interval>,
}

impl Bill {
    /// Prices the ledger of a run on cores with the memories `specs`.
    #[must_use]
    pub fn new(table: &PriceTable, statistics: &Statistics, specs: &[MemorySpec]) -> Self {
        let ledger: &Ledger = &statistics.total.ledger;
        let inferences = statistics.total.samples.max(1) as f64;
        let mut items = Vec::new();
        let mut open: Vec<(Term, u64)> = ledger.iter().collect();
        for price in &table.price {
            let count = ledger.count(price.per);
            open.retain(|(term, _)| !price.covers.contains(term));
            if count == 0 {
                continue;
            }
            let pj = table.bounds(price.pj, price.low, price.high);
            items.push(Item {
                name: price.name.clone(),
                cause: price.per.cause(),
                count,
                pj,
                nj_per_inference: pj.times(count as f64 / inferences / 1000.0),
                grade: price.grade,
                source: price.source.clone(),
            });
        }
        let mut unpriced = Vec::new();
        for (term, count) in open {
            let found = term.memory().and_then(|(memory, access)| {
                let spec = specs.iter().find(|s| s.memory == memory)?;
                table.access(spec.words, spec.bits, spec.ports, access).map(|p| (spec, p))
            });
            let Some((spec, (price, pj))) = found else {
                unpriced.push(Unpriced { term, count });
                continue;
            };
            let pj = table.bounds(pj, None, None);
            items.push(Item {
                name: format!("{term} ({} x {} bits)", spec.words, spec.bits),
                cause: term.cause(),
                count,
                pj,
                nj_per_inference: pj.times(count as f64 / inferences / 1000.0),
                grade: price.grade,
                source: price.source.clone(),
            });
        }
        let priced: Interval = items.iter().map(|i| i.nj_per_inference).sum();
        let seconds = statistics.total.cycles as f64 / inferences / (statistics.header.clock_mhz * 1e6);
        let leakage = (!table.leakage.is_empty()).then(|| {
            let pw: f64 = specs
                .iter()
                .filter_map(|spec| {
                    let l = table.leakage.iter().find(|l| l.ports == spec.ports)?;
                    Some(l.pw_per_bit * (spec.words * u64::from(spec.bits)) as f64)
                })
                .sum::<f64>()
                * statistics.cores.len() as f64;
            table.bounds(pw * seconds * 1e-3, None, None)
        });
        Self {
            table: table.name.clone(),
            description: table.description.clone(),
            node: table.node.clone(),
            conditions: table.conditions.clone(),
            total_nj_per_inference: unpriced.is_empty().then_some(priced),
            priced_nj_per_inference: priced,
            items,
            unpriced,
            leakage_nj_per_inference: leakage,
        }
    }

    /// Sum of the items of a cause, in nanojoule an inference.
    #[must_use]
    pub fn cause(&self, cause: Cause) -> Interval {
        self.items.iter().filter(|i| i.cause == cause).map(|i| i.nj_per_inference).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_that_come_along_are_sound() {
        for (name, _) in TABLES {
            let table = PriceTable::load(name).unwrap();
            assert_eq!(table.name, name);
            assert!(!table.description.is_empty() && !table.node.is_empty());
            let sources = table.price.iter().map(|p| &p.source).chain(table.memory.iter().map(|m| &m.source));
            assert!(sources.into_iter().all(|s| s.len() > 10), "{name}: every price has a source");
        }
    }

    #[test]
    fn a_price_that_is_paid_twice_or_misspelt_is_refused() {
        let head = "name = 'x'\ndescription = 'd'\nnode = 'n'\n";
        let price = |name: &str, term: &str| {
            format!(
                "[[price]]\nname = '{name}'\nper = '{term}'\ncovers = ['{term}']\npj = 1.0\ngrade = 'measured'\nsource = 's'\n"
            )
        };
        let parse = |text: String| PriceTable::parse("my.toml", &text);
        assert!(parse(format!("{head}{}", price("a", "hop"))).is_ok());
        let twice = parse(format!("{head}{}{}", price("a", "hop"), price("b", "hop"))).unwrap_err();
        assert!(twice.contains("my.toml") && twice.contains("`b`") && twice.contains("`a`"), "{twice}");
        assert!(parse(format!("{head}{}", price("a", "hops"))).unwrap_err().contains("hops"));
        assert!(PriceTable::load("no such table").unwrap_err().contains("ihp130"));
    }

    #[test]
    fn sram_prices_follow_size_ports_and_kind_of_access() {
        let table = PriceTable::load("ihp130").unwrap();
        // 4.63 + 0.505 x 32 + 0.00077 x 32 x 8192, the largest macro, for a memory of 16384 words.
        let (_, pj) = table.access(16384, 32, Ports::OneRw, Access::Read).unwrap();
        assert!((pj - (4.63 + 16.16 + 201.85)).abs() < 0.01, "{pj}");
        // A memory of few words is no macro.
        assert!(table.access(4, 13, Ports::OneReadOneWrite, Access::Read).is_none());
        let table = PriceTable::load("horowitz45").unwrap();
        assert_eq!(table.access(1024, 64, Ports::OneRw, Access::Read).unwrap().1, 10.0);
        assert_eq!(table.access(1025, 64, Ports::OneRw, Access::Write).unwrap().1, 20.0);
    }
}
