#include "stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "head_pose.h"

namespace emoface::runtime {
namespace {

OffsetSource offset_source(const Package& package, const StreamOptions& options) {
    if (options.skip_vertices) return {false, nullptr};
    if (package.manifest().outputs.count("offsets") != 0) return {};
    return {false, &package.face().motion_basis()};
}

}  // namespace

Stream::Stream(std::shared_ptr<Package> package, StreamOptions options)
    : package_(std::move(package)),
      options_(std::move(options)),
      engine_(package_->engine(options_.backend, options_.precision, options_.threads)),
      driver_(package_->manifest(), *engine_, options_.block_features, options_.rate, options_.conditions,
              options_.noise_seed, offset_source(*package_, options_)) {
    const Manifest& manifest = package_->manifest();
    if (options_.vertices.empty()) options_.vertices = package_->face().vertices;
    sizes_.vertices = options_.skip_vertices ? 0 : size_t(3 * manifest.vertices);
    sizes_.coefficients = size_t(manifest.coefficients());
    sizes_.emotion_coefficients = manifest.outputs.count("emotion_coefficients") ? sizes_.coefficients : 0;
    coefficients_.resize(2 * sizes_.coefficients);
    sizes_.emotion = manifest.outputs.count("emotion") ? manifest.emotions.size() : 0;
    sizes_.weight = manifest.outputs.count("emotion_weight") ? size_t(manifest.vertices) : 0;
    if (manifest.outputs.count("head_rotation")) {
        sizes_.head_rotation = 9;
        sizes_.head_translation = 3;
    }
    for (size_t i = 0; i < kAffects; ++i) sizes_.affect[i] = manifest.outputs.count(kAffect[i]);
    offsets_.resize(sizes_.vertices);
    vertices_.resize(sizes_.vertices);
    if (options_.blinks.on) blinks_ = std::make_unique<EyeBlinks>(options_.blinks, *package_);
    if (options_.controls.moves()) filter_ = std::make_unique<ControlFilter>(options_.controls, *package_);
    if (!options_.blendshapes) return;
    const Face& face = package_->face();
    direct_ = sizes_.coefficients != 0 && sizes_.emotion_coefficients == 0 && face.basis.empty() && !filter_;
    if (direct_) {
        sizes_.blendshapes = sizes_.coefficients;
        weights_.resize(sizes_.blendshapes);
        return;
    }
    if (options_.skip_vertices)
        fail(EMOFACE_ERROR_ARGUMENT, "skip_vertices = 1 and blendshape weights that are solved for vertices",
             "vertices, or weights of the basis that the coefficients are of", "Leave one of the two out.");
    solver_ = make_solver(*package_, 0, nullptr, BlendshapeSolver::kDefaultSparsity, BlendshapeSolver::kDefaultSmoothness);
    sizes_.blendshapes = size_t(solver_->shapes());
    weights_.resize(sizes_.blendshapes);
}

void Stream::reset() {
    driver_.reset();
    if (filter_) filter_->reset();
    if (solver_) solver_->reset();
    fade_from_ = -1;
    ended_ = failed_ = false;
}

void Stream::require_sound() const {
    if (failed_)
        fail(EMOFACE_ERROR_RUNTIME, "a call after a failed step: the state is incomplete", "a sound state",
             "Call emoface_reset() or emoface_restore().");
}

void Stream::feed(const void* samples, int64_t count, FrameReceiver& receiver) {
    receiver_ = &receiver;
    // Between blocks the state is incomplete: only a whole run makes it sound again.
    failed_ = true;
    const auto* bytes = static_cast<const unsigned char*>(samples);
    for (int64_t done = 0; done < count;) {
        const int64_t part = std::min(count - done, Driver::kPiece);
        options_.format.to_mono(bytes + size_t(done) * options_.format.frame_bytes(), part, driver_.room(part));
        driver_.feed(part, *this);
        done += part;
    }
    failed_ = false;
}

void Stream::feed_mono(const float* samples, int64_t count, FrameReceiver& receiver) {
    receiver_ = &receiver;
    failed_ = true;
    for (int64_t done = 0; done < count;) {
        const int64_t part = std::min(count - done, Driver::kPiece);
        std::memcpy(driver_.room(part), samples + done, size_t(part) * sizeof(float));
        driver_.feed(part, *this);
        done += part;
    }
    failed_ = false;
}

int64_t Stream::tail_frames(double seconds) const {
    if (!(seconds >= 0 && seconds <= kLongestTail))
        fail(EMOFACE_ERROR_ARGUMENT, "tail_seconds = " + std::to_string(seconds), "seconds from 0 to 60", "Pass a number.");
    return int64_t(std::ceil(seconds * double(fps()) - 1e-9));
}

void Stream::finish(int64_t tail, FrameReceiver& receiver) {
    receiver_ = &receiver;
    fade_from_ = driver_.promised();
    fade_count_ = tail;
    failed_ = true;
    driver_.finish(tail, *this);
    failed_ = false;
    ended_ = true;
}

void Stream::frame(const RawFrame& raw) {
    const float* offsets = raw.offsets;
    float share = 1.0f, closed[2] = {};
    if (fade_from_ >= 0 && raw.index >= fade_from_ && fade_count_ > 0) {
        // A smooth step to zero; the last frame is the template.
        const double t = double(raw.index - fade_from_ + 1) / double(fade_count_);
        share = float(1.0 - t * t * (3.0 - 2.0 * t));
        for (size_t i = 0; i < sizes_.vertices; ++i) offsets_[i] = raw.offsets[i] * share;
        offsets = offsets_.data();
    }
    for (size_t i = 0; i < sizes_.coefficients; ++i) coefficients_[i] = raw.coefficients[i] * share;
    for (size_t i = 0; i < sizes_.emotion_coefficients; ++i)
        coefficients_[sizes_.coefficients + i] = raw.emotion_coefficients[i] * share;
    if (filter_ || blinks_) {
        if (offsets != offsets_.data()) std::memcpy(offsets_.data(), offsets, sizes_.vertices * sizeof(float));
        if (filter_) filter_->apply(offsets_.data());
        if (blinks_) blinks_->add(raw.index, share, offsets_.data(), closed);
        offsets = offsets_.data();
    }
    const float* neutral = options_.vertices.data();
    for (size_t i = 0; i < sizes_.vertices; ++i) vertices_[i] = offsets[i] + neutral[i];
    if (solver_ && solver_->solve(offsets, weights_.data()) != BlendshapeSolver::Status::ok)
        fail(EMOFACE_ERROR_RUNTIME, "offsets that no blendshapes can follow", "finite offsets", "Call emoface_reset().");
    Frame frame;
    frame.index = raw.index;
    frame.time = double(raw.index) / double(fps()) + options_.controls.sync_offset;
    frame.vertices = vertices_.data();
    frame.offsets = raw.offsets;
    frame.emotion = raw.emotion;
    frame.weight = raw.weight;
    std::copy(std::begin(raw.affect), std::end(raw.affect), frame.affect);
    frame.coefficients = sizes_.coefficients ? coefficients_.data() : nullptr;
    frame.emotion_coefficients = sizes_.emotion_coefficients ? coefficients_.data() + sizes_.coefficients : nullptr;
    if (direct_) {
        std::copy_n(coefficients_.data(), weights_.size(), weights_.data());
        if (blinks_)
            for (size_t lid = 0; lid < 2; ++lid) weights_[blinks_->shape(lid)] += closed[lid];
    }
    frame.blendshapes = weights_.empty() ? nullptr : weights_.data();
    frame.head_rotation = raw.head_rotation;
    frame.head_translation = raw.head_translation;
    if (raw.head_rotation != nullptr && share != 1.0f) {
        towards_rest(raw.head_rotation, share, head_rotation_);
        for (size_t i = 0; i < 3; ++i) head_translation_[i] = raw.head_translation[i] * share;
        frame.head_rotation = head_rotation_;
        frame.head_translation = head_translation_;
    }
    receiver_->receive(frame);
}

void Stream::set_condition(const std::string& name, std::vector<float> value, double at) {
    const size_t index = require_condition(package_->manifest(), name);
    if (!(std::abs(at) <= kLatest))  // false for NaN
        fail(EMOFACE_ERROR_CONDITION, "a change at " + std::to_string(at) + " s", "seconds of audio time, at most 1e9",
             "Pass a number or EMOFACE_NOW.");
    const double moment = at < 0 ? double(driver_.fed()) / double(driver_.rate()) : at;
    const double earliest = driver_.earliest_change(index);
    if (moment < earliest)
        fail(EMOFACE_ERROR_CONDITION, name + " at " + std::to_string(moment) + " s",
             "a time from " + std::to_string(earliest) + " s on: earlier frames were already computed",
             "Announce changes before feeding the audio they belong to, or pass EMOFACE_NOW.");
    driver_.timeline().set(index, std::move(value), moment);
}

Identity Stream::identity() const {
    Identity identity{package_->digest(), backend(), precision(), options_.rate, options_.block_features, {}, {}, {}};
    if (!options_.controls.plain()) {
        const auto values = options_.controls.values();
        identity.controls.assign(values.begin(), values.end());
    }
    if (options_.blinks.on) identity.blinks = {double(options_.blinks.seed), options_.blinks.rate};
    if (!package_->manifest().noise.empty()) identity.noise_seed = options_.noise_seed;
    return identity;
}

Bytes Stream::snapshot() const {
    SnapshotExtra extra;
    extra.ended = ended_;
    extra.channels = options_.format.channels;
    if (filter_) {
        extra.held = filter_->held();
        extra.started = filter_->started();
    }
    if (solver_) extra.blendshapes.assign(solver_->state(), solver_->state() + solver_->shapes());
    return write_snapshot(driver_, identity(), extra);
}

void Stream::restore(const void* data, size_t size) {
    const SnapshotNeeds needs{options_.format.channels, solver_ ? sizes_.blendshapes : 0, filter_ ? filter_->held().size() / 3 : 0};
    const SnapshotExtra extra = read_snapshot(data, size, identity(), needs, driver_);
    if (filter_) filter_->restore(extra.held, extra.started);
    if (solver_) solver_->restore(extra.blendshapes.data());
    fade_from_ = -1;
    ended_ = extra.ended;
    failed_ = false;
}

std::unique_ptr<BlendshapeSolver> make_solver(const Package& package, int64_t shapes, const float* deltas, float sparsity,
                                              float smoothness) {
    const Face& face = package.face();
    if (deltas == nullptr) {
        if (face.blendshapes.empty())
            fail(EMOFACE_ERROR_PACKAGE, "a package without blendshapes", "one that has them",
                 "Pass shapes of your own to emoface_solver_create(), or export the package with blendshapes.");
        deltas = face.blendshapes.data();
        shapes = int64_t(face.blendshape_names.size());
    }
    std::unique_ptr<BlendshapeSolver> solver;
    int64_t fault = -1;
    const auto status = BlendshapeSolver::make(shapes, package.manifest().vertices, deltas, sparsity, smoothness, &solver, &fault);
    if (status == BlendshapeSolver::Status::out_of_memory) throw std::bad_alloc();
    if (status != BlendshapeSolver::Status::ok)
        fail(EMOFACE_ERROR_ARGUMENT,
             "blendshapes" + (fault >= 0 ? " (shape " + std::to_string(fault) + ")" : std::string()) + ": " +
                 BlendshapeSolver::explain(status),
             "independent, finite shapes", "Repair the shapes, or leave one out.");
    return solver;
}

}  // namespace emoface::runtime
