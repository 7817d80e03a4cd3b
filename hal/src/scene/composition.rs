//! What stands before the cameras, put together from few parts: persons, things that carry a picture, and the light.

use doorward_core::liveness::movement::Move;
use doorward_core::time::Mono;

use super::portrait::Portrait;

/// A scene: persons at the back, carriers before them in their order, under a light.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    pub(super) persons: Vec<Person>,
    pub(super) carriers: Vec<Carrier>,
    pub(super) light: Light,
    pub(super) elsewhere: Option<Box<Scene>>,
}

/// Persons in one scene: more do not fit beside each other.
const PERSONS_MAX: usize = 2;

/// Somebody who stands there, or who wears a mask of somebody.
#[derive(Debug, Clone)]
pub struct Person {
    pub(super) portrait: Portrait,
    pub(super) place: Place,
    pub(super) distance_mm: Option<f32>,
    pub(super) skin: Skin,
    pub(super) act: Option<Act>,
}

/// Where in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the camera.
    Middle,
    /// At the picture's left.
    Left,
    /// At the picture's right.
    Right,
}

/// What a face is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skin {
    /// Skin, with eyes that reflect and blink.
    Living,
    /// A rigid mask with the relief of the head, eyes painted on.
    Mask,
    /// The same with holes, and the wearer's eyes in them.
    MaskWithEyes,
}

/// A movement that a terminal asks for, done and undone, and when it begins. It takes [`ACT_MS`] in all. A head that turns to
/// its left turns to the right of the picture; with a smile goes a face, and no picture or rigid mask of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// What is done.
    pub action: Move,
    /// From when on.
    pub from: Mono,
}

/// Milliseconds of an act: there, held, and back.
pub const ACT_MS: u64 = 2_600;

/// A thing with a picture on it.
#[derive(Debug, Clone)]
pub struct Carrier {
    pub(super) medium: Medium,
    pub(super) content: Content,
    pub(super) cut: Cut,
    pub(super) shape: Shape,
    pub(super) mounting: Mounting,
    pub(super) place: Place,
    pub(super) act: Option<Act>,
}

/// What the thing is, and how its picture is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A3 paper, matt, in dye inks, which near infrared does not see.
    DyePrint,
    /// The same on glossy paper.
    GlossyPrint,
    /// Matt paper, with carbon black in the ink or toner, which near infrared sees.
    CarbonPrint,
    /// A telephone with a light-emitting display.
    Phone,
    /// A tablet with a liquid crystal display.
    Tablet,
    /// A reader with electronic paper: grey, without a light of its own.
    EPaper,
}

/// What it shows.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Photo(Portrait),
    Video(Box<Person>),
}

/// How much of a sheet there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All of it.
    Whole,
    /// Cut out along the head.
    Head,
    /// Cut out along the face, with holes for the eyes.
    FaceWithEyeHoles,
}

/// How a sheet is bent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Not at all.
    Flat,
    /// As much as paper does that is held at a corner.
    Curled,
    /// Over an upright cylinder, as over a bottle or around a head.
    Bent,
}

/// What holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounting {
    /// A hand, which drifts and trembles.
    Hand,
    /// A stand: nothing moves.
    Stand,
    /// The first person's face, as a mask: it moves with the head, and the eyes lie behind its holes.
    Worn,
}

/// The light of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Visible light, in units of the usual light of the room.
    pub visible: f32,
    /// Near infrared from all around that is not the emitter's, in units of what the emitter gives at half a metre.
    pub ambient: f32,
    /// Near infrared of a lamp beside the terminal that is not the terminal's, in the same units.
    pub lamp: f32,
    /// How much of the emitter's light gets out: 1, or 0 where something covers it.
    pub emitter: f32,
}

impl Default for Light {
    fn default() -> Self {
        Self { visible: 1.0, ambient: 0.03, lamp: 0.0, emitter: 1.0 }
    }
}

impl Light {
    /// A room without light. The emitter shines.
    #[must_use]
    pub fn dark() -> Self {
        Self { visible: 0.03, ambient: 0.0, ..Self::default() }
    }

    /// Direct sun on everything: ten times the emitter, see the module's documentation.
    #[must_use]
    pub fn sun() -> Self {
        Self { visible: 1.3, ambient: 10.0, ..Self::default() }
    }

    /// Something covers the emitter.
    #[must_use]
    pub fn emitter_covered() -> Self {
        Self { emitter: 0.0, ..Self::default() }
    }

    /// Something covers the emitter, and a foreign lamp shines in its place.
    #[must_use]
    pub fn foreign_lamp() -> Self {
        Self { emitter: 0.0, lamp: 1.0, ..Self::default() }
    }
}

impl Scene {
    /// An empty room.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    /// One person.
    #[must_use]
    pub fn of(person: Person) -> Self {
        Self::nobody().with_person(person)
    }

    /// A live person before the camera.
    #[must_use]
    pub fn live(portrait: Portrait) -> Self {
        Self::of(Person::live(portrait))
    }

