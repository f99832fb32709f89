#include "calibrate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine.h"
#include "failure.h"
#include "noise.h"
#include "offset.h"
#include "resampler.h"

namespace emoface::runtime {
namespace {

const char* const kCondition = "speaker_mean";
const char* const kSource = "condition.speaker_mean";
constexpr int64_t kLongestSeconds = 120, kLeastSpeechSeconds = 2;
constexpr int64_t kFaintest = 33, kBelowMean = 100;
constexpr float kFullScale = 32767.0f;
constexpr double kPauseSeconds = 0.3;

struct Place {
    size_t stage = 0, output = 0, width = 0;
};

Place calibrated_output(const Manifest& manifest) {
    const int condition = manifest.condition(kCondition);
    for (size_t s = 0; condition >= 0 && s < manifest.stages.size(); ++s) {
        const StageSpec& stage = manifest.stages[s];
        const bool reads = std::any_of(stage.inputs.begin(), stage.inputs.end(),
                                       [](const TensorSpec& input) { return input.source == kSource; });
        if (stage.cadence != Cadence::block || !reads) continue;
        const size_t width = manifest.conditions[size_t(condition)].initial.size();
        const std::vector<int64_t> two = {1, 2, int64_t(width)};
        for (size_t o = 0; o < stage.outputs.size(); ++o)
            if (stage.outputs[o].dtype == DType::float32 && concrete(stage.outputs[o].shape, 2) == two) return {s, o, width};
    }
    fail(EMOFACE_ERROR_PACKAGE, "the package '" + manifest.name + "', whose model has no emotion stage that takes speaker_mean",
         "a package that can be calibrated on a voice",
         "Leave calibration out, or use a package with an emotion encoder, as the default package has.");
}

std::string seconds_text(int64_t features, int64_t per_second) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f s", double(features) / double(per_second));
    return text;
}

// Whether each of the features counts as speech.
std::vector<char> speech(const Clock& clock, const float* audio, int64_t count) {
    std::vector<int64_t> energy(size_t(count), 0);
    int64_t total = 0;
    for (int64_t t = 0; t < count; ++t) {
        for (int64_t i = t * clock.hop; i < (t + 1) * clock.hop; ++i) {
            const auto whole = int64_t(std::nearbyint(std::min(std::max(audio[i], -1.0f), 1.0f) * kFullScale));
            energy[size_t(t)] += whole * whole;
        }
        total += energy[size_t(t)];
    }
    std::vector<char> counted(size_t(count), 0);
    const auto longest = int64_t(kPauseSeconds * double(clock.feature_rate));
    int64_t before = -1;
    for (int64_t t = 0; t < count; ++t) {
        const int64_t loudness = energy[size_t(t)];
        if (loudness * (kBelowMean * count) < total || loudness < kFaintest * kFaintest * clock.hop) continue;
        const int64_t from = before >= 0 && t - before - 1 <= longest ? before : t;
        std::fill(counted.begin() + from, counted.begin() + t + 1, char(1));
        before = t;
    }
    return counted;
}

// The stages that one needs, itself included.
std::vector<char> needed_stages(const Manifest& manifest, size_t wanted) {
    std::vector<char> needed(manifest.stages.size(), 0);
    needed[wanted] = 1;
    for (size_t s = wanted + 1; s-- > 0;)
        if (needed[s])
            for (const TensorSpec& input : manifest.stages[s].inputs)
                if (const int source = manifest.source(input.source).first; source >= 0) needed[size_t(source)] = 1;
    return needed;
}

// The blocks of one sound, run through some stages from their first state.
class Run {
public:
    Run(const Manifest& manifest, Engine& engine, size_t wanted, int64_t size) : manifest_(manifest), noise_(manifest, 0), size_(size) {
        const std::vector<char> needed = needed_stages(manifest, wanted);
        for (size_t s = 0; s < manifest.stages.size(); ++s) {
            streams_.emplace_back();
            if (needed[s]) streams_[s] = std::make_unique<StageStream>(manifest.stages[s], engine.session(s), engine.in_place(s));
            if (needed[s]) streams_[s]->reset();
        }
    }
    void block(int64_t block, const float* audio) {
        first_ = block * size_;
        for (size_t s = 0; s < streams_.size(); ++s) {
            if (!streams_[s]) continue;
            const std::vector<TensorSpec>& inputs = manifest_.stages[s].inputs;
            for (size_t i = 0; i < inputs.size(); ++i) fill(streams_[s]->input(size_, i), inputs[i].source, audio);
            streams_[s]->run(size_);
        }
    }
    const float* output(const Place& place) const { return streams_[place.stage]->output(place.output).floats(); }

private:
    void fill(Buffer& buffer, const std::string& source, const float* audio) {
        if (source == "audio") {
            std::memcpy(buffer.data(), audio, buffer.size());
        } else if (source == kSource) {
            std::memset(buffer.data(), 0, buffer.size());
        } else if (const int noise = manifest_.noise_of(source); noise >= 0) {
            noise_.write(size_t(noise), first_, size_, buffer.floats());
        } else if (source.compare(0, 10, "condition.") == 0) {
            const std::vector<float>& initial = manifest_.conditions[size_t(manifest_.condition(source.substr(10)))].initial;
            if (!initial.empty()) std::memcpy(buffer.data(), initial.data(), initial.size() * sizeof(float));
        } else {
            const auto [stage, output] = manifest_.source(source);
            std::memcpy(buffer.data(), streams_[size_t(stage)]->output(size_t(output)).data(), buffer.size());
        }
    }
    const Manifest& manifest_;
    NoiseSource noise_;
    int64_t size_, first_ = 0;
    std::vector<std::unique_ptr<StageStream>> streams_;
};

}  // namespace

