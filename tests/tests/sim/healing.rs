//! The end of every run: everything is mended, and the door has to be a good one again.

use std::time::Duration;

use doorward_core::claim::Mode;
use doorward_core::door;
use doorward_hal::clock::Clock as _;

use crate::event::{Event, Purse};
use crate::eyes::{Figure, View};
use crate::office::{Blemish, Wish};
use crate::power::Wires;
use crate::world::{MONDAY_MS, World};

impl World {
    /// Mends everything, waits out every lockout, and brings a permitted person.
    pub(crate) fn heal(&mut self) {
        self.follow_pairs();
        let releases = std::mem::take(&mut self.wires().releases);
        *self.wires() = Wires { releases, ..Wires::default() };
        *self.view() = View::empty();
        (self.frozen, self.link, self.lose_acknowledgement) = (None, true, false);
        self.tape.play(None);
        self.clockwork.lie(None);
        (0..door::Point::ALL.len()).for_each(|point| self.happen(&Event::Loop(point, 0)));
        self.happen(&Event::Fire(false));
        self.happen(&Event::Button(false));
        self.happen(&Event::Tamper(false));
        self.happen(&Event::PowerFail(false));
        self.happen(&Event::Leaf(false));
        self.settle_roster();
        self.happen(&Event::Order(Wish::Release, Blemish::None));
        self.happen(&Event::Enrol(0));
        self.happen(&Event::Suspend(0, false));
        self.happen(&Event::Look(10));
        // Past every lockout there can be, to a Monday at 10, on a clock a time server vouches for.
        let week = 7 * 24 * 3_600_000;
        // Also of those that a full disk kept off the record: a clock set behind them is not believed.
        let now = self.clock.now().wall.ms.max(self.newest_entry_ms()).max(self.latest_ms);
        let monday = MONDAY_MS + (now - MONDAY_MS).div_euclid(week) * week + 2 * week;
        self.jump(monday - self.clock.now().wall.ms, true);
        self.pass(Duration::from_secs(120));
        match self.model.mode {
            Mode::CardAndFace => self.happen(&Event::Card(Purse::Own(0))),
            Mode::PinAndFace => self.happen(&Event::Pin(Some(0))),
            Mode::Face | Mode::FaceOrCardAndFace => {}
        }
        self.happen(&Event::Appear(Figure::Live(0)));
        let grants = self.totals.grants;
        // A light that is followed for a dozen slots and three movements take their time.
        for _ in 0..150 {
            self.look();
            crate::checks::after_each_event(self);
            if self.totals.grants > grants {
                break;
            }
        }
        assert!(self.totals.grants > grants, "a permitted person was not let in within fifteen seconds");
        self.pass(Duration::from_secs(180));
        (0..200).for_each(|_| self.talk_to_centre());
    }
}
