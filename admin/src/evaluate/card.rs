//! `doorctl evaluate card`: the card of a pack, of a text that people write and of what reports say.
//!
//! The text has marks of the form `{{report:NAME}}`, each alone on its line; NAME is the name of a report without its
//! ending. Where a mark stands, the figures of that report go, with the data, so that no number is ever copied by hand.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use doorward_models::evaluation::regression::Report;
use doorward_models::evaluation::told;
use doorward_models::pack::read_bounded;

use super::{compare, keep};
use crate::answer::Answer;

/// The longest text: fifty times the longest card.
const TEXT_LEN_MAX: u64 = 1 << 20;

/// What a mark looks like.
const MARK: (&str, &str) = ("{{report:", "}}");

/// Options of `evaluate card`.
#[derive(Debug, Args)]
#[command(
    after_help = "A line {{report:pad}} in TEXT becomes the table of the figures in the report pad.json: name, rate, 95 % \
    interval, errors and trials. Every report that is given must have its mark, and every mark its report.\n\n\
    Example:\n  \
    doorctl evaluate card models/packs/recommended/card.md --report pad.json --report pairs.json --out CARD.md"
)]
pub struct Card {
    /// The text with its marks, Markdown.
    text: PathBuf,
    /// Reports, JSON.
    #[arg(long = "report", value_name = "FILE", required = true)]
    reports: Vec<PathBuf>,
    /// The card to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes a card.
///
/// # Errors
/// When text or reports cannot be read, or marks and reports do not belong together.
pub fn run(options: &Card, out: &mut dyn Write) -> Answer {
    let mut reports = BTreeMap::new();
    for path in &options.reports {
        let name = path.file_stem().context("a report has a name")?.to_string_lossy().into_owned();
        ensure_new(reports.insert(name.clone(), compare::read(path)?).is_none(), &name)?;
    }
    let bytes = read_bounded(&options.text, TEXT_LEN_MAX).context("read the text of the card")?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is no text", options.text.display()))?;
    let from = options.text.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    keep(&options.out, &filled(&text, &reports, &from)?)?;
    writeln!(out, "{} written of {} reports", options.out.display(), reports.len())?;
    Ok(())
}

fn ensure_new(new: bool, name: &str) -> anyhow::Result<()> {
    ensure!(new, "two reports are called {name}: rename one of them");
    Ok(())
}

/// The text with the figures in the place of its marks.
fn filled(text: &str, reports: &BTreeMap<String, Report>, from: &str) -> anyhow::Result<String> {
    let mut card =
        format!("<!-- Made by `doorctl evaluate card` from {from} and reports: change those. -->\n");
    let mut used = Vec::new();
    for line in text.lines() {
        match line.strip_prefix(MARK.0).and_then(|rest| rest.strip_suffix(MARK.1)) {
            None => card += line,
            Some(name) => {
                let report = reports.get(name).with_context(|| {
                    format!("the card asks for a report {name}, which was not given: --report {name}.json")
                })?;
                used.push(name);
                card += table(report).trim_end();
            }
        }
        card.push('\n');
    }
    let unused: Vec<&String> = reports.keys().filter(|name| !used.contains(&name.as_str())).collect();
    ensure!(
        unused.is_empty(),
        "the card has no mark for {unused:?}: write {{{{report:NAME}}}} where it belongs"
    );
    Ok(card)
}

/// What a report says, as a table of Markdown.
fn table(report: &Report) -> String {
    let cell = |text: &str| told::printable(text).replace('|', "\\|");
    let mut table = format!("*{}*, on {}:\n\n", cell(&report.model), cell(&report.data));
    table += "| figure | rate | 95 % interval | errors |\n|---|---|---|---|\n";
    for figure in &report.figures {
        let [low, high] = figure.interval;
        table += &format!(
            "| {} | {} | {} | {} of {} |\n",
            cell(&figure.name),
            told::percent(figure.rate),
            told::percents(low, high),
            told::number(figure.errors),
            told::number(figure.trials)
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use doorward_models::evaluation::{Count, Figure};

    use super::*;

    fn reports() -> BTreeMap<String, Report> {
        let figures = vec![Figure::counted("APCER a|b", Count { errors: 0, trials: 1040 })];
        let report = Report { report: "pad".into(), model: "m".into(), data: "d".into(), figures };
        BTreeMap::from([("pad".to_owned(), report)])
    }

    #[test]
    fn a_mark_becomes_the_figures_with_their_bounds() {
        let card = filled("# Card\n{{report:pad}}\nend {{not a mark}}\n", &reports(), "card.md").unwrap();
        assert!(card.contains("| APCER a\\|b | 0 % | 0 to 0.288 % | 0 of 1,040 |"), "{card}");
        assert!(card.contains("from card.md") && card.ends_with("end {{not a mark}}\n"), "{card}");
    }

    #[test]
    fn marks_without_a_report_and_reports_without_a_mark_are_named() {
        let fault = |text: &str| filled(text, &reports(), "x").unwrap_err().to_string();
        assert!(fault("{{report:pairs}}\n").contains("--report pairs.json"));
        assert!(fault("nothing\n").contains("pad"));
    }
}
