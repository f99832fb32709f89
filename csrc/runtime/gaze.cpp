#include "gaze.h"

#include <algorithm>
#include <cmath>

#include "counter_hash.h"
#include "failure.h"
#include "package.h"

namespace emoface::runtime {
namespace {

const char* const kShapes[] = {"eyeLookInLeft",  "eyeLookOutLeft",  "eyeLookUpLeft",  "eyeLookDownLeft",
                               "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeLookDownRight"};
constexpr double kDegrees = 57.29577951308232, kFarthest = 0.7;

// As in Python: milliseconds, shares of 65536, degrees.
constexpr uint64_t kSalt = 0x67617A65;
constexpr int64_t kCell = 10000, kLeast = 300, kWithBlink = 150;
constexpr int64_t kFixations[33] = {300, 300, 319, 363, 401,  436,  470,  502,  534,  565,  597,  628,  661,  694,  728,  763, 800,
                                    839, 879, 922, 969, 1018, 1073, 1132, 1199, 1275, 1362, 1466, 1595, 1764, 2000, 2000, 2000};
constexpr uint64_t kGlances = 6554, kGlancesBlinking = 32768;
constexpr double kSaccadeMs = 21.0, kSaccadeMsPerDegree = 2.2;
constexpr Look kListener[] = {{-1.8, 0.4}, {1.8, 0.4}, {0.0, -2.6}};
constexpr double kAround = 0.7, kDrift = 0.35, kJitter = 0.1;
constexpr int64_t kDriftMs = 500, kJitterMs = 70;
constexpr double kNear = 1.8, kFar = 0.4, kFarAway = 8.0;
constexpr uint64_t kAway = 39322, kUpwards = 45875;
constexpr int64_t kAwayFrom = 400, kAwayLeast = 700, kAwaySpread = 1600, kBack = 150;
constexpr double kAwaySpeed = 250.0, kMostAway = 30.0, kHead = 12.0;

int64_t fixation(uint64_t random) {
    const size_t place = (random >> 11) & 31;
    const int64_t rest = int64_t(random & 2047), left = kFixations[place];
    return left + (((kFixations[place + 1] - left) * rest) >> 11);
}

Look place_of(uint64_t random, bool glance) {
    const double x = part(random, 0), y = part(random, 16);
    if (glance) {
        const double far = 4.0 + 5.0 * x;
        return {((random >> 32) & 1) != 0 ? far : -far, 5.0 * y - 2.0};
    }
    // Three of eight looks go to each eye, two to the mouth.
    const uint64_t which = (random >> 33) & 7;
    const Look& at = kListener[which < 3 ? 0 : which < 6 ? 1 : 2];
    return {at.x + kAround * (2.0 * x - 1.0), at.y + kAround * (2.0 * y - 1.0)};
}

Look thinking(uint64_t random) {
    const double far = 7.0 + 6.0 * part(random, 0);
    const double up = ((random >> 32) & 0xFFFF) < kUpwards ? 3.0 + 4.0 * part(random, 16) : -3.0 - 3.0 * part(random, 16);
    return {((random >> 48) & 1) != 0 ? far : -far, up};
}

double made_up(double aside, double front) {
    return std::min(std::max(aside / std::max(front, 0.5) * kDegrees, -kHead), kHead);
}

LookShape look_shape(const Face& face, const std::vector<int32_t>& eyeballs, size_t index) {
    const size_t count = face.vertices.size() / 3;
    const float* const shape = face.blendshapes.data() + index * face.vertices.size();
    LookShape look;
    look.index = index;
    const auto moves = [&](size_t v) { return shape[3 * v] != 0 || shape[3 * v + 1] != 0 || shape[3 * v + 2] != 0; };
    for (size_t v = 0; v < count; ++v) {
        if (!moves(v)) continue;
        look.moving.push_back(v);
        look.shape.insert(look.shape.end(), shape + 3 * v, shape + 3 * v + 3);
    }
    // A point on the ball goes along a chord; those that go farthest lie at right angles to the axis.
    double farthest = 0.0, size = 0.0;
    for (size_t axis = 0; axis < 3; ++axis) {
        bool any = false;
        double least = 0.0, most = 0.0;
        for (const int32_t vertex : eyeballs) {
            const auto v = size_t(vertex);
            if (!moves(v)) continue;
            const double at = face.vertices[3 * v + axis], x = shape[3 * v], y = shape[3 * v + 1], z = shape[3 * v + 2];
            least = any ? std::min(least, at) : at;
            most = any ? std::max(most, at) : at;
            any = true;
            farthest = std::max(farthest, x * x + y * y + z * z);
        }
        size = std::max(size, most - least);
    }
    const double half = size > 0 ? std::sqrt(farthest) / size : 0.0;
    if (half <= kFarthest) {
        // The arcsine's series, which every runtime sums alike; four terms are good to 0.1 degree here.
        const double square = half * half;
        const double series = 1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0 + square * (15.0 / 336.0)));
        look.degrees = 2.0 * half * series * kDegrees;
    }
    if (!(look.degrees >= 1.0))
        fail(EMOFACE_ERROR_PACKAGE, "the blendshape '" + face.blendshape_names[index] + "', which does not turn the eye",
             "a shape that turns vertices of the mask 'eyeballs' by 1 to 85 degrees",
             "Export the package with this shape at its full weight, or set gaze = -1.");
    return look;
}

}  // namespace

