// Real time: the audio thread pushes, a worker computes, the display thread samples.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "failure.h"
#include "sample_queue.h"
#include "stream.h"

namespace emoface::runtime {

class Realtime : private FrameReceiver {
public:
    // Starts the worker. The stream must outlive it, and is touched by the worker alone between here and `stop`, but
    // through `locked`.
    Realtime(Stream& stream, int queue_ms, int history_ms);
    ~Realtime() override;

    // Audio thread: checked and queued. No lock, no allocation, no system call.
    emoface_status push(const void* samples, int64_t count) noexcept;
    // Display thread.
    emoface_status sample(double time, const emoface_frames* given);
    // Control thread: the worker finishes the stream.
    void end(int64_t tail);
    void reset();
    // Lets the worker compute what was pushed, and ends it.
    void stop();
    bool ended() const noexcept { return end_.load() >= 0; }
    void statistics(emoface_statistics* statistics);
    // Runs `body` while the worker computes nothing; Failure once the worker has failed.
    template <class Body> auto locked(Body&& body) {
        const std::lock_guard lock(stream_mutex_);
        return body();
    }

private:
    struct Slot {
        int64_t index = -1;
        std::vector<float> vertices, emotion, weight, blendshapes, head_rotation, head_translation, affect[kAffects];
        std::vector<float> coefficients, emotion_coefficients;
    };
    void receive(const Frame& frame) override;
    void work() noexcept;
    // A failed step's status and text, with the stream's lock held; then, without it, a message.
    void note_failure(emoface_status status) noexcept;
    void log_failure() const noexcept;
    // One piece of audio at most, or the end of the stream; false where there was nothing to do.
    bool work_once();
    void clear_history();
    const Slot& slot(int64_t index) const { return history_[size_t(index) % history_.size()]; }
    void write(const emoface_frames& out, const Slot& a, const Slot& b, float share, double time) const;

    Stream& stream_;
    SampleQueue queue_;
    std::mutex stream_mutex_;  // the stream: worker, and control thread for moments
    std::mutex history_mutex_;
    std::vector<Slot> history_;
    int64_t oldest_ = 0, newest_ = -1;  // frames in the history, [oldest, newest]
    std::atomic<int64_t> end_{-1};      // tail frames once the audio has ended
    std::atomic<bool> stopping_{false}, abandoned_{false};
    std::atomic<int32_t> failed_{0};
    Fault failure_;
    std::atomic<int64_t> pushed_{0}, rejected_{0}, sampled_{0}, no_frame_{0}, late_{0}, early_{0};
    int64_t timed_blocks_ = 0;
    double total_seconds_ = 0, worst_seconds_ = 0;
    std::thread worker_;
};

}  // namespace emoface::runtime
