//! What persons agreed to beside being recognised, and the one picture that is kept because of it.
//!
//! Without a consent in force no picture of anybody is kept, not even for a moment. With one the last of them is kept for
//! a minute, in memory, and a signed order may fetch it; it goes at once where the consent ends, the person is erased or
//! the clock is not known any more.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_protocol::audit::ClockTrust;
use doorward_protocol::contents::Purpose;
use doorward_protocol::ids::PersonId;
use doorward_protocol::message::Opaque;
use doorward_protocol::picture::{Bound, Picture, PictureFault};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use zeroize::Zeroizing;

use crate::time::{Mono, Now, Wall};

/// How long a picture is kept: an operator who looks at what just happened needs no longer.
pub const PICTURE_KEPT: Duration = Duration::from_secs(60);

/// From when to when something is agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// First moment, seconds since 1970.
    pub from_s: i64,
    /// First moment after it, seconds since 1970.
    pub until_s: i64,
}

impl Term {
    /// Whether it lasts now. Without a known time none does.
    #[must_use]
    pub fn holds(&self, wall: Wall) -> bool {
        wall.trust != ClockTrust::Unknown && (self.from_s..self.until_s).contains(&wall.ms.div_euclid(1000))
    }
}

/// What everybody agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consents(BTreeMap<PersonId, BTreeMap<Purpose, Term>>);

impl Consents {
    /// Puts what a person agrees to in place of everything that they agreed to before.
    pub fn replace(&mut self, person: PersonId, agreed: impl IntoIterator<Item = (Purpose, Term)>) {
        let agreed: BTreeMap<_, _> = agreed.into_iter().collect();
        match agreed.is_empty() {
            true => drop(self.0.remove(&person)),
            false => drop(self.0.insert(person, agreed)),
        }
    }

    /// Whether nobody agreed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The term of a consent, if it is in force.
    #[must_use]
    pub fn in_force(&self, person: &PersonId, purpose: Purpose, wall: Wall) -> Option<Term> {
        let term = self.0.get(person)?.get(&purpose)?;
        term.holds(wall).then_some(*term)
    }
}

/// Seals a picture to the key of an order; `seed` is drawn for this one.
///
/// # Errors
/// [`PictureFault`].
pub fn sealed(
    picture: &Picture,
    to: &[u8; 32],
    bound: &Bound<'_>,
    seed: [u8; 32],
) -> Result<Opaque, PictureFault> {
    picture.seal(to, bound, &mut ChaCha20Rng::from_seed(seed))
}

/// Why there is no picture to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// No consent to it is in force.
    #[error("{0} has agreed to no pictures")]
    NotAgreed(PersonId),
    /// Not before this terminal, or not lately.
    #[error("{0} was not recognised here within the last minute")]
    NotSeen(PersonId),
}

/// A picture that is kept. Wiped when dropped.
struct Kept {
    person: PersonId,
    jpeg: Zeroizing<Vec<u8>>,
    taken: Now,
}

/// The last picture of somebody who agreed to it; one at most.
#[derive(Default)]
pub struct Album(Option<Kept>);

impl Album {
    /// Keeps what `take` takes in place of the picture before, if this person, who was recognised now, agreed to it.
    /// Otherwise nothing is taken.
    pub fn keep(
        &mut self,
        person: &PersonId,
        consents: &Consents,
        now: Now,
        take: impl FnOnce() -> Option<Zeroizing<Vec<u8>>>,
    ) {
        if consents.in_force(person, Purpose::Picture, now.wall).is_some() {
            self.0 = take().map(|jpeg| Kept { person: person.clone(), jpeg, taken: now });
        }
    }

    /// Lets go of what may be kept no longer. To be asked with everything that happens.
    pub fn tidy(&mut self, consents: &Consents, now: Now) {
        self.0.take_if(|kept| {
            let agreed = consents.in_force(&kept.person, Purpose::Picture, now.wall);
            agreed.is_none() || now.mono.since(kept.taken.mono) >= PICTURE_KEPT
        });
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// Whose picture is kept.
    #[must_use]
    pub fn shows(&self) -> Option<&PersonId> {
        self.0.as_ref().map(|kept| &kept.person)
    }

    /// When it goes by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.0.as_ref().map(|kept| kept.taken.mono + PICTURE_KEPT)
    }

