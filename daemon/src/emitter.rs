//! The emitter's thread: switches the infrared light in a random pattern, and says when it did.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_core::frame::Frameset;
use doorward_core::liveness::emitter::{Glimpse, Light, Pattern, SLOT, Timeline};
use doorward_core::liveness::infrared;
use doorward_core::vision::Detection;
use doorward_hal::clock::Clock;
use doorward_hal::emitter::Emitter;
use doorward_protocol::audit::FaultReport;

use crate::supervise::Beat;
use crate::terminal::Input;

/// An emitter that follows a pattern, and how long the infrared camera exposes at most.
pub struct Modulated {
    /// The light.
    pub emitter: Box<dyn Emitter>,
    /// The time between two pictures bounds it.
    pub exposure: Duration,
}

/// Knows what the light was while a picture was taken. Clones know the same.
#[derive(Debug, Clone)]
pub struct LightMeter {
    timeline: Arc<Mutex<Timeline>>,
    exposure: Duration,
}

impl LightMeter {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new(exposure: Duration) -> Self {
        Self { timeline: Arc::default(), exposure }
    }

    /// What was done to the light.
    pub fn timeline(&self) -> MutexGuard<'_, Timeline> {
        // A slot is put in place whole or not at all.
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The light in the infrared picture of a frameset, and what the face in it shows of it.
    #[must_use]
    pub fn read(&self, frames: &Frameset, face: &Detection) -> (Light, Option<Glimpse>) {
        let Some(shot) = &frames.ir else { return (Light::Changing, None) };
        let light = self.timeline().during(shot.at, shot.at + self.exposure);
        let (slot, lit) = match light {
            Light::Lit(slot) => (slot, true),
            Light::Dark(slot) => (slot, false),
            Light::Changing => return (light, None),
        };
        let picture = (frames.rgb.plane.width(), frames.rgb.plane.height());
        let levels = infrared::levels(&shot.plane, picture, face);
        (light, levels.map(|(face, around)| Glimpse { slot, lit, face, around }))
    }
}

/// The body of the emitter's thread. A light that does not obey is said once, and nobody knows what it is until it does:
/// faces are not judged meanwhile.
///
/// # Errors
/// Never by itself.
pub fn modulate(
    beat: &Beat,
    clock: &dyn Clock,
    mut emitter: Box<dyn Emitter>,
    mut pattern: Pattern,
    meter: &LightMeter,
    terminal: &SyncSender<Input>,
) -> anyhow::Result<()> {
    let (mut lit, mut obeys) = (None, true);
    while !beat.stopping() {
        beat.tick();
        let (began, next) = (clock.now().mono, pattern.draw());
        // A slot that goes on as it was is a new slot, and no switching.
        if lit != Some(next) {
            meter.timeline().switching(began);
            let set = emitter.set(next);
            if obeys != set.is_ok() {
                obeys = set.is_ok();
                if let Err(fault) = &set {
                    tracing::error!("the emitter did not do as told: {}", crate::terminal::chain(fault));
                }
                let report =
                    FaultReport { part: "emitter".into(), code: "does_not_obey".into(), set: !obeys };
                // A terminal that is busy or gone is told by the log.
                let _ = terminal.try_send(Input::Fault(report));
            }
            lit = set.is_ok().then_some(next);
        }
        if lit.is_some() {
            meter.timeline().switched(next, clock.now().mono);
        }
        clock.sleep((began + SLOT).since(clock.now().mono));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use doorward_hal::clock::SystemClock;
    use doorward_hal::fake;

    use super::*;
    use crate::supervise::Supervisor;

    #[test]
    fn c2_a_light_that_disobeys_is_on_record_and_nothing_is_known_of_it() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let (emitter, hand) = fake::emitter();
        let meter = LightMeter::new(Duration::from_millis(1));
        let (to_terminal, inputs) = sync_channel(4);
        let mut threads = Supervisor::new(Arc::clone(&clock));
        let (time, theirs) = (Arc::clone(&clock), meter.clone());
        threads.spawn("emitter", true, move |beat| {
            modulate(&beat, time.as_ref(), Box::new(emitter), Pattern::new([3; 32]), &theirs, &to_terminal)
        });
        let (mut lit, mut dark) = (0, 0);
        for _ in 0..400 {
            clock.sleep(Duration::from_millis(5));
            let now = clock.now().mono;
            match meter.timeline().during(now, now) {
                Light::Lit(_) => lit += 1,
                Light::Dark(_) => dark += 1,
                Light::Changing => {}
            }
            if lit > 3 && dark > 3 {
                break;
            }
        }
        assert!(lit > 3 && dark > 3, "{lit} {dark}");
        hand.break_it();
        let Ok(Input::Fault(report)) = inputs.recv_timeout(Duration::from_secs(10)) else {
            panic!("no fault")
        };
        assert_eq!((report.part.as_str(), report.set), ("emitter", true));
        let now = clock.now().mono;
        assert_eq!(meter.timeline().during(now, now), Light::Changing);
        threads.stop();
        assert!(!hand.on(), "dark after its process");
    }
}
