//! `doorctl credential`: cards, PINs and QR codes of persons.

mod asking;

use std::io::Write;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use doorward_core::claim::{Holder, ONCE_LIFE_MAX_MS};
use doorward_core::credential::{Card, Credential as Shown};
use doorward_core::wiegand::format::Format;
use doorward_hal::qr::Drawing;
use doorward_protocol::audit::CredentialKind;
use doorward_protocol::contents;
use doorward_protocol::ids::PersonId;
use doorward_protocol::message::Text;
use doorward_protocol::roster::{Change, PersonSlot, Slot};
use doorward_store::{Store, StoreFault, new_token};
use jiff::Timestamp;
use serde::Serialize;

use crate::answer::{Answer, Stop};
use crate::place::{self, Place};
use crate::site::{ForSite, SealedForSite, SealedSite, Site};
use crate::text;

const ADD_ABOUT: &str = "Give a person a card, a PIN or a QR code.\n\n\
        What a credential is worth at a door, the door's [reader] section says: usually it is a claim, and the face of its \
        holder has to follow. With --roster it is given at all terminals of a site, under a number that is free there; a \
        terminal where somebody has the same leaves it out, on record. The store keeps a code that only this terminal's master key can make, so nothing here shows \
        a number again: write down what is lost otherwise. A PIN is asked for at the keyboard, or read as one line from \
        the standard input; it is never an argument.";

/// Give, show or take away credentials.
#[derive(Debug, Subcommand)]
pub enum Credential {
    /// Give a person a card, a PIN or a QR code.
    #[command(
        long_about = ADD_ABOUT,
        after_help = "Examples:\n  \
            doorctl credential add E-1042 --card 17:4711\n  \
            doorctl credential add E-1042 --card 123456 --format 37\n  \
            doorctl credential add E-1042 --pin\n  \
            doorctl credential add V-77 --qr --once --valid-until 2027-01-31T18:00:00+01:00\n  \
            doorctl credential add E-1042 --pin --roster hq.roster --by ada.key --seal-to opening.key.pub\n\n\
            Exit code: 0 given or signed, 2 refused (unknown person, taken, obvious), 1 fault."
    )]
    Add(Added),
    /// List a person's credentials; not what they are, which nobody can tell.
    #[command(
        after_help = "JSON: a list of objects with slot, kind, without_face, once, valid_until (RFC 3339 or null), \
        created.\n\nExample:\n  doorctl credential list E-1042 --json"
    )]
    List(Listed),
    /// Take a credential away.
    #[command(after_help = "Examples:\n  doorctl credential remove E-1042 0\n  \
        doorctl credential remove E-1042 0 --roster hq.roster --by ada.key\n\n\
        Exit code: 0 taken away or signed, 2 there is none, 1 fault.")]
    Remove(Removed),
}

