// SpiralConv3D for TensorRT 10 and 11 and for TensorRT for RTX: an IPluginV3 around kernels/spiral_conv3d_cuda.h.
//
// No TensorRT library is linked: the loader finds getCreators and setLoggerFinder, and everything else comes through
// virtual functions. One binary therefore serves every TensorRT of the major version it was compiled for, and TensorRT
// for RTX. See README.md beside this file for inputs, outputs and versions.
#include <NvInferRuntime.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

#include "spiral_conv3d_cuda.h"

#if defined(_WIN32)
#define EMOFACE_PLUGIN_EXPORT extern "C" __declspec(dllexport)
#else
#define EMOFACE_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))
#endif

using namespace nvinfer1;

namespace {

// The ONNX node carries this namespace as its attribute plugin_namespace; a node without plugin_version means "1".
constexpr char plugin_name[] = "SpiralConv3D", plugin_version[] = "1", plugin_namespace[] = "emoface";

// Raised when engines built with an older library can no longer be run by this one.
constexpr int32_t serialised_format = 1;
constexpr int32_t inputs = 5, outputs = 2, longest_window = 64;
enum Input { x_at, partial_at, spiral_at, weight_at, bias_at, y_at, new_partial_at };

std::atomic<ILoggerFinder*> logger_finder{nullptr};

// What went wrong, to TensorRT's log or, before there is one, to stderr. Returns -1, the interfaces' word for failure.
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
int32_t refuse(const char* format, ...) noexcept {
    char text[512];
    const int head = std::snprintf(text, sizeof text, "emoface::SpiralConv3D: ");
    va_list values;
    va_start(values, format);
    std::vsnprintf(text + head, sizeof text - size_t(head), format, values);
    va_end(values);
    ILoggerFinder* finder = logger_finder.load();
    ILogger* logger = nullptr;
    try {
        logger = finder ? finder->findLogger() : nullptr;
    } catch (...) {  // findLogger is the one function here that may throw
    }
    if (logger) logger->log(ILogger::Severity::kERROR, text);
    else std::fprintf(stderr, "%s\n", text);
    return -1;
}

const char* reason(emoface::Status status) noexcept {
    switch (status) {
    case emoface::Status::null_pointer: return "got a null address; expected one for every input and output";
    case emoface::Status::misaligned: return "got an address that is no multiple of its element's size";
    case emoface::Status::bad_size: return "got sizes that do not fit into one CUDA grid; expected fewer voices or frames";
    case emoface::Status::launch_failed: return "CUDA refused the kernel: is this GPU older than SM 80?";
    default: return "the kernel failed";
    }
}

// The five inputs' shapes. With `whole` every extent is known; otherwise extents below 0 are open and are not compared.
int32_t check_shapes(const Dims* const (&shapes)[inputs], int32_t delta, bool whole) noexcept {
    static constexpr int32_t ranks[inputs] = {4, 4, 2, 2, 1};
    static constexpr const char* names[inputs] = {"x [B, n, V, Cin]", "partial [B, delta - 1, V, Cout]",
                                                  "spiral [V, K]", "weight [Cout, delta * K * Cin]", "bias [Cout]"};
    for (int32_t i = 0; i < inputs; ++i) {
        if (shapes[i]->nbDims != ranks[i])
            return refuse("got %d axes; expected %s. Export the package again.", int(shapes[i]->nbDims), names[i]);
        for (int32_t axis = 0; axis < ranks[i]; ++axis)
            if (shapes[i]->d[axis] == 0 || (whole && shapes[i]->d[axis] < 0))
                return refuse("got extent %lld on axis %d; expected %s, all positive.",
                              static_cast<long long>(shapes[i]->d[axis]), int(axis), names[i]);
    }
    const auto extent = [&shapes](Input of, int axis) { return static_cast<long long>(shapes[of]->d[axis]); };
    const auto agree = [](long long got, long long want, const char* what) {
        if (got < 0 || want < 0 || got == want) return int32_t(0);
        return refuse("got %s = %lld; expected %lld. Export the package again.", what, got, want);
    };
    const long long taps = extent(spiral_at, 1) < 0 || extent(x_at, 3) < 0 ? -1 : delta * extent(spiral_at, 1) * extent(x_at, 3);
    if (agree(extent(partial_at, 0), extent(x_at, 0), "partial's batch") ||
        agree(extent(partial_at, 1), delta - 1, "partial's frames") ||
        agree(extent(partial_at, 2), extent(x_at, 2), "partial's vertices") ||
        agree(extent(partial_at, 3), extent(weight_at, 0), "partial's channels") ||
        agree(extent(spiral_at, 0), extent(x_at, 2), "the number of spirals") ||
        agree(extent(weight_at, 1), taps, "weight's columns, delta * K * Cin") ||
        agree(extent(bias_at, 0), extent(weight_at, 0), "the number of biases"))
        return -1;
    return 0;
}

class SpiralConv3DPlugin final : public IPluginV3,
                                 public IPluginV3OneCore,
                                 public IPluginV3OneBuild,
                                 public IPluginV3OneRuntime {
public:
    explicit SpiralConv3DPlugin(int32_t delta) noexcept : delta_(delta) {
        fields_[0] = PluginField("delta", &delta_, PluginFieldType::kINT32, 1);
        fields_[1] = PluginField("format", &serialised_format, PluginFieldType::kINT32, 1);
        collection_.nbFields = 2;
        collection_.fields = fields_;
    }

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        switch (type) {
        case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
        case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
        case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
        }
        return nullptr;
    }
    IPluginV3* clone() noexcept override { return new (std::nothrow) SpiralConv3DPlugin(delta_); }

