//! Whether the pictures of rendered people show what is asked for, and those of rigid masks do not: smiles as the examiner
//! reads them, with the house pack's points.

use std::time::Duration;

use doorward_core::liveness::movement::{MOUTH_CHANGE_MIN, Move};
use doorward_core::time::Mono;
use doorward_hal::scene::{ACT_MS, Act, Person, Renderer, Scene, Skin};

use super::station::Station;

/// What is read before an action and while it is held.
fn before_and_while(station: &mut Station, who: usize, skin: Skin, action: Move) -> (f32, f32) {
    let from = Mono::from_millis(2_000);
    let person = Person::live(station.portrait(who)).wearing(skin).acting(Act { action, from });
    let (scene, renderer) = (Scene::of(person), Renderer::new(who as u64));
    let mut middle = |begin: Mono| {
        let moments = (0..5).map(|k| begin + Duration::from_millis(80 * k));
        let mut read: Vec<f32> =
            moments.filter_map(|at| station.reads_smile(&renderer, &scene, at)).collect();
        read.sort_by(f32::total_cmp);
        read.get(read.len() / 2).copied().expect("a face whose mouth is read")
    };
    (middle(Mono::from_millis(1_200)), middle(from + Duration::from_millis(ACT_MS / 2 - 160)))
}

#[test]
fn people_smile_as_they_are_asked_to_and_masks_do_not_whatever_they_do() {
    let mut station = Station::new();
    let (mut shown, mut widest, mut nodding) = (0, 0.0f32, 0.0f32);
    for who in 0..=station.players() {
        let (rest, smiling) = before_and_while(&mut station, who, Skin::Living, Move::Smile);
        println!("{who}: at rest {rest:.2}, smiling {smiling:.2}");
        shown += usize::from(smiling - rest >= MOUTH_CHANGE_MIN);
        for action in [Move::Smile, Move::Nod, Move::Closer] {
            let (rest, then) = before_and_while(&mut station, who, Skin::Mask, action);
            println!("  its mask, {action:?}: {rest:.2}, {then:.2}");
            let most = if action == Move::Nod { &mut nodding } else { &mut widest };
            *most = most.max((then - rest).abs());
        }
    }
    let count = station.players() + 1;
    println!(
        "{shown} of {count} smiles are far enough; masks change by {widest:.2}, lowered by {nodding:.2} at most"
    );
    // No mouth is read while a face is lowered; so that one is for whoever lowers it too slowly for a nod.
    assert!(widest < 0.5 * MOUTH_CHANGE_MIN && nodding < MOUTH_CHANGE_MIN && shown * 4 >= 3 * count);
}
