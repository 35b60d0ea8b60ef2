//! Pictures, as SVG: curves of training, histograms, confusion.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a picture cannot be drawn: {0}")]
pub struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line: name and (x, y).
pub type Line = (String, Vec<(f64, f64)>);

/// Colours that colour-blind readers can tell apart (Okabe and Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

fn colour(i: usize) -> RGBColor {
    COLOURS[i % COLOURS.len()]
}

fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>) -> Result<String, PlotError> {
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(out)
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn chart<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    x: (f64, f64),
    y: (f64, f64),
    labels: (&str, &str),
) -> Result<Chart<'a, 'b>, PlotError> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(labels.0).y_desc(labels.1).light_line_style(WHITE).label_style(("sans-serif", 12)).draw()?;
    Ok(chart)
}

/// Panels of lines, one above the other, over one x axis; each panel has a title of its own.
///
/// # Errors
/// What the drawing library refuses.
pub fn curves(x_label: &str, panels: &[(&str, Vec<Line>)]) -> Result<String, PlotError> {
    svg((800, 260 * panels.len().max(1) as u32), |area| {
        for ((title, lines), area) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
            let points = || lines.iter().flat_map(|l| l.1.iter().copied());
            let right = points().map(|p| p.0).fold(1.0, f64::max);
            let top = points().map(|p| p.1).fold(1e-9, f64::max);
            let mut chart = chart(&area, title, (0.0, right), (0.0, top * 1.05), (x_label, ""))?;
            for (i, (name, line)) in lines.iter().enumerate() {
                let series =
                    chart.draw_series(LineSeries::new(line.iter().copied(), colour(i).stroke_width(2)))?;
                series.label(name).legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + 16, y)], colour(i).stroke_width(2))
                });
            }
            if lines.len() > 1 {
                let mut labels = chart.configure_series_labels();
                labels.border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8));
                labels.label_font(("sans-serif", 12)).draw()?;
            }
        }
        Ok(())
    })
}

/// Histograms of whole numbers, one above the other: title and (value, count).
///
/// # Errors
/// What the drawing library refuses.
pub fn histograms(x_label: &str, panels: &[(String, Vec<(i64, u64)>)]) -> Result<String, PlotError> {
    svg((800, 220 * panels.len().max(1) as u32), |area| {
        for (i, ((title, bars), area)) in panels.iter().zip(area.split_evenly((panels.len(), 1))).enumerate()
        {
            let left = bars.iter().map(|b| b.0).min().unwrap_or(0) as f64 - 1.0;
            let right = bars.iter().map(|b| b.0).max().unwrap_or(1) as f64 + 1.0;
            let top = bars.iter().map(|b| b.1).max().unwrap_or(1).max(1) as f64;
            let mut chart = chart(&area, title, (left, right), (0.0, top * 1.05), (x_label, "synapses"))?;
            chart.draw_series(bars.iter().map(|&(value, count)| {
                let (value, count) = (value as f64, count as f64);
                Rectangle::new([(value - 0.4, 0.0), (value + 0.4, count)], colour(i).filled())
            }))?;
        }
        Ok(())
    })
}

/// Confusion: rows are labels, columns predictions; darker is more of the row.
///
/// # Errors
/// What the drawing library refuses.
pub fn confusion(classes: &[String], counts: &[Vec<u64>]) -> Result<String, PlotError> {
    let n = classes.len().max(1) as f64;
    let side = (60 + 28 * classes.len() as u32).clamp(240, 1200);
    svg((side + 40, side + 60), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption("label (down) and prediction (across)", ("sans-serif", 14))
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..n, 0.0..n)?;
        let name = |v: f64| classes.get(v as usize).cloned().unwrap_or_default();
        chart
            .configure_mesh()
            .disable_mesh()
            .x_labels(classes.len())
            .y_labels(classes.len())
            .x_label_formatter(&|x| name(*x))
            .y_label_formatter(&|y| name(n - 1.0 - *y))
            .draw()?;
        for (label, row) in counts.iter().enumerate() {
            let all = row.iter().sum::<u64>().max(1) as f64;
            for (prediction, &count) in row.iter().enumerate() {
                let (x, y) = (prediction as f64, n - 1.0 - label as f64);
                let share = count as f64 / all;
                let cell = Rectangle::new([(x, y), (x + 1.0, y + 1.0)], colour(0).mix(share).filled());
                chart.draw_series([cell])?;
                if count > 0 {
                    let ink = if share > 0.5 { WHITE } else { BLACK };
                    let style = ("sans-serif", 11).into_font().color(&ink);
                    chart.draw_series([Text::new(count.to_string(), (x + 0.3, y + 0.65), style)])?;
                }
            }
        }
        Ok(())
    })
}

/// (value, count), ascending.
#[must_use]
pub fn counted(values: impl IntoIterator<Item = i64>) -> Vec<(i64, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    values.into_iter().for_each(|v| *counts.entry(v).or_insert(0) += 1);
    counts.into_iter().collect()
}
