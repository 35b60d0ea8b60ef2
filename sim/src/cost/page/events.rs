//! Layers 1 and 2: events and gates.

use super::{count, interval, not_run, number, row, sum_row, table};
use crate::cost::ledger::Term;
use crate::cost::svg::{Bar, Bars, escape};
use crate::cost::{Cost, Events, Layer, StructureCost};
use std::fmt::Write as _;

impl Cost {
    pub(super) fn layer1(&self) -> String {
        let inputs: Vec<_> = self
            .structures
            .iter()
            .filter_map(|x| x.layer1_events.get())
            .map(|e| format!("{}, {} samples", e.input, e.samples))
            .collect();
        let mut inputs = inputs;
        inputs.dedup();
        let mut s = self.head(1, "events of the run", &format!("exact for {}", escape(&inputs.join("; "))));
        for x in &self.structures {
            if let Layer::NotRun { reason } = &x.layer1_events {
                s.push_str(&not_run(x.structure, "layer 1", reason));
            }
        }
        if inputs.is_empty() {
            s.push_str("</section>");
            return s;
        }
        macro_rules! field {
            ($path:literal, $digits:literal, $get:expr) => {
                &|i: usize, x: &StructureCost| {
                    let e = x.layer1_events.get()?;
                    let get: fn(&Events) -> f64 = $get;
                    let at = format!(concat!("/structures/{}/layer1_events/", $path), i);
                    Some(number(&at, get(e), $digits))
                }
            };
        }
        s.push_str(&self.side_by_side(&[
            ("samples", field!("samples", 0, |e| e.samples as f64)),
            ("samples that overflowed, not counted", field!("failed", 0, |e| e.failed as f64)),
            ("cycles an inference, mean", field!("cycles_per_inference", 1, |e| e.cycles_per_inference)),
            ("least", field!("cycles_min", 0, |e| e.cycles_min as f64)),
            ("most", field!("cycles_max", 0, |e| e.cycles_max as f64)),
            (
                "us an inference at the platform's clock",
                field!("us_per_inference", 2, |e| e.us_per_inference),
            ),
            ("cycles of reset before it, apart", field!("reset_cycles", 0, |e| e.reset_cycles as f64)),
            (
                "synaptic operations emitted",
                field!("synaptic_operations/emitted", 0, |e| e.synaptic_operations.emitted as f64),
            ),
            (
                "performed",
                field!("synaptic_operations/performed", 0, |e| e.synaptic_operations.performed as f64),
            ),
            (
                "past the last step",
                field!("synaptic_operations/lost", 0, |e| e.synaptic_operations.lost as f64),
            ),
            ("neuron updates", field!("counts/updates", 0, |e| e.counts.updates as f64)),
            ("spikes of neurons", field!("counts/spikes", 0, |e| e.counts.spikes as f64)),
            ("input spikes", field!("input_spikes", 0, |e| e.input_spikes as f64)),
            ("events at cores", field!("counts/arrivals", 0, |e| e.counts.arrivals as f64)),
            ("hops between routers", field!("hops", 0, |e| e.hops as f64)),
            (
                "most events waiting in a queue",
                field!("counts/queue_peak", 0, |e| e.counts.queue_peak as f64),
            ),
            (
                "waiting: at input ports, cycles",
                field!("stalls/input_port", 0, |e| e.stalls.input_port as f64),
            ),
            ("waiting: at senders, cycles", field!("stalls/sender", 0, |e| e.stalls.sender as f64)),
            ("waiting: in routers, cycles", field!("stalls/router", 0, |e| e.stalls.router as f64)),
        ]));
        let events: Vec<_> =
            self.structures.iter().filter_map(|x| Some((x.structure, x.layer1_events.get()?))).collect();
        let parts = events.first().map_or_else(Vec::new, |(_, e)| {
            e.cycles
                .iter()
                .enumerate()
                .map(|(i, c)| (c.cause.to_string(), [0, 4, 2, 5, 6, 3][i % 6]))
                .collect()
        });
        let picture = Bars {
            title: "Where the cycles of an inference go".into(),
            subtitle: "in the core with most work; exact, mean over the samples".into(),
            label: "cycles".into(),
            parts,
            bars: events
                .iter()
                .map(|(structure, e)| Bar {
                    label: structure.name().into(),
                    values: e.cycles.iter().map(|c| c.cycles).collect(),
                    ..Bar::default()
                })
                .collect(),
        };
        s.push_str(&picture.svg(false));
        let mut ledger = String::new();
        for term in Term::ALL {
            let mut cells = vec![term.name().to_string()];
            let mut any = false;
            for (i, x) in self.structures.iter().enumerate() {
                let n = x.layer1_events.get().map_or(0, |e| e.ledger.count(term));
                any |= n > 0;
                let at = format!("/structures/{i}/layer1_events/ledger/{term}");
                cells.push(if n > 0 { count(&at, n) } else { "-".into() });
            }
            if any {
                ledger.push_str(&row(&cells));
            }
        }
        let names: Vec<_> = self.structures.iter().map(|x| x.structure.name()).collect();
        let _ = write!(
            s,
            "<details><summary>The ledger: every access and operation, all samples</summary>{}</details>",
            table(&[&["term"], names.as_slice()].concat(), &ledger)
        );
        let mut activity = String::new();
        for (structure, e) in &events {
            for a in &e.activity {
                activity.push_str(&row(&[
                    format!("{structure} ({}, {})", a.x, a.y),
                    a.axons.to_string(),
                    a.neurons.to_string(),
                    format!("{:.4}", a.alpha_mean),
                    a.alpha_peak.map_or("not recorded".into(), |p| format!("{p:.4}")),
                    a.queue_peak.to_string(),
                ]));
            }
        }
        let heads =
            ["core", "input axons I", "neurons J", "alpha, mean", "alpha, peak step", "most events queued"];
        let _ = write!(
            s,
            "<details><summary>Activity of each core</summary><p class=\"soft\">alpha: share of a core's input axons with an event in a step.</p>{}</details></section>",
            table(&heads, &activity)
        );
        s
    }

