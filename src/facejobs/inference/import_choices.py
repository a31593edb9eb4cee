"""What the importer of a foreign model is told, and what it tells."""

from dataclasses import dataclass, field
from typing import TypedDict

from facejobs.data.model_description import ChannelOrder
from facejobs.inference.pixels import PerChannel


class Pixels(TypedDict):
    """How pixels are fed, as model.json says it."""

    mean: PerChannel
    scale: PerChannel
    channel_order: ChannelOrder


@dataclass(slots=True)
class Findings:
    """What running a graph showed, and what could not be seen and was taken to be as usual."""

    seen: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    def found(self, what: str) -> None:
        """Note what the graph showed."""
        self.seen.append(what)

    def assume(self, what: str) -> None:
        """Note what somebody who knows the model should check."""
        self.assumed.append(what)


@dataclass(frozen=True, slots=True)
class ImportChoices:
    """What is known of a model; None where the importer is to take what is usual for its kind."""

    name: str | None = None
    mean: PerChannel | None = None
    scale: PerChannel | None = None
    channel_order: ChannelOrder | None = None
    output: str | None = None
    score_threshold: float | None = None
    nms_iou: float | None = None

    def pixels(self, mean: PerChannel, scale: PerChannel, order: ChannelOrder, findings: Findings) -> Pixels:
        """Return how pixels are fed: as chosen, else as `mean`, `scale` and `order` say, which is noted."""
        usual = {
            "--mean": (self.mean, mean),
            "--scale": (self.scale, scale),
            "--channel-order": (self.channel_order, order),
        }
        for option, (chosen, value) in usual.items():
            if chosen is None:
                findings.assume(f"{option} {_written(value)}")
        return Pixels(
            mean=mean if self.mean is None else self.mean,
            scale=scale if self.scale is None else self.scale,
            channel_order=self.channel_order or order,
        )


def _written(value: PerChannel | ChannelOrder) -> str:
    """As the option is typed."""
    if isinstance(value, tuple):
        return ",".join(f"{number:g}" for number in value)
    return value if isinstance(value, str) else f"{value:.7g}"
