//! The visitor: a photograph or a camera, enrolment, and being forgotten.

use std::sync::Arc;

use doorward_core::frame::{Frameset, Plane, Rgb, Shot};
use doorward_core::template::UnitVector;
use doorward_core::time::Mono;
use doorward_hal::photo;
use doorward_hal::scene::{Portrait, Scene};
use doorward_store::Store;

use super::cast::Sitting;
use super::show::Show;
use crate::terminal::chain;

/// The visitor's identifier.
pub const VISITOR: &str = "visitor";

/// Somebody who tries it out. Lives in memory only.
pub struct Visitor {
    sitting: Sitting,
    /// The portrait for the stage.
    pub portrait: Portrait,
    /// Whether the store holds a template.
    pub enrolled: bool,
}

impl Show {
    /// Takes a visitor's photograph. It stays in memory until the demo ends or [`Show::forget_visitor`].
    ///
    /// # Errors
    /// In words: what is wrong with it and what to do.
    pub fn bring_photo(&self, bytes: &[u8]) -> Result<String, String> {
        let picture = photo::decode(bytes).map_err(|e| chain(&e))?;
        let mut models = self.models.lock().expect("no thread panics while it holds the models");
        let models = models.as_mut().ok_or("No model pack was found.")?;
        let sitting = Sitting::of(picture, models)?;
        let portrait = sitting.portrait()?;
        self.state().visitor = Some(Visitor { sitting, portrait, enrolled: false });
        self.tell_terminal();
        Ok("Your face was found. Enrol yourself, then walk up, or hold up your photograph.".to_owned())
    }

    /// Enrols the visitor: from the photograph, or from what the visitor's camera shows now.
    ///
    /// # Errors
    /// In words: what is missing and what to do.
    pub fn enrol_visitor(&self) -> Result<String, String> {
        let references = if self.state().camera { self.look_at_visitor()? } else { self.photo_of_visitor()? };
        let path = {
            let running = self.running.lock().expect("no thread panics while it holds the run");
            running.as_ref().map(|r| r.store.clone()).ok_or("The terminal does not run.")?
        };
        let words = |e: anyhow::Error| format!("{e:#}");
        let mut store = Store::open(&path, &self.key).map_err(|e| words(e.into()))?;
        self.enrol(&mut store, VISITOR, "You", &references).map_err(words)?;
        if let Some(visitor) = self.state().visitor.as_mut() {
            visitor.enrolled = true;
        }
        self.tell_terminal();
        Ok("You are enrolled. The terminal knows you from the next second on.".to_owned())
    }

    fn photo_of_visitor(&self) -> Result<Vec<UnitVector>, String> {
        let state = self.state();
        let visitor = state.visitor.as_ref().ok_or("Bring a photograph or use your camera first.")?;
        Ok(vec![visitor.sitting.vector.clone()])
    }

    fn look_at_visitor(&self) -> Result<Vec<UnitVector>, String> {
        let frames = self.stage.newest().ok_or("Your camera has not sent a picture yet.")?;
        let mut models = self.models.lock().expect("no thread panics while it holds the models");
        let models = models.as_mut().ok_or("No model pack was found.")?;
        let sitting = Sitting::of(frames.rgb.plane.clone(), models)?;
        let vector = sitting.vector.clone();
        if let Ok(portrait) = sitting.portrait() {
            self.state().visitor = Some(Visitor { sitting, portrait, enrolled: false });
        }
        Ok(vec![vector])
    }

    /// Forgets the visitor at once: photograph, portrait and templates.
    ///
    /// # Errors
    /// In words, when the store refuses.
    pub fn forget_visitor(self: &Arc<Self>) -> Result<(), String> {
        if self.state().camera {
            self.use_camera(false)?;
        }
        self.state().visitor = None;
        let path = {
            let running = self.running.lock().expect("no thread panics while it holds the run");
            running.as_ref().map(|r| r.store.clone())
        };
        if let Some(path) = path {
            let id = VISITOR.parse().expect("a valid identifier");
            let mut store = Store::open(&path, &self.key).map_err(|e| chain(&e))?;
            let known = store.person(&id).map_err(|e| chain(&e))?.is_some();
            if known {
                store.erase_person(&id, self.clock.now().wall).map_err(|e| chain(&e))?;
            }
        }
        if self.state().scene.starts_with("visitor") {
            self.play("nobody")?;
        }
        self.tell_terminal();
        Ok(())
    }

    /// Switches to the visitor's own camera or back. With it there is a colour sensor only, so the terminal restarts as
    /// one that was installed with nothing else.
    ///
    /// # Errors
    /// In words, when the terminal does not start.
    pub fn use_camera(self: &Arc<Self>, on: bool) -> Result<(), String> {
        if self.state().camera == on {
            return Ok(());
        }
        let path = {
            let running = self.running.lock().expect("no thread panics while it holds the run");
            running.as_ref().map(|r| r.store.clone()).ok_or("The terminal does not run.")?
        };
        self.end();
        {
            let mut state = self.state();
            state.camera = on;
            state.scene = if on { "camera" } else { "nobody" };
        }
        self.stage.unplug(false);
        self.stage.present(Scene::nobody());
        self.start(path).map_err(|e| format!("{e:#}"))?;
        self.tell_terminal();
        Ok(())
    }

    /// Takes a picture of the visitor's camera.
    ///
    /// # Errors
    /// In words: it is no picture, or the camera is not in use.
    pub fn camera_frame(&self, bytes: &[u8]) -> Result<(), String> {
        if !self.state().camera {
            return Err("The camera is not in use.".into());
        }
        let plane: Plane<Rgb> = photo::decode(bytes).map_err(|e| chain(&e))?;
        let shot = Shot { sequence: 0, at: Mono(0), plane };
        self.stage.feed(Frameset { rgb: Arc::new(shot), ir: None, depth: None });
        Ok(())
    }
}
