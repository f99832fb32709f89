// Failures inside the runtime, and their way out through the C interface.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "emoface.h"

namespace emoface::runtime {

// What was found, what would have been right, what the caller can do; of a package's data also the file and the field.
struct Fault {
    std::string got, expected, remedy, file, field;
};

class Failure : public std::exception {
public:
    Failure(emoface_status status, Fault fault);
    emoface_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return text_.c_str(); }
    const Fault& fault() const noexcept { return fault_; }

private:
    emoface_status status_;
    Fault fault_;
    std::string text_;
};

[[noreturn]] void fail(emoface_status status, const std::string& got, const std::string& expected,
                       const std::string& remedy);

// The value; a failure for one out of its range. initialiser: the function that fills in the defaults.
double checked_number(double value, double low, double high, const char* name, const char* initialiser);

// A field of manifest.json, or an array it describes, at fault.
[[noreturn]] void manifest_fault(const std::string& file, const std::string& field, const std::string& got,
                                 const std::string& expected);

extern const char* const kFetch;

// A status with what emoface_last_error() says of it, without an exception and without allocating: for threads that
// must not, and for notices.
emoface_status refuse(emoface_status status, std::string_view got, std::string_view expected,
                      std::string_view remedy) noexcept;
emoface_status refuse(emoface_status status, const Fault& fault) noexcept;

// The calling thread's last error: the whole text, or one of EMOFACE_PART_*.
const char* last_error() noexcept;
const char* last_error_part(int32_t part) noexcept;

// The status of the exception that is being handled; what it says becomes the last error.
emoface_status status_of_current_exception() noexcept;

// Runs what a C function does: no exception leaves it.
template <class Body> emoface_status guarded(Body&& body) noexcept {
    try {
        return body();
    } catch (...) {
        return status_of_current_exception();
    }
}

// Log messages to the application's callback.
void set_log(emoface_log_callback callback, void* user);
void log(int32_t level, const std::string& message) noexcept;

}  // namespace emoface::runtime
