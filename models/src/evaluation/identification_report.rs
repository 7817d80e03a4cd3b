//! The report of an identification test as one HTML page.

use super::curve::OperatingPoint;
use super::identification::{AtPolicy, Enrolled, Found, IdentificationEvaluation};
use super::page::{number, page, percent, percents, printable, round_percent, table, text};
use super::plot::{Axis, Ink, Plot};
use super::report::{facts, figure, histogram};

/// Dashes of the lines of several galleries.
const DASHES: [&str; 4] = ["", "8 4", "2 3", "12 3 2 3"];

impl IdentificationEvaluation {
    /// The report as one HTML page that needs no other file. `date` is any text.
    #[must_use]
    pub fn html(&self, date: &str) -> String {
        let title = format!("Identification: {}", printable(&self.model));
        let mut body = format!("<h1>{}</h1>\n", text(&title));
        body += &facts(&[
            ("Data", text(&self.data)),
            ("Date", text(date)),
            ("Lead asked for", format!("{:.3}", self.margin)),
        ]);
        body += "<h2>Enrolled persons</h2>\n";
        body += &self.enrolled();
        body += "<h2>What policies promise, and what strangers got</h2>\n";
        body += &self.policies();
        body += "<h2>Curves</h2>\n<div class=\"plots\">\n";
        body += &self.det();
        for found in &self.trials {
            body += &histogram(
                &format!("Scores, {}", found.title()),
                "comparison score",
                &[
                    ("best stranger", Ink::Impostor, found.curve.impostor()),
                    ("own", Ink::Genuine, finite(found.curve.genuine())),
                ],
                &found.at_policy.iter().map(|at| (promise(at), f64::from(at.threshold))).collect::<Vec<_>>(),
            );
        }
        body += "</div>\n";
        body += "<p class=\"quiet\">Terms follow ISO/IEC 19795-1. FPIR: share of searches by strangers in which anybody \
                 reaches the threshold. FNIR: share of searches by enrolled persons in which they do not reach it, do not \
                 lead the second person by the margin, or somebody else is ahead. The threshold follows from the policy's \
                 max_fpir, the pack's calibration and the number of templates. Intervals are Clopper and Pearson's at 95 %; \
                 without any error the upper limit is the one-sided one (rule of three). Searches share one gallery, so they \
                 are not quite independent, and the intervals a little too narrow.</p>\n";
        page(&title, &body)
    }

    fn enrolled(&self) -> String {
        let head = [
            "Enrolled with",
            "Persons",
            "Templates",
            "Searches",
            "No template",
            "Rank-one error",
            "95 % interval",
            "FNMR of a claim at FMR 0.01 %",
            "95 % interval",
        ];
        let mut rows = vec![head.map(String::from).to_vec()];
        for found in &self.trials {
            rows.push(vec![
                found.title(),
                number(found.persons),
                number(found.references),
                number(found.mated_searches),
                number(found.failures[0]),
                format!("<strong>{}</strong>", percent(found.rank_one_errors.rate())),
                percents(found.rank_one_errors.interval()),
                format!("<strong>{}</strong>", percent(found.claim_errors.rate())),
                percents(found.claim_errors.interval()),
            ]);
        }
        table(1, &rows)
    }

    fn policies(&self) -> String {
        let head = [
            "Enrolled with",
            "Promised",
            "Threshold",
            "FPIR",
            "95 % interval",
            "Strangers",
            "With the lead",
            "FNIR",
            "95 % interval",
            "Searches",
        ];
        let mut rows = vec![head.map(String::from).to_vec()];
        for found in &self.trials {
            for at in &found.at_policy {
                let counted =
                    |count: super::Count| format!("{} of {}", number(count.errors), number(count.trials));
                let mark = if at.promise_kept { "" } else { " *" };
                rows.push(vec![
                    found.title(),
                    format!("{}{mark}", promise(at)),
                    format!("{:.4}{}", at.threshold, if at.extrapolated { " †" } else { "" }),
                    format!("<strong>{}</strong>", percent(at.fpir)),
                    percents(at.fpir_interval),
                    counted(at.fpir_count),
                    number(at.fpir_with_margin_count.errors),
                    format!("<strong>{}</strong>", percent(at.fnir)),
                    percents(at.fnir_interval),
                    counted(at.fnir_count),
                ]);
            }
        }
        let mut html = table(1, &rows);
        if self.trials.iter().any(|found| found.at_policy.iter().any(|at| !at.promise_kept)) {
            html += "<p class=\"warn\">* More strangers than promised: the interval lies above the promise. These people \
                     resemble each other more than those the calibration was measured on.</p>\n";
        }
        if self.trials.iter().any(|found| found.at_policy.iter().any(|at| at.extrapolated)) {
            html +=
                "<p class=\"quiet\">† Beyond the calibration's sample: the threshold is an estimate.</p>\n";
        }
        html
    }

    fn det(&self) -> String {
        let least = |side: fn(&Found) -> u64| self.trials.iter().map(side).max().unwrap_or(1).max(1) as f64;
        let x = Axis::deviate("FPIR", 0.7 / least(|f| f.stranger_searches), 0.5);
        let y = Axis::deviate("FNIR", 0.7 / least(|f| f.mated_searches), 0.5);
        let mut plot = Plot::new("Detection error trade-off: FNIR over FPIR", x, y);
        for (place, found) in self.trials.iter().enumerate() {
            let seen = |p: &OperatingPoint| p.false_matches.errors > 0 && p.false_non_matches.errors > 0;
            let points = found.curve.points().filter(seen);
            let points = points.map(|p| (p.false_matches.rate(), p.false_non_matches.rate()));
            let ink = match found.enrolled {
                Enrolled::Best => Ink::Genuine,
                Enrolled::Mean => Ink::Impostor,
            };
            plot.line(&found.title(), ink, DASHES[place % DASHES.len()], points);
        }
        figure(
            "Detection error trade-off",
            &plot.svg(),
            "Threshold alone, without the lead over the second person. Axes in normal deviates.",
        )
    }
}

fn promise(at: &AtPolicy) -> String {
    round_percent(at.max_fpir)
}

/// Scores without those that stand for "somebody else was ahead".
fn finite(ascending: &[f32]) -> &[f32] {
    &ascending[ascending.partition_point(|score| *score == f32::NEG_INFINITY)..]
}
