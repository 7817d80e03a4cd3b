//! The report of a comparison test as one HTML page: the figures with their doubt, the curves, and the pairs to look at.

use super::bootstrap::Unit;
use super::curve::{Count, OperatingPoint};
use super::evaluated::{Evaluation, NamedPair};
use super::interval::{Interval, RULE_OF_THREE};
use super::page::{number, page, percent, percents, printable, round_percent, table, text};
use super::plot::{Axis, Ink, Plot, evenly};

/// Bars of a histogram: wide enough to hold a few scores each, narrow enough to show two hills as two.
const BARS: u16 = 60;

/// Places at which the error rates are drawn over the threshold: one every three pixels.
const THRESHOLDS: u16 = 200;

impl Evaluation {
    /// The report as one HTML page that needs no other file. `date` is any text.
    #[must_use]
    pub fn html(&self, date: &str) -> String {
        let mut body = format!("<h1>Face comparison: {}</h1>\n", text(&self.model));
        body += &self.facts(date);
        body += "<h2>Error rates</h2>\n";
        body += &self.figures();
        body += "<h2>Curves</h2>\n<div class=\"plots\">\n";
        body += &self.det();
        body += &self.histograms();
        body += &self.rates_over_threshold();
        body += &self.calibration_table();
        body += "</div>\n<h2>Pairs to look at</h2>\n<div class=\"lists\">\n";
        body += &self.pairs("Genuine pairs that look least alike", &self.worst_genuine, false);
        body += &self.pairs("Impostor pairs that look most alike", &self.best_impostors, true);
        body += "</div>\n<h2>Samples without a template</h2>\n";
        body += &self.failures();
        body += &self.method();
        page(&format!("Face comparison: {}", printable(&self.model)), &body)
    }

    fn facts(&self, date: &str) -> String {
        let failures = self.acquisition.failures;
        let persons = match self.acquisition.persons {
            Some(count) => {
                format!("{} ({} without any template)", number(count.trials), number(count.errors))
            }
            None => "not known for every sample".into(),
        };
        let compared = |scores: &[f32], uncompared: u64, of: &str| {
            format!("{} of {of}, {} more not compared", number(scores.len() as u64), number(uncompared))
        };
        let facts = [
            ("Data", text(&self.data)),
            ("Date", text(date)),
            (
                "Genuine comparisons",
                compared(self.curve.genuine(), self.acquisition.uncompared_genuine, "one person"),
            ),
            (
                "Impostor comparisons",
                compared(self.curve.impostor(), self.acquisition.uncompared_impostor, "two persons"),
            ),
            ("Persons", persons),
            (
                "Samples",
                format!(
                    "{}, of which {} failed to acquire: {} ({})",
                    number(failures.trials),
                    number(failures.errors),
                    percent(failures.rate()),
                    percents(failures.interval())
                ),
            ),
        ];
        self::facts(&facts)
    }

    fn figures(&self) -> String {
        let head =
            ["", "Rate", "95 % interval", "With failures", "Threshold", "Genuine errors", "False matches"];
        let mut rows = vec![head.map(String::from).to_vec()];
        let eer = &self.eer;
        let mut row =
            |name: &str, rate: f64, interval: Interval, failing: f64, threshold: f64, counts: [_; 2]| {
                let [genuine, impostor] =
                    counts.map(|c: Count| format!("{} of {}", number(c.errors), number(c.trials)));
                let rate = format!("<strong>{}</strong>", percent(rate));
                rows.push(vec![
                    name.into(),
                    rate,
                    percents(interval),
                    percent(failing),
                    format!("{threshold:.4}"),
                    genuine,
                    impostor,
                ]);
            };
        row(
            "Equal error rate",
            eer.value,
            eer.interval,
            eer.with_failures,
            eer.threshold,
            [eer.false_non_matches, eer.false_matches],
        );
        for at in &self.at_fmr {
            let name =
                format!("FNMR at FMR {}{}", round_percent(at.fmr), if at.supported { "" } else { " *" });
            let threshold = f64::from(at.threshold);
            row(
                &name,
                at.value,
                at.interval,
                at.with_failures,
                threshold,
                [at.false_non_matches, at.false_matches],
            );
        }
        let mut html = table(1, &rows);
        if self.at_fmr.iter().any(|at| !at.supported) {
            let impostors = self.curve.impostor().len() as u64;
            html += &format!(
                "<p class=\"warn\">* {} impostor comparisons cannot show a false match rate below {}: even without any \
                 false match the true rate may be that high (rule of three).</p>\n",
                number(impostors),
                percent(RULE_OF_THREE / impostors as f64)
            );
        }
        if let Some(accuracy) = self.accuracy {
            html += &format!(
                "<p>Accuracy at the best threshold, ten folds: <strong>{}</strong> ± {} (standard error), threshold {:.4}.</p>\n",
                percent(accuracy.mean),
                percent(accuracy.standard_error),
                accuracy.threshold
            );
        }
        html
    }

