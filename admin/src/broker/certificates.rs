//! `doorctl broker certificates`: an authority for one site, and what it signs.
//!
//! A certificate opens the broker and nothing else: what counts is signed with other keys. Clients' certificates are for
//! clients only, so that no terminal can pose as the broker.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use doorward_protocol::ids::{SiteId, TerminalId};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use zeroize::Zeroizing;

use super::trust::{self, Told};
use crate::answer::{Answer, Stop};
use crate::{folder, place};

/// The access list and the configuration as they are shipped.
const ACCESS: &str = include_str!("../../hub/broker/doorward.acl");
const CONFIGURATION: &str = include_str!("../../hub/broker/doorward.conf");
/// Where the part of the access list begins that each hub has.
const HUB_PART: &str = "user HUB";
/// What hubs' names begin with, so that the access list can tell them from terminals.
const HUB: &str = "hub-";
/// Names that topics or files have already.
const TAKEN: [&str; 4] = ["authority", "broker", "deny", "roster"];
/// How long an authority lasts.
const AUTHORITY_YEARS: i16 = 20;

/// Options of `certificates`.
#[derive(Debug, Args)]
pub struct Certificates {
    /// The site.
    #[arg(long)]
    site: SiteId,
    /// The broker's name or address, as terminals will call it. Needed at the first call.
    #[arg(long)]
    host: Option<String>,
    /// A hub, whose name begins with hub-; several times for several.
    #[arg(long)]
    hub: Vec<TerminalId>,
    /// A terminal; several times for several.
    #[arg(long)]
    terminal: Vec<TerminalId>,
    /// For how many days the certificates count.
    #[arg(long, default_value_t = 825, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// The folder they are in.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Days between which a certificate counts.
#[derive(Clone, Copy)]
struct Term(Date, Date);

/// Runs the command.
///
/// # Errors
/// [`Stop::Refused`] where a name cannot be, or its certificate is there already.
pub(super) fn run(options: &Certificates, out: &mut dyn Write) -> Answer {
    names_fit(options)?;
    let begin = yesterday()?;
    let term = Term(begin, begin.saturating_add((i64::from(options.days) + 1).days()));
    fs::create_dir_all(&options.folder).with_context(|| format!("make {}", options.folder.display()))?;
    let authority = match Authority::open(&options.folder, &options.site)? {
        Some(authority) => authority,
        None => begin_site(options, term, out)?,
    };
    for name in options.hub.iter().chain(&options.terminal) {
        authority.sign(
            &options.folder,
            name.as_str(),
            &[],
            ExtendedKeyUsagePurpose::ClientAuth,
            term,
            out,
        )?;
    }
    let list = access_list(options)?;
    let path = options.folder.join("doorward.acl");
    folder::replace(&path, list.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    writeln!(out, "access list  {}", path.display())?;
    Ok(())
}

fn names_fit(options: &Certificates) -> Answer {
    for hub in &options.hub {
        if !hub.as_str().starts_with(HUB) {
            return Err(Stop::refused(format!("a hub's name begins with {HUB}, as in {HUB}{hub}")));
        }
    }
    for terminal in &options.terminal {
        let name = terminal.as_str();
        if name.starts_with(HUB) || TAKEN.contains(&name) {
            return Err(Stop::refused(format!("a terminal cannot be called {name}: that name is taken")));
        }
    }
    Ok(())
}

fn begin_site(options: &Certificates, term: Term, out: &mut dyn Write) -> Answer<Authority> {
    let host = options.host.as_deref().ok_or_else(|| {
        Stop::refused(format!(
            "there is no authority in {} yet: say --host for the broker's certificate",
            options.folder.display()
        ))
    })?;
    let authority = Authority::begin(options, term.0, out)?;
    authority.sign(
        &options.folder,
        "broker",
        &[host.to_owned()],
        ExtendedKeyUsagePurpose::ServerAuth,
        term,
        out,
    )?;
    let path = options.folder.join("doorward.conf");
    create(&path, 0o644, CONFIGURATION.as_bytes())?;
    writeln!(out, "mosquitto    {}", path.display())?;
    Ok(authority)
}

/// Who signs.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    /// Draws one.
    fn begin(options: &Certificates, from: Date, out: &mut dyn Write) -> Answer<Self> {
        let authority = Self { params: Self::params(&options.site), key: key()? };
        let mut params = authority.params.clone();
        limit(&mut params, from, from.saturating_add(AUTHORITY_YEARS.years()));
        let certificate = params.self_signed(&authority.key).context("sign the authority's certificate")?;
        let (public, private) = files(&options.folder, "authority");
        create(&private, 0o600, Zeroizing::new(authority.key.serialize_pem()).as_bytes())?;
        create(&public, 0o644, certificate.pem().as_bytes())?;
        writeln!(out, "authority    {} (keep {} off the network)", public.display(), private.display())?;
        Ok(authority)
    }

    /// The one that is there; none where there is none yet.
    fn open(folder: &Path, site: &SiteId) -> Answer<Option<Self>> {
        let (public, private) = files(folder, "authority");
        let text = match fs::read_to_string(&private) {
            Ok(text) => Zeroizing::new(text),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(anyhow!(e).context(format!("read {}", private.display())).into()),
        };
        let params = Self::params(site);
        let key =
            KeyPair::from_pem(&text).with_context(|| format!("{} is no private key", private.display()))?;
        let der = super::trust::certificates(&public)?;
        // The name of the issuer stands in what it signs; another site's would sign what nobody believes.
        let name = common_name(site);
        if !der.iter().any(|der| der.windows(name.len()).any(|part| part == name.as_bytes())) {
            let public = public.display();
            return Err(Stop::refused(format!("{public} is not the authority of site {site}")));
        }
        Ok(Some(Self { params, key }))
    }

    fn params(site: &SiteId) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = named(&common_name(site));
        params
    }

