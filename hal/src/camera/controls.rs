//! The controls of a camera, set from the configuration and read back. Read back, because drivers round and clamp in
//! silence, and because an automatic that is left on overrules what it rules.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// What can be set on a camera, as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    /// The kernel's number for it.
    #[serde(skip)]
    pub(crate) id: u32,
    /// What the configuration calls it: the driver's label in small letters, such as `exposure_time_absolute`.
    pub name: String,
    /// What the driver calls it.
    pub label: String,
    /// What it takes.
    pub kind: Kind,
    /// Smallest value.
    pub minimum: i64,
    /// Largest value.
    pub maximum: i64,
    /// Distance between values.
    pub step: u64,
    /// Value after the device was powered.
    pub default: i64,
    /// What it is now; none where the device does not say.
    pub value: Option<i64>,
    /// The entries of a menu.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Only the device changes it.
    pub read_only: bool,
    /// Without effect now, because another control rules, such as an automatic.
    pub inactive: bool,
    /// The device changes it by itself.
    pub volatile: bool,
}

/// What a control takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A number within a range.
    Number,
    /// On or off.
    Switch,
    /// One of some entries.
    Menu,
    /// Something that is done once; no setting.
    Button,
}

/// An entry of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its number.
    pub index: i64,
    /// What the driver calls it.
    pub label: String,
}

/// A value of the configuration: `true`, a number, or an entry of a menu by its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a control takes true, false, a whole number, or the text of a menu entry")]
pub enum Setting {
    /// On or off.
    Switch(bool),
    /// A number, or the number of an entry.
    Number(i64),
    /// The text of an entry.
    Choice(String),
}

/// The controls that the configuration sets, by name.
pub type Settings = BTreeMap<String, Setting>;

/// A device whose controls can be listed and changed.
pub(crate) trait Adjustable {
    /// All of them, with the values of this moment.
    fn controls(&self) -> io::Result<Vec<Control>>;

    /// Changes one by its number.
    fn adjust(&self, id: u32, value: i32) -> io::Result<()>;
}

/// Why the controls are not as the configuration wants them.
#[derive(Debug)]
pub(crate) enum Unset {
    /// The device has no such control or does not take the value.
    Refused(String),
    /// The system refused.
    System(String, io::Error),
}

/// Sets what the configuration names, and reads all of it back.
///
/// All names and values are checked before the first one is changed. Switches and menus go before numbers: they hold
/// the automatics, and a number is taken only once its automatic is off.
pub(crate) fn set(device: &impl Adjustable, settings: &Settings) -> Result<(), Unset> {
    if settings.is_empty() {
        return Ok(());
    }
    let offered = list(device)?;
    let mut planned = Vec::new();
    for (name, setting) in settings {
        let control = find(&offered, name).map_err(Unset::Refused)?;
        let value =
            control.value_of(setting).map_err(|why| Unset::Refused(format!("control {name} {why}")))?;
        planned.push((control, value));
    }
    planned.sort_by_key(|(control, _)| control.kind == Kind::Number);
    for (control, value) in &planned {
        let doing = || format!("set the control {} to {value}{}", control.name, control.ruled());
        device.adjust(control.id, *value).map_err(|source| Unset::System(doing(), source))?;
    }
    let now = list(device)?;
    for (control, value) in planned {
        let control = now.iter().find(|one| one.id == control.id).unwrap_or(control);
        control.holds(i64::from(value)).map_err(Unset::Refused)?;
    }
    Ok(())
}

fn list(device: &impl Adjustable) -> Result<Vec<Control>, Unset> {
    device.controls().map_err(|source| Unset::System("list the controls".to_owned(), source))
}

/// The control of that name; otherwise the names that exist.
fn find<'a>(offered: &'a [Control], name: &str) -> Result<&'a Control, String> {
    let mut named = offered.iter().filter(|control| control.name == name);
    match (named.next(), named.next()) {
        (Some(control), None) => Ok(control),
        (Some(_), Some(_)) => Err(format!("it has two controls that are called {name}; neither can be set")),
        (None, _) => {
            let names: Vec<_> = offered.iter().map(|control| control.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(format!("it has no control {name}; it has {names}"))
        }
    }
}