/// Options of `add`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["card", "pin", "qr"]).required(true)))]
pub struct Added {
    /// The person.
    id: PersonId,
    /// A card: facility code and number, or the number where its format has no facility code.
    #[arg(long, value_name = "[FACILITY:]NUMBER", value_parser = card_numbers)]
    card: Option<CardNumbers>,
    /// The card's format: 26, 34, 37, 37-facility, or the name of one in the door's [reader] section.
    #[arg(long, value_name = "FORMAT", default_value = "26", requires = "card")]
    format: String,
    /// A PIN of 4 to 12 digits, asked for.
    #[arg(long)]
    pin: bool,
    /// A new QR code, drawn on the screen and never again.
    #[arg(long)]
    qr: bool,
    /// Good for one grant; the code ends after a day at the latest.
    #[arg(long, requires = "qr")]
    once: bool,
    /// First moment at which it is worth nothing, RFC 3339.
    #[arg(long, value_name = "TIME")]
    valid_until: Option<Timestamp>,
    /// Opens without a face where a door allows that: for people who gave no template.
    #[arg(long)]
    without_face: bool,
    #[command(flatten)]
    site: SealedForSite,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct Listed {
    /// The person.
    id: PersonId,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Options of `remove`.
#[derive(Debug, Args)]
pub struct Removed {
    /// The person.
    id: PersonId,
    /// The credential's number in the list.
    slot: u32,
    #[command(flatten)]
    site: ForSite,
}

/// What is printed on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CardNumbers {
    facility: Option<u64>,
    number: u64,
}

/// A credential as JSON tells it.
#[derive(Debug, Serialize)]
struct Told {
    slot: u32,
    kind: CredentialKind,
    without_face: bool,
    once: bool,
    valid_until: Option<String>,
    created: String,
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] for an unknown person or credential, and for one that is taken or obvious.
pub fn run(command: &Credential, place: &Place, out: &mut dyn Write) -> Answer {
    match command {
        Credential::Add(options) => match options.site.open()? {
            Some(site) => add_everywhere(options, site, out),
            None => add(options, place.open()?, out),
        },
        Credential::List(options) => list(options, place.open()?, out),
        Credential::Remove(options) => match options.site.open()? {
            Some(site) => remove_everywhere(options, site, out),
            None => remove(options, place.open()?, out),
        },
    }
}

fn add(options: &Added, mut store: Store, out: &mut dyn Write) -> Answer {
    let at = place::now();
    if store.person(&options.id).context("look the person up")?.is_none() {
        return Err(Stop::refused(format!("there is no person {}; enrol them first", options.id)));
    }
    let terms = Holder {
        person: options.id.clone(),
        slot: 0,
        without_face: options.without_face,
        once: options.once,
        created_ms: at.ms,
        valid_until_ms: valid_until(options, at.ms)?,
    };
    let shown = shown(options)?;
    let slot = match store.put_credential(&shown, &terms, at) {
        Ok(slot) => slot,
        Err(fault @ (StoreFault::CredentialTaken | StoreFault::TooMany { .. })) => {
            return Err(Stop::refused(fault));
        }
        Err(fault) => return Err(Stop::Fault(anyhow::Error::new(fault).context("store the credential"))),
    };
    store.close().context("close the store")?;
    draw(&shown, out)?;
    writeln!(out, "{} has a {} as credential {slot}", options.id, shown.kind().code())?;
    Ok(())
}

fn add_everywhere(options: &Added, mut site: SealedSite, out: &mut dyn Write) -> Answer {
    let person = &options.id;
    site.known(person)?;
    let valid_until_ms = valid_until(options, place::now().ms)?;
    let shown = shown(options)?;
    let numbers = site.free(person, Slot::Credential, 1)?;
    let number = numbers[0];
    let content = contents::Credential {
        shown: sealable(&shown),
        without_face: options.without_face,
        once: options.once,
        valid_until_ms,
    };
    let change = site.seal(person, number, &content)?;
    let said = format!("{person} has a {} as credential {number}", shown.kind().code());
    let dry = site.is_dry();
    site.sign(vec![change], &[said], out)?;
    // A code that was not signed opens nothing, and is better not seen.
    if dry { Ok(()) } else { draw(&shown, out) }
}

fn remove_everywhere(options: &Removed, mut site: Site, out: &mut dyn Write) -> Answer {
    let (person, number) = (options.id.clone(), options.slot);
    if !site.has(&person, Slot::Credential, number) {
        return Err(Stop::refused(format!("the roster has no credential {number} of {person}")));
    }
    let said = format!("credential {number} of {person} is taken away");
    let at = PersonSlot { person, slot: Slot::Credential, number };
    site.sign(vec![Change::PersonTake(at)], &[said], out)
}

/// What is shown, as the site's terminals read it.
fn sealable(shown: &Shown) -> contents::Shown {
    let written = shown.written();
    match shown {
        Shown::Card(Card { format, facility, number }) => {
            contents::Shown::Card { format: Text::cut(format), facility: *facility, number: *number }
        }
        Shown::Pin(_) => contents::Shown::Pin(written.to_vec()),
        Shown::Qr(_) => contents::Shown::Qr(written.to_vec()),
    }
}

fn draw(shown: &Shown, out: &mut dyn Write) -> Answer {
    if let Shown::Qr(token) = shown {
        let payload = token.payload();
        let drawing = Drawing::of(payload.as_bytes()).expect("a token fits a code");
        writeln!(out, "{}{}", drawing.as_text(), *payload)?;
    }
    Ok(())
}

fn shown(options: &Added) -> Answer<Shown> {
    if let Some(numbers) = options.card {
        return Ok(Shown::Card(card(&options.format, numbers)?));
    }
    if options.qr {
        return Ok(Shown::Qr(new_token()));
    }
    let pin = asking::pin()?;
    if pin.is_obvious() {
        return Err(Stop::refused("that PIN is among the first anybody tries; choose another"));
    }
    Ok(Shown::Pin(pin))
}

/// A card as the reader will tell it. Formats of one's own are known by name only, so their limits are not checked.
fn card(format: &str, CardNumbers { facility, number }: CardNumbers) -> Answer<Card> {
    let known = match format {
        "26" => Format::w26(),
        "34" => Format::w34(),
        "37" => Format::w37(),
        "37-facility" => Format::w37_facility(),
        own => return Ok(Card { format: own.to_owned(), facility, number }),
    };
    known.encode(facility, number).map_err(Stop::refused)?;
    Ok(Card { format: known.name().to_owned(), facility, number })
}

fn card_numbers(text: &str) -> Result<CardNumbers, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|e| format!("{text:?} is no number: {e}"));
    match text.split_once(':') {
        Some((facility, own)) => Ok(CardNumbers { facility: Some(number(facility)?), number: number(own)? }),
        None => Ok(CardNumbers { facility: None, number: number(text)? }),
    }
}

