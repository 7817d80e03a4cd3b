//! `[liveness]` and `[emitter]`: what must speak for life, and what follows from the sensors that are fitted.

use doorward_core::liveness::{self, Asks, Fitted, Level, Mirrors, Policy};
use doorward_hal::camera::fitted::Cameras;
use doorward_hal::gpio::line::{Active, Line, OutputLine};
use doorward_hal::gpio::panel::PanelConfig;
use serde::Deserialize;

use super::{Check, Config, ConfigError, raw};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LivenessSection {
    pub(super) level: LevelName,
    pub(super) challenge: AsksName,
    pub(super) frames: u8,
    pub(super) rgb_min: f32,
    pub(super) window_min: f32,
    pub(super) glint: GlintName,
    /// What once stood for the level `convenience`; refused with the way on.
    rgb_alone: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LevelName {
    Convenience,
    Standard,
    High,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AsksName {
    Never,
    WhenUnsure,
    Always,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GlintName {
    Off,
    Required,
    OrMovement,
}

impl Default for LivenessSection {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            level: LevelName::Standard,
            challenge: AsksName::Never,
            frames: 3,
            rgb_min: policy.rgb_min,
            window_min: policy.window_min,
            glint: GlintName::Off,
            rgb_alone: None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitterSection {
    line: Line,
    active: Active,
    /// Whether it follows a random pattern that faces have to follow too.
    #[serde(default)]
    pub(super) challenge: bool,
}

impl EmitterSection {
    /// The line by itself.
    pub(super) fn output(&self) -> OutputLine {
        OutputLine { line: self.line.clone(), active: self.active }
    }
}

impl Check<'_> {
    /// What is asked of the evidence. What this terminal's sensors can never give is refused here, not at the door.
    pub(super) fn liveness(&self, raw: &raw::RawConfig, cameras: &Cameras) -> Result<Policy, ConfigError> {
        let section = &raw.liveness;
        if let Some(old) = section.rgb_alone {
            let allowed = "is no longer a key; say level = \"convenience\" to accept a terminal with nothing but a \
                colour camera, level = \"standard\" or \"high\" to ask for more";
            return Err(self.refuse("liveness.rgb_alone", old, allowed));
        }
        let challenge = raw.emitter.as_ref().is_some_and(|emitter| emitter.challenge);
        if challenge && cameras.infrared.is_none() {
            let allowed =
                "only an infrared camera sees whether a face follows the light; fit [cameras.infrared]";
            return Err(self.refuse("emitter.challenge", true, allowed));
        }
        let (glint, said) = match section.glint {
            GlintName::Off => (Mirrors::Off, "\"off\""),
            GlintName::Required => (Mirrors::Required, "\"required\""),
            GlintName::OrMovement => (Mirrors::OrMovement, "\"or_movement\""),
        };
        if glint != Mirrors::Off && cameras.infrared.is_none() {
            let allowed = "only an infrared camera sees the light in somebody's eyes; fit [cameras.infrared]";
            return Err(self.refuse("liveness.glint", said, allowed));
        }
        let policy = Policy {
            level: match section.level {
                LevelName::Convenience => Level::Convenience,
                LevelName::Standard => Level::Standard,
                LevelName::High => Level::High,
            },
            fitted: Fitted { infrared: cameras.infrared.is_some(), depth: cameras.depth.is_some() },
            rgb_min: self.within("liveness.rgb_min", section.rgb_min, 0.3, 0.99)?,
            window_min: self.within("liveness.window_min", section.window_min, 50.0, 99.0)?,
            depth_fov: cameras.depth_fov,
            emitter: challenge,
            asks: match section.challenge {
                AsksName::Never => Asks::Never,
                AsksName::WhenUnsure => Asks::WhenUnsure,
                AsksName::Always => Asks::Always,
            },
            glint,
        };
        self.is_told(&policy, &raw.panel)?;
        match policy.lacks() {
            None => Ok(policy),
            Some(lack) => {
                let level = policy.level.code();
                let allowed = format!(
                    "this terminal lacks {lack}; fit it, or accept the risk of a lower level (convenience takes \
                     colour alone)"
                );
                Err(self.refuse("liveness.level", format!("{level:?}"), allowed))
            }
        }
    }

    /// Whoever is asked to move has to learn of it.
    fn is_told(&self, policy: &Policy, panel: &PanelConfig) -> Result<(), ConfigError> {
        let heard = panel.buzzer.is_some() && !panel.silent;
        if !policy.may_ask() || heard || panel.green.is_some() && panel.red.is_some() {
            return Ok(());
        }
        let (key, value, instead) = match policy.asks {
            Asks::Never => ("liveness.glint", "\"or_movement\"", "\"off\" or \"required\""),
            Asks::WhenUnsure => ("liveness.challenge", "\"when_unsure\"", "\"never\""),
            Asks::Always => ("liveness.challenge", "\"always\"", "\"never\""),
        };
        let allowed = format!(
            "nobody would learn what is asked; fit both lamps or the buzzer of [panel], or say {instead}"
        );
        Err(self.refuse(key, value, allowed))
    }
}

/// What a configuration asks for as proof of life, a line each.
#[must_use]
pub fn meaning(config: &Config) -> Vec<String> {
    let Policy { level, fitted, emitter, asks, glint, .. } = config.liveness;
    let sensors = match (fitted.infrared, fitted.depth) {
        (true, true) => "colour, infrared and depth must agree",
        (true, false) => "colour and infrared must agree",
        (false, true) => "colour and depth must agree",
        (false, false) => "colour alone decides: a good photograph may pass, and every record says so",
    };
    let mut lines = vec![format!("{}: {sensors}, over {} frames", level.code(), config.attempt.window)];
    if emitter {
        lines.push(
            "the infrared light follows a random pattern, and the face must follow it: about a second more"
                .into(),
        );
    }
    if glint != Mirrors::Off {
        let instead = match glint {
            Mirrors::Off | Mirrors::Required => "people have to come near enough",
            Mirrors::OrMovement => "whoever's do not within two seconds is asked for movements instead",
        };
        let near = format!(
            "the eyes must mirror the infrared light, with {} pixels between them in the infrared picture: the emitter \
             has to be beside that lens, and {instead}",
            liveness::glint::EYES_MIN
        );
        lines.push(near);
    }
    let when = match (asks, level) {
        (Asks::Never, _) => None,
        (Asks::WhenUnsure, Level::Convenience | Level::Standard) => Some("where the evidence is weak"),
        (Asks::WhenUnsure, Level::High) | (Asks::Always, _) => Some("each time"),
    };
    if let Some(when) = when {
        let instead = match config.rules.terms.mode.needs_claim() {
            true => "the credential that is shown first answers in its place",
            false => "a card or PIN answers in its place where the door has a reader",
        };
        lines.push(format!(
            "the person is asked to smile, to turn the head and perhaps for one movement more, {when}; {instead}"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SAMPLE: &str = include_str!("../../doord.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("doord.toml")).map_err(|e| e.to_string())
    }

    /// The sample without a section, up to the next one.
    fn without(text: &str, section: &str, next: &str) -> String {
        let (before, after) = text.split_once(section).expect(section);
        format!("{before}{next}{}", after.split_once(next).expect(next).1)
    }

    #[test]
    fn p9_a_level_that_the_sensors_can_never_give_is_refused_at_the_start() {
        let level = |level: &str| SAMPLE.replacen("level = \"standard\"", &format!("level = \"{level}\""), 1);
        assert_eq!(parse(SAMPLE).unwrap().liveness.level, Level::Standard);
        let high = parse(&level("high")).unwrap_err();
        assert!(high.contains("liveness.level = \"high\": this terminal lacks a movement"), "{high}");
        let pattern = level("high").replacen("challenge = false", "challenge = true", 1);
        let masks = parse(&pattern).unwrap_err();
        assert!(masks.contains("challenge = \"always\"") && masks.contains("rigid mask"), "{masks}");
        let moved = level("high").replacen("challenge = \"never\"", "challenge = \"when_unsure\"", 1);
        let moving = parse(&moved).unwrap();
        assert_eq!(moving.liveness.asks, Asks::WhenUnsure);
        let told = meaning(&moving).join(" ");
        assert!(told.contains("asked to smile") && told.contains("each time"), "{told}");
        let flat = without(&moved, "[cameras.depth]", "# Lines by the name");
        assert!(parse(&flat).unwrap_err().contains("lacks a depth camera"));
        let alone = without(
            &without(SAMPLE, "[cameras.depth]", "# Lines by the name"),
            "[cameras.infrared]",
            "# Lines by",
        );
        assert!(parse(&alone).unwrap_err().contains("lacks an infrared or a depth camera"));
        let convenience = alone.replacen("level = \"standard\"", "level = \"convenience\"", 1);
        let told = meaning(&parse(&convenience).unwrap());
        assert!(told[0].starts_with("convenience: colour alone decides"), "{told:?}");
    }

    #[test]
    fn the_old_key_says_what_to_write_instead() {
        let old = SAMPLE.replacen("level = \"standard\"", "rgb_alone = true", 1);
        let error = parse(&old).unwrap_err();
        assert!(
            error.contains("liveness.rgb_alone = true") && error.contains("level = \"convenience\""),
            "{error}"
        );
    }

    #[test]
    fn nobody_is_asked_for_what_nobody_is_told() {
        let asks = SAMPLE.replacen("challenge = \"never\"", "challenge = \"always\"", 1);
        assert_eq!(meaning(&parse(&asks).unwrap()).len(), 2);
        let silent = asks.replacen("silent = false", "silent = true", 1);
        assert!(parse(&silent).is_ok(), "by its lamps");
        let dark = silent.replacen("red = { line", "#", 1);
        assert!(parse(&dark).unwrap_err().contains("nobody would learn what is asked"));
        let blind = without(SAMPLE, "[cameras.infrared]", "[cameras.depth]");
        let pattern = blind.replacen("challenge = false", "challenge = true", 1);
        assert!(parse(&pattern).unwrap_err().contains("emitter.challenge = true: only an infrared camera"));
    }

    #[test]
    fn p6_the_glint_of_eyes_is_asked_for_where_the_file_says_so_and_a_camera_can_see_it() {
        assert_eq!(parse(SAMPLE).unwrap().liveness.glint, Mirrors::Off);
        let asked = SAMPLE.replacen("glint = \"off\"", "glint = \"required\"", 1);
        let config = parse(&asked).unwrap();
        assert_eq!(config.liveness.glint, Mirrors::Required);
        assert!(meaning(&config)[1].contains("57 pixels"));
        let instead = SAMPLE.replacen("glint = \"off\"", "glint = \"or_movement\"", 1);
        let config = parse(&instead).unwrap();
        assert_eq!(config.liveness.glint, Mirrors::OrMovement);
        assert!(meaning(&config)[1].contains("movements instead"));
        let silent = instead.replacen("silent = false", "silent = true", 1).replacen("red = { line", "#", 1);
        let untold = parse(&silent).unwrap_err();
        assert!(untold.contains("liveness.glint = \"or_movement\": nobody would learn"), "{untold}");
        let blind = without(&asked, "[cameras.infrared]", "[cameras.depth]");
        assert!(
            parse(&blind).unwrap_err().contains("liveness.glint = \"required\": only an infrared camera")
        );
    }
}
