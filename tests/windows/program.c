/* What test_windows.py runs under Wine; built for Windows by the same compiler as the library.
 *
 *   program verify PACKAGE
 *   program frames PACKAGE SAMPLES.f32 RATE SEED FRAMES.f32    frames of audio that is cut at random
 *   program status PACKAGE                                     the status of one wrong call a line
 *
 * PACKAGE may be "-": then it is a package in the working folder whose name is not ASCII.
 */
#include <emoface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char* const not_ascii = "gr\xc3\xb6\xc3\x9f" "e \xe8\xa1\xa8\xe6\x83\x85.emoface";

static void check(emoface_status status) {
    if (status >= 0) return;
    printf("%s: %s\n", emoface_status_name(status), emoface_last_error());
    exit(1);
}

static int verify(emoface_package* package) {
    emoface_verification result = {0};
    result.struct_size = sizeof result;
    check(emoface_verify(package, NULL, &result));
    printf("passed %d frames %lld offsets_error %.9g emotion_error %.9g tolerance %.9g\n", result.passed,
           (long long)result.frames, result.offsets_error, result.emotion_error, result.tolerance);
    return !result.passed;
}

static int frames(emoface_package* package, char** arguments) {
    emoface_package_info info = {0};
    emoface_animator_config config;
    emoface_animator* animator;
    emoface_frames out = {0};
    FILE *in = fopen(arguments[0], "rb"), *file = fopen(arguments[3], "wb");
    unsigned int seed = (unsigned int)atoi(arguments[2]);
    float* samples;
    long count, at = 0;
    int64_t due, written;
    int ended = 0;
    if (!in || !file) return 2;
    fseek(in, 0, SEEK_END);
    count = ftell(in) / 4;
    rewind(in);
    samples = malloc(4 * (size_t)count);
    if (!samples || fread(samples, 4, (size_t)count, in) != (size_t)count) return 2;
    info.struct_size = sizeof info;
    check(emoface_package_get_info(package, &info));
    check(emoface_animator_config_init(&config, sizeof config));
    config.sample_rate = atoi(arguments[1]);
    check(emoface_animator_create(package, &config, &animator));
    out.struct_size = sizeof out;
    while (!ended) {
        long n;
        seed = seed * 1664525u + 1013904223u;
        n = (long)(seed >> 20);
        if (n > count - at) n = count - at;
        ended = at == count;
        check(ended ? emoface_flush_frames(animator, 0, &due) : emoface_step_frames(animator, n, &due));
        out.vertices = malloc(12 * (size_t)info.vertices * (size_t)(due + 1));
        if (!out.vertices) return 2;
        check(ended ? emoface_flush(animator, 0, &out, due, &written)
                    : emoface_step(animator, samples + at, n, &out, due, &written));
        fwrite(out.vertices, 12 * (size_t)info.vertices, (size_t)written, file);
        free(out.vertices);
        at += n;
    }
    emoface_animator_release(animator);
    free(samples);
    fclose(in);
    return fclose(file);
}

static void say(const char* what, emoface_status status) {
    printf("%s %s | %s\n", what, emoface_status_name(status), status < 0 ? emoface_last_error() : "");
}

static int statuses(emoface_package* package) {
    emoface_animator_config config;
    emoface_animator* animator;
    emoface_package* other;
    emoface_frames out = {0};
    int64_t written;
    static float sound[16000];
    float one[3];
    say("null_package", emoface_animator_create(NULL, NULL, &animator));
    say("no_package", emoface_package_open("nowhere.emoface", &other));
    say("corrupt_memory", emoface_package_open_memory("PK\3\4 and nothing more", 22, &other));
    check(emoface_animator_config_init(&config, sizeof config));
    config.struct_size = 3;
    say("struct_size", emoface_animator_create(package, &config, &animator));
    check(emoface_animator_create(package, NULL, &animator));
    out.struct_size = sizeof out;
    out.vertices = one;
    sound[7] = 0.0f / *(volatile float*)&sound[8];
    say("nan", emoface_step(animator, sound, 16000, &out, 0, &written));
    sound[7] = 0;
    say("too_small", emoface_step(animator, sound, 16000, &out, 0, &written));
    out.vertices = NULL;
    check(emoface_flush(animator, 0, &out, 1000, &written));
    say("after_flush", emoface_step(animator, sound, 16000, &out, 1000, &written));
    emoface_animator_release(animator);
    return 0;
}

int main(int argc, char** argv) {
    emoface_package* package;
    int result = 2;
    if (argc < 3) return 2;
    check(emoface_package_open(strcmp(argv[2], "-") ? argv[2] : not_ascii, &package));
    printf("onnxruntime %s\n", emoface_onnxruntime_load(NULL) < 0 ? emoface_last_error() : emoface_onnxruntime_version());
    if (!strcmp(argv[1], "verify")) result = verify(package);
    if (!strcmp(argv[1], "frames") && argc == 7) result = frames(package, argv + 3);
    if (!strcmp(argv[1], "status")) result = statuses(package);
    emoface_package_release(package);
    return result;
}
