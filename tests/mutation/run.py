"""Mutation run: how many small changes to the artifact's code and the certificate's are noticed by the tests that own them.

    python tests/mutation/run.py [--share 0.3] [--seed 0] [--only runtime/limits.py ...]

Each module is mutated in a process that has imported everything and collected the tests of its owners. Mutants are forks of it:
the changed function's code is put into the function that is there, and tests are run until one fails, those first that pass
through the changed line and are quick. A mutant is killed by a failed test, by a crash, or by ``CPU_SECONDS`` of work (the tests
need a fraction of that). A change is not seen by what was computed while modules and tests were imported, nor by tests in
processes of their own; so a survivor may be one that a longer run would kill, never the reverse.

Survivors that change no behaviour, or none that is promised, stand in tests/mutation.md, each with its reason; the run fails
where fewer than ``WANTED`` are killed, or a survivor is not explained there.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import pkgutil
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TextIO

import coverage
import mutants
import pytest

ROOT = Path(__file__).resolve().parents[2]
REASONS = ROOT / "tests" / "mutation.md"
WANTED = 0.9
CPU_SECONDS = 60
CACHES: list[Any] = []
BUDGET = 4.0  # seconds of tests for a mutant, as measured without it
PARTS = "tests/artifact/test_parts.py"
BOUNDS = ["tests/reference/test_bounds.py", "tests/reference/test_rounding.py", "tests/reference/test_rounding_formulas.py"]
_SMALL = ("_fail", "bits", "canonical", "preorder", "strings", "threads", "transforms", "trie")
_BY_TOPIC = {  # tests of one module alone
    "ascending": ["doubles", "parts"],
    "codec": ["document"],
    "container": ["container_layout"],
    "context": ["context"],
    "decoder": ["decoder", "refused_nodes"],
    "deflate": ["deflate"],
    "encoder": ["encoder", "encoder_tried"],
    "files": ["files_in_detail", "files"],
    "idf": ["idf"],
    "means": ["means"],
    "prefix": ["prefix_and_repeats"],
    "repeats": ["prefix_and_repeats"],
    "rows": ["rows"],
    "tree": ["tree"],
}
# Whose tests a module's are.
OWNERS: dict[str, list[str]] = {
    **{f"quantcore/artifact/{name}.py": [PARTS] for name in _SMALL},
    **{f"quantcore/artifact/{name}.py": [f"tests/artifact/test_{t}.py" for t in tests] for name, tests in _BY_TOPIC.items()},
    "quantcore/reference/bounds.py": BOUNDS,
    "quantcore/reference/planar.py": [*BOUNDS, "tests/reference/test_ops.py"],
    "quantcore/runtime/certify.py": ["tests/runtime/test_certify.py"],
    "quantcore/runtime/intervals.py": ["tests/runtime/test_intervals.py", "tests/runtime/test_interval_formulas.py"],
    "quantcore/runtime/limits.py": ["tests/runtime/test_limits.py"],
    "quantcore/runtime/rounding.py": BOUNDS,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of each module's mutants, drawn with the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="modules, by the end of their path")
    parser.add_argument("--match", default="", help="mutants whose name holds this")
    parser.add_argument("--survivors", action="store_true", help="those alone that survived the run before")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "mutation.jsonl")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import hypothesis  # noqa: F401  imported once, before any fork
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401

    import quantcore

    for found in pkgutil.walk_packages(quantcore.__path__, "quantcore."):
        if not found.name.startswith(("quantcore.__main__", "quantcore.cli", "quantcore.report", "quantcore.native._")):
            importlib.import_module(found.name)
    modules = [m for m in OWNERS if not chosen.only or m.endswith(tuple(chosen.only))]
    groups: dict[tuple[str, ...], list[str]] = {}
    for module in modules:
        groups.setdefault(tuple(OWNERS[module]), []).append(module)
    before = read(chosen.results) if chosen.survivors else {}
    chosen.results.parent.mkdir(parents=True, exist_ok=True)
    if not chosen.survivors:
        chosen.results.write_text("", encoding="utf-8")
    for owners, group in groups.items():
        drawn = []
        for module in group:
            asked = [m for m in named(module) if chosen.match in m[0]]
            if chosen.survivors:
                drawn += [m for m in asked if before.get(m[0]) == "survived"]
            else:
                drawn += random.Random(f"{chosen.seed} {module}").sample(asked, round(chosen.share * len(asked)))
        random.Random(chosen.seed).shuffle(drawn)  # what has been run at any time is a fair sample
        if drawn:
            in_a_fork(owners, group, drawn, chosen.results)
    results = read(chosen.results)
    return summed_up(results)


def named(module: str) -> list[tuple[str, mutants.Mutant]]:
    """A module's mutants by names that stay while the line does."""
    lines, seen, out = (ROOT / module).read_text(encoding="utf-8").splitlines(), {}, []
    for mutant in mutants.mutants(ROOT, module):
        name = f"{mutant.name} in `{lines[mutant.line - 1].strip()}`"
        seen[name] = seen.get(name, 0) + 1
        out.append((name if seen[name] == 1 else f"{name} ({seen[name]})", mutant))
    return out


