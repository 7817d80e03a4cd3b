//! Writes what the cameras see of every scene of a photograph, to be looked at or to be given to models.
//!
//! `render_scenes PHOTO FOLDER FACE [MOMENTS]`: FACE is fourteen numbers with commas: left, top, width and height of the
//! face's box and the five landmarks (x, y), as shares of the photograph's width and height; MOMENTS is how many
//! framesets of each scene to write, a third of a second apart (1 if not given). The empty scene is written as
//! `nobody`. Depth is written in false colours (near is warm) and, as `.mm.png`, in millimetres.

#![expect(clippy::cast_possible_truncation, reason = "colours are clamped to a byte before the cast")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use doorward_core::frame::{Frameset, Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::time::Mono;
use doorward_core::vision::Detection;
use doorward_hal::photo;
use doorward_hal::scene::{Portrait, Renderer, Scene};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (photo, folder, face, moments) = match arguments.as_slice() {
        [photo, folder, face] => (photo, folder, face, 1),
        [photo, folder, face, moments] => (photo, folder, face, moments.parse()?),
        _ => return Err("usage: render_scenes PHOTO FOLDER FACE [MOMENTS]".into()),
    };
    let picture = photo::open(Path::new(photo))?;
    let portrait = Portrait::new(&picture, &detection(&picture, face)?)?;
    fs::create_dir_all(folder)?;
    let renderer = Renderer::new(1);
    let scenes = [
        ("nobody", Scene::Nobody),
        ("live", Scene::Live(portrait.clone())),
        ("print", Scene::Print(portrait.clone())),
        ("carbon", Scene::CarbonPrint(portrait.clone())),
        ("screen", Scene::Screen(portrait.clone())),
        ("two", Scene::Two(portrait.clone(), portrait.clone())),
        ("dark", Scene::Dark(portrait)),
    ];
    for (name, scene) in scenes {
        for k in 0..moments {
            let frames = renderer.frameset(&scene, Mono::from_millis(330 * u64::from(k)), k);
            write(&PathBuf::from(folder).join(format!("{name}-{k}")), &frames)?;
        }
    }
    Ok(())
}

fn detection(picture: &Plane<Rgb>, shares: &str) -> Result<Detection, Box<dyn Error>> {
    let values: Vec<f32> = shares.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let &[x, y, width, height, ref points @ ..] = values.as_slice() else {
        return Err("FACE has fourteen numbers".into());
    };
    let sides = (picture.width() as f32, picture.height() as f32);
    let points: Vec<Point> = points.chunks(2).map(|p| Point::new(p[0] * sides.0, p[1] * sides.1)).collect();
    let points: [Point; 5] = points.try_into().map_err(|_| "FACE has five landmarks")?;
    Ok(Detection {
        score: 1.0,
        region: Rect { x, y, width, height }.scaled(sides.0, sides.1),
        landmarks: Landmarks::from_points(points),
    })
}

fn write(stem: &Path, frames: &Frameset) -> Result<(), Box<dyn Error>> {
    fs::write(stem.with_extension("rgb.png"), photo::encode_png(&frames.rgb.plane)?)?;
    if let Some(shot) = &frames.ir {
        fs::write(stem.with_extension("ir.png"), photo::encode_png_grey(&shot.plane)?)?;
    }
    if let Some(shot) = &frames.depth {
        fs::write(stem.with_extension("mm.png"), photo::encode_png_depth(&shot.plane)?)?;
        fs::write(stem.with_extension("depth.png"), photo::encode_png(&false_colours(&shot.plane))?)?;
    }
    Ok(())
}

/// Near is red and far is blue, by the logarithm of distance, with a shade every two centimetres; no reading is black.
fn false_colours(depth: &Plane<u16>) -> Plane<Rgb> {
    let colour = |mm: &u16| -> Rgb {
        if *mm == 0 {
            return [0; 3];
        }
        let t = (1.0 - (f32::from(*mm) / 330.0).ln() / 2.1).clamp(0.0, 1.0);
        let line = if *mm < 1000 { 1.0 - 0.12 * f32::from((*mm / 10) % 2) } else { 1.0 };
        let ramp = |centre: f32| ((1.4 - (4.0 * t - centre).abs()).clamp(0.0, 1.0) * 255.0 * line) as u8;
        [ramp(3.4), ramp(2.1), ramp(0.7)]
    };
    Plane::new(depth.width(), depth.height(), depth.pixels().iter().map(colour).collect())
        .expect("one colour for each reading")
}