impl Control {
    /// The number that stands for a setting; otherwise the end of a sentence that begins with the control.
    fn value_of(&self, setting: &Setting) -> Result<i32, String> {
        if self.read_only {
            return Err("is read-only: take it out of the configuration".to_owned());
        }
        let value = match (self.kind, setting) {
            (Kind::Switch, Setting::Switch(on)) => Some(i64::from(*on)),
            (Kind::Number, Setting::Number(value)) => Some(*value).filter(|value| self.has(*value)),
            (Kind::Switch, Setting::Number(value)) => Some(*value).filter(|value| (0..=1).contains(value)),
            (Kind::Menu, Setting::Number(index)) => self.entry(|choice| choice.index == *index),
            (Kind::Menu, Setting::Choice(text)) => {
                self.entry(|choice| choice.label.eq_ignore_ascii_case(text.trim()))
            }
            (Kind::Button, _)
            | (Kind::Menu, Setting::Switch(_))
            | (Kind::Number | Kind::Switch, Setting::Choice(_))
            | (Kind::Number, Setting::Switch(_)) => None,
        };
        let value = value.and_then(|value| i32::try_from(value).ok());
        value.ok_or_else(|| format!("takes {}, not {setting}", self.takes()))
    }

    /// What it takes, in words.
    #[must_use]
    pub fn takes(&self) -> String {
        match self.kind {
            Kind::Number if self.step > 1 => {
                format!("{} to {} in steps of {}", self.minimum, self.maximum, self.step)
            }
            Kind::Number => format!("{} to {}", self.minimum, self.maximum),
            Kind::Switch => "true or false".to_owned(),
            Kind::Menu => {
                let entries = self.choices.iter().map(|choice| format!("{:?}", choice.label));
                entries.collect::<Vec<_>>().join(", ")
            }
            Kind::Button => "no value: it is a button".to_owned(),
        }
    }

    fn has(&self, value: i64) -> bool {
        let steps = value.abs_diff(self.minimum);
        (self.minimum..=self.maximum).contains(&value) && steps.is_multiple_of(self.step.max(1))
    }

    fn entry(&self, is_it: impl Fn(&Choice) -> bool) -> Option<i64> {
        self.choices.iter().find(|choice| is_it(choice)).map(|choice| choice.index)
    }

