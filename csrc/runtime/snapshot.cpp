#include "snapshot.h"

#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "failure.h"
#include "sha256.h"

namespace emoface::runtime {

using Json = nlohmann::ordered_json;

namespace {

constexpr char kMagic[] = "EMOFACES";
constexpr uint32_t kVersion = 1;
constexpr size_t kHead = 8 + 4 + 4 + 32;
// Years of audio; beyond, products of counters could leave 64 bits.
constexpr int64_t kMost = int64_t(1) << 42, kMostBlocks = int64_t(1) << 32;
const char* const kWeights = "rig.weights";
const char* const kHeld = "rig.held";
const char* const kStarted = "rig.started";
const char* const kSameOptions = "Restore it into an animator made with the same package and options.";
const char* const kRemedy = "Take the snapshot again with emoface_snapshot(), or start over with emoface_reset().";

[[noreturn]] void refuse_snapshot(const std::string& got, const std::string& expected) {
    fail(EMOFACE_ERROR_SNAPSHOT, got, expected, kRemedy);
}

void put_u32(Bytes& bytes, size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = uint8_t(value >> (8 * i));
}

uint32_t get_u32(const uint8_t* bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value |= uint32_t(bytes[i]) << (8 * i);
    return value;
}

std::string key_text(const Manifest& manifest, size_t stage, size_t output) {
    return manifest.stages[stage].name + "." + manifest.stages[stage].outputs[output].name;
}

Json identity_json(const Identity& identity) {
    Json json = {{"package", identity.package},
                 {"backend", identity.backend},
                 {"precision", identity.precision},
                 {"sample_rate", identity.sample_rate},
                 {"block_features", identity.block_features}};
    if (!identity.controls.empty()) json["controls"] = identity.controls;
    if (!identity.blinks.empty()) json["blinks"] = identity.blinks;
    return json;
}

struct Part {
    const uint8_t* bytes = nullptr;
    size_t size = 0;
    std::string dtype;
    std::vector<int64_t> shape;
};

}  // namespace

class SnapshotWriter {
public:
    explicit SnapshotWriter(const Driver& driver) : driver_(driver) {}

