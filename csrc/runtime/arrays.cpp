#include "arrays.h"

#include <cstring>

#include "failure.h"

namespace emoface::runtime {
namespace {

constexpr uint64_t kMostBytes = uint64_t(2) << 30;
constexpr char kMagic[] = "\x93NUMPY";

[[noreturn]] void broken(const std::string& what, const std::string& why) {
    manifest_fault(what, "contents", why, "an npz file of plain little-endian arrays");
}

// The header of a .npy file: a Python dict of three known keys.
class Header {
public:
    Header(std::string text, std::string what) : text_(std::move(text)), what_(std::move(what)) {}

    std::string dtype() const {
        const size_t at = value("'descr'");
        if (at >= text_.size() || text_[at] != '\'') broken(what_, "an array of records or objects");
        const size_t end = text_.find('\'', at + 1);
        if (end == std::string::npos) broken(what_, "a broken array header");
        return text_.substr(at + 1, end - at - 1);
    }
    bool fortran_order() const { return text_.compare(value("'fortran_order'"), 4, "True") == 0; }
    std::vector<int64_t> shape() const {
        size_t at = value("'shape'");
        if (at >= text_.size() || text_[at] != '(') broken(what_, "a broken array header");
        std::vector<int64_t> shape;
        for (++at; at < text_.size() && text_[at] != ')';) {
            if (text_[at] < '0' || text_[at] > '9') {
                if (text_[at] != ' ' && text_[at] != ',') broken(what_, "a broken shape");
                ++at;
                continue;
            }
            int64_t extent = 0;
            for (; at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; ++at) {
                extent = 10 * extent + (text_[at] - '0');
                if (extent > int64_t(kMostBytes)) broken(what_, "a shape beyond all memory");
            }
            shape.push_back(extent);
            if (shape.size() > 8) broken(what_, "an array of more than 8 axes");
        }
        return shape;
    }

private:
    size_t value(const char* key) const {
        size_t at = text_.find(key);
        if (at == std::string::npos) broken(what_, std::string("an array header without ") + key);
        at = text_.find(':', at + std::strlen(key));
        if (at == std::string::npos) broken(what_, "a broken array header");
        at = text_.find_first_not_of(' ', at + 1);
        return at == std::string::npos ? text_.size() : at;
    }
    std::string text_, what_;
};

// Bytes per item of a dtype that this reader keeps, 0 for others.
uint64_t item_size(const std::string& dtype) {
    if (dtype.size() < 3) return 0;
    if (dtype == "|u1" || dtype == "|i1" || dtype == "|b1") return 1;
    if (dtype[0] != '<') return 0;
    if (dtype[1] == 'U') {
        uint64_t length = 0;
        for (size_t i = 2; i < dtype.size(); ++i) {
            if (dtype[i] < '0' || dtype[i] > '9' || length > 100000) return 0;
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
    size_t length = size_t(file[8]) | size_t(file[9]) << 8;
    if (longer) length |= size_t(file[10]) << 16 | size_t(file[11]) << 24;
    const size_t start = longer ? 12 : 10;
    if (file[6] < 1 || file[6] > 3 || length > file.size() - start) broken(what, "a broken array header");
    const Header header(std::string(reinterpret_cast<const char*>(file.data()) + start, length), what);
    Array array;
    array.dtype = header.dtype();
    array.shape = header.shape();
    const uint64_t size = item_size(array.dtype);
    if (size == 0) broken(what, "an array of dtype " + array.dtype);
    uint64_t bytes = size;
    for (const int64_t extent : array.shape) {
        if (extent != 0 && bytes > kMostBytes / uint64_t(extent)) broken(what, "an array beyond all memory");
        bytes *= uint64_t(extent);
    }
    if (bytes != file.size() - start - length) broken(what, "an array whose bytes do not fit its shape");
    array.bytes.assign(file.begin() + std::ptrdiff_t(start + length), file.end());
    if (header.fortran_order() && array.shape.size() > 1) array.bytes = to_c_order(array.bytes, array.shape, size);
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

template <class T> const char* dtype_of();
template <> const char* dtype_of<float>() { return "<f4"; }
template <> const char* dtype_of<double>() { return "<f8"; }
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
template std::vector<int16_t> Array::values<int16_t>() const;
template std::vector<int32_t> Array::values<int32_t>() const;
template std::vector<int64_t> Array::values<int64_t>() const;

std::vector<std::string> Array::texts() const {
    if (dtype.size() < 3 || dtype[1] != 'U') manifest_fault("npz", "array", text(), "texts (<U...)");
    const size_t size = size_t(item_size(dtype));
    std::vector<std::string> result;
    for (size_t item = 0; size != 0 && item + size <= bytes.size(); item += size) {
        std::string one;
        for (size_t at = item; at < item + size; at += 4) {
            uint32_t code = 0;
            for (size_t i = 0; i < 4; ++i) code |= uint32_t(bytes[at + i]) << (8 * i);
            if (code == 0) break;
            append_utf8(one, code < 0x110000 ? code : 0xFFFD);
        }
        result.push_back(std::move(one));
    }
    return result;
}

Arrays read_arrays(const std::string& what, const uint8_t* data, size_t size) {
    Arrays arrays;
    try {
        const ZipReader zip(data, size, what);
        uint64_t total = 0;
        for (const ZipEntry& entry : zip.entries()) total += entry.size;
        if (total > kMostBytes)
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, what + ": " + std::to_string(total) + " bytes",
                 std::to_string(kMostBytes) + " bytes at most", kFetch);
        for (const ZipEntry& entry : zip.entries()) {
            std::string name = entry.name;
            if (name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0) name.resize(name.size() - 4);
            arrays[name] = read_array(what, zip.read(entry));
        }
    } catch (const Failure& failure) {
        if (failure.status() != EMOFACE_ERROR_PACKAGE_INTEGRITY) throw;
        broken(what, failure.what());
    }
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
    bool fits = array.shape.size() == shape.size() && array.dtype == dtype;
    for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == array.shape[i];
    if (!fits) manifest_fault(what, name, "shape " + array.text(), wanted);
    return array;
}

}  // namespace emoface::runtime
