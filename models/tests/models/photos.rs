//! The whole way from a photograph to its numbers against a reference made with other resizers.

use std::path::Path;

use doorward_core::frame::{Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::template::UnitVector;
use doorward_core::vision::{Detection, Vision as _};
use doorward_models::detector::{DetectionLimits, Detector, outputs};
use doorward_models::embedding::Embedder;
use doorward_models::engine::{self, EngineKind, Port, Signature};
use doorward_models::liveness::{Crop, Liveness};
use doorward_models::pack::{Manifest, ModelEntry, Pack, find};
use doorward_models::pixels::{Alignment, Colour, Normalisation};
use doorward_models::vision::Models;
use image::{DynamicImage, ImageDecoder as _, ImageReader};
use serde_json::Value;

use crate::golden::beside;

const RAW: Normalisation = Normalisation { colour: Colour::Bgr, mean: [0.0; 3], deviation: [1.0; 3] };

/// A reference face.
struct Face {
    score: f32,
    region: Rect,
    landmarks: Landmarks,
    embedding: UnitVector,
    /// Of the crops 2.7 and 4.0.
    live: [f32; 2],
}

#[expect(clippy::cast_possible_truncation, reason = "the reference was f32 before it was written as text")]
fn number(value: &Value) -> f32 {
    value.as_f64().expect("a number") as f32
}

fn face(value: &Value) -> Face {
    let list = |key: &str| value[key].as_array().unwrap().iter().map(number).collect::<Vec<_>>();
    let points: Vec<Point> = value["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| Point::new(number(&p[0]), number(&p[1])))
        .collect();
    let [x, y, width, height] = list("box_xywh").try_into().unwrap();
    Face {
        score: number(&value["score"]),
        region: Rect { x, y, width, height },
        landmarks: Landmarks::from_points(points.try_into().unwrap()),
        embedding: UnitVector::normalise(list("embedding")).unwrap(),
        live: [number(&value["live_v2"]), number(&value["live_v1se"])],
    }
}

/// A photograph by its name, with its reference faces, largest first.
type Photo = (String, Plane<Rgb>, Vec<Face>);

/// Every photograph.
fn photos() -> Option<Vec<Photo>> {
    let (models, media) = (beside("models")?, beside("media/photos")?);
    let text = std::fs::read_to_string(models.join("reference/photos.json")).unwrap();
    let Value::Object(references) = serde_json::from_str(&text).unwrap() else { panic!("an object") };
    let photo = |(name, value): (String, Value)| {
        let picture = picture(&media.join(&name));
        let faces = value["faces"].as_array().unwrap().iter().map(face).collect();
        (name, picture, faces)
    };
    Some(references.into_iter().map(photo).collect())
}

/// Decodes a photograph and turns it upright, as its camera says.
fn picture(path: &Path) -> Plane<Rgb> {
    let mut decoder = ImageReader::open(path).unwrap().into_decoder().unwrap();
    let upright = decoder.orientation().unwrap();
    let mut decoded = DynamicImage::from_decoder(decoder).unwrap();
    decoded.apply_orientation(upright);
    let decoded = decoded.into_rgb8();
    let (pixels, _) = decoded.as_chunks::<3>();
    Plane::new(decoded.width(), decoded.height(), pixels.to_vec()).unwrap()
}

fn manifest() -> (Pack, Manifest) {
    let pack = Pack::open(&find(None).unwrap()).unwrap();
    let manifest = pack.manifest().clone();
    (pack, manifest)
}

fn run(pack: &Pack, entry: &ModelEntry) -> Box<dyn engine::Engine> {
    engine::load(&EngineKind::Tract, pack.weights(entry), entry.signature.clone()).unwrap()
}

#[test]
fn boxes_and_points_are_those_of_the_reference() {
    let Some(photos) = photos() else { return };
    // The reference was made with the square input.
    let bytes = std::fs::read(beside("models").unwrap().join("yunet_n_320_320.onnx")).unwrap();
    let input = [1, 3, 320, 320];
    let signature = Signature {
        model: "detector".into(),
        input: Port { name: "input".into(), shape: input.to_vec() },
        outputs: outputs(320, 320),
    };
    let engine = engine::load(&EngineKind::Tract, &bytes, signature).unwrap();
    // The reference takes the surest candidate as it is.
    let limits = DetectionLimits { score_min: 0.6, overlap_max: 0.3, blend_min: 1.0 };
    let mut detector = Detector::new(engine, &input, RAW, limits);
    let mut offs = Vec::new();
    for (name, picture, faces) in photos {
        let found = detector.detect(&picture).unwrap();
        assert_eq!(found.len().min(5), faces.len(), "{name}");
        for (found, face) in found.iter().zip(&faces) {
            let off = off(found, face) / face.region.width;
            println!("{name}: {:.2} % of the face off", 100.0 * off);
            // Where two candidates are equally sure, the last digit of a pixel decides between them.
            assert!(off <= 0.08, "{name}: {off}");
            assert!((found.score - face.score).abs() < 0.03, "{name}");
            offs.push(off);
        }
    }
    offs.sort_by(f32::total_cmp);
    assert!(offs[offs.len() * 9 / 10] <= 0.02, "nine of ten faces are within two per cent: {offs:?}");
}

/// Largest distance in pixels of any edge or point.
fn off(found: &Detection, face: &Face) -> f32 {
    let corners = |r: Rect| [Point::new(r.x, r.y), Point::new(r.x + r.width, r.y + r.height)];
    let corners = corners(found.region).into_iter().zip(corners(face.region));
    let points = found.landmarks.points().into_iter().zip(face.landmarks.points());
    corners.chain(points).map(|(a, b)| a.distance(b)).fold(0.0, f32::max)
}

#[test]
fn embeddings_are_those_of_the_reference() {
    let Some(photos) = photos() else { return };
    let (pack, manifest) = manifest();
    let (model, entry) = (&manifest.embedding, &manifest.embedding.entry);
    let shape = &entry.signature.input.shape;
    // The reference takes one sample for each pixel.
    let alignment = Alignment { samples_max: 1, ..model.alignment };
    let mut embedder = Embedder::new(run(&pack, entry), shape, entry.normalisation, alignment);
    for (name, picture, faces) in photos {
        for face in faces {
            let raw = embedder.embed(&picture, &face.landmarks).unwrap();
            let cosine = UnitVector::normalise(raw).unwrap().cosine(&face.embedding);
            println!("{name}: cosine {cosine:.5}, face {:.0} px", face.region.width);
            assert!(cosine >= 0.999, "{name}: cosine {cosine}");
        }
    }
}

#[test]
fn liveness_is_that_of_the_reference() {
    let Some(photos) = photos() else { return };
    let (pack, manifest) = manifest();
    for (i, model) in manifest.liveness.iter().enumerate() {
        let (entry, shape) = (&model.entry, &model.entry.signature.input.shape);
        // The reference cuts along the box as the detector draws it.
        let crop = Crop { aspect: None, ..model.crop };
        let mut liveness =
            Liveness::new(run(&pack, entry), shape, entry.normalisation, crop, model.live_output);
        for (name, picture, faces) in &photos {
            for face in faces {
                let found = liveness.probability(picture, face.region).unwrap();
                println!("{name}: live {found:.4}, reference {:.4}", face.live[i]);
                // Near one half a network is undecided, and the last digit of a pixel tips it.
                let undecided = (face.live[i] - 0.5).abs() < 0.1;
                assert!(
                    undecided || (found - face.live[i]).abs() <= 0.1,
                    "{name}: {found} against {}",
                    face.live[i]
                );
            }
        }
    }
}

#[test]
fn one_person_resembles_himself_and_nobody_else() {
    let Some(photos) = photos() else { return };
    let (pack, _) = manifest();
    let mut models = Models::load(&pack, &EngineKind::Tract).unwrap();
    let mut embed = |name: &str| {
        let (_, picture, _) = photos.iter().find(|(other, ..)| other == name).unwrap();
        let face = models.detect(picture).unwrap()[0];
        UnitVector::normalise(models.embed(picture, &face.landmarks).unwrap()).unwrap()
    };
    let [a, b, other] = ["ageitgey_obama.jpg", "ageitgey_obama2.jpg", "ageitgey_biden.jpg"].map(&mut embed);
    assert!(a.cosine(&b) > 0.6, "{}", a.cosine(&b));
    assert!(a.cosine(&other) < 0.25, "{}", a.cosine(&other));
}
