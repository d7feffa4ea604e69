"""What this CPU can do, as detected once by ``src/cpu``."""

cdef extern from "cpu/cpu.h":
    enum: QC_FEATURE_COUNT
    enum: QC_ISA_COUNT
    unsigned int qc_cpu_features()
    const char *qc_feature_name(int feature)
    const char *qc_isa_name(int isa)
    bint qc_isa_available(int isa)


def features():
    """Name → whether the CPU has it and the operating system lets it be used."""
    cdef unsigned int found = qc_cpu_features()
    return {qc_feature_name(i).decode(): bool(found >> i & 1) for i in range(QC_FEATURE_COUNT)}


def isas():
    """All instruction set levels that kernels are written for → whether this CPU has them."""
    return {qc_isa_name(i).decode(): qc_isa_available(i) for i in range(QC_ISA_COUNT)}
