//! Everything that is played against a terminal, by name: live people as they come, and the species of presentation
//! attack. Tests, sweeps, the demo and evaluations iterate over this one list; names are stable.

use super::composition::{Carrier, Cut, Light, Medium, Mounting, Person, Place, Scene, Shape, Skin};
use super::portrait::Portrait;

/// Who plays in a scene.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    /// The live person, or the one whose picture is shown: whom an attacker wants to be.
    pub target: &'a Portrait,
    /// Somebody else: who wears the mask, stands beside, or looks into the other camera.
    pub other: &'a Portrait,
}

/// What ought to come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A live person, alone, in light that every sensor can work in: ought to be let in.
    BonaFide,
    /// A live person where a sensor cannot work: a policy may refuse, so it does not count as an error either way.
    Hindered,
    /// Nobody ought to be let in.
    Attack,
}

/// One kind of presentation.
#[derive(Clone, Copy)]
pub struct Species {
    /// Its stable name: a folder of recordings is called so.
    pub name: &'static str,
    /// The attack cases it belongs to.
    pub cases: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What ought to come of it.
    pub class: Class,
    scene: fn(Roles) -> Scene,
}

impl Species {
    /// The scene with these people.
    #[must_use]
    pub fn scene(&self, roles: Roles) -> Scene {
        (self.scene)(roles)
    }
}

impl std::fmt::Debug for Species {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Species({})", self.name)
    }
}

/// The species of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Species> {
    ALL.iter().find(|species| species.name == name)
}

const fn live(name: &'static str, title: &'static str, scene: fn(Roles) -> Scene) -> Species {
    Species { name, cases: "", title, class: Class::BonaFide, scene }
}

const fn attack(
    name: &'static str,
    cases: &'static str,
    title: &'static str,
    scene: fn(Roles) -> Scene,
) -> Species {
    Species { name, cases, title, class: Class::Attack, scene }
}

fn photo(medium: Medium, roles: Roles) -> Carrier {
    Carrier::photo(medium, roles.target.clone())
}

fn held(carrier: Carrier) -> Scene {
    Scene::nobody().with_carrier(carrier)
}

