#include "graph_wire.h"

#include <cstring>

namespace emoface::runtime::graphs {
namespace {

constexpr size_t kMostFields = 400'000, kLongestName = 1000;
constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

uint32_t wire_of(Kind kind) {
    switch (kind) {
        case Kind::integer:
        case Kind::integers: return kVarint;
        case Kind::real:
        case Kind::reals: return kFixed32;
        case Kind::doubles: return kFixed64;
        default: return kBytes;
    }
}

bool repeated(Kind kind) { return kind >= Kind::integers && kind <= Kind::messages; }

// Python's repr() of bytes.
std::string shown(const uint8_t* data, size_t size) {
    std::string text;
    bool single = false, twofold = false;
    for (size_t i = 0; i < size; ++i) {
        single = single || data[i] == '\'';
        twofold = twofold || data[i] == '"';
    }
    const char quote = single && !twofold ? '"' : '\'';
    for (size_t i = 0; i < size; ++i) {
        const char c = char(data[i]);
        if (c == '\\' || c == quote) text += std::string("\\") + c;
        else if (c == '\n') text += "\\n";
        else if (c == '\r') text += "\\r";
        else if (c == '\t') text += "\\t";
        else if (data[i] < 32 || data[i] > 126) {
            constexpr char digits[] = "0123456789abcdef";
            text += std::string("\\x") + digits[data[i] >> 4] + digits[data[i] & 15];
        } else text += c;
    }
    return quote + text + quote;
}

template <class T> T little_endian(const uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

}  // namespace

std::string quoted(std::string_view text) { return shown(reinterpret_cast<const uint8_t*>(text.data()), text.size()); }

const std::vector<Part>& Message::parts(const char* name) const {
    static const std::vector<Part> none;
    for (size_t i = 0; i < schema_.size(); ++i)
        if (std::strcmp(schema_[i].name, name) == 0) return values_[i];
    return none;
}

uint64_t Wire::varint(size_t* position, size_t end, const std::string& what) const {
    uint64_t value = 0;
    for (int shift = 0; *position < end; shift += 7) {
        if (shift > 63) throw WireError{"a number of more than 10 bytes in " + what, "64 bits"};
        const uint8_t byte = data_[(*position)++];
        if (shift == 63 && (byte & 127) > 1) {
            if (byte < 128) throw WireError{"a number of more than 64 bits in " + what, "64 bits"};
            throw WireError{"a number of more than 10 bytes in " + what, "64 bits"};
        }
        value |= uint64_t(byte & 127) << shift;
        if (byte < 128) return value;
        if (shift == 63) throw WireError{"a number of more than 10 bytes in " + what, "64 bits"};
    }
    throw WireError{what + " cut off in a number", "a whole file"};
}

void Wire::check_text(Span span, const char* what, const char* name) const {
    const std::string place = std::string(what) + "." + name;
    if (span.size() > kLongestName)
        throw WireError{place + " of " + std::to_string(span.size()) + " bytes",
                        "at most " + std::to_string(kLongestName)};
    for (size_t i = span.start; i < span.end; ++i)
        if (data_[i] < 32 || data_[i] > 126)
            throw WireError{place + " = b" + shown(data_ + span.start, span.size() < 60 ? span.size() : 60),
                            "printable ASCII"};
}

Message Wire::read(Span span, const Schema& schema, const char* what) {
    Message message(schema);
    size_t position = span.start;
    const size_t end = span.end;
    while (position < end) {
        if (++fields_ > kMostFields)
            throw WireError{"more than " + std::to_string(kMostFields) + " fields", "a smaller graph"};
        const uint64_t tag = varint(&position, end, what);
        const uint64_t number = tag >> 3;
        const uint32_t wire = uint32_t(tag & 7);
        size_t place = 0;
        while (place < schema.size() && schema[place].number != number) ++place;
        if (place == schema.size())
            throw WireError{"field " + std::to_string(number) + " of " + what, "only fields that this reader knows"};
        const Field& field = schema[place];
        const std::string name = std::string(what) + "." + field.name;
        if (field.kind == Kind::refused)
            throw WireError{std::string(field.name) + " in " + what, std::string(what) + " without it"};
        const uint32_t wanted = wire_of(field.kind);
        if (wire != wanted && !(wire == kBytes && repeated(field.kind)))
            throw WireError{"wire type " + std::to_string(wire) + " at " + name, "the type of this field"};
        Part part;
        if (wire == kBytes) {
            const uint64_t length = varint(&position, end, what);
            if (length > end - position)
                throw WireError{name + " of " + std::to_string(length) + " bytes, " + std::to_string(end - position) +
                                    " left",
                                "a whole file"};
            part.span = {position, position + size_t(length)};
            part.packed = wanted != kBytes;
            position = part.span.end;
            if (field.kind == Kind::text || field.kind == Kind::texts) check_text(part.span, what, field.name);
        } else if (wire == kVarint) {
            part.integer = int64_t(varint(&position, end, what));
        } else {
            const size_t size = wire == kFixed32 ? 4 : 8;
            if (size > end - position) throw WireError{name + " cut off", "a whole file"};
            part.real = wire == kFixed32 ? double(little_endian<float>(data_ + position))
                                         : little_endian<double>(data_ + position);
            position += size;
        }
        if (!repeated(field.kind) && !message.values_[place].empty()) throw WireError{name + " twice", "once at most"};
        message.values_[place].push_back(part);
    }
    return message;
}

std::string Wire::text(const Message& message, const char* name) const {
    const Span span = message.span(name);
    return {reinterpret_cast<const char*>(data_) + span.start, span.size()};
}

std::vector<std::string> Wire::texts(const Message& message, const char* name) const {
    std::vector<std::string> found;
    for (const Part& part : message.parts(name))
        found.emplace_back(reinterpret_cast<const char*>(data_) + part.span.start, part.span.size());
    return found;
}

std::vector<int64_t> Wire::integers(const std::vector<Part>& parts, size_t most, const std::string& what) const {
    std::vector<int64_t> values;
    for (const Part& part : parts) {
        if (!part.packed) {
            values.push_back(part.integer);
            continue;
        }
        if (values.size() > most || part.span.size() > 10 * (most - values.size()))
            throw WireError{what + " of " + std::to_string(part.span.size()) + " bytes",
                            "at most " + std::to_string(most) + " numbers"};
        for (size_t position = part.span.start; position < part.span.end;)
            values.push_back(int64_t(varint(&position, part.span.end, what)));
    }
    if (values.size() > most)
        throw WireError{what + " of " + std::to_string(values.size()) + " numbers", "at most " + std::to_string(most)};
    return values;
}

std::vector<double> Wire::reals(const std::vector<Part>& parts) const {
    std::vector<double> values;
    for (const Part& part : parts) {
        if (!part.packed) values.push_back(part.real);
        else
            for (size_t position = part.span.start; position + 4 <= part.span.end; position += 4)
                values.push_back(double(little_endian<float>(data_ + position)));
    }
    return values;
}

uint64_t Wire::count(const std::vector<Part>& parts, size_t width, const std::string& what) const {
    uint64_t total = 0;
    for (const Part& part : parts) {
        const size_t size = part.span.size();
        if (!part.packed) {
            ++total;
        } else if (width != 0) {
            if (size % width)
                throw WireError{what + " of " + std::to_string(size) + " bytes",
                                std::to_string(width) + " bytes for each number"};
            total += size / width;
        } else if (size != 0) {
            if (data_[part.span.end - 1] >= 128) throw WireError{what + " cut off", "whole numbers"};
            for (size_t i = part.span.start; i < part.span.end; ++i) total += data_[i] < 128;
        }
    }
    return total;
}

}  // namespace emoface::runtime::graphs
