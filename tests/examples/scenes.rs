//! Writes the scenes of the machine test as loopback cameras take them: `scenes FOLDER` makes `SCENE.yuyv`, `SCENE.grey`
//! and `SCENE.z16`, each with the same moments one after the other, and `SCENE.read`, which has the lowest bit of each reading
//! of depth set and nothing where there is none. The person of the scenes is `nobody-a`, the stranger the last of
//! `models/people`; neither exists.

#![expect(clippy::cast_possible_truncation, reason = "colours are clamped to a byte before the cast")]

use std::error::Error;
use std::fs;
use std::path::Path;

use doorward_core::frame::{Plane, Rgb};
use doorward_core::time::Mono;
use doorward_daemon::demo::cast;
use doorward_hal::scene::{Renderer, Scene};
use doorward_models::engine::EngineKind;
use doorward_models::pack::{self, Pack};
use doorward_models::vision::Models;

/// Moments of a scene, played in a ring.
const MOMENTS: u32 = 12;
/// Time between two of them.
const STEP_MS: u64 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::args().nth(1) else { return Err("usage: scenes FOLDER".into()) };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let pack = Pack::open(&pack::find(Some(Path::new("house")))?)?;
    let cast = cast::of_nobody(&mut Models::load(&pack, &EngineKind::Tract)?)?;
    let person = cast.enrolled.into_iter().next().ok_or("nobody is enrolled")?.portrait;
    let renderer = Renderer::new(1);
    for (name, scene) in [
        ("nobody", Scene::nobody()),
        ("person", Scene::live(person.clone())),
        ("stranger", Scene::live(cast.stranger)),
        ("print", Scene::print(person.clone())),
        ("screen", Scene::screen(person)),
    ] {
        let (mut yuyv, mut grey, mut z16) = (Vec::new(), Vec::new(), Vec::new());
        for moment in 0..MOMENTS {
            let at = Mono::from_millis(STEP_MS * u64::from(moment));
            let frames = renderer.frameset(&scene, at, moment);
            yuyv.extend(interleave(&frames.rgb.plane));
            grey.extend(frames.ir.iter().flat_map(|shot| shot.plane.pixels()));
            z16.extend(
                frames.depth.iter().flat_map(|shot| shot.plane.pixels()).flat_map(|mm| mm.to_le_bytes()),
            );
        }
        let read = z16.chunks_exact(2).flat_map(|mm| [u8::from(mm != [0, 0]), 0]).collect();
        for (ending, bytes) in [("yuyv", yuyv), ("grey", grey), ("z16", z16), ("read", read)] {
            fs::write(folder.join(format!("{name}.{ending}")), bytes)?;
        }
        fs::write(folder.join(format!("{name}.png")), picture(&renderer, &scene)?)?;
    }
    Ok(())
}

/// What the colour camera sees, for whoever looks at the test's artefacts.
fn picture(renderer: &Renderer, scene: &Scene) -> Result<Vec<u8>, Box<dyn Error>> {
    let frames = renderer.frameset(scene, Mono::from_millis(0), 0);
    Ok(doorward_hal::photo::encode_png(&frames.rgb.plane)?)
}

/// Colours as YUYV, the reverse of what the driver's user does: BT.601 with the narrow range.
fn interleave(plane: &Plane<Rgb>) -> Vec<u8> {
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    let luma = |[r, g, b]: [f32; 3]| 16.0 + 0.2568 * r + 0.5041 * g + 0.0979 * b;
    plane
        .pixels()
        .chunks_exact(2)
        .flat_map(|pair| {
            let [one, two] = [pair[0].map(f32::from), pair[1].map(f32::from)];
            let [r, g, b] = [0, 1, 2].map(|i| (one[i] + two[i]) / 2.0);
            let u = 128.0 - 0.1482 * r - 0.2910 * g + 0.4392 * b;
            let v = 128.0 + 0.4392 * r - 0.3678 * g - 0.0714 * b;
            [byte(luma(one)), byte(u), byte(luma(two)), byte(v)]
        })
        .collect()
}