/// All species.
pub const ALL: &[Species] = &[
    live("live", "A live person", |roles| Scene::live(roles.target.clone())),
    live("live_mid", "A live person, 0.55 m away", |roles| {
        Scene::of(Person::live(roles.target.clone()).away(550.0))
    }),
    live("live_far", "A live person, 0.7 m away", |roles| {
        Scene::of(Person::live(roles.target.clone()).away(700.0))
    }),
    Species {
        name: "live_dark",
        cases: "",
        title: "A live person without visible light",
        class: Class::Hindered,
        scene: |roles| Scene::dark(roles.target.clone()),
    },
    Species {
        name: "live_sun",
        cases: "P9",
        title: "A live person in direct sun",
        class: Class::Hindered,
        scene: |roles| Scene::live(roles.target.clone()).under(Light::sun()),
    },
    Species {
        name: "live_emitter_covered",
        cases: "P9",
        title: "A live person, the infrared emitter covered",
        class: Class::Hindered,
        scene: |roles| Scene::live(roles.target.clone()).under(Light::emitter_covered()),
    },
    attack("print", "P1 P10", "A matt print in dye ink, in a hand", |roles| {
        held(photo(Medium::DyePrint, roles))
    }),
    attack("print_glossy", "P1", "A glossy print, in a hand", |roles| {
        held(photo(Medium::GlossyPrint, roles))
    }),
    attack("print_flat_stand", "P1 P10", "A flat print on a stand", |roles| {
        held(photo(Medium::DyePrint, roles).bent(Shape::Flat).on(Mounting::Stand))
    }),
    attack("print_bent", "P1 P10", "A print bent over a cylinder", |roles| {
        held(photo(Medium::DyePrint, roles).bent(Shape::Bent))
    }),
    attack("print_cut", "P1", "A print cut out along the head", |roles| {
        held(photo(Medium::DyePrint, roles).cut(Cut::Head))
    }),
    attack("print_carbon", "P2 P10", "A print in carbon ink", |roles| {
        held(photo(Medium::CarbonPrint, roles))
    }),
    attack("print_carbon_bent", "P2 P10", "A print in carbon ink, bent over a cylinder", |roles| {
        held(photo(Medium::CarbonPrint, roles).bent(Shape::Bent))
    }),
    attack("print_nir", "P3", "An infrared photograph, printed with carbon toner", |roles| {
        held(Carrier::infrared_photo(roles.target))
    }),
    attack("phone", "P4", "A photograph on a telephone", |roles| held(photo(Medium::Phone, roles))),
    attack("tablet", "P4", "A photograph on a tablet", |roles| held(photo(Medium::Tablet, roles))),
    attack("tablet_stand", "P4", "A photograph on a tablet on a stand", |roles| {
        held(photo(Medium::Tablet, roles).on(Mounting::Stand))
    }),
    attack("epaper", "P4", "A photograph on electronic paper", |roles| held(photo(Medium::EPaper, roles))),
    attack("video_phone", "P5", "A film on a telephone", |roles| {
        held(Carrier::video(Medium::Phone, Person::live(roles.target.clone())))
    }),
    attack("video_tablet", "P5", "A film on a tablet", |roles| {
        held(Carrier::video(Medium::Tablet, Person::live(roles.target.clone())))
    }),
    attack("mask_paper", "P6", "A paper mask with eye holes, worn", |roles| worn(roles, Medium::DyePrint)),
    attack("mask_paper_carbon", "P6 P2", "A paper mask in carbon ink with eye holes, worn", |roles| {
        worn(roles, Medium::CarbonPrint)
    }),
    attack("mask_rigid", "P6", "A three-dimensional mask with painted eyes", |roles| {
        Scene::of(Person::live(roles.target.clone()).wearing(Skin::Mask))
    }),
    attack("mask_rigid_eyes", "P6", "A three-dimensional mask with the wearer's eyes", |roles| {
        Scene::of(Person::live(roles.target.clone()).wearing(Skin::MaskWithEyes))
    }),
    attack("two_people", "P7", "Two live people side by side", |roles| {
        Scene::two(roles.target.clone(), roles.other.clone())
    }),
    attack("face_beside_print", "P7", "A live person beside a print of another", |roles| {
        Scene::of(Person::live(roles.other.clone()).at(Place::Right))
            .with_carrier(photo(Medium::DyePrint, roles).at(Place::Left))
    }),
    attack("face_behind_print", "P7", "A live person behind a print of another", |roles| {
        Scene::live(roles.other.clone()).with_carrier(photo(Medium::DyePrint, roles))
    }),
    attack("swap", "P8", "Colour sees one person's print, infrared and depth another, live", |roles| {
        held(photo(Medium::DyePrint, roles).bent(Shape::Flat).on(Mounting::Stand))
            .elsewhere(Scene::live(roles.other.clone()))
    }),
    attack("swap_live", "P8", "Colour sees one live person, infrared and depth another", |roles| {
        Scene::live(roles.target.clone()).elsewhere(Scene::of(Person::live(roles.other.clone()).away(560.0)))
    }),
    attack("print_emitter_covered", "P9 P1", "A print, the infrared emitter covered", |roles| {
        held(photo(Medium::DyePrint, roles)).under(Light::emitter_covered())
    }),
    attack("print_foreign_lamp", "P9 P2", "A carbon print under a foreign infrared lamp", |roles| {
        held(photo(Medium::CarbonPrint, roles)).under(Light::foreign_lamp())
    }),
    attack("print_sun", "P9 P1", "A print in direct sun", |roles| {
        held(photo(Medium::DyePrint, roles)).under(Light::sun())
    }),
];

/// Somebody else's face behind a mask of paper.
fn worn(roles: Roles, medium: Medium) -> Scene {
    let mask = photo(medium, roles).cut(Cut::FaceWithEyeHoles).bent(Shape::Bent).on(Mounting::Worn);
    Scene::live(roles.other.clone()).with_carrier(mask)
}
