"""Images reach a real containerd, and what its CRI plugin makes of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.slipway.cloud.plugins.module_utils._bundle import architecture, sha256_of
from ansible_collections.slipway.cloud.plugins.module_utils._image_archive import Config, Source, write_archive
from ansible_collections.slipway.cloud.plugins.module_utils._node_images import (
    Ctr,
    Image,
    NodeImagesError,
    Plan,
    ensure_images,
    read_archive,
    verify_images,
)
from ansible_collections.slipway.cloud.plugins.module_utils._signing import (
    Archive,
    Cosign,
    Seal,
    Signed,
    SigningError,
    ensure_keys,
    parse,
    sign,
    signature_path,
)
from tests.support.ansible import run
from tests.support.paths import BUNDLE_BIN, VENV_BIN
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.ansible import Run

ARCHITECTURE = architecture(platform.machine())
CONFIG = """\
version = 3
root = '{home}/root'
state = '{home}/state'
disabled_plugins = ['io.containerd.nri.v1.nri']  # it listens where all share
[grpc]
  address = '{home}/containerd.sock'
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a containerd of our own."""
    home = tmp_path_factory.mktemp("containerd")
    (home / "config.toml").write_text(CONFIG.format(home=home))
    command = ["setpriv", "--pdeathsig", "KILL", str(BUNDLE_BIN / "containerd"), "--config", str(home / "config.toml")]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(client_of(home / "containerd.sock")), within=10, what="containerd")
        yield home / "containerd.sock"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def ctr(address: Path) -> Ctr:
    """Its client."""
    return client_of(address)


def client_of(address: Path) -> Ctr:
    return Ctr(program=str(BUNDLE_BIN / "ctr"), address=str(address), namespace="k8s.io")


def _answers(ctr: Ctr) -> bool:
    try:
        ctr.images([])
    except NodeImagesError as error:
        raise AssertionError(str(error)) from error
    return True


def make(directory: Path, name: str, content: str) -> Image:
    """Make an image of one file."""
    archive = directory / f"{content}.tar"
    write_archive(
        archive, name=name, config=Config(ARCHITECTURE), base=None, sources=[Source(dest="/content", content=content)]
    )
    return Image(name=name, archive=str(archive))


def ensure(ctr: Ctr, *images: Image, pinned: bool = True, check_mode: bool = False, seal: Seal | None = None) -> Plan:
    return ensure_images(ctr, images, pinned=pinned, supersede=True, check_mode=check_mode, seal=seal)


def test_imports_what_is_lacking_once(ctr: Ctr, tmp_path: Path) -> None:
    images = [make(tmp_path, f"a.test/app{number}:v1", f"content {number}") for number in range(3)]
    names = [image.name for image in images]
    assert [image.name for image in ensure(ctr, *images, check_mode=True).missing] == names
    assert [image.name for image in ensure(ctr, *images).missing] == names
    assert not ensure(ctr, *images).changed
    stored = ctr.images(names)
    assert [(stored[name].pinned, stored[name].ready) for name in names] == [(True, True)] * 3


def test_other_content_of_the_same_name_is_imported(ctr: Ctr, tmp_path: Path) -> None:
    ensure(ctr, make(tmp_path, "b.test/app:v1", "old"))
    new = make(tmp_path, "b.test/app:v1", "new")
    assert [image.name for image in ensure(ctr, new).missing] == ["b.test/app:v1"]
    assert not ensure(ctr, new).changed


def test_outdated_tags_lose_their_pin(ctr: Ctr, tmp_path: Path) -> None:
    ensure(ctr, make(tmp_path, "c.test/app:v1", "old"))
    new = make(tmp_path, "c.test/app:v2", "new")
    assert ensure(ctr, new).unpin == ["c.test/app:v1"]
    assert not ensure(ctr, new).changed
    assert not ctr.images([])["c.test/app:v1"].pinned


def test_pins_come_and_go(ctr: Ctr, tmp_path: Path) -> None:
    image = make(tmp_path, "d.test/app:v1", "content")
    ensure(ctr, image, pinned=False)
    assert ensure(ctr, image).pin == [image.name]
    assert ensure(ctr, image, pinned=False).unpin == [image.name]
    assert not ensure(ctr, image, pinned=False).changed


def test_changed_archive_is_not_imported(ctr: Ctr, tmp_path: Path) -> None:
    image = dataclasses.replace(make(tmp_path, "e.test/app:v1", "content"), sha256="0" * 64)
    with pytest.raises(NodeImagesError, match="was changed"):
        ensure(ctr, image)
    assert image.name not in ctr.images([])


def test_the_kubelet_is_told_by_the_id(ctr: Ctr, tmp_path: Path) -> None:
    """containerd's CRI plugin has seen an image when it has given it a second name, its ID."""
    image = make(tmp_path, "f.test/app:v1", "content")
    digest = ensure(ctr, image).missing[0].digest
    eventually(lambda: digest in ctr.images([]), within=5, what="the image's ID")


