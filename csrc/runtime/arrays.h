// Arrays of .npz files (NumPy's format), never unpickled.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "zip_reader.h"

namespace emoface::runtime {

struct Array {
    std::string dtype;  // NumPy's, little-endian: "<f4", "<i8", "|u1", "<U12"
    std::vector<int64_t> shape;
    Bytes bytes;  // C order

    int64_t count() const;
    std::string text() const;  // "(3, 4) <f4"
    // The values as T; the dtype must be T's.
    template <class T> std::vector<T> values() const;
    // The texts of an array of dtype "<U...", as UTF-8; empty for one that holds what is no character.
    std::vector<std::string> texts() const;
};

using Arrays = std::map<std::string, Array>;

class Allowance;

// All arrays of an npz file; Failure (MANIFEST) naming `what` for anything else, (PACKAGE_INTEGRITY) for more bytes than
// are allowed.
Arrays read_arrays(const std::string& what, const uint8_t* data, size_t size, Allowance& allowance);

// One array by name, shape (-1: any extent) and dtype ("": any); Failure (MANIFEST) where it is another.
const Array& require_array(const Arrays& arrays, const std::string& what, const std::string& name,
                           const std::vector<int64_t>& shape, const std::string& dtype);

}  // namespace emoface::runtime