    /// Two live persons side by side.
    #[must_use]
    pub fn two(left: Portrait, right: Portrait) -> Self {
        Self::of(Person::live(left).at(Place::Left)).with_person(Person::live(right).at(Place::Right))
    }

    /// A live person in a room without light.
    #[must_use]
    pub fn dark(portrait: Portrait) -> Self {
        Self::live(portrait).under(Light::dark())
    }

    /// A photograph on paper, held by a hand.
    #[must_use]
    pub fn print(portrait: Portrait) -> Self {
        Self::nobody().with_carrier(Carrier::photo(Medium::DyePrint, portrait))
    }

    /// A photograph on the screen of a tablet, held by a hand.
    #[must_use]
    pub fn screen(portrait: Portrait) -> Self {
        Self::nobody().with_carrier(Carrier::photo(Medium::Tablet, portrait))
    }

    /// Adds a person; one more than there is room for replaces the last.
    #[must_use]
    pub fn with_person(mut self, person: Person) -> Self {
        self.persons.truncate(PERSONS_MAX - 1);
        self.persons.push(person);
        self
    }

    /// Adds a thing before all others.
    #[must_use]
    pub fn with_carrier(mut self, carrier: Carrier) -> Self {
        self.carriers.push(carrier);
        self
    }

    /// Another light.
    #[must_use]
    pub fn under(mut self, light: Light) -> Self {
        self.light = light;
        self
    }

    /// Everybody and everything does something from a time on. A film goes on as it was made.
    #[must_use]
    pub fn acting(mut self, act: Act) -> Self {
        self.persons.iter_mut().for_each(|person| person.act = Some(act));
        self.carriers.iter_mut().for_each(|carrier| carrier.act = Some(act));
        self
    }

    /// Infrared and depth see another scene than colour does: two people who stand before two cameras, or mirrors.
    #[must_use]
    pub fn elsewhere(mut self, scene: Scene) -> Self {
        self.elsewhere = Some(Box::new(scene));
        self
    }
}

impl Person {
    /// A living person before the camera.
    #[must_use]
    pub fn live(portrait: Portrait) -> Self {
        Self { portrait, place: Place::Middle, distance_mm: None, skin: Skin::Living, act: None }
    }

    /// A mask instead of skin.
    #[must_use]
    pub fn wearing(mut self, skin: Skin) -> Self {
        self.skin = skin;
        self
    }

    /// Somewhere else in the picture.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Eyes at this distance from the camera, millimetres; 300 to 1500, else the nearer of them. Without it about half
    /// a metre: where the portrait fills the view.
    #[must_use]
    pub fn away(mut self, mm: f32) -> Self {
        self.distance_mm = Some(mm.clamp(300.0, 1500.0));
        self
    }

    /// Does something from a time on.
    #[must_use]
    pub fn acting(mut self, act: Act) -> Self {
        self.act = Some(act);
        self
    }
}

impl Carrier {
    /// A photograph, whole, in a hand; paper curls a little.
    #[must_use]
    pub fn photo(medium: Medium, portrait: Portrait) -> Self {
        Self::new(medium, Content::Photo(portrait))
    }

    /// A film of a person who stands, blinks and acts as asked.
    #[must_use]
    pub fn video(medium: Medium, person: Person) -> Self {
        Self::new(medium, Content::Video(Box::new(person)))
    }

    /// A photograph that an infrared camera took, printed with carbon black: looks like a face to the next infrared
    /// camera.
    #[must_use]
    pub fn infrared_photo(portrait: &Portrait) -> Self {
        Self::photo(Medium::CarbonPrint, portrait.in_infrared().clone())
    }

    fn new(medium: Medium, content: Content) -> Self {
        let shape = if medium.is_paper() { Shape::Curled } else { Shape::Flat };
        let (cut, mounting, place) = (Cut::Whole, Mounting::Hand, Place::Middle);
        Self { medium, content, cut, shape, mounting, place, act: None }
    }

    /// Cut out.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = cut;
        self
    }

    /// Bent; screens stay flat.
    #[must_use]
    pub fn bent(mut self, shape: Shape) -> Self {
        if self.medium.is_paper() {
            self.shape = shape;
        }
        self
    }

    /// Held by something else.
    #[must_use]
    pub fn on(mut self, mounting: Mounting) -> Self {
        self.mounting = mounting;
        self
    }

    /// Somewhere else in the picture.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Turned, tipped or moved nearer from a time on, to answer what a terminal asks for.
    #[must_use]
    pub fn acting(mut self, act: Act) -> Self {
        self.act = Some(act);
        self
    }

    pub(super) fn portrait(&self) -> &Portrait {
        match &self.content {
            Content::Photo(portrait) => portrait,
            Content::Video(person) => &person.portrait,
        }
    }
}

impl Medium {
    pub(super) fn is_paper(self) -> bool {
        match self {
            Medium::DyePrint | Medium::GlossyPrint | Medium::CarbonPrint => true,
            Medium::Phone | Medium::Tablet | Medium::EPaper => false,
        }
    }
}
