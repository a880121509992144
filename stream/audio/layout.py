"""The shape of decoded audio: its rate and its channel layout, named as in FFmpeg and WAVEFORMATEXTENSIBLE."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_CHANNELS = 64
# soxr resamples any rate in this range to 16 kHz; speech is not recorded at others.
MINIMUM_HERTZ = 1_000
MAXIMUM_HERTZ = 768_000

# Bit by bit of `dwChannelMask` (ksmedia.h).
_MASK = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"),
    *("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
# The layouts of files that specify none, by number of channels.
_USUAL = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}

Layout = tuple[str, ...]
"""The place of each channel, in the order of the samples; "" if it is unknown."""


def usual_layout(channels: int) -> Layout:
    """Return the usual layout of so many channels."""
    return _USUAL.get(channels, ("",) * channels)


def layout_of_mask(mask: int, channels: int) -> Layout:
    """Return the layout of a channel mask, the usual one if the mask has another number of channels."""
    named = tuple(place for bit, place in enumerate(_MASK) if mask >> bit & 1)
    return named if len(named) == channels else usual_layout(channels)


@dataclass(frozen=True, slots=True)
class Shape:
    """The rate and the channels of interleaved samples."""

    sample_rate_hertz: int
    channels: int
    layout: Layout


_LEFT = ("FL", "BL", "SL", "FLC", "TFL", "TBL", "WL")
_RIGHT = ("FR", "BR", "SR", "FRC", "TFR", "TBR", "WR")


def sides(places: Sequence[str], kept: int) -> list[list[int]]:
    """Return the channels that are mixed to each of `kept`: all to one; left and right to two, the others to both."""
    others: list[tuple[str, ...]] = [()] if kept == 1 else [_RIGHT, _LEFT]
    indices = range(len(places))
    return [[index for index in indices if places[index] not in other] or list(indices) for other in others]
