"""The detector YuNet, in two ways: `find` as OpenCV publishes it, `detect` as deepface runs it.

`detect` is twice as fast as deepface: a part of its black border of half an image is left out, and
onnxruntime runs the network. On 1,329 photographs no box, no eye and no pixel of a crop differed.
"""

import math
from pathlib import Path

import numpy as np

from helpers.faces import networks

LARGEST = 640  # pixels: deepface scales what is larger, border included, down to that
THRESHOLD, OVERLAP = 0.9, 0.3  # of deepface, of OpenCV's FaceDetectorYN
STRIDES = (8, 16, 32)
GRID = max(STRIDES)  # the network's input is a multiple of it
MARGIN = 128  # pixels of black border that the network still sees
MOST = 5000  # boxes, OpenCV's default


def load(path: Path):
    """An onnxruntime session of YuNet, on one thread: input "pixels", (rows, columns, 3) uint8 BGR.

    The official file declares an input of 640 x 640; here any size goes in, and the graph begins
    with the change from pixels to planes, which OpenCV does slowly.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for value in (*graph.input, *graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            dimension.Clear()
    name = graph.input[0].name
    pixels = onnx.helper.make_tensor_value_info(
        "pixels", onnx.TensorProto.UINT8, ["rows", "columns", 3]
    )
    graph.input[0].CopyFrom(pixels)
    first = [
        onnx.helper.make_node("Transpose", ["pixels"], ["pixels/planes"], perm=[2, 0, 1]),
        onnx.helper.make_node("Cast", ["pixels/planes"], ["pixels/float"], to=1),
        onnx.helper.make_node("Unsqueeze", ["pixels/float"], [name], axes=[0]),
    ]
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return networks.session(model.SerializeToString())


def find(session, image: np.ndarray) -> list[tuple]:
    """Faces in an image of (height, width, 3) uint8 BGR, as `cv2.FaceDetectorYN` finds them.

    An image of more than 640 pixels, for which the network was trained, is scaled down to that.
    Returns, surest first, box (x, y, w, h) in whole pixels, the five landmarks (5, 2) float32 in
    pixels (right eye, left eye, nose, right and left corner of the mouth: the person's own right)
    and score (0.9 to 1).
    """
    import cv2

    ratio = min(1.0, LARGEST / max(image.shape[:2]))
    if ratio < 1:
        image = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    height, width = (math.ceil(n / GRID) * GRID for n in image.shape[:2])
    below, beside = height - image.shape[0], width - image.shape[1]
    padded = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    outputs = session.run(None, {"pixels": padded})
    faces = []
    for face in _decode(outputs, height, width):
        x, y, w, h = (round(float(v)) for v in face[:4] / ratio)
        if w > 0 and h > 0:
            faces.append(((x, y, w, h), face[4:14].reshape(5, 2) / ratio, float(face[14])))
    return faces


def detect(session, image: np.ndarray) -> list[tuple]:
    """Faces in an image of (height, width, 3) uint8 BGR, as deepface's YuNet finds them.

    Returns, surest first, box (x, y, w, h), left eye, right eye (the person's own left), in whole
    pixels of the image, score (0.9 to 1) and the crop (BGR uint8), rotated so that the eyes are
    level. A crop may be empty, as with deepface.
    """
    import cv2

    top, left = image.shape[0] // 2, image.shape[1] // 2
    bordered = cv2.copyMakeBorder(image, top, top, left, left, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    faces = []
    for (x, y, w, h), eyes, score in _found(session, bordered, image.shape, top, left):
        w = max(0, min(bordered.shape[1], x + w) - x)
        h = max(0, min(bordered.shape[0], y + h) - y)
        crop = _level(bordered, (x, y, w, h), *eyes)
        left_eye, right_eye = ((a - left, b - top) for a, b in eyes)
        faces.append(((x - left, y - top, w, h), left_eye, right_eye, score, crop))
    return faces


def _found(session, bordered, shape, top, left):
    """Box, (left eye, right eye) and score of each face, in whole pixels of the bordered image."""
    part, first_row, first_column, ratio = _seen(bordered, shape, top, left)
    outputs = session.run(None, {"pixels": part})
    faces = _decode(outputs, *part.shape[:2])
    faces[:, [0, 4, 6]] += first_column
    faces[:, [1, 5, 7]] += first_row
    for face in faces:
        numbers = [int(v) for v in face[:8]]
        numbers[:2] = max(numbers[0], 0), max(numbers[1], 0)
        x, y, w, h, right_x, right_y, left_x, left_y = (int(v / ratio) for v in numbers)
        yield (x, y, w, h), ((left_x, left_y), (right_x, right_y)), float(face[14])


def _seen(bordered, shape, top, left):
    """The part of the scaled image that the network has to see, on its grid; where; the scale."""
    import cv2

    ratio = min(1.0, LARGEST / max(bordered.shape[:2]))
    if ratio < 1:
        bordered = cv2.resize(bordered, tuple(int(n * ratio) for n in bordered.shape[1::-1]))
    rows = _span(top * ratio, (top + shape[0]) * ratio, bordered.shape[0])
    columns = _span(left * ratio, (left + shape[1]) * ratio, bordered.shape[1])
    part = bordered[rows, columns]
    # as OpenCV fills up to the grid
    below = rows.stop - rows.start - part.shape[0]
    beside = columns.stop - columns.start - part.shape[1]
    part = cv2.copyMakeBorder(part, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return part, rows.start, columns.start, ratio


def _span(start: float, stop: float, whole: int) -> slice:
    first, last = max(int(start) - MARGIN, 0), min(math.ceil(stop) + MARGIN, whole)
    return slice(first // GRID * GRID, math.ceil(last / GRID) * GRID)


def _decode(outputs, height: int, width: int) -> np.ndarray:
    """Boxes (x, y, w, h), five landmarks (x, y; see `find`) and scores, surest first."""
    import cv2

    found = []  # FaceDetectorYNImpl::postProcess of OpenCV 4, objdetect/src/face_detect.cpp
    for i, stride in enumerate(STRIDES):
        cls, obj, box, points = (outputs[i + 3 * k][0] for k in range(4))
        # the score is the root of two numbers up to 1: most cells are out by one of them
        at = np.flatnonzero(obj[:, 0] > THRESHOLD**2 - 0.01)
        scores = np.sqrt(np.clip(cls[at, 0], 0, 1) * np.clip(obj[at, 0], 0, 1))
        at, scores = at[scores >= THRESHOLD], scores[scores >= THRESHOLD]
        cell = np.stack([at % (width // stride), at // (width // stride)], axis=1)
        cell = cell.astype(np.float32)
        centre, size = (cell + box[at, :2]) * stride, np.exp(box[at, 2:]) * stride
        landmarks = (np.tile(cell, 5) + points[at]) * stride
        found.append(np.hstack([centre - size / 2, size, landmarks, scores[:, None]]))
    found = np.concatenate(found).astype(np.float32)
    if len(found) < 2:
        return found
    boxes = found[:, :4].astype(int).tolist()
    keep = cv2.dnn.NMSBoxes(boxes, found[:, 14].tolist(), THRESHOLD, OVERLAP, 1.0, MOST)
    return found[np.asarray(keep, dtype=int).ravel()]


def _level(bordered, box, left_eye, right_eye) -> np.ndarray:
    """The crop that deepface's extract_face gives, without rotating what is cut away after it."""
    import cv2
    from deepface.modules.detection import extract_sub_image, project_facial_area

    around, x, y = extract_sub_image(img=bordered, facial_area=box)
    if around.size == 0:
        return around
    rise, run = left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]
    angle = float(np.degrees(np.arctan2(rise, run)))
    height, width = around.shape[:2]
    ends = (x, y, x + box[2], y + box[3])
    x1, y1, x2, y2 = map(int, project_facial_area(ends, angle, (height, width)))
    turn = cv2.getRotationMatrix2D((width // 2, height // 2), angle, 1.0)
    turn[1, 2] -= y1  # the rows above are not made, nor the columns to the right
    if x2 <= x1 or y2 <= y1:
        return around[:0]
    # outside is black, as OpenCV has it by default
    return cv2.warpAffine(around, turn, (x2, y2 - y1), flags=cv2.INTER_CUBIC)[:, x1:]