    fn det(&self) -> String {
        let (genuine, impostor) = (self.curve.genuine().len() as f64, self.curve.impostor().len() as f64);
        let high = if self.eer.value > 0.25 { 0.9 } else { 0.5 };
        let x = Axis::deviate("false match rate", 0.7 / impostor, high);
        let y = Axis::deviate("false non-match rate", 0.7 / genuine, high);
        let corner = x.low().max(y.low());
        let mut plot =
            Plot::new("Detection error trade-off: false non-match rate over false match rate", x, y);
        let band: Vec<_> = self.band.iter().map(|at| (at.fmr, at.fnmr.low, at.fnmr.high)).collect();
        plot.band("95 % interval", Ink::Genuine, &band);
        let diagonal = (0..=90).map(|step| corner.powf(f64::from(step) / 90.0)).filter(|rate| *rate <= high);
        let diagonal = diagonal.map(|rate| (rate, rate));
        plot.line("equal rates", Ink::Neutral, "5 5", diagonal);
        // A rate of zero has no place on these axes.
        let seen = |p: &OperatingPoint| p.false_matches.errors > 0 && p.false_non_matches.errors > 0;
        let points =
            self.curve.points().filter(seen).map(|p| (p.false_matches.rate(), p.false_non_matches.rate()));
        plot.line("FNMR over FMR", Ink::Genuine, "", points);
        plot.mark(&format!("EER {}", percent(self.eer.value)), true, self.eer.value, self.eer.value);
        for at in self.at_fmr.iter().filter(|at| at.supported) {
            plot.mark(
                &format!("{} at FMR {}", percent(at.value), round_percent(at.fmr)),
                false,
                at.fmr,
                at.value,
            );
        }
        figure(
            "Detection error trade-off",
            &plot.svg(),
            "Axes in normal deviates: normally distributed scores give a straight line. The band ends where the \
             number of impostors says no more.",
        )
    }

    fn histograms(&self) -> String {
        let sides = [
            ("impostor", Ink::Impostor, self.curve.impostor()),
            ("genuine", Ink::Genuine, self.curve.genuine()),
        ];
        histogram("Scores", "comparison score", &sides, &self.thresholds())
    }

    fn rates_over_threshold(&self) -> String {
        let (low, high) = range([self.curve.genuine(), self.curve.impostor()]);
        let points: Vec<(f64, OperatingPoint)> = evenly(THRESHOLDS, low, high)
            .into_iter()
            .map(|threshold| (f64::from(threshold), self.curve.at(threshold)))
            .collect();
        let trials = self.curve.genuine().len().max(self.curve.impostor().len());
        let x = Axis::linear("threshold", low.into(), high.into());
        let mut plot = Plot::new(
            "False match and false non-match rate over the threshold",
            x,
            Axis::log("error rate", 0.9 / trials as f64),
        );
        for (ink, name, dash) in [(Ink::Impostor, "FMR", "8 4"), (Ink::Genuine, "FNMR", "")] {
            let side = |p: &OperatingPoint| {
                if ink == Ink::Impostor { p.false_matches } else { p.false_non_matches }
            };
            let band: Vec<_> = points
                .iter()
                .map(|(at, point)| (*at, side(point).interval()))
                .map(|(at, interval)| (at, interval.low, interval.high))
                .collect();
            plot.band("", ink, &band);
            plot.line(name, ink, dash, points.iter().map(|(at, point)| (*at, side(point).rate())));
        }
        for (caption, at) in self.thresholds() {
            plot.guide(&caption, at);
        }
        figure(
            "Error rates over the threshold",
            &plot.svg(),
            "Bands: exact 95 % intervals of the counts. A line at the lower edge means that no error was seen.",
        )
    }

