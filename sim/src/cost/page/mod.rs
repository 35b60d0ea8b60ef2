//! The report as one HTML page that needs nothing else: no script, no network.
//!
//! Every number that is also in `cost.json` carries its place there (`data-json`, a JSON pointer), so that a
//! test can compare what is shown with what was computed.

mod events;
mod prices;

use super::interval::Interval;
use super::svg::{self, Bar, Bars, escape};
use super::{Cost, Layer, StructureCost};
use hw::platform::Structure;
use std::fmt::Write as _;

/// Groups of memories in the picture of bits.
const GROUPS: [(&str, usize, &[&str]); 5] = [
    ("synapse words", 6, &["synapses"]),
    ("axon rows", 5, &["axons"]),
    ("delay structure", 1, &["accumulators", "useful_weights", "queue_a", "queue_b"]),
    ("neurons and scores", 2, &["parameters", "membranes", "scores"]),
    ("routes and FIFOs", 3, &["route_index", "routes", "spike_fifo", "input_fifo", "router_buffers"]),
];

pub(crate) const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5c6670;--line:#dfe3e8;--paper:#fff;--back:#f4f6f8;--note:#fff6e5}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#a3adb8;--line:#363c44;--paper:#16191d;--back:#0e1013;--note:#2c2617}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:0}h3{font-size:15px;margin:18px 0 6px}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:20px 22px;margin:18px 0}
p{margin:8px 0;max-width:100ch}.head{max-width:none!important}.soft,.head{color:var(--soft)}.head{font-size:13px;margin:2px 0 12px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child,.left{text-align:left}
th{font-weight:600;color:var(--soft);vertical-align:bottom}
tr.sum td{font-weight:600;border-top:2px solid var(--line)}
td small.bounds{white-space:nowrap}td small{display:block;color:var(--soft);font-weight:400;font-size:12px}
.note{background:var(--note);border-radius:6px;padding:8px 12px;margin:10px 0;max-width:none}
.pair{display:grid;grid-template-columns:1fr;gap:14px;margin-top:14px}
svg.dl{max-width:100%;height:auto;display:block;margin:14px 0 4px}
details{margin-top:12px}summary{cursor:pointer;color:var(--soft)}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
";

/// A number of `cost.json` as it is shown: grouped by thousands, rounded to `digits` places.
fn number(pointer: &str, value: f64, digits: usize) -> String {
    let plain = format!("{:.digits$}", value.abs());
    let (whole, part) = plain.split_once('.').map_or((plain.as_str(), ""), |(w, p)| (w, p));
    let mut text = String::new();
    if value < 0.0 && plain.chars().any(|c| c.is_ascii_digit() && c != '0') {
        text.push('\u{2212}');
    }
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(c);
    }
    if !part.is_empty() {
        text.push('.');
        text.push_str(part);
    }
    format!("<span data-json=\"{pointer}\">{text}</span>")
}

fn count(pointer: &str, value: u64) -> String {
    number(pointer, value as f64, 0)
}

fn maybe(pointer: &str, value: Option<u64>) -> String {
    value.map_or("not known without a run".into(), |v| count(pointer, v))
}

/// A point with its bounds below.
fn interval(pointer: &str, value: Interval, digits: usize) -> String {
    format!(
        "{}<small class=\"bounds\">{} .. {}</small>",
        number(&format!("{pointer}/point"), value.point, digits),
        number(&format!("{pointer}/low"), value.low, digits),
        number(&format!("{pointer}/high"), value.high, digits)
    )
}

fn row(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|c| format!("<td>{c}</td>")).collect();
    format!("<tr>{cells}</tr>")
}

fn sum_row(cells: &[String]) -> String {
    row(cells).replacen("<tr>", "<tr class=\"sum\">", 1)
}

fn table(heads: &[&str], rows: &str) -> String {
    let heads: String = heads.iter().map(|h| format!("<th>{h}</th>")).collect();
    format!("<div class=\"scroll\"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>")
}

/// A row of a table with a column for each structure: its name, and the cell of a structure of some index.
type Figure<'a> = (&'a str, &'a dyn Fn(usize, &StructureCost) -> Option<String>);

fn not_run(structure: Structure, layer: &str, reason: &str) -> String {
    format!("<p class=\"note\">{structure}: {layer} not run: {}</p>", escape(reason))
}

