// Numpy arrays to pointers and sizes: dtype and shape checks with "got ...; expected ..." messages.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "spiral_conv3d.h"

namespace emoface::python {

namespace py = pybind11;
using Shape = std::vector<int64_t>;  // -1: any extent >= 1

template <class T> constexpr const char* dtype_name();
template <> constexpr const char* dtype_name<float>() { return "float32"; }
template <> constexpr const char* dtype_name<int32_t>() { return "int32"; }
template <> constexpr const char* dtype_name<int64_t>() { return "int64"; }

inline std::string text_of(const py::array& array) {
    return std::string(py::str(array.dtype())) + " " + std::string(py::str(array.attr("shape")));
}

// "a float32 array [5023, 18]"; `letters` names the extents that are free.
inline std::string wish(const char* dtype, const Shape& shape, const std::vector<std::string>& letters) {
    std::string text = std::string(dtype) + " [";
    for (size_t i = 0; i < shape.size(); ++i)
        text += (i ? ", " : "") + (shape[i] < 0 ? letters[i] : std::to_string(shape[i]));
    return text + "]";
}

[[noreturn]] inline void refuse_shape(const char* name, const py::array& got, const std::string& expected) {
    throw py::value_error(std::string("got ") + name + " " + text_of(got) + "; expected " + expected + ".");
}

// A C-contiguous view (or copy) of `object`; TypeError for another dtype, ValueError for another shape.
template <class T>
py::array_t<T, py::array::c_style> input(const char* name, const py::object& object, const Shape& shape,
                                         const std::vector<std::string>& letters) {
    const std::string expected = wish(dtype_name<T>(), shape, letters);
    if (!py::isinstance<py::array>(object))
        throw py::type_error(std::string("got ") + name + " of type " + py::str(py::type::of(object).attr("__name__")).cast<std::string>() +
                             "; expected a numpy array, " + expected + ".");
    const py::array array = py::reinterpret_borrow<py::array>(object);
    if (!py::isinstance<py::array_t<T>>(array))
        throw py::type_error(std::string("got ") + name + " " + text_of(array) + "; expected " + expected + ".");
    if (array.ndim() != py::ssize_t(shape.size())) refuse_shape(name, array, expected);
    for (size_t i = 0; i < shape.size(); ++i)
        if (shape[i] < 0 ? array.shape(py::ssize_t(i)) < 1 : array.shape(py::ssize_t(i)) != shape[i])
            refuse_shape(name, array, expected);
    auto dense = py::array_t<T, py::array::c_style>::ensure(array);
    if (!dense) throw py::error_already_set();
    return dense;
}

// An array that is written in place: as `input`, and it must be dense and writeable itself.
template <class T> T* output(const char* name, const py::object& object, const Shape& shape) {
    const auto checked = input<T>(name, object, shape, {});
    const py::array array = py::reinterpret_borrow<py::array>(object);
    if (checked.ptr() != array.ptr() || !array.writeable())
        throw py::value_error(std::string("got ") + name + " that is not C-contiguous and writeable; expected an array "
                              "that can be written in place.");
    return static_cast<T*>(py::array(array).mutable_data());
}

inline Isa isa_of(const std::string& name) {
    std::string known;
    for (Isa isa : {Isa::automatic, Isa::scalar, Isa::avx2, Isa::avx512}) {
        if (name == isa_name(isa)) {
            if (isa_available(isa)) return isa;
            throw py::value_error("got isa='" + name + "'; expected one that this processor and build have (see isa()).");
        }
        known += std::string(known.empty() ? "" : ", ") + isa_name(isa);
    }
    throw py::value_error("got isa='" + name + "'; expected one of " + known + ".");
}

inline void require(Status status) {
    if (status == Status::ok) return;
    if (status == Status::out_of_memory) throw std::bad_alloc();
    throw py::value_error(status_text(status));
}

}  // namespace emoface::python
