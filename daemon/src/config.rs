//! Configuration: one TOML file, read into what the file may say ([`raw`]) and checked into what the program works
//! with. Every error names the file, the key, what was found and what is allowed. [`wiring`] checks the door's wires,
//! [`liveness`] what the sensors can prove.

mod api;
pub mod centre;
pub mod liveness;
pub mod raw;
pub mod reader;
pub mod wiring;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_core::attempt;
use doorward_core::door;
use doorward_core::liveness::Policy;
use doorward_core::policy::{Rules, UntrustedTime};
use doorward_core::quality;
use doorward_core::schedule::Weekly;
use doorward_hal::camera::fitted::{Cameras, CamerasSection};
use doorward_hal::gpio::inputs::InputsConfig;
use doorward_hal::gpio::line::OutputLine;
use doorward_hal::gpio::panel::PanelConfig;
use doorward_hal::gpio::relay::RelayConfig;
use doorward_models::engine::EngineKind;
use doorward_protocol::hex::hex;
use doorward_protocol::ids::{DoorId, SiteId, TerminalId};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use self::reader::ReaderConfig;
use crate::api::ApiConfig;
use crate::centre::CentreConfig;

/// Largest accepted `max_fpir`: one stranger in a hundred is no access control (attack case H5).
pub const FPIR_MAX: f64 = 1e-2;
/// A configuration file is text of a few kilobytes.
const FILE_LEN_MAX: u64 = 256 * 1024;

/// A configuration that was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {file}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of another type.
    #[error("{file}: {message}")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Where and what, as the parser says it.
        message: String,
    },
    /// A value outside its bounds.
    #[error("{file}: {key} = {found}: {allowed}")]
    Value {
        /// The file.
        file: PathBuf,
        /// The key with its section.
        key: Cow<'static, str>,
        /// What it says.
        found: String,
        /// What it may say.
        allowed: String,
    },
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The site.
    pub site: SiteId,
    /// This terminal.
    pub terminal: TerminalId,
    /// How the door is fitted.
    pub door: door::Settings,
    /// Who may pass.
    pub rules: Rules,
    /// What a face must be like.
    pub quality: quality::Limits,
    /// What must speak for life.
    pub liveness: Policy,
    /// Times of an attempt.
    pub attempt: attempt::Limits,
    /// Where the store lies.
    pub store: PathBuf,
    /// Where the master key lies; `credential` where systemd opens it.
    pub master_key: PathBuf,
    /// A folder with a model pack; none: the usual places.
    pub models: Option<PathBuf>,
    /// Which engine runs them.
    pub engine: EngineKind,
    /// The cameras.
    pub cameras: Cameras,
    /// The lock.
    pub relay: RelayConfig,
    /// What the door reports.
    pub inputs: InputsConfig,
    /// What the person sees.
    pub panel: PanelConfig,
    /// What reads credentials.
    pub reader: Option<ReaderConfig>,
    /// The infrared light.
    pub emitter: Option<OutputLine>,
    /// The centre; none: it works alone.
    pub centre: Option<CentreConfig>,
    /// What programs on this machine may ask; none: nothing.
    pub api: Option<ApiConfig>,
    /// SHA-256 of the file, hexadecimal: what the audit trail names.
    pub digest: String,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(&text_of(file)?, file)
    }

    /// Checks a text; `file` is what errors name.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let raw: raw::RawConfig = from_toml(text, file)?;
        let check = Check { file };
        let cameras = check.cameras(raw.cameras.clone())?;
        let terminal = check.parsed("terminal", &raw.terminal)?;
        Ok(Self {
            site: check.parsed("site", &raw.site)?,
            api: raw.api.as_ref().map(|api| check.api(api, &terminal)).transpose()?,
            terminal,
            door: check.door(&raw.door, &raw.inputs)?,
            rules: check.rules(&raw)?,
            quality: check.quality(&raw.quality)?,
            liveness: check.liveness(&raw, &cameras)?,
            attempt: attempt::Limits {
                window: usize::from(check.within("liveness.frames", raw.liveness.frames, 2, 10)?),
                ..attempt::Limits::default()
            },
            store: raw.store.path,
            master_key: raw.store.master_key,
            engine: check.engine(&raw.models)?,
            models: raw.models.pack,
            cameras,
            relay: check.relay(raw.relay)?,
            inputs: check.inputs(raw.inputs)?,
            reader: raw.reader.as_ref().map(|reader| check.reader(reader)).transpose()?,
            panel: check.panel(raw.panel)?,
            emitter: raw.emitter.as_ref().map(liveness::EmitterSection::output),
            centre: raw.centre.as_ref().map(|centre| check.centre(centre)).transpose()?,
            digest: hex(&Sha256::digest(text.as_bytes())),
        })
    }
}

