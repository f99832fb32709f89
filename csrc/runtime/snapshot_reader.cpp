// Snapshots are not trusted: every field is checked for type, range and what the others say, in the order of
// emoface.stream.snapshot_checks and with the same names, before anything is changed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "audio_input.h"
#include "failure.h"
#include "sha256.h"
#include "snapshot_format.h"

namespace emoface::runtime {
namespace {

// Years of audio; beyond, products of counters could leave 64 bits.
constexpr int64_t kMost = int64_t(1) << 42, kMostBlocks = int64_t(1) << 32;
constexpr int64_t kMostValues = int64_t(1) << 40;
constexpr size_t kMostAxes = 8;
constexpr int kDeepest = 16;
constexpr int64_t kMostChannels = 64;
constexpr double kLoudestMean = kLoudest * 1.0001;  // of channels: they are averaged in float
const char* const kTaken = "Take the snapshot again with emoface_snapshot(), or start over with emoface_reset().";
const char* const kSameOptions = "Restore it into an animator made with the same package and options.";
const char* const kKeys[] = {"identity", "fed", "blocks", "frames", "resampler", "offset", "tracks", "conditions", "ended", "channels"};

[[noreturn]] void refuse_field(const std::string& field, const std::string& got, const std::string& expected,
                               const char* remedy = kTaken) {
    fail(EMOFACE_ERROR_SNAPSHOT, field + " = " + got, expected, remedy);
}

uint32_t get_u32(const uint8_t* bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value |= uint32_t(bytes[i]) << (8 * i);
    return value;
}

int64_t integer(const Json& value, const std::string& field, int64_t low, int64_t high) {
    const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= uint64_t(high) : value.is_number_integer();
    if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high)
        refuse_field(field, shown(value), "an integer from " + std::to_string(low) + " to " + std::to_string(high));
    return value.get<int64_t>();
}

const Json& object_of(const Json& value, const std::string& field) {
    if (!value.is_object()) refuse_field(field, shown(value), "a JSON object");
    return value;
}

const Json& list_of(const Json& value, const std::string& field, int64_t size, const char* expected) {
    if (!value.is_array() || (size >= 0 && int64_t(value.size()) != size)) refuse_field(field, shown(value), expected);
    return value;
}

std::string quoted(const std::string& name) { return shown(Json(name)); }

// An array of the snapshot, where it lies.
struct Part {
    const uint8_t* bytes = nullptr;
    size_t size = 0;
    std::string dtype;
    std::vector<int64_t> shape;

    bool finite() const {
        const bool half = dtype == "float16";
        if (!half && dtype != "float32") return true;
        const uint32_t mask = half ? 0x7C00u : 0x7F800000u;
        const size_t width = half ? 2 : 4;
        for (size_t at = 0; at < size; at += width) {
            const uint32_t bits = half ? uint32_t(bytes[at] | bytes[at + 1] << 8) : get_u32(bytes + at);
            if ((bits & mask) == mask) return false;
        }
        return true;
    }
    std::vector<float> floats() const {
        std::vector<float> values(size / sizeof(float));
        if (size) std::memcpy(values.data(), bytes, size);
        return values;
    }
};

// The bytes taken apart: the header's fields and the arrays, neither yet compared with a stream.
class Content {
public:
    Content(const uint8_t* data, size_t size) {
        if (size < kSnapshotHead || std::memcmp(data, kSnapshotMagic, 8) != 0)
            refuse_field("data", std::to_string(size) + " bytes that are no snapshot", "bytes from emoface_snapshot()");
        if (get_u32(data + 8) != kSnapshotVersion)
            refuse_field("version", std::to_string(get_u32(data + 8)), std::to_string(kSnapshotVersion), "Use the version of EmoFace that made it.");
        const auto digest = sha256(data + kSnapshotHead, size - kSnapshotHead);
        if (std::memcmp(digest.data(), data + 16, digest.size()) != 0)
            refuse_field("sha256", "that of other bytes: the snapshot is damaged", "the bytes as they were made");
        const size_t length = get_u32(data + 12);
        if (length > size - kSnapshotHead) refuse_field("length", std::to_string(length), "a header within the snapshot");
        try {
            content_ = parse_object(data + kSnapshotHead, length, kDeepest);
        } catch (const JsonFault& fault) {
            refuse_field("content", fault.what(), "a header in JSON");
        }
        if (content_.size() != 2 || !content_.contains("header") || !content_.contains("arrays"))
            refuse_field("content", "other keys", "\"header\" and \"arrays\"");
        read_arrays(data + kSnapshotHead + length, data + size);
        const Json& header = object_of(content_["header"], "header");
        for (const auto& item : header.items())
            if (std::find(std::begin(kKeys), std::end(kKeys), item.key()) == std::end(kKeys))
                refuse_field("header", "an unknown field " + quoted(item.key()), "the fields of version 2");
        for (const char* key : kKeys)
            if (!header.contains(key)) refuse_field("header", std::string("no field ") + key, "the fields of version 2");
    }

