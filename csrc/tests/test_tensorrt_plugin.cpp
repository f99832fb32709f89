// Tests of csrc/tensorrt without TensorRT and without a GPU: the plugin's interfaces called as TensorRT calls them, the
// CUDA kernel replaced by its own body run on the host. Prints one line per failure; exit code 1 if there is one.
// Run by tests/tensorrt/test_plugin.py with the headers that TENSORRT_ROOT names.
#include <NvInferRuntime.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "spiral_conv3d_cuda.h"
#include "spiral_conv3d_device.h"

using namespace nvinfer1;

extern "C" void setLoggerFinder(ILoggerFinder* finder);
extern "C" IPluginCreatorInterface* const* getCreators(int32_t& count);

// What the plugin links against: the same body, thread after thread.
namespace emoface {
Status spiral_conv3d_cuda(const SpiralConv3DSizes& s, int64_t batch, int64_t frames, Precision precision, const void* x,
                          const void* partial, const int32_t* spiral, const void* weight, const void* bias, void* y,
                          void* new_partial, void*, int* cuda_error) noexcept {
    if (cuda_error) *cuda_error = 0;
    if (!x || !spiral || !weight || !bias || !y) return Status::null_pointer;
    if (precision == Precision::fp16) return Status::launch_failed;
    const device::Grid grid{int32_t(batch),         int32_t(frames),         int32_t(s.vertices), int32_t(s.kernel),
                            int32_t(s.channels_in), int32_t(s.channels_out), int32_t(s.delta)};
    const auto f = [](const void* p) { return static_cast<const float*>(p); };
    const device::Arrays<float> arrays{f(x), f(partial), spiral, f(weight), f(bias), static_cast<float*>(y), static_cast<float*>(new_partial)};
    for (int64_t i = 0; i < grid.threads(); ++i) device::spiral_conv3d_thread(grid, arrays, i);
    return Status::ok;
}
}  // namespace emoface

namespace {

int failures = 0;
std::string last;

void check(bool good, const char* what) {
    if (good) return;
    ++failures;
    std::printf("FAILED %s (last message: %s)\n", what, last.c_str());
}

bool said(const char* text) { return last.find(text) != std::string::npos; }

class Log final : public ILogger {
public:
    void log(Severity severity, AsciiChar const* message) noexcept override {
        if (severity == Severity::kERROR) last = message;
    }
};

class Finder final : public ILoggerFinder {
public:
    ILogger* findLogger() override { return &log_; }
    ~Finder() = default;

private:
    Log log_;
};

Dims dims(std::initializer_list<int64_t> extents) {
    Dims made{};
    made.nbDims = int32_t(extents.size());
    int32_t axis = 0;
    for (int64_t extent : extents) made.d[axis++] = decltype(made.d[0] + 0)(extent);
    return made;
}

IPluginV3* make(IPluginCreatorV3One* creator, std::vector<PluginField> fields, TensorRTPhase phase) {
    PluginFieldCollection collection{};
    collection.nbFields = int32_t(fields.size());
    collection.fields = fields.data();
    last.clear();
    return creator->createPlugin("node", &collection, phase);
}

constexpr int64_t V = 7, K = 3, Cin = 4, Cout = 2, delta = 3, n = 2;

std::vector<PluginTensorDesc> descriptions(DataType type = DataType::kFLOAT) {
    const Dims shapes[] = {dims({1, n, V, Cin}), dims({1, delta - 1, V, Cout}), dims({V, K}), dims({Cout, delta * K * Cin}),
                           dims({Cout}),         dims({1, n, V, Cout}),         dims({1, delta - 1, V, Cout})};
    std::vector<PluginTensorDesc> made(7);
    for (size_t i = 0; i < made.size(); ++i) {
        made[i].dims = shapes[i];
        made[i].type = i == 2 ? DataType::kINT32 : type;
        made[i].format = PluginFormat::kLINEAR;
    }
    return made;
}

void test_results(IPluginV3OneRuntime* run) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const auto fill = [&](int64_t count) {
        std::vector<float> values(static_cast<size_t>(count));
        for (float& value : values) value = normal(random);
        return values;
    };
    const auto x = fill(n * V * Cin), partial = fill((delta - 1) * V * Cout), weight = fill(Cout * delta * K * Cin), bias = fill(Cout);
    std::vector<int32_t> spiral;
    for (int64_t i = 0; i < V * K; ++i) spiral.push_back(int32_t(random() % V));
    std::vector<float> y(size_t(n * V * Cout)), rest(partial.size());
    const void* in[] = {x.data(), partial.data(), spiral.data(), weight.data(), bias.data()};
    void* out[] = {y.data(), rest.data()};
    const auto given = descriptions();
    check(run->enqueue(given.data(), given.data() + 5, in, out, nullptr, nullptr) == 0, "a good call");
    double worst = 0;
    for (int64_t f = 0; f < n + delta - 1; ++f)
        for (int64_t v = 0; v < V; ++v)
            for (int64_t o = 0; o < Cout; ++o) {
                double sum = f < delta - 1 ? partial[size_t((f * V + v) * Cout + o)] : 0.0;
                for (int64_t age = 0; age < delta; ++age) {
                    if (f - age < 0 || f - age >= n) continue;
                    for (int64_t k = 0; k < K; ++k)
                        for (int64_t c = 0; c < Cin; ++c)
                            sum += double(weight[size_t(((o * delta + delta - 1 - age) * K + k) * Cin + c)]) *
                                   x[size_t(((f - age) * V + spiral[size_t(v * K + k)]) * Cin + c)];
                }
                const double got = f < n ? y[size_t((f * V + v) * Cout + o)] : rest[size_t(((f - n) * V + v) * Cout + o)];
                worst = std::fmax(worst, std::fabs(got - (f < n ? sum + bias[size_t(o)] : sum)));
            }
    check(worst < 2e-5, "results against double precision");

