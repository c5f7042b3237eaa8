"""A fast BLAS for MLX on Linux, loaded before MLX.

MLX's Linux wheel bundles the reference BLAS (8 GFLOP/s in float32). libmlx takes three functions from it, and the dynamic linker
resolves them by name to whatever was loaded globally first. PyPI's `scipy-openblas32` has them, but named `scipy_cblas_*`; so a copy
with the plain names (made by `patchelf`) is kept in our cache folder and loaded before `mlx.core`:

    openblas-<version>-<source hash>.so  =  renamed library  ++  its SHA-256, 32 bytes (the loader ignores what follows an ELF file)

The hash is checked at each start, because loading a damaged library can kill the process. One file means one rename, so processes
that make it at the same time cannot disturb each other. On any trouble MLX simply keeps its own BLAS, and `rrr doctor` says why.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rrr_local.errors import ResourceError, RrrError
from rrr_local.paths import cache_folder

PACKAGE = "scipy-openblas32"
FUNCTIONS = ("cblas_sgemm", "cblas_dgemm", "cblas_cgemm")
"""All that libmlx takes from its BLAS."""
PREFIX = "scipy_"
THREADS = "RRR_BLAS_THREADS"
"""Environment variable: how many threads the BLAS uses. One by default: within 15 % of two on small matrices when the cores are
free, and several times faster when they are shared."""
DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class BlasReport:
    """What became of the preload."""

    active: bool
    """MLX will use the library below, not the one it bundles."""
    library: Path | None
    """The library that was loaded; None when not active."""
    detail: str
    """One line for a person: what is in use, or why nothing was preloaded."""


def preload() -> BlasReport:
    """Load the fast BLAS so that a later `import mlx.core` uses it. Never raises: the report says what went wrong."""
    if sys.platform != "linux":
        return BlasReport(False, None, "not needed: MLX uses the system's own BLAS here")
    if "mlx.core" in sys.modules:
        return BlasReport(False, None, "too late: mlx.core was imported before the BLAS was loaded")
    try:
        library = _patched_library()
        threads = _load(library)
    except metadata.PackageNotFoundError:
        return _bundled(f"the package {PACKAGE} is not installed")
    except subprocess.CalledProcessError as error:
        return _bundled(f"patchelf failed: {error.stderr.decode(errors='replace').strip()}")
    except RrrError as error:
        return _bundled(error.cause)
    except (OSError, subprocess.TimeoutExpired, AttributeError, ValueError) as error:
        # OSError: the disk or the loader; AttributeError: ctypes misses a function; ValueError: RRR_BLAS_THREADS
        return _bundled(str(error))
    return BlasReport(True, library, f"OpenBLAS {metadata.version(PACKAGE)}, {threads} thread{'s' * (threads != 1)}")


def _bundled(cause: str) -> BlasReport:
    return BlasReport(False, None, f"MLX uses the slow BLAS it bundles: {cause}")


def _load(library: Path) -> int:
    """Load the library for all later ones to see; returns its number of threads."""
    threads = int(os.environ.get(THREADS, "1"))
    if threads < 1:
        raise ValueError(f"{THREADS} is {threads}, it must be at least 1")
    blas = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    for function in FUNCTIONS:
        blas[function]
    blas[f"{PREFIX}openblas_set_num_threads"](ctypes.c_int(threads))
    return threads


def _patched_library() -> Path:
    """The renamed copy, made now if there is no intact one."""
    source, key = _source()
    target = cache_folder() / f"openblas-{key}.so"
    if not _intact(target):
        _make(source, target)
    return target


def _source() -> tuple[Path, str]:
    """The installed library, and `<version>-<hash>` from its wheel's own record, so that it need not be read."""
    distribution = metadata.distribution(PACKAGE)
    for file in distribution.files or ():
        if file.name.startswith("libscipy_openblas") and file.hash is not None:
            return Path(str(distribution.locate_file(file))), f"{distribution.version}-{file.hash.value[:12]}"
    raise ResourceError(f"the package {PACKAGE} has no library in it", "reinstall rrr-local")


def _intact(library: Path) -> bool:
    try:
        content = memoryview(library.read_bytes())
    except FileNotFoundError:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]


def _make(source: Path, target: Path) -> None:
    """Copy, rename the functions, append the hash, and move into place in one step."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".blas-") as folder:
        copy, names = Path(folder) / "copy.so", Path(folder) / "names"
        shutil.copyfile(source, copy)
        names.write_text("".join(f"{PREFIX}{function} {function}\n" for function in FUNCTIONS))
        command = [_patchelf(), "--rename-dynamic-symbols", str(names), str(copy)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with copy.open("rb+") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0, os.SEEK_END)
            file.write(digest)
            file.flush()
            os.fsync(file.fileno())
        copy.replace(target)


def _patchelf() -> str:
    """The program, from our own environment first: `rrr` is often run without activating it."""
    folders = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    program = shutil.which("patchelf", path=os.pathsep.join(folders))
    if program is None:
        raise ResourceError("the program patchelf was not found", "reinstall rrr-local")
    return program
