// Long audio through the C interface: exact number of frames, the same bits for two cuts, flat memory, no drift in time.
//
//   c_abi_soak PACKAGE MINUTES
//
// Two streams get the same 48 kHz audio, one in 100 ms chunks, one in chunks of random length. Prints one JSON object;
// exit code 1 where the count is not exact or the bits differ.
#include <emoface.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <random>
#include <vector>

namespace {

constexpr int kRate = 48000, kChunk = kRate / 10;

void check(emoface_status status) {
    if (status >= 0) return;
    std::fprintf(stderr, "%s: %s\n", emoface_status_name(status), emoface_last_error());
    std::exit(1);
}

// Speech-like enough: noise whose loudness swells; a function of the sample's number alone.
float sample(int64_t index) {
    uint64_t x = uint64_t(index) * 0x9E3779B97F4A7C15ull;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93ull;
    x ^= x >> 32;
    const float noise = float(int64_t(x & 0xFFFF) - 32768) / 32768.0f;
    const int64_t swell = index / 480 % 40;
    return 0.2f * noise * float(swell < 20 ? swell : 40 - swell) / 20.0f;
}

class Voice {
public:
    Voice(emoface_package* package, int vertices) : width_(size_t(3 * vertices)) {
        emoface_animator_config config;
        check(emoface_animator_config_init(&config, sizeof config));
        config.sample_rate = kRate;
        check(emoface_animator_create(package, &config, &animator_));
    }
    ~Voice() { emoface_animator_release(animator_); }
    void feed(int64_t begin, int64_t count) {
        audio_.resize(size_t(count));
        for (int64_t i = 0; i < count; ++i) audio_[size_t(i)] = sample(begin + i);
        int64_t due = 0;
        check(emoface_step_frames(animator_, count, &due));
        receive(due, [&](const emoface_frames* out) { return emoface_step(animator_, audio_.data(), count, out, due, nullptr); });
    }
    void flush() {
        int64_t due = 0;
        check(emoface_flush_frames(animator_, 0, &due));
        receive(due, [&](const emoface_frames* out) { return emoface_flush(animator_, 0, out, due, nullptr); });
    }
    int64_t frames = 0;
    std::deque<uint64_t> digests;  // of frames not compared yet

private:
    template <class Call> void receive(int64_t due, Call&& call) {
        if (vertices_.size() < size_t(due) * width_) vertices_.resize(size_t(due) * width_);
        emoface_frames out{};
        out.struct_size = sizeof out;
        out.vertices = vertices_.data();
        check(call(&out));
        for (int64_t frame = 0; frame < due; ++frame) {
            uint64_t digest = 1469598103934665603ull;
            for (size_t i = 0; i < width_; ++i) {
                uint32_t bits;
                std::memcpy(&bits, &vertices_[size_t(frame) * width_ + i], sizeof bits);
                digest = (digest ^ bits) * 1099511628211ull;
            }
            digests.push_back(digest);
        }
        frames += due;
    }
    emoface_animator* animator_ = nullptr;
    size_t width_;
    std::vector<float> audio_, vertices_;
};

double resident_mb() {
    long pages = 0, resident = 0;
    if (FILE* file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
        std::fclose(file);
    }
    return double(resident) * 4096 / 1048576;
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + long(values.size() / 2), values.end());
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    emoface_package* package = nullptr;
    check(emoface_package_open(argv[1], &package));
    emoface_package_info info{};
    info.struct_size = sizeof info;
    check(emoface_package_get_info(package, &info));
    const int64_t chunks = std::max<int64_t>(20, int64_t(std::atof(argv[2]) * 600)), total = chunks * kChunk + 1234;
    Voice even(package, info.vertices), uneven(package, info.vertices);
    std::mt19937 random(1);
    std::vector<double> seconds;
    seconds.reserve(size_t(chunks));
    double first_mb = 0;
    int64_t fed = 0, different = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const std::clock_t begin = std::clock();
        even.feed(chunk * kChunk, kChunk);
        seconds.push_back(double(std::clock() - begin) / CLOCKS_PER_SEC);
        while (fed < (chunk + 1) * kChunk) {
            const int64_t count = std::min<int64_t>(total - fed, int64_t(random() % 9000));
            uneven.feed(fed, count);
            fed += count;
        }
        while (!even.digests.empty() && !uneven.digests.empty()) {
            different += even.digests.front() != uneven.digests.front();
            even.digests.pop_front();
            uneven.digests.pop_front();
        }
        if (chunk == chunks / 10) first_mb = resident_mb();
    }
    even.feed(chunks * kChunk, total - chunks * kChunk);
    uneven.feed(fed, total - fed);
    even.flush();
    uneven.flush();
    for (size_t i = 0; i < std::min(even.digests.size(), uneven.digests.size()); ++i)
        different += even.digests[i] != uneven.digests[i];
    const int64_t promised = total * info.fps / kRate;
    const bool exact = even.frames == promised && uneven.frames == promised && different == 0;
    const size_t tenth = seconds.size() / 10;
    const double drift = median({seconds.end() - long(tenth), seconds.end()}) / median({seconds.begin(), seconds.begin() + long(tenth)});
    std::printf("{\"minutes\": %g, \"frames\": %lld, \"promised\": %lld, \"different_frames\": %lld, \"drift\": %.3f, "
                "\"rss_growth_mb\": %.2f}\n",
                double(total) / kRate / 60, static_cast<long long>(even.frames), static_cast<long long>(promised),
                static_cast<long long>(different), drift, resident_mb() - first_mb);
    emoface_package_release(package);
    return exact ? 0 : 1;
}