    in[3] = nullptr;
    check(run->enqueue(given.data(), given.data() + 5, in, out, nullptr, nullptr) != 0 && said("null address"), "null weight");
    check(run->enqueue(nullptr, nullptr, in, out, nullptr, nullptr) != 0 && said("null array"), "null descriptions");
    check(run->enqueue(given.data(), given.data() + 5, nullptr, out, nullptr, nullptr) != 0, "null inputs");
    check(run->enqueue(given.data(), given.data() + 5, in, nullptr, nullptr, nullptr) != 0, "null outputs");
    in[3] = weight.data();
    const auto half = descriptions(DataType::kHALF), wrong = descriptions(DataType::kINT8);
    check(run->enqueue(half.data(), half.data() + 5, in, out, nullptr, nullptr) != 0 && said("CUDA refused"), "a failed launch");
    check(run->enqueue(wrong.data(), wrong.data() + 5, in, out, nullptr, nullptr) != 0 && said("data type"), "a wrong type");
}

void test_shapes(IPluginV3OneBuild* build, IPluginV3OneRuntime* run) {
    struct Wrong {
        const char* what;
        int input;
        Dims shape;
        const char* message;
    };
    const Wrong cases[] = {
        {"x of three axes", 0, dims({n, V, Cin}), "got 3 axes; expected x [B, n, V, Cin]"},
        {"no frames", 0, dims({1, 0, V, Cin}), "got extent 0 on axis 1"},
        {"another batch", 1, dims({2, delta - 1, V, Cout}), "partial's batch = 2; expected 1"},
        {"another window", 1, dims({1, delta, V, Cout}), "partial's frames = 3; expected 2"},
        {"another face", 1, dims({1, delta - 1, V + 1, Cout}), "partial's vertices = 8; expected 7"},
        {"other channels", 1, dims({1, delta - 1, V, Cout + 1}), "partial's channels = 3; expected 2"},
        {"another mesh", 2, dims({V - 1, K}), "the number of spirals = 6; expected 7"},
        {"a short weight", 3, dims({Cout, delta * K * Cin - 1}), "weight's columns, delta * K * Cin = 35; expected 36"},
        {"a long bias", 4, dims({Cout + 1}), "the number of biases = 3; expected 2"},
    };
    for (const Wrong& wrong : cases) {
        auto given = descriptions();
        given[size_t(wrong.input)].dims = wrong.shape;
        last.clear();
        check(run->onShapeChange(given.data(), 5, given.data() + 5, 2) != 0 && said(wrong.message), wrong.what);
        std::vector<DynamicPluginTensorDesc> dynamic(7);
        for (size_t i = 0; i < 7; ++i) dynamic[i].desc = given[i];
        last.clear();
        check(build->configurePlugin(dynamic.data(), 5, dynamic.data() + 5, 2) != 0 && said(wrong.message), wrong.what);
    }
    auto given = descriptions();
    check(run->onShapeChange(given.data(), 4, given.data() + 5, 2) != 0 && said("got 4 inputs"), "four inputs");
    check(run->onShapeChange(nullptr, 5, nullptr, 2) != 0, "null shapes");
    check(build->configurePlugin(nullptr, 5, nullptr, 2) != 0, "null shapes while building");
    given[0].dims = dims({1, -1, V, Cin});
    check(run->onShapeChange(given.data(), 5, given.data() + 5, 2) != 0 && said("got extent -1"), "an open extent at run time");
    std::vector<DynamicPluginTensorDesc> dynamic(7);
    for (size_t i = 0; i < 7; ++i) dynamic[i].desc = given[i];
    check(build->configurePlugin(dynamic.data(), 5, dynamic.data() + 5, 2) == 0, "an open extent while building");

    for (DataType type : {DataType::kFLOAT, DataType::kHALF}) {
        std::vector<DynamicPluginTensorDesc> offered(7);
        const auto plain = descriptions(type);
        for (size_t i = 0; i < 7; ++i) offered[i].desc = plain[i];
        bool all = true;
        for (int at = 0; at < 7; ++at) all = all && build->supportsFormatCombination(at, offered.data(), 5, 2);
        check(all, "float and half are supported");
        offered[2].desc.type = DataType::kINT64;
        check(!build->supportsFormatCombination(2, offered.data(), 5, 2), "64-bit spirals are not");
        offered[3].desc.type = type == DataType::kHALF ? DataType::kFLOAT : DataType::kHALF;
        check(!build->supportsFormatCombination(3, offered.data(), 5, 2), "mixed types are not");
        offered[0].desc.format = PluginFormat::kCHW4;
        check(!build->supportsFormatCombination(0, offered.data(), 5, 2), "packed layouts are not");
        check(!build->supportsFormatCombination(7, offered.data(), 5, 2), "an eighth tensor is not");
        check(!build->supportsFormatCombination(0, nullptr, 5, 2), "null tensors are not");
    }
    DataType types[2] = {};
    const DataType in[] = {DataType::kHALF, DataType::kHALF, DataType::kINT32, DataType::kHALF, DataType::kHALF};
    check(build->getOutputDataTypes(types, 2, in, 5) == 0 && types[1] == DataType::kHALF, "types of the outputs");
    check(build->getOutputDataTypes(nullptr, 2, in, 5) != 0, "null types");
}

}  // namespace

