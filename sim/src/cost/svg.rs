//! Small pictures as SVG: lines, points and stacked bars, readable in light and dark.

use std::fmt::Write as _;

/// Colours that stay apart for colour-blind readers; index 0 is the ring buffer's, 1 the shared queue's.
const LIGHT: [&str; 8] =
    ["#0060a8", "#c8500a", "#00805c", "#9a3f86", "#8a6d00", "#3f8fc4", "#555555", "#b03030"];
const DARK: [&str; 8] =
    ["#6cb6ff", "#ff9d5c", "#4fd1a5", "#e59bd2", "#e3c34a", "#a5d8ff", "#b5b5b5", "#ff8f8f"];

/// Style of all pictures, for a page that holds several.
#[must_use]
pub fn style() -> String {
    let mut s = String::from(
        ".dl{font:13px system-ui,sans-serif;--ink:#1c2024;--soft:#5c6670;--grid:#dfe3e8;--paper:#fff",
    );
    for (i, c) in LIGHT.iter().enumerate() {
        let _ = write!(s, ";--s{i}:{c}");
    }
    s.push_str(
        "}@media(prefers-color-scheme:dark){.dl{--ink:#e8ebee;--soft:#a3adb8;--grid:#363c44;--paper:#16191d",
    );
    for (i, c) in DARK.iter().enumerate() {
        let _ = write!(s, ";--s{i}:{c}");
    }
    s.push_str("}}.dl text{fill:var(--ink)}.dl .soft{fill:var(--soft)}.dl .grid{stroke:var(--grid);stroke-width:1}.dl .axis{stroke:var(--soft);stroke-width:1}.dl .title{font-weight:600;font-size:15px}.dl .paper{fill:var(--paper)}");
    for i in 0..LIGHT.len() {
        let _ = write!(
            s,
            ".dl .l{i}{{stroke:var(--s{i});fill:none;stroke-width:2}}.dl .f{i}{{fill:var(--s{i})}}"
        );
    }
    s
}

/// Text as it may stand in XML.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number in three digits with k, M, G.
#[must_use]
pub fn human(v: f64) -> String {
    let (scale, unit) = match v.abs() {
        a if a >= 1e9 => (1e9, " G"),
        a if a >= 1e6 => (1e6, " M"),
        a if a >= 1e3 => (1e3, " k"),
        _ => (1.0, ""),
    };
    let n = v / scale;
    let digits = if n == n.round() || n.abs() >= 100.0 {
        0
    } else if n.abs() >= 10.0 {
        1
    } else if n.abs() >= 0.1 {
        2
    } else {
        4
    };
    let text = format!("{n:.digits$}");
    let text = if v.abs() < 1.0 && text.contains('.') { text.trim_end_matches('0') } else { &text };
    format!("{text}{unit}")
}

/// Text in lines of at most so many letters.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// An axis.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    /// Label with unit.
    pub label: String,
    /// Powers of ten.
    pub log: bool,
    /// Fixed ends; otherwise from the data.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis from zero or the least value.
    #[must_use]
    pub fn linear(label: &str) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// A logarithmic axis.
    #[must_use]
    pub fn log(label: &str) -> Self {
        Self { label: label.into(), log: true, range: None }
    }
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Line with points.
    Line,
    /// Line without points.
    Plain,
    /// Broken line, no points.
    Dashed,
    /// Points only.
    Points,
    /// Points only, hollow.
    Hollow,
}

/// One series.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Colour, 0..8.
    pub colour: usize,
    /// How it is drawn.
    pub draw: Draw,
    /// Points (x, y).
    pub points: Vec<(f64, f64)>,
}

/// A chart of lines and points.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Title.
    pub title: String,
    /// A line below the title.
    pub subtitle: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Series.
    pub series: Vec<Series>,
    /// Words at places (x, y).
    pub marks: Vec<(f64, f64, String)>,
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 82.0;
const RIGHT: f64 = 20.0;

