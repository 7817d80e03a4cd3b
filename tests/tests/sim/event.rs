//! Everything that can happen, as plain values: drawn from a seed, written to a log, replayed from it.

use doorward_protocol::audit::CredentialKind;
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::asking::Deed;
use crate::clockwork::Lie;
use crate::eyes::{Figure, Reproduction, Sensor};
use crate::office::{Blemish, Wish};
use crate::proof::Lamp;
use crate::roster::Edit;

/// Persons the model knows by number; the first four are enrolled at the start.
pub(crate) const PEOPLE: u8 = 8;

/// Which camera freezes; more often none.
const FREEZES: [Option<Sensor>; 6] =
    [None, None, None, Some(Sensor::Colour), Some(Sensor::Infrared), Some(Sensor::Depth)];

/// What is ordered; a lockdown that lasts for the rest of a run would leave little to see.
const WISHES: [Wish; 12] = [
    Wish::Unlock,
    Wish::Unlock,
    Wish::Lock,
    Wish::Lockdown,
    Wish::Release,
    Wish::Release,
    Wish::Reboot,
    Wish::Diagnose,
    Wish::Refill,
    Wish::ResetLockout,
    Wish::Capture(0),
    Wish::Capture(2),
];
/// What is wrong with an order; more often nothing.
const BLEMISHES: [Blemish; 10] = [
    Blemish::None,
    Blemish::None,
    Blemish::None,
    Blemish::None,
    Blemish::Replayed,
    Blemish::OtherLife,
    Blemish::Changed,
    Blemish::NoOperator,
    Blemish::Retained,
    Blemish::Expired,
];

/// What somebody has in the purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purse {
    /// A person's card.
    Own(u8),
    /// The same number under another facility code, which belongs to nobody.
    Foreign(u8),
    /// A person's card, and a bit of it is lost on the wires.
    Damaged(u8),
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Something stands before the cameras from now on.
    Appear(Figure),
    /// So many framesets are taken, 100 ms apart.
    Look(u32),
    /// Time passes without a frameset, milliseconds.
    Wait(u64),
    /// The door leaf moves.
    Leaf(bool),
    /// Somebody leaves: presses the exit button and lets go.
    Egress,
    /// The exit button is held down, or let go.
    Button(bool),
    /// The case is opened or closed.
    Tamper(bool),
    /// Mains fails or comes back.
    PowerFail(bool),
    /// The loop of a point, by its place among all, is cut (1), bridged (2) or mended (0).
    Loop(usize, u8),
    /// Fire alarm on or off.
    Fire(bool),
    /// The infrared camera is lost or back.
    InfraredLost(bool),
    /// The depth camera is lost or back.
    DepthLost(bool),
    /// A camera repeats its last picture with new times, or all go on.
    Frozen(Option<Sensor>),
    /// Something is done to the infrared light, or it is as it should be.
    Lamp(Lamp),
    /// Whoever stands there does from now on what the panel asks for, or does not.
    Obedient(bool),
    /// Whoever stands there closes the eyes, or opens them.
    Closed(bool),
    /// A recording of the last pictures is played in a loop in place of a camera, or stops.
    Looped(Option<Sensor>),
    /// Somebody gives a camera's frames other numbers or times, or nobody does.
    Restamped(Option<(Sensor, Lie)>),
    /// A program beside the door does this with its session.
    Session(Deed),
    /// The models break or work again.
    ModelsBroken(bool),
    /// The disk is full or has room.
    DiskFull(bool),
    /// The relay does not answer or does.
    RelayBroken(bool),
    /// The wall clock jumps, milliseconds; it is not trusted from then on unless `set` by a time server.
    ClockJump {
        /// How far.
        ms: i64,
        /// Whether a time server did it.
        set: bool,
    },
    /// The link to the centre is cut or mended.
    Link(bool),
    /// The centre's next acknowledgement is lost.
    AcknowledgementLost,
    /// A person is enrolled.
    Enrol(u8),
    /// A person is erased.
    Erase(u8),
    /// A person is suspended or not.
    Suspend(u8, bool),
    /// Somebody holds a card to the reader.
    Card(Purse),
    /// Somebody types a PIN: that of a person, or one that nobody has.
    Pin(Option<u8>),
    /// Somebody holds up the one-time QR code of a person.
    Code(u8),
    /// Somebody walks up, shows a credential and looks into the camera.
    Approach {
        /// Who.
        who: u8,
        /// Whose credential it is.
        owner: u8,
        /// Which kind.
        kind: CredentialKind,
    },
    /// An order arrives, or something that looks like one.
    Order(Wish, Blemish),
    /// An admin signs a change of the roster.
    Roster(Edit),
    /// Somebody agrees to pictures, or agreed to none, looks into the camera, and their picture is ordered.
    Picture(u8, bool),
    /// Power is cut after so many further effects, and comes back.
    PowerCut(u32),
    /// The terminal stops and starts in an orderly way.
    Restart,
}

