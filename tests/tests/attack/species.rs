//! Each attack case with every species that belongs to it, at `standard` and at `high`, all sensors fitted and honest.
//! Whoever is asked to move tries to.

use doorward_core::liveness::{Level, Policy};
use doorward_hal::scene::DepthCamera;
use doorward_hal::scene::species::{self, Class, Species};

use super::station::{Lie, Outcome, Showing, Station, asking, glinting, glinting_or_moving, moments, policy};

/// Portraits an attack is tried with; all of them are in the longer sweep.
const TARGETS: [usize; 3] = [0, 2, 5];
/// Who wears, stands beside, or looks into the other camera: the stranger.
const OTHER: usize = 7;
/// Levels an attack is tried at.
const BOTH: [Level; 2] = [Level::Standard, Level::High];

/// The species of a case.
fn of_case(id: &str) -> Vec<&'static Species> {
    let found: Vec<_> = species::ALL
        .iter()
        .filter(|s| s.class == Class::Attack && s.cases.split(' ').any(|case| case == id))
        .collect();
    assert!(!found.is_empty(), "no species is of case {id}");
    found
}

/// Shows all species of a case; those that were taken for live people, and how many presentations there were.
fn taken_for_live(id: &str, policy: fn(Level) -> Policy, levels: &[Level]) -> (Vec<String>, usize) {
    let mut station = Station::new();
    let (mut taken, mut shown) = (Vec::new(), 0);
    for species in of_case(id) {
        for level in levels {
            for (k, target) in TARGETS.into_iter().enumerate() {
                let depth = if k == 1 { DepthCamera::TimeOfFlight } else { DepthCamera::StructuredLight };
                let outcome = station.show(Showing {
                    species,
                    target,
                    other: OTHER,
                    policy: policy(*level),
                    lie: Lie::None,
                    depth,
                    seed: 11 + target as u64,
                    moments: moments(&policy(*level)),
                });
                shown += 1;
                if matches!(outcome, Outcome::Live(_)) {
                    taken.push(format!("{} of {target} at {level:?}", species.name));
                }
            }
        }
    }
    println!("{id}: {} of {shown} presentations taken for live people", taken.len());
    (taken, shown)
}

fn refused(id: &str) {
    let (taken, _) = taken_for_live(id, policy, &BOTH);
    assert!(taken.is_empty(), "{id}: taken for live people: {taken:?}");
}

#[test]
fn p1_p10_prints_whole_cut_out_flat_and_bent_are_refused() {
    refused("P1");
}

#[test]
fn p2_prints_that_infrared_sees_are_refused() {
    refused("P2");
}

#[test]
fn p3_a_printed_infrared_photograph_is_refused() {
    refused("P3");
}

#[test]
fn p4_telephones_tablets_and_electronic_paper_in_a_hand_and_on_a_stand_are_refused() {
    refused("P4");
}

#[test]
fn p5_a_film_that_blinks_is_refused() {
    refused("P5");
}

#[test]
fn p7_a_face_beside_or_behind_another_is_refused() {
    refused("P7");
}

#[test]
fn p8_colour_of_one_person_and_infrared_and_depth_of_another_is_refused() {
    refused("P8");
}

#[test]
fn p9_prints_under_a_covered_emitter_a_foreign_lamp_and_the_sun_are_refused() {
    refused("P9");
}

/// Shows the masks; how many of each species were taken for live people.
fn masks(policy: fn(Level) -> Policy, level: Level) -> [usize; 4] {
    let (taken, shown) = taken_for_live("P6", policy, &[level]);
    ["mask_paper ", "mask_paper_carbon ", "mask_rigid ", "mask_rigid_eyes "].map(|name| {
        let count = taken.iter().filter(|what| what.starts_with(name)).count();
        println!("  {name}: {count} of {} taken for live people", shown / 4);
        count
    })
}

/// Paper masks have no relief of a face. Rigid ones have, and skin's brightness: of what is measured here only colour could
/// tell, and does not. Reported per species, as ISO/IEC 30107-3 has it.
#[test]
fn p6_paper_masks_are_refused_and_what_rigid_ones_reach_at_standard_is_reported() {
    assert_eq!(masks(policy, Level::Standard)[..2], [0, 0]);
}

/// What no sensor tells from a face is told by what it does.
#[test]
fn p6_at_high_rigid_masks_are_refused_with_painted_eyes_and_with_the_wearers() {
    assert_eq!(masks(policy, Level::High), [0; 4]);
}

#[test]
fn p6_where_everybody_is_asked_to_move_rigid_masks_are_refused_at_standard_as_well() {
    assert_eq!(masks(asking, Level::Standard), [0; 4]);
}

/// Painted eyes mirror no light. The wearer's own behind holes do: a known weakness where nobody is asked to move.
#[test]
fn p6_where_the_glint_of_eyes_is_asked_for_a_rigid_mask_with_painted_ones_is_refused() {
    assert_eq!(masks(glinting, Level::Standard)[..3], [0, 0, 0]);
    assert_eq!(masks(glinting_or_moving, Level::Standard)[..3], [0, 0, 0]);
}
