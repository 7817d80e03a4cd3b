//! Which pack a terminal takes: placed whole, found, and given back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::packs::Workshop;
use crate::{Said, doorctl};

/// A workshop with two versions of a pack, and a folder into which they are installed.
struct Site {
    workshop: Workshop,
    packs: [String; 2],
}

impl Site {
    fn new() -> Self {
        let workshop = Workshop::new();
        let first = workshop.built("first");
        let recipe = fs::read_to_string(workshop.path("recipe.toml")).unwrap();
        fs::write(workshop.path("recipe.toml"), recipe.replace("version = \"1\"", "version = \"2\""))
            .unwrap();
        let second = workshop.built("second");
        Self { workshop, packs: [first, second] }
    }

    fn install(&self, more: &[&str]) -> Said {
        doorctl(&[&["pack", "install"], more, &["--to", &self.workshop.text("models")]].concat())
    }

    /// The title of the pack that is found.
    fn title(&self) -> String {
        let said = doorctl(&["pack", "check", &self.workshop.text("models")]).with(0);
        said.out.lines().next().unwrap().split(',').next().unwrap().to_owned()
    }

    /// How many packs are kept.
    fn kept(&self) -> usize {
        fs::read_dir(self.workshop.path("models/installed")).unwrap().count()
    }
}

#[test]
fn the_installed_pack_is_found_and_the_one_before_comes_back() {
    let site = Site::new();
    let said = site.install(&["--rollback"]).with(2);
    assert!(said.err.contains("no previous pack"), "{}", said.err);
    let said = site.install(&[&site.packs[0]]).with(0);
    assert!(
        said.out.contains("tiny 1 installed") && said.out.contains("Nothing proves who made"),
        "{}",
        said.out
    );
    assert_eq!(site.title(), "tiny 1");
    assert!(site.install(&[&site.packs[0]]).with(0).out.contains("already"));
    assert!(site.install(&["--rollback"]).with(2).err.contains("no previous pack"));

    site.install(&[&site.packs[1]]).with(0);
    assert_eq!((site.title().as_str(), site.kept()), ("tiny 2", 2));
    site.install(&["--rollback"]).with(0);
    assert_eq!(site.title(), "tiny 1");
    site.install(&["--rollback"]).with(0);
    assert_eq!((site.title().as_str(), site.kept()), ("tiny 2", 2));

    let file = |name: &str| site.workshop.path("models/current").join(name);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file("")), mode(&file("pack.toml")), mode(&file("see.onnx"))), (0o755, 0o644, 0o644));
}

#[test]
fn h5_a_pack_that_is_not_sound_changes_nothing() {
    let site = Site::new();
    let [first, second] = &site.packs;
    let (key, public) = (site.workshop.text("pack.key"), site.workshop.text("pack.key.pub"));
    doorctl(&["pack", "keygen", &key]).with(0);
    doorctl(&["pack", "sign", first, "--key", &key]).with(0);
    let said = site.install(&[first, "--trust", &public]).with(0);
    assert!(
        said.out.contains("signed by the trusted key") && !said.out.contains("Nothing proves"),
        "{}",
        said.out
    );
    let installed = site.workshop.text("models");
    doorctl(&["pack", "check", &installed, "--trust", &public]).with(0);

    site.install(&[second, "--trust", &public]).refused(&["no pack.sig"]);
    let manifest = Path::new(second).join("pack.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let golden = text.find("golden = [\n  ").unwrap() + "golden = [\n  ".len();
    fs::write(&manifest, format!("{}7{}", &text[..golden], &text[golden..])).unwrap();
    site.install(&[second]).refused(&["self-test"]);
    fs::write(Path::new(second).join("see.onnx"), "damaged").unwrap();
    site.install(&[second]).refused(&["see.onnx"]);
    assert_eq!((site.title().as_str(), site.kept()), ("tiny 1", 1));
}

#[test]
fn h5_a_damaged_copy_is_neither_taken_again_nor_gone_back_to() {
    let site = Site::new();
    let [first, second] = &site.packs;
    site.install(&[first]).with(0);
    site.install(&[second]).with(0);
    let damage =
        |link: &str| fs::write(site.workshop.path("models").join(link).join("know.onnx"), "x").unwrap();
    damage("previous");
    site.install(&["--rollback"]).refused(&["know.onnx"]);
    assert_eq!(site.title(), "tiny 2");
    damage("current");
    doorctl(&["pack", "check", &site.workshop.text("models")]).refused(&["know.onnx"]);
    site.install(&[second]).with(0);
    assert_eq!(site.title(), "tiny 2", "a whole copy took the place of the damaged one");
    site.install(&[first]).with(0);
    site.install(&["--rollback"]).with(0);
    assert_eq!(site.title(), "tiny 2");
}

#[test]
fn what_a_package_put_there_is_left_alone_and_passed_by() {
    let site = Site::new();
    let [first, second] = &site.packs;
    fs::create_dir(site.workshop.path("models")).unwrap();
    for name in ["pack.toml", "see.onnx", "know.onnx", "live.onnx"] {
        fs::copy(Path::new(first).join(name), site.workshop.path("models").join(name)).unwrap();
    }
    assert_eq!(site.title(), "tiny 1");
    site.install(&[second]).with(0);
    assert_eq!(site.title(), "tiny 2");
    assert!(site.workshop.path("models/pack.toml").is_file());
}
