// emoface.h: animators, driven synchronously.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "gaze.h"
#include "handles.h"
#include "head_sway.h"

using namespace emoface::runtime;

namespace {

// Samples of one call: a day of audio; more is a wrong argument.
constexpr int64_t kMostSamples = int64_t(1) << 32;

// Sizes of the configuration: without `controls`, with them, with `blinks`, with `noise_seed`, with `identity`, with `person`,
// and all.
constexpr uint32_t kFirstConfig = offsetof(emoface_animator_config, controls);
constexpr uint32_t kControlsConfig = offsetof(emoface_animator_config, blinks);
constexpr uint32_t kBlinksConfig = offsetof(emoface_animator_config, noise_seed);
constexpr uint32_t kNoiseConfig = offsetof(emoface_animator_config, identity);
constexpr uint32_t kIdentityConfig = offsetof(emoface_animator_config, skip_vertices);
constexpr uint32_t kPersonConfig = offsetof(emoface_animator_config, gaze);

bool known_config(uint32_t size) {
    return size == kFirstConfig || size == kControlsConfig || size == kBlinksConfig || size == kNoiseConfig ||
           size == kIdentityConfig || size == kPersonConfig || size == sizeof(emoface_animator_config);
}

[[noreturn]] void refuse_config(uint32_t size) {
    fail(EMOFACE_ERROR_ARGUMENT, "emoface_animator_config.struct_size = " + std::to_string(size),
         std::to_string(sizeof(emoface_animator_config)), "Use the header of this library's version.");
}

int32_t in_range(int32_t value, int32_t low, int32_t high, int32_t otherwise, const char* name, emoface_status status) {
    const int32_t chosen = value == 0 ? otherwise : value;
    if (chosen < low || chosen > high)
        fail(status, std::string(name) + " = " + std::to_string(value),
             std::to_string(low) + " to " + std::to_string(high) + ", or 0 for the default", "Pass a number in this range.");
    return chosen;
}

int64_t block_features(const Manifest& manifest, int32_t block_ms) {
    if (block_ms == 0) return manifest.clock.block_features;
    const int64_t scaled = int64_t(block_ms) * manifest.clock.feature_rate, count = scaled / 1000;
    if (block_ms < 0 || scaled % 1000 != 0 || count < manifest.least_block || count > manifest.longest_block) {
        const auto ms = [&](int64_t features) { return std::to_string(1000 * features / manifest.clock.feature_rate); };
        fail(EMOFACE_ERROR_ARGUMENT, "block_ms = " + std::to_string(block_ms),
             "a multiple of " + ms(1) + " ms from " + ms(manifest.least_block) + " to " + ms(manifest.longest_block),
             "The package's own block is " + ms(manifest.clock.block_features) + " ms.");
    }
    return count;
}

// Vectors of all conditions: what was given, neutral values for the rest.
std::vector<std::vector<float>> initial_conditions(const Manifest& manifest, const emoface_animator_config& config) {
    std::vector<std::vector<float>> vectors;
    for (const ConditionSpec& spec : manifest.conditions) {
        const char* given = spec.name == "style" ? config.style : spec.name == "emotion" ? config.emotion
                            : spec.name == "level" ? config.level : spec.name == "person" ? config.person : nullptr;
        const std::string neutral = spec.name == "emotion" ? "auto" : spec.name == "level" ? "normal" : "";
        std::string name = given ? given : neutral;
        // What a package cannot be steered by may only be left as it is.
        const std::vector<std::string> choices = manifest.choices(spec.name);
        if (name == neutral && std::find(choices.begin(), choices.end(), name) == choices.end()) name.clear();
        vectors.push_back(named_condition(manifest, spec.name, name));
    }
    const auto refuse_missing = [&](const char* name, const char* given, const char* neutral) {
        if (given != nullptr && *given != 0 && std::string(given) != neutral) require_condition(manifest, name);
    };
    refuse_missing("style", config.style, "");
    refuse_missing("emotion", config.emotion, "auto");
    refuse_missing("level", config.level, "normal");
    refuse_missing("person", config.person, "");
    if (config.condition_count < 0 || config.condition_count > 1000 || (config.condition_count > 0 && config.conditions == nullptr))
        fail(EMOFACE_ERROR_ARGUMENT, "condition_count = " + std::to_string(config.condition_count),
             "the length of `conditions`", "Pass both.");
    for (int64_t i = 0; i < config.condition_count; ++i) {
        const emoface_condition& item = config.conditions[i];
        require_pointer(item.name, "conditions[].name");
        vectors[require_condition(manifest, item.name)] = weighted_condition(manifest, item.name, item.values, item.count);
    }
    return vectors;
}

std::vector<float> neutral_face(const Package& package, const emoface_animator_config& config) {
    const Manifest& manifest = package.manifest();
    if (config.identity != nullptr) {
        if (config.template_vertices != nullptr || config.template_count != 0)
            fail(EMOFACE_ERROR_ARGUMENT, "template_vertices and identity", "one of the two",
                 "Both say which neutral face is animated.");
        const auto& identities = package.face().assets.identities;
        const auto found = identities.find(config.identity);
        if (found != identities.end()) return found->second.vertices;
        std::string names;
        for (const auto& [name, identity] : identities) names += (names.empty() ? "" : ", ") + name;
        fail(EMOFACE_ERROR_TEMPLATE, "identity = " + std::string(config.identity),
             names.empty() ? "NULL: the package has none" : "one of " + names,
             "See EMOFACE_NAMES_IDENTITIES. Another neutral face of your own is a template.");
    }
    if (config.template_vertices == nullptr) {
        if (config.template_count != 0) require_pointer(nullptr, "template_vertices");
        return {};
    }
    if (config.template_count != manifest.vertices)
        fail(EMOFACE_ERROR_TEMPLATE, "a template of " + std::to_string(config.template_count) + " vertices",
             std::to_string(manifest.vertices) + ", the package's topology",
             "Give a template with the same vertices in the same order, or a package made for your topology.");
    std::vector<float> vertices(config.template_vertices, config.template_vertices + 3 * manifest.vertices);
    for (const float value : vertices)
        if (!std::isfinite(value))
            fail(EMOFACE_ERROR_TEMPLATE, "a template with NaN or infinite coordinates", "finite coordinates", "Repair the mesh.");
    return vertices;
}

// Whether a stream gives coefficients alone; refuses what needs vertices.
bool skips_vertices(const Manifest& manifest, const emoface_animator_config& config, const RigControls& controls) {
    if (in_range(config.skip_vertices, 0, 1, 0, "skip_vertices", EMOFACE_ERROR_ARGUMENT) == 0) return false;
    if (manifest.coefficients() == 0)
        fail(EMOFACE_ERROR_PACKAGE, "skip_vertices = 1 with a package that gives no coefficients",
             "a package whose motion lies in a basis", "Leave it 0, or export the model with coefficients.");
    const char* const what = config.blinks == 1      ? "blinks = 1"
                             : config.gaze == 1      ? "gaze = 1"
                             : config.head_sway == 1 ? "head_sway = 1"
                             : controls.moves()      ? "controls that move them"
                             : controls.blink_offset != 0.0 ? "blink_offset"
                                                     : nullptr;
    if (what != nullptr)
        fail(EMOFACE_ERROR_ARGUMENT, std::string("skip_vertices = 1 and ") + what, "one of the two", "Leave one out.");
    return true;
}

// A seeded layer, checked; one that is not asked for is on where `possible` does not fail. Failure (ARGUMENT, PACKAGE).
Seeded read_seeded(const std::string& name, int32_t wanted, double strength, uint32_t seed, const Blinks& blinks,
                   const std::function<void()>& possible) {
    if (wanted < -1 || wanted > 1)
        fail(EMOFACE_ERROR_ARGUMENT, name + " = " + std::to_string(wanted), "-1, 0 or 1", "Pass one of the three.");
    Seeded seeded;
    seeded.seed = seed != 0 ? seed : blinks.on ? blinks.seed : 0;
    if (strength != 0.0) seeded.strength = strength;
    if (!(seeded.strength >= 0.1 && seeded.strength <= 2.0))
        fail(EMOFACE_ERROR_ARGUMENT, name + "_strength = " + std::to_string(strength), "a number from 0.1 to 2, or 0 for 1",
             "1 is what people do; " + name + " = -1 switches it off.");
    if (wanted == -1) return seeded;
    try {
        possible();
        seeded.on = true;
    } catch (const Failure&) {
        // The default asks for no more than the package can do.
        if (wanted == 1) throw;
    }
    return seeded;
}

// Writes frames into the caller's arrays.
class Output : public FrameReceiver {
public:
    Output(const emoface_frames* out, const FrameSizes& sizes) : sizes_(sizes) {
        if (out != nullptr) out_ = whole(out);
    }
    void receive(const Frame& frame) override {
        if (out_.time != nullptr) out_.time[count_] = frame.time;
        put(out_.vertices, frame.vertices, sizes_.vertices);
        put(out_.offsets, frame.offsets, sizes_.vertices);
        put(out_.emotion, frame.emotion, sizes_.emotion);
        put(out_.emotion_weight, frame.weight, sizes_.weight);
        put(out_.blendshapes, frame.blendshapes, sizes_.blendshapes);
        put(out_.head_rotation, frame.head_rotation, sizes_.head_rotation);
        put(out_.head_translation, frame.head_translation, sizes_.head_translation);
        float* const affect[] = {out_.arousal, out_.valence, out_.confidence};
        for (size_t i = 0; i < kAffects; ++i) put(affect[i], frame.affect[i], sizes_.affect[i]);
        put(out_.coefficients, frame.coefficients, sizes_.coefficients);
        put(out_.emotion_coefficients, frame.emotion_coefficients, sizes_.emotion_coefficients);
        ++count_;
    }
    int64_t count() const { return int64_t(count_); }

private:
    void put(float* to, const float* from, size_t size) const {
        if (to != nullptr && from != nullptr) std::memcpy(to + count_ * size, from, size * sizeof(float));
    }
    emoface_frames out_{};
    const FrameSizes& sizes_;
    size_t count_ = 0;
};

void require_synchronous(const emoface_animator& animator) {
    if (animator.running.load())
        fail(EMOFACE_ERROR_MODE, "a synchronous call in real time", "emoface_push() and emoface_sample()",
             "Call emoface_stop() first.");
}

void require_open(const Stream& stream, const char* what) {
    stream.require_sound();
    if (stream.ended())
        fail(EMOFACE_ERROR_STREAM_ENDED, what, "emoface_reset() first", "Call emoface_reset() to begin a new stream.");
}

void require_count(const void* samples, int64_t count) {
    if (count < 0 || count > kMostSamples)
        fail(EMOFACE_ERROR_ARGUMENT, "count = " + std::to_string(count), "0 or more samples", "Pass the samples per channel.");
    if (count > 0) require_pointer(samples, "samples");
}

// Whether `needed` frames fit; then `written` is theirs to report.
bool too_small(const emoface_frames* out, int64_t capacity, int64_t needed, int64_t* written) {
    if (written != nullptr) *written = needed;
    if (out == nullptr || needed <= capacity) return false;
    refuse(EMOFACE_ERROR_BUFFER_TOO_SMALL, "room for " + std::to_string(capacity) + " frame(s)", std::to_string(needed),
           "Pass larger arrays; nothing was consumed.");
    return true;
}

emoface_status change(emoface_animator* animator, const std::function<void(Stream&)>& set) {
    const Use use(animator);
    const auto change_stream = [&] {
        animator->stream.require_sound();
        set(animator->stream);
        return EMOFACE_OK;
    };
    return animator->running.load() ? animator->realtime->locked(change_stream) : change_stream();
}

emoface_status change_by_name(emoface_animator* animator, const char* condition, const char* name, double at) {
    return guarded([&] {
        return change(animator, [&](Stream& stream) {
            stream.set_condition(condition, named_condition(stream.package().manifest(), condition, name ? name : ""), at);
        });
    });
}

}  // namespace

