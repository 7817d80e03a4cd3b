//! What the file may say. Unknown keys are errors: a misspelt rule must not be silently ignored.

use std::path::PathBuf;

use doorward_hal::camera::fitted::CamerasSection;
use doorward_hal::gpio::inputs::InputLine;
use doorward_hal::gpio::panel::PanelConfig;
use doorward_hal::gpio::relay::RelayConfig;
use serde::Deserialize;

use super::api::ApiSection;
use super::centre::CentreSection;
use super::liveness::{EmitterSection, LivenessSection};
use super::reader::ReaderSection;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    pub(super) site: String,
    pub(super) terminal: String,
    pub(super) door: DoorSection,
    #[serde(default)]
    pub(super) rules: RulesSection,
    #[serde(default)]
    pub(super) quality: QualitySection,
    #[serde(default)]
    pub(super) liveness: LivenessSection,
    pub(super) store: StoreSection,
    #[serde(default)]
    pub(super) models: ModelsSection,
    pub(super) cameras: CamerasSection,
    pub(super) relay: RelayConfig,
    #[serde(default)]
    pub(super) inputs: InputsSection,
    #[serde(default)]
    pub(super) panel: PanelConfig,
    pub(super) reader: Option<ReaderSection>,
    pub(super) emitter: Option<EmitterSection>,
    pub(super) centre: Option<CentreSection>,
    pub(super) api: Option<ApiSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DoorSection {
    pub(super) id: String,
    #[serde(default = "five")]
    pub(super) open_s: f64,
    #[serde(default = "thirty")]
    pub(super) open_max_s: f64,
    #[serde(default = "thirty")]
    pub(super) held_open_s: f64,
    #[serde(default)]
    pub(super) on_tamper: OnTamper,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnTamper {
    #[default]
    Report,
    Lockdown,
    Erase,
}

fn five() -> f64 {
    5.0
}

fn thirty() -> f64 {
    30.0
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UntrustedTime {
    Deny,
    Believe,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesSection {
    pub(super) zone: String,
    pub(super) periods: Vec<String>,
    pub(super) max_fpir: f64,
    pub(super) margin_min: f32,
    pub(super) untrusted_time: UntrustedTime,
}

impl Default for RulesSection {
    fn default() -> Self {
        Self {
            zone: "UTC".into(),
            periods: vec!["always".into()],
            max_fpir: 1e-4,
            margin_min: 0.05,
            untrusted_time: UntrustedTime::Deny,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct QualitySection {
    pub(super) yaw_max: f32,
    pub(super) pitch_max: f32,
    pub(super) eye_distance_min: f32,
    pub(super) sharpness_min: f32,
}

impl Default for QualitySection {
    fn default() -> Self {
        let limits = doorward_core::quality::Limits::default();
        Self {
            yaw_max: limits.yaw_max,
            pitch_max: limits.pitch_max,
            eye_distance_min: limits.eye_distance_min,
            sharpness_min: limits.sharpness_min,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreSection {
    pub(super) path: PathBuf,
    pub(super) master_key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ModelsSection {
    pub(super) pack: Option<PathBuf>,
    pub(super) engine: Engine,
    /// The shared library of ONNX Runtime.
    pub(super) library: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    #[default]
    Tract,
    OnnxRuntime,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InputsSection {
    pub(super) contact: Option<InputLine>,
    pub(super) egress: Option<InputLine>,
    pub(super) fire: Option<InputLine>,
    pub(super) tamper: Option<InputLine>,
    pub(super) power_fail: Option<InputLine>,
    pub(super) debounce_ms: u64,
    pub(super) supervision_ms: u64,
    pub(super) egress_stuck_s: u64,
}

impl Default for InputsSection {
    fn default() -> Self {
        Self {
            contact: None,
            egress: None,
            fire: None,
            tamper: None,
            power_fail: None,
            debounce_ms: 30,
            supervision_ms: 300,
            egress_stuck_s: 60,
        }
    }
}