/// Title, subtitle and legend; returns the height used.
fn head(s: &mut String, title: &str, subtitle: &str, legend: &[(String, usize, Draw)]) -> f64 {
    let _ = write!(s, "<text class=\"title\" x=\"16\" y=\"26\">{}</text>", escape(title));
    let mut y = 26.0;
    for line in wrap(subtitle, 104) {
        y += 19.0;
        let _ = write!(s, "<text class=\"soft\" x=\"16\" y=\"{y}\">{}</text>", escape(&line));
    }
    let mut x = 16.0;
    y += 24.0;
    for (name, colour, draw) in legend {
        let width = 34.0 + 6.9 * name.chars().count() as f64 + 14.0;
        if x + width > WIDTH && x > 16.0 {
            x = 16.0;
            y += 20.0;
        }
        let mid = y - 4.0;
        match draw {
            Draw::Line => {
                let _ = write!(
                    s,
                    "<path class=\"l{colour}\" d=\"M{x} {mid}h24\"/><circle class=\"f{colour}\" cx=\"{}\" cy=\"{mid}\" r=\"3.5\"/>",
                    x + 12.0
                );
            }
            Draw::Plain => {
                let _ = write!(s, "<path class=\"l{colour}\" d=\"M{x} {mid}h24\"/>");
            }
            Draw::Dashed => {
                let _ = write!(s, "<path class=\"l{colour}\" stroke-dasharray=\"6 4\" d=\"M{x} {mid}h24\"/>");
            }
            Draw::Points => {
                let _ = write!(
                    s,
                    "<rect class=\"f{colour}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" rx=\"2\"/>",
                    x + 6.0,
                    mid - 6.0
                );
            }
            Draw::Hollow => {
                let _ = write!(s, "<circle class=\"l{colour}\" cx=\"{}\" cy=\"{mid}\" r=\"4.5\"/>", x + 12.0);
            }
        }
        let _ = write!(s, "<text x=\"{}\" y=\"{y}\">{}</text>", x + 30.0, escape(name));
        x += width;
    }
    y + if legend.is_empty() { -8.0 } else { 14.0 }
}

fn open(height: f64, title: &str, standalone: bool) -> String {
    let style = if standalone { format!("<style>{}</style>", style()) } else { String::new() };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"dl\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">{style}<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>",
        escape(title)
    )
}

/// Ends and ticks of an axis for some data.
fn scale(axis: &Axis, data: impl Iterator<Item = f64>) -> (f64, f64, Vec<f64>) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in data.filter(|v| v.is_finite() && (!axis.log || *v > 0.0)) {
        (low, high) = (low.min(v), high.max(v));
    }
    if low > high {
        (low, high) = (1.0, 10.0);
    }
    if let Some(range) = axis.range {
        (low, high) = range;
    }
    if axis.log {
        let (mut a, mut b) = (low.log10(), high.log10());
        if axis.range.is_none() {
            // Out to a 1, 2 or 5.
            let step = |v: f64, up: bool| {
                let base = v.floor();
                let stops = [0.0, 2f64.log10(), 5f64.log10(), 1.0];
                if up {
                    stops.iter().map(|s| base + s).find(|s| *s >= v - 1e-9).unwrap_or(v)
                } else {
                    stops.iter().rev().map(|s| base + s).find(|s| *s <= v + 1e-9).unwrap_or(v)
                }
            };
            (a, b) = (step(a, false), step(b, true));
            if b - a < 0.3 {
                b = a + 1.0;
            }
        }
        let stops: &[f64] = if b - a > 2.6 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let mut ticks = Vec::new();
        for decade in a.floor() as i32..=b.ceil() as i32 {
            for stop in stops {
                let v = stop * 10f64.powi(decade);
                if v.log10() >= a - 1e-9 && v.log10() <= b + 1e-9 {
                    ticks.push(v);
                }
            }
        }
        return (10f64.powf(a), 10f64.powf(b), ticks);
    }
    if axis.range.is_none() {
        low = low.min(0.0);
    }
    let raw = (high - low).max(1e-12) / 6.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|m| m * power >= raw).unwrap_or(10.0) * power;
    if axis.range.is_none() {
        high = (high / step).ceil() * step;
    }
    let mut ticks = Vec::new();
    let mut v = (low / step).ceil() * step;
    while v <= high + step * 1e-6 {
        ticks.push(v);
        v += step;
    }
    (low, high, ticks)
}

