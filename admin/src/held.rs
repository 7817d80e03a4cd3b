//! What a roster leaves in force, and what an entry would change of it: old against new, for whoever runs dry.

use std::collections::BTreeMap;

use doorward_protocol::contents::{self, Consent, Content, Credential, Record, Shown, Template};
use doorward_protocol::ids::PersonId;
use doorward_protocol::keys::KeyId;
use doorward_protocol::roster::{
    Change, Entry, PersonPut, PersonSlot, Setting, SettingName, SettingPut, Slot,
};
use doorward_protocol::sealing::OpeningKey;
use doorward_protocol::trust::Trust;

use crate::{consent, text};

/// Lines of a setting that are shown of each side.
const LINES_MAX: usize = 20;

/// What of persons and settings is in force, each with the number of the entry that put it.
#[derive(Default)]
pub struct Held {
    /// By person, kind and number.
    pub persons: BTreeMap<(PersonId, Slot, u32), (u64, PersonPut)>,
    settings: BTreeMap<(Setting, String), (u64, SettingPut)>,
}

impl Held {
    /// Follows an entry.
    pub fn follow(&mut self, seq: u64, entry: &Entry) {
        for change in &entry.changes {
            match change {
                Change::PersonPut(put) => drop(self.persons.insert(place(&put.at), (seq, put.clone()))),
                Change::PersonTake(at) => drop(self.persons.remove(&place(at))),
                Change::PersonErase(erase) => self.persons.retain(|(person, ..), _| *person != erase.person),
                Change::SettingPut(put) => drop(self.settings.insert(name(&put.at), (seq, put.clone()))),
                Change::SettingTake(at) => drop(self.settings.remove(&name(at))),
                Change::Delegate(_)
                | Change::Revoke(_)
                | Change::Succeed(_)
                | Change::Hand(_)
                | Change::SealTo(_) => {}
            }
        }
    }
}

/// Whoever looks at an entry before it is signed: with what is in force, and the keys that open it, if there are any.
pub struct View<'a> {
    /// What is in force.
    pub held: &'a Held,
    /// Whose word counts.
    pub trust: &'a Trust,
    /// What opens contents; nothing where they stay sealed.
    pub keys: &'a [OpeningKey],
}

impl View<'_> {
    /// What each change finds and leaves, line by line.
    #[must_use]
    pub fn compare(&self, changes: &[Change]) -> Vec<String> {
        changes.iter().flat_map(|change| self.lines(change)).collect()
    }

    fn lines(&self, change: &Change) -> Vec<String> {
        match change {
            Change::PersonPut(put) => {
                let now = self.put(self.held.persons.get(&place(&put.at)));
                pair(&slot(&put.at), &now, &self.content(put))
            }
            Change::PersonTake(at) => {
                pair(&slot(at), &self.put(self.held.persons.get(&place(at))), "nothing")
            }
            Change::PersonErase(erase) => {
                let own = self.held.persons.iter().filter(|((person, ..), _)| *person == erase.person);
                let lines =
                    own.flat_map(|(_, found)| pair(&slot(&found.1.at), &self.put(Some(found)), "nothing"));
                let lines: Vec<String> = lines.collect();
                let person = erase.person.as_str();
                if lines.is_empty() { pair(person, "nothing in this roster", "nothing") } else { lines }
            }
            Change::SettingPut(put) => self.setting(&put.at, &put.body.0),
            Change::SettingTake(at) => self.setting(at, b""),
            Change::Delegate(to) => {
                let roles = to.roles.iter().map(|role| format!("{role:?}").to_lowercase());
                pair(&key(&to.key.id()), &self.holder(&to.key.id()), &roles.collect::<Vec<_>>().join(", "))
            }
            Change::Revoke(revoke) => pair(&key(&revoke.key), &self.holder(&revoke.key), "revoked for ever"),
            Change::Succeed(_) => pair("root", &key(&self.trust.root().id()), "the key that is said above"),
            Change::Hand(_) | Change::SealTo(_) => Vec::new(),
        }
    }

    fn put(&self, found: Option<&(u64, PersonPut)>) -> String {
        match found {
            None => "nothing".to_owned(),
            Some((seq, put)) => format!("{} (entry {seq})", self.content(put)),
        }
    }

    /// What is sealed, where one of the keys opens it.
    fn content(&self, put: &PersonPut) -> String {
        let site = self.trust.site();
        match self.keys.iter().find_map(|key| key.open(site, put).ok()) {
            Some(bytes) => words(put, &bytes),
            None if self.keys.is_empty() => format!("{}; --open-with shows it", sealed(put)),
            None => format!("{}, to none of the keys of --open-with", sealed(put)),
        }
    }

    fn setting(&self, at: &SettingName, new: &[u8]) -> Vec<String> {
        let (setting, called) = name(at);
        let title = format!("{} {called:?}", format!("{setting:?}").to_lowercase());
        let (seq, old) = match self.held.settings.get(&(setting, called)) {
            Some((seq, put)) => (format!(" (now: entry {seq})"), put.body.0.as_slice()),
            None => (" (now: nothing)".to_owned(), &b""[..]),
        };
        let mut lines = vec![format!("  {title}{seq}")];
        match (std::str::from_utf8(old), std::str::from_utf8(new)) {
            (Ok(old), Ok(new)) => lines.extend(difference(old, new)),
            _ => lines.extend(pair("bytes", &old.len().to_string(), &new.len().to_string())),
        }
        lines
    }

    fn holder(&self, id: &KeyId) -> String {
        let found = self.trust.holders().find(|(delegation, _)| delegation.key.id() == *id);
        found.map_or_else(
            || "not known here".to_owned(),
            |(delegation, revoked)| {
                let roles = delegation.roles.iter().map(|role| format!("{role:?}").to_lowercase());
                let (roles, holder) =
                    (roles.collect::<Vec<_>>().join(", "), text::printable(&delegation.holder));
                format!("{holder}, {roles}{}", if revoked { ", revoked" } else { "" })
            },
        )
    }
}

