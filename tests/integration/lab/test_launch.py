"""A lab starts, can be disturbed, and leaves nothing behind; one that cannot start says why."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.build import BuildError
from lab.cluster import KubectlError, Lab, LabError
from lab.files import Files
from lab.inside.control import ControlError
from lab.launch import is_running
from lab.paths import REPOSITORY
from lab.spec import ImagesError, read_images
from tests.integration.lab.labplace import eventually

pytestmark = pytest.mark.lab


def processes_of(directory: Path) -> list[str]:
    """The command lines of all processes on this machine that name a lab's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in command:
            found.append(command)
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that may be broken, beside the session's."""
    with Lab.start(tmp_path_factory.mktemp("lab"), gateway=False, prometheus=False) as lab:
        yield lab


def test_labs_run_side_by_side(lab: Lab, own: Lab, namespace: str):
    """Each has its own cluster, though all have the same addresses inside."""
    assert namespace in lab.kubectl("get", "namespaces", "-o", "name")
    assert namespace not in own.kubectl("get", "namespaces", "-o", "name")


def test_a_folder_holds_one_lab(own: Lab):
    """Starting another one there would take its keys away."""
    with pytest.raises(LabError, match=r"is running in .* already"):
        Lab.start(own.directory)


def test_another_process_can_attach(own: Lab):
    """All it needs is the folder."""
    attached = Lab.attach(own.directory)
    assert attached.api_url == own.api_url
    assert "running" in attached.status()["components"]["kube-apiserver"]
    with pytest.raises(LabError, match="without its gateway"):
        _ = attached.gateway_url


def test_a_part_that_was_killed_stays_dead_until_it_is_restarted(own: Lab):
    """So that a test decides how long an outage lasts; what was stored is there afterwards."""
    own.kubectl("create", "configmap", "kept")
    own.signal("kube-apiserver", signal.SIGKILL)
    eventually(lambda: "ended" in own.status()["components"]["kube-apiserver"])
    with pytest.raises(KubectlError):
        own.kubectl("get", "configmap", "kept", "--request-timeout=2s")
    own.restart("kube-apiserver")
    assert own.kubectl("get", "configmap", "kept", "-o", "name") == "configmap/kept\n"


def test_a_part_or_pod_that_is_not_there_is_named(own: Lab):
    """A misspelt name must not pass for a disturbance."""
    with pytest.raises(ControlError, match="no prometheus; it runs etcd, kube-apiserver"):
        own.signal("prometheus", signal.SIGKILL)
    with pytest.raises(ControlError, match="no pod default/none"):
        own.kill_pod("default", "none")


def test_nothing_is_left_of_a_lab_that_was_stopped(tmp_path: Path):
    """No process, and without a folder of the caller's no file."""
    lab = Lab.start(gateway=False, prometheus=False)
    directory = lab.directory
    assert processes_of(directory)
    lab.stop()
    assert not processes_of(directory)
    assert not directory.exists()
    with pytest.raises(LabError, match="there is no lab in"):
        Lab.attach(directory)


def test_a_lab_ends_with_the_process_that_started_it():
    """Even when that one is killed, as a test run may be; and its folder goes with it."""
    code = (
        "from lab.cluster import Lab; "
        "lab = Lab.start(gateway=False, prometheus=False); print(lab.directory, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().decode().strip())
        assert is_running(Files(folder))
        owner.kill()
    eventually(lambda: not processes_of(folder))
    assert not folder.exists()


def test_a_part_that_cannot_start_is_named_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A reader of the message needs no log to see what is wrong."""
    broken = tmp_path / "etcd"
    broken.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo 'etcd Version: 3.7.0' && exit 0\necho disk on fire\nexit 3\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("FIREBREAK_LAB_ETCD", str(broken))
    with pytest.raises(LabError, match=r"(?s)etcd ended by itself \(3\).*disk on fire"):
        Lab.start(tmp_path / "lab", gateway=False, prometheus=False)
    assert not processes_of(tmp_path / "lab")


def test_a_program_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever names one learns which version it must be."""
    old = tmp_path / "etcd"
    old.write_text("#!/bin/sh\necho 'etcd Version: 3.5.9'\n")
    old.chmod(0o755)
    monkeypatch.setenv("FIREBREAK_LAB_ETCD", str(old))
    with pytest.raises(BuildError, match=r"says it is version 3\.5\.9; the lab needs 3\.7\.x"):
        Lab.start(tmp_path / "lab", gateway=False, prometheus=False)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path):
    """A lab clears the folder that it starts in."""
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(LabError, match="holds no lab"):
        Lab.start(tmp_path, gateway=False, prometheus=False)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("web:1: run me", "web:1 must be a list of words"),
        ("web:1: []", "web:1 must be a list of words"),
        ("- web", "must map an image to"),
        ("{", "while parsing"),
    ],
)
def test_a_file_of_images_that_cannot_be_used_says_why(tmp_path: Path, content: str, says: str):
    """Before anything is started."""
    file = tmp_path / "images.yaml"
    file.write_text(content)
    with pytest.raises(ImagesError, match=says):
        read_images([file], sys.executable)
