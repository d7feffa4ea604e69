# What every door has: the list of its family's kernels and the choice among them.
# Included by src/<family>.pyx after its C headers, which bring kernels/table.h.

cdef extern from "kernels/table.h":
    ctypedef struct qc_kernel:
        const char *op
        const char *layout
        const char *dtype
        const char *isa
        const char *symbol
    const qc_kernel qc_kernels[]
    enum: QC_KERNEL_COUNT
    enum: QC_ISA_COUNT
    void qc_select(int cap)
    bint qc_is_bound(int position)
    int qc_isa_from_name(const char *name)
    const char *qc_isa_name(int isa)


cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

include "gil.pxi"


cdef tuple _row(int position):
    cdef const qc_kernel *k = &qc_kernels[position]
    return k.op.decode(), k.layout.decode(), k.dtype.decode(), k.isa.decode(), k.symbol.decode()


def kernels():
    """Kernels of this build, as (op, layout, dtype, isa, symbol)."""
    return [_row(i) for i in range(QC_KERNEL_COUNT)]


def select(str isa):
    """Bind in every slot the best kernel at or below an ISA; one that this CPU lacks caps nothing."""
    level = qc_isa_from_name(isa.encode())
    if level < 0:
        names = ", ".join([qc_isa_name(i).decode() for i in range(QC_ISA_COUNT)])
        raise ValueError(f"unknown ISA {isa!r}; expected one of: {names}")
    qc_select(level)


def selected():
    """The kernels that are bound, one a slot, as (op, layout, dtype, isa, symbol)."""
    return [_row(i) for i in range(QC_KERNEL_COUNT) if qc_is_bound(i)]


qc_select(QC_ISA_COUNT)
