//! Persons and credentials for a whole site: signed at the centre, sealed to the terminals, read by nobody in between.

use std::fs;
use std::path::Path;

use doorward_admin::text::moment;
use doorward_core::intake::{Deed, Intake, Step, Thing};
use doorward_core::template::TemplateVersion;
use doorward_hal::clock::{Clock as _, SystemClock};
use doorward_protocol::contents::Purpose;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::roster::{Entry, Follower};
use doorward_protocol::trust::{Reader, Trust};
use doorward_store::{KeySource, opening_keys};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::{Said, checkout, doorctl};

/// A site with an enroller and a key for its terminals.
struct Site(TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().expect("a folder for the test"));
        let (roster, root, ada) = (site.file("roster"), site.file("root.key"), site.file("ada.key"));
        doorctl(&["keys", "init", "--site", "hq", "--roster", &roster, &root]).with(0);
        doorctl(&["keys", "make", &ada]).with(0);
        let to = format!("{ada}.pub");
        let words = ["keys", "delegate", "--roster", &roster, "--by", &root, "--holder", "Ada", "--role"];
        doorctl(&[&words[..], &["enroller", &to]].concat()).with(0);
        let said = doorctl(&["keys", "sealing", &site.file("opening.key")]).with(0);
        assert!(said.out.contains("opening.key.pub"), "{}", said.out);
        site
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A command with --roster, --by and --seal-to.
    fn seal(&self, arguments: &[&str]) -> Said {
        let sealing = self.file("opening.key.pub");
        self.sign(&[arguments, &["--seal-to", &sealing]].concat())
    }

    fn sign(&self, arguments: &[&str]) -> Said {
        let (roster, by) = (self.file("roster"), self.file("ada.key"));
        doorctl(&[arguments, &["--roster", &roster, "--by", &by]].concat())
    }

    /// What the roster does to a terminal of this site, entry by entry.
    fn steps(&self) -> Vec<Step> {
        let listed = doorctl(&["keys", "list", "--roster", &self.file("roster"), "--json"]).with(0).json();
        let told = |name: &str| listed[name].as_str().unwrap().to_owned();
        let (root, genesis) = (PublicKey::parse(&told("root")).unwrap(), told("genesis"));
        let genesis = doorward_protocol::hex::unhex(&genesis).unwrap();
        let mut follower = Follower::new(genesis, Trust::pinned("hq".parse().unwrap(), root));
        let keys = opening_keys(&KeySource::File(self.file("opening.key").into())).unwrap();
        let version = TemplateVersion { model: [0; 32], preprocessing: 0 };
        let mut intake = Intake::new("hq".parse().unwrap(), keys, Zeroizing::new([1; 32]), (version, 1));
        let mut steps = Vec::new();
        for bytes in entries(Path::new(&self.file("roster"))) {
            let reader = Reader { terminal: None, now_s: None };
            let entry = follower.trust().authorise::<Entry>(&bytes, &reader).unwrap();
            follower.follow(&entry, &bytes).unwrap();
            steps.push(intake.take(follower.head(), &entry.message().changes));
        }
        steps
    }
}

/// The signed entries in a roster's file, as they lie there: each after its length, behind the beginning.
pub(crate) fn entries(roster: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(roster).unwrap();
    let mut rest = bytes.strip_prefix(b"doorward-roster-1\n").unwrap();
    let mut frames = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (frame, after) = behind.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames.split_off(1)
}

#[test]
fn m14_persons_and_credentials_reach_the_terminals_sealed_and_under_free_numbers() {
    let site = Site::new();
    let roster = || fs::read(site.file("roster")).unwrap();
    let before = roster();
    let put = ["person", "put", "E-1", "--name", "Grace Hopper"];
    let said = site.seal(&[&put[..], &["--dry-run"]].concat()).with(0);
    assert!(said.out.contains("entry 2 would say") && said.out.contains("record of E-1"), "{}", said.out);
    assert_eq!(roster(), before, "nothing was written");
    site.seal(&["credential", "add", "E-1", "--card", "17:4711"]).refused(&["no record of E-1"]);
    site.seal(&put).with(0);
    site.seal(&["credential", "add", "E-1", "--card", "17:4711"]).with(0);
    let said = site.seal(&["credential", "add", "E-1", "--qr", "--once"]).with(0);
    assert!(said.out.contains("as credential 1") && said.out.contains("DW1:"), "{}", said.out);
    site.sign(&["credential", "remove", "E-1", "5"]).refused(&["no credential 5"]);
    site.sign(&["credential", "remove", "E-1", "0"]).with(0);
    let said = site.seal(&["person", "put", "E-1", "--name", "Grace Hopper", "--suspended"]).with(0);
    assert!(said.out.contains("replaced"), "{}", said.out);
    site.sign(&["person", "erase", "E-1"]).with(0);
    let signed = roster();
    assert!(!signed.windows(5).any(|bytes| bytes == b"Grace"), "no name is readable");
    let steps = site.steps();
    let kinds: Vec<&str> = steps
        .iter()
        .flat_map(|step| &step.deeds)
        .map(|deed| match deed {
            Deed::Put(_, Thing::Record(record)) if record.suspended => "suspended",
            Deed::Put(_, Thing::Record(_)) => "record",
            Deed::Put(at, Thing::Credential { once, .. }) if *once && at.number == 1 => "code 1",
            Deed::Put(_, Thing::Credential { .. }) => "card",
            Deed::Put(_, Thing::Template { .. }) => "template",
            Deed::Put(_, Thing::Consent(..)) => "consent",
            Deed::Take(at) if at.number == 0 => "take 0",
            Deed::Erase(_) => "erase",
            Deed::Take(_) | Deed::Rules(_) | Deed::Skip(..) => "another",
        })
        .collect();
    assert_eq!(kinds, ["record", "card", "code 1", "take 0", "suspended", "erase"]);
}

