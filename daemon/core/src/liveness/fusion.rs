//! The fusion table: what each family of evidence says, what a level asks for, and what follows. There are no weights:
//! an attack only has to be seen by one family, and none of them can talk another out of it.

pub use doorward_protocol::audit::LivenessLevel as Level;

/// What one family says of a live person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// There is no such sensor, or nothing was asked.
    NotFitted,
    /// It should have spoken and has not: no picture of this moment, no answer yet.
    Missing,
    /// This is no live person.
    Contradicts,
    /// This is one.
    Supports,
}

impl Says {
    /// Everything a family can say.
    pub const ALL: [Says; 4] = [Says::NotFitted, Says::Missing, Says::Contradicts, Says::Supports];
}

/// What all families say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voices {
    /// Passive colour.
    pub rgb: Says,
    /// Infrared: reflection, fall-off, and the same face in the same place.
    pub infrared: Says,
    /// Depth: relief and size.
    pub depth: Says,
    /// The mirror of the infrared light in the eyes, where it is asked for: seen, or not yet.
    pub glint: Says,
    /// The emitter's pattern: whether the face followed it.
    pub light: Says,
    /// What the person was asked to do: a movement, or a credential in its place.
    pub movement: Says,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything the level asks for is there.
    Live,
    /// Something it asks for is missing.
    Unproven,
    /// Something speaks against it.
    NotLive,
}

/// The table.
///
/// | | colour | infrared | depth | movement |
/// |---|---|---|---|---|
/// | `convenience` | supports | | | |
/// | `standard` | supports | one of both supports | | |
/// | `high` | supports | supports | supports | supports |
///
/// A rigid mask passes for a face in all of the first three; so `high` asks for what it cannot do. Where a policy asks for
/// the glint of eyes or for the pattern of the light, it is asked for at every level; a light that got no answer, because
/// the sun outshines it, is made good by a movement.
///
/// Above it stand two rules for every level: whoever contradicts ends it, and what is fitted, or was asked, and says
/// nothing is never passed over. So a sensor that fails or lies lowers trust, and none raises it by its absence.
#[must_use]
pub fn fuse(level: Level, voices: Voices) -> Verdict {
    use Says::{Contradicts, Missing, NotFitted, Supports};
    let Voices { rgb, infrared, depth, glint, light, movement } = voices;
    if [rgb, infrared, depth, glint, light, movement].contains(&Contradicts) {
        return Verdict::NotLive;
    }
    let light = if movement == Supports { NotFitted } else { light };
    match (level, rgb, infrared, depth, movement) {
        _ if [rgb, infrared, depth, glint, light, movement].contains(&Missing) => Verdict::Unproven,
        (Level::Convenience, Supports, _, _, _)
        | (Level::Standard, Supports, Supports, _, _)
        | (Level::Standard, Supports, _, Supports, _)
        | (Level::High, Supports, Supports, Supports, Supports) => Verdict::Live,
        (Level::Convenience | Level::Standard | Level::High, _, _, _, _) => Verdict::Unproven,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = (Level, Voices)> {
        let says = || Says::ALL.into_iter();
        Level::ALL.into_iter().flat_map(move |level| {
            says().flat_map(move |rgb| {
                says().flat_map(move |infrared| {
                    says().flat_map(move |depth| {
                        says().flat_map(move |glint| {
                            says().flat_map(move |light| {
                                says().map(move |movement| {
                                    (level, Voices { rgb, infrared, depth, glint, light, movement })
                                })
                            })
                        })
                    })
                })
            })
        })
    }

    /// The rules once more, in the words of the design and without the table's.
    fn told(level: Level, v: Voices) -> Verdict {
        let voices = [v.rgb, v.infrared, v.depth, v.glint, v.light, v.movement];
        let silent = |says: &Says| *says == Says::Missing;
        // What the person did stands for the light.
        let lacking = if v.movement == Says::Supports {
            voices[..4].iter().any(silent)
        } else {
            voices.iter().any(silent)
        };
        let supporting = |asked: &[Says]| asked.iter().all(|says| *says == Says::Supports);
        let asked = match level {
            Level::Convenience => supporting(&[v.rgb]),
            Level::Standard => supporting(&[v.rgb, v.infrared]) || supporting(&[v.rgb, v.depth]),
            Level::High => supporting(&[v.rgb, v.infrared, v.depth, v.movement]),
        };
        if voices.contains(&Says::Contradicts) {
            Verdict::NotLive
        } else if asked && !lacking {
            Verdict::Live
        } else {
            Verdict::Unproven
        }
    }

    #[test]
    fn every_combination_of_levels_and_voices_gives_what_the_design_says() {
        assert_eq!(all().count(), 3 * 4096);
        for (level, voices) in all() {
            assert_eq!(fuse(level, voices), told(level, voices), "{level:?} {voices:?}");
        }
    }

    #[test]
    fn p9_colour_alone_is_live_for_convenience_and_for_no_other_level() {
        use Says::{NotFitted, Supports};
        let alone = Voices {
            rgb: Supports,
            infrared: NotFitted,
            depth: NotFitted,
            glint: NotFitted,
            light: NotFitted,
            movement: NotFitted,
        };
        for movement in [NotFitted, Supports] {
            let of = |level| fuse(level, Voices { movement, ..alone });
            let found = Level::ALL.map(of);
            assert_eq!(found, [Verdict::Live, Verdict::Unproven, Verdict::Unproven]);
        }
    }

    #[test]
    fn p6_at_high_nobody_is_live_who_has_not_moved_whatever_else_speaks_for_him() {
        for (level, voices) in
            all().filter(|(level, v)| *level == Level::High && v.movement != Says::Supports)
        {
            assert_ne!(fuse(level, voices), Verdict::Live, "{voices:?}");
        }
    }

    #[test]
    fn a_voice_that_falls_silent_or_turns_never_makes_anybody_live() {
        let rank = |verdict| match verdict {
            Verdict::Live => 2,
            Verdict::Unproven => 1,
            Verdict::NotLive => 0,
        };
        for (level, voices) in all() {
            let before = rank(fuse(level, voices));
            for lower in [Says::Missing, Says::Contradicts] {
                // A contradiction that is only silenced is another scene, not a loss of trust.
                let fades = |says| if says == Says::Contradicts { says } else { lower };
                for faded in [
                    Voices { rgb: fades(voices.rgb), ..voices },
                    Voices { infrared: fades(voices.infrared), ..voices },
                    Voices { depth: fades(voices.depth), ..voices },
                    Voices { glint: fades(voices.glint), ..voices },
                    Voices { light: fades(voices.light), ..voices },
                    Voices { movement: fades(voices.movement), ..voices },
                ] {
                    assert!(rank(fuse(level, faded)) <= before, "{level:?} {voices:?} {faded:?}");
                }
            }
        }
    }

    #[test]
    fn a_higher_level_never_takes_what_a_lower_one_refuses() {
        for (level, voices) in all() {
            for lower in Level::ALL.into_iter().filter(|lower| *lower < level) {
                let takes = |level| fuse(level, voices) == Verdict::Live;
                assert!(!takes(level) || takes(lower), "{level:?} {lower:?} {voices:?}");
            }
        }
    }
}
