/* A sound in, a moving face out: the shortest useful program.
 *
 *   cc minimal.c $(pkg-config --cflags --libs emoface) -lm -o minimal
 *   ./minimal PACKAGE.emoface speech.wav
 *
 * ONNX Runtime's shared library lies beside libemoface, or is named in the environment variable EMOFACE_ONNXRUNTIME.
 */
#include <emoface.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(emoface_status status) {
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", emoface_status_name(status), emoface_last_error());
    exit(1);
}

/* The samples of a 16-bit PCM WAV file; exits where the file is another. */
static short* read_wav(const char* path, int* rate, int* channels, long* count) {
    unsigned char head[44];
    FILE* file = fopen(path, "rb");
    short* samples;
    if (!file || fread(head, 1, 44, file) != 44 || memcmp(head, "RIFF", 4) || memcmp(head + 36, "data", 4) || head[20] != 1 ||
        head[34] != 16 || head[22] == 0) {
        fprintf(stderr, "%s: not a plain 16-bit WAV file\n", path);
        exit(2);
    }
    *channels = head[22];
    *rate = head[24] | head[25] << 8 | head[26] << 16;
    *count = (long)((head[40] | head[41] << 8 | head[42] << 16 | (unsigned long)head[43] << 24) / (2u * (unsigned)*channels));
    samples = malloc((size_t)*count * 2 * (size_t)*channels);
    if (!samples) exit(1);
    *count = (long)fread(samples, 2 * (size_t)*channels, (size_t)*count, file);
    fclose(file);
    return samples;
}

int main(int argc, char** argv) {
    emoface_package* package;
    emoface_package_info info = {0};
    emoface_animator* animator;
    emoface_animator_config config;
    emoface_frames out = {0};
    int64_t due, written, total = 0, i;
    int rate, channels;
    long count, at;
    short* samples;
    double farthest = 0;
    const float* neutral;

    if (argc != 3) {
        fprintf(stderr, "usage: minimal PACKAGE.emoface speech.wav\n");
        return 2;
    }
    check(emoface_package_open(argv[1], &package));
    info.struct_size = sizeof info;
    check(emoface_package_get_info(package, &info));
    neutral = emoface_package_template(package);
    samples = read_wav(argv[2], &rate, &channels, &count);

    check(emoface_animator_config_init(&config, sizeof config));
    config.sample_rate = rate;
    config.channels = channels;
    config.sample_format = EMOFACE_SAMPLES_INT16;
    check(emoface_animator_create(package, &config, &animator));

    out.struct_size = sizeof out;
    for (at = 0; at <= count; at += 1024) {
        const int last = at + 1024 > count;
        const int64_t n = last ? count - at : 1024;
        int round;
        /* Twice: the audio, and after the last of it the frames still due. */
        for (round = 0; round < 1 + last; ++round) {
            check(round ? emoface_flush_frames(animator, 0, &due) : emoface_step_frames(animator, n, &due));
            out.vertices = malloc(sizeof(float) * 3 * (size_t)info.vertices * (size_t)(due ? due : 1));
            if (!out.vertices) return 1;
            check(round ? emoface_flush(animator, 0, &out, due, &written)
                        : emoface_step(animator, samples + at * channels, n, &out, due, &written));
            for (i = 0; i < written * info.vertices * 3; ++i) {
                const double offset = fabs(out.vertices[i] - neutral[i % (info.vertices * 3)]);
                if (offset > farthest) farthest = offset;
            }
            total += written;
            free(out.vertices);
        }
        if (last) break;
    }
    printf("%lld frames of %d vertices at %d fps; the farthest moved %.1f mm\n", (long long)total, info.vertices, info.fps,
           1000 * farthest * info.unit_in_metres);
    emoface_animator_release(animator);
    emoface_package_release(package);
    free(samples);
    return 0;
}
