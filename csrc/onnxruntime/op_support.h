// What the operators' adapters share: element types, texts, and views of tensors as float.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "half.h"
#include "spiral_conv3d.h"

namespace emoface::ort {

// The C interface that these operators ask for, that of ONNX Runtime 1.20, as the C++ runtime does: one build runs in every
// ONNX Runtime that is supported, whatever headers it was compiled with.
constexpr uint32_t kApi = 20;
static_assert(ORT_API_VERSION >= kApi, "headers of ONNX Runtime 1.20 or newer");

using Shape = std::vector<int64_t>;

struct Half {
    uint16_t bits;
};

template <class T> constexpr ONNXTensorElementDataType element_type() {
    if constexpr (std::is_same_v<T, float>) return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    if constexpr (std::is_same_v<T, Half>) return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    if constexpr (std::is_same_v<T, int32_t>) return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
}

inline OrtStatus* failure(const char* op, OrtErrorCode code, const std::string& text) noexcept {
    return Ort::GetApi().CreateStatus(code, ("emoface::" + std::string(op) + ": " + text).c_str());
}

inline std::string text_of(const Shape& shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + "]";
}

inline int64_t elements(const Shape& shape) {
    int64_t count = 1;
    for (int64_t extent : shape) count *= extent;
    return count;
}

inline Shape shape_of(const Ort::ConstValue& value) { return value.GetTensorTypeAndShapeInfo().GetShape(); }

// A tensor's values as float: the tensor's own memory, or `room` filled from halves.
template <class T> const float* floats(const Ort::ConstValue& value, int64_t count, std::vector<float>& room) {
    if constexpr (std::is_same_v<T, float>) return value.GetTensorData<float>();
    room.resize(static_cast<size_t>(count));
    emoface::from_half(static_cast<const uint16_t*>(value.GetTensorRawData()), room.data(), count);
    return room.data();
}

// An output to be written as float: the tensor's own memory, or room that `finish` rounds to halves.
template <class T> class Output {
public:
    Output(Ort::KernelContext& context, size_t index, const Shape& shape)
        : value_(context.GetOutput(index, shape)), count_(elements(shape)) {
        if constexpr (!std::is_same_v<T, float>) room_.resize(static_cast<size_t>(count_));
    }
    float* data() {
        if constexpr (std::is_same_v<T, float>) return value_.template GetTensorMutableData<float>();
        return room_.data();
    }
    void finish() {
        if constexpr (!std::is_same_v<T, float>)
            emoface::to_half(room_.data(), static_cast<uint16_t*>(value_.GetTensorMutableRawData()), count_);
    }

private:
    Ort::UnownedValue value_;
    int64_t count_;
    std::vector<float> room_;
};

// An unknown extent without a name reads as -1, and ONNX Runtime aborts when that is written back.
inline bool known(const Ort::ShapeInferContext::Shape& shape) {
    for (const auto& extent : shape)
        if (extent.IsInt() && extent.AsInt() < 0) return false;
    return true;
}

}  // namespace emoface::ort