    /// The thresholds of the headline figures, with their captions.
    fn thresholds(&self) -> Vec<(String, f64)> {
        let supported = self.at_fmr.iter().filter(|at| at.supported);
        let at = supported.map(|at| (format!("FMR {}", round_percent(at.fmr)), f64::from(at.threshold)));
        [("EER".to_owned(), self.eer.threshold)].into_iter().chain(at).collect()
    }

    fn calibration_table(&self) -> String {
        let mut rows =
            vec![["FMR", "Score", "False matches", "95 % interval", "FNMR"].map(String::from).to_vec()];
        for point in &self.calibration.points {
            let interval = point.false_matches.interval();
            rows.push(vec![
                format!("{:e}", point.fmr),
                format!("{:.4}", point.comparison_score),
                number(point.false_matches.errors),
                format!("{:.1e} to {:.1e}", interval.low, interval.high),
                percent(self.curve.at(point.comparison_score).false_non_matches.rate()),
            ]);
        }
        if rows.len() == 1 {
            let none = "<p class=\"warn\">Fewer than thirty impostor comparisons support no threshold.</p>";
            return figure("Calibration", none, "");
        }
        let caption = "Each score is an impostor's, and no more impostors reach it than the rate allows: it may lie a \
                       little above the threshold of the error rates, which is the lowest score of any pair.";
        figure("Calibration", &table(0, &rows), caption)
    }

    fn pairs(&self, title: &str, pairs: &[NamedPair], impostor: bool) -> String {
        let mut rows = vec![["One", "Other", "Score", "Wrong at FMR"].map(String::from).to_vec()];
        for pair in pairs {
            let wrong = |threshold: f32| (pair.score >= threshold) == impostor;
            let at = self.at_fmr.iter().filter(|at| at.supported && wrong(at.threshold));
            let at: Vec<String> = at.map(|at| round_percent(at.fmr)).collect();
            let at = if at.is_empty() { "–".into() } else { at.join(", ") };
            rows.push(vec![text(&pair.a), text(&pair.b), format!("{:.4}", pair.score), at]);
        }
        format!("<div class=\"list\"><h3>{title}</h3>\n{}</div>\n", table(2, &rows))
    }

    fn failures(&self) -> String {
        let shown = &self.acquisition.shown;
        if shown.is_empty() {
            return "<p>None.</p>\n".into();
        }
        let mut rows = vec![vec!["Sample".into(), "Reason".into()]];
        rows.extend(shown.iter().map(|(label, reason)| vec![text(label), text(reason)]));
        let more = self.acquisition.failures.errors - shown.len() as u64;
        let rest = if more > 0 {
            format!("<p class=\"quiet\">and {} more</p>\n", number(more))
        } else {
            String::new()
        };
        table(2, &rows) + &rest
    }

    fn method(&self) -> String {
        let drawn = match self.resampling {
            Some((Unit::Persons, draws)) => format!("{draws} draws of persons with replacement"),
            Some((Unit::Pairs, draws)) => {
                format!(
                    "{draws} draws of pairs with replacement, since persons are not known: true intervals are wider"
                )
            }
            None => "no draws, since there are too few persons or pairs".into(),
        };
        format!(
            "<h2>How this was measured</h2>\n\
             <p class=\"quiet\">Terms and counting follow ISO/IEC 19795-1. A pair matches where its score reaches the \
             threshold; every observed score is a threshold, none is binned. The equal error rate lies on the line \
             between the two observed points beside it. The threshold at an FMR is the lowest observed one that does \
             not exceed it. “With failures” counts every genuine pair that could not be compared as an error.</p>\n\
             <p class=\"quiet\">Intervals of counted rates are Clopper and Pearson's; without any error the upper limit \
             is the one-sided one (rule of three). Intervals of the equal error rate and of FNMR at an FMR come from {drawn} \
             (seed {}), the threshold set anew in each, and are never narrower than what the counts alone leave open. \
             They speak of people like those in the data, not of others.</p>\n",
            self.seed
        )
    }
}

