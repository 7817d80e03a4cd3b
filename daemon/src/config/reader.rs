//! `[reader]`: what a door asks for beside a face, and what reads it.

use std::time::Duration;

use doorward_core::calibration::FMR_MAX;
use doorward_core::claim::{Mode, Terms};
use doorward_core::wiegand::format::{Format, FormatError, Parity, Span};
use doorward_core::wiegand::keypad::Keypad;
use doorward_core::wiegand::reader::{Reader, Settings};
use doorward_core::wiegand::receiver::Spacing;
use doorward_hal::gpio::inputs::InputLine;
use doorward_hal::gpio::wiegand::WiegandConfig;
use serde::Deserialize;

use super::{Check, ConfigError};

/// The same card again within this time is the same presentation: readers repeat a card that is held to them up to twice
/// a second.
const SAME_WITHIN: Duration = Duration::from_secs(2);
/// Keys further apart than this do not belong together.
const TYPED_WITHIN: Duration = Duration::from_secs(10);

/// What reads credentials.
#[derive(Debug, Clone)]
pub struct ReaderConfig {
    /// The wires of a card reader and how they are understood.
    pub wires: Option<(WiegandConfig, Settings)>,
    /// Whether QR codes are read from the colour camera.
    pub qr: bool,
}

/// The section as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReaderSection {
    mode: RawMode,
    max_fmr: f64,
    claim_s: f64,
    without_face: bool,
    zero: Option<InputLine>,
    one: Option<InputLine>,
    formats: Vec<RawFormat>,
    keypad: Option<u8>,
    qr: bool,
}

