"""kernels.def is the one list: what it says is what the doors have."""

import os
import platform
import re
from pathlib import Path

import pytest

from quantcore.native import registry

KERNELS_DEF = Path(__file__).parents[2] / "src" / "kernels" / "kernels.def"
ARCHITECTURES = {"x86_64": ("scalar", "avx2", "avx512"), "aarch64": ("scalar", "neon", "dotprod")}
EXTENSIONS = ("dotprod",)  # the registers of the level below: not every family has a use for the few instructions more
LINUX = {"lzcnt": "abm", "neon": "asimd", "dotprod": "asimddp"}  # what /proc/cpuinfo calls them
EMULATED = {  # by tools/emulated_python
    "Nehalem": {"popcnt"},
    "Haswell": {"avx2", "f16c", "bmi1", "bmi2", "lzcnt", "popcnt"},
    "cortex-a72": {"neon"},
    "neoverse-n1": {"neon", "dotprod"},
}


if not KERNELS_DEF.exists():
    pytest.skip("tests an installed package: src/ is not there", allow_module_level=True)


def lines():
    return [tuple(re.split(r",\s*", fields)) for fields in re.findall(r"^QC_KERNEL\((.*)\)", KERNELS_DEF.read_text(), re.M)]


FAMILIES = sorted({line[0] for line in lines()})
every_family = pytest.mark.parametrize("family", FAMILIES)


def test_every_family_is_registered():
    assert set(FAMILIES) <= set(registry.FAMILIES)


@every_family
def test_doors_have_what_the_list_says(door_of, family):
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    ours = ARCHITECTURES.get(machine, ("scalar",))
    assert door_of(family).kernels() == [line[1:] for line in lines() if line[0] == family and line[4] in ours]


def test_order_and_names():
    symbols = [line[5] for line in lines()]
    assert len(set(symbols)) == len(symbols)
    slots = {}
    for family, op, layout, dtype, isa, symbol in lines():
        assert symbol.endswith(f"_{isa}")
        slots.setdefault((family, op, layout, dtype), []).append(registry.ISAS.index(isa))
    for slot, levels in slots.items():
        assert levels[0] == registry.ISAS.index("scalar"), f"{slot}: the first kernel must be scalar"
        assert levels == sorted(set(levels)), f"{slot}: kernels must stand from the least to the most demanding ISA"


@every_family
def test_every_isa_of_the_machine_has_kernels(door_of, isas, family):
    expected = set(isas) - set(EXTENSIONS)
    assert {isa for *_, isa, _ in door_of(family).kernels()} >= expected, "nothing would be tested on the missing one"


def test_every_extension_of_the_machine_has_kernels(door_of, isas):
    written = {isa for family in FAMILIES for *_, isa, _ in door_of(family).kernels()}
    assert written >= set(isas) & set(EXTENSIONS), "nothing would be tested on the missing one"


@every_family
def test_a_cap_binds_the_best_kernel_at_or_below_it(door_of, isas, family):
    door = door_of(family)
    for cap in registry.ISAS:
        door.select(cap)
        usable = isas[: isas.index(cap) + 1] if cap in isas else isas
        best = {kernel[:3]: kernel for kernel in door.kernels() if kernel[3] in usable}
        assert sorted(door.selected()) == sorted(best.values())


@every_family
def test_unknown_isa_is_refused_and_changes_nothing(door_of, family):
    door = door_of(family)
    before = door.selected()
    with pytest.raises(ValueError, match="unknown ISA 'sse9'; expected one of: scalar, avx2, avx512, neon, dotprod"):
        door.select("sse9")
    assert door.selected() == before


def test_levels_are_the_registrys(door_of):
    cpu = pytest.importorskip("quantcore.native._cpu", reason="this checkout is pure NumPy")
    assert tuple(cpu.isas()) == registry.ISAS
    assert cpu.isas()["scalar"]


def test_features_are_the_cpus():
    cpu = pytest.importorskip("quantcore.native._cpu", reason="this checkout is pure NumPy")
    info, emulated = Path("/proc/cpuinfo"), os.environ.get("QUANTCORE_EMULATED")
    if emulated:  # /proc/cpuinfo is the host's
        expected = EMULATED[emulated]
    elif platform.machine() in ARCHITECTURES and info.exists():
        flags = set(re.search(r"^(?:flags|Features)\s*:(.*)$", info.read_text(), re.M)[1].replace("_", "").split())
        expected = {name for name in cpu.features() if LINUX.get(name, name) in flags}
    else:
        pytest.skip("the oracle is /proc/cpuinfo on x86-64 and ARM")
    assert {name for name, present in cpu.features().items() if present} == expected