@dataclasses.dataclass(frozen=True)
class BuildMachine:
    """Two images of names of their own, a list of them, and keys. The real cosign runs, in a network of its own."""

    home: Path
    cosign: str
    images: list[Image]

    @property
    def list(self) -> Path:
        """The list, in the directory of the archives."""
        return self.home / "images.json"

    @property
    def rows(self) -> dict[str, Archive]:
        """What the list is to have."""
        return {
            image.name: Archive(file=f"{image.archive.rpartition('/')[2]}", sha256=image.sha256, digest=image.digest)
            for image in self.images
        }

    def sign(self, keys: str = "keys", *, check_mode: bool = False) -> tuple[bool, Signed]:
        """Sign the list; return whether that was necessary, and the list."""
        return sign(self.rows, path=self.list, keys=self.home / keys, cosign=self.cosign, check_mode=check_mode)

    def seal(self, signed: Signed, *, replace: bool = False) -> Seal:
        """What the node verifies by; it keeps its key for the whole of a test."""
        return Seal(signed, trusted=self.home / "node/images.pub", cosign=self.cosign, replace=replace)


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two pairs of keys are: that of every machine, and one of others."""
    directory = tmp_path_factory.mktemp("keys")
    for name in ("keys", "foreign"):
        ensure_keys(directory / name, Cosign(str(BUNDLE_BIN / "cosign")))
    return directory


@pytest.fixture
def machine(tmp_path: Path, keys: Path) -> BuildMachine:
    """A machine that has built two images."""
    shutil.copytree(keys, tmp_path, dirs_exist_ok=True)
    cosign = tmp_path / "cosign"
    cosign.write_text(f'#!/bin/sh\nexec unshare --net {BUNDLE_BIN / "cosign"} "$@"\n')
    cosign.chmod(0o755)
    number = next(_numbers)
    made = [make(tmp_path, f"signed.test/{name}:v{number}", f"{name} {number}") for name in ("one", "two")]
    return BuildMachine(tmp_path, str(cosign), [as_built(image) for image in made])


def as_built(image: Image) -> Image:
    """The image with what its build says of it."""
    return dataclasses.replace(image, sha256=sha256_of(Path(image.archive)), digest=read_archive(image).digest)


def test_signed_images_are_imported(ctr: Ctr, machine: BuildMachine) -> None:
    _, signed = machine.sign()
    seal = machine.seal(signed)
    assert ensure(ctr, *machine.images, check_mode=True, seal=seal).new_key
    assert not seal.trusted.exists()
    plan = ensure(ctr, *machine.images, seal=seal)
    assert ([image.name for image in plan.missing], plan.new_key) == ([image.name for image in machine.images], True)
    assert seal.trusted.read_text() == signed.public_key
    assert not ensure(ctr, *machine.images, seal=seal).changed


def test_list_is_signed_once(machine: BuildMachine) -> None:
    empty = Signed("", "", "")
    assert machine.sign(check_mode=True) == (True, empty)
    assert not machine.list.exists()
    changed, signed = machine.sign()
    assert changed
    assert parse(signed.manifest) == machine.rows
    assert machine.sign() == (False, signed)
    assert machine.sign(check_mode=True) == (False, signed)
    private = machine.home / "keys/images.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert {path.name for path in private.parent.iterdir()} == {"images.key", "images.pub"}
    key = private.read_bytes()
    holders = [path for path in machine.home.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert holders == [private]


@pytest.mark.parametrize("damage", ["list", "signature", "no signature"])
def test_damaged_list_is_signed_anew(machine: BuildMachine, damage: str) -> None:
    _, signed = machine.sign()
    path = machine.list if damage == "list" else signature_path(machine.list)
    path.write_text("" if damage == "no signature" else path.read_text().replace("a", "b"))
    changed, again = machine.sign()
    assert (changed, again.manifest, again.public_key) == (True, signed.manifest, signed.public_key)
    assert machine.sign() == (False, again)


def test_list_follows_the_images(machine: BuildMachine) -> None:
    machine.sign()
    first, second = machine.images
    changed, signed = dataclasses.replace(machine, images=[first]).sign()
    assert (changed, parse(signed.manifest)) == (False, machine.rows)
    Path(second.archive).unlink()
    changed, signed = dataclasses.replace(machine, images=[first]).sign()
    assert (changed, list(parse(signed.manifest))) == (True, [first.name])


def test_keys_are_made_once(machine: BuildMachine) -> None:
    _, signed = machine.sign()
    (machine.home / "keys/images.key").chmod(0o644)
    assert machine.sign() == (True, signed)
    assert stat.S_IMODE((machine.home / "keys/images.key").stat().st_mode) == 0o600
    (machine.home / "keys/images.pub").unlink()
    changed, again = machine.sign()
    assert (changed, again.manifest) == (True, signed.manifest)
    assert again.public_key != signed.public_key


def flip(path: str) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(path).write_bytes(content)


def tampered_archive(machine: BuildMachine, signed: Signed) -> Signed:
    flip(machine.images[1].archive)
    return signed


def tampered_archive_and_list(machine: BuildMachine, signed: Signed) -> Signed:
    before = machine.images[1].sha256
    flip(machine.images[1].archive)
    after = sha256_of(Path(machine.images[1].archive))
    return dataclasses.replace(signed, manifest=signed.manifest.replace(before, after))


def tampered_signature(machine: BuildMachine, signed: Signed) -> Signed:
    bundle = json.loads(signed.signature)
    bundle["messageSignature"]["signature"] = other_list(machine, signed)["messageSignature"]["signature"]
    return dataclasses.replace(signed, signature=json.dumps(bundle))


def other_list(machine: BuildMachine, signed: Signed) -> dict[str, Any]:
    """The signature of another list by the same key."""
    other = dataclasses.replace(machine, images=machine.images[:1])
    path = machine.home / "other/images.json"
    _, made = sign(other.rows, path=path, keys=machine.home / "keys", cosign=machine.cosign)
    assert made.public_key == signed.public_key
    answer: dict[str, Any] = json.loads(made.signature)
    return answer


def signature_of_another_list(machine: BuildMachine, signed: Signed) -> Signed:
    return dataclasses.replace(signed, signature=json.dumps(other_list(machine, signed)))


def foreign_signature(machine: BuildMachine, signed: Signed) -> Signed:
    return dataclasses.replace(machine.sign("foreign")[1], public_key=signed.public_key)


def foreign_key(machine: BuildMachine, _signed: Signed) -> Signed:
    return machine.sign("foreign")[1]


TAMPERED: dict[str, tuple[Callable[[BuildMachine, Signed], Signed], str]] = {
    "archive": (tampered_archive, r"two \d+.tar was changed: its sha256 is .*, not .*\. Remove the file and run site"),
    "archive and list": (tampered_archive_and_list, "The list of image archives was changed: its sha256 is"),
    "no list": (lambda _, signed: dataclasses.replace(signed, manifest=""), "There is no list of image archives"),
    "signature": (tampered_signature, "The signature of the list of image archives was changed."),
    "signature's file": (
        lambda _, signed: dataclasses.replace(signed, signature=signed.signature[:-9]),
        "The signature of the list of image archives was changed: it cannot be read.",
    ),
    "no signature": (lambda _, signed: dataclasses.replace(signed, signature=""), "has no signature"),
    "signature of another list": (signature_of_another_list, "The list of image archives was changed"),
    "signature by another key": (foreign_signature, "was signed by the key .*, not by .*, the build machine's"),
    "another key": (foreign_key, "comes with the key .*, but this node trusts .*images_trust_new_key=true"),
}


@pytest.mark.parametrize("tampered", TAMPERED)
def test_nothing_is_imported_of_what_was_tampered_with(ctr: Ctr, machine: BuildMachine, tampered: str) -> None:
    tamper, message = TAMPERED[tampered]
    _, signed = machine.sign()
    ensure(ctr, seal=machine.seal(signed))  # the node knows the key
    seal = machine.seal(tamper(machine, signed))
    with pytest.raises(NodeImagesError, match=f"^No image was imported. .*{message}") as refused:
        ensure(ctr, *machine.images, seal=seal)
    assert "site.yml" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not {image.name for image in machine.images} & ctr.images([]).keys()
    with pytest.raises((NodeImagesError, SigningError), match=message):
        verify_images(machine.images, seal, check_mode=False)


def test_image_that_is_not_listed(ctr: Ctr, machine: BuildMachine, tmp_path: Path) -> None:
    _, signed = machine.sign()
    stray = make(tmp_path, "signed.test/stray:v1", "stray")
    with pytest.raises(NodeImagesError, match=r"signed.test/stray:v1 is not in the signed list of image archives"):
        ensure(ctr, *machine.images, stray, seal=machine.seal(signed))
    assert not {image.name for image in [*machine.images, stray]} & ctr.images([]).keys()


def test_key_made_anew_on_purpose(ctr: Ctr, machine: BuildMachine) -> None:
    ensure(ctr, seal=machine.seal(machine.sign()[1]))
    _, signed = machine.sign("foreign")
    assert ensure(ctr, *machine.images, seal=machine.seal(signed, replace=True)).new_key
    assert not ensure(ctr, *machine.images, seal=machine.seal(signed)).changed


def test_archives_that_another_program_imports(machine: BuildMachine) -> None:
    seal = machine.seal(machine.sign()[1])
    assert verify_images(machine.images, seal, check_mode=False)
    assert not verify_images(machine.images, seal, check_mode=False)


class Site:
    """The builder's step and the node's of the roles that have images, with this machine as both."""

    def __init__(self, machine: BuildMachine, address: Path) -> None:
        self.machine = machine
        bundled, own = machine.images
        image = {
            "name": own.name,
            "archive": machine.rows[own.name]["file"],
            "sha256": own.sha256,
            "digest": own.digest,
        }
        self.variables = {
            "bundle_dir": str(machine.home),
            "bundle_images": {bundled.name: machine.rows[bundled.name]},
            "bundle_keys_dir": str(machine.home / "keys"),
            "host_bundle_remote_dir": str(machine.home),
            "images_built": {"own": image},
            "images_cosign": machine.cosign,
            "images_keys_dir": str(machine.home / "keys"),
            "images_node_dir": str(machine.home),
        }
        (machine.home / "bin").mkdir()
        (machine.home / "bin/cosign").symlink_to(machine.cosign)
        (machine.home / "slipway").mkdir()
        (machine.home / "slipway/images").symlink_to(machine.home / "own")
        (machine.home / "own").mkdir()
        (machine.home / "own" / image["archive"]).symlink_to(own.archive)
        options = {
            "ctr": str(BUNDLE_BIN / "ctr"),
            "address": str(address),
            "cosign": machine.cosign,
            "trusted_key": str(machine.home / "node/images.pub"),
        }
        verifying = {name: options[name] for name in ("cosign", "trusted_key")}
        self._play = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"slipway.cloud.node_images": options, "slipway.cloud.image_archives": verifying},
        }

    def run(self, *steps: tuple[str, str], **variables: Any) -> Run:
        """Run these steps: a role and one of its files of tasks each."""
        tasks = [{"ansible.builtin.include_role": {"name": role, "tasks_from": file}} for role, file in steps]
        play = self.machine.home / "play.yml"
        play.write_text(json.dumps([{**self._play, "tasks": tasks}]))
        hosts = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
        inventory = self.machine.home / "hosts.json"
        inventory.write_text(json.dumps({"builder": {"hosts": hosts}, "kubeadm": {"hosts": {"localhost": {}}}}))
        given = json.dumps({**self.variables, **variables})
        command = [str(VENV_BIN / "ansible-playbook"), "-i", str(inventory), str(play), "-e", given]
        path = f"{self.machine.home / 'path'}:{os.environ['PATH']}"
        return run(command, env={"XDG_CACHE_HOME": str(self.machine.home), "PATH": path}, timeout=120)


# Says that no image is there, and notes what it is to load.
MINIKUBE = """\
#!/bin/sh
if [ "$*" != "image ls --format=short" ]; then echo "$@" >> "$(dirname "$0")/calls"; fi
"""
BUILDER = (("bundle", "sign"), ("images", "sign"))
NODE = (("host", "images"), ("images", "import"))


def test_roles_sign_and_verify(ctr: Ctr, address: Path, machine: BuildMachine) -> None:
    site = Site(machine, address)
    names = {image.name for image in machine.images}

    unsigned = site.run(*NODE)
    assert unsigned.code != 0
    assert "No image was imported. There is no list of image archives. Run site.yml" in unsigned.output

    flip(machine.images[0].archive)
    tampered = site.run(*BUILDER, *NODE)
    assert tampered.code != 0
    assert f"No image was imported. {machine.images[0].archive} was changed: its sha256 is" in tampered.output
    assert not names & ctr.images([]).keys()

    flip(machine.images[0].archive)
    first = site.run(*BUILDER, *NODE)
    assert first.code == 0, first.output
    assert names <= ctr.images([]).keys()
    second = site.run(*BUILDER, *NODE)
    assert (second.code, second.changed) == (0, []), second.output

    foreign = site.run(*BUILDER, *NODE, bundle_keys_dir=str(machine.home / "foreign"))
    assert foreign.code != 0
    assert "but this node trusts" in foreign.output


def test_minikube_loads_what_was_verified(address: Path, machine: BuildMachine) -> None:
    """Where Kubernetes runs in a container of docker; what stands in for minikube only notes its arguments."""
    site = Site(machine, address)
    (machine.home / "path").mkdir()
    minikube = machine.home / "path/minikube"
    minikube.write_text(MINIKUBE)
    minikube.chmod(0o755)
    node = {"minikube_user": "root", "images_node_dir": str(machine.home / "node")}
    steps = (("images", "sign"), ("images", "load"))
    image = machine.images[1]

    flip(image.archive)
    tampered = site.run(*steps, **node)
    assert tampered.code != 0
    assert "No image was imported. " in tampered.output
    assert f"{Path(image.archive).name} was changed: its sha256 is" in tampered.output
    assert not (machine.home / "path/calls").exists()

    flip(image.archive)
    loaded = site.run(*steps, **node)
    assert loaded.code == 0, loaded.output
    assert (
        machine.home / "path/calls"
    ).read_text() == f"image load {machine.home / 'node'}/{Path(image.archive).name}\n"
