#include "snapshot.h"

#include <cstring>

#include "sha256.h"
#include "snapshot_format.h"

namespace emoface::runtime {
namespace {

void put_u32(Bytes& bytes, size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = uint8_t(value >> (8 * i));
}

}  // namespace

std::string track_key(const Manifest& manifest, size_t stage, size_t output) {
    return manifest.stages[stage].name + "." + manifest.stages[stage].outputs[output].name;
}

Json identity_json(const Identity& identity) {
    Json json = {{"package", identity.package},
                 {"backend", identity.backend},
                 {"precision", identity.precision},
                 {"sample_rate", identity.sample_rate},
                 {"block_features", identity.block_features}};
    for (const auto& [place, said] : identity.layers) json[place] = said;
    if (identity.noise_seed) json["noise_seed"] = *identity.noise_seed;
    return json;
}

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
            const std::string name = track_key(manifest, key.stage, key.output);
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
        for (const LayerArray& array : extra.layers)
            add(kRig + array.name, array.dtype, array.shape, array.bytes.data(), array.bytes.size());
        const Json header = {{"identity", identity_json(identity)},
                             {"fed", driver_.fed_},
                             {"blocks", driver_.blocks_},
                             {"frames", driver_.frames_},
                             {"resampler", {resampler.base(), resampler.produced()}},
                             {"offset", {driver_.offset_.sum(), driver_.offset_.count()}},
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
        Bytes bytes(kSnapshotHead + text.size() + body_.size());
        std::memcpy(bytes.data(), kSnapshotMagic, 8);
        put_u32(bytes, 8, kSnapshotVersion);
        put_u32(bytes, 12, uint32_t(text.size()));
        std::memcpy(bytes.data() + kSnapshotHead, text.data(), text.size());
        if (!body_.empty()) std::memcpy(bytes.data() + kSnapshotHead + text.size(), body_.data(), body_.size());
        const auto digest = sha256(bytes.data() + kSnapshotHead, bytes.size() - kSnapshotHead);
        std::memcpy(bytes.data() + 16, digest.data(), digest.size());
        return bytes;
    }
    const Driver& driver_;
    Json table_ = Json::array();
    Bytes body_;
};

Bytes write_snapshot(const Driver& driver, const Identity& identity, const SnapshotExtra& extra) {
    return SnapshotWriter(driver).write(identity, extra);
}

}  // namespace emoface::runtime
