//! The packs on portraits of people who do not exist: the house pack, which is in the repository, and every other that
//! is there.

use std::path::{Path, PathBuf};

use doorward_core::frame::{Plane, Rgb};
use doorward_core::template::UnitVector;
use doorward_core::vision::Vision as _;
use doorward_models::engine::EngineKind;
use doorward_models::pack::{Pack, all_present};
use doorward_models::vision::Models;
use image::RgbImage;
use image::imageops::{FilterType, resize};

/// Weights that a clone carries, all together.
const WEIGHTS_MAX: u64 = 12 << 20;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn portraits() -> Vec<RgbImage> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder("people")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "jpg"));
    files.sort();
    files.iter().map(|path| image::open(path).unwrap().into_rgb8()).collect()
}

fn plane(picture: &RgbImage) -> Plane<Rgb> {
    let (pixels, _) = picture.as_chunks::<3>();
    Plane::new(picture.width(), picture.height(), pixels.to_vec()).unwrap()
}

/// The template of the one face of a picture.
#[track_caller]
fn template(models: &mut Models, picture: &RgbImage) -> UnitVector {
    let picture = plane(picture);
    let faces = models.detect(&picture).unwrap();
    assert_eq!(faces.len(), 1, "{faces:?}");
    let live = models.liveness(&picture, &faces[0]).unwrap();
    assert!((0.0..=1.0).contains(&live));
    UnitVector::normalise(models.embed(&picture, &faces[0].landmarks).unwrap()).unwrap()
}

#[test]
fn the_house_pack_is_complete_and_small() {
    let house = folder("packs/house");
    let present = all_present();
    let home = house.canonicalize().unwrap();
    assert!(present.iter().any(|path| path.manifest.parent().unwrap().canonicalize().unwrap() == home));
    let weights = std::fs::read_dir(house).unwrap().map(Result::unwrap);
    let sizes = weights.filter(|entry| entry.path().extension().is_some_and(|e| e == "onnx"));
    let total: u64 = sizes.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!((1..=WEIGHTS_MAX).contains(&total), "{total} bytes");
}

#[test]
fn every_pack_finds_each_portrait_and_tells_them_apart() {
    let portraits = portraits();
    assert!(portraits.len() >= 6, "half a dozen people who do not exist");
    for path in all_present() {
        let pack = Pack::open(&path).unwrap();
        let mut models = Models::load(&pack, &EngineKind::Tract).unwrap();
        let enrolled: Vec<_> = portraits.iter().map(|picture| template(&mut models, picture)).collect();
        let threshold = pack.calibration().for_identification(1e-3, enrolled.len()).score;
        for (person, picture) in portraits.iter().enumerate() {
            // The same person farther away, in another light.
            let mut probe = resize(picture, 400, 300, FilterType::Triangle);
            probe.iter_mut().for_each(|value| *value = *value / 4 * 3 + 20);
            let probe = template(&mut models, &probe);
            for (other, reference) in enrolled.iter().enumerate() {
                let score = probe.cosine(reference);
                let matches = score >= threshold;
                assert_eq!(matches, person == other, "{}: {person} {other}: {score}", pack.title());
            }
        }
    }
}

#[test]
fn no_pack_sees_a_face_where_there_is_none() {
    let mut empty = vec![RgbImage::new(640, 480), RgbImage::from_pixel(640, 480, image::Rgb([128; 3]))];
    empty.push(RgbImage::from_fn(640, 480, |x, y| {
        let [a, b, c, _] = (x * 640 + y).wrapping_mul(2_654_435_761).to_be_bytes();
        image::Rgb([a, b, c])
    }));
    empty.push(RgbImage::from_fn(640, 480, |x, y| {
        image::Rgb([if (x / 40 + y / 40) % 2 == 0 { 0 } else { 200 }; 3])
    }));
    for path in all_present() {
        let mut models = Models::load(&Pack::open(&path).unwrap(), &EngineKind::Tract).unwrap();
        for picture in &empty {
            assert_eq!(models.detect(&plane(picture)).unwrap(), []);
        }
    }
}
