// The clock of a stream, in integers: audio samples, feature blocks, frames. See docs/streaming.md.
#pragma once

#include <algorithm>
#include <cstdint>

namespace emoface::runtime {

// Quotients rounded down and up, of a numerator >= 0.
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Clock {
    int64_t fps = 0, sample_rate = 0, feature_rate = 0, hop = 0, overlap = 0, block_features = 0, delay_features = 0;

    // Index of the last feature that a frame reads.
    int64_t last_feature_of_frame(int64_t frame) const { return ceil_div(feature_rate * frame, fps); }
    // Index of the block whose output completes a frame.
    int64_t block_of_frame(int64_t frame) const {
        return (last_feature_of_frame(frame) + delay_features) / block_features;
    }
    // Features, the look-ahead dropped, known after `blocks` blocks.
    int64_t features_after_blocks(int64_t blocks) const {
        return std::max<int64_t>(0, blocks * block_features - delay_features);
    }
    // Frames complete after `blocks` blocks.
    int64_t frames_after_blocks(int64_t blocks) const {
        const int64_t features = features_after_blocks(blocks);
        return features == 0 ? 0 : (features - 1) * fps / feature_rate + 1;
    }
    // Samples, at the model's rate, that must exist before a block can run.
    int64_t samples_for_block(int64_t block) const { return hop * block_features * (block + 1) + overlap; }
    // The promised number of frames: floor(samples fps / rate).
    int64_t frames_of(int64_t samples, int64_t rate) const { return samples * fps / rate; }
    // Seconds of audio at which a block begins.
    double block_time(int64_t block) const { return double(block * block_features) / double(feature_rate); }

    // Caller samples after which a block runs: those that determine its samples (`needed`), and never before the
    // promised count covers its frames.
    template <class Needed> int64_t due(int64_t block, int64_t rate, const Needed& needed) const {
        return std::max(needed(samples_for_block(block)), ceil_div(frames_after_blocks(block + 1) * rate, fps));
    }
    // Declared latency in caller samples, rounded up: the maximum over frames of due(block of m) - rate m / fps.
    template <class Needed> int64_t latency(int64_t rate, const Needed& needed) const {
        int64_t worst = 0;
        const int64_t first = delay_features / block_features;
        for (int64_t block = first; block <= first + feature_rate; ++block) {
            // Of a block's frames the first waits longest; one period is every case there is.
            const int64_t frame = frames_after_blocks(block);
            if (block_of_frame(frame) != block || frame >= fps * block_features) continue;
            const int64_t late = due(block, rate, needed) * fps - rate * frame;
            if (late > 0) worst = std::max(worst, ceil_div(late, fps));
        }
        return worst;
    }
};

}  // namespace emoface::runtime