/// What a report begins with; facts are HTML.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let rows: String = facts.iter().map(|(name, fact)| format!("<dt>{name}</dt><dd>{fact}</dd>\n")).collect();
    format!("<dl class=\"facts\">\n{rows}</dl>\n")
}

/// Ascending scores of several sides, each as shares of its own, on an even and on a logarithmic scale; `guides` are
/// thresholds with their captions.
pub(super) fn histogram(
    title: &str,
    label: &'static str,
    sides: &[(&str, Ink, &[f32])],
    guides: &[(String, f64)],
) -> String {
    let ends = sides.iter().flat_map(|(_, _, scores)| [scores.first(), scores.last()]).flatten();
    let (low, high) =
        ends.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), at| (low.min(*at), high.max(*at)));
    let (low, high) = if low < high { (low, high) } else { (low - 0.5, low + 0.5) };
    let edges = evenly(BARS, low, high);
    // Thresholds that no score reaches are shown where they are.
    let reach = guides.iter().map(|(_, at)| *at).filter(|at| at.is_finite());
    let (from, to) =
        reach.fold((f64::from(low), f64::from(high)), |(from, to), at| (from.min(at), to.max(at)));
    let heights: Vec<Vec<f64>> = sides.iter().map(|(_, _, scores)| shares(scores, &edges)).collect();
    let top = heights.iter().flatten().fold(0.0, |top: f64, share| top.max(*share));
    let least = sides.iter().map(|(_, _, scores)| 0.5 / scores.len().max(1) as f64).fold(1.0, f64::min);
    let draw = |y: Axis| {
        let mut plot = Plot::new(title, Axis::linear(label, from, to), y);
        for ((name, ink, _), heights) in sides.iter().zip(&heights) {
            plot.bars(name, *ink, &edges, heights);
        }
        for (caption, at) in guides {
            plot.guide(caption, *at);
        }
        plot.svg()
    };
    let even = draw(Axis::linear("share of the side", 0.0, 1.08 * top));
    let log = draw(Axis::log("share of the side", least));
    // Each pair of buttons is a form of its own, so that plots are switched one by one.
    let both = format!(
        "<form class=\"scales\">Scale:\
         <label><input type=\"radio\" name=\"scale\" class=\"scale-even\" checked> linear</label>\
         <label><input type=\"radio\" name=\"scale\" class=\"scale-log\"> logarithmic</label></form>\n\
         <div class=\"even\">{even}</div>\n<div class=\"log\">{log}</div>"
    );
    figure(&text(title), &both, "Share of each side per bar, so that unequal numbers can be compared.")
}

/// A plot with its heading and a line on how to read it.
pub(super) fn figure(title: &str, drawing: &str, caption: &str) -> String {
    format!("<figure><h3>{title}</h3>\n{drawing}\n<figcaption>{caption}</figcaption></figure>\n")
}

/// The smallest and largest score of both sides.
fn range(sides: [&[f32]; 2]) -> (f32, f32) {
    let ends = sides.map(|side| (side.first().copied(), side.last().copied()));
    let low = ends.iter().filter_map(|(low, _)| *low).fold(f32::INFINITY, f32::min);
    let high = ends.iter().filter_map(|(_, high)| *high).fold(f32::NEG_INFINITY, f32::max);
    if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
}

