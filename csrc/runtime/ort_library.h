// ONNX Runtime, loaded privately and once per process.
#pragma once

#ifndef ORT_API_MANUAL_INIT
#define ORT_API_MANUAL_INIT
#endif
#include <onnxruntime_cxx_api.h>

#include <string>

namespace emoface::runtime {

// The oldest ONNX Runtime that is loaded, 1.25: versions before it read files anywhere, and before 1.24 any memory, for a
// graph with external data (docs/security.md). What is used of its C interface is older.
constexpr int kOldestMinor = 25, kApi = 20;

// Load from `path`, or where "" from EMOFACE_ONNXRUNTIME, this library's folder or the system's search path. Does nothing
// when already loaded; Failure (BACKEND) where that is from elsewhere, or nothing suitable is found.
void load_onnxruntime(const std::string& path);

// "" until loaded.
const char* onnxruntime_version() noexcept;
const char* onnxruntime_path() noexcept;

// The process's environment; loads ONNX Runtime where that was not done.
const Ort::Env& onnxruntime_env();

[[noreturn]] void onnxruntime_failed(const std::string& what, const char* expected, const char* remedy,
                                     const char* reason);

// Run `body`; what ONNX Runtime throws becomes a Failure (BACKEND) that begins with `what`.
template <class Body>
auto with_onnxruntime(const std::string& what, const char* expected, const char* remedy, Body&& body) {
    try {
        return body();
    } catch (const Ort::Exception& error) {
        onnxruntime_failed(what, expected, remedy, error.what());
    }
}

}  // namespace emoface::runtime
