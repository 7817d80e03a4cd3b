//! The report of a liveness test as one HTML page.

use super::curve::{Count, Curve};
use super::page::{number, page, percent, percents, printable, round_percent, table, text};
use super::plot::{Axis, Ink, Plot, evenly};
use super::presentation::{PresentationEvaluation, SpeciesRate, passed, refused};
use super::report::{facts, figure, histogram};

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
        let mut body = format!("<h1>{}</h1>\n", text(&title));
        body += &facts(&[
            ("Data", text(&self.data)),
            ("Date", text(date)),
            ("Threshold", format!("{}", self.threshold)),
        ]);
        body += &format!("<p>Worst species: <strong>{}</strong>.</p>\n", text(&self.worst_species));
        body += "<h2>Error rates at the threshold</h2>\n";
        body += &self.rates();
        body += "<h2>Threshold sweep</h2>\n<div class=\"plots\">\n";
        body += &self.det();
        body += &self.scores();
        body += &self.sweep();
        body += &self.held();
        body += &self.held_bona_fide();
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
            let scored = species.apcer_count.trials > 0;
            let (rate, interval) = (percent(species.apcer), percents(species.apcer_interval));
            rows.push(vec![
                format!("APCER, {}", text(&species.name)),
                if scored { format!("<strong>{rate}</strong>") } else { "–".into() },
                if scored { interval } else { String::new() },
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

    fn det(&self) -> String {
        let bona_fide = &self.sorted.bona_fide;
        let most = self.species.iter().map(|species| species.apcer_count.trials).max().unwrap_or(1);
        let x = Axis::deviate("APCER", 0.7 / most.max(1) as f64, 0.9);
        let y = Axis::deviate("BPCER", 0.7 / bona_fide.len() as f64, 0.9);
        let floor = (x.low(), y.low());
        let mut plot = Plot::new("Detection error trade-off: BPCER over APCER of each species", x, y);
        for (place, (species, scores)) in self.drawn() {
            let curve = Curve::new(bona_fide.clone(), scores.clone());
            // A rate of zero lies on the edge: that no error was seen is what is to be shown here.
            let points = curve.points();
            let points = points
                .map(|p| (p.false_matches.rate().max(floor.0), p.false_non_matches.rate().max(floor.1)));
            plot.line(&shown(&species.name), Ink::Species(place), DASHES[place], points);
        }
        figure(
            "Detection error trade-off",
            &plot.svg(),
            "One line for each species, at every threshold. Axes in normal deviates; a line at an edge means that no \
             error was seen.",
        )
    }

    fn scores(&self) -> String {
        let names: Vec<String> = self.species.iter().map(|species| shown(&species.name)).collect();
        let mut sides: Vec<(&str, Ink, &[f32])> = self
            .drawn()
            .map(|(place, (_, scores))| (names[place].as_str(), Ink::Species(place), scores.as_slice()))
            .collect();
        sides.push(("bona fide", Ink::Genuine, &self.sorted.bona_fide));
        histogram("Scores", "liveness score", &sides, &[("in use".to_owned(), f64::from(self.threshold))])
    }

    /// The species that are drawn, worst first, with their scores: some of each.
    fn drawn(&self) -> impl Iterator<Item = (usize, (&SpeciesRate, &Vec<f32>))> {
        let scored = self.species.iter().zip(&self.sorted.species).filter(|(_, scores)| !scores.is_empty());
        scored.take(SPECIES_DRAWN_MAX).enumerate()
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
        for (place, (species, scores)) in self.drawn() {
            plot.line(
                &shown(&species.name),
                Ink::Species(place),
                DASHES[place],
                rates(curve(&|at| passed(scores, at))),
            );
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

    fn held_bona_fide(&self) -> String {
        let head = ["BPCER", "Threshold", "Worst species", "APCER", "95 % interval", "Errors"];
        let mut rows = vec![head.map(String::from).to_vec()];
        for at in &self.apcer_at_bpcer {
            rows.push(vec![
                round_percent(at.bpcer),
                format!("{:.4}", at.threshold),
                text(&at.worst_species),
                percent(at.apcer),
                percents(at.apcer_interval),
                format!("{} of {}", number(at.apcer_count.errors), number(at.apcer_count.trials)),
            ]);
        }
        figure(
            "APCER where bona fide presentations are held",
            &table(0, &rows),
            "The highest threshold at which no more bona fide presentations are refused than that.",
        )
    }
}

/// The name of a species beside its line.
fn shown(name: &str) -> String {
    printable(name).chars().take(NAME_DRAWN_MAX).collect()
}