/// The text of a file that is as long as a configuration may be.
fn text_of(file: &Path) -> Result<String, ConfigError> {
    let refuse = |source| ConfigError::Read { file: file.to_owned(), source };
    let length = std::fs::metadata(file).map_err(refuse)?.len();
    if length > FILE_LEN_MAX {
        let why = format!("it has {length} bytes, at most {FILE_LEN_MAX} are allowed");
        return Err(refuse(std::io::Error::other(why)));
    }
    std::fs::read_to_string(file).map_err(refuse)
}

fn from_toml<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, ConfigError> {
    toml::from_str(text)
        .map_err(|e| ConfigError::Syntax { file: file.to_owned(), message: e.to_string().trim().to_owned() })
}

/// Turns raw values into checked ones.
struct Check<'a> {
    file: &'a Path,
}

impl Check<'_> {
    fn refuse(
        &self,
        key: impl Into<Cow<'static, str>>,
        found: impl ToString,
        allowed: impl ToString,
    ) -> ConfigError {
        let (file, key) = (self.file.to_owned(), key.into());
        ConfigError::Value { file, key, found: found.to_string(), allowed: allowed.to_string() }
    }

    fn parsed<T>(&self, key: &'static str, text: &str) -> Result<T, ConfigError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        text.parse().map_err(|e: T::Err| self.refuse(key, format!("{text:?}"), e))
    }

    fn within<T: PartialOrd + std::fmt::Display + Copy>(
        &self,
        key: &'static str,
        value: T,
        low: T,
        high: T,
    ) -> Result<T, ConfigError> {
        if value >= low && value <= high {
            Ok(value)
        } else {
            Err(self.refuse(key, value, format!("between {low} and {high} is allowed")))
        }
    }

    fn seconds(&self, key: &'static str, value: f64, low: f64, high: f64) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs_f64(self.within(key, value, low, high)?))
    }

    fn cameras(&self, raw: CamerasSection) -> Result<Cameras, ConfigError> {
        raw.check().map_err(|wrong| self.refuse(wrong.key, wrong.found, wrong.allowed))
    }

    fn rules(&self, raw: &raw::RawConfig) -> Result<Rules, ConfigError> {
        let weekly = Weekly::parse(&raw.rules.zone, &raw.rules.periods)
            .map_err(|e| self.refuse("rules", format!("{} {:?}", raw.rules.zone, raw.rules.periods), e))?;
        Ok(Rules {
            door: self.parsed::<DoorId>("door.id", &raw.door.id)?,
            open_for: self.seconds("door.open_s", raw.door.open_s, 0.5, 60.0)?,
            weekly,
            max_fpir: self.within("rules.max_fpir", raw.rules.max_fpir, 1e-9, FPIR_MAX)?,
            margin_min: self.within("rules.margin_min", raw.rules.margin_min, 0.0, 0.5)?,
            terms: self.terms(raw.reader.as_ref())?,
            untrusted_time: match raw.rules.untrusted_time {
                raw::UntrustedTime::Deny => UntrustedTime::Deny,
                raw::UntrustedTime::Believe => UntrustedTime::Believe,
            },
        })
    }

    fn engine(&self, raw: &raw::ModelsSection) -> Result<EngineKind, ConfigError> {
        match (raw.engine, &raw.library) {
            (raw::Engine::Tract, _) => Ok(EngineKind::Tract),
            (raw::Engine::OnnxRuntime, Some(library)) => {
                Ok(EngineKind::OnnxRuntime { library: library.clone() })
            }
            (raw::Engine::OnnxRuntime, None) => {
                let allowed = "name its shared library with models.library = \"/path/libonnxruntime.so\"";
                Err(self.refuse("models.engine", "onnxruntime", allowed))
            }
        }
    }

    fn quality(&self, raw: &raw::QualitySection) -> Result<quality::Limits, ConfigError> {
        Ok(quality::Limits {
            yaw_max: self.within("quality.yaw_max", raw.yaw_max, 5.0, 60.0)?,
            pitch_max: self.within("quality.pitch_max", raw.pitch_max, 5.0, 60.0)?,
            eye_distance_min: self.within("quality.eye_distance_min", raw.eye_distance_min, 16.0, 400.0)?,
            sharpness_min: self.within("quality.sharpness_min", raw.sharpness_min, 0.0, 100.0)?,
            ..quality::Limits::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../doord.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("doord.toml")).map_err(|e| e.to_string())
    }

    /// A section that the sample has commented out, with a sign before it for the one that is cut off.
    fn section(begins: &str) -> String {
        let at = SAMPLE.find(begins).unwrap();
        SAMPLE[at..].split("\n\n").next().unwrap().replace("\n#", "\n")
    }

    #[test]
    fn the_documented_configuration_is_valid_and_says_what_it_means() {
        let config = parse(SAMPLE).unwrap();
        assert!(config.liveness.fitted.infrared && config.liveness.fitted.depth);
        assert_eq!(config.rules.open_for, Duration::from_secs(5));
        assert_eq!(config.attempt.window, 3);
        assert_eq!(config.digest.len(), 64);
    }

    #[test]
    fn broken_values_are_refused_naming_file_key_and_what_is_allowed() {
        for (from, to, expected) in [
            (
                "open_s = 5.0",
                "open_s = 500.0",
                "doord.toml: door.open_s = 500: between 0.5 and 60 is allowed",
            ),
            ("max_fpir = 1e-4", "max_fpir = 0.5", "rules.max_fpir = 0.5: between"),
            ("frames = 3", "frames = 1", "liveness.frames = 1: between 2 and 10 is allowed"),
            ("\"Europe/Berlin\"", "\"Mars/Olympus\"", "time zone \"Mars/Olympus\" is not known"),
            ("Mon-Fri 06:00-20:00", "weekdays", "a period is written like"),
            ("id = \"front\"", "id = \"front door\"", "an identifier uses letters"),
            ("margin_min", "margin_mni", "unknown field `margin_mni`"),
            ("frames = 3", "frames = \"three\"", "invalid type: string \"three\""),
            ("engine = \"tract\"", "engine = \"abacus\"", "unknown variant `abacus`"),
            ("open_s = 5.0", "open_s = nan", "door.open_s = NaN: between"),
            ("site = \"headquarters\"", "", "missing field `site`"),
            ("rate = 30", "rate = 300", "cameras.rgb.rate = 300: between 1 and 120 is allowed"),
        ] {
            assert!(SAMPLE.contains(from), "{from} is not in the sample");
            let error = parse(&SAMPLE.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains("doord.toml") && error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn the_documented_controls_of_a_camera_are_valid() {
        let section = SAMPLE.split("# [cameras.rgb.controls]").nth(1).unwrap().split("\n\n").next().unwrap();
        let controls =
            format!("[cameras.rgb.controls]{}\n\n[cameras.infrared]", section.replace("\n# ", "\n"));
        let text = SAMPLE.replacen("[cameras.infrared]", &controls, 1);
        let names: Vec<_> = parse(&text).unwrap().cameras.rgb.controls.into_keys().collect();
        let expected =
            ["auto_exposure", "backlight_compensation", "exposure_time_absolute", "power_line_frequency"];
        assert_eq!(names, expected);
        let wrong = parse(&text.replace("\nexposure_time_absolute = 150", "\ngain = 1.5")).unwrap_err();
        assert!(wrong.contains("doord.toml") && wrong.contains("a whole number"), "{wrong}");
    }

    #[test]
    fn the_documented_centre_is_valid_and_a_broken_one_is_named() {
        let section = section("#[centre]");
        let text = format!("{SAMPLE}\n{}", &section[1..]);
        let centre = parse(&text).unwrap().centre.unwrap();
        assert_eq!((centre.broker.host.as_str(), centre.broker.port), ("hub.example", 8883));
        for (from, to, expected) in [
            ("hub.example:8883", "hub.example", "centre.broker = \"hub.example\": a host and a port"),
            ("root = \"d", "root = \"x", "centre.root"),
            ("genesis = \"0", "genesis = \"", "centre.genesis"),
        ] {
            let error =
                parse(&text.replace(&format!("\n{from}"), &format!("\n{to}")).replace(from, to)).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
        }
        assert!(parse(SAMPLE).unwrap().centre.is_none(), "alone, as it comes");
    }

    #[test]
    fn h7_the_documented_api_is_valid_is_off_as_it_comes_and_has_no_open_door() {
        assert!(parse(SAMPLE).unwrap().api.is_none());
        let section = section("#[api]");
        let api = |from: &str, to: &str| {
            let changed = section[1..].replacen(from, to, 1);
            assert!(from.is_empty() || changed != section[1..], "{from} is not in the sample");
            parse(&format!("{SAMPLE}\n{changed}")).map(|config| config.api.unwrap())
        };
        let documented = api("", "").unwrap();
        assert_eq!(documented.socket.unwrap(), Path::new("/run/doorward/front-1.sock"));
        assert_eq!(documented.listen.unwrap().port(), 8471);
        for (from, to, expected) in [
            ("127.0.0.1:8471", "0.0.0.0:8471", "an address of the loopback interface"),
            ("127.0.0.1:8471", "192.0.2.1:8471", "an address of the loopback interface"),
            ("127.0.0.1:8471", "localhost", "an address of the loopback interface"),
            ("token_file", "#token_file", "name a file with the token"),
            ("\"/run/", "\"run/", "a path from the root on"),
            ("\"sessions\"", "\"everything\"", "unknown variant"),
        ] {
            let error = api(from, to).unwrap_err();
            assert!(error.contains("doord.toml") && error.contains(expected), "{to}: {error}");
        }
        let only = parse(&format!("{SAMPLE}\n[api]\n")).unwrap().api.unwrap();
        assert_eq!((only.listen, only.token), (None, None), "the socket alone");
        let may = only.allowed;
        assert!(may.sessions && !(may.detect || may.compare || may.search || may.reference));
    }

    #[test]
    fn h5_no_configuration_lowers_the_bar_below_its_floor() {
        for (from, to) in
            [("rgb_min = 0.5", "rgb_min = 0.0"), ("window_min = 60.0", "window_min = 1.0"), ("1e-4", "1.0")]
        {
            assert!(parse(&SAMPLE.replacen(from, to, 1)).is_err(), "{to} was accepted");
        }
    }

    #[test]
    fn hostile_files_are_refused_and_nothing_panics() {
        for text in ["", "\0\0\0", "[door", "site = 1", &"[a]\n".repeat(10_000)] {
            assert!(parse(text).is_err());
        }
        let missing = Config::read(Path::new("/nonexistent/doord.toml")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/doord.toml"));
    }
}
