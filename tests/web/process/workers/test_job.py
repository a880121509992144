"""What a worker reads on its command line is what its parent wrote there."""

from pathlib import Path

from web.process.workers.job import Files, Job, plain
from web.workers.share import Share


def job(**changed: object) -> Job:
    usual = {
        "number": 2,
        "count": 3,
        "listener": 5,
        "wyoming_listener": None,
        "grpc_port": 50051,
        "directory": "/tmp/x",  # noqa: S108  nothing is written there
        "engine": "unix:/tmp/engine.sock",
        "ready_seconds": 60.0,
        "overrides": plain({"port": 0, "workers": "auto", "tls_cert": Path("/a b/c.pem"), "tls_self_signed": False}),
        "log_level": 20,
    }
    return Job(**(usual | changed))  # type: ignore[arg-type]


def test_a_job_survives_the_command_line() -> None:
    written = job()
    read = Job.read(written.command()[-1])
    assert read == written
    assert read.share == Share(2, 3)
    assert read.overrides == {"port": 0, "workers": "auto", "tls_cert": "/a b/c.pem", "tls_self_signed": False}


def test_a_worker_inherits_the_sockets_and_nothing_else() -> None:
    assert job().descriptors == [5]
    assert job(wyoming_listener=7).descriptors == [5, 7]


def test_each_worker_reports_at_a_file_of_its_own() -> None:
    files = Files(Path("/x"))
    assert len({files.hub, files.connections, *(files.report(number) for number in range(1, 9))}) == 10
