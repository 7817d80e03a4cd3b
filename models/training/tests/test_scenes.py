"""What is drawn into a frame is where the label says, and a cell that is told of a face can tell it back."""

import sys
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import faces
import scenes

try:
    import detector
except ImportError:  # ONNX Runtime is not in Debian 12
    detector = None

BOX = np.array([50.0, 40.0, 100.0, 120.0], np.float32)
POINTS = np.array([[80, 80], [120, 80], [100, 105], [85, 130], [115, 130]], np.float32)


def drawn_chip(spot=(80, 80)):
    """A grey chip with a white spot, by default at the eye on the picture's left: the only white there is."""
    chip = np.full((scenes.CHIP, scenes.CHIP, 3), 90, np.uint8)
    cv2.circle(chip, spot, 9, (255, 255, 255), -1)
    return chip


def chips(count=3):
    coded = cv2.imencode(".jpg", drawn_chip(), [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    return scenes.Chips([coded] * count, np.stack([BOX] * count), np.stack([POINTS] * count))


def source(seed=1):
    return scenes.Scenes(chips(), seed, backdrops=4)


class Frames(unittest.TestCase):
    def test_labels_lie_where_the_chip_was_drawn(self):
        scene = source()
        scene._worn = lambda *_: None
        for width in (25, 60, 150):
            for _ in range(8):
                frame = np.zeros((scenes.HEIGHT, scenes.WIDTH, 3), np.uint8)
                guest = scene._guest(np.array([160.0, 128.0]), width, room=0.0)
                grey = guest.chip.astype(int)
                guest.chip = np.where(2 * grey > grey.min() + grey.max(), 255, 0).astype(np.uint8)
                scene._face(frame, guest)
                y, x = np.nonzero(frame[..., 0] > 127)
                spot = guest.points_in_frame()[1 if guest.flip < 0 else 0]
                np.testing.assert_allclose([x.mean(), y.mean()], spot, atol=0.02 * width + 0.3)

    def test_the_eye_at_the_left_stays_the_first_in_the_mirror(self):
        scene = source()
        flips = set()
        for _ in range(30):
            guest = scene._guest(np.array([160.0, 128.0]), 100)
            points = guest.points_in_frame()
            flips.add(guest.flip)
            self.assertLess(points[0, 0], points[1, 0])
            self.assertLess(points[3, 0], points[4, 0])
        self.assertEqual(flips, {-1.0, 1.0})

    def test_the_box_is_around_the_middle_and_as_wide_as_asked(self):
        guest = source()._guest(np.array([160.0, 128.0]), 80)
        guest.angle, guest.place = 0.0, np.array([[0.8, 0, 160 - 80], [0, 0.8, 128 - 80]])
        np.testing.assert_allclose(guest.box_in_frame(), [120, 80, 80, 96], atol=1e-4)

    def test_the_same_seed_gives_the_same_frames(self):
        one, two = source(7), source(7)
        for _ in range(3):
            for a, b in zip(one.frame(), two.frame()):
                np.testing.assert_array_equal(a, b)

    def test_empty_frames_have_no_labels_and_faces_do_not_hide_each_other(self):
        scene = source(3)
        self.assertEqual(len(scene.frame(empty=True)[1]), 0)
        for _ in range(40):
            frame, boxes, points = scene.frame(empty=False)
            self.assertEqual((frame.shape, frame.dtype), ((scenes.HEIGHT, scenes.WIDTH, 3), np.uint8))
            self.assertEqual(points.shape, (len(boxes), 5, 2))
            for at, box in enumerate(boxes):
                others = np.delete(boxes, at, 0)
                if len(others):
                    self.assertLess(faces.overlap(box, others).max(), 0.3)


class Labels(unittest.TestCase):
    def test_a_chip_is_labelled_once_with_what_all_views_say(self):
        def teacher(frame):
            """Sees a face around each bright spot, which is its nose, and the same in the mirror."""
            count, _, stats, middles = cv2.connectedComponentsWithStats((frame[..., 0] > 170).astype(np.uint8))
            found = []
            for stat, middle in zip(stats[1:count], middles[1:count]):
                k = np.sqrt(stat[cv2.CC_STAT_AREA] / 253)
                points = (POINTS - POINTS[2]) * k + middle
                found.append(faces.Face(1.0, np.array([*(middle - [50 * k, 65 * k]), 100 * k, 120 * k]), points))
            return found

        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            cv2.imwrite(str(folder / "a.png"), drawn_chip((100, 105)))
            cv2.imwrite(str(folder / "b.png"), np.zeros((200, 200, 3), np.uint8))
            got = scenes.labelled(folder, teacher, folder / "kept" / "labels.npz")
            again = scenes.labelled(folder, None, folder / "kept" / "labels.npz")
        self.assertEqual((len(got.pictures), len(again.pictures)), (1, 1))
        np.testing.assert_array_equal(got.landmarks, again.landmarks)
        np.testing.assert_allclose(got.landmarks[0], POINTS, atol=4)
        np.testing.assert_allclose(got.boxes[0], BOX, atol=8)

    def test_a_folder_without_faces_is_an_error_that_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            cv2.imwrite(f"{folder}/b.png", np.zeros((200, 200, 3), np.uint8))
            with self.assertRaisesRegex(SystemExit, "no sure face"):
                scenes.labelled(Path(folder), lambda _: [], Path(folder) / "labels.npz")


@unittest.skipIf(detector is None, "needs ONNX Runtime")
class Cells(unittest.TestCase):
    def test_what_the_cells_are_told_decodes_to_the_face(self):
        for width in (14, 33, 70, 110, 220):
            box = np.array([40.0, 5.0, width, 1.1 * width])
            points = box[:2] + POINTS / scenes.CHIP * box[2:]
            score, size, values = detector.targets(box[None], points[None])
            sure = score == 1
            self.assertGreater(sure.sum(), 0, width)
            self.assertTrue((size[sure] > 0).all())
            outputs, ends = [], np.cumsum([0, 40 * 32, 20 * 16, 10 * 8])
            for part in (sure[:, None], sure[:, None], values[:, :4], values[:, 4:]):
                outputs += [part[a:b].astype(np.float32) for a, b in zip(ends, ends[1:])]
            [face] = faces.merge(*faces.decode(outputs, scenes.WIDTH, 0.6))
            np.testing.assert_allclose(face.box, box, atol=1e-3)
            np.testing.assert_allclose(face.landmarks, points, atol=1e-3)

    def test_no_face_is_nothing_to_learn_but_the_score(self):
        score, size, _ = detector.targets(np.zeros((0, 4)), np.zeros((0, 5, 2)))
        self.assertEqual((score.any(), size.any()), (False, False))


if __name__ == "__main__":
    unittest.main()
