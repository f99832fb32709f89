// Counts heap allocations per call after warm-up, by the library that asked for them: every operator new and malloc of the
// process comes through here.
//
//   test_allocations PACKAGE ONNXRUNTIME [SECONDS]
//
// Prints {"emoface": per frame, "onnxruntime": per frame, "push": per call, "creation": of the animator, in all}. Fails where EmoFace's own are not 0.
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "emoface.h"

extern "C" void* __libc_malloc(size_t);
extern "C" void* __libc_calloc(size_t, size_t);
extern "C" void* __libc_realloc(void*, size_t);

namespace {

std::atomic<bool> counting{false};
std::atomic<long> of_emoface{0}, of_others{0};
const char* library_start = nullptr;
const char* library_end = nullptr;

void note(const void* caller) {
    if (!counting.load(std::memory_order_relaxed)) return;
    const char* address = static_cast<const char*>(caller);
    (address >= library_start && address < library_end ? of_emoface : of_others).fetch_add(1, std::memory_order_relaxed);
}

// Where the library's code lies: from the memory map.
void find_library() {
    Dl_info info{};
    dladdr(reinterpret_cast<const void*>(&emoface_version), &info);
    FILE* maps = std::fopen("/proc/self/maps", "r");
    char line[4096];
    while (maps && std::fgets(line, sizeof line, maps)) {
        unsigned long begin = 0, end = 0;
        if (std::sscanf(line, "%lx-%lx", &begin, &end) != 2 || !std::strstr(line, "libemoface.so")) continue;
        if (!library_start) library_start = reinterpret_cast<const char*>(begin);
        library_end = reinterpret_cast<const char*>(end);
    }
    if (maps) std::fclose(maps);
}

void check(emoface_status status) {
    if (status >= 0) return;
    std::printf("%s: %s\n", emoface_status_name(status), emoface_last_error());
    std::exit(1);
}

}  // namespace

// NOLINTBEGIN: these replace the C library's.
extern "C" void* malloc(size_t size) {
    note(__builtin_return_address(0));
    return __libc_malloc(size);
}
extern "C" void* calloc(size_t count, size_t size) {
    note(__builtin_return_address(0));
    return __libc_calloc(count, size);
}
extern "C" void* realloc(void* pointer, size_t size) {
    note(__builtin_return_address(0));
    return __libc_realloc(pointer, size);
}
void* operator new(size_t size) {
    note(__builtin_return_address(0));
    if (void* pointer = __libc_malloc(size ? size : 1)) return pointer;
    std::abort();
}
void* operator new[](size_t size) {
    note(__builtin_return_address(0));
    if (void* pointer = __libc_malloc(size ? size : 1)) return pointer;
    std::abort();
}
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete[](void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, size_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, size_t) noexcept { std::free(pointer); }
// NOLINTEND

int main(int count, char** arguments) {
    if (count < 3) return 2;
    const double seconds = count > 3 ? std::atof(arguments[3]) : 2.0;
    check(emoface_onnxruntime_load(arguments[2]));
    emoface_package* package = nullptr;
    check(emoface_package_open(arguments[1], &package));
    find_library();
    emoface_package_info info{};
    info.struct_size = sizeof info;
    check(emoface_package_get_info(package, &info));
    emoface_animator_config config;
    check(emoface_animator_config_init(&config, sizeof config));
    config.sample_rate = 48000;
    config.blendshapes = info.blendshapes > 0;
    emoface_controls controls;
    check(emoface_controls_init(&controls, sizeof controls));
    controls.upper_strength = controls.lower_strength = 1.5;
    controls.upper_smoothing = controls.lower_smoothing = 0.05;
    config.controls = &controls;
    emoface_animator* animator = nullptr;
    counting = true;
    check(emoface_animator_create(package, &config, &animator));
    counting = false;
    const long at_creation = of_emoface;
    of_emoface = of_others = 0;

    const int chunk = 480;
    std::vector<float> audio(48000);
    for (size_t i = 0; i < audio.size(); ++i) audio[i] = float(int(i * 7919 % 2000) - 1000) * 1e-4f;
    const int64_t capacity = 64;
    std::vector<float> vertices(size_t(3 * info.vertices * capacity));
    std::vector<float> weights(size_t(std::max(1, info.blendshapes) * capacity));
    emoface_frames out{};
    out.struct_size = sizeof out;
    out.vertices = vertices.data();
    out.blendshapes = info.blendshapes > 0 ? weights.data() : nullptr;
    long frames = 0;
    const auto feed = [&](double length) {
        for (int64_t done = 0; done < int64_t(length * 48000); done += chunk) {
            int64_t written = 0;
            check(emoface_step(animator, audio.data() + done % (48000 - chunk), chunk, &out, capacity, &written));
            frames += long(written);
        }
    };
    feed(1.5);
    frames = 0;
    counting = true;
    feed(seconds);
    counting = false;
    const double mine = double(of_emoface) / double(frames), theirs = double(of_others) / double(frames);

    // Real time: push on this thread, with the worker at work.
    check(emoface_reset(animator));
    check(emoface_start(animator, nullptr));
    double time = 0;
    const auto live = [&](int calls) {
        for (int call = 0; call < calls; ++call) {
            emoface_push(animator, audio.data(), chunk);
            time += double(chunk) / 48000;
            check(emoface_sample(animator, time - 0.3, &out));
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    };
    live(100);
    of_emoface = 0;
    counting = true;
    live(100);
    counting = false;
    const double pushes = double(of_emoface) / 100;
    check(emoface_stop(animator));
    emoface_animator_release(animator);
    emoface_package_release(package);
    std::printf("{\"emoface\": %g, \"onnxruntime\": %g, \"push\": %g, \"creation\": %ld}\n", mine, theirs, pushes, at_creation);
    return mine == 0 && pushes == 0 ? 0 : 1;
}
