"""Labels from Pascal VOC: a folder of XML files, one for each photograph.

Boxes of VOC count pixels from 1 and include the last one, so that `xmin` 1 and `xmax` 20 are a box from 0 to 20.
"""

from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from facejobs.data.detection.label_building import LabelBuilder, parse_side, require_inside, require_pixels
from facejobs.data.detection.label_files import LabelFile
from facejobs.data.errors import DataError
from facejobs.data.reading import reading

ANNOTATIONS = "Annotations"
FACE = "face"


class _WithoutDoctype(TreeBuilder):
    """A document type is how XML defines entities, which can name other files or grow without bound."""

    def doctype(self, *_declaration: str | None) -> None:
        raise ValueError("it declares a document type, which labels have no need of; remove <!DOCTYPE …>")


def read_voc(folder: Path) -> tuple[LabelFile, Counter[str]]:
    """Read the XML files of `folder`, or of `Annotations` in it, in the order of their names.

    An object is a face if it is named so, or if all objects of the folder have one name; the others are counted by
    name. `difficult` faces are `ignored`. Raises DataError, naming the file, for anything malformed.
    """
    annotations = folder / ANNOTATIONS if (folder / ANNOTATIONS).is_dir() else folder
    with reading(annotations):
        files = sorted(annotations.rglob("*.xml"))
    if not files:
        raise DataError(f"{annotations}: holds no XML file of Pascal VOC, nor label.txt")
    roots = [_parse(path) for path in files]
    names = Counter(name for root in roots for name in map(_name, root.iter("object")))
    face = face_class(list(names), annotations)
    images: dict[str, LabelBuilder] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for path, root in zip(files, roots, strict=True):
        try:
            image = _image(root, path.parent.relative_to(annotations), face)
            if image.path in images:
                raise ValueError(f"{image.path} has labels in another file already")
        except ValueError as error:
            raise DataError(f"{path}: {error}") from None
        images[image.path] = image
        if size := _size(root):
            sizes[image.path] = size
    passed_over = Counter({name: count for name, count in names.items() if name != face})
    return LabelFile("voc", tuple(image.labelled() for image in images.values()), sizes), passed_over


def face_class(names: list[str], source: Path) -> str | None:
    """Which of the classes in a data set are faces; DataError where that cannot be told."""
    for name in names:
        if name.lower() == FACE:
            return name
    if len(names) > 1:
        shown = ", ".join(sorted(names)[:5])
        raise DataError(f"{source}: labels {len(names)} classes ({shown}), none named `{FACE}`; name that one so")
    return names[0] if names else None


def _parse(path: Path) -> Element:
    try:
        with reading(path):
            content = path.read_bytes()
        parser = XMLParser(target=_WithoutDoctype())
        parser.feed(content)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path}: not readable as XML: {error}") from None
    if root.tag != "annotation":
        raise DataError(f"{path}: its root is <{root.tag}>, a file of Pascal VOC has <annotation>")
    return root


def _name(entry: Element) -> str:
    return (entry.findtext("name") or "").strip()


def _image(root: Element, folder: Path, face: str | None) -> LabelBuilder:
    name = (root.findtext("filename") or "").strip()
    if not name:
        raise ValueError("<filename> is missing or empty")
    path = (folder / name).as_posix()
    require_inside(path)
    image = LabelBuilder(path, 1)
    for number, entry in enumerate(root.iter("object"), 1):
        if _name(entry) != face:
            continue
        try:
            x1, y1, x2, y2 = (_pixels(entry, side) for side in ("xmin", "ymin", "xmax", "ymax"))
            # Tools that count from 0 write a 0, which is no pixel of VOC.
            image.add((max(x1 - 1, 0), max(y1 - 1, 0), x2, y2), ignored=_flag(entry, "difficult"))
        except ValueError as error:
            raise ValueError(f"object {number}: {error}") from None
    return image


def _pixels(entry: Element, side: str) -> float:
    text = (entry.findtext(f"bndbox/{side}") or "").strip()
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"<bndbox><{side}> holds {text[:40]!r}, no number") from None
    require_pixels([value])
    return value


def _flag(entry: Element, name: str) -> bool:
    return (entry.findtext(name) or "").strip() == "1"


def _size(root: Element) -> tuple[int, int] | None:
    """(height, width); None where a tool that has not opened the photograph wrote nothing or 0."""
    height, width = (parse_side((root.findtext(f"size/{side}") or "").strip()) for side in ("height", "width"))
    return (height, width) if height and width else None
