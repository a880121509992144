"""Read a Containerfile, and find what would be wrong with its images, by rules as hadolint has them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_STAGE = re.compile(r"(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?$", re.IGNORECASE)
# A version of two parts or more, never `latest`: DL3006 and DL3007 of hadolint.
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.-]+)?$")
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|_KEY\b")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, with its continued lines joined."""

    name: str
    value: str


@dataclass(slots=True)
class Stage:
    """A stage, with the instructions of the stages that it is built on before its own."""

    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [instruction.value for instruction in self.instructions if instruction.name == name]


def stages_of(text: str) -> dict[str, Stage]:
    """Return the stages by name, in order; one without a name has its number."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for instruction in _instructions(text):
        value = instruction.value
        if instruction.name == "ARG" and not stages:
            name, _, default = value.partition("=")
            arguments[name] = default
        elif instruction.name == "FROM":
            for name, default in arguments.items():
                value = value.replace(f"${{{name}}}", default)
            matched = _STAGE.match(value)
            assert matched is not None, value
            below = stages.get(matched["base"])
            current = Stage(below.base if below else matched["base"], list(below.instructions) if below else [])
            stages[matched["name"] or str(len(stages))] = current
        else:
            current.instructions.append(instruction)
    return stages


def faults_of(stages: dict[str, Stage], targets: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the images of `targets`, and with the stages that they are built from."""
    faults = [
        f"{name}: {fault}" for name, stage in stages.items() for fault in (*_base_faults(stage), *_step_faults(stage))
    ]
    for target in targets:
        stage = stages[target]
        user = (stage.values("USER") or ["root"])[-1]
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
            faults.append(f"{target}: USER is {user}, not the numbers of a user and a group without rights")
        if not stage.values("HEALTHCHECK"):
            faults.append(f"{target}: no HEALTHCHECK")
        if not stage.values("ENTRYPOINT"):
            faults.append(f"{target}: no ENTRYPOINT")
    return faults


def _base_faults(stage: Stage) -> Iterator[str]:
    if not PINNED.match(stage.base):
        yield f"the version of {stage.base} is not pinned"


def _step_faults(stage: Stage) -> Iterator[str]:
    for step in stage.instructions:
        if step.name == "ADD":
            yield f"ADD {step.value}: use COPY"
        if step.name == "WORKDIR" and not step.value.startswith("/"):
            yield f"WORKDIR {step.value} is not absolute"
        if step.name in {"ENV", "ARG"} and _SECRET.search(step.value):
            yield f"{step.name} may hold a secret"
        if step.name in {"CMD", "ENTRYPOINT"} and not _is_exec_form(step.value):
            yield f"{step.name} {step.value} runs a shell, which receives the signals in place of the program"
        if step.name == "HEALTHCHECK" and not _is_exec_form(step.value.partition("CMD")[2].strip()):
            yield f"HEALTHCHECK {step.value} runs a shell"
        if step.name == "RUN":
            yield from _run_faults(step.value)


def _run_faults(command: str) -> Iterator[str]:
    if re.search(r"\bsudo\b", command):
        yield f"RUN {command}: sudo"
    if re.search(r"\b(curl|wget)\b", command):
        yield f"RUN {command}: downloads what nothing verifies"
    if "pip install" in command and "--require-hashes" not in command and "--no-deps" not in command:
        yield f"RUN {command}: pip installs what has no hash"
    if "apt-get install" in command and (
        "--no-install-recommends" not in command or "/var/lib/apt/lists" not in command
    ):
        yield f"RUN {command}: apt-get leaves its lists or recommended packages"


def _is_exec_form(value: str) -> bool:
    try:
        return isinstance(json.loads(value), list)
    except json.JSONDecodeError:
        return False


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, value = line.strip().partition(" ")
        yield Instruction(name.upper(), value.strip())
