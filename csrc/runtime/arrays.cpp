#include "arrays.h"

#include <cstring>

#include "failure.h"
#include "package_files.h"

namespace emoface::runtime {
namespace {

constexpr uint64_t kMostBytes = uint64_t(2) << 30;
constexpr uint64_t kMostHeader = 10000;
constexpr size_t kMostAxes = 8, kLongestName = 200;
constexpr char kMagic[] = "\x93NUMPY";

[[noreturn]] void broken(const std::string& what, const std::string& why) {
    manifest_fault(what, "contents", why, "an npz file of plain little-endian arrays");
}

// The header of a .npy file is a Python literal: read by its one form, not evaluated.
class Header {
public:
    Header(std::string text, std::string what) : text_(std::move(text)), what_(std::move(what)) {
        take("{'descr':");
        blanks();
        take("'");
        while (at_ < text_.size() && text_[at_] != '\'' && text_[at_] != '\\' && text_[at_] != '\n') dtype += text_[at_++];
        if (dtype.empty() || dtype.size() > 16) broken(what_, kBroken);
        take("',");
        blanks();
        take("'fortran_order':");
        blanks();
        fortran_order = next("True");
        if (!fortran_order) take("False");
        take(",");
        blanks();
        take("'shape':");
        blanks();
        take("(");
        while (!next(")")) {
            shape.push_back(extent());
            if (next(")")) break;
            take(",");
            // A comma may be the last thing, blanks may not.
            if (next(")")) break;
            blanks();
            if (at_ < text_.size() && text_[at_] == ')') broken(what_, kBroken);
        }
        next(",");
        blanks();
        take("}");
        blanks();
        next("\n");
        if (at_ != text_.size()) broken(what_, kBroken);
    }

    std::string dtype;
    bool fortran_order = false;
    std::vector<uint64_t> shape;

private:
    static constexpr const char* kBroken = "a broken array header";
    bool next(const char* text) {
        const size_t length = std::strlen(text);
        if (text_.compare(at_, length, text) != 0) return false;
        at_ += length;
        return true;
    }
    void take(const char* text) {
        if (!next(text)) broken(what_, kBroken);
    }
    void blanks() {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    }
    uint64_t extent() {
        const size_t begin = at_;
        uint64_t value = 0;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - begin < 10)
            value = 10 * value + uint64_t(text_[at_++] - '0');
        if (at_ == begin || (text_[begin] == '0' && at_ - begin > 1)) broken(what_, kBroken);
        return value;
    }
    std::string text_, what_;
    size_t at_ = 0;
};

// Bytes per item of a dtype that this reader keeps, 0 for others.
uint64_t item_size(const std::string& dtype) {
    if (dtype.size() < 3) return 0;
    if (dtype == "|u1" || dtype == "|i1" || dtype == "|b1") return 1;
    if (dtype[0] != '<') return 0;
    if (dtype[1] == 'U') {
        uint64_t length = 0;
        if (dtype[2] == '0' || dtype.size() > 7) return 0;
        for (size_t i = 2; i < dtype.size(); ++i) {
            if (dtype[i] < '0' || dtype[i] > '9') return 0;
            length = 10 * length + uint64_t(dtype[i] - '0');
        }
        return 4 * length;
    }
    const std::string rest = dtype.substr(1);
    if (rest == "f2" || rest == "i2" || rest == "u2") return 2;
    if (rest == "f4" || rest == "i4" || rest == "u4") return 4;
    if (rest == "f8" || rest == "i8" || rest == "u8") return 8;
    return 0;
}

// Column-major to row-major.
Bytes to_c_order(const Bytes& bytes, const std::vector<int64_t>& shape, uint64_t size) {
    Bytes result(bytes.size());
    std::vector<int64_t> index(shape.size(), 0);
    const int64_t count = size ? int64_t(bytes.size() / size) : 0;
    for (int64_t to = 0; to < count; ++to) {
        int64_t from = 0, stride = 1;
        for (size_t axis = 0; axis < shape.size(); ++axis) {
            from += index[axis] * stride;
            stride *= shape[axis];
        }
        std::memcpy(result.data() + uint64_t(to) * size, bytes.data() + uint64_t(from) * size, size);
        for (size_t axis = shape.size(); axis-- > 0;) {
            if (++index[axis] < shape[axis]) break;
            index[axis] = 0;
        }
    }
    return result;
}

Array read_array(const std::string& what, const Bytes& file) {
    if (file.size() < 12 || std::memcmp(file.data(), kMagic, 6) != 0) broken(what, "no .npy file");
    const bool longer = file[6] >= 2;
    uint64_t length = uint64_t(file[8]) | uint64_t(file[9]) << 8;
    if (longer) length |= uint64_t(file[10]) << 16 | uint64_t(file[11]) << 24;
    const size_t start = longer ? 12 : 10;
    if (file[6] < 1 || file[6] > 3 || file[7] != 0 || length > kMostHeader || length > file.size() - start)
        broken(what, "a broken array header");
    const Header header(std::string(reinterpret_cast<const char*>(file.data()) + start, size_t(length)), what);
    Array array;
    array.dtype = header.dtype;
    const uint64_t size = item_size(array.dtype);
    if (size == 0) broken(what, "an array of dtype '" + shown_name(array.dtype) + "'");
    const uint64_t room = file.size() - start - length;
    uint64_t bytes = size;
    bool fits = header.shape.size() <= kMostAxes, empty = false;
    for (const uint64_t extent : header.shape) {
        array.shape.push_back(int64_t(extent));
        empty = empty || extent == 0;
        fits = fits && (extent == 0 || bytes <= kMostBytes / extent);
        if (fits && extent != 0) bytes *= extent;
    }
    if (!fits || (empty ? room != 0 : bytes != room)) broken(what, "an array whose bytes do not fit its shape");
    array.bytes.assign(file.begin() + std::ptrdiff_t(start + length), file.end());
    if (header.fortran_order && array.shape.size() > 1) array.bytes = to_c_order(array.bytes, array.shape, size);
    return array;
}

void append_utf8(std::string& text, uint32_t code) {
    if (code < 0x80) {
        text += char(code);
    } else if (code < 0x800) {
        text += char(0xC0 | code >> 6);
        text += char(0x80 | (code & 63));
    } else if (code < 0x10000) {
        text += char(0xE0 | code >> 12);
        text += char(0x80 | (code >> 6 & 63));
        text += char(0x80 | (code & 63));
    } else {
        text += char(0xF0 | (code >> 18 & 7));
        text += char(0x80 | (code >> 12 & 63));
        text += char(0x80 | (code >> 6 & 63));
        text += char(0x80 | (code & 63));
    }
}

// A name of an array, with its suffix.
bool array_file_name(const std::string& name) {
    const size_t stem = name.size() < 4 ? 0 : name.size() - 4;
    bool fits = stem > 0 && stem <= kLongestName && name.compare(stem, 4, ".npy") == 0 && name[0] != '.' && name[0] != '-';
    for (const char c : name)
        fits = fits && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-');
    return fits;
}

template <class T> const char* dtype_of();
template <> const char* dtype_of<float>() { return "<f4"; }
template <> const char* dtype_of<double>() { return "<f8"; }
template <> const char* dtype_of<uint16_t>() { return "<f2"; }  // bits of a half
template <> const char* dtype_of<int16_t>() { return "<i2"; }
template <> const char* dtype_of<int32_t>() { return "<i4"; }
template <> const char* dtype_of<int64_t>() { return "<i8"; }

}  // namespace