namespace emoface::runtime {

StreamOptions stream_options(const Package& package, const emoface_animator_config* given) {
    emoface_animator_config config{};
    if (given != nullptr) {
        require_struct(given, "emoface_animator_config", kFirstConfig);
        if (!known_config(given->struct_size)) refuse_config(given->struct_size);
        config = whole(given);
        // A program made before there were blinks, gaze or head sway gets the frames that it got then.
        if (given->struct_size <= kControlsConfig) config.blinks = -1;
        if (given->struct_size <= kPersonConfig) config.gaze = config.head_sway = -1;
    }
    const Manifest& manifest = package.manifest();
    StreamOptions options;
    options.rate = in_range(config.sample_rate, kLowestRate, kHighestRate, 16000, "sample_rate", EMOFACE_ERROR_AUDIO_FORMAT);
    options.format.channels = in_range(config.channels, 1, 64, 1, "channels", EMOFACE_ERROR_AUDIO_FORMAT);
    options.format.format = in_range(config.sample_format, 0, EMOFACE_SAMPLES_UINT8, 0, "sample_format", EMOFACE_ERROR_AUDIO_FORMAT);
    options.format.mute_bad = in_range(config.on_bad_audio, 0, 1, 0, "on_bad_audio", EMOFACE_ERROR_ARGUMENT) == 1;
    options.threads = in_range(config.threads, 1, 1024, 1, "threads", EMOFACE_ERROR_ARGUMENT);
    options.blendshapes = in_range(config.blendshapes, 0, 1, 0, "blendshapes", EMOFACE_ERROR_ARGUMENT) == 1;
    options.block_features = block_features(manifest, config.block_ms);
    if (config.precision != nullptr) options.precision = config.precision;
    options.backend = resolve_backend(config.backend ? config.backend : "");
    options.conditions = initial_conditions(manifest, config);
    options.vertices = neutral_face(package, config);
    options.controls = read_controls(config.controls);
    options.skip_vertices = skips_vertices(manifest, config, options.controls);
    if (options.skip_vertices) config.blinks = config.gaze = config.head_sway = -1;
    options.blinks = read_blinks(config, package);
    options.gaze = read_seeded("gaze", config.gaze, config.gaze_strength, config.gaze_seed, options.blinks,
                               [&] { find_eyes(package); });
    // A head that the model moves is left to it, unless more is asked for.
    if (config.head_sway == 0 && manifest.outputs.count("head_rotation")) config.head_sway = -1;
    options.head_sway = read_seeded("head_sway", config.head_sway, config.head_sway_strength, config.head_sway_seed,
                                    options.blinks, [&] { check_head(package); });
    if (const auto& assets = package.face().assets; assets.pivots) options.pivots = *assets.pivots;
    if (config.identity != nullptr) {
        const FaceIdentity& identity = package.face().assets.identities.at(config.identity);
        if (identity.pivots) options.pivots = *identity.pivots;
        if (!identity.basis.empty()) options.basis = &identity.basis;
    }
    options.noise_seed = config.noise_seed;
    return options;
}

void require_frames(const emoface_frames* out, const FrameSizes& sizes) {
    if (out == nullptr) return;
    require_struct(out, "emoface_frames", offsetof(emoface_frames, offsets));
    if (out->blendshapes != nullptr && sizes.blendshapes == 0)
        fail(EMOFACE_ERROR_ARGUMENT, "an array for blendshapes", "NULL: this animator solves none",
             "Make the animator with blendshapes = 1.");
    const emoface_frames known = whole(out);
    if (sizes.vertices == 0 && (known.vertices != nullptr || known.offsets != nullptr))
        fail(EMOFACE_ERROR_ARGUMENT, "an array for vertices", "NULL: this animator makes none",
             "Make the animator with skip_vertices = 0.");
    if ((known.coefficients != nullptr && sizes.coefficients == 0) ||
        (known.emotion_coefficients != nullptr && sizes.emotion_coefficients == 0))
        fail(EMOFACE_ERROR_ARGUMENT, "an array for coefficients", "NULL: the package does not give them",
             "See `coefficients` and `has_emotion_coefficients` of emoface_package_info.");
    if ((known.head_rotation != nullptr || known.head_translation != nullptr) && sizes.head_rotation == 0)
        fail(EMOFACE_ERROR_ARGUMENT, "an array for the head's pose", "NULL: nothing moves the head",
             "See `has_head_pose` of emoface_animator_info.");
    const float* const affect[] = {known.arousal, known.valence, known.confidence};
    for (size_t i = 0; i < kAffects; ++i)
        if (affect[i] != nullptr && sizes.affect[i] == 0)
            fail(EMOFACE_ERROR_ARGUMENT, std::string("an array for ") + kAffect[i], "NULL: the package does not give it",
                 std::string("See `has_") + kAffect[i] + "` of emoface_package_info.");
}

}  // namespace emoface::runtime

