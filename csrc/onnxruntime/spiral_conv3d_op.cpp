// libemoface_onnxruntime: the node emoface::SpiralConv3D (version 1) for ONNX Runtime's CPU provider, float and half,
// and the entry point that registers all operators.
//
// A graph that has the node and its body in standard operators takes this kernel when the library is registered. When
// spiral, weight and bias are constants (as in exported packages) they are checked and packed once per session.
// Nothing links to ONNX Runtime: the API table comes from the program that loads the library.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "op_support.h"
#include "spiral_conv3d.h"
#include "step_ops.h"

namespace {

using emoface::SpiralConv3D;
using emoface::SpiralConv3DSizes;
using emoface::Status;
using namespace emoface::ort;

OrtStatus* failure(OrtErrorCode code, const std::string& text) noexcept {
    return emoface::ort::failure("SpiralConv3D", code, text);
}

// Indices as int32: the tensor's own memory, or `room`; false if one does not fit.
template <class I> bool indices(const Ort::ConstValue& value, int64_t count, std::vector<int32_t>& room, const int32_t** out) {
    if constexpr (std::is_same_v<I, int32_t>) {
        *out = value.GetTensorData<int32_t>();
        return true;
    }
    const auto* wide = static_cast<const int64_t*>(value.GetTensorRawData());
    room.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
        if (wide[i] < INT32_MIN || wide[i] > INT32_MAX) return false;
        room[static_cast<size_t>(i)] = static_cast<int32_t>(wide[i]);
    }
    *out = room.data();
    return true;
}

template <class T, class I> class Kernel {
public:
    explicit Kernel(const OrtKernelInfo* raw) {
        const Ort::ConstKernelInfo info(raw);
        delta_ = info.GetAttribute<int64_t>("delta");
        int constant[3] = {};
        const Ort::ConstValue spiral = info.GetTensorConstantInput(2, &constant[0]);
        const Ort::ConstValue weight = info.GetTensorConstantInput(3, &constant[1]);
        const Ort::ConstValue bias = info.GetTensorConstantInput(4, &constant[2]);
        if (constant[0] && constant[1] && constant[2]) error_ = prepare(spiral, weight, bias, &prepared_);
    }

    OrtStatusPtr ComputeV2(OrtKernelContext* raw) noexcept try {
        if (!error_.empty()) return failure(ORT_INVALID_ARGUMENT, error_);
        Ort::KernelContext context(raw);
        std::unique_ptr<SpiralConv3D> made;
        const SpiralConv3D* operation = prepared_.get();
        if (!operation) {
            const std::string error = prepare(context.GetInput(2), context.GetInput(3), context.GetInput(4), &made);
            if (!error.empty()) return failure(ORT_INVALID_ARGUMENT, error);
            operation = made.get();
        }
        return run(*operation, context);
    } catch (const std::bad_alloc&) {
        return failure(ORT_FAIL, "out of memory");
    } catch (const std::exception& error) {
        return failure(ORT_FAIL, error.what());
    }

private:
    // An empty text, or what is wrong.
    std::string prepare(const Ort::ConstValue& spiral, const Ort::ConstValue& weight, const Ort::ConstValue& bias,
                        std::unique_ptr<SpiralConv3D>* made) const {
        const Shape s = spiral.GetTensorTypeAndShapeInfo().GetShape(), w = weight.GetTensorTypeAndShapeInfo().GetShape();
        const Shape b = bias.GetTensorTypeAndShapeInfo().GetShape();
        const std::string got = "got spiral " + text_of(s) + ", weight " + text_of(w) + ", bias " + text_of(b) +
                                ", delta " + std::to_string(delta_);
        const std::string expected = "; expected [V, K], [Cout, delta * K * Cin], [Cout], all positive";
        if (s.size() != 2 || w.size() != 2 || b.size() != 1 || b[0] != w[0]) return got + expected;
        if (delta_ < 1 || delta_ > 64 || s[0] < 1 || s[1] < 1 || s[1] > INT32_MAX || w[0] < 1 || w[1] < 1 ||
            w[1] % (delta_ * s[1]) != 0)
            return got + expected + ", delta at most 64";
        const SpiralConv3DSizes sizes{s[0], s[1], w[1] / (delta_ * s[1]), w[0], delta_};
        std::vector<int32_t> narrow;
        std::vector<float> weights, biases;
        const int32_t* list = nullptr;
        if (!indices<I>(spiral, s[0] * s[1], narrow, &list)) return got + "; " + status_text(Status::index_out_of_range);
        const Status status = SpiralConv3D::make(sizes, list, floats<T>(weight, w[0] * w[1], weights),
                                                 floats<T>(bias, b[0], biases), emoface::Isa::automatic, made);
        return status == Status::ok ? "" : got + "; " + status_text(status);
    }

    OrtStatusPtr run(const SpiralConv3D& operation, Ort::KernelContext& context) const {
        const SpiralConv3DSizes& s = operation.sizes();
        const Ort::ConstValue x = context.GetInput(0), partial = context.GetInput(1);
        const Shape given = x.GetTensorTypeAndShapeInfo().GetShape(), owed = partial.GetTensorTypeAndShapeInfo().GetShape();
        if (given.size() != 4 || given[0] < 1 || given[1] < 1 || given[2] != s.vertices || given[3] != s.channels_in)
            return failure(ORT_INVALID_ARGUMENT, "got x " + text_of(given) + "; expected [B, n, " +
                           std::to_string(s.vertices) + ", " + std::to_string(s.channels_in) + "] with B, n >= 1");
        const Shape wanted{given[0], s.delta - 1, s.vertices, s.channels_out};
        if (owed != wanted)
            return failure(ORT_INVALID_ARGUMENT, "got partial " + text_of(owed) + "; expected " + text_of(wanted));
        const Shape result{given[0], given[1], s.vertices, s.channels_out};
        Ort::UnownedValue y = context.GetOutput(0, result), rest = context.GetOutput(1, wanted);
        Status status;
        if constexpr (std::is_same_v<T, float>) {
            status = operation.run(given[0], given[1], x.GetTensorData<float>(), partial.GetTensorData<float>(),
                                   y.GetTensorMutableData<float>(), rest.GetTensorMutableData<float>());
        } else {
            const int64_t y_count = result[0] * result[1] * result[2] * result[3];
            const int64_t rest_count = wanted[0] * wanted[1] * wanted[2] * wanted[3];
            std::vector<float> values, sums, out(static_cast<size_t>(y_count)), new_sums(static_cast<size_t>(rest_count));
            const int64_t x_count = given[0] * given[1] * given[2] * given[3];
            status = operation.run(given[0], given[1], floats<T>(x, x_count, values), floats<T>(partial, rest_count, sums),
                                   out.data(), new_sums.data());
            emoface::to_half(out.data(), static_cast<uint16_t*>(y.GetTensorMutableRawData()), y_count);
            emoface::to_half(new_sums.data(), static_cast<uint16_t*>(rest.GetTensorMutableRawData()), rest_count);
        }
        return status == Status::ok ? nullptr : failure(ORT_INVALID_ARGUMENT, status_text(status));
    }

    int64_t delta_ = 0;
    std::string error_;  // what is wrong with the constants
    std::unique_ptr<SpiralConv3D> prepared_;
};

