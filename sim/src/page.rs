//! The page of a run: one HTML file that needs nothing else. Numbers in its tables carry, as `data-json`, where they
//! stand in `stats.json`.
//!
//! Long because each picture and table of the one page is a function, and they share what they draw from.

use crate::cost::page::STYLE;
use crate::cost::svg::{self, Axis, Bar, Bars, Chart, Draw, Series, escape};
use crate::memory::Memories;
use crate::probe::Probe;
use crate::program::Program;
use crate::series::PathSeries;
use crate::statistics::Statistics;
use crate::{Outcome, Overflow, Spike};
use hw::image::{Image, PopulationKind};
use hw::platform::Structure;
use serde_json::Value;
use spikes::Binned;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Membranes that are drawn, and spikes.
const MEMBRANES: usize = 8;
const SPIKES: usize = 60_000;

/// What is drawn of one sample: membranes of the readout as a probe sees them, and all spikes.
#[derive(Debug)]
pub struct Gallery {
    /// Index of a (core, neuron) among the membranes.
    chosen: HashMap<(usize, u32), usize>,
    names: Vec<String>,
    membranes: Vec<Vec<i32>>,
    step: usize,
    sample: usize,
    /// (step, channel) of the input's spikes.
    input: Vec<(u32, u32)>,
    spikes: Vec<Spike>,
    /// The first queue that overflowed.
    overflow: Option<Overflow>,
}

impl Gallery {
    /// Chooses the first neurons of the population that is read out.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let population = program.readout.0;
        let mut places: Vec<_> = (program.cores.iter().enumerate())
            .flat_map(|(core, code)| {
                let of = move |(i, id): (usize, &(u32, u32))| {
                    (id.0 == population).then_some((id.1, core, i as u32))
                };
                code.identity.iter().enumerate().filter_map(of)
            })
            .collect();
        places.sort_unstable();
        places.truncate(MEMBRANES);
        let name = &program.network.populations[population as usize].name;
        let steps = program.network.steps as usize;
        Self {
            chosen: places.iter().enumerate().map(|(i, p)| ((p.1, p.2), i)).collect(),
            names: places.iter().map(|p| format!("{name} {}", p.0)).collect(),
            membranes: vec![vec![0; steps]; places.len()],
            step: 0,
            sample: 0,
            input: Vec::new(),
            spikes: Vec::new(),
            overflow: None,
        }
    }

    /// Takes up what the sample was and what came of it.
    #[must_use]
    pub fn with(mut self, sample: usize, input: Binned, outcome: Outcome) -> Self {
        self.sample = sample;
        let steps = input.offsets.len() as u32 - 1;
        self.input = (0..steps).flat_map(|t| input.step(t).iter().map(move |&c| (t, c))).collect();
        self.spikes = outcome.spikes;
        self.overflow = outcome.overflows.first().copied();
        self
    }

    /// Says which sample it is, and how it failed.
    fn about(&self) -> String {
        let failed = self.overflow.map_or_else(String::new, |overflow| {
            format!(
                "<p class=\"note\">It failed: {}. From that step on it is drawn as with a queue deep enough, and counts in no sum.</p>",
                escape(&overflow.to_string())
            )
        });
        format!("<p class=\"soft\">Sample {}.</p>{failed}", self.sample)
    }

    /// Dots over steps, a band for each population.
    fn raster(&self, image: &Image) -> String {
        const LEFT: f64 = 120.0;
        const WIDTH: f64 = 760.0;
        let network = &image.network;
        let neurons: u32 = network.populations.iter().map(|p| p.size).sum();
        let dot = WIDTH / f64::from(network.steps);
        let all = self.input.len() + self.spikes.len();
        let every = all.div_ceil(SPIKES).max(1);
        let (mut y, mut body) = (8.0, String::new());
        for (index, population) in network.populations.iter().enumerate() {
            let height = (360.0 * f64::from(population.size) / f64::from(neurons.max(1))).max(16.0);
            let line = height / f64::from(population.size);
            let here = |t: u32, n: u32| (LEFT + dot * f64::from(t), y + line * (f64::from(n) + 0.5));
            let places: Vec<_> = if population.kind == PopulationKind::Input {
                self.input.iter().map(|&(t, c)| here(t, c)).collect()
            } else {
                let own = self.spikes.iter().filter(|s| s.population == index as u32);
                own.map(|s| here(s.step, s.neuron)).collect()
            };
            let _ = write!(
                body,
                "<rect class=\"grid\" fill=\"none\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{height:.1}\"/>\
                 <text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text><text class=\"soft\" x=\"{}\" y=\"{:.1}\">{} spikes</text>\
                 <path class=\"l{}\" style=\"stroke-width:{:.2}\" d=\"",
                LEFT - 8.0,
                y + height / 2.0 + 4.0,
                escape(&population.name),
                LEFT + WIDTH + 8.0,
                y + height / 2.0 + 4.0,
                places.len(),
                index % 8,
                line.max(0.8)
            );
            for (x, y) in places.iter().step_by(every) {
                let _ = write!(body, "M{x:.1} {y:.1}h{:.1}", dot.max(1.0));
            }
            body.push_str("\"/>");
            y += height + 8.0;
        }
        let _ = write!(
            body,
            "<text class=\"soft\" x=\"{LEFT}\" y=\"{0:.1}\">0</text><text class=\"soft\" text-anchor=\"end\" x=\"{1}\" y=\"{0:.1}\">step {2}</text>",
            y + 8.0,
            LEFT + WIDTH,
            network.steps - 1
        );
        if let Some(overflow) = self.overflow {
            let x = LEFT + dot * f64::from(overflow.step);
            let _ = write!(
                body,
                "<path class=\"l3\" stroke-dasharray=\"4 3\" d=\"M{x:.1} 8V{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">overflow</text>",
                y - 8.0,
                x + 4.0,
                22.0
            );
        }
        let left_out = if every > 1 {
            format!("<p class=\"soft\">One spike in {every} is drawn.</p>")
        } else {
            String::new()
        };
        format!(
            "<svg class=\"dl\" viewBox=\"0 0 1000 {:.0}\" role=\"img\" aria-label=\"spike raster\">{body}</svg>{left_out}",
            y + 18.0
        )
    }

    fn membranes(&self) -> String {
        let series = self.names.iter().zip(&self.membranes).enumerate().map(|(i, (name, values))| Series {
            name: name.clone(),
            colour: i % 8,
            draw: Draw::Plain,
            points: values.iter().enumerate().map(|(t, &v)| (t as f64, v.into())).collect(),
        });
        chart("Membranes of the readout", "after the update of each step", "membrane", series.collect())
    }
}