int64_t calibrated_size(const Manifest& manifest) { return int64_t(calibrated_output(manifest).width); }

void require_length(int64_t rate, int64_t count) {
    if (count > kLongestSeconds * rate)
        fail(EMOFACE_ERROR_AUDIO, std::to_string(count / rate) + " s to calibrate on",
             "at most " + std::to_string(kLongestSeconds) + " s", "Ten seconds of speech are enough.");
}

VoiceMean mean_feature(const Manifest& manifest, Engine& engine, int64_t block_features, int64_t rate, const float* samples,
                       int64_t count) {
    const Place place = calibrated_output(manifest);
    Clock clock = manifest.clock;
    clock.block_features = block_features;
    // The sound at the model's rate without its offset, silence behind it up to the end of a block.
    const int64_t features = count * clock.sample_rate / rate / clock.hop;
    const int64_t blocks = ceil_div(features + clock.delay_features, block_features);
    const int64_t size = clock.samples_for_block(std::max<int64_t>(0, blocks - 1));
    Resampler resampler(rate, clock.sample_rate);
    if (count > 0) std::memcpy(resampler.room(size_t(count)), samples, size_t(count) * sizeof(float));
    resampler.commit(size_t(count));
    resampler.append_silence(std::max<int64_t>(0, resampler.needed(size) - resampler.received()));
    std::vector<float> audio(static_cast<size_t>(size));
    resampler.read(audio.data(), size);
    OffsetRemover(clock.hop, clock.overlap).remove(audio.data(), size, 0, resampler.outputs_of(count));

    const std::vector<char> counted = speech(clock, audio.data(), features);
    VoiceMean mean;
    mean.features = std::count(counted.begin(), counted.end(), char(1));
    if (mean.features < kLeastSpeechSeconds * clock.feature_rate)
        fail(EMOFACE_ERROR_AUDIO,
             seconds_text(mean.features, clock.feature_rate) + " of audible speech in " +
                 seconds_text(features, clock.feature_rate) + " of sound",
             "at least " + std::to_string(kLeastSpeechSeconds) + " s",
             "Record about 10 s of the voice speaking calmly, close to the microphone.");
    Run run(manifest, engine, place.stage, block_features);
    std::vector<double> total(place.width, 0.0);
    for (int64_t block = 0; block < blocks; ++block) {
        run.block(block, audio.data() + block * block_features * clock.hop);
        const float* values = run.output(place);
        for (int64_t k = 0; k < block_features; ++k) {
            const int64_t feature = block * block_features + k - clock.delay_features;
            if (feature < 0 || feature >= features || !counted[size_t(feature)]) continue;
            for (size_t d = 0; d < place.width; ++d) total[d] += double(values[size_t(k) * place.width + d]);
        }
    }
    for (const double sum : total) mean.values.push_back(float(sum / double(mean.features)));
    return mean;
}

}  // namespace emoface::runtime
