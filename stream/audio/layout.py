"""The shape of decoded sound: its rate, and the places of its channels as FFmpeg and WAVEFORMATEXTENSIBLE name them."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_CHANNELS = 64
# soxr resamples any of these to 16 kHz; nobody records speech outside.
MINIMUM_HERTZ = 1_000
MAXIMUM_HERTZ = 768_000

# Bit by bit of `dwChannelMask` (ksmedia.h).
_MASK = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"),
    *("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
# What a file means that names no places, by its number of channels.
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
"""The place of each channel, in the order of the samples; "" where it is not known."""


def usual_layout(channels: int) -> Layout:
    """What so many channels mostly are."""
    return _USUAL.get(channels, ("",) * channels)


def layout_of_mask(mask: int, channels: int) -> Layout:
    """The places that a channel mask names, the usual ones if it does not name as many as there are."""
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
    """Which channels are mixed to each of `kept`: all to one; to two what stands left or right, the rest to both."""
    others: list[tuple[str, ...]] = [()] if kept == 1 else [_RIGHT, _LEFT]
    indices = range(len(places))
    return [[index for index in indices if places[index] not in other] or list(indices) for other in others]