impl Probe for Gallery {
    fn step(&mut self, _: u64, step: u32) {
        self.step = step as usize;
    }

    fn membrane(&mut self, _: u64, core: usize, neuron: u32, _: u32, value: i32, _: bool) {
        if let Some(&i) = self.chosen.get(&(core, neuron)) {
            self.membranes[i][self.step] = value;
        }
    }
}

fn chart(title: &str, subtitle: &str, y: &str, series: Vec<Series>) -> String {
    let least = series.iter().flat_map(|s| &s.points).map(|p| p.1).fold(0.0, f64::min);
    let most = series.iter().flat_map(|s| &s.points).map(|p| p.1).fold(1.0, f64::max);
    let axis = Axis { label: y.into(), log: false, range: (least < 0.0).then_some((least, most)) };
    let (title, subtitle) = (title.to_string(), subtitle.to_string());
    Chart { title, subtitle, x: Axis::linear("step"), y: axis, series, ..Chart::default() }.svg(false)
}

/// Lines by step, those of the largest sums.
fn lines(all: Vec<(String, &[u64])>) -> Vec<Series> {
    let mut all = all;
    all.sort_by_key(|(_, values)| std::cmp::Reverse(values.iter().sum::<u64>()));
    let series = all.into_iter().take(MEMBRANES).enumerate().map(|(i, (name, values))| Series {
        name,
        colour: i % 8,
        draw: Draw::Plain,
        points: values.iter().enumerate().map(|(t, &v)| (t as f64, v as f64)).collect(),
    });
    series.collect()
}

