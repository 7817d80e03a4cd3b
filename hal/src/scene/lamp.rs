//! The infrared emitter of a stage: when it was on, and how much of an exposure saw it.

use std::collections::VecDeque;
use std::time::Duration;

use doorward_core::time::Mono;

/// Switches that are remembered. An exposure of a hundredth of a second sees one or two; the others are room for a stage
/// that is asked late.
const SWITCHES_KEPT: usize = 64;

/// When the emitter was switched. Light-emitting diodes follow their line within microseconds, so it is on or off.
#[derive(Debug)]
pub(super) struct Lamp {
    /// Whether it was on before the oldest switch that is remembered.
    before: bool,
    switches: VecDeque<(Mono, bool)>,
}

impl Lamp {
    /// An emitter that nobody switches, as one that has its own supply.
    pub(super) fn shining() -> Self {
        Self { before: true, switches: VecDeque::new() }
    }

    pub(super) fn switch(&mut self, on: bool, at: Mono) {
        if self.switches.len() == SWITCHES_KEPT
            && let Some((_, oldest)) = self.switches.pop_front()
        {
            self.before = oldest;
        }
        self.switches.push_back((at, on));
    }

    /// The share of an exposure from `start` on during which it shone, 0 to 1.
    pub(super) fn share(&self, start: Mono, exposure: Duration) -> f32 {
        let end = start + exposure;
        let (mut on, mut since, mut lit) = (self.before, start, Duration::ZERO);
        for (at, to) in &self.switches {
            let at = (*at).clamp(start, end);
            if on {
                lit += at.since(since);
            }
            (on, since) = (*to, at);
        }
        if on {
            lit += end.since(since);
        }
        lit.as_secs_f32() / exposure.as_secs_f32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPOSURE: Duration = Duration::from_millis(8);

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn an_exposure_that_straddles_a_switch_is_partly_lit() {
        let mut lamp = Lamp::shining();
        assert_eq!(lamp.share(ms(5), EXPOSURE), 1.0);
        lamp.switch(false, ms(100));
        lamp.switch(true, ms(202));
        lamp.switch(false, ms(204));
        for (start, share) in
            [(90, 1.0), (92, 1.0), (94, 0.75), (100, 0.0), (196, 0.25), (200, 0.25), (205, 0.0)]
        {
            assert!((lamp.share(ms(start), EXPOSURE) - share).abs() < 1e-6, "{start} ms");
        }
    }

    #[test]
    fn old_switches_are_forgotten_and_the_light_is_not() {
        let mut lamp = Lamp::shining();
        for k in 0..1001 {
            lamp.switch(k % 2 == 0, ms(k));
        }
        assert_eq!(lamp.switches.len(), SWITCHES_KEPT);
        assert_eq!(lamp.share(ms(2000), EXPOSURE), 1.0);
        lamp.switch(false, ms(2004));
        assert_eq!(lamp.share(ms(2000), EXPOSURE), 0.5);
    }
}
