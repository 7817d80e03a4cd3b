//! The report of the groups as one HTML page.

use super::cohorts::{Cohort, CohortEvaluation};
use super::curve::Count;
use super::page::{number, page, percent, percents, printable, round_percent, table, text};
use super::plot::{Axis, Ink, Plot};
use super::report::{facts, figure};

impl CohortEvaluation {
    /// The report as one HTML page that needs no other file. `date` is any text.
    #[must_use]
    pub fn html(&self, date: &str) -> String {
        let title = format!("Quality and false matches by group: {}", printable(&self.model));
        let mut body = format!("<h1>{}</h1>\n", text(&title));
        body += &facts(&[("Data", text(&self.data)), ("Date", text(date))]);
        body += "<h2>Faces found, faces turned down</h2>\n";
        body += &self.acquisition();
        body += "<h2>False matches within each group</h2>\n";
        body += &self.matches();
        body += "<h2>Plots</h2>\n<div class=\"plots\">\n";
        body += &self.plot("No face found", "share of pictures", |cohort| Some(cohort.undetected));
        body += &self.plot("Turned down for quality", "share of faces", |cohort| Some(cohort.rejected));
        for place in 0..self.cohorts.first().map_or(0, |c| c.false_matches.len()) {
            let fmr = round_percent(self.cohorts[0].false_matches[place].fmr);
            let title = format!("False match rate, threshold for {fmr}");
            body += &self.plot(&title, "false match rate", |cohort| Some(cohort.false_matches[place].count));
        }
        body += "</div>\n<h2>Pairs to look at</h2>\n";
        body += &self.alike();
        body += "<p class=\"quiet\">Labels are those of the set and say what its makers took people for. Intervals are \
                 Clopper and Pearson's at 95 %; without any error the upper limit is the one-sided one (rule of three). Each \
                 picture takes part in many comparisons, so intervals of false match rates are too narrow. One person twice \
                 in the set counts as a false match, so these rates are upper bounds.</p>\n";
        page(&title, &body)
    }

    fn acquisition(&self) -> String {
        let head = [
            "Group",
            "Pictures",
            "No face found",
            "95 % interval",
            "Turned down",
            "95 % interval",
            "Reasons",
        ];
        let mut rows = vec![head.map(String::from).to_vec()];
        for cohort in &self.cohorts {
            let mut reasons: Vec<(&String, &u64)> = cohort.reasons.iter().collect();
            reasons.sort_by(|a, b| b.1.cmp(a.1));
            let reasons: Vec<String> = reasons
                .iter()
                .map(|(reason, count)| format!("{} {}", text(reason), number(**count)))
                .collect();
            rows.push(vec![
                text(&cohort.title()),
                number(cohort.undetected.trials),
                format!("<strong>{}</strong>", percent(cohort.undetected.rate())),
                percents(cohort.undetected.interval()),
                format!("<strong>{}</strong>", percent(cohort.rejected.rate())),
                percents(cohort.rejected.interval()),
                reasons.join(", "),
            ]);
        }
        table(1, &rows)
    }

    fn matches(&self) -> String {
        let mut head = vec!["Group".to_owned(), "Comparisons".to_owned()];
        if let Some(first) = self.cohorts.first() {
            for at in &first.false_matches {
                let wanted = round_percent(at.fmr);
                head.extend([
                    format!("FMR where {wanted} is wanted"),
                    "95 % interval".into(),
                    "Times".into(),
                    "Matches".into(),
                ]);
            }
        }
        let mut rows = vec![head];
        for cohort in &self.cohorts {
            let trials = cohort.false_matches.first().map_or(0, |at| at.count.trials);
            let mut row = vec![text(&cohort.title()), number(trials)];
            for at in &cohort.false_matches {
                row.push(format!("<strong>{}</strong>", percent(at.count.rate())));
                row.push(percents(at.count.interval()));
                row.push(format!("{:.1}", at.count.rate() / at.fmr));
                row.push(number(at.count.errors));
            }
            rows.push(row);
        }
        table(1, &rows)
    }

    /// One row for each group, its rate as a mark and its interval as a line.
    fn plot(&self, title: &str, label: &'static str, of: impl Fn(&Cohort) -> Option<Count>) -> String {
        let counts: Vec<(String, Count)> =
            self.cohorts.iter().filter_map(|cohort| Some((cohort.title(), of(cohort)?))).collect();
        let most = counts.iter().map(|(_, count)| count.trials).max().unwrap_or(1).max(1);
        let names: Vec<String> =
            counts.iter().map(|(name, _)| printable(name).chars().take(20).collect()).collect();
        let x = Axis::log(label, 0.9 / most as f64);
        let mut plot = Plot::new(title, x, Axis::names(names));
        for (place, (_, count)) in counts.iter().enumerate() {
            let y = place as f64;
            let interval = count.interval();
            plot.line("", Ink::Genuine, "", [(interval.low, y), (interval.high, y)]);
            plot.mark("", false, count.rate(), y);
        }
        figure(
            &text(title),
            &plot.svg(),
            "Dots: rates; lines: 95 % intervals. A dot at the left edge means that none was seen.",
        )
    }

    fn alike(&self) -> String {
        if self.most_alike.is_empty() {
            return "<p>No two pictures match.</p>\n".into();
        }
        let mut rows = vec![["One", "Other", "Score"].map(String::from).to_vec()];
        rows.extend(
            self.most_alike
                .iter()
                .map(|pair| vec![text(&pair.a), text(&pair.b), format!("{:.4}", pair.score)]),
        );
        table(2, &rows)
    }
}
