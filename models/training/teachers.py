"""The public models that the house models learn from. They are asked, never copied."""

from pathlib import Path

import numpy as np

import faces

DETECTOR = "yunet_n_320w_256h.onnx"
DISTANT = "yunet_n_640w_480h.onnx"
EMBEDDING = "mobilefacenet_foamliu_112.onnx"
LIVENESS = (("minifasnet_v2_2.7.onnx", 2.7), ("minifasnet_v1se_4.0.onnx", 4.0))

# ImageNet's mean and deviation, which the embedding teacher was trained with.
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


def session(path, threads=1):
    """A network in ONNX Runtime."""
    # Not at the top: Debian has no package of it, and the tests of the data pipeline ask no network.
    import onnxruntime

    if not Path(path).is_file():
        raise SystemExit(f"open {path}: no such file; name the folder of the teachers with --teachers DIR")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Errors alone: some teachers carry weights that nothing uses.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Detector:
    """Faces of a picture, from any network with the twelve outputs of `faces.decode`."""

    def __init__(self, path, score_min=0.6):
        self.session = session(path)
        self.score_min = score_min
        port = self.session.get_inputs()[0]
        self.name, (_, _, self.height, self.width) = port.name, port.shape

    def __call__(self, picture):
        canvas, scale = faces.letterbox(picture, self.height, self.width)
        outputs = self.session.run(None, {self.name: canvas.transpose(2, 0, 1)[None].astype(np.float32)})
        scores, boxes, points = faces.decode(outputs, self.width, self.score_min)
        return faces.merge(scores, boxes / scale, points / scale)


class Embedding:
    """Unit vectors (n, 128) of aligned faces (n, 112, 112, 3)."""

    def __init__(self, path, mean=MEAN, deviation=DEVIATION):
        self.session = session(path)
        self.name = self.session.get_inputs()[0].name
        self.mean, self.deviation = mean, deviation

    def __call__(self, squares):
        rgb = (np.asarray(squares)[..., ::-1].astype(np.float32) - self.mean) / self.deviation
        rows = [self.session.run(None, {self.name: x[None]})[0][0] for x in rgb.transpose(0, 3, 1, 2)]
        rows = np.stack(rows)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
