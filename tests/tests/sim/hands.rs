//! Hands with cards, PINs and codes. Cards and keys go through the real reader, pulse by pulse.

use std::time::Duration;

use doorward_core::claim::{Holder, ONCE_LIFE_MAX_MS};
use doorward_core::credential::{Card, Credential, Pin, Token};
use doorward_core::wiegand::Frame;
use doorward_core::wiegand::format::Format;
use doorward_core::wiegand::keypad::{Key, Keypad};
use doorward_core::wiegand::reader::{Reader, Reading, Settings};
use doorward_core::wiegand::receiver::Spacing;
use doorward_core::wiegand::train::Pace;
use doorward_daemon::terminal::Input;
use doorward_hal::clock::Clock as _;
use doorward_protocol::audit::CredentialKind;
use zeroize::Zeroizing;

use crate::checks::after_each_event;
use crate::event::{PEOPLE, Purse};
use crate::eyes::Figure;
use crate::model::FACELESS_FROM;
use crate::world::{World, name};

/// The facility code of the site's cards.
const FACILITY: u64 = 17;

impl World {
    /// Holds a card to the reader.
    pub(crate) fn hold_card(&mut self, purse: Purse) {
        let w26 = Format::w26();
        let frame = |facility, who: u8| w26.encode(Some(facility), 100 + u64::from(who)).expect("a card");
        self.at_the_wires(match purse {
            Purse::Own(who) => frame(FACILITY, who),
            Purse::Foreign(who) => frame(FACILITY + 1, who),
            Purse::Damaged(who) => {
                Frame::new(frame(FACILITY, who).number(0, 25) ^ 1 << who, 26).expect("a frame")
            }
        });
    }

    /// Types a PIN, or one that nobody has.
    pub(crate) fn type_pin(&mut self, who: Option<u8>) {
        let digits = digits(who).into_iter().map(|digit| Key::Digit(digit - b'0'));
        for key in digits.chain([Key::Enter]) {
            self.at_the_wires(Keypad::Four.burst(key));
        }
    }

    /// Holds a QR code before the camera.
    pub(crate) fn hold_up_code(&mut self, who: u8) {
        self.show(Credential::Qr(code(who)));
    }

    /// Walks up with a credential, and looks into the camera until after the decision.
    pub(crate) fn approach(&mut self, who: u8, owner: u8, kind: CredentialKind) {
        self.view().figure = Figure::Live(who);
        match kind {
            CredentialKind::Card => self.hold_card(Purse::Own(owner)),
            CredentialKind::Pin => self.type_pin(Some(owner)),
            CredentialKind::Qr => self.hold_up_code(owner),
        }
        (0..6).for_each(|_| self.look());
    }

    /// Sends a frame to the real reader; it is through after a tenth of a second.
    fn at_the_wires(&mut self, frame: Frame) {
        let from = self.clock.now().mono;
        self.pass(Duration::from_millis(120));
        let pulses = Pace::default().pulses(&frame, from);
        let mut readings: Vec<_> = pulses.filter_map(|pulse| self.reader.pulse(pulse)).collect();
        readings.extend(self.reader.tick(self.clock.now().mono));
        for reading in readings {
            if let Reading::Credential(credential) = reading {
                self.show(credential);
            }
        }
    }

    /// What an enrolled person shows is theirs; what was given to somebody who is gone is nobody's.
    fn show(&mut self, credential: Credential) {
        // What was decided before this moment was decided without it.
        after_each_event(self);
        let owns = |who: &u8| credentials(*who, 0).iter().any(|(own, _)| *own == credential);
        let who = (0..PEOPLE).find(owns).filter(|who| self.model.enrolled.contains_key(who));
        let now = self.clock.now();
        self.model.shown = who.map(|who| (now.mono, who, credential.kind(), now.wall.ms));
        self.step(Input::Credential(credential));
    }
}

/// A reader for cards of 26 bits, with a keypad.
pub(crate) fn reader() -> Reader {
    Reader::new(Settings {
        formats: vec![Format::w26()],
        keypad: Some(Keypad::Four),
        spacing: Spacing::default(),
        same_within: Duration::from_secs(2),
        typed_within: Duration::from_secs(10),
    })
    .expect("one format")
}

/// The PIN of a person, or one that nobody has.
fn digits(who: Option<u8>) -> [u8; 4] {
    let last = who.map_or(b'9', |who| b'0' + who);
    [b'4', b'7', b'1', last]
}

fn code(who: u8) -> Token {
    Token::new(Zeroizing::new([who; 16]))
}

/// A card, a PIN and a code for one time.
pub(crate) fn credentials(who: u8, now_ms: i64) -> [(Credential, Holder); 3] {
    let terms = |without_face, once: bool| Holder {
        person: name(who),
        slot: 0,
        without_face,
        once,
        created_ms: now_ms,
        valid_until_ms: once.then_some(now_ms + ONCE_LIFE_MAX_MS),
    };
    let card = Card { format: "h10301".into(), facility: Some(FACILITY), number: 100 + u64::from(who) };
    let pin = Pin::from_digits(&digits(Some(who))).expect("four digits");
    [
        (Credential::Card(card), terms(who >= FACELESS_FROM, false)),
        (Credential::Pin(pin), terms(false, false)),
        (Credential::Qr(code(who)), terms(false, true)),
    ]
}
