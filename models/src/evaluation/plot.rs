//! Plots as inline SVG: axes, lines, bands, marks. Colours come from the page's style by class, so that one drawing
//! serves light and dark screens.

use std::fmt::Write as _;

use super::interval::deviate;
use super::page::{round_percent, text};

/// Drawing size in pixels; the page scales it.
const WIDTH: f64 = 720.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 500.0;
/// Room for the labels left of, right of, above and below the plot.
const LEFT: f64 = 96.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 58.0;

/// Ticks of the x axis this far apart, in pixels, have room for a label each.
const LABEL_APART: f64 = 58.0;

/// Points closer together than this, in pixels, are one.
const NEAR: f64 = 0.4;

/// How values become places.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    Log,
    Deviate,
}

/// One axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    label: &'static str,
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
    /// More room beside the plot for its labels than numbers need, pixels.
    room: f64,
}

impl Axis {
    /// Evenly spaced, with round ticks.
    pub(super) fn linear(label: &'static str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let rough = (high - low) / 8.0;
        let decade = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0].map(|m| m * decade).into_iter().find(|s| *s >= rough).unwrap_or(10.0 * decade);
        let decimals = (0..9usize).find(|digits| 10f64.powf(-(*digits as f64)) <= 1.001 * step).unwrap_or(9);
        let first = (low / step).ceil();
        let ticks = (0..20u8)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|at| *at <= high + 1e-9 * step)
            .map(|at| (at, format!("{:.decimals$}", if at.abs() < 1e-9 { 0.0 } else { at })))
            .collect();
        Self { label, scale: Scale::Linear, low, high, ticks, room: 0.0 }
    }

    /// Rates on a logarithmic axis from the decade at or below `low` up to 1.
    pub(super) fn log(label: &'static str, low: f64) -> Self {
        let low = 10f64.powf(low.clamp(1e-9, 0.1).log10().floor());
        // From left to right, as labels are thinned out.
        let ticks = (0..10)
            .rev()
            .map(|decade| 10f64.powi(-decade))
            .filter(|at| *at >= 0.99 * low)
            .map(|at| (at, round_percent(at)))
            .collect();
        Self { label, scale: Scale::Log, low, high: 1.0, ticks, room: 0.0 }
    }

    /// Names in rows, the first one on top; a row's place is its number, from 0.
    pub(super) fn names(names: Vec<String>) -> Self {
        let (low, high) = (names.len() as f64 - 0.5, -0.5);
        let ticks = names.into_iter().enumerate().map(|(row, name)| (row as f64, text(&name))).collect();
        Self { label: "", scale: Scale::Linear, low, high, ticks, room: 90.0 }
    }

    /// Rates on a normal deviate axis from about `low` to `high`, as DET curves are drawn on (Martin and others,
    /// Eurospeech 1997): normally distributed scores give straight lines.
    pub(super) fn deviate(label: &'static str, low: f64, high: f64) -> Self {
        const TICKS: [f64; 15] =
            [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9];
        let low = TICKS.into_iter().rev().find(|tick| *tick <= low).unwrap_or(TICKS[0]);
        let ticks = TICKS
            .into_iter()
            .filter(|tick| (low..=high).contains(tick))
            .map(|tick| (tick, round_percent(tick)))
            .collect();
        Self { label, scale: Scale::Deviate, low, high, ticks, room: 0.0 }
    }

    /// The smallest value that has a place of its own.
    pub(super) fn low(&self) -> f64 {
        self.low
    }

    /// The place of a value between 0 (low end) and 1 (high end); values beyond the ends lie on them.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low.min(self.high), self.high.max(self.low));
        let on = |v: f64| match self.scale {
            Scale::Linear => v,
            Scale::Log => v.log10(),
            Scale::Deviate => deviate(v),
        };
        (on(value) - on(self.low)) / (on(self.high) - on(self.low))
    }
}

