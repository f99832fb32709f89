// One voice: what an animator does whichever way it is driven. Audio in, finished frames out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audio_input.h"
#include "calibrate.h"
#include "driver.h"
#include "emotion_keys.h"
#include "package.h"
#include "rig_layers.h"
#include "seeded.h"
#include "snapshot.h"

namespace emoface::runtime {

// How a stream is made, checked and complete.
struct StreamOptions {
    int64_t rate = 16000;
    AudioFormat format;
    int64_t block_features = 0;
    std::string backend = "ort-cpu", precision;  // "": the package's
    int threads = 1;
    bool blendshapes = false;
    RigControls controls;
    Blinks blinks;
    Seeded gaze, head_sway;
    std::vector<float> pivots;  // [4, 3] of the neutral face; none where it has none
    uint64_t noise_seed = 0;
    bool skip_vertices = false;
    const std::vector<float>* basis = nullptr;  // an identity's own, of the package
    std::vector<std::vector<float>> conditions;  // per condition of the manifest
    std::vector<float> vertices;                 // the neutral face; none: the package's
};

// A finished frame: time with the sync offset; vertices [V, 3]; offsets as the graphs gave them; emotion and weight as in
// RawFrame; blendshapes [S] or null; the head's pose and the coefficients as they are to be shown, or null.
struct Frame {
    int64_t index = 0;
    double time = 0;
    const float* vertices = nullptr;
    const float* offsets = nullptr;
    const float* emotion = nullptr;
    const float* weight = nullptr;
    const float* blendshapes = nullptr;
    const float* head_rotation = nullptr;
    const float* head_translation = nullptr;
    const float* affect[kAffects] = {};
    const float* coefficients = nullptr;
    const float* emotion_coefficients = nullptr;
};

class FrameReceiver {
public:
    virtual ~FrameReceiver() = default;
    virtual void receive(const Frame& frame) = 0;
};

// Sizes of a frame's arrays.
struct FrameSizes {
    size_t vertices = 0, emotion = 0, weight = 0, blendshapes = 0, head_rotation = 0, head_translation = 0, affect[kAffects] = {};
    size_t coefficients = 0, emotion_coefficients = 0;
};

class Stream : private FrameSink {
public:
    Stream(std::shared_ptr<Package> package, StreamOptions options);
    void reset();

    const Package& package() const { return *package_; }
    const StreamOptions& options() const { return options_; }
    const Driver& driver() const { return driver_; }
    const FrameSizes& sizes() const { return sizes_; }
    const std::vector<float>& neutral() const { return options_.vertices; }
    const std::string& backend() const { return engine_->backend(); }
    const std::string& precision() const { return engine_->precision(); }
    int64_t fps() const { return driver_.clock().fps; }
    bool ended() const { return ended_; }

    // Feed samples in the caller's format, checked before; or mono samples that are ready.
    void feed(const void* samples, int64_t count, FrameReceiver& receiver);
    void feed_mono(const float* samples, int64_t count, FrameReceiver& receiver);
    // Whole frames of a tail of so many seconds; Failure (ARGUMENT) outside 0 to 60.
    int64_t tail_frames(double seconds) const;
    void finish(int64_t tail, FrameReceiver& receiver);

    // Let a condition hold from `at` on (negative: the audio fed so far); Failure (CONDITION).
    void set_condition(const std::string& name, std::vector<float> value, double at);
    // Let emotions hold at times, blended; the first begins where the emotion then is. Failure (ARGUMENT, CONDITION), and
    // nothing changed.
    void set_emotion_keys(const emoface_emotion_key* keys, int64_t count, const emoface_emotion_blending* blending);

    // Beside the stream, whose state is not touched.
    VoiceMean mean_feature(int64_t rate, const float* samples, int64_t count) const {
        return runtime::mean_feature(package_->manifest(), *engine_, options_.block_features, rate, samples, count);
    }

    Bytes snapshot() const;
    void restore(const void* data, size_t size);
    // A call after a failed step must wait for reset or restore.
    void require_sound() const;
    bool failed() const { return failed_; }

private:
    void put_layers();
    void frame(const RawFrame& raw) override;
    Identity identity() const;
    std::shared_ptr<Package> package_;
    StreamOptions options_;
    std::shared_ptr<Engine> engine_;
    Driver driver_;
    FrameSizes sizes_;
    Layers layers_;
    std::vector<float> offsets_, vertices_;
    std::vector<float> coefficients_;  // faded: [2, R]
    float head_rotation_[9] = {}, head_translation_[3] = {};
    FrameReceiver* receiver_ = nullptr;
    int64_t fade_from_ = -1, fade_count_ = 0;
    bool ended_ = false, failed_ = false;
};

// A solver for a package's shapes or others; Failure (PACKAGE, ARGUMENT, OUT_OF_MEMORY).
std::unique_ptr<BlendshapeSolver> make_solver(const Package& package, int64_t shapes, const float* deltas, float sparsity,
                                              float smoothness);

}  // namespace emoface::runtime
