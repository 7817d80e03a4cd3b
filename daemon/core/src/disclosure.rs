//! What of a score is told outside the process: steps so coarse that nobody climbs along them (attack case H9).
//!
//! Whoever sees how near a try came can change it a little, try again, and keep what came nearer, until a face is found
//! that passes (A. Adler, "Sample images can be independently restored from face recognition templates", CCECE 2003).
//! Rounding slows that down and does not end it (A. Adler, "Images can be regenerated from quantized biometric match
//! score data", CCECE 2004). So a try that fails tells nothing at all of how near it came; steps are told of what has
//! passed already.

use doorward_protocol::audit::Scores;

/// What stands for a comparison score below the threshold, or for none.
pub const BELOW: f32 = -1.0;
/// Steps of a comparison score (cosine) at and above its threshold.
const STEPS_A_COSINE: f32 = 10.0;
/// Steps of a liveness confidence, 0 to 100. The first is the least that any configuration accepts.
const CONFIDENCES: [u8; 3] = [50, 75, 90];

/// A liveness confidence as it is told: 0 where it does not suffice, else the step it reaches.
#[must_use]
pub fn confidence(confidence: f32, suffices: bool) -> u8 {
    let reached = CONFIDENCES.into_iter().rev().find(|step| suffices && confidence >= f32::from(*step));
    reached.unwrap_or(0)
}

/// A comparison score as it is told: [`BELOW`] under the threshold, else the step it reaches and at least the threshold.
#[must_use]
pub fn comparison_score(score: f32, threshold: f32) -> f32 {
    if score >= threshold {
        ((score * STEPS_A_COSINE).floor() / STEPS_A_COSINE).max(threshold)
    } else {
        BELOW
    }
}

/// The scores of a case as the audit trail has them. Every case had a sufficient liveness confidence.
#[must_use]
pub fn scores(scores: &Scores) -> Scores {
    Scores {
        comparison_score: comparison_score(scores.comparison_score, scores.threshold),
        runner_up: comparison_score(scores.runner_up, scores.threshold),
        liveness: f32::from(confidence(scores.liveness, true)),
        ..*scores
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const GRID: i16 = 10_000;

    fn fine() -> impl Iterator<Item = f32> {
        (-GRID..=GRID).map(|step| f32::from(step) / f32::from(GRID))
    }

    #[test]
    fn h9_a_try_that_fails_does_not_tell_how_near_it_came() {
        let told: BTreeSet<_> = fine()
            .filter(|score| *score < 0.46)
            .map(|score| comparison_score(score, 0.46).to_bits())
            .collect();
        assert_eq!(told, BTreeSet::from([BELOW.to_bits()]));
        let told: BTreeSet<_> = fine().map(|score| confidence(100.0 * score, false)).collect();
        assert_eq!(told, BTreeSet::from([0]));
    }

    #[test]
    fn h9_what_passes_is_told_in_a_few_steps() {
        let told: BTreeSet<_> = fine().map(|score| comparison_score(score, 0.46).to_bits()).collect();
        assert!(told.len() <= 8, "{} steps", told.len());
        assert_eq!([59.0, 75.0, 89.9, 100.0].map(|c| confidence(c, true)), [50, 75, 75, 90]);
        assert_eq!(comparison_score(0.47, 0.46), 0.46, "never below what was needed");
        assert_eq!(comparison_score(f32::NAN, 0.46), BELOW);
    }

    proptest! {
        #[test]
        fn a_told_score_never_changes_which_side_of_the_threshold_it_is_on(score in -1.0f32..1.0, threshold in 0.1f32..0.95) {
            let told = comparison_score(score, threshold);
            prop_assert_eq!(told >= threshold, score >= threshold);
            prop_assert!(told <= score.max(BELOW));
        }
    }
}
