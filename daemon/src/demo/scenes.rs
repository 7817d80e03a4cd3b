//! The scenes a visitor can choose from.

use std::sync::Arc;

use doorward_hal::scene::Scene;
use doorward_hal::scene::species::{self, Roles};
use serde_json::{Value, json};

use super::show::Show;

/// A scene of the chooser.
struct Choice {
    id: &'static str,
    title: &'static str,
    text: &'static str,
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Cast,
    Visitor,
}

const SCENES: [Choice; 17] = [
    Choice {
        id: "enrolled",
        title: "An enrolled person",
        text: "Somebody the terminal knows walks up.",
        needs: Needs::Cast,
    },
    Choice {
        id: "stranger",
        title: "A stranger",
        text: "A live person nobody has enrolled.",
        needs: Needs::Cast,
    },
    Choice {
        id: "print",
        title: "A printed photo",
        text: "The enrolled person's photograph on paper.",
        needs: Needs::Cast,
    },
    Choice { id: "screen", title: "A screen", text: "The same photograph on a tablet.", needs: Needs::Cast },
    Choice {
        id: "two",
        title: "Two faces",
        text: "Two people stand before the door together.",
        needs: Needs::Cast,
    },
    Choice {
        id: "dark",
        title: "Darkness",
        text: "The light in the hallway has failed.",
        needs: Needs::Cast,
    },
    Choice {
        id: "print_carbon",
        title: "A print in carbon ink",
        text: "Infrared sees this ink, too.",
        needs: Needs::Cast,
    },
    Choice {
        id: "video_tablet",
        title: "A film",
        text: "The enrolled person on a tablet, blinking and swaying.",
        needs: Needs::Cast,
    },
    Choice {
        id: "mask_paper",
        title: "A paper mask",
        text: "A stranger's eyes look through the holes.",
        needs: Needs::Cast,
    },
    Choice {
        id: "mask_rigid",
        title: "A solid mask",
        text: "A head's relief, painted eyes: only a smile tells. --high asks for one.",
        needs: Needs::Cast,
    },
    Choice {
        id: "face_behind_print",
        title: "Behind a photo",
        text: "A stranger holds the photograph before the face.",
        needs: Needs::Cast,
    },
    Choice { id: "nobody", title: "Nobody", text: "An empty hallway.", needs: Needs::Nothing },
    Choice {
        id: "unplugged",
        title: "Camera unplugged",
        text: "Somebody pulls the cable of the cameras.",
        needs: Needs::Nothing,
    },
    Choice {
        id: "network_cut",
        title: "Network cut",
        text: "The enrolled person comes while the network is down.",
        needs: Needs::Cast,
    },
    Choice {
        id: "visitor",
        title: "You",
        text: "You walk up, as your photograph shows you.",
        needs: Needs::Visitor,
    },
    Choice {
        id: "visitor_print",
        title: "Your printed photo",
        text: "Somebody holds up your photograph on paper.",
        needs: Needs::Visitor,
    },
    Choice {
        id: "visitor_screen",
        title: "Your photo on a screen",
        text: "Somebody holds up your photograph on a tablet.",
        needs: Needs::Visitor,
    },
];

impl Show {
    /// The scene chooser.
    #[must_use]
    pub fn scenes(&self) -> Value {
        let choices = SCENES.iter().filter(|c| c.needs != Needs::Visitor || self.state().visitor.is_some());
        choices
            .map(|choice| {
                let why_not = self.why_not(choice);
                json!({"id": choice.id, "title": choice.title, "text": choice.text,
                    "available": why_not.is_none(), "why_not": why_not})
            })
            .collect()
    }

    fn why_not(&self, choice: &Choice) -> Option<&'static str> {
        match choice.needs {
            _ if self.pack.is_none() => Some("No model pack was found."),
            Needs::Cast if self.cast.is_none() => {
                Some("No portraits were found. Try it with your own photograph.")
            }
            Needs::Visitor if self.state().visitor.is_none() => Some("Bring a photograph first."),
            Needs::Nothing | Needs::Cast | Needs::Visitor => None,
        }
    }

    /// Changes the scene.
    ///
    /// # Errors
    /// In words: why this scene cannot be played.
    pub fn play(self: &Arc<Self>, id: &str) -> Result<(), String> {
        let choice = SCENES.iter().find(|choice| choice.id == id).ok_or("There is no such scene.")?;
        if let Some(why) = self.why_not(choice) {
            return Err(why.to_owned());
        }
        if self.state().camera {
            self.use_camera(false)?;
        }
        let scene = self.scene(choice.id);
        self.stage.unplug(choice.id == "unplugged");
        if choice.id == "network_cut" {
            self.set_network(false);
        }
        if let Some(scene) = scene {
            self.stage.present(scene);
        }
        self.state().scene = choice.id;
        self.tell_terminal();
        Ok(())
    }

    fn scene(&self, id: &str) -> Option<Scene> {
        let star = || self.cast.as_ref().map(|cast| cast.enrolled[0].portrait.clone());
        let visitor = || self.state().visitor.as_ref().map(|visitor| visitor.portrait.clone());
        match id {
            "enrolled" | "network_cut" => star().map(Scene::live),
            "stranger" => self.cast.as_ref().map(|cast| Scene::live(cast.stranger.clone())),
            "print" => star().map(Scene::print),
            "screen" => star().map(Scene::screen),
            "two" => self
                .cast
                .as_ref()
                .map(|cast| Scene::two(cast.enrolled[0].portrait.clone(), cast.stranger.clone())),
            "dark" => star().map(Scene::dark),
            "visitor" => visitor().map(Scene::live),
            "visitor_print" => visitor().map(Scene::print),
            "visitor_screen" => visitor().map(Scene::screen),
            id => match (species::named(id), &self.cast) {
                (Some(species), Some(cast)) => {
                    let roles = Roles { target: &cast.enrolled[0].portrait, other: &cast.stranger };
                    Some(species.scene(roles))
                }
                _ => Some(Scene::nobody()),
            },
        }
    }
}
