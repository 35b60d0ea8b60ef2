//! Layers 3 to 5: area and energy.

use super::{Figure, GROUPS, count, interval, not_run, row, sum_row, table};
use crate::cost::area::Build;
use crate::cost::energy::Unpriced;
use crate::cost::interval::Interval;
use crate::cost::ledger::Cause;
use crate::cost::svg::{Bar, Bars, escape};
use crate::cost::{Area, Cost, Layer, MemoryLine, StructureCost};
use std::fmt::Write as _;

impl Cost {
    pub(super) fn layer3(&self, node: &str) -> String {
        let found: Vec<(usize, usize, &StructureCost, &Area)> = self
            .structures
            .iter()
            .enumerate()
            .filter_map(|(i, x)| {
                let (j, a) = x.area.iter().enumerate().find(|a| a.1.node == node)?;
                Some((i, j, x, a))
            })
            .collect();
        let Some((_, _, _, area)) = found.first() else { return String::new() };
        let errors = if area.layer == 3 {
            "macros +-12 % (one port), +-3 % (two), flip-flops -14 to +4 %, outside the measured sizes +-30 %, logic +-15 %"
        } else {
            "memories +-40 %; logic stays in gate equivalents"
        };
        let mut s = self.head(
            area.layer,
            &format!("area at {node}"),
            &format!("{} &middot; {errors}", self.header.notice),
        );
        let _ = write!(
            s,
            "<p class=\"soft\">{}. Cell and macro area: divide by 0.6 to 0.8 for a placed block.</p>",
            escape(area.source)
        );
        let mut names: Vec<&str> = Vec::new();
        for (_, _, _, a) in &found {
            for m in &a.memories {
                if !names.contains(&m.memory) {
                    names.push(m.memory);
                }
            }
        }
        let mut body = String::new();
        for name in names {
            let mut cells = vec![name.to_string()];
            for (i, j, _, a) in &found {
                match a.memories.iter().enumerate().find(|m| m.1.memory == name) {
                    Some((k, m)) => {
                        let at = format!("/structures/{i}/area/{j}/memories/{k}");
                        let build = match m.build {
                            Build::Sram => format!(
                                "{} SRAM{}",
                                m.macros,
                                if m.extrapolated { ", outside the measured sizes" } else { "" }
                            ),
                            Build::FlipFlops => "flip-flops".into(),
                        };
                        cells.push(format!(
                            "{}<small>{build}</small>",
                            interval(&format!("{at}/provided_um2"), m.provided_um2, 0)
                        ));
                        cells.push(m.fitted_um2.map_or("not known without a run".into(), |f| {
                            interval(&format!("{at}/fitted_um2"), f, 0)
                        }));
                    }
                    None => cells.extend(std::iter::repeat_n(String::from("-"), 2)),
                }
            }
            body.push_str(&row(&cells));
        }
        type Pick = fn(&Area) -> Option<Interval>;
        let sums: [(&str, [(&str, Pick); 2]); 2] = [
            (
                "delay structure",
                [
                    ("provided_delay_um2", |a| Some(a.provided_delay_um2)),
                    ("fitted_delay_um2", |a| a.fitted_delay_um2),
                ],
            ),
            ("all memories", [("provided_um2", |a| Some(a.provided_um2)), ("fitted_um2", |a| a.fitted_um2)]),
        ];
        for (label, picks) in sums {
            let mut cells = vec![label.to_string()];
            for (i, j, _, a) in &found {
                for (key, pick) in picks {
                    cells.push(pick(a).map_or("not known without a run".into(), |v| {
                        interval(&format!("/structures/{i}/area/{j}/{key}"), v, 0)
                    }));
                }
            }
            body.push_str(&sum_row(&cells));
        }
        for (label, key, pick) in [
            ("logic", "logic_um2", (|a: &Area| a.logic_um2) as Pick),
            ("memories and logic", "total_um2", |a: &Area| a.total_um2),
        ] {
            let mut cells = vec![label.to_string()];
            for (i, j, _, a) in &found {
                cells.push(pick(a).map_or("<span class=\"soft\">not run</span>".into(), |v| {
                    interval(&format!("/structures/{i}/area/{j}/{key}"), v, 0)
                }));
                cells.push("-".into());
            }
            body.push_str(&row(&cells));
        }
        let heads: Vec<String> = std::iter::once("memory, um2 in all cores in use".to_string())
            .chain(
                found
                    .iter()
                    .flat_map(|f| ["provided", "fitted"].map(|k| format!("{}<br>{k}", f.2.structure))),
            )
            .collect();
        s.push_str(&table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &body));
        let mut bars = Vec::new();
        for (_, _, x, a) in &found {
            let group = |pick: &dyn Fn(&MemoryLine) -> f64| -> Vec<f64> {
                GROUPS
                    .iter()
                    .map(|g| {
                        a.memories.iter().filter(|m| g.2.contains(&m.memory)).map(pick).sum::<f64>() / 1e6
                    })
                    .collect()
            };
            if let Some(f) = a.fitted_um2 {
                bars.push(Bar {
                    label: format!("{}, fitted", x.structure),
                    values: group(&|m| m.fitted_um2.map_or(0.0, |v| v.point)),
                    bounds: Some((f.low / 1e6, f.high / 1e6)),
                    note: String::new(),
                });
            }
        }
        let picture = Bars {
            title: format!("Memories of cores made for this network, {node}"),
            subtitle: format!("{}; whiskers: bounds of the sum", self.header.notice),
            label: "mm2".into(),
            parts: GROUPS.iter().map(|g| (g.0.into(), g.1)).collect(),
            bars,
        };
        s.push_str(&picture.svg(false));
        s.push_str("</section>");
        s
    }

    pub(super) fn layer5(&self) -> String {
        let mut s = self.head(
            5,
            "energy",
            "the ledger times a table of prices &middot; prices within a factor of 2 unless said",
        );
        for x in &self.structures {
            if let Layer::NotRun { reason } = &x.layer5_energy {
                s.push_str(&not_run(x.structure, "layer 5", reason));
            }
        }
        s.push_str("<p class=\"soft\">Switching energy of the events in the ledger; control logic and clock trees are not events. A total is given only where every term that happened has a price.</p>");
        let names: Vec<String> = self
            .structures
            .iter()
            .find_map(|x| x.layer5_energy.get())
            .map_or_else(Vec::new, |e| e.bills.iter().map(|b| b.table.clone()).collect());
        for (k, name) in names.iter().enumerate() {
            let bills: Vec<_> = self
                .structures
                .iter()
                .enumerate()
                .filter_map(|(i, x)| Some((i, x.structure, x.layer5_energy.get()?.bills.get(k)?)))
                .collect();
            let Some((_, _, first)) = bills.first() else { continue };
            let _ = write!(
                s,
                "<h3>Prices `{}`</h3><p class=\"head\">layer 5 &middot; node {} &middot; {} &middot; {} &middot; {}</p>",
                escape(name),
                escape(&first.node),
                escape(&first.conditions),
                escape(&first.description),
                self.header.notice
            );
            let rows: &[Figure<'_>] = &[
                ("total, nJ an inference", &|i, x| {
                    let bill = x.layer5_energy.get()?.bills.get(k)?;
                    let at = format!("/structures/{i}/layer5_energy/bills/{k}/total_nj_per_inference");
                    Some(bill.total_nj_per_inference.map_or_else(
                        || {
                            let terms: Vec<_> = bill.unpriced.iter().map(|u| u.term.name()).collect();
                            format!("no total<small>no price for {}</small>", terms.join(", "))
                        },
                        |t| interval(&at, t, 1),
                    ))
                }),
                ("sum of what has a price, nJ an inference", &|i, x| {
                    let bill = x.layer5_energy.get()?.bills.get(k)?;
                    let at = format!("/structures/{i}/layer5_energy/bills/{k}/priced_nj_per_inference");
                    Some(interval(&at, bill.priced_nj_per_inference, 1))
                }),
                ("leakage of the provided memories, nJ an inference, apart", &|i, x| {
                    let bill = x.layer5_energy.get()?.bills.get(k)?;
                    let at = format!("/structures/{i}/layer5_energy/bills/{k}/leakage_nj_per_inference");
                    Some(
                        bill.leakage_nj_per_inference
                            .map_or_else(|| "no price".into(), |l| interval(&at, l, 1)),
                    )
                }),
            ];
            s.push_str(&self.side_by_side(rows));
            let picture = Bars {
                title: format!("Energy of an inference by cause, prices `{name}`"),
                subtitle: if bills.iter().all(|b| b.2.unpriced.is_empty()) {
                    format!("{}; whiskers: bounds", self.header.notice)
                } else {
                    format!("{}; only what has a price, no total; whiskers: bounds", self.header.notice)
                },
                label: "uJ an inference".into(),
                parts: Cause::ALL
                    .iter()
                    .enumerate()
                    .map(|(i, c)| (c.name().into(), [0, 1, 2, 3][i]))
                    .collect(),
                bars: bills
                    .iter()
                    .map(|(_, structure, bill)| Bar {
                        label: structure.name().into(),
                        values: Cause::ALL.iter().map(|c| bill.cause(*c).point / 1e3).collect(),
                        bounds: Some((
                            bill.priced_nj_per_inference.low / 1e3,
                            bill.priced_nj_per_inference.high / 1e3,
                        )),
                        note: String::new(),
                    })
                    .collect(),
            };
            s.push_str(&picture.svg(false));
            let mut body = String::new();
            for (i, structure, bill) in &bills {
                for (j, item) in bill.items.iter().enumerate() {
                    let at = format!("/structures/{i}/layer5_energy/bills/{k}/items/{j}");
                    body.push_str(&row(&[
                        format!("{structure}: {}", escape(&item.name)),
                        count(&format!("{at}/count"), item.count),
                        interval(&format!("{at}/pj"), item.pj, 2),
                        interval(&format!("{at}/nj_per_inference"), item.nj_per_inference, 1),
                        item.grade.name().into(),
                        format!("<div class=\"left\">{}</div>", escape(&item.source)),
                    ]));
                }
                for Unpriced { term, count: n } in &bill.unpriced {
                    body.push_str(&row(&[
                        format!("{structure}: {term}"),
                        n.to_string(),
                        "no price".into(),
                        "-".into(),
                        "-".into(),
                        String::new(),
                    ]));
                }
            }
            let heads = ["term", "count, all samples", "pJ each", "nJ an inference", "grade", "source"];
            let _ = write!(
                s,
                "<details><summary>Every term with its price and source</summary>{}</details>",
                table(&heads, &body)
            );
        }
        s.push_str("<p class=\"note\">Published absolutes, as marks of magnitude only (other networks, other machines): SHD network 700-48-48-20 an inference, Loihi 28.4 uJ and 9.1 ms, Seneca with its delay queue 43.6 uJ and 4.25 ms (arXiv 2404.10597, read in a third party's summary); a Seneca core 0.47 mm2 and 2.8 pJ a synaptic operation in GF 22 nm (Tang et al. 2023, abstract).</p></section>");
        s
    }
}
