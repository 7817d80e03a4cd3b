//! The picture of somebody who agreed to it: kept for a minute, and handed to whoever ordered it, on record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_core::consent::{self, Album};
use doorward_core::stages::Sighting;
use doorward_core::time::{Mono, Now};
use doorward_hal::photo;
use doorward_protocol::audit::{Pictured, What};
use doorward_protocol::command::{Admitted, Outcome};
use doorward_protocol::hex::hex;
use doorward_protocol::ids::{PersonId, SiteId, TerminalId};
use doorward_protocol::picture::{Bound, PICTURE_SIDE_MAX};
use zeroize::Zeroizing;

use super::orders::refused;
use super::{Obeyed, Observation, Terminal, chain};

/// Quality of the JPEG, 1 to 100: noise of [`PICTURE_SIDE_MAX`] pixels a side stays within what a receipt takes.
const QUALITY: u8 = 85;

/// What the terminal has to do with pictures.
pub(super) struct Pictures {
    album: Album,
    own: (SiteId, TerminalId),
    /// Whether anybody agreed to pictures: without, the vision thread lets none go.
    wanted: Arc<AtomicBool>,
}

impl Pictures {
    pub(super) fn new(own: (SiteId, TerminalId)) -> Self {
        Self { album: Album::default(), own, wanted: Arc::default() }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.album.deadline()
    }
}

impl Terminal {
    /// Whether the pictures of live faces are wanted at all: while anybody has agreed to pictures.
    #[must_use]
    pub fn wants_pictures(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.pictures.wanted)
    }

    /// Of whom a picture is kept.
    #[must_use]
    pub fn keeps_picture_of(&self) -> Option<&PersonId> {
        self.pictures.album.shows()
    }

    /// Keeps the picture of a person who was recognised in it, if they agreed to that.
    pub(super) fn picture(&mut self, person: &PersonId, sighting: Option<Sighting>, now: Now) {
        self.pictures.album.keep(person, &self.people.consents, now, || cut(&sighting?));
    }

    /// Lets go of what may be kept no longer.
    pub(super) fn tidy_pictures(&mut self, now: Now) {
        self.pictures.album.tidy(&self.people.consents, now);
        self.pictures.wanted.store(!self.people.consents.is_empty(), Ordering::Relaxed);
    }

    /// Hands a person's picture to whoever ordered it: sealed to the order's key, and after its record.
    pub(super) fn hand_picture(
        &mut self,
        order: &Admitted,
        (person, to): (&PersonId, &[u8; 32]),
        now: Now,
    ) -> Obeyed {
        let picture = match self.pictures.album.picture(person, &self.people.consents, now) {
            Ok(picture) => picture,
            Err(why) => return refused(why.to_string()),
        };
        let (site, terminal) = &self.pictures.own;
        let bound = Bound { site, terminal, person, order: order.hash() };
        let sealed = match consent::sealed(&picture, to, &bound, doorward_store::new_seed()) {
            Ok(sealed) => sealed,
            Err(why) => return refused(why.to_string()),
        };
        let what = What::Pictured(Pictured {
            person: person.clone(),
            by: order.key().to_string(),
            order: hex(order.hash()),
            taken_ms: picture.taken_ms,
            agreed_until_s: picture.agreed_until_s,
        });
        match self.disk.append(&what, now.wall) {
            Ok(seq) => {
                (self.observer)(Observation::Recorded);
                (Outcome::Picture(sealed), Some(seq))
            }
            Err(fault) => refused(format!("it could not be recorded: {}", chain(&fault))),
        }
    }
}

/// The face and a little around it, small, as a JPEG.
fn cut(sighting: &Sighting) -> Option<Zeroizing<Vec<u8>>> {
    let (picture, part) = sighting.portrait();
    let small = photo::part(picture, part, PICTURE_SIDE_MAX);
    match small.and_then(|small| photo::encode_jpeg(&small, QUALITY)) {
        Ok(jpeg) => Some(Zeroizing::new(jpeg)),
        Err(fault) => {
            tracing::error!("a picture could not be cut out: {}", chain(&fault));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::frame::{Part, Plane};
    use doorward_protocol::picture::PICTURE_LEN_MAX;

    use super::*;

    #[test]
    fn m8_the_picture_of_noise_fits_a_receipt() {
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7]
        };
        let pixels = (0..512 * 512).map(|_| [noise(), noise(), noise()]).collect();
        let picture = Plane::new(512, 512, pixels).unwrap();
        let part = Part { x: 100, y: 50, width: PICTURE_SIDE_MAX, height: PICTURE_SIDE_MAX };
        let small = photo::part(&picture, part, PICTURE_SIDE_MAX).unwrap();
        let jpeg = photo::encode_jpeg(&small, QUALITY).unwrap();
        assert!(jpeg.len() <= PICTURE_LEN_MAX, "{} bytes", jpeg.len());
    }
}
