"""Who counts as a stranger to LFW."""

import hashlib
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    import strangers
except ImportError:  # no OpenCV
    strangers = None


@unittest.skipIf(strangers is None, "needs OpenCV")
class Strangers(unittest.TestCase):
    def test_children_the_known_and_what_has_no_age_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("19_0_0_1.jpg", "20_0_0_2.jpg", "60_1_0_3.jpg", "README.md"):
                (Path(folder) / name).write_text(name)
            known = {hashlib.sha256(b"60_1_0_3.jpg").hexdigest()[:16]}
            self.assertEqual([path.name for path in strangers.strangers(Path(folder), known)], ["20_0_0_2.jpg"])


if __name__ == "__main__":
    unittest.main()
