//! How good the models are, told from scores alone: error rates with their counts and doubt, the calibration table of
//! a pack, and reports for people and programs.
//!
//! In the order of use:
//! * [`comparison`]: what a test consists of, checked.
//! * [`curve`]: FMR and FNMR at every threshold; [`interval`], [`bootstrap`]: how far to trust them.
//! * [`accuracy`]: ten folds, as on Labeled Faces in the Wild; [`calibration`]: thresholds for a pack.
//! * [`evaluated`]: all of it in one [`Evaluation`], with JSON and text; `report`, `plot`, `page`: its HTML.
//! * [`presentation`]: the same for liveness, with APCER per attack species.
//!
//! # The JSON of a comparison test
//!
//! | field | meaning |
//! |---|---|
//! | `model`, `data` | what was tested, on what |
//! | `genuine_comparisons`, `impostor_comparisons` | pairs with a score |
//! | `samples`, `failures_to_acquire`, `failure_to_acquire_rate`, `failure_to_acquire_rate_interval` | samples presented, those without a template |
//! | `persons`, `failures_to_enrol` | persons, those without any template; null where persons are unknown |
//! | `uncompared_genuine`, `uncompared_impostor` | pairs without a score |
//! | `eer`, `eer_interval`, `eer_threshold` | equal error rate, `[low, high]` at 95 %, interpolated threshold |
//! | `eer_count`, `eer_false_matches` | `{errors, trials}` of the genuine and the impostor side there |
//! | `eer_with_failures` | with every uncompared genuine pair as an error |
//! | `fnmr_at_fmr_1e-2`, `fnmr_at_fmr_1e-3`, `fnmr_at_fmr_1e-4` | FNMR at that FMR; the next fields exist for each |
//! | `…_interval` | `[low, high]` at 95 %: the hull of `…_interval_exact` (counts) and `…_interval_resampled` (persons; may be null) |
//! | `…_threshold` | lowest observed score at which the FMR is not exceeded |
//! | `…_count`, `…_false_matches` | `{errors, trials}` of the genuine and the impostor side there |
//! | `…_supported` | false where fewer than three false matches are expected at that FMR: too few impostors to speak of it |
//! | `…_with_failures` | with every uncompared genuine pair as an error |
//! | `accuracy`, `accuracy_standard_error`, `accuracy_threshold` | ten folds; null with fewer than ten pairs on a side |
//! | `resampled`, `draws`, `seed` | `persons` or `pairs`, how often, from which seed; null where there was too little |

pub mod accuracy;
pub mod bootstrap;
pub mod calibration;
pub mod comparison;
pub mod curve;
pub mod evaluated;
pub mod interval;
mod page;
mod plot;
pub mod presentation;
mod presentation_report;
mod report;
#[cfg(test)]
mod synthetic;

pub use accuracy::Accuracy;
pub use bootstrap::Unit;
pub use calibration::{CalibrationPoint, CalibrationTable};
pub use comparison::{Comparisons, EvaluationError, Sample, Scored, Side};
pub use curve::{Count, Curve, OperatingPoint};
pub use evaluated::{AtFmr, Eer, Evaluation};
pub use interval::Interval;
pub use presentation::{PresentationError, PresentationEvaluation, Presentations, Presented};
