//! End to end: the real `doord demo`, its page in a real headless Chromium, driven as a visitor would.
//!
//! Needs chromium and chromedriver (Debian packages), and says so and skips where one of them is absent. Visits with the
//! house pack, and with the recommended one where its weights lie beside the checkout.

mod api;
mod browser;
mod demo;

use browser::Browser;
use demo::Demo;
use doorward_models::pack::{self, PackPath};

/// What the page must come to say in each scene: whether the door opens, and words of the reason.
const SCENES: [(&str, bool, &str); 5] = [
    ("enrolled", true, "is known"),
    ("print", false, "not a live person"),
    ("stranger", false, "nobody the terminal knows"),
    ("two", false, "Two people"),
    ("network_cut", true, "is known"),
];

#[test]
fn a_visitor_watches_the_door_decide() {
    let packs = pack::all_present();
    assert!(!packs.is_empty(), "the house pack is in the repository");
    packs.iter().for_each(visit);
}

fn visit(pack: &PackPath) {
    println!("with {}", pack.manifest.display());
    let demo = Demo::start(pack);
    let Some(browser) = Browser::open(&demo.address) else { return };
    browser.wait_for("the page is connected", "return document.body.dataset.connected === 'true'");
    SCENES.iter().for_each(|scene| play(&browser, *scene));
    browser.wait_for(
        "entries wait while the network is cut",
        "return [...document.querySelectorAll('#audit tr')].some(r => r.dataset.acknowledged === 'false')",
    );
    browser.click("#network");
    browser.wait_for(
        "the centre has every entry",
        "return [...document.querySelectorAll('#audit tr[data-seq]')].every(r => r.dataset.acknowledged === 'true')",
    );
    browser.click("[data-scene-id=\"unplugged\"]");
    browser.wait_for("the terminal is blind", "return document.body.dataset.attempt === 'blind'");
    browser.click("[data-scene-id=\"enrolled\"]");
    browser.wait_for("the terminal sees again", "return document.body.dataset.attempt !== 'blind'");
}

/// Shows a scene and waits until the page says of it what it should.
fn play(browser: &Browser, (scene, opens, words): (&str, bool, &str)) {
    // Whoever passed may still stand there and pass again; from an empty hallway on, every release counts.
    browser.click("[data-scene-id=\"nobody\"]");
    browser.wait_for(
        "the hallway is empty and the door locked",
        "return document.body.dataset.attempt === 'idle' \
         && document.querySelector('#lamp').dataset.released === 'false'",
    );
    let before = browser.text("return document.querySelector('#decision').dataset.seq || ''");
    browser.click(&format!("[data-scene-id=\"{scene}\"]"));
    let decided = format!(
        "const d = document.querySelector('#decision').dataset; \
         return d.granted === '{opens}' && d.seq !== '{before}' \
         && document.querySelector('#reason').textContent.includes('{words}')"
    );
    browser.wait_for(&format!("the scene {scene} is decided"), &decided);
    if opens {
        browser.wait_for("the leaf opens", "return document.querySelector('#door').dataset.leaf === 'open'");
        browser
            .wait_for("the leaf closes", "return document.querySelector('#door').dataset.leaf === 'closed'");
    } else {
        let released = browser.text("return document.querySelector('#lamp').dataset.released");
        assert_eq!(released, "false", "the lock is released in the scene {scene}");
    }
}

/// At `high`, under the stage's own emitter: the person smiles and turns, and the mask of the same person only turns.
#[test]
fn p6_at_high_a_person_does_as_told_and_the_mask_cannot() {
    let demo = Demo::start_with(&["--models", "house", "--high"]);
    let Some(browser) = Browser::open(&demo.address) else { return };
    browser.wait_for("the page is connected", "return document.body.dataset.connected === 'true'");
    let level = browser.text("return document.querySelector('#level').textContent");
    assert!(level.starts_with("high"), "{level}");
    play(&browser, ("enrolled", true, "is known"));
    play(&browser, ("mask_rigid", false, "did not come in time"));
}

#[test]
fn h8_the_demo_answers_its_own_page_only_and_bounds_what_it_takes() {
    let demo = Demo::start_with(&[]);
    let post = |path: &str, origin: &str, body: &[u8]| {
        demo.post(path, &[("origin", origin), ("content-type", "application/json")], body)
    };
    let own = demo.address.clone();
    assert_eq!(post("/scene", "https://evil.example", b"{\"id\":\"enrolled\"}"), 403);
    assert_eq!(post("/scene", &own, b"{\"id\":\"../../etc/passwd\"}"), 409);
    assert_eq!(post("/scene", &own, b"not json"), 400);
    assert_eq!(post("/visitor", &own, b"not a picture"), 422);
    assert_eq!(post("/camera/frame", &own, b"not a picture"), 422);
}

#[test]
fn without_models_the_page_says_what_to_do() {
    let empty = tempfile::tempdir().expect("a folder");
    let pack = empty.path().join("pack.toml");
    std::fs::write(&pack, "name = \"broken\"").expect("written");
    let demo = Demo::start_with(&["--models", &empty.path().to_string_lossy()]);
    let Some(browser) = Browser::open(&demo.address) else { return };
    browser.wait_for("the card is shown", "return !document.querySelector('#problem').hidden");
    let steps = browser.text("return String(document.querySelectorAll('#problem-do li').length)");
    assert!(steps.parse::<u32>().expect("a number") >= 2, "the card has no steps");
}
