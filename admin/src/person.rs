//! `doorctl person`: who is enrolled, and the end of it.

use std::io::{BufRead as _, IsTerminal as _, Write};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use doorward_protocol::contents::{NAME_LEN_MAX, Record};
use doorward_protocol::ids::PersonId;
use doorward_protocol::message::Text;
use doorward_protocol::roster::{Change, PersonErase, Slot};
use doorward_store::{PersonRecord, Store, StoredTemplate};
use jiff::Timestamp;
use serde::Serialize;

use crate::answer::{Answer, Stop};
use crate::place::{self, Place};
use crate::site::{ForSite, SealedForSite, Site};
use crate::{consent, text};

const PUT_ABOUT: &str = "Put a person's record, in place of the old one; templates and credentials stay.\n\n\
        With --roster it is sealed and signed to all terminals of a site. Nobody but they can read what was put there \
        before, so that everything is said again: who is suspended stays so only with --suspended.";

/// Put, show, suspend, resume or erase persons.
#[derive(Debug, Subcommand)]
pub enum Person {
    /// Put a person's record, in place of the old one; templates and credentials stay.
    #[command(
        long_about = PUT_ABOUT,
        after_help = "Examples:\n  doorctl person put E-1042 --name \"Ada Lovelace\" --valid-until 2027-01-31T18:00:00+01:00\n  \
        doorctl person put E-1042 --name \"Ada Lovelace\" --suspended --roster hq.roster --by ada.key \
        --seal-to opening.key.pub\n\n\
        Exit code: 0 put or signed, 2 the key that signs may not, 1 fault."
    )]
    Put(Put),
    /// List everybody enrolled.
    #[command(
        after_help = "JSON: a list of objects with id, name, valid_from, valid_until (RFC 3339 or null), \
        suspended, templates (their number).\n\nExample:\n  doorctl person list --json"
    )]
    List(Listed),
    /// Show one person.
    #[command(
        after_help = "JSON: as in the list, and in place of the number of templates a list of objects with slot, \
        model, source, created.\n\nExample:\n  doorctl person show E-1042"
    )]
    Show(Shown),
    /// Erase a person: record, templates and key. Nothing brings them back, no older copy of the store either.
    #[command(
        after_help = "With --roster each terminal of the site proves by the root that it reports that it holds nothing \
        more of the person.\n\n\
        Examples:\n  doorctl person erase E-1042 --yes\n  \
        doorctl person erase E-1042 --roster hq.roster --by ada.key --dry-run\n\n\
        Exit code: 0 erased or signed, 2 unknown, not confirmed or not allowed, 1 fault."
    )]
    Erase(Erased),
    /// Suspend a person's right to pass; the templates stay.
    #[command(after_help = "Example:\n  doorctl person suspend E-1042")]
    Suspend(Named),
    /// End a suspension.
    #[command(after_help = "Example:\n  doorctl person resume E-1042")]
    Resume(Named),
}

