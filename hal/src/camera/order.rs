//! The order of one camera's frames. A stream that repeats itself or whose time runs backwards is replayed, looped or
//! broken, and no frame of it may be judged.

use doorward_core::time::Mono;

/// What is wrong with a frame's place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Disorder {
    /// The same frame again.
    #[error("frame {0} came twice")]
    Repeated(u32),
    /// The counter went back.
    #[error("frame {sequence} came after frame {before}")]
    SequenceWentBack {
        /// Counter of this frame.
        sequence: u32,
        /// Counter of the frame before.
        before: u32,
    },
    /// The clock of the frames went back.
    #[error("taken {0} microseconds before the frame that came earlier")]
    TimeWentBack(u64),
}

/// Admits frames that follow the ones admitted before.
#[derive(Debug, Default)]
pub(crate) struct Order {
    last: Option<(u32, Mono)>,
    /// Frames that came since the last admitted one and were not shown to this.
    passed_over: u64,
    lost: u64,
}

impl Order {
    /// Admits the frame, and counts the ones that are missing before it.
    ///
    /// A counter that went back is refused once and then followed, because drivers start it anew; time never is.
    pub(crate) fn admit(&mut self, sequence: u32, at: Mono) -> Result<(), Disorder> {
        let Some((before, earlier)) = self.last else {
            self.follow(sequence, at);
            return Ok(());
        };
        if at < earlier {
            // It came, so whoever follows does not miss it.
            self.pass_over(1);
            return Err(Disorder::TimeWentBack(earlier.0 - at.0));
        }
        let step = sequence.wrapping_sub(before);
        if step == 0 {
            return Err(Disorder::Repeated(sequence));
        }
        let passed_over = self.follow(sequence, at);
        if step > u32::MAX / 2 {
            return Err(Disorder::SequenceWentBack { sequence, before });
        }
        self.lost += u64::from(step - 1).saturating_sub(passed_over);
        Ok(())
    }

    /// Goes on from this frame; returns how many were passed over before it.
    fn follow(&mut self, sequence: u32, at: Mono) -> u64 {
        self.last = Some((sequence, at));
        std::mem::take(&mut self.passed_over)
    }

    /// Frames came that will not be shown here: they are missing in the counter, and yet not lost.
    pub(crate) fn pass_over(&mut self, frames: u64) {
        self.passed_over += frames;
    }

    /// Frames that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_also_where_the_counter_wraps() {
        let mut order = Order::default();
        for (sequence, ms) in [(u32::MAX - 1, 0), (u32::MAX, 33), (0, 66), (4, 99)] {
            order.admit(sequence, Mono::from_millis(ms)).unwrap();
        }
        assert_eq!(order.lost(), 3);
    }

    #[test]
    fn frames_that_were_passed_over_are_not_lost() {
        let mut order = Order::default();
        order.pass_over(3);
        order.admit(10, Mono(1)).unwrap();
        order.pass_over(1);
        order.admit(14, Mono(2)).unwrap();
        assert_eq!(order.lost(), 2, "11, 12 and 13 are missing, and one of them came");
        order.pass_over(5);
        order.admit(15, Mono(3)).unwrap();
        order.admit(17, Mono(4)).unwrap();
        assert_eq!(order.lost(), 3, "a driver that does not count its drops hides no later loss");
    }

    #[test]
    fn c2_a_repeated_frame_is_refused() {
        let mut order = Order::default();
        order.admit(7, Mono::from_millis(1)).unwrap();
        assert_eq!(order.admit(7, Mono::from_millis(34)), Err(Disorder::Repeated(7)));
        assert_eq!(order.admit(8, Mono::from_millis(67)), Ok(()));
    }

    #[test]
    fn c3_time_that_goes_back_is_refused_until_it_has_caught_up() {
        let mut order = Order::default();
        order.admit(1, Mono(1000)).unwrap();
        assert_eq!(order.admit(2, Mono(400)), Err(Disorder::TimeWentBack(600)));
        assert_eq!(order.admit(3, Mono(999)), Err(Disorder::TimeWentBack(1)));
        assert_eq!(order.admit(4, Mono(1000)), Ok(()));
    }

    #[test]
    fn c2_a_counter_that_goes_back_is_refused_once() {
        let mut order = Order::default();
        order.admit(500, Mono(1)).unwrap();
        assert_eq!(order.admit(0, Mono(2)), Err(Disorder::SequenceWentBack { sequence: 0, before: 500 }));
        assert_eq!(order.admit(1, Mono(3)), Ok(()));
    }
}
