//! Moves a picture of persons: each place follows the person it belongs to, heads turn as the solid things they are.

use doorward_core::geometry::Point;

use super::head::Head;
use super::motion::Pose;
use super::{HEIGHT, WIDTH, smooth};

/// Distance of the nodes at which the motion is computed; between them it is interpolated. A nose is some 15 wide.
pub(super) const STEP: usize = 4;
/// Rounds of the search for where a place came from; each leaves a third of the error or less.
const ROUNDS: u32 = 6;
/// Over so many pixels between two persons one's motion becomes the other's.
const SEAM: f32 = 26.0;

const COLUMNS: usize = WIDTH as usize / STEP + 2;
const ROWS: usize = HEIGHT as usize / STEP + 2;

/// What a place of the picture at rest has to do with the person nearest to it.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    /// How far it follows the person, 0 to 1.
    body: f32,
    /// How far it follows the head's turning, 0 to 1.
    head: f32,
    /// How far it stands out before the head's outline, pixels.
    relief: f32,
    /// Where a smile moves it, pixels to the right and down.
    smile: (f32, f32),
}

/// The nodes of a picture.
#[derive(Debug)]
pub(super) struct Field {
    nodes: Vec<Node>,
    /// First column of the second person.
    split: f32,
}

/// A person's pose around the middle of the head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turned {
    pose: Pose,
    centre: Point,
    yaw: (f32, f32),
    pitch: (f32, f32),
}

impl Turned {
    pub(super) fn new(pose: Pose, centre: Point) -> Self {
        Self { pose, centre, yaw: pose.yaw.sin_cos(), pitch: pose.pitch.sin_cos() }
    }

    /// Where a place goes, and by how many pixels of rest it comes nearer.
    fn apply(&self, node: &Node, p: Point) -> (Point, f32) {
        // The face moves on the head, and the head with the body.
        let smile = self.pose.smile;
        let (x, y) = (p.x - self.centre.x + smile * node.smile.0, p.y - self.centre.y + smile * node.smile.1);
        let z = node.relief;
        let ((sin, cos), (up, along)) = (self.yaw, self.pitch);
        let (x1, z1) = (x * cos + z * sin, z * cos - x * sin);
        let (y1, z2) = (y * along + z1 * up, z1 * along - y * up);
        let (x2, y2) = (x + node.head * (x1 - x), y + node.head * (y1 - y));
        let Pose { right, down, roll, scale, .. } = self.pose;
        let (x3, y3) = (right + scale * (x2 - roll * y2), down + scale * (y2 + roll * x2));
        let moved = Point::new(
            self.centre.x + x2 + node.body * (x3 - x2),
            self.centre.y + y2 + node.body * (y3 - y2),
        );
        (moved, node.head * (z2 - z))
    }
}

/// Where the places of a moved picture come from.
pub(super) struct Origins {
    /// For each node: column and row in the picture at rest, and how much nearer it comes by turning, pixels.
    places: Vec<[f32; 3]>,
}

impl Field {
    pub(super) fn of(heads: &[Head], split: u32) -> Self {
        let split = split as f32;
        let mut nodes = Vec::with_capacity(COLUMNS * ROWS);
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let p = Point::new((column * STEP) as f32, (row * STEP) as f32);
                let head = &heads[usize::from(p.x >= split && heads.len() > 1)];
                let seam = if heads.len() > 1 { smooth(0.0, SEAM, (p.x - split).abs()) } else { 1.0 };
                nodes.push(Node {
                    body: seam * head.following(p),
                    head: seam * head.turning(p),
                    relief: head.relief(p),
                    smile: head.smile(p),
                });
            }
        }
        Self { nodes: softened(&nodes), split }
    }

    /// Where a place at rest goes.
    pub(super) fn forward(&self, p: Point, persons: &[Turned]) -> Point {
        self.person(p, persons).apply(&self.at(p), p).0
    }

    /// Where all places come from.
    pub(super) fn origins(&self, persons: &[Turned]) -> Origins {
        let mut places = Vec::with_capacity(COLUMNS * ROWS);
        for row in 0..ROWS {
            let mut away = (0.0, 0.0);
            for column in 0..COLUMNS {
                let wanted = Point::new((column * STEP) as f32, (row * STEP) as f32);
                let mut from = Point::new(wanted.x + away.0, wanted.y + away.1);
                let mut nearer = 0.0;
                for _ in 0..ROUNDS {
                    let (node, person) = (self.at(from), self.person(from, persons));
                    let (found, by) = person.apply(&node, from);
                    let pace = 1.0 / (1.0 + node.body * (person.pose.scale - 1.0)).max(0.3);
                    from.x += pace * (wanted.x - found.x);
                    from.y += pace * (wanted.y - found.y);
                    nearer = by;
                }
                away = (from.x - wanted.x, from.y - wanted.y);
                places.push([from.x, from.y, nearer]);
            }
        }
        Origins { places }
    }

    fn person<'a>(&self, p: Point, persons: &'a [Turned]) -> &'a Turned {
        &persons[usize::from(p.x >= self.split && persons.len() > 1)]
    }

    fn at(&self, p: Point) -> Node {
        let (x, y) = (
            (p.x / STEP as f32).clamp(0.0, (COLUMNS - 2) as f32),
            (p.y / STEP as f32).clamp(0.0, (ROWS - 2) as f32),
        );
        let (column, row) = (x as usize, y as usize);
        let (u, v) = (x - column as f32, y - row as f32);
        let node = |i: usize, j: usize| &self.nodes[(row + j) * COLUMNS + column + i];
        let shares = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
        let corners = [node(0, 0), node(1, 0), node(0, 1), node(1, 1)];
        let mut sum = Node::default();
        for (share, node) in shares.into_iter().zip(corners) {
            sum.body += share * node.body;
            sum.head += share * node.head;
            sum.relief += share * node.relief;
            sum.smile.0 += share * node.smile.0;
            sum.smile.1 += share * node.smile.1;
        }
        sum
    }
}

impl Origins {
    /// Calls `take` for each place of row `y` with its column, and the column, row and nearness it came from.
    pub(super) fn row(&self, y: usize, mut take: impl FnMut(usize, [f32; 3])) {
        let (row, down) = (y / STEP, (y % STEP) as f32 / STEP as f32);
        let line = |k: usize| &self.places[(row + k) * COLUMNS..(row + k + 1) * COLUMNS];
        let (above, below) = (line(0), line(1));
        let node = |k: usize| -> [f32; 3] {
            std::array::from_fn(|c| above[k][c] + down * (below[k][c] - above[k][c]))
        };
        let mut left = node(0);
        for k in 0..WIDTH as usize / STEP {
            let right = node(k + 1);
            let pace: [f32; 3] = std::array::from_fn(|c| (right[c] - left[c]) / STEP as f32);
            for i in 0..STEP {
                take(k * STEP + i, std::array::from_fn(|c| left[c] + pace[c] * i as f32));
            }
            left = right;
        }
    }
}

/// A steep relief would fold the picture where a head turns; each node takes the mean of its neighbours.
fn softened(nodes: &[Node]) -> Vec<Node> {
    let mut soft = nodes.to_vec();
    for row in 1..ROWS - 1 {
        for column in 1..COLUMNS - 1 {
            let around = (0..9).map(|k| nodes[(row + k / 3 - 1) * COLUMNS + column + k % 3 - 1].relief);
            soft[row * COLUMNS + column].relief = around.sum::<f32>() / 9.0;
        }
    }
    soft
}
