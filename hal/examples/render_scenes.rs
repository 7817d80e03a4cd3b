//! Draws a contact sheet of every species of `scene::species`, to be looked at: colour, infrared and depth of each.
//!
//! `render_scenes PHOTO FACE OTHER FACE SHEET.png [MS [NAME...]]`: PHOTO is the person it is about, OTHER somebody else,
//! each with the place of the FACE as fourteen numbers with commas: left, top, width and height of its box and the five
//! landmarks (x, y), as shares of the photograph's width and height. MS is the moment (700 if not given); NAMEs choose
//! species, and one alone is drawn in full size. Depth is in false colours: near is warm, far is blue, no reading is black.

#![expect(clippy::cast_possible_truncation, reason = "colours are clamped to a byte before the cast")]

use std::error::Error;
use std::fs;
use std::path::Path;

use doorward_core::frame::{Frameset, Plane, Rgb};
use doorward_core::geometry::{Landmarks, Point, Rect};
use doorward_core::time::Mono;
use doorward_core::vision::Detection;
use doorward_hal::photo;
use doorward_hal::scene::species::{self, Roles};
use doorward_hal::scene::{self, Portrait, Renderer};

/// Species beside each other.
const COLUMNS: usize = 2;
/// Size of one picture among many.
const TILE: (u32, u32) = (213, 160);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [photo, face, other, other_face, sheet, rest @ ..] = arguments.as_slice() else {
        return Err("usage: render_scenes PHOTO FACE OTHER FACE SHEET.png [MS [NAME...]]".into());
    };
    let (target, other) = (portrait(photo, face)?, portrait(other, other_face)?);
    let (ms, names) = match rest {
        [] => (700, &[][..]),
        [ms, names @ ..] => (ms.parse()?, names),
    };
    let renderer = Renderer::new(1);
    let size = if names.len() == 1 { (scene::WIDTH, scene::HEIGHT) } else { TILE };
    let mut tiles = Vec::new();
    for species in species::ALL.iter().filter(|s| names.is_empty() || names.iter().any(|n| n == s.name)) {
        let scene = species.scene(Roles { target: &target, other: &other });
        println!("{:2} {:24} {:8} {}", tiles.len() + 1, species.name, species.cases, species.title);
        tiles.push(tile(&renderer.frameset(&scene, Mono::from_millis(ms), 1), size)?);
    }
    fs::write(sheet, photo::encode_png(&arranged(&tiles)?)?)?;
    Ok(())
}

fn portrait(photo: &str, face: &str) -> Result<Portrait, Box<dyn Error>> {
    let picture = photo::open(Path::new(photo))?;
    Ok(Portrait::new(&picture, &detection(&picture, face)?)?)
}

/// Colour, infrared and depth beside each other.
fn tile(frames: &Frameset, size: (u32, u32)) -> Result<Plane<Rgb>, Box<dyn Error>> {
    let grey = frames.ir.as_ref().ok_or("rendered scenes have infrared")?.plane.pixels();
    let (width, height) = (frames.rgb.plane.width(), frames.rgb.plane.height());
    let infrared = Plane::new(width, height, grey.iter().map(|v| [*v; 3]).collect())?;
    let depth = false_colours(&frames.depth.as_ref().ok_or("rendered scenes have depth")?.plane);
    let small = [&frames.rgb.plane, &infrared, &depth].map(|plane| photo::resize(plane, size.0, size.1));
    let [rgb, infrared, depth] = small;
    let (rgb, infrared, depth) = (rgb?, infrared?, depth?);
    let rows = (0..size.1).flat_map(|y| [rgb.row(y), infrared.row(y), depth.row(y)].concat());
    Ok(Plane::new(3 * size.0, size.1, rows.collect())?)
}

fn arranged(tiles: &[Plane<Rgb>]) -> Result<Plane<Rgb>, Box<dyn Error>> {
    const GAP: u32 = 4;
    let first = tiles.first().ok_or("there is no species of that name")?;
    let (across, down) = (first.width() + GAP, first.height() + GAP);
    let columns = u32::try_from(COLUMNS.min(tiles.len()))?;
    let rows = u32::try_from(tiles.len().div_ceil(COLUMNS))?;
    let mut sheet = Plane::filled(columns * across, rows * down, [255; 3])?;
    let width = sheet.width() as usize;
    for (k, tile) in tiles.iter().enumerate() {
        let (left, top) = ((k % COLUMNS) * across as usize, (k / COLUMNS) * down as usize);
        for y in 0..tile.height() {
            let at = (top + y as usize) * width + left;
            sheet.pixels_mut()[at..at + tile.width() as usize].copy_from_slice(tile.row(y));
        }
    }
    Ok(sheet)
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
