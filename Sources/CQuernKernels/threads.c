// How many threads the system would still give, found by asking: RLIMIT_NPROC, pids.max and the kernel's own limits differ in what
// they count, and no call tells which of them is near.
#include <pthread.h>

#include "quern_kernels.h"

enum { MOST = 256 };

static void *stand(void *gate) {
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

int qk_spare_threads(int wanted) {
    pthread_t threads[MOST];
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    int count = 0, most = wanted < MOST ? wanted : MOST;
    pthread_mutex_lock(&gate);
    while (count < most && pthread_create(&threads[count], NULL, stand, &gate) == 0) count++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    return count;
}
