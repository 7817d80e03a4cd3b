//! One family of sensors lies: whatever is shown is refused by the others.

use doorward_core::liveness::Level;
use doorward_hal::scene::DepthCamera;
use doorward_hal::scene::species::{self, Class};

use super::station::{Lie, Outcome, Showing, Station, policy};

/// Shows every attack whose refusal does not rest on the lying family alone; those that were taken for live people.
fn taken_for_live(lie: Lie, level: Level, rests_on_it: &[&str]) -> Vec<String> {
    let mut station = Station::new();
    let mut taken = Vec::new();
    for species in species::ALL.iter().filter(|s| s.class == Class::Attack) {
        let target = species.name.len() % station.players();
        let outcome = station.show(Showing {
            species,
            target,
            other: station.players(),
            policy: policy(level),
            lie,
            depth: DepthCamera::StructuredLight,
            seed: 23,
            moments: 30,
        });
        let live = matches!(outcome, Outcome::Live(_));
        println!("{lie:?} lies, {level:?}: {} -> {outcome:?}", species.name);
        if live && !rests_on_it.contains(&species.name) {
            taken.push(format!("{} of {target} at {level:?}", species.name));
        }
    }
    taken
}

/// A rigid mask has a head's relief and skin's brightness: where colour does not see it, nothing does.
const MASKS: [&str; 2] = ["mask_rigid", "mask_rigid_eyes"];

#[test]
fn p1_p2_p3_p4_p5_with_a_colour_model_that_believes_everything_all_but_rigid_masks_are_refused() {
    let taken = taken_for_live(Lie::Colour, Level::Standard, &MASKS);
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn p1_p4_p9_with_an_infrared_stream_of_a_live_person_attacks_are_refused() {
    let taken = taken_for_live(Lie::Infrared, Level::Standard, &MASKS);
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn p1_p4_p10_with_a_depth_stream_of_a_live_person_attacks_are_refused() {
    let taken = taken_for_live(Lie::Depth, Level::Standard, &MASKS);
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn p9_at_high_a_recorded_infrared_stream_does_not_know_the_emitters_pattern() {
    let taken = taken_for_live(Lie::Infrared, Level::High, &[]);
    assert!(taken.is_empty(), "{taken:?}");
}
