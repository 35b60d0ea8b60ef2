//! `sim noc`: the latency-load curve of the mesh alone, as table, CSV and picture.

use crate::cli::Noc;
use crate::paths::{can_write, keep_apart};
use crate::report::print;
use crate::run::warn;
use anyhow::{Context, Result, bail};
use sim::noc::{Point, Setup, measure, saturation};
use std::fmt::Write as _;
use std::process::ExitCode;

/// `BookSim2` (commit of 2017-06-27) on an 8 x 8 mesh under the same traffic: `dim_order`, one virtual channel of
/// four flits, one-flit packets, `routing_delay=0 speculative=1`, islip, `credit_delay=1`, `sample_period=5000`,
/// seed 42; offered load and mean packet latency. It saturates before 0.25. Its router has another pipeline.
const BOOKSIM: [(f64, f64); 7] =
    [(0.01, 20.90), (0.05, 20.86), (0.10, 21.07), (0.15, 21.58), (0.18, 22.22), (0.20, 23.36), (0.22, 27.66)];

/// Measures every rate, then narrows down where the mesh saturates; status 1 where a flit was lost or doubled.
pub fn run(args: &Noc) -> Result<ExitCode> {
    if let Some(rate) = args.rates.iter().find(|r| !(0.0..=1.0).contains(*r)) {
        bail!("--rates: {rate} flits a core and cycle; give numbers from 0 to 1");
    }
    let outputs = [("--csv", &args.csv), ("--svg", &args.svg)];
    let outputs: Vec<_> = outputs.into_iter().filter_map(|(o, p)| Some((o, p.clone()?))).collect();
    keep_apart(&[], &outputs)?;
    can_write(&outputs, &[])?;
    let setup = Setup {
        width: args.width,
        height: args.height,
        router_buffer: args.router_buffer,
        core_buffer: args.core_buffer,
        warmup: args.warmup,
        cycles: args.cycles,
        seed: args.seed,
    };
    let bar = indicatif::ProgressBar::new(args.rates.len() as u64 + 1);
    bar.set_style(
        indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} loads, {eta} left")
            .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
    );
    let mut rates = args.rates.clone();
    rates.sort_by(f64::total_cmp);
    let mut points = Vec::new();
    for &rate in &rates {
        points.push(measure(&setup, rate));
        bar.inc(1);
    }
    let carried = points.iter().rev().find(|p| !p.saturated).map(|p| p.rate);
    let above = points.iter().find(|p| p.saturated).map(|p| p.rate);
    let limit = match (carried, above) {
        (Some(carried), Some(above)) if carried < above => Some(saturation(&setup, carried, above, 0.002)),
        _ => None,
    };
    bar.finish_and_clear();
    if let Some(path) = &args.csv {
        spikes::write_whole(path, csv(&points).as_bytes()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &args.svg {
        spikes::write_whole(path, svg(&setup, &points, limit).as_bytes())
            .with_context(|| path.display().to_string())?;
    }
    print(&text(&setup, &points, limit))?;
    let wrong = points.iter().find(|p| p.offered != p.taken);
    if let Some(p) = wrong {
        let n = p.offered.abs_diff(p.taken);
        warn(format_args!(
            "at {} flits a core and cycle {n} of {} flits were lost or doubled",
            p.rate, p.offered
        ));
    }
    Ok(if wrong.is_some() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn text(setup: &Setup, points: &[Point], limit: Option<(f64, f64)>) -> String {
    let mut s = format!(
        "{} x {} routers, buffers of {} flits, ports of {}; uniform traffic, one-flit packets; {} cycles after {}, seed {}\n\
         {:>8} {:>9} {:>9} {:>6} {:>9} {:>8}\n",
        setup.width,
        setup.height,
        setup.router_buffer,
        setup.core_buffer,
        setup.cycles,
        setup.warmup,
        setup.seed,
        "offered",
        "accepted",
        "latency",
        "99 %",
        "network",
        "routers"
    );
    for p in points {
        let mark = if p.saturated { "  saturated" } else { "" };
        let _ = writeln!(
            s,
            "{:8.3} {:9.4} {:9.2} {:6} {:9.2} {:8.3}{mark}",
            p.rate, p.accepted, p.latency, p.latency_p99, p.network_latency, p.routers
        );
    }
    if let Some((carried, not)) = limit {
        let _ = writeln!(s, "saturation between {carried:.4} and {not:.4} flits a core and cycle");
    }
    let taken: u64 = points.iter().map(|p| p.taken).sum();
    let offered: u64 = points.iter().map(|p| p.offered).sum();
    let _ = writeln!(s, "{offered} flits offered, {taken} taken");
    s
}

fn csv(points: &[Point]) -> String {
    let mut s = String::from(
        "offered_rate,accepted_rate,latency,latency_p99,network_latency,routers,flits_offered,flits_taken,flit_hops,saturated\n",
    );
    for p in points {
        let _ = writeln!(
            s,
            "{},{:.6},{:.4},{},{:.4},{:.4},{},{},{},{}",
            p.rate,
            p.accepted,
            p.latency,
            p.latency_p99,
            p.network_latency,
            p.routers,
            p.offered,
            p.taken,
            p.flit_hops,
            p.saturated
        );
    }
    s
}

/// Width and height of the picture, its margins, and the latency at its top in cycles.
const SIZE: (f64, f64) = (640.0, 420.0);
const MARGIN: (f64, f64) = (60.0, 50.0);
const TOP: f64 = 60.0;

fn svg(setup: &Setup, points: &[Point], limit: Option<(f64, f64)>) -> String {
    let right = points.iter().map(|p| p.rate).fold(0.1, f64::max).min(1.0);
    let at = |rate: f64, latency: f64| {
        (
            MARGIN.0 + rate / right * (SIZE.0 - MARGIN.0 - 20.0),
            SIZE.1 - MARGIN.1 - latency.min(TOP) / TOP * (SIZE.1 - MARGIN.1 - 40.0),
        )
    };
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"white\"/>\n\
         <text x=\"{x}\" y=\"20\">Latency of the mesh, {} x {} routers, uniform traffic, buffers of {} flits</text>\n",
        setup.width,
        setup.height,
        setup.router_buffer,
        w = SIZE.0,
        h = SIZE.1,
        x = MARGIN.0,
    );
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = s.write_fmt(text);
        s.push('\n');
    };
    for i in 0..=6 {
        let latency = TOP / 6.0 * f64::from(i);
        let ((x1, y), (x2, _)) = (at(0.0, latency), at(right, latency));
        line(format_args!("<path d=\"M{x1:.1} {y:.1}H{x2:.1}\" stroke=\"#ddd\"/>"));
        line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{latency}</text>",
            x1 - 6.0,
            y + 4.0
        ));
    }
    for i in 0..=5 {
        let rate = right / 5.0 * f64::from(i);
        let (x, y) = at(rate, 0.0);
        line(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{rate:.2}</text>",
            y + 18.0
        ));
    }
    line(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">offered load, flits a core and cycle</text>",
        SIZE.0 / 2.0,
        SIZE.1 - 10.0
    ));
    line(format_args!(
        "<text x=\"16\" y=\"{:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {:.1})\">mean latency, cycles</text>",
        SIZE.1 / 2.0,
        SIZE.1 / 2.0
    ));
    let mut path = String::new();
    for p in points {
        let (x, y) = at(p.rate, p.latency);
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { 'M' } else { 'L' });
        if p.latency <= TOP {
            line(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#0b63a5\"/>"));
        }
    }
    line(format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"#0b63a5\" stroke-width=\"2\"/>"));
    line(format_args!("<text x=\"{:.1}\" y=\"40\" fill=\"#0b63a5\">this mesh</text>", MARGIN.0 + 20.0));
    if let Some((carried, not)) = limit {
        let ((x, bottom), (_, top)) = (at(f64::midpoint(carried, not), 0.0), at(0.0, TOP));
        line(format_args!(
            "<path d=\"M{x:.1} {bottom:.1}V{top:.1}\" stroke=\"#0b63a5\" stroke-dasharray=\"4 3\"/>"
        ));
        line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#0b63a5\">saturates at {:.3}</text>",
            x - 6.0,
            top + 14.0,
            f64::midpoint(carried, not)
        ));
    }
    if (setup.width, setup.height, setup.router_buffer) == (8, 8, 4) {
        for (rate, latency) in BOOKSIM.into_iter().filter(|b| b.0 <= right) {
            let (x, y) = at(rate, latency);
            line(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"6\" fill=\"#b5482a\"/>",
                x - 3.0,
                y - 3.0
            ));
        }
        line(format_args!(
            "<text x=\"{:.1}\" y=\"40\" fill=\"#b5482a\">BookSim2 (another pipeline: shape and saturation compare)</text>",
            MARGIN.0 + 110.0
        ));
    }
    s.push_str("</svg>\n");
    s
}