int main() {
    Finder finder;
    int32_t count = 0;
    auto* creator = static_cast<IPluginCreatorV3One*>(getCreators(count)[0]);
    check(count == 1, "one creator");
    check(!std::strcmp(creator->getPluginName(), "SpiralConv3D") && !std::strcmp(creator->getPluginNamespace(), "emoface") &&
              !std::strcmp(creator->getPluginVersion(), "1"), "name, namespace, version");
    check(creator->getFieldNames()->nbFields == 1, "one field for the parser");
    check(creator->createPlugin("node", nullptr, TensorRTPhase::kBUILD) == nullptr, "no fields, no logger");  // to stderr
    setLoggerFinder(&finder);

    int32_t window = int32_t(delta), zero = 0, other = 2, format = 1;
    int64_t wide = delta, huge = int64_t(1) << 40;
    const PluginField good("delta", &window, PluginFieldType::kINT32, 1), version("format", &format, PluginFieldType::kINT32, 1);
    check(!make(creator, {}, TensorRTPhase::kBUILD) && said("delta = 0"), "no delta");
    check(!make(creator, {PluginField("delta", &zero, PluginFieldType::kINT32, 1)}, TensorRTPhase::kBUILD), "delta 0");
    check(!make(creator, {PluginField("delta", &huge, PluginFieldType::kINT64, 1)}, TensorRTPhase::kBUILD), "a huge delta");
    check(!make(creator, {PluginField("delta", nullptr, PluginFieldType::kINT32, 1)}, TensorRTPhase::kBUILD), "null delta");
    check(!make(creator, {PluginField("delta", &window, PluginFieldType::kFLOAT32, 1)}, TensorRTPhase::kBUILD), "delta as a float");
    check(!make(creator, {good}, TensorRTPhase::kRUNTIME) && said("plugin format 0"), "an engine without a format");
    check(!make(creator, {good, PluginField("format", &other, PluginFieldType::kINT32, 1)}, TensorRTPhase::kRUNTIME) &&
              said("got an engine of plugin format 2; expected 1"), "an engine of another plugin version");
    IPluginV3* parsed = make(creator, {PluginField("delta", &wide, PluginFieldType::kINT64, 1)}, TensorRTPhase::kBUILD);
    IPluginV3* loaded = make(creator, {good, version}, TensorRTPhase::kRUNTIME);
    if (!parsed || !loaded) return check(false, "a plugin is made"), 1;

    auto* build = static_cast<IPluginV3OneBuild*>(parsed->getCapabilityInterface(PluginCapabilityType::kBUILD));
    auto* run = static_cast<IPluginV3OneRuntime*>(loaded->getCapabilityInterface(PluginCapabilityType::kRUNTIME));
    check(parsed->getCapabilityInterface(PluginCapabilityType(9)) == nullptr, "an unknown capability");
    check(build->getNbOutputs() == 2, "two outputs");
    test_shapes(build, run);
    test_results(run);
    IPluginV3* attached = run->attachToContext(nullptr);
    const PluginFieldCollection* kept =
        static_cast<IPluginV3OneRuntime*>(attached->getCapabilityInterface(PluginCapabilityType::kRUNTIME))->getFieldsToSerialize();
    std::vector<PluginField> fields(kept->fields, kept->fields + kept->nbFields);
    IPluginV3* again = make(creator, fields, TensorRTPhase::kRUNTIME);
    check(again != nullptr, "what is serialised is loaded again");
    for (IPluginV3* plugin : {parsed, loaded, attached, again}) delete plugin;
    std::printf("%s\n", failures ? "FAILED" : "passed");
    return failures != 0;
}
