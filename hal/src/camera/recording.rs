//! Recordings: framesets in a folder. Demo, tests, evaluation and enrolment from a recording all read them the same way.
//!
//! A recording is a folder with `recording.json`, colour as PNG or JPEG, infrared as 8-bit grey PNG, and depth as 16-bit
//! grey PNG in millimetres. A plain folder of pictures is one too: colour only, at a fixed rate.

use std::fs;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_core::frame::{Frameset, Plane, Rgb, SIDE_MAX, Shot};
use doorward_core::time::Mono;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use super::CameraFault;
use super::manifest::{Entry, FRAMES_MAX, Manifest};
use crate::photo;

/// The largest file of a recording, that of a photograph.
const FILE_LEN_MAX: u64 = photo::BYTES_MAX as u64;

/// Memory one decoder may take: a depth plane of [`SIDE_MAX`] squared.
const DECODER_MEMORY_MAX: u64 = 160 * 1024 * 1024;

/// The field of view that is assumed where no depth was recorded, degrees.
const FIELD_OF_VIEW_DEFAULT: f32 = 70.0;

/// A recording whose list of frames has been checked. Pictures are read when asked for.
#[derive(Debug, Clone)]
pub struct Recording {
    folder: PathBuf,
    pub(super) name: String,
    depth_fov: f32,
    pub(super) frames: Vec<Entry>,
}

impl Recording {
    /// Opens the recording in a folder.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] for a missing or bad manifest, a name that leads elsewhere, a missing file, or a file
    /// that is too large or no file; the text names file and frame.
    pub fn open(folder: &Path) -> Result<Self, CameraFault> {
        let refused = |why| CameraFault::Refused { camera: name_of(folder), why };
        let manifest = Manifest::read(folder).map_err(refused)?;
        for (i, frame) in manifest.frames.iter().enumerate() {
            for (name, _) in frame.members().into_iter().flatten() {
                check_file(&folder.join(name)).map_err(|why| refused(format!("frame {i}: {name}: {why}")))?;
            }
        }
        let (depth_fov, frames) = (manifest.depth_fov, manifest.frames);
        Ok(Self { folder: folder.to_owned(), name: name_of(folder), depth_fov, frames })
    }

