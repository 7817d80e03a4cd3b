//! `doorctl compare`: whether two photographs show the same person.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use doorward_core::calibration::{Calibration, FMR_MAX};
use serde::Serialize;

use crate::answer::Answer;
use crate::look::{self, Measured};
use crate::mind::Minding;
use crate::text;

/// Options of `compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "JSON: comparison_score (cosine, -1 to 1), threshold_at_fmr_1e-3, threshold_at_fmr_1e-4, \
    threshold_at_fmr_1e-5, max_fmr (what was asked for), threshold (the score that stands for it), threshold_extrapolated \
    (the calibration's sample does not reach that far), same_person, quality_a and quality_b (fields as in `doorctl \
    detect`; reject is null for a good face).\n\n\
    Example:\n  doorctl compare badge.jpg gate.jpg --json\n\n\
    Exit code: 0 the faces were compared, whatever the answer; 2 a photograph does not show one face; 1 fault."
)]
pub struct Compare {
    /// One photograph.
    a: PathBuf,
    /// The other one.
    b: PathBuf,
    /// False match rate at which two faces count as the same person; 1e-3 at most.
    #[arg(long, default_value_t = 1e-4, value_parser = rate)]
    max_fmr: f64,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Compared {
    comparison_score: f32,
    #[serde(rename = "threshold_at_fmr_1e-3")]
    at_1e_3: f32,
    #[serde(rename = "threshold_at_fmr_1e-4")]
    at_1e_4: f32,
    #[serde(rename = "threshold_at_fmr_1e-5")]
    at_1e_5: f32,
    max_fmr: f64,
    threshold: f32,
    threshold_extrapolated: bool,
    same_person: bool,
    quality_a: Measured,
    quality_b: Measured,
}

/// Compares.
///
/// # Errors
/// [`crate::answer::Stop::Refused`] where a photograph does not show one face.
pub fn run(options: &Compare, minding: &Minding, out: &mut dyn Write) -> Answer {
    let mut mind = minding.load()?;
    let a = look::face_of(&options.a, &mut mind.vision)?;
    let b = look::face_of(&options.b, &mut mind.vision)?;
    let score = a.vector.cosine(&b.vector);
    let compared = judged(score, options.max_fmr, mind.pack.calibration(), a.measured, b.measured);
    if options.json {
        return text::json(out, &compared);
    }
    writeln!(out, "comparison score {score:.4}")?;
    let thresholds = [(1e-3, compared.at_1e_3), (1e-4, compared.at_1e_4), (1e-5, compared.at_1e_5)];
    for (fmr, threshold) in thresholds {
        let verdict = if score >= threshold { "matches" } else { "does not match" };
        writeln!(out, "  {verdict} at a false match rate of {fmr:e} (threshold {threshold:.4})")?;
    }
    writeln!(out, "a: {}", compared.quality_a)?;
    writeln!(out, "b: {}", compared.quality_b)?;
    let verdict = if compared.same_person { "the same person" } else { "not the same person" };
    writeln!(out, "{verdict}, at a false match rate of {:e}", options.max_fmr)?;
    Ok(())
}

fn judged(score: f32, max_fmr: f64, calibration: &Calibration, a: Measured, b: Measured) -> Compared {
    let threshold = calibration.for_verification(max_fmr);
    Compared {
        comparison_score: score,
        at_1e_3: calibration.threshold(1e-3).score,
        at_1e_4: calibration.threshold(1e-4).score,
        at_1e_5: calibration.threshold(1e-5).score,
        max_fmr,
        threshold: threshold.score,
        threshold_extrapolated: threshold.extrapolated,
        same_person: score >= threshold.score,
        quality_a: a,
        quality_b: b,
    }
}

/// An error rate that the calibration answers as asked.
///
/// # Errors
/// For anything but a number above 0, up to [`FMR_MAX`].
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= FMR_MAX => Ok(rate),
        Ok(_) | Err(_) => Err(format!("an error rate is a number above 0, at most {FMR_MAX:e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_no_option_asks_for_a_laxer_rate_than_the_floor() {
        for lax in ["0.01", "1", "inf", "nan", "0", "-1e-4", ""] {
            assert!(rate(lax).is_err(), "{lax}");
        }
        assert_eq!(rate("1e-4"), Ok(1e-4));
    }
}
