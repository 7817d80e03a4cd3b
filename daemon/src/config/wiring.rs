//! What the file says of the door's wires: the relay, the inputs, the panel and the infrared light.

use std::path::Path;
use std::time::Duration;

use doorward_core::door::points::Patience;
use doorward_core::door::{self, OnTamper, Point};
use doorward_hal::gpio::inputs::{InputLine, InputsConfig};
use doorward_hal::gpio::line::{Active, OutputLine};
use doorward_hal::gpio::panel::PanelConfig;
use doorward_hal::gpio::relay::{RelayConfig, Wiring};
use serde::Deserialize;

use super::{Check, Config, ConfigError, from_toml, raw, text_of};

/// The part of a file that the lock needs. Whatever else stands there may be wrong: it must not keep a door open.
#[derive(Deserialize)]
struct LockAlone {
    relay: RelayConfig,
}

/// Reads the relay of a configuration, and nothing else of it.
///
/// # Errors
/// [`ConfigError`].
pub fn read_relay(file: &Path) -> Result<RelayConfig, ConfigError> {
    let alone: LockAlone = from_toml(&text_of(file)?, file)?;
    Check { file }.relay(alone.relay)
}

impl Check<'_> {
    pub(super) fn door(
        &self,
        raw: &raw::DoorSection,
        inputs: &raw::InputsSection,
    ) -> Result<door::Settings, ConfigError> {
        // Each line is debounced for itself, so a healthy pair may contradict itself for as long as that takes.
        let settle_min = (inputs.debounce_ms * 3).max(50);
        let settle = self.within("inputs.supervision_ms", inputs.supervision_ms, settle_min, 5000)?;
        let stuck = self.within("inputs.egress_stuck_s", inputs.egress_stuck_s, 5, 3600)?;
        Ok(door::Settings {
            contact: inputs.contact.is_some(),
            open_max: self.seconds("door.open_max_s", raw.open_max_s, 1.0, 120.0)?,
            held_after: self.seconds("door.held_open_s", raw.held_open_s, 5.0, 3600.0)?,
            patience: Patience {
                settle: Duration::from_millis(settle),
                stuck_after: Duration::from_secs(stuck),
            },
            on_tamper: match raw.on_tamper {
                raw::OnTamper::Report => OnTamper::Report,
                raw::OnTamper::Lockdown => OnTamper::Lockdown,
                raw::OnTamper::Erase => OnTamper::Erase,
            },
            ..door::Settings::default()
        })
    }

    pub(super) fn relay(&self, relay: RelayConfig) -> Result<RelayConfig, ConfigError> {
        let driver = relay.driver;
        if driver.built() {
            Ok(relay)
        } else {
            Err(self.refuse("relay.driver", driver.name(), driver.absence()))
        }
    }

    pub(super) fn inputs(&self, raw: raw::InputsSection) -> Result<InputsConfig, ConfigError> {
        let debounce = self.within("inputs.debounce_ms", raw.debounce_ms, 0, 500)?;
        let inputs = InputsConfig {
            contact: raw.contact,
            egress: raw.egress,
            fire: raw.fire,
            tamper: raw.tamper,
            power: raw.power_fail,
            debounce: Duration::from_millis(debounce),
        };
        for (point, input) in inputs.fitted() {
            let pair = input.supervision.as_ref().map_or(Ok(()), |pair| pair.check());
            pair.map_err(|why| self.refuse("inputs.*.supervision", format!("of {}", point.code()), why))?;
        }
        Ok(inputs)
    }

    pub(super) fn panel(&self, panel: PanelConfig) -> Result<PanelConfig, ConfigError> {
        self.within("panel.sound_max_s", panel.sound_max_s, 1, 600)?;
        Ok(panel)
    }
}

/// What a configuration means for the door's wires, a line each, with what the line is about.
#[must_use]
pub fn meaning(config: &Config) -> Vec<(&'static str, String)> {
    let mut lines = vec![("lock", lock_in_words(&config.relay))];
    for (point, input) in config.inputs.fitted() {
        lines.push((point.code(), input_in_words(point, input, config)));
    }
    for point in
        Point::ALL.into_iter().filter(|p| !config.inputs.fitted().iter().any(|(fitted, _)| fitted == p))
    {
        lines.push((point.code(), format!("not fitted: {}", missed(point))));
    }
    let outputs = [
        ("green", &config.panel.green),
        ("red", &config.panel.red),
        ("buzzer", &config.panel.buzzer),
        ("infrared", &config.emitter),
    ];
    for (name, output) in outputs {
        if let Some(OutputLine { line, active }) = output {
            let sound = match (name, config.panel.silent) {
                ("buzzer", true) => ", but silent".to_owned(),
                ("buzzer", false) => format!(", for at most {} s at a time", config.panel.sound_max_s),
                _ => String::new(),
            };
            lines.push((name, format!("line {line}, on when {}{sound}", level(*active))));
        }
    }
    lines
}

