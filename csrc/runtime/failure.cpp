#include "failure.h"

#include <cstring>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>

namespace emoface::runtime {
namespace {

// Bytes of the UTF-8 sequence that a text begins with; 0 where it begins with none.
size_t sequence(std::string_view text) noexcept {
    const auto byte = [&](size_t at) { return at < text.size() ? unsigned(static_cast<unsigned char>(text[at])) : 0u; };
    const unsigned lead = byte(0), second = byte(1);
    const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    for (size_t at = 1; at < size; ++at)
        if ((byte(at) & 0xC0) != 0x80) return 0;
    // Longer than need be, halves of pairs, and what lies beyond Unicode
    const bool wrong = (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
                       (lead == 0xF4 && second > 0x8F);
    return wrong ? 0 : size;
}

// A text of fixed room, so that setting it allocates nothing. UTF-8 whatever comes: names and paths may be any bytes.
template <size_t kRoom> class FixedText {
public:
    void clear() noexcept { bytes_[length_ = 0] = 0; }
    void append(std::string_view text) noexcept {
        while (!text.empty()) {
            const size_t size = sequence(text), taken = size ? size : 1;
            if (taken > kRoom - 1 - length_) break;
            if (size) std::memcpy(bytes_ + length_, text.data(), size);
            else bytes_[length_] = '?';
            length_ += taken;
            text.remove_prefix(taken);
        }
        bytes_[length_] = 0;
    }
    const char* c_str() const noexcept { return bytes_; }

private:
    char bytes_[kRoom] = {};
    size_t length_ = 0;
};

// Calls append(piece) for the pieces of the text that the parts make.
template <class Append>
void compose(std::string_view got, std::string_view expected, std::string_view remedy, std::string_view file,
             std::string_view field, Append&& append) {
    append("got ");
    if (!file.empty())
        for (const std::string_view piece : {file, std::string_view(": "), field, std::string_view(" = ")}) append(piece);
    for (const std::string_view piece : {got, std::string_view("; expected "), expected, std::string_view(". "), remedy})
        append(piece);
}

constexpr int32_t kParts = EMOFACE_PART_FIELD + 1;
thread_local FixedText<2048> last_text;
thread_local FixedText<1024> last_parts[kParts];

void set_last_error(std::string_view got, std::string_view expected, std::string_view remedy, std::string_view file,
                    std::string_view field) noexcept {
    last_text.clear();
    compose(got, expected, remedy, file, field, [](std::string_view piece) { last_text.append(piece); });
    const std::string_view parts[kParts] = {got, expected, remedy, file, field};
    for (int32_t part = 0; part < kParts; ++part) {
        last_parts[part].clear();
        last_parts[part].append(parts[part]);
    }
}

// Readers are threads that log; the writer waits for them, so that a callback's owner may go away afterwards.
std::shared_mutex log_mutex;
emoface_log_callback log_callback = nullptr;
void* log_user = nullptr;

const char* const kShorter = "Feed shorter chunks.";
const char* const kReport = "Please report it.";

}  // namespace

const char* const kFetch = "Fetch or export the package again.";

Failure::Failure(emoface_status status, Fault fault) : status_(status), fault_(std::move(fault)) {
    compose(fault_.got, fault_.expected, fault_.remedy, fault_.file, fault_.field,
            [&](std::string_view piece) { text_ += piece; });
}

void fail(emoface_status status, const std::string& got, const std::string& expected, const std::string& remedy) {
    throw Failure(status, {got, expected, remedy, {}, {}});
}

double checked_number(double value, double low, double high, const char* name, const char* initialiser) {
    if (value >= low && value <= high) return value;
    std::ostringstream got, expected;
    got << name << " = " << value;
    expected << "a number from " << low << " to " << high;
    fail(EMOFACE_ERROR_ARGUMENT, got.str(), expected.str(),
         std::string("Choose a value in range; ") + initialiser + " fills in the defaults.");
}

void manifest_fault(const std::string& file, const std::string& field, const std::string& got,
                    const std::string& expected) {
    size_t end = 200;
    // Not within a character
    while (end < got.size() && end > 0 && (static_cast<unsigned char>(got[end]) & 0xC0) == 0x80) --end;
    const std::string shown = got.size() <= end ? got : got.substr(0, end) + "...";
    throw Failure(EMOFACE_ERROR_MANIFEST, {shown, expected,
                                           "Export the package again with `emoface export`, or fetch an undamaged copy.",
                                           file, field});
}

const char* last_error() noexcept { return last_text.c_str(); }

const char* last_error_part(int32_t part) noexcept {
    return part >= 0 && part < kParts ? last_parts[part].c_str() : "";
}

emoface_status refuse(emoface_status status, std::string_view got, std::string_view expected,
                      std::string_view remedy) noexcept {
    set_last_error(got, expected, remedy, {}, {});
    return status;
}

emoface_status refuse(emoface_status status, const Fault& fault) noexcept {
    set_last_error(fault.got, fault.expected, fault.remedy, fault.file, fault.field);
    return status;
}

emoface_status status_of_current_exception() noexcept {
    try {
        throw;
    } catch (const Failure& failure) {
        return refuse(failure.status(), failure.fault());
    } catch (const std::bad_alloc&) {
        return refuse(EMOFACE_ERROR_OUT_OF_MEMORY, "no memory", "enough for the call", kShorter);
    } catch (const std::length_error&) {
        return refuse(EMOFACE_ERROR_OUT_OF_MEMORY, "a size beyond all memory", "less", kShorter);
    } catch (const std::exception& error) {
        return refuse(EMOFACE_ERROR_INTERNAL, error.what(), "no fault of the library", kReport);
    } catch (...) {
        return refuse(EMOFACE_ERROR_INTERNAL, "an unknown exception", "no fault of the library", kReport);
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