    AsciiChar const* getPluginName() const noexcept override { return plugin_name; }
    AsciiChar const* getPluginVersion() const noexcept override { return plugin_version; }
    AsciiChar const* getPluginNamespace() const noexcept override { return plugin_namespace; }

    int32_t getNbOutputs() const noexcept override { return outputs; }

    int32_t getOutputDataTypes(DataType* types, int32_t count, DataType const* given, int32_t given_count) const
        noexcept override {
        if (!types || !given || count != outputs || given_count != inputs) return wrong_count(given_count, count);
        types[0] = types[1] = given[x_at];
        return 0;
    }

    int32_t getOutputShapes(DimsExprs const* given, int32_t given_count, DimsExprs const*, int32_t, DimsExprs* shapes,
                            int32_t count, IExprBuilder&) noexcept override {
        if (!given || !shapes || given_count != inputs || count != outputs) return wrong_count(given_count, count);
        if (given[x_at].nbDims != 4 || given[partial_at].nbDims != 4 || given[weight_at].nbDims != 2)
            return refuse("got x, partial, weight with %d, %d, %d axes; expected 4, 4, 2. Export the package again.",
                          int(given[x_at].nbDims), int(given[partial_at].nbDims), int(given[weight_at].nbDims));
        shapes[0] = given[x_at];
        shapes[0].d[3] = given[weight_at].d[0];
        shapes[1] = given[partial_at];
        return 0;
    }

    bool supportsFormatCombination(int32_t at, DynamicPluginTensorDesc const* tensors, int32_t given_count,
                                   int32_t count) noexcept override {
        if (!tensors || given_count != inputs || count != outputs || at < 0 || at >= inputs + outputs) return false;
        if (tensors[at].desc.format != PluginFormat::kLINEAR) return false;
        const DataType type = tensors[at].desc.type;
        if (at == spiral_at) return type == DataType::kINT32;
        if (at == x_at) return type == DataType::kFLOAT || type == DataType::kHALF;
        return type == tensors[x_at].desc.type;
    }

    int32_t configurePlugin(DynamicPluginTensorDesc const* given, int32_t given_count, DynamicPluginTensorDesc const*,
                            int32_t count) noexcept override {
        if (!given || given_count != inputs || count != outputs) return wrong_count(given_count, count);
        const Dims* shapes[inputs];
        for (int32_t i = 0; i < inputs; ++i) shapes[i] = &given[i].desc.dims;
        return check_shapes(shapes, delta_, false);
    }

    int32_t onShapeChange(PluginTensorDesc const* given, int32_t given_count, PluginTensorDesc const*,
                          int32_t count) noexcept override {
        if (!given || given_count != inputs || count != outputs) return wrong_count(given_count, count);
        const Dims* shapes[inputs];
        for (int32_t i = 0; i < inputs; ++i) shapes[i] = &given[i].dims;
        return check_shapes(shapes, delta_, true);
    }

