"""Errors as gRPC statuses (https://grpc.io/docs/guides/status-codes/)."""

from enum import IntEnum

from stream.errors import Problem
from stream.session.events import EndCause


class Status(IntEnum):
    """The statuses that calls end with."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


STATUS_OF_PROBLEM = {
    Problem.INVALID_MESSAGE: Status.INVALID_ARGUMENT,
    Problem.INVALID_AUDIO: Status.INVALID_ARGUMENT,
    Problem.INVALID_CONFIG: Status.INVALID_ARGUMENT,
    Problem.UNSUPPORTED_MEDIA: Status.INVALID_ARGUMENT,
    Problem.UNAUTHENTICATED: Status.UNAUTHENTICATED,
    Problem.FORBIDDEN: Status.PERMISSION_DENIED,
    Problem.NOT_FOUND: Status.NOT_FOUND,
    Problem.METHOD_NOT_ALLOWED: Status.UNIMPLEMENTED,
    Problem.CONFLICT: Status.ABORTED,
    Problem.IDLE_TIMEOUT: Status.DEADLINE_EXCEEDED,
    Problem.TOO_LARGE: Status.OUT_OF_RANGE,
    Problem.RATE_LIMITED: Status.RESOURCE_EXHAUSTED,
    Problem.UPGRADE_REQUIRED: Status.UNIMPLEMENTED,
    Problem.SLOW_READER: Status.ABORTED,
    Problem.RECOGNIZER_FAILED: Status.INTERNAL,
    Problem.INTERNAL: Status.INTERNAL,
    Problem.OVERLOADED: Status.UNAVAILABLE,
    Problem.SHUTTING_DOWN: Status.UNAVAILABLE,
}
ENDS = {
    EndCause.CLOSE: (Status.OK, ""),
    EndCause.DISCONNECT: (Status.OK, ""),
    EndCause.IDLE: (Status.DEADLINE_EXCEEDED, "nothing was received for too long; what was said is finished"),
    EndCause.LIMIT: (Status.OUT_OF_RANGE, "the call lasted as long as calls may; what was said is finished"),
    EndCause.SHUTDOWN: (Status.UNAVAILABLE, "the server is stopping; call again in a few seconds"),
    EndCause.ERROR: (Status.INTERNAL, "the recognition failed"),
}