    Bytes write(const Identity& identity, const SnapshotExtra& extra) {
        const Manifest& manifest = driver_.manifest_;
        const Resampler& resampler = driver_.resampler_;
        Json tracks = Json::object(), conditions = Json::array();
        const bool filled = driver_.clock_.features_after_blocks(driver_.blocks_) > 0;
        floats("pending", resampler.held(), {int64_t(resampler.held_size())});
        const int64_t overlap = driver_.blocks_ > 0 ? driver_.clock_.overlap : 0;
        floats("overlap", driver_.audio_.data() + (int64_t(driver_.audio_.size()) - overlap), {overlap});
        for (const Driver::Track& track : driver_.tracks_) {
            const Driver::Key& key = driver_.keys_[track.key];
            const std::string name = key_text(manifest, key.stage, key.output);
            tracks[name] = {track.start, filled};
            std::vector<int64_t> shape = concrete(manifest.stages[key.stage].outputs[key.output].shape, track.count);
            shape.erase(shape.begin());
            if (filled) floats("track." + name, track.values.data(), shape);
        }
        size_t number = 0;
        for (size_t i = 0; i < manifest.conditions.size(); ++i)
            for (const Change& change : driver_.timeline_.changes()[i]) {
                // Minus infinity, the time of the first value, has no JSON form.
                conditions.push_back({manifest.conditions[i].name, change.at == kBeginning ? Json() : Json(change.at)});
                floats("condition." + std::to_string(number++), change.value.data(), {int64_t(change.value.size())});
            }
        for (const Driver::Stage& stage : driver_.stages_) {
            const StageSpec& spec = stage.stream->spec();
            for (size_t i = 0; i < spec.state.size(); ++i) {
                const Buffer& buffer = stage.stream->state(i);
                add("state." + spec.name + "." + spec.state[i].name, dtype_name(spec.state[i].dtype),
                    concrete(spec.state[i].shape, 1), buffer.data(), buffer.size());
            }
        }
        if (!extra.held.empty()) {
            floats(kHeld, extra.held.data(), {int64_t(extra.held.size() / 3), 3});
            const uint8_t started[4] = {uint8_t(extra.started), 0, 0, 0};
            add(kStarted, "int32", {1}, started, sizeof started);
        }
        if (!extra.blendshapes.empty())
            floats(kWeights, extra.blendshapes.data(), {int64_t(extra.blendshapes.size())});
        const Json header = {{"identity", identity_json(identity)},
                             {"fed", driver_.fed_},
                             {"blocks", driver_.blocks_},
                             {"frames", driver_.frames_},
                             {"resampler", {resampler.base(), resampler.produced()}},
                             {"tracks", tracks},
                             {"conditions", conditions},
                             {"ended", extra.ended},
                             {"channels", extra.channels ? Json(extra.channels) : Json()}};
        return pack(Json{{"header", header}, {"arrays", table_}}.dump());
    }

private:
    void floats(const std::string& name, const float* values, const std::vector<int64_t>& shape) {
        size_t count = 1;
        for (const int64_t extent : shape) count *= size_t(extent);
        add(name, "float32", shape, reinterpret_cast<const uint8_t*>(values), count * sizeof(float));
    }
    void add(const std::string& name, const char* dtype, const std::vector<int64_t>& shape, const uint8_t* bytes, size_t size) {
        table_.push_back({name, dtype, shape});
        if (size != 0) body_.insert(body_.end(), bytes, bytes + size);
    }
    Bytes pack(const std::string& text) const {
        Bytes bytes(kHead + text.size() + body_.size());
        std::memcpy(bytes.data(), kMagic, 8);
        put_u32(bytes, 8, kVersion);
        put_u32(bytes, 12, uint32_t(text.size()));
        std::memcpy(bytes.data() + kHead, text.data(), text.size());
        if (!body_.empty()) std::memcpy(bytes.data() + kHead + text.size(), body_.data(), body_.size());
        const auto digest = sha256(bytes.data() + kHead, bytes.size() - kHead);
        std::memcpy(bytes.data() + 16, digest.data(), digest.size());
        return bytes;
    }
    const Driver& driver_;
    Json table_ = Json::array();
    Bytes body_;
};

class SnapshotReader {
public:
    SnapshotReader(const uint8_t* data, size_t size) {
        if (size < kHead || std::memcmp(data, kMagic, 8) != 0)
            refuse_snapshot(std::to_string(size) + " bytes that are no snapshot", "bytes from emoface_snapshot()");
        if (get_u32(data + 8) != kVersion)
            refuse_snapshot("snapshot version " + std::to_string(get_u32(data + 8)), "version 1");
        const size_t length = get_u32(data + 12);
        const auto digest = sha256(data + kHead, size - kHead);
        if (std::memcmp(digest.data(), data + 16, digest.size()) != 0 || length > size - kHead)
            refuse_snapshot("a damaged snapshot (its SHA-256 differs)", "the bytes as they were made");
        const Json content = Json::parse(data + kHead, data + kHead + length, [](int depth, Json::parse_event_t, Json&) {
            // Comparing and copying descend: too deep a value would leave the stack.
            if (depth > 16) refuse_snapshot("a header of more than 16 levels", "a snapshot's header");
            return true;
        });
        header_ = content.at("header");
        size_t offset = kHead + length;
        for (const Json& entry : content.at("arrays")) {
            Part part;
            part.dtype = entry.at(1).get<std::string>();
            size_t bytes = part.dtype == "int64" ? 8 : part.dtype == "float16" ? 2 : 4;
            for (const Json& extent : entry.at(2)) {
                part.shape.push_back(extent.get<int64_t>());
                if (part.shape.back() < 0 || (part.shape.back() > 0 && bytes > size / size_t(part.shape.back())))
                    refuse_snapshot("an array beyond the snapshot's end", "whole arrays");
                bytes *= size_t(part.shape.back());
            }
            if (bytes > size - offset) refuse_snapshot("an array beyond the snapshot's end", "whole arrays");
            part.bytes = data + offset;
            part.size = bytes;
            offset += bytes;
            parts_[entry.at(0).get<std::string>()] = std::move(part);
        }
    }

