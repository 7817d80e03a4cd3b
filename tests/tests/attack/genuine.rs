//! Live people: how many are refused (BPCER, ISO/IEC 30107-3), and whether a movement that is asked for tells them from
//! photographs.

use doorward_core::decision::Reject;
use doorward_core::liveness::{Level, Policy};
use doorward_hal::scene::DepthCamera;
use doorward_hal::scene::species::{self, Class, Species};

use super::station::{Lie, Outcome, Showing, Station, asking, glinting, glinting_or_moving, moments, policy};

fn named(name: &str) -> &'static Species {
    species::named(name).expect("a species of the list")
}

fn show(
    station: &mut Station,
    species: &'static Species,
    target: usize,
    policy: Policy,
    seed: u64,
) -> Outcome {
    let depth = if seed.is_multiple_of(2) { DepthCamera::StructuredLight } else { DepthCamera::TimeOfFlight };
    let moments = moments(&policy).max(50);
    station.show(Showing { species, target, other: 7, policy, lie: Lie::None, depth, seed, moments })
}

/// Plays live people, all or those within half a metre; how many were refused of how many, and what of.
fn refused(policy: Policy, near: bool, seeds: u64) -> (usize, usize, Vec<String>) {
    let mut station = Station::new();
    let (mut count, mut strangers, mut refused) = (0, 0, Vec::new());
    for species in species::ALL.iter().filter(|s| s.class == Class::BonaFide) {
        if near && species.name != "live" {
            continue;
        }
        for target in 0..=station.players() {
            for seed in 0..seeds {
                count += 1;
                match show(&mut station, species, target, policy, 100 * seed + target as u64) {
                    Outcome::Live(who) if target < station.players() => {
                        // Never for another person.
                        assert!(who.is_none_or(|who| who == *station.id(target)), "{species:?} {target}");
                    }
                    Outcome::Live(who) => strangers += usize::from(who.is_some()),
                    outcome @ (Outcome::Refused(_) | Outcome::Open) => {
                        refused.push(format!("{} of {target}: {outcome:?}", species.name))
                    }
                }
            }
        }
    }
    assert_eq!(strangers, 0, "nobody knows the stranger");
    (refused.len(), count, refused)
}

/// Upper end of the 95 % interval of a rate (Wilson 1927).
fn wilson(errors: usize, count: usize) -> f64 {
    const Z: f64 = 1.96;
    let (n, p) = (count as f64, errors as f64 / count as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (middle + half) / (1.0 + Z * Z / n)
}

#[test]
fn at_standard_at_most_two_in_a_hundred_live_people_are_refused() {
    let (errors, count, which) = refused(policy(Level::Standard), false, 8);
    println!(
        "BPCER at standard: {errors} of {count}, at most {:.1} % (95 %) {which:?}",
        100.0 * wilson(errors, count)
    );
    assert!(errors * 50 <= count, "{errors} of {count}: {which:?}");
}

#[test]
fn at_high_live_people_follow_the_emitter_and_move_as_they_are_asked_to() {
    let (errors, count, which) = refused(policy(Level::High), false, 3);
    println!(
        "BPCER at high: {errors} of {count}, at most {:.1} % (95 %) {which:?}",
        100.0 * wilson(errors, count)
    );
    assert!(errors * 50 <= count, "{errors} of {count}: {which:?}");
}

#[test]
fn where_the_glint_of_eyes_is_asked_for_who_is_near_enough_passes_and_nobody_farther_is_refused() {
    // At high they are asked to move as well.
    for (level, seeds) in [(Level::Standard, 8), (Level::High, 7)] {
        let (errors, count, which) = refused(glinting(level), true, seeds);
        let most = 100.0 * wilson(errors, count);
        println!("BPCER with glint at {level:?}: {errors} of {count}, at most {most:.1} % (95 %) {which:?}");
        assert!(errors * 50 <= count, "{errors} of {count}: {which:?}");
    }
    // They are told to come closer for as long as they stay away.
    let mut station = Station::new();
    let far = show(&mut station, named("live_far"), 0, glinting(Level::Standard), 1);
    assert!(matches!(far, Outcome::Open | Outcome::Refused(Reject::TooFar)), "{far:?}");
}

#[test]
fn p5_a_person_answers_the_movement_that_is_asked_for() {
    let mut station = Station::new();
    let (mut answered, mut count, mut not) = (0, 0, Vec::new());
    for target in 0..=station.players() {
        for seed in [3, 40] {
            let policy = asking(Level::Standard);
            let outcome = show(&mut station, named("live_mid"), target, policy, seed + target as u64);
            count += 1;
            match outcome {
                Outcome::Live(_) => answered += 1,
                Outcome::Refused(_) | Outcome::Open => not.push(format!("{target}: {outcome:?}")),
            }
        }
    }
    println!("people who are asked to move: {answered} of {count} were believed");
    assert!(answered * 10 >= count * 9, "{answered} of {count} people were believed: {not:?}");
}

#[test]
fn p6_nobody_is_turned_away_for_want_of_a_glint_where_a_movement_will_do() {
    let mut station = Station::new();
    for target in 0..4 {
        // Too far for a glint.
        let policy = glinting_or_moving(Level::Standard);
        let outcome = show(&mut station, named("live_far"), target, policy, 7 + target as u64);
        assert!(matches!(outcome, Outcome::Live(_)), "{target}: {outcome:?}");
    }
}

#[test]
fn p9_where_the_emitter_is_covered_or_outshone_colour_alone_lets_nobody_pass() {
    let mut station = Station::new();
    for name in ["live_emitter_covered", "live_sun"] {
        for target in 0..3 {
            let outcome = show(&mut station, named(name), target, policy(Level::High), 3);
            assert!(!matches!(outcome, Outcome::Live(_)), "{name}: {outcome:?}");
        }
    }
}
