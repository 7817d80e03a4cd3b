//! Enrolment and recognition on portraits of people who do not exist, with every pack that is there. Needs nothing from
//! outside the repository.

use doorward_models::pack::all_present;

use crate::{Terminal, checkout};

/// A portrait of the repository.
fn portrait(letter: char) -> String {
    checkout().join(format!("models/people/nobody-{letter}.jpg")).display().to_string()
}

#[test]
fn people_are_enrolled_recognised_and_told_apart_with_every_pack() {
    let packs = all_present();
    assert!(!packs.is_empty(), "the house pack is in the repository");
    for pack in packs {
        let pack = pack.manifest.parent().expect("a manifest lies in a folder").display().to_string();
        let terminal = Terminal::new();
        let run = |arguments: &[&str]| terminal.run(&[arguments, &["--models", &pack]].concat());
        let enroll = |person: &str, letter: char| {
            let name = ["--name", "Nobody", "--supervised", "--photo"];
            run(&[&["enroll", "--person", person][..], &name, &[&portrait(letter)]].concat())
        };
        enroll("E-1", 'a').with(0);
        enroll("E-2", 'b').with(0);
        enroll("E-3", 'a').refused(&["E-1"]);
        let known = run(&["identify", &portrait('b'), "--json"]).with(0).json();
        assert_eq!((&known["decision"], &known["person"]), (&"recognised".into(), &"E-2".into()), "{known}");
        let stranger = run(&["identify", &portrait('c'), "--json"]).with(0).json();
        assert_eq!(stranger["decision"], "unknown", "{pack}: {stranger}");
        run(&["audit", "verify"]).with(0);
    }
}