/// Rows of a table: label, where the number stands in `stats.json`, unit.
type Rows<'a> = &'a [(&'a str, &'a str, &'a str)];

const TOTALS: Rows<'_> = &[
    ("Samples run to their end", "/total/samples", ""),
    ("Samples failed", "/total/failed", ""),
    ("Samples with a label", "/total/labelled", ""),
    ("Of them right", "/total/correct", ""),
    ("Cycles", "/total/cycles", "cycles"),
    ("Fewest in a sample", "/total/cycles_min", "cycles"),
    ("Most in a sample", "/total/cycles_max", "cycles"),
    ("Reset phase of a sample", "/total/reset_cycles", "cycles"),
    ("Barriers", "/total/barrier_cycles", "cycles"),
    ("Input spikes", "/total/input_spikes", "spikes"),
    ("Spikes of neurons", "/total/counts/spikes", "spikes"),
    ("Neuron updates", "/total/counts/updates", ""),
    ("Events taken by cores", "/total/counts/arrivals", "events"),
    ("Lists delivered (shared queue)", "/total/counts/delivered", "lists"),
    ("Events filtered (shared queue)", "/total/counts/skipped", "events"),
    ("Events dropped (shared queue)", "/total/counts/dropped", "events"),
    ("Most events that waited in a queue", "/total/counts/queue_peak", "events"),
    ("Synaptic operations emitted", "/total/synaptic_operations/emitted", ""),
    ("Synaptic operations performed", "/total/synaptic_operations/performed", ""),
    ("Synaptic operations lost past the end", "/total/synaptic_operations/lost", ""),
    ("Flits injected", "/total/flits_injected", "flits"),
    ("Flits sent by cores", "/total/counts/flits_sent", "flits"),
    ("Hops between routers", "/total/hops", "flits"),
    ("Waiting in input ports", "/total/stalls/input_port", "cycles"),
    ("Of them, for neurons to be updated", "/total/stalls/input_port_update", "cycles"),
    ("Waiting at senders", "/total/stalls/sender", "cycles"),
    ("Waiting in routers", "/total/stalls/router", "cycles"),
    ("Of them, while another was granted", "/total/stalls/router_grant", "cycles"),
    ("Waiting at injectors", "/total/stalls/injector", "cycles"),
];

/// A number of `stats.json`, told to be one.
fn cell(json: &Value, pointer: &str) -> String {
    match json.pointer(pointer) {
        Some(Value::Number(n)) => {
            let text = match n.as_f64() {
                Some(f) if !n.is_u64() && !n.is_i64() => format!("{f:.4}"),
                _ => n.to_string(),
            };
            format!("<td data-json=\"{pointer}\">{text}</td>")
        }
        _ => "<td>-</td>".into(),
    }
}

fn table(heads: &[&str], rows: &str) -> String {
    let heads: String = heads.iter().map(|h| format!("<th>{h}</th>")).collect();
    format!("<div class=\"scroll\"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>")
}

fn section(title: &str, body: &str) -> String {
    format!("<section><h2>{title}</h2>{body}</section>")
}

/// The page of a run; `gallery` is what is drawn of its first sample.
#[must_use]
pub fn page(run: &Statistics, image: &Image, gallery: Option<&Gallery>) -> String {
    let json = serde_json::to_value(run).unwrap_or_default();
    let h = &run.header;
    let mut s = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\"><title>Run of {network}</title><style>{STYLE}{}</style></head><body><main><h1>A run of {network}</h1><p class=\"soft\">On platform <b>{}</b> with the <b>{}</b>: {} steps of {} ms, clock {} MHz; spikes from {}.</p>{}",
        svg::style(),
        escape(&h.platform),
        h.structure,
        h.steps,
        h.step_ms,
        h.clock_mhz,
        escape(&h.input),
        if h.interrupted {
            "<p class=\"note\">The run was interrupted: these are the samples that were done.</p>"
        } else {
            ""
        },
        network = escape(&h.network),
    );
    let rows: String = TOTALS
        .iter()
        .map(|(label, pointer, unit)| {
            format!("<tr><td>{label}</td>{}<td class=\"left\">{unit}</td></tr>", cell(&json, pointer))
        })
        .collect();
    s.push_str(&section("Totals", &table(&["over all samples", "", ""], &rows)));
    match gallery {
        Some(gallery) => {
            let about = gallery.about();
            s.push_str(&section("Spikes", &(about.clone() + &gallery.raster(image))));
            s.push_str(&section("Membranes", &(about + &gallery.membranes())));
        }
        None => {
            s.push_str(&section("Spikes and membranes", "<p class=\"note\">No sample ran to its end.</p>"))
        }
    }
    s.push_str(&section("Queues", &queues(run)));
    s.push_str(&section("Utilisation", &(heat_map(run, image) + &cores(run, &json))));
    s.push_str(&section("Where the cycles went", &cycles(run)));
    s.push_str(&section("Memory", &memory(&run.memories)));
    let _ = writeln!(
        s,
        "<section><h2>How this page was made</h2><p><code>{}</code></p><p class=\"soft\">{}; image <code>{}</code>, SHA-256 <code>{}</code>, compiled by {}; input SHA-256 <code>{}</code>; network SHA-256 <code>{}</code>. The same numbers and more are in <code>stats.json</code>; <code>sim/STATS.md</code> says what each means.</p></section></main></body></html>",
        escape(&h.command.join(" ")),
        escape(&h.tool),
        escape(&h.image),
        escape(&h.image_sha256),
        escape(&h.compiler),
        escape(&h.input_sha256),
        escape(&h.network_sha256),
    );
    s
}