impl Default for ReaderSection {
    fn default() -> Self {
        let terms = Terms::default();
        Self {
            mode: RawMode::Face,
            max_fmr: terms.max_fmr,
            claim_s: terms.life.as_secs_f64(),
            without_face: terms.without_face,
            zero: None,
            one: None,
            formats: vec![RawFormat::Known("26".into())],
            keypad: None,
            qr: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawMode {
    Face,
    CardAndFace,
    PinAndFace,
    FaceOrCardAndFace,
}

/// A known format by its number of bits, or one of one's own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawFormat {
    Known(String),
    Own(OwnFormat),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnFormat {
    name: String,
    bits: u8,
    facility: Option<[u8; 2]>,
    number: [u8; 2],
    #[serde(default)]
    parity: Vec<RawParity>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParity {
    at: u8,
    kind: RawKind,
    over: Vec<[u8; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Even,
    Odd,
}

impl RawFormat {
    fn check(&self) -> Result<Format, String> {
        match self {
            RawFormat::Known(name) => match name.as_str() {
                "26" => Ok(Format::w26()),
                "34" => Ok(Format::w34()),
                "37" => Ok(Format::w37()),
                "37-facility" => Ok(Format::w37_facility()),
                other => Err(format!(
                    "{other:?} is none of \"26\", \"34\", \"37\" and \"37-facility\"; write another format as \
                     {{ name, bits, facility, number, parity }}"
                )),
            },
            RawFormat::Own(own) => own.check().map_err(|e| e.to_string()),
        }
    }
}

impl OwnFormat {
    fn check(&self) -> Result<Format, FormatError> {
        let span = |[first, last]: &[u8; 2]| -> Span { *first..=*last };
        let parity = |raw: &RawParity| Parity {
            at: raw.at,
            odd: raw.kind == RawKind::Odd,
            over: raw.over.iter().map(span).collect(),
        };
        let parities = self.parity.iter().map(parity).collect();
        Format::new(&self.name, self.bits, parities, self.facility.as_ref().map(span), span(&self.number))
    }
}

impl Check<'_> {
    pub(super) fn terms(&self, section: Option<&ReaderSection>) -> Result<Terms, ConfigError> {
        let Some(section) = section else { return Ok(Terms::default()) };
        Ok(Terms {
            mode: match section.mode {
                RawMode::Face => Mode::Face,
                RawMode::CardAndFace => Mode::CardAndFace,
                RawMode::PinAndFace => Mode::PinAndFace,
                RawMode::FaceOrCardAndFace => Mode::FaceOrCardAndFace,
            },
            max_fmr: self.within("reader.max_fmr", section.max_fmr, 1e-9, FMR_MAX)?,
            life: self.seconds("reader.claim_s", section.claim_s, 5.0, 60.0)?,
            without_face: section.without_face,
        })
    }

    pub(super) fn reader(&self, section: &ReaderSection) -> Result<ReaderConfig, ConfigError> {
        let wires = match (&section.zero, &section.one) {
            (Some(zero), Some(one)) if [zero, one].iter().any(|wire| wire.supervision.is_some()) => {
                let why = "a reader's wires carry pulses, which nothing can supervise";
                return Err(self.refuse("reader", "supervision", why));
            }
            (Some(zero), Some(one)) => {
                let settings = self.reading(section)?;
                Some((WiegandConfig { zero: zero.clone(), one: one.clone() }, settings))
            }
            (None, None) => None,
            (Some(_), None) => return Err(self.refuse("reader.one", "nothing", "name both wires")),
            (None, Some(_)) => return Err(self.refuse("reader.zero", "nothing", "name both wires")),
        };
        let cards = wires.is_some() || section.qr;
        let allowed = match section.mode {
            RawMode::Face if !section.without_face => {
                "with this mode no credential means anything: choose another, take the section away, or allow \
                 credentials that open without a face with without_face = true"
            }
            RawMode::CardAndFace | RawMode::FaceOrCardAndFace if !cards => {
                "nothing reads cards: name the wires (zero, one), or set qr = true"
            }
            RawMode::PinAndFace if wires.is_none() || section.keypad.is_none() => {
                "nothing reads PINs: name the wires (zero, one) and keypad = 4 or 8"
            }
            RawMode::Face | RawMode::CardAndFace | RawMode::PinAndFace | RawMode::FaceOrCardAndFace => {
                return Ok(ReaderConfig { wires, qr: section.qr });
            }
        };
        Err(self.refuse("reader.mode", format!("{:?}", section.mode), allowed))
    }

    fn reading(&self, section: &ReaderSection) -> Result<Settings, ConfigError> {
        let formats = section.formats.iter().map(RawFormat::check).collect::<Result<Vec<_>, _>>();
        let formats = formats.map_err(|why| self.refuse("reader.formats", "a format", why))?;
        let keypad = match section.keypad {
            None => None,
            Some(4) => Some(Keypad::Four),
            Some(8) => Some(Keypad::Eight),
            Some(bits) => return Err(self.refuse("reader.keypad", bits, "4 or 8 bits a key are allowed")),
        };
        let settings = Settings {
            formats,
            keypad,
            spacing: Spacing::default(),
            same_within: SAME_WITHIN,
            typed_within: TYPED_WITHIN,
        };
        Reader::new(settings.clone()).map_err(|e| self.refuse("reader.formats", "two of one length", e))?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    const SAMPLE: &str = include_str!("../../doord.toml");
    const WIRES: &str = "zero = { line = { name = \"D0\" }, active = \"low\", bias = \"up\" }\n\
                         one = { line = { name = \"D1\" }, active = \"low\", bias = \"up\" }\n";

    fn parse(section: &str) -> Result<Config, String> {
        let text = format!("{SAMPLE}\n[reader]\n{section}");
        Config::parse(&text, Path::new("doord.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_door_without_the_section_asks_for_a_face_alone() {
        let config = Config::parse(SAMPLE, Path::new("doord.toml")).unwrap();
        assert!(config.reader.is_none());
        assert_eq!(config.rules.terms, Terms::default());
        assert!(!config.rules.terms.mode.needs_claim() && !config.rules.terms.without_face);
    }

    #[test]
    fn cards_pins_and_codes_are_fitted_as_the_section_says() {
        let own = "formats = [\"34\", { name = \"site-9\", bits = 33, facility = [1, 12], number = [13, 31], \
                   parity = [{ at = 0, kind = \"even\", over = [[1, 16]] }, { at = 32, kind = \"odd\", over = [[16, 31]] }] }]";
        let config = parse(&format!("mode = \"pin_and_face\"\nkeypad = 8\n{own}\n{WIRES}")).unwrap();
        let (_, settings) = config.reader.unwrap().wires.unwrap();
        let names: Vec<_> = settings.formats.iter().map(Format::name).collect();
        assert_eq!((names, settings.keypad), (vec!["h10306", "site-9"], Some(Keypad::Eight)));
        assert_eq!(config.rules.terms.mode, Mode::PinAndFace);

        let config = parse("mode = \"face_or_card_and_face\"\nqr = true\nclaim_s = 30.0").unwrap();
        let reader = config.reader.unwrap();
        assert!(reader.qr && reader.wires.is_none());
        assert_eq!(config.rules.terms.life, Duration::from_secs(30));
        assert!(parse(&format!("without_face = true\n{WIRES}")).unwrap().rules.terms.without_face);
    }

    #[test]
    fn the_documented_section_is_valid() {
        let (_, section) =
            SAMPLE.split_once("#[reader]\n").expect("the sample has the section, commented out");
        let lines = section.lines().map_while(|line| line.strip_prefix('#'));
        let config = parse(&lines.collect::<Vec<_>>().join("\n")).unwrap();
        let reader = config.reader.unwrap();
        assert!(reader.qr && reader.wires.is_some());
        assert_eq!(config.rules.terms, Terms { mode: Mode::CardAndFace, ..Terms::default() });
    }

    #[test]
    fn broken_readers_are_refused_naming_the_key() {
        for (section, expected) in [
            (String::new(), "reader.mode = Face: with this mode no credential means anything"),
            ("mode = \"card_and_face\"".into(), "reader.mode = CardAndFace: nothing reads cards"),
            (format!("mode = \"pin_and_face\"\n{WIRES}"), "nothing reads PINs"),
            ("mode = \"card\"".into(), "unknown variant `card`"),
            (format!("mode = \"card_and_face\"\nmax_fmr = 0.1\n{WIRES}"), "reader.max_fmr = 0.1: between"),
            (format!("mode = \"card_and_face\"\nclaim_s = 600.0\n{WIRES}"), "reader.claim_s = 600: between"),
            (format!("mode = \"card_and_face\"\nkeypad = 6\n{WIRES}"), "reader.keypad = 6: 4 or 8"),
            (format!("mode = \"card_and_face\"\nformats = [\"25\"]\n{WIRES}"), "\"25\" is none of"),
            (format!("mode = \"card_and_face\"\nformats = [\"37\", \"37-facility\"]\n{WIRES}"), "both have 37"),
            (
                format!(
                    "mode = \"card_and_face\"\nformats = [{{ name = \"x\", bits = 26, number = [1, 24] }}]\n{WIRES}"
                ),
                "bit 0 has to be exactly one of parity",
            ),
            ("mode = \"card_and_face\"\none = { line = { name = \"D1\" }, active = \"low\", bias = \"up\" }".into(), "reader.zero"),
        ] {
            let error = parse(&section).unwrap_err();
            assert!(error.contains("doord.toml") && error.contains(expected), "{section}: {error}");
        }
    }
}