def told(module: str, fates: list[str]) -> None:
    print(f"{module}: {sum(fate != 'survived' for fate in fates)} of {len(fates)} killed", flush=True)


def summed_up(results: dict[str, str]) -> int:
    modules: dict[str, list[str]] = {}
    for name, fate in results.items():
        modules.setdefault(name.partition(" ")[0], []).append(fate)
    for module, fates in modules.items():
        told(module, fates)
    alive = [name for name, fate in results.items() if fate == "survived"]
    share = 1 - len(alive) / max(len(results), 1)
    reasons = REASONS.read_text(encoding="utf-8") if REASONS.exists() else ""
    unexplained = [name for name in alive if name not in reasons]
    print(f"{len(results) - len(alive)} of {len(results)} killed ({share:.1%}); {len(unexplained)} survivors are not explained")
    for name in unexplained:
        print(f"    {name}")
    return int(bool(unexplained) or share < WANTED)


def read(results: Path) -> dict[str, str]:
    """The last fate of each mutant."""
    return dict(json.loads(line) for line in results.read_text(encoding="utf-8").splitlines())


def in_a_fork(owners: tuple[str, ...], modules: list[str], drawn: list[tuple[str, mutants.Mutant]], results: Path) -> None:
    """Collect the owners' tests in a fork, and run the mutants there."""
    child = os.fork()
    if child == 0:
        with results.open("a", encoding="utf-8") as out:
            driver = Driver(modules, drawn, out)
            if not os.environ.get("QUANTCORE_MUTATION_DEBUG"):
                quiet()
            pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", *owners], plugins=[driver])
        os._exit(0 if driver.done else 1)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError(
            f"{modules}: tests can't be collected, or fail without any change (QUANTCORE_MUTATION_DEBUG=1 shows them)"
        )


def quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


