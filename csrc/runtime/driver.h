// The driver: runs a manifest's stages over a stream of audio, whatever the model's family. As emoface.stream.driver:
// audio is gathered into a fixed grid of blocks, so that every graph sees the same arrays in the same order for the same
// audio, and gives the same bits however the caller cuts it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "affect.h"
#include "engine.h"
#include "expansion.h"
#include "noise.h"
#include "offset.h"
#include "resampler.h"
#include "timeline.h"

namespace emoface::runtime {

// Seconds of frames after the end of the audio.
constexpr double kLongestTail = 60.0;

// One frame as the graphs gave it: offsets [V, 3], emotion [E], weight [V]; the head's rotation [3, 3], made orthonormal,
// and translation [3]; of each of kAffect one value; coefficients [R]; null where the package has no such output, or nobody
// asks for the offsets.
struct RawFrame {
    int64_t index = 0;
    const float* offsets = nullptr;
    const float* emotion = nullptr;
    const float* weight = nullptr;
    const float* head_rotation = nullptr;
    const float* head_translation = nullptr;
    const float* affect[kAffects] = {};
    const float* coefficients = nullptr;
    const float* emotion_coefficients = nullptr;
};

// What a stage's output was, after every call of it: for verification. `first` counts features after the dropped
// look-ahead, or frames; `values` holds `count` items.
struct Probed {
    size_t stage = 0, output = 0;
    int64_t first = 0, count = 0;
    const uint8_t* values = nullptr;
};
using Probe = std::function<void(const Probed&)>;

class FrameSink {
public:
    virtual ~FrameSink() = default;
    virtual void frame(const RawFrame& frame) = 0;
};

class Driver {
public:
    // The manifest and engine must outlive the driver.
    Driver(const Manifest& manifest, Engine& engine, int64_t block_features, int64_t rate,
           std::vector<std::vector<float>> conditions, uint64_t noise_seed = 0, const OffsetSource& source = {});
    // Back to the start of a stream; conditions too.
    void reset();

    const Clock& clock() const { return clock_; }
    int64_t rate() const { return resampler_.rate(); }
    int64_t fed() const { return fed_; }
    int64_t blocks() const { return blocks_; }
    int64_t frames() const { return frames_; }
    // Declared latency in samples at the caller's rate.
    int64_t latency() const;
    // The promised number of frames of the audio so far.
    int64_t promised() const { return clock_.frames_of(fed_, rate()); }
    // Frames that `count` more samples would complete, and that `finish(extra)` would return.
    int64_t frames_of_feed(int64_t count) const;
    int64_t frames_of_finish(int64_t extra) const;
    // Samples still missing until the next block runs; at least 1.
    int64_t missing() const;

    // Room for up to `kPiece` samples, then `feed` of as many: runs every block that is due.
    static constexpr int64_t kPiece = 8192;
    float* room(int64_t count) { return resampler_.room(size_t(count)); }
    void feed(int64_t count, FrameSink& sink);
    // Feed zeros until all promised frames, and `extra` more, are out.
    void finish(int64_t extra, FrameSink& sink);

    // The earliest audio time from which a condition can still change.
    double earliest_change(size_t condition) const;
    Timeline& timeline() { return timeline_; }
    // Called with every output of a stage. The stages then hear the audio as it was fed, its offset included: what golden
    // vectors are of.
    void set_probe(Probe probe) { probe_ = std::move(probe); }
    const Manifest& manifest() const { return manifest_; }

private:
    friend class SnapshotWriter;
    friend class SnapshotReader;

    struct Input {
        enum Kind { audio, condition, noise, link } kind = audio;
        size_t condition_index = 0;
        size_t noise_index = 0;
        size_t key = 0;
    };
    struct Stage {
        std::unique_ptr<StageStream> stream;
        std::vector<Input> inputs;
        size_t first_key = 0;  // keys of its outputs follow each other
        bool needed = true;    // false where it leads to nothing but offsets that nobody asks for
    };
    // An output of a stage: where its values of the frames in work are.
    struct Key {
        size_t stage = 0, output = 0, bytes = 0;  // bytes per item
        int track = -1;                           // index where coming frames read it from blocks
        const uint8_t* frames = nullptr;          // [n, bytes]
        std::vector<uint8_t> gathered;            // where a frames stage needed several calls
    };
    // Features of a block output that coming frames still read, from index `start` on.
    struct Track {
        size_t key = 0, width = 0;
        int64_t start = 0, count = 0;
        std::vector<float> values, interpolated;
    };

    void plan(Engine& engine, bool offsets);
    // Whether each stage is needed for the results, directly or by others, or has a state: what a snapshot holds does not
    // depend on what is asked for.
    std::vector<bool> needed(bool offsets) const;
    void run(int64_t blocks, int64_t total, FrameSink& sink);
    void run_block(int64_t total, FrameSink& sink);
    void run_block_stages(int64_t block);
    void append(Track& track, const float* features, int64_t count);
    void forget_features();
    void interpolate(int64_t first, int64_t last);
    void run_frames_stage(Stage& stage, int64_t first, int64_t last);
    void run_frame(int64_t frame, int64_t offset);
    void report(int64_t frame, int64_t offset, FrameSink& sink);
    void probe(const Stage& stage, int64_t first, int64_t skip, int64_t count) const;
    void write_condition(Buffer& buffer, size_t condition, double time) const;

    const Manifest& manifest_;
    Probe probe_;
    Clock clock_;
    Resampler resampler_;
    OffsetRemover offset_;
    Timeline timeline_;
    NoiseSource noise_;
    std::vector<Stage> stages_;
    std::vector<Key> keys_;
    std::vector<Track> tracks_;
    int offsets_key_ = -1, emotion_key_ = -1, weight_key_ = -1, rotation_key_ = -1, translation_key_ = -1;
    int affect_keys_[kAffects] = {-1, -1, -1};
    int coefficients_key_ = -1, emotion_coefficients_key_ = -1;
    std::optional<Expansion> expansion_;
    std::vector<float> expanded_;  // offsets of the latest frame, where they are made here
    float rotation_[9] = {};    // the latest frame's, made orthonormal
    std::vector<float> audio_;  // the block's samples: overlap, then new ones
    int64_t fed_ = 0, blocks_ = 0, frames_ = 0;
};

}  // namespace emoface::runtime
