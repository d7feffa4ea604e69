/* Random cases, for compilers without libFuzzer. Usage: TARGET -max_total_time=SECONDS -seed=NUMBER -max_len=BYTES
 * The same seed gives the same cases. */
#include <time.h>

#include "fuzz.h"

static uint64_t state;
static unsigned long case_number;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1Du >> 8;
}

int main(int argc, char **argv) {
    double seconds = 10.0;
    unsigned long long seed = 1;
    size_t most = 512;
    for (int i = 1; i < argc; ++i) {
        if (!strncmp(argv[i], "-max_total_time=", 16)) seconds = atof(argv[i] + 16);
        if (!strncmp(argv[i], "-seed=", 6)) seed = strtoull(argv[i] + 6, NULL, 10);
        if (!strncmp(argv[i], "-max_len=", 9)) most = strtoul(argv[i] + 9, NULL, 10);
    }
    state = seed * 0x9E3779B97F4A7C15u + 1;
    const time_t start = time(NULL);
    while ((case_number & 1023) || difftime(time(NULL), start) < seconds) {
        const size_t size = next() % (most + 1);
        uint8_t *data = room(size);
        /* Half of the cases are of few values: lengths and codes that fit. */
        const uint64_t mask = next() % 2 ? 255 : (1u << (1 + next() % 7)) - 1;
        for (size_t i = 0; i < size; ++i) data[i] = (uint8_t)(next() & mask);
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        ++case_number;
    }
    return 0;
}