/// `count` + 1 values from `low` to `high`, evenly apart: thresholds to draw a curve at, or edges of bars.
pub(super) fn evenly(count: u16, low: f32, high: f32) -> Vec<f32> {
    (0..=count).map(|step| low + (high - low) * f32::from(step) / f32::from(count)).collect()
}

/// What a series is about; the page's style gives each its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Genuine pairs, bona fide presentations and their errors.
    Genuine,
    /// Impostor pairs, attacks and their errors.
    Impostor,
    /// Neither, or both.
    Neutral,
    /// One of several attack species.
    Species(usize),
}

impl Ink {
    fn class(self) -> String {
        match self {
            Ink::Genuine => "genuine".into(),
            Ink::Impostor => "impostor".into(),
            Ink::Neutral => "neutral".into(),
            Ink::Species(number) => format!("species-{}", number % 5),
        }
    }
}

/// A plot that is being drawn; later parts lie on top.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    body: String,
    legend: String,
    /// Where the next entry goes: pixels from the left, and its row.
    legend_end: (f64, f64),
    guides: f64,
}

impl Plot {
    /// An empty plot. `title` is read out to those who cannot see it.
    pub(super) fn new(title: &str, x: Axis, y: Axis) -> Self {
        let (body, legend) = (String::new(), String::new());
        Self { title: text(title), x, y, body, legend, legend_end: (LEFT, 0.0), guides: 0.0 }
    }

    /// A line through the points; the more often it is broken, the less it competes.
    pub(super) fn line(
        &mut self,
        name: &str,
        ink: Ink,
        dash: &str,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) {
        let path = self.path(points);
        let class = ink.class();
        self.add(format_args!("<path class=\"line {class}\" stroke-dasharray=\"{dash}\" d=\"{path}\"/>\n"));
        let stroke = format!("<path class=\"line {class}\" stroke-dasharray=\"{dash}\" d=\"M0 0h22\"/>");
        self.explain(name, &stroke);
    }

    /// The area between two edges, given as (x, lower y, upper y).
    pub(super) fn band(&mut self, name: &str, ink: Ink, edges: &[(f64, f64, f64)]) {
        let there = edges.iter().map(|(x, low, _)| (*x, *low));
        let back = edges.iter().rev().map(|(x, _, high)| (*x, *high));
        let path = self.path(there.chain(back));
        let class = ink.class();
        self.add(format_args!("<path class=\"band {class}\" d=\"{path}Z\"/>\n"));
        self.explain(name, &format!("<path class=\"band {class}\" d=\"M0 -6h22v12h-22Z\"/>"));
    }

    /// Bars between neighbouring edges: one more edge than heights.
    pub(super) fn bars(&mut self, name: &str, ink: Ink, edges: &[f32], heights: &[f64]) {
        let floor = self.y.low;
        let steps =
            edges.windows(2).zip(heights).flat_map(|(side, height)| [side[0], side[1]].map(|x| (x, *height)));
        let start = edges.first().map(|x| (*x, floor));
        let end = edges.last().map(|x| (*x, floor));
        let path = self.path(start.into_iter().chain(steps).chain(end).map(|(x, y)| (f64::from(x), y)));
        let class = ink.class();
        self.add(format_args!("<path class=\"bars {class}\" d=\"{path}Z\"/>\n"));
        self.explain(name, &format!("<path class=\"bars {class}\" d=\"M0 -6h22v12h-22Z\"/>"));
    }

    /// A dot with a caption to its upper right, or to its lower left.
    pub(super) fn mark(&mut self, caption: &str, lower: bool, x: f64, y: f64) {
        let (px, py) = self.pixel((x, y));
        let caption = text(caption);
        let (anchor, dx, dy) = if lower { ("end", -9.0, 19.0) } else { ("start", 9.0, -8.0) };
        self.add(format_args!(
            "<circle class=\"mark\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"4.5\"/>\
             <text class=\"caption\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{caption}</text>\n",
            px + dx,
            py + dy
        ));
    }