    SnapshotExtra read(const Identity& identity, const SnapshotNeeds& needs, Driver& driver) {
        check_identity(identity);
        const Manifest& manifest = driver.manifest_;
        const int64_t fed = number("fed"), blocks = number("blocks"), frames = number("frames");
        const int64_t base = header_.at("resampler").at(0).get<int64_t>();
        const int64_t produced = header_.at("resampler").at(1).get<int64_t>();
        SnapshotExtra extra;
        extra.ended = header_.at("ended").get<bool>();
        if (!header_.at("channels").is_null()) extra.channels = header_.at("channels").get<int32_t>();
        if (extra.channels != 0 && extra.channels != needs.channels)
            refuse_snapshot("a snapshot of " + std::to_string(extra.channels) + " channel(s)", std::to_string(needs.channels));
        const Part pending = vector("pending", -1);
        const int64_t held = pending.shape[0];
        vector("overlap", blocks > 0 ? driver.clock_.overlap : 0);
        if (blocks > kMostBlocks) refuse_snapshot("blocks = " + std::to_string(blocks), "a count");
        const int64_t due = blocks > 0 ? driver.clock_.samples_for_block(blocks - 1) : 0;
        if (due > kMost || frames != driver.clock_.frames_after_blocks(blocks) || produced != due || base > kMost || base < -kMost ||
            !driver.resampler_.plausible(base, produced, size_t(held)) || (!extra.ended && base + held != fed))
            refuse_snapshot("counters that do not fit each other", "a stream's state");
        check_tracks(driver, blocks);
        std::vector<std::vector<Change>> changes = conditions(manifest);
        for (const Driver::Stage& stage : driver.stages_)
            for (const TensorSpec& state : stage.stream->spec().state) {
                const std::string name = "state." + stage.stream->spec().name + "." + state.name;
                const Part& part = find(name);
                if (part.dtype != dtype_name(state.dtype) || part.shape != concrete(state.shape, 1))
                    refuse_snapshot(name + " of another shape or type", text_of(state.shape) + " " + dtype_name(state.dtype));
            }
        if (parts_.count(kWeights) && needs.blendshapes != 0) {
            extra.blendshapes = values(vector(kWeights, int64_t(needs.blendshapes)));
            for (const float weight : extra.blendshapes)
                if (!(weight >= 0 && weight <= 1)) refuse_snapshot("a blendshape weight outside 0..1", "weights");
        }

        if (needs.smoothed != 0) read_smoothing(int64_t(needs.smoothed), extra);

        // Nothing below can be refused.
        driver.fed_ = fed;
        driver.blocks_ = blocks;
        driver.frames_ = frames;
        driver.resampler_.restore(base, produced, values(pending).data(), size_t(held));
        const Part& overlap = find("overlap");
        if (overlap.size) std::memcpy(driver.audio_.data() + driver.audio_.size() - overlap.size / sizeof(float), overlap.bytes, overlap.size);
        for (Driver::Track& track : driver.tracks_) restore_track(driver, track);
        driver.timeline_.restore(std::move(changes));
        for (Driver::Stage& stage : driver.stages_) {
            const StageSpec& spec = stage.stream->spec();
            stage.stream->reset();
            for (size_t i = 0; i < spec.state.size(); ++i)
                stage.stream->set_state(i, find("state." + spec.name + "." + spec.state[i].name).bytes);
        }
        return extra;
    }

private:
    int64_t number(const char* key) const {
        const int64_t value = header_.at(key).get<int64_t>();
        if (value < 0 || value > kMost) refuse_snapshot(std::string(key) + " = " + std::to_string(value), "a count");
        return value;
    }
    const Part& find(const std::string& name) const {
        const auto found = parts_.find(name);
        if (found == parts_.end()) refuse_snapshot(name + ": nothing", "an array");
        return found->second;
    }
    // A float32 vector of `size` values (-1: any number).
    Part vector(const std::string& name, int64_t size) const {
        const Part& part = find(name);
        if (part.dtype != "float32" || part.shape.size() != 1 || (size >= 0 && part.shape[0] != size))
            refuse_snapshot(name + " of another shape or type", "a float32 vector");
        return part;
    }
    static std::vector<float> values(const Part& part) {
        std::vector<float> result(part.size / sizeof(float));
        if (part.size) std::memcpy(result.data(), part.bytes, part.size);
        return result;
    }
    void check_identity(const Identity& identity) const {
        const Json& found = header_.at("identity");
        const Json mine = identity_json(identity);
        for (const auto& item : mine.items()) {
            const auto other = found.find(item.key());
            if (other == found.end() || *other != item.value())
                fail(EMOFACE_ERROR_SNAPSHOT,
                     "a snapshot with " + item.key() + " = " +
                         (other == found.end() ? "nothing" : other->dump(-1, ' ', false, Json::error_handler_t::replace)),
                     item.key() + " = " + item.value().dump(),
                     kSameOptions);
        }
        for (const auto& item : found.items())
            if (!mine.contains(item.key()))
                fail(EMOFACE_ERROR_SNAPSHOT,
                     "a snapshot with " + item.key() + " = " + item.value().dump(-1, ' ', false, Json::error_handler_t::replace),
                     "nothing of this name", kSameOptions);
    }
    void read_smoothing(int64_t vertices, SnapshotExtra& extra) const {
        const Part& held = find(kHeld);
        const Part& started = find(kStarted);
        if (held.dtype != "float32" || held.shape != std::vector<int64_t>{vertices, 3} || started.dtype != "int32" ||
            started.shape != std::vector<int64_t>{1})
            refuse_snapshot("smoothing of another shape or type", "float32 and int32 arrays of the package's topology");
        extra.held = values(held);
        for (const float value : extra.held)
            if (!std::isfinite(value)) refuse_snapshot("a smoothed offset that is no number", "finite offsets");
        extra.started = get_u32(started.bytes) != 0;
    }
    std::string track_name(const Driver& driver, const Driver::Track& track) const {
        return key_text(driver.manifest_, driver.keys_[track.key].stage, driver.keys_[track.key].output);
    }
    void check_tracks(const Driver& driver, int64_t blocks) const {
        const int64_t features = driver.clock_.features_after_blocks(blocks);
        const int64_t next = driver.clock_.feature_rate * driver.clock_.frames_after_blocks(blocks) / driver.clock_.fps;
        for (const Driver::Track& track : driver.tracks_) {
            const std::string name = track_name(driver, track);
            const Json& entry = header_.at("tracks").at(name);
            const int64_t start = entry.at(0).get<int64_t>();
            const Part* part = entry.at(1).get<bool>() ? &find("track." + name) : nullptr;
            const int64_t count = part && !part->shape.empty() ? part->shape[0] : 0;
            const bool fits = part == nullptr || (part->dtype == "float32" && part->size == size_t(count) * track.width * sizeof(float));
            if (!fits || start < 0 || start > next || start + count != features)
                refuse_snapshot("track." + name + " that does not fit the counters", "the features that coming frames read");
        }
    }
    void restore_track(Driver& driver, Driver::Track& track) const {
        const std::string name = track_name(driver, track);
        const Json& entry = header_.at("tracks").at(name);
        track.start = entry.at(0).get<int64_t>();
        track.count = 0;
        if (!entry.at(1).get<bool>()) return;
        const Part& part = find("track." + name);
        const std::vector<float> features = values(part);
        driver.append(track, features.data(), part.shape[0]);
    }
    std::vector<std::vector<Change>> conditions(const Manifest& manifest) const {
        std::vector<std::vector<Change>> changes(manifest.conditions.size());
        size_t position = 0;
        for (const Json& entry : header_.at("conditions")) {
            const int index = manifest.condition(entry.at(0).get<std::string>());
            if (index < 0) refuse_snapshot("a condition that the package lacks", "its conditions");
            const int64_t size = int64_t(manifest.conditions[size_t(index)].initial.size());
            Change change;
            change.at = entry.at(1).is_null() ? kBeginning : entry.at(1).get<double>();
            change.value = values(vector("condition." + std::to_string(position++), size));
            std::vector<Change>& list = changes[size_t(index)];
            if (std::isnan(change.at) || (!list.empty() && list.back().at > change.at))
                refuse_snapshot("changes out of order", "changes in the order of time");
            list.push_back(std::move(change));
        }
        for (size_t i = 0; i < changes.size(); ++i)
            if (changes[i].empty()) refuse_snapshot("no value of " + manifest.conditions[i].name, "one at least");
        return changes;
    }
    Json header_;
    std::map<std::string, Part> parts_;
};

Bytes write_snapshot(const Driver& driver, const Identity& identity, const SnapshotExtra& extra) {
    return SnapshotWriter(driver).write(identity, extra);
}

SnapshotExtra read_snapshot(const void* data, size_t size, const Identity& identity, const SnapshotNeeds& needs, Driver& driver) {
    try {
        return SnapshotReader(static_cast<const uint8_t*>(data), size).read(identity, needs, driver);
    } catch (const Json::exception& error) {
        refuse_snapshot(error.what(), "a snapshot's header");
    }
}

}  // namespace emoface::runtime