std::vector<LookShape> find_eyes(const Package& package) {
    const Face& face = package.face();
    const std::vector<std::string>& names = face.blendshape_names;
    for (const char* const name : kShapes)
        if (std::find(names.begin(), names.end(), name) == names.end())
            fail(EMOFACE_ERROR_PACKAGE, std::string("a face without the blendshape '") + name + "'",
                 "the eight shapes eyeLook(In|Out|Up|Down)(Left|Right), which gaze needs",
                 "Set gaze = -1, or export the package with these shapes.");
    const auto mask = std::find(face.mask_names.begin(), face.mask_names.end(), "eyeballs");
    if (mask == face.mask_names.end())
        fail(EMOFACE_ERROR_PACKAGE, "a face without the mask 'eyeballs'", "the mask of what turns, which gaze needs",
             "Set gaze = -1, or export the package with the mask.");
    const std::vector<int32_t>& eyeballs = face.masks[size_t(mask - face.mask_names.begin())];
    std::vector<LookShape> eyes;
    for (const char* const name : kShapes)
        eyes.push_back(look_shape(face, eyeballs, size_t(std::find(names.begin(), names.end(), name) - names.begin())));
    return eyes;
}

Fixations::Fixations(uint32_t seed, int64_t fps, const Blinks& blinks) : seed_(mixed(seed + kSalt)), fps_(fps), blinks_(blinks) {}

void Fixations::draw(int64_t cell, Cell& out) {
    const uint64_t base = mixed(seed_ ^ uint64_t(cell));
    const int64_t begin = cell * kCell;
    if (blinks_.on) closing_ = blink_starts(blinks_, begin / 60000);
    out.count = 0;
    uint64_t draws = 1, random = mixed(base + kCounterStep);
    int64_t at = begin + ((fixation(random) * int64_t(random >> 48)) >> 16);
    while (at <= begin + kCell - kLeast) {
        bool near = false;
        int64_t start = at;
        for (size_t i = 0; i < closing_.count && !near; ++i)
            if (std::abs(closing_.at[i] - at) < kWithBlink) {
                near = true;
                start = closing_.at[i];
            }
        out.starts[out.count] = start;
        const bool glance = ((random >> 16) & 0xFFFF) < (near ? kGlancesBlinking : kGlances);
        out.places[out.count++] = place_of(mixed(base + (draws + 1) * kCounterStep), glance);
        draws += 2;
        random = mixed(base + draws * kCounterStep);
        at += fixation(random);
    }
}

Look Fixations::at(int64_t frame) {
    // Time in units of 1 / fps ms: whole numbers at any frame rate.
    const int64_t now = 1000 * frame, cell = now / (kCell * fps_);
    if (cell != cell_) {
        before_ = {};
        if (cell > 0) {
            draw(cell - 1, earlier_);
            before_ = earlier_.places[earlier_.count - 1];
        }
        draw(cell, drawn_);
        cell_ = cell;
    }
    const auto begin = drawn_.starts.begin();
    const auto index = size_t(std::upper_bound(begin, begin + std::ptrdiff_t(drawn_.count), now / fps_) - begin);
    const Look from = index < 2 ? before_ : drawn_.places[index - 2];
    if (index == 0) return from;
    const Look to = drawn_.places[index - 1];
    const double x = to.x - from.x, y = to.y - from.y;
    const double whole = kSaccadeMs + kSaccadeMsPerDegree * std::sqrt(x * x + y * y);
    double share = std::min(double(now - drawn_.starts[index - 1] * fps_) / double(fps_) / whole, 1.0);
    share = share * share * (3.0 - 2.0 * share);
    return {from.x + x * share, from.y + y * share};
}