/// In place of what is drawn by step, where there are no steps.
const NOTHING: &str = "<p class=\"note\">No sample ran to its end with its steps recorded.</p>";

fn queues(run: &Statistics) -> String {
    let name = |c: &crate::statistics::Core| format!("core ({}, {})", c.x, c.y);
    let by_step = |values: fn(&crate::series::CoreSeries) -> &[u64]| {
        run.cores.iter().filter_map(|c| Some((name(c), values(c.steps.as_ref()?)))).collect::<Vec<_>>()
    };
    if run.steps.is_none() {
        return NOTHING.into();
    }
    let about = "the busiest cores; the most in any sample";
    match run.header.structure {
        Structure::SharedQueue => {
            chart("Events that wait at the barrier", about, "events", lines(by_step(|s| &s.queue_peak)))
        }
        Structure::RingBuffer => {
            let what = "A ring buffer has no queue of events. Its input ports take these, over all samples:";
            let chart = chart("Events taken", "the busiest cores", "events", lines(by_step(|s| &s.arrivals)));
            format!("<p class=\"soft\">{what}</p>{chart}")
        }
    }
}

/// The mesh with the share of cycles in which each core works, and how many flits pass each router.
fn heat_map(run: &Statistics, image: &Image) -> String {
    if run.steps.is_none() {
        return NOTHING.into();
    }
    let mesh = &image.platform.mesh;
    let size = (900.0 / f64::from(mesh.width)).min(64.0);
    let (width, height) = (size * f64::from(mesh.width), size * f64::from(mesh.height));
    // By place: the core's share, and flits that its router passed on, to others or to the core.
    let sum = |values: &[u64]| values.iter().sum::<u64>();
    let cores = run.cores.iter().filter_map(|c| {
        let steps = c.steps.as_ref()?;
        Some(((c.x, c.y), (c.utilisation, sum(&steps.hops) + sum(&steps.arrivals))))
    });
    let routers = run.routers.iter().map(|r| ((r.x, r.y), (None, sum(&r.steps.hops))));
    let places: HashMap<_, _> = cores.chain(routers).collect();
    let most = places.values().filter_map(|p| p.0).fold(1e-9, f64::max);
    let busiest = places.values().map(|p| p.1).max().unwrap_or(0).max(1);
    let cycles = run.total.cycles.max(1) as f64;
    let mut body = String::new();
    for y in 0..mesh.height {
        for x in 0..mesh.width {
            let (px, py) = (size * f64::from(x), size * f64::from(y));
            let (share, flits) = places.get(&(x, y)).copied().unwrap_or((None, 0));
            let _ = write!(
                body,
                "<g><title>core ({x}, {y}){}; its router passes {:.4} flits a cycle</title>\
                 <rect class=\"grid f0\" fill-opacity=\"{:.3}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <rect class=\"f1\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/></g>",
                share.map_or(" not in use".into(), |u| format!(" works in {:.2} % of the cycles", 100.0 * u)),
                flits as f64 / cycles,
                share.map_or(0.0, |u| 0.08 + 0.8 * u / most),
                px + 1.0,
                py + 1.0,
                size - 2.0,
                size - 2.0,
                px + 0.1 * size,
                py + 0.82 * size,
                0.8 * size * flits as f64 / busiest as f64,
                0.08 * size,
            );
            if let Some(u) = share.filter(|_| size >= 30.0) {
                let _ = write!(
                    body,
                    "<text text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{:.0} %</text>",
                    px + size / 2.0,
                    py + size / 2.0 + 4.0,
                    100.0 * u
                );
            }
        }
    }
    format!(
        "<p class=\"soft\">By place in the mesh: the share of the cycles in which a core updates neurons or adds synapses; the bars, flits that its router passes, at most {:.3} a cycle.</p><svg class=\"dl\" style=\"max-width:{width:.0}px\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"utilisation of the mesh\">{body}</svg>",
        busiest as f64 / cycles
    )
}

