//! One family of sensors lies: whatever is shown is refused by the others.

use doorward_core::liveness::Level;
use doorward_hal::scene::DepthCamera;
use doorward_hal::scene::species::{self, Class};

use super::station::{Lie, Outcome, Showing, Station, glinting, moments, policy};

/// Shows every attack, at `standard` where the glint of eyes is asked for; those that were taken for live people, but for the
/// ones whose refusal rests on the lying family alone.
fn taken_for_live(lie: Lie, level: Level, rests_on_it: &[&str]) -> Vec<String> {
    let mut station = Station::new();
    let mut taken = Vec::new();
    let policy = if level == Level::High { policy(level) } else { glinting(level) };
    for species in species::ALL.iter().filter(|s| s.class == Class::Attack) {
        let target = species.name.len() % station.players();
        let outcome = station.show(Showing {
            species,
            target,
            other: station.players(),
            policy,
            lie,
            depth: DepthCamera::StructuredLight,
            seed: 23,
            moments: moments(&policy),
        });
        let live = matches!(outcome, Outcome::Live(_));
        println!("{lie:?} lies, {level:?}: {} -> {outcome:?}", species.name);
        if live && !rests_on_it.contains(&species.name) {
            taken.push(format!("{} of {target} at {level:?}", species.name));
        }
    }
    taken
}

/// A rigid mask has a head's relief and skin's brightness, and its wearer's eyes mirror the light: where colour does not see
/// it, nothing does. A known weakness.
const EYES: [&str; 1] = ["mask_rigid_eyes"];
/// Painted eyes are infrared's alone to see.
const WITHOUT_INFRARED: [&str; 2] = ["mask_rigid", "mask_rigid_eyes"];
/// A worn paper mask in carbon ink shows infrared a face, with living eyes; where the colour model takes it for one as well,
/// only depth sees that it is paper. A known weakness.
const WITHOUT_DEPTH: [&str; 2] = ["mask_rigid_eyes", "mask_paper_carbon"];

#[test]
fn p1_p2_p3_p4_p5_p6_with_a_colour_model_that_believes_everything_all_but_masks_with_living_eyes_are_refused()
{
    let taken = taken_for_live(Lie::Colour, Level::Standard, &EYES);
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn p1_p4_p9_with_an_infrared_stream_of_a_live_person_all_but_rigid_masks_are_refused() {
    let taken = taken_for_live(Lie::Infrared, Level::Standard, &WITHOUT_INFRARED);
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn p1_p4_p6_p10_with_a_depth_stream_of_a_live_person_all_but_masks_with_living_eyes_are_refused() {
    let taken = taken_for_live(Lie::Depth, Level::Standard, &WITHOUT_DEPTH);
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn p9_at_high_a_recorded_infrared_stream_does_not_know_the_emitters_pattern() {
    let taken = taken_for_live(Lie::Infrared, Level::High, &[]);
    assert!(taken.is_empty(), "{taken:?}");
}

/// What passes at `standard` then: who is asked to smile needs no sensor to be seen through.
#[test]
fn p1_p4_p5_p6_p10_at_high_every_attack_is_refused_with_a_lying_colour_model_or_depth_stream_as_well() {
    for lie in [Lie::Colour, Lie::Depth] {
        let taken = taken_for_live(lie, Level::High, &[]);
        assert!(taken.is_empty(), "{taken:?}");
    }
}
