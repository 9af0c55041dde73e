// BLAS through its C interface (Debian: libblas-dev). The reference build is enough; OpenBLAS is faster.
#include <cblas.h>

// Present only when OpenBLAS provides libblas; null otherwise. Callers test before calling.
extern void openblas_set_num_threads(int) __attribute__((weak));

static inline void quern_blas_set_threads(int threads) {
    if (openblas_set_num_threads) openblas_set_num_threads(threads);
}
