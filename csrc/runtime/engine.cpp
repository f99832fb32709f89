#include "engine.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "failure.h"
#include "package.h"
#include "platform.h"

namespace emoface::runtime {
namespace {

const char* const kReexport = "Export the package again.";

ONNXTensorElementDataType onnx_type(DType dtype) {
    switch (dtype) {
        case DType::float16: return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
        case DType::int64: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
        case DType::int32: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
        default: return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    }
}

uint16_t half_bits(float value) {
    // States begin with small whole numbers; ONNX Runtime's own type rounds them as NumPy does.
    return Ort::Float16_t(value).val;
}

void fill(Buffer& buffer, DType dtype, double value) {
    const size_t count = buffer.size() / dtype_size(dtype);
    if (dtype == DType::float32) std::fill_n(buffer.floats(), count, float(value));
    if (dtype == DType::float16) std::fill_n(reinterpret_cast<uint16_t*>(buffer.data()), count, half_bits(float(value)));
    if (dtype == DType::int64) std::fill_n(reinterpret_cast<int64_t*>(buffer.data()), count, int64_t(value));
    if (dtype == DType::int32) std::fill_n(reinterpret_cast<int32_t*>(buffer.data()), count, int32_t(value));
}

size_t bytes_of(const TensorSpec& spec, int64_t n) {
    size_t bytes = dtype_size(spec.dtype);
    for (const Extent& extent : spec.shape) bytes *= size_t(extent.at(n));
    return bytes;
}

std::string kernel_path() { return own_folder() + kKernelLibraryName; }

bool has_kernels() {
    std::error_code error;
    return std::filesystem::is_regular_file(std::filesystem::u8path(kernel_path()), error);
}

void add_kernels(Ort::SessionOptions& options) {
    const std::string path = kernel_path();
    if (!has_kernels())
        fail(EMOFACE_ERROR_BACKEND, "no file " + path, "EmoFace's kernels beside this library",
             "Install the library there, or use the backend ort-cpu.");
    with_onnxruntime(path, "a library that this ONNX Runtime loads", "Build it for this ONNX Runtime, or use ort-cpu.", [&] {
        options.RegisterCustomOpsLibrary(std::filesystem::u8path(path).c_str());
    });
}

// The exporter lists the caches that only EmoFace's attention reads; it moves them on where they lie.
std::vector<std::string> states_in_place(Ort::Session& session) {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto listed = session.GetModelMetadata().LookupCustomMetadataMapAllocated("emoface.in_place", allocator);
    std::istringstream words(listed ? listed.get() : "");
    return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
}

}  // namespace

Engine::Engine(const Package& package, const std::string& backend, const std::string& precision, int threads)
    : backend_(backend), precision_(precision) {
    if (backend != "ort-cpu" && backend != "ort-cpu-native")
        fail(EMOFACE_ERROR_BACKEND, "backend = " + backend, "ort-cpu or ort-cpu-native", "Choose one of them.");
    const Ort::Env& env = onnxruntime_env();
    Ort::SessionOptions options;
    // As the Python backend: one thread, since a second core serves the next stream better.
    options.SetIntraOpNumThreads(threads);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
    // As Python: without VNNI the default int8 kernels saturate, and the answer is another.
    options.AddConfigEntry("session.x64quantprecision", "1");
    if (threads > 1) options.AddConfigEntry("session.intra_op.allow_spinning", "0");
    if (backend == "ort-cpu-native") add_kernels(options);
    for (const StageSpec& stage : package.manifest().stages) {
        const std::string& name = *stage.file(precision);
        const Bytes& file = package.file(name);
        sessions_.push_back(with_onnxruntime(name, "a graph that this ONNX Runtime loads", "Use a newer ONNX Runtime, or export the package again.", [&] {
            auto session = std::make_unique<Ort::Session>(env, file.data(), file.size(), options);
            in_place_.push_back(backend == "ort-cpu-native" ? states_in_place(*session) : std::vector<std::string>());
            return session;
        }));
    }
}

std::string resolve_backend(const std::string& name) {
    if (!name.empty() && name != "auto") return name;
    return has_kernels() ? "ort-cpu-native" : "ort-cpu";
}

Buffer::Buffer(size_t bytes) : storage_(bytes + 64), size_(bytes) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    data_ = storage_.data() + (64 - address % 64) % 64;
}

