//! The report of a liveness test as one HTML page.

use super::curve::Count;
use super::page::{number, page, percent, percents, printable, round_percent, table, text};
use super::plot::{Axis, Ink, Plot, evenly};
use super::presentation::{PresentationEvaluation, passed, refused};
use super::report::figure;

/// Species drawn: more lines than this cannot be told apart. The worst come first.
const SPECIES_DRAWN_MAX: usize = 5;

/// Characters of a species' name beside its line.
const NAME_DRAWN_MAX: usize = 20;

/// Dashes of the lines, so that they can be told apart without colour.
const DASHES: [&str; SPECIES_DRAWN_MAX] = ["8 4", "2 3", "12 3 2 3", "5 2", "1 2"];

/// Places at which the error rates are drawn.
const THRESHOLDS: u16 = 200;

impl PresentationEvaluation {
    /// The report as one HTML page that needs no other file. `date` is any text.
    #[must_use]
    pub fn html(&self, date: &str) -> String {
        let title = format!("Presentation attack detection: {}", printable(&self.model));
        let mut body = format!("<h1>{}</h1>\n<dl class=\"facts\">\n", text(&title));
        for (name, fact) in [
            ("Data", text(&self.data)),
            ("Date", text(date)),
            ("Threshold", format!("{:.4}", self.threshold)),
        ] {
            body += &format!("<dt>{name}</dt><dd>{fact}</dd>\n");
        }
        body += &format!("</dl>\n<p>Worst species: <strong>{}</strong>.</p>\n", text(&self.worst_species));
        body += "<h2>Error rates at the threshold</h2>\n";
        body += &self.rates();
        body += "<h2>Threshold sweep</h2>\n<div class=\"plots\">\n";
        body += &self.sweep();
        body += &self.held();
        body += "</div>\n";
        body += "<p class=\"quiet\">Terms follow ISO/IEC 30107-3: APCER is the share of attack presentations of one \
                 species that pass, BPCER the share of bona fide presentations that are refused. Presentations without \
                 a response are counted apart. Intervals are Clopper and Pearson's at 95 %; without any error the \
                 upper limit is the one-sided one (rule of three).</p>\n";
        page(&title, &body)
    }

    fn rates(&self) -> String {
        let head = ["", "Rate", "95 % interval", "Errors", "No response"];
        let mut rows = vec![head.map(String::from).to_vec()];
        for species in &self.species {
            rows.push(vec![
                format!("APCER, {}", text(&species.name)),
                format!("<strong>{}</strong>", percent(species.apcer)),
                percents(species.apcer_interval),
                format!("{} of {}", number(species.apcer_count.errors), number(species.apcer_count.trials)),
                number(species.non_responses),
            ]);
        }
        rows.push(vec![
            "BPCER".into(),
            format!("<strong>{}</strong>", percent(self.bpcer)),
            percents(self.bpcer_interval),
            format!("{} of {}", number(self.bpcer_count.errors), number(self.bpcer_count.trials)),
            number(self.bona_fide_non_responses),
        ]);
        table(1, &rows)
    }

    fn sweep(&self) -> String {
        let all = self.sorted.species.iter().chain([&self.sorted.bona_fide]);
        let (low, high) = all.fold((self.threshold, self.threshold), |(low, high), scores| {
            (
                scores.first().map_or(low, |first| low.min(*first)),
                scores.last().map_or(high, |last| high.max(*last)),
            )
        });
        let attacks = self.species.iter().map(|species| species.apcer_count.trials);
        let trials = attacks.fold(self.bpcer_count.trials, u64::max);
        let thresholds = evenly(THRESHOLDS, low, high);
        let x = Axis::linear("threshold", low.into(), high.into());
        let mut plot = Plot::new(
            "APCER of each species and BPCER over the threshold",
            x,
            Axis::log("error rate", 0.9 / trials as f64),
        );
        let curve = |of: &dyn Fn(f32) -> Count| -> Vec<(f64, Count)> {
            thresholds.iter().map(|at| (f64::from(*at), of(*at))).collect()
        };
        let rates = |counts: Vec<(f64, Count)>| counts.into_iter().map(|(at, count)| (at, count.rate()));
        let bona_fide = curve(&|at| refused(&self.sorted.bona_fide, at));
        let interval = |(at, count): &(f64, Count)| (*at, count.interval().low, count.interval().high);
        plot.band("", Ink::Genuine, &bona_fide.iter().map(interval).collect::<Vec<_>>());
        plot.line("BPCER", Ink::Genuine, "", rates(bona_fide));
        for (place, (species, scores)) in
            self.species.iter().zip(&self.sorted.species).take(SPECIES_DRAWN_MAX).enumerate()
        {
            let name: String = printable(&species.name).chars().take(NAME_DRAWN_MAX).collect();
            plot.line(&name, Ink::Species(place), DASHES[place], rates(curve(&|at| passed(scores, at))));
        }
        plot.guide("in use", f64::from(self.threshold));
        figure(
            "Error rates over the threshold",
            &plot.svg(),
            "Broken lines: APCER of each species. A presentation passes where its score reaches the \
             threshold. A line at the lower edge means that no error was seen.",
        )
    }

    fn held(&self) -> String {
        let mut rows =
            vec![["APCER", "Threshold", "BPCER", "95 % interval", "Errors"].map(String::from).to_vec()];
        for at in &self.bpcer_at_apcer {
            rows.push(vec![
                round_percent(at.apcer),
                format!("{:.4}", at.threshold),
                percent(at.bpcer),
                percents(at.bpcer_interval),
                format!("{} of {}", number(at.bpcer_count.errors), number(at.bpcer_count.trials)),
            ]);
        }
        figure(
            "BPCER where every species is held",
            &table(0, &rows),
            "The lowest threshold at which no species passes more often than that.",
        )
    }
}
