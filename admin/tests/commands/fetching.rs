//! Weights from servers that tell the truth, lie, stall and give up: the whole right file, or none, and a word why.

use std::fs;
use std::path::Path;
use std::time::Duration;

use doorward_admin::answer::Stop;
use doorward_admin::pack::transfer::{Patience, Wanted, bring};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::doorctl;
use crate::serving::{Reply, Server};

const NAME: &str = "a.onnx";

const PATIENCE: Patience =
    Patience { stall: Duration::from_millis(300), tries: 4, pause: Duration::from_millis(1) };

/// A file that is larger than what is read at once.
fn file() -> Vec<u8> {
    (0..200_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// A folder into which a file is fetched.
struct Target(TempDir);

impl Target {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the test"))
    }

    fn fetch(&self, url: &str, bytes: Option<u64>) -> Result<(), Stop> {
        let wanted = Wanted { file: NAME, url, sha256: Sha256::digest(file()).into(), bytes };
        bring(&wanted, self.0.path(), &PATIENCE, &|_| {})
    }

    /// Fetches from a server with these replies, and gives the answer and the first byte of each request.
    fn serve(&self, replies: &[Reply], bytes: Option<u64>) -> (Result<(), Stop>, Vec<u64>) {
        let server = Server::start(replies.to_vec());
        let answer = self.fetch(&server.url(NAME), bytes);
        (answer, server.requests())
    }

    fn put_part(&self, bytes: &[u8]) {
        fs::write(self.0.path().join("a.onnx.part"), bytes).unwrap();
    }

    fn part(&self) -> Option<usize> {
        fs::read(self.0.path().join("a.onnx.part")).ok().map(|bytes| bytes.len())
    }

    #[track_caller]
    fn has_the_file(&self) {
        assert!(fs::read(self.0.path().join(NAME)).unwrap() == file(), "another file");
        assert_eq!(self.part(), None);
    }

    #[track_caller]
    fn has_nothing(&self) {
        let left: Vec<_> = fs::read_dir(self.0.path()).unwrap().map(|item| item.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Served right, with and without a known size: the file is there, after requests for these bytes.
#[track_caller]
fn arrives(replies: &[Reply], expected: &[u64]) {
    for bytes in [Some(200_000), None] {
        let target = Target::new();
        let (answer, requests) = target.serve(replies, bytes);
        answer.unwrap();
        target.has_the_file();
        assert_eq!(requests, expected, "size {bytes:?}");
    }
}

#[track_caller]
fn refused(answer: Result<(), Stop>) -> String {
    match answer {
        Err(Stop::Refused(why)) => why,
        other => panic!("a refusal, not {other:?}"),
    }
}

#[track_caller]
fn faulty(answer: Result<(), Stop>) -> String {
    match answer {
        Err(Stop::Fault(fault)) => format!("{fault:#}"),
        other => panic!("a fault, not {other:?}"),
    }
}

#[test]
fn a_file_arrives_whole_however_it_is_served() {
    arrives(&[Reply::Honest(file())], &[0]);
    arrives(&[Reply::Unannounced(file())], &[0]);
}

#[test]
fn what_broke_off_is_gone_on_with() {
    arrives(&[Reply::Cut(file(), 120_000), Reply::Honest(file())], &[0, 120_000]);
    arrives(&[Reply::Cut(file(), 7), Reply::Cut(file(), 11), Reply::Honest(file())], &[0, 7, 18]);
    arrives(&[Reply::Silent(file(), 70_000), Reply::Honest(file())], &[0, 70_000]);
    arrives(&[Reply::Silent(file(), 0), Reply::Honest(file())], &[0, 0]);
}

#[test]
fn a_server_that_knows_no_ranges_begins_anew() {
    arrives(&[Reply::Cut(file(), 120_000), Reply::Whole(file())], &[0, 120_000]);
    arrives(&[Reply::Cut(file(), 5), Reply::Elsewhere(file()), Reply::Honest(file())], &[0, 5, 0]);
}

#[test]
fn busy_servers_are_asked_again_and_those_that_lead_on_are_followed() {
    arrives(&[Reply::Status(503), Reply::Status(429), Reply::Honest(file())], &[0, 0, 0]);
    arrives(&[Reply::Redirect("/elsewhere/a.onnx".into()), Reply::Honest(file())], &[0, 0]);
}

#[test]
fn h5_another_file_of_the_same_length_is_refused_and_not_kept() {
    let mut lie = file();
    lie[100] ^= 1;
    for bytes in [Some(200_000), None] {
        let target = Target::new();
        let (answer, requests) = target.serve(&[Reply::Honest(lie.clone())], bytes);
        let why = refused(answer);
        let digests = [&lie, &file()].map(|bytes| doorward_models::pack::hex(&Sha256::digest(bytes)));
        assert!(digests.iter().all(|digest| why.contains(digest)), "expected and found: {why}");
        target.has_nothing();
        assert_eq!(requests, [0], "asking again would not help");
    }
}

#[test]
fn h5_a_file_of_another_length_is_refused_before_it_fills_the_disk() {
    let longer = [file(), vec![0; 1]].concat();
    for lie in [Reply::Honest(longer.clone()), Reply::Unannounced(longer.clone()), Reply::Honest(vec![1; 10])]
    {
        let target = Target::new();
        let why = refused(target.serve(std::slice::from_ref(&lie), Some(200_000)).0);
        assert!(why.contains("the manifest says 200000") && why.contains("another file"), "{why}");
        target.has_nothing();
    }
    let target = Target::new();
    let why = refused(target.serve(&[Reply::Honest(longer)], None).0);
    assert!(why.contains("SHA-256"), "{why}");
    target.has_nothing();
}

#[test]
fn h5_a_part_of_another_version_is_begun_anew_once() {
    // From an earlier run, joined with what the server has now.
    let target = Target::new();
    target.put_part(&[7; 50_000]);
    let (answer, requests) = target.serve(&[Reply::Honest(file())], Some(200_000));
    answer.unwrap();
    target.has_the_file();
    assert_eq!(requests, [50_000, 0]);
    // As long as the file, or longer.
    for length in [200_000, 300_000] {
        let target = Target::new();
        target.put_part(&vec![7; length]);
        target.serve(&[Reply::Honest(file())], Some(200_000)).0.unwrap();
        target.has_the_file();
    }
    // The whole file, of which nobody knew that it was whole.
    let target = Target::new();
    target.put_part(&file());
    target.serve(&[Reply::Honest(file())], None).0.unwrap();
    target.has_the_file();
    // A server that lies in the second half, and again.
    let mut lie = file();
    lie[150_000] ^= 1;
    let target = Target::new();
    let (answer, requests) = target.serve(&[Reply::Cut(file(), 100_000), Reply::Honest(lie)], Some(200_000));
    refused(answer);
    target.has_nothing();
    assert_eq!(requests, [0, 100_000, 0]);
}

#[test]
fn a_server_that_stays_silent_is_given_up_and_what_it_gave_is_kept() {
    let target = Target::new();
    let (answer, requests) = target.serve(&[Reply::Silent(file(), 1000)], Some(200_000));
    let why = faulty(answer);
    assert!(why.contains("given up after 4 tries") && why.contains("4000 bytes are kept"), "{why}");
    assert_eq!((target.part(), requests.len()), (Some(4000), 4));
    assert!(!target.0.path().join(NAME).exists());
    target.serve(&[Reply::Honest(file())], Some(200_000)).0.unwrap();
    target.has_the_file();
}

#[test]
fn what_will_not_come_is_a_fault_that_names_the_address() {
    let fault = |replies: &[Reply]| {
        let target = Target::new();
        let (answer, requests) = target.serve(replies, Some(200_000));
        target.has_nothing();
        (faulty(answer), requests.len())
    };
    let (why, requests) = fault(&[Reply::Status(404)]);
    assert!(why.contains("404") && why.contains("/a.onnx") && why.contains("manifest"), "{why}");
    assert_eq!(requests, 1);
    let (why, requests) = fault(&[Reply::Status(500)]);
    assert!(why.contains("500") && why.contains("given up"), "{why}");
    assert_eq!(requests, 4);
    let (why, _) = fault(&[Reply::Redirect("/a.onnx".into())]);
    assert!(why.contains("leads on too often"), "{why}");
    let server = Server::start(vec![Reply::Status(200)]);
    let gone = server.url(NAME);
    drop(server);
    assert!(faulty(Target::new().fetch(&gone, None)).contains("ask for http://127.0.0.1"));
}

#[test]
fn h5_https_is_not_given_up_for_a_server_that_speaks_http() {
    let server = Server::start(vec![Reply::Honest(file())]);
    let target = Target::new();
    let why = faulty(target.fetch(&format!("https://{}/a.onnx", server.address()), Some(200_000)));
    assert!(why.contains("https://127.0.0.1") || why.contains("ca-certificates"), "{why}");
    assert!(!target.0.path().join(NAME).exists());
}

#[test]
fn two_runs_do_not_write_one_file() {
    let target = Target::new();
    target.put_part(b"");
    let part = fs::File::open(target.0.path().join("a.onnx.part")).unwrap();
    part.lock().unwrap();
    let why = faulty(target.serve(&[Reply::Honest(file())], None).0);
    assert!(why.contains("another run"), "{why}");
}

/// A recipe of the tiny pack whose detector is served at `url`.
fn recipe(folder: &Path, url: &str) {
    let text = crate::packs::RECIPE.replacen(
        "licence = ",
        &format!("url = \"{url}\"\nsha256 = \"{}\"\nbytes = 200000\nlicence = ", sha256()),
        1,
    );
    fs::write(folder.join("recipe.toml"), text).unwrap();
}

fn sha256() -> String {
    doorward_models::pack::hex(&Sha256::digest(file()))
}

#[test]
fn doorctl_fetches_what_a_recipe_pins_once() {
    let server = Server::start(vec![Reply::Cut(file(), 60_000), Reply::Honest(file())]);
    let folder = tempfile::tempdir().unwrap();
    recipe(folder.path(), &server.url("see.onnx"));
    let fetch = |more: &[&str]| {
        doorctl(&[&["pack", "fetch", &folder.path().display().to_string()][..], more].concat())
    };
    let said = fetch(&[]).with(0);
    assert!(said.out.contains("see.onnx: fetched") && said.out.contains(&sha256()), "{}", said.out);
    assert!(said.out.contains("know.onnx: has no address") && said.out.contains("this test"), "{}", said.out);
    assert!(fs::read(folder.path().join("see.onnx")).unwrap() == file());
    assert!(fetch(&[]).with(0).out.contains("see.onnx: is there"));
    assert_eq!(server.requests(), [0, 60_000], "the second run asked for nothing");

    // A damaged file is replaced, elsewhere than beside the recipe as well.
    let into = folder.path().join("weights");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("see.onnx"), "damaged").unwrap();
    fetch(&["--into", &into.display().to_string()]).with(0);
    assert!(fs::read(into.join("see.onnx")).unwrap() == file());

    let liar = Server::start(vec![Reply::Honest(vec![0; 200_000])]);
    recipe(folder.path(), &liar.url("see.onnx"));
    fs::write(into.join("see.onnx"), "damaged").unwrap();
    fetch(&["--into", &into.display().to_string()]).refused(&[
        "SHA-256",
        &sha256(),
        "nothing of it was kept",
    ]);
    recipe(folder.path(), "http://example.org/see.onnx");
    fetch(&[]).refused(&["detector.url", "https://"]);
    let said = doorctl(&["pack", "fetch", "/nowhere/at/all"]).with(1);
    assert!(said.err.contains("/nowhere/at/all"), "{}", said.err);
}

#[test]
fn h5_what_is_not_pinned_is_not_fetched() {
    let server = Server::start(vec![Reply::Honest(file())]);
    let folder = tempfile::tempdir().unwrap();
    recipe(folder.path(), &server.url("see.onnx"));
    let text = fs::read_to_string(folder.path().join("recipe.toml")).unwrap();
    let unpinned: String =
        text.lines().filter(|l| !l.starts_with("sha256")).map(|l| format!("{l}\n")).collect();
    fs::write(folder.path().join("recipe.toml"), unpinned).unwrap();
    doorctl(&["pack", "fetch", &folder.path().display().to_string()]).refused(&["see.onnx", "sha256"]);
    assert_eq!(server.requests(), [0u64; 0]);
}

#[test]
fn the_recipe_of_the_repository_is_sound_and_says_where_its_weights_are() {
    let path = crate::checkout().join("models/packs/opencv/recipe.toml");
    let bytes = fs::read(&path).unwrap();
    let recipe = doorward_models::pack::recipe::Recipe::parse(&path, &bytes).unwrap();
    assert!(recipe.lacks_liveness());
    for entry in recipe.entries() {
        let url = entry.url.as_deref().unwrap();
        assert!(url.starts_with("https://") && url.ends_with(&entry.file) && entry.bytes.is_some(), "{url}");
    }
}