class Driver:
    """A plugin that runs all mutants in place of pytest's loop over the tests."""

    def __init__(self, modules: list[str], drawn: list[tuple[str, mutants.Mutant]], out: TextIO) -> None:
        self.modules, self.drawn, self.out = modules, drawn, out
        self.done = False
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return True
        items = {item.nodeid: item for item in session.items}
        costs, lines = self.unchanged(items)
        kills = dict.fromkeys(items, 0)
        CACHES[:] = [
            c
            for n, m in list(sys.modules.items())
            if n.startswith("quantcore")
            for c in vars(m).values()
            if hasattr(c, "cache_clear")
        ]
        gc.collect()
        gc.freeze()  # forks leave these pages alone
        for name, mutant in self.drawn:
            # Quick ones that pass through the line, and have found much; then the others of those files, as what was computed for
            # one test may be used by the next.
            body = range(mutant.node.lineno, (mutant.node.end_lineno or 0) + 1)
            passed = {i: lines[i].get(mutant.path, set()) for i in items}
            through = [i for i in items if passed[i] and (mutant.where == "" or mutant.line in passed[i])]
            through = through or [i for i in items if passed[i].intersection(body)]  # a default, or a line that none begins on
            order = sorted(through, key=lambda i: costs[i] / (1.0 + kills[i]))
            files = {i.partition("::")[0] for i in through}
            order += sorted((i for i in items if i not in through and i.partition("::")[0] in files), key=costs.__getitem__)
            order = within(order, costs)
            fate = self.fate(mutant, [items[i] for i in order]) if order else "survived"
            print(json.dumps([name, fate], ensure_ascii=False), file=self.out, flush=True)
            if fate in kills:
                kills[fate] += 1
        self.done = True
        return True

    def unchanged(self, items: dict[str, pytest.Item]) -> tuple[dict[str, float], dict[str, dict[str, set[int]]]]:
        """What each test costs, and the lines of the module that it passes through; all must pass."""
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.close(read)
            costs = {}
            paths = {str(ROOT / module): module for module in self.modules}
            traced = coverage.Coverage(data_file=None, config_file=False, include=list(paths))
            with traced.collect():
                for item in items.values():
                    traced.switch_context(item.nodeid)
                    started = time.process_time()
                    self.run(item)
                    costs[item.nodeid] = time.process_time() - started
            lines: dict[str, dict[str, list[int]]] = {item: {} for item in items}
            for path, module in paths.items():
                for line, contexts in traced.get_data().contexts_by_lineno(path).items():
                    for item in filter(None, contexts):
                        lines[item].setdefault(module, []).append(line)
            with os.fdopen(write, "w") as out:
                json.dump([self.failed, costs, lines], out)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answers:
            failed, costs, lines = json.loads(answers.read())
        os.waitpid(child, 0)
        if failed:
            raise RuntimeError(f"{failed} fails without any change")
        return costs, {item: {module: set(passed) for module, passed in found.items()} for item, found in lines.items()}

    def fate(self, mutant: mutants.Mutant, items: list[pytest.Item]) -> str:
        """The first test that fails on a mutant, how else it ends, or "survived"."""
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.close(read)
            said = os.fdopen(write, "w")
            gc.disable()
            limit_resources()
            try:
                apply(mutant)
            except Exception:
                said.write("not importable")
                said.close()
                os._exit(0)
            for item in items:
                self.run(item)
                if self.failed:
                    said.write(self.failed)
                    said.close()
                    os._exit(0)
            said.write("survived")
            said.close()
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answers:
            fate = answers.read()
        _, status = os.waitpid(child, 0)
        return fate or ("out of time" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU else "crashed")

    @staticmethod
    def run(item: pytest.Item) -> None:
        # Fixtures of a module are set up for each test that needs them: mutants run few tests, in an order of their own.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def within(order: list[str], costs: dict[str, float]) -> list[str]:
    """As many tests as a survivor may cost."""
    spent = 0.0
    for n, item in enumerate(order):
        spent += costs[item]
        if spent > BUDGET:
            return order[: max(n, 1)]
    return order


def limit_resources() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))


def apply(mutant: mutants.Mutant) -> None:
    """Put a mutant's code in the place of what is imported."""
    import ast

    name = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    module = sys.modules[name]
    path = str(ROOT / mutant.path)
    if mutant.where:
        namespace = dict(vars(module))
        exec(compile(ast.Module([mutant.node], []), path, "exec"), namespace)
        new = namespace[mutant.where.rpartition(".")[2]]
        places = list(functions(module, mutant.where.split(".")))
        if not places:
            raise LookupError(mutant.where)
        for place in places:
            place.__code__, place.__defaults__, place.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    else:
        set_constants(module, mutant, path)
    for found in CACHES:  # what was computed before
        found.cache_clear()


def functions(owner: Any, where: list[str]) -> Iterator[FunctionType]:
    """The function itself, under whatever decorates it."""
    found = vars(owner)[where[0]]
    if where[1:]:
        yield from functions(found, where[1:])
        return
    while found is not None:
        if isinstance(found, FunctionType):
            yield found
        inner = (getattr(found, name, None) for name in ("__wrapped__", "func", "fget", "__func__"))
        found = next((f for f in inner if f is not None), None)


def set_constants(module: ModuleType, mutant: mutants.Mutant, path: str) -> None:
    """Evaluate the module's constants again from the changed one on, and hand them to whoever has imported them."""
    import ast

    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    wanted = [s for s in tree.body if isinstance(s, ast.Assign | ast.AnnAssign) and s.lineno >= mutant.node.lineno]
    for statement in wanted:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        if statement.lineno > mutant.node.lineno and not computes(statement):
            continue
        before = {n: vars(module).get(n) for n in names}
        node = mutant.node if statement.lineno == mutant.node.lineno else statement
        exec(compile(ast.Module([node], []), path, "exec"), vars(module))
        for other in ours():
            for n in names:
                if n in vars(other) and vars(other)[n] is before[n]:
                    setattr(other, n, vars(module)[n])


def ours() -> list[ModuleType]:
    return [m for n, m in sys.modules.items() if n.startswith("quantcore")]


def computes(statement: Any) -> bool:
    return not mutants._types_alone(statement)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError:
        traceback.print_exc()
        sys.exit(2)
