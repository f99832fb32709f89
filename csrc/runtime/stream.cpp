#include "stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "gaze.h"
#include "head_pose.h"
#include "head_sway.h"
#include "speech.h"

namespace emoface::runtime {
namespace {

OffsetSource offset_source(const Package& package, const StreamOptions& options) {
    if (options.skip_vertices) return {false, nullptr};
    if (options.basis != nullptr) return {false, options.basis};
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
    if (manifest.outputs.count("head_rotation") || options_.head_sway.on) {
        sizes_.head_rotation = 9;
        sizes_.head_translation = 3;
    }
    for (size_t i = 0; i < kAffects; ++i) sizes_.affect[i] = manifest.outputs.count(kAffect[i]);
    offsets_.resize(sizes_.vertices);
    vertices_.resize(sizes_.vertices);
    put_layers();
}

void Stream::put_layers() {
    const RigControls& controls = options_.controls;
    if (options_.blinks.on || controls.blink_offset != 0.0)
        layers_.put(std::make_unique<BlinkLayer>(options_.blinks, controls, *package_));
    const int64_t fps = package_->manifest().clock.fps;
    if (options_.gaze.on) layers_.put(std::make_unique<GazeLayer>(options_.gaze, *package_, options_.blinks));
    if (options_.head_sway.on) {
        const bool posed = package_->manifest().outputs.count("head_rotation") != 0;
        layers_.put(std::make_unique<SwayLayer>(options_.head_sway, options_.pivots.data(), fps, posed));
    }
    if (options_.gaze.on || options_.head_sway.on)
        layers_.put(std::make_unique<SpeechLayer>(package_->face(), options_.vertices, fps));
    if (!controls.plain()) layers_.put(std::make_unique<ControlLayer>(controls, *package_, options_.vertices));
    if (!options_.blendshapes) return;
    // Weights of the package's blendshapes, where its coefficients are of them, are not solved.
    const bool of_blendshapes = package_->face().basis.empty() && options_.basis == nullptr;
    const bool direct = sizes_.coefficients != 0 && sizes_.emotion_coefficients == 0 && of_blendshapes && !controls.moves();
    if (!direct && options_.skip_vertices)
        fail(EMOFACE_ERROR_ARGUMENT, "skip_vertices = 1 and blendshape weights that are solved for vertices",
             "vertices, or weights of the basis that the coefficients are of", "Leave one of the two out.");
    std::unique_ptr<BlendshapeSolver> solver;
    if (!direct)
        solver = make_solver(*package_, 0, nullptr, BlendshapeSolver::kDefaultSparsity, BlendshapeSolver::kDefaultSmoothness);
    sizes_.blendshapes = direct ? sizes_.coefficients : size_t(solver->shapes());
    layers_.put(std::make_unique<BlendshapeLayer>(sizes_.blendshapes, std::move(solver)));
}

void Stream::reset() {
    driver_.reset();
    layers_.reset();
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
    float share = 1.0f;
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
    LayerFrame layered(raw.index, share, offsets, sizes_.vertices, offsets_.data());
    if (raw.head_rotation != nullptr) {
        towards_rest(raw.head_rotation, share, head_rotation_);
        for (size_t i = 0; i < 3; ++i) head_translation_[i] = raw.head_translation[i] * share;
    }
    if (sizes_.head_rotation != 0) {
        layered.head_rotation = head_rotation_;
        layered.head_translation = head_translation_;
    }
    layered.coefficients = sizes_.coefficients ? coefficients_.data() : nullptr;
    layers_.apply(layered);
    const float* neutral = options_.vertices.data();
    const float* moved = layered.offsets();
    for (size_t i = 0; i < sizes_.vertices; ++i) vertices_[i] = moved[i] + neutral[i];
    Frame frame;
    frame.index = raw.index;
    frame.time = double(raw.index) / double(fps()) + options_.controls.sync_offset;
    frame.vertices = vertices_.data();
    frame.offsets = raw.offsets;
    frame.emotion = raw.emotion;
    frame.weight = raw.weight;
    std::copy(std::begin(raw.affect), std::end(raw.affect), frame.affect);
    frame.coefficients = layered.coefficients;
    frame.emotion_coefficients = sizes_.emotion_coefficients ? coefficients_.data() + sizes_.coefficients : nullptr;
    frame.blendshapes = layered.weights;
    frame.head_rotation = layered.head_rotation;
    frame.head_translation = layered.head_translation;
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

void Stream::set_emotion_keys(const emoface_emotion_key* keys, int64_t count, const emoface_emotion_blending* given) {
    const Manifest& manifest = package_->manifest();
    const size_t index = require_condition(manifest, "emotion");
    const EmotionBlending blending = read_blending(given);
    const std::vector<EmotionKey> read = read_keys(manifest, blending, keys, count);
    if (read.empty()) return;
    const std::vector<float> rest = blended_emotion(manifest, blending, nullptr, 0);
    const std::vector<float> start = driver_.timeline().value(index, read.front().at);
    // In the order of their times: only the first can lie in the past.
    for (Change& change : emotion_changes(read, blending, rest, start, fps()))
        set_condition("emotion", std::move(change.value), change.at);
}

Identity Stream::identity() const {
    Identity identity{package_->digest(), backend(), precision(), options_.rate, options_.block_features, layers_.identity(), {}};
    if (!package_->manifest().noise.empty()) identity.noise_seed = options_.noise_seed;
    return identity;
}

Bytes Stream::snapshot() const {
    return write_snapshot(driver_, identity(), {ended_, options_.format.channels, layers_.state()});
}

void Stream::restore(const void* data, size_t size) {
    SnapshotExtra extra = read_snapshot(data, size, identity(), {false, options_.format.channels, layers_.state()}, driver_);
    layers_.restore(std::move(extra.layers));
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