fn place(at: &PersonSlot) -> (PersonId, Slot, u32) {
    (at.person.clone(), at.slot, at.number)
}

fn name(at: &SettingName) -> (Setting, String) {
    (at.setting, at.name.clone())
}

fn key(id: &KeyId) -> String {
    format!("key {id}")
}

fn slot(at: &PersonSlot) -> String {
    format!("{} {} of {}", format!("{:?}", at.slot).to_lowercase(), at.number, at.person)
}

fn pair(title: &str, now: &str, then: &str) -> Vec<String> {
    vec![format!("  {title}"), format!("    now   {now}"), format!("    then  {then}")]
}

fn sealed(put: &PersonPut) -> String {
    format!("sealed, {} bytes of form {}", put.sealed.0.len(), put.form)
}

/// A content for people, without any secret of it: no number, no PIN, no value.
fn words(put: &PersonPut, bytes: &[u8]) -> String {
    fn read<T: Content>(put: &PersonPut, bytes: &[u8], words: impl FnOnce(&T) -> String) -> String {
        let unreadable = |why| format!("{}: {why}", sealed(put));
        contents::read::<T>(put.form, bytes).map_or_else(unreadable, |content| words(&content))
    }
    let until = |ms: Option<i64>| ms.map_or_else(String::new, |ms| format!(", until {}", text::moment(ms)));
    match put.at.slot {
        Slot::Record => read::<Record>(put, bytes, |record| {
            let from =
                record.valid_from_ms.map_or_else(String::new, |ms| format!(", from {}", text::moment(ms)));
            let suspended = if record.suspended { ", suspended" } else { "" };
            let name = text::printable(record.name.as_str());
            format!("{name:?}{from}{}{suspended}", until(record.valid_until_ms))
        }),
        Slot::Template => read::<Template>(put, bytes, |template| {
            let source = text::printable(template.source.as_str());
            format!("{} values from {source}, {}", template.values().len(), text::moment(template.created_ms))
        }),
        Slot::Credential => read::<Credential>(put, bytes, |credential| {
            let kind = match credential.shown {
                Shown::Card { .. } => "a card",
                Shown::Pin(_) => "a PIN",
                Shown::Qr(_) => "a QR code",
            };
            let alone = if credential.without_face { ", without a face" } else { "" };
            let once = if credential.once { ", once" } else { "" };
            format!("{kind}{alone}{once}{}", until(credential.valid_until_ms))
        }),
        Slot::Consent => read::<Consent>(put, bytes, |agreed| {
            let [from, until] = [agreed.from_s, agreed.until_s].map(|s| text::moment(s.saturating_mul(1000)));
            format!("{}, from {from} until {until}", consent::says(agreed.purpose))
        }),
    }
}

/// The lines between which two texts differ.
fn difference(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[before..], &new[before..]);
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - behind], &new[..new.len() - behind]);
    if old.is_empty() && new.is_empty() {
        return vec!["    the same as now".to_owned()];
    }
    let side = |sign: char, lines: &[&str]| {
        let shown = lines.iter().take(LINES_MAX).map(|line| format!("    {sign} {}", text::printable(line)));
        let rest = lines.len().saturating_sub(LINES_MAX);
        let rest = (rest > 0).then(|| format!("    {sign} and {rest} lines more"));
        shown.chain(rest).collect::<Vec<_>>()
    };
    [side('-', old), side('+', new)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_are_compared_by_the_lines_between_which_they_differ() {
        let (old, new) = ("a\nb\nc\nd", "a\nx\ny\nd");
        assert_eq!(difference(old, new), ["    - b", "    - c", "    + x", "    + y"]);
        assert_eq!(difference(old, old), ["    the same as now"]);
        assert_eq!(difference("", "a"), ["    + a"]);
        let long: String = (0..50).map(|line| format!("{line}\n")).collect();
        let told = difference("", &long);
        assert_eq!((told.len(), told[LINES_MAX].as_str()), (LINES_MAX + 1, "    + and 30 lines more"));
    }
}
