//! A nod: the face sinks in the picture without changing its size.
//!
//! The joint that a head nods about lies some 90 mm behind the eyes, so ten degrees carry them 16 mm down, a quarter of their
//! distance. Detectors show that as it is. They do not show what the nose does beside its plane then: they draw it where a mean
//! face has it between eyes and mouth, and of a parallax of 0.16 heights the recommended one reads 0.02 to 0.11 and the house
//! pack's 0.01 (rendered heads, docs/scenes.md). A photograph that is lowered sinks as well; it is for the turn to tell.

use std::collections::VecDeque;
use std::time::Duration;

use crate::geometry::Landmarks;
use crate::time::Mono;

/// How far the eyes must sink, in their own distances: 11 mm, seven degrees. Who stands and breathes sways by two or three.
const SUNK_MIN: f32 = 0.18;
/// Within what time. A slower one is somebody who sits down.
const WITHIN: Duration = Duration::from_secs(2);
/// How much the eyes' distance may differ meanwhile: who comes nearer sinks or rises as well.
const ALIKE: f32 = 1.1;
/// Pictures that are remembered.
const PICTURES_MAX: usize = 64;

/// How high the eyes were of late.
#[derive(Debug, Clone, Default)]
pub(super) struct Nod {
    recent: VecDeque<(Mono, Landmarks)>,
    sunk: f32,
}

impl Nod {
    /// Takes the next picture.
    pub(super) fn see(&mut self, marks: &Landmarks, now: Mono) {
        let fresh = |(at, _): &(Mono, Landmarks)| now.since(*at) <= WITHIN;
        while self.recent.front().is_some_and(|first| !fresh(first)) || self.recent.len() >= PICTURES_MAX {
            self.recent.pop_front();
        }
        self.sunk = self.recent.iter().map(|(_, before)| sunk(before, marks)).fold(0.0, f32::max);
        self.recent.push_back((now, *marks));
    }

    /// Whether the face was lowered, in the newest picture.
    pub(super) fn is_lowered(&self) -> bool {
        self.sunk >= SUNK_MIN
    }
}

/// How far the eyes went down between two pictures of a face of one size, in their own distances; 0 otherwise.
fn sunk(before: &Landmarks, marks: &Landmarks) -> f32 {
    let (wide, grown) = (before.eye_distance(), marks.eye_distance() / before.eye_distance());
    let alike = (1.0 / ALIKE..=ALIKE).contains(&grown);
    let (from, to) = (before.left_eye.middle(before.right_eye), marks.left_eye.middle(marks.right_eye));
    // Down as the face has it, should the head be held aslant.
    let across = (before.right_eye.x - before.left_eye.x, before.right_eye.y - before.left_eye.y);
    let down = ((to.y - from.y) * across.0 - (to.x - from.x) * across.1) / (wide * wide);
    if alike && down.is_finite() { down } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;

    fn eyes(x: f32, y: f32, wide: f32, aslant: f32) -> Landmarks {
        let (sin, cos) = aslant.to_radians().sin_cos();
        let at = |dx: f32, dy: f32| Point::new(x + dx * cos - dy * sin, y + dx * sin + dy * cos);
        Landmarks::from_points([
            at(-0.5 * wide, 0.0),
            at(0.5 * wide, 0.0),
            at(0.0, 0.6 * wide),
            at(-0.4 * wide, 1.1 * wide),
            at(0.4 * wide, 1.1 * wide),
        ])
    }

    /// Whether it is a nod where the eyes go so by from picture to picture, 66 ms apart.
    fn nods(path: impl Fn(f32) -> Landmarks, pictures: u16) -> bool {
        let mut nod = Nod::default();
        (0..pictures).any(|k| {
            nod.see(&path(f32::from(k)), Mono::from_millis(66 * u64::from(k)));
            nod.is_lowered()
        })
    }

    #[test]
    fn a_face_that_sinks_nods_however_it_is_held_and_wherever_it_is() {
        for wide in [32.0, 100.0] {
            for aslant in [-20.0f32, 0.0, 20.0] {
                let (sin, cos) = aslant.to_radians().sin_cos();
                let lowered = |k: f32| {
                    let by = 0.025 * k * wide;
                    eyes(320.0 - by * sin, 240.0 + by * cos, wide, aslant)
                };
                assert!(nods(lowered, 12), "{wide} {aslant}");
            }
        }
    }

    #[test]
    fn who_rises_goes_aside_comes_nearer_or_sits_down_slowly_does_not_nod() {
        let wide = 60.0;
        // Pixels to the right and down, and growth, from picture to picture.
        let steady = [
            ("rises", [0.0, -2.0, 1.0]),
            ("goes aside", [4.0, 0.0, 1.0]),
            ("comes nearer", [0.0, 2.0, 1.04f32]),
            ("sits down", [0.0, 0.3, 1.0]),
        ];
        for (name, [right, down, growth]) in steady {
            let path = |k: f32| eyes(320.0 + right * k, 240.0 + down * k, wide * growth.powf(k), 0.0);
            assert!(!nods(path, 60), "{name}");
        }
        assert!(!nods(|k| eyes(320.0, 240.0 + 3.0 * (0.3 * k).sin(), wide, 0.0), 60), "sways");
        assert!(nods(|k| eyes(320.0, 240.0 + 0.02 * k * wide, wide, 0.0), 20));
    }
}