impl Cost {
    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let h = &self.header;
        let mut s = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\"><title>Cost of {network}</title><style>{STYLE}{}</style></head><body><main><h1>What the delays cost</h1><p class=\"soft\">Network <b>{network}</b> on platform <b>{platform}</b>: {} steps of {} ms, clock {} MHz. Ring buffer and shared circular delay queue side by side, both compiled from the same network.</p><p class=\"note\">Layers 0 and 1 are exact. Everything from layer 2 on is an <b>{}</b>: read the bounds below each point.</p>",
            svg::style(),
            h.steps,
            h.step_ms,
            h.clock_mhz,
            h.notice,
            network = escape(&h.network),
            platform = escape(&h.platform),
        );
        s.push_str(&self.summary());
        s.push_str(&self.layer0());
        s.push_str(&self.layer1());
        s.push_str(&self.layer2());
        let areas: Vec<_> = self.structures.iter().flat_map(|x| &x.area).map(|a| (a.layer, a.node)).collect();
        let mut nodes = areas;
        nodes.sort_unstable();
        nodes.dedup();
        for (_, node) in nodes {
            s.push_str(&self.layer3(node));
        }
        s.push_str(&self.layer5());
        let _ = write!(
            s,
            "<section><h2>How this page was made</h2><p><code>{}</code></p><p class=\"soft\">{}; image <code>{}</code>, SHA-256 <code>{}</code>; network SHA-256 <code>{}</code>. The same numbers, unrounded, are in <code>cost.json</code>; <code>sim/COST.md</code> has formulas, sources and errors.</p></section></main></body></html>",
            escape(&h.command.join(" ")),
            escape(&h.tool),
            escape(&h.image),
            escape(&h.image_sha256),
            escape(&h.network_sha256)
        );
        s
    }

    fn head(&self, layer: u8, what: &str, more: &str) -> String {
        let title = escape(what);
        let more = if more.is_empty() { String::new() } else { format!(" &middot; {more}") };
        format!(
            "<section><h2>Layer {layer}: {title}</h2><p class=\"head\">layer {layer} &middot; platform {} &middot; {}{more}</p>",
            escape(&self.header.platform),
            escape(&self.header.tool)
        )
    }

    /// One row a figure, one column a structure.
    fn side_by_side(&self, rows: &[Figure<'_>]) -> String {
        let mut body = String::new();
        for (name, cell) in rows {
            let mut cells = vec![(*name).to_string()];
            cells.extend(
                self.structures
                    .iter()
                    .enumerate()
                    .map(|(i, x)| cell(i, x).unwrap_or_else(|| "<span class=\"soft\">not run</span>".into())),
            );
            body.push_str(&row(&cells));
        }
        let names: Vec<_> = self.structures.iter().map(|x| x.structure.name()).collect();
        table(&[&[""], names.as_slice()].concat(), &body)
    }

    fn summary(&self) -> String {
        let rows: &[Figure<'_>] = &[
            ("cores in use", &|i, x| {
                x.layer0_bits
                    .get()
                    .map(|b| count(&format!("/structures/{i}/layer0_bits/cores"), b.cores as u64))
            }),
            ("memory used, bits", &|i, x| {
                let bits = x.layer0_bits.get()?.all.used_bits?;
                Some(count(&format!("/structures/{i}/layer0_bits/all/used_bits"), bits))
            }),
            ("of it the delay structure, bits", &|i, x| {
                let bits = x.layer0_bits.get()?.delay.used_bits?;
                Some(count(&format!("/structures/{i}/layer0_bits/delay/used_bits"), bits))
            }),
            ("latency of an inference, cycles", &|i, x| {
                let e = x.layer1_events.get()?;
                let at = format!("/structures/{i}/layer1_events/cycles_per_inference");
                Some(number(&at, e.cycles_per_inference, 0))
            }),
            ("latency of an inference, us", &|i, x| {
                let e = x.layer1_events.get()?;
                let at = format!("/structures/{i}/layer1_events/us_per_inference");
                Some(number(&at, e.us_per_inference, 1))
            }),
            ("synaptic operations performed, all samples", &|i, x| {
                let e = x.layer1_events.get()?;
                let at = format!("/structures/{i}/layer1_events/synaptic_operations/performed");
                Some(count(&at, e.synaptic_operations.performed))
            }),
            ("memories of cores made for this network, um2 at the first node", &|i, x| {
                let a = x.area.first()?.fitted_um2?;
                Some(interval(&format!("/structures/{i}/area/0/fitted_um2"), a, 0))
            }),
        ];
        format!("<section><h2>In short</h2>{}</section>", self.side_by_side(rows))
    }

    fn layer0(&self) -> String {
        let mut s = self.head(0, "memory in bits", "exact");
        let mut names: Vec<&str> = Vec::new();
        for x in &self.structures {
            for m in x.layer0_bits.get().iter().flat_map(|b| &b.memories) {
                if !names.contains(&m.memory) {
                    names.push(m.memory);
                }
            }
        }
        let mut body = String::new();
        for name in &names {
            let mut cells = vec![(*name).to_string()];
            for (i, x) in self.structures.iter().enumerate() {
                let found = x
                    .layer0_bits
                    .get()
                    .and_then(|b| b.memories.iter().enumerate().find(|m| m.1.memory == *name));
                match found {
                    Some((j, m)) => {
                        let sums = m.sums;
                        let at = |f: &str| format!("/structures/{i}/layer0_bits/memories/{j}/{f}");
                        cells.push(count(&at("provided_bits"), sums.provided_bits));
                        cells.push(maybe(&at("used_bits"), sums.used_bits));
                        cells.push(maybe(&at("fitted_bits"), sums.fitted_bits));
                    }
                    None => cells.extend(std::iter::repeat_n(String::from("-"), 3)),
                }
            }
            body.push_str(&row(&cells));
        }
        for (label, key) in [("delay structure", "delay"), ("all", "all")] {
            let mut cells = vec![label.to_string()];
            for (i, x) in self.structures.iter().enumerate() {
                match x.layer0_bits.get() {
                    Some(b) => {
                        let sums = if key == "delay" { b.delay } else { b.all };
                        let at = |f: &str| format!("/structures/{i}/layer0_bits/{key}/{f}");
                        cells.push(count(&at("provided_bits"), sums.provided_bits));
                        cells.push(maybe(&at("used_bits"), sums.used_bits));
                        cells.push(maybe(&at("fitted_bits"), sums.fitted_bits));
                    }
                    None => cells.extend(std::iter::repeat_n(String::from("-"), 3)),
                }
            }
            body.push_str(&sum_row(&cells));
        }
        let heads: Vec<String> = std::iter::once("memory".to_string())
            .chain(
                self.structures
                    .iter()
                    .flat_map(|x| ["provided", "used", "fitted"].map(|k| format!("{}<br>{k}", x.structure))),
            )
            .collect();
        s.push_str(&table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &body));
        s.push_str("<p class=\"soft\">All cores in use. <b>Provided</b>: what the platform's cores have. <b>Used</b>: words that the network uses, at the platform's width; of queues the most events that waited in the run, in each of the two. <b>Fitted</b>: the same words in fields just wide enough for this network.</p>");
        for (i, x) in self.structures.iter().enumerate() {
            match &x.layer0_bits {
                Layer::Run(b) if b.synapse_delay_bits > 0 => {
                    let at = format!("/structures/{i}/layer0_bits/synapse_delay_bits");
                    let _ = write!(
                        s,
                        "<p class=\"soft\">The synapse words of the {} hold {} bits of delay fields besides; the shared queue finds delays by the order of its lists.</p>",
                        x.structure,
                        count(&at, b.synapse_delay_bits)
                    );
                }
                Layer::Run(_) => {}
                Layer::NotRun { reason } => s.push_str(&not_run(x.structure, "layer 0", reason)),
            }
        }
        let mut bars = Vec::new();
        for x in &self.structures {
            let Some(bits) = x.layer0_bits.get() else { continue };
            for (label, pick) in [("used", 0), ("fitted", 1)] {
                let values = GROUPS
                    .iter()
                    .map(|(_, _, members)| {
                        bits.memories
                            .iter()
                            .filter(|m| members.contains(&m.memory))
                            .map(|m| if pick == 0 { m.sums.used_bits } else { m.sums.fitted_bits })
                            .map(|b| b.unwrap_or(0) as f64)
                            .sum()
                    })
                    .collect();
                bars.push(Bar { label: format!("{}, {label}", x.structure), values, ..Bar::default() });
            }
        }
        let picture = Bars {
            title: "Memory by use".into(),
            subtitle: "exact; queues at their high-water mark".into(),
            label: "bits in all cores".into(),
            parts: GROUPS.iter().map(|g| (g.0.into(), g.1)).collect(),
            bars,
        };
        s.push_str(&picture.svg(false));
        let mut lines = String::new();
        for x in &self.structures {
            for l in x.layer0_bits.get().iter().flat_map(|b| &b.lines) {
                lines.push_str(&row(&[
                    format!("{} ({}, {})", x.structure, l.x, l.y),
                    l.memory.into(),
                    match l.ports {
                        hw::platform::Ports::OneRw => "1rw".into(),
                        hw::platform::Ports::OneReadOneWrite => "1r1w".into(),
                    },
                    format!("{} x {}", l.provided_words, l.word_bits),
                    l.used_words.map_or("-".into(), |w| w.to_string()),
                    l.fitted_word_bits.to_string(),
                ]));
            }
        }
        let heads =
            ["core", "memory", "ports", "words x bits provided", "words used", "bits of a fitted word"];
        let _ = write!(
            s,
            "<details><summary>Every memory of every core</summary>{}</details></section>",
            table(&heads, &lines)
        );
        s
    }
}