impl Chart {
    /// As SVG; `standalone` takes its style along.
    #[must_use]
    pub fn svg(&self, standalone: bool) -> String {
        let mut body = String::new();
        let legend: Vec<_> = self.series.iter().map(|s| (s.name.clone(), s.colour, s.draw)).collect();
        let top = head(&mut body, &self.title, &self.subtitle, &legend) + 4.0;
        let height = top + 330.0 + 56.0;
        let bottom = height - 56.0;
        let all = || self.series.iter().flat_map(|s| s.points.iter());
        let (x0, x1, xt) = scale(&self.x, all().map(|p| p.0).chain(self.marks.iter().map(|m| m.0)));
        let (y0, y1, yt) = scale(&self.y, all().map(|p| p.1).chain(self.marks.iter().map(|m| m.1)));
        let place = |v: f64, log: bool, low: f64, high: f64| {
            if log { (v / low).ln() / (high / low).ln() } else { (v - low) / (high - low) }
        };
        let px = |v: f64| LEFT + place(v, self.x.log, x0, x1) * (WIDTH - LEFT - RIGHT);
        let py = |v: f64| bottom - place(v, self.y.log, y0, y1) * (bottom - top);
        for &t in &yt {
            let y = py(t);
            let _ = write!(
                body,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text class=\"soft\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.5,
                human(t)
            );
        }
        for &t in &xt {
            let x = px(t);
            let _ = write!(
                body,
                "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/><text class=\"soft\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                bottom + 18.0,
                human(t)
            );
        }
        let _ = write!(
            body,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{}\"/><text text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text><text text-anchor=\"middle\" transform=\"translate(18 {}) rotate(-90)\">{}</text>",
            WIDTH - RIGHT,
            (LEFT + WIDTH - RIGHT) / 2.0,
            height - 14.0,
            escape(&self.x.label),
            f64::midpoint(top, bottom),
            escape(&self.y.label)
        );
        for s in &self.series {
            let usable: Vec<_> = s
                .points
                .iter()
                .filter(|p| (!self.x.log || p.0 > 0.0) && (!self.y.log || p.1 > 0.0))
                .collect();
            if matches!(s.draw, Draw::Line | Draw::Plain | Draw::Dashed) {
                let path: Vec<_> = usable.iter().map(|p| format!("{:.1} {:.1}", px(p.0), py(p.1))).collect();
                let dash = if s.draw == Draw::Dashed { " stroke-dasharray=\"6 4\"" } else { "" };
                let _ = write!(body, "<path class=\"l{}\"{dash} d=\"M{}\"/>", s.colour, path.join("L"));
            }
            for p in usable.iter().filter(|_| !matches!(s.draw, Draw::Dashed | Draw::Plain)) {
                let (x, y) = (px(p.0), py(p.1));
                let tip = format!("<title>{}: {}, {}</title>", escape(&s.name), human(p.0), human(p.1));
                let c = s.colour;
                let _ = match s.draw {
                    Draw::Hollow => write!(
                        body,
                        "<circle class=\"l{c}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\">{tip}</circle>"
                    ),
                    _ => write!(
                        body,
                        "<circle class=\"f{c}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\">{tip}</circle>"
                    ),
                };
            }
        }
        for (x, y, text) in &self.marks {
            let right = px(*x) > WIDTH - 190.0;
            let (anchor, dx) = if right { ("end", -9.0) } else { ("start", 9.0) };
            let _ = write!(
                body,
                "<text text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                px(*x) + dx,
                py(*y) + 4.5,
                escape(text)
            );
        }
        format!("{}{body}</svg>", open(height, &self.title, standalone))
    }
}

/// One bar.
#[derive(Debug, Clone, Default)]
pub struct Bar {
    /// Label at its left.
    pub label: String,
    /// One value for each of [`Bars::parts`].
    pub values: Vec<f64>,
    /// Bounds of the sum.
    pub bounds: Option<(f64, f64)>,
    /// Words after it; the sum where empty.
    pub note: String,
}

