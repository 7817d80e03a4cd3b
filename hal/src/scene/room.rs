//! The empty room before the door: two walls, a door, a floor of tiles. Computed by casting a ray through each pixel,
//! so that its colour, infrared and depth agree.

use doorward_core::frame::{Plane, Rgb};

use super::head::WALL_MM;
use super::material::WALL;
use super::{HEIGHT, Layers, WIDTH, byte, focal, mix, smooth};

/// The left wall, to the left of the camera; millimetres.
const LEFT_WALL_MM: f32 = 960.0;
/// The floor, below the camera; a terminal hangs at breast height and looks a little down.
const FLOOR_MM: f32 = 905.0;
/// The door in the far wall: left, right and top edge, millimetres from the camera's axis.
const DOOR_MM: [f32; 3] = [260.0, 1110.0, -1130.0];
const TILE_MM: f32 = 330.0;
const SKIRTING_MM: f32 = 95.0;
/// Rays per pixel along each axis.
const RAYS: u32 = 2;

/// What one ray meets.
struct Hit {
    colour: [f32; 3],
    distance: f32,
}

/// Paints the room.
pub(super) fn paint() -> Layers {
    let count = (WIDTH * HEIGHT) as usize;
    let mut colour: Vec<Rgb> = Vec::with_capacity(count);
    let (mut nir, mut range) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let mut sum = [0.0; 3];
            let mut distance = 0.0;
            for ray in 0..RAYS * RAYS {
                let part = |k: u32| (k as f32 + 0.5) / RAYS as f32 - 0.5;
                let right = x as f32 + part(ray % RAYS) - WIDTH as f32 / 2.0;
                let down = y as f32 + part(ray / RAYS) - HEIGHT as f32 / 2.0;
                let hit = cast(right / focal(), down / focal());
                sum = std::array::from_fn(|c| sum[c] + hit.colour[c] / (RAYS * RAYS) as f32);
                distance = hit.distance;
            }
            colour.push(sum.map(byte));
            let grey = (sum[0] + sum[1] + sum[2]) / 3.0;
            nir.push(byte(255.0 * WALL * (0.4 + grey / 320.0)));
            range.push(distance as u16);
        }
    }
    Layers {
        colour: Plane::new(WIDTH, HEIGHT, colour).expect("one colour for each place"),
        nir: Plane::new(WIDTH, HEIGHT, nir).expect("one value for each place"),
        range: Plane::new(WIDTH, HEIGHT, range).expect("one reading for each place"),
    }
}

/// Follows the ray with the slopes `right` and `down` to the nearest surface.
fn cast(right: f32, down: f32) -> Hit {
    let side = if right < 0.0 { -LEFT_WALL_MM / right } else { f32::INFINITY };
    let floor = if down > 0.0 { FLOOR_MM / down } else { f32::INFINITY };
    let z = WALL_MM.min(side).min(floor);
    let (x, y) = (right * z, down * z);
    let colour = if z >= WALL_MM {
        far_wall(x, y)
    } else if side <= floor {
        left_wall(y, z)
    } else {
        tiles(x, z)
    };
    // A lamp on the ceiling, before the door; corners and the floor's far end get less of it.
    let lamp = 1.0 / (1.0 + (((x - 150.0) / 1900.0).powi(2) + ((y + 700.0) / 2100.0).powi(2)));
    let corner =
        mix(0.80, 1.0, smooth(0.0, 420.0, x + LEFT_WALL_MM)).min(if z >= WALL_MM { 1.0 } else { 0.97 });
    let foot = mix(0.86, 1.0, smooth(0.0, 500.0, FLOOR_MM - y)).max(if floor < WALL_MM { 0.93 } else { 0.0 });
    let light = 1.32 * lamp * corner * foot;
    Hit { colour: colour.map(|c| c * light), distance: z }
}

fn far_wall(x: f32, y: f32) -> [f32; 3] {
    let [left, right, top] = DOOR_MM;
    let frame = 70.0;
    if x > left && x < right && y > top {
        return door_leaf((x - left) / (right - left), (y - top) / (FLOOR_MM - top), x - left, right - x);
    }
    if x > left - frame && x < right + frame && y > top - frame {
        let inner = smooth(left - 12.0, left - 2.0, x) * smooth(right + 12.0, right + 2.0, x);
        let shade = mix(1.0, 0.80, inner * smooth(top - 12.0, top - 2.0, y));
        return [211.0 * shade, 207.0 * shade, 198.0 * shade];
    }
    // A light switch beside the door.
    if (x - (left - 190.0)).abs() < 42.0 && (y - 80.0).abs() < 42.0 {
        let edge = smooth(42.0, 36.0, (x - (left - 190.0)).abs().max((y - 80.0).abs()));
        let rocker = smooth(27.0, 24.0, (x - (left - 190.0)).abs().max((y - 80.0).abs()));
        let shade = mix(0.82, 1.0, edge) * mix(1.0, 0.96, rocker);
        return [226.0 * shade, 225.0 * shade, 220.0 * shade];
    }
    plaster(x, y, [190.0, 186.0, 175.0])
}

