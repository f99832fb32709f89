#include "blinks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "counter_hash.h"
#include "failure.h"
#include "package.h"

namespace emoface::runtime {
namespace {

const char* const kShapes[] = {"eyeBlinkLeft", "eyeBlinkRight"};
constexpr double kDefaultRate = 15.0, kLowestRate = 4.0, kHighestRate = 40.0;

// Milliseconds, as in Python.
constexpr int64_t kClosing = 80, kResting = 40, kOpening = 150, kBlink = kClosing + kResting + kOpening;
constexpr int64_t kCell = 60000, kFirst = 500, kLast = 59000, kLeast = 1000;
constexpr uint64_t kDoubleShare = 8192;
constexpr int64_t kDoubleFrom = 300, kDoubleSpread = 150;
constexpr int64_t kIntervals[33] = {
    1200, 1557, 1805, 1989, 2145, 2285, 2415, 2538, 2658, 2774, 2889, 3004, 3119, 3236, 3354, 3475, 3600,
    3729, 3864, 4006, 4155, 4314, 4486, 4672, 4877, 5106, 5366, 5671, 6041, 6515, 7180, 8324, 11000};
constexpr int64_t kOne = 4096;

int64_t interval(uint64_t random, int64_t scale) {
    const size_t place = (random >> 11) & 31;
    const int64_t part = int64_t(random & 2047), left = kIntervals[place];
    const int64_t plain = left + (((kIntervals[place + 1] - left) * part) >> 11);
    return std::max(kLeast, (plain * scale) >> 16);
}

int64_t curve(int64_t since, int64_t fps) {
    int64_t share = kOne;
    if (since >= kBlink * fps) return 0;
    if (since < kClosing * fps) share = since * kOne / (kClosing * fps);
    else if (since >= (kClosing + kResting) * fps)
        share = kOne - (since - (kClosing + kResting) * fps) * kOne / (kOpening * fps);
    return (share * share * (3 * kOne - 2 * share)) >> 24;
}

const char* const kNoLids[] = {"eyeballs", "lashes"};  // regions that move with the lids, or lie behind them
constexpr double kLikeUpper = 0.5;  // of the largest travel: vertices that move more are the upper lid's
constexpr double kMeets = 0.15;     // of the distance at rest: pairs that come nearer than this meet
constexpr double kCentral = 0.7;    // of the widest distance at rest: pairs in the corners are left out
constexpr double kWidest = 1.5;     // most of the shape that is added
constexpr double kEarly = 0.9;      // of a shape: one whose lids have met by then closes the eye with that much of it

double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// The weight at which lids meet that meet before kEarly; 1 where none do.
double first_contact(const std::vector<double>& rest, const std::vector<double>& move, const std::vector<size_t>& uppers,
                     const std::vector<size_t>& lowers) {
    std::vector<std::pair<double, double>> met;  // weight, distance at rest
    for (const size_t upper : uppers)
        for (const size_t lower : lowers) {
            double gap[3], closing[3], missed[3];
            for (size_t i = 0; i < 3; ++i) {
                gap[i] = rest[3 * lower + i] - rest[3 * upper + i];
                closing[i] = move[3 * lower + i] - move[3 * upper + i];
            }
            const double square = dot(closing, closing);
            if (!(square > 0)) continue;
            const double weight = -dot(gap, closing) / square;
            if (!(weight > 0 && weight <= 1)) continue;
            for (size_t i = 0; i < 3; ++i) missed[i] = gap[i] + weight * closing[i];
            const double apart = std::sqrt(dot(gap, gap));
            if (std::sqrt(dot(missed, missed)) <= kMeets * apart) met.emplace_back(weight, apart);
        }
    double widest = 0.0, first = 1.0;
    for (const auto& [weight, apart] : met) widest = std::max(widest, apart);
    for (const auto& [weight, apart] : met)
        if (apart >= kCentral * widest) first = std::min(first, weight);
    return first < kEarly ? first : 1.0;
}

size_t shape_of(const Package& package, const char* name) {
    const std::vector<std::string>& names = package.face().blendshape_names;
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
        fail(EMOFACE_ERROR_PACKAGE, std::string("a face without the blendshape '") + name + "'",
             std::string(kShapes[0]) + " and " + kShapes[1] + ", which blinks need",
             "Set blinks = -1, or export the package with these shapes.");
    return size_t(found - names.begin());
}

}  // namespace

Blinks read_blinks(const emoface_animator_config& config, const Package& package) {
    if (config.blinks < -1 || config.blinks > 1)
        fail(EMOFACE_ERROR_ARGUMENT, "blinks = " + std::to_string(config.blinks), "-1, 0 or 1", "Pass one of the three.");
    Blinks blinks;
    blinks.seed = config.blink_seed;
    if (config.blink_rate != 0.0) blinks.rate = config.blink_rate;
    if (!(blinks.rate >= kLowestRate && blinks.rate <= kHighestRate))
        fail(EMOFACE_ERROR_ARGUMENT, "blink_rate = " + std::to_string(blinks.rate), "blinks per minute from 4 to 40",
             "People blink about 15 times a minute; blinks = -1 switches them off.");
    blinks.on = config.blinks == 1;
    if (config.blinks != 0) return blinks;
    try {
        EyeBlinks(blinks, package);
        blinks.on = true;
    } catch (const Failure&) {
        // The default asks for no more than the package can do.
    }
    return blinks;
}

int64_t BlinkSchedule::closure(int64_t frame) {
    // Time in units of 1 / fps ms: whole numbers at any frame rate.
    const int64_t now = 1000 * frame, cell = now / (kCell * fps_);
    if (cell != cell_) {
        starts_ = blink_starts(blinks_, cell);
        cell_ = cell;
    }
    const auto begin = starts_.at.begin();
    const auto after = std::upper_bound(begin, begin + std::ptrdiff_t(starts_.count), now / fps_);
    return after == begin ? 0 : curve(now - *(after - 1) * fps_, fps_);
}

BlinkStarts blink_starts(const Blinks& blinks, int64_t cell) {
    BlinkStarts starts;
    const uint64_t base = mixed(mixed(blinks.seed) ^ uint64_t(cell));
    const auto scale = int64_t(65536.0 * kDefaultRate / blinks.rate + 0.5);
    uint64_t draws = 1, random = mixed(base + kCounterStep);
    int64_t at = cell * kCell + kFirst + int64_t((uint64_t(interval(random, scale)) * (random >> 48)) >> 16);
    while (at <= cell * kCell + kLast) {
        starts.at[starts.count++] = at;
        if (((random >> 16) & 0xFFFF) < kDoubleShare)
            starts.at[starts.count++] = at + kDoubleFrom + ((int64_t((random >> 32) & 0xFFFF) * kDoubleSpread) >> 16);
        random = mixed(base + ++draws * kCounterStep);
        at = starts.at[starts.count - 1] + interval(random, scale);
    }
    return starts;
}

Lid::Lid(const Face& face, size_t index) {
    const size_t count = face.vertices.size() / 3;
    const float* shape = face.blendshapes.data() + index * face.vertices.size();
    const std::vector<double> rest(face.vertices.begin(), face.vertices.end());
    std::vector<double> move(shape, shape + 3 * count), closed(3 * count), travel(count);
    double largest = 0.0;
    for (size_t v = 0; v < count; ++v) {
        travel[v] = std::sqrt(dot(&move[3 * v], &move[3 * v]));
        largest = std::max(largest, travel[v]);
        if (shape[3 * v] == 0 && shape[3 * v + 1] == 0 && shape[3 * v + 2] == 0) continue;
        moving_.push_back(v);
        shape_.insert(shape_.end(), shape + 3 * v, shape + 3 * v + 3);
    }
    std::vector<char> skin(count, 1);
    for (const char* const region : kNoLids) {
        const auto mask = std::find(face.mask_names.begin(), face.mask_names.end(), region);
        if (mask != face.mask_names.end())
            for (const int32_t v : face.masks[size_t(mask - face.mask_names.begin())]) skin[size_t(v)] = 0;
    }
    std::vector<size_t> uppers, lowers;
    for (size_t v = 0; v < count; ++v) {
        if (!skin[v]) continue;
        const bool upper = travel[v] >= kLikeUpper * largest;
        if (!upper) lowers.push_back(v);
        else if (travel[v] > 0) uppers.push_back(v);
    }
    full_ = first_contact(rest, move, uppers, lowers);
    for (size_t i = 0; i < move.size(); ++i) {
        move[i] = move[i] * full_;
        closed[i] = rest[i] + move[i];
    }
    // By lower vertex: the upper vertex that comes nearest. (Skin near the rim comes near, too.)
    struct Meeting {
        double square = 0.0, rest = 0.0;
        Pair pair{};
    };
    std::map<size_t, Meeting> meetings;
    for (const size_t v : uppers) {
        double least = std::numeric_limits<double>::infinity();
        size_t nearest = count;
        for (const size_t other : lowers) {
            double gap[3];
            for (size_t i = 0; i < 3; ++i) gap[i] = closed[3 * other + i] - closed[3 * v + i];
            const double square = dot(gap, gap);
            if (square < least) {
                least = square;
                nearest = other;
            }
        }
        if (nearest == count) continue;
        Pair pair{v, nearest, {}};
        double closing[3];
        for (size_t i = 0; i < 3; ++i) {
            pair.per_unit[i] = rest[3 * v + i] - rest[3 * nearest + i];
            closing[i] = move[3 * nearest + i] - move[3 * v + i];
        }
        const double distance = std::sqrt(dot(pair.per_unit, pair.per_unit));
        if (!(std::sqrt(least) <= kMeets * distance)) continue;
        const double change = dot(closing, pair.per_unit);
        for (double& value : pair.per_unit) value /= change;
        const auto [held, fresh] = meetings.try_emplace(nearest, Meeting{least, distance, pair});
        if (!fresh && least < held->second.square) held->second = {least, distance, pair};
    }
    if (meetings.empty())
        fail(EMOFACE_ERROR_PACKAGE, "the blendshape '" + face.blendshape_names[index] + "', which does not close the eye",
             "a shape that brings the rims of the lids together",
             "Export the package with a blink shape at its full weight, or set blinks = -1.");
    double widest = 0.0;
    for (const auto& [vertex, meeting] : meetings) widest = std::max(widest, meeting.rest);
    for (const auto& [vertex, meeting] : meetings)
        if (meeting.rest >= kCentral * widest) pairs_.push_back(meeting.pair);
}

double Lid::opening(const float* offsets) const {
    double least = std::numeric_limits<double>::infinity();
    for (const Pair& pair : pairs_) {
        double change[3];
        for (size_t i = 0; i < 3; ++i) change[i] = double(offsets[3 * pair.upper + i]) - double(offsets[3 * pair.lower + i]);
        least = std::min(least, dot(change, pair.per_unit));
    }
    return std::min(std::max(1.0 + least, 0.0), kWidest);
}

void Lid::add(float weight, float* offsets) const {
    for (size_t k = 0; k < moving_.size(); ++k)
        for (size_t i = 0; i < 3; ++i) offsets[3 * moving_[k] + i] += weight * shape_[3 * k + i];
}

EyeBlinks::EyeBlinks(const Blinks& blinks, const Package& package, double strength, double offset)
    : schedule_(blinks, package.manifest().clock.fps), on_(blinks.on), strength_(strength), offset_(offset) {
    for (const char* const name : kShapes) shape_of(package, name);
    for (const char* const name : kShapes) {
        shapes_.push_back(shape_of(package, name));
        lids_.emplace_back(package.face(), shapes_.back());
    }
}

void EyeBlinks::add(int64_t frame, float share, float* offsets, float closed[2]) {
    closed[0] = closed[1] = 0;
    const int64_t blink = on_ ? schedule_.closure(frame) : 0;
    const double closure = std::min(double(blink) / double(kOne) * strength_ + offset_, 1.0);
    if (closure == 0) return;
    for (size_t i = 0; i < lids_.size(); ++i) {
        closed[i] = float(closure * lids_[i].opening(offsets) * lids_[i].full()) * share;
        lids_[i].add(closed[i], offsets);
    }
}

}  // namespace emoface::runtime