GazeLayer::GazeLayer(const Seeded& gaze, const Package& package, const Blinks& blinks)
    : gaze_(gaze),
      eyes_(find_eyes(package)),
      fps_(package.manifest().clock.fps),
      fixations_(gaze.seed, fps_, blinks) {
    const uint64_t seed = mixed(mixed(gaze.seed) + kSalt);
    pauses_ = mixed(seed);
    for (uint64_t channel = 1; channel < 5; ++channel)
        noises_.emplace_back(mixed(seed + channel), channel < 3 ? kDriftMs : kJitterMs, fps_);
}

void GazeLayer::apply(LayerFrame& frame) {
    const std::array<double, 8> degrees = turns(frame);
    float* const offsets = frame.changed_offsets();
    for (size_t i = 0; i < eyes_.size(); ++i) {
        const LookShape& look = eyes_[i];
        float weight = 0.0f;
        if (degrees[i] > 0) {
            weight = float(std::min(degrees[i] / look.degrees, 1.0)) * frame.share;
            for (size_t k = 0; k < look.moving.size(); ++k)
                for (size_t axis = 0; axis < 3; ++axis) offsets[3 * look.moving[k] + axis] += weight * look.shape[3 * k + axis];
        }
        frame.add(look.index, weight);
    }
}

std::array<double, 8> GazeLayer::turns(const LayerFrame& frame) {
    think(frame);
    const Look rest = fixations_.at(frame.index), away = {away_[0], away_[1]};
    double x = rest.x, y = rest.y;
    x += kDrift * noises_[0].at(frame.index) + kJitter * noises_[2].at(frame.index) + away.x;
    y += kDrift * noises_[1].at(frame.index) + kJitter * noises_[3].at(frame.index) + away.y;
    const double far = std::min(std::sqrt(away.x * away.x + away.y * away.y) / kFarAway, 1.0);
    const double inwards = gaze_.strength * (kNear + (kFar - kNear) * far);
    x = gaze_.strength * x;
    y = gaze_.strength * y;
    if (frame.head_rotation != nullptr) {
        // While the head turns the eyes stay where they look.
        const double front = frame.head_rotation[8];
        x += made_up(frame.head_rotation[6], front);
        y += made_up(frame.head_rotation[7], front);
    }
    return {inwards - x, x - inwards, y, -y, inwards + x, -x - inwards, y, -y};
}

void GazeLayer::think(const LayerFrame& frame) {
    const Speech& speech = frame.speech;
    const Look from = {away_[0], away_[1]};
    Look to;
    if (speech.speaking) {
        if (speech.since * 1000 < kBack * fps_) to = from;
    } else {
        const uint64_t random = mixed(pauses_ ^ uint64_t(frame.index - speech.since + 1));
        const int64_t lasts = kAwayLeast + ((kAwaySpread * int64_t((random >> 16) & 0xFFFF)) >> 16);
        const int64_t passed = speech.since * 1000;
        if ((random & 0xFFFF) < kAway && kAwayFrom * fps_ <= passed && passed < (kAwayFrom + lasts) * fps_)
            to = thinking(mixed(random));
    }
    const double dx = to.x - from.x, dy = to.y - from.y;
    const double apart = std::sqrt(dx * dx + dy * dy), step = kAwaySpeed / double(fps_);
    if (apart > step) to = {from.x + dx * step / apart, from.y + dy * step / apart};
    away_ = {float(to.x), float(to.y)};
}

std::vector<LayerArray> GazeLayer::state() const {
    return {layer_array("away", "float32", {2}, away_.data(), away_.size())};
}

void GazeLayer::restore(const std::vector<LayerArray>& state) {
    const std::vector<float> away = state[0].values<float>();
    for (size_t i = 0; i < away_.size(); ++i) away_[i] = std::clamp(away[i], -float(kMostAway), float(kMostAway));
}

}  // namespace emoface::runtime
