"""Stand-ins for OpenCV's programs: they take the same options and files, and train nothing.

python fake_haar_tools.py opencv_createsamples|opencv_traincascade -option value …
"""

import os
import struct
import sys
import time
from pathlib import Path

import cv2
import cv2.data

WHOLE = "<opencv_storage>{}</opencv_storage>\n"


def create_samples(options: dict[str, str]) -> int:
    faces = [line.split() for line in Path(options["-info"]).read_text().splitlines()]
    size = [int(options["-w"]), int(options["-h"])]
    for name, *numbers in faces:
        picture = cv2.imread(name, cv2.IMREAD_UNCHANGED)
        assert picture.shape == (size[1], size[0]) and [int(number) for number in numbers] == [1, 0, 0, *size]
    assert len(faces) == int(options["-num"])
    Path(options["-vec"]).write_bytes(struct.pack("<iihh", len(faces), size[0] * size[1], 0, 0))
    return 0


def train_cascade(options: dict[str, str]) -> int:
    count, _ = struct.unpack("<ii", Path(options["-vec"]).read_bytes()[:8])
    assert 0 < int(options["-numPos"]) < count
    for name in Path(options["-bg"]).read_text().splitlines():
        picture = cv2.imread(name, cv2.IMREAD_UNCHANGED)
        assert picture.ndim == 2 and min(picture.shape) >= 2 * int(options["-w"])
    if message := os.environ.get("FAKE_HAAR_FAILS"):
        print(f"PARAMETERS:\n{message}", file=sys.stderr)
        return 255
    folder = Path(options["-data"])
    for stage in range(int(options["-numStages"])):
        path = folder / f"stage{stage}.xml"
        if path.exists():
            assert (folder / "params.xml").is_file() and path.read_text().endswith("</opencv_storage>\n")
            print(f"Stage {stage} is loaded", flush=True)
            continue
        print(f"===== TRAINING {stage}-stage =====\n|  N |    HR   |    FA   |", flush=True)
        print(f"|   1|        1|        1|\n|   2| 0.99{stage}|      0.4{stage}|\nEND>", flush=True)
        (folder / "params.xml").write_text(WHOLE.format("parameters"))
        path.write_text(WHOLE.format(stage))
        time.sleep(float(os.environ.get("FAKE_HAAR_SECONDS", "0")))
    shipped = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    (folder / "cascade.xml").write_bytes(shipped.read_bytes())
    return 0


if __name__ == "__main__":
    given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    sys.exit(create_samples(given) if sys.argv[1] == "opencv_createsamples" else train_cascade(given))
