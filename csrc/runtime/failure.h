// Failures inside the runtime, and their way out through the C interface.
#pragma once

#include <exception>
#include <string>

#include "emoface.h"

namespace emoface::runtime {

// What was found, what would have been right, what the caller can do: the text of every error.
std::string describe(const std::string& got, const std::string& expected, const std::string& remedy);

class Failure : public std::exception {
public:
    Failure(emoface_status status, std::string got, std::string expected, std::string remedy)
        : status_(status),
          text_(describe(got, expected, remedy)),
          got_(std::move(got)),
          expected_(std::move(expected)),
          remedy_(std::move(remedy)) {}
    emoface_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return text_.c_str(); }
    const std::string& got() const noexcept { return got_; }
    const std::string& expected() const noexcept { return expected_; }
    const std::string& remedy() const noexcept { return remedy_; }

private:
    emoface_status status_;
    std::string text_, got_, expected_, remedy_;
};

[[noreturn]] void fail(emoface_status status, const std::string& got, const std::string& expected,
                       const std::string& remedy);

// A field of manifest.json, or an array it describes, at fault.
[[noreturn]] void manifest_fault(const std::string& file, const std::string& field, const std::string& got,
                                 const std::string& expected);

extern const char* const kFetch;

// The calling thread's last error: a fixed buffer, so that setting it allocates nothing.
void set_last_error(const char* text) noexcept;
const char* last_error() noexcept;

// The status of the exception that is being handled; its text becomes the last error.
emoface_status status_of_current_exception() noexcept;

// Runs what a C function does: no exception leaves it.
template <class Body> emoface_status guarded(Body&& body) noexcept {
    try {
        return body();
    } catch (...) {
        return status_of_current_exception();
    }
}

// A status with its text, without an exception: for threads that must not allocate.
emoface_status refuse(emoface_status status, const char* text) noexcept;

// Log messages to the application's callback.
void set_log(emoface_log_callback callback, void* user);
void log(int32_t level, const std::string& message) noexcept;

}  // namespace emoface::runtime
