//! Who plays in the demo: portraits of nobody, or photographs of a folder, sorted into people by the models themselves.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward_core::frame::{Plane, Rgb};
use doorward_core::quality;
use doorward_core::template::UnitVector;
use doorward_core::vision::{Detection, Vision};
use doorward_hal::photo;
use doorward_hal::scene::Portrait;
use doorward_models::vision::Models;
use doorward_protocol::ids::PersonId;

/// People who do not exist, so that the demo needs nothing from outside: composites of many faces each, made by
/// `models/training/people.py`.
const NOBODY: [&[u8]; PEOPLE_MAX] = [
    include_bytes!("../../../models/people/nobody-a.jpg"),
    include_bytes!("../../../models/people/nobody-b.jpg"),
    include_bytes!("../../../models/people/nobody-c.jpg"),
    include_bytes!("../../../models/people/nobody-d.jpg"),
    include_bytes!("../../../models/people/nobody-e.jpg"),
    include_bytes!("../../../models/people/nobody-f.jpg"),
    include_bytes!("../../../models/people/nobody-g.jpg"),
    include_bytes!("../../../models/people/nobody-h.jpg"),
];
/// Photographs looked at: enough for a cast, few enough to be ready in seconds.
const PHOTOS_MAX: usize = 40;
/// Photographs of one person resemble each other this much (cosine).
const SAME_PERSON: f32 = 0.5;
/// People in the cast.
const PEOPLE_MAX: usize = 8;
/// The passive liveness model must take a portrait for a person, or the scene of a live person would be a lie.
const LIVE_MIN: f32 = 0.8;
/// Names of people who do not exist.
const NAMES: [&str; PEOPLE_MAX] = ["Alex", "Kim", "Robin", "Sam", "Noor", "Toni", "Mika", "Jules"];

/// A photograph of one person, good enough to be enrolled.
pub struct Sitting {
    picture: Plane<Rgb>,
    detection: Detection,
    /// The template, not yet protected.
    pub vector: UnitVector,
}

impl Sitting {
    /// Takes a photograph apart.
    ///
    /// # Errors
    /// In words for the person who brought it: what is wrong and what to do.
    pub fn of(picture: Plane<Rgb>, vision: &mut dyn Vision) -> Result<Self, String> {
        let broke = |e: doorward_core::vision::VisionFault| {
            format!("The models failed: {}", crate::terminal::chain(&e))
        };
        let limits = quality::Limits::default();
        let found = vision.detect(&picture).map_err(broke)?;
        let mut sure = found.iter().filter(|face| face.score >= limits.detection_min);
        let Some(face) = sure.next().copied() else {
            return Err("No face was found. Use a photograph that shows one face from the front.".into());
        };
        if sure.any(|second| second.region.area() > limits.second_face_max * face.region.area()) {
            return Err("There is more than one face. Use a photograph of one person.".into());
        }
        if face.landmarks.eye_distance() < limits.eye_distance_min {
            return Err("The face is too small. Come closer, or use a larger photograph.".into());
        }
        let pose = face.landmarks.pose();
        if pose.yaw.abs() > limits.yaw_max || pose.pitch.abs() > limits.pitch_max {
            return Err("The face is turned away. Look straight at the camera.".into());
        }
        let raw = vision.embed(&picture, &face.landmarks).map_err(broke)?;
        let vector = UnitVector::normalise(raw).map_err(|e| format!("The face gave no template: {e}"))?;
        Ok(Self { picture, detection: face, vector })
    }

    /// The portrait for the stage.
    ///
    /// # Errors
    /// In words: the picture shows too little around the face to be put on a stage.
    pub fn portrait(&self) -> Result<Portrait, String> {
        Portrait::new(&self.picture, &self.detection).map_err(|e| e.to_string())
    }
}

/// One person of the cast.
pub struct Player {
    /// Identifier.
    pub id: PersonId,
    /// Name for the page.
    pub name: &'static str,
    /// What is enrolled.
    pub references: Vec<UnitVector>,
    /// What stands before the door: another photograph than those enrolled, where there is one.
    pub portrait: Portrait,
}

/// Everybody.
pub struct Cast {
    /// Enrolled people; the first is the one of the scenes.
    pub enrolled: Vec<Player>,
    /// Somebody who is not.
    pub stranger: Portrait,
}

/// The cast of people who do not exist.
///
/// # Errors
/// When the models do not find a face in each of them.
pub fn of_nobody(models: &mut Models) -> anyhow::Result<Cast> {
    let sit = |bytes: &&[u8]| {
        let picture = photo::decode(bytes).context("read a portrait of the demo")?;
        let sitting = Sitting::of(picture, models).map_err(anyhow::Error::msg);
        sitting.map(|sitting| vec![sitting]).context("look at a portrait of the demo")
    };
    assign(NOBODY.iter().map(sit).collect::<Result<_, _>>()?)
}

/// Looks for a cast in `folder`, telling `progress` how many photographs of how many are done.
///
/// # Errors
/// When the folder cannot be read, or shows fewer than two people well enough.
pub fn gather(folder: &Path, models: &mut Models, progress: impl Fn(usize, usize)) -> anyhow::Result<Cast> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("read the folder of portraits {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| {
            path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("png"))
        })
        .collect();
    files.sort();
    files.truncate(PHOTOS_MAX);
    let mut people: Vec<Vec<Sitting>> = Vec::new();
    for (done, file) in files.iter().enumerate() {
        progress(done + 1, files.len());
        let Some(sitting) = sit(file, models) else { continue };
        match people.iter_mut().find(|sittings| sittings[0].vector.cosine(&sitting.vector) >= SAME_PERSON) {
            Some(sittings) => sittings.push(sitting),
            None => people.push(vec![sitting]),
        }
    }
    // The person with most photographs is the one of the scenes: enrolled by some, recognised by another.
    people.sort_by_key(|sittings| std::cmp::Reverse(sittings.len()));
    people.truncate(PEOPLE_MAX);
    assign(people).with_context(|| format!("{} holds {} photographs", folder.display(), files.len()))
}

/// Enrols everybody but the last, who is the stranger.
fn assign(mut people: Vec<Vec<Sitting>>) -> anyhow::Result<Cast> {
    let stranger = people.pop().filter(|_| !people.is_empty());
    let stranger = stranger.context("portraits of two people are needed, from the front and sharp")?;
    let enrolled = people.into_iter().zip(NAMES).map(|(sittings, name)| player(&sittings, name));
    Ok(Cast {
        enrolled: enrolled.collect::<Result<_, _>>().map_err(anyhow::Error::msg)?,
        stranger: stranger[0].portrait().map_err(anyhow::Error::msg)?,
    })
}

fn sit(file: &Path, models: &mut Models) -> Option<Sitting> {
    let picture = photo::open(file).ok()?;
    let sitting = Sitting::of(picture, models).ok()?;
    let live = models.liveness(&sitting.picture, &sitting.detection).ok()?;
    (live >= LIVE_MIN && sitting.portrait().is_ok()).then_some(sitting)
}

fn player(sittings: &[Sitting], name: &'static str) -> Result<Player, String> {
    let (shown, enrolled) = sittings.split_last().expect("a person is made from at least one sitting");
    let references = if enrolled.is_empty() { sittings } else { enrolled };
    Ok(Player {
        id: name.to_lowercase().parse().expect("the names of the cast are identifiers"),
        name,
        references: references.iter().map(|sitting| sitting.vector.clone()).collect(),
        portrait: shown.portrait()?,
    })
}
