//! Makes recordings: for commissioning, for tests, and where a consent asks that pictures are kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use doorward_core::frame::Frameset;

use super::CameraFault;
use super::manifest::{Entry, FRAMES_MAX, MANIFEST, Manifest};
use super::recording::{Recording, name_of};
use crate::photo::{self, PhotoError};

/// Writes a recording. Pictures are lossless and readable by the owner alone.
///
/// The manifest is written last and put in place at once, so that a folder is a whole recording or none; dropped
/// unfinished, a recorder takes its pictures away again.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    manifest: Manifest,
    written: Vec<PathBuf>,
}

impl Recorder {
    /// Starts a recording in a new folder; `depth_fov` is the horizontal field of view of the depth camera, degrees.
    ///
    /// # Errors
    /// [`CameraFault::System`] where the folder exists or cannot be made.
    pub fn create(folder: &Path, depth_fov: f32) -> Result<Self, CameraFault> {
        let made = DirBuilder::new().mode(0o700).create(folder);
        made.map_err(|source| CameraFault::System {
            camera: name_of(folder),
            doing: format!("make the new folder {}", folder.display()),
            source,
        })?;
        Ok(Self { folder: folder.to_owned(), manifest: Manifest::new(depth_fov), written: Vec::new() })
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

    /// Puts the manifest in place and opens the recording.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] for a recording without frames or one whose time goes back; [`CameraFault::System`] for
    /// a manifest that cannot be written. The pictures are gone then.
    pub fn finish(mut self) -> Result<Recording, CameraFault> {
        self.manifest.check().map_err(|why| self.refused(why))?;
        let text = serde_json::to_vec(&self.manifest).expect("numbers and names become JSON");
        self.put_in_place(&text).map_err(|source| self.system(format!("write {MANIFEST}"), source))?;
        self.written.clear();
        Recording::open(&self.folder)
    }

    fn write(
        &mut self,
        place: usize,
        kind: &str,
        png: Result<Vec<u8>, PhotoError>,
    ) -> Result<String, CameraFault> {
        let name = format!("{place:06}-{kind}.png");
        let path = self.folder.join(&name);
        self.written.push(path.clone());
        let written = png.map_err(io::Error::other).and_then(|png| new_file(&path, &png));
        written.map_err(|source| self.system(format!("write frame {place}: {name}"), source))?;
        Ok(name)
    }

    fn put_in_place(&mut self, text: &[u8]) -> io::Result<()> {
        let part = self.folder.join(format!("{MANIFEST}.part"));
        self.written.push(part.clone());
        new_file(&part, text)?;
        fs::rename(&part, self.folder.join(MANIFEST))?;
        fs::File::open(&self.folder)?.sync_all()
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
        if self.written.is_empty() {
            return;
        }
        for path in &self.written {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %path.display(), "take away an unfinished recording");
            }
        }
    }
}

fn new_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
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
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        drop(recorder);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn c3_a_recording_whose_time_goes_back_is_refused_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("back");
        let mut recorder = Recorder::create(&path, 70.0).unwrap();
        recorder.add(&frame(1, 500)).unwrap();
        recorder.add(&frame(2, 400)).unwrap();
        assert!(matches!(recorder.finish(), Err(CameraFault::Refused { .. })));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
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
