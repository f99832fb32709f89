#include "driver.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "head_pose.h"

namespace emoface::runtime {

Driver::Driver(const Manifest& manifest, Engine& engine, int64_t block_features, int64_t rate,
               std::vector<std::vector<float>> conditions, uint64_t noise_seed, const OffsetSource& source)
    : manifest_(manifest),
      clock_(manifest.clock),
      resampler_(rate, manifest.clock.sample_rate),
      offset_(manifest.clock.hop, manifest.clock.overlap),
      timeline_(std::move(conditions)),
      noise_(manifest, noise_seed) {
    clock_.block_features = block_features;
    audio_.resize(size_t(clock_.samples_for_block(0)));
    plan(engine, source.stages);
    if (source.basis != nullptr) {
        expansion_.emplace(*source.basis, size_t(manifest.coefficients()));
        expanded_.resize(size_t(3 * manifest.vertices));
    }
    reset();
}

std::vector<bool> Driver::needed(bool offsets) const {
    const size_t count = manifest_.stages.size();
    std::vector<bool> wanted(count, offsets || manifest_.outputs.count("offsets") == 0);
    for (const auto& [role, key] : manifest_.outputs)
        if (role != "offsets") wanted[size_t(manifest_.source(key).first)] = true;
    for (size_t index = count; index-- > 0;) {
        if (!manifest_.stages[index].state.empty()) wanted[index] = true;
        if (!wanted[index]) continue;
        for (const TensorSpec& input : manifest_.stages[index].inputs)
            if (const int from = manifest_.source(input.source).first; from >= 0) wanted[size_t(from)] = true;
    }
    return wanted;
}

void Driver::plan(Engine& engine, bool offsets) {
    const std::vector<bool> wanted = needed(offsets);
    const auto key_of = [&](const std::string& source) {
        const auto [stage, output] = manifest_.source(source);
        return stages_[size_t(stage)].first_key + size_t(output);
    };
    const auto read_by_frames = [&](size_t index) {
        Key& key = keys_[index];
        if (key.track >= 0 || stages_[key.stage].stream->spec().cadence != Cadence::block) return;
        key.track = int(tracks_.size());
        Track track;
        track.key = index;
        track.width = key.bytes / sizeof(float);
        tracks_.push_back(std::move(track));
    };
    for (size_t index = 0; index < manifest_.stages.size(); ++index) {
        const StageSpec& spec = manifest_.stages[index];
        Stage stage;
        stage.stream = std::make_unique<StageStream>(spec, engine.session(index), engine.in_place(index));
        stage.first_key = keys_.size();
        stage.needed = wanted[index];
        for (size_t output = 0; output < spec.outputs.size(); ++output) {
            Key key;
            key.stage = index;
            key.output = output;
            key.bytes = item_bytes(spec.outputs[output]);
            keys_.push_back(std::move(key));
        }
        for (const TensorSpec& input : spec.inputs) {
            Input item;
            if (input.source.compare(0, 10, "condition.") == 0) {
                item.kind = Input::condition;
                item.condition_index = size_t(manifest_.condition(input.source.substr(10)));
            } else if (const int noise = manifest_.noise_of(input.source); noise >= 0) {
                item.kind = Input::noise;
                item.noise_index = size_t(noise);
            } else if (input.source != "audio") {
                item.kind = Input::link;
                item.key = key_of(input.source);
                if (stage.needed && spec.cadence != Cadence::block) read_by_frames(item.key);
            }
            stage.inputs.push_back(item);
        }
        stages_.push_back(std::move(stage));
    }
    const std::pair<const char*, int*> roles[] = {{"offsets", &offsets_key_},
                                                  {"emotion", &emotion_key_},
                                                  {"emotion_weight", &weight_key_},
                                                  {"head_rotation", &rotation_key_},
                                                  {"head_translation", &translation_key_},
                                                  {kAffect[0], &affect_keys_[0]},
                                                  {kAffect[1], &affect_keys_[1]},
                                                  {kAffect[2], &affect_keys_[2]},
                                                  {"coefficients", &coefficients_key_},
                                                  {"emotion_coefficients", &emotion_coefficients_key_}};
    for (const auto& [role, place] : roles) {
        const auto found = manifest_.outputs.find(role);
        if (found == manifest_.outputs.end() || (place == &offsets_key_ && !offsets)) continue;
        *place = int(key_of(found->second));
        read_by_frames(size_t(*place));
    }
    for (Track& track : tracks_) {
        const int64_t features = 2 * clock_.block_features + clock_.feature_rate / clock_.fps + 8;
        track.values.reserve(track.width * size_t(features));
    }
}

void Driver::reset() {
    fed_ = blocks_ = frames_ = 0;
    resampler_.reset();
    offset_.reset();
    timeline_.reset();
    for (Stage& stage : stages_) stage.stream->reset();
    for (Track& track : tracks_) track.start = track.count = 0;
}

int64_t Driver::latency() const {
    return clock_.latency(rate(), [&](int64_t samples) { return resampler_.needed(samples); });
}

int64_t Driver::frames_of_feed(int64_t count) const {
    const auto needed = [&](int64_t samples) { return resampler_.needed(samples); };
    int64_t blocks = blocks_;
    while (clock_.due(blocks, rate(), needed) <= fed_ + count) ++blocks;
    return std::max<int64_t>(0, clock_.frames_after_blocks(blocks) - frames_);
}

int64_t Driver::frames_of_finish(int64_t extra) const { return std::max<int64_t>(0, promised() + extra - frames_); }

int64_t Driver::missing() const {
    const auto needed = [&](int64_t samples) { return resampler_.needed(samples); };
    return std::max<int64_t>(1, clock_.due(blocks_, rate(), needed) - fed_);
}

double Driver::earliest_change(size_t condition) const {
    double earliest = 0.0;
    const double infinity = std::numeric_limits<double>::infinity();
    for (const Stage& stage : stages_)
        for (const Input& input : stage.inputs) {
            if (input.kind != Input::condition || input.condition_index != condition) continue;
            if (stage.stream->spec().cadence == Cadence::block) {
                if (blocks_ > 0) earliest = std::max(earliest, std::nextafter(clock_.block_time(blocks_ - 1), infinity));
            } else if (frames_ > 0) {
                earliest = std::max(earliest, std::nextafter(double(frames_ - 1) / double(clock_.fps), infinity));
            }
        }
    return earliest;
}

void Driver::feed(int64_t count, FrameSink& sink) {
    resampler_.commit(size_t(count));
    fed_ += count;
    const auto needed = [&](int64_t samples) { return resampler_.needed(samples); };
    int64_t blocks = blocks_;
    while (clock_.due(blocks, rate(), needed) <= fed_) ++blocks;
    run(blocks, clock_.frames_after_blocks(blocks), sink);
}

void Driver::finish(int64_t extra, FrameSink& sink) {
    const int64_t total = promised() + extra;
    int64_t blocks = blocks_;
    while (clock_.frames_after_blocks(blocks) < total) ++blocks;
    if (blocks > blocks_) {
        const int64_t needed = resampler_.needed(clock_.samples_for_block(blocks - 1));
        resampler_.append_silence(std::max<int64_t>(0, needed - resampler_.received()));
    }
    run(blocks, total, sink);
}

void Driver::run(int64_t blocks, int64_t total, FrameSink& sink) {
    while (blocks_ < blocks) run_block(total, sink);
}

void Driver::run_block(int64_t total, FrameSink& sink) {
    const int64_t block = blocks_;
    const int64_t kept = block > 0 ? clock_.overlap : 0;
    const int64_t size = int64_t(audio_.size());
    if (kept > 0) std::memmove(audio_.data(), audio_.data() + (size - kept), size_t(kept) * sizeof(float));
    const int64_t at = resampler_.produced();
    resampler_.read(audio_.data() + kept, size - kept);
    if (!probe_) offset_.remove(audio_.data() + kept, size - kept, at, resampler_.outputs_of(fed_));
    run_block_stages(block);
    const int64_t first = frames_, last = clock_.frames_after_blocks(block + 1);
    if (last > first) {
        interpolate(first, last);
        for (Stage& stage : stages_)
            if (stage.needed && stage.stream->spec().cadence == Cadence::frames) run_frames_stage(stage, first, last);
        for (int64_t frame = first; frame < std::min(last, total); ++frame) {
            run_frame(frame, frame - first);
            report(frame, frame - first, sink);
        }
    }
    blocks_ = block + 1;
    frames_ = last;
    forget_features();
    timeline_.forget_before(std::min(double(last) / double(clock_.fps), clock_.block_time(block + 1)));
}

void Driver::probe(const Stage& stage, int64_t first, int64_t skip, int64_t count) const {
    if (!probe_ || count <= 0) return;
    for (size_t output = 0; output < stage.stream->spec().outputs.size(); ++output) {
        const Key& key = keys_[stage.first_key + output];
        probe_({key.stage, output, first, count, stage.stream->output(output).data() + size_t(skip) * key.bytes});
    }
}

void Driver::write_condition(Buffer& buffer, size_t condition, double time) const {
    const std::vector<float>& value = timeline_.value(condition, time);
    if (!value.empty()) std::memcpy(buffer.data(), value.data(), value.size() * sizeof(float));
}

void Driver::run_block_stages(int64_t block) {
    const int64_t size = clock_.block_features, first = block * size - clock_.delay_features;
    for (Stage& stage : stages_) {
        StageStream& stream = *stage.stream;
        if (!stage.needed || stream.spec().cadence != Cadence::block) continue;
        for (size_t i = 0; i < stage.inputs.size(); ++i) {
            const Input& input = stage.inputs[i];
            Buffer& buffer = stream.input(size, i);
            if (input.kind == Input::audio) std::memcpy(buffer.data(), audio_.data(), buffer.size());
            if (input.kind == Input::condition) write_condition(buffer, input.condition_index, clock_.block_time(block));
            if (input.kind == Input::noise) noise_.write(input.noise_index, block * size, size, buffer.floats());
            if (input.kind == Input::link) {
                const Key& key = keys_[input.key];
                const Buffer& source = stages_[key.stage].stream->output(key.output);
                std::memcpy(buffer.data(), source.data(), buffer.size());
            }
        }
        stream.run(size);
        probe(stage, std::max<int64_t>(0, first), std::max<int64_t>(0, -first), size - std::max<int64_t>(0, -first));
        for (size_t output = 0; output < stream.spec().outputs.size(); ++output) {
            const Key& key = keys_[stage.first_key + output];
            if (key.track < 0 || first + size <= 0) continue;
            // The first `delay_features` outputs of a stream only fill the encoders' look-ahead.
            const int64_t skip = std::max<int64_t>(0, -first);
            append(tracks_[size_t(key.track)], stream.output(output).floats() + size_t(skip) * (key.bytes / sizeof(float)), size - skip);
        }
    }
}

void Driver::append(Track& track, const float* features, int64_t count) {
    const size_t held = size_t(track.count) * track.width, added = size_t(count) * track.width;
    if (track.values.size() < held + added) track.values.resize(held + added);
    if (added != 0) std::memcpy(track.values.data() + held, features, added * sizeof(float));
    track.count += count;
}

void Driver::forget_features() {
    const int64_t next = clock_.feature_rate * frames_ / clock_.fps;
    for (Track& track : tracks_) {
        const int64_t drop = std::min(std::max<int64_t>(0, next - track.start), track.count);
        if (drop == 0) continue;
        const size_t kept = size_t(track.count - drop) * track.width;
        if (kept != 0) std::memmove(track.values.data(), track.values.data() + size_t(drop) * track.width, kept * sizeof(float));
        track.start += drop;
        track.count -= drop;
    }
}

void Driver::interpolate(int64_t first, int64_t last) {
    for (Track& track : tracks_) {
        const size_t size = size_t(last - first) * track.width;
        if (track.interpolated.size() < size) track.interpolated.resize(size);
        for (int64_t frame = first; frame < last; ++frame) {
            // Frame m lies at feature m feature_rate / fps; whole positions read one feature alone.
            const int64_t position = frame * clock_.feature_rate, remainder = position % clock_.fps;
            const int64_t left = position / clock_.fps - track.start;
            const float weight = float(double(remainder) / double(clock_.fps));
            const float* a = track.values.data() + size_t(left) * track.width;
            const float* b = remainder > 0 ? a + track.width : a;
            float* out = track.interpolated.data() + size_t(frame - first) * track.width;
            for (size_t i = 0; i < track.width; ++i) out[i] = a[i] + (b[i] - a[i]) * weight;
        }
        keys_[track.key].frames = reinterpret_cast<const uint8_t*>(track.interpolated.data());
    }
}

void Driver::run_frames_stage(Stage& stage, int64_t first, int64_t last) {
    StageStream& stream = *stage.stream;
    const double fps = double(clock_.fps);
    int64_t begin = first;
    while (begin < last) {
        // One call for all frames, or one per stretch of frames between changes of a condition.
        int64_t end = begin + 1;
        const auto unchanged = [&](int64_t frame) {
            for (const Input& input : stage.inputs)
                if (input.kind == Input::condition && &timeline_.value(input.condition_index, double(frame) / fps) !=
                                                          &timeline_.value(input.condition_index, double(begin) / fps))
                    return false;
            return true;
        };
        while (end < last && unchanged(end)) ++end;
        const int64_t n = end - begin;
        for (size_t i = 0; i < stage.inputs.size(); ++i) {
            const Input& input = stage.inputs[i];
            Buffer& buffer = stream.input(n, i);
            if (input.kind == Input::condition) write_condition(buffer, input.condition_index, double(begin) / fps);
            else if (input.kind == Input::noise) noise_.write(input.noise_index, begin, n, buffer.floats());
            else std::memcpy(buffer.data(), keys_[input.key].frames + size_t(begin - first) * keys_[input.key].bytes, buffer.size());
        }
        stream.run(n);
        probe(stage, begin, 0, n);
        for (size_t output = 0; output < stream.spec().outputs.size(); ++output) {
            Key& key = keys_[stage.first_key + output];
            const Buffer& made = stream.output(output);
            if (n == last - first) {
                key.frames = made.data();
                continue;
            }
            key.gathered.resize(size_t(last - first) * key.bytes);
            if (made.size() != 0) std::memcpy(key.gathered.data() + size_t(begin - first) * key.bytes, made.data(), made.size());
            key.frames = key.gathered.data();
        }
        begin = end;
    }
}

void Driver::run_frame(int64_t frame, int64_t offset) {
    const double time = double(frame) / double(clock_.fps);
    for (Stage& stage : stages_) {
        StageStream& stream = *stage.stream;
        if (!stage.needed || stream.spec().cadence != Cadence::frame) continue;
        for (size_t i = 0; i < stage.inputs.size(); ++i) {
            const Input& input = stage.inputs[i];
            Buffer& buffer = stream.input(1, i);
            if (input.kind == Input::condition) {
                write_condition(buffer, input.condition_index, time);
                continue;
            }
            if (input.kind == Input::noise) {
                noise_.write(input.noise_index, frame, 1, buffer.floats());
                continue;
            }
            const Key& key = keys_[input.key];
            const StageStream& source = *stages_[key.stage].stream;
            const uint8_t* values = source.spec().cadence == Cadence::frame ? source.output(key.output).data()
                                                                            : key.frames + size_t(offset) * key.bytes;
            std::memcpy(buffer.data(), values, buffer.size());
        }
        stream.run(1);
        probe(stage, frame, 0, 1);
    }
}

void Driver::report(int64_t frame, int64_t offset, FrameSink& sink) {
    const auto values = [&](int index) -> const float* {
        if (index < 0) return nullptr;
        const Key& key = keys_[size_t(index)];
        const StageStream& source = *stages_[key.stage].stream;
        if (source.spec().cadence == Cadence::frame) return source.output(key.output).floats();
        return reinterpret_cast<const float*>(key.frames + size_t(offset) * key.bytes);
    };
    RawFrame raw{frame, values(offsets_key_), values(emotion_key_), values(weight_key_), values(rotation_key_),
                 values(translation_key_), {}, values(coefficients_key_), values(emotion_coefficients_key_)};
    for (size_t i = 0; i < kAffects; ++i) raw.affect[i] = values(affect_keys_[i]);
    const auto require_finite = [](const float* numbers, int64_t count, const char* name, const char* expected) {
        // False for NaN, too.
        bool finite = true;
        for (int64_t i = 0; numbers != nullptr && i < count; ++i) finite &= std::fabs(numbers[i]) <= 3.4028235e38f;
        if (!finite)
            fail(EMOFACE_ERROR_RUNTIME, std::string("NaN or infinite ") + name + " from the graphs", std::string("finite ") + expected,
                 "Call emoface_reset(). If it happens again, verify the package with emoface_verify().");
    };
    require_finite(raw.coefficients, manifest_.coefficients(), "coefficients", "coefficients");
    require_finite(raw.emotion_coefficients, manifest_.coefficients(), "coefficients", "coefficients");
    if (expansion_) {
        expansion_->offsets(raw.coefficients, raw.emotion_coefficients, raw.weight, expanded_.data());
        raw.offsets = expanded_.data();
    }
    require_finite(raw.offsets, 3 * manifest_.vertices, "vertex offsets", "offsets");
    for (size_t i = 0; i < kAffects; ++i) require_finite(raw.affect[i], 1, kAffect[i], "values");
    if (raw.head_rotation != nullptr) {
        checked_rotation(raw.head_rotation, raw.head_translation, manifest_.unit_in_metres, rotation_);
        raw.head_rotation = rotation_;
    }
    sink.frame(raw);
}

}  // namespace emoface::runtime