int64_t Array::count() const {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    return count;
}

std::string Array::text() const {
    std::string result = "(";
    for (size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i]);
    return result + ") " + dtype;
}

template <class T> std::vector<T> Array::values() const {
    if (dtype != dtype_of<T>()) manifest_fault("npz", "array", text(), dtype_of<T>());
    std::vector<T> result(bytes.size() / sizeof(T));
    if (!result.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
}
template std::vector<float> Array::values<float>() const;
template std::vector<double> Array::values<double>() const;
template std::vector<uint16_t> Array::values<uint16_t>() const;
template std::vector<int16_t> Array::values<int16_t>() const;
template std::vector<int32_t> Array::values<int32_t>() const;
template std::vector<int64_t> Array::values<int64_t>() const;

std::vector<std::string> Array::texts() const {
    if (dtype.size() < 3 || dtype[1] != 'U') manifest_fault("npz", "array", text(), "texts (<U...)");
    const size_t size = size_t(item_size(dtype));
    std::vector<std::string> result;
    for (size_t item = 0; size != 0 && item + size <= bytes.size(); item += size) {
        size_t end = item + size;
        while (end > item && (bytes[end - 4] | bytes[end - 3] | bytes[end - 2] | bytes[end - 1]) == 0) end -= 4;
        std::string one;
        for (size_t at = item; at < end; at += 4) {
            uint32_t code = 0;
            for (size_t i = 0; i < 4; ++i) code |= uint32_t(bytes[at + i]) << (8 * i);
            if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
                one.clear();
                break;
            }
            append_utf8(one, code);
        }
        result.push_back(std::move(one));
    }
    return result;
}

Arrays read_arrays(const std::string& what, const uint8_t* data, size_t size, Allowance& allowance) {
    const MemoryStorage storage(data, size);
    const ZipReader zip(storage, [&](const std::string& why) { broken(what, why); },
                        [&](const std::string& name) {
                            if (!array_file_name(name)) broken(what, "a member that is no array");
                        });
    if (zip.inflated() > kMostBytes || !allowance.spend(zip.inflated())) refuse_bomb(what, zip.inflated());
    Arrays arrays;
    for (const ZipEntry& entry : zip.entries())
        arrays[entry.name.substr(0, entry.name.size() - 4)] = read_array(what, zip.read(entry));
    return arrays;
}

const Array& require_array(const Arrays& arrays, const std::string& what, const std::string& name,
                           const std::vector<int64_t>& shape, const std::string& dtype) {
    std::string wanted = "shape (";
    for (size_t i = 0; i < shape.size(); ++i) {
        if (i) wanted += ", ";
        wanted += shape[i] < 0 ? "any" : std::to_string(shape[i]);
    }
    wanted += ") " + dtype;
    const auto found = arrays.find(name);
    if (found == arrays.end()) manifest_fault(what, name, "nothing", "an array of " + wanted);
    const Array& array = found->second;
    bool fits = array.shape.size() == shape.size() && (dtype.empty() || array.dtype == dtype);
    for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == array.shape[i];
    if (!fits) manifest_fault(what, name, "shape " + array.text(), wanted);
    return array;
}

}  // namespace emoface::runtime