/// The cores in numbers.
fn cores(run: &Statistics, json: &Value) -> String {
    let rows: String = run
        .cores
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let cells: String = [
                "utilisation",
                "counts/arrivals",
                "counts/synaptic_operations",
                "counts/spikes",
                "counts/queue_peak",
                "counts/arrival_stalls",
            ]
            .iter()
            .map(|field| cell(json, &format!("/cores/{i}/{field}")))
            .collect();
            format!("<tr><td>({}, {})</td>{cells}</tr>", c.x, c.y)
        })
        .collect();
    table(
        &[
            "core",
            "utilisation",
            "events",
            "synaptic operations",
            "spikes",
            "queue peak",
            "waiting in port, cycles",
        ],
        &rows,
    )
}

fn cycles(run: &Statistics) -> String {
    let Some(steps) = &run.steps else {
        return NOTHING.into();
    };
    let names =
        ["queue streams", "neurons updated", "sending", "mesh", "input port", "synapses added", "barrier"];
    let sums: Vec<f64> = steps.path.all().iter().map(|v| v.iter().sum::<u64>() as f64).collect();
    let bars = Bars {
        title: "The critical path".into(),
        subtitle: "the way that ended last in each step, over all samples".into(),
        label: "cycles".into(),
        parts: names.iter().enumerate().map(|(i, n)| ((*n).into(), i)).collect(),
        bars: vec![Bar { label: "all steps".into(), values: sums, ..Bar::default() }],
    };
    let parts = names.iter().map(|n| (*n).to_string()).zip(steps.path.all()).collect();
    let by_step = chart("The critical path by step", "sums over the samples", "cycles", lines(parts));
    let mut held: HashMap<(&str, &str), u64> = HashMap::new();
    for count in steps.held.iter().flatten() {
        *held.entry((&count.held.part, &count.held.component)).or_default() += count.samples;
    }
    let mut held: Vec<_> = held.into_iter().collect();
    held.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rows: String = held
        .iter()
        .take(12)
        .map(|((part, component), n)| {
            let part = PathSeries::NAMES.iter().position(|p| p == part).map_or(*part, |i| names[i]);
            format!("<tr><td>{component}</td><td class=\"left\">{part}</td><td>{n}</td></tr>")
        })
        .collect();
    let about = "<p class=\"soft\">Who held the barrier: the longest part of the way that ended last, counted over steps and samples.</p>";
    let holders = table(&["component", "with", "steps"], &rows);
    format!("{}{by_step}{about}{holders}", bars.svg(false))
}

fn memory(all: &[Memories]) -> String {
    let kinds = Memories::kinds_of(all);
    let mut rows = String::new();
    for kind in &kinds {
        let _ = write!(rows, "<tr><td>{}</td>", kind.name());
        for found in all.iter().map(|m| m.of(*kind)) {
            match found {
                Some(k) => {
                    let _ = write!(rows, "<td>{}</td><td>{}</td>", k.used_bits, k.allocated_bits);
                }
                None => rows.push_str("<td>-</td><td>-</td>"),
            }
        }
        rows.push_str("</tr>");
    }
    rows.push_str("<tr class=\"sum\"><td>all</td>");
    for (allocated, used) in all.iter().map(Memories::bits) {
        let _ = write!(rows, "<td>{used}</td><td>{allocated}</td>");
    }
    rows.push_str("</tr>");
    let heads: Vec<String> = std::iter::once("bits, in all cores in use".to_string())
        .chain(all.iter().flat_map(|m| [format!("{}, used", m.structure), "allocated".into()]))
        .collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let bars = Bars {
        title: "Bits used, by kind of memory".into(),
        subtitle: String::new(),
        label: "bits".into(),
        parts: kinds.iter().enumerate().map(|(i, k)| (k.name().into(), i % 8)).collect(),
        bars: all
            .iter()
            .map(|m| Bar {
                label: m.structure.to_string(),
                values: kinds.iter().map(|k| m.of(*k).map_or(0.0, |k| k.used_bits as f64)).collect(),
                ..Bar::default()
            })
            .collect(),
    };
    let refused = all.iter().filter_map(|m| {
        Some(format!("<p class=\"note\">{}: no build: {}</p>", m.structure, escape(m.refused.as_ref()?)))
    });
    let refused: String = refused.collect();
    format!("{}{}{refused}", bars.svg(false), table(&heads, &rows))
}
