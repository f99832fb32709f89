#include "ort_library.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "failure.h"
#include "platform.h"

namespace emoface::runtime {
namespace {

const char* const kRemedy =
    "Put ONNX Runtime's shared library beside this one, name it in EMOFACE_ONNXRUNTIME, or pass its path to "
    "emoface_onnxruntime_load().";

const char* const kTelemetry = "ORT_DISABLE_TELEMETRY";

struct Loaded {
    std::string asked, path, version;
    std::unique_ptr<Ort::Env> env;
};

std::mutex mutex;
// Never destroyed: threads of the host may outlive static objects, and ONNX Runtime stays loaded.
Loaded* loaded = nullptr;

void ORT_API_CALL forward_log(void*, OrtLoggingLevel severity, const char*, const char*, const char*,
                              const char* message) {
    log(severity >= ORT_LOGGING_LEVEL_ERROR ? EMOFACE_LOG_ERROR : EMOFACE_LOG_WARNING,
        std::string("ONNX Runtime: ") + message);
}

std::string expected() { return "ONNX Runtime 1." + std::to_string(kOldestMinor) + " or newer"; }

// Files to try, in this order. A bare name asks the system.
std::vector<std::string> candidates(const std::string& path) {
    if (!path.empty()) return {path};
    const std::string named = environment("EMOFACE_ONNXRUNTIME");
    if (!named.empty()) return {named};
    std::vector<std::string> found;
    const std::string folder = own_folder();
    std::error_code error;
    if (!folder.empty()) {
        const auto here = std::filesystem::u8path(folder);
        if (std::filesystem::is_regular_file(here / kOnnxRuntimeName, error)) found.push_back(folder + kOnnxRuntimeName);
        // Releases carry their version in the file's name.
        for (const auto& entry : std::filesystem::directory_iterator(here, error)) {
            const std::string name = entry.path().filename().u8string();
            if (name.compare(0, std::string(kOnnxRuntimeName).size() + 1, std::string(kOnnxRuntimeName) + ".") == 0)
                found.push_back(folder + name);
        }
    }
    found.push_back(kOnnxRuntimeName);
#if defined(__linux__)
    found.push_back("libonnxruntime.so.1");
#endif
    return found;
}

bool new_enough(const std::string& version) {
    const size_t dot = version.find('.');
    const long major = std::strtol(version.c_str(), nullptr, 10);
    const long minor = dot == std::string::npos ? 0 : std::strtol(version.c_str() + dot + 1, nullptr, 10);
    return major == 1 && minor >= kOldestMinor;
}

// Null and a reason where the file is not a suitable ONNX Runtime.
std::unique_ptr<Loaded> try_file(const std::string& path, std::string* reason) {
    std::string why;
    // ONNX Runtime 1.32 and newer write a device id into the user's cache folder when they start, and report to their
    // makers: off unless the user said ORT_DISABLE_TELEMETRY=0. Nothing else reaches it before it has done so.
    set_environment(kTelemetry, "1");
    void* library = open_library(path, &why);
    if (library == nullptr) {
        *reason = path + ": " + why;
        return nullptr;
    }
    const auto base_of = reinterpret_cast<const OrtApiBase*(ORT_API_CALL*)()>(library_symbol(library, "OrtGetApiBase"));
    const OrtApiBase* base = base_of ? base_of() : nullptr;
    // Asked before GetApi(), which prints when it does not know the number.
    const std::string version = base ? base->GetVersionString() : "";
    const OrtApi* api = new_enough(version) ? base->GetApi(uint32_t(kApi)) : nullptr;
    if (api == nullptr) {
        *reason = path + (base ? ": version " + version : ": not ONNX Runtime (no OrtGetApiBase)");
        close_library(library);
        return nullptr;
    }
    Ort::InitApi(api);
    auto result = std::make_unique<Loaded>();
    result->path = file_of(reinterpret_cast<const void*>(base_of));
    if (result->path.empty()) result->path = path;
    result->version = version;
    result->env = with_onnxruntime(path, "an ONNX Runtime that starts", kRemedy, [] {
        auto env = std::make_unique<Ort::Env>(ORT_LOGGING_LEVEL_WARNING, "emoface", forward_log, nullptr);
        if (environment(kTelemetry) == "1") env->DisableTelemetryEvents();  // Windows' own events
        return env;
    });
    return result;
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code error;
    return a == b || std::filesystem::equivalent(std::filesystem::u8path(a), std::filesystem::u8path(b), error);
}

void load_locked(const std::string& path) {
    if (loaded != nullptr) {
        if (path.empty() || path == loaded->asked || same_file(path, loaded->path)) return;
        fail(EMOFACE_ERROR_BACKEND, path + " after " + loaded->path + " was loaded", "one ONNX Runtime per process",
             "Call emoface_onnxruntime_load() before the first animator.");
    }
    std::string reasons;
    for (const std::string& candidate : candidates(path)) {
        std::string reason;
        if (std::unique_ptr<Loaded> found = try_file(candidate, &reason)) {
            found->asked = path;
            loaded = found.release();
            log(EMOFACE_LOG_INFO, "ONNX Runtime " + loaded->version + " from " + loaded->path);
            return;
        }
        reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    fail(EMOFACE_ERROR_BACKEND, reasons, expected(), kRemedy);
}

}  // namespace

void onnxruntime_failed(const std::string& what, const char* expected, const char* remedy, const char* reason) {
    std::string text(reason);
    text = text.substr(0, text.find('\n')).substr(0, 300);
    fail(EMOFACE_ERROR_BACKEND, what + ": " + text, expected, remedy);
}

void load_onnxruntime(const std::string& path) {
    const std::lock_guard lock(mutex);
    load_locked(path);
}

const char* onnxruntime_version() noexcept {
    const std::lock_guard lock(mutex);
    return loaded ? loaded->version.c_str() : "";
}

const char* onnxruntime_path() noexcept {
    const std::lock_guard lock(mutex);
    return loaded ? loaded->path.c_str() : "";
}

const Ort::Env& onnxruntime_env() {
    const std::lock_guard lock(mutex);
    load_locked("");
    return *loaded->env;
}

}  // namespace emoface::runtime
