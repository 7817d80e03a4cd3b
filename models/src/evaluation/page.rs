//! The page that reports are put into: one HTML file that needs nothing else, runs no script, and shows foreign text
//! as text.

use std::fmt::Write as _;

use super::interval::Interval;

/// Characters of a label that are shown: file names end long before, and a hostile one shall not fill the page.
const LABEL_SHOWN_MAX: usize = 120;

/// Colours (Okabe and Ito's, told apart by the colour-blind), type and layout, for light and dark screens and paper.
const STYLE: &str = include_str!("page.css");

/// A whole page. `title` is any text; `body` is HTML whose foreign parts went through [`text`].
#[must_use]
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        text(title)
    )
}

/// Foreign text as HTML text or attribute value: cut, made visible, escaped.
#[must_use]
pub(super) fn text(foreign: &str) -> String {
    let mut escaped = String::new();
    for character in printable(foreign).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Foreign text for a screen: cut to a readable length, with control characters and those that turn the direction of
/// writing shown as `\u{fffd}`, so that a file name can neither drive a terminal nor pretend to be another one.
#[must_use]
pub fn printable(foreign: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut shown: String =
        foreign.chars().take(LABEL_SHOWN_MAX).map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect();
    if foreign.chars().nth(LABEL_SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A table; the first row is its head. Cells are HTML. The first `words` columns are text, the others numbers.
#[must_use]
pub(super) fn table(words: usize, rows: &[Vec<String>]) -> String {
    let mut html = String::from("<div class=\"scroll\"><table>\n");
    for (place, row) in rows.iter().enumerate() {
        let tag = if place == 0 { "th" } else { "td" };
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let class = if column < words { "" } else { " class=\"number\"" };
            write!(html, "<{tag}{class}>{cell}</{tag}>").expect("writing to a string cannot fail");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

/// A rate in per cent with three digits that count; nearly all is not shown as all.
#[must_use]
pub fn percent(rate: f64) -> String {
    let value = 100.0 * rate;
    let decimals = match value {
        v if v <= 0.0 || v >= 100.0 => 0,
        v if v >= 99.95 => 3,
        v => (0..9usize).find(|places| v * 10f64.powf(*places as f64) >= 99.95).unwrap_or(9),
    };
    format!("{value:.decimals$} %")
}

/// A round rate, as on an axis, with no digit too many: in per cent, or as a power where that has too many zeros.
#[must_use]
pub(super) fn round_percent(rate: f64) -> String {
    if rate < 0.99e-5 { format!("{rate:e}") } else { format!("{} %", (100.0 * rate * 1e9).round() / 1e9) }
}

/// An interval in per cent.
#[must_use]
pub(super) fn percents(interval: Interval) -> String {
    let low = percent(interval.low);
    format!("{} to {}", low.trim_end_matches(" %"), percent(interval.high))
}

/// A count with its thousands apart.
#[must_use]
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut spaced = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h8_foreign_text_stays_text() {
        assert_eq!(
            text("<img src=x onerror='a()'>&\"\u{1b}[2J"),
            "&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;&quot;\u{fffd}[2J"
        );
        assert_eq!(printable("gpj.\u{202e}evil.exe\0"), "gpj.\u{fffd}evil.exe\u{fffd}");
        assert_eq!(printable("Zoë/写真.jpg"), "Zoë/写真.jpg");
        assert_eq!(text(&"é".repeat(5000)).chars().count(), LABEL_SHOWN_MAX + 1);
    }

    #[test]
    fn rates_keep_the_digits_that_count() {
        let shown =
            [0.0, 1.0, 0.999_58, 0.996, 0.123_4, 0.021_04, 0.009_96, 0.000_999_9, 0.000_012_3].map(percent);
        assert_eq!(
            shown,
            ["0 %", "100 %", "99.958 %", "99.6 %", "12.3 %", "2.10 %", "0.996 %", "0.100 %", "0.00123 %"]
        );
        assert_eq!(
            [1.0, 0.05, 1e-3, 1e-4, 3.16e-5, 1e-6].map(round_percent),
            ["100 %", "5 %", "0.1 %", "0.01 %", "0.00316 %", "1e-6"]
        );
        assert_eq!(percents(Interval { low: 0.0, high: 0.05 }), "0 to 5.00 %");
        assert_eq!([0, 999, 1000, 9_160_000].map(number), ["0", "999", "1,000", "9,160,000"]);
    }
}