    /// Takes the pictures (`.jpg`, `.jpeg`, `.png`) of a folder, sorted by name, for a recording of `rate` frames per
    /// second.
    ///
    /// # Errors
    /// [`CameraFault::Refused`] for no pictures, too many, or a rate of zero; [`CameraFault::System`] for a folder that
    /// cannot be read.
    pub fn of_images(folder: &Path, rate: u32) -> Result<Self, CameraFault> {
        let refused = |why| CameraFault::Refused { camera: name_of(folder), why };
        let system =
            |source| CameraFault::System { camera: name_of(folder), doing: "list the folder".into(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(system)? {
            let name = entry.map_err(system)?.file_name();
            let Ok(name) = name.into_string() else { continue };
            let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
            if matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png")) {
                names.push(name);
            }
            if names.len() > FRAMES_MAX {
                return Err(refused(format!("more than {FRAMES_MAX} pictures")));
            }
        }
        names.sort();
        if names.is_empty() || rate == 0 {
            return Err(refused("no pictures (.jpg, .jpeg, .png), or a rate of zero".to_owned()));
        }
        for (i, name) in names.iter().enumerate() {
            check_file(&folder.join(name)).map_err(|why| refused(format!("frame {i}: {name}: {why}")))?;
        }
        let frame = |(sequence, rgb): (u32, String)| Entry {
            at_us: u64::from(sequence) * 1_000_000 / u64::from(rate),
            sequence,
            rgb,
            ir: None,
            depth: None,
            ir_at_us: None,
            depth_at_us: None,
        };
        let frames = (0..).zip(names).map(frame).collect();
        let (folder, name) = (folder.to_owned(), name_of(folder));
        Ok(Self { folder, name, depth_fov: FIELD_OF_VIEW_DEFAULT, frames })
    }

    /// Number of framesets, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a recording is never empty")]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Horizontal field of view of the depth camera, degrees.
    #[must_use]
    pub fn depth_fov(&self) -> f32 {
        self.depth_fov
    }

    /// Whether any frame has infrared.
    #[must_use]
    pub fn has_ir(&self) -> bool {
        self.frames.iter().any(|frame| frame.ir.is_some())
    }

    /// Whether any frame has depth.
    #[must_use]
    pub fn has_depth(&self) -> bool {
        self.frames.iter().any(|frame| frame.depth.is_some())
    }

    /// The frameset at place `index`, with the times it was recorded at. Members may differ in size, as cameras do;
    /// colour frames with a side beyond [`photo::WORK_SIDE_MAX`] come shrunk to it.
    ///
    /// # Errors
    /// [`CameraFault::Ended`] behind the last one, [`CameraFault::BrokenFrame`] for a file that is no picture of its
    /// kind, [`CameraFault::System`] for one that cannot be read. The text names frame and file.
    pub fn frameset(&self, index: usize) -> Result<Frameset, CameraFault> {
        let frame = self.frames.get(index).ok_or_else(|| CameraFault::Ended { camera: self.name.clone() })?;
        let rgb = self.shot::<Rgb>(index)?.expect("every frame has colour");
        debug_assert_eq!(rgb.at, Mono(frame.at_us));
        Ok(Frameset { rgb, ir: self.shot::<u8>(index)?, depth: self.shot::<u16>(index)? })
    }

    /// The member of one kind of a frame that exists, if it has one.
    pub(super) fn shot<P: Member>(&self, index: usize) -> Result<Option<Arc<Shot<P>>>, CameraFault> {
        let frame = &self.frames[index];
        let Some((name, at)) = frame.members()[P::PLACE] else { return Ok(None) };
        let bytes = read(&self.folder.join(name)).map_err(|source| CameraFault::System {
            camera: self.name.clone(),
            doing: format!("read frame {index}: {name}"),
            source,
        })?;
        let plane = P::decode(&bytes).map_err(|why| CameraFault::BrokenFrame {
            camera: self.name.clone(),
            why: format!("frame {index}: {name}: {why}"),
        })?;
        Ok(Some(Arc::new(Shot { sequence: frame.sequence, at, plane })))
    }
}

/// A pixel type that recordings hold: [`Rgb`], `u8` for infrared, `u16` for depth.
pub trait Member: sealed::Sealed {}

pub(super) mod sealed {
    use super::Plane;

    pub trait Sealed: Copy + Send + Sync + 'static {
        /// Its place among the members of a frame.
        const PLACE: usize;

        /// The picture in a file.
        fn decode(bytes: &[u8]) -> Result<Plane<Self>, String>;
    }
}

impl Member for Rgb {}
impl Member for u8 {}
impl Member for u16 {}

impl sealed::Sealed for Rgb {
    const PLACE: usize = 0;

    fn decode(bytes: &[u8]) -> Result<Plane<Rgb>, String> {
        photo::decode(bytes).map_err(|e| told(&e))
    }
}

impl sealed::Sealed for u8 {
    const PLACE: usize = 1;

    fn decode(bytes: &[u8]) -> Result<Plane<u8>, String> {
        let picture = png(bytes)?;
        let colour = picture.color();
        let DynamicImage::ImageLuma8(grey) = picture else {
            return Err(format!("infrared is an 8-bit grey PNG, this one is {colour:?}"));
        };
        Plane::new(grey.width(), grey.height(), grey.into_raw()).map_err(|e| e.to_string())
    }
}

impl sealed::Sealed for u16 {
    const PLACE: usize = 2;

    fn decode(bytes: &[u8]) -> Result<Plane<u16>, String> {
        let picture = png(bytes)?;
        let colour = picture.color();
        let DynamicImage::ImageLuma16(depth) = picture else {
            return Err(format!("depth is a 16-bit grey PNG, this one is {colour:?}"));
        };
        Plane::new(depth.width(), depth.height(), depth.into_raw()).map_err(|e| e.to_string())
    }
}

