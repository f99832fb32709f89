#include "verify.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "failure.h"

namespace emoface::runtime {
namespace {

// As emoface.verification: of the motion range, where the package states no limit.
constexpr double kFp32Relative = 1e-4, kReducedRelative = 0.05;

// Keeps every frame's outputs.
class Recorder : public FrameReceiver {
public:
    Recorder(const Stream& stream) : stream_(stream) {}
    void receive(const Frame& frame) override {
        const FrameSizes& sizes = stream_.sizes();
        offsets.emplace_back(sizes.vertices);
        for (size_t i = 0; i < sizes.vertices; ++i) offsets.back()[i] = frame.vertices[i] - stream_.neutral()[i];
        emotion.emplace_back(frame.emotion, frame.emotion + (frame.emotion ? sizes.emotion : 0));
        weight.emplace_back(frame.weight, frame.weight + (frame.weight ? sizes.weight : 0));
    }
    std::vector<std::vector<float>> offsets, emotion, weight;

private:
    const Stream& stream_;
};

// Largest difference between an output's stored rows and the frames they belong to; NaN counts as infinite.
double difference(const Golden& golden, const std::string& key, bool sampled, const std::vector<std::vector<float>>& frames,
                  int64_t* compared) {
    const auto found = golden.outputs.find(key);
    if (found == golden.outputs.end() || frames.empty()) return 0.0;
    const std::vector<float> stored = found->second.values<float>();
    const size_t width = frames[0].size();
    const size_t rows = width ? stored.size() / width : 0;
    if (stored.size() != rows * width || (sampled && rows != golden.frames.size()))
        manifest_fault("golden.npz", key, "shape " + found->second.text(), "one row per frame");
    double worst = 0.0;
    for (size_t row = 0; row < rows; ++row) {
        const int64_t frame = sampled ? golden.frames[row] : int64_t(row);
        if (frame < 0 || size_t(frame) >= frames.size()) {
            if (sampled) manifest_fault("golden.npz", "frames", std::to_string(frame), "frames within the audio");
            break;
        }
        for (size_t i = 0; i < width; ++i) {
            const double gap = std::fabs(double(frames[size_t(frame)][i]) - double(stored[row * width + i]));
            worst = gap <= worst ? worst : std::isnan(gap) ? std::numeric_limits<double>::infinity() : gap;
        }
        ++*compared;
    }
    return worst;
}

}  // namespace

void verify_golden(const std::shared_ptr<Package>& package, StreamOptions options, emoface_verification* result) {
    const Golden golden = package->golden();
    const Manifest& manifest = package->manifest();
    options.rate = manifest.clock.sample_rate;
    options.format = {};
    options.vertices.clear();
    options.controls = {};
    options.blinks = {};
    options.blendshapes = false;
    options.keep_offset = true;
    for (const auto& [name, value] : golden.conditions)
        options.conditions[require_condition(manifest, name)] = weighted_condition(manifest, name, value.data(), int64_t(value.size()));
    if (options.format.check(golden.audio.data(), int64_t(golden.audio.size())) != EMOFACE_OK)
        manifest_fault("golden.npz", "audio", "unusable samples", "finite samples within full scale");
    Stream stream(package, std::move(options));
    Recorder recorder(stream);
    stream.feed(golden.audio.data(), int64_t(golden.audio.size()), recorder);
    stream.finish(0, recorder);

    const auto& outputs = manifest.outputs;
    int64_t compared = 0, others = 0;
    const double offsets = difference(golden, outputs.at("offsets"), true, recorder.offsets, &compared);
    if (compared == 0) manifest_fault("golden.npz", outputs.at("offsets"), "nothing", "an array");
    result->offsets_error = offsets * manifest.unit_in_metres / manifest.motion_range_m;
    result->emotion_error = 0.0;
    // Emotions come from blocks where their stage is one: those are stored at the feature rate, and judged in Python.
    const auto at_frames = [&](const char* role) {
        const auto found = outputs.find(role);
        return found != outputs.end() && manifest.stages[size_t(manifest.source(found->second).first)].cadence != Cadence::block;
    };
    if (at_frames("emotion_weight"))
        result->emotion_error = difference(golden, outputs.at("emotion_weight"), true, recorder.weight, &others);
    if (at_frames("emotion"))
        result->emotion_error = std::max(result->emotion_error, difference(golden, outputs.at("emotion"), false, recorder.emotion, &others));
    const bool exact = stream.precision() == "fp32";
    const auto stated = manifest.tolerances.find(stream.precision());
    result->tolerance = exact ? kFp32Relative : kReducedRelative;
    if (stated != manifest.tolerances.end()) {
        const auto [relative, millimetres] = stated->second;
        if (exact && relative >= 0) result->tolerance = relative;
        if (!exact && millimetres >= 0) result->tolerance = millimetres / 1000.0 / manifest.motion_range_m;
    }
    result->frames = compared;
    const int64_t promised = int64_t(golden.audio.size()) * manifest.clock.fps / manifest.clock.sample_rate;
    const bool counted = int64_t(recorder.offsets.size()) == promised;
    result->passed = counted && result->offsets_error <= result->tolerance;
}

}  // namespace emoface::runtime
