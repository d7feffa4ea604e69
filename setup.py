"""Builds the native doors; everything declarative stands in pyproject.toml.

Every ``src/<stem>.pyx`` is a door: it becomes ``quantcore.native._<stem>`` and links ``src/cpu/*.c``,
``src/kernels/<stem>/*.c`` and what ``ALSO`` names. A C file named after an instruction set (``avx2.c``, ``csr_avx2.c``) is
compiled with the flags of that set alone, and left out where the target has no such set.

Environment: ``QUANTCORE_PURE=1`` builds no native code; ``QUANTCORE_REQUIRE_NATIVE=1`` makes a failed compile an error
instead of a pure NumPy install; ``QUANTCORE_WERROR=1`` turns warnings in our C into errors; ``QUANTCORE_SANITIZE=1``
builds with AddressSanitizer and UndefinedBehaviorSanitizer, ``QUANTCORE_SANITIZE=thread`` with ThreadSanitizer;
``QUANTCORE_COVERAGE=1`` builds kernels that count their lines for gcov;
``QUANTCORE_UNCERTIFIED=1`` builds kernels that prove nothing, for the benchmark of what proofs cost.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PREFIX = "quantcore.native._"
ISA_FLAGS = {
    "unix": {
        "avx2": "-mavx2 -mf16c -mbmi -mbmi2 -mlzcnt -mpopcnt",
        "avx512": "-mavx2 -mf16c -mbmi -mbmi2 -mlzcnt -mpopcnt -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi "
        "-mavx512vbmi2 -mavx512vnni -mavx512bitalg -mavx512vpopcntdq -mavx512cd",
        "dotprod": "-march=armv8.2-a+dotprod",
    },
    "msvc": {"avx2": "/arch:AVX2", "avx512": "/arch:AVX512"},
}
X86, ARM = ("x86_64", "amd64"), ("aarch64", "arm64")
ISA_MACHINES = {"avx2": X86, "avx512": X86, "neon": ARM, "dotprod": ARM}
# Scalar kernels that on x86-64 only processors without AVX2 run (before 2013): there small beats fast. A file that holds a slot's
# only kernel does not belong here.
SPARE = (
    "src/kernels/dense/dot_scalar.c",
    "src/kernels/dense/scores_scalar.c",
    "src/kernels/pack/scalar.c",
    "src/kernels/sparse/exact_scalar.c",
    "src/kernels/table/scalar.c",
    "src/kernels/text/scalar.c",
    "src/kernels/trees/sliced_scalar.c",
)
# Kernels whose loops are written out: -O3 makes of them twice as much that is no faster.
WRITTEN_OUT = ("src/kernels/pack/avx2.c", "src/kernels/pack/avx512.c")
# Kernels of other families that a door's own are built on.
ALSO = {"table": ("src/kernels/dense/dot_*.c", "src/kernels/dense/layout.c")}
# No contraction and no fast-math: every kernel gives the same bits. -g0 keeps Python's own -g out of installs; no exception
# passes through C, so that tables for unwinding would only take space.
UNIX_FLAGS = "-std=c11 -ffp-contract=off -fno-math-errno -fvisibility=hidden -g0 -fno-asynchronous-unwind-tables -MMD"
# Of another family's kernels the linker leaves out what a door does not call, which is most.
BORROWED_FLAGS = "-ffunction-sections"
LINKER_FLAGS = {"linux": "-Wl,--gc-sections", "darwin": "-Wl,-dead_strip"}
# Half of a wheel is what Cython makes of the doors. -O3 inlines its helpers until that is a fourth larger and no call is faster.
UNIX_LEVELS = {"kernel": "-O3", "written out": "-O2", "door": "-O2 -ftree-vectorize", "spare": "-Os"}
# And most of that runs once a model, at load: told so ("cold"), a compiler makes those functions a third smaller. They are told
# by their names, in what Cython makes of them; one that is not named here is fast and large.
ONCE = re.compile(
    r"(?:__cinit__|__dealloc__|_tp_(?:new|vectorcall)_\w+)$|_5numpy_|MemoryView|_(?:reduce|setstate)_cython_"
    r"|_\d*(?:kernels|select|selected|stats|settle|settled|hot_plane|make|genexpr)$"
    r"|__(?:row|array|ends|below|finite|scale|index|buffer|padded|nibbles|hold|sets|build|sides|trees|sizes|folded|open|write|deep)$"
    r"|__(?:top_columns|base_of|values_of|check|scales|native|odd_rows)$|_(?:set_plane|set_codes|set_weights|new_scratch)$"
    r"|Weights__at$|Sliced__columns$"
)
OFTEN = re.compile(r"_(?:__Csr|__Given)$|_(?:4_Csr|6_Given)_\w+$")  # classes that are made at every call
LOADS = ("codec", "cpu")  # doors that loading alone goes through
UNIX_WARNINGS = "-Wall -Wextra"
MSVC_FLAGS = "/std:c11 /fp:precise"
MSVC_LEVELS = {"kernel": "/O2", "written out": "/O2", "door": "/O2", "spare": "/O1"}
MSVC_WARNINGS = "/W3"
# -fno-wrapv undoes the -fwrapv of Python's own flags, which would hide signed overflow.
SANITIZERS = {
    "1": "-fsanitize=address,undefined -fno-wrapv -fno-sanitize-recover=undefined",
    "thread": "-fsanitize=thread",
}
SANITIZE_FLAGS = "-fno-omit-frame-pointer -g -O1"
# Doors are left out: most of their C is Cython's. Threads may count at the same time.
COVERAGE_FLAGS = "--coverage -fprofile-abs-path -fprofile-update=atomic -O1"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": True,
    "auto_pickle": False,  # no door's object is ever pickled: 2 % of a door
    "binding": False,  # plain methods: a tenth smaller than functions, and no slower to call
    "embedsignature": True,  # for stubtest
    "embedsignature.format": "clinic",
}


def enabled(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


def sanitizers() -> list[str]:
    return SANITIZERS[os.environ["QUANTCORE_SANITIZE"]].split() if enabled("QUANTCORE_SANITIZE") else []


def paths(pattern: str) -> list[str]:
    return sorted(path.as_posix() for path in Path().glob(pattern))


def doors() -> list[Extension]:
    """One extension per door; its C files are found, and compiled one by one, in ``BuildDoors``."""
    return [
        Extension(
            f"{PREFIX}{Path(door).stem}",
            sources=[door],
            include_dirs=["src"],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            optional=not enabled("QUANTCORE_REQUIRE_NATIVE"),
        )
        for door in paths("src/*.pyx")
    ]


class BuildDoors(build_ext):
    """Compiles each C file with the flags of its instruction set, and only when something that it reads has changed."""

    def run(self) -> None:
        self.failures: dict[str, Exception] = {}
        super().run()
        for name in self.failures:
            Path(self.get_ext_fullpath(name)).unlink(missing_ok=True)  # an older build would be taken for this one
        if self.failures:
            reasons = "\n".join(f"  {name}: {error}" for name, error in self.failures.items())
            print(
                f"quantcore: these native modules could not be built:\n{reasons}\n"
                "The install goes on without them, in pure NumPy: same labels, much slower. Install a C compiler and Python's "
                "headers and install again; QUANTCORE_REQUIRE_NATIVE=1 makes this an error.",
                file=sys.stderr,
            )

    def build_extension(self, ext: Extension) -> None:
        try:
            self.build_door(ext)
        except Exception as error:  # whatever goes wrong in a compiler must not stop a user's install
            if not ext.optional:
                raise
            self.failures[ext.name] = error

    def build_door(self, ext: Extension) -> None:
        import numpy
        from Cython.Build import cythonize

        stem = ext.name.removeprefix(PREFIX)
        temp = os.path.join(self.build_temp, stem)  # a folder per door: the objects of two doors never collide
        generated = cythonize(
            Extension(ext.name, list(ext.sources)),
            build_dir=temp,
            include_path=["src"],
            compiler_directives=DIRECTIVES,
            force=self.force or self.stale(os.path.join(temp, f"src/{stem}.c"), ["setup.py"]),
        )[0].sources[0]
        ext.include_dirs = [*ext.include_dirs, numpy.get_include()]
        level = "spare" if stem in LOADS else "door"
        objects = [self.compile(ext, self.marked(generated), temp, self.flags(level, generated=True))]
        patterns = ("src/cpu/*.c", f"src/kernels/{stem}/*.c", *ALSO.get(stem, ()))
        for source in [path for pattern in patterns for path in paths(pattern)]:
            isa = Path(source).stem.rpartition("_")[2]
            if self.targets(isa):
                level = "spare" if source in SPARE and self.machine() in X86 else "kernel"
                level = "written out" if source in WRITTEN_OUT else level
                flags = self.flags(level, isa)
                if not source.startswith((f"src/kernels/{stem}/", "src/cpu/")) and self.compiler.compiler_type != "msvc":
                    flags += BORROWED_FLAGS.split()
                objects.append(self.compile(ext, source, temp, flags))
        library = self.get_ext_fullpath(ext.name)
        if self.force or self.stale(library, objects):
            self.compiler.link_shared_object(
                objects,
                library,
                libraries=self.get_libraries(ext),
                export_symbols=self.get_export_symbols(ext),
                extra_postargs=[
                    *LINKER_FLAGS.get(sys.platform, "").split(),
                    *sanitizers(),
                    *(["--coverage"] if enabled("QUANTCORE_COVERAGE") else []),
                ],
                build_temp=temp,
            )

    def marked(self, generated: str) -> str:
        """What Cython made of a door, its functions that run once marked."""
        target = Path(generated).with_suffix(".marked.c")
        if self.stale(str(target), ["setup.py", generated]):
            heads = re.compile(r"^static (?=[^;{}=\n]*?\b(__pyx_\w+)\()", re.MULTILINE)

            def mark(head: re.Match[str]) -> str:
                once = ONCE.search(head[1]) and not OFTEN.search(head[1])
                return f"QC_ONCE {head[0]}" if once else head[0]

            defined = "#ifdef __GNUC__\n#define QC_ONCE __attribute__((cold))\n#else\n#define QC_ONCE\n#endif\n"
            target.write_text(defined + heads.sub(mark, Path(generated).read_text("utf-8")), "utf-8")
        return str(target)

    def compile(self, ext: Extension, source: str, temp: str, flags: list[str]) -> str:
        """Compile one file unless its object is newer than all that it was made from; returns the object."""
        target = self.compiler.object_filenames([source], output_dir=temp)[0]
        rule = Path(target).with_suffix(".d")  # written by -MMD; where the compiler writes none, the file is compiled again
        read = rule.read_text().replace("\\\n", " ").partition(":")[2].split() if rule.exists() else [str(rule)]
        if self.force or self.stale(target, ["setup.py", *read]):
            self.compiler.compile(
                [source], output_dir=temp, macros=ext.define_macros, include_dirs=ext.include_dirs, extra_postargs=flags
            )
        return target

    @staticmethod
    def stale(target: str, sources: list[str]) -> bool:
        """Whether the target is missing, or a source is missing or newer."""
        if not os.path.exists(target):
            return True
        built = os.path.getmtime(target)
        return any(not os.path.exists(source) or os.path.getmtime(source) > built for source in sources)

    def flags(self, level: str, isa: str = "", *, generated: bool = False) -> list[str]:
        """Flags for one C file; warnings are for our own files, not for what Cython generates."""
        msvc = self.compiler.compiler_type == "msvc"
        flags = (MSVC_FLAGS if msvc else UNIX_FLAGS).split() + (MSVC_LEVELS if msvc else UNIX_LEVELS)[level].split()
        flags += ISA_FLAGS["msvc" if msvc else "unix"].get(isa, "").split()
        if not generated:
            flags += (MSVC_WARNINGS if msvc else UNIX_WARNINGS).split()
            if enabled("QUANTCORE_WERROR"):
                flags.append("/WX" if msvc else "-Werror")
        if sanitizers():
            flags += [*sanitizers(), *SANITIZE_FLAGS.split()]
        if enabled("QUANTCORE_COVERAGE") and level != "door":
            flags += COVERAGE_FLAGS.split()
        if enabled("QUANTCORE_UNCERTIFIED"):
            flags.append("/DQC_UNCERTIFIED" if msvc else "-DQC_UNCERTIFIED")
        return flags

    def machine(self) -> str:
        """The processor that is built for."""
        universal = self.plat_name.endswith("universal2")
        return (platform.machine() if universal else self.plat_name.rpartition("-")[2]).lower()

    def targets(self, isa: str) -> bool:
        """Whether the machine that is built for has this instruction set; names of no set are for every machine."""
        return isa not in ISA_MACHINES or self.machine() in ISA_MACHINES[isa]


if sys.platform == "darwin":  # one file has one set of flags, so a door is built for one architecture, never "universal2"
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")

setup(ext_modules=[] if enabled("QUANTCORE_PURE") else doors(), cmdclass={"build_ext": BuildDoors})