    const Json& at(const char* key) const { return content_.at("header").at(key); }
    const std::map<std::string, Part>& parts() const { return parts_; }

    // The array of this name, type and shape, without NaN or infinities; -1: any extent.
    const Part& part(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape) const {
        const auto found = parts_.find(name);
        if (found == parts_.end()) refuse_field(name, "nothing", dtype + " values");
        const Part& part = found->second;
        if (part.dtype != dtype || part.shape != shape) {
            std::string extents;
            for (const int64_t extent : shape) extents += (extents.empty() ? "" : ", ") + std::to_string(extent);
            refuse_field(name, "an array of another shape or type", dtype + " of shape (" + extents + ")");
        }
        if (!part.finite()) refuse_field(name, "NaN or infinite values", "finite values");
        return part;
    }

private:
    void read_arrays(const uint8_t* begin, const uint8_t* end) {
        int64_t index = 0;
        for (const Json& entry : list_of(content_["arrays"], "arrays", -1, "a list of [name, dtype, shape]")) {
            const std::string field = "arrays[" + std::to_string(index++) + "]";
            list_of(entry, field, 3, "[name, dtype, shape]");
            if (!entry[0].is_string() || !entry[1].is_string() || !entry[2].is_array() || entry[2].size() > kMostAxes)
                refuse_field(field, "other types", "[name, dtype, shape] of at most 8 axes");
            Part part;
            part.dtype = entry[1].get<std::string>();
            const std::string& dtype = part.dtype;
            if (dtype != "float32" && dtype != "float16" && dtype != "int64" && dtype != "int32")
                refuse_field(field, shown(entry[1]), "float32, float16, int64 or int32");
            int64_t count = 1, room = kMostValues;
            for (const Json& extent : entry[2]) {
                part.shape.push_back(integer(extent, field, 0, kMostValues));
                count *= part.shape.back() == 0 ? 0 : 1;
                if (part.shape.back() > room) refuse_field(field, "a shape beyond all snapshots", "the arrays of a stream");
                if (part.shape.back() > 0) room /= part.shape.back();
            }
            if (count) for (const int64_t extent : part.shape) count *= extent;
            part.size = size_t(count) * (dtype == "int64" ? 8 : dtype == "float16" ? 2 : 4);
            if (part.size > size_t(end - begin)) refuse_field(field, "values beyond the snapshot's end", "whole arrays");
            part.bytes = begin;
            begin += part.size;
            const std::string name = entry[0].get<std::string>();
            if (!parts_.emplace(name, std::move(part)).second) refuse_field(field, quoted(name) + " twice", "one of each name");
        }
        if (begin != end) refuse_field("arrays", std::to_string(end - begin) + " bytes beyond them", "the arrays alone");
    }
    Json content_;
    std::map<std::string, Part> parts_;
};

bool same(const Json& found, const Json& mine) {
    // Numbers of a list are numbers: Python writes a seed as an integer.
    if (mine.is_array())
        return found.is_array() && found.size() == mine.size() && std::equal(found.begin(), found.end(), mine.begin(), same);
    // A seed may lie beyond what signed integers hold, and equals none of those below zero.
    if (mine.is_number_unsigned()) return found.is_number_unsigned() && found == mine;
    return mine.is_number_integer() ? found.is_number_integer() && found == mine : found == mine;
}

void check_identity(const Json& found, const Identity& identity) {
    object_of(found, "identity");
    const Json mine = identity_json(identity);
    for (const auto& item : mine.items()) {
        const auto other = found.find(item.key());
        if (other == found.end() || !same(*other, item.value()))
            refuse_field("identity." + item.key(), other == found.end() ? "nothing" : shown(*other), shown(item.value()), kSameOptions);
    }
    for (const auto& item : found.items())
        if (!mine.contains(item.key()))
            refuse_field("identity", quoted(item.key()) + ": " + shown(item.value()), "nothing of this name", kSameOptions);
}

}  // namespace

