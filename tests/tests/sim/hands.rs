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

use crate::event::Purse;
use crate::model::FACELESS_FROM;
use crate::world::{World, name};

/// The facility code of the site's cards.
const FACILITY: u64 = 17;

impl World {
    /// Holds a card to the reader.
    pub(crate) fn hold_card(&mut self, purse: Purse) {
        let w26 = Format::w26();
        let frame = |facility, who: u8| w26.encode(Some(facility), 100 + u64::from(who)).expect("a card");
        let frame = match purse {
            Purse::Own(who) => {
                self.shown(who, CredentialKind::Card);
                frame(FACILITY, who)
            }
            Purse::Foreign(who) => frame(FACILITY + 1, who),
            Purse::Damaged(who) => {
                Frame::new(frame(FACILITY, who).number(0, 25) ^ 1 << who, 26).expect("a frame")
            }
        };
        self.at_the_wires(frame);
    }

    /// Types a PIN, or one that nobody has.
    pub(crate) fn type_pin(&mut self, who: Option<u8>) {
        if let Some(who) = who {
            self.shown(who, CredentialKind::Pin);
        }
        let digits = digits(who).into_iter().map(|digit| Key::Digit(digit - b'0'));
        for key in digits.chain([Key::Enter]) {
            self.at_the_wires(Keypad::Four.burst(key));
        }
    }

    /// Holds a QR code before the camera.
    pub(crate) fn hold_up_code(&mut self, who: u8) {
        self.shown(who, CredentialKind::Qr);
        self.step(Input::Credential(Credential::Qr(code(who))));
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
                self.step(Input::Credential(credential));
            }
        }
    }

    /// What an enrolled person shows is theirs; what was given to somebody who is gone is nobody's.
    fn shown(&mut self, who: u8, kind: CredentialKind) {
        let now = self.clock.now().mono;
        self.model.shown = self.model.enrolled.contains_key(&who).then_some((now, who, kind));
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
