"""What a process that is one of several workers has of the others."""

from dataclasses import dataclass

from web.workers.link import WorkerLink
from web.workers.share import Share


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place in its server: its share, and its link to the parent."""

    share: Share
    link: WorkerLink
