#include "verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "failure.h"

namespace emoface::runtime {
namespace {

// As emoface.verification: the largest error of an output that fp32 may have, as a share of its range; of an offset that
// int8 and fp16 may have, as a share of the motion range and in millimetres, whichever is less.
constexpr double kFp32Relative = 1e-4, kInt8Relative = 0.05, kFp16Relative = 0.02, kReducedMillimetres = 1.0;

// The golden rows of one output, and how far the stream's are from them.
struct Compared {
    std::string key;
    size_t width = 0;
    std::vector<float> expected;     // [rows, width]
    std::vector<float> got;          // the same of the stream
    std::map<int64_t, size_t> rows;  // index of a feature or frame -> row
    int64_t count = 0;               // rows that the stream computed
    double difference = 0.0, range = 0.0;

    void row(int64_t index, const uint8_t* values) {
        const auto found = rows.find(index);
        if (found == rows.end()) return;
        ++count;
        const float* wanted = expected.data() + found->second * width;
        std::memcpy(got.data() + found->second * width, values, width * sizeof(float));
        for (size_t i = 0; i < width; ++i) {
            float got;
            std::memcpy(&got, values + i * sizeof(float), sizeof got);
            const double gap = std::fabs(double(got) - double(wanted[i]));
            // False for NaN, too.
            difference = gap <= difference ? difference : std::isnan(gap) ? std::numeric_limits<double>::infinity() : gap;
            range = std::max(range, std::fabs(double(wanted[i])));
        }
    }
    double share() const { return range > 0 ? difference / range : difference; }
};

Compared compared(const Manifest& manifest, const Golden& golden, const std::string& key, const Array& array,
                  const TensorSpec& output) {
    Compared made;
    made.key = key;
    std::vector<int64_t> extents = concrete(output.shape, 1);
    extents.erase(extents.begin(), extents.begin() + 2);
    const bool sampled = std::find(extents.begin(), extents.end(), manifest.vertices) != extents.end();
    std::vector<int64_t> shape = array.shape;
    if (shape.size() == extents.size() + 2 && shape[0] == 1) shape.erase(shape.begin());
    const int64_t rows = shape.empty() ? 0 : shape[0];
    const int64_t wanted = sampled ? int64_t(golden.frames.size()) : rows;
    extents.insert(extents.begin(), wanted);
    if (shape != extents || array.dtype != "<f4" || output.dtype != DType::float32)
        manifest_fault("golden.npz", key, array.text(), "float32, one row per " + std::string(sampled ? "listed frame" : "step"));
    made.expected = array.values<float>();
    made.got.resize(made.expected.size());
    made.width = rows > 0 ? made.expected.size() / size_t(rows) : 0;
    for (int64_t row = 0; row < rows; ++row) made.rows[sampled ? golden.frames[size_t(row)] : row] = size_t(row);
    return made;
}

using Outputs = std::map<std::pair<size_t, size_t>, Compared>;

// What the basis makes of coefficients, at the golden frames: the largest differences of a coordinate.
struct Expanded {
    int64_t frames = 0;     // compared with the stored offsets, or, without these, with what stored coefficients make
    double streamed = 0.0;  // between what streamed and what stored coefficients make
    double stored = 0.0;    // between what stored coefficients make and the stored offsets
};

Expanded expanded(const Package& package, const Golden& golden, const Outputs& outputs) {
    const Manifest& manifest = package.manifest();
    const auto output = [&](const char* role) -> const Compared* {
        const auto key = manifest.outputs.find(role);
        if (key == manifest.outputs.end()) return nullptr;
        const auto [stage, index] = manifest.source(key->second);
        const auto found = outputs.find({size_t(stage), size_t(index)});
        return found == outputs.end() ? nullptr : &found->second;
    };
    const Compared *coefficients = output("coefficients"), *emotion = output("emotion_coefficients"), *weight = nullptr;
    if (manifest.outputs.count("emotion_coefficients") != 0) weight = output("emotion_weight");
    const Compared* const offsets = output("offsets");
    Expanded found;
    const bool complete = manifest.outputs.count("emotion_coefficients") == 0 || (emotion != nullptr && weight != nullptr);
    if (coefficients == nullptr || !complete) return found;
    const size_t size = size_t(3 * manifest.vertices);
    Expansion expansion(package.face().motion_basis(), size_t(manifest.coefficients()));
    std::vector<float> wanted(size), got(size);
    const auto make = [&](std::vector<float> Compared::* rows, int64_t frame, std::vector<float>& out) {
        const auto row = [&](const Compared* of) -> const float* {
            return of == nullptr ? nullptr : (of->*rows).data() + of->rows.at(frame) * of->width;
        };
        expansion.offsets(row(coefficients), row(emotion), row(weight), out.data());
    };
    const auto furthest = [&](const float* a, const float* b) {
        double largest = 0;
        for (size_t i = 0; i < size; ++i) largest = std::max(largest, std::fabs(double(a[i]) - double(b[i])));
        return largest;
    };
    for (const int64_t frame : golden.frames) {
        bool stored = true;
        for (const Compared* of : {coefficients, emotion, weight}) stored = stored && (of == nullptr || of->rows.count(frame) != 0);
        if (!stored) continue;
        ++found.frames;
        make(&Compared::expected, frame, wanted);
        make(&Compared::got, frame, got);
        found.streamed = std::max(found.streamed, furthest(wanted.data(), got.data()));
        if (offsets != nullptr && offsets->rows.count(frame) != 0)
            found.stored = std::max(found.stored, furthest(wanted.data(), offsets->expected.data() + offsets->rows.at(frame) * size));
    }
    return found;
}

class Counter : public FrameSink {
public:
    void frame(const RawFrame&) override { ++count; }
    int64_t count = 0;
};

double tolerance(const Manifest& manifest, const std::string& precision) {
    const auto found = manifest.tolerances.find(precision);
    const auto [relative, millimetres] = found == manifest.tolerances.end() ? std::pair(-1.0, -1.0) : found->second;
    if (precision == "fp32") return relative >= 0 ? std::min(relative, kFp32Relative) : kFp32Relative;
    const double own = std::min(precision == "fp16" ? kFp16Relative : kInt8Relative,
                                kReducedMillimetres / 1000.0 / manifest.motion_range_m);
    return millimetres >= 0 ? std::min(own, millimetres / 1000.0 / manifest.motion_range_m) : own;
}

}  // namespace

void verify_golden(Package& package, StreamOptions options, emoface_verification* result) {
    const Golden golden = package.golden();
    const Manifest& manifest = package.manifest();
    for (const auto& [name, value] : golden.conditions)
        options.conditions[require_condition(manifest, name)] = weighted_condition(manifest, name, value.data(), int64_t(value.size()));
    const int64_t samples = int64_t(golden.audio.size());
    if (AudioFormat{}.check(golden.audio.data(), samples) != EMOFACE_OK)
        manifest_fault("golden.npz", "audio", "unusable samples", "finite samples within full scale");
    Outputs outputs;
    for (const auto& [key, array] : golden.outputs) {
        const auto [stage, output] = manifest.source(key);
        if (output < 0) manifest_fault("golden.npz", key, "an unknown output", "<stage>.<output>");
        outputs[{size_t(stage), size_t(output)}] =
            compared(manifest, golden, key, array, manifest.stages[size_t(stage)].outputs[size_t(output)]);
    }

    const std::shared_ptr<Engine> engine = package.engine(options.backend, options.precision, options.threads);
    Driver driver(manifest, *engine, options.block_features, manifest.clock.sample_rate, options.conditions);
    driver.set_probe([&](const Probed& probed) {
        const auto found = outputs.find({probed.stage, probed.output});
        if (found == outputs.end()) return;
        Compared& output = found->second;
        for (int64_t i = 0; i < probed.count; ++i)
            output.row(probed.first + i, probed.values + size_t(i) * output.width * sizeof(float));
    });
    Counter frames;
    for (int64_t done = 0; done < samples; done += Driver::kPiece) {
        const int64_t part = std::min(samples - done, Driver::kPiece);
        std::copy_n(golden.audio.data() + done, part, driver.room(part));
        driver.feed(part, frames);
    }
    driver.finish(0, frames);

    for (const int64_t frame : golden.frames)
        if (frame < 0 || frame >= frames.count)
            manifest_fault("golden.npz", "frames", std::to_string(frame), "frames within the audio");
    const auto of_stages = manifest.outputs.find("offsets");
    const std::string final = of_stages == manifest.outputs.end() ? "offsets" : of_stages->second;
    const double in_range = manifest.unit_in_metres / manifest.motion_range_m;
    for (const auto& [place, output] : outputs) {
        if (output.count == 0 && !output.rows.empty())
            manifest_fault("golden.npz", output.key, "rows that no frame needs", "rows within the audio");
        if (output.key == final) {
            result->frames = output.count;
            result->offsets_error = output.difference * in_range;
            continue;
        }
        result->stages_error = std::max(result->stages_error, output.share());
        for (const auto& [role, key] : manifest.outputs)
            if (key == output.key && role != "offsets" && role != "head_rotation" && role != "head_translation")
                result->emotion_error = std::max(result->emotion_error, output.difference);
    }
    const Expanded made = expanded(package, golden, outputs);
    if (of_stages == manifest.outputs.end()) {
        result->frames = made.frames;
        result->offsets_error = made.streamed * in_range;
    }
    if (result->frames == 0) manifest_fault("golden.npz", final, "nothing", "an array");
    result->tolerance = tolerance(manifest, engine->precision());
    const bool stages = engine->precision() != "fp32" || result->stages_error <= result->tolerance;
    // Whatever the precision: the offsets were stored in fp32, as the coefficients.
    result->passed = stages && made.stored * in_range <= kFp32Relative && frames.count == driver.promised() && result->offsets_error <= result->tolerance;
}

}  // namespace emoface::runtime
