//! What two lamps and a buzzer do for each cue, as a function of time.
//!
//! Nobody needs colours to read it: both lamps mean "look here", a steady one is an answer, a slow blink is a terminal
//! out of order, a fast one an alarm. By ear: one long tone lets in, two short ones refuse, beeps without end are an
//! alarm, and even those end, because a buzzer nobody can stop is one that somebody cuts off. Who is asked to move hears
//! three to seven short beeps and sees the lamp of that side blink; docs/liveness.md has the sign for beside the door.

use std::time::Duration;

use doorward_core::decision::Cue;
use doorward_core::liveness::movement::Move;

/// What is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lamps {
    /// Green lamp.
    pub green: bool,
    /// Red lamp.
    pub red: bool,
    /// Buzzer.
    pub buzzer: bool,
}

impl Lamps {
    /// Nothing is on.
    pub const OFF: Lamps = Lamps { green: false, red: false, buzzer: false };
}

/// How one output goes on and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    Off,
    On,
    /// Milliseconds on and off, so many times.
    Blink {
        on: u64,
        off: u64,
        times: u64,
    },
}

/// Blinks until the cue changes.
const FOR_EVER: u64 = u64::MAX;

impl Rhythm {
    /// Whether it is on at a time, and how long that lasts; `None` for good.
    fn at(self, since: Duration) -> (bool, Option<Duration>) {
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        match self {
            Rhythm::Off => (false, None),
            Rhythm::On => (true, None),
            Rhythm::Blink { on, off, times } if ms / (on + off) < times => {
                let phase = ms % (on + off);
                let (lit, end) = if phase < on { (true, on) } else { (false, on + off) };
                (lit, Some(Duration::from_millis(end - phase)))
            }
            Rhythm::Blink { .. } => (false, None),
        }
    }
}

/// Green lamp, red lamp and buzzer for a cue.
fn rhythms(cue: Cue) -> [Rhythm; 3] {
    use Rhythm::{Blink, Off, On};
    match cue {
        Cue::Idle => [Off, Off, Off],
        Cue::Watching | Cue::Advice(_) => [On, On, Off],
        Cue::Move(movement) => {
            let (beckons, beeps) =
                (Blink { on: 250, off: 250, times: FOR_EVER }, |times| Blink { on: 80, off: 220, times });
            match movement {
                Move::TurnLeft => [beckons, Off, beeps(3)],
                Move::TurnRight => [Off, beckons, beeps(4)],
                Move::Nod => [beckons, beckons, beeps(5)],
                Move::Closer => [On, beckons, beeps(6)],
                Move::Smile => [beckons, On, beeps(7)],
            }
        }
        Cue::Granted => [On, Off, Blink { on: 400, off: 100, times: 1 }],
        Cue::Denied(_) => [Off, On, Blink { on: 100, off: 100, times: 2 }],
        Cue::OutOfOrder => [Off, Blink { on: 500, off: 1500, times: FOR_EVER }, Off],
        Cue::Alarm => {
            let fast = Blink { on: 250, off: 250, times: FOR_EVER };
            [Off, fast, fast]
        }
        Cue::Fire => [On, Off, Blink { on: 500, off: 500, times: FOR_EVER }],
    }
}

/// What is on so long after a cue began, and how long that lasts; `None` until the next cue. The buzzer is silent from
/// `sound_max` on.
#[must_use]
pub fn lamps(cue: Cue, since: Duration, sound_max: Duration) -> (Lamps, Option<Duration>) {
    let [green, red, buzzer] = rhythms(cue);
    let ((green, green_for), (red, red_for)) = (green.at(since), red.at(since));
    let (buzzer, buzzer_for) = match sound_max.checked_sub(since) {
        Some(left) if !left.is_zero() => {
            let (on, lasts) = buzzer.at(since);
            (on, if on { Some(lasts.map_or(left, |lasts| lasts.min(left))) } else { lasts })
        }
        _ => (false, None),
    };
    let lasts = [green_for, red_for, buzzer_for].into_iter().flatten().min();
    (Lamps { green, red, buzzer }, lasts)
}

#[cfg(test)]
mod tests {
    use doorward_core::decision::Reject;

    use super::*;

    const SOUND: Duration = Duration::from_secs(120);

    /// Plays a cue for so many seconds; returns how often each output went on and for how many milliseconds it was on.
    fn play(cue: Cue, seconds: u64, sound_max: Duration) -> [(u32, u64); 3] {
        let (mut at, mut totals, mut before) = (Duration::ZERO, [(0, 0); 3], [false; 3]);
        while at < Duration::from_secs(seconds) {
            let (Lamps { green, red, buzzer }, lasts) = lamps(cue, at, sound_max);
            let lasts = lasts.unwrap_or(Duration::from_secs(seconds) - at);
            assert!(!lasts.is_zero(), "{cue:?} stands still at {at:?}");
            let lasts = lasts.min(Duration::from_secs(seconds) - at);
            for (i, on) in [green, red, buzzer].into_iter().enumerate() {
                totals[i].0 += u32::from(on && !before[i]);
                totals[i].1 += if on { u64::try_from(lasts.as_millis()).unwrap() } else { 0 };
                before[i] = on;
            }
            at += lasts;
        }
        totals
    }

    #[test]
    fn every_cue_has_its_own_pattern() {
        let table = [
            (Cue::Idle, [(0, 0), (0, 0), (0, 0)]),
            (Cue::Watching, [(1, 10_000), (1, 10_000), (0, 0)]),
            (Cue::Granted, [(1, 10_000), (0, 0), (1, 400)]),
            (Cue::Denied(Reject::Unknown), [(0, 0), (1, 10_000), (2, 200)]),
            (Cue::OutOfOrder, [(0, 0), (5, 2500), (0, 0)]),
            (Cue::Alarm, [(0, 0), (20, 5000), (20, 5000)]),
            (Cue::Fire, [(1, 10_000), (0, 0), (10, 5000)]),
        ];
        for (cue, expected) in table {
            assert_eq!(play(cue, 10, SOUND), expected, "{cue:?}");
        }
    }

    #[test]
    fn each_movement_is_told_apart_by_ear_alone_and_by_lamps_alone() {
        let told = Move::ALL.map(|movement| play(Cue::Move(movement), 10, SOUND));
        assert_eq!(told.map(|[_, _, (beeps, _)]| beeps), [3, 4, 5, 6, 7]);
        for (k, [green, red, _]) in told.iter().enumerate() {
            assert!(told[..k].iter().all(|[g, r, _]| (g, r) != (green, red)), "{:?}", Move::ALL[k]);
        }
    }

    #[test]
    fn no_buzzer_sounds_for_ever_and_a_silent_one_never() {
        for cue in [Cue::Alarm, Cue::Fire, Cue::Granted, Cue::Denied(Reject::Unknown)] {
            let [.., hour] = play(cue, 3600, SOUND);
            assert!(hour.1 > 0 && hour.1 <= 60_000, "{cue:?} {hour:?}");
            assert_eq!(lamps(cue, SOUND, SOUND).0, lamps(cue, SOUND, Duration::ZERO).0);
            let [.., silent] = play(cue, 3600, Duration::ZERO);
            assert_eq!(silent, (0, 0));
        }
        let [_, red, _] = play(Cue::Alarm, 3600, SOUND);
        assert_eq!(red.1, 1_800_000, "the lamp goes on");
    }
}
