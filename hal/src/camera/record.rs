//! Makes recordings: for commissioning, for tests, and where a consent asks that pictures are kept.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use doorward_core::frame::Frameset;

use super::CameraFault;
pub use super::manifest::FRAMES_MAX;
use super::manifest::{Entry, MANIFEST, Manifest};
use super::recording::{Recording, name_of};
use crate::photo::{self, PhotoError};

/// Writes a recording. Pictures are lossless and readable by the owner alone.
///
/// All is written into a hidden folder, which gets its name when everything is on the disk, so that there is a whole
/// recording or none; dropped unfinished, a recorder takes its pictures away again, and what a killed one left is taken
/// away by the next of that name.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    draft: PathBuf,
    manifest: Manifest,
    finished: bool,
}

impl Recorder {
    /// Starts a recording that will be a new folder; `depth_fov` is the horizontal field of view of the depth camera,
    /// degrees.
    ///
    /// # Errors
    /// [`CameraFault::System`] where the folder exists or cannot be made.
    pub fn create(folder: &Path, depth_fov: f32) -> Result<Self, CameraFault> {
        let draft = folder.with_file_name(format!(".{}.part", name_of(folder)));
        make(folder, &draft).map_err(|source| CameraFault::System {
            camera: name_of(folder),
            doing: format!("make the new folder {}", folder.display()),
            source,
        })?;
        let manifest = Manifest::new(depth_fov);
        Ok(Self { folder: folder.to_owned(), draft, manifest, finished: false })
    }

    /// Framesets added so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.manifest.frames.len()
    }

    /// Adds a frameset. Infrared and depth keep their own time; their counters become that of the colour frame.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] behind the last frame that fits; [`CameraFault::System`] for a file that cannot be
    /// written.
    pub fn add(&mut self, frames: &Frameset) -> Result<(), CameraFault> {
        let place = self.manifest.frames.len();
        if place == FRAMES_MAX {
            return Err(
                self.refused(format!("a recording has at most {FRAMES_MAX} frames; start another one"))
            );
        }
        let rgb = self.write(place, "rgb", photo::encode_png(&frames.rgb.plane))?;
        let ir = match &frames.ir {
            Some(shot) => Some(self.write(place, "ir", photo::encode_png_grey(&shot.plane))?),
            None => None,
        };
        let depth = match &frames.depth {
            Some(shot) => Some(self.write(place, "depth", photo::encode_png_depth(&shot.plane))?),
            None => None,
        };
        let at = frames.at();
        self.manifest.frames.push(Entry {
            at_us: at.0,
            sequence: frames.rgb.sequence,
            rgb,
            ir,
            depth,
            ir_at_us: frames.ir.as_ref().map(|shot| shot.at.0).filter(|ir| *ir != at.0),
            depth_at_us: frames.depth.as_ref().map(|shot| shot.at.0).filter(|depth| *depth != at.0),
        });
        Ok(())
    }

    /// Writes the manifest, gives the folder its name and opens the recording.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] for a recording without frames or one whose time goes back; [`CameraFault::System`] for
    /// what cannot be written. The pictures are gone then.
    pub fn finish(mut self) -> Result<Recording, CameraFault> {
        self.manifest.check().map_err(|why| self.refused(why))?;
        let text = serde_json::to_vec(&self.manifest).expect("numbers and names become JSON");
        self.settle(&text)
            .map_err(|source| self.system(format!("put {} in place", self.folder.display()), source))?;
        self.finished = true;
        Recording::open(&self.folder)
    }

    fn write(
        &mut self,
        place: usize,
        kind: &str,
        png: Result<Vec<u8>, PhotoError>,
    ) -> Result<String, CameraFault> {
        let name = format!("{place:06}-{kind}.png");
        let written = png.map_err(io::Error::other).and_then(|png| new_file(&self.draft.join(&name), &png));
        written.map_err(|source| self.system(format!("write frame {place}: {name}"), source))?;
        Ok(name)
    }

    /// Waits for the disk here and not at every picture, so that the cameras set the pace of a recording.
    fn settle(&self, text: &[u8]) -> io::Result<()> {
        new_file(&self.draft.join(MANIFEST), text)?;
        for entry in fs::read_dir(&self.draft)? {
            File::open(entry?.path())?.sync_data()?;
        }
        File::open(&self.draft)?.sync_all()?;
        fs::rename(&self.draft, &self.folder)?;
        File::open(parent(&self.folder))?.sync_all()
    }

    fn refused(&self, why: String) -> CameraFault {
        CameraFault::Refused { camera: name_of(&self.folder), why }
    }

    fn system(&self, doing: String, source: io::Error) -> CameraFault {
        CameraFault::System { camera: name_of(&self.folder), doing, source }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Err(error) = clear(&self.draft) {
            tracing::warn!(%error, path = %self.draft.display(), "take away an unfinished recording");
        }
    }
}

fn make(folder: &Path, draft: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    clear(draft)?;
    DirBuilder::new().mode(0o700).create(draft)
}

fn clear(draft: &Path) -> io::Result<()> {
    match fs::remove_dir_all(draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn new_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use doorward_core::frame::{Plane, Shot};
    use doorward_core::time::Mono;

    use super::*;

    fn frame(sequence: u32, at: u64) -> Frameset {
        let shot = Shot { sequence, at: Mono(at), plane: Plane::filled(2, 2, [1, 2, 3]).unwrap() };
        Frameset { rgb: Arc::new(shot), ir: None, depth: None }
    }

    #[test]
    fn r4_an_unfinished_recording_leaves_no_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut");
        let mut recorder = Recorder::create(&path, 70.0).unwrap();
        recorder.add(&frame(1, 1)).unwrap();
        assert_eq!(fs::read_dir(folder.path().join(".cut.part")).unwrap().count(), 1);
        assert!(!path.exists(), "half a recording has no name");
        drop(recorder);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn r4_what_a_killed_recorder_left_is_taken_away_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut killed = Recorder::create(&folder.path().join("walk"), 70.0).unwrap();
        killed.add(&frame(1, 1)).unwrap();
        killed.add(&frame(2, 2)).unwrap();
        std::mem::forget(killed);
        let mut recorder = Recorder::create(&folder.path().join("walk"), 70.0).unwrap();
        recorder.add(&frame(1, 1)).unwrap();
        assert_eq!(recorder.count(), 1);
        assert_eq!(recorder.finish().unwrap().len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(
            fs::read_dir(folder.path().join("walk")).unwrap().count(),
            2,
            "a picture and the manifest"
        );
    }

    #[test]
    fn c3_a_recording_whose_time_goes_back_is_refused_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("back");
        let mut recorder = Recorder::create(&path, 70.0).unwrap();
        recorder.add(&frame(1, 500)).unwrap();
        recorder.add(&frame(2, 400)).unwrap();
        assert!(matches!(recorder.finish(), Err(CameraFault::Refused { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn pictures_are_for_the_owner_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("walk");
        let mut recorder = Recorder::create(&path, 70.0).unwrap();
        recorder.add(&frame(1, 1)).unwrap();
        recorder.finish().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("000000-rgb.png")), 0o600);
        assert!(matches!(Recorder::create(&path, 70.0), Err(CameraFault::System { .. })));
        assert!(Recording::open(&path).is_ok());
        let empty = Recorder::create(&folder.path().join("empty"), 70.0).unwrap();
        assert!(matches!(empty.finish(), Err(CameraFault::Refused { .. })));
    }
}