/// Stacked horizontal bars.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    /// Title.
    pub title: String,
    /// A line below the title.
    pub subtitle: String,
    /// Label of the axis, with unit.
    pub label: String,
    /// Names of the parts, with their colour.
    pub parts: Vec<(String, usize)>,
    /// The bars.
    pub bars: Vec<Bar>,
}

impl Bars {
    /// As SVG; `standalone` takes its style along.
    #[must_use]
    pub fn svg(&self, standalone: bool) -> String {
        let mut body = String::new();
        let legend: Vec<_> = self.parts.iter().map(|p| (p.0.clone(), p.1, Draw::Points)).collect();
        let legend = if legend.len() > 1 { legend } else { Vec::new() };
        let top = head(&mut body, &self.title, &self.subtitle, &legend) + 6.0;
        let row = 34.0;
        let bottom = top + row * self.bars.len() as f64;
        let height = bottom + 50.0;
        let widest = self.bars.iter().map(|b| b.label.chars().count()).max().unwrap_or(0) as f64;
        let left = (24.0 + 7.0 * widest).clamp(90.0, 260.0);
        let sums: Vec<f64> = self.bars.iter().map(|b| b.values.iter().sum()).collect();
        let ends = self.bars.iter().zip(&sums).map(|(b, s)| b.bounds.map_or(*s, |x| x.1.max(*s)));
        let (_, most, ticks) = scale(&Axis::linear(""), ends);
        let right = WIDTH - 96.0;
        let px = |v: f64| left + v / most * (right - left);
        for t in &ticks {
            let x = px(*t);
            let _ = write!(
                body,
                "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/><text class=\"soft\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                bottom + 17.0,
                human(*t)
            );
        }
        let _ = write!(
            body,
            "<text text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
            f64::midpoint(left, right),
            height - 12.0,
            escape(&self.label)
        );
        for (i, (bar, sum)) in self.bars.iter().zip(&sums).enumerate() {
            let y = top + row * i as f64 + 7.0;
            let _ = write!(
                body,
                "<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>",
                left - 10.0,
                y + 15.0,
                escape(&bar.label)
            );
            let mut at = 0.0;
            for (v, (name, colour)) in bar.values.iter().zip(&self.parts) {
                if *v > 0.0 {
                    let _ = write!(
                        body,
                        "<rect class=\"f{colour}\" x=\"{:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"20\"><title>{}: {}</title></rect>",
                        px(at),
                        px(at + v) - px(at),
                        escape(name),
                        human(*v)
                    );
                }
                at += v;
            }
            let mut end = px(*sum);
            if let Some((low, high)) = bar.bounds {
                let (a, b, m) = (px(low), px(high), y + 10.0);
                let _ = write!(
                    body,
                    "<path class=\"axis\" style=\"stroke:var(--ink);stroke-width:1.5;fill:none\" d=\"M{a:.1} {m}H{b:.1}M{a:.1} {}v10M{b:.1} {}v10\"/>",
                    m - 5.0,
                    m - 5.0
                );
                end = end.max(b);
            }
            let note = if bar.note.is_empty() { human(*sum) } else { bar.note.clone() };
            let _ = write!(body, "<text x=\"{:.1}\" y=\"{}\">{}</text>", end + 8.0, y + 15.0, escape(&note));
        }
        format!("{}{body}</svg>", open(height, &self.title, standalone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_ticks_cover_the_data() {
        assert_eq!(human(0.0), "0");
        assert_eq!(human(1500.0), "1.50 k");
        assert_eq!(human(953_344.0), "953 k");
        let (low, high, ticks) = scale(&Axis::log("x"), [3.0, 700.0].into_iter());
        assert!(low <= 3.0 && high >= 700.0 && ticks.len() >= 3, "{ticks:?}");
        let (low, high, _) = scale(&Axis::linear("x"), [3.0, 700.0].into_iter());
        assert!(low == 0.0 && high >= 700.0);
    }

    #[test]
    fn names_are_escaped() {
        let chart = Chart { title: "a < b & \"c\"".into(), ..Chart::default() };
        assert!(chart.svg(true).contains("a &lt; b &amp; &quot;c&quot;"));
    }
}
