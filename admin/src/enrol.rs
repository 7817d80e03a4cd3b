//! `doorctl enroll`: a person with references. Every gate is passed before anything is stored, and everything is stored
//! at once or not at all.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};
use doorward_core::enrolment::Gates;
use doorward_core::gallery::Gallery;
use doorward_core::template::UnitVector;
use doorward_core::transform::{Protected, Transform};
use doorward_core::vision::Vision as _;
use doorward_protocol::contents::Template;
use doorward_protocol::ids::PersonId;
use doorward_protocol::message::Text;
use doorward_protocol::roster::Slot;
use doorward_store::{PersonRecord, Store};
use jiff::Timestamp;

use crate::answer::{Answer, Stop};
use crate::mind::{Mind, Minding};
use crate::place::{self, Place};
use crate::references::References;
use crate::site::{SealedForSite, SealedSite};
use crate::{keyfile, person, samples, text};

/// Photographs of one enrolment: a bound on work, far below what a person may have.
const PHOTOS_MAX: usize = 20;

pub(crate) const ABOUT: &str = "Enrol a person from photographs or a recording.\n\n\
        In this order: each photograph decodes and shows one dominant face; the face is good enough (size, pose, light, \
        sharpness); it looks alive, unless --supervised says that somebody answers for the photograph; the samples \
        agree with each other; nobody else is enrolled with this face; the templates do not resemble everybody. Where \
        any gate refuses, nothing is stored.\n\n\
        With --roster the person is signed to all terminals of a site: the record, and the templates under numbers that \
        are free. All of it is sealed to the terminals, so that nobody here can be compared with who is enrolled there.\n\n\
        Without --supervised at least two photographs are needed. A recording is judged with every sensor it holds, as \
        at the terminal. A person who is enrolled already gets further templates, the new name, and the new dates where \
        they are given; a suspension stays.";

/// Options of `enroll`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        doorctl enroll --person E-1042 --name \"Ada Lovelace\" --photo ada1.jpg ada2.jpg\n  \
        doorctl enroll --person E-1042 --name \"Ada Lovelace\" --photo badge.jpg --supervised\n  \
        doorctl enroll --person V-77 --name \"A Visitor\" --recording walk-up --valid-until 2027-01-31T18:00:00+01:00\n  \
        doorctl enroll --roster hq.roster --by ada.key --seal-to opening.key.pub --person E-1042 --name \"Ada Lovelace\" \
        --photo badge.jpg --supervised\n\n\
        Exit code: 0 enrolled or signed, 2 a gate refused, 1 fault.")]
#[command(group(ArgGroup::new("source").args(["photo", "recording"]).required(true)))]
pub struct Enrol {
    /// The organisation's number for the person, never a name.
    #[arg(long, value_name = "ID")]
    person: PersonId,
    /// Name that people are shown.
    #[arg(long)]
    name: String,
    /// Photographs of the person, PNG or JPEG; each becomes a template.
    #[arg(long, value_name = "PHOTO", num_args = 1..)]
    photo: Vec<PathBuf>,
    /// Folder of a recording made at a terminal.
    #[arg(long, value_name = "DIR")]
    recording: Option<PathBuf>,
    /// Somebody answers for the photographs: they are not asked to look alive.
    #[arg(long, conflicts_with = "recording")]
    supervised: bool,
    /// First moment of the right to pass, RFC 3339.
    #[arg(long, value_name = "TIME")]
    valid_from: Option<Timestamp>,
    /// Moment at which the right to pass ends, RFC 3339.
    #[arg(long, value_name = "TIME")]
    valid_until: Option<Timestamp>,
    #[command(flatten)]
    site: SealedForSite,
}

