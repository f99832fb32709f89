// What the opaque handles of the C interface hold, and what all its functions share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>

#include "emoface.h"
#include "failure.h"
#include "package.h"
#include "realtime.h"
#include "stream.h"

struct emoface_package {
    std::shared_ptr<emoface::runtime::Package> package;
    // Lists of names, ready for emoface_package_name().
    std::vector<std::vector<std::string>> names;
};

struct emoface_animator {
    emoface_animator(std::shared_ptr<emoface::runtime::Package> package, emoface::runtime::StreamOptions options)
        : stream(std::move(package), std::move(options)) {}
    emoface::runtime::Stream stream;
    // Made by emoface_start() and kept after emoface_stop(), so that its frames can still be sampled.
    std::unique_ptr<emoface::runtime::Realtime> realtime;
    // Read by the audio and the display thread without a lock.
    std::atomic<bool> running{false};
    std::atomic<emoface::runtime::Realtime*> current{nullptr};
    std::atomic<bool> in_use{false};
};

namespace emoface::runtime {

// Sizes of the structs as first published: a program may have been built with fewer fields than the library knows.
template <class Struct> void require_struct(const Struct* value, const char* name, size_t least) {
    if (value == nullptr)
        fail(EMOFACE_ERROR_ARGUMENT, std::string(name) + " = NULL", "a struct", "Pass the address of one.");
    if (value->struct_size < least || value->struct_size > sizeof(Struct))
        fail(EMOFACE_ERROR_ARGUMENT, std::string(name) + ".struct_size = " + std::to_string(value->struct_size),
             std::to_string(sizeof(Struct)),
             "Set struct_size = sizeof(the struct); use the header of this library's version.");
}

inline void require_pointer(const void* pointer, const char* name) {
    if (pointer == nullptr) fail(EMOFACE_ERROR_ARGUMENT, std::string(name) + " = NULL", "an address", "Pass one.");
}

// The struct of a caller that may know fewer fields than the library: what it lacks is zero.
template <class Struct> Struct whole(const Struct* value) {
    Struct copy{};
    std::memcpy(&copy, value, value->struct_size);
    return copy;
}

// One thread at a time, for the length of a call.
class Use {
public:
    explicit Use(emoface_animator* animator) : animator_(animator) {
        require_pointer(animator, "animator");
        if (animator->in_use.exchange(true, std::memory_order_acquire))
            fail(EMOFACE_ERROR_CONCURRENT_USE, "two calls on one animator at the same time", "one thread per animator",
                 "Make one animator per voice (weights are shared), or guard it with a lock of your own.");
    }
    ~Use() { animator_->in_use.store(false, std::memory_order_release); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

private:
    emoface_animator* animator_;
};

// Checks and completes a configuration; null is all defaults.
StreamOptions stream_options(const Package& package, const emoface_animator_config* config);

// Checks where frames go; null discards them.
void require_frames(const emoface_frames* out, const FrameSizes& sizes);

}  // namespace emoface::runtime
