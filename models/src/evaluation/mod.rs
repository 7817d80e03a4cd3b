//! How good the models are, told from scores alone: error rates with their counts and doubt, the calibration table of
//! a pack, and reports for people and programs.
//!
//! In the order of use:
//! * [`comparison`]: what a test consists of, checked.
//! * [`curve`]: FMR and FNMR at every threshold; [`interval`], [`bootstrap`]: how far to trust them.
//! * [`accuracy`]: ten folds, as on Labeled Faces in the Wild; [`calibration`]: thresholds for a pack.
//! * [`evaluated`]: all of it in one [`Evaluation`], with JSON and text; `report`, `plot`, `page`: its HTML.
//! * [`presentation`]: the same for liveness, with APCER per attack species; [`window`]: several frames, one verdict;
//!   [`liveness_fit`]: what a pack's liveness networks are worth.
//! * [`identification`]: searches among many, by enrolled persons and by strangers.
//! * [`cohorts`]: the same rates for each group of people by itself.
//! * [`figure`]: one rate as every report tells it; [`regression`]: two reports side by side;
//!   [`told`]: rates in words.
//!
//! # What every JSON report has
//!
//! `report` (`pad`, `identify`, `pairs` or `quality`), `model`, `data`, and `figures`: each error rate with `name`, `rate`,
//! `interval` (`[low, high]` at 95 %), `errors` and `trials`. What follows is more of one of them.
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
pub mod cohorts;
mod cohorts_report;
pub mod comparison;
pub mod curve;
pub mod evaluated;
pub mod figure;
pub mod identification;
mod identification_report;
pub mod interval;
pub mod liveness_fit;
mod page;
mod plot;
pub mod presentation;
mod presentation_report;
pub mod regression;
mod report;
#[cfg(test)]
mod synthetic;
pub mod told;
pub mod window;

pub use accuracy::Accuracy;
pub use bootstrap::Unit;
pub use calibration::{CalibrationPoint, CalibrationTable};
pub use cohorts::CohortEvaluation;
pub use comparison::{Comparisons, EvaluationError, Sample, Scored, Side};
pub use curve::{Count, Curve, OperatingPoint};
pub use evaluated::{AtFmr, Eer, Evaluation};
pub use figure::Figure;
pub use identification::IdentificationEvaluation;
pub use interval::Interval;
pub use liveness_fit::{Filmed, LivenessFit};
pub use presentation::{PresentationError, PresentationEvaluation, Presentations, Presented};
pub use window::Window;