    /// A vertical line at a value, with its caption; captions of further ones come lower, so that neighbours can be
    /// read.
    pub(super) fn guide(&mut self, caption: &str, x: f64) {
        let (px, _) = self.pixel((x, 0.0));
        let text_y = TOP + 16.0 + 19.0 * self.guides;
        self.guides += 1.0;
        let (anchor, side) =
            if px > LEFT + 0.75 * (WIDTH - LEFT - RIGHT) { ("end", -5.0) } else { ("start", 5.0) };
        let caption = text(caption);
        self.add(format_args!(
            "<path class=\"guide\" d=\"M{px:.1} {TOP}V{:.1}\"/>\
             <text class=\"caption\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{text_y:.1}\">{caption}</text>\n",
            HEIGHT - BOTTOM,
            px + side
        ));
    }

    /// The finished drawing.
    pub(super) fn svg(&self) -> String {
        let Self { title, body, legend, .. } = self;
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut axes = String::new();
        let mut labelled = f64::NEG_INFINITY;
        for (at, label) in &self.x.ticks {
            let (x, _) = self.pixel((*at, self.y.low));
            axes += &format!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\n");
            if x - labelled >= LABEL_APART {
                let y = bottom + 22.0;
                axes += &format!(
                    "<text class=\"tick\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{label}</text>\n"
                );
                labelled = x;
            }
        }
        for (at, label) in &self.y.ticks {
            let (_, y) = self.pixel((self.x.low, *at));
            axes += &format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            axes += &format!(
                "<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{label}</text>\n",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let (middle_x, middle_y) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let room = self.y.room;
        format!(
            "<svg viewBox=\"{} 0 {} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n{axes}\
             <path class=\"frame\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n\
             <text class=\"axis\" text-anchor=\"middle\" x=\"{middle_x}\" y=\"{}\">{}</text>\n\
             <text class=\"axis\" text-anchor=\"middle\" transform=\"translate(15 {middle_y}) rotate(-90)\">{}</text>\n\
             {body}{legend}</svg>\n",
            -room,
            WIDTH + room,
            HEIGHT - 10.0,
            self.x.label,
            self.y.label
        )
    }

    fn add(&mut self, part: std::fmt::Arguments<'_>) {
        self.body.write_fmt(part).expect("writing to a string cannot fail");
    }

    /// Adds an entry to the row above the plot; an empty name adds none.
    fn explain(&mut self, name: &str, swatch: &str) {
        if name.is_empty() {
            return;
        }
        // 8 pixels are a wide average letter at the size of a caption.
        let width = 29.0 + 8.0 * name.chars().count() as f64 + 18.0;
        let (mut x, mut row) = self.legend_end;
        if x > LEFT && x + width > WIDTH {
            (x, row) = (LEFT, row + 1.0);
        }
        self.legend += &format!(
            "<g transform=\"translate({x:.1} {:.1})\">{swatch}<text class=\"caption\" x=\"29\" y=\"4.5\">{}</text></g>\n",
            12.0 + 21.0 * row,
            text(name)
        );
        self.legend_end = (x + width, row);
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let across = LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT);
        (across, HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - TOP - BOTTOM))
    }

    /// Path data through the points, without those too near to the one before to be seen.
    fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut data = String::new();
        let mut kept: Option<(f64, f64)> = None;
        let mut skipped = None;
        let mut draw = |(x, y): (f64, f64), command| {
            write!(data, "{command}{x:.1} {y:.1}").expect("writing to a string cannot fail");
        };
        for pixel in points.into_iter().map(|point| self.pixel(point)) {
            match kept {
                Some((x, y)) if (pixel.0 - x).abs() < NEAR && (pixel.1 - y).abs() < NEAR => {
                    skipped = Some(pixel)
                }
                Some(_) => {
                    // The last point that was skipped keeps a corner of a staircase where it is.
                    if let Some(corner) = skipped.take() {
                        draw(corner, 'L');
                    }
                    draw(pixel, 'L');
                    kept = Some(pixel);
                }
                None => {
                    draw(pixel, 'M');
                    kept = Some(pixel);
                }
            }
        }
        if let Some(end) = skipped {
            draw(end, 'L');
        }
        data
    }
}
