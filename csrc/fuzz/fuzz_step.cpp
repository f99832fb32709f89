// libFuzzer: options of an animator and a sequence of calls, with any bytes for samples.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "fuzz_world.h"

namespace {

class Taken {
public:
    Taken(const uint8_t* data, size_t size) : data_(data), size_(size) {}
    bool empty() const { return size_ == 0; }
    template <class T> T take() {
        T value{};
        const size_t bytes = std::min(size_, sizeof(T));
        if (bytes) std::memcpy(&value, data_, bytes);
        data_ += bytes;
        size_ -= bytes;
        return value;
    }
    const uint8_t* bytes(size_t count) {
        if (size_ < count) return nullptr;
        const uint8_t* found = data_;
        data_ += count;
        size_ -= count;
        return found;
    }

private:
    const uint8_t* data_;
    size_t size_;
};

void require(bool condition) {
    if (!condition) __builtin_trap();
}

// A wrong field of the configuration; most numbers leave it as it is. `weights` is the one condition.
void spoil(emoface_animator_config& config, emoface_condition& weights, uint8_t how) {
    switch (how) {
        case 1: config.struct_size = offsetof(emoface_animator_config, blinks); break;
        case 2: config.struct_size = offsetof(emoface_animator_config, controls); break;
        case 3: config.struct_size = 20; break;
        case 4: config.condition_count = -1; break;
        case 5: config.conditions = nullptr; config.condition_count = 1; break;
        case 6: weights.name = "nothing"; break;
        case 7: weights.name = nullptr; break;
        case 8: weights.values = nullptr; break;
        case 9: weights.values = nullptr; weights.count = 0; break;
        case 10: config.template_count = 5; break;
        case 11: config.threads = 5000; break;
        case 12: config.backend = "no backend"; break;
        case 13: config.level = "no level"; break;
        case 14: config.block_ms = -20; break;
        case 15: config.emotion = "auto"; config.level = "normal"; break;
        case 16: config.blinks = 2; break;
        case 17: config.gaze = 2; break;
        case 18: config.head_sway_strength = 9; break;
        default: break;
    }
}

// Calls that no program should make: each is an error with a status of its own, and nothing is consumed.
void refused_call(emoface_animator* animator, uint8_t which, const emoface_package_info& info) {
    std::vector<float> space(size_t(3 * info.vertices) + 64);
    int64_t number = 0;
    emoface_frames out{};
    out.struct_size = which & 64 ? 4 : sizeof out;
    out.blendshapes = space.data();
    emoface_calibration result{};
    result.struct_size = which & 64 ? 4 : sizeof result;
    float odd[] = {NAN, 17.0f, INFINITY, -1.0f};
    emoface_status status = EMOFACE_ERROR_ARGUMENT;
    switch (which % 20) {
        case 0: status = emoface_step(animator, nullptr, 10, nullptr, 0, nullptr); break;
        case 1: status = emoface_step(animator, odd, -1, nullptr, 0, nullptr); break;
        case 2: status = emoface_step(animator, odd, INT64_MAX, nullptr, 0, &number); break;
        case 3: status = emoface_step(nullptr, odd, 1, nullptr, 0, nullptr); break;
        case 4: status = emoface_step_frames(animator, -1, &number); break;
        case 5: status = emoface_step_frames(animator, 1, nullptr); break;
        case 6: status = emoface_flush_frames(animator, NAN, &number); break;
        case 7: status = emoface_snapshot(animator, space.data(), 1, &number); break;
        case 8: status = emoface_restore(animator, space.data(), -1); break;
        case 9: status = emoface_restore(animator, nullptr, 1); break;
        case 10: status = emoface_set_condition(animator, "nothing", odd, 1, EMOFACE_NOW); break;
        case 11: status = emoface_set_condition(animator, "level", odd, 3, EMOFACE_NOW); break;
        case 12: status = emoface_set_condition(animator, "level", nullptr, 3, EMOFACE_NOW); break;
        case 13: status = emoface_set_emotion(animator, "no emotion", EMOFACE_NOW); break;
        case 14: status = emoface_calibrate(animator, odd, 4, 16000, EMOFACE_NOW, &result); break;
        case 15: status = emoface_calibrate(animator, odd, -1, 16000, EMOFACE_NOW, nullptr); break;
        case 16: status = emoface_calibrate(animator, space.data(), 40, 7, EMOFACE_NOW, nullptr); break;
        case 17: status = emoface_calibrate(animator, nullptr, 40, 0, EMOFACE_NOW, nullptr); break;
        case 18: status = emoface_set_condition(animator, "speaker_mean", odd, 1, EMOFACE_NOW); break;
        default: out.struct_size = 4; status = emoface_step(animator, space.data(), 1, &out, 0, nullptr); break;
    }
    require(status != EMOFACE_OK && status != EMOFACE_ERROR_INTERNAL);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    emoface_package* package = fuzz_package();
    emoface_package_info info{};
    info.struct_size = sizeof info;
    emoface_package_get_info(package, &info);
    Taken input(data, size);
    emoface_animator_config config{};
    require(emoface_animator_config_init(&config, sizeof config) == EMOFACE_OK);
    const uint8_t kind = input.take<uint8_t>();
    const int32_t rates[] = {0, 8000, 16000, 44100, 48000, 22050, 11025, 32000};
    config.sample_rate = kind & 128 ? int32_t(input.take<uint32_t>() % 400000) : rates[kind & 7];
    config.channels = kind & 8 ? 2 : input.take<uint8_t>() % 4;
    config.sample_format = kind >> 4 & 7;
    config.on_bad_audio = input.take<uint8_t>() & 1;
    const uint8_t block = input.take<uint8_t>();
    config.block_ms = 20 * (block % 8);
    config.skip_vertices = block >> 3 & 1;
    config.noise_seed = block;
    config.backend = "ort-cpu";
    const uint8_t options = input.take<uint8_t>();
    emoface_controls controls{};
    emoface_controls_init(&controls, sizeof controls);
    const float weights[] = {0.5f, 0.5f, input.take<float>()};
    emoface_condition given{"style", weights, options & 4 ? 2 : 3};
    if (options & 1) config.blendshapes = 1;
    if (options & 2) {
        controls.upper_smoothing = input.take<uint8_t>() / 200.0;
        controls.lower_smoothing = controls.upper_smoothing;
        controls.lower_strength = controls.upper_strength = input.take<uint8_t>() / 64.0;
        controls.sync_offset = input.take<int8_t>() / 100.0;
        config.controls = &controls;
    }
    if (options & 8) config.emotion = options & 4 ? "no emotion" : "sad";
    if (options & 4) config.precision = options & 2 ? "fp32" : "int8";
    if (options & 16) {
        config.conditions = &given;
        config.condition_count = 1;
    }
    config.blinks = options & 32 ? 1 : -1;
    config.blink_rate = options & 64 ? input.take<uint8_t>() : 0;
    std::vector<float> neutral(size_t(3 * info.vertices), 0.25f);
    if (options & 128) {
        neutral[0] = input.take<float>();
        config.template_vertices = neutral.data();
        config.template_count = info.vertices - (input.take<uint8_t>() == 7);
    }
    spoil(config, given, input.take<uint8_t>());
    emoface_animator* animator = nullptr;
    if (emoface_animator_create(package, &config, &animator) != EMOFACE_OK) {
        require(animator == nullptr);
        return 0;
    }
    emoface_animator_info about{};
    about.struct_size = sizeof about;
    require(emoface_animator_get_info(animator, &about) == EMOFACE_OK);
    const size_t bytes[] = {4, 8, 2, 4, 1};
    const size_t frame = bytes[config.sample_format] * size_t(std::max(1, config.channels));
    std::vector<float> vertices;
    std::vector<char> snapshot;
    for (int call = 0; call < 24 && !input.empty(); ++call) {
        const uint8_t what = input.take<uint8_t>();
        emoface_frames out{};
        out.struct_size = sizeof out;
        if (what < 160) {
            int64_t count = input.take<uint16_t>() % 3000, due = 0, written = -1;
            // Given bytes where there are enough of them, or a repeated one.
            const uint8_t* given = input.bytes(size_t(count) * frame);
            const std::vector<uint8_t> filled(given ? 0 : size_t(count) * frame, what);
            const void* samples = given ? given : filled.data();
            const emoface_status asked = emoface_step_frames(animator, count, &due);
            const int64_t capacity = what & 1 ? due : what % 3;
            vertices.assign(size_t(3 * info.vertices * std::max<int64_t>(capacity, 1)), 0);
            if (!config.skip_vertices) out.vertices = vertices.data();
            const size_t room = size_t(std::max<int64_t>(capacity, 1));
            std::vector<double> times(room);
            std::vector<float> emotion(room * size_t(info.emotions)), weight(room * size_t(info.vertices)), shapes(room * size_t(info.blendshapes));
            std::vector<float> rotation(room * 9), translation(room * 3), affect(room * 3);
            std::vector<float> coefficients(2 * room * size_t(info.coefficients));
            if (options & 1) {
                out.time = times.data();
                out.emotion = emotion.data();
                if (info.has_weights) out.emotion_weight = weight.data();
                out.blendshapes = shapes.data();
                if (about.has_head_pose) {
                    out.head_rotation = rotation.data();
                    out.head_translation = translation.data();
                }
                if (info.coefficients) out.coefficients = coefficients.data();
                if (info.has_emotion_coefficients) out.emotion_coefficients = coefficients.data() + room * size_t(info.coefficients);
                if (info.has_arousal) out.arousal = affect.data();
                if (info.has_valence) out.valence = affect.data() + room;
                if (info.has_confidence) out.confidence = affect.data() + 2 * room;
            }
            const emoface_status status = emoface_step(animator, samples, count, &out, capacity, &written);
            require(status != EMOFACE_ERROR_INTERNAL && status != EMOFACE_ERROR_RUNTIME && status != EMOFACE_ERROR_BACKEND);
            if (status == EMOFACE_OK) {
                require(asked == EMOFACE_OK && written == due && written <= capacity);
                for (int64_t i = 0; i < written * 3 * info.vertices; ++i) require(std::isfinite(vertices[size_t(i)]));
            }
            if (status == EMOFACE_ERROR_BUFFER_TOO_SMALL) require(written > capacity);
        } else if (what < 180) {
            // Negative ones are refused; long ones only take long.
            const double tail = double(input.take<int16_t>() % 2000) / 1000;
            int64_t due = 0;
            emoface_flush_frames(animator, tail, &due);
            // Into arrays that may be too short; then everything, unless it went out.
            const int64_t capacity = what % 4 * 2;
            vertices.assign(size_t(3 * info.vertices * std::max<int64_t>(capacity, 1)), 0);
            out.vertices = out.offsets = vertices.data();
            int64_t written = 0;
            const emoface_status status = emoface_flush(animator, tail, &out, capacity, &written);
            require(status != EMOFACE_ERROR_INTERNAL && (status != EMOFACE_OK || written <= capacity));
            if (status == EMOFACE_ERROR_BUFFER_TOO_SMALL) require(emoface_flush(animator, tail, nullptr, 0, nullptr) != EMOFACE_ERROR_INTERNAL);
        } else if (what < 190) {
            emoface_reset(animator);
        } else if (what < 220) {
            const char* name = emoface_package_name(package, what % 3, input.take<uint8_t>() % 4);
            const double at = double(input.take<int16_t>()) / 100;
            emoface_status (*const set[])(emoface_animator*, const char*, double) = {emoface_set_style, emoface_set_emotion, emoface_set_level};
            set[what % 3](animator, name, at);
        } else if (what < 235) {
            int64_t written = 0;
            emoface_snapshot(animator, nullptr, 0, &written);
            snapshot.resize(size_t(written));
            emoface_snapshot(animator, snapshot.data(), written, &written);
        } else if (what < 239) {
            const uint16_t count = input.take<uint16_t>();
            std::vector<float> speech(count);
            uint32_t noise = what;
            for (float& sample : speech) sample = float(int32_t(noise = 1664525 * noise + 1013904223)) * 0x1p-33f;
            emoface_calibration result{};
            result.struct_size = sizeof result;
            std::vector<float> mean(64);
            result.speaker_mean = mean.data();
            result.capacity = what & 1 ? 64 : 1;
            const emoface_status status = emoface_calibrate(animator, speech.data(), count, what & 2 ? 8000 : 0, EMOFACE_NOW, &result);
            require(status != EMOFACE_ERROR_INTERNAL);
        } else if (what < 243) {
            const float values[] = {input.take<float>(), input.take<float>()};
            require(emoface_set_condition(animator, what & 1 ? "style" : "level", values, 1 + what % 3, input.take<int16_t>() / 100.0) !=
                    EMOFACE_ERROR_INTERNAL);
        } else if (what < 250) {
            refused_call(animator, input.take<uint8_t>(), info);
        } else {
            emoface_restore(animator, snapshot.data(), int64_t(snapshot.size()));
        }
    }
    emoface_animator_release(animator);
    return 0;
}