fn lock_in_words(relay: &RelayConfig) -> String {
    let RelayConfig { line, active, wiring, driver } = relay;
    let (when, without_power) = match wiring {
        Wiring::FailSecure => ("opens", "stays locked without power"),
        Wiring::FailSafe => ("holds", "opens without power"),
    };
    format!("line {line} by {}, {when} when {}; {without_power}", driver.name(), level(*active))
}

fn input_in_words(point: Point, input: &InputLine, config: &Config) -> String {
    let state = match point {
        Point::Contact => "open",
        Point::Egress => "pressed",
        Point::Fire => "alarm",
        Point::Tamper => "case open",
        Point::Power => "mains failed",
    };
    let watched = match &input.supervision {
        Some(pair) => format!("supervised with line {}", pair.line),
        None => "not supervised: a cut or bridged wire is taken for the switch".to_owned(),
    };
    let then = match (point, config.door.on_tamper) {
        (Point::Tamper, OnTamper::Lockdown) => "; then nobody is let in",
        (Point::Tamper, OnTamper::Erase) => "; then nobody is let in, and everybody is erased",
        (Point::Tamper, OnTamper::Report) => "; then it is reported",
        (Point::Contact | Point::Egress | Point::Fire | Point::Power, _) => "",
    };
    format!("line {}, {state} when {}{then}; {watched}", input.line, level(input.active))
}

/// What a terminal without this point cannot know.
const fn missed(point: Point) -> &'static str {
    match point {
        Point::Contact => "forced and held-open doors go unnoticed",
        Point::Egress => "everybody who leaves looks like a forced door, if there is a contact",
        Point::Fire => "everybody who flees looks like a forced door, if there is a contact",
        Point::Tamper => "an opened case goes unnoticed",
        Point::Power => "a failure of mains is noticed when the battery is empty",
    }
}

const fn level(active: Active) -> &'static str {
    match active {
        Active::High => "high",
        Active::Low => "low",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../doord.toml");

    fn parse(from: &str, to: &str) -> Result<Config, String> {
        assert!(SAMPLE.contains(from), "{from} is not in the sample");
        Config::parse(&SAMPLE.replacen(from, to, 1), Path::new("doord.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn what_the_wires_mean_is_said_in_words_and_what_is_missing_too() {
        let lines = meaning(&parse("", "").unwrap());
        let of =
            |name: &str| lines.iter().find(|(of, _)| *of == name).map(|(_, says)| says.as_str()).unwrap();
        assert_eq!(of("lock"), "line DOOR_RELAY by gpiocdev, opens when high; stays locked without power");
        assert!(of("contact").contains("open when high") && of("contact").contains("supervised with line"));
        assert!(of("tamper").contains("reported"));
        assert!(of("buzzer").ends_with("at most 120 s at a time"));
        assert!(of("infrared").contains("IR_LIGHT"));
        let bare = SAMPLE.split("[inputs]").next().unwrap();
        let bare = meaning(&Config::parse(bare, Path::new("doord.toml")).unwrap());
        assert_eq!(bare.iter().filter(|(_, says)| says.starts_with("not fitted")).count(), 5);
    }

    #[test]
    fn d2_wires_that_cannot_be_judged_are_refused_naming_the_key() {
        for (from, to, expected) in [
            (
                "supervision_ms = 300",
                "supervision_ms = 60",
                "inputs.supervision_ms = 60: between 90 and 5000",
            ),
            ("egress_stuck_s = 60", "egress_stuck_s = 1", "inputs.egress_stuck_s = 1: between 5"),
            ("debounce_ms = 30", "debounce_ms = 501", "inputs."),
            ("sound_max_s = 120", "sound_max_s = 0", "panel.sound_max_s = 0: between 1"),
            ("on_tamper = \"report\"", "on_tamper = \"panic\"", "unknown variant `panic`"),
            ("driver = \"gpiocdev\"", "driver = \"sysfs\"", "unknown variant `sysfs`"),
            ("second = \"rest\"", "second = \"cut\"", "inputs.*.supervision = of contact: one combination"),
        ] {
            let error = parse(from, to).unwrap_err();
            assert!(error.contains("doord.toml") && error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn a_driver_that_is_not_compiled_in_is_refused_with_the_way_to_get_it() {
        for name in ["linux_embedded_hal", "rppal"] {
            let config = parse("driver = \"gpiocdev\"", &format!("driver = \"{name}\""));
            match config {
                Ok(config) => assert!(config.relay.driver.built()),
                Err(told) => assert!(told.contains("relay.driver") && told.contains("--features"), "{told}"),
            }
        }
    }

    #[test]
    fn d4_the_lock_is_found_in_a_file_whose_every_other_part_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("doord.toml");
        let relay = "[relay]\nline = { name = \"LOCK\" }\nactive = \"low\"\nwiring = \"fail_safe\"\n";
        std::fs::write(&file, format!("site = 5\nnonsense = true\n{relay}")).unwrap();
        assert!(Config::read(&file).is_err());
        assert_eq!(read_relay(&file).unwrap().wiring, Wiring::FailSafe);
        std::fs::write(&file, "site = 5").unwrap();
        assert!(read_relay(&file).unwrap_err().to_string().contains("relay"));
    }
}