    pub(super) fn layer2(&self) -> String {
        let run = self.structures.iter().find_map(|x| x.layer2_gates.get());
        let tool = run.map_or("not run".into(), |g| escape(&g.tool));
        let mut s = self.head(
            2,
            "gates",
            &format!("{tool} &middot; {} &middot; +-15 % typical, +25 % at worst", self.header.notice),
        );
        if run.is_none() {
            for x in &self.structures {
                if let Layer::NotRun { reason } = &x.layer2_gates {
                    s.push_str(&not_run(x.structure, "layer 2", reason));
                }
            }
            s.push_str("</section>");
            return s;
        }
        let mut body = String::new();
        for (i, x) in self.structures.iter().enumerate() {
            for (j, b) in x.layer2_gates.get().iter().flat_map(|g| g.blocks.iter().enumerate()) {
                let at = format!("/structures/{i}/layer2_gates/blocks/{j}/gate_equivalents");
                body.push_str(&row(&[
                    format!("{}: {}", x.structure, escape(&b.name)),
                    number(&at, b.gate_equivalents, 0),
                    b.flip_flops.to_string(),
                    format!("{} / {} / {}", b.ice40.lut, b.ice40.ff, b.ice40.bram),
                    format!("{} / {} / {}", b.xilinx.lut + b.xilinx.lut_ram, b.xilinx.ff, b.xilinx.bram),
                ]));
            }
        }
        for (i, x) in self.structures.iter().enumerate() {
            if let Some(g) = x.layer2_gates.get() {
                let at = format!("/structures/{i}/layer2_gates/gate_equivalents");
                body.push_str(&sum_row(&[
                    format!("{}: all cores in use", x.structure),
                    interval(&at, g.gate_equivalents, 0),
                    String::new(),
                    String::new(),
                    String::new(),
                ]));
            }
        }
        let heads = [
            "block",
            "gate equivalents, without memories",
            "flip-flops",
            "iCE40: LUT / FF / BRAM 4 k",
            "7 series: LUT / FF / BRAM 18 k",
        ];
        s.push_str(&table(&heads, &body));
        s.push_str("</section>");
        s
    }
}