/// The share of ascending scores between neighbouring edges; the last bar holds its upper edge too.
fn shares(ascending: &[f32], edges: &[f32]) -> Vec<f64> {
    if ascending.is_empty() {
        return vec![0.0; edges.len() - 1];
    }
    let below = |edge: f32| ascending.partition_point(|score| *score < edge);
    let last = edges.len() - 2;
    let bar = |(place, side): (usize, &[f32])| {
        let end = if place == last { ascending.len() } else { below(side[1]) };
        (end - below(side[0])) as f64 / ascending.len() as f64
    };
    edges.windows(2).enumerate().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::super::presentation::{PresentationEvaluation, Presentations, Presented};
    use super::super::synthetic::{drawn, normal};
    use super::*;

    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'";

    /// Every `<` opens one of the elements that reports are made of, and nothing but them.
    fn assert_only_known_elements(html: &str) {
        let known = "!DOCTYPE html head meta title style body main h1 h2 h3 p dl dt dd div table tr th td strong figure \
                     figcaption svg path text circle g form label input";
        let known: Vec<&str> = known.split_whitespace().collect();
        for opened in html.split('<').skip(1) {
            let name = opened.trim_start_matches('/').split([' ', '>']).next().unwrap();
            assert!(known.contains(&name), "<{name}> is no element of a report");
            let tag = opened.split('>').next().unwrap();
            assert!(!tag.contains("onerror") && !tag.contains("http:"), "<{tag}>");
        }
    }

    #[test]
    fn h8_no_label_becomes_markup() {
        let mut test = drawn(60, 400, 2.0, 1);
        test.model = HOSTILE.into();
        test.data = HOSTILE.into();
        test.samples.iter_mut().for_each(|sample| sample.label = HOSTILE.into());
        test.add_sample(HOSTILE, None, Some(HOSTILE.into()));
        let html = Evaluation::of(&test, 1).unwrap().html(HOSTILE);
        assert_only_known_elements(&html);
        assert!(html.contains("&lt;script&gt;"), "shown, not dropped");

        let attacks = vec![(HOSTILE.to_owned(), Presented { scores: vec![0.1, 0.6], non_responses: 0 })];
        let bona_fide = Presented { scores: vec![0.9, 0.4], non_responses: 1 };
        let test = Presentations { model: HOSTILE.into(), data: HOSTILE.into(), bona_fide, attacks };
        assert_only_known_elements(&PresentationEvaluation::of(&test, 0.5).unwrap().html(HOSTILE));
    }

    #[test]
    fn the_page_needs_nothing_else_and_runs_nothing() {
        let html = Evaluation::of(&drawn(60, 400, 2.0, 1), 1).unwrap().html("2026-01-31");
        for foreign in ["<script", "<link", "<iframe", "src=", "href=", "url(", "@import", "javascript:"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        assert!(html.contains("default-src 'none'") && html.contains("2026-01-31"));
        assert_eq!(html.matches("<svg").count(), 4, "DET, two histograms, error rates");
    }

    #[test]
    fn the_page_tells_the_figures_with_counts_and_intervals() {
        let found = Evaluation::of(&drawn(300, 4000, 3.0, 6), 1).unwrap();
        let html = found.html("today");
        for at in &found.at_fmr {
            let count = at.false_non_matches;
            assert!(
                html.contains(&format!("<td class=\"number\">{} of {}</td>", count.errors, count.trials))
            );
            assert!(html.contains(&percents(at.interval)));
        }
        assert!(
            html.contains("FNMR at FMR 0.01 % *") && html.contains("rule of three"),
            "1e-4 is not supported"
        );
        assert!(html.contains(&text(&found.worst_genuine[0].a)));
    }

    #[test]
    fn shares_are_of_all_scores() {
        let shares = shares(&normal(10_000, 0.0), &evenly(60, -6.0, 6.0));
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!((shares[30] - 0.0793).abs() < 1e-3, "a normal variable lies between 0 and 0.2 so often");
    }

    #[test]
    fn equal_scores_everywhere_still_make_a_page() {
        let mut test = drawn(20, 100, 2.0, 1);
        test.genuine.iter_mut().chain(&mut test.impostor).for_each(|pair| pair.score = 0.25);
        let html = Evaluation::of(&test, 1).unwrap().html("today");
        assert!(!html.contains("NaN") && !html.contains("inf "));
    }
}
