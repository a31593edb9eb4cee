"""facejobs gallery: who is in a gallery, whether it is intact, and taking people out of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facejobs.cli.gallery_build import add, build, report
from facejobs.cli.gallery_calibrate import calibrate

if TYPE_CHECKING:
    from facejobs.gallery.description import CellSearch
    from facejobs.gallery.store import Gallery

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command()(build)
app.command()(add)
app.command()(report)
app.command()(calibrate)

_GALLERY = typer.Argument(metavar="GALLERY", help="Folder of a gallery.")
_JSON = typer.Option("--json", help="Print JSON.")


@app.callback()
def group() -> None:
    """Build and change galleries: the people whom facejobs recognises."""


@app.command("list")
def list_people(gallery: Annotated[Path, _GALLERY], as_json: Annotated[bool, _JSON] = False) -> None:
    """List the people of a gallery, how many images each has, and which models made it."""
    from facejobs.cli.counts import count_of
    from facejobs.cli.tables import print_facts, print_table
    from facejobs.gallery.store import Gallery

    opened = Gallery.open(gallery)
    if as_json:
        typer.echo(json.dumps(_document(opened)))
        return
    counts = opened.image_counts.tolist()
    print_table(["images", "person"], [[str(count), name] for count, name in zip(counts, opened.people, strict=True)])
    description = opened.description
    facts = [
        ("people", f"{count_of(description.people, 'person')}, {count_of(description.images, 'image')}"),
        ("detector", f"{opened.detector.name} ({opened.detector.sha256[:12]})"),
        ("recogniser", f"{opened.recogniser.name} ({opened.recogniser.sha256[:12]})"),
        ("threshold", _threshold(opened)),
        ("search by image", _search(description.image_search)),
    ]
    if "means" in description.files:
        facts.append(("search by mean", _search(description.mean_search)))
    print_facts(str(gallery), facts)


@app.command("verify")
def verify(gallery: Annotated[Path, _GALLERY]) -> None:
    """Compare every byte of a gallery with its digests, and delete what an interrupted change left behind."""
    from facejobs.cli.counts import count_of
    from facejobs.gallery.changes import delete_leftovers
    from facejobs.gallery.store import Gallery

    opened = Gallery.open(gallery)
    opened.verify()
    deleted = delete_leftovers(gallery)
    if deleted:
        typer.echo(f"deleted {count_of(deleted, 'file')} that an interrupted change left")
    description = opened.description
    typer.echo(f"intact: {count_of(description.people, 'person')}, {count_of(description.images, 'image')}")


@app.command("remove")
def remove(
    gallery: Annotated[Path, _GALLERY],
    people: Annotated[list[str], typer.Argument(metavar="PERSON...", help="Names as `list` shows them.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> None:
    """Take people out of a gallery: all of those named, or nobody.

    Their embeddings and pictures are deleted, not hidden. Whoever has the gallery open finishes with what it was.
    """
    from facejobs.cli.counts import count_of
    from facejobs.cli.tables import printable
    from facejobs.gallery.changes import changing
    from facejobs.gallery.store import Gallery

    names = list(dict.fromkeys(people))
    opened = Gallery.open(gallery)
    images = sum(len(opened.rows_of(name)) for name in names)
    shown = ", ".join(printable(name) for name in names)
    if not yes:
        _confirm(f"remove {shown} ({count_of(images, 'image')}) from {gallery}, for good?")
    with changing(gallery) as change:
        for name in names:
            change.remove(name)
    typer.echo(f"removed {shown}: {count_of(images, 'image')}")


def _confirm(question: str) -> None:
    """Ask on the terminal; raises GalleryError unless the answer is yes."""
    from facejobs.gallery.errors import GalleryError

    try:
        if typer.confirm(question, err=True):
            return
    except typer.Abort:
        # Nobody there to answer.
        typer.echo(err=True)
    raise GalleryError("nothing was removed; --yes removes without asking")


def _document(opened: "Gallery") -> dict[str, Any]:
    description = opened.description.model_dump(mode="json", exclude={"format_version", "files", "people", "images"})
    counts = opened.image_counts.tolist()
    people = [{"name": name, "images": count} for name, count in zip(opened.people, counts, strict=True)]
    return {**description, "people": people}


def _threshold(opened: "Gallery") -> str:
    from facejobs.gallery.calibration import calibration_of
    from facejobs.gallery.errors import GalleryError

    try:
        calibration = calibration_of(opened)
    except GalleryError as error:
        # Who is in the gallery can be shown all the same.
        return str(error)
    if calibration is None:
        return "not calibrated; `facejobs gallery calibrate` finds it"
    found = calibration.threshold
    changed = "" if calibration.holds_for(opened) else "; the gallery was changed since: calibrate it again"
    return (
        f"{found.threshold:.4f} by {calibration.rule}, at which {found.far:.2%} of strangers' faces are named{changed}"
    )


def _search(search: "CellSearch | None") -> str:
    if search is None:
        return "exact"
    return (
        f"in {search.probes:,} of {search.cells:,} cells; finds the nearest of all for {search.recall_at_1:.1%} of "
        f"{search.queries:,} queries at a similarity of {search.query_similarity}"
    )