    /// Signs a certificate for `name`, good for these `hosts`.
    fn sign(
        &self,
        folder: &Path,
        name: &str,
        hosts: &[String],
        purpose: ExtendedKeyUsagePurpose,
        term: Term,
        out: &mut dyn Write,
    ) -> Answer {
        let (certificate, key) = self.issue(name, hosts, purpose, term)?;
        let (public, private) = files(folder, name);
        create(&private, 0o600, Zeroizing::new(key.serialize_pem()).as_bytes())?;
        create(&public, 0o644, certificate.pem().as_bytes())?;
        writeln!(out, "certificate  {} until {}", public.display(), term.1)?;
        Ok(())
    }

    fn issue(
        &self,
        name: &str,
        hosts: &[String],
        purpose: ExtendedKeyUsagePurpose,
        Term(from, until): Term,
    ) -> anyhow::Result<(Certificate, KeyPair)> {
        let mut params =
            CertificateParams::new(hosts).with_context(|| format!("a certificate for {hosts:?}"))?;
        params.distinguished_name = named(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, from, until);
        let key = key()?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).with_context(|| format!("sign for {name}"))?;
        Ok((certificate, key))
    }
}

/// Draws certificates for clients that exist in memory only, for as long as this program runs.
pub(crate) struct Drawing {
    authority: Authority,
    term: Term,
    roots: trust::Roots,
}

impl Drawing {
    /// As the authority in a folder.
    ///
    /// # Errors
    /// [`Stop::Refused`] where there is none, or another site's.
    pub(crate) fn open(folder: &Path, site: &SiteId) -> Answer<Self> {
        let authority = Authority::open(folder, site)?.ok_or_else(|| {
            Stop::refused(format!(
                "there is no authority.key in {}: certificates are drawn by it",
                folder.display()
            ))
        })?;
        let roots = Arc::new(trust::authority(&files(folder, "authority").0)?);
        let begin = yesterday()?;
        Ok(Self { authority, term: Term(begin, begin.saturating_add(3.days())), roots })
    }

    /// What TLS is told for a client of this name.
    ///
    /// # Errors
    /// The drawing's.
    pub(crate) fn client(&self, name: &str) -> anyhow::Result<Told> {
        let issued = self.authority.issue(name, &[], ExtendedKeyUsagePurpose::ClientAuth, self.term);
        let (certificate, key) = issued?;
        trust::in_memory(&self.roots, certificate.der().to_vec(), key.serialize_der())
    }
}

/// Yesterday's date: a terminal's clock may be a little behind.
fn yesterday() -> anyhow::Result<Date> {
    let today = Timestamp::from_millisecond(place::now().ms).map_err(|e| anyhow!(e))?;
    Ok(today.to_zoned(TimeZone::UTC).date().saturating_sub(1.day()))
}

fn key() -> anyhow::Result<KeyPair> {
    KeyPair::generate().context("draw a key")
}

fn common_name(site: &SiteId) -> String {
    format!("Doorward authority of site {site}")
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// Writes the days between which a certificate counts.
fn limit(params: &mut CertificateParams, from: Date, until: Date) {
    // A date of the calendar has a month and a day that fit.
    let part = |number: i8| u8::try_from(number).unwrap_or(1);
    let day = |date: Date| date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()));
    (params.not_before, params.not_after) = (day(from), day(until));
}

fn files(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
}

fn create(path: &Path, mode: u32, bytes: &[u8]) -> Answer {
    match folder::create(path, mode, bytes) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let path = path.display();
            Err(Stop::refused(format!("{path} exists, and nothing is overwritten; move it away to renew it")))
        }
        created => Ok(created.with_context(|| format!("create {}", path.display()))?),
    }
}

/// The access list for every hub that has a certificate in the folder.
fn access_list(options: &Certificates) -> anyhow::Result<String> {
    let doing = || format!("look into {}", options.folder.display());
    let mut hubs = Vec::new();
    for entry in fs::read_dir(&options.folder).with_context(doing)? {
        let name = entry.with_context(doing)?.file_name();
        let hub =
            name.to_str().and_then(|name| name.strip_suffix(".pem")).filter(|name| name.starts_with(HUB));
        hubs.extend(hub.map(str::to_owned));
    }
    hubs.sort();
    let (common, own) = ACCESS.split_at(ACCESS.find(HUB_PART).unwrap_or(ACCESS.len()));
    let parts: Vec<String> = hubs.iter().map(|hub| own.replace("HUB", hub)).collect();
    Ok(format!("{common}{}", parts.join("\n")).replace("SITE", options.site.as_str()))
}