StageStream::StageStream(const StageSpec& spec, Ort::Session& session, const std::vector<std::string>& in_place)
    : spec_(spec), session_(session), memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeCPU)) {
    for (const TensorSpec& state : spec.state) {
        const bool one = std::find(in_place.begin(), in_place.end(), state.name) != in_place.end();
        states_[0].push_back(std::make_shared<Buffer>(bytes_of(state, 1)));
        states_[1].push_back(one ? states_[0].back() : std::make_shared<Buffer>(bytes_of(state, 1)));
    }
    reset();
}

void StageStream::reset() {
    read_ = 0;
    for (size_t i = 0; i < spec_.state.size(); ++i) fill(*states_[0][i], spec_.state[i].dtype, spec_.state[i].initial);
}

void StageStream::set_state(size_t index, const uint8_t* bytes) {
    Buffer& buffer = *states_[read_][index];
    std::memcpy(buffer.data(), bytes, buffer.size());
}

StageStream::Calls& StageStream::calls(int64_t n) {
    for (const auto& known : calls_)
        if (known->n == n) return *known;
    auto fresh = std::make_unique<Calls>();
    fresh->n = n;
    bind(fresh->read[0], n, 0);
    bind(fresh->read[1], n, 1);
    calls_.push_back(std::move(fresh));
    return *calls_.back();
}

void StageStream::prepare(int64_t n) { calls(n); }

Buffer& StageStream::input(int64_t n, size_t index) { return *calls(n).read[read_].inputs[index]; }

void StageStream::bind(Call& call, int64_t n, size_t read) {
    call.binding = std::make_unique<Ort::IoBinding>(session_);
    const auto tensor = [&](const TensorSpec& spec, Buffer& buffer) {
        const std::vector<int64_t> shape = concrete(spec.shape, n);
        return Ort::Value::CreateTensor(memory_, buffer.data(), buffer.size(), shape.data(), shape.size(), onnx_type(spec.dtype));
    };
    for (const TensorSpec& spec : spec_.inputs) {
        call.inputs.push_back(std::make_unique<Buffer>(bytes_of(spec, n)));
        call.binding->BindInput(spec.name.c_str(), tensor(spec, *call.inputs.back()));
    }
    for (const TensorSpec& spec : spec_.outputs) {
        call.outputs.push_back(std::make_unique<Buffer>(bytes_of(spec, n)));
        call.binding->BindOutput(spec.name.c_str(), tensor(spec, *call.outputs.back()));
    }
    for (size_t i = 0; i < spec_.state.size(); ++i) {
        const TensorSpec& spec = spec_.state[i];
        call.binding->BindInput(("state." + spec.name).c_str(), tensor(spec, *states_[read][i]));
        call.binding->BindOutput(("new_state." + spec.name).c_str(), tensor(spec, *states_[1 - read][i]));
    }
}

void StageStream::run(int64_t n) {
    Call& call = calls(n).read[read_];
    try {
        session_.Run(run_options_, *call.binding);
    } catch (const Ort::Exception& error) {
        onnxruntime_failed("stage " + spec_.name, "a graph that runs", kReexport, error.what());
    }
    read_ = 1 - read_;
    latest_ = &call;
}

size_t item_bytes(const TensorSpec& spec) {
    size_t bytes = dtype_size(spec.dtype);
    for (size_t axis = 2; axis < spec.shape.size(); ++axis) bytes *= size_t(spec.shape[axis].at(0));
    return bytes;
}

}  // namespace emoface::runtime
