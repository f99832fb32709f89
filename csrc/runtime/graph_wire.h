// Protocol-buffer messages read where they lie: sdk/emoface/graphs/wire.py in C++, as strict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emoface::runtime::graphs {

// A graph that is refused: `field` is the node, tensor or part at fault.
struct GraphError {
    std::string field, got, expected;
};

// A message that is not what it should be.
struct WireError {
    std::string got, expected;
};

enum class Kind { integer, real, text, span, message, integers, reals, doubles, texts, spans, messages, refused };

// A field of a message: where its value goes in Message::values.
struct Field {
    uint32_t number;
    const char* name;
    Kind kind;
};
using Schema = std::vector<Field>;

struct Span {
    size_t start = 0, end = 0;
    size_t size() const { return end - start; }
};

// One value of a field: a number, or bytes. Of repeated numbers a part is packed or one number.
struct Part {
    bool packed = false;
    int64_t integer = 0;
    double real = 0;
    Span span;
};

// The fields of a message by their place in its schema.
class Message {
public:
    explicit Message(const Schema& schema) : schema_(schema), values_(schema.size()) {}
    const std::vector<Part>& parts(const char* name) const;
    bool has(const char* name) const { return !parts(name).empty(); }
    int64_t integer(const char* name) const { return has(name) ? parts(name)[0].integer : 0; }
    Span span(const char* name) const { return has(name) ? parts(name)[0].span : Span{}; }

private:
    friend class Wire;
    const Schema& schema_;
    std::vector<std::vector<Part>> values_;
};

// Python's repr() of printable ASCII.
std::string quoted(std::string_view text);

class Wire {
public:
    Wire(const uint8_t* data, size_t size) : data_(data), size_(size) {}
    const uint8_t* data() const { return data_; }
    size_t size() const { return size_; }
    Message read(Span span, const Schema& schema, const char* what);
    std::string text(const Message& message, const char* name) const;
    std::vector<std::string> texts(const Message& message, const char* name) const;
    // Numbers of a field, at most `most`.
    std::vector<int64_t> integers(const std::vector<Part>& parts, size_t most, const std::string& what) const;
    std::vector<double> reals(const std::vector<Part>& parts) const;
    // How many numbers there are, without reading them; `width` 0 for integers.
    uint64_t count(const std::vector<Part>& parts, size_t width, const std::string& what) const;

private:
    uint64_t varint(size_t* position, size_t end, const std::string& what) const;
    void check_text(Span span, const char* what, const char* name) const;
    const uint8_t* data_;
    size_t size_, fields_ = 0;
};

}  // namespace emoface::runtime::graphs
