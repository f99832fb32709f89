// libFuzzer: snapshots. The digest is put right first, or nothing would come through; then the stream must go on.
#include <cmath>
#include <cstring>
#include <vector>

#include "fuzz_world.h"
#include "sha256.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static emoface_animator* animator = [] {
        emoface_animator* made = nullptr;
        if (emoface_animator_create(fuzz_package(), nullptr, &made) != EMOFACE_OK) std::exit(2);
        return made;
    }();
    constexpr size_t kHead = 48;
    std::vector<uint8_t> bytes(data, data + size);
    if (size >= kHead) {
        const auto digest = emoface::runtime::sha256(bytes.data() + kHead, size - kHead);
        std::memcpy(bytes.data() + 16, digest.data(), digest.size());
    }
    emoface_reset(animator);
    const emoface_status status = emoface_restore(animator, bytes.data(), int64_t(size));
    if (status == EMOFACE_ERROR_INTERNAL) __builtin_trap();
    if (status != EMOFACE_OK) return 0;
    const std::vector<float> silence(2000, 0.0f);
    // A state from elsewhere may make the graphs fail; that is a status, too.
    for (int i = 0; i < 3; ++i) emoface_step(animator, silence.data(), int64_t(silence.size()), nullptr, 0, nullptr);
    emoface_flush(animator, 0, nullptr, 0, nullptr);
    return 0;
}
