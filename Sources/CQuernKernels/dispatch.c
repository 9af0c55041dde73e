// Chooses an operation table at run time. No constructors, no globals that change: the caller keeps the pointer.
#define _GNU_SOURCE
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif
#include <string.h>

#include "ops.h"

static const qk_ops scalar = {"scalar", &qk_linear_scalar, &qk_rows_scalar};
#if defined(__x86_64__)
static const qk_ops avx2 = {"avx2", &qk_linear_avx2, &qk_rows_avx2};
static const qk_ops avxvnni = {"avxvnni", &qk_linear_avxvnni, &qk_rows_avx2};
static const qk_ops avx512vnni = {"avx512vnni", &qk_linear_avx512vnni, &qk_rows_avx512};
static const qk_ops amx = {"amx", &qk_linear_amx, &qk_rows_avx512};

// Leaf 7, subleaf 1, EAX bit 4; older compilers do not know the name.
static int has_avxvnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

// Leaf 7, EDX bits 24 and 25. Linux saves tile registers only for processes that ask (Documentation/arch/x86/xstate.rst).
static int has_amx(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3) == 3 &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#elif defined(__aarch64__)
static const qk_ops neon = {"neon", &qk_linear_neon, &qk_rows_neon};
static const qk_ops neondot = {"neondot", &qk_linear_neondot, &qk_rows_neon};

enum { HWCAP_DOT_PRODUCT = 1 << 20 };  // HWCAP_ASIMDDP
#endif

static int is_supported(const qk_ops *ops) {
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks the operating system (xgetbv) whether the registers are saved.
    int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (ops == &avx2) return has_avx2;
    if (ops == &avxvnni) return has_avx2 && has_avxvnni();
    if (ops == &avx512vnni || ops == &amx)
        return has_avx2 && (ops != &amx || has_amx()) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    if (ops == &neon) return 1;
    if (ops == &neondot) return (getauxval(AT_HWCAP) & HWCAP_DOT_PRODUCT) != 0;
#endif
    return ops == &scalar;
}

// Slowest first.
static const qk_ops *const tables[] = {
    &scalar,
#if defined(__x86_64__)
    &avx2,
    &avxvnni,
    &avx512vnni,
    &amx,
#elif defined(__aarch64__)
    &neon,
    &neondot,
#endif
};

enum { TABLE_COUNT = sizeof tables / sizeof *tables };

const qk_ops *qk_ops_resolve(const char *requested) {
    for (int i = TABLE_COUNT - 1; i >= 0; i--) {
        if (requested && strcmp(requested, tables[i]->name) != 0) continue;
        if (is_supported(tables[i])) return tables[i];
    }
    return NULL;
}

const char *qk_ops_name(const qk_ops *ops) { return ops->name; }

const char *qk_ops_supported(int i) {
    for (int t = 0; t < TABLE_COUNT; t++)
        if (is_supported(tables[t]) && i-- == 0) return tables[t]->name;
    return NULL;
}
