"""The simulated captures: the same seed gives the same frames, boxes lie where the face is, and what should set an
attack apart is there."""

import sys
import unittest
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import attacks  # noqa: E402  the folder above is no package


def drawn_chip():
    """A face of nobody, 200 x 200: skin, hair, eyes and a mouth, and its box."""
    chip = np.full((200, 200, 3), (90, 70, 40), np.uint8)
    cv2.ellipse(chip, (100, 100), (78, 95), 0, 0, 360, (40, 40, 50), -1)
    cv2.ellipse(chip, (100, 115), (66, 80), 0, 0, 360, (140, 170, 220), -1)
    for x in (72, 128):
        cv2.circle(chip, (x, 95), 9, (20, 20, 20), -1)
    cv2.ellipse(chip, (100, 155), (26, 8), 0, 0, 360, (60, 60, 190), -1)
    return chip, np.array([18.0, 2.0, 164.0, 190.0])


def studio(seed=1):
    return attacks.Studio(np.random.default_rng(seed), lambda draw: drawn_chip(), pool=4)


class Captures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.studio = studio()

    def captured(self, kind, seed):
        return self.studio.capture(np.random.default_rng(seed), kind, *drawn_chip())

    def test_the_same_seed_takes_the_same_picture(self):
        again = studio()
        for kind in (attacks.LIVE, attacks.PRINT, attacks.SCREEN):
            one, box = self.captured(kind, 5)
            two, same = again.capture(np.random.default_rng(5), kind, *drawn_chip())
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(np.array(box), np.array(same))

    def test_another_seed_takes_another_picture(self):
        self.assertNotEqual(self.captured(attacks.LIVE, 5)[0].tobytes(), self.captured(attacks.LIVE, 6)[0].tobytes())

    def test_every_capture_is_a_frame_with_a_face_in_it(self):
        for seed in range(40):
            for kind in (attacks.LIVE, attacks.PRINT, attacks.SCREEN):
                frame, (x, y, width, height) = self.captured(kind, seed)
                rows, columns = frame.shape[:2]
                self.assertEqual((frame.dtype, frame.shape[2]), (np.uint8, 3))
                self.assertTrue(rows <= attacks.FRAME_MAX[0] and columns <= attacks.FRAME_MAX[1])
                self.assertTrue(0 < x + width / 2 < columns and 0 < y + height / 2 < rows, (seed, kind))
                self.assertTrue(0.1 * columns < width < 0.6 * columns, (seed, kind, width))

    def test_the_box_lies_where_the_face_is(self):
        # A chip that is red all over leaves red in the middle of the box, however it was taken.
        red = np.zeros((200, 200, 3), np.uint8)
        red[..., 2] = 255
        for kind in (attacks.LIVE, attacks.PRINT, attacks.SCREEN):
            reddest = []
            for seed in range(15):
                draw = np.random.default_rng(seed)
                frame, (x, y, width, height) = self.studio.scene(draw, kind, red, drawn_chip()[1])
                middle = frame[int(y + height * 0.45) : int(y + height * 0.55), int(x + width * 0.45) :][:, :8]
                reddest.append(middle[..., 2].mean() - middle[..., :2].mean())
            self.assertGreater(np.median(reddest), 30, attacks.KINDS[kind])

    def test_live_and_attack_pass_the_same_camera_as_often(self):
        seen, real = [], attacks.camera

        def watched(draw, picture, noise):
            seen.append(picture.shape)
            return real(draw, picture, noise)

        attacks.camera, often = watched, []
        try:
            for kind in (attacks.LIVE, attacks.PRINT, attacks.SCREEN):
                seen.clear()
                for seed in range(60):
                    self.captured(kind, seed)
                often.append(len(seen))
        finally:
            attacks.camera = real
        # Of 60 coins, but for one in a thousand.
        self.assertTrue(all(17 <= count <= 43 for count in often), often)


class Sheets(unittest.TestCase):
    def setUp(self):
        self.draw = np.random.default_rng(2)
        self.picture = cv2.resize(drawn_chip()[0], (180, 220))

    def test_paper_lifts_black_and_lowers_white(self):
        steps = np.zeros((120, 160, 3), np.uint8)
        steps[:, 80:] = 255
        reach = []
        for _ in range(30):
            sheet = attacks.printed(self.draw, steps)
            inner = sheet[sheet.shape[0] // 3 : -(sheet.shape[0] // 3)]
            quarter = sheet.shape[1] // 4
            reach.append((inner[:, quarter - 8 : quarter + 8].mean(), inner[:, -quarter - 8 : 8 - quarter].mean()))
        dark, bright = np.mean(reach, 0)
        self.assertTrue(dark > 10 and bright < 245, (dark, bright))

    def test_a_border_keeps_the_picture_in_the_middle(self):
        for make in (attacks.printed, attacks.shown):
            for _ in range(20):
                sheet = make(self.draw, self.picture)
                more = np.array(sheet.shape[:2]) - self.picture.shape[:2]
                self.assertTrue((more >= 0).all() and (more % 2 == 0).all(), more)

    def test_a_bent_sheet_has_a_mask_of_its_size(self):
        for _ in range(20):
            sheet, mask = attacks.bent(self.draw, self.picture)
            self.assertEqual(sheet.shape[:2], mask.shape)
            self.assertGreater((mask > 127).mean(), 0.75)

    def test_waves_have_the_strength_and_size_asked_for(self):
        pattern = attacks.waves(self.draw, 90, 70, (4, 6), (10, 10))
        self.assertEqual(pattern.shape, (90, 70, 3))
        self.assertLess(abs(np.abs(pattern).max() - 10), 0.5)

    def test_a_blend_takes_each_side_where_the_mask_says(self):
        over, under = np.full((4, 6, 3), 200, np.uint8), np.full((4, 6, 3), 10, np.uint8)
        mask = np.zeros((4, 6), np.uint8)
        mask[:, 3:] = 255
        mixed = attacks.blend(over, under, mask)
        self.assertTrue((mixed[:, :3] == 10).all() and (mixed[:, 3:] == 200).all())

    def test_wide_blurs_are_those_of_the_slow_way(self):
        field = cv2.resize(self.draw.uniform(0, 255, (6, 8, 3)).astype(np.float32), (160, 120)).clip(0, 255)
        slow = cv2.GaussianBlur(field.astype(np.uint8), (0, 0), 9.0).astype(int)
        quick = attacks.blurred(field.astype(np.uint8), 9.0).astype(int)
        self.assertLess(np.abs(slow - quick)[20:-20, 20:-20].mean(), 2)


if __name__ == "__main__":
    unittest.main()
