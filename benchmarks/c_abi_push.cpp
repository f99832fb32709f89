// How long emoface_push() takes on an audio thread while a worker computes and a display samples.
//
//   c_abi_push PACKAGE SECONDS
//
// 10 ms of 48 kHz stereo int16 per push, at the pace of the sound. Prints {"push_p50_us", "push_p99_us", "push_worst_us"}.
#include <emoface.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void check(emoface_status status) {
    if (status >= 0) return;
    std::fprintf(stderr, "%s: %s\n", emoface_status_name(status), emoface_last_error());
    std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const long pushes = long(std::atof(argv[2]) * 100);
    emoface_package* package = nullptr;
    check(emoface_package_open(argv[1], &package));
    emoface_package_info info{};
    info.struct_size = sizeof info;
    check(emoface_package_get_info(package, &info));
    emoface_animator_config config;
    check(emoface_animator_config_init(&config, sizeof config));
    config.sample_rate = 48000;
    config.channels = 2;
    config.sample_format = EMOFACE_SAMPLES_INT16;
    emoface_animator* animator = nullptr;
    check(emoface_animator_create(package, &config, &animator));
    check(emoface_start(animator, nullptr));

    std::atomic<bool> playing{true};
    const auto begin = Clock::now();
    std::thread display([&] {
        std::vector<float> vertices(size_t(3 * info.vertices));
        emoface_frames out{};
        out.struct_size = sizeof out;
        out.vertices = vertices.data();
        while (playing) {
            check(emoface_sample(animator, std::chrono::duration<double>(Clock::now() - begin).count() - 0.3, &out));
            std::this_thread::sleep_for(std::chrono::milliseconds(7));
        }
    });
    std::vector<short> samples(2 * 480);
    std::vector<double> times;
    times.reserve(size_t(pushes));
    for (long push = 0; push < pushes; ++push) {
        std::this_thread::sleep_until(begin + std::chrono::milliseconds(10 * push));
        for (size_t i = 0; i < samples.size(); ++i) samples[i] = short((push * 480 + long(i)) * 7919 % 8000 - 4000);
        const auto before = Clock::now();
        const emoface_status status = emoface_push(animator, samples.data(), 480);
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
        if (status != EMOFACE_ERROR_QUEUE_FULL) check(status);
    }
    playing = false;
    display.join();
    check(emoface_stop(animator));
    emoface_animator_release(animator);
    emoface_package_release(package);
    std::sort(times.begin(), times.end());
    std::printf("{\"push_p50_us\": %g, \"push_p99_us\": %g, \"push_worst_us\": %g}\n", times[times.size() / 2],
                times[times.size() * 99 / 100], times.back());
    return 0;
}
