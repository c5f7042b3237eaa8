"""The house keeps its shape: imports point down, the ML libraries stay in their folder, nothing runs code that it reads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS: tuple[tuple[str, ...], ...] = (
    ("tui",),
    ("rrr_local.cli", "rrr_local.__main__"),
    ("rrr_local.chat",),
    ("rrr_local.engine", "rrr_local.demo"),
    ("rrr_local.measure",),
    ("rrr_local.workbench",),
    ("rrr_local.training",),
    ("rrr_local.evaluation",),
    ("rrr_local.journal",),
    ("rrr_local.loop",),
    ("rrr_local.backends",),
    ("rrr_local.models",),
    ("rrr_local.tasks",),
    ("rrr_local.verifiers",),
    ("rrr_local.store",),
    ("rrr_local.episode", "rrr_local.seeds", "rrr_local.meter"),
    ("rrr_local.actions", "rrr_local.config", "rrr_local.paths", "rrr_local.errors", "rrr_local.text"),
    ("rrr_local",),
)
"""From the top down: a module imports from its own layer and from those below it."""

ML = {"mlx", "mlx_lm", "torch", "transformers", "peft"}
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
RUNS_CODE = {
    "rrr_local.verifiers.sandbox.candidate": ["exec"],  # a model's code, in a child process behind the sandbox's walls
    "rrr_local.verifiers.sandbox.judge": ["exec", "exec"],  # a row's tests and their setup, in another such process
}
"""Module -> the calls that run code it was given: these two are started by nothing but `sandbox/cell.py`, to do just that."""
UNFIT_FOR_A_COMMAND_LINE = ML | {"numpy", "textual"}
"""Slow to import: `rrr --help` has to answer at once."""


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for top in ("rrr_local", "tui") for path in sorted((ROOT / top).rglob("*.py"))}


def layer(module: str) -> int:
    """The index of the layer a module is in; the longest prefix decides."""
    homes = [
        (len(prefix), index)
        for index, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if module == prefix or (module.startswith(f"{prefix}.") and prefix != "rrr_local")
    ]
    assert homes, f"{module} has no layer: add it to LAYERS"
    return max(homes)[1]


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Every module that the code imports, at any depth: those inside functions and under TYPE_CHECKING count too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import in line {node.lineno}"
            assert node.module is not None
            for (
                alias
            ) in node.names:  # `from rrr_local import paths` imports a module, `from rrr_local.paths import x` a name
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def running_code(node: ast.AST) -> str | None:
    """What in this call runs code that came from outside, or unpickles; None when nothing does."""
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == "trust_remote_code" and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            return "trust_remote_code"
    match node.func:
        case ast.Name(id="eval" | "exec" | "__import__" as name):
            return name
        case ast.Attribute(value=ast.Name(id="builtins"), attr=name):
            return f"builtins.{name}"
        case ast.Attribute(value=ast.Name(id="torch"), attr="load" | "save" as name):
            return f"torch.{name}, which pickles"
    return None


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    own = layer(module)
    up = [
        other
        for other in imports(module, parsed(module))
        if other.split(".")[0] in ("rrr_local", "tui") and layer(other) < own
    ]
    assert up == []


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("rrr_local.backends")])
def test_only_the_backends_import_ml_libraries(module: str) -> None:
    assert ML.isdisjoint(name.split(".")[0] for name in imports(module, parsed(module)))


@pytest.mark.parametrize("module", MODULES)
def test_nothing_pickles_or_runs_code_that_was_read(module: str) -> None:
    tree = parsed(module)
    assert PICKLES.isdisjoint(name.split(".")[0] for name in imports(module, tree))
    assert [found for node in ast.walk(tree) if (found := running_code(node))] == RUNS_CODE.get(module, [])


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("load(path, trust_remote_code=True)", True),
        ("load(path, trust_remote_code=flag)", True),
        ("load(path, trust_remote_code=False)", False),
        ("eval(text)", True),
        ("exec(text)", True),
        ("builtins.eval(text)", True),
        ("torch.load(path)", True),
        ("mx.eval(array)", False),
        ("model.eval()", False),
        ("mx.load(path)", False),
    ],
)
def test_the_search_finds_what_it_should(code: str, caught: bool) -> None:
    assert any(running_code(node) for node in ast.walk(ast.parse(code))) is caught


def test_the_search_sees_imports_inside_functions() -> None:
    tree = ast.parse(
        "def f():\n    import mlx.core as mx\n    from rrr_local import paths\n    from rrr_local.paths import bundled\n"
    )
    assert list(imports("example", tree)) == ["mlx.core", "rrr_local.paths", "rrr_local.paths"]


@pytest.mark.parametrize("module", ["rrr_local.cli", "rrr_local.cli.main"])
def test_the_command_line_starts_without_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert UNFIT_FOR_A_COMMAND_LINE.isdisjoint(done.stdout.split())