extern "C" {

emoface_status emoface_animator_config_init(emoface_animator_config* config, uint32_t struct_size) {
    return guarded([&] {
        require_pointer(config, "config");
        if (!known_config(struct_size)) refuse_config(struct_size);
        std::memset(config, 0, struct_size);
        config->struct_size = struct_size;
        return EMOFACE_OK;
    });
}

emoface_status emoface_animator_create(emoface_package* package, const emoface_animator_config* config,
                                       emoface_animator** animator) {
    return guarded([&] {
        require_pointer(package, "package");
        require_pointer(animator, "animator");
        *animator = nullptr;
        *animator = new emoface_animator(package->package, stream_options(*package->package, config));
        return EMOFACE_OK;
    });
}

void emoface_animator_release(emoface_animator* animator) { delete animator; }

emoface_status emoface_animator_get_info(emoface_animator* animator, emoface_animator_info* info) {
    return guarded([&] {
        const Use use(animator);
        require_struct(info, "emoface_animator_info", offsetof(emoface_animator_info, has_head_pose));
        const Stream& stream = animator->stream;
        const auto read = [&] {
            const Driver& driver = stream.driver();
            info->fps = int32_t(stream.fps());
            info->sample_rate = int32_t(stream.options().rate);
            info->channels = stream.options().format.channels;
            info->block_ms = int32_t(1000 * stream.options().block_features / driver.clock().feature_rate);
            info->latency_samples = int32_t(driver.latency());
            info->latency_seconds = double(driver.latency()) / double(stream.options().rate);
            info->backend = stream.backend().c_str();
            info->precision = stream.precision().c_str();
            info->samples_fed = driver.fed();
            info->frames_made = driver.frames();
            if (info->struct_size > offsetof(emoface_animator_info, has_head_pose))
                info->has_head_pose = stream.sizes().head_rotation != 0;
            return EMOFACE_OK;
        };
        return animator->running.load() ? animator->realtime->locked(read) : read();
    });
}

emoface_status emoface_step(emoface_animator* animator, const void* samples, int64_t count, const emoface_frames* out,
                            int64_t capacity, int64_t* written) {
    return guarded([&]() -> emoface_status {
        if (written != nullptr) *written = 0;
        const Use use(animator);
        Stream& stream = animator->stream;
        require_synchronous(*animator);
        require_open(stream, "audio after emoface_flush()");
        require_count(samples, count);
        require_frames(out, stream.sizes());
        if (const emoface_status status = stream.options().format.check(samples, count); status != EMOFACE_OK) return status;
        if (too_small(out, capacity, stream.driver().frames_of_feed(count), written)) return EMOFACE_ERROR_BUFFER_TOO_SMALL;
        Output output(out, stream.sizes());
        stream.feed(samples, count, output);
        if (written != nullptr) *written = output.count();
        return EMOFACE_OK;
    });
}

emoface_status emoface_step_frames(emoface_animator* animator, int64_t count, int64_t* frames) {
    return guarded([&] {
        const Use use(animator);
        require_pointer(frames, "frames");
        *frames = 0;
        require_synchronous(*animator);
        require_open(animator->stream, "audio after emoface_flush()");
        if (count < 0 || count > kMostSamples) require_count(nullptr, count);
        *frames = animator->stream.driver().frames_of_feed(count);
        return EMOFACE_OK;
    });
}

emoface_status emoface_flush(emoface_animator* animator, double tail_seconds, const emoface_frames* out, int64_t capacity,
                             int64_t* written) {
    return guarded([&]() -> emoface_status {
        if (written != nullptr) *written = 0;
        const Use use(animator);
        Stream& stream = animator->stream;
        if (animator->running.load()) {
            const int64_t tail = stream.tail_frames(tail_seconds);
            if (out != nullptr) fail(EMOFACE_ERROR_MODE, "an output in real time", "out = NULL", "Use emoface_sample().");
            if (animator->realtime->ended())
                fail(EMOFACE_ERROR_STREAM_ENDED, "a second emoface_flush()", "emoface_reset() first", "Call emoface_reset().");
            animator->realtime->end(tail);
            return EMOFACE_OK;
        }
        require_open(stream, "a second emoface_flush()");
        require_frames(out, stream.sizes());
        const int64_t tail = stream.tail_frames(tail_seconds);
        if (too_small(out, capacity, stream.driver().frames_of_finish(tail), written)) return EMOFACE_ERROR_BUFFER_TOO_SMALL;
        Output output(out, stream.sizes());
        stream.finish(tail, output);
        if (written != nullptr) *written = output.count();
        return EMOFACE_OK;
    });
}

emoface_status emoface_flush_frames(emoface_animator* animator, double tail_seconds, int64_t* frames) {
    return guarded([&] {
        const Use use(animator);
        require_pointer(frames, "frames");
        *frames = 0;
        require_synchronous(*animator);
        require_open(animator->stream, "a second emoface_flush()");
        *frames = animator->stream.driver().frames_of_finish(animator->stream.tail_frames(tail_seconds));
        return EMOFACE_OK;
    });
}

emoface_status emoface_reset(emoface_animator* animator) {
    return guarded([&] {
        const Use use(animator);
        if (animator->realtime) animator->realtime->reset();
        else animator->stream.reset();
        return EMOFACE_OK;
    });
}

emoface_status emoface_snapshot(emoface_animator* animator, void* buffer, int64_t capacity, int64_t* written) {
    return guarded([&]() -> emoface_status {
        const Use use(animator);
        require_pointer(written, "written");
        *written = 0;
        require_synchronous(*animator);
        animator->stream.require_sound();
        const Bytes bytes = animator->stream.snapshot();
        *written = int64_t(bytes.size());
        if (capacity < *written || buffer == nullptr)
            return refuse(EMOFACE_ERROR_BUFFER_TOO_SMALL, "room for " + std::to_string(capacity) + " bytes",
                          std::to_string(*written), "Pass a larger buffer.");
        std::memcpy(buffer, bytes.data(), bytes.size());
        return EMOFACE_OK;
    });
}

emoface_status emoface_restore(emoface_animator* animator, const void* data, int64_t size) {
    return guarded([&] {
        const Use use(animator);
        require_pointer(data, "data");
        require_synchronous(*animator);
        if (size < 0) fail(EMOFACE_ERROR_ARGUMENT, "size = " + std::to_string(size), "0 or more", "Pass the number of bytes.");
        animator->stream.restore(data, size_t(size));
        return EMOFACE_OK;
    });
}

emoface_status emoface_set_style(emoface_animator* animator, const char* name, double at) {
    return change_by_name(animator, "style", name, at);
}

emoface_status emoface_set_emotion(emoface_animator* animator, const char* name, double at) {
    return change_by_name(animator, "emotion", name, at);
}

emoface_status emoface_set_level(emoface_animator* animator, const char* name, double at) {
    return change_by_name(animator, "level", name, at);
}

emoface_status emoface_set_person(emoface_animator* animator, const char* name, double at) {
    return change_by_name(animator, "person", name, at);
}

emoface_status emoface_set_condition(emoface_animator* animator, const char* condition, const float* values, int64_t count,
                                     double at) {
    return guarded([&] {
        require_pointer(condition, "condition");
        return change(animator, [&](Stream& stream) {
            stream.set_condition(condition, weighted_condition(stream.package().manifest(), condition, values, count), at);
        });
    });
}

emoface_status emoface_set_emotion_keys(emoface_animator* animator, const emoface_emotion_key* keys, int64_t count,
                                        const emoface_emotion_blending* blending) {
    return guarded([&] {
        return change(animator, [&](Stream& stream) { stream.set_emotion_keys(keys, count, blending); });
    });
}

}  // extern "C"
