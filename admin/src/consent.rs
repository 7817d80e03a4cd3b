//! `doorctl consent`: what persons agree to beside being recognised, signed for all terminals of a site.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use doorward_protocol::contents::{self, CONSENT_TERM_MAX_S, Purpose};
use doorward_protocol::ids::PersonId;
use doorward_protocol::roster::{Change, PersonSlot, Slot};
use jiff::Timestamp;

use crate::answer::{Answer, Stop};
use crate::keys::{Looking, Signing, now_s};
use crate::site::Site;
use crate::text;

/// Consents of persons: to what, and until when.
#[derive(Debug, Subcommand)]
#[command(after_help = "Without a consent no terminal keeps a picture of anybody:\n  \
    doorctl consent put --roster hq.roster --by ada.key --seal-to opening.key.pub --purpose picture \
    --until 2027-01-31T18:00:00+01:00 E-1042\n  \
    doorctl consent withdraw --roster hq.roster --by ada.key --purpose picture E-1042")]
pub enum Consent {
    /// Put on the roster what a person agreed to.
    #[command(
        after_help = "Ask the person first, and keep what they signed. The consent counts from --from until --until, a year \
        at most, on terminals that know the time; then it ends by itself, and before that with `consent withdraw` or with the \
        person. Put again it takes the place of the one before.\n\n\
        Example:\n  doorctl consent put --roster hq.roster --by ada.key --seal-to opening.key.pub --purpose picture \
        --until 2027-01-31T18:00:00+01:00 E-1042\n\n\
        Exit code: 0 signed, 2 unknown person or the key that signs may not, 1 fault."
    )]
    Put(Put),
    /// Take off the roster what a person agreed to no longer.
    #[command(
        after_help = "Each terminal lets go of what it keeps by that consent as soon as it follows the entry.\n\n\
        Example:\n  doorctl consent withdraw --roster hq.roster --by ada.key --purpose picture E-1042\n\n\
        Exit code: 0 signed, 2 there is none or the key that signs may not, 1 fault."
    )]
    Withdraw(Withdraw),
}

/// Options of `put`.
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    looking: Looking,
    /// The sealing key of the site's terminals: its file, or the 64 digits; not needed once the roster says it.
    #[arg(long, value_name = "KEY")]
    seal_to: Option<String>,
    /// To what.
    #[arg(long)]
    purpose: Word,
    /// First moment, RFC 3339; without it, now.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// First moment at which it does not count any more, RFC 3339; a year after --from at most.
    #[arg(long, value_name = "TIME")]
    until: Timestamp,
    /// Whose.
    person: PersonId,
}

/// Options of `withdraw`.
#[derive(Debug, Args)]
pub struct Withdraw {
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    looking: Looking,
    /// What is not agreed to any more.
    #[arg(long)]
    purpose: Word,
    /// Whose.
    person: PersonId,
}

/// What can be agreed to, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Word {
    /// Pictures of the person may be taken on order.
    Picture,
}

impl Word {
    fn purpose(self) -> Purpose {
        match self {
            Word::Picture => Purpose::Picture,
        }
    }
}

/// What a consent is to, for people.
#[must_use]
pub fn says(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Picture => "pictures on order",
    }
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] for a person whom the roster does not know, and where the key may not sign.
pub fn run(command: &Consent, out: &mut dyn Write) -> Answer {
    match command {
        Consent::Put(options) => put(options, out),
        Consent::Withdraw(options) => withdraw(options, out),
    }
}

fn put(options: &Put, out: &mut dyn Write) -> Answer {
    let purpose = options.purpose.purpose();
    let now_s = now_s();
    let (from_s, until_s) = (options.from.map_or(now_s, Timestamp::as_second), options.until.as_second());
    check_term(from_s, until_s, now_s)?;
    let person = &options.person;
    let mut site = Site::signed(&options.signing, &options.looking)?.sealed(options.seal_to.as_deref())?;
    site.known(person)?;
    let change = site.seal(person, purpose.number(), &contents::Consent { purpose, from_s, until_s })?;
    let (what, from, until) = (says(purpose), moment(from_s), moment(until_s));
    site.sign(vec![change], &[format!("{person} agrees to {what} from {from} until {until}")], out)
}

fn withdraw(options: &Withdraw, out: &mut dyn Write) -> Answer {
    let (purpose, person) = (options.purpose.purpose(), options.person.clone());
    let (number, what) = (purpose.number(), says(purpose));
    let mut site = Site::signed(&options.signing, &options.looking)?;
    if !site.has(&person, Slot::Consent, number) {
        return Err(Stop::refused(format!("the roster has no consent of {person} to {what}")));
    }
    let said = format!("{person} agrees to {what} no longer");
    site.sign(vec![Change::PersonTake(PersonSlot { person, slot: Slot::Consent, number })], &[said], out)
}

fn moment(s: i64) -> String {
    text::moment(s.saturating_mul(1000))
}

/// Refuses a term that no terminal would read, and one that is over.
fn check_term(from_s: i64, until_s: i64, now_s: i64) -> anyhow::Result<()> {
    anyhow::ensure!(
        from_s < until_s,
        "from {} until {}: the end must come after the beginning",
        moment(from_s),
        moment(until_s)
    );
    anyhow::ensure!(until_s > now_s, "--until lies in the past");
    let latest = from_s.saturating_add(CONSENT_TERM_MAX_S);
    anyhow::ensure!(
        until_s <= latest,
        "a consent lasts a year at most, this one until {}: ask again in between; the latest --until is {}",
        moment(until_s),
        moment(latest)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_a_consent_without_an_end_within_a_year_is_not_signed() {
        let now = 1_800_000_000;
        assert!(check_term(now, now + CONSENT_TERM_MAX_S, now).is_ok());
        assert!(check_term(now - 50, now + 1, now).is_ok(), "it was given before it is signed");
        for (from, until, words) in [
            (now, now + CONSENT_TERM_MAX_S + 1, "a year at most"),
            (now, now, "after the beginning"),
            (now - 50, now - 1, "in the past"),
        ] {
            let why = check_term(from, until, now).unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
    }
}
