"""The attacks of `bench.attacks.attackers`, by name; a module for each kind of attacker."""

from bench.attacks.attack import Attack
from bench.attacks.busywork import BUSYWORK
from bench.attacks.hoarders import HOARDERS
from bench.attacks.strangers import STRANGERS

__all__ = ["ATTACKS", "Attack"]

ATTACKS: dict[str, Attack] = {**STRANGERS, **BUSYWORK, **HOARDERS}