    /// What an error about it ends with.
    fn ruled(&self) -> &'static str {
        if self.inactive { ", which another control ruled: set its automatic as well" } else { "" }
    }

    /// Whether it reads what was set. One that the device moves by itself, or does not tell, is believed.
    fn holds(&self, wanted: i64) -> Result<(), String> {
        let name = &self.name;
        if self.inactive {
            return Err(format!(
                "control {name} is without effect, because another one rules it; set the automatic that does as well"
            ));
        }
        match self.value {
            Some(found) if found != wanted && !self.volatile => {
                Err(format!("control {name} reads {found} after {wanted} was set; leave it out"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Switch(on) => write!(f, "{on}"),
            Setting::Number(number) => write!(f, "{number}"),
            Setting::Choice(text) => write!(f, "{text:?}"),
        }
    }
}

/// The name of a label, as `v4l2-ctl` has it: small letters and digits, and one `_` for all between them.
pub(crate) fn name_of(label: &str) -> String {
    let words = label.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn control(id: u32, label: &str, kind: Kind, value: i64) -> Control {
        Control {
            id,
            name: name_of(label),
            label: label.to_owned(),
            kind,
            minimum: 0,
            maximum: 1,
            step: 1,
            default: 0,
            value: Some(value),
            choices: Vec::new(),
            read_only: false,
            inactive: false,
            volatile: false,
        }
    }

    /// A driver as the kernel has them: an automatic rules the exposure, and the gain is clamped in silence.
    struct Bench {
        controls: RefCell<Vec<Control>>,
        adjusted: RefCell<Vec<(u32, i32)>>,
        gain_max: i64,
    }

    const EXPOSURE: u32 = 1;
    const AUTO: u32 = 2;
    const GAIN: u32 = 3;

    fn bench() -> Bench {
        let entry = |index, label: &str| Choice { index, label: label.to_owned() };
        let exposure = Control {
            minimum: 3,
            maximum: 2043,
            step: 5,
            inactive: true,
            ..control(EXPOSURE, "Exposure Time, Absolute", Kind::Number, 333)
        };
        let auto = Control {
            maximum: 3,
            choices: vec![entry(1, "Manual Mode"), entry(3, "Aperture Priority Mode")],
            ..control(AUTO, "Auto Exposure", Kind::Menu, 3)
        };
        let gain = Control { maximum: 255, ..control(GAIN, "Gain", Kind::Number, 7) };
        let serial = Control { read_only: true, ..control(4, "Firmware Version", Kind::Number, 1) };
        let light = control(5, "IR Emitter", Kind::Switch, 0);
        let button = Control { value: None, ..control(6, "Restore", Kind::Button, 0) };
        let controls = RefCell::new(vec![exposure, auto, gain, serial, light, button]);
        Bench { controls, adjusted: RefCell::default(), gain_max: 255 }
    }

    impl Adjustable for Bench {
        fn controls(&self) -> io::Result<Vec<Control>> {
            Ok(self.controls.borrow().clone())
        }

        fn adjust(&self, id: u32, value: i32) -> io::Result<()> {
            let mut controls = self.controls.borrow_mut();
            let control = controls.iter_mut().find(|control| control.id == id).expect("a known control");
            if control.inactive {
                return Err(io::Error::from_raw_os_error(libc::EACCES));
            }
            let value = i64::from(value);
            control.value = Some(if id == GAIN { value.min(self.gain_max) } else { value });
            if id == AUTO {
                controls[0].inactive = value != 1;
            }
            self.adjusted.borrow_mut().push((id, i32::try_from(value).unwrap()));
            Ok(())
        }
    }

    fn settings<const N: usize>(wanted: [(&str, Setting); N]) -> Settings {
        wanted.into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect()
    }

    fn told<const N: usize>(bench: &Bench, wanted: [(&str, Setting); N]) -> String {
        match set(bench, &settings(wanted)).unwrap_err() {
            Unset::Refused(why) => why,
            Unset::System(doing, source) => format!("{doing}: {source}"),
        }
    }

    #[test]
    fn controls_are_set_automatics_first_and_by_name_number_or_text() {
        let bench = bench();
        let wanted = settings([
            ("exposure_time_absolute", Setting::Number(103)),
            ("auto_exposure", Setting::Choice("manual mode".into())),
            ("gain", Setting::Number(20)),
            ("ir_emitter", Setting::Switch(true)),
        ]);
        set(&bench, &wanted).unwrap();
        assert_eq!(*bench.adjusted.borrow(), [(AUTO, 1), (5, 1), (EXPOSURE, 103), (GAIN, 20)]);
        set(&bench, &settings([("auto_exposure", Setting::Number(3))])).unwrap();
        set(&bench, &Settings::new()).unwrap();
    }

    #[test]
    fn what_a_camera_does_not_take_is_refused_before_anything_is_changed() {
        let bench = bench();
        let gain = ("gain", Setting::Number(20));
        for (name, setting, expected) in [
            (
                "brillance",
                Setting::Number(1),
                "no control brillance; it has exposure_time_absolute, auto_exposure, gain",
            ),
            ("firmware_version", Setting::Number(2), "firmware_version is read-only"),
            ("gain", Setting::Number(256), "gain takes 0 to 255, not 256"),
            ("gain", Setting::Number(i64::MAX), "gain takes 0 to 255"),
            ("gain", Setting::Switch(true), "gain takes 0 to 255, not true"),
            ("exposure_time_absolute", Setting::Number(104), "takes 3 to 2043 in steps of 5, not 104"),
            ("auto_exposure", Setting::Number(2), "takes \"Manual Mode\", \"Aperture Priority Mode\", not 2"),
            ("auto_exposure", Setting::Choice("night".into()), "\"Aperture Priority Mode\", not \"night\""),
            ("ir_emitter", Setting::Number(2), "ir_emitter takes true or false, not 2"),
            ("restore", Setting::Switch(true), "it is a button"),
        ] {
            let told = told(&bench, [gain.clone(), (name, setting)]);
            assert!(told.contains(expected), "{told}");
        }
        assert!(bench.adjusted.borrow().is_empty());
    }

    #[test]
    fn what_does_not_read_back_is_refused() {
        let clamping = Bench { gain_max: 100, ..bench() };
        let gain = |value| [("gain", Setting::Number(value))];
        assert!(told(&clamping, gain(101)).contains("gain reads 100 after 101 was set"));
        set(&clamping, &settings(gain(100))).unwrap();
        clamping.controls.borrow_mut()[2].volatile = true;
        set(&clamping, &settings(gain(101))).unwrap();
        clamping.controls.borrow_mut()[2].inactive = true;
        clamping.controls.borrow_mut()[2].value = None;
        let told = told(&clamping, gain(101));
        assert!(told.contains("set the control gain to 101, which another control ruled"), "{told}");
    }

    #[test]
    fn an_automatic_that_stays_on_is_named_and_twins_cannot_be_set() {
        let bench = bench();
        let exposure = ("exposure_time_absolute", Setting::Number(103));
        assert!(told(&bench, [exposure]).contains("set its automatic as well"));
        let silent = bench.controls.borrow()[0].clone();
        assert!(silent.holds(333).unwrap_err().contains("without effect"), "a driver that does not refuse");
        let twin = bench.controls.borrow()[2].clone();
        bench.controls.borrow_mut().push(twin);
        assert!(told(&bench, [("gain", Setting::Number(1))]).contains("two controls"));
    }

    #[test]
    fn names_are_those_that_v4l2_ctl_shows() {
        assert_eq!(name_of("White Balance, Automatic"), "white_balance_automatic");
        assert_eq!(name_of("  Power Line Frequency "), "power_line_frequency");
        assert_eq!(name_of("50%"), "50");
    }
}