fn valid_until(options: &Added, now_ms: i64) -> Answer<Option<i64>> {
    let asked = options.valid_until.map(Timestamp::as_millisecond);
    if asked.is_some_and(|until| until <= now_ms) {
        return Err(Stop::Fault(anyhow::anyhow!("--valid-until lies in the past")));
    }
    let latest = now_ms.saturating_add(ONCE_LIFE_MAX_MS);
    match (options.once, asked) {
        (true, Some(until)) if until > latest => {
            Err(Stop::Fault(anyhow::anyhow!("a code for one time is valid for a day at most")))
        }
        (true, None) => Ok(Some(latest)),
        (_, asked) => Ok(asked),
    }
}

fn list(options: &Listed, mut store: Store, out: &mut dyn Write) -> Answer {
    let credentials = store.credentials_of(&options.id).context("read the person's credentials")?;
    let told = |stored: doorward_store::StoredCredential| Told {
        slot: stored.holder.slot,
        kind: stored.kind,
        without_face: stored.holder.without_face,
        once: stored.holder.once,
        valid_until: stored.holder.valid_until_ms.map(text::moment),
        created: text::moment(stored.holder.created_ms),
    };
    let credentials: Vec<_> = credentials.into_iter().map(told).collect();
    if options.json {
        return text::json(out, &credentials);
    }
    writeln!(
        out,
        "{:>4}  {:4}  {:12}  {:4}  {:<24}  created",
        "slot", "kind", "without face", "once", "valid until"
    )?;
    for Told { slot, kind, without_face, once, valid_until, created } in &credentials {
        let yes = |is: &bool| if *is { "yes" } else { "no" };
        let (alone, once, kind) = (yes(without_face), yes(once), kind.code());
        let until = valid_until.as_deref().unwrap_or("-");
        writeln!(out, "{slot:>4}  {kind:4}  {alone:12}  {once:4}  {until:<24}  {created}")?;
    }
    writeln!(out, "{} credentials", credentials.len())?;
    Ok(())
}

fn remove(options: &Removed, mut store: Store, out: &mut dyn Write) -> Answer {
    let seq = match store.remove_credential(&options.id, options.slot, place::now()) {
        Ok(seq) => seq,
        Err(fault @ StoreFault::NoSuchCredential { .. }) => return Err(Stop::refused(fault)),
        Err(fault) => return Err(Stop::Fault(anyhow::Error::new(fault).context("take the credential away"))),
    };
    store.close().context("close the store")?;
    writeln!(out, "credential {} of {} is taken away (audit record {seq})", options.slot, options.id)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_written_as_they_are_printed() {
        assert_eq!(card_numbers("17:4711").unwrap(), CardNumbers { facility: Some(17), number: 4711 });
        assert_eq!(card_numbers("123").unwrap(), CardNumbers { facility: None, number: 123 });
        for no in ["", "a:1", "1:2:3", "-1", "1:", "99999999999999999999"] {
            assert!(card_numbers(no).is_err(), "{no:?}");
        }
    }

    #[test]
    fn q5_a_card_is_given_with_its_facility_code_or_not_at_all() {
        let numbers = |facility, number| CardNumbers { facility, number };
        assert!(card("26", numbers(None, 4711)).is_err());
        assert!(card("26", numbers(Some(300), 1)).is_err());
        assert!(card("37", numbers(Some(1), 1)).is_err());
        assert_eq!(card("34", numbers(Some(300), 1)).unwrap().format, "h10306");
        assert_eq!(card("site-9", numbers(None, 1)).unwrap().format, "site-9");
    }
}