/// The door: a leaf of oak with two panels, and its handle. `u`, `v` are shares of its size.
fn door_leaf(u: f32, v: f32, from_left: f32, from_right: f32) -> [f32; 3] {
    let grain = 0.05 * noise(u * 34.0, v * 2.6, 7) + 0.03 * noise(u * 120.0, v * 6.0, 8);
    let panel = |top: f32, bottom: f32| {
        let x = (u - 0.5).abs() / 0.33;
        let y = ((v - (top + bottom) / 2.0).abs()) / ((bottom - top) / 2.0);
        x.max(1.0 - (1.0 - y) * 2.6 * (bottom - top) / 0.66)
    };
    let inset = panel(0.09, 0.46).min(panel(0.55, 0.93));
    // A bevel that catches the lamp above and casts shade below.
    let rim = smooth(0.90, 0.95, inset) * smooth(1.05, 1.0, inset);
    let mut light = (1.0 + grain) * mix(0.965, 1.0, smooth(0.9, 1.0, inset)) * (1.0 - 0.13 * rim);
    light *= smooth(0.0, 14.0, from_left).max(0.55) * smooth(0.0, 8.0, from_right).max(0.7);
    let (hx, hy) = (from_left - 72.0, (v - 0.52) * 2035.0);
    let plate = smooth(23.0, 20.0, hx.abs()) * smooth(112.0, 108.0, hy.abs());
    let lever = smooth(13.0, 10.0, (hy + 40.0).abs()) * smooth(-16.0, -12.0, hx) * smooth(128.0, 122.0, hx);
    let metal = plate.max(lever);
    let steel = mix(150.0, 205.0, smooth(12.0, -12.0, hy + 40.0) * lever + 0.4 * (1.0 - lever));
    let wood = [171.0 * light, 130.0 * light, 90.0 * light];
    std::array::from_fn(|c| mix(wood[c], steel, metal))
}

fn left_wall(y: f32, z: f32) -> [f32; 3] {
    plaster(z + 4000.0, y, [176.0, 174.0, 166.0])
}

fn plaster(x: f32, y: f32, base: [f32; 3]) -> [f32; 3] {
    if y > FLOOR_MM - SKIRTING_MM {
        let top = smooth(FLOOR_MM - SKIRTING_MM, FLOOR_MM - SKIRTING_MM + 12.0, y);
        return [206.0, 203.0, 195.0].map(|c| c * mix(1.06, 0.97, top));
    }
    let rough = 1.0
        + 0.020 * noise(x / 260.0, y / 260.0, 1)
        + 0.016 * noise(x / 23.0, y / 23.0, 2)
        + 0.012 * noise(x / 7.0, y / 7.0, 3);
    base.map(|c| c * rough)
}

fn tiles(x: f32, z: f32) -> [f32; 3] {
    let (u, v) = (x / TILE_MM + 40.3, z / TILE_MM + 0.2);
    let joint = (u.fract() - 0.5).abs().max((v.fract() - 0.5).abs());
    let tone = 1.0 + 0.05 * noise(u.floor() + 0.5, v.floor() + 0.5, 4) + 0.03 * noise(u * 9.0, v * 9.0, 5);
    let light = tone * mix(1.0, 0.74, smooth(0.484, 0.494, joint));
    [139.0 * light, 133.0 * light, 124.0 * light]
}

/// Smooth noise, -1 to 1, on a grid of unit cells.
fn noise(x: f32, y: f32, layer: u32) -> f32 {
    let (column, row) = (x.floor(), y.floor());
    let corner = |i: f32, j: f32| {
        let (a, b) = ((column + i) as i32 as u32, (row + j) as i32 as u32);
        let mut h =
            a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ layer.wrapping_mul(0xc2b2_ae3d);
        h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
        h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
        (h ^ (h >> 15)) as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    let (u, v) = (smooth(0.0, 1.0, x - column), smooth(0.0, 1.0, y - row));
    mix(mix(corner(0.0, 0.0), corner(1.0, 0.0), u), mix(corner(0.0, 1.0), corner(1.0, 1.0), u), v)
}
