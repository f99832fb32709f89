// One voice in real time over the C interface. Standard C++17, no engine, no exceptions: what fails says why.
#pragma once

#include "EmoFaceApi.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace emoface {

// A loaded package: shared by all voices, thread-safe.
class VoicePackage {
public:
    // Null with a reason where there is no package at the path (UTF-8), or it cannot be used.
    static std::shared_ptr<VoicePackage> open(const Api& api, const std::string& path, std::string* problem);
    ~VoicePackage();
    VoicePackage(const VoicePackage&) = delete;
    VoicePackage& operator=(const VoicePackage&) = delete;

    const emoface_package_info& info() const { return info_; }
    std::string text(int32_t which) const { return api_.package_text(handle_, which); }
    std::vector<std::string> names(int32_t list) const;
    const float* neutral() const { return api_.package_template(handle_); }
    const int32_t* faces() const { return api_.package_faces(handle_); }
    const float* colours() const { return api_.package_colours(handle_); }
    emoface_package* handle() const { return handle_; }

private:
    VoicePackage(const Api& api, emoface_package* handle) : api_(api), handle_(handle) {}

    const Api& api_;
    emoface_package* handle_;
    emoface_package_info info_{};
};

struct VoiceOptions {
    int sample_rate = 48000;
    bool blendshapes = true;
    bool vertices = false;
    std::string style, emotion, level, person;  // empty: the package's default
    double upper_strength = 1.0, lower_strength = 1.0;    // 0 to 3
    double upper_smoothing = 0.0, lower_smoothing = 0.0;  // seconds, 0 to 1
    bool blinks = true;                                   // where the package's face can
    uint32_t blink_seed = 0;
    bool gaze = true;                                     // where the package's face can; by the same seed
    bool head_sway = false;                               // the same; then there is a head_rotation()
    std::vector<float> speaker_mean;  // of Voice::calibrate() with this package; empty: none
};

// A stream of one channel with its worker. push() is for the audio thread; everything else for one other thread.
class Voice {
public:
    // Null with a reason where the package does not offer the options, or ONNX Runtime is not there.
    static std::unique_ptr<Voice> start(const Api& api, std::shared_ptr<VoicePackage> package,
                                        const VoiceOptions& options, std::string* problem);
    ~Voice();
    Voice(const Voice&) = delete;
    Voice& operator=(const Voice&) = delete;

    // From the audio thread: no lock, no allocation, no waiting. EMOFACE_ERROR_MODE once close() was called.
    emoface_status push(const float* mono, int count);

    // End the stream and its worker, also while another thread is in push(): waits for that one call. Nothing but
    // push() may be called after.
    void close();

    // The face at a moment of audio time; false with a reason after a failure.
    bool sample(double audio_time, std::string* problem);

    // Change a condition from now on; false with a reason for a name that the package does not have.
    bool set_style(const std::string& name, std::string* problem);
    bool set_emotion(const std::string& name, std::string* problem);
    bool set_level(const std::string& name, std::string* problem);
    bool set_person(const std::string& name, std::string* problem);

    // Learn the voice from about 10 s of its calm speech, mono, from now on; false with a reason for less than 2 s of
    // audible speech. `speaker_mean` receives what coming voices take in their options. Takes a few percent of the speech's
    // length; the worker goes on meanwhile.
    bool calibrate(const float* mono, int count, int sample_rate, std::vector<float>* speaker_mean, std::string* problem);
    // Take what was found before; empty: none.
    bool set_speaker_mean(const std::vector<float>& speaker_mean, std::string* problem);

    // The audio is over: the face returns to neutral within `tail_seconds`.
    bool flush(double tail_seconds, std::string* problem);

    double latency_seconds() const { return latency_seconds_; }
    int sample_rate() const { return sample_rate_; }
    const VoicePackage& package() const { return *package_; }
    const std::vector<float>& weights() const { return weights_; }    // of the last sample(), [S]
    const std::vector<float>& vertices() const { return vertices_; }  // of the last sample(), [V, 3]
    // Of the last sample(): R [3, 3] and T [3] of posed vertices R v + T, empty where nothing moves the head.
    const std::vector<float>& head_rotation() const { return head_rotation_; }
    const std::vector<float>& head_translation() const { return head_translation_; }
    emoface_statistics statistics() const;

private:
    Voice(const Api& api, std::shared_ptr<VoicePackage> package) : api_(api), package_(std::move(package)) {}
    bool checked(emoface_status status, std::string* problem) const;

    const Api& api_;
    std::shared_ptr<VoicePackage> package_;
    emoface_animator* animator_ = nullptr;
    emoface_frames frames_{};
    double time_ = 0.0;
    double latency_seconds_ = 0.0;
    int sample_rate_ = 0;
    std::vector<float> weights_, vertices_, head_rotation_, head_translation_;
    std::atomic<bool> open_{false};
    std::atomic<int> pushing_{0};
};

}  // namespace emoface