impl Event {
    /// Draws one. People and frames are frequent, disasters are not.
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let person = rng.random_range(0..PEOPLE);
        match rng.random_range(0..190) {
            0..22 => Event::Appear(figure(rng, person)),
            22..50 => Event::Look(rng.random_range(1..12)),
            50..60 => Event::Wait(*pick(rng, &[50, 500, 3_000, 40_000, 1_800_000])),
            60..66 => Event::Leaf(rng.random()),
            66..68 => Event::Egress,
            68..70 => Event::Fire(rng.random_bool(0.4)),
            70..74 => Event::InfraredLost(rng.random_bool(0.4)),
            74..76 => Event::DepthLost(rng.random_bool(0.4)),
            76..77 => Event::Frozen(*pick(rng, &FREEZES)),
            77..78 => Event::ModelsBroken(rng.random_bool(0.4)),
            78..80 => Event::DiskFull(rng.random_bool(0.4)),
            80..82 => Event::RelayBroken(rng.random_bool(0.4)),
            82..84 => Event::ClockJump {
                ms: *pick(rng, &[-3_000_000_000_000, -90_000_000, -5_000, 5_000, 90_000_000, 40_000_000_000]),
                set: rng.random(),
            },
            84..87 => Event::Link(rng.random()),
            87..88 => Event::AcknowledgementLost,
            88..90 => Event::Enrol(person),
            90..92 => Event::Erase(person),
            92..94 => Event::Suspend(person, rng.random()),
            94..98 => Event::PowerCut(rng.random_range(0..6)),
            98..100 => Event::Button(rng.random_bool(0.4)),
            100..102 => Event::Tamper(rng.random_bool(0.4)),
            102..103 => Event::PowerFail(rng.random_bool(0.4)),
            103..108 => Event::Loop(rng.random_range(0..5), *pick(rng, &[0, 0, 1, 2])),
            108..110 => Event::Restart,
            110..118 => Event::Card(match rng.random_range(0..8) {
                0..6 => Purse::Own(person % 4),
                6 => Purse::Foreign(person),
                _ => Purse::Damaged(person),
            }),
            118..125 => Event::Pin(rng.random_bool(0.8).then_some(person % 4)),
            125..130 => Event::Code(person % 4),
            130..138 => Event::Order(*pick(rng, &WISHES), *pick(rng, &BLEMISHES)),
            138..146 => Event::Roster(edit(rng, person)),
            146..149 => {
                Event::Lamp(*pick(rng, &[Lamp::Follows, Lamp::Follows, Lamp::Covered, Lamp::Foreign]))
            }
            149..151 => Event::Obedient(rng.random_bool(0.6)),
            151..152 => Event::Closed(rng.random_bool(0.4)),
            152..154 => Event::Looped(*pick(rng, &FREEZES)),
            154..158 => Event::Session(*pick(rng, &Deed::SESSIONS)),
            186..190 => {
                let other = rng.random_range(0..PEOPLE);
                Event::Session(*pick(rng, &Deed::about(person, other)))
            }
            182..186 => Event::Restamped(lie(rng)),
            158..164 => Event::Picture(rng.random_range(0..3), rng.random_bool(0.7)),
            _ => {
                use CredentialKind::{Card, Pin, Qr};
                let kind = *pick(rng, &[Card, Pin, Qr, Qr]);
                // Few owners of codes for one time: one has to be shown twice to be refused.
                let owner = rng.random_range(0..if kind == Qr { 2 } else { 3 });
                let who = if rng.random_bool(0.8) { owner } else { (owner + 1) % 4 };
                Event::Approach { who, owner, kind }
            }
        }
    }
}

/// Rarely of those whose codes for one time are to be shown twice: a code that is put again is a new one.
fn edit(rng: &mut ChaCha8Rng, person: u8) -> Edit {
    let person = if person < 2 && rng.random_bool(0.8) { person + 2 } else { person };
    match rng.random_range(0..12) {
        0..3 => Edit::Put(person, false),
        3 => Edit::Put(person, true),
        4..6 => Edit::Erase(person),
        6 => Edit::Broken(person),
        7 => Edit::Rules,
        8..10 => Edit::Agree(person, *pick(rng, &[5, 60, 500_000])),
        10 => Edit::Withdraw(person),
        _ => Edit::Rotate,
    }
}

/// Half of them end what was before.
fn lie(rng: &mut ChaCha8Rng) -> Option<(Sensor, Lie)> {
    let sensor = *pick(rng, &[Sensor::Colour, Sensor::Infrared, Sensor::Depth]);
    rng.random_bool(0.5).then(|| (sensor, *pick(rng, &Lie::ALL)))
}

fn figure(rng: &mut ChaCha8Rng, person: u8) -> Figure {
    match rng.random_range(0..12) {
        0..6 => Figure::Live(person),
        6 => Figure::Reproduced(person, Reproduction::Print),
        7 => Figure::Reproduced(person, Reproduction::Screen),
        8 => Figure::Reproduced(
            person,
            if rng.random() { Reproduction::PerfectPrint } else { Reproduction::RigidMask },
        ),
        9 => Figure::Two(person, rng.random_range(0..PEOPLE)),
        10 => Figure::Dark(person),
        _ => Figure::Nobody,
    }
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    let index = rng.next_u32() as usize % from.len();
    &from[index]
}
