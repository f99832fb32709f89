#include "EmoFaceVoice.h"

#include <cstddef>
#include <thread>

namespace emoface {
namespace {

const char* text_or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

std::shared_ptr<VoicePackage> VoicePackage::open(const Api& api, const std::string& path, std::string* problem) {
    emoface_package* handle = nullptr;
    if (api.package_open(path.c_str(), &handle) < 0) {
        *problem = api.last_error();
        return nullptr;
    }
    std::shared_ptr<VoicePackage> package(new VoicePackage(api, handle));
    package->info_.struct_size = sizeof(emoface_package_info);
    if (api.package_get_info(handle, &package->info_) < 0) {
        *problem = api.last_error();
        return nullptr;
    }
    if (package->info_.has_head_pose != 0) {
        *problem = "got a package that moves the head as a whole; expected one that moves the face alone, as this plugin "
                   "shows it. Take another package, or drive the head with the C interface.";
        return nullptr;
    }
    return package;
}

VoicePackage::~VoicePackage() { api_.package_release(handle_); }

std::vector<std::string> VoicePackage::names(int32_t list) const {
    std::vector<std::string> found;
    const int32_t count = api_.package_name_count(handle_, list);
    for (int32_t i = 0; i < count; ++i) found.emplace_back(api_.package_name(handle_, list, i));
    return found;
}

std::unique_ptr<Voice> Voice::start(const Api& api, std::shared_ptr<VoicePackage> package, const VoiceOptions& options,
                                    std::string* problem) {
    std::unique_ptr<Voice> voice(new Voice(api, std::move(package)));
    const emoface_package_info& info = voice->package_->info();
    emoface_animator_config config{};
    config.struct_size = sizeof(config);
    config.sample_rate = options.sample_rate;
    config.channels = 1;
    config.on_bad_audio = EMOFACE_BAD_AUDIO_SILENCE;
    config.blendshapes = options.blendshapes ? 1 : 0;
    config.style = text_or_null(options.style);
    config.emotion = text_or_null(options.emotion);
    config.level = text_or_null(options.level);
    config.person = text_or_null(options.person);
    emoface_controls controls{};
    // The later ones stay at their defaults, which are not zero.
    controls.struct_size = offsetof(emoface_controls, mask_level);
    controls.upper_strength = options.upper_strength;
    controls.lower_strength = options.lower_strength;
    controls.upper_smoothing = options.upper_smoothing;
    controls.lower_smoothing = options.lower_smoothing;
    config.controls = &controls;
    config.blinks = options.blinks ? 0 : -1;
    config.blink_seed = options.blink_seed;
    config.gaze = options.gaze ? 0 : -1;
    config.head_sway = options.head_sway ? 0 : -1;
    emoface_condition mean{};
    mean.name = "speaker_mean";
    mean.values = options.speaker_mean.data();
    mean.count = int64_t(options.speaker_mean.size());
    config.conditions = options.speaker_mean.empty() ? nullptr : &mean;
    config.condition_count = options.speaker_mean.empty() ? 0 : 1;
    emoface_animator_info made{};
    made.struct_size = sizeof(made);
    emoface_realtime_config realtime{};
    realtime.struct_size = sizeof(realtime);
    realtime.history_ms = 4000;
    if (!voice->checked(api.animator_create(voice->package_->handle(), &config, &voice->animator_), problem) ||
        !voice->checked(api.animator_get_info(voice->animator_, &made), problem) ||
        !voice->checked(api.start(voice->animator_, &realtime), problem))
        return nullptr;
    voice->latency_seconds_ = made.latency_seconds;
    voice->sample_rate_ = made.sample_rate;
    if (options.blendshapes) voice->weights_.resize(size_t(info.blendshapes));
    if (options.vertices) voice->vertices_.assign(voice->package_->neutral(), voice->package_->neutral() + 3 * info.vertices);
    if (made.has_head_pose != 0) {
        voice->head_rotation_ = {1, 0, 0, 0, 1, 0, 0, 0, 1};
        voice->head_translation_.resize(3);
        voice->frames_.head_rotation = voice->head_rotation_.data();
        voice->frames_.head_translation = voice->head_translation_.data();
    }
    voice->frames_.struct_size = sizeof(emoface_frames);
    voice->frames_.time = &voice->time_;
    voice->frames_.blendshapes = voice->weights_.empty() ? nullptr : voice->weights_.data();
    voice->frames_.vertices = voice->vertices_.empty() ? nullptr : voice->vertices_.data();
    voice->open_ = true;
    return voice;
}

Voice::~Voice() { close(); }

emoface_status Voice::push(const float* mono, int count) {
    pushing_.fetch_add(1);
    const emoface_status status = open_.load() ? api_.push(animator_, mono, count) : EMOFACE_ERROR_MODE;
    pushing_.fetch_sub(1);
    return status;
}

void Voice::close() {
    open_.store(false);
    while (pushing_.load() != 0) std::this_thread::yield();
    // Here, where waiting for the worker is no harm: the last owner may be the audio thread.
    api_.animator_release(animator_);
    animator_ = nullptr;
}

bool Voice::sample(double audio_time, std::string* problem) {
    return checked(api_.sample(animator_, audio_time, &frames_), problem);
}

bool Voice::set_style(const std::string& name, std::string* problem) {
    return checked(api_.set_style(animator_, text_or_null(name), EMOFACE_NOW), problem);
}

bool Voice::set_emotion(const std::string& name, std::string* problem) {
    return checked(api_.set_emotion(animator_, text_or_null(name), EMOFACE_NOW), problem);
}

bool Voice::set_level(const std::string& name, std::string* problem) {
    return checked(api_.set_level(animator_, text_or_null(name), EMOFACE_NOW), problem);
}

bool Voice::set_person(const std::string& name, std::string* problem) {
    return checked(api_.set_person(animator_, text_or_null(name), EMOFACE_NOW), problem);
}

bool Voice::calibrate(const float* mono, int count, int sample_rate, std::vector<float>* speaker_mean, std::string* problem) {
    emoface_calibration found{};
    found.struct_size = sizeof(found);
    // The first call says how long the vector is, and computes nothing.
    float none = 0.0f;
    found.speaker_mean = &none;
    emoface_status status = api_.calibrate(animator_, mono, count, sample_rate, EMOFACE_NOW, &found);
    if (status == EMOFACE_ERROR_BUFFER_TOO_SMALL) {
        speaker_mean->resize(size_t(found.count));
        found.speaker_mean = speaker_mean->data();
        found.capacity = int32_t(found.count);
        status = api_.calibrate(animator_, mono, count, sample_rate, EMOFACE_NOW, &found);
    }
    if (status < 0) speaker_mean->clear();
    return checked(status, problem);
}

bool Voice::set_speaker_mean(const std::vector<float>& speaker_mean, std::string* problem) {
    const float* values = speaker_mean.empty() ? nullptr : speaker_mean.data();
    return checked(api_.set_condition(animator_, "speaker_mean", values, int64_t(speaker_mean.size()), EMOFACE_NOW), problem);
}

bool Voice::flush(double tail_seconds, std::string* problem) {
    return checked(api_.flush(animator_, tail_seconds, nullptr, 0, nullptr), problem);
}

emoface_statistics Voice::statistics() const {
    emoface_statistics found{};
    found.struct_size = sizeof(found);
    api_.get_statistics(animator_, &found);
    return found;
}

bool Voice::checked(emoface_status status, std::string* problem) const {
    if (status >= 0) return true;
    *problem = api_.last_error();
    return false;
}

}  // namespace emoface
