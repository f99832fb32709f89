/* Times the calls of Calls.cs from C: calls PACKAGE CALLS, prints one JSON object. See benchmarks/pinvoke.py. */
#define _POSIX_C_SOURCE 199309L
#include <emoface.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static emoface_animator* animator;
static emoface_frames room;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(emoface_status status) {
    if (status >= 0) return;
    fprintf(stderr, "%s\n", emoface_last_error());
    exit(1);
}

static void run(int count) {
    const float sample = 0;
    int64_t written;
    for (int i = 0; i < count; ++i) {
        if (i % 256 == 0) check(emoface_reset(animator));
        check(emoface_step(animator, &sample, 1, &room, 64, &written));
    }
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int calls = atoi(argv[2]);
    emoface_package* package;
    check(emoface_package_open(argv[1], &package));
    emoface_package_info info = {0};
    info.struct_size = sizeof(info);
    check(emoface_package_get_info(package, &info));
    check(emoface_animator_create(package, NULL, &animator));
    room.struct_size = sizeof(room);
    room.time = malloc(64 * sizeof(double));
    room.vertices = malloc((size_t)64 * 3 * (size_t)info.vertices * sizeof(float));
    run(calls / 10);
    double best = 1e9;
    for (int round = 0; round < 5; ++round) {
        const double begin = now();
        run(calls);
        const double spent = now() - begin;
        if (spent < best) best = spent;
    }
    printf("{\"step_us\": %.6f}\n", 1e6 * best / calls);
    emoface_animator_release(animator);
    emoface_package_release(package);
    return 0;
}
