"""The CPU image, built, pushed, and pulled by its digest, for real."""

from image_fixtures import PushedImage

from facejobs.jobs.image.resolve import resolve_image


def test_tag_resolves_to_what_was_pushed(cpu_image: PushedImage) -> None:
    assert resolve_image(cpu_image.tag) == cpu_image.pinned
    assert resolve_image(cpu_image.pinned) == cpu_image.pinned