/// Enrols a person.
///
/// # Errors
/// [`Stop::Refused`] says which gate refused and what to do; the store is unchanged then.
pub fn run(options: &Enrol, place: &Place, minding: &Minding, out: &mut dyn Write) -> Answer {
    options.check()?;
    if let Some(site) = options.site.open()? {
        return options.sign(site, minding.load()?, out);
    }
    let mut store = place.open()?;
    let record = options.record(store.person(&options.person).context("look the person up")?)?;
    let mut mind = minding.load()?;
    let (samples, gates) = options.samples(&mut mind)?;
    let (version, dimension) = (mind.vision.version(), mind.dimension());
    let references = References::load(&mut store, version, dimension)?;
    let templates = gates
        .check(&options.person, &samples, &references.transform, &references.gallery, mind.pack.calibration())
        .map_err(Stop::refused)?;
    options.keep(&mut store, &record, &mind, &templates)?;
    let together = references.gallery.templates(&options.person) + templates.len();
    store.close().context("close the store")?;
    let (person, name) = (&options.person, text::printable(&options.name));
    writeln!(out, "enrolled {person}, {name}; templates: {} new, {together} in all", templates.len())?;
    if record.suspended {
        writeln!(out, "{person} is suspended and stays so; `doorctl person resume {person}` ends that")?;
    }
    Ok(())
}

impl Enrol {
    /// What can be said without looking at any picture.
    fn check(&self) -> anyhow::Result<()> {
        person::check_name(&self.name)?;
        if self.photo.len() > PHOTOS_MAX {
            bail!("--photo takes at most {PHOTOS_MAX} photographs at once, these are {}", self.photo.len());
        }
        Ok(())
    }

    /// The record that is to be put: a new one, or the old one with what was given.
    fn record(&self, old: Option<PersonRecord>) -> anyhow::Result<PersonRecord> {
        let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
        let record = PersonRecord {
            id: self.person.clone(),
            name: self.name.clone(),
            valid_from_ms: ms(self.valid_from).or(old.as_ref().and_then(|old| old.valid_from_ms)),
            valid_until_ms: ms(self.valid_until).or(old.as_ref().and_then(|old| old.valid_until_ms)),
            suspended: old.is_some_and(|old| old.suspended),
        };
        person::check_term(record.valid_from_ms, record.valid_until_ms)?;
        Ok(record)
    }

    /// The vectors, and what they must fulfil.
    fn samples(&self, mind: &mut Mind) -> Answer<(Vec<UnitVector>, Gates)> {
        if let Some(folder) = &self.recording {
            return Ok((samples::of_recording(folder, &mut mind.vision)?, Gates::default()));
        }
        let gates = if self.supervised { Gates::supervised_photo() } else { Gates::default() };
        Ok((samples::of_photos(&self.photo, self.supervised, &mut mind.vision)?, gates))
    }

    /// Signs record and templates to a whole site.
    fn sign(&self, mut site: SealedSite, mut mind: Mind, out: &mut dyn Write) -> Answer {
        let record = self.record(None)?;
        let (samples, gates) = self.samples(&mut mind)?;
        let (version, dimension) = (mind.vision.version(), mind.dimension());
        // Among themselves: whom the site has enrolled, only its terminals can read.
        let (transform, nobody) =
            (Transform::new(&keyfile::passing(), dimension), Gallery::new(version, dimension));
        gates
            .check(&self.person, &samples, &transform, &nobody, mind.pack.calibration())
            .map_err(Stop::refused)?;
        let mut changes = vec![site.seal(&self.person, 0, &person::sealable(&record))?];
        let mut said = vec![format!("the record of {} is put", self.person)];
        let numbers = site.free(&self.person, Slot::Template, samples.len())?;
        for (sample, number) in samples.iter().zip(numbers) {
            let (source, at_ms) = (Text::cut(self.source()), place::now().ms);
            let (model, preprocessing) = (version.model, version.preprocessing);
            let template = Template::new(model, preprocessing, sample.values(), source, at_ms);
            changes.push(site.seal(&self.person, number, &template)?);
            said.push(format!("template {number} of {} is put, of model {version}", self.person));
        }
        site.sign(changes, &said, out)
    }

    /// Where the templates come from, as the audit trail says it.
    fn source(&self) -> &'static str {
        match (&self.recording, self.supervised) {
            (Some(_), _) => "recording",
            (None, true) => "photo_supervised",
            (None, false) => "photo",
        }
    }

    fn keep(
        &self,
        store: &mut Store,
        record: &PersonRecord,
        mind: &Mind,
        templates: &[Protected],
    ) -> anyhow::Result<()> {
        let at = place::now();
        let version = mind.vision.version();
        let kept = store.together(|batch| {
            batch.put_person(record, at)?;
            for template in templates {
                batch.put_template(&self.person, version, template.vector(), self.source(), at)?;
            }
            Ok(())
        });
        kept.context("store the person")
    }
}
