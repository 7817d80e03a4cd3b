//! Alarms, faults and states that last are told in pairs: set once, cleared once, in this order. A terminal that starts
//! anew has cleared all of them.

use std::collections::{BTreeMap, BTreeSet};

use doorward_protocol::audit::What;

/// What is set by one door event and cleared by another.
const PAIRS: [(&str, &str); 6] = [
    ("forced", "forced_cleared"),
    ("held_open", "held_open_cleared"),
    ("fire", "fire_over"),
    ("lockdown", "lockdown_over"),
    ("tampered", "tamper_cleared"),
    ("power_failed", "power_restored"),
];

/// What is set now.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    set: BTreeSet<String>,
    told: BTreeMap<String, usize>,
}

impl Pairs {
    /// Follows one entry that was to be recorded, whether the disk took it or not.
    pub(crate) fn follow(&mut self, what: &What) {
        match what {
            What::Door(report) => {
                let event = report.event.as_str();
                *self.told.entry(event.to_owned()).or_default() += 1;
                if PAIRS.iter().any(|(set, _)| *set == event) {
                    self.mark(event, true);
                } else if let Some((set, _)) = PAIRS.iter().find(|(_, cleared)| *cleared == event) {
                    self.mark(set, false);
                }
            }
            What::Fault(report) => {
                let name = format!("fault of {}: {}", report.part, report.code);
                *self.told.entry(name.clone()).or_default() += 1;
                self.mark(&name, report.set);
            }
            What::Started(_)
            | What::Decided(_)
            | What::Released(_)
            | What::Enrolled(_)
            | What::Erased(_)
            | What::ErasedEverybody(_)
            | What::ClockJumped(_)
            | What::Stopped(_)
            | What::Credential(_)
            | What::Pictured(_)
            | What::Asked(_)
            | What::Skipped(_) => {}
        }
    }

    /// A terminal starts.
    pub(crate) fn start(&mut self) {
        self.set.clear();
    }

    /// How often something was told in all lives.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.told.get(name).copied().unwrap_or_default()
    }

    /// How often any fault of the door's wiring was set or cleared.
    pub(crate) fn wiring_faults(&self) -> usize {
        let of_wiring = |name: &&String| ["cut", "short", "stuck"].iter().any(|code| name.ends_with(code));
        self.told.keys().filter(of_wiring).map(|name| self.told[name]).sum()
    }

    /// What is still set.
    pub(crate) fn open(&self) -> Vec<&str> {
        self.set.iter().map(String::as_str).collect()
    }

    fn mark(&mut self, name: &str, set: bool) {
        let news = if set { self.set.insert(name.to_owned()) } else { self.set.remove(name) };
        let word = if set { "set" } else { "cleared" };
        assert!(news, "d3: {name} was {word} a second time");
    }
}
