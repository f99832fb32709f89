#include "realtime.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "head_pose.h"

namespace emoface::runtime {
namespace {

using SteadyClock = std::chrono::steady_clock;

void blend(float* out, const std::vector<float>& a, const std::vector<float>& b, float share) {
    if (out == nullptr) return;
    for (size_t i = 0; i < a.size(); ++i) out[i] = a[i] + (b[i] - a[i]) * share;
}

void assign(std::vector<float>& to, const float* from) {
    if (!to.empty() && from != nullptr) std::memcpy(to.data(), from, to.size() * sizeof(float));
}

}  // namespace

Realtime::Realtime(Stream& stream, int queue_ms, int history_ms)
    : stream_(stream), queue_(size_t(stream.options().rate * queue_ms / 1000 + 1)) {
    const FrameSizes& sizes = stream.sizes();
    history_.resize(size_t(std::max<int64_t>(4, stream.fps() * history_ms / 1000)));
    for (Slot& slot : history_) {
        slot.vertices.resize(sizes.vertices);
        slot.emotion.resize(sizes.emotion);
        slot.weight.resize(sizes.weight);
        slot.blendshapes.resize(sizes.blendshapes);
        slot.head_rotation.resize(sizes.head_rotation);
        slot.head_translation.resize(sizes.head_translation);
        for (size_t i = 0; i < kAffects; ++i) slot.affect[i].resize(sizes.affect[i]);
        slot.coefficients.resize(sizes.coefficients);
        slot.emotion_coefficients.resize(sizes.emotion_coefficients);
    }
    clear_history();
    worker_ = std::thread([this] { work(); });
}

Realtime::~Realtime() {
    // Whoever lets go of a voice waits for the block in work, not for all that was pushed.
    abandoned_.store(true);
    stop();
}

void Realtime::stop() {
    stopping_.store(true);
    if (worker_.joinable()) worker_.join();
}

emoface_status Realtime::push(const void* samples, int64_t count) noexcept {
    if (failed_.load(std::memory_order_relaxed) != 0)
        return refuse(EMOFACE_ERROR_RUNTIME, "a worker that failed, see emoface_get_statistics()", "a sound state",
                      "Call emoface_reset().");
    if (end_.load(std::memory_order_relaxed) >= 0)
        return refuse(EMOFACE_ERROR_STREAM_ENDED, "audio after emoface_flush()", "emoface_reset() first",
                      "Call emoface_reset().");
    const AudioFormat& format = stream_.options().format;
    if (const emoface_status status = format.check(samples, count); status != EMOFACE_OK) return status;
    const auto* bytes = static_cast<const unsigned char*>(samples);
    const bool taken = queue_.push(size_t(count), [&](float* out, size_t from, size_t length) {
        format.to_mono(bytes + from * format.frame_bytes(), int64_t(length), out);
    });
    if (taken) {
        pushed_.fetch_add(count, std::memory_order_relaxed);
        return EMOFACE_OK;
    }
    rejected_.fetch_add(count, std::memory_order_relaxed);
    return refuse(EMOFACE_ERROR_QUEUE_FULL, "more audio than the queue has room for",
                  "pushes no faster than the worker computes", "Push again later, or start with a larger queue_ms.");
}

void Realtime::work() noexcept {
    for (;;) {
        // Read first: what was pushed before stop() is then seen below.
        const bool stopping = stopping_.load();
        if (abandoned_.load()) return;
        bool worked = false, failed = false;
        {
            const std::lock_guard lock(stream_mutex_);
            try {
                worked = failed_.load() == 0 && work_once();
            } catch (...) {
                // Under the lock: a reset() in between must not be followed by the failure of the stream before.
                failed = true;
                note_failure(status_of_current_exception());
            }
        }
        if (failed) log_failure();
        if (worked) continue;
        if (stopping) return;
        // Short against a block: push() must not make a system call to wake the worker.
        const double block = double(stream_.options().block_features) / double(stream_.driver().clock().feature_rate);
        std::this_thread::sleep_for(std::chrono::duration<double>(std::clamp(block / 16, 0.0005, 0.004)));
    }
}

void Realtime::note_failure(emoface_status status) noexcept {
    try {
        failure_ = {last_error_part(EMOFACE_PART_GOT), last_error_part(EMOFACE_PART_EXPECTED),
                    last_error_part(EMOFACE_PART_REMEDY), {}, {}};
    } catch (...) {
        failure_ = {};  // no memory for the text; the status says so
    }
    failed_.store(status);
}

void Realtime::log_failure() const noexcept {
    try {
        log(EMOFACE_LOG_ERROR, std::string("the worker failed: ") + last_error());
    } catch (...) {
        // No memory for the message; emoface_get_statistics() has the status.
    }
}

bool Realtime::work_once() {
    if (stream_.ended()) {
        queue_.drop();
        return false;
    }
    const int64_t tail = end_.load();
    size_t count = 0;
    const size_t most = size_t(std::min(stream_.driver().missing(), Driver::kPiece));
    const float* samples = queue_.peek(most, &count);
    if (count == 0 && tail < 0) return false;
    const int64_t blocks = stream_.driver().blocks();
    const auto begin = SteadyClock::now();
    if (count != 0) {
        stream_.feed_mono(samples, int64_t(count), *this);
        queue_.taken(count);
    } else {
        stream_.finish(tail, *this);
    }
    const int64_t ran = stream_.driver().blocks() - blocks;
    if (ran > 0) {
        const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count() / double(ran);
        const std::lock_guard lock(history_mutex_);
        timed_blocks_ += ran;
        total_seconds_ += seconds * double(ran);
        worst_seconds_ = std::max(worst_seconds_, seconds);
    }
    return true;
}

void Realtime::receive(const Frame& frame) {
    const std::lock_guard lock(history_mutex_);
    Slot& slot = history_[size_t(frame.index) % history_.size()];
    slot.index = frame.index;
    assign(slot.vertices, frame.vertices);
    assign(slot.emotion, frame.emotion);
    assign(slot.weight, frame.weight);
    assign(slot.blendshapes, frame.blendshapes);
    assign(slot.head_rotation, frame.head_rotation);
    assign(slot.head_translation, frame.head_translation);
    for (size_t i = 0; i < kAffects; ++i) assign(slot.affect[i], frame.affect[i]);
    assign(slot.coefficients, frame.coefficients);
    assign(slot.emotion_coefficients, frame.emotion_coefficients);
    if (newest_ < 0) oldest_ = frame.index;
    newest_ = frame.index;
    oldest_ = std::max(oldest_, newest_ - int64_t(history_.size()) + 1);
}

void Realtime::write(const emoface_frames& out, const Slot& a, const Slot& b, float share, double time) const {
    if (out.time != nullptr) *out.time = time;
    blend(out.vertices, a.vertices, b.vertices, share);
    blend(out.emotion, a.emotion, b.emotion, share);
    blend(out.emotion_weight, a.weight, b.weight, share);
    blend(out.blendshapes, a.blendshapes, b.blendshapes, share);
    if (out.head_rotation != nullptr) slerp(a.head_rotation.data(), b.head_rotation.data(), share, out.head_rotation);
    blend(out.head_translation, a.head_translation, b.head_translation, share);
    float* const affect[] = {out.arousal, out.valence, out.confidence};
    for (size_t i = 0; i < kAffects; ++i) blend(affect[i], a.affect[i], b.affect[i], share);
    blend(out.coefficients, a.coefficients, b.coefficients, share);
    blend(out.emotion_coefficients, a.emotion_coefficients, b.emotion_coefficients, share);
}

emoface_status Realtime::sample(double time, const emoface_frames* given) {
    // The struct of a caller that may know fewer fields.
    emoface_frames whole{};
    if (given != nullptr) std::memcpy(&whole, given, given->struct_size);
    const emoface_frames* const out = given == nullptr ? nullptr : &whole;
    const double fps = double(stream_.fps());
    const std::lock_guard lock(history_mutex_);
    sampled_.fetch_add(1, std::memory_order_relaxed);
    if (newest_ < 0) {
        no_frame_.fetch_add(1, std::memory_order_relaxed);
        if (out != nullptr) {
            const FrameSizes& sizes = stream_.sizes();
            if (out->time != nullptr) *out->time = 0.0;
            if (out->vertices != nullptr) std::copy(stream_.neutral().begin(), stream_.neutral().end(), out->vertices);
            if (out->emotion != nullptr) std::fill_n(out->emotion, sizes.emotion, 0.0f);
            if (out->emotion_weight != nullptr) std::fill_n(out->emotion_weight, sizes.weight, 0.0f);
            if (out->blendshapes != nullptr) std::fill_n(out->blendshapes, sizes.blendshapes, 0.0f);
            if (out->head_rotation != nullptr)
                for (size_t i = 0; i < 9; ++i) out->head_rotation[i] = i % 4 == 0 ? 1.0f : 0.0f;
            if (out->head_translation != nullptr) std::fill_n(out->head_translation, sizes.head_translation, 0.0f);
            for (float* const value : {out->arousal, out->valence, out->confidence})
                if (value != nullptr) *value = 0.0f;
            if (out->coefficients != nullptr) std::fill_n(out->coefficients, sizes.coefficients, 0.0f);
            if (out->emotion_coefficients != nullptr) std::fill_n(out->emotion_coefficients, sizes.emotion_coefficients, 0.0f);
        }
        return refuse(EMOFACE_NOTICE_NO_FRAME, "a time before there is any frame", "a later call: this is the neutral face",
                      "The first frame comes with the latency.");
    }
    const double shift = stream_.options().controls.sync_offset;
    const double position = (time - shift) * fps;
    if (position > double(newest_)) {
        if (out != nullptr) write(*out, slot(newest_), slot(newest_), 0.0f, double(newest_) / fps + shift);
        late_.fetch_add(1, std::memory_order_relaxed);
        return refuse(EMOFACE_NOTICE_LATE, "a time after the newest frame", "an earlier one: this is the newest frame",
                      "Delay the sound by the latency, or ask for a time that much earlier.");
    }
    if (position < double(oldest_)) {
        if (out != nullptr) write(*out, slot(oldest_), slot(oldest_), 0.0f, double(oldest_) / fps + shift);
        early_.fetch_add(1, std::memory_order_relaxed);
        return refuse(EMOFACE_NOTICE_EARLY, "a time before the oldest frame that is kept",
                      "a later one: this is the oldest frame", "Start with a larger history_ms, or push audio as it plays.");
    }
    const int64_t left = std::min(int64_t(position), newest_), right = std::min(left + 1, newest_);
    if (out != nullptr) write(*out, slot(left), slot(right), float(position - double(left)), time);
    return EMOFACE_OK;
}

void Realtime::end(int64_t tail) { end_.store(tail); }

void Realtime::clear_history() {
    const std::lock_guard lock(history_mutex_);
    oldest_ = 0;
    newest_ = -1;
    timed_blocks_ = 0;
    total_seconds_ = worst_seconds_ = 0;
}

void Realtime::reset() {
    const std::lock_guard lock(stream_mutex_);
    queue_.drop();
    stream_.reset();
    clear_history();
    failure_ = {};
    for (auto* counter : {&pushed_, &rejected_, &sampled_, &no_frame_, &late_, &early_}) counter->store(0);
    end_.store(-1);
    failed_.store(0);
}

void Realtime::statistics(emoface_statistics* statistics) {
    statistics->failed = failed_.load();
    if (statistics->failed != 0) {
        const std::lock_guard lock(stream_mutex_);
        refuse(statistics->failed, failure_);
    }
    statistics->pushed_samples = pushed_.load();
    statistics->rejected_samples = rejected_.load();
    statistics->waiting_samples = int64_t(queue_.waiting());
    statistics->sampled = sampled_.load();
    statistics->no_frame = no_frame_.load();
    statistics->late = late_.load();
    statistics->early = early_.load();
    const std::lock_guard lock(history_mutex_);
    statistics->frames = newest_ + 1;
    statistics->newest_time = newest_ < 0 ? -1.0 : double(newest_) / double(stream_.fps()) + stream_.options().controls.sync_offset;
    statistics->mean_block_seconds = timed_blocks_ ? total_seconds_ / double(timed_blocks_) : 0.0;
    statistics->worst_block_seconds = worst_seconds_;
}

}  // namespace emoface::runtime