/// What a folder is called in faults.
pub(crate) fn name_of(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Only files of bearable size; a link could lead out of the folder.
fn check_file(path: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !found.is_file() {
        return Err("not a file".to_owned());
    }
    if found.len() > FILE_LEN_MAX {
        return Err(format!("{} bytes, at most {FILE_LEN_MAX} are read", found.len()));
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    check_file(path).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The picture of a PNG within bounds, in its own pixel type.
fn png(bytes: &[u8]) -> Result<DynamicImage, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODER_MEMORY_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| told(&e))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > photo::PIXELS_MAX {
        return Err(format!("{width} x {height} pixels, at most {} in all are read", photo::PIXELS_MAX));
    }
    DynamicImage::from_decoder(decoder).map_err(|e| told(&e))
}

/// An error with its causes, for the text of a fault.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::camera::record::Recorder;

    fn frameset(i: u32) -> Frameset {
        let at = Mono::from_millis(1000 + u64::from(i) * 40);
        let grey = u8::try_from(i).unwrap();
        Frameset {
            rgb: Arc::new(Shot { sequence: 7 + i, at, plane: Plane::filled(8, 6, [grey, 2, 3]).unwrap() }),
            ir: (i != 1).then(|| {
                let at = Mono(at.0 + 5000);
                Arc::new(Shot { sequence: 7 + i, at, plane: Plane::filled(4, 4, grey).unwrap() })
            }),
            depth: (i != 2).then(|| {
                let plane = Plane::new(2, 1, vec![u16::from(grey) * 300 + 1, u16::MAX]).unwrap();
                Arc::new(Shot { sequence: 7 + i, at, plane })
            }),
        }
    }

    /// A recording of some framesets, 40 ms apart.
    pub(crate) fn recorded(count: u32) -> (tempfile::TempDir, Recording) {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(&folder.path().join("walk"), 58.0).unwrap();
        (0..count).for_each(|i| recorder.add(&frameset(i)).unwrap());
        let recording = recorder.finish().unwrap();
        (folder, recording)
    }

    fn same(a: &Frameset, b: &Frameset) -> bool {
        (&a.rgb, &a.ir, &a.depth) == (&b.rgb, &b.ir, &b.depth)
    }

    #[test]
    fn what_was_recorded_is_what_is_replayed() {
        let (folder, recording) = recorded(4);
        let again = Recording::open(&folder.path().join("walk")).unwrap();
        assert_eq!(
            (again.len(), again.depth_fov(), again.has_ir(), again.has_depth()),
            (4, 58.0, true, true)
        );
        for i in 0..4 {
            assert!(same(&recording.frameset(i as usize).unwrap(), &frameset(i)), "frame {i}");
        }
        assert!(matches!(again.frameset(4), Err(CameraFault::Ended { .. })));
    }

    #[test]
    fn a_folder_of_pictures_is_a_recording_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("b.PNG"),
            photo::encode_png(&Plane::filled(3, 3, [1; 3]).unwrap()).unwrap(),
        )
        .unwrap();
        fs::write(
            folder.path().join("a.jpg"),
            photo::encode_jpeg(&Plane::filled(3, 3, [9; 3]).unwrap(), 90).unwrap(),
        )
        .unwrap();
        fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
        let recording = Recording::of_images(folder.path(), 20).unwrap();
        assert_eq!((recording.len(), recording.has_ir(), recording.has_depth()), (2, false, false));
        assert!(recording.frameset(0).unwrap().rgb.plane.at(1, 1)[0] > 5, "sorted by name");
        assert_eq!(recording.frameset(1).unwrap().at(), Mono::from_millis(50));
        assert!(Recording::of_images(folder.path(), 0).is_err());
        assert!(Recording::of_images(&folder.path().join("none"), 5).is_err());
    }

    #[test]
    fn c2_a_member_of_the_wrong_kind_is_one_broken_frame_named_by_number_and_file() {
        let (folder, recording) = recorded(4);
        let file = |name: &str| folder.path().join("walk").join(name);
        fs::write(file("000001-depth.png"), fs::read(file("000000-ir.png")).unwrap()).unwrap();
        fs::write(file("000002-rgb.png"), &fs::read(file("000002-rgb.png")).unwrap()[..40]).unwrap();
        fs::remove_file(file("000003-rgb.png")).unwrap();
        for (i, name) in [(1, "000001-depth.png"), (2, "000002-rgb.png")] {
            let fault = recording.frameset(i).unwrap_err();
            let CameraFault::BrokenFrame { why, .. } = &fault else { panic!("{fault}") };
            assert!(why.starts_with(&format!("frame {i}: {name}: ")), "{why}");
        }
        let fault = recording.frameset(3).unwrap_err();
        assert!(
            matches!(&fault, CameraFault::System { doing, .. } if doing == "read frame 3: 000003-rgb.png"),
            "{fault}"
        );
    }

    #[test]
    fn h8_hostile_manifests_are_refused() {
        let (folder, _) = recorded(2);
        let folder = folder.path().join("walk");
        let manifest = folder.join("recording.json");
        let good = fs::read_to_string(&manifest).unwrap();
        let frame = |n: usize| {
            format!(r#"{{"at_us":{n},"sequence":{n},"rgb":"000000-rgb.png","ir":null,"depth":null}}"#)
        };
        let many = (0..=FRAMES_MAX).map(frame).collect::<Vec<_>>().join(",");
        let hostile = [
            ("traversal", good.replace("000001-rgb.png", "../walk/000001-rgb.png"), "frame 1"),
            ("absolute", good.replace("000001-rgb.png", "/etc/hostname"), "frame 1"),
            ("hidden", good.replace("000001-rgb.png", ".."), "frame 1"),
            ("missing", good.replace("000000-depth.png", "nothing.png"), "frame 0: nothing.png"),
            ("version", good.replace("\"version\":1", "\"version\":2"), "version 2"),
            ("count", format!(r#"{{"version":1,"depth_fov":70.0,"frames":[{many}]}}"#), "10001"),
            ("empty", r#"{"version":1,"depth_fov":70.0,"frames":[]}"#.to_owned(), "has 0"),
            ("field of view", good.replace("58.0", "0.0"), "field of view"),
            ("unknown field", good.replace("\"version\"", "\"exec\":1,\"version\""), "exec"),
            ("time back", good.replace("\"at_us\":1040000", "\"at_us\":1"), "frame 1"),
            ("twice", good.replace("\"sequence\":8", "\"sequence\":7"), "frame 1"),
            ("far apart", good.replace("\"ir_at_us\":1005000", "\"ir_at_us\":9005000"), "frame 0"),
            ("endless", " ".repeat(5 << 20), "longer"),
            ("no json", "{".to_owned(), "EOF"),
        ];
        for (name, text, expected) in hostile {
            assert_ne!(text, good, "{name} changed nothing");
            fs::write(&manifest, text).unwrap();
            let fault = Recording::open(&folder).unwrap_err();
            let CameraFault::Refused { why, .. } = &fault else { panic!("{name}: {fault}") };
            assert!(why.contains(expected), "{name}: {why}");
        }
        fs::write(&manifest, &good).unwrap();
        fs::remove_file(folder.join("000001-rgb.png")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.join("000001-rgb.png")).unwrap();
        assert!(
            matches!(Recording::open(&folder), Err(CameraFault::Refused { .. })),
            "a link out of the folder"
        );
    }

    #[test]
    fn c2_a_gigantic_png_is_refused_before_it_is_unpacked() {
        let mut bytes = photo::encode_png_depth(&Plane::filled(2, 2, 7u16).unwrap()).unwrap();
        bytes[16..24].copy_from_slice(&[0, 0, 0x1f, 0xff, 0, 0, 0x1f, 0xff]);
        assert!(<u16 as sealed::Sealed>::decode(&bytes).is_err());
        bytes[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        assert!(<u16 as sealed::Sealed>::decode(&bytes).is_err());
        assert!(<u8 as sealed::Sealed>::decode(b"").is_err());
    }
}
