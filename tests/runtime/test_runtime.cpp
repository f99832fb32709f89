// Tests of the C interface from C++, above all of its threads: run plain, and under the address, undefined and thread
// sanitizers (see csrc/README.md).
//
//   test_runtime PACKAGE ONNXRUNTIME
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "emoface.h"

namespace {

#define REQUIRE(condition)                                                                               \
    do {                                                                                                 \
        if (!(condition)) {                                                                              \
            std::printf("%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, emoface_last_error()); \
            std::exit(1);                                                                                \
        }                                                                                                \
    } while (0)

struct Package {
    explicit Package(const char* path) {
        REQUIRE(emoface_package_open(path, &handle) == EMOFACE_OK);
        info.struct_size = sizeof info;
        REQUIRE(emoface_package_get_info(handle, &info) == EMOFACE_OK);
    }
    ~Package() { emoface_package_release(handle); }
    emoface_package* handle = nullptr;
    emoface_package_info info{};
};

struct Animator {
    explicit Animator(const Package& package, int rate = 16000) {
        emoface_animator_config config;
        REQUIRE(emoface_animator_config_init(&config, sizeof config) == EMOFACE_OK);
        config.sample_rate = rate;
        REQUIRE(emoface_animator_create(package.handle, &config, &handle) == EMOFACE_OK);
    }
    ~Animator() { emoface_animator_release(handle); }
    emoface_animator* handle = nullptr;
};

std::vector<float> noise(size_t count) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0.0f, 0.2f);
    std::vector<float> samples(count);
    for (float& sample : samples) sample = normal(random);
    return samples;
}

std::vector<float> run(const Package& package, Animator& animator, const std::vector<float>& audio, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> vertices;
    const size_t width = size_t(3 * package.info.vertices);
    const auto out = [&](int64_t n) {
        const size_t held = vertices.size();
        vertices.resize(held + size_t(n) * width);
        emoface_frames frames{};
        frames.struct_size = sizeof frames;
        frames.vertices = vertices.data() + held;
        return frames;
    };
    for (size_t at = 0; at < audio.size();) {
        const size_t part = std::min(audio.size() - at, seed ? size_t(random() % 4000) : audio.size());
        int64_t due = 0, written = 0;
        REQUIRE(emoface_step_frames(animator.handle, int64_t(part), &due) == EMOFACE_OK);
        const emoface_frames frames = out(due);
        REQUIRE(emoface_step(animator.handle, audio.data() + at, int64_t(part), &frames, due, &written) == EMOFACE_OK);
        REQUIRE(written == due);
        at += part;
    }
    int64_t due = 0, written = 0;
    REQUIRE(emoface_flush_frames(animator.handle, 0.2, &due) == EMOFACE_OK);
    const emoface_frames frames = out(due);
    REQUIRE(emoface_flush(animator.handle, 0.2, &frames, due, &written) == EMOFACE_OK);
    return vertices;
}

void test_cuts(const Package& package) {
    for (const int rate : {16000, 44100}) {
        const std::vector<float> audio = noise(size_t(rate));
        Animator animator(package, rate);
        const std::vector<float> whole = run(package, animator, audio, 0);
        for (unsigned seed = 1; seed < 4; ++seed) {
            REQUIRE(emoface_reset(animator.handle) == EMOFACE_OK);
            const std::vector<float> cut = run(package, animator, audio, seed);
            REQUIRE(cut.size() == whole.size() && std::memcmp(cut.data(), whole.data(), cut.size() * sizeof(float)) == 0);
        }
    }
}

void test_snapshots(const Package& package) {
    const std::vector<float> audio = noise(16000);
    Animator animator(package), other(package);
    REQUIRE(emoface_step(animator.handle, audio.data(), 9000, nullptr, 0, nullptr) == EMOFACE_OK);
    int64_t size = 0;
    REQUIRE(emoface_snapshot(animator.handle, nullptr, 0, &size) == EMOFACE_ERROR_BUFFER_TOO_SMALL);
    std::vector<char> bytes(static_cast<size_t>(size));
    REQUIRE(emoface_snapshot(animator.handle, bytes.data(), size, &size) == EMOFACE_OK);
    REQUIRE(emoface_restore(other.handle, bytes.data(), size) == EMOFACE_OK);
    const std::vector<float> rest(audio.begin() + 9000, audio.end());
    const auto a = run(package, animator, rest, 0), b = run(package, other, rest, 3);
    REQUIRE(a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
    for (size_t at = 0; at < bytes.size(); at += 37) {
        bytes[at] ^= 1;
        REQUIRE(emoface_restore(other.handle, bytes.data(), size) == EMOFACE_ERROR_SNAPSHOT);
        bytes[at] ^= 1;
    }
}

// The audio thread pushes, the display thread samples, a third one steers: all at once.
void test_threads(const Package& package) {
    const std::vector<float> audio = noise(3 * 16000);
    const size_t width = size_t(3 * package.info.vertices);
    Animator plain(package), live(package);
    const std::vector<float> expected = run(package, plain, audio, 0);
    const char* emotion = emoface_package_name(package.handle, EMOFACE_NAMES_EMOTIONS, 0);
    for (int round = 0; round < 2; ++round) {
        emoface_realtime_config config;
        REQUIRE(emoface_realtime_config_init(&config, sizeof config) == EMOFACE_OK);
        config.queue_ms = 500;
        config.history_ms = 10000;
        REQUIRE(emoface_start(live.handle, &config) == EMOFACE_OK);
        std::atomic<bool> done{false};
        std::thread display([&] {
            std::vector<float> face(width);
            emoface_frames out{};
            out.struct_size = sizeof out;
            out.vertices = face.data();
            for (double time = 0; !done; time = time > 4 ? 0 : time + 0.013) {
                REQUIRE(emoface_sample(live.handle, time, &out) >= 0);
                for (const float value : face) REQUIRE(std::isfinite(value));
            }
        });
        std::thread steering([&] {
            while (!done) {
                // Beyond the end of the audio, so that the frames stay comparable.
                REQUIRE(emoface_set_emotion(live.handle, emotion, 1000.0) >= 0);
                emoface_animator_info info{};
                info.struct_size = sizeof info;
                REQUIRE(emoface_animator_get_info(live.handle, &info) == EMOFACE_OK);
                emoface_statistics statistics{};
                statistics.struct_size = sizeof statistics;
                REQUIRE(emoface_get_statistics(live.handle, &statistics) == EMOFACE_OK);
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
            }
        });
        std::thread sound([&] {
            for (size_t at = 0; at < audio.size();) {
                const size_t part = std::min<size_t>(audio.size() - at, 480);
                const emoface_status status = emoface_push(live.handle, audio.data() + at, int64_t(part));
                REQUIRE(status == EMOFACE_OK || status == EMOFACE_ERROR_QUEUE_FULL);
                if (status == EMOFACE_OK) at += part;
                else std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        sound.join();
        done = true;
        display.join();
        steering.join();
        REQUIRE(emoface_flush(live.handle, 0.2, nullptr, 0, nullptr) == EMOFACE_OK);
        REQUIRE(emoface_push(live.handle, audio.data(), 1) == EMOFACE_ERROR_STREAM_ENDED);
        REQUIRE(emoface_stop(live.handle) == EMOFACE_OK);
        std::vector<float> face(width);
        emoface_frames out{};
        out.struct_size = sizeof out;
        out.vertices = face.data();
        for (size_t frame = 0; frame < expected.size() / width; ++frame) {
            // The frame's own time may round to just beside it.
            REQUIRE(emoface_sample(live.handle, double(frame) / package.info.fps, &out) >= 0);
            for (size_t i = 0; i < width; ++i) REQUIRE(std::fabs(face[i] - expected[frame * width + i]) < 1e-6f);
        }
        REQUIRE(emoface_reset(live.handle) == EMOFACE_OK);
    }
}

// Voices of one package on threads of their own.
void test_voices(const Package& package) {
    const std::vector<float> audio = noise(16000);
    Animator first(package);
    const std::vector<float> expected = run(package, first, audio, 0);
    std::vector<std::thread> threads;
    for (unsigned voice = 0; voice < 3; ++voice)
        threads.emplace_back([&, voice] {
            Animator animator(package);
            REQUIRE(run(package, animator, audio, voice) == expected);
        });
    for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::printf("usage: test_runtime PACKAGE ONNXRUNTIME\n");
        return 2;
    }
    REQUIRE(emoface_abi_version() == EMOFACE_ABI_VERSION);
    REQUIRE(std::string(emoface_version()) == EMOFACE_VERSION);
    REQUIRE(emoface_onnxruntime_load(arguments[2]) == EMOFACE_OK);
    const Package package(arguments[1]);
    test_cuts(package);
    test_snapshots(package);
    test_threads(package);
    test_voices(package);
    std::printf("passed\n");
    return 0;
}