    /// The picture of this person, with what allows it.
    ///
    /// # Errors
    /// [`NoPicture`]. Whoever did not agree is not said to have been here.
    pub fn picture(&self, person: &PersonId, consents: &Consents, now: Now) -> Result<Picture, NoPicture> {
        let agreed = consents.in_force(person, Purpose::Picture, now.wall);
        let Term { from_s, until_s } = agreed.ok_or_else(|| NoPicture::NotAgreed(person.clone()))?;
        let fresh = |kept: &&Kept| kept.person == *person && now.mono.since(kept.taken.mono) < PICTURE_KEPT;
        let kept = self.0.as_ref().filter(fresh).ok_or_else(|| NoPicture::NotSeen(person.clone()))?;
        Ok(Picture {
            jpeg: kept.jpeg.to_vec(),
            taken_ms: kept.taken.wall.ms,
            agreed_from_s: from_s,
            agreed_until_s: until_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_800_000_000;

    fn at(s: u64, trust: ClockTrust) -> Now {
        let ms = 1000 * (T + i64::try_from(s).unwrap());
        Now { mono: Mono::from_millis(1000 * (1000 + s)), wall: Wall { ms, trust } }
    }

    fn known(s: u64) -> Now {
        at(s, ClockTrust::Synchronised)
    }

    fn ada() -> PersonId {
        "ada".parse().unwrap()
    }

    fn agreed(from_s: i64, until_s: i64) -> Consents {
        let mut consents = Consents::default();
        consents.replace(ada(), [(Purpose::Picture, Term { from_s: T + from_s, until_s: T + until_s })]);
        consents
    }

    fn take() -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(vec![1, 2, 3]))
    }

    fn kept(consents: &Consents, now: Now) -> Album {
        let mut album = Album::default();
        album.keep(&ada(), consents, now, take);
        album
    }

    #[test]
    fn r2_a_consent_counts_within_its_term_by_a_clock_that_is_known() {
        let consents = agreed(10, 20);
        let holds = |now: Now| consents.in_force(&ada(), Purpose::Picture, now.wall).is_some();
        assert_eq!([9, 10, 19, 20].map(|s| holds(known(s))), [false, true, true, false]);
        assert!(holds(at(15, ClockTrust::HeldOver)));
        assert!(!holds(at(15, ClockTrust::Unknown)), "a clock that was never set proves no term");
    }

    #[test]
    fn r4_of_whoever_agreed_to_nothing_no_picture_is_even_taken() {
        let mut album = Album::default();
        for (consents, now) in [
            (Consents::default(), known(0)),
            (agreed(10, 20), known(20)),
            (agreed(10, 20), at(15, ClockTrust::Unknown)),
        ] {
            album.keep(&ada(), &consents, now, || panic!("taken"));
            assert_eq!(album.shows(), None);
            assert_eq!(album.picture(&ada(), &consents, now), Err(NoPicture::NotAgreed(ada())));
        }
        let eve: PersonId = "eve".parse().unwrap();
        album.keep(&eve, &agreed(0, 99), known(1), || panic!("taken by another's consent"));
    }

    #[test]
    fn r4_a_picture_is_kept_for_a_minute_and_no_longer_than_the_consent() {
        let consents = agreed(0, 30);
        let sent = |album: &Album, consents: &Consents, now| album.picture(&ada(), consents, now).map(drop);
        let mut album = kept(&consents, known(5));
        assert_eq!(album.deadline(), Some(known(65).mono));
        let picture = album.picture(&ada(), &consents, known(29)).unwrap();
        assert_eq!((picture.taken_ms, picture.agreed_until_s), (1000 * (T + 5), T + 30));
        assert_eq!(sent(&album, &consents, known(30)), Err(NoPicture::NotAgreed(ada())));
        assert_eq!(sent(&album, &Consents::default(), known(6)), Err(NoPicture::NotAgreed(ada())));
        album.tidy(&consents, known(29));
        assert!(album.shows().is_some());
        album.tidy(&consents, known(30));
        assert_eq!(album.shows(), None, "the consent ended");

        let consents = agreed(0, 900);
        let mut album = kept(&consents, known(5));
        assert_eq!(sent(&album, &consents, known(64)), Ok(()));
        assert_eq!(sent(&album, &consents, known(65)), Err(NoPicture::NotSeen(ada())));
        album.tidy(&consents, known(65));
        assert_eq!(album.shows(), None, "a minute is over");

        for (consents, now) in [(Consents::default(), known(6)), (agreed(0, 900), at(6, ClockTrust::Unknown))]
        {
            let mut album = kept(&agreed(0, 900), known(5));
            album.tidy(&consents, now);
            assert_eq!(album.shows(), None, "erased, withdrawn, or the time is not known");
        }
    }

    #[test]
    fn r4_the_picture_of_somebody_else_is_not_handed_out() {
        let mut consents = agreed(0, 900);
        let bob: PersonId = "bob".parse().unwrap();
        consents.replace(bob.clone(), [(Purpose::Picture, Term { from_s: T, until_s: T + 900 })]);
        let mut album = kept(&consents, known(5));
        assert_eq!(album.picture(&bob, &consents, known(6)), Err(NoPicture::NotSeen(bob.clone())));
        album.keep(&bob, &consents, known(7), take);
        assert_eq!(album.picture(&ada(), &consents, known(8)), Err(NoPicture::NotSeen(ada())), "one at most");
        album.keep(&ada(), &consents, known(9), || None);
        assert_eq!(album.shows(), None, "a picture that could not be taken leaves none of another moment");
    }
}
