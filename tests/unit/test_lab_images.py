"""The lab's images: the same files give the same bytes, and others find what they refer to."""

import gzip
import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from lab import images, node_images, paths, upstream
from lab.errors import LabError
from lab.images import File

FILES = {
    "/bin/sh": File(link="busybox"),
    "/bin/busybox": File(b"program", 0o755),
    "/tmp": File(mode=0o1777, folder=True),
}


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    images.write_layer(tmp_path / "layer.tar", FILES)
    return tmp_path / "layer.tar"


def test_the_same_files_in_another_order_give_the_same_layer(tmp_path: Path, layer: Path) -> None:
    images.write_layer(tmp_path / "again.tar", dict(reversed(FILES.items())))

    assert (tmp_path / "again.tar").read_bytes() == layer.read_bytes()


def test_a_layer_holds_files_links_and_the_folders_above_them(layer: Path) -> None:
    with tarfile.open(layer) as archive:
        members = {member.name: member for member in archive}

    assert list(members) == ["bin", "bin/busybox", "bin/sh", "tmp"]
    assert members["bin"].isdir()
    assert members["bin/sh"].linkname == "busybox"
    assert members["bin/busybox"].mode == 0o755
    assert members["tmp"].mode == 0o1777
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}


def test_a_file_of_the_machine_has_its_bytes_in_the_layer(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"x" * 5000)

    images.write_layer(tmp_path / "a.tar", {"/program": File(tmp_path / "program")})
    images.write_layer(tmp_path / "b.tar", {"/program": File(b"x" * 5000)})

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_layer_is_compressed_to_the_same_bytes_each_time(layer: Path) -> None:
    first = images.compress(layer).read_bytes()

    assert images.compress(layer).read_bytes() == first
    assert gzip.decompress(first) == layer.read_bytes()


def test_settings_change_the_digest_of_an_image(layer: Path) -> None:
    one = images.image(layer, {"Cmd": ["sh"]})
    same = images.image(layer, {"Cmd": ["sh"]})
    other = images.image(layer, {"Cmd": ["bash"]})

    assert one.manifest.digest == same.manifest.digest
    assert one.manifest.digest != other.manifest.digest


def test_an_archive_has_a_name_for_each_tag_and_every_blob(tmp_path: Path, layer: Path) -> None:
    image = images.image(layer, {})
    images.write_archive(tmp_path / "image.tar", image, ["example.com/a:1", "example.com/b:2"])

    with tarfile.open(tmp_path / "image.tar") as archive:
        content = {
            member.name: file.read() for member in archive if (file := archive.extractfile(member))
        }
    manifests = json.loads(content["index.json"])["manifests"]
    names = [entry["annotations"]["io.containerd.image.name"] for entry in manifests]
    assert names == ["example.com/a:1", "example.com/b:2"]
    assert {entry["digest"] for entry in manifests} == {image.manifest.digest}
    for blob in (image.manifest, *image.blobs):
        data = content[f"blobs/{blob.digest.replace(':', '/')}"]
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == blob.digest
        assert len(data) == blob.size


def test_an_image_lies_in_the_registry_as_the_registry_reads_it(
    tmp_path: Path, layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    image = images.image(layer, {}, images.compress(layer))

    assert not upstream.has("library/a", "1")
    upstream.add("library/a", "1", image)
    upstream.add("library/a", "1", image)

    assert upstream.has("library/a", "1")
    storage = paths.upstream() / "docker/registry/v2"
    link = storage / "repositories/library/a/_manifests/tags/1/current/link"
    assert link.read_text() == image.manifest.digest
    for blob in (image.manifest, *image.blobs):
        value = blob.digest.removeprefix("sha256:")
        data = (storage / "blobs/sha256" / value[:2] / value / "data").read_bytes()
        assert hashlib.sha256(data).hexdigest() == value


def test_a_chosen_executor_must_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_EXECUTOR", str(tmp_path / "none"))
    with pytest.raises(LabError, match="which is no file"):
        node_images.chosen_executor()

    (tmp_path / "executor").write_text("")
    monkeypatch.setenv("LAB_EXECUTOR", str(tmp_path / "executor"))
    assert node_images.chosen_executor() == tmp_path / "executor"

    monkeypatch.delenv("LAB_EXECUTOR")
    assert node_images.chosen_executor() is None
