//! `doorctl person`: who is enrolled, and the end of it.

use std::io::{BufRead as _, IsTerminal as _, Write};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use doorward_protocol::ids::PersonId;
use doorward_store::{PersonRecord, Store, StoredTemplate};
use serde::Serialize;

use crate::answer::{Answer, Stop};
use crate::place::{self, Place};
use crate::text;

/// Show, suspend, resume or erase persons.
#[derive(Debug, Subcommand)]
pub enum Person {
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
    #[command(after_help = "Example:\n  doorctl person erase E-1042 --yes\n\n\
        Exit code: 0 erased, 2 unknown or not confirmed, 1 fault.")]
    Erase(Erased),
    /// Suspend a person's right to pass; the templates stay.
    #[command(after_help = "Example:\n  doorctl person suspend E-1042")]
    Suspend(Named),
    /// End a suspension.
    #[command(after_help = "Example:\n  doorctl person resume E-1042")]
    Resume(Named),
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
    let mut store = place.open()?;
    match command {
        Person::List(options) => list(options, &mut store, out),
        Person::Show(options) => show(options, &mut store, out),
        Person::Erase(options) => erase(options, store, out),
        Person::Suspend(options) => suspend(&options.id, true, store, out),
        Person::Resume(options) => suspend(&options.id, false, store, out),
    }
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
    let person = told(record, templates.iter().map(told_template).collect::<Vec<_>>());
    if options.json {
        return text::json(out, &person);
    }
    writeln!(out, "id           {}", person.id)?;
    writeln!(out, "name         {}", text::printable(&person.name))?;
    writeln!(out, "valid from   {}", person.valid_from.as_deref().unwrap_or("always"))?;
    writeln!(out, "valid until  {}", person.valid_until.as_deref().unwrap_or("without end"))?;
    writeln!(out, "state        {}", if person.suspended { "suspended" } else { "active" })?;
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
