from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.model.sherpa.onnx_metadata import MetadataError, read_metadata
from tests.support.models.graphs import FLOAT, Graph
from tests.support.tiers import examples


def model(directory: Path, metadata: dict[str, str]) -> Path:
    path = directory / "model.onnx"
    graph = Graph()
    graph.add("Identity", "x", output="y")
    graph.save(path, [("x", FLOAT, ["N"])], [("y", FLOAT, ["N"])], metadata)
    return path


@examples(50)
@given(metadata=st.dictionaries(st.text(max_size=20), st.text(max_size=200), max_size=5))
def test_metadata_is_read_as_it_was_written(metadata: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    assert read_metadata(model(tmp_path_factory.mktemp("model"), metadata)) == metadata


@examples(100)
@given(st.data())
def test_a_damaged_file_is_an_error_or_has_other_metadata(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = model(tmp_path_factory.mktemp("model"), {"model_type": "zipformer2", "T": "45"})
    written = path.read_bytes()
    place = data.draw(st.integers(0, len(written) - 1))
    path.write_bytes(written[:place] + data.draw(st.binary(max_size=20)) + written[place + 1 :])
    try:
        read_metadata(path)
    except MetadataError as error:
        assert str(error)


def test_a_file_that_ends_too_soon_is_an_error(tmp_path: Path) -> None:
    path = model(tmp_path, {"model_type": "zipformer2"})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(MetadataError, match="it ends too soon"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "it is no ONNX file"),
        (b"\xff" * 20, "it is no ONNX file"),
    ],
)
def test_another_file_is_no_model(tmp_path: Path, written: bytes, sentence: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(written)
    with pytest.raises(MetadataError) as caught:
        read_metadata(path)
    assert str(caught.value) == sentence


def test_weights_are_not_read(tmp_path: Path) -> None:
    path = model(tmp_path, {"model_type": "zipformer2"})
    # A graph (field 7) of 4 GB in front, of which only the length is there.
    holes = b"\x3a" + b"\x80\x80\x80\x80\x10"
    with path.open("r+b") as file:
        rest = file.read()
        file.seek(0)
        file.write(holes)
        file.seek(len(holes) + (1 << 32))
        file.write(rest)
    assert read_metadata(path) == {"model_type": "zipformer2"}