template <class T, class I> struct Op : Ort::CustomOpBase<Op<T, I>, Kernel<T, I>, true> {
    Op() { this->version = kApi; }
    OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const noexcept try {
        *kernel = new Kernel<T, I>(info);
        return nullptr;
    } catch (const std::exception& error) {
        return failure(ORT_FAIL, error.what());
    }
    const char* GetName() const { return "SpiralConv3D"; }
    const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
    size_t GetInputTypeCount() const { return 5; }  // x, partial, spiral, weight, bias
    ONNXTensorElementDataType GetInputType(size_t index) const {
        return index == 2 ? element_type<I>() : element_type<T>();
    }
    size_t GetOutputTypeCount() const { return 2; }  // y, new_partial
    ONNXTensorElementDataType GetOutputType(size_t) const { return element_type<T>(); }

    static Ort::Status InferOutputShape(Ort::ShapeInferContext& context) try {
        const auto x = context.GetInputShape(0), partial = context.GetInputShape(1), weight = context.GetInputShape(3);
        if (x.size() == 4 && weight.size() == 2) {
            auto y = x;
            y[3] = weight[0];
            if (known(y)) context.SetOutputShape(0, y, element_type<T>());
        }
        if (partial.size() == 4 && known(partial)) context.SetOutputShape(1, partial, element_type<T>());
        return Ort::Status{nullptr};
    } catch (const std::exception& error) {
        return Ort::Status{error.what(), ORT_FAIL};
    }
};

}  // namespace

#if defined(_WIN32)
#define EMOFACE_EXPORT extern "C" __declspec(dllexport)
#else
#define EMOFACE_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// What SessionOptions.register_custom_ops_library calls.
EMOFACE_EXPORT OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
    const OrtApi* api = base->GetApi(kApi);
    if (!api) {
        const OrtApi* oldest = base->GetApi(1);
        const std::string text = "emoface: got ONNX Runtime " + std::string(base->GetVersionString()) +
                                 "; expected 1." + std::to_string(kApi) + " or newer. Update onnxruntime.";
        return oldest ? oldest->CreateStatus(ORT_FAIL, text.c_str()) : nullptr;
    }
    try {
        // There is one table of functions for all sessions: called with another version's, it would meet objects that
        // it does not know. Two runtimes of one version (Python's and ours) know each other's.
        static const std::string first = base->GetVersionString();
        if (first != base->GetVersionString()) {
            const std::string text = "emoface: got ONNX Runtime " + std::string(base->GetVersionString()) +
                                     " in a process where " + first + " has loaded this library; expected one version. "
                                     "Use the same onnxruntime for both, or a copy of this file for the other.";
            return api->CreateStatus(ORT_FAIL, text.c_str());
        }
        Ort::InitApi(api);
        // The operators and their domain must outlive every session.
        static const Op<float, int32_t> float_op;
        static const Op<float, int64_t> float_wide_op;
        static const Op<Half, int32_t> half_op;
        static const Op<Half, int64_t> half_wide_op;
        static Ort::CustomOpDomain domain("emoface");
        static std::once_flag added;
        std::call_once(added, [] {
            domain.Add(&float_op);
            domain.Add(&float_wide_op);
            domain.Add(&half_op);
            domain.Add(&half_wide_op);
            emoface::ort::add_step_operators(domain);
        });
        Ort::UnownedSessionOptions(options).Add(domain);
    } catch (const Ort::Exception& error) {
        return api->CreateStatus(error.GetOrtErrorCode(), error.what());
    } catch (const std::exception& error) {
        return api->CreateStatus(ORT_FAIL, error.what());
    }
    return nullptr;
}