    int32_t enqueue(PluginTensorDesc const* given, PluginTensorDesc const*, void const* const* in, void* const* out,
                    void*, cudaStream_t stream) noexcept override {
        if (!given || !in || !out) return refuse("got a null array from TensorRT; expected descriptions and addresses.");
        if (onShapeChange(given, inputs, nullptr, outputs)) return -1;
        const DataType type = given[x_at].type;
        if (type != DataType::kFLOAT && type != DataType::kHALF)
            return refuse("got x of TensorRT's data type %d; expected float or half.", int(type));
        const auto precision = type == DataType::kHALF ? emoface::Precision::fp16 : emoface::Precision::fp32;
        const Dims &x = given[x_at].dims, &spiral = given[spiral_at].dims, &weight = given[weight_at].dims;
        const emoface::SpiralConv3DSizes sizes{x.d[2], spiral.d[1], x.d[3], weight.d[0], delta_};
        int error = 0;
        const emoface::Status status = emoface::spiral_conv3d_cuda(
            sizes, x.d[0], x.d[1], precision, in[x_at], in[partial_at], static_cast<const int32_t*>(in[spiral_at]),
            in[weight_at], in[bias_at], out[0], out[1], stream, &error);
        if (status == emoface::Status::ok) return 0;
        return refuse("%s (CUDA error %d).", reason(status), error);
    }

    IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
    PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &collection_; }

private:
    static int32_t wrong_count(int32_t given, int32_t count) noexcept {
        return refuse("got %d inputs and %d outputs, or null arrays; expected %d and %d. Export the package again.",
                      int(given), int(count), int(inputs), int(outputs));
    }

    int32_t delta_;
    PluginField fields_[2]{};
    PluginFieldCollection collection_{};
};

// The value of the integer field `name`, `missing` where there is none or it is of another kind.
int64_t integer_field(PluginFieldCollection const& fields, const char* name, int64_t missing) noexcept {
    for (int32_t i = 0; fields.fields && i < fields.nbFields; ++i) {
        const PluginField& field = fields.fields[i];
        if (!field.name || std::strcmp(field.name, name) || !field.data || field.length < 1) continue;
        if (field.type == PluginFieldType::kINT32) {
            int32_t value;
            std::memcpy(&value, field.data, sizeof value);
            return value;
        }
        if (field.type == PluginFieldType::kINT64) {
            int64_t value;
            std::memcpy(&value, field.data, sizeof value);
            return value;
        }
    }
    return missing;
}

class SpiralConv3DCreator final : public IPluginCreatorV3One {
public:
    SpiralConv3DCreator() noexcept {
        field_ = PluginField("delta", nullptr, PluginFieldType::kINT32, 1);
        collection_.nbFields = 1;
        collection_.fields = &field_;
    }

    AsciiChar const* getPluginName() const noexcept override { return plugin_name; }
    AsciiChar const* getPluginVersion() const noexcept override { return plugin_version; }
    AsciiChar const* getPluginNamespace() const noexcept override { return plugin_namespace; }
    PluginFieldCollection const* getFieldNames() noexcept override { return &collection_; }

    IPluginV3* createPlugin(AsciiChar const*, PluginFieldCollection const* fields, TensorRTPhase phase) noexcept
        override {
        if (!fields) return refuse("got no fields; expected delta."), nullptr;
        if (phase == TensorRTPhase::kRUNTIME) {
            const int64_t format = integer_field(*fields, "format", 0);
            if (format != serialised_format)
                return refuse("got an engine of plugin format %lld; expected %d. Build the engine again with this library.",
                              static_cast<long long>(format), int(serialised_format)), nullptr;
        }
        const int64_t delta = integer_field(*fields, "delta", 0);
        if (delta < 1 || delta > longest_window)
            return refuse("got delta = %lld; expected 1 to %d.", static_cast<long long>(delta), int(longest_window)), nullptr;
        auto* made = new (std::nothrow) SpiralConv3DPlugin(int32_t(delta));
        if (!made) refuse("out of memory.");
        return made;
    }

private:
    PluginField field_{};
    PluginFieldCollection collection_{};
};

}  // namespace

EMOFACE_PLUGIN_EXPORT void setLoggerFinder(ILoggerFinder* finder) { logger_finder.store(finder); }

EMOFACE_PLUGIN_EXPORT IPluginCreatorInterface* const* getCreators(int32_t& count) {
    static SpiralConv3DCreator creator;
    static IPluginCreatorInterface* const creators[] = {&creator};
    count = 1;
    return creators;
}
