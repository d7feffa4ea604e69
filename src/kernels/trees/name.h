/* The name of a kernel on the instruction set that QC_TREES_ISA says. */
#ifndef QC_TREES_NAME_H
#define QC_TREES_NAME_H

#define QC_JOIN_(a, b) a##_##b
#define QC_JOIN(a, b) QC_JOIN_(a, b)
#define QC_TREES_NAME(name) QC_JOIN(name, QC_TREES_ISA)

#endif