/// Options of `put`.
#[derive(Debug, Args)]
pub struct Put {
    /// The person.
    id: PersonId,
    /// Name that people are shown.
    #[arg(long)]
    name: String,
    /// First moment of the right to pass, RFC 3339.
    #[arg(long, value_name = "TIME")]
    valid_from: Option<Timestamp>,
    /// Moment at which the right to pass ends, RFC 3339.
    #[arg(long, value_name = "TIME")]
    valid_until: Option<Timestamp>,
    /// Without the right to pass until further notice.
    #[arg(long)]
    suspended: bool,
    #[command(flatten)]
    site: SealedForSite,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct Listed {
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct Shown {
    /// The person.
    id: PersonId,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// Options of `erase`.
#[derive(Debug, Args)]
pub struct Erased {
    /// The person.
    id: PersonId,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    site: ForSite,
}

/// One person.
#[derive(Debug, Args)]
pub struct Named {
    /// The person.
    id: PersonId,
}

/// A person as JSON tells it; `T` is the number of templates, or each.
#[derive(Debug, Serialize)]
struct Told<T> {
    id: PersonId,
    name: String,
    valid_from: Option<String>,
    valid_until: Option<String>,
    suspended: bool,
    templates: T,
}

/// A template as JSON tells it.
#[derive(Debug, Serialize)]
struct ToldTemplate {
    slot: u32,
    model: String,
    source: String,
    created: String,
}

/// Runs one of the commands.
///
/// # Errors
/// [`Stop::Refused`] for a person who is not enrolled.
pub fn run(command: &Person, place: &Place, out: &mut dyn Write) -> Answer {
    match command {
        Person::Put(options) => put(options, place, out),
        Person::List(options) => list(options, &mut place.open()?, out),
        Person::Show(options) => show(options, &mut place.open()?, out),
        Person::Erase(options) => match options.site.open()? {
            Some(site) => erase_everywhere(options, site, out),
            None => erase(options, place.open()?, out),
        },
        Person::Suspend(options) => suspend(&options.id, true, place.open()?, out),
        Person::Resume(options) => suspend(&options.id, false, place.open()?, out),
    }
}

/// Refuses what is no name.
///
/// # Errors
/// In words.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let length = name.len();
    if name.trim().is_empty() || length > NAME_LEN_MAX {
        bail!("--name has 1 to {NAME_LEN_MAX} bytes, this one has {length}");
    }
    if let Some(bad) = name.chars().find(|c| text::hidden(*c)) {
        bail!("--name holds {bad:?}, which is no text; leave it out");
    }
    Ok(())
}

/// Refuses a right to pass that ends before it begins.
///
/// # Errors
/// In words.
pub(crate) fn check_term(valid_from_ms: Option<i64>, valid_until_ms: Option<i64>) -> anyhow::Result<()> {
    match (valid_from_ms, valid_until_ms) {
        (Some(from), Some(until)) if from >= until => bail!(
            "valid from {} until {}: the end must come after the beginning",
            text::moment(from),
            text::moment(until)
        ),
        _ => Ok(()),
    }
}

/// The record as the site's terminals read it.
pub(crate) fn sealable(record: &PersonRecord) -> Record {
    Record {
        name: Text::cut(&record.name),
        valid_from_ms: record.valid_from_ms,
        valid_until_ms: record.valid_until_ms,
        suspended: record.suspended,
    }
}

fn put(options: &Put, place: &Place, out: &mut dyn Write) -> Answer {
    check_name(&options.name)?;
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let record = PersonRecord {
        id: options.id.clone(),
        name: options.name.clone(),
        valid_from_ms: ms(options.valid_from),
        valid_until_ms: ms(options.valid_until),
        suspended: options.suspended,
    };
    check_term(record.valid_from_ms, record.valid_until_ms)?;
    let id = &record.id;
    if let Some(mut site) = options.site.open()? {
        let word = if site.known(id).is_ok() { "replaced" } else { "new" };
        let change = site.seal(id, 0, &sealable(&record))?;
        return site.sign(vec![change], &[format!("the record of {id} is put, {word}")], out);
    }
    let mut store = place.open()?;
    let seq = store.put_person(&record, place::now()).context("put the person")?;
    store.close().context("close the store")?;
    writeln!(out, "the record of {id} is put (audit record {seq})")?;
    Ok(())
}

fn erase_everywhere(options: &Erased, mut site: Site, out: &mut dyn Write) -> Answer {
    let person = options.id.clone();
    // Whoever is not in the roster may be in a terminal's store all the same.
    let word = match site.has(&person, Slot::Record, 0) {
        true => "with everything that was put",
        false => "of whom this roster has no record",
    };
    let said = format!("{person} is erased, {word}");
    site.sign(vec![Change::PersonErase(PersonErase { person })], &[said], out)
}

fn list(options: &Listed, store: &mut Store, out: &mut dyn Write) -> Answer {
    let mut persons = Vec::new();
    for record in store.persons().context("read the persons")? {
        let templates = store.templates_of(&record.id).context("read a person's templates")?.len();
        persons.push(told(record, templates));
    }
    if options.json {
        return text::json(out, &persons);
    }
    let width = persons.iter().map(|p| p.id.as_str().len()).max().unwrap_or(0).max("id".len());
    writeln!(
        out,
        "{:width$}  {:>9}  {:9}  {:<24}  {:<24}  name",
        "id", "templates", "state", "valid from", "valid until"
    )?;
    for person in &persons {
        let state = if person.suspended { "suspended" } else { "active" };
        let date = |date: &Option<String>| date.clone().unwrap_or_else(|| "-".into());
        let (from, until) = (date(&person.valid_from), date(&person.valid_until));
        let (id, name) = (person.id.as_str(), text::printable(&person.name));
        writeln!(out, "{id:width$}  {:>9}  {state:9}  {from:<24}  {until:<24}  {name}", person.templates)?;
    }
    writeln!(out, "{} persons", persons.len())?;
    Ok(())
}

fn show(options: &Shown, store: &mut Store, out: &mut dyn Write) -> Answer {
    let record = known(store, &options.id)?;
    let templates = store.templates_of(&record.id).context("read the person's templates")?;
    let consents = store.consents_of(&record.id).context("read what the person agreed to")?;
    let person = told(record, templates.iter().map(told_template).collect::<Vec<_>>());
    if options.json {
        return text::json(out, &person);
    }
    writeln!(out, "id           {}", person.id)?;
    writeln!(out, "name         {}", text::printable(&person.name))?;
    writeln!(out, "valid from   {}", person.valid_from.as_deref().unwrap_or("always"))?;
    writeln!(out, "valid until  {}", person.valid_until.as_deref().unwrap_or("without end"))?;
    writeln!(out, "state        {}", if person.suspended { "suspended" } else { "active" })?;
    for (purpose, term) in consents {
        let moment = |s: i64| text::moment(s.saturating_mul(1000));
        let (to, from, until) = (consent::says(purpose), moment(term.from_s), moment(term.until_s));
        writeln!(out, "agrees to    {to}, from {from} until {until}")?;
    }
    for template in &person.templates {
        let ToldTemplate { slot, model, source, created } = template;
        writeln!(out, "template     {slot}: {} of {created}, model {model}", text::printable(source))?;
    }
    Ok(())
}

fn erase(options: &Erased, mut store: Store, out: &mut dyn Write) -> Answer {
    let record = known(&mut store, &options.id)?;
    if !options.yes {
        confirm(&record)?;
    }
    let seq = store.erase_person(&options.id, place::now()).context("erase the person")?;
    store.close().context("close the store")?;
    writeln!(
        out,
        "erased {} (audit record {seq}); a running doord forgets with its next look at the store",
        options.id
    )?;
    Ok(())
}

fn suspend(id: &PersonId, suspended: bool, mut store: Store, out: &mut dyn Write) -> Answer {
    let record = known(&mut store, id)?;
    let word = if suspended { "suspended" } else { "active" };
    if record.suspended == suspended {
        writeln!(out, "{id} is {word} already")?;
        return Ok(());
    }
    let seq =
        store.put_person(&PersonRecord { suspended, ..record }, place::now()).context("change the person")?;
    store.close().context("close the store")?;
    writeln!(out, "{id} is {word} (audit record {seq})")?;
    Ok(())
}

/// Asks whoever sits at the keyboard to type the id again.
fn confirm(record: &PersonRecord) -> Answer {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Stop::Fault(anyhow::anyhow!(
            "nobody is there to confirm; add --yes to erase {} anyway",
            record.id
        )));
    }
    eprint!("Erase {} ({}) for good? Type the id again: ", record.id, text::printable(&record.name));
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("read the answer")?;
    if line.trim() == record.id.as_str() {
        Ok(())
    } else {
        Err(Stop::refused("not confirmed; nothing was erased"))
    }
}

fn known(store: &mut Store, id: &PersonId) -> Answer<PersonRecord> {
    let found = store.person(id).context("look the person up")?;
    found.ok_or_else(|| {
        Stop::refused(format!("there is no person {id}; `doorctl person list` shows everybody"))
    })
}

fn told<T>(record: PersonRecord, templates: T) -> Told<T> {
    Told {
        id: record.id,
        name: record.name,
        valid_from: record.valid_from_ms.map(text::moment),
        valid_until: record.valid_until_ms.map(text::moment),
        suspended: record.suspended,
        templates,
    }
}

fn told_template(template: &StoredTemplate) -> ToldTemplate {
    ToldTemplate {
        slot: template.slot,
        model: template.version.to_string(),
        source: template.source.clone(),
        created: text::moment(template.created_ms),
    }
}
