#include "failure.h"

#include <cstring>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <stdexcept>

namespace emoface::runtime {
namespace {

constexpr size_t kLongest = 2048;
thread_local char last_text[kLongest] = "";

// Readers are threads that log; the writer waits for them, so that a callback's owner may go away afterwards.
std::shared_mutex log_mutex;
emoface_log_callback log_callback = nullptr;
void* log_user = nullptr;

}  // namespace

const char* const kFetch = "Fetch or export the package again.";

std::string describe(const std::string& got, const std::string& expected, const std::string& remedy) {
    return "got " + got + "; expected " + expected + ". " + remedy;
}

void fail(emoface_status status, const std::string& got, const std::string& expected, const std::string& remedy) {
    throw Failure(status, got, expected, remedy);
}

void manifest_fault(const std::string& file, const std::string& field, const std::string& got,
                    const std::string& expected) {
    const std::string shown = got.size() <= 200 ? got : got.substr(0, 200) + "...";
    fail(EMOFACE_ERROR_MANIFEST, file + ": " + field + " = " + shown, expected,
         "Export the package again with `emoface export`, or fetch an undamaged copy.");
}

void set_last_error(const char* text) noexcept {
    const size_t length = std::strlen(text);
    size_t kept = length < kLongest ? length : kLongest - 1;
    // Never end within a UTF-8 sequence.
    if (kept < length)
        while (kept > 0 && (static_cast<unsigned char>(text[kept]) & 0xC0) == 0x80) --kept;
    std::memmove(last_text, text, kept);
    last_text[kept] = 0;
}

const char* last_error() noexcept { return last_text; }

emoface_status refuse(emoface_status status, const char* text) noexcept {
    set_last_error(text);
    return status;
}

emoface_status status_of_current_exception() noexcept {
    try {
        throw;
    } catch (const Failure& failure) {
        return refuse(failure.status(), failure.what());
    } catch (const std::bad_alloc&) {
        return refuse(EMOFACE_ERROR_OUT_OF_MEMORY, "got no memory; expected enough for the call. Feed shorter chunks.");
    } catch (const std::length_error&) {
        return refuse(EMOFACE_ERROR_OUT_OF_MEMORY, "got a size beyond all memory; expected less. Feed shorter chunks.");
    } catch (const std::exception& error) {
        return refuse(EMOFACE_ERROR_INTERNAL, error.what());
    } catch (...) {
        return refuse(EMOFACE_ERROR_INTERNAL, "an unknown exception");
    }
}

void set_log(emoface_log_callback callback, void* user) {
    const std::unique_lock lock(log_mutex);
    log_callback = callback;
    log_user = user;
}

void log(int32_t level, const std::string& message) noexcept {
    try {
        const std::shared_lock lock(log_mutex);
        if (log_callback) log_callback(level, message.c_str(), log_user);
    } catch (...) {
        // A message that cannot be logged is lost; there is nobody to tell.
    }
}

}  // namespace emoface::runtime