class SnapshotReader {
public:
    SnapshotReader(const Content& content, const SnapshotExtra& mine, Driver& driver)
        : content_(content), mine_(mine), driver_(driver), clock_(driver.clock_), resampler_(driver.resampler_) {}

    SnapshotExtra read(const Identity& identity) {
        check_identity(content_.at("identity"), identity);
        SnapshotExtra extra;
        const Json& ended = content_.at("ended");
        if (!ended.is_boolean()) refuse_field("ended", shown(ended), "true or false");
        extra.ended = ended.get<bool>();
        if (const Json& channels = content_.at("channels"); !channels.is_null()) {
            extra.channels = int32_t(integer(channels, "channels", 1, kMostChannels));
            if (extra.channels != mine_.channels)
                refuse_field("channels", shown(channels), std::to_string(mine_.channels), kSameOptions);
        }
        read_layers(extra);
        check_counters(extra.ended);
        check_offset();
        check_tracks();
        read_conditions();
        for (const Driver::Stage& stage : driver_.stages_)
            for (const TensorSpec& state : stage.stream->spec().state)
                part("state." + stage.stream->spec().name + "." + state.name, dtype_name(state.dtype), concrete(state.shape, 1));
        for (const auto& [name, unused] : content_.parts())
            if (known_.count(name) == 0) refuse_field("arrays", "an unknown array " + quoted(name), "those of a stream");
        apply();
        return extra;
    }

private:
    const Part& part(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape) {
        known_.insert(name);
        return content_.part(name, dtype, shape);
    }
    void read_layers(SnapshotExtra& extra) {
        for (const auto& [name, unused] : content_.parts()) {
            const auto same = [&, &key = name](const LayerArray& array) { return key == kRig + array.name; };
            if (name.compare(0, 4, kRig) == 0 && std::none_of(mine_.layers.begin(), mine_.layers.end(), same))
                refuse_field("arrays", quoted(name) + ", of a stream with blendshapes or smoothing", "a stream without",
                             "Restore it into an animator made with the same blendshapes and controls.");
        }
        for (const LayerArray& array : mine_.layers) {
            const Part& found = part(kRig + array.name, array.dtype, array.shape);
            extra.layers.push_back({array.name, array.dtype, array.shape, Bytes(found.bytes, found.bytes + found.size)});
        }
        for (const LayerArray& array : extra.layers) {
            if (array.name == "started" && get_u32(array.bytes.data()) > 1)
                refuse_field(kRig + array.name, std::to_string(int32_t(get_u32(array.bytes.data()))), "0 or 1");
            if (array.name == "weights")
                for (const float weight : content_.parts().at(kRig + array.name).floats())
                    if (!(weight >= 0 && weight <= 1))
                        refuse_field(kRig + array.name, std::to_string(weight), "weights from 0 to 1");
        }
    }
    // Counters of a stream follow from the samples fed and the blocks run: each is what the others make it.
    void check_counters(bool ended) {
        const auto needed = [&](int64_t samples) { return resampler_.needed(samples); };
        const auto due = [&](int64_t block) { return clock_.due(block, resampler_.rate(), needed); };
        const auto equals = [&](const Json& value, const std::string& field, int64_t expected, const std::string& why) {
            if (integer(value, field, -kMost, kMost) != expected)
                refuse_field(field, shown(value), std::to_string(expected) + ", " + why);
        };
        fed_ = integer(content_.at("fed"), "fed", 0, kMost);
        blocks_ = integer(content_.at("blocks"), "blocks", 0, kMostBlocks);
        produced_ = blocks_ > 0 ? clock_.samples_for_block(blocks_ - 1) : 0;
        if (produced_ > kMost) refuse_field("blocks", std::to_string(blocks_), "blocks of at most 2^42 samples");
        frames_ = clock_.frames_after_blocks(blocks_);
        equals(content_.at("frames"), "frames", frames_, "those of the blocks");
        const Json& resampler = list_of(content_.at("resampler"), "resampler", 2, "two integers");
        equals(resampler[1], "resampler[1]", produced_, "the samples of the blocks");
        base_ = resampler_.first_held(produced_);
        equals(resampler[0], "resampler[0]", base_, "the first sample that is still read");
        const int64_t least = clock_.frames_of(fed_, resampler_.rate());
        const int64_t most = least + int64_t(std::ceil(kLongestTail * double(clock_.fps)));
        // All that was due has run, and before the end no more than that.
        bool fits = fed_ < due(blocks_);
        if (ended) fits = fits && frames_ >= least;
        if (blocks_ > 0 && due(blocks_ - 1) > fed_) fits = fits && ended && clock_.frames_after_blocks(blocks_ - 1) < most;
        if (!fits) refuse_field("fed", std::to_string(fed_), "samples for " + std::to_string(blocks_) + " blocks");
        const int64_t received = ended ? std::max(fed_, resampler_.needed(produced_)) : fed_;
        for (const float sample : part("pending", "float32", {received - base_}).floats())
            if (std::fabs(double(sample)) > kLoudestMean) refuse_field("pending", "samples beyond +-16", "audio that was let in");
        part("overlap", "float32", {blocks_ > 0 ? clock_.overlap : 0});
    }
    void check_offset() {
        const Json& offset = list_of(content_.at("offset"), "offset", 2, "two integers");
        heard_ = integer(offset[1], "offset[1]", 0, blocks_ > 0 ? OffsetRemover::kMostCount : 0);
        const int64_t most = heard_ * OffsetRemover::kLoudest;
        sum_ = integer(offset[0], "offset[0]", -most, most);
    }
    std::string key_of(const Driver::Track& track) const {
        const Driver::Key& key = driver_.keys_[track.key];
        return track_key(driver_.manifest_, key.stage, key.output);
    }
    void check_tracks() {
        const int64_t features = clock_.features_after_blocks(blocks_);
        const int64_t start = std::min(clock_.feature_rate * frames_ / clock_.fps, features);
        const Json& tracks = object_of(content_.at("tracks"), "tracks");
        if (tracks.size() != driver_.tracks_.size()) refuse_field("tracks", "other outputs", "those that frames read");
        for (const Driver::Track& track : driver_.tracks_) {
            const std::string key = key_of(track), field = "tracks." + key;
            if (!tracks.contains(key)) refuse_field("tracks", "nothing of " + key, "those that frames read");
            const Json& entry = list_of(tracks[key], field, 2, "[first feature, whether there are any]");
            if (integer(entry[0], field, 0, kMost) != start || !entry[1].is_boolean() || entry[1].get<bool>() != (features > 0))
                refuse_field(field, "features that do not fit the counters", "those that coming frames read");
            if (features == 0) continue;
            const Driver::Key& output = driver_.keys_[track.key];
            std::vector<int64_t> shape = concrete(driver_.manifest_.stages[output.stage].outputs[output.output].shape, features - start);
            shape.erase(shape.begin());
            part("track." + key, "float32", shape);
        }
        start_ = start;
        count_ = features - start;
    }
    void read_conditions() {
        const Manifest& manifest = driver_.manifest_;
        // No coming frame or block reads a value before.
        const double now = std::min(double(frames_) / double(clock_.fps), clock_.block_time(blocks_));
        changes_.resize(manifest.conditions.size());
        int64_t position = 0;
        for (const Json& entry : list_of(content_.at("conditions"), "conditions", -1, "a list of [name, time]")) {
            const std::string number = std::to_string(position++), field = "conditions[" + number + "]";
            list_of(entry, field, 2, "[name, time]");
            const int index = entry[0].is_string() ? manifest.condition(entry[0].get<std::string>()) : -1;
            if (index < 0) refuse_field(field, shown(entry[0]), "a condition of the package");
            std::vector<Change>& changes = changes_[size_t(index)];
            Change change;
            if (entry[1].is_number()) change.at = entry[1].get<double>();
            const bool first = changes.empty(), timed = entry[1].is_number() && change.at >= 0;
            if (first ? !entry[1].is_null() && !(timed && change.at <= now) : !(timed && change.at >= changes.back().at))
                refuse_field(field, shown(entry[1]), first ? "null, or a time that has come" : "a time not before the last");
            change.value = part("condition." + number, "float32", {int64_t(manifest.conditions[size_t(index)].initial.size())}).floats();
            changes.push_back(std::move(change));
        }
        for (size_t i = 0; i < changes_.size(); ++i)
            if (changes_[i].empty()) refuse_field("conditions", "no value of " + manifest.conditions[i].name, "one at least");
    }
    // Nothing here can be refused.
    void apply() {
        driver_.fed_ = fed_;
        driver_.blocks_ = blocks_;
        driver_.frames_ = frames_;
        const Part& pending = content_.parts().at("pending");
        driver_.resampler_.restore(base_, produced_, pending.floats().data(), pending.size / sizeof(float));
        driver_.offset_.restore(sum_, heard_);
        const Part& overlap = content_.parts().at("overlap");
        if (overlap.size) std::memcpy(driver_.audio_.data() + driver_.audio_.size() - overlap.size / sizeof(float), overlap.bytes, overlap.size);
        for (Driver::Track& track : driver_.tracks_) {
            track.start = start_;
            track.count = 0;
            if (count_ > 0) driver_.append(track, content_.parts().at("track." + key_of(track)).floats().data(), count_);
        }
        driver_.timeline_.restore(std::move(changes_));
        for (Driver::Stage& stage : driver_.stages_) {
            const StageSpec& spec = stage.stream->spec();
            stage.stream->reset();
            for (size_t i = 0; i < spec.state.size(); ++i)
                stage.stream->set_state(i, content_.parts().at("state." + spec.name + "." + spec.state[i].name).bytes);
        }
    }

    const Content& content_;
    const SnapshotExtra& mine_;
    Driver& driver_;
    const Clock& clock_;
    const Resampler& resampler_;
    std::set<std::string> known_;
    int64_t fed_ = 0, blocks_ = 0, frames_ = 0, produced_ = 0, base_ = 0, start_ = 0, count_ = 0, sum_ = 0, heard_ = 0;
    std::vector<std::vector<Change>> changes_;
};

SnapshotExtra read_snapshot(const void* data, size_t size, const Identity& identity, const SnapshotExtra& mine, Driver& driver) {
    const Content content(static_cast<const uint8_t*>(data), size);
    return SnapshotReader(content, mine, driver).read(identity);
}

}  // namespace emoface::runtime
