//! Pictures on order: whoever agreed to them is pictured, nobody else, and none goes out before its record.

use doorward_core::decision::Decision;
use doorward_core::time::Now;
use doorward_daemon::terminal::Obeyed;
use doorward_hal::clock::Clock as _;
use doorward_hal::photo;
use doorward_protocol::audit::{Entry, Hash, What};
use doorward_protocol::command::Outcome;
use doorward_protocol::hex::hex;
use doorward_protocol::ids::PersonId;
use doorward_protocol::keys::PublicKey;
use doorward_protocol::picture::{Bound, PICTURE_SIDE_MAX, Picture};

use crate::checks::after_each_event;
use crate::event::{Event, PEOPLE};
use crate::eyes::Figure;
use crate::office::{Blemish, OPERATOR, Wish, key, site, terminal};
use crate::roster::Edit;
use crate::world::{World, name};

/// How long somebody looks into the camera at most, framesets: a light that is followed and three movements take their time.
const LOOKS_MAX: u32 = 90;

impl World {
    /// Somebody agrees to pictures, or agreed to none, looks into the camera until something is decided, and their picture
    /// is ordered.
    pub(crate) fn have_pictured(&mut self, who: u8, agreed: bool) {
        self.sign(if agreed { Edit::Agree(who, 600) } else { Edit::Withdraw(who) });
        self.bring_roster();
        self.happen(&Event::Appear(Figure::Live(who)));
        let decided = self.totals.grants + self.totals.denials;
        for _ in 0..LOOKS_MAX {
            self.look();
            after_each_event(self);
            if self.totals.grants + self.totals.denials > decided {
                break;
            }
        }
        self.order(Wish::Capture(who), Blemish::None);
    }

    /// Remembers whose face was decided on: as the decision says, and as somebody really stood there.
    pub(crate) fn follow_faces(&mut self, decision: &Decision, now: Now) {
        let alike = decision.scores().is_some_and(|scores| scores.comparison_score >= scores.threshold);
        let stood = self.proof.passes_for(&self.model.policy, decision.presented().is_some());
        if let Some(who) = stood.filter(|who| alike && decision.person() == Some(&name(*who))) {
            self.model.seen.insert(who, now.mono);
        }
    }

    /// What comes of an order for a picture.
    pub(crate) fn check_picture(&mut self, who: u8, order: &Hash, (outcome, seq): Obeyed) {
        let Outcome::Picture(sealed) = outcome else {
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
            self.totals.no_pictures += 1;
            return;
        };
        self.totals.pictures += 1;
        let now = self.clock.now();
        assert!(self.model.may_be_pictured(who, now), "r4: a picture of {who} went out: {:?}", self.model);
        let seq = seq.expect("a picture has its record");
        let entry =
            self.entries(seq - 1).into_iter().next().expect("r4: a picture went out before its record");
        let What::Pictured(pictured) = Entry::from_bytes(&entry.bytes).expect("an entry").what else {
            panic!("r4: a picture stands on another record");
        };
        let by = PublicKey::of(&key(OPERATOR)).id().to_string();
        assert_eq!((pictured.person, pictured.by, pictured.order), (name(who), by, hex(order)));
        let opens = |person: &PersonId| {
            let (site, terminal) = (site(), terminal());
            let bound = Bound { site: &site, terminal: &terminal, person, order };
            Picture::open(&self.office.picture_key, &bound, &sealed)
        };
        let picture = opens(&name(who)).expect("it opens for whoever ordered it");
        assert!(opens(&name(who + 1)).is_err(), "r4: a picture opened as somebody else's");
        let shows = photo::decode(&picture.jpeg).expect("a JPEG");
        assert!(shows.width().max(shows.height()) <= PICTURE_SIDE_MAX);
    }
}

/// A picture that the terminal keeps is one of somebody who agrees to it now and was recognised within the last minute.
pub(crate) fn a_picture_is_kept_of_whom_it_may(world: &mut World) {
    let Some(kept) = world.keeps_picture_of() else { return };
    let now = world.clock.now();
    let who = (0..PEOPLE).find(|who| name(*who) == kept).expect("somebody of this world");
    assert!(world.model.may_be_pictured(who, now), "r4: a picture of {who} is kept: {:?}", world.model);
}

#[cfg(test)]
mod tests {
    use doorward_core::door::OnTamper;

    use super::*;
    use crate::eyes::Reproduction;
    use crate::scripts::{play, world};

    const AGREED: Event = Event::Picture(0, true);
    const ORDERED: Event = Event::Order(Wish::Capture(0), Blemish::None);

    fn keeps(world: &World) -> bool {
        world.keeps_picture_of().is_some()
    }

    #[test]
    fn r4_a_picture_is_kept_and_handed_out_by_consent_alone_and_for_a_minute() {
        let mut world = world(OnTamper::Report);
        assert_eq!(play(&mut world, &[Event::Picture(0, false)]), ["granted"], "nobody agreed");
        assert!(!keeps(&world));
        world.happen(&Event::Wait(10_000));
        assert_eq!(
            play(&mut world, &[AGREED, ORDERED]),
            ["granted", "picture of person-0", "picture of person-0"]
        );
        let another = [Event::Order(Wish::Capture(2), Blemish::None), Event::Appear(Figure::Nobody)];
        assert_eq!(play(&mut world, &another), [""; 0], "not of whoever agreed to none");
        assert!(keeps(&world));
        let told = play(&mut world, &[Event::Wait(60_000), ORDERED]);
        assert!(!told.iter().any(|event| event.starts_with("picture")), "{told:?}");
        assert!(!keeps(&world), "a minute is over");
    }

    #[test]
    fn r2_a_picture_goes_at_once_with_its_consent_its_person_or_the_time() {
        let ends = [
            Event::Roster(Edit::Withdraw(0)),
            Event::Roster(Edit::Erase(0)),
            Event::Erase(0),
            Event::ClockJump { ms: 601_000, set: true },
            Event::ClockJump { ms: -90_000_000, set: false },
            Event::Restart,
        ];
        for end in ends {
            let mut world = world(OnTamper::Report);
            play(&mut world, &[AGREED, Event::Appear(Figure::Nobody)]);
            assert!(keeps(&world));
            let told = play(&mut world, &[end.clone(), ORDERED]);
            assert!(!keeps(&world), "{end:?}");
            assert!(!told.iter().any(|event| event.starts_with("picture")), "{end:?}: {told:?}");
        }
        let mut world = world(OnTamper::Erase);
        play(
            &mut world,
            &[AGREED, Event::Appear(Figure::Nobody), Event::DiskFull(true), Event::Tamper(true)],
        );
        assert!(!keeps(&world), "the case was opened, and the disk did not even erase");
    }

    #[test]
    fn r4_without_a_record_no_picture_goes_out_and_nothing_but_a_live_person_makes_one() {
        let mut world = world(OnTamper::Report);
        let full = [AGREED, Event::DiskFull(true), ORDERED, Event::DiskFull(false), ORDERED];
        assert_eq!(play(&mut world, &full), ["granted", "picture of person-0", "picture of person-0"]);
        assert_eq!((world.totals.pictures, world.totals.no_pictures), (2, 1));
        let print = Event::Appear(Figure::Reproduced(0, Reproduction::Print));
        let told = play(&mut world, &[Event::Restart, print, Event::Look(12), ORDERED]);
        assert!(!keeps(&world) && told.contains(&"not_live".to_owned()), "{told:?}");
        assert_eq!(world.totals.pictures, 2);
    }
}
