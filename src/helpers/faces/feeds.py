"""How each network is fed: image and detected face -> the crop of its publisher, or deepface's."""

from collections.abc import Callable

import numpy as np

from helpers.faces import networks, weights

CHIP_SIZE, CHIP_PADDING = networks.SIDES["Dlib"], 0.25  # dlib's own
FACENET_MARGIN = 10  # pixels, of the example
# where the landmarks of `yunet.find` go in SFace's crop
SFACE_TEMPLATE = np.array(
    [[38.2946, 73.5318, 56.0252, 41.5493, 70.7299], [51.6963, 51.5014, 71.7366, 92.3655, 92.2041]]
).T


def native(network: str) -> tuple[Callable, Callable]:
    """`crop` and `embed` of a network, as its publisher feeds it: see `pipelines.load`.

    Facenet's embeddings have length 1, as in its example (github.com/nyoki-mtl/keras-facenet,
    notebook/demo-images.ipynb).
    """
    run, crop = networks.load(network), CROPS[network]
    if network == "Dlib":
        find = dlib_landmarks()
        return lambda image, face: crop(*find(image, face)), run
    if network == "SFace":
        return crop, run
    return crop, lambda crops: np.stack([e / np.linalg.norm(e) for e in run(crops)])


def deepface(network: str) -> tuple[Callable, Callable]:
    """`crop` and `embed` of a network, as `DeepFace.represent` feeds it: see `pipelines.load`.

    The crop is deepface's (`face.crop`), padded to the network's input and scaled to 0 to 1.
    """
    side = networks.SIDES[network]

    def crop(image, face):
        blob = deepface_blob(face, (side, side))[0]
        if network == "Facenet":
            return blob
        return (blob * 255).astype(np.uint8)[:, :, ::-1]

    return crop, networks.load(network)


def deepface_blob(face, size: tuple[int, int]) -> np.ndarray:
    """What deepface hands any recogniser: its crop padded to size, (1, *size, 3) BGR in [0, 1].

    The same numbers as its `modules.preprocessing.resize_image`, in half the time.
    """
    import cv2

    crop = face.crop / 255 if face.crop.max() > 1 else face.crop
    factor = min(wanted / had for wanted, had in zip(size, crop.shape, strict=False))
    height, width = (int(n * factor) for n in crop.shape[:2])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    blob = np.zeros((1, *size, 3), dtype=np.float32)
    blob[0, top : top + height, left : left + width] = cv2.resize(crop, (width, height))
    return blob


def dlib_landmarks() -> Callable:
    """dlib's five landmarks: `find(image BGR, Face) -> (image RGB, landmarks)`, on one thread."""
    import cv2
    import dlib

    predictor = dlib.shape_predictor(str(weights.find(weights.FILES["dlib"])))

    def find(image, face):
        # the landmark predictor was trained on square boxes, YuNet's are upright
        x, y, w, h = face.box
        side = (w * h) ** 0.5
        left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
        box = dlib.rectangle(int(left), int(top), int(left + side), int(top + side))
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return rgb, predictor(rgb, box)

    return find


def dlib_chip(rgb: np.ndarray, points) -> np.ndarray:
    """dlib's aligned chip, (150, 150, 3) uint8 RGB, of its five landmarks (its
    face_recognition.py).
    """
    import dlib

    return dlib.get_face_chip(rgb, points, CHIP_SIZE, CHIP_PADDING)


def sface_crop(image: np.ndarray, face) -> np.ndarray:
    """SFace's aligned crop, (112, 112, 3) uint8 RGB, as `cv2.FaceRecognizerSF.alignCrop` makes it.

    The face's five landmarks go onto a template (OpenCV, modules/objdetect/src/face_recognize.cpp).
    """
    import cv2

    side = networks.SIDES["SFace"]
    matrix = similarity_transform(np.asarray(face.landmarks, dtype=float), SFACE_TEMPLATE)
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)[:, :, ::-1]


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation, one scale and shift that take points to points best: (n, 2), (n, 2) -> (2, 3).

    Least squares without reflection: Umeyama, IEEE PAMI 13 (1991), 376-380.

    >>> corner = np.array([[0, 0], [1, 0], [0, 1]])
    >>> similarity_transform(corner, 2 * corner + [3, 4]).round(6) + 0.0
    array([[2., 0., 3.],
           [0., 2., 4.]])
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, stretch, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    turn = u @ np.diag(sign) @ vt * (stretch @ sign / a.var(axis=0).sum())
    shift = target.mean(axis=0) - turn @ source.mean(axis=0)
    return np.column_stack([turn, shift])


def facenet_crop(image: np.ndarray, face) -> np.ndarray:
    """Facenet's crop, the box and a margin, (160, 160, 3) float32 RGB of mean 0 and deviation 1."""
    import cv2

    x, y, w, h = face.box
    around = FACENET_MARGIN // 2
    part = image[max(y - around, 0) : y + h + around, max(x - around, 0) : x + w + around, ::-1]
    side = networks.SIDES["Facenet"]
    crop = cv2.resize(part.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    # a grey crop has no deviation, and the example does not divide by nothing
    return (crop - crop.mean()) / max(crop.std(), crop.size**-0.5)


CROPS = {"Dlib": dlib_chip, "SFace": sface_crop, "Facenet": facenet_crop}
