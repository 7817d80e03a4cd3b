"""Portraits of nobody: drawn faces stand for photographs, since none of a real person is here."""

import sys
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import composite
import faces
import hair
import people
import studio
import visage

PORTRAITS = Path(__file__).parents[2] / "people"


def drawn(draw, move=6.0):
    """A drawn face in a chip of 200 pixels, its brows, nose and mouth moved by up to some pixels; and its landmarks.
    Eyes and the mouth's corners stay, as landmarks would put them."""
    chip = np.full((200, 200, 3), draw.integers(40, 200), np.uint8)
    cv2.ellipse(chip, (100, 105), (82, 102), 0, 0, 360, (130, 160, 205), -1, cv2.LINE_AA)
    up, long, wide = draw.uniform(-move, move, 3).astype(int)
    for x in (66, 134):
        cv2.ellipse(chip, (x, 80), (12, 6), 0, 0, 360, (40, 40, 50), -1, cv2.LINE_AA)
        cv2.ellipse(chip, (x, 62 + up), (18, 3), 0, 0, 360, (40, 50, 60), -1, cv2.LINE_AA)
    cv2.ellipse(chip, (100, 118 + long), (14, 5), 0, 0, 360, (90, 110, 150), -1, cv2.LINE_AA)
    cv2.ellipse(chip, (100, 158), (34, 7 + abs(wide) // 2), 0, 0, 360, (80, 70, 170), -1, cv2.LINE_AA)
    return chip, np.array([[66, 80], [134, 80], [100, 118], [72, 158], [128, 158]], np.float32)


def group(count=8, seed=3):
    draw = np.random.default_rng(seed)
    return zip(*[drawn(draw) for _ in range(count)])


class Composites(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pictures, cls.landmarks = (list(column) for column in group())
        cls.made = composite.composite(cls.pictures, cls.landmarks)

    def test_features_that_lie_elsewhere_on_each_face_come_out_sharper_than_in_a_plain_mean(self):
        windows = [composite.placed(p, l)[0] for p, l in zip(self.pictures, self.landmarks)]
        plain = np.mean(composite.toned(windows), 0)
        nose = (slice(135, 175), slice(100, 156))
        steepest = [np.abs(np.diff(mean.mean(2)[nose], axis=0)).max(0).mean() for mean in (plain, self.made.mean)]
        self.assertGreater(steepest[1], 1.5 * steepest[0])

    def test_the_spread_tells_the_face_from_what_surrounds_it(self):
        inside = self.made.spread[120:200, 80:180].mean()
        outside = self.made.spread[240:260, 24:40].mean()
        self.assertLess(3 * inside, outside)

    def test_what_few_faces_have_is_left_out(self):
        single = np.full((20, 4, 4, 3), 100.0, np.float32)
        single[:2, 1, 1] = 0
        mean, _ = composite.trimmed(single, np.ones((20, 4, 4)))
        self.assertEqual(float(mean[1, 1, 0]), 100.0)

    def test_a_flow_and_its_inverse_lead_back(self):
        flow = np.dstack([5 * np.sin(composite.DOWN / 40), 4 * np.cos(composite.ACROSS / 50)]).astype(np.float32)
        round_trip = composite.inverse(flow) + composite.pulled(flow, composite.inverse(flow))
        self.assertLess(np.abs(round_trip[20:-20, 20:-20]).max(), 0.1)

    def test_exaggerated_composites_differ_more(self):
        pictures, landmarks = group(8, 11)
        other = composite.composite(list(pictures), list(landmarks))
        far = composite.exaggerated([self.made, other], 0.5, 0.5)
        inside = (slice(60, 220), slice(60, 200))
        difference = [np.abs(a.mean[inside] - b.mean[inside]).mean() for a, b in ((self.made, other), far)]
        self.assertGreater(difference[1], 1.1 * difference[0])


class Painting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = composite.composite(*(list(column) for column in group(6)))

    def test_a_face_without_an_outline_gets_the_common_one(self):
        flat = composite.Composite(
            np.full((composite.HEIGHT, composite.WIDTH, 3), 120, np.float32),
            np.zeros((composite.HEIGHT, composite.WIDTH), np.float32),
            None,
        )
        radius = visage.outline(flat)
        for degrees in (0, 60, 90, 150):
            self.assertAlmostEqual(radius[degrees // 2], visage.common_radius(np.radians(degrees)), delta=4)

    def test_left_and_right_of_the_outline_are_equal(self):
        radius = visage.outline(self.made)
        np.testing.assert_allclose(radius[1:], radius[:0:-1], atol=0.5)

    def test_equal_looks_give_equal_portraits_and_another_seed_another(self):
        looks = studio.Looks("crop", "roll", (90, 90, 90), (120, 120, 120), seed=4)
        one, same = studio.portrait(self.made, looks), studio.portrait(self.made, looks)
        np.testing.assert_array_equal(one, same)
        looks.seed = 5
        self.assertTrue((studio.portrait(self.made, looks) != one).any())

    def test_strands_start_and_end_on_their_curve(self):
        ends = hair.along([(0, 0), (3, 1), (7, 2)], np.array([0.0, 1.0]))
        np.testing.assert_allclose(ends, [[0, 0], [7, 2]], atol=1e-5)

    def test_unknown_places_are_filled_from_around(self):
        picture, weight = np.full((16, 16, 3), 80, np.float32), np.zeros((16, 16), np.float32)
        picture[:, 8:], weight[:, :8] = 0, 1
        np.testing.assert_allclose(visage.spread_out(picture, weight), 80, atol=1)


class Groups(unittest.TestCase):
    def seen(self, vectors):
        count = len(vectors)
        zeros, small = np.zeros(count), np.zeros((count, 56, 56), np.float32)
        return people.Survey(
            [f"{k}.jpg" for k in range(count)],
            zeros + 30,
            zeros,
            zeros,
            np.zeros((count, 5, 2)),
            zeros,
            zeros,
            zeros,
            small,
            zeros,
            vectors,
        )

    def test_no_two_pictures_of_one_person_are_in_a_group(self):
        draw = np.random.default_rng(1)
        vectors = draw.normal(size=(200, 128))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[100:] = vectors[:100]
        used = people.group(self.seen(vectors), np.arange(200), vectors[0], set())
        self.assertEqual(len(used), people.GROUP)
        self.assertEqual(len({int(k) % 100 for k in used}), people.GROUP)

    def test_who_was_taken_out_stays_out(self):
        vectors = np.eye(128)[:100]
        used = people.group(self.seen(vectors), np.arange(100), vectors[0], {0, 5})
        self.assertFalse({0, 5} & set(used.tolist()))

    def test_too_few_faces_are_named_with_what_was_looked_for(self):
        with self.assertRaisesRegex(SystemExit, "portrait a: .* needed"):
            people.pool(self.seen(np.eye(128)[:20]), people.cast()[0], np.ones(20, bool))

    def test_who_smiles_is_told_by_the_mouth_and_not_by_the_rest_of_the_face(self):
        draw = np.random.default_rng(3)
        squares, smiles = draw.normal(size=(120, 56, 56)), np.arange(120) % 2
        squares[smiles == 1, 42:46, 20:36] += 3
        squares[::3, 10:20] += 5
        said = np.where(np.arange(120) < 80, smiles, -1)
        np.testing.assert_array_equal(people.at_rest(squares, said), smiles == 0)
        with self.assertRaisesRegex(SystemExit, "labels"):
            people.at_rest(squares, np.full(120, -1))

    def test_rims_of_glasses_show(self):
        picture, landmarks = drawn(np.random.default_rng(2), 0)
        without = people.glasses(faces.align(picture, landmarks))
        for x in (66, 134):
            cv2.circle(picture, (x, 82), 24, (20, 20, 20), 3, cv2.LINE_AA)
        cv2.line(picture, (88, 78), (112, 78), (20, 20, 20), 3)
        self.assertGreater(people.glasses(faces.align(picture, landmarks)), 1.3 * without)

    def test_a_portrait_is_written_small(self):
        noise = np.random.default_rng(0).normal(128, 12, (480, 640, 3)).clip(0, 255).astype(np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "nobody.jpg"
            size = people.written(path, cv2.GaussianBlur(noise, (0, 0), 1.5))
            self.assertEqual(size, path.stat().st_size)
            self.assertLessEqual(size, people.BYTES_MAX)


class Committed(unittest.TestCase):
    def test_the_portraits_are_six_at_least_small_and_of_one_size(self):
        paths = faces.pictures(PORTRAITS)
        self.assertGreaterEqual(len(paths), 6)
        self.assertLessEqual(max(path.stat().st_size for path in paths), people.BYTES_MAX)
        self.assertLessEqual(sum(path.stat().st_size for path in paths), 250_000)
        for path in paths:
            self.assertEqual(faces.read(path).shape, (480, 640, 3))


if __name__ == "__main__":
    unittest.main()
