// libFuzzer: snapshots. The digest is put right first, or nothing would come through; then the stream must go on.
#include "fuzz_inputs.h"
#include "fuzz_world.h"

namespace {

constexpr size_t kHead = 48;

emoface_animator* animator(bool shaped) {
    emoface_controls controls;
    require(emoface_controls_init(&controls, sizeof controls) == EMOFACE_OK);
    controls.upper_smoothing = controls.lower_smoothing = 0.1;
    emoface_animator_config config{};
    config.struct_size = sizeof config;
    config.backend = "ort-cpu";
    config.blinks = config.gaze = config.head_sway = -1;
    if (shaped) {
        config.blendshapes = 1;
        config.controls = &controls;
    }
    emoface_animator* made = nullptr;
    if (emoface_animator_create(fuzz_package(), &config, &made) != EMOFACE_OK) std::exit(2);
    return made;
}

void try_on(emoface_animator* animator, const Input& bytes) {
    emoface_reset(animator);
    const emoface_status status = emoface_restore(animator, bytes.data(), int64_t(bytes.size()));
    require(status == EMOFACE_OK || status == EMOFACE_ERROR_SNAPSHOT);
    if (status != EMOFACE_OK) return;
    int64_t size = 0;
    emoface_snapshot(animator, nullptr, 0, &size);
    Input again(static_cast<size_t>(size));
    require(emoface_snapshot(animator, again.data(), size, &size) == EMOFACE_OK);
    require(emoface_restore(animator, again.data(), size) == EMOFACE_OK);
    const std::vector<float> silence(2000, 0.0f);
    // A state from elsewhere may make the graphs fail; that is a status, too.
    for (int i = 0; i < 3; ++i) require(emoface_step(animator, silence.data(), int64_t(silence.size()), nullptr, 0, nullptr) != EMOFACE_ERROR_INTERNAL);
    require(emoface_flush(animator, 0, nullptr, 0, nullptr) != EMOFACE_ERROR_INTERNAL);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static emoface_animator* const plain = animator(false);
    static emoface_animator* const shaped = animator(true);
    if (size == 0) return 0;  // no pointer, which is another error
    Input bytes(data, data + size);
    if (size >= kHead) {
        const auto digest = emoface::runtime::sha256(bytes.data() + kHead, size - kHead);
        std::copy(digest.begin(), digest.end(), bytes.begin() + 16);
    }
    try_on(plain, bytes);
    try_on(shaped, bytes);
    return 0;
}

// The header as JSON, the arrays as bytes; the length between them stays right.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    Random random(seed);
    Input whole(data, data + size);
    const size_t length = size >= kHead ? get(whole, 12, 4) : size;
    if (size < kHead || length > size - kHead || random() % 20 == 0) return LLVMFuzzerMutate(data, size, most);
    Input text(whole.begin() + kHead, whole.begin() + std::ptrdiff_t(kHead + length)), body(whole.begin() + std::ptrdiff_t(kHead + length), whole.end());
    if (random() % 3) mutate_json(text, random);
    else mutate_bytes(body);
    whole.resize(kHead);
    set(whole, 12, text.size(), 4);
    whole.insert(whole.end(), text.begin(), text.end());
    whole.insert(whole.end(), body.begin(), body.end());
    return give(whole, data, most);
}