#[test]
fn r2_a_consent_is_signed_with_an_end_for_somebody_who_is_there_and_can_be_withdrawn() {
    let site = Site::new();
    let soon = moment(SystemClock::default().now().wall.ms + 3_600_000);
    let put = ["consent", "put", "--purpose", "picture", "E-1"];
    let until = |time: &str| site.seal(&[&put[..], &["--until", time]].concat());
    until(&soon).refused(&["no record of E-1"]);
    site.seal(&["person", "put", "E-1", "--name", "Grace Hopper"]).with(0);
    let said = until("2999-01-01T00:00:00Z").with(1);
    assert!(said.err.contains("a year at most"), "{}", said.err);
    let withdraw = ["consent", "withdraw", "--purpose", "picture", "E-1"];
    site.sign(&withdraw).refused(&["no consent of E-1"]);
    let said = until(&soon).with(0);
    assert!(said.out.contains("E-1 agrees to pictures on order from"), "{}", said.out);
    site.sign(&withdraw).with(0);
    let deeds: Vec<Deed> = site.steps().into_iter().flat_map(|step| step.deeds).collect();
    let [_, Deed::Put(_, Thing::Consent(Purpose::Picture, term)), Deed::Take(_)] = &deeds[..] else {
        panic!("{deeds:?}")
    };
    assert!(term.until_s - term.from_s <= 3600, "{term:?}");
}

#[test]
fn a_dry_run_shows_what_is_in_force_beside_what_would_be_and_opens_only_for_whoever_can() {
    let site = Site::new();
    site.seal(&["person", "put", "E-1", "--name", "Grace Hopper"]).with(0);
    site.seal(&["credential", "add", "E-1", "--card", "17:4711"]).with(0);
    let opening = site.file("opening.key");
    let put = ["person", "put", "E-1", "--name", "Grace Murray Hopper", "--suspended", "--dry-run"];
    let closed = site.seal(&put).with(0).out;
    assert!(!closed.contains("Grace") && closed.contains("now   sealed, "), "{closed}");
    assert!(closed.contains("--open-with shows it (entry 2)"), "{closed}");
    let open = site.seal(&[&put[..], &["--open-with", &opening]].concat()).with(0).out;
    assert!(open.contains("now   \"Grace Hopper\" (entry 2)"), "{open}");
    assert!(open.contains("then  \"Grace Murray Hopper\", suspended"), "{open}");
    let take = ["roster", "take", "--slot", "credential", "E-1", "--dry-run", "--open-with", &opening];
    let taken = site.sign(&take).with(0).out;
    assert!(taken.contains("now   a card (entry 3)") && taken.contains("then  nothing"), "{taken}");
    assert!(!taken.contains("4711"), "a card's number is no word of a dry run: {taken}");
    let erased = site.sign(&["roster", "erase", "E-1", "--dry-run"]).with(0).out;
    assert_eq!(erased.matches("then  nothing").count(), 2, "{erased}");
    let nobody = site.sign(&["roster", "erase", "E-9", "--dry-run"]).with(0).out;
    assert!(nobody.contains("now   nothing in this roster"), "{nobody}");
    site.seal(&[&put[..6], &["--open-with", &opening]].concat()).with(1);
}

#[test]
fn m14_nothing_is_signed_unsealed_or_sealed_to_the_wrong_half() {
    let site = Site::new();
    let put = ["person", "put", "E-1", "--name", "Grace Hopper"];
    let said = site.sign(&put).with(1);
    assert!(said.err.contains("--seal-to"), "{}", said.err);
    let opening = site.file("opening.key");
    let said = site.sign(&[&put[..], &["--seal-to", &opening]].concat()).with(1);
    assert!(said.err.contains("opening.key.pub"), "{}", said.err);
    doorctl(&[&put[..], &["--dry-run"]].concat()).with(1);
}

#[test]
fn a_face_is_enrolled_for_a_whole_site_as_at_one_terminal() {
    let site = Site::new();
    let portrait =
        |letter: char| checkout().join(format!("models/people/nobody-{letter}.jpg")).display().to_string();
    let (a, b) = (portrait('a'), portrait('b'));
    let enroll = ["enroll", "--person", "E-1", "--name", "Nobody", "--supervised", "--photo"];
    let said = site.seal(&[&enroll[..], &[&a]].concat()).with(0);
    assert!(said.out.contains("record of E-1") && said.out.contains("template 0 of E-1"), "{}", said.out);
    let said = site.seal(&[&enroll[..], &[&a]].concat()).with(0);
    assert!(said.out.contains("template 1 of E-1"), "{}", said.out);
    site.seal(&[&enroll[..], &[&a, &b]].concat()).refused(&["do not look like the same person"]);
    let templates = site.steps().into_iter().flat_map(|step| step.deeds).filter(
        |deed| matches!(deed, Deed::Put(_, Thing::Template { source, .. }) if source == "photo_supervised"),
    );
    assert_eq!(templates.count(), 2);
}
