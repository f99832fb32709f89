// A talking face in real time: an audio thread pushes 10 ms at a time, the display draws at 60 Hz.
//
//   c++ -std=c++17 realtime.cpp $(pkg-config --cflags --libs emoface) -pthread -o realtime
//   ./realtime PACKAGE.emoface [SECONDS]
//
// The sound here is a tone that comes and goes; put the samples of your sound card in its place.
#include <emoface.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace {

void check(emoface_status status) {
    if (status >= 0) return;
    std::fprintf(stderr, "%s: %s\n", emoface_status_name(status), emoface_last_error());
    std::exit(1);
}

struct Release {
    void operator()(emoface_package* package) const { emoface_package_release(package); }
    void operator()(emoface_animator* animator) const { emoface_animator_release(animator); }
};

using Clock = std::chrono::steady_clock;

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: realtime PACKAGE.emoface [SECONDS]\n");
        return 2;
    }
    const double seconds = argc > 2 ? std::atof(argv[2]) : 3.0;
    constexpr int rate = 48000, chunk = rate / 100;

    emoface_package* opened = nullptr;
    check(emoface_package_open(argv[1], &opened));
    const std::unique_ptr<emoface_package, Release> package(opened);
    emoface_package_info info{};
    info.struct_size = sizeof info;
    check(emoface_package_get_info(opened, &info));

    emoface_animator_config config;
    check(emoface_animator_config_init(&config, sizeof config));
    config.sample_rate = rate;
    emoface_animator* made = nullptr;
    check(emoface_animator_create(opened, &config, &made));
    const std::unique_ptr<emoface_animator, Release> animator(made);
    emoface_animator_info stream{};
    stream.struct_size = sizeof stream;
    check(emoface_animator_get_info(made, &stream));

    check(emoface_start(made, nullptr));
    const auto begin = Clock::now();
    std::atomic<bool> playing{true};
    std::thread audio([&] {
        std::vector<float> samples(chunk);
        for (long block = 0; block < long(seconds * 100); ++block) {
            std::this_thread::sleep_until(begin + std::chrono::milliseconds(10 * block));
            for (int i = 0; i < chunk; ++i) {
                const double time = double(block * chunk + i) / rate;
                samples[size_t(i)] = float(0.3 * std::sin(440 * time) * std::fabs(std::sin(6 * time)));
            }
            if (emoface_push(made, samples.data(), chunk) != EMOFACE_OK) std::fprintf(stderr, "%s\n", emoface_last_error());
        }
        playing = false;
    });

    // The sound is heard late by as much as the animator needs, and a little for the computing; the face keeps step.
    const double delay = stream.latency_seconds + 0.05;
    std::vector<float> vertices(size_t(3 * info.vertices));
    emoface_frames out{};
    out.struct_size = sizeof out;
    out.vertices = vertices.data();
    long drawn = 0, waiting = 0;
    for (long frame = 0; playing; ++frame) {
        std::this_thread::sleep_until(begin + std::chrono::microseconds(16667 * frame));
        const double heard = std::chrono::duration<double>(Clock::now() - begin).count() - delay;
        if (heard < 0) continue;  // nothing is heard yet
        const emoface_status status = emoface_sample(made, heard, &out);
        check(status);
        // draw(vertices) belongs here.
        ++drawn;
        waiting += status != EMOFACE_OK;
    }
    audio.join();
    check(emoface_flush(made, 0.25, nullptr, 0, nullptr));
    check(emoface_stop(made));
    emoface_statistics statistics{};
    statistics.struct_size = sizeof statistics;
    check(emoface_get_statistics(made, &statistics));
    std::printf("%ld pictures drawn, %ld of them without a frame of their own; %lld frames computed; a block took %.1f ms\n",
                drawn, waiting, static_cast<long long>(statistics.frames), 1000 * statistics.mean_block_seconds);
    return 0;
}
